import math

import numpy as np
import pytest

import descend.functions as F
from descend import nn, optim
from descend.data import DataLoader
from descend.train import Callback, Trainer


class Recorder(Callback):
    def __init__(self):
        self.calls = []

    def on_start(self, trainer):
        self.calls.append("start")

    def on_step(self, trainer):
        self.calls.append(trainer.step)

    def on_epoch(self, trainer, row):
        assert row is trainer.history[-1]
        self.calls.append("epoch")

    def on_stop(self, trainer):
        self.calls.append("stop")

    def on_end(self, trainer):
        self.calls.append("end")


class StopAt(Callback):
    def __init__(self, step):
        self.at = step

    def on_step(self, trainer):
        if trainer.step == self.at:
            trainer.stop()


def test_learns_and_keeps_a_row_for_each_epoch(data):
    model = nn.Sequential(nn.Linear(6, 16), nn.Tanh(), nn.Linear(16, 2))
    trainer = Trainer(model, optim.Adam(model.parameters(), lr=0.03))
    loader = DataLoader(data, 10, shuffle=True)
    history = trainer.fit(loader, 20, test=DataLoader(data, 50))
    assert [row["epoch"] for row in history] == list(range(1, 21))
    assert [row["step"] for row in history] == list(range(5, 101, 5))
    assert list(history[0]) == [
        "epoch",
        "step",
        "train_loss",
        "train_accuracy",
        "test_loss",
        "test_accuracy",
        "lr",
        "seconds",
    ]
    assert history[-1]["test_accuracy"] > 0.95
    assert trainer.evaluate(DataLoader(data, 7)) == pytest.approx(
        {"loss": history[-1]["test_loss"], "accuracy": history[-1]["test_accuracy"]}, rel=1e-5
    )


def test_one_step_is_that_of_the_optimizer(data):
    model, twin = nn.Linear(6, 2), nn.Linear(6, 2)
    twin.load_state_dict(model.state_dict())
    x, t = data[:8]
    Trainer(model, optim.SGD(model.parameters(), lr=0.5)).fit([(x, t)], 1)
    F.cross_entropy(twin(x), t).backward()
    expected = twin.weight.data - np.float32(0.5) * twin.weight.grad.data
    np.testing.assert_allclose(model.weight.data, expected, rtol=1e-6)


def test_batches_count_by_their_size(data):
    # with lr 0 the mean over uneven batches is the mean over all samples at once
    model = nn.Linear(6, 2)
    trainer = Trainer(model, optim.SGD(model.parameters(), lr=0.0))
    row = trainer.fit(DataLoader(data, 32), 1)[0]
    whole = trainer.evaluate([data[:]])
    assert row["train_loss"] == pytest.approx(whole["loss"], rel=1e-5)
    assert row["train_accuracy"] == pytest.approx(whole["accuracy"])


def test_without_test_and_metrics(data):
    model = nn.Linear(6, 1)
    trainer = Trainer(model, optim.SGD(model.parameters(), lr=0.01), F.mse_loss, metrics={})
    [row] = trainer.fit([(data.x, data.x[:, :1])], 1)
    assert list(row) == ["epoch", "step", "train_loss", "lr", "seconds"]


def test_callbacks(build):
    recorder = Recorder()
    trainer, loader = build(callbacks=[recorder])
    trainer.fit(loader, 1)
    assert recorder.calls == ["start", 1, 2, 3, 4, 5, 6, 7, "epoch", "end"]


def test_stop_ends_after_the_running_step(build):
    recorder = Recorder()
    trainer, loader = build(callbacks=[recorder, StopAt(9)])
    trainer.fit(loader, 4)
    assert recorder.calls[-3:] == [9, "stop", "end"]
    assert (trainer.step, trainer.epoch, loader.epoch, loader.position) == (9, 1, 1, 2)


def test_the_callbacks_end_also_where_training_fails(build):
    recorder = Recorder()
    trainer, loader = build(callbacks=[recorder])
    trainer.model[0].weight.data[0, 0] = np.nan
    with pytest.raises(FloatingPointError):
        trainer.fit(loader, 1)
    assert recorder.calls == ["start", "end"]


@pytest.mark.parametrize("bad", [np.nan, np.inf])
def test_a_loss_that_is_not_finite_stops_before_the_update(build, bad):
    trainer, loader = build()
    trainer.fit(loader, 1)
    trainer.model[6].weight.data[:] = bad
    before = trainer.model[0].weight.data.copy()
    with (
        np.errstate(all="ignore"),
        pytest.raises(
            FloatingPointError,
            match=r"the loss is \S+ at step 8 \(epoch 2\): try a smaller lr, or find the "
            r"operation with descend\.debug\(\)",
        ),
    ):
        trainer.fit(loader, 2)
    assert trainer.step == 7
    np.testing.assert_array_equal(trainer.model[0].weight.data, before)


def test_wrong_calls(build):
    trainer, loader = build()
    with pytest.raises(ValueError, match="epochs is 0, at least 1 is needed"):
        trainer.fit(loader, 0)
    with pytest.raises(ValueError, match="the loader has no batches"):
        trainer.fit([], 1)
    with pytest.raises(ValueError, match="there are no samples"):
        trainer.evaluate([])


def test_lr_in_the_history_is_that_of_the_last_update(build):
    trainer, loader = build(epochs=2)
    rows = trainer.fit(loader, 2)
    assert rows[0]["lr"] == pytest.approx(0.01 * (1 + math.cos(math.pi * 3 / 11)) / 2)
    assert rows[1]["lr"] > 0


def test_evaluation_changes_nothing(build, data):
    trainer, _ = build()
    trainer.model[3].eval()
    before = trainer.model.state_dict()
    trainer.evaluate(DataLoader(data, 16))
    for name, array in trainer.model.state_dict().items():
        np.testing.assert_array_equal(array, before[name])
    modes = [module.training for module in trainer.model]
    assert modes == [True, True, True, False, True, True, True]
    assert all(p.grad is None for p in trainer.model.parameters())

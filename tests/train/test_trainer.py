import math

import numpy as np
import pytest

import descend.functions as F
from descend import nn, optim
from descend.compile import is_available
from descend.data import DataLoader
from descend.train import Callback, Trainer
from descend.train.steps import KINDS

both_ways = pytest.mark.parametrize("compiled", [False, True], ids=["eager", "compiled"])
needs_compiler = pytest.mark.skipif(not is_available(), reason="needs the compiler")


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


@both_ways
@pytest.mark.parametrize("bad", [np.nan, np.inf])
def test_a_loss_that_is_not_finite_stops_before_the_update(build, bad):
    trainer, loader = build()
    trainer.fit(loader, 1)
    trainer.model[6].weight.data[:] = bad
    before = trainer.model[0].weight.data.copy()
    remembered = trainer.optimizer.state_dict()
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
    for name, array in trainer.optimizer.state_dict().items():
        np.testing.assert_array_equal(array, remembered[name], err_msg=name)


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


@both_ways
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


# ---- compiled ---------------------------------------------------------------------------------


class Gradients(Callback):
    def __init__(self):
        self.seen = []

    def on_step(self, trainer):
        grads = [p.grad for p in trainer.model.parameters()]
        self.seen.append([grad.data.copy() for grad in grads if grad is not None])


def final(trainer):
    rows = [{key: v for key, v in row.items() if key != "seconds"} for row in trainer.history]
    return rows, trainer.model.state_dict()


@needs_compiler
def test_compiled_is_eager_but_for_rounding(build, data):
    eager, compiled = Gradients(), Gradients()
    rows, weights = [], []
    for callback, compile in ((eager, False), (compiled, True)):
        trainer, loader = build(callbacks=[callback], compile=compile)
        # The bias before a normalization has no gradient but rounding, of which Adam makes steps.
        trainer.model[0].bias.requires_grad = False
        trainer.fit(loader, 2, DataLoader(data, 16))
        assert (trainer.steps.seconds > 0) == compile
        found = final(trainer)
        rows.append(found[0])
        weights.append(found[1])
    assert [list(row) for row in rows[0]] == [list(row) for row in rows[1]]
    for one, other in zip(*rows, strict=True):
        assert one == pytest.approx(other, rel=1e-4)
    for name, array in weights[0].items():
        np.testing.assert_allclose(weights[1][name], array, rtol=1e-3, atol=1e-5, err_msg=name)
    for one, other in zip(eager.seen, compiled.seen, strict=True):
        assert len(one) == len(other) == 7
        for a, b in zip(one, other, strict=True):
            np.testing.assert_allclose(b, a, rtol=1e-3, atol=1e-5)


@needs_compiler
def test_a_batch_is_recorded_once_for_each_shape(build, data):
    trainer, loader = build(compile=True)
    model, calls = trainer.model, []
    forward = model.forward
    object.__setattr__(model, "forward", lambda x: (calls.append(x.shape), forward(x))[1])
    trainer.fit(loader, 3, DataLoader(data, 16))
    assert calls == [(8, 6), (2, 6), (16, 6), (2, 6)]


def shifted_loss(y, t):
    loss = F.cross_entropy(y, t)
    return loss * 2 if loss.item() > 0.5 else loss


@needs_compiler
def test_what_cannot_be_recorded_is_trained_as_it_is_written(build, data):
    trainer, loader = build(compile=False)
    trainer.loss = shifted_loss
    trainer.fit(loader, 2, DataLoader(data, 16))
    expected = final(trainer)
    trainer, loader = build(compile=True)
    trainer.loss = shifted_loss
    with pytest.warns(RuntimeWarning) as caught:
        trainer.fit(loader, 2, DataLoader(data, 16))
    [warning] = caught
    text = str(warning.message)
    assert text.startswith("going on without the compiler: `return loss * 2 if loss.item() > 0.5")
    assert "(test_trainer.py:" in text and "\n" not in text and warning.filename == __file__
    rows, weights = final(trainer)
    assert rows == expected[0]
    for name, array in weights.items():
        np.testing.assert_array_equal(array, expected[1][name], err_msg=name)


@needs_compiler
def test_ever_new_shapes_are_not_compiled_for(data):
    batches = [(data.x[:n], data.t[:n]) for n in range(2, KINDS + 4)]
    model = nn.Linear(6, 2)
    trainer = Trainer(model, optim.SGD(model.parameters(), lr=0.1))
    with pytest.warns(RuntimeWarning, match=f"there are more than {KINDS} kinds of batches"):
        trainer.fit(batches, 1)
    assert trainer.step == len(batches)


@needs_compiler
def test_metrics_that_need_values_are_asked_after_each_batch(data):
    seen = []

    def largest(y, t):
        value = float(np.asarray(y.data).max())
        seen.append(value)
        return value

    def spread(y, t):
        return F.max(y) - F.min(y)

    model = nn.Linear(6, 2)
    optimizer = optim.SGD(model.parameters(), lr=0.0)
    metrics = {"largest": largest, "spread": spread}
    rows = []
    for compile in (True, False):
        seen.clear()
        trainer = Trainer(model, optimizer, metrics=metrics, compile=compile)
        rows += trainer.fit(DataLoader(data, 10), 1, DataLoader(data, 10))
        assert len(seen) == 10 and (trainer.steps.seconds > 0) == compile
    names = [name for name in rows[0] if name != "seconds"]
    assert names[:4] == ["epoch", "step", "train_loss", "train_largest"]
    for name in names:
        assert rows[0][name] == pytest.approx(rows[1][name], rel=1e-5), name


@needs_compiler
def test_loss_and_model_may_be_replaced(data):
    model = nn.Linear(6, 2)
    trainer = Trainer(model, optim.SGD(model.parameters(), lr=0.0), metrics={})
    batches = [data[:10]]
    first = trainer.fit(batches, 1)[0]["train_loss"]
    trainer.loss = lambda y, t: 2 * F.cross_entropy(y, t)
    assert trainer.fit(batches, 2)[1]["train_loss"] == pytest.approx(2 * first, rel=1e-6)


def test_wrong_shapes_are_told_in_the_same_words(data):
    told = []
    for compile in (True, False):
        model = nn.Linear(5, 2)
        trainer = Trainer(model, optim.SGD(model.parameters(), lr=0.1), compile=compile)
        with pytest.raises(ValueError) as error:
            trainer.fit([data[:4]], 1)
        told.append(str(error.value))
    assert told[0] == told[1]

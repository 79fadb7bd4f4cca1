"""An interrupted run that goes on ends exactly where one that was not interrupted ends."""

import os

import numpy as np
import pytest

from descend.data import DataLoader
from descend.formats import load_safetensors
from descend.functions import random
from descend.train import Callback, Checkpoint, load_checkpoint, save_checkpoint

both_ways = pytest.mark.parametrize("compiled", [False, True], ids=["eager", "compiled"])


class StopAt(Callback):
    def __init__(self, step):
        self.at = step

    def on_step(self, trainer):
        if trainer.step == self.at:
            trainer.stop()


class StopInTest:
    """Test batches that stop the trainer when they are asked for in the second epoch."""

    def __init__(self, loader):
        self.loader, self.trainer = loader, None

    def __iter__(self):
        for batch in self.loader:
            yield batch
            if self.trainer.epoch == 1:
                self.trainer.stop()


def final(trainer):
    rows = [{key: v for key, v in row.items() if key != "seconds"} for row in trainer.history]
    state = trainer.state_dict()
    arrays = {f"model.{k}": v for k, v in state["model"].items()}
    arrays |= {f"optimizer.{k}": v for k, v in state["optimizer"].items()}
    arrays |= {f"{k}.counter": v["counter"] for k, v in state["random"].items()}
    return rows, arrays


def assert_same(one, other):
    assert one[0] == other[0]
    assert one[1].keys() == other[1].keys()
    for name, array in one[1].items():
        np.testing.assert_array_equal(array, other[1][name], err_msg=name)


@pytest.fixture
def whole(build, data):
    trainer, loader = build()
    trainer.fit(loader, 4, DataLoader(data, 16))
    return final(trainer)


def resumed(build, data, folder):
    random.seed(99)  # a new process has another state
    trainer, loader = build(seed=4)  # other weights and another order, all to be replaced
    load_checkpoint(folder, trainer, loader)
    return trainer, loader


@pytest.mark.parametrize(
    ("step", "compiled"),  # an epoch has 7
    [(1, False), (7, False), (10, False), (14, False), (27, False), (10, True), (14, True)],
)
def test_stopped_after_any_step(build, data, whole, tmp_path, step):
    trainer, loader = build(callbacks=[StopAt(step), Checkpoint(tmp_path)])
    trainer.fit(loader, 4, DataLoader(data, 16))
    assert trainer.step == step
    trainer, loader = resumed(build, data, tmp_path)
    trainer.fit(loader, 4, DataLoader(data, 16))
    assert_same(final(trainer), whole)


@pytest.mark.parametrize(("step", "compiled"), [(7, False), (10, False), (10, True)])
def test_fit_called_again_goes_on(build, data, whole, step):
    trainer, loader = build(callbacks=[StopAt(step)])
    trainer.fit(loader, 4, DataLoader(data, 16))
    trainer.fit(loader, 4, DataLoader(data, 16))
    assert_same(final(trainer), whole)


@both_ways
def test_stopped_in_the_test_of_an_epoch(build, data, whole, tmp_path):
    test = StopInTest(DataLoader(data, 16))
    trainer, loader = build(callbacks=[Checkpoint(tmp_path)])
    test.trainer = trainer
    trainer.fit(loader, 4, test)
    assert (trainer.step, trainer.epoch) == (14, 1)
    trainer, loader = resumed(build, data, tmp_path)
    trainer.fit(loader, 4, DataLoader(data, 16))
    assert_same(final(trainer), whole)


@both_ways
def test_stopped_again_and_again(build, data, whole, tmp_path):
    trainer, loader = build(callbacks=[StopAt(5), Checkpoint(tmp_path)])
    trainer.fit(loader, 4, DataLoader(data, 16))
    for step in (6, 14, 20, 1000):
        trainer, loader = resumed(build, data, tmp_path)
        trainer.callbacks = [StopAt(step), Checkpoint(tmp_path)]
        trainer.fit(loader, 4, DataLoader(data, 16))
    assert_same(final(trainer), whole)


@both_ways
def test_same_seed_same_run(build, data, whole):
    trainer, loader = build()
    trainer.fit(loader, 4, DataLoader(data, 16))
    assert_same(final(trainer), whole)
    trainer, loader = build(seed=8)
    trainer.fit(loader, 4, DataLoader(data, 16))
    assert trainer.history[-1]["train_loss"] != whole[0][-1]["train_loss"]


def test_what_is_saved(build, tmp_path):
    trainer, loader = build(callbacks=[Checkpoint(tmp_path)])
    trainer.fit(loader, 2)
    assert sorted(path.name for path in tmp_path.iterdir()) == [
        "log.csv",
        "model.safetensors",
        "state.safetensors",
    ]
    arrays, metadata = load_safetensors(tmp_path / "model.safetensors")
    assert metadata == {"format": "pt", "step": "14", "epoch": "2"}
    assert {"0.weight", "0.bias", "1.running_mean", "1.num_batches_tracked"} <= set(arrays)
    lines = (tmp_path / "log.csv").read_text().splitlines()
    assert lines[0] == "epoch,step,train_loss,train_accuracy,lr,seconds"
    assert [line.split(",")[:2] for line in lines[1:]] == [["1", "7"], ["2", "14"]]


@pytest.mark.parametrize("killed_at", [1, 2, 3])  # replacing the state, the weights, the log
def test_failing_between_the_files_keeps_a_state_that_fits_together(
    build, data, whole, tmp_path, monkeypatch, killed_at
):
    """Lightning#688, #19970; pytorch#2883."""
    trainer, loader = build(callbacks=[StopAt(7), Checkpoint(tmp_path)])
    trainer.fit(loader, 4, DataLoader(data, 16))
    trainer.callbacks = [StopAt(16)]
    trainer.fit(loader, 4, DataLoader(data, 16))
    replace, count = os.replace, 0

    def fail(*paths):
        nonlocal count
        count += 1
        if count == killed_at:
            raise KeyboardInterrupt
        replace(*paths)

    monkeypatch.setattr(os, "replace", fail)
    with pytest.raises(KeyboardInterrupt):
        save_checkpoint(tmp_path, trainer)
    monkeypatch.setattr(os, "replace", replace)
    trainer, loader = resumed(build, data, tmp_path)
    assert trainer.step == (7 if killed_at == 1 else 16)
    load_safetensors(tmp_path / "model.safetensors")
    trainer.fit(loader, 4, DataLoader(data, 16))
    assert_same(final(trainer), whole)


def test_no_checkpoint(build, tmp_path):
    trainer, loader = build()
    with pytest.raises(FileNotFoundError, match=r"has no state\.safetensors: no epoch was compl"):
        load_checkpoint(tmp_path, trainer, loader)


def test_a_checkpoint_of_another_model(build, tmp_path):
    from descend import nn, optim
    from descend.train import Trainer

    trainer, loader = build(callbacks=[Checkpoint(tmp_path)])
    trainer.fit(loader, 1)
    model = nn.Linear(6, 2)
    other = Trainer(model, optim.AdamW(model.parameters()))
    with pytest.raises(ValueError, match="load_state_dict: the state does not fit"):
        load_checkpoint(tmp_path, other, loader)


def test_a_damaged_checkpoint(build, tmp_path):
    trainer, loader = build(callbacks=[Checkpoint(tmp_path)])
    trainer.fit(loader, 1)
    path = tmp_path / "state.safetensors"
    path.write_bytes(path.read_bytes()[:-1])
    with pytest.raises(ValueError, match="is not a readable safetensors file"):
        load_checkpoint(tmp_path, trainer, loader)


def test_another_file_of_the_same_kind(build, tmp_path):
    from descend.formats import save_tree

    trainer, loader = build()
    save_tree(tmp_path / "state.safetensors", {"step": 1})
    with pytest.raises(ValueError, match="it is not the state of a training run"):
        load_checkpoint(tmp_path, trainer, loader)

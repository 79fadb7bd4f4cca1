import os

import pytest

from descend.formats import save_safetensors
from descend.functions import random
from descend.train.config import Config
from descend.train.recipe import build_model
from descend.train.run import Run

CONFIG = Config(model="mlp", input_shape=(1, 4, 4), classes=("a", "b"))


@pytest.fixture(autouse=True)
def _folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)


def finish(run, age=0):
    random.seed(0)
    model = build_model(run.config)
    path = run.folder / "model.safetensors"
    save_safetensors(path, model.state_dict())
    moment = path.stat().st_mtime - age
    os.utime(path, (moment, moment))
    return model


def test_numbers_count_up_and_nothing_is_overwritten(tmp_path):
    (tmp_path / "runs").mkdir()
    (tmp_path / "runs" / "digits-mlp-2").write_text("not mine")
    folders = [str(Run.create(CONFIG).folder) for _ in range(3)]
    assert folders == ["runs/digits-mlp-1", "runs/digits-mlp-3", "runs/digits-mlp-4"]
    assert (tmp_path / "runs" / "digits-mlp-2").read_text() == "not mine"


def test_the_folder_of_a_file_has_its_name():
    config = Config(data="/some/where/my.data.npz", model="mlp")
    assert str(Run.create(config).folder) == "runs/my.data-mlp-1"


def test_a_named_folder_must_be_new_or_empty(tmp_path):
    (tmp_path / "empty").mkdir()
    assert Run.open(Run.create(CONFIG, "empty").folder).config == CONFIG
    assert Run.create(CONFIG, "a/b").folder.is_dir()
    with pytest.raises(FileExistsError, match="empty exists and is not empty: nothing is over"):
        Run.create(CONFIG, "empty")
    (tmp_path / "file").write_text("x")
    with pytest.raises(FileExistsError, match="file exists"):
        Run.create(CONFIG, "file")
    assert (tmp_path / "file").read_text() == "x"


def test_newest_is_that_with_the_newest_weights():
    first, second, third = (Run.create(CONFIG) for _ in range(3))
    finish(first, age=5)
    finish(second, age=50)
    assert third.folder.is_dir()  # it has no weights yet
    assert Run.newest().folder == first.folder


def test_no_run():
    with pytest.raises(FileNotFoundError, match="no folder in runs has a trained model"):
        Run.newest()
    with pytest.raises(FileNotFoundError, match="nowhere is not the folder of a run: it has no co"):
        Run.open("nowhere")


def test_load_model():
    run = Run.create(CONFIG)
    with pytest.raises(FileNotFoundError, match=r"has no model\.safetensors: no epoch was compl"):
        run.load_model()
    model = finish(run)
    loaded = run.load_model()
    for name, array in model.state_dict().items():
        assert (loaded.state_dict()[name] == array).all()


def test_weights_of_another_model():
    run = Run.create(CONFIG)
    finish(run)
    Config(model="mlp", input_shape=(1, 5, 5), classes=("a", "b")).save(run.folder / "config.json")
    with pytest.raises(ValueError, match="does not fit"):
        Run.open(run.folder).load_model()

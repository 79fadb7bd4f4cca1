import json
import math

import pytest

from descend.train.config import Config

CONFIG = Config("my.npz", "mlp", 3, 8, 0.5, 7, "cpu", False, (1, 8, 8), ("cat", "dög"))


def test_what_was_saved_is_loaded(tmp_path):
    CONFIG.save(tmp_path / "config.json")
    assert Config.load(tmp_path / "config.json") == CONFIG
    assert json.loads((tmp_path / "config.json").read_text())["classes"] == ["cat", "dög"]


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ({"model": "cmn"}, r"model is 'cmn': did you mean cnn\? there are mlp, cnn"),
        ({"model": "transformer"}, "model is 'transformer': there are mlp, cnn"),
        ({"device": "cuda"}, "device is 'cuda': there are cpu, gpu"),
        ({"epochs": 0}, "epochs is 0, a whole number of at least 1 is needed"),
        ({"epochs": True}, "epochs is True"),
        ({"batch_size": 0}, "batch_size is 0"),
        ({"seed": -1}, "seed is -1, a whole number of at least 0 is needed"),
        ({"lr": 0.0}, "lr is 0.0, a positive number is needed"),
        ({"lr": -1.0}, "lr is -1.0"),
        ({"lr": math.nan}, "lr is nan"),
        ({"lr": math.inf}, "lr is inf"),
        ({"lr": "fast"}, "lr is 'fast'"),
        ({"compile": 1}, "compile is 1, true or false is needed"),
    ],
)
def test_settings_that_make_no_sense(wrong, message):
    with pytest.raises(ValueError, match=message):
        Config(**wrong)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda values: values.pop("model"), "lacks 'model'"),
        (lambda values: values.update(lr="fast"), "holds no settings of a run: lr is 'fast'"),
        (lambda values: values.update(input_shape=3), "holds no settings of a run"),
    ],
)
def test_damaged_files(tmp_path, change, message):
    path = tmp_path / "config.json"
    CONFIG.save(path)
    values = json.loads(path.read_text())
    change(values)
    path.write_text(json.dumps(values))
    with pytest.raises(ValueError, match=message):
        Config.load(path)


def test_a_run_of_before_there_was_a_compiler_goes_on_without(tmp_path):
    path = tmp_path / "config.json"
    Config(input_shape=(1, 8, 8), classes=("a", "b")).save(path)
    assert Config.load(path).compile
    values = json.loads(path.read_text())
    del values["compile"]
    path.write_text(json.dumps(values))
    assert not Config.load(path).compile


@pytest.mark.parametrize("text", ["", "{", "[1]", "null", "\0"])
def test_files_that_are_something_else(tmp_path, text):
    (tmp_path / "config.json").write_text(text)
    with pytest.raises(ValueError, match="holds no settings of a run"):
        Config.load(tmp_path / "config.json")

import numpy as np
import pytest

from descend import Variable
from descend.formats import load_safetensors, load_tree, save_safetensors, save_tree


def test_what_was_saved_is_loaded(tmp_path):
    path = tmp_path / "a.safetensors"
    tree = {
        "step": 3,
        "lr": 0.1 + 0.2,
        "big": 2**80,
        "inf": float("inf"),
        "none": None,
        "yes": True,
        "text": "ä",
        "empty": {},
        "rows": [{"a": 1}, {"a": 2}],
        "model": {"0.weight": np.ones((2, 3), np.float32), "0.count": np.array(5)},
        "slots": [np.arange(3, dtype=np.uint64), np.float64(0.5)],
    }
    save_tree(path, tree)
    loaded = load_tree(path)
    model, slots = loaded.pop("model"), loaded.pop("slots")
    assert loaded == {key: tree[key] for key in loaded} and len(loaded) == len(tree) - 2
    assert model["0.weight"].dtype == np.float32 and model["0.weight"].tolist() == [[1] * 3] * 2
    assert model["0.count"] == 5 and model["0.count"].shape == ()
    assert slots[0].dtype == np.uint64 and slots[0].tolist() == [0, 1, 2]
    assert slots[1] == 0.5
    assert sorted(load_safetensors(path)[0]) == [
        "model.0.count",
        "model.0.weight",
        "slots.0",
        "slots.1",
    ]


def test_variables_are_saved_as_their_arrays(tmp_path):
    save_tree(tmp_path / "a", {"x": Variable(np.array([1.5])), "t": (1, Variable(np.array(2.0)))})
    loaded = load_tree(tmp_path / "a")
    assert loaded["x"].tolist() == [1.5] and loaded["t"][0] == 1 and loaded["t"][1] == 2.0


@pytest.mark.parametrize(
    ("tree", "message"),
    [
        ({"a": {"b": object()}}, r"a\.b is an object, an array, a number or a text is needed"),
        ({"a": {1: 2}}, "a has the key 1: rename it"),
        ({"array": 1}, "the tree has the key 'array': rename it"),
        ({"x": 1j}, "x is a complex"),
    ],
)
def test_what_cannot_be_saved(tmp_path, tree, message):
    with pytest.raises(TypeError, match=message):
        save_tree(tmp_path / "a", tree)
    assert not (tmp_path / "a").exists()


def test_two_arrays_at_one_path(tmp_path):
    tree = {"a": {"b": np.ones(1)}, "a.b": np.zeros(1)}
    with pytest.raises(ValueError, match=r"two arrays have the path 'a\.b'"):
        save_tree(tmp_path / "a", tree)


@pytest.mark.parametrize("metadata", [{}, {"tree": "{"}, {"tree": '{"x": {"array": "y"}}'}])
def test_a_file_of_another_kind(tmp_path, metadata):
    save_safetensors(tmp_path / "a", {"x": np.ones(1)}, metadata)
    with pytest.raises(ValueError, match="was not written by save_tree"):
        load_tree(tmp_path / "a")

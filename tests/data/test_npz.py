import zipfile

import numpy as np
import pytest

from descend.data import load_npz

X = np.arange(40, dtype=np.uint8).reshape(10, 2, 2) * 6
T = np.arange(10) % 3
FULL = {"x_train": X, "t_train": T, "x_test": X[:4], "t_test": T[:4]}


def save(path, **arrays):
    np.savez(path, **arrays)
    return path


def test_train_and_test(tmp_path):
    train, test = load_npz(save(tmp_path / "toy.npz", **FULL))
    assert train.x.shape == (10, 1, 2, 2) and train.x.dtype == np.float32
    assert np.array_equal(train.x[:, 0], X / np.float32(255))
    assert np.array_equal(test.t, T[:4]) and test.t.dtype == np.int64
    assert test.name == "toy test"


def test_y_means_t_and_compression_is_fine(tmp_path):
    path = tmp_path / "toy.npz"
    np.savez_compressed(path, x_train=X, y_train=T, x_test=X[:4], y_test=T[:4].astype(np.uint8))
    train, test = load_npz(str(path))
    assert np.array_equal(train.t, T) and test.t.dtype == np.int64


@pytest.mark.parametrize("key", ["t", "y"])
def test_one_set_is_split(tmp_path, key):
    x = np.arange(10.0)[:, None]
    path = save(tmp_path / "toy.npz", x=x, **{key: np.arange(10)})
    train, test = load_npz(path)
    assert (len(train), len(test)) == (8, 2)
    assert sorted([*train.t, *test.t]) == list(range(10))
    assert np.array_equal(train.x[:, 0], train.t) and train.x.dtype == np.float32
    assert np.array_equal(load_npz(path)[1].t, test.t)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"t_train": None}, "no t_train or y_train"),
        ({"x_test": None}, "no x_test"),
        ({"x_train": None}, "no x: x_train, t_train, x_test, t_test are needed"),
        ({"t_train": T.astype(float)}, "labels have dtype float64, class labels must be integers"),
        ({"t_train": T - 1}, "labels hold -1, class labels count from 0"),
        ({"t_train": T[:, None]}, r"labels have shape \(10, 1\)"),
        ({"t_train": T[:9]}, "10 images and 9 labels"),
        ({"x_train": X.astype(int)}, "images have dtype int64"),
        ({"x_train": X[:, 0, 0]}, r"images have shape \(10,\)"),
        ({"x_test": X[:4, :1]}, r"train images are \(1, 2, 2\) and test images \(1, 1, 2\)"),
        ({"x_train": np.array([{}] * 10)}, "'x_train' is not a plain array, pickled objects"),
    ],
)
def test_a_wrong_content_is_an_error(tmp_path, change, message):
    arrays = {key: value for key, value in {**FULL, **change}.items() if value is not None}
    with pytest.raises(ValueError, match=message):
        load_npz(save(tmp_path / "toy.npz", **arrays))


def test_too_few_to_split(tmp_path):
    with pytest.raises(ValueError, match="2 samples, too few"):
        load_npz(save(tmp_path / "toy.npz", x=X[:2], t=T[:2]))


def test_a_missing_file_is_an_error(tmp_path):
    with pytest.raises(FileNotFoundError, match=r"none\.npz is not a file"):
        load_npz(tmp_path / "none.npz")


def test_another_kind_of_file_is_an_error(tmp_path):
    text, single = tmp_path / "text.npz", tmp_path / "single.npy"
    text.write_text("x_train")
    np.save(single, X)
    for path in (text, single):
        with pytest.raises(ValueError, match=r"is not a \.npz file"):
            load_npz(path)


def test_a_zip_of_something_else_is_an_error(tmp_path):
    path = tmp_path / "toy.npz"
    with zipfile.ZipFile(path, "w") as archive:
        for key in FULL:
            archive.writestr(key, "no array")
    with pytest.raises(ValueError, match="x_train is not an array"):
        load_npz(path)


def test_a_damaged_file_is_an_error(tmp_path):
    path = save(tmp_path / "toy.npz", **FULL)
    data = bytearray(path.read_bytes())
    place = data.index(X.tobytes())
    data[place] ^= 1
    path.write_bytes(data)
    with pytest.raises(ValueError, match="is damaged at 'x_train'"):
        load_npz(path)
    path.write_bytes(data[: len(data) // 2])
    with pytest.raises(ValueError, match=r"is not a \.npz file"):
        load_npz(path)


def test_damaged_compression_is_an_error(tmp_path):
    path = tmp_path / "toy.npz"
    np.savez_compressed(path, **FULL)
    data = bytearray(path.read_bytes())
    # After the name come 20 bytes for large files; 7 begins a block of a kind that deflate lacks.
    data[data.index(b"x_train.npy") + len("x_train.npy") + 20] = 7
    path.write_bytes(data)
    with pytest.raises(ValueError, match=r"is damaged at 'x_train': .*invalid block type"):
        load_npz(path)

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from descend.data import Dataset
from descend.data.dataset import as_image_dataset

X = np.arange(24, dtype=np.float32).reshape(6, 1, 2, 2)
T = np.array([0, 1, 2, 0, 1, 2])


def test_an_integer_gives_a_pair():
    data = Dataset(X, T)
    x, t = data[np.int64(-1)]
    assert len(data) == 6
    assert np.array_equal(x, X[-1]) and t == 2


@pytest.mark.parametrize(
    "index", [slice(1, 5, 2), [3, 1, 1], [], np.array([5, 0]), T == 1, range(2, 4)]
)
def test_anything_longer_gives_a_batch(index):
    batch = Dataset(X, T)[index]
    positions = np.arange(6)[index if isinstance(index, slice) else np.array(index, T.dtype)]
    if isinstance(index, np.ndarray) and index.dtype == bool:
        positions = np.flatnonzero(index)
    assert isinstance(batch, tuple)
    assert np.array_equal(batch[0], X[positions]) and np.array_equal(batch[1], T[positions])


def test_iteration_gives_all_pairs():
    pairs = list(Dataset(X, T))
    assert np.array_equal([x for x, _ in pairs], X) and [t for _, t in pairs] == T.tolist()


@pytest.mark.parametrize("index", [6, -7, [0, 6], 1.5, np.array([0.0])])
def test_an_index_outside_is_an_error(index):
    with pytest.raises(IndexError, match="Dataset of 6 samples: "):
        Dataset(X, T)[index]


@pytest.mark.parametrize("index", [(0, 1), True, None, "0"])
def test_an_index_of_a_wrong_kind_is_an_error(index):
    with pytest.raises(TypeError, match="is not an integer, a slice or an array of integers"):
        Dataset(X, T)[index]


@pytest.mark.parametrize(
    ("x", "t", "classes", "message"),
    [
        (X, T[:5], None, "x has 6 samples and t has 5: their lengths must be equal"),
        (X, 3, None, "t is a single number"),
        (1.0, T, None, "x is a single number"),
        (X, T, ["a", "b"], "t hold 2, but there are only 2 classes"),
        (X, T - 1, ["a", "b", "c"], "t hold -1, class labels count from 0"),
        (X, T.astype(float), ["a", "b", "c"], "t have dtype float64, class labels must be"),
    ],
)
def test_what_does_not_fit_is_an_error(x, t, classes, message):
    with pytest.raises(ValueError, match=message):
        Dataset(x, t, classes)


def test_targets_without_classes_may_be_anything():
    assert Dataset(X, np.linspace(-1, 1, 6)).t.dtype == np.float64


def test_repr():
    assert repr(Dataset(X, T)) == "Dataset(6 samples of (1, 2, 2) float32)"
    named = Dataset(X, T, "abc", "toy")
    assert repr(named) == "Dataset('toy', 6 samples of (1, 2, 2) float32, 3 classes)"


@given(st.integers(2, 60), st.floats(0.1, 0.9), st.integers(0, 5))
def test_split_parts_are_disjoint_and_complete(length, fraction, seed):
    count = round(length * fraction)
    data = Dataset(np.arange(length), np.arange(length) * 2)
    if not 0 < count < length:
        with pytest.raises(ValueError, match="both parts need at least one"):
            data.split(fraction, seed=seed)
        return
    rest, held_out = data.split(fraction, seed=seed)
    assert len(held_out) == count
    assert np.array_equal(np.sort(np.concatenate([rest.x, held_out.x])), data.x)
    assert np.array_equal(held_out.t, held_out.x * 2) and np.array_equal(rest.t, rest.x * 2)
    assert np.all(np.diff(rest.x) > 0)


def test_split_depends_on_the_seed_alone():
    data = Dataset(np.arange(100), np.arange(100), name="toy")
    first, again, other = (data.split(seed=seed)[1] for seed in (1, 1, 2))
    assert np.array_equal(first.x, again.x) and not np.array_equal(first.x, other.x)
    assert first.name == "toy test"


def test_bytes_become_unit_floats_with_a_channel():
    x = np.array([[[0, 51], [128, 255]]], np.uint8)
    data = as_image_dataset(x, np.array([4], np.uint8), where="here")
    assert data.x.dtype == np.float32 and data.x.shape == (1, 1, 2, 2)
    assert data.x.ravel().tolist() == [0, np.float32(0.2), np.float32(128 / 255), 1]
    assert data.t.dtype == np.int64


@pytest.mark.parametrize("dtype", [np.float16, np.float32, np.float64, np.bool_])
def test_other_pixels_keep_their_values(dtype):
    x = np.array([[0, 1], [1, 0]], dtype)
    data = as_image_dataset(x, np.array([0, 1]), where="here")
    assert data.x.dtype == np.float32 and np.array_equal(data.x, x)

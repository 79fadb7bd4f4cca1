import numpy as np
import pytest

from descend.data import collate


def test_arrays_keep_their_dtype():
    for dtype in (np.float16, np.float32, np.float64, np.uint8):
        batch = collate([np.zeros((2, 3), dtype), np.ones((2, 3), dtype)])
        assert batch.dtype == dtype and batch.shape == (2, 2, 3) and batch[1].min() == 1


@pytest.mark.parametrize(
    ("samples", "dtype"),
    [
        ([1, 2], np.int64),
        ([1.5, 2.5], np.float32),
        ([[1.5], [2.5]], np.float32),
        ([np.float64(1), np.float64(2)], np.float64),
        ([True, False], np.bool_),
    ],
)
def test_numbers(samples, dtype):
    batch = collate(samples)
    assert batch.dtype == dtype and batch.tolist() == [np.asarray(s).tolist() for s in samples]


def test_structures_keep_their_form():
    batch = collate([{"x": (1, [2, 3]), "t": 4}, {"t": 5, "x": (6, [7, 8])}])
    assert list(batch) == ["x", "t"] and batch["t"].tolist() == [4, 5]
    assert isinstance(batch["x"], tuple)
    assert batch["x"][0].tolist() == [1, 6] and batch["x"][1].tolist() == [[2, 3], [7, 8]]


@pytest.mark.parametrize(
    ("samples", "error", "message"),
    [
        ([], ValueError, "there are no samples"),
        ([np.zeros(3), np.zeros(4)], ValueError, r"sample 1 .* has shape \(4,\), sample 0 has \(3"),
        ([(1, 2), (1,)], ValueError, "sample 1 of the batch is a tuple of 1, sample 0 is a tuple"),
        ([(1, 2), 1], ValueError, "sample 1 of the batch is of type int"),
        ([{"a": 1}, {"b": 1}], ValueError, r"is a dict with the keys \['b'\]"),
        ([(1,), {0: 1}], ValueError, "all must have the same structure"),
        ([None, None], TypeError, "sample 0 of the batch is of type NoneType"),
    ],
)
def test_what_does_not_stack_is_an_error(samples, error, message):
    with pytest.raises(error, match=message):
        collate(samples)

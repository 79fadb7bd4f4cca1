import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from descend.data import pad_sequences, sliding_windows


@given(st.data(), st.integers(1, 12), st.integers(1, 5))
def test_windows_are_slices(data, T, stride):
    length = data.draw(st.integers(1, T))
    x = np.arange(T * 2).reshape(T, 2)
    windows = sliding_windows(x, length, stride)
    expected = [x[start : start + length] for start in range(0, T - length + 1, stride)]
    assert np.array_equal(windows, expected)
    assert np.shares_memory(windows, x) and not windows.flags.writeable


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ((3.0, 1), "x is a single number"),
        (([1, 2], 3), "length is 3, between 1 and the 2 steps"),
        (([1, 2], 0), "length is 0"),
        (([1, 2], 1, 0), "stride is 0, at least 1"),
    ],
)
def test_wrong_windows_are_errors(arguments, message):
    with pytest.raises(ValueError, match=f"sliding_windows: {message}"):
        sliding_windows(*arguments)


@given(st.lists(st.integers(0, 6), min_size=1, max_size=5), st.integers(-3, 3))
def test_padding_can_be_undone(lengths, value):
    rng = np.random.default_rng(0)
    sequences = [rng.normal(size=(n, 2)).astype(np.float32) for n in lengths]
    padded, found = pad_sequences(sequences, value)
    assert padded.dtype == np.float32 and padded.shape == (len(lengths), max(lengths), 2)
    assert found.dtype == np.int64 and found.tolist() == lengths
    for row, sequence, n in zip(padded, sequences, lengths, strict=True):
        assert np.array_equal(row[:n], sequence) and np.all(row[n:] == value)


@pytest.mark.parametrize(
    ("sequences", "value", "dtype"),
    [
        ([[1, 2], [3]], -1, np.int64),
        ([[1, 2], []], 0, np.int64),
        ([[1.0, 2.0], [3.0]], 0, np.float32),
        ([np.array([1], np.uint8), np.array([2, 3], np.uint8)], 255, np.uint8),
        ([np.array([True]), np.array([True, True])], 0, np.bool_),
        ([[1.0], [2.0, 3.0]], float("nan"), np.float32),
    ],
)
def test_dtypes(sequences, value, dtype):
    assert pad_sequences(sequences, value)[0].dtype == dtype


@pytest.mark.parametrize(
    ("sequences", "value", "message"),
    [
        ([], 0, "there are no sequences"),
        ([[1], 2], 0, r"sequence 1 has shape \(\)"),
        ([np.zeros((2, 3)), np.zeros((2, 4))], 0, r"sequence 1 has shape \(2, 4\), sequence 0"),
        ([[1, 2]], 0.5, "value 0.5 does not fit into the sequences' dtype int64"),
        ([[1, 2]], float("nan"), "value nan does not fit"),
        ([np.zeros(1, np.uint8)], 256, "value 256 does not fit into the sequences' dtype uint8"),
        ([np.zeros(1, np.uint8)], -1, "value -1 does not fit"),
    ],
)
def test_wrong_padding_is_an_error(sequences, value, message):
    with pytest.raises(ValueError, match=f"pad_sequences: {message}"):
        pad_sequences(sequences, value)

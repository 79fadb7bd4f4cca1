"""Sequences as arrays: windows of a long one, several short ones padded to one length."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from descend.data.collate import as_array


def sliding_windows(x: ArrayLike, length: int, stride: int = 1) -> NDArray[Any]:
    """The windows of `length` steps of a sequence, each `stride` steps after the one before.

    `x` is (T, ...), the result (K, length, ...) with K = (T - length) // stride + 1; what is left
    at the end is left out. A read-only view: it takes no memory, whatever the overlap.

    >>> sliding_windows(np.arange(6), 3, stride=2).tolist()
    [[0, 1, 2], [2, 3, 4]]
    """
    x = np.asarray(x)
    if x.ndim == 0:
        raise ValueError("sliding_windows: x is a single number, a sequence (T, ...) needed")
    if stride < 1:
        raise ValueError(f"sliding_windows: stride is {stride}, at least 1 needed")
    if not 1 <= length <= len(x):
        raise ValueError(
            f"sliding_windows: length is {length}, between 1 and the {len(x)} steps of x needed"
        )
    windows = np.lib.stride_tricks.sliding_window_view(x, length, axis=0)
    return np.moveaxis(windows, -1, 1)[::stride]


def pad_sequences(
    sequences: Sequence[ArrayLike], value: float = 0
) -> tuple[NDArray[Any], NDArray[np.int64]]:
    """All sequences in one array, filled with `value` at their ends, and their lengths.

    The sequences are (T, ...) with their own T each and the rest of the shape in common; the
    result is (N, the largest T, ...) in their common dtype, and (N,) int64.

    >>> x, lengths = pad_sequences([[1, 2, 3], [4]], value=-1)
    >>> x.tolist(), lengths.tolist()
    ([[1, 2, 3], [4, -1, -1]], [3, 1])
    """
    if len(sequences) == 0:
        raise ValueError("pad_sequences: there are no sequences, at least one needed")
    arrays = [as_array(sequence) for sequence in sequences]
    for i, array in enumerate(arrays):
        if array.ndim == 0 or array.shape[1:] != arrays[0].shape[1:]:
            raise ValueError(
                f"pad_sequences: sequence {i} has shape {array.shape}, sequence 0 has "
                f"{arrays[0].shape}: both must be (T, ...) and agree after the first axis"
            )
    # An empty list is a float array to NumPy, and would make floats of the integers beside it.
    dtype = np.result_type(*([array for array in arrays if array.size] or arrays))
    if not _fits(value, dtype):
        raise ValueError(
            f"pad_sequences: value {value!r} does not fit into the sequences' dtype {dtype}"
        )
    lengths = np.array([len(array) for array in arrays], np.int64)
    padded = np.full((len(arrays), int(lengths.max()), *arrays[0].shape[1:]), value, dtype)
    for row, array in zip(padded, arrays, strict=True):
        row[: len(array)] = array
    return padded, lengths


def _fits(value: float, dtype: np.dtype[Any]) -> bool:
    if dtype == np.bool_:
        return value in (0, 1)
    if np.issubdtype(dtype, np.integer):
        limits = np.iinfo(dtype)
        return isinstance(value, int | np.integer) and limits.min <= value <= limits.max
    return np.can_cast(np.min_scalar_type(value), dtype, "same_kind")

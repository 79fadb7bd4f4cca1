"""How single samples become a batch."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray


def collate(samples: Sequence[Any]) -> Any:
    """The batch of some samples: their arrays or numbers stacked along a new first axis.

    Tuples become a tuple of batches, dicts a dict of batches. Arrays keep their dtype; Python
    floats (and lists of them) become float32, Python integers int64.

    >>> x, t = collate([([0.5, 1.0], 3), ([2.0, 4.0], 5)])
    >>> x.dtype, x.shape, t
    (dtype('float32'), (2, 2), array([3, 5]))
    """
    if len(samples) == 0:
        raise ValueError("collate: there are no samples, at least one needed")
    first = samples[0]
    if not isinstance(first, tuple | dict):
        return _stack(samples)
    for i, sample in enumerate(samples):
        if _structure(sample) != _structure(first):
            raise ValueError(
                f"collate: sample {i} of the batch is {_describe(sample)}, sample 0 is "
                f"{_describe(first)}: all must have the same structure"
            )
    if isinstance(first, dict):
        return {key: collate([sample[key] for sample in samples]) for key in first}
    return tuple(collate(field) for field in zip(*samples, strict=True))


def as_array(value: Any) -> NDArray[Any]:
    """The array of a value; Python floats, alone or in lists, as float32."""
    array = np.asarray(value)
    if array.dtype == np.float64 and isinstance(value, float | list | tuple):
        # np.float64 is a subclass of float, but was chosen on purpose.
        return array if isinstance(value, np.generic) else array.astype(np.float32)
    return array


def _stack(samples: Sequence[Any]) -> NDArray[Any]:
    arrays = [as_array(sample) for sample in samples]
    for i, array in enumerate(arrays):
        if array.dtype.hasobject:
            raise TypeError(
                f"collate: sample {i} of the batch is {_describe(samples[i])}, an array, a number, "
                "or a tuple or dict of them needed"
            )
        if array.shape != arrays[0].shape:
            raise ValueError(
                f"collate: sample {i} of the batch has shape {array.shape}, sample 0 has "
                f"{arrays[0].shape}: crop them to one shape, or pad them with pad_sequences"
            )
    return np.stack(arrays)


def _structure(sample: Any) -> int | set[Any] | None:
    if isinstance(sample, tuple):
        return len(sample)
    return set(sample) if isinstance(sample, dict) else None


def _describe(sample: Any) -> str:
    if isinstance(sample, tuple):
        return f"a tuple of {len(sample)}"
    if isinstance(sample, dict):
        return f"a dict with the keys {list(sample)}"
    return f"of type {type(sample).__name__}"

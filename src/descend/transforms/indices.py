"""An index of one example as the index of all examples at once."""

from __future__ import annotations

from typing import Any

import numpy as np

from descend import functions as F
from descend.core.variable import array_of
from descend.transforms.batched import Batched, Level

Moved = tuple[list[int], list[int]] | None
"""Where axes must go from and to, as `moveaxis` takes it; None if they lie right."""


def differs(index: tuple[Any, ...], level: Level) -> bool:
    """Whether the index is another for each example."""
    return any(isinstance(part, Batched) and part.level is level for part in index)


def of_all(index: tuple[Any, ...], ndim: int, level: Level) -> tuple[tuple[Any, ...], Moved]:
    """The index of an array with the hidden axis in front, and how the answer's axes move.

    x[index] is meant for an example x of ``ndim`` axes; moved, the answer has the hidden axis in
    front, too.
    """
    if not differs(index, level):
        arrays = [np.ndim(part) if part.dtype != bool else 1 for part in index if _is_array(part)]
        # NumPy puts the axes of several arrays in front where something lies between them
        behind = max(arrays) if arrays and not _together(index) else 0
        return (slice(None), *index), ([behind], [0]) if behind else None
    index, count = _aligned(index, level)
    rows = np.arange(level.size).reshape(-1, *(1,) * count)
    before = _before(index, ndim) if _together(index) else 0
    moved = ([*range(1, count + 1)], [*range(before + 1, before + count + 1)])
    return (rows, *index), moved if before and count else None


def of_one_array(index: tuple[Any, ...], ndim: int, level: Level) -> tuple[tuple[Any, ...], Moved]:
    """The same where the array that differing indices choose from is one for all examples."""
    index, _ = _aligned(index, level)
    before = _before(index, ndim) if _together(index) else 0
    return index, ([before], [0]) if before else None


def _aligned(index: tuple[Any, ...], level: Level) -> tuple[tuple[Any, ...], int]:
    """The index with places for masks, and for examples those of all, so that they broadcast.

    The hidden axis is in front of as many as the answer says.
    """
    parts: list[Any] = []
    for part in index:
        parts += _coordinates(part, level) if _is_mask(part) else [part]
    count = max(part.ndim for part in parts if _is_array(part) or isinstance(part, Batched))

    def all_of(part: Any) -> Any:
        if not (isinstance(part, Batched) and part.level is level):
            return part
        return F.reshape(
            array_of(part.data), (level.size, *(1,) * (count - part.ndim), *part.shape)
        )

    return tuple(map(all_of, parts)), count


def _coordinates(mask: Any, level: Level) -> list[Any]:
    """The places along each axis at which a mask holds."""
    if not isinstance(mask, Batched):
        return [*np.nonzero(mask)]
    if mask.level is not level:
        raise TypeError("getitem: a mask came that differs along an outer vmap; F.where takes it")
    values = array_of(mask.data)
    counts = np.count_nonzero(values.reshape(level.size, -1), axis=1)
    if np.any(counts != counts[0]):
        raise TypeError(
            f"getitem: inside vmap the mask chooses {counts.min()} elements of one example and "
            f"{counts.max()} of another, which do not stack; F.where chooses by element"
        )
    _, *places = np.nonzero(values)
    return [Batched(place.reshape(level.size, -1), level) for place in places]


def _is_array(part: Any) -> bool:
    return getattr(part, "ndim", 0) > 0


def _is_mask(part: Any) -> bool:
    return _is_array(part) and part.dtype == bool


def _chooses(part: Any) -> bool:
    """Whether a part of an index is a number or an array: no slice, no new axis."""
    return not (part is None or part is Ellipsis or isinstance(part, slice))


def _together(index: tuple[Any, ...]) -> bool:
    """Whether nothing lies between the numbers and arrays of an index."""
    places = [i for i, part in enumerate(index) if _chooses(part)]
    return places[-1] - places[0] + 1 == len(places)


def _before(index: tuple[Any, ...], ndim: int) -> int:
    """How many axes the answer has from what lies before the numbers and arrays of an index."""
    first = next(i for i, part in enumerate(index) if _chooses(part))
    named = sum(part is not None and part is not Ellipsis for part in index)
    return sum(ndim - named if part is Ellipsis else 1 for part in index[:first])

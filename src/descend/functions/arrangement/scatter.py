"""Elements put in chosen places of an array: each answers a new one.

Where one place is chosen several times the last value stays, and it alone gets the gradient.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from descend import functions as F
from descend.core.arrays import as_array, get_array_module
from descend.core.function import Function, as_operand
from descend.core.variable import array_of
from descend.functions.arrangement.indexing import check_examples, places_along_axis
from descend.functions.axis import axis_of
from descend.functions.kinds import beside
from descend.functions.registry import Sample, composition

ROWS = np.array([[0, 2, 0], [1, 1, 1]])


@composition(
    Sample((3, 4), (np.array([0, 0, 2]), np.array([1, 1, -1])), (3,)),
    Sample((3, 4), np.array([0, 2]), (4,)),
    Sample((3,), (np.array([True, False, True]),), 5.0),
    Sample((3, 2), (np.array([0, 0]),), (2, 2), accumulate=True),
)
def index_put(x, indices, values, accumulate=False):
    """x with ``values`` at x[indices]; with ``accumulate`` they are added there, repeated or not.

    ``indices`` is what x[...] takes; the values broadcast to what that would answer.

    >>> F.index_put(np.zeros(3), (np.array([0, 2]),), np.array([1.0, 2.0]))
    array([1., 0., 2.])
    """
    x = as_operand(x)
    index = tuple(array_of(part) for part in indices) if isinstance(indices, tuple) else indices
    return _put("index_put", x, array_of(index), values, accumulate)


@composition(
    Sample((2, 4), ROWS, (2, 3), axis=1),
    Sample((2, 4), ROWS, 3.0, axis=1),
    Sample((3, 2), np.array([[1, 0]]), (1,), axis=0),
)
def put_along_axis(x, indices, values, axis=-1):
    """x with ``values`` put at each line's ``indices`` along ``axis``: a new array.

    The values broadcast to the shape of ``indices``, which is x's but for the length of ``axis``.
    None puts them into the flattened x.

    >>> F.put_along_axis(np.zeros((2, 2)), np.array([[1], [0]]), 5.0, axis=1)
    array([[0., 5.],
           [5., 0.]])
    """
    x, indices = as_operand(x), as_array(array_of(indices))
    if axis is None:
        flat = put_along_axis(F.ravel(x), F.ravel(indices), values, 0)
        return F.reshape(flat, x.shape)
    return _put(
        "put_along_axis", x, places_along_axis("put_along_axis", indices, x.shape, axis), values
    )


@composition(Sample((2, 4), 1, ROWS, (2, 3)), Sample((4, 3), 0, ROWS, 2.0))
def scatter(x, axis, index, src):
    """x with the elements of ``src``, or one number, put at each line's ``index`` along ``axis``.

    ``index`` has x's shape but for the length of ``axis``, ``src`` that of ``index``;
    `scatter_add` adds instead.

    >>> F.scatter(np.zeros((1, 3)), 1, np.array([[2, 0]]), np.array([[1.0, 5.0]]))
    array([[5., 0., 1.]])
    """
    x, src, index = as_operand(x), as_operand(src), as_array(array_of(index))
    if src.ndim and src.shape != index.shape:
        raise ValueError(f"scatter: index {index.shape} and src {src.shape} must be equal")
    return _put("scatter", x, places_along_axis("scatter", index, x.shape, axis), src)


class Landing(Function):
    """For each place of an array of ``shape`` the number of the value that x[index] = ... leaves.

    The values are counted from 1, in order; 0 is none.
    """

    needs_values = True

    def __init__(self, index: Any, shape: tuple[int, ...]) -> None:
        self.index = index
        self.shape = shape

    def forward(self):
        check_examples(self.index)
        parts = self.index if isinstance(self.index, tuple) else (self.index,)
        numbers = get_array_module(0, *parts).zeros(self.shape, np.int64)
        chosen = numbers[self.index]
        numbers[self.index] = beside(numbers, np.arange(1, chosen.size + 1)).reshape(chosen.shape)
        return numbers

    def like(self):
        """What a recorder needs to know."""
        return np.zeros(self.shape, np.int64)


def _put(name: str, x: Any, index: Any, values: Any, accumulate: bool = False) -> Any:
    """x with values at an index."""
    chosen = F.getitem(np.broadcast_to(np.zeros((), bool), x.shape), index).shape
    values = F.astype(beside(x, values), x.dtype)
    try:
        values = F.broadcast_to(values, chosen)
    except ValueError:
        raise ValueError(
            f"{name}: values {values.shape} do not broadcast to the {chosen} that is chosen"
        ) from None
    if accumulate:
        return x + F.scatter_to(values, index, x.shape)
    if values.size == 0:
        return F.copy(x)
    numbers = beside(x, array_of(Landing(index, x.shape)()))
    return F.where(numbers > 0, F.getitem(F.ravel(values), F.maximum(numbers - 1, 0)), x)


# ---- longer and shorter -----------------------------------------------------------------------


@composition(
    Sample((4,), 1, 5.0),
    Sample((3, 2), 1, (2,), axis=0),
    Sample((2, 3), [0, -1, 3], (2, 1), axis=1),
    Sample((2, 3), slice(0, 2), (2,)),
)
def insert(x, obj, values, axis=None):
    """x with ``values`` put before the places ``obj`` along ``axis``; None flattens x first.

    ``obj`` is one place (then values is as x there, or what fills several slices), several, a
    slice, or a mask. The values broadcast to x's shape with one slice for each place.

    >>> F.insert(np.array([1.0, 2.0, 3.0]), 1, 5.0)
    array([1., 5., 2., 3.])
    """
    x = as_operand(x)
    values = beside(x, values)
    if axis is None:
        x, axis = F.ravel(x), 0
    axis = axis_of("insert", axis, x.ndim)
    size, places = x.shape[axis], _places(obj, x.shape[axis])
    given = values.shape
    values = F.astype(F.reshape(values, (1,) * (x.ndim - values.ndim) + given), x.dtype)
    if places.ndim == 0:  # NumPy: what belongs to one place has its slices in front
        values = F.moveaxis(values, 0, axis)
    count = places.size if places.size > 1 else values.shape[axis]
    shape = (*x.shape[:axis], count, *x.shape[axis + 1 :])
    try:
        values = F.broadcast_to(values, shape)
        numbers = np.insert(np.arange(size), places, np.arange(size, size + count))
    except (ValueError, IndexError) as error:
        raise type(error)(
            f"insert: values {given} at {obj} do not fit axis {axis} of x {x.shape}: {error}"
        ) from None
    return F.take(F.concatenate([x, values], axis), numbers, axis)


@composition(
    Sample((4,), 1),
    Sample((3, 4), [0, -1], axis=1),
    Sample((4, 2), slice(None, None, 2), axis=0),
    Sample((3,), np.array([True, False, True])),
)
def delete(x, obj, axis=None):
    """x without the places ``obj`` along ``axis``: a number, several, a slice, or a mask.

    None flattens x first.

    >>> F.delete(np.array([1.0, 2.0, 3.0]), 1)
    array([1., 3.])
    """
    x = as_operand(x)
    if axis is None:
        x, axis = F.ravel(x), 0
    axis = axis_of("delete", axis, x.ndim)
    try:
        kept = np.delete(np.arange(x.shape[axis]), obj if isinstance(obj, slice) else array_of(obj))
    except (ValueError, IndexError) as error:
        raise type(error)(f"delete: obj {obj} does not fit x {x.shape}: {error}") from None
    return F.take(x, kept, axis)


def _places(obj: Any, size: int) -> np.ndarray:
    """The places that a number, several, a slice or a mask names."""
    if isinstance(obj, slice):
        return np.arange(size)[obj]
    places = np.asarray(array_of(obj))
    if places.dtype == bool:
        return np.flatnonzero(places)
    return places.astype(np.intp) if places.size == 0 else places

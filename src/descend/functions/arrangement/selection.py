"""Elements chosen by masks and conditions."""

from __future__ import annotations

from typing import Any

import numpy as np

from descend import functions as F
from descend.core.arrays import as_array, get_array_module
from descend.core.function import as_operand
from descend.core.variable import array_of
from descend.functions.axis import axis_of
from descend.functions.registry import Sample, composition

NUMBERS = (int, float, complex)
"""What does not promote an array's dtype."""

MASK = np.array([[True, False, True], [False, False, True]])


@composition(Sample((2, 3), MASK, 5.0), Sample((2, 3), MASK[0], ()), Sample((0, 3), MASK[1], 1.0))
def masked_fill(x, mask, value):
    """x with ``value`` where ``mask`` holds; the mask broadcasts to x's shape.

    >>> F.masked_fill(np.array([1.0, 2.0]), np.array([True, False]), -np.inf)
    array([-inf,   2.])
    """
    x, mask = as_operand(x), as_array(array_of(mask))
    if np.ndim(array_of(value)):
        raise ValueError(f"masked_fill: value has the shape {np.shape(array_of(value))}, not ()")
    try:
        mask = F.broadcast_to(mask, x.shape)
    except ValueError:
        raise ValueError(
            f"masked_fill: mask {mask.shape} does not broadcast to x {x.shape}"
        ) from None
    if not isinstance(value, NUMBERS):
        value = F.astype(as_operand(value), x.dtype)
    return F.where(mask, value, x)


@composition(Sample((2, 3), MASK), Sample((3,), MASK), Sample((2, 1), MASK[0]))
def masked_select(x, mask):
    """The elements of x where ``mask`` holds, along one axis; both broadcast.

    Its length depends on the values of the mask.

    >>> F.masked_select(np.array([1.0, 2.0, 3.0]), np.array([True, False, True]))
    array([1., 3.])
    """
    x, mask = F.broadcast_arrays(x, as_array(array_of(mask)))
    if mask.dtype != bool:
        raise TypeError(f"masked_select: mask is {mask.dtype}, bool is needed")
    return F.getitem(x, mask)


@composition(
    Sample([True, False, True], (3, 2), axis=0),
    Sample(np.array([False, True]), (2, 3), axis=1),
    Sample(np.array([0, 1, 1]), (2, 2)),
)
def compress(condition, x, axis=None):
    """The slices of x along ``axis`` for which ``condition`` (N,) holds; None flattens x.

    Those beyond the end of ``condition`` are left out.

    >>> F.compress([False, True], np.array([[1.0, 2.0], [3.0, 4.0]]), axis=0)
    array([[3., 4.]])
    """
    x, condition = as_operand(x), as_array(array_of(condition))
    if condition.ndim != 1:
        raise ValueError(f"compress: condition {condition.shape} needs one axis")
    if axis is None:
        x, axis = F.ravel(x), 0
    axis = axis_of("compress", axis, x.ndim)
    return F.take(x, get_array_module(condition).nonzero(condition)[0], axis)


@composition(Sample(MASK, (2, 3)), Sample(np.array([0, 1, 1]), (3,)))
def extract(condition, x):
    """The elements of x for which ``condition``, of as many elements, holds.

    >>> F.extract(np.array([True, False]), np.array([1.0, 2.0]))
    array([1.])
    """
    return compress(F.ravel(as_array(array_of(condition))), F.ravel(x))


@composition(
    Sample(np.array([0, 1, 1]), [(3,), (3,)]),
    Sample(np.array([[2], [-1]]), [(3,), (2, 1), ()], mode="wrap"),
    Sample(np.array([5, -5]), [(2,), (2,)], mode="clip"),
)
def choose(a, choices, mode="raise"):
    """In each place the element of the a-th of the ``choices``; all broadcast.

    Numbers that are none of a choice raise IndexError, or with ``mode`` "wrap" begin again, or
    with "clip" name the first or last.

    >>> F.choose(np.array([0, 1, 0]), [np.array([1.0, 2.0, 3.0]), -1.0])
    array([ 1., -1.,  3.])
    """
    if mode not in ("raise", "wrap", "clip"):
        raise ValueError(f"choose: mode is {mode!r}, 'raise', 'wrap' or 'clip' is needed")
    a, count = as_array(array_of(a)), len(choices)
    if a.dtype.kind not in "iub":
        raise TypeError(f"choose: a is {a.dtype}, integers are needed")
    if mode == "wrap":
        a = a - a // count * count
    elif mode == "clip":
        a = F.clip(a, 0, count - 1)
    elif isinstance(a, np.ndarray) and a.size and (a.min() < 0 or a.max() >= count):
        raise IndexError(f"choose: a has numbers from {a.min()} to {a.max()} for {count} choices")
    y = _in_common_dtype(choices[-1], choices)
    for number in range(count - 2, -1, -1):
        y = F.where(a == number, choices[number], y)
    shapes = [a.shape, *(np.shape(array_of(choice)) for choice in choices)]
    return F.broadcast_to(as_operand(y), np.broadcast_shapes(*shapes))


def _in_common_dtype(x: Any, others: Any) -> Any:
    """A number as an array of the others' dtype, with which two numbers would not promote it."""
    if not isinstance(x, NUMBERS):
        return x
    kinds = [y if isinstance(y, NUMBERS) else as_operand(y).dtype for y in (x, *others)]
    return get_array_module(*map(array_of, others)).asarray(x, np.result_type(*kinds))


@composition(
    Sample([MASK, ~MASK[0]], [(2, 3), (3,)]),
    Sample([MASK], [(3,)], 7.0),
    Sample([MASK, MASK], [(3,), 2.0], default=-1.0),
)
def select(condlist, choicelist, default=0):
    """In each place the choice whose condition is the first to hold, ``default`` where none does.

    >>> x = np.array([-2.0, 0.5, 3.0])
    >>> F.select([x < 0, x < 1], [-x, x], 9.0)
    array([2. , 0.5, 9. ])
    """
    if len(condlist) != len(choicelist) or not condlist:
        raise ValueError(
            f"select: {len(condlist)} conditions and {len(choicelist)} choices came, as many of "
            f"both are needed, at least one"
        )
    y = _in_common_dtype(default, choicelist)
    for condition, choice in zip(reversed(condlist), reversed(choicelist), strict=True):
        y = F.where(array_of(condition), choice, y)
    return y

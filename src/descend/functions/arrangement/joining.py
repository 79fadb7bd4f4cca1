"""Arrays put beside each other, and cut apart again."""

from __future__ import annotations

from itertools import pairwise
from typing import Any

import numpy as np

from descend import functions as F
from descend.core.function import NUMBERS, as_operand
from descend.functions.axis import along, axis_of
from descend.functions.kinds import beside
from descend.functions.registry import Sample, composition

# ---- joined -----------------------------------------------------------------------------------


@composition(Sample([(2,), (3,)]), Sample([(2, 1), (2, 2)]), Sample([(), ()]))
def hstack(xs):
    """Arrays side by side: along the second axis, along the first if they have one only.

    >>> F.hstack([np.array([1.0]), np.array([2.0, 3.0])])
    array([1., 2., 3.])
    """
    xs = [F.atleast_1d(x) for x in _some("hstack", xs)]
    return F.concatenate(xs, 0 if xs[0].ndim == 1 else 1)


@composition(Sample([(2,), (2,)]), Sample([(1, 2), (3, 2)]), Sample([(), ()]))
def vstack(xs):
    """Arrays below each other: along the first axis, where one axis is a row.

    >>> F.vstack([np.array([1.0, 2.0]), np.array([3.0, 4.0])])
    array([[1., 2.],
           [3., 4.]])
    """
    return F.concatenate([F.atleast_2d(x) for x in _some("vstack", xs)], 0)


@composition(Sample([(2,), (2,)]), Sample([(2, 1), (2, 1)]), Sample([(1, 2, 1), (1, 2, 2)]))
def dstack(xs):
    """Arrays behind each other: along the third axis, see `atleast_3d`.

    >>> F.dstack([np.array([1.0, 2.0]), np.array([3.0, 4.0])])
    array([[[1., 3.],
            [2., 4.]]])
    """
    return F.concatenate([F.atleast_3d(x) for x in _some("dstack", xs)], 2)


@composition(Sample([(2,), (2, 2)]), Sample([(), ()]))
def column_stack(xs):
    """Columns, (N,) each, and matrices (N, M) side by side.

    >>> F.column_stack([np.array([1.0, 2.0]), np.array([3.0, 4.0])])
    array([[1., 3.],
           [2., 4.]])
    """
    xs = [as_operand(x) for x in _some("column_stack", xs)]
    return F.concatenate([x if x.ndim > 1 else F.reshape(x, (x.size, 1)) for x in xs], 1)


def _some(name: str, xs: Any) -> list[Any]:
    """The arrays as a list; ValueError if there are none."""
    xs = list(xs)
    if not xs:
        raise ValueError(f"{name}: no arrays came, at least one is needed")
    return xs


@composition(
    Sample([[(2, 2), (2, 1)], [(1, 3)]]),
    Sample([(2,), 1.5, ()]),
    Sample((2,)),
    Sample([[()], [2.0]]),
)
def block(arrays):
    """An array put together from nested lists of blocks.

    The arrays of the innermost lists stand beside each other along the last axis, these along the
    one before it, and so on; missing axes are put in front. All lists must be as deep.

    >>> F.block([[np.eye(2), np.zeros((2, 1))], [np.ones((1, 3))]])
    array([[1., 0., 0.],
           [0., 1., 0.],
           [1., 1., 1.]])
    """
    if not isinstance(arrays, list | tuple):
        return F.copy(as_operand(arrays))
    depth, leaves = _depth_and_leaves(arrays)
    blocks = [leaf for leaf in leaves if not isinstance(leaf, NUMBERS)]
    ndim = max(depth, *(block.ndim for block in blocks), 0)
    zero = None
    if blocks:  # numbers do not promote them
        dtype = np.result_type(*(getattr(leaf, "dtype", leaf) for leaf in leaves))
        zero = beside(blocks[0], np.zeros((), dtype))
    return _joined(arrays, depth, ndim, zero)


def _joined(part: Any, depth: int, ndim: int, zero: Any) -> Any:
    """The array that nested lists make, with so many axes; numbers become like ``zero``."""
    if depth:
        parts = [_joined(inner, depth - 1, ndim, zero) for inner in part]
        return F.concatenate(parts, axis=-depth)
    x = zero + part if isinstance(part, NUMBERS) and zero is not None else as_operand(part)
    return x if x.ndim == ndim else F.reshape(x, (*(1,) * (ndim - x.ndim), *x.shape))


def _depth_and_leaves(part: Any) -> tuple[int, list[Any]]:
    """How deep lists are nested, and what is in them."""
    if isinstance(part, tuple):
        raise TypeError("block: a tuple came, blocks stand in lists")
    if not isinstance(part, list):
        return 0, [part if isinstance(part, NUMBERS) else as_operand(part)]
    found = [_depth_and_leaves(inner) for inner in _some("block", part)]
    depths = {depth for depth, _ in found}
    if len(depths) > 1:
        raise ValueError(
            f"block: lists of the depths {sorted(depths)} stand beside each other, all must be as "
            f"deep"
        )
    return depths.pop() + 1, [leaf for _, leaves in found for leaf in leaves]


@composition(Sample((2, 3), (2,)), Sample((2, 3), (1, 3), axis=0), Sample((2,), 1.5))
def append(x, values, axis=None):
    """x with ``values`` behind it along ``axis``; None flattens both.

    >>> F.append(np.array([1.0, 2.0]), 3.0)
    array([1., 2., 3.])
    """
    x = as_operand(x)
    if isinstance(values, (int, float, complex)):  # they do not promote x
        values = beside(x, np.zeros((1,) * x.ndim, x.dtype)) + values
    if axis is None:
        return F.concatenate([F.ravel(x), F.ravel(values)])
    return F.concatenate([x, as_operand(values)], axis)


# ---- cut --------------------------------------------------------------------------------------


@composition(Sample((7, 2), 3), Sample((2, 5), [1, 3], axis=-1), Sample((2,), 3))
def array_split(x, indices_or_sections, axis=0):
    """x cut along ``axis``: a tuple, whose first parts are longer where the length is no multiple.

    >>> [part.size for part in F.array_split(np.arange(7.0), 3)]
    [3, 2, 2]
    """
    x = as_operand(x)
    axis = axis_of("array_split", axis, x.ndim)
    size, cuts = x.shape[axis], indices_or_sections
    if isinstance(cuts, (int, np.integer)):
        if cuts < 1:
            raise ValueError(f"array_split: {cuts} parts came, at least 1 is needed")
        each, longer = divmod(size, int(cuts))
        cuts = [i * each + min(i, longer) for i in range(1, int(cuts))]
    ends = [0, *(int(cut) for cut in cuts), size]
    places = [
        (range(size)[start:] if i == len(ends) - 2 else range(size)[start:stop])
        for i, (start, stop) in enumerate(pairwise(ends))
    ]
    return tuple(x[along(axis, slice(part.start, part.stop))] for part in places)


@composition(Sample((2, 4), 2), Sample((4,), [1]))
def hsplit(x, indices_or_sections):
    """x cut along the second axis, along the first if it has one only: a tuple, as `split`.

    >>> F.hsplit(np.array([1.0, 2.0]), 2)
    (array([1.]), array([2.]))
    """
    x = _with_axes("hsplit", x, 1)
    return tuple(F.split(x, indices_or_sections, axis=0 if x.ndim == 1 else 1))


@composition(Sample((4, 2), 2), Sample((4, 1), [1]))
def vsplit(x, indices_or_sections):
    """x cut along the first of at least two axes: a tuple, as `split`.

    >>> F.vsplit(np.array([[1.0], [2.0]]), 2)
    (array([[1.]]), array([[2.]]))
    """
    return tuple(F.split(_with_axes("vsplit", x, 2), indices_or_sections, axis=0))


@composition(Sample((2, 1, 4), 2))
def dsplit(x, indices_or_sections):
    """x cut along the third axis: a tuple, as `split`.

    >>> F.dsplit(np.array([[[1.0, 2.0]]]), 2)
    (array([[[1.]]]), array([[[2.]]]))
    """
    return tuple(F.split(_with_axes("dsplit", x, 3), indices_or_sections, axis=2))


def _with_axes(name: str, x: Any, count: int) -> Any:
    """x; ValueError if it has less axes."""
    x = as_operand(x)
    if x.ndim < count:
        raise ValueError(f"{name}: x {x.shape} has {x.ndim} axes, {count} are needed")
    return x


@composition(Sample((3, 2)), Sample((2, 3), axis=-1))
def unstack(x, axis=0):
    """The slices of x along ``axis``, which they have no more: a tuple.

    >>> F.unstack(np.array([[1.0, 2.0], [3.0, 4.0]]))
    (array([1., 2.]), array([3., 4.]))
    """
    x = as_operand(x)
    axis = axis_of("unstack", axis, x.ndim)
    return tuple(x[along(axis, i)] for i in range(x.shape[axis]))

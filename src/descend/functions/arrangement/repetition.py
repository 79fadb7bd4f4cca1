"""The same elements turned, repeated, or laid out along other axes."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import numpy as np

from descend import functions as F
from descend.core.function import as_operand
from descend.core.variable import array_of
from descend.functions.axis import along, axes_of, axis_of
from descend.functions.kinds import beside
from descend.functions.registry import Sample, composition

BACKWARDS = slice(None, None, -1)

# ---- turned -----------------------------------------------------------------------------------


@composition(Sample((2, 3)), Sample((2, 3), axis=-1), Sample((2, 3, 2), axis=(0, 2)), Sample(()))
def flip(x, axis=None):
    """x with the order of the elements reversed along ``axis``, along every axis if None.

    >>> F.flip(np.array([1.0, 2.0, 3.0]))
    array([3., 2., 1.])
    """
    x = as_operand(x)
    axes = axes_of("flip", axis, x.ndim)
    return F.getitem(x, tuple(BACKWARDS if i in axes else slice(None) for i in range(x.ndim)))


@composition(Sample((2, 3)))
def fliplr(x):
    """x with its second axis reversed: left to right.

    >>> F.fliplr(np.array([[1.0, 2.0]]))
    array([[2., 1.]])
    """
    x = as_operand(x)
    if x.ndim < 2:
        raise ValueError(f"fliplr: x {x.shape} has no second axis")
    return flip(x, 1)


@composition(Sample((2, 3)), Sample((3,)))
def flipud(x):
    """x with its first axis reversed: upside down.

    >>> F.flipud(np.array([[1.0], [2.0]]))
    array([[2.],
           [1.]])
    """
    x = as_operand(x)
    if x.ndim < 1:
        raise ValueError("flipud: x () has no axis")
    return flip(x, 0)


@composition(Sample((2, 3)), Sample((2, 3), k=-1), Sample((2, 3, 4), k=2, axes=(2, 0)))
def rot90(x, k=1, axes=(0, 1)):
    """x turned ``k`` times by 90 degrees in the plane of two axes, from the first to the second.

    >>> F.rot90(np.array([[1.0, 2.0], [3.0, 4.0]]))
    array([[2., 4.],
           [1., 3.]])
    """
    x = as_operand(x)
    first, second = _two_axes("rot90", axes, x.ndim)
    if k % 4 == 0:
        return x
    if k % 4 == 2:
        return flip(x, (first, second))
    if k % 4 == 1:
        return F.swapaxes(flip(x, second), first, second)
    return flip(F.swapaxes(x, first, second), second)


def _two_axes(name: str, axes: Any, ndim: int) -> tuple[int, ...]:
    """The two axes that a plane has; ValueError if they are not two."""
    found = axes_of(name, tuple(axes), ndim)
    if len(found) != 2:
        raise ValueError(f"{name}: axes are {tuple(axes)}, two are needed")
    return found


@composition(
    Sample((5,), 2),
    Sample((2, 3), -1),
    Sample((2, 3), 4, axis=1),
    Sample((2, 3), shift=(1, -1), axis=(0, 1)),
    Sample((0, 3), 1, axis=0),
)
def roll(x, shift, axis=None):
    """x with the elements moved by ``shift`` along ``axis``; those that leave come in again.

    None rolls the flattened x. Several axes take a shift each, or one for all; the shifts of an
    axis that is named twice are added.

    >>> F.roll(np.array([1.0, 2.0, 3.0]), 1)
    array([3., 1., 2.])
    """
    x = as_operand(x)
    if axis is None:
        return F.reshape(roll(F.flatten(x), shift, 0), x.shape)
    shifts, axes = np.broadcast_arrays(shift, axis)
    if shifts.ndim > 1:
        raise ValueError(f"roll: shift {shift} and axis {axis} must be numbers or sequences")
    for step, number in zip(shifts.ravel().tolist(), axes.ravel().tolist(), strict=True):
        x = _rolled(x, step, axis_of("roll", number, x.ndim))
    return x


def _rolled(x: Any, shift: int, axis: int) -> Any:
    """x rolled along one axis."""
    cut = -shift % x.shape[axis] if x.shape[axis] else 0
    if cut == 0:
        return x
    return F.concatenate([x[along(axis, slice(cut, None))], x[along(axis, slice(cut))]], axis)


@composition(Sample((2, 3, 4), 2), Sample((2, 3, 4), 1, start=3))
def rollaxis(x, axis, start=0):
    """x with one axis moved to before the axis ``start``; `moveaxis` is easier to read.

    >>> F.rollaxis(np.ones((2, 3, 4)), 2).shape
    (4, 2, 3)
    """
    x = as_operand(x)
    axis = axis_of("rollaxis", axis, x.ndim)
    start = start + x.ndim if start < 0 else start
    if not 0 <= start <= x.ndim:
        raise ValueError(f"rollaxis: start {start} does not lie between 0 and {x.ndim}")
    return F.moveaxis(x, axis, start - 1 if axis < start else start)


# ---- repeated ---------------------------------------------------------------------------------


@composition(
    Sample((2, 3), 2),
    Sample((3,), reps=(2, 2)),
    Sample((2, 3), reps=(2, 1, 2)),
    Sample((2,), 0),
)
def tile(x, reps):
    """x repeated as a whole, ``reps`` times along each axis.

    The shorter of x's shape and ``reps`` gets ones in front.

    >>> F.tile(np.array([1.0, 2.0]), 2)
    array([1., 2., 1., 2.])
    """
    x = as_operand(x)
    reps = tuple(reps) if isinstance(reps, Iterable) else (reps,)
    ndim = max(x.ndim, len(reps))
    shape = (1,) * (ndim - x.ndim) + x.shape
    reps = (1,) * (ndim - len(reps)) + reps
    apart = F.reshape(x, [length for size in shape for length in (1, size)])
    wide = [length for rep, size in zip(reps, shape, strict=True) for length in (rep, size)]
    full = tuple(rep * size for rep, size in zip(reps, shape, strict=True))
    return F.reshape(F.broadcast_to(apart, tuple(wide)), full)


@composition(
    Sample((2, 3), 2), Sample((2, 3), 2, axis=-1), Sample((2, 3), [0, 2, 1], axis=1), Sample((), 2)
)
def repeat(x, repeats, axis=None):
    """x with each element repeated along ``axis``, along the flattened x if None.

    ``repeats`` is a number for all, or one for each place along the axis.

    >>> F.repeat(np.array([1.0, 2.0]), 2)
    array([1., 1., 2., 2.])
    """
    x, repeats = as_operand(x), np.asarray(array_of(repeats))
    if axis is None:
        x, axis = F.flatten(x), 0
    axis = axis_of("repeat", axis, x.ndim)
    if repeats.size == 1:
        return _each_repeated(x, int(repeats.item()), axis)
    if repeats.shape != (x.shape[axis],):
        raise ValueError(
            f"repeat: {repeats.size} repeats came for the {x.shape[axis]} places of axis {axis} "
            f"of x {x.shape}"
        )
    return F.take(x, np.repeat(np.arange(x.shape[axis]), repeats), axis)


def _each_repeated(x: Any, count: int, axis: int) -> Any:
    """Every element along an axis ``count`` times: no index to look up, no sum by index."""
    if count < 0:
        raise ValueError(f"repeat: repeats is {count}, it must not be negative")
    before, size, after = x.shape[:axis], x.shape[axis], x.shape[axis + 1 :]
    apart = F.expand_dims(x, axis + 1)
    wide = F.broadcast_to(apart, (*before, size, count, *after))
    return F.reshape(wide, (*before, size * count, *after))


# ---- other axes -------------------------------------------------------------------------------


@composition(Sample((2, 3)), Sample(()))
def ravel(x):
    """All elements along one axis, the last axis the fastest.

    >>> F.ravel(np.array([[1.0, 2.0], [3.0, 4.0]]))
    array([1., 2., 3., 4.])
    """
    return F.reshape(x, (-1,)) if as_operand(x).size else F.reshape(x, (0,))


def _each(xs: tuple[Any, ...], shaped: Any) -> Any:
    """``shaped`` of one argument, or a tuple of it for several, as NumPy answers."""
    ys = tuple(shaped(as_operand(x)) for x in xs)
    return ys[0] if len(ys) == 1 else ys


@composition(Sample((2, 3)), Sample(()), Sample((), (2,)))
def atleast_1d(*xs):
    """x with an axis if it has none; a tuple for several arguments.

    >>> F.atleast_1d(np.array(2.0))
    array([2.])
    """
    return _each(xs, lambda x: x if x.ndim else F.reshape(x, (1,)))


@composition(Sample((3,)), Sample(()), Sample((2, 3), (2,)))
def atleast_2d(*xs):
    """x as a row if it has less than two axes; a tuple for several arguments.

    >>> F.atleast_2d(np.array([1.0, 2.0]))
    array([[1., 2.]])
    """
    return _each(xs, lambda x: x if x.ndim > 1 else F.reshape(x, (1, x.size)))


@composition(Sample((3,)), Sample(()), Sample((2, 3), (2, 1, 2)))
def atleast_3d(*xs):
    """x with axes of length 1 added until it has three: (N,) is (1, N, 1), (M, N) is (M, N, 1).

    >>> F.atleast_3d(np.array([1.0, 2.0])).shape
    (1, 2, 1)
    """

    def shaped(x: Any) -> Any:
        if x.ndim > 2:
            return x
        return F.reshape(x, (*x.shape, 1) if x.ndim == 2 else (1, x.size, 1))

    return _each(xs, shaped)


@composition(Sample((2, 1), (3,)), Sample((), (2,)))
def broadcast_arrays(*xs):
    """The arguments, each repeated to the shape that all of them have in common: a tuple.

    >>> F.broadcast_arrays(np.array([[1.0], [2.0]]), np.array([3.0, 4.0]))[0]
    array([[1., 1.],
           [2., 2.]])
    """
    xs = [as_operand(x) for x in xs]
    shape = _common_shape("broadcast_arrays", xs)
    return tuple(x if x.shape == shape else F.broadcast_to(x, shape) for x in xs)


def _common_shape(name: str, xs: list[Any]) -> tuple[int, ...]:
    """The shape that these broadcast to; ValueError in the operation's name."""
    try:
        return np.broadcast_shapes(*(x.shape for x in xs))
    except ValueError:
        came = ", ".join(str(x.shape) for x in xs)
        raise ValueError(f"{name}: {came} do not broadcast") from None


@composition(
    Sample((2,), (3,)), Sample((2,), (3,), (2,), indexing="ij"), Sample((2,), (3,), sparse=True)
)
def meshgrid(*xs, indexing="xy", sparse=False):
    """The coordinates of a grid from those along its axes: a tuple of arrays of the grid's shape.

    With "xy" the first argument runs along the second axis and the second along the first, as in
    a picture; with "ij" the n-th runs along the n-th axis. ``sparse`` leaves the lengths of the
    other axes 1.

    >>> F.meshgrid(np.array([1.0, 2.0]), np.array([3.0, 4.0]))[1]
    array([[3., 3.],
           [4., 4.]])
    """
    if indexing not in ("xy", "ij"):
        raise ValueError(f"meshgrid: indexing is {indexing!r}, 'xy' or 'ij' is needed")
    lines = [F.ravel(x) for x in xs]
    order = list(range(len(lines)))
    if indexing == "xy":
        order[:2] = order[1::-1]
    grids = [
        F.reshape(line, tuple(line.size if i == place else 1 for i in range(len(lines))))
        for line, place in zip(lines, order, strict=True)
    ]
    return tuple(grids) if sparse or not grids else broadcast_arrays(*grids)


@composition(
    Sample((5,), 3),
    Sample((3, 4), window_shape=(2, 3)),
    Sample((2, 5), 2, axis=1),
    Sample((4,), window_shape=(2, 2), axis=(0, 0)),
)
def sliding_window_view(x, window_shape, axis=None):
    """Every window of x: the places where it can lie come first, what is in it last.

    A window has a length for each axis, or one for each of ``axis``. The windows overlap: they
    are no view but an array that is ``prod(window_shape)`` times as large.

    >>> F.sliding_window_view(np.array([1.0, 2.0, 3.0]), 2)
    array([[1., 2.],
           [2., 3.]])
    """
    x = as_operand(x)
    lengths = tuple(window_shape) if isinstance(window_shape, Iterable) else (window_shape,)
    axes = range(x.ndim) if axis is None else axis if isinstance(axis, Iterable) else (axis,)
    axes = [axis_of("sliding_window_view", i, x.ndim) for i in axes]
    if len(axes) != len(lengths):
        raise ValueError(
            f"sliding_window_view: window_shape {lengths} has {len(lengths)} lengths for "
            f"{len(axes)} axes"
        )
    for i, length in zip(axes, lengths, strict=True):
        if not 0 <= length <= x.shape[i]:
            raise ValueError(
                f"sliding_window_view: a window of {length} does not fit in axis {i} of length "
                f"{x.shape[i]}"
            )
        x = _windows(x, i, length)
    return x


def _windows(x: Any, axis: int, length: int) -> Any:
    """x with the windows along one axis, what is in them last."""
    count = x.shape[axis] - length + 1
    if 0 < length <= 64:  # slices: their gradients are added without looking for repeated places
        parts = [x[along(axis, slice(start, start + count))] for start in range(length)]
        return F.moveaxis(F.stack(parts), 0, -1)
    places = np.arange(count)[:, None] + np.arange(length)
    return F.moveaxis(F.moveaxis(x, axis, 0)[places], (0, 1), (axis, -1))


@composition(Sample((3,)), Sample((3,), 2, increasing=True), Sample(np.array([0.0, 2.0]), 4))
def vander(x, N=None, increasing=False):
    """The powers of each element of x (M,), the highest first: (M, N), N is M if None.

    >>> F.vander(np.array([1.0, 2.0, 3.0]))
    array([[1., 1., 1.],
           [4., 2., 1.],
           [9., 3., 1.]])
    """
    x = as_operand(x)
    if x.ndim != 1:
        raise ValueError(f"vander: x {x.shape} needs one axis")
    exponents = np.arange(x.size if N is None else N)
    exponents = exponents if increasing else exponents[::-1]
    return F.power(x[:, None], beside(x, exponents.astype(x.dtype)))

"""NumPy's functions that arrange, join, cut and choose elements, for recorded arrays."""

# pyright: reportUnknownVariableType=false, reportUnknownArgumentType=false
# pyright: reportUnknownMemberType=false, reportUnknownParameterType=false
# pyright: reportMissingParameterType=false, reportPrivateUsage=false
# pyright: reportUnknownLambdaType=false
# (NumPy's arrays have unknown parameters here; its functions take whatever is an array)

from __future__ import annotations

import builtins
from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.lib.array_utils import normalize_axis_index, normalize_axis_tuple

from descend.compile.errors import NotRecorded, TraceError
from descend.compile.graph import Node, Shape
from descend.compile.lazy import array as nodes
from descend.compile.lazy.array import LazyArray, cast, ghost
from descend.compile.lazy.elements import (
    add,
    as_lazy,
    astype,
    full,
    hosted,
    into,
    operand,
    result_type,
    where,
    zeros,
)
from descend.compile.record import indexing

# ---- the same elements in another arrangement -------------------------------------------------


def reshape(x, shape, order="C", copy=None):
    """The same elements in another shape; one length may be -1."""
    x = as_lazy(x)
    if order != "C":
        raise NotRecorded("an order of elements")
    return x.view(nodes.reshape(x.node, np.reshape(ghost(x), shape).shape))


def transpose(x, axes=None):
    """The axes in another order, reversed if ``axes`` is None."""
    x = as_lazy(x)
    if axes is None:
        return x.view(nodes.transpose(x.node, tuple(range(x.ndim))[::-1]))
    np.transpose(ghost(x), axes)
    return x.view(nodes.transpose(x.node, normalize_axis_tuple(axes, x.ndim)))


permute_dims = transpose


def swapaxes(x, axis1, axis2):
    """Two axes exchanged."""
    x = as_lazy(x)
    np.swapaxes(ghost(x), axis1, axis2)
    order = list(range(x.ndim))
    order[axis1], order[axis2] = order[axis2], order[axis1]
    return transpose(x, order)


def moveaxis(x, source, destination):
    """Some axes moved to other places."""
    x = as_lazy(x)
    np.moveaxis(ghost(x), source, destination)
    sources = normalize_axis_tuple(source, x.ndim)
    places = normalize_axis_tuple(destination, x.ndim)
    order = [i for i in range(x.ndim) if i not in sources]
    for place, axis in sorted(zip(places, sources, strict=True)):
        order.insert(place, axis)
    return transpose(x, order)


def _reshaped_by(name: str) -> Callable[..., Any]:
    """A function of NumPy that only changes the shape."""
    numpys = getattr(np, name)

    def function(x: Any, *arguments: Any, **params: Any) -> Any:
        x = as_lazy(x)
        return reshape(x, numpys(ghost(x), *arguments, **params).shape)

    function.__name__ = function.__qualname__ = name
    function.__doc__ = f"NumPy's {name}, recorded."
    return function


expand_dims, squeeze = _reshaped_by("expand_dims"), _reshaped_by("squeeze")
atleast_1d, atleast_2d = _reshaped_by("atleast_1d"), _reshaped_by("atleast_2d")


def ravel(x, order="C"):
    """All elements along one axis."""
    return reshape(x, (as_lazy(x).size,), order)


flatten = ravel


def broadcast_to(x, shape):
    """x repeated along new axes and along those of length 1."""
    x = as_lazy(x)
    return x.view(nodes.broadcast_to(x.node, np.broadcast_to(ghost(x), shape).shape))


def broadcast_arrays(*xs):
    """All in the shape to which they broadcast."""
    shape = np.broadcast_shapes(*(np.shape(x) for x in xs))
    return tuple(broadcast_to(x, shape) for x in xs)


def flip(x, axis=None):
    """The elements backwards."""
    x = as_lazy(x)
    np.flip(ghost(x), axis)
    axes = range(x.ndim) if axis is None else normalize_axis_tuple(axis, x.ndim)
    return x[tuple(slice(None, None, -1 if i in axes else 1) for i in range(x.ndim))]


def _triangle(x: Any, k: int, name: str) -> LazyArray:
    x = as_lazy(x)
    rows, columns = np.ix_(*(np.arange(n) for n in x.shape[-2:]))
    inside = rows >= columns - k if name == "tril" else rows <= columns - k
    return where(inside, x, x.dtype.type(0))


def tril(m, k=0):
    """The lower triangle of the last two axes, zeros above."""
    return _triangle(m, k, "tril")


def triu(m, k=0):
    """The upper triangle of the last two axes, zeros below."""
    return _triangle(m, k, "triu")


# ---- several into one, one into several -------------------------------------------------------


def concatenate(arrays, axis: int | None = 0, out=None, dtype=None):
    """Arrays one after the other along ``axis``; None flattens them first."""
    xs = [as_lazy(x) for x in arrays]
    if axis is None:
        xs, axis = [ravel(x) for x in xs], 0
    # Of no elements: NumPy copies nothing, and still checks
    ends = [ghost(x) for x in xs]
    shape = _joined(ends, axis)
    axis %= len(shape)
    dtype = result_type(*xs) if dtype is None else np.dtype(dtype)
    pieces: list[tuple[Node, Any]] = []
    start = 0
    for x in xs:
        place = [slice(None)] * x.ndim
        place[axis] = slice(start, start + x.shape[axis])
        start += x.shape[axis]
        if x.size:
            pieces.append((cast(x.node, dtype), indexing.place_of(tuple(place), shape)))
    if not pieces:
        return into(out, zeros(shape, dtype))
    return into(out, LazyArray(indexing.assemble(shape, dtype, 0, pieces)))


concat = concatenate


def _joined(ghosts: list[Any], axis: int) -> Shape:
    """The shape of what is concatenated, or NumPy's error."""
    axes = {x.ndim for x in ghosts}
    fits = len(axes) == 1 and -ghosts[0].ndim <= axis < ghosts[0].ndim
    rests = {x.shape[:axis] + x.shape[axis:][1:] for x in ghosts} if fits else set[Shape]()
    if len(rests) != 1:
        np.concatenate(ghosts, axis=axis)
    axis %= ghosts[0].ndim
    length = builtins.sum(x.shape[axis] for x in ghosts)
    return (*ghosts[0].shape[:axis], length, *ghosts[0].shape[axis + 1 :])


def stack(arrays, axis=0, out=None, dtype=None):
    """Arrays of one shape along a new axis."""
    xs = [as_lazy(x) for x in arrays]
    if len({x.shape for x in xs}) != 1:
        np.stack([ghost(x) for x in xs], axis)
    return concatenate([expand_dims(x, axis) for x in xs], axis, out, dtype)


def split(x, indices_or_sections, axis=0):
    """x cut into parts along ``axis``: a list."""
    return _split(np.split, x, indices_or_sections, axis)


def array_split(x, indices_or_sections, axis=0):
    """x cut into parts along ``axis`` that need not be equal: a list."""
    return _split(np.array_split, x, indices_or_sections, axis)


def _split(numpys: Callable[..., Any], x: Any, cuts: Any, axis: int) -> list[LazyArray]:
    x = as_lazy(x)
    numbers = np.arange(x.shape[axis])
    numpys(ghost(x), cuts, axis=axis)
    axis %= x.ndim
    parts: list[LazyArray] = []
    for part in numpys(numbers, cuts):
        first = int(part[0]) if part.size else 0
        index = (*(slice(None),) * axis, slice(first, first + part.size))
        parts.append(x[index])
    return parts


def pad(x, pad_width, mode="constant", **options):
    """x with a border of ``constant_values``."""
    x = as_lazy(x)
    constant_values = options.get("constant_values", 0)
    if mode != "constant" or np.ndim(constant_values):
        return hosted(np.pad, x, pad_width, mode, **options)
    widths = np.broadcast_to(pad_width, (x.ndim, 2)).tolist()
    if builtins.any(width < 0 for pair in widths for width in pair):
        np.pad(np.zeros((1,) * x.ndim), widths)
    shape = tuple(n + before + after for n, (before, after) in zip(x.shape, widths, strict=True))
    place = tuple(slice(b, b + n) for n, (b, _) in zip(x.shape, widths, strict=True))
    if isinstance(constant_values, LazyArray):
        y = full(shape, constant_values, x.dtype)
        y[place] = x
        return y
    fill = np.asarray(constant_values).astype(x.dtype).item()
    pieces = [(x.node, indexing.place_of(place, shape))] if x.size else []
    if not pieces:
        return full(shape, fill, x.dtype)
    return LazyArray(indexing.assemble(shape, x.dtype, fill, pieces))


# ---- chosen elements --------------------------------------------------------------------------


def getitem(x, index):
    """x[index]."""
    return indexing.getitem(as_lazy(x), index)


def setitem(x, index, value):
    """x[index] = value."""
    indexing.setitem(x, index, value)


def scatter_to(x, index, shape):
    """Zeros of ``shape`` with x added at ``index``."""
    return LazyArray(indexing.Selection(tuple(shape), index).into(as_lazy(x).node))


def take(x, indices, axis=None):
    """The elements of x at ``indices`` along ``axis``, of the flattened x if None."""
    x = as_lazy(x)
    x, axis = (ravel(x), 0) if axis is None else (x, normalize_axis_index(axis, x.ndim))
    return x[(*(slice(None),) * axis, operand(indices))]


def take_along_axis(x, indices, axis=-1):
    """For each line of x along ``axis``, its elements at that line's ``indices``."""
    x = as_lazy(x)
    axis = normalize_axis_index(axis, x.ndim)
    if np.ndim(indices) != x.ndim:
        raise ValueError("`indices` and `arr` must have the same number of dimensions")
    grid = np.ogrid[tuple(slice(n) for n in x.shape)]
    return x[tuple(indices if i == axis else lines for i, lines in enumerate(grid))]


def add_at(x: LazyArray, index: Any, values: Any) -> None:
    """x[index] += values, with each repeated place added to as often as it comes."""
    if not isinstance(x, LazyArray):  # pyright: ignore[reportUnnecessaryIsInstance]
        raise TraceError("adds recorded values into an array", "use F.scatter_add")
    added = scatter_to(astype(values, x.dtype, copy=False), index, x.shape)
    x[...] = x + added


add.at = add_at  # pyright: ignore[reportFunctionMemberAccess]

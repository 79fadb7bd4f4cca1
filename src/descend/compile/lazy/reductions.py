"""NumPy's functions that make one element of many, for recorded arrays."""

# pyright: reportUnknownVariableType=false, reportUnknownArgumentType=false
# pyright: reportUnknownMemberType=false, reportUnknownParameterType=false
# pyright: reportMissingParameterType=false, reportPrivateUsage=false
# pyright: reportUnknownLambdaType=false
# (NumPy's arrays have unknown parameters here; its functions take whatever is an array)

from __future__ import annotations

import builtins
from collections.abc import Callable
from math import prod as product
from typing import Any

import numpy as np
from numpy.lib.array_utils import normalize_axis_index, normalize_axis_tuple

from descend.compile.graph import BOOL, Node, part_dtype
from descend.compile.lazy import array as nodes
from descend.compile.lazy.array import LazyArray, cast, emit, ghost
from descend.compile.lazy.elements import as_lazy, astype, floating, into, ones, sqrt
from descend.compile.lazy.shapes import concatenate, ravel, transpose


def axes_of(axis: Any, x: LazyArray, numpys: Callable[..., Any]) -> tuple[int, ...]:
    """The axes that are reduced; NumPy's own error where it refuses."""
    if axis is None:
        return tuple(range(x.ndim))
    try:
        return tuple(sorted(normalize_axis_tuple(axis, x.ndim)))
    except (ValueError, TypeError):
        numpys(ghost(x), axis=axis)
        if x.ndim == 0:  # NumPy takes a number for an array of one axis here
            return ()
        raise


def _reduced(op: str, x: Node, axes: tuple[int, ...], keepdims: Any) -> LazyArray:
    half = x.dtype == np.float16
    y = emit(op, cast(x, np.float32) if half else x, axes=axes) if axes else x
    y = cast(y, np.float16) if half else y
    if keepdims:
        y = nodes.reshape(y, tuple(1 if i in axes else n for i, n in enumerate(x.shape)))
    return LazyArray(y)


def sum(x, axis=None, dtype=None, out=None, keepdims=False):
    """The sum over ``axis``; small integers are summed as int64."""
    x = as_lazy(x)
    if dtype is None:
        dtype = {"b": np.int64, "i": np.int64, "u": np.uint64}.get(x.dtype.kind, x.dtype)
    axes = axes_of(axis, x, np.sum)
    return into(out, _reduced("sum", cast(x.node, dtype), axes, keepdims))


def _extreme(op: str) -> Callable[..., Any]:
    numpys = getattr(np, op)

    def function(x: Any, axis: Any = None, out: Any = None, keepdims: Any = False) -> Any:
        x = as_lazy(x)
        axes = axes_of(axis, x, numpys)
        if builtins.any(x.shape[i] == 0 for i in axes):
            numpys(ghost(x), axis=axis)  # which refuses, unless nothing is asked for
        return into(out, _reduced(op, x.node, axes, keepdims))

    function.__name__ = function.__qualname__ = op
    function.__doc__ = f"NumPy's {op}, recorded."
    return function


max = amax = _extreme("max")
min = amin = _extreme("min")


def all(x, axis=None, out=None, keepdims=False):
    """Whether all elements over ``axis`` are true."""
    x = as_lazy(x)
    return into(out, _reduced("all", cast(x.node, BOOL), axes_of(axis, x, np.all), keepdims))


def any(x, axis=None, out=None, keepdims=False):
    """Whether any element over ``axis`` is true."""
    x = as_lazy(x)
    return into(out, _reduced("any", cast(x.node, BOOL), axes_of(axis, x, np.any), keepdims))


def _position(op: str) -> Callable[..., Any]:
    numpys = getattr(np, op)

    def function(x: Any, axis: Any = None, out: Any = None, *, keepdims: Any = False) -> Any:
        x = as_lazy(x)
        shape = x.shape
        node = nodes.reshape(x.node, (x.size,)) if axis is None else x.node
        try:
            along = normalize_axis_index(0 if axis is None else axis, builtins.max(x.ndim, 1))
        except (ValueError, TypeError):
            numpys(ghost(x), axis=axis)
            raise
        node = node if node.ndim else nodes.reshape(node, (1,))
        if node.shape[along] == 0:
            numpys(ghost(x), axis=axis)
        y = emit(op, cast(node, np.float32) if x.dtype == np.float16 else node, axis=along)
        if keepdims:
            full = tuple(1 if axis is None or i == along else n for i, n in enumerate(shape))
            y = nodes.reshape(y, full)
        return into(out, LazyArray(y))

    function.__name__ = function.__qualname__ = op
    function.__doc__ = f"NumPy's {op}, recorded."
    return function


argmax, argmin = _position("argmax"), _position("argmin")


def count_nonzero(x, axis=None, *, keepdims=False):
    """How many elements over ``axis`` are not 0."""
    return sum(astype(x, BOOL), axis, keepdims=keepdims)


def mean(x, axis=None, dtype=None, out=None, keepdims=False):
    """The arithmetic mean over ``axis``."""
    x = as_lazy(x)
    working = floating(x.dtype) if dtype is None else np.dtype(dtype)
    wide = np.float32 if working == np.float16 else working
    count = product(x.shape[i] for i in axes_of(axis, x, np.mean))
    total = sum(x, axis, wide, keepdims=keepdims)
    return into(out, astype(total / count, working))


def var(x, axis=None, dtype=None, out=None, ddof=0, keepdims=False, *, correction=None):
    """The variance over ``axis``."""
    x = as_lazy(x)
    working = floating(x.dtype) if dtype is None else np.dtype(dtype)
    wide = astype(x, np.float32 if working == np.float16 else working)
    count = product(x.shape[i] for i in axes_of(axis, x, np.var))
    distance = wide - mean(wide, axis, keepdims=True)
    count -= ddof if correction is None else correction
    squares = distance * distance
    if working.kind == "c":
        squares, working = (distance * distance.conj()).real, part_dtype(working)
    total = sum(squares, axis, keepdims=keepdims)
    return into(out, astype(total / builtins.max(count, 0), working))


def std(x, axis=None, dtype=None, out=None, ddof=0, keepdims=False, *, correction=None):
    """The standard deviation over ``axis``."""
    return into(out, sqrt(var(x, axis, dtype, None, ddof, keepdims, correction=correction)))


def prod(x, axis=None, dtype=None, out=None, keepdims=False):
    """The product over ``axis``, neighbours pair by pair."""
    x = as_lazy(x)
    wide = {"b": np.int64, "i": np.int64, "u": np.uint64}.get(x.dtype.kind, x.dtype)
    axes = axes_of(axis, x, np.prod)
    kept = tuple(i for i in range(x.ndim) if i not in axes)
    shape = tuple(x.shape[i] for i in kept)
    count = product(x.shape[i] for i in axes)
    y = transpose(astype(x, dtype or wide, copy=False), (*kept, *axes)).reshape(*shape, count)
    if count == 0:
        y = ones((*shape, 1), y.dtype)
    while y.shape[-1] > 1:
        half, rest = divmod(y.shape[-1], 2)
        pairs = y[..., :half] * y[..., half : 2 * half]
        y = concatenate([pairs, y[..., 2 * half :]], axis=-1) if rest else pairs
    full = tuple(1 if i in axes else n for i, n in enumerate(x.shape))
    return into(out, y.reshape(full if keepdims else shape))


def cumsum(x, axis=None, dtype=None, out=None):
    """The running sum along ``axis``, along the flattened x if None."""
    x = as_lazy(x)
    if axis is None or (x.ndim == 0 and axis in (0, -1)):
        x, axis = ravel(x), 0
    if dtype is None:
        dtype = {"b": np.int64, "i": np.int64, "u": np.uint64}.get(x.dtype.kind, x.dtype)
    node = cast(x.node, np.float32 if dtype == np.float16 else dtype)
    y = emit("cumsum", node, axis=normalize_axis_index(axis, x.ndim))
    return into(out, LazyArray(cast(y, dtype)))

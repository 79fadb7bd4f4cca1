"""How each Function is called on many examples at once.

A rule gets the Function as it was called on one example, its arguments (some of them `Batched`) and
the level; it answers what the call on all examples is, with the hidden axis in front. A Function
without a rule is called example by example.
"""

from __future__ import annotations

import copy
from collections.abc import Callable, Sequence
from math import prod
from typing import Any

import numpy as np

from descend import functions as F
from descend.core.function import Function
from descend.functions.axis import axes_of
from descend.transforms.batched import (
    Batched,
    Level,
    aligned,
    innermost,
    levels_now,
    repeated,
    row,
    using_levels,
)

Rule = Callable[[Any, Sequence[Any], Level], Any]

RULES: dict[str, Rule] = {}
"""The rule of each Function, by its name."""


def batched_call(function: Function, xs: Sequence[Any]) -> Any:
    """What a Function answers, if at least one argument is `Batched`."""
    level = innermost([*xs, *_parts(function)] if hasattr(function, "index") else xs)
    if function.name in RULES:
        ys = RULES[function.name](function, xs, level)
    elif function.elementwise:
        ys = function(*aligned(xs, level))
    else:
        ys = one_by_one(function, xs, level)
    return tuple(Batched(y, level) for y in ys) if type(ys) is tuple else Batched(ys, level)


def one_by_one(function: Function, xs: Sequence[Any], level: Level) -> Any:
    """Each example by itself."""
    answers: list[Any] = []
    with using_levels(tuple(other for other in levels_now() if other is not level)):
        for i in range(level.size):
            parts = [x.data[i] if isinstance(x, Batched) and x.level is level else x for x in xs]
            answers.append(copy.copy(function)(*parts))
    if type(answers[0]) is tuple:
        return tuple(F.stack(part) for part in zip(*answers, strict=True))
    return F.stack(answers)


def rule(*names: str) -> Callable[[Rule], Rule]:
    """Enter a rule for the Functions of these names."""

    def enter(function: Rule) -> Rule:
        for name in names:
            RULES[name] = function
        return function

    return enter


def again(function: Function, *xs: Any, **changed: Any) -> Any:
    """The same Function with some settings changed."""
    twin = copy.copy(function)
    for name, value in changed.items():
        setattr(twin, name, value)
    return twin(*xs)


# ---- along axes ---------------------------------------------------------------------------------


@rule("sum", "max", "min", "logsumexp")
def _reduction(function: Any, xs: Sequence[Any], level: Level) -> Any:
    [x] = xs
    axes = tuple(axis + 1 for axis in axes_of(function.name, function.axis, x.ndim))
    if not axes:  # an example without axes
        return x.data if function.name != "logsumexp" else F.copy(x.data)
    return again(function, x.data, axis=axes)


@rule("cumsum", "softmax", "log_softmax")
def _along(function: Any, xs: Sequence[Any], level: Level) -> Any:
    [x] = xs
    return again(function, x.data, axis=function.axis % x.ndim + 1)


@rule("straight_through")
def _of_one_shape(function: Any, xs: Sequence[Any], level: Level) -> Any:
    return function(*(repeated(x, level) for x in xs))


# ---- shapes -------------------------------------------------------------------------------------


@rule("reshape")
def _reshape(function: Any, xs: Sequence[Any], level: Level) -> Any:
    shape = function.shape
    shape = (shape,) if isinstance(shape, int | np.integer) else tuple(shape)
    if -1 in shape:
        known = prod(n for n in shape if n != -1)
        shape = tuple(xs[0].size // max(known, 1) if n == -1 else n for n in shape)
    return F.reshape(xs[0].data, (level.size, *shape))


@rule("transpose")
def _transpose(function: Any, xs: Sequence[Any], level: Level) -> Any:
    [x] = xs
    axes = (
        range(x.ndim)[::-1]
        if function.axes is None
        else axes_of("transpose", function.axes, x.ndim)
    )
    return F.transpose(x.data, (0, *(axis + 1 for axis in axes)))


@rule("broadcast_to")
def _broadcast_to(function: Any, xs: Sequence[Any], level: Level) -> Any:
    [x] = xs
    shape = function.shape
    shape = (shape,) if isinstance(shape, int) else tuple(shape)
    lead = (1,) * (len(shape) - x.ndim)
    return F.broadcast_to(F.reshape(x.data, (level.size, *lead, *x.shape)), (level.size, *shape))


@rule("concatenate")
def _concatenate(function: Any, xs: Sequence[Any], level: Level) -> Any:
    ndim = xs[0].ndim
    return F.concatenate([repeated(x, level) for x in xs], axis=function.axis % ndim + 1)


@rule("stack")
def _stack(function: Any, xs: Sequence[Any], level: Level) -> Any:
    return F.stack([repeated(x, level) for x in xs], axis=function.axis + 1)


@rule("split")
def _split(function: Any, xs: Sequence[Any], level: Level) -> Any:
    [x] = xs
    return tuple(F.split(x.data, function.cuts, axis=function.axis % x.ndim + 1))


@rule("pad")
def _pad(function: Any, xs: Sequence[Any], level: Level) -> Any:
    [x] = xs
    widths = np.broadcast_to(function.pad_width, (x.ndim, 2)).tolist()
    return again(function, x.data, pad_width=[(0, 0), *map(tuple, widths)])


# ---- places -------------------------------------------------------------------------------------


@rule("getitem")
def _getitem(function: Any, xs: Sequence[Any], level: Level) -> Any:
    [x] = xs
    index = _parts(function)
    if not any(map(_is_array, index)):
        return x.data[(slice(None), *index)]
    places = _places(index, x.shape, level)
    flat = F.reshape(repeated(x, level), (level.size, -1))
    return flat[:, places] if _alike(index, level) else flat[_rows(places, level), places]


@rule("scatter_to")
def _scatter_to(function: Any, xs: Sequence[Any], level: Level) -> Any:
    [x] = xs
    index = _parts(function)
    shape = (level.size, *function.shape)
    if not any(map(_is_array, index)):
        return F.scatter_to(x.data, (slice(None), *index), shape)
    size = prod(function.shape)
    places = _places(index, function.shape, level)
    if _alike(index, level):
        places = np.broadcast_to(places, (level.size, *places.shape))
    places = _rows(places, level) * size + places
    flat = F.reshape(repeated(x, level), (-1,))
    return F.reshape(F.scatter_to(flat, places.reshape(-1), (level.size * size,)), shape)


def _parts(function: Any) -> tuple[Any, ...]:
    return function.index if isinstance(function.index, tuple) else (function.index,)


def _is_array(part: Any) -> bool:
    return isinstance(part, list | Batched) or getattr(part, "ndim", 0) > 0


def _alike(index: tuple[Any, ...], level: Level) -> bool:
    """Whether the index is the same for all examples."""
    return not any(isinstance(part, Batched) and part.level is level for part in index)


def _places(index: tuple[Any, ...], shape: tuple[int, ...], level: Level) -> np.ndarray:
    """The places in the flattened array that the index chooses, for each example if they differ."""
    places = np.arange(prod(shape)).reshape(shape)
    if _alike(index, level):
        return places[index]
    return np.stack(
        [
            places[tuple(row(p, level)[i] if row(p, level) is not p else p for p in index)]
            for i in range(level.size)
        ]
    )


def _rows(places: np.ndarray, level: Level) -> np.ndarray:
    """The number of each example, to be broadcast to its places."""
    return np.arange(level.size).reshape(-1, *(1,) * (places.ndim - 1))


# ---- what has leading axes of its own -----------------------------------------------------------


@rule("inv", "det", "slogdet", "cholesky", "eigh", "eigvalsh", "svd", "svdvals", "qr", "pinv")
def _matrices(function: Any, xs: Sequence[Any], level: Level) -> Any:
    return function(xs[0].data)


@rule("solve")
def _solve(function: Any, xs: Sequence[Any], level: Level) -> Any:
    x0, x1 = xs
    if x1.ndim > 1:
        return function(*aligned(xs, level))
    return F.squeeze(function(*aligned([x0, F.expand_dims(x1, -1)], level)), -1)


# ---- products -----------------------------------------------------------------------------------


@rule("matmul")
def _matmul(function: Any, xs: Sequence[Any], level: Level) -> Any:
    x0, x1 = xs
    if not (isinstance(x1, Batched) and x1.level is level) and x1.ndim == 2:
        if x0.ndim == 2:  # one product with the rows of all examples
            rows, inner = x0.shape
            y = F.matmul(F.reshape(x0.data, (level.size * rows, inner)), x1)
            return F.reshape(y, (level.size, rows, x1.shape[1]))
        return F.matmul(x0.data, x1)
    row0, row1 = x0.ndim == 1, x1.ndim == 1
    x0 = F.expand_dims(x0, 0) if row0 else x0
    x1 = F.expand_dims(x1, -1) if row1 else x1
    y = F.matmul(*aligned([x0, x1], level))
    y = F.squeeze(y, -1) if row1 else y
    return F.squeeze(y, -1 if row1 else -2) if row0 else y


@rule("linear")
def _linear(function: Any, xs: Sequence[Any], level: Level) -> Any:
    x, weight, *rest = xs
    y = F.matmul(x, F.swapaxes(weight, -1, -2))
    bias = rest[0] if rest else None
    return row(y if bias is None else y + bias, level)


@rule(
    "convolution",
    "transposed_convolution",
    "max_pool",
    "window_sum",
    "window_spread",
    "unfold",
    "fold",
)
def _images(function: Any, xs: Sequence[Any], level: Level) -> Any:
    """The images of all examples as one batch, where only they differ."""
    x, *rest = xs
    if not isinstance(x, Batched) or any(isinstance(part, Batched) for part in rest):
        return one_by_one(function, xs, level)
    y = function(F.reshape(x.data, (level.size * x.shape[0], *x.shape[1:])), *rest)
    return F.reshape(y, (level.size, x.shape[0], *y.shape[1:]))

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
from descend.transforms.indices import of_all, of_one_array

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


def _differs(x: Any, level: Level) -> bool:
    return isinstance(x, Batched) and x.level is level


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


@rule("cumsum", "cumprod", "logcumsumexp", "softmax", "log_softmax")
def _along(function: Any, xs: Sequence[Any], level: Level) -> Any:
    [x] = xs
    return again(function, x.data, axis=function.axis % x.ndim + 1)


@rule("line")
def _line(function: Any, xs: Sequence[Any], level: Level) -> Any:
    knots, x = xs
    return one_by_one(function, xs, level) if _differs(knots, level) else function(knots, x.data)


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
    parts = _parts(function)
    if _differs(x, level):
        index, moved = of_all(parts, x.ndim, level)
        y = F.getitem(x.data, index, function.distinct)
    else:
        index, moved = of_one_array(parts, x.ndim, level)
        y = F.getitem(x, index)  # several examples may choose the same
    return F.moveaxis(y, *moved) if moved else y


@rule("scatter_to")
def _scatter_to(function: Any, xs: Sequence[Any], level: Level) -> Any:
    index, moved = of_all(_parts(function), len(function.shape), level)
    x = repeated(xs[0], level)
    x = F.moveaxis(x, *moved[::-1]) if moved else x
    return F.scatter_to(x, index, (level.size, *function.shape), function.distinct)


@rule("landing")
def _landing(function: Any, xs: Sequence[Any], level: Level) -> Any:
    index, moved = of_all(_parts(function), len(function.shape), level)
    shape = (level.size, *function.shape)
    chosen = np.zeros(F.getitem(np.broadcast_to(np.zeros((), bool), shape), index).shape, bool)
    chosen = np.moveaxis(chosen, *moved) if moved else chosen
    # Each example counts its values from 1, in the order they have without the others
    each = np.arange(1, prod(chosen.shape[1:]) + 1).reshape(chosen.shape[1:])
    each = np.broadcast_to(each, chosen.shape)
    each = np.moveaxis(each, *moved[::-1]) if moved else each
    return F.getitem(np.r_[0, each.reshape(-1)], again(function, index=index, shape=shape))


def _parts(function: Any) -> tuple[Any, ...]:
    return function.index if isinstance(function.index, tuple) else (function.index,)


# ---- what has leading axes of its own -----------------------------------------------------------


OF_LEADING_AXES = """
    fft ifft rfft irfft dct dst frames overlap_add resample
    inv det slogdet cholesky eig eigvals eigh eigvalsh svd svdvals qr lu pinv expm logm sqrtm
    """.split()
"""What works along the last axes, counted from the end, and on any number in front of them."""


@rule(*OF_LEADING_AXES)
def _of_leading_axes(function: Any, xs: Sequence[Any], level: Level) -> Any:
    return function(xs[0].data)


@rule("solve")
def _solve(function: Any, xs: Sequence[Any], level: Level) -> Any:
    x0, x1 = xs
    if x1.ndim > 1:
        return function(*aligned(xs, level))
    return F.squeeze(function(*aligned([x0, F.expand_dims(x1, -1)], level)), -1)


@rule("solve_triangular", "solve_sylvester")
def _matrices(function: Any, xs: Sequence[Any], level: Level) -> Any:
    return function(*aligned(xs, level))


@rule("segment_max")
def _segments(function: Any, xs: Sequence[Any], level: Level) -> Any:
    return F.moveaxis(function(F.moveaxis(xs[0].data, 0, 1)), 1, 0)


@rule("sparse_matmul", "spsolve")
def _sparse(function: Any, xs: Sequence[Any], level: Level) -> Any:
    data, x = xs
    if not _differs(data, level):
        return _by_columns(lambda x: function(data, x), x, level)
    # The matrices of all examples along the diagonal of one
    rows = F.reshape(repeated(x, level), (level.size * x.shape[0], *x.shape[1:]))
    places = function.places.repeated(level.size)
    y = again(function, F.reshape(data.data, (-1,)), rows, places=places)
    return F.reshape(y, (level.size, y.shape[0] // level.size, *x.shape[1:]))


def _by_columns(function: Callable[[Any], Any], x: Any, level: Level) -> Any:
    """What takes (n, k) to (m, k), with the columns of all examples beside each other."""
    rows = x.shape[0]
    columns = F.reshape(F.moveaxis(x.data, 0, 1), (rows, -1))
    y = function(columns)
    return F.moveaxis(F.reshape(y, (y.shape[0], level.size, *x.shape[1:])), 1, 0)


# ---- products -----------------------------------------------------------------------------------


@rule("matmul")
def _matmul(function: Any, xs: Sequence[Any], level: Level) -> Any:
    x0, x1 = xs
    if not _differs(x1, level) and x1.ndim == 2:
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


@rule("convolve")
def _convolve(function: Any, xs: Sequence[Any], level: Level) -> Any:
    """Every example as a channel with a kernel of its own."""
    floating = np.result_type(*(x.dtype for x in xs)).kind in "fc"
    if not floating or xs[0].size * xs[1].size > 1 << 15:  # NumPy's own loop costs more than ours
        return one_by_one(function, xs, level)
    long, short = sorted(xs, key=lambda x: -x.size)
    n, m = long.size, short.size
    kernels = F.reshape(F.flip(repeated(short, level), -1), (level.size, 1, m))
    lines = F.reshape(repeated(long, level), (1, level.size, n))
    y = F.conv1d(lines, kernels, padding=m - 1, groups=level.size)[0]
    start, size = {
        "full": (0, n + m - 1),
        "same": ((m - 1) // 2, n),
        "valid": (m - 1, n - m + 1),
    }[function.mode]
    return y[:, start : start + size]


@rule("convolution", "transposed_convolution")
def _convolution(function: Any, xs: Sequence[Any], level: Level) -> Any:
    """Where the weights differ, the examples are groups of channels."""
    x, weight, *bias = xs
    if not _differs(weight, level) and not any(_differs(b, level) for b in bias):
        return _images(function, xs, level)
    x, weight = repeated(x, level), repeated(weight, level)
    bias = [F.reshape(repeated(b, level), (-1,)) for b in bias]
    x = F.flatten(F.moveaxis(x, 0, 1), 1, 2)
    y = again(function, x, F.flatten(weight, 0, 1), *bias, groups=function.groups * level.size)
    y = F.reshape(y, (y.shape[0], level.size, y.shape[1] // level.size, *y.shape[2:]))
    return F.moveaxis(y, 1, 0)


@rule(
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

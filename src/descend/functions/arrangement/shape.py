"""The same elements in another arrangement."""

from __future__ import annotations

from itertools import accumulate
from math import prod
from typing import Any

import numpy as np

from descend import functions as F
from descend.core.arrays import broadcast_to as _broadcast_to
from descend.core.arrays import get_array_module
from descend.core.arrays import sum_to as _sum_to
from descend.core.errors import shape_of
from descend.core.function import Function, as_operand
from descend.functions.axis import axes_of, axis_of
from descend.functions.registry import Sample, composition, primitive


class Reshape(Function):
    """The same elements, in the same order, in another shape; one length may be -1.

    >>> F.reshape(Variable(np.arange(6.0)), (2, -1))
    Variable([[0. 1. 2.]
              [3. 4. 5.]])
    """

    samples = (
        Sample((2, 6), shape=(3, -1)),
        Sample((), shape=(1, 1)),
        Sample((0, 3), shape=(3, 0)),
    )

    def __init__(self, shape: Any) -> None:
        self.shape = shape

    def forward(self, x):
        return get_array_module(x).reshape(x, self.shape)

    def backward(self, gy, *, x_shape):
        return F.reshape(gy, x_shape)

    def complaint(self, x: Any) -> str | None:
        """Name both sizes."""
        return f"x {shape_of(x)} has {np.size(x)} elements, which do not fill {self.shape}"


class Transpose(Function):
    """The axes in another order, reversed if ``axes`` is None.

    >>> F.transpose(np.arange(6).reshape(2, 3))
    array([[0, 3],
           [1, 4],
           [2, 5]])
    """

    samples = (Sample((3, 4)), Sample((2, 3, 4), axes=(1, -1, 0)), Sample(()), Sample((0, 2)))

    def __init__(self, axes: Any = None) -> None:
        self.axes = axes

    def forward(self, x):
        return get_array_module(x).transpose(x, self.axes)

    def backward(self, gy):
        if self.axes is None:
            return F.transpose(gy)
        order = axes_of(self.name, self.axes, gy.ndim)
        return F.transpose(gy, tuple(order.index(i) for i in range(gy.ndim)))


class BroadcastTo(Function):
    """x repeated along new axes and along those of length 1, until it has ``shape``.

    >>> F.broadcast_to(np.array([1.0, 2.0]), (2, 2))
    array([[1., 2.],
           [1., 2.]])
    """

    samples = (Sample((3, 1), shape=(2, 3, 4)), Sample((), shape=(2,)), Sample((1,), shape=(0,)))

    def __init__(self, shape: int | tuple[int, ...]) -> None:
        self.shape = (shape,) if isinstance(shape, int) else tuple(shape)

    def forward(self, x):
        return _broadcast_to(x, self.shape)

    def backward(self, gy):
        return gy  # the walk sums it to x's shape

    def complaint(self, x: Any) -> str | None:
        """Name both shapes."""
        return f"x {shape_of(x)} does not broadcast to {self.shape}"


class Concatenate(Function):
    """Arrays one after the other along an axis that they have."""

    def __init__(self, axis: int = 0) -> None:
        self.axis = axis

    def forward(self, *xs):
        self.keep(ends=list(accumulate(x.shape[self.axis] for x in xs)))
        return get_array_module(*xs).concatenate(xs, axis=self.axis)

    def backward(self, gy, *, ends):
        return tuple(F.split(gy, ends[:-1], axis=self.axis))

    def complaint(self, *xs: Any) -> str | None:
        """Name the shapes."""
        came = ", ".join(shape_of(x) for x in xs)
        return f"{came} do not fit: all lengths but that of axis {self.axis} must be equal"


class Stack(Function):
    """Arrays of one shape along a new axis."""

    def __init__(self, axis: int = 0) -> None:
        self.axis = axis

    def forward(self, *xs):
        self.keep(count=len(xs))
        return get_array_module(*xs).stack(xs, axis=self.axis)

    def backward(self, gy, *, count):
        before = (slice(None),) * (self.axis % gy.ndim)
        return tuple(gy[(*before, i)] for i in range(count))


class Split(Function):
    """x cut into parts along ``axis``: a tuple.

    ``indices_or_sections`` is a number of equal parts, or the indices at which to cut.

    >>> F.split(Variable(np.arange(3.0)), [1])
    (Variable([0.]), Variable([1. 2.]))
    """

    samples = (Sample((4, 3), 2), Sample((2, 5), [1, 3], axis=-1), Sample((3,), [0]))

    def __init__(self, indices_or_sections: Any, axis: int = 0) -> None:
        self.cuts = indices_or_sections
        self.axis = axis

    def forward(self, x):
        return tuple(get_array_module(x).split(x, self.cuts, axis=self.axis))

    def backward(self, *gys):
        return F.concatenate(gys, axis=self.axis)


class Pad(Function):
    """x with a border of ``constant_values``: `pad` in its first mode."""

    def __init__(self, pad_width: Any, constant_values: float = 0) -> None:
        self.pad_width = pad_width
        self.constant_values = constant_values

    def forward(self, x):
        widths = np.broadcast_to(self.pad_width, (x.ndim, 2)).tolist()
        self.keep(
            inside=tuple(
                slice(before, before + size)
                for (before, _), size in zip(widths, x.shape, strict=True)
            )
        )
        return get_array_module(x).pad(x, widths, constant_values=self.constant_values)

    def backward(self, gy, *, inside):
        return gy[inside]


class AsType(Function):
    """x in another dtype; the gradient comes back in x's own.

    >>> x = Variable(np.array([1.5], np.float32))
    >>> F.astype(x, np.float64).backward()
    >>> x.grad.dtype
    dtype('float32')
    """

    name = "astype"
    elementwise = True
    samples = (Sample((3,), np.float64), Sample((), np.float64))

    def __init__(self, dtype: Any) -> None:
        self.dtype = np.dtype(dtype)

    def forward(self, x):
        return x.astype(self.dtype)

    def backward(self, gy):
        return gy  # the walk casts it to x's dtype


class Copy(Function):
    """x in memory of its own.

    >>> F.copy(np.array([1.0, 2.0]))
    array([1., 2.])
    """

    elementwise = True
    samples = (Sample((3, 4)), Sample(()))

    def forward(self, x):
        return get_array_module(x).copy(x)

    def backward(self, gy):
        return gy


reshape = primitive(Reshape)
transpose = primitive(Transpose)
broadcast_to = primitive(BroadcastTo)
split = primitive(Split)
astype = primitive(AsType)
copy = primitive(Copy)


BORDERS = ("constant", "edge", "reflect", "symmetric", "wrap")


@composition(
    Sample((2, 3), ((1, 0), (0, 2))),
    Sample((3,), 1, constant_values=5.0),
    Sample((0, 2), 1),
    Sample((2, 3), ((0, 0), (2, 1)), mode="reflect"),
    Sample((2, 3), ((1, 2), (0, 1)), "edge"),
    Sample((3,), pad_width=(4, 7), mode="symmetric"),
    Sample((3, 1), ((2, 4), (0, 1)), mode="wrap"),
)
def pad(x, pad_width, mode="constant", constant_values=0):
    """x with a border.

    ``pad_width`` is (before, after) for each axis, or what NumPy takes instead of that. The border
    is ``constant_values``, or with ``mode`` what x has: "edge" its last element, "reflect" its
    elements from the last but one backwards, "symmetric" from the last one backwards, "wrap" those
    of its other end. A border longer than x goes on in the same way.

    >>> F.pad(np.array([1.0, 2.0]), (1, 2))
    array([0., 1., 2., 0., 0.])
    >>> F.pad(np.array([1.0, 2.0, 3.0]), 2, mode="reflect")
    array([3., 2., 1., 2., 3., 2., 1.])
    """
    if mode == "constant":
        return Pad(pad_width, constant_values)(x)
    if mode not in BORDERS:
        known = ", ".join(f'"{name}"' for name in BORDERS)
        raise ValueError(f"pad: mode={mode!r} came, one of {known} is needed")
    x = as_operand(x)
    try:
        widths = np.broadcast_to(pad_width, (x.ndim, 2)).tolist()
        lines = [
            np.pad(np.arange(n), width, mode) for n, width in zip(x.shape, widths, strict=True)
        ]
    except ValueError as error:
        raise ValueError(f"pad: x {x.shape}: {error}") from None
    for axis, (line, (before, _)) in enumerate(zip(lines, widths, strict=True)):
        n = x.shape[axis]
        if len(line) > n:
            first, last = (_runs(x, axis, part) for part in (line[:before], line[before + n :]))
            x = concatenate([*first, x, *last], axis)
    return x


def _runs(x: Any, axis: int, line: np.ndarray) -> list[Any]:
    """The slices of x that give its elements at ``line`` along an axis: forward, back, repeated."""
    runs: list[Any] = []
    start = 0
    while start < len(line):
        steps = np.diff(line[start:])
        step = int(steps[0]) if len(steps) and abs(steps[0]) <= 1 else 1
        others = np.flatnonzero(steps != step)
        count = int(others[0]) + 1 if len(others) else len(line) - start
        first = int(line[start])
        end = first + count * step
        run = slice(first, end if end >= 0 else None, step) if step else slice(first, first + 1)
        part = F.getitem(x, (*(slice(None),) * axis, run))
        if not step:
            part = F.broadcast_to(part, (*x.shape[:axis], count, *x.shape[axis + 1 :]))
        runs.append(part)
        start += count
    return runs


@composition(Sample([(2, 3), (4, 3)]), Sample([(2, 1), (2, 3)], axis=-1), Sample([(3,)]))
def concatenate(xs, axis=0):
    """Arrays one after the other along ``axis``; None flattens them first.

    >>> F.concatenate([Variable(np.ones(2)), np.zeros(1)])
    Variable([1. 1. 0.])
    """
    if len(xs) == 0:
        raise ValueError("concatenate: no arrays came, at least one is needed")
    if axis is None:
        xs, axis = [flatten(x) for x in xs], 0
    return Concatenate(axis)(*xs)


@composition(Sample([(2, 3), (2, 3)]), Sample([(2,), (2,)], axis=-1), Sample([()]))
def stack(xs, axis=0):
    """Arrays of one shape along a new axis.

    >>> F.stack([np.array([1.0, 2.0]), np.array([3.0, 4.0])], axis=1)
    array([[1., 3.],
           [2., 4.]])
    """
    xs = [as_operand(x) for x in xs]
    shapes = {x.shape for x in xs}
    if len(shapes) != 1:
        came = ", ".join(map(str, sorted(shapes))) or "no arrays"
        raise ValueError(f"stack: {came} came, arrays of one shape are needed")
    axis = axis_of("stack", axis, xs[0].ndim + 1)
    return Stack(axis)(*xs)


@composition(Sample((3, 2, 4), shape=(2, 1)), Sample((2, 3), shape=(2, 3)), Sample((4,), shape=()))
def sum_to(x, shape):
    """x summed over the axes that broadcasting ``shape`` to x's would repeat.

    >>> F.sum_to(np.ones((2, 3)), (3,))
    array([2., 2., 2.])
    """
    x, shape = as_operand(x), tuple(shape)
    lead = x.ndim - len(shape)
    if lead < 0 or any(n not in (1, m) for n, m in zip(shape, x.shape[lead:], strict=True)):
        raise ValueError(f"sum_to: {shape} does not broadcast to x's shape {x.shape}")
    return _sum_to(x, shape)


@composition(Sample((3, 4), axis=1), Sample((3,), axis=(0, -1)), Sample((), axis=0))
def expand_dims(x, axis):
    """x with a new axis of length 1 at each place named by ``axis``.

    >>> F.expand_dims(np.ones(3), axis=0).shape
    (1, 3)
    """
    x = as_operand(x)
    axes = (axis,) if isinstance(axis, int) else tuple(axis)
    axes = axes_of("expand_dims", axes, x.ndim + len(axes))
    lengths = iter(x.shape)
    return reshape(x, tuple(1 if i in axes else next(lengths) for i in range(x.ndim + len(axes))))


@composition(Sample((1, 3, 1)), Sample((1, 3, 1), axis=0), Sample((1, 3, 1), axis=(0, -1)))
def squeeze(x, axis=None):
    """x without its axes of length 1, or without those named.

    >>> F.squeeze(np.ones((1, 3, 1))).shape
    (3,)
    """
    x = as_operand(x)
    if axis is None:
        return reshape(x, tuple(size for size in x.shape if size != 1))
    axes = axes_of("squeeze", axis, x.ndim)
    for i in axes:
        if x.shape[i] != 1:
            raise ValueError(f"squeeze: axis {i} of x {x.shape} has length {x.shape[i]}, not 1")
    return reshape(x, tuple(size for i, size in enumerate(x.shape) if i not in axes))


@composition(Sample((2, 3, 4), 0, -1))
def swapaxes(x, axis1, axis2):
    """x with two axes exchanged.

    >>> F.swapaxes(np.ones((2, 3, 4)), 0, 2).shape
    (4, 3, 2)
    """
    x = as_operand(x)
    order = list(range(x.ndim))
    i, j = axis_of("swapaxes", axis1, x.ndim), axis_of("swapaxes", axis2, x.ndim)
    order[i], order[j] = j, i
    return transpose(x, tuple(order))


@composition(Sample((2, 3)), Sample((2, 3, 4)), Sample((0, 2)))
def matrix_transpose(x):
    """The last two axes exchanged: each matrix (..., m, n) transposed.

    >>> F.matrix_transpose(np.array([[1.0, 2.0]]))
    array([[1.],
           [2.]])
    """
    x = as_operand(x)
    if x.ndim < 2:
        raise ValueError(f"matrix_transpose: x {x.shape} came, matrices (..., m, n) are needed")
    return swapaxes(x, -1, -2)


@composition(Sample((2, 3, 4), 0, -1), Sample((2, 3, 4), source=(0, 1), destination=(-1, 0)))
def moveaxis(x, source, destination):
    """x with some axes moved to other places, the rest in their order.

    >>> F.moveaxis(np.ones((2, 3, 4)), 0, -1).shape
    (3, 4, 2)
    """
    x = as_operand(x)
    sources = axes_of("moveaxis", source, x.ndim)
    places = axes_of("moveaxis", destination, x.ndim)
    if len(sources) != len(places):
        raise ValueError(f"moveaxis: {len(sources)} sources for {len(places)} destinations")
    order = [i for i in range(x.ndim) if i not in sources]
    for place, axis in sorted(zip(places, sources, strict=True)):
        order.insert(place, axis)
    return transpose(x, tuple(order))


@composition(Sample((2, 3, 4)), Sample((2, 3, 4), 1), Sample((2, 3, 4), 0, 1), Sample(()))
def flatten(x, start_axis=0, end_axis=-1):
    """x with the axes from ``start_axis`` to ``end_axis`` made one.

    >>> F.flatten(np.ones((2, 3, 4)), start_axis=1).shape
    (2, 12)
    """
    x = as_operand(x)
    if x.ndim == 0:
        return reshape(x, (1,))
    start = axis_of("flatten", start_axis, x.ndim)
    end = axis_of("flatten", end_axis, x.ndim) + 1
    return reshape(x, (*x.shape[:start], prod(x.shape[start:end]), *x.shape[end:]))

"""Sampled functions: convolutions, interpolation, slopes, areas, phases, polynomials."""

from __future__ import annotations

from typing import Any

import numpy as np

from descend import functions as F
from descend.core.arrays import conj, get_array_module
from descend.core.errors import shape_of
from descend.core.function import Function, as_operand
from descend.core.variable import array_of
from descend.functions.axis import along, axes_of, axis_of
from descend.functions.kinds import beside
from descend.functions.registry import Sample, composition, primitive

MODES = ("full", "same", "valid")


class Convolve(Function):
    """The convolution of two sequences: y[k] is the sum of x0[i] * x1[k - i].

    "full" has every k at which they overlap, "same" the middle ones, as many as the longer has
    elements, "valid" those at which all of the shorter overlaps.

    >>> F.convolve(np.array([1.0, 2.0, 3.0]), np.array([1.0, 10.0]))
    array([ 1., 12., 23., 30.])
    """

    samples = (
        Sample((5,), (3,)),
        Sample((2,), (5,), mode="same"),
        Sample((5,), (2,), mode="same"),
        Sample((2,), (5,), mode="valid"),
        Sample((3,), (2,), complex=True),
    )
    kept_for = {"x0": 1, "x1": 0}

    def __init__(self, mode: str = "full") -> None:
        if mode not in MODES:
            raise ValueError(f"convolve: mode is {mode!r}, 'full', 'same' or 'valid' is needed")
        self.mode = mode

    def forward(self, x0, x1):
        half = np.result_type(x0, x1) == np.float16  # summed in float32
        if half:
            x0, x1 = x0.astype(np.float32), x1.astype(np.float32)
        y = get_array_module(x0, x1).convolve(x0, x1, mode=self.mode)
        return y.astype(np.float16) if half else y

    def backward(self, gy, *, x0, x1, x0_shape, x1_shape):
        short, long = sorted((x0_shape[0], x1_shape[0]))
        total = short + long - 1
        start = {"full": 0, "same": (short - 1) // 2, "valid": short - 1}[self.mode]
        gy = F.pad(gy, (start, total - start - gy.size))
        gx0 = F.convolve(gy, _reversed(x1), mode="valid") if self.edges[0] else None
        gx1 = F.convolve(gy, _reversed(x0), mode="valid") if self.edges[1] else None
        return gx0, gx1

    def complaint(self, x0: Any, x1: Any) -> str | None:
        """Name the shapes."""
        if np.ndim(x0) == np.ndim(x1) == 1 and np.size(x0) and np.size(x1):
            return None
        return f"x0 {shape_of(x0)} and x1 {shape_of(x1)} need one axis and an element each"


def _reversed(x: Any) -> Any:
    return F.flip(conj(x))


convolve = primitive(Convolve)


@composition(
    Sample((5,), (3,)),
    Sample((5,), (2,), mode="same"),
    Sample((2,), (5,), mode="same"),
    Sample((2,), (4,), mode="full", complex=True),
)
def correlate(x0, x1, mode="valid"):
    """The correlation of two sequences: y[k] is the sum of x0[i + k] * conj(x1[i]).

    The modes are those of `convolve`.

    >>> F.correlate(np.array([1.0, 2.0, 3.0]), np.array([1.0, 10.0]))
    array([21., 32.])
    """
    if mode not in MODES:
        raise ValueError(f"correlate: mode is {mode!r}, 'full', 'same' or 'valid' is needed")
    x0, x1 = as_operand(x0), as_operand(x1)
    if x0.ndim != 1 or x1.ndim != 1 or not x0.size or not x1.size:
        raise ValueError(
            f"correlate: x0 {x0.shape} and x1 {x1.shape} need one axis and an element each"
        )
    if mode == "same" and x0.size < x1.size:  # NumPy's middle is here that of the reversed
        start = x1.size - 1 - (x0.size - 1) // 2 - (x1.size - x0.size)
        return F.convolve(x0, _reversed(x1))[start : start + x1.size]
    return F.convolve(x0, _reversed(x1), mode=mode)


# ---- between samples --------------------------------------------------------------------------

KNOTS = np.array([-1.5, -0.5, 0.7, 1.2])


@composition(
    Sample((5,), KNOTS, (4,)),
    Sample((2, 2), KNOTS, (4,), left=-7.0, right=7.0),
    Sample((), (1,), (1,)),
    Sample((4,), KNOTS[[2, 0, 3, 1]], (4,), period=3.0, low=-5, high=5),
)
def interp(x, xp, fp, left=None, right=None, period=None):
    """The values at x of the lines between the points (xp, fp), both (N,), xp increasing.

    Beyond the ends it is ``left`` or ``right``, the first or last of fp if None. With ``period``
    there are no ends, and xp need not be in order. All of x, xp and fp get a gradient; at a knot
    the slope is that of the line on its right, at the last that of the line on its left.

    >>> F.interp(np.array([0.5, 2.0]), np.array([0.0, 1.0]), np.array([10.0, 20.0]))
    array([15., 20.])
    """
    x, knots, values = as_operand(x), as_operand(xp), as_operand(fp)
    if knots.ndim != 1 or knots.shape != values.shape or not knots.size:
        raise ValueError(
            f"interp: xp {knots.shape} and fp {values.shape} need one axis of the same length"
        )
    if period is not None:
        x, knots, values = _around(x, knots, values, abs(period))
        left = right = None
    first, last = array_of(knots)[0], array_of(knots)[-1]
    before, behind = F.less(x, first), F.greater(x, last)
    # Replaced, not only left out of the answer: an infinite x would spoil the other gradients
    within = F.where(F.logical_or(before, behind), first, x)
    y = _on_lines(within, knots, values) if knots.size > 1 else values[0] + 0 * within
    y = F.where(before, values[0] if left is None else left, y)
    return F.where(behind, values[-1] if right is None else right, y)


class Line(Function):
    """The number of the line between two knots that each x lies on."""

    def forward(self, x0, x1):
        xp = get_array_module(x0, x1)
        place = xp.searchsorted(x0, x1, side="right") - 1
        return xp.clip(place, 0, x0.size - 2)


def _on_lines(x: Any, knots: Any, values: Any) -> Any:
    """What `interp` is between its ends."""
    place = array_of(Line()(array_of(knots), array_of(x)))
    x0, x1 = F.getitem(knots, place), F.getitem(knots, place + 1)
    y0, y1 = F.getitem(values, place), F.getitem(values, place + 1)
    width = x1 - x0
    width = F.where(F.equal(width, 0), 1, width)
    return y0 + (y1 - y0) / width * (x - x0)


def _around(x: Any, knots: Any, values: Any, period: float) -> tuple[Any, Any, Any]:
    """All in one period, the knots in order, with one more at both ends."""
    if period == 0:
        raise ValueError("interp: period is 0")
    x, knots = (z - F.floor(array_of(z) / period) * period for z in (x, knots))
    order = F.argsort(knots, kind="stable")
    knots, values = F.getitem(knots, order), F.getitem(values, order)
    knots = F.concatenate([knots[-1:] - period, knots, knots[:1] + period])
    return x, knots, F.concatenate([values[-1:], values, values[:1]])


@composition(
    Sample((5,)),
    Sample((3, 4), 0.5),
    Sample((3, 4), KNOTS, axis=1, edge_order=2),
    Sample((3, 4), 2.0, KNOTS, axis=(0, 1)),
)
def gradient(f, *varargs, axis=None, edge_order=1):
    """The slopes of samples f along each ``axis``: a tuple, but one array for one axis.

    Inside they are of second order, at the ends of ``edge_order`` 1 or 2. ``varargs`` are the
    distance of the samples, one for all axes or one for each, or their places along an axis (N,).

    >>> F.gradient(np.array([1.0, 2.0, 4.0]))
    array([1. , 1.5, 2. ])
    """
    f = as_operand(f)
    axes = axes_of("gradient", axis, f.ndim)
    f = f if f.dtype.kind in "fc" else F.astype(f, np.float64)
    spacings = _spacings(f, axes, varargs)
    if edge_order not in (1, 2):
        raise ValueError(f"gradient: edge_order is {edge_order}, 1 or 2 is needed")
    for i in axes:
        if f.shape[i] < edge_order + 1:
            raise ValueError(
                f"gradient: axis {i} of f {f.shape} has less than {edge_order + 1} elements"
            )
    ys = tuple(_slopes(f, h, i, edge_order) for h, i in zip(spacings, axes, strict=True))
    return ys[0] if len(ys) == 1 else ys


def _spacings(f: Any, axes: tuple[int, ...], varargs: tuple[Any, ...]) -> list[Any]:
    """For each axis a number, or the distances of neighbours, shaped to broadcast along it."""
    given = list(varargs) or [1.0]
    given = given * len(axes) if len(given) == 1 else given
    if len(given) != len(axes):
        raise ValueError(f"gradient: {len(given)} spacings came for {len(axes)} axes")
    found: list[Any] = []
    for spacing, i in zip(given, axes, strict=True):
        spacing = F.astype(beside(f, spacing), f.dtype)
        if spacing.ndim:
            if spacing.shape != (f.shape[i],):
                raise ValueError(
                    f"gradient: {spacing.shape} places came for axis {i} of f {f.shape}"
                )
            spacing = F.reshape(F.diff(spacing), (-1, *(1,) * (f.ndim - 1 - i)))
        found.append(spacing)
    return found


def _slopes(f: Any, h: Any, axis: int, edge_order: int) -> Any:
    """The slopes along one axis, from the distances of neighbours."""
    size = f.shape[axis]

    def step(i: int | None, j: int | None) -> Any:
        return h[i:j] if h.ndim else h

    rises = F.diff(f, axis=axis) / h
    pieces: list[Any] = [rises[along(axis, slice(1))], rises[along(axis, slice(size - 2, None))]]
    if size > 2:
        # The slopes of the two neighbouring lines, the nearer neighbour counting more
        # (Fornberg, Mathematics of Computation 51, 1988)
        left, right = step(None, -1), step(1, None)
        below, above = rises[along(axis, slice(-1))], rises[along(axis, slice(1, None))]
        pieces.insert(1, (right * below + left * above) / (left + right))
    if edge_order == 2:
        pieces[0] = _edge(rises, step, axis, 0, 1)
        pieces[-1] = _edge(rises, step, axis, size - 2, size - 3)
    return F.concatenate(pieces, axis)


def _edge(rises: Any, step: Any, axis: int, first: int, second: int) -> Any:
    """The slope at an end of the parabola through the last three samples."""
    near, far = (rises[along(axis, slice(i, i + 1))] for i in (first, second))
    h0, h1 = (step(i, i + 1) for i in (first, second))
    return near + (near - far) * (h0 / (h0 + h1))


# ---- areas ------------------------------------------------------------------------------------


@composition(
    Sample((3, 4)),
    Sample((4,), (4,)),
    Sample((4, 2), KNOTS, axis=0),
    Sample((3, 4), dx=0.5, axis=0),
)
def trapezoid(y, x=None, dx=1.0, axis=-1):
    """The area under the lines between samples y along ``axis``, at places x or ``dx`` apart.

    >>> F.trapezoid(np.array([1.0, 2.0, 4.0]))
    array(4.5)
    """
    y = as_operand(y)
    axis = axis_of("trapezoid", axis, y.ndim)
    return F.sum(_areas("trapezoid", y, x, dx, axis), axis=axis)


@composition(
    Sample((3, 4)),
    Sample((4,), (4,)),
    Sample((4, 2), KNOTS, axis=0, initial=0),
    Sample((2,), dx=3.0),
)
def cumulative_trapezoid(y, x=None, dx=1.0, axis=-1, initial=None):
    """The running `trapezoid`, one shorter than y; ``initial`` is put in front of it.

    >>> F.cumulative_trapezoid(np.array([1.0, 2.0, 4.0]))
    array([1.5, 4.5])
    """
    y = as_operand(y)
    axis = axis_of("cumulative_trapezoid", axis, y.ndim)
    areas = F.cumsum(_areas("cumulative_trapezoid", y, x, dx, axis), axis)
    if initial is None:
        return areas
    shape = tuple(1 if i == axis else size for i, size in enumerate(y.shape))
    return F.concatenate([beside(y, np.zeros(shape, areas.dtype)) + initial, areas], axis)


def _areas(name: str, y: Any, x: Any, dx: Any, axis: int) -> Any:
    """The area between each two samples."""
    width = dx
    if x is not None:
        x = as_operand(x)
        if x.ndim == 1 and x.shape == (y.shape[axis],):
            width = F.reshape(F.diff(x), (-1, *(1,) * (y.ndim - 1 - axis)))
        elif x.shape == y.shape:
            width = F.diff(x, axis=axis)
        else:
            raise ValueError(f"{name}: x {x.shape} does not fit axis {axis} of y {y.shape}")
    after, before = y[along(axis, slice(1, None))], y[along(axis, slice(None, -1))]
    return width * (after + before) / 2


# ---- phases and polynomials -------------------------------------------------------------------


@composition(
    Sample((5,), low=-9, high=9),
    Sample((2, 4), axis=0, period=1.0),
    Sample((6,), discont=5.0, low=-9, high=9),
)
def unwrap(p, discont=None, axis=-1, period=2 * np.pi):
    """p with multiples of ``period`` added, so that neighbours differ by at most half of it.

    Steps smaller than ``discont`` stay. What is added is constant: the gradient passes.

    >>> F.unwrap(np.array([0.0, 0.9, 0.1]), period=1.0)
    array([ 0. , -0.1,  0.1])
    """
    p = as_operand(p)
    axis = axis_of("unwrap", axis, p.ndim)
    p = p if p.dtype.kind in "fc" else F.astype(p, np.result_type(p.dtype, type(period)))
    steps = F.diff(array_of(p), axis=axis)
    turns = F.floor((steps + period / 2) / period)
    # Exactly half a period up stays up
    halfway = F.logical_and(F.equal(steps - turns * period, -period / 2), steps > 0)
    turns = turns - halfway
    if discont is not None and discont > period / 2:
        turns = F.where(F.less(F.abs(steps), discont), 0, turns)
    added = F.cumsum(turns, axis) * -period
    border = [(1, 0) if i == axis else (0, 0) for i in range(p.ndim)]
    return p + F.astype(F.pad(added, border), p.dtype) if p.shape[axis] else p


@composition(Sample((4,), (3,)), Sample((1,), (2, 2)), Sample([2.0, 0.0, -1.0], (3,)))
def polyval(p, x):
    """The polynomial with coefficients p (N,), the highest power first, at x.

    >>> F.polyval(np.array([2.0, 0.0, 1.0]), np.array([1.0, 3.0]))
    array([ 3., 19.])
    """
    if not isinstance(p, (list, tuple)):  # whose numbers do not promote x
        p = as_operand(p)
        if p.ndim != 1:
            raise ValueError(f"polyval: p {p.shape} needs one axis")
    x = as_operand(x)
    y = F.zeros_like(x)
    for i in range(len(p)):  # Horner
        y = y * x + p[i]
    return y

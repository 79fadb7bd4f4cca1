"""Discrete Fourier transforms, under the names of numpy.fft.

The transform of x along an axis of n elements is X[k] = sum over j of x[j] * exp(-2 pi i j k / n),
its inverse has the other sign. ``norm`` says where the factor 1 / n goes: "backward" into the
inverse, "forward" into the transform, "ortho" as its square root into both; the transform is then
unitary. ``n``, and ``s`` for several axes, cut the input or pad it with zeros at its end. float32
gives complex64, and so does float16.

A transform is linear and its matrix symmetric, so its gradient is the inverse transform with the
factor on the other side.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from descend import functions as F
from descend.core.arrays import get_array_module
from descend.core.errors import shape_of
from descend.core.function import Function, as_operand
from descend.core.variable import array_of
from descend.functions.axis import axes_of
from descend.functions.registry import Sample, composition

OPPOSITE = {"backward": "forward", "ortho": "ortho", "forward": "backward"}
"""For each norm the one that has the factor on the other side."""


class Fourier(Function):
    """The base of transforms. Their axes count from the end, whatever axes are in front."""

    def complaint(self, x: Any) -> str | None:
        """Name a kind of numbers or a length that has no transform."""
        if self.name == "rfft" and x.dtype.kind == "c":
            return f"x is {x.dtype}, real numbers are needed: fft and fftn take complex ones"
        return f"x {shape_of(x)} came, each axis that is transformed needs at least one element"


class FFT(Fourier):
    """The transform along ``axes``."""

    name = "fft"

    def __init__(self, axes: tuple[int, ...], norm: str) -> None:
        self.axes = axes
        self.norm = norm

    def forward(self, x):
        return get_array_module(x).fft.fftn(x, axes=self.axes, norm=self.norm)

    def backward(self, gy):
        return IFFT(self.axes, OPPOSITE[self.norm])(gy)


class IFFT(FFT):
    """The inverse transform along ``axes``."""

    name = "ifft"

    def forward(self, x):
        return get_array_module(x).fft.ifftn(x, axes=self.axes, norm=self.norm)

    def backward(self, gy):
        return FFT(self.axes, OPPOSITE[self.norm])(gy)


class RFFT(Fourier):
    """The first n // 2 + 1 elements of the transform of n real numbers: the rest mirrors them."""

    name = "rfft"

    def __init__(self, axis: int, norm: str) -> None:
        self.axis = axis
        self.norm = norm

    def forward(self, x):
        return get_array_module(x).fft.rfft(x, axis=self.axis, norm=self.norm)

    def backward(self, gy, *, x_shape):
        # The inverse counts every element twice, but for those that are their own mirror images.
        n = x_shape[self.axis]
        gy = weighted(gy, self.axis, 1, 0.5, 0.5 if n % 2 else 1)
        return IRFFT(n, self.axis, OPPOSITE[self.norm])(gy)


class IRFFT(Fourier):
    """The ``n`` real numbers whose transform begins with the n // 2 + 1 elements of x."""

    name = "irfft"

    def __init__(self, n: int, axis: int, norm: str) -> None:
        self.n = n
        self.axis = axis
        self.norm = norm

    def forward(self, x):
        return get_array_module(x).fft.irfft(x, self.n, axis=self.axis, norm=self.norm)

    def backward(self, gy):
        gx = RFFT(self.axis, OPPOSITE[self.norm])(gy)
        return weighted(gx, self.axis, 1, 2, 2 if self.n % 2 else 1)


# ---- one axis ---------------------------------------------------------------------------------


@composition(
    Sample((2, 5), complex=True),
    Sample((3, 4), n=6, axis=0, norm="ortho"),
    Sample((5,), n=3, norm="forward", complex=True),
)
def fft(x, n=None, axis=-1, norm="backward"):
    """The discrete Fourier transform along ``axis``.

    >>> F.fft(np.array([1.0, 0.0, 0.0]))
    array([1.+0.j, 1.+0.j, 1.+0.j])
    """
    return _full("fft", FFT, x, _one(n), (axis,), norm)


@composition(
    Sample((2, 5), complex=True),
    Sample((3, 4), n=6, axis=0, norm="ortho", complex=True),
    Sample((5,), n=3, norm="forward"),
)
def ifft(x, n=None, axis=-1, norm="backward"):
    """The inverse of `fft` along ``axis``.

    >>> F.ifft(F.fft(np.array([1.0, 2.0, 4.0]))).real
    array([1., 2., 4.])
    """
    return _full("ifft", IFFT, x, _one(n), (axis,), norm)


@composition(
    Sample((2, 5)),
    Sample((4, 3), n=6, axis=0, norm="ortho"),
    Sample((5,), n=4, norm="forward"),
    Sample((1,)),
)
def rfft(x, n=None, axis=-1, norm="backward"):
    """The first n // 2 + 1 elements of the `fft` of real numbers: the rest are their conjugates.

    >>> F.rfft(np.array([1.0, 2.0, 4.0, 2.0])).real
    array([ 9., -3.,  1.])
    """
    return _half("rfft", x, _one(n), (axis,), norm)


@composition(
    Sample((2, 4), complex=True),
    Sample((4, 3), n=5, axis=0, norm="ortho", complex=True),
    Sample((3,), n=8, norm="forward", complex=True),
    Sample((4,), n=1),
)
def irfft(x, n=None, axis=-1, norm="backward"):
    """The inverse of `rfft`: ``n`` real numbers, 2 * (m - 1) from m elements if None.

    For an odd number of them n must be given. The imaginary parts of the first element, and of the
    last where n is even, do not count.

    >>> F.irfft(F.rfft(np.array([1.0, 2.0, 4.0])), n=3)
    array([1., 2., 4.])
    """
    return _real("irfft", x, _one(n), (axis,), norm)


@composition(
    Sample((2, 4), complex=True),
    Sample((4, 3), n=5, axis=0, norm="ortho", complex=True),
    Sample((3,), norm="forward", complex=True),
)
def hfft(x, n=None, axis=-1, norm="backward"):
    """The real transform of a signal of which x is the first half, the rest being its conjugates.

    ``n`` are the elements that come out, 2 * (m - 1) from m elements if None.

    >>> F.hfft(np.array([1.0, 1.0, 1.0]))
    array([4., 0., 0., 0.])
    """
    norm = known_norm("hfft", norm)
    return _real("hfft", as_operand(x).conj(), _one(n), (axis,), OPPOSITE[norm])


@composition(Sample((2, 5)), Sample((4, 3), n=6, axis=0, norm="ortho"), Sample((4,), n=3))
def ihfft(x, n=None, axis=-1, norm="backward"):
    """The inverse of `hfft`: the first half of the signal whose transform is the real x.

    >>> F.ihfft(np.array([4.0, 0.0, 0.0, 0.0])).real
    array([1., 1., 1.])
    """
    norm = known_norm("ihfft", norm)
    return _half("ihfft", x, _one(n), (axis,), OPPOSITE[norm]).conj()


# ---- several axes -----------------------------------------------------------------------------


@composition(
    Sample((2, 3, 3), axes=(0, -1), complex=True),
    Sample((3, 2), s=(2, 3), norm="ortho", axes=(1, 0)),
    Sample((2, 3), norm="forward", complex=True),
)
def fftn(x, s=None, axes=None, norm="backward"):
    """The discrete Fourier transform along ``axes``, all of them if None.

    With ``s``, one length for each axis, None stands for the last axes.

    >>> F.fftn(np.array([[1.0, 0.0], [0.0, 0.0]])).real
    array([[1., 1.],
           [1., 1.]])
    """
    return _full("fftn", FFT, x, s, axes, norm)


@composition(
    Sample((2, 3, 3), axes=(0, -1), complex=True),
    Sample((3, 2), s=(2, 3), norm="ortho", axes=(1, 0)),
)
def ifftn(x, s=None, axes=None, norm="backward"):
    """The inverse of `fftn`.

    >>> F.ifftn(F.fftn(np.array([[1.0, 2.0], [3.0, 4.0]]))).real
    array([[1., 2.],
           [3., 4.]])
    """
    return _full("ifftn", IFFT, x, s, axes, norm)


@composition(
    Sample((2, 3, 3), axes=(0, -1)),
    Sample((3, 2), s=(2, 3), norm="ortho", axes=(1, 0)),
    Sample((2, 4), norm="forward"),
)
def rfftn(x, s=None, axes=None, norm="backward"):
    """The transform of real numbers: `rfft` along the last of ``axes``, `fft` along the others.

    >>> F.rfftn(np.ones((2, 4))).real
    array([[8., 0., 0.],
           [0., 0., 0.]])
    """
    return _half("rfftn", x, s, axes, norm)


@composition(
    Sample((2, 3, 3), axes=(0, -1), complex=True),
    Sample((2, 2), s=(3, 3), norm="ortho", axes=(1, 0), complex=True),
    Sample((2, 3), norm="forward", complex=True),
)
def irfftn(x, s=None, axes=None, norm="backward"):
    """The inverse of `rfftn`. The last length of ``s`` is 2 * (m - 1) for m elements if not given.

    >>> F.irfftn(F.rfftn(np.array([[1.0, 2.0], [3.0, 4.0]])))
    array([[1., 2.],
           [3., 4.]])
    """
    return _real("irfftn", x, s, axes, norm)


@composition(Sample((2, 3, 2), complex=True), Sample((3, 2), s=(2, 3), norm="ortho"))
def fft2(x, s=None, axes=(-2, -1), norm="backward"):
    """`fftn` along the last two axes.

    >>> F.fft2(np.ones((1, 2, 2))).real
    array([[[4., 0.],
            [0., 0.]]])
    """
    return _full("fft2", FFT, x, s, axes, norm)


@composition(Sample((2, 3, 2), complex=True), Sample((3, 2), s=(2, 3), norm="ortho"))
def ifft2(x, s=None, axes=(-2, -1), norm="backward"):
    """`ifftn` along the last two axes.

    >>> F.ifft2(np.ones((2, 2))).real
    array([[1., 0.],
           [0., 0.]])
    """
    return _full("ifft2", IFFT, x, s, axes, norm)


@composition(Sample((2, 3, 3)), Sample((3, 2), s=(2, 3), norm="ortho"))
def rfft2(x, s=None, axes=(-2, -1), norm="backward"):
    """`rfftn` along the last two axes.

    >>> F.rfft2(np.ones((2, 3))).real
    array([[6., 0.],
           [0., 0.]])
    """
    return _half("rfft2", x, s, axes, norm)


@composition(Sample((2, 3, 3), complex=True), Sample((3, 2), s=(2, 3), norm="ortho", complex=True))
def irfft2(x, s=None, axes=(-2, -1), norm="backward"):
    """`irfftn` along the last two axes.

    >>> F.irfft2(np.array([[6.0, 0.0], [0.0, 0.0]]), s=(2, 3))
    array([[1., 1., 1.],
           [1., 1., 1.]])
    """
    return _real("irfft2", x, s, axes, norm)


# ---- frequencies ------------------------------------------------------------------------------


@composition(Sample((5,)), Sample((2, 4, 3)), Sample((3, 4), axes=-1))
def fftshift(x, axes=None):
    """x with the element of frequency 0 moved from the front to the middle of ``axes``.

    >>> F.fftshift(F.fftfreq(5, d=0.2))
    array([-2., -1.,  0.,  1.,  2.])
    """
    x = as_operand(x)
    for axis in axes_of("fftshift", axes, x.ndim):
        x = _rolled(x, axis, (x.shape[axis] + 1) // 2)
    return x


@composition(Sample((5,)), Sample((2, 4, 3)), Sample((3, 4), axes=-1))
def ifftshift(x, axes=None):
    """The inverse of `fftshift`; the two differ where a length is odd.

    >>> F.ifftshift(np.array([-2.0, -1.0, 0.0, 1.0, 2.0]))
    array([ 0.,  1.,  2., -2., -1.])
    """
    x = as_operand(x)
    for axis in axes_of("ifftshift", axes, x.ndim):
        x = _rolled(x, axis, x.shape[axis] // 2)
    return x


def fftfreq(n: int, d: float = 1.0) -> np.ndarray:
    """The frequencies of `fft`, in cycles per unit of ``d``, the distance of two samples.

    >>> F.fftfreq(4, d=0.25)
    array([ 0.,  1., -2., -1.])
    """
    return np.fft.fftfreq(n, d)


def rfftfreq(n: int, d: float = 1.0) -> np.ndarray:
    """The frequencies of `rfft`, in cycles per unit of ``d``, the distance of two samples.

    >>> F.rfftfreq(4, d=0.25)
    array([0., 1., 2.])
    """
    return np.fft.rfftfreq(n, d)


# ---- lengths, axes and factors ----------------------------------------------------------------


def _full(name: str, kind: Any, x: Any, s: Any, axes: Any, norm: Any) -> Any:
    """A transform of complex numbers along axes of any lengths."""
    x, norm = as_operand(x), known_norm(name, norm)
    axes, sizes = axes_and_sizes(name, x, s, axes)
    return kind(axes, norm)(resized(x, axes, sizes))


def _half(name: str, x: Any, s: Any, axes: Any, norm: Any) -> Any:
    """A transform of real numbers: half of the last axis."""
    x, norm = as_operand(x), known_norm(name, norm)
    axes, sizes = axes_and_sizes(name, x, s, axes, least=1)
    y = RFFT(axes[-1], norm)(resized(x, axes, sizes))
    return FFT(axes[:-1], norm)(y) if len(axes) > 1 else y


def _real(name: str, x: Any, s: Any, axes: Any, norm: Any) -> Any:
    """An inverse transform to real numbers from half of the last axis."""
    x, norm = as_operand(x), known_norm(name, norm)
    axes, sizes = axes_and_sizes(name, x, s, axes, least=1)
    *others, n = sizes
    if s is None or s[-1] in (None, -1):
        n = 2 * (n - 1)
    if n < 1:
        raise ValueError(f"{name}: {n} numbers are asked for, at least 1 is needed: n= says more")
    x = resized(x, axes, [*others, n // 2 + 1])
    x = IFFT(axes[:-1], norm)(x) if others else x
    return IRFFT(n, axes[-1], norm)(x)


def axes_and_sizes(
    name: str, x: Any, s: Any, axes: Any, least: int = 0
) -> tuple[tuple[int, ...], list[int]]:
    """The axes counted from the end, and the length that each is to have."""
    if axes is None and s is not None:
        axes = range(-len(s), 0)
    axes = tuple(axis - x.ndim for axis in axes_of(name, axes, x.ndim))
    if len(axes) < least:
        raise ValueError(f"{name}: x {x.shape} came, at least {least} axis is needed")
    s = [None] * len(axes) if s is None else s
    if len(s) != len(axes):
        raise ValueError(f"{name}: {len(s)} lengths s came for {len(axes)} axes")
    lengths = zip(axes, s, strict=True)
    sizes = [x.shape[axis] if n is None or n == -1 else n for axis, n in lengths]
    if min(sizes, default=1) < 1:
        raise ValueError(f"{name}: the lengths {tuple(sizes)} came, each must be at least 1")
    return axes, sizes


def _one(n: int | None) -> tuple[int] | None:
    return None if n is None else (n,)


def known_norm(name: str, norm: str | None) -> str:
    """The norm, if it is one; None is NumPy's other word for "backward"."""
    norm = "backward" if norm is None else norm
    if norm not in OPPOSITE:
        raise ValueError(f'{name}: norm={norm!r} came, "backward", "ortho" or "forward" is needed')
    return norm


def resized(x: Any, axes: Sequence[int], sizes: Sequence[int]) -> Any:
    """x cut, or padded with zeros at its end, so that each of ``axes`` has its length."""
    cut: list[Any] = [slice(None)] * x.ndim
    widths = [(0, 0)] * x.ndim
    for axis, size in zip(axes, sizes, strict=True):
        cut[axis] = slice(size)
        widths[axis] = (0, max(size - x.shape[axis], 0))
    if any(x.shape[axis] > size for axis, size in zip(axes, sizes, strict=True)):
        x = x[tuple(cut)]
    return F.pad(x, widths) if any(map(any, widths)) else x


def weighted(x: Any, axis: int, first: float, inner: float, last: float) -> Any:
    """x with the first and the last element along ``axis`` and those between times numbers.

    ``axis`` counts from the end. If there is only one element it is the first.
    """
    weights = np.full(x.shape[axis], inner, np.finfo(x.dtype).dtype)
    weights[-1] = last
    weights[0] = first
    xp = get_array_module(array_of(x))
    return x * xp.asarray(weights.reshape(-1, *(1,) * (-axis - 1)))


def _rolled(x: Any, axis: int, places: int) -> Any:
    """x with what lies before a place moved to the end."""
    if not 0 < places < x.shape[axis]:
        return x
    front = (slice(None),) * axis
    parts = [x[(*front, slice(places, None))], x[(*front, slice(places))]]
    return F.concatenate(parts, axis=axis)

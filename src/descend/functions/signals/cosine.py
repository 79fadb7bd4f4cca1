"""Discrete cosine and sine transforms of types 1 to 4, as scipy.fft defines them.

Without a norm they are, for N elements (N. Ahmed, T. Natarajan, K. R. Rao, "Discrete cosine
transform", 1974, doi:10.1109/T-C.1974.223784, has type 2):

    dct 1: y[k] = x[0] + (-1)**k x[N-1] + 2 sum over 0 < j < N-1 of x[j] cos(pi j k / (N - 1))
    dct 2: y[k] = 2 sum over j of x[j] cos(pi k (2j + 1) / 2N)
    dct 3: y[k] = x[0] + 2 sum over j > 0 of x[j] cos(pi (2k + 1) j / 2N)
    dct 4: y[k] = 2 sum over j of x[j] cos(pi (2k + 1) (2j + 1) / 4N)
    dst 1: y[k] = 2 sum over j of x[j] sin(pi (k + 1) (j + 1) / (N + 1))
    dst 2: y[k] = 2 sum over j of x[j] sin(pi (k + 1) (2j + 1) / 2N)
    dst 3: y[k] = (-1)**k x[N-1] + 2 sum over j < N-1 of x[j] sin(pi (2k + 1) (j + 1) / 2N)
    dst 4: y[k] = 2 sum over j of x[j] sin(pi (2k + 1) (2j + 1) / 4N)

Types 2 and 3 are inverse to each other, 1 and 4 to themselves, but for the factor 2N (2N - 2 for
dct 1, 2N + 2 for dst 1). ``norm`` says where it goes: "backward" into the inverse, "forward" into
the transform, "ortho" as its root into both; there some elements get roots of 2, too, so that the
transform is orthogonal: the inverse is the transpose. ``n``, and ``s`` for several axes, cut the
input or pad it with zeros.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from descend.core.arrays import get_array_module
from descend.core.function import Function, as_operand
from descend.functions.axis import axis_of
from descend.functions.registry import Sample, composition
from descend.functions.signals.fft import (
    OPPOSITE,
    axes_and_sizes,
    known_norm,
    resized,
    weighted,
)

INVERSE = {1: 1, 2: 3, 3: 2, 4: 4}
"""For each type that of the inverse and of the transpose."""


class Trigonometric(Function):
    """The base of both transforms. The axis counts from the end."""

    def __init__(self, type: int, axis: int, norm: str) -> None:
        self.type = type
        self.axis = axis
        self.norm = norm

    def forward(self, x):
        xp = get_array_module(x)
        y = getattr(_transforms(xp), self.name)(x, self.type, axis=self.axis, norm=self.norm)
        return y.astype(np.float16) if x.dtype == np.float16 else y

    def backward(self, gy):
        """The transposed matrix: that of the inverse, up to factors at the ends."""
        if self.norm == "ortho":
            return self.transform(gy)
        before, after = self.factors()
        gy = gy if before is None else weighted(gy, self.axis, *before)
        gx = self.transform(gy)
        return gx if after is None else weighted(gx, self.axis, *after)

    def transform(self, gy: Any) -> Any:
        """The transform of the inverse's type, with the factor where it is."""
        return type(self)(INVERSE[self.type], self.axis, self.norm)(gy)

    def factors(self) -> tuple[Any, Any]:
        """Those of the first, the inner and the last elements, before and after that transform."""
        raise NotImplementedError


class DCT(Trigonometric):
    """The cosine transform."""

    name = "dct"

    def factors(self) -> tuple[Any, Any]:
        """The first element of type 3, and both ends of type 1, are counted once, others twice."""
        return {
            1: ((1, 0.5, 1), (1, 2, 1)),
            2: ((2, 1, 1), None),
            3: (None, (0.5, 1, 1)),
            4: (None, None),
        }[self.type]


class DST(Trigonometric):
    """The sine transform."""

    name = "dst"

    def factors(self) -> tuple[Any, Any]:
        """The last element of type 3 is counted once, others twice."""
        return {
            1: (None, None),
            2: ((1, 1, 2), None),
            3: (None, (1, 1, 0.5)),
            4: (None, None),
        }[self.type]


@composition(
    Sample((2, 5)),
    Sample((4, 3), type=1, axis=0, norm="ortho"),
    Sample((5,), type=3, n=3, norm="forward"),
    Sample((3,), type=4, n=4, complex=True),
)
def dct(x, type=2, n=None, axis=-1, norm="backward"):
    """The discrete cosine transform along ``axis``, of type 1, 2, 3 or 4.

    >>> F.dct(np.array([1.0, 1.0, 1.0, 1.0]), norm="ortho")
    array([2., 0., 0., 0.])
    """
    return _transform("dct", DCT, x, type, n, axis, norm)


@composition(
    Sample((2, 5)),
    Sample((4, 3), type=1, axis=0, norm="forward"),
    Sample((5,), type=3, n=3, norm="ortho"),
)
def idct(x, type=2, n=None, axis=-1, norm="backward"):
    """The inverse of the cosine transform of that ``type``.

    >>> F.idct(F.dct(np.array([1.0, 2.0, 4.0])))
    array([1., 2., 4.])
    """
    return _inverse("idct", DCT, x, type, n, axis, norm)


@composition(
    Sample((2, 5)),
    Sample((4, 3), type=1, axis=0, norm="ortho"),
    Sample((5,), type=3, n=3, norm="forward"),
    Sample((3,), type=4, n=4),
)
def dst(x, type=2, n=None, axis=-1, norm="backward"):
    """The discrete sine transform along ``axis``, of type 1, 2, 3 or 4.

    >>> F.dst(np.array([0.0, 1.0, 0.0]), type=1).round(8)
    array([ 2.,  0., -2.])
    """
    return _transform("dst", DST, x, type, n, axis, norm)


@composition(
    Sample((2, 5)),
    Sample((4, 3), type=1, axis=0, norm="forward"),
    Sample((5,), type=3, n=3, norm="ortho"),
)
def idst(x, type=2, n=None, axis=-1, norm="backward"):
    """The inverse of the sine transform of that ``type``.

    >>> F.idst(F.dst(np.array([1.0, 2.0, 4.0])))
    array([1., 2., 4.])
    """
    return _inverse("idst", DST, x, type, n, axis, norm)


# ---- several axes -----------------------------------------------------------------------------

SEVERAL = (
    Sample((2, 3)),
    Sample((3, 2, 2), type=1, axes=(0, -1), norm="ortho"),
    Sample((2, 3), type=3, s=(3, 2), norm="forward"),
)


@composition(*SEVERAL, Sample((2, 3), type=4, s=(4,), complex=True))
def dctn(x, type=2, s=None, axes=None, norm="backward"):
    """The discrete cosine transform along ``axes``, all of them if None.

    With ``s``, one length for each axis, None stands for the last axes.

    >>> F.dctn(np.array([[1.0, 1.0], [1.0, 1.0]]), norm="ortho")
    array([[2., 0.],
           [0., 0.]])
    """
    return _along_several("dctn", dct, x, type, s, axes, norm)


@composition(*SEVERAL)
def idctn(x, type=2, s=None, axes=None, norm="backward"):
    """The inverse of `dctn`.

    >>> F.idctn(F.dctn(np.array([[1.0, 2.0], [4.0, 8.0]])))
    array([[1., 2.],
           [4., 8.]])
    """
    return _along_several("idctn", idct, x, type, s, axes, norm)


@composition(*SEVERAL)
def dstn(x, type=2, s=None, axes=None, norm="backward"):
    """The discrete sine transform along ``axes``, all of them if None.

    With ``s``, one length for each axis, None stands for the last axes.

    >>> F.dstn(np.array([[1.0, 2.0], [3.0, 4.0]]), type=4, s=(1, 1), norm="ortho").round(8)
    array([[1.]])
    """
    return _along_several("dstn", dst, x, type, s, axes, norm)


@composition(*SEVERAL)
def idstn(x, type=2, s=None, axes=None, norm="backward"):
    """The inverse of `dstn`.

    >>> F.idstn(F.dstn(np.array([[1.0, 2.0], [4.0, 8.0]])))
    array([[1., 2.],
           [4., 8.]])
    """
    return _along_several("idstn", idst, x, type, s, axes, norm)


def _along_several(
    name: str, transform: Any, x: Any, type: int, s: Any, axes: Any, norm: Any
) -> Any:
    """The transforms along several axes, one after the other."""
    x = as_operand(x)
    for axis, n in zip(*axes_and_sizes(name, x, s, axes), strict=True):
        x = transform(x, type, n, axis, norm)
    return x


# ---- one axis of any length -------------------------------------------------------------------


def _transform(name: str, kind: Any, x: Any, type: int, n: Any, axis: int, norm: Any) -> Any:
    """A transform along an axis of any length."""
    x = as_operand(x)
    if type not in INVERSE:
        raise ValueError(f"{name}: type={type!r} came, 1, 2, 3 or 4 is needed")
    norm = known_norm(name, norm)
    axis = axis_of(name, axis, x.ndim) - x.ndim
    n = x.shape[axis] if n is None else n
    least = 2 if kind is DCT and type == 1 else 1
    if n < least:
        raise ValueError(f"{name}: {n} elements came, at least {least} are needed in type {type}")
    return kind(type, axis, norm)(resized(x, [axis], [n]))


def _inverse(name: str, kind: Any, x: Any, type: int, n: Any, axis: int, norm: Any) -> Any:
    """The inverse transform: one of the inverse type, with the factor on the other side."""
    norm = OPPOSITE[known_norm(name, norm)]
    return _transform(name, kind, x, INVERSE.get(type, type), n, axis, norm)


def _transforms(array_module: Any) -> Any:
    """The module of cosine transforms: SciPy's, or CuPy's copy of it."""
    if array_module is np:
        import scipy.fft  # pyright: ignore[reportMissingTypeStubs]

        return scipy.fft
    if array_module.__name__ != "cupy":  # then the compiler calls the whole operation as it is
        raise AttributeError(f"{array_module.__name__} has no cosine transforms")
    import cupyx.scipy.fft  # pyright: ignore[reportMissingImports]

    return cupyx.scipy.fft  # pyright: ignore[reportUnknownVariableType, reportUnknownMemberType]

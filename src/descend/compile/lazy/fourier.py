"""Fourier transforms of recorded arrays: the `fft` of their array module."""

# pyright: reportUnknownVariableType=false, reportUnknownArgumentType=false
# pyright: reportUnknownMemberType=false, reportUnknownParameterType=false
# pyright: reportMissingParameterType=false
# (NumPy's arrays have unknown parameters here; its functions take whatever is an array)

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from descend.compile.graph import Node, part_dtype
from descend.compile.lazy.array import LazyArray, cast, emit
from descend.compile.lazy.elements import as_lazy, astype
from descend.compile.lazy.shapes import swapaxes


def fftn(x, axes, norm):
    """The transform along ``axes``."""
    return _complex(x, axes, norm, inverse=False)


def ifftn(x, axes, norm):
    """The inverse transform along ``axes``."""
    return _complex(x, axes, norm, inverse=True)


def rfft(x, axis, norm):
    """Half of the transform of real numbers."""
    x = as_lazy(x)
    factor = _factor(x, axis, norm, "backward")
    x = astype(x, np.result_type(_real(x), np.float32), copy=False)
    return _along(axis, x, lambda y: emit("rfft", y, factor=factor))


def irfft(x, n, axis, norm):
    """The real numbers of which x is half the transform."""
    x = as_lazy(x)
    factor = _factor(x, axis, norm, "forward", n)
    y = _along(axis, _as_complex(x), lambda y: emit("irfft", y, n=n, factor=factor))
    return astype(y, _real(x), copy=False)


def _complex(x: Any, axes: Any, norm: str, inverse: bool) -> LazyArray:
    x = as_lazy(x)
    for axis in reversed(axes):
        factor = _factor(x, axis, norm, "forward" if inverse else "backward")
        x = _as_complex(x)
        x = _along(axis, x, lambda y, f=factor: emit("fft", y, inverse=inverse, factor=f))
    return _as_complex(x)


def _as_complex(x: LazyArray) -> LazyArray:
    return LazyArray(cast(x.node, np.result_type(_real(x), np.complex64)))


def _real(x: LazyArray) -> np.dtype[Any]:
    """The dtype of the floats that NumPy transforms."""
    return np.result_type(part_dtype(x.dtype) if x.dtype.kind == "c" else x.dtype, 1.0)


def _factor(x: LazyArray, axis: int, norm: str, plain: str, n: int | None = None) -> float:
    """What the sum of n products is multiplied by; ``plain`` is the norm without a factor.

    It is rounded as NumPy's, to 16 bits for x of so many.
    """
    n = x.shape[axis] if n is None else n
    if n < 1:
        raise ValueError(f"Invalid number of FFT data points ({n}) specified.")
    if norm == plain:
        return 1.0
    number = np.sqrt(n, dtype=_real(x)) if norm == "ortho" else n
    return float(np.reciprocal(number, dtype=_real(x)))


def _along(axis: int, x: LazyArray, record: Callable[[Node], Node]) -> LazyArray:
    """What is recorded for the last axis, along another one."""
    if axis in (-1, x.ndim - 1):
        return LazyArray(record(x.node))
    return swapaxes(LazyArray(record(swapaxes(x, axis, -1).node)), axis, -1)

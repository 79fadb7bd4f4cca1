"""Matrix products."""

from __future__ import annotations

from collections.abc import Sequence
from math import prod
from typing import Any

from descend import functions as F
from descend.core.arrays import conj, get_array_module
from descend.core.errors import shape_of
from descend.core.function import Function
from descend.functions.registry import Sample, primitive

THREADED = 1 << 18
"""Multiplications above which OpenBLAS uses several threads. These go on spinning for some 30 ms
after a product, and whatever else is native has half the processor meanwhile."""


class MatMul(Function):
    """The matrix product x0 @ x1, as NumPy's: a 1-D argument is a vector, leading axes broadcast.

    >>> F.matmul(Variable(np.eye(2)), np.array([1.0, 2.0]))
    Variable([1. 2.])
    """

    name = "matmul"
    samples = (
        Sample((2, 3), (3, 4)),
        Sample((3,), (3,)),
        Sample((3,), (3, 2)),
        Sample((2, 3), (3,)),
        Sample((2, 1, 2, 3), (4, 3, 2)),
        Sample((4, 2, 3), (3, 2)),
        Sample((2, 2, 3), (3,)),
        Sample((3,), (2, 3, 2)),
        Sample((0, 3), (3, 2)),
        Sample((2, 1, 0), (0,)),
    )
    kept_for = {"x0": 1, "x1": 0}
    native_forward = True

    def is_large(self, xs: Sequence[Any]) -> bool:
        """Whether NumPy would use several threads."""
        x0, x1 = xs
        columns = x1.shape[-1] if getattr(x1, "ndim", 0) > 1 else 1
        return getattr(x0, "size", 1) * columns > THREADED

    def forward(self, x0, x1):
        return get_array_module(x0, x1).matmul(x0, x1)

    def backward(self, gy, *, x0, x1, x0_shape, x1_shape):
        # Views by methods and products of vectors by *: in eager mode a call of F costs more.
        row, column = len(x0_shape) == 1, len(x1_shape) == 1
        gx0 = gx1 = None
        if self.edges[0]:
            factor = conj(x1)
            if column:
                gx0 = (gy if row else gy[..., None]) * factor
            elif row:
                gx0 = F.matmul(factor, gy[..., None])[..., 0]
            else:
                gx0 = F.matmul(gy, factor.swapaxes(-1, -2))
        if self.edges[1]:
            factor = conj(x0)
            if row:
                gx1 = gy * factor if column else factor[:, None] * gy[..., None, :]
            elif column:
                gx1 = F.matmul(_rows(factor).T, gy.reshape((prod(gy.shape),)))
            elif len(x1_shape) == 2:  # all leading axes of x0 are rows of one product
                gx1 = F.matmul(_rows(factor).T, _rows(gy))
            else:
                gx1 = F.matmul(factor.swapaxes(-1, -2), gy)
        return gx0, gx1

    def complaint(self, x0: Any, x1: Any) -> str | None:
        """Name the lengths that must be equal."""
        if not getattr(x0, "ndim", 0) or not getattr(x1, "ndim", 0):
            return (
                f"x0 {shape_of(x0)} and x1 {shape_of(x1)} came, each needs at least one axis: "
                f"multiply numbers with *"
            )
        inner = "x1.shape[-2]" if x1.ndim > 1 else "x1.shape[-1]"
        if x0.shape[-1] != (x1.shape[-2] if x1.ndim > 1 else x1.shape[-1]):
            return f"x0 {x0.shape} and x1 {x1.shape} do not meet: x0.shape[-1] must equal {inner}"
        return f"the leading axes of x0 {x0.shape} and x1 {x1.shape} do not broadcast"


class Linear(Function):
    """x @ weight.T + bias.

    x is (..., in), weight (out, in), bias (out,) or None; the result is (..., out).

    >>> F.linear(np.array([1.0, 2.0]), np.array([[1.0, 0.0], [1.0, 1.0]]), np.array([0.0, 10.0]))
    array([ 1., 13.])
    """

    samples = (
        Sample((2, 3), (4, 3), (4,)),
        Sample((2, 3), (4, 3)),
        Sample((3,), (4, 3), (4,)),
        Sample((2, 2, 3), (4, 3), (4,)),
        Sample((0, 3), (4, 3), (4,)),
    )
    kept_for = {"x": 1, "weight": 0}
    native_forward = True

    def is_large(self, xs: Sequence[Any]) -> bool:
        """Whether NumPy would use several threads."""
        x, weight, *_ = xs
        rows = weight.shape[0] if getattr(weight, "ndim", 0) > 1 else 1
        return getattr(x, "size", 1) * rows > THREADED

    def forward(self, x, weight, bias=None):
        if weight.ndim != 2:
            raise ValueError("weight is no matrix")
        y = get_array_module(x, weight).matmul(x, weight.T)
        return y if bias is None else y + bias

    def backward(self, gy, *, x, weight):
        gx = F.matmul(gy, conj(weight)) if self.edges[0] else None
        gw = F.matmul(_rows(gy).T, _rows(conj(x))) if self.edges[1] else None
        return (gx, gw, gy)[: len(self.edges)]

    def complaint(self, x: Any, weight: Any, bias: Any = None) -> str | None:
        """Name the lengths that must be equal."""
        if getattr(weight, "ndim", 0) != 2:
            return f"weight {shape_of(weight)} came, (out, in) is needed"
        if getattr(x, "ndim", 0) == 0 or x.shape[-1] != weight.shape[1]:
            return (
                f"x {shape_of(x)} and weight {weight.shape} do not meet: "
                f"x.shape[-1] must equal weight.shape[1]"
            )
        return f"bias {shape_of(bias)} came, ({weight.shape[0]},) is needed"


matmul = primitive(MatMul)
linear = primitive(Linear)


def _rows(x: Any) -> Any:
    """x with all its leading axes made one: (rows, features)."""
    return x if x.ndim == 2 else x.reshape((prod(x.shape[:-1]), x.shape[-1]))

"""Linear systems."""

from __future__ import annotations

from typing import Any

import numpy as np

from descend import functions as F
from descend.core.arrays import get_array_module
from descend.core.errors import shape_of
from descend.core.function import Function
from descend.functions.registry import Sample, primitive

REGULAR = np.array([[3.0, 1.0, -0.5], [0.5, 2.0, 0.3], [-1.0, 0.4, 4.0]])


class Solve(Function):
    """The x with a @ x = b, for a (..., n, n) and b (n,) or (..., n, k), as NumPy's solve.

    Raises numpy.linalg.LinAlgError where a is singular.

    >>> F.solve(np.array([[2.0, 0.0], [0.0, 4.0]]), np.array([1.0, 2.0]))
    array([0.5, 0.5])
    """

    samples = (
        Sample((2, 2), (2,), low=0.5, high=2),
        Sample((2, 2), (2, 3), low=0.5, high=2),
        Sample(REGULAR, (2, 3, 1)),
    )

    def forward(self, x0, x1):
        return get_array_module(x0, x1).linalg.solve(x0, x1)

    def backward(self, gy, *, x0, y, x1_shape):
        gx1 = F.solve(F.swapaxes(x0, -1, -2), gy)
        if not self.edges[0]:
            return None, gx1
        if len(x1_shape) == 1:
            return -F.expand_dims(gx1, -1) * F.expand_dims(y, -2), gx1
        return -F.matmul(gx1, F.swapaxes(y, -1, -2)), gx1

    def complaint(self, x0: Any, x1: Any) -> str | None:
        """Name the shapes; NumPy's own sentence where a matrix is singular."""
        if getattr(x0, "ndim", 0) < 2 or x0.shape[-1] != x0.shape[-2]:
            return f"x0 {shape_of(x0)} came, (..., n, n) is needed"
        rows = x1.shape[0] if x1.ndim == 1 else x1.shape[-2] if x1.ndim else 0
        if rows != x0.shape[-1]:
            return f"x0 {x0.shape} and x1 {shape_of(x1)} do not meet: (n,) or (..., n, k) is needed"
        return None


solve = primitive(Solve)

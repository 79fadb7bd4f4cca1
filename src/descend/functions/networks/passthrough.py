"""Functions whose gradient is, on purpose, not their derivative."""

from __future__ import annotations

import numpy as np

from descend.core.arrays import as_array, get_array_module
from descend.core.errors import shape_of
from descend.core.function import Function
from descend.functions.registry import Sample, primitive


class StraightThrough(Function):
    """The value y, with the gradient going to x as if x had been answered; y gets none.

    For a y computed from x by steps that have no derivative: rounding, or the largest of several
    classes. Bengio, Léonard and Courville, 2013, https://doi.org/10.48550/arXiv.1308.3432.

    >>> x = Variable(np.array([0.2, 1.7]))
    >>> F.square(F.straight_through(x, F.round(x))).sum().backward()
    >>> x.grad
    Variable([0. 4.])
    """

    elementwise = True
    samples = (Sample((3, 4), np.ones((3, 4)), order=0), Sample((), np.array(2.0), order=0))

    def forward(self, x, y):
        x, y = as_array(x), as_array(y)
        if x.shape != y.shape:
            raise ValueError("the shapes differ")
        return get_array_module(x, y).copy(y.astype(x.dtype, copy=False))

    def backward(self, gy):
        return gy, None

    def complaint(self, x, y):
        """Name the shapes."""
        return f"x {shape_of(x)} and y {shape_of(y)} must have the same shape"


class GradientReversal(Function):
    """x itself, while its gradient is turned round: multiplied by -scale.

    What lies before it learns to make worse what lies behind it learns to make better. Ganin and
    Lempitsky, 2014, https://doi.org/10.48550/arXiv.1409.7495.

    >>> x = Variable(np.array(3.0))
    >>> F.gradient_reversal(x, scale=0.5).backward()
    >>> x.grad
    Variable(-0.5)
    """

    elementwise = True
    samples = (Sample((3, 4), order=0), Sample((), order=0, scale=2.0))

    def __init__(self, scale: float = 1.0) -> None:
        self.scale = scale

    def forward(self, x):
        return get_array_module(x).copy(x)

    def backward(self, gy):
        return gy * -self.scale


straight_through = primitive(StraightThrough)
gradient_reversal = primitive(GradientReversal)

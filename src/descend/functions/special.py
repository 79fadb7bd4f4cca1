"""Special functions."""

from __future__ import annotations

from math import pi, sqrt

import numpy as np

from descend import functions as F
from descend.core.arrays import get_array_module, special_module
from descend.core.function import Function
from descend.functions.arithmetic import UNARY
from descend.functions.registry import primitive


class Erf(Function):
    """The error function 2 / sqrt(pi) * integral of exp(-t**2) from 0 to x.

    >>> F.erf(np.array([0.0, 0.5, 5.0]))
    array([0.        , 0.52049988, 1.        ])
    """

    elementwise = True
    samples = UNARY
    native_forward = native_rule = True

    def forward(self, x):
        y = special_module(get_array_module(x)).erf(x)
        half = getattr(x, "dtype", None) == np.float16  # for which SciPy answers float64
        return y.astype(np.float16) if half else y

    def backward(self, gy, *, x):
        return gy * (2 / sqrt(pi) * F.exp(-x * x))


erf = primitive(Erf)

"""Constants in the memory of what they are used with."""

from __future__ import annotations

from typing import Any

import numpy as np

from descend.core.arrays import get_array_module
from descend.core.function import as_operand
from descend.core.variable import array_of


def beside(x: Any, value: Any) -> Any:
    """A number, list or NumPy's array as an array of x's kind; Variables and others as they are.

    CuPy computes with no array of NumPy.

    >>> beside(np.ones(2), [1.0, 2.0])
    array([1., 2.])
    """
    value = as_operand(value)
    value = np.asarray(value) if isinstance(value, np.generic) else value
    return get_array_module(array_of(x)).asarray(value) if type(value) is np.ndarray else value


def check_real(x: Any) -> None:
    """TypeError for complex numbers, where the operation has no meaning for them."""
    dtype = getattr(x, "dtype", None)
    if dtype is not None and dtype.kind == "c":
        raise TypeError(f"x is {dtype}, real numbers are needed")

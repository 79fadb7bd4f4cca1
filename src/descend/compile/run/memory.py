"""Memory for results, handed out again when nobody holds the last one any more.

A new array costs more than a small step: its pages are mapped and cleared, its address asked for.
"""

from __future__ import annotations

import sys
from ctypes import addressof, c_char
from typing import Any

import numpy as np

MOST = 3
"""Arrays that are remembered for one result."""
ALONE = 3
"""The references to an array that only this file holds, while it is looked at."""


def address_of(array: Any) -> int:
    """Where the elements of an array lie. (NumPy's ``array.ctypes.data`` takes four times as long.)

    >>> array = np.ones(3)
    >>> address_of(array) == array.ctypes.data
    True
    """
    try:
        return addressof(c_char.from_buffer(array))
    except (TypeError, ValueError):  # empty, not to be written, or not contiguous
        return array.ctypes.data


class Memory:
    """Arrays of one shape and dtype, each with its address."""

    __slots__ = ("dtype", "known", "shape")

    def __init__(self, shape: tuple[int, ...], dtype: Any) -> None:
        self.shape = shape
        self.dtype = dtype
        self.known: list[tuple[Any, int]] = []

    def take(self) -> tuple[Any, int]:
        """An array that nobody else holds, and its address."""
        for pair in self.known:
            array, _ = pair
            if sys.getrefcount(array) <= ALONE:
                return pair
        array = np.empty(self.shape, self.dtype)
        pair = array, address_of(array)
        if len(self.known) == MOST:
            del self.known[0]
        self.known.append(pair)
        return pair

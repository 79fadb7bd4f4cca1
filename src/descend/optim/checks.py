"""Checks of the numbers that optimizers and schedules are given."""

from __future__ import annotations

from math import isfinite
from typing import Any

import numpy as np


def checked(name: str, value: Any, low: float = 0.0, below: float | None = None) -> float:
    """A number, after a check that it is finite, at least ``low`` and less than ``below``."""
    needed = f"a number from {low:g} {'on' if below is None else f'to below {below:g}'}"
    try:
        number = float(value)
    except (TypeError, ValueError):
        raise TypeError(f"{name} is {value!r}, {needed} is needed") from None
    if not isfinite(number) or number < low or (below is not None and number >= below):
        raise ValueError(f"{name} is {value!r}, {needed} is needed")
    return number


def whole(name: str, value: Any, low: int = 1) -> int:
    """A whole number, after a check that it is at least ``low``."""
    if not isinstance(value, (int, np.integer)) or isinstance(value, bool) or value < low:
        raise ValueError(f"{name} is {value!r}, a whole number from {low} on is needed")
    return int(value)

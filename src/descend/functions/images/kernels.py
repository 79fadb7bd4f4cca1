"""How much each element around a place counts in what is interpolated there."""

from __future__ import annotations

from typing import Any

import numpy as np


def linear_weights(t: Any) -> list[Any]:
    """The weights of the two elements around a place that is t behind the first."""
    return [1 - t, t]


def cubic_weights(t: Any) -> list[Any]:
    """The weights of the four elements around a place that is t behind the second."""
    a = -0.75

    def near(d: Any) -> Any:
        return ((a + 2) * d - (a + 3)) * d * d + 1

    def far(d: Any) -> Any:
        return ((a * d - 5 * a) * d + 8 * a) * d - 4 * a

    return [far(t + 1), near(t), near(1 - t), far(2 - t)]


def keys(d: np.ndarray, a: float) -> np.ndarray:
    """The cubic convolution kernel at distances from its middle."""
    near = ((a + 2) * d - (a + 3)) * d * d + 1
    far = ((a * d - 5 * a) * d + 8 * a) * d - 4 * a
    return np.where(d < 1, near, np.where(d < 2, far, 0))

"""Axis arguments: counted from the front, or refused in the operation's name."""

from __future__ import annotations

from typing import Any

from numpy.lib.array_utils import normalize_axis_tuple


def axes_of(name: str, axis: Any, ndim: int) -> tuple[int, ...]:
    """The axes that ``axis`` names (None: all of them), each between 0 and ndim - 1.

    >>> axes_of("sum", -1, 3)
    (2,)
    """
    if axis is None:
        return tuple(range(ndim))
    try:
        return normalize_axis_tuple(axis, ndim)
    except (ValueError, TypeError) as error:
        raise type(error)(f"{name}: axis {axis!r} does not fit an array of {ndim} axes") from None


def axis_of(name: str, axis: int, ndim: int) -> int:
    """The one axis that ``axis`` names, between 0 and ndim - 1."""
    return axes_of(name, axis, ndim)[0]


def along(axis: int, index: Any) -> tuple[Any, ...]:
    """The index that takes ``index`` along one axis, counted from the front, and all of the others.

    >>> np.ones((2, 3, 4))[along(1, slice(2))].shape
    (2, 2, 4)
    """
    return (*(slice(None),) * axis, index)

"""Nested containers: lists, tuples, named tuples and dicts of whatever counts as a leaf."""

# pyright: reportUnknownVariableType=false, reportUnknownArgumentType=false
# pyright: reportUnknownMemberType=false
# (isinstance narrows an array, which is Any, to a type with unknown parameters)

from __future__ import annotations

import copy
from collections.abc import Callable
from typing import Any, cast


def mapped(structure: Any, change: Callable[[Any], Any], kinds: tuple[type, ...]) -> Any:
    """The structure with ``change(leaf)`` in the place of every leaf of these kinds.

    >>> mapped([1, {"a": (2, "b")}], lambda x: x + 1, (int,))
    [2, {'a': (3, 'b')}]
    """
    if isinstance(structure, kinds):
        return change(structure)
    kind = type(structure)
    if kind is tuple or kind is list:
        return kind([mapped(part, change, kinds) for part in structure])
    if kind is dict:
        items = cast(dict[Any, Any], structure)
        return {key: mapped(part, change, kinds) for key, part in items.items()}
    if isinstance(structure, dict):
        twin = copy.copy(cast(dict[Any, Any], structure))
        for key, part in twin.items():
            twin[key] = mapped(part, change, kinds)
        return twin
    if isinstance(structure, tuple) and hasattr(structure, "_fields"):
        parts = cast(tuple[Any, ...], structure)
        return kind(*[mapped(part, change, kinds) for part in parts])
    return structure


def leaves(structure: Any, kinds: tuple[type, ...]) -> list[Any]:
    """The leaves of these kinds, in order.

    >>> leaves([1, {"a": (2, "b")}], (int,))
    [1, 2]
    """
    found: list[Any] = []
    mapped(structure, found.append, kinds)
    return found


def filled(structure: Any, values: list[Any], kinds: tuple[type, ...]) -> Any:
    """The structure with the values in the places of its leaves of these kinds, in order."""
    rest = iter(values)
    return mapped(structure, lambda _: next(rest), kinds)

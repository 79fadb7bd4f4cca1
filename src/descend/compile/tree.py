"""Arguments and results: arrays and Variables in nested lists, tuples and dicts."""

# pyright: reportUnknownVariableType=false, reportUnknownArgumentType=false
# pyright: reportUnknownMemberType=false
# (isinstance narrows an array, which is Any, to a type with unknown parameters)

from __future__ import annotations

from collections.abc import Callable
from typing import Any, cast

import numpy as np

from descend.core import Variable, tree

LEAVES = (np.ndarray, Variable, np.generic)


def leaves(structure: Any, found: list[Any], kinds: tuple[type, ...] = LEAVES) -> Any:
    """Append the arrays and Variables to ``found``; answers what else there is, to be compared.

    Two structures with equal answers differ in their leaves at most.
    """
    if isinstance(structure, kinds):
        found.append(structure)
        return LEAF
    kind = type(structure)
    if kind is tuple or kind is list:
        return (kind, tuple([leaves(part, found, kinds) for part in structure]))
    if isinstance(structure, dict):
        items = cast(dict[Any, Any], structure)
        return (kind, tuple([(key, leaves(part, found, kinds)) for key, part in items.items()]))
    if isinstance(structure, tuple) and hasattr(structure, "_fields"):
        return (
            kind,
            tuple([leaves(part, found, kinds) for part in cast(tuple[Any, ...], structure)]),
        )
    return Static(structure)


def mapped(structure: Any, change: Callable[[Any], Any], kinds: tuple[type, ...] = LEAVES) -> Any:
    """The structure with ``change(leaf)`` in the place of every leaf of these kinds."""
    return tree.mapped(structure, change, kinds)


class Leaf:
    """Stands for an array or Variable where only the structure is meant."""


LEAF = Leaf()


class Static:
    """Anything that is no array: two are equal if they are of one type and equal, or the same.

    Numbers are if they have the same bits: -0.0 is not 0.0, and NaN is itself. A set is told by
    what is in it now.
    """

    __slots__ = ("kind", "value")

    def __init__(self, value: Any) -> None:
        self.kind = kind = type(value)
        if kind is float or kind is complex:
            value = repr(value)
        elif kind is set:
            value = frozenset(value)
        self.value = value

    def __hash__(self) -> int:
        try:
            return hash((self.kind, self.value))
        except TypeError:
            return id(self.value)

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Static):
            return False
        a, b = self.value, other.value
        if self.kind is not other.kind:
            return False
        return a is b or bool(a == b)

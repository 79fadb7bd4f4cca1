"""Sentences for errors: what came, what is needed, the smallest fix."""

from __future__ import annotations

from typing import Any


class OperandError(TypeError):
    """What came is nothing that can be computed with; the operation puts its name before it."""

    def __init__(self, x: Any, place: str = "") -> None:
        where = f" for {place}" if place else ""
        super().__init__(f"{kind_of(x)} came{where}; a Variable, an array or a number is needed")


def kind_of(x: Any) -> str:
    """What ``x`` is, in the words of an error message.

    >>> kind_of([1, 2]), kind_of(None)
    ('a list', 'None')
    """
    if x is None:
        return "None"
    name = type(x).__name__
    return f"{'an' if name[0] in 'aeiouAEIOU' or name == 'ndarray' else 'a'} {name}"


def shape_of(x: Any) -> str:
    """The shape of an array, or the value of a number, in the words of an error message."""
    return str(tuple(x.shape)) if hasattr(x, "shape") else repr(x)

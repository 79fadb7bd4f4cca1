"""The kernel language: loops over an index space that read, compute and write elements.

A `Loop` prints as text, for example the sum of each row of the product of two arrays:

    loop rows x 512+
      %0 = load float32 b0[0 + 512 i0 + 1 i1]
      %1 = load float32 b1[0 + 1 i1]
      %2 = multiply float32 %0 %1
      sum b2[0 + 1 i0] %2

The lengths are those of the axes i0, i1, ...; a ``+`` marks an axis that is summed (or whose largest
is taken). ``b0`` is the kernel's first buffer. The first axis is the one that threads share: a call
is for a range of it, so its length is no part of the text.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np

Strides = tuple[int, ...]


class Expr:
    """A value at each index: an operation on other values, a load, a constant, or an index.

    ``op`` is an elementwise operation of the graph, or "load", "constant", "index".
    """

    __slots__ = ("dtype", "inputs", "op", "param", "view")

    def __init__(
        self,
        op: str,
        inputs: tuple[Expr, ...],
        dtype: np.dtype[Any],
        view: View | None = None,
        param: Any = None,
    ) -> None:
        self.op = op
        self.inputs = inputs
        self.dtype = dtype
        self.view = view
        self.param = param
        """The number of a constant; (offset, strides) of an index."""


@dataclass(frozen=True)
class View:
    """Where the element of a buffer lies that belongs to an index: offset + the sum of strides.

    Offset and strides count elements. ``moving`` are parts of the place that are looked up: pairs
    of a value (an integer Expr) and the stride it is multiplied by.
    """

    buffer: Any
    offset: int
    strides: Strides
    moving: tuple[tuple[Expr, int], ...] = ()


@dataclass(frozen=True)
class Store:
    """What happens with a value at each index: it is written, or added up over some axes.

    ``kind`` is "store", or a reduction ("sum", "max", "min", "any", "all") of the axes in ``axes``,
    or "add": added to what is there, at a place that is looked up.
    """

    kind: str
    view: View
    value: Expr
    axes: tuple[int, ...] = ()


class Loop:
    """A kernel: an index space, and what is stored at each index, in this order."""

    def __init__(self, lengths: tuple[int, ...], stores: list[Store]) -> None:
        self.lengths = lengths
        self.stores = stores

    @property
    def rows(self) -> int:
        """The length of the axis that threads share."""
        return self.lengths[0]

    def expressions(self) -> Iterator[Expr]:
        """Every value of the kernel once, operands before what is made of them."""
        seen: set[int] = set()
        for store in self.stores:
            for moving, _ in store.view.moving:
                yield from walk_values(moving, seen)
            yield from walk_values(store.value, seen)

    @cached_property
    def buffers(self) -> list[Any]:
        """The buffers in the order in which the text first names them."""
        found: dict[Any, None] = {}
        for expr in self.expressions():
            if expr.view is not None:
                found.setdefault(expr.view.buffer)
        for store in self.stores:
            found.setdefault(store.view.buffer)
        return list(found)

    @cached_property
    def reads(self) -> list[View]:
        """The views that are loaded."""
        return [expr.view for expr in self.expressions() if expr.view is not None]

    @cached_property
    def writes(self) -> list[View]:
        """The views that are stored to."""
        return [store.view for store in self.stores]

    @cached_property
    def read_buffers(self) -> set[Any]:
        """The buffers that are loaded from."""
        return {view.buffer for view in self.reads}

    @cached_property
    def size(self) -> int:
        """The number of different values."""
        return sum(1 for _ in self.expressions())

    @cached_property
    def is_sequential(self) -> bool:
        """Whether the loop reads what it has written before."""
        return any(view.buffer in self.read_buffers for view in self.writes)

    def text(self) -> str:
        """The kernel as text: two kernels of the same text do the same."""
        names = {buffer: f"b{i}" for i, buffer in enumerate(self.buffers)}
        reduced = {axis for store in self.stores for axis in store.axes}
        first = "1" if self.lengths == (1,) else "rows"  # all else holds for any number of rows
        lengths = [first, *map(str, self.lengths[1:])]
        head = " x ".join(n + "+" * (i in reduced) for i, n in enumerate(lengths))
        lines = [f"loop {head}"]
        values: dict[int, str] = {}
        for expr in self.expressions():
            values[id(expr)] = name = f"%{len(values)}"
            operands = "".join(f" {values[id(x)]}" for x in expr.inputs)
            if expr.view is not None:
                operands = f" {_place(expr.view, names, values)}"
            elif expr.op == "constant":
                operands = f" {expr.param!r}"
            elif expr.op == "index":
                operands = f" {_affine(*expr.param)}"
            lines.append(f"  {name} = {expr.op} {expr.dtype.name}{operands}")
        for store in self.stores:
            axes = f" over {store.axes}" if store.axes else ""
            place = _place(store.view, names, values)
            dtype = store.view.buffer.dtype.name
            lines.append(f"  {store.kind} {dtype} {place} {values[id(store.value)]}{axes}")
        return "\n".join(lines)


def walk_values(expr: Expr, seen: set[int]) -> Iterator[Expr]:
    """An expression's values, operands first (iterative: chains are long)."""
    stack: list[tuple[Expr, bool]] = [(expr, False)]
    while stack:
        node, ready = stack.pop()
        if id(node) in seen:
            continue
        if ready:
            seen.add(id(node))
            yield node
            continue
        stack.append((node, True))
        operands = list(node.inputs)
        if node.view is not None:
            operands += [moving for moving, _ in node.view.moving]
        stack.extend((x, False) for x in reversed(operands) if id(x) not in seen)


def _affine(offset: int, strides: Strides) -> str:
    parts = [str(offset)] + [f"{s} i{i}" for i, s in enumerate(strides) if s]
    return " + ".join(parts)


def _place(view: View, names: dict[Any, str], values: dict[int, str]) -> str:
    moving = "".join(f" + {stride} {values[id(x)]}" for x, stride in view.moving)
    return f"{names[view.buffer]}[{_affine(view.offset, view.strides)}{moving}]"

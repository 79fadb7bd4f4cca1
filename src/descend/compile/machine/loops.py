"""The kernel language: loops over an index space that read, compute and write elements.

A `Loop` prints as text, for example the sum of each row of the product of two arrays:

    loop rows x 512+
      %0 = load float32 b0[0 + 512 i0 + 1 i1]
      %1 = load float32 b1[0 + 1 i1]
      %2 = multiply float32 %0 %1
      sum b2[0 + 1 i0] %2

The lengths are those of the axes i0, i1, ...; a ``+`` marks an axis that is summed (or whose
largest is taken). ``b0`` is the kernel's first buffer. The first axis is the one that threads
share: a call is for a range of it, so its length is no part of the text.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np

Strides = tuple[int, ...]


class Expr:
    """A value at each index: an operation on other values, a load, a constant, or an index.

    ``op`` is an elementwise operation of the graph, or "load", "constant", "index".
    """

    __slots__ = ("_key", "dtype", "inputs", "op", "param", "view")

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
        self._key: tuple[Any, ...] | None = None

    @property
    def key(self) -> tuple[Any, ...]:
        """Equal for expressions that do the same with the very same operands."""
        if self._key is None:
            self._key = self._found_key()
        return self._key

    def _found_key(self) -> tuple[Any, ...]:
        view = self.view
        place = view and (
            view.buffer,
            view.offset,
            view.strides,
            tuple((id(x), stride) for x, stride in view.moving),
        )
        operands = tuple(id(x) for x in self.inputs)
        return (self.op, operands, self.dtype, place, repr(self.param))


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

    @cached_property
    def expressions(self) -> list[Expr]:
        """Every value of the kernel once, operands before what is made of them."""
        seen: set[int] = set()
        found: list[Expr] = []
        for store in self.stores:
            for moving, _ in store.view.moving:
                found += walk_values(moving, seen)
            found += walk_values(store.value, seen)
        return found

    @cached_property
    def buffers(self) -> list[Any]:
        """The buffers in the order in which the text first names them."""
        found: dict[Any, None] = {}
        for expr in self.expressions:
            if expr.view is not None:
                found.setdefault(expr.view.buffer)
        for store in self.stores:
            found.setdefault(store.view.buffer)
        return list(found)

    @cached_property
    def starts(self) -> dict[Any, int]:
        """The offset of the first view of each buffer.

        The text counts from there, so that steps along an array have one text.
        """
        found: dict[Any, int] = {}
        for view in (*self.reads, *self.writes):
            found.setdefault(view.buffer, view.offset)
        return found

    @cached_property
    def reads(self) -> list[View]:
        """The views that are loaded."""
        return [expr.view for expr in self.expressions if expr.view is not None]

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
        return len(self.expressions)

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
        for expr in self.expressions:
            values[id(expr)] = name = f"%{len(values)}"
            operands = "".join(f" {values[id(x)]}" for x in expr.inputs)
            if expr.view is not None:
                operands = f" {self._place(expr.view, names, values)}"
            elif expr.op == "constant":
                operands = f" {expr.param!r}"
            elif expr.op == "index":
                operands = f" {_affine(*expr.param)}"
            lines.append(f"  {name} = {expr.op} {expr.dtype.name}{operands}")
        for store in self.stores:
            axes = f" over {store.axes}" if store.axes else ""
            place = self._place(store.view, names, values)
            dtype = store.view.buffer.dtype.name
            lines.append(f"  {store.kind} {dtype} {place} {values[id(store.value)]}{axes}")
        return "\n".join(lines)

    def _place(self, view: View, names: dict[Any, str], values: dict[int, str]) -> str:
        moving = "".join(f" + {stride} {values[id(x)]}" for x, stride in view.moving)
        offset = view.offset - self.starts[view.buffer]
        return f"{names[view.buffer]}[{_affine(offset, view.strides)}{moving}]"


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


# ---- changing -------------------------------------------------------------------------------

Interning = Callable[[Expr], Expr]
"""Answers the one expression that is equal to another."""


def with_axis(store: Store) -> Store:
    """A store of an index space without axes, in one with an axis of length 1."""
    memo: dict[int, Expr] = {}
    keep: dict[int, Expr] = {}

    def same(expr: Expr) -> Expr:
        return keep.setdefault(id(expr), expr)

    view = View(store.view.buffer, store.view.offset, (0,))
    return Store(store.kind, view, with_axis_in(store.value, memo, same), store.axes)


def with_axis_in(expr: Expr, memo: dict[int, Expr], intern: Interning) -> Expr:
    """An expression with one more axis in front, along which nothing varies."""

    def longer(strides: Strides) -> Strides:
        return (0, *strides)

    return rewritten(expr, memo, longer, intern)


def rewritten(
    expr: Expr,
    memo: dict[int, Expr],
    change: Callable[[Strides], Strides],
    intern: Interning | None = None,
) -> Expr:
    """An expression with ``change`` applied to the strides of every view and index."""
    for x in walk_values(expr, set(memo)):
        inputs = tuple(memo[id(i)] for i in x.inputs)
        view, param = x.view, x.param
        if view is not None:
            moving = tuple((memo[id(m)], stride) for m, stride in view.moving)
            view = View(view.buffer, view.offset, change(view.strides), moving)
        elif x.op == "index":
            param = (param[0], change(param[1]))
        new = Expr(x.op, inputs, x.dtype, view, param)
        memo[id(x)] = intern(new) if intern is not None else new
    return memo[id(expr)]

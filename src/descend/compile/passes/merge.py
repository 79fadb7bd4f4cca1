"""Merging: loops over one index space become one loop.

What the first of two stores and the second loads at the same index needs no load any more, and if
nobody else reads it no store either.
"""

from __future__ import annotations

from typing import Any

from descend.compile.kernels.kernel import Buffer, Kernel
from descend.compile.machine.loops import Expr, Loop, Store, View

MOST_VALUES = 300
"""Kernels are not merged beyond this many values."""


def merged(parts: list[Loop | Kernel], kept: set[Buffer]) -> list[Loop | Kernel]:
    """Loops over one index space joined where one may run right behind the other.

    What the first one stores and the second loads at the same index needs no load any more, and if
    nobody else reads it no store either.
    """
    result: list[Loop | Kernel] = []
    made: dict[Buffer, int] = {}  # where a buffer's last writer stands in ``result``
    alike: dict[tuple[int, ...], list[int]] = {}  # where loops over one index space stand
    for part in parts:
        writes = _writes_of(part)
        place = None
        if isinstance(part, Loop):
            earliest = max((made[b] for b in (*part.read_buffers, *writes) if b in made), default=0)
            for at in reversed(alike.get(part.lengths, ())):
                if at < earliest:
                    break
                candidate = result[at]
                if isinstance(candidate, Loop) and _mergeable(candidate, part):
                    place = at
                    break
            if place is None:
                alike.setdefault(part.lengths, []).append(len(result))
        if place is None:
            result.append(part)
            place = len(result) - 1
        else:
            assert isinstance(part, Loop)
            before = result[place]
            assert isinstance(before, Loop)
            result[place] = _joined(before, part)
        for buffer in writes:
            made[buffer] = place
    return _without_dead_stores(result, kept)


def _reads_of(part: Loop | Kernel) -> set[Buffer]:
    if isinstance(part, Loop):
        return part.read_buffers
    return {access.buffer for access in part.reads}


def _writes_of(part: Loop | Kernel) -> set[Buffer]:
    if isinstance(part, Loop):
        return {view.buffer for view in part.writes}
    return {access.buffer for access in part.writes}


def _mergeable(first: Loop, second: Loop) -> bool:
    """Whether the second may run at each index right behind the first, and gains from it."""
    if first.is_sequential or second.is_sequential:
        return False
    if any(store.view.moving for store in (*first.stores, *second.stores)):
        return False
    stored = {store.view.buffer: store for store in first.stores}
    touched = _reads_of(first)
    common = False
    for view in second.reads:
        if view.buffer in stored:
            store = stored[view.buffer]
            if store.kind != "store" or not _same_place(store.view, view):
                return False
            common = True
        common = common or view.buffer in touched
    for store in second.stores:
        if store.view.buffer in stored:
            other = stored[store.view.buffer]
            if other.kind != "store" or store.kind != "store" or not store.view.buffer.apart:
                return False
            common = True
    small = first.lengths == (1,)
    if not (common or small):
        return False
    return first.size + second.size <= MOST_VALUES


def _same_place(a: View, b: View) -> bool:
    return (a.offset, a.strides, a.moving, b.moving) == (b.offset, b.strides, (), ())


def _joined(first: Loop, second: Loop) -> Loop:
    """Both in one, the second's loads of what the first stores replaced by the values."""
    stored = {s.view.buffer: s.value for s in first.stores if s.kind == "store"}
    values: dict[Any, Expr] = {}
    for x in first.expressions:
        values.setdefault(x.key, x)
    memo: dict[int, Expr] = {}

    def intern(expr: Expr) -> Expr:
        return values.setdefault(expr.key, expr)

    for x in second.expressions:
        view = x.view
        if view is not None and view.buffer in stored:
            value = stored[view.buffer]
            memo[id(x)] = (
                value if x.dtype == value.dtype else intern(Expr("cast", (value,), x.dtype))
            )
            continue
        if view is not None and view.moving:
            moving = tuple((memo[id(m)], s) for m, s in view.moving)
            view = View(view.buffer, view.offset, view.strides, moving)
        inputs = tuple(memo[id(i)] for i in x.inputs)
        memo[id(x)] = intern(Expr(x.op, inputs, x.dtype, view, x.param))
    stores = [Store(s.kind, s.view, memo[id(s.value)], s.axes) for s in second.stores]
    return Loop(first.lengths, [*first.stores, *stores])


def _without_dead_stores(parts: list[Loop | Kernel], kept: set[Buffer]) -> list[Loop | Kernel]:
    """The kernels without stores that nobody reads, and without those that then do nothing."""
    live = set(kept)
    result: list[Loop | Kernel] = []
    for part in reversed(parts):
        if isinstance(part, Loop):
            stores = [s for s in part.stores if s.view.buffer in live]
            if not stores:
                continue
            part = part if len(stores) == len(part.stores) else Loop(part.lengths, stores)
        live |= _reads_of(part)
        result.append(part)
    return result[::-1]

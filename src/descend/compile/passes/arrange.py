"""Arranging: the axes of a loop in the best order, and neighbours made one where possible."""

from __future__ import annotations

from collections.abc import Callable

from descend.compile.machine.loops import Expr, Loop, Store, View, rewritten

Strides = tuple[int, ...]


def arranged(loop: Loop) -> Loop:
    """The loop with the best axis innermost, and with neighbouring axes made one where possible."""
    loop = _best_innermost(loop)
    while True:
        pair = _joinable(loop)
        if pair is None:
            return loop
        loop = _axes_joined(loop, pair)


def _best_innermost(loop: Loop) -> Loop:
    count = len(loop.lengths)
    if count <= 2:
        return loop
    if any(store.axes for store in loop.stores):
        return loop
    scores = [0] * count
    for weight, views in ((2, loop.writes), (1, loop.reads)):
        for view in views:
            for axis, stride in enumerate(view.strides):
                if stride == 1 and loop.lengths[axis] > 1:
                    scores[axis] += weight
    best = max(range(1, count), key=lambda axis: (scores[axis], axis))
    if best == count - 1 or loop.lengths[best] < 4:
        return loop
    order = [i for i in range(count) if i != best] + [best]
    return _changed(
        loop,
        tuple(loop.lengths[i] for i in order),
        lambda strides: tuple(strides[i] for i in order),
        lambda axes: tuple(order.index(axis) for axis in axes),
    )


def _joinable(loop: Loop) -> int | None:
    """The first axis that can be made one with the next."""
    lengths = loop.lengths
    walks = [view.strides for view in (*loop.reads, *loop.writes)]
    walks += [expr.param[1] for expr in loop.expressions if expr.op == "index"]
    for axis in range(len(lengths) - 1):
        if 1 not in lengths[axis : axis + 2] and any(
            (axis in store.axes) != (axis + 1 in store.axes) for store in loop.stores
        ):
            continue
        if all(
            lengths[axis + 1] == 1
            or lengths[axis] == 1
            or s[axis] == s[axis + 1] * lengths[axis + 1]
            for s in walks
        ):
            if axis == 0 and lengths[0] == 1 and _needs_one_row(loop):
                continue
            return axis
    return None


def _needs_one_row(loop: Loop) -> bool:
    """Whether threads must not share what lies behind a first axis of length 1."""
    return any(1 in store.axes or store.view.moving for store in loop.stores) or loop.is_sequential


def _axes_joined(loop: Loop, axis: int) -> Loop:
    lengths = loop.lengths
    keep = axis if lengths[axis + 1] == 1 else axis + 1
    joined = (*lengths[:axis], lengths[axis] * lengths[axis + 1], *lengths[axis + 2 :])

    def strides(old: tuple[int, ...]) -> tuple[int, ...]:
        return (*old[:axis], old[keep], *old[axis + 2 :])

    def axes(old: tuple[int, ...]) -> tuple[int, ...]:
        kept = [i for i in old if i not in (axis, axis + 1) or i == keep]
        return tuple(i if i <= axis else i - 1 for i in kept)

    return _changed(loop, joined, strides, axes)


def _changed(
    loop: Loop,
    lengths: tuple[int, ...],
    strides: Callable[[Strides], Strides],
    axes: Callable[[Strides], Strides],
) -> Loop:
    memo: dict[int, Expr] = {}
    stores: list[Store] = []
    for store in loop.stores:
        value = rewritten(store.value, memo, strides)
        moving = tuple((rewritten(m, memo, strides), s) for m, s in store.view.moving)
        view = View(store.view.buffer, store.view.offset, strides(store.view.strides), moving)
        left = axes(store.axes)
        kind = store.kind if left or not store.axes else "store"  # the axes were of length 1
        stores.append(Store(kind, view, value, left))
    return Loop(lengths, stores)

"""Walks through memory: which element of a buffer belongs to an index of a kernel.

A walk is an offset and a stride for each axis, in elements. Views (transposes, slices, broadcasts,
most reshapes) of an array in memory are other walks through it.
"""

# pyright: reportUnknownVariableType=false, reportUnknownArgumentType=false
# pyright: reportUnknownMemberType=false
# (isinstance narrows an array, which is Any, to a type with unknown parameters)

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import numpy as np

from descend.compile.graph import Node
from descend.compile.kernels.kernel import Buffer
from descend.compile.machine.loops import View


@dataclass(frozen=True)
class Line:
    """How the index along one axis of a node follows from the index of the kernel."""

    offset: int
    strides: tuple[int, ...]


Mapping = tuple[Line, ...]


def walk_down(node: Node, base: Node) -> tuple[int, tuple[int, ...]] | None:
    """Offset and strides of a chain of views of a node that lies in memory, if there are such."""
    chain: list[Node] = []
    while node is not base:
        chain.append(node)
        node = node.inputs[0]
    offset, strides, shape = 0, contiguous(base.shape), base.shape
    for view in reversed(chain):
        if view.op == "reshape":
            found = reshaped_strides(shape, strides, view.shape)
            if found is None:
                return None
            strides = found
        elif view.op == "transpose":
            strides = tuple(strides[i] for i in view.params["axes"])
        elif view.op == "broadcast_to":
            lead = (0,) * (view.ndim - len(shape))
            repeated = zip(shape, strides, view.shape[len(lead) :], strict=True)
            strides = lead + tuple(0 if n == 1 and m != 1 else s for n, s, m in repeated)
        else:
            parts = view.params["index"]
            offset += sum(p[0] * s for p, s in zip(parts, strides, strict=True))
            strides = tuple(p[2] * s for p, s in zip(parts, strides, strict=True))
        shape = view.shape
    return offset, strides


def contiguous(shape: tuple[int, ...]) -> tuple[int, ...]:
    """The strides, in elements, of an array in row-major order."""
    strides: list[int] = []
    step = 1
    for n in reversed(shape):
        strides.append(step)
        step *= n
    return tuple(reversed(strides))


def walked(shape: tuple[int, ...]) -> tuple[int, ...]:
    """`contiguous`, as `reshaped_strides` answers it: 0 along axes of length 1."""
    return tuple(0 if n == 1 else s for n, s in zip(shape, contiguous(shape), strict=True))


def walked_like(x: Node, base: Node) -> tuple[int, ...]:
    """The strides of x in row-major order, as a walk down to its base would answer them."""
    return contiguous(x.shape) if x is base else walked(x.shape)


def whole(buffer: Buffer, shape: tuple[int, ...]) -> View:
    """All elements of a buffer, in order."""
    return View(buffer, 0, contiguous(shape))


def identity(shape: tuple[int, ...]) -> Mapping:
    """The mapping of an index space of this shape onto itself."""
    return tuple(Line(0, tuple(int(i == j) for j in range(len(shape)))) for i in range(len(shape)))


def broadcast(
    where: Mapping, shape: tuple[int, ...], operand: tuple[int, ...], rank: int
) -> Mapping:
    """The mapping onto an operand that is broadcast to ``shape``."""
    lines = where[len(shape) - len(operand) :]
    still = Line(0, (0,) * rank)
    return tuple(still if n == 1 else line for line, n in zip(lines, operand, strict=True))


def walk(buffer: Buffer, offset: int, strides: tuple[int, ...], where: Mapping, rank: int) -> View:
    """The view of a buffer under a mapping from an index space of ``rank`` axes."""
    steps = [0] * rank
    for line, stride in zip(where, strides, strict=True):
        offset += line.offset * stride
        for i, s in enumerate(line.strides):
            steps[i] += s * stride
    return View(buffer, offset, tuple(steps))


def reshaped_strides(
    shape: tuple[int, ...], strides: tuple[int, ...], new: tuple[int, ...]
) -> tuple[int, ...] | None:
    """The strides of the same elements in another shape; None if they need copying."""
    old = [(n, s) for n, s in zip(shape, strides, strict=True) if n != 1]
    if 0 in shape:
        return contiguous(new)
    result: list[int] = []
    place = 0
    taken = [n for n in new if n != 1]
    steps: list[int] = []
    j = 0
    while place < len(old):
        lengths, size, want = [old[place]], old[place][0], 1
        first = j
        while want != size:
            if want < size:
                want *= taken[j]
                j += 1
            else:
                place += 1
                lengths.append(old[place])
                size *= old[place][0]
        for (_, outer), (n, inner) in pairwise(lengths):
            if outer != n * inner:
                return None
        inner = [lengths[-1][1]]
        for n in reversed(taken[first + 1 : j]):
            inner.append(inner[-1] * n)
        steps += reversed(inner[: j - first])
        place += 1
    found = iter(steps)
    for n in new:
        result.append(0 if n == 1 else next(found))
    return tuple(result)


def split_mapping(
    shape: tuple[int, ...], new: tuple[int, ...], where: Mapping, rank: int
) -> Mapping | None:
    """The mapping onto the operand of a reshape, if each of its axes is cut into several."""
    still = Line(0, (0,) * rank)
    lines: list[Line] = []
    j = 0
    for n in shape:
        if n == 1:
            lines.append(still)
            continue
        group: list[int] = []
        size = 1
        while size < n:
            if j == len(new):
                return None
            size *= new[j]
            group.append(j)
            j += 1
        if size != n:
            return None
        offset, steps, step = 0, [0] * rank, 1
        for axis in reversed(group):
            offset += where[axis].offset * step
            steps = [a + b * step for a, b in zip(steps, where[axis].strides, strict=True)]
            step *= new[axis]
        lines.append(Line(offset, tuple(steps)))
    return tuple(lines)


def splits(shape: tuple[int, ...], new: tuple[int, ...]) -> bool:
    """Whether a reshape only cuts axes into several."""
    if 0 in shape:
        return True
    return split_mapping(shape, new, identity(new), len(new)) is not None


def scattered(strides: tuple[int, ...], places: list[int], axes: int) -> tuple[int, ...]:
    """Strides for so many axes, given those of the axes at ``places``: 0 along the others."""
    found = dict(zip(places, strides, strict=True))
    return tuple(found.get(i, 0) for i in range(axes))


def coverage(shape: tuple[int, ...], places: Any) -> tuple[bool, bool]:
    """Whether pieces at these places leave no element out, and whether no two share one."""
    lines: list[tuple[Any, Any]] = []
    for axis, n in enumerate(shape):
        marks = np.zeros((len(places), n), bool)
        for i, place in enumerate(places):
            marks[i, slice(*place[axis])] = True
        lines.append(np.unique(marks, axis=1, return_counts=True))
    times = np.zeros([len(counts) for _, counts in lines], np.int64)
    for i in range(len(places)):
        times[np.ix_(*(line[i] for line, _ in lines))] += 1
    return bool((times > 0).all()), bool((times <= 1).all())

"""x[index] and its adjoint, for everything that NumPy takes as an index.

An index is read once (`Selection`) into four steps: slice, insert new axes, gather along the axes
that arrays choose from (brought to the front), move the result's axes to where NumPy puts them.
The adjoint takes the steps backwards.
"""

# pyright: reportUnknownVariableType=false, reportUnknownArgumentType=false
# pyright: reportUnknownMemberType=false, reportPrivateUsage=false
# (NumPy's arrays have unknown parameters here)

from __future__ import annotations

from typing import Any

import numpy as np

from descend.compile.errors import TraceError
from descend.compile.graph import BOOL, Node, Shape, constant
from descend.compile.lazy.array import (
    LazyArray,
    as_node,
    broadcast_to,
    cast,
    emit,
    reshape,
    slice_of,
    transpose,
)

Part = tuple[int, int | None, int]
"""The start, stop and step of a slice whose bounds are inside; stop is None after element 0."""


class Selection:
    """An index of an array of a shape, read.

    ``place`` is the slice of each axis, ``expanded`` the shape after it with the new axes, among
    ``fronted`` the axes that are chosen from: arrays first, then integers. ``arrays`` are the
    indices into the former, ``shape`` is that of the result.
    """

    def __init__(self, shape: Shape, index: Any) -> None:
        self.source = shape
        parts = list(index) if isinstance(index, tuple) else [index]
        parts = [_known(part) for part in parts]
        # NumPy itself checks the index, on an array without memory.
        like = np.broadcast_to(np.int8(0), shape)
        self.shape = like[tuple(_stand_in(part) for part in parts)].shape
        parts = _without_masks(_without_ellipsis(parts, len(shape)))

        self.place: tuple[Part, ...] = ()
        self.expanded: Shape = ()
        self.arrays: list[Node] = []
        self.chosen: list[int] = []
        integers: list[int] = []
        for part in parts:
            axis = len(self.expanded)
            if part is None:
                self.expanded += (1,)
                continue
            length = shape[len(self.place)]
            if isinstance(part, slice):
                bounds = _normal(part, length)
            elif isinstance(part, int):
                bounds = _normal(slice(part % length, part % length + 1), length)
                integers.append(axis)
            else:
                bounds = (0, length, 1)
                self.chosen.append(axis)
                self.arrays.append(_wrapped(part, length))
            self.place += (bounds,)
            self.expanded += (_length(bounds),)

        picked = sorted(self.chosen + integers) if self.chosen else []
        rest = [i for i in range(len(self.expanded)) if i not in picked]
        self.integers = integers
        self.fronted = (*self.chosen, *(i for i in picked if i in integers), *rest)
        lead = np.broadcast_shapes(*(i.shape for i in self.arrays)) if self.arrays else ()
        self.gathered = (*lead, *(self.expanded[i] for i in self.fronted[len(self.chosen) :]))
        # What arrays choose takes their place if they stand side by side, else it comes first.
        together = bool(picked) and picked[-1] - picked[0] + 1 == len(picked)
        before = len([i for i in rest if i < picked[0]]) if together else 0
        dropped = len(lead) + len(picked) - len(self.chosen)
        others = range(dropped, len(self.gathered))
        axes = [*others[:before], *range(len(lead)), *others[before:]]
        self.moved: tuple[int, ...] = (*axes, *range(len(lead), dropped))

    @property
    def basic(self) -> bool:
        """Whether there are slices, integers and new axes only."""
        return not self.arrays

    def of(self, x: Node) -> Node:
        """The elements of x at the index."""
        y = slice_of(x, self.place)
        if self.basic:
            return reshape(y, self.shape)
        y = transpose(reshape(y, self.expanded), self.fronted)
        y = transpose(emit("gather", y, *self.arrays), self.moved)
        return reshape(y, self.shape)

    def into(self, y: Node) -> Node:
        """Zeros with y added at the index."""
        y = broadcast_to(y, self.shape)
        if not self.basic:
            y = self._added(y)
        y = reshape(y, tuple(_length(part) for part in self.place))
        return assemble(self.source, y.dtype, 0, [(y, self.place)])

    def _added(self, y: Node) -> Node:
        """What is gathered, back where it came from: in the shape ``expanded``."""
        dtype = y.dtype
        y = cast(y, np.float32) if dtype == np.float16 else y  # float16 is summed in float32
        y = reshape(y, tuple(self.gathered[i] for i in self.moved))
        y = transpose(y, _inverse(self.moved))
        shape = tuple(self.expanded[i] for i in self.fronted)
        y = emit("scatter_add", y, *self.arrays, shape=shape)
        return cast(transpose(y, _inverse(self.fronted)), dtype)


def getitem(x: LazyArray, index: Any) -> LazyArray:
    """x[index]."""
    selection = Selection(x.shape, index)
    y = selection.of(x.node)
    return x.view(y) if selection.basic else LazyArray(y)


def setitem(x: LazyArray, index: Any, value: Any) -> None:
    """x[index] = value: x is from here on what it was with other elements at the index."""
    node = cast(as_node(value), x.dtype)
    mask = index if isinstance(index, LazyArray) and index.dtype == BOOL else None
    if mask is not None and node.ndim == 0 and mask.shape == x.shape[: mask.ndim]:
        mask = reshape(mask.node, mask.shape + (1,) * (x.ndim - mask.ndim))
        x.rebind(broadcast_to(emit("where", mask, node, x.node), x.shape))
        return
    selection = Selection(x.shape, index)
    if not selection.basic:
        raise TraceError(
            "writes to places that an array chooses", "use F.scatter_add or F.where instead"
        )
    while node.ndim > len(selection.shape) and node.shape[0] == 1:
        node = reshape(node, node.shape[1:])  # as NumPy
    if not _fits(node.shape, selection.shape):
        raise ValueError(
            f"could not broadcast input array from shape {node.shape} into shape {selection.shape}"
        )
    node = broadcast_to(node, selection.shape)
    piece = reshape(node, tuple(_length(part) for part in selection.place))
    x.rebind(_written(x.node, piece, selection.place))


def _written(x: Node, piece: Node, place: tuple[Part, ...]) -> Node:
    """x with a piece on top, in one assembly with the pieces that were written before."""
    if x.op == "complex":
        from descend.compile.lazy.complex import parts

        pairs = zip(parts(x), parts(piece), strict=True)
        return emit("complex", *(_written(part, other, place) for part, other in pairs))
    pieces, fill = [(x, _everything(x.shape))], 0
    source = x.inputs[0] if x.op == "broadcast_to" else x
    if source.op == "constant" and not source.ndim:
        pieces, fill = [], source.params["value"].item()
    elif x.op == "assemble":
        pieces = list(zip(x.inputs, x.params["places"], strict=True))
        fill = x.params["fill"]
    return assemble(x.shape, x.dtype, fill, [*pieces, (piece, place)])


def _fits(shape: Shape, into: Shape) -> bool:
    """Whether an array of one shape broadcasts to the other."""
    if len(shape) > len(into):
        return False
    return all(n in (1, m) for n, m in zip(shape[::-1], into[::-1], strict=False))


def assemble(
    shape: Shape, dtype: Any, fill: Any, pieces: list[tuple[Node, tuple[Part, ...]]]
) -> Node:
    """``fill`` everywhere but at the places of the pieces, of which later ones lie on top."""
    if pieces and pieces[-1][1] == _everything(shape):
        return pieces[-1][0]
    return emit(
        "assemble",
        *[piece for piece, _ in pieces],
        shape=shape,
        dtype=np.dtype(dtype),
        fill=fill,
        places=tuple(place for _, place in pieces),
    )


def place_of(index: tuple[slice, ...], shape: Shape) -> tuple[Part, ...]:
    """Slices, one for each axis, as the place that the graph writes."""
    return tuple(_normal(part, length) for part, length in zip(index, shape, strict=True))


def _everything(shape: Shape) -> tuple[Part, ...]:
    return tuple((0, n, 1) for n in shape)


def _length(part: Part) -> int:
    start, stop, step = part
    return len(range(start, -1 if stop is None else stop, step))


def _normal(part: slice, length: int) -> Part:
    """A slice with its bounds inside and its stop one behind the last element."""
    start, stop, step = part.indices(length)
    count = len(range(start, stop, step))
    if count == 0:
        return (0, 0, 1)
    if count == 1:
        return (start, start + 1, 1)
    last = start + (count - 1) * step
    if step > 0:
        return (start, last + 1, step)
    return (start, last - 1 if last else None, step)


def _inverse(axes: tuple[int, ...]) -> tuple[int, ...]:
    return tuple(axes.index(i) for i in range(len(axes)))


# ---- the parts of an index --------------------------------------------------------------------


def _known(part: Any) -> Any:
    """A part of an index as None, Ellipsis, a slice, an int, an ndarray or a LazyArray."""
    if part is None or part is Ellipsis:
        return part
    if isinstance(part, slice):
        return slice(
            *(None if b is None else _bound(b) for b in (part.start, part.stop, part.step))
        )
    if isinstance(part, LazyArray):
        if part.dtype == BOOL:
            raise TraceError(
                "takes as many elements as a mask says, which is not known while the step is being "
                "recorded",
                "use F.where, or multiply by the mask",
            )
        return part
    if isinstance(part, list) and any(isinstance(i, LazyArray) for i in part):
        from descend.compile.lazy import functions as lazy

        return lazy.stack(part)
    array = np.asarray(part)
    if isinstance(part, list) and array.size == 0:
        return array.astype(np.intp)
    if array.ndim == 0 and array.dtype == BOOL:
        raise TraceError("takes True or False for an index", "use None for a new axis")
    if array.dtype.kind not in "biu":
        return part  # NumPy will say what is wrong with it
    return array if array.ndim else int(array)


def _bound(x: Any) -> Any:
    if isinstance(x, LazyArray):
        raise TraceError(
            "slices up to a place that is not known while the step is being recorded",
            "use Python's numbers as bounds, or choose with an array of indices",
        )
    return x


def _stand_in(part: Any) -> Any:
    """What NumPy gets to see of a part."""
    return np.zeros(part.shape, part.dtype) if isinstance(part, LazyArray) else part


def _without_ellipsis(parts: list[Any], ndim: int) -> list[Any]:
    """The parts with a slice for each axis that none of them names."""
    taken = sum(_axes_taken(part) for part in parts)
    whole = [slice(None)] * (ndim - taken)
    place = next((i for i, part in enumerate(parts) if part is Ellipsis), len(parts))
    return [*parts[:place], *whole, *parts[place + 1 :]]


def _axes_taken(part: Any) -> int:
    if part is None or part is Ellipsis:
        return 0
    return part.ndim if isinstance(part, np.ndarray) and part.dtype == BOOL else 1


def _without_masks(parts: list[Any]) -> list[Any]:
    """The parts with the indices of what is true in the place of each mask."""
    plain: list[Any] = []
    for part in parts:
        if isinstance(part, np.ndarray) and part.dtype == BOOL:
            plain.extend(part.nonzero())
        else:
            plain.append(part)
    return plain


def _wrapped(part: Any, length: int) -> Node:
    """An array of indices as int64 that count from the front."""
    if isinstance(part, LazyArray):
        node = cast(part.node, np.int64)
        if part.dtype.kind == "u" or _counts(node):
            return node
        zero, end = constant(0, np.int64), constant(length, np.int64)
        return emit("where", emit("less", node, zero), emit("add", node, end), node)
    index = np.asarray(part, np.int64)
    axis = _line(index)
    if axis is not None:
        return emit("iota", shape=index.shape, axis=axis, dtype=np.dtype(np.int64))
    return as_node(np.where(index < 0, index + length, index) if np.any(index < 0) else index)


def _counts(node: Node) -> bool:
    """Whether these are whole numbers from 0 on, for sure."""
    while node.op in ("reshape", "broadcast_to", "transpose", "slice", "cast"):
        (node,) = node.inputs
    return node.op in ("iota", "argmax", "argmin")


def _line(index: np.ndarray) -> int | None:
    """The axis along which an index counts 0, 1, 2, ..., being of length 1 along the others."""
    if index.size < 2 or max(index.shape) != index.size:
        return None
    counts = np.array_equal(index.ravel(), np.arange(index.size))
    return index.shape.index(index.size) if counts else None

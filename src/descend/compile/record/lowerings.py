"""What operations record whose ``forward`` writes into memory, views it by strides, or asks SciPy.

Everything else is recorded by running its ``forward`` on LazyArrays. Convolutions and windows
are recorded with the channels last: so they are computed, and the transposes between two of them
cancel.
"""

# pyright: reportUnknownVariableType=false, reportUnknownArgumentType=false
# pyright: reportUnknownMemberType=false, reportPrivateUsage=false
# (NumPy's arrays have unknown parameters here)

from __future__ import annotations

import copy
from collections.abc import Callable
from itertools import product
from typing import Any

import numpy as np

from descend.compile.errors import NotRecorded, TraceError
from descend.compile.graph import Node
from descend.compile.lazy import array as nodes
from descend.compile.lazy import functions as lazy
from descend.compile.lazy import matrices as lazy_matrices
from descend.compile.lazy.array import LazyArray, as_node, cast, emit
from descend.compile.record import indexing
from descend.compile.record.host import host_call, taken_apart
from descend.core.function import Function
from descend.functions.arrangement.indexing import GetItem, ScatterTo
from descend.functions.images.convolution import (
    Convolution,
    TransposedConvolution,
    WeightOfConvolution,
)
from descend.functions.images.pooling import MaxPool, WindowSpread, WindowSum, smallest
from descend.functions.images.windows import Fold, Lengths, Unfold, Windows
from descend.functions.signals.spectrogram import Frames
from descend.functions.special.errors import Erf

PACKAGE = "descend."


def lower(function: Function, arrays: list[Any]) -> Any:
    """What ``function.forward(*arrays)`` answers, recorded if one of the arrays is.

    A Function of somebody else that cannot be recorded is called while the program runs.
    """
    _, recorded = taken_apart((arrays, vars(function)), (LazyArray,))
    if not recorded:
        return function.forward(*arrays)
    lowering = LOWERINGS.get(type(function))
    if lowering is not None:
        try:
            return lowering(function, *arrays)
        except NotRecorded:
            if not function.needs_values:
                raise
    if function.needs_values:
        return forward_on_host(function, arrays)
    ours = type(function).__module__.startswith(PACKAGE)
    try:
        return function.forward(*arrays)
    except (NotRecorded, AttributeError):
        return forward_on_host(function, arrays)
    except TraceError:
        if ours:
            raise
        return forward_on_host(function, arrays)


def forward_on_host(function: Function, arrays: list[Any]) -> Any:
    """``forward`` as a call of Python; what it keeps for its rule is among the results."""
    given = {name: value for name, value in vars(function).items() if name != "_handed"}
    blank = copy.copy(function)  # the function itself is going to keep recorded arrays
    vars(blank).clear()

    def forward(params: dict[str, Any], *xs: Any) -> Any:
        twin = copy.copy(blank)  # programs may run in several threads
        vars(twin).update(params)
        try:
            answer = twin.forward(*xs)
        except (ValueError, TypeError, IndexError) as error:  # in the words of eager mode
            raise twin._refusal(error, list(xs)) from error
        handed = vars(twin).get("_handed") if sketch is None else None
        return (tuple(answer) if type(answer) is list else answer), handed

    def like(params: dict[str, Any], *xs: Any) -> Any:
        twin = copy.copy(blank)
        vars(twin).update(params)
        return twin.like(*xs), None

    forward.__name__ = function.name
    sketch = like if function.needs_values else None
    answer, handed = host_call(forward, (given, *arrays), {}, sketch)
    if handed is not None:
        function.keep(**handed)
    return answer


# ---- layout -----------------------------------------------------------------------------------


def channels_last(x: Any) -> Node:
    """(N, C, lengths) as (N, lengths, C)."""
    node = as_node(x)
    return nodes.transpose(node, (0, *range(2, node.ndim), 1))


def channels_first(node: Node) -> LazyArray:
    """(N, lengths, C) as (N, C, lengths)."""
    return LazyArray(nodes.transpose(node, (0, node.ndim - 1, *range(1, node.ndim - 1))))


# ---- convolutions -----------------------------------------------------------------------------


def _computable(x0: Any, x1: Any) -> tuple[Node, Node, Any]:
    """Both with channels last and in the dtype they are computed in, and that of the result."""
    dtype = lazy.result_type(x0, x1)
    working = np.float32 if dtype == np.float16 else dtype
    return cast(channels_last(x0), working), cast(channels_last(x1), working), dtype


def convolution(function: Convolution, x: Any, weight: Any, bias: Any = None) -> LazyArray:
    """The node of a convolution; the bias is added to it."""
    image, kernels, dtype = _computable(x, weight)
    y = emit("convolve", image, kernels, windows=function.windows, groups=function.groups)
    if bias is not None:
        y = emit("add", y, cast(as_node(bias), y.dtype))
    return channels_first(cast(y, dtype))


def transposed_convolution(function: TransposedConvolution, x: Any, weight: Any) -> LazyArray:
    """The node of a convolution's adjoint in its image."""
    values, kernels, dtype = _computable(x, weight)
    windows, groups, lengths = function.windows, function.groups, tuple(function.lengths)
    y = emit("convolve_input", values, kernels, windows=windows, groups=groups, lengths=lengths)
    return channels_first(cast(y, dtype))


def weight_of_convolution(function: WeightOfConvolution, x0: Any, x1: Any) -> LazyArray:
    """The node of a convolution's adjoint in its weight."""
    image, gy, dtype = _computable(x0, x1)
    y = emit("convolve_weight", image, gy, windows=function.windows, groups=function.groups)
    return channels_first(cast(y, dtype))


# ---- windows ----------------------------------------------------------------------------------
# Node by node, with the channels last: images (N, lengths, C), windows (N, counts, C).


def taps_of(x: Node, windows: Windows, border: Any) -> list[Node]:
    """For each place in the windows its elements of the image, ``border`` beyond the image."""
    lengths = x.shape[1:-1]
    counts = windows.counts(lengths)
    reach = tuple(
        (c - 1) * s + k for c, s, k in zip(counts, windows.stride, windows.span, strict=True)
    )
    x = _framed(x, windows.before, reach, border)
    taps: list[Node] = []
    for place in product(*map(range, windows.size)):
        index = (
            slice(i * d, i * d + (c - 1) * s + 1, s)
            for i, d, s, c in zip(place, windows.dilation, windows.stride, counts, strict=True)
        )
        taps.append(nodes.slice_of(x, _place(index, x.shape)))
    return taps


def _framed(x: Node, before: Lengths, reach: Lengths, border: Any) -> Node:
    """The image behind a border, cut or filled up to the lengths ``reach``."""
    lengths = x.shape[1:-1]
    inside = tuple(min(n, r - b) for n, r, b in zip(lengths, reach, before, strict=True))
    x = nodes.slice_of(x, _place(map(slice, inside), x.shape))
    if inside == reach:
        return x
    shape = (x.shape[0], *reach, x.shape[-1])
    place = (slice(b, b + n) for b, n in zip(before, inside, strict=True))
    return indexing.assemble(shape, x.dtype, border, [(x, _place(place, shape))])


def spread(taps: list[Node], windows: Windows, lengths: Lengths) -> Node:
    """The image in which every place of the windows adds its tap.

    Places whose windows share no element are assembled into one image: those less than a stride
    apart.
    """
    images: dict[Lengths, list[tuple[Node, Any]]] = {}
    first = taps[0]
    shape = (first.shape[0], *lengths, first.shape[-1])
    for tap, (place, counted, elements) in zip(taps, windows.taps(lengths), strict=True):
        piece = nodes.slice_of(tap, _place(counted[1:], tap.shape))
        steps = zip(place, windows.dilation, windows.stride, strict=True)
        group = tuple(i * d // s for i, d, s in steps)
        if piece.size:
            images.setdefault(group, []).append((piece, _place(elements[1:], shape)))
    if not images:
        return nodes.full(shape, 0, first.dtype)
    whole = [indexing.assemble(shape, first.dtype, 0, pieces) for pieces in images.values()]
    return _total(whole)


def _place(index: Any, shape: tuple[int, ...]) -> Any:
    """Slices of the spatial axes as a place in (N, lengths, C)."""
    return indexing.place_of((slice(None), *index, slice(None)), shape)


def _total(parts: list[Node]) -> Node:
    total = parts[0]
    for part in parts[1:]:
        total = lazy.compute("add", total.dtype, total, part)
    return total


def _masked(taps: list[Node], masks: list[Any] | None) -> list[Node]:
    """The taps times their masks."""
    if masks is None:
        return taps
    pairs = zip(taps, masks, strict=True)
    return [lazy.compute("multiply", tap.dtype, tap, channels_last(mask)) for tap, mask in pairs]


def window_sum(function: WindowSum, x: Any) -> LazyArray:
    """The sum of all taps."""
    taps = taps_of(channels_last(x), function.windows, 0)
    return channels_first(_total(_masked(taps, function.masks)))


def window_spread(function: WindowSpread, x: Any) -> LazyArray:
    """Every place of a window adds what the window has."""
    taps = [channels_last(x)] * len(function.windows.taps(function.lengths))
    return channels_first(spread(_masked(taps, function.masks), function.windows, function.lengths))


def max_pool(function: MaxPool, x: Any) -> LazyArray:
    """The largest of all taps."""
    node = channels_last(x)
    border = smallest(node.dtype)
    largest, *rest = taps_of(node, function.windows, border)
    for tap in rest:
        largest = lazy.maximum(LazyArray(largest), LazyArray(tap)).node
    return channels_first(largest)


def unfold(function: Unfold, x: Any) -> LazyArray:
    """All taps beside each other."""
    node = as_node(x)
    windows = function.windows
    taps = [channels_first(tap).node for tap in taps_of(channels_last(x), windows, 0)]
    counts = windows.counts(node.shape[2:])
    shape = (*node.shape[:2], *windows.size, *counts)
    ones = (1,) * len(counts)
    pieces: list[tuple[Node, Any]] = []
    for tap, place in zip(taps, product(*map(range, windows.size)), strict=True):
        index = (
            slice(None),
            slice(None),
            *(slice(i, i + 1) for i in place),
            *(slice(None),) * len(counts),
        )
        piece = nodes.reshape(tap, (*node.shape[:2], *ones, *counts))
        pieces.append((piece, indexing.place_of(index, shape)))
    if not node.size:
        return LazyArray(nodes.full(shape, 0, node.dtype))
    return LazyArray(indexing.assemble(shape, node.dtype, 0, pieces))


def fold(function: Fold, x: Any) -> LazyArray:
    """Every place of a window adds its own part of x."""
    y = lazy.asarray(x)
    places = product(*map(range, function.windows.size))
    taps = [channels_last(y[(slice(None), slice(None), *place)]) for place in places]
    return channels_first(spread(taps, function.windows, tuple(function.lengths)))


def frames(function: Frames, x: Any) -> LazyArray:
    """Lines of a hop's length, of which each frame takes a few that follow each other."""
    y, size, hop = lazy.asarray(x), function.size, function.hop
    *lead, length = y.shape
    count, pieces = (length - size) // hop + 1, -(-size // hop)
    lines = count + pieces - 1
    if lines * hop > length:
        y = lazy.pad(y, [(0, 0)] * len(lead) + [(0, lines * hop - length)])
    y = lazy.reshape(y[..., : lines * hop], (*lead, lines, hop))
    parts = [y[..., k : k + count, : size - k * hop] for k in range(pieces)]
    return lazy.concatenate(parts, -1)


# ---- the rest ---------------------------------------------------------------------------------


def get_item(function: GetItem, x: Any) -> LazyArray:
    """x may be an array where the index is recorded."""
    return lazy.getitem(x, function.index)


def scatter_to(function: ScatterTo, x: Any) -> LazyArray:
    """Without writing into zeros."""
    return lazy.scatter_to(x, function.index, function.shape)


def error_function(function: Erf, x: Any) -> LazyArray:
    """Without SciPy."""
    return lazy.erf(x)


LOWERINGS: dict[type[Function], Callable[..., Any]] = {
    Convolution: convolution,
    TransposedConvolution: transposed_convolution,
    WeightOfConvolution: weight_of_convolution,
    WindowSum: window_sum,
    WindowSpread: window_spread,
    MaxPool: max_pool,
    Unfold: unfold,
    Fold: fold,
    Frames: frames,
    GetItem: get_item,
    ScatterTo: scatter_to,
    Erf: error_function,
    **lazy_matrices.LOWERINGS,
}
"""What to record for each of these; called with the Function and what ``forward`` would get."""

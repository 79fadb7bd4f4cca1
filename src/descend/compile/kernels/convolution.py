"""Kernels for convolutions of images whose channels come last, and for their two gradients.

All are products whose rows are pixels, without the columns ever being written to memory: each of a
tile's rows begins at its pixel's window, and the sum goes over the window's taps and channels. The
image with its border is copied to scratch first, a strip of rows at a time, unless no window
reaches into a border.

The gradient of the image is a correlation too: of the outputs with the taps in reverse. With a
stride s each of the s pixels between two windows meets its own taps, so there is one correlation
for each such phase. The gradient of the weight is a product of windows and outputs that sums over
pixels.
"""

# pyright: reportUnknownMemberType=false, reportUnknownVariableType=false
# pyright: reportUnknownArgumentType=false, reportMissingTypeStubs=false
# pyright: reportUnknownParameterType=false, reportUnknownLambdaType=false

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from itertools import product
from math import gcd, prod
from typing import TYPE_CHECKING, Any

from descend.compile.kernels.products import panel_groups
from descend.compile.kernels.tiles import (
    Emitter,
    Index,
    Kernel,
    Level,
    Value,
    even_tiles,
    panels,
    tile_rows,
)

if TYPE_CHECKING:
    from descend.functions.images.windows import Windows

DTYPES = ("float32", "float64")

STRIP_BYTES = 160 * 1024
"""The most of an image that is taken at once: it stays in the second-level cache."""

STRIP_POINTS = 256
"""Outputs that a weight's gradient sums over at once: a panel of them stays in the first level."""


@dataclass(frozen=True)
class ConvolutionSpec:
    """A convolution of images (N, L, ..., C), with one or two lengths, that gives (N, M, ..., K).

    Images and results are contiguous; the weight (K, size, ..., C / groups) has any strides.
    """

    dtype: str
    images: int
    lengths: tuple[int, ...]
    channels: int
    filters: int
    windows: Windows
    weight: tuple[int, ...]
    """The weight's strides in elements."""
    groups: int = 1


@dataclass(frozen=True)
class Plan:
    """What to run for an operation, in this order, and what lies between."""

    kernels: tuple[Kernel, ...]
    buffers: tuple[tuple[str, int], ...] = ()
    """The operands that only these kernels share: their names and numbers of elements."""


def supports(spec: ConvolutionSpec) -> bool:
    """Whether there are kernels for it."""
    sizes = (*spec.lengths, spec.images, spec.channels, spec.filters, *_counts(spec))
    known = spec.dtype in DTYPES and len(spec.lengths) in (1, 2)
    return known and min(sizes) > 0 and not spec.windows.ceil_mode


def convolve(spec: ConvolutionSpec) -> Plan:
    """y = x * weight: "weight" to "packed" (cut along channels), then "x", "packed" to "y"."""
    spec = _two_axes(spec)
    w = spec.windows
    counts = _counts(spec)
    axes = [
        _Taps(count, 0, 1, -before, stride, size, dilation, 0, 1)
        for count, before, stride, size, dilation in zip(
            counts, w.before, w.stride, w.size, w.dilation, strict=True
        )
    ]
    shape = _Shape(
        spec.dtype,
        spec.images,
        spec.lengths,
        counts,
        spec.groups,
        spec.channels // spec.groups,
        spec.filters // spec.groups,
        (spec.weight[3], spec.weight[0], spec.weight[1], spec.weight[2]),
        spec.weight[0] * (spec.filters // spec.groups),
    )
    return _correlations(shape, [(axes[0], axes[1])], ("x", "y"))


def convolve_input(spec: ConvolutionSpec) -> Plan:
    """The gradient of x: "weight" to "packed" (cut along filters), then "gy", "packed" to "gx"."""
    spec = _two_axes(spec)
    counts = _counts(spec)
    phases = product(_phases(spec, counts, 0), _phases(spec, counts, 1))
    shape = _Shape(
        spec.dtype,
        spec.images,
        counts,
        spec.lengths,
        spec.groups,
        spec.filters // spec.groups,
        spec.channels // spec.groups,
        (spec.weight[0], spec.weight[3], spec.weight[1], spec.weight[2]),
        spec.weight[0] * (spec.filters // spec.groups),
    )
    return _correlations(shape, list(phases), ("gy", "gx"))


def _counts(spec: ConvolutionSpec) -> tuple[int, ...]:
    """The lengths of the result."""
    return spec.windows.counts(spec.lengths)


def _two_axes(spec: ConvolutionSpec) -> ConvolutionSpec:
    """The same with two spatial axes."""
    if len(spec.lengths) == 2:
        return spec
    w = spec.windows
    wide = type(w)((1, *w.size), (1, *w.stride), (1, *w.dilation), (0, *w.before), (0, *w.after))
    weight = (spec.weight[0], 0, *spec.weight[1:])
    return replace(spec, lengths=(1, *spec.lengths), windows=wide, weight=weight)


@dataclass(frozen=True)
class _Taps:
    """One axis of a correlation: results first, first + step, ... and the taps that each meets."""

    count: int
    first: int
    step: int
    origin: int
    """Where the first tap of the first result lies in the image; it may be outside."""
    stride: int
    taps: int
    dilation: int
    weight: int
    """The place in the weight of the first tap."""
    weight_step: int

    @property
    def reach(self) -> int:
        """The length of the image that all results together see."""
        return (self.count - 1) * self.stride + (self.taps - 1) * self.dilation + 1


@dataclass(frozen=True)
class _Shape:
    """The lengths and channels of a correlation's image and result."""

    dtype: str
    images: int
    lengths: tuple[int, ...]
    counts: tuple[int, ...]
    groups: int
    inner: int
    """The channels of one group that are summed over."""
    columns: int
    """The channels of one group that come out."""
    weight: tuple[int, int, int, int]
    """The weight's strides: along the channels summed over, those coming out, and the window."""
    group: int
    """The weight's stride from a group to the next."""


_Parts = list[tuple[tuple[_Taps, _Taps], int]]
"""Correlations, and where each one's weights lie in what is packed."""


def _phases(spec: ConvolutionSpec, counts: tuple[int, ...], axis: int) -> list[_Taps]:
    """The correlations, one for each pixel between two windows, that give an image's gradient.

    Pixel h, counted with the border, is tap i of window q if h = q * stride + i * dilation. So
    pixels with the same h % stride meet the same taps, in windows that go on by one.
    """
    w = spec.windows
    length, count = spec.lengths[axis], counts[axis]
    stride, dilation, size = w.stride[axis], w.dilation[axis], w.size[axis]
    before = w.before[axis]
    phases: list[_Taps] = []
    for phase in range(min(stride, length)):
        # The first pixel of the phase, and the window whose tap 0 it would be.
        taps = [i for i in range(size) if (phase + before - i * dilation) % stride == 0]
        results = len(range(phase, length, stride))
        if not taps:
            phases.append(_Taps(results, phase, stride, -count, 1, 0, 1, 0, 1))
            continue
        step = stride // gcd(stride, dilation)
        # The last tap comes from the earliest window, so it goes first.
        origin = (phase + before - taps[-1] * dilation) // stride
        distance = step * dilation // stride
        phases.append(
            _Taps(results, phase, stride, origin, 1, len(taps), distance, taps[-1], -step)
        )
    return phases


def _correlations(
    shape: _Shape, pairs: Sequence[tuple[_Taps, _Taps]], names: tuple[str, str]
) -> Plan:
    """The kernels for correlations that write one result between them."""
    parts: _Parts = []
    total = 0
    lanes = Emitter(shape.dtype, ()).lanes
    padded = -(-shape.columns // lanes) * lanes
    for pair in pairs:
        parts.append((pair, total))
        total += shape.groups * pair[0].taps * pair[1].taps * shape.inner * padded
    pack = _pack(shape, parts)
    main = _Correlations(shape, parts, names).kernel()
    return Plan((pack, main), (("packed", max(total, 1)),))


def _pack(shape: _Shape, parts: _Parts) -> Kernel:
    """The weights in the order in which tiles read them, zeros behind the last column."""
    e = Emitter(shape.dtype, ("weight", "packed"))
    depthwise = shape.inner == shape.columns == 1
    emit = _emit_depthwise_packing if depthwise else _emit_packing
    return Kernel(
        f"pack {shape} {parts}",
        lambda: e.text(lambda: emit(e, shape, parts)),
        e.operands,
        shape.groups if depthwise else shape.inner,
    )


def _emit_packing(e: Emitter, shape: _Shape, parts: _Parts) -> None:
    """For each group and panel of columns: taps, channels, the panel's columns."""
    weight, packed = e.operand("weight"), e.operand("packed")
    across, along, by_row, by_column = shape.weight
    padded = -(-shape.columns // e.lanes) * e.lanes
    groups = panel_groups(panels(shape.columns, e.lanes), shape.columns, e.lanes)

    def tap(t: Index, y: _Taps, x: _Taps, start: int) -> None:
        depth = y.taps * x.taps * shape.inner
        group, t = e.divide(t, y.taps * x.taps)
        i, j = e.divide(t, x.taps)
        source = e.at(weight, e.times(group, shape.group))
        source = e.at(source, y.weight * by_row + x.weight * by_column)
        source = e.at(source, e.times(i, y.weight_step * by_row))
        source = e.at(source, e.times(j, x.weight_step * by_column))
        place = e.at(packed, e.add(start, e.times(group, padded * depth)))
        for first, stop, vectors, _ in groups:
            wide = vectors * e.lanes

            def panel(column: Index, wide: int = wide) -> None:
                here = e.at(place, e.times(column, depth))
                here = e.at(here, e.times(t, shape.inner * wide))
                there = e.least(wide, e.subtract(shape.columns, column))

                def channel(c: Index) -> None:
                    line = e.at(here, e.times(c, wide))
                    read = e.at(source, e.times(c, across))
                    for v in range(0, wide, e.lanes):
                        e.store(e.zero(), e.at(line, v))

                    def element(k: Index) -> None:
                        w = e.load_scalar(e.at(read, e.times(e.add(column, k), along)))
                        e.b.store(w, e.at(line, k), align=e.itemsize)

                    e.loop(0, there, 1, element)

                e.loop(e.begin, e.end, 1, channel)

            e.loop(first, stop, wide, panel)

    for (y, x), start in parts:
        count = shape.groups * y.taps * x.taps
        e.loop(0, count, 1, lambda t, y=y, x=x, start=start: tap(t, y, x, start))


def _emit_depthwise_packing(e: Emitter, shape: _Shape, parts: _Parts) -> None:
    """The weights of all channels for one tap after another, cut along the channels."""
    weight, packed = e.operand("weight"), e.operand("packed")
    _, _, by_row, by_column = shape.weight
    for (y, x), start in parts:

        def tap(t: Index, y: _Taps = y, x: _Taps = x, start: int = start) -> None:
            i, j = e.divide(t, x.taps)
            source = e.at(weight, y.weight * by_row + x.weight * by_column)
            source = e.at(source, e.times(i, y.weight_step * by_row))
            source = e.at(source, e.times(j, x.weight_step * by_column))
            place = e.at(packed, e.add(start, e.times(t, shape.groups)))

            def channel(c: Index) -> None:
                w = e.load_scalar(e.at(source, e.times(c, shape.group)))
                e.b.store(w, e.at(place, c), align=e.itemsize)

            e.loop(e.begin, e.end, 1, channel)

        e.loop(0, y.taps * x.taps, 1, tap)


class _Region:
    """The part of an image that results see, in scratch with its border or where it is."""

    def __init__(
        self,
        e: Emitter,
        lengths: Sequence[int],
        channels: int,
        y: _Taps,
        x: _Taps,
        strip_bytes: int = STRIP_BYTES,
        strip_points: int | None = None,
    ) -> None:
        self.e, self.y, self.x, self.channels = e, y, x, channels
        self.lengths = lengths
        self.direct = all(
            taps.origin >= 0 and taps.origin + taps.reach <= length
            for taps, length in zip((y, x), lengths, strict=True)
        )
        self.width = lengths[1] if self.direct else x.reach
        self.line = self.width * channels
        row_bytes = self.line * e.itemsize
        more = (y.taps - 1) * y.dilation
        most = max(1, (strip_bytes // row_bytes - more) // y.stride)
        if strip_points is not None:
            most = min(most, max(1, strip_points // x.count))
        strips = -(-y.count // min(most, y.count))
        self.strip = -(-y.count // strips)
        self.even = y.count % self.strip == 0
        self.rows = (self.strip - 1) * y.stride + more + 1
        self.scratch = 0 if self.direct else self.rows * self.line

    def strips(
        self, image: Value, scratch: Value, body: Callable[[Index, Index, Value], None]
    ) -> None:
        """``body(first, count, region)`` for the results in strips of rows, one after another."""
        e, y = self.e, self.y

        def strip(first: Index) -> None:
            count: Index = self.strip
            if not self.even:
                count = e.least(self.strip, e.subtract(y.count, first))
            top = e.add(y.origin, e.times(first, y.stride))
            region = scratch
            if self.direct:
                region = e.at(image, e.times(top, self.line))
                region = e.at(region, self.x.origin * self.channels)
            else:
                self.copy(image, scratch, top)
            body(first, count, region)

        e.loop(0, y.count, self.strip, strip)

    def copy(self, image: Value, scratch: Value, top: Index) -> None:
        """Rows from ``top`` on to scratch, zeros where the image does not reach."""
        e, (height, width), channels = self.e, self.lengths, self.channels
        start, stop = self.x.origin, self.x.origin + self.x.reach
        left = min(max(0, -start), self.x.reach) * channels
        middle = max(0, min(stop, width) - max(start, 0)) * channels
        right = self.line - left - middle

        def row(i: Index) -> None:
            place = e.at(scratch, e.times(i, self.line))
            h = e.add(top, i)
            inside = e.b.and_(e.compare(h, ">=", 0), e.compare(h, "<", height))
            with e.b.if_else(inside) as (then, otherwise):
                with then:
                    fill(e, place, left)
                    source = e.at(image, e.times(e.index(h), width * channels))
                    source = e.at(source, max(start, 0) * channels)
                    copy(e, e.at(place, left), source, middle)
                    fill(e, e.at(place, left + middle), right)
                with otherwise:
                    fill(e, place, self.line)

        e.loop(0, self.rows, 1, row)


def fill(e: Emitter, place: Value, count: int) -> None:
    """Zeros."""
    vector_parts(e, count, lambda i, width: e.store(e.zero(), e.at(place, i), width))


def copy(e: Emitter, place: Value, source: Value, count: int) -> None:
    """Elements that lie side by side to another place."""

    def part(i: Index, width: int) -> None:
        e.store(e.load(e.at(source, i), width), e.at(place, i), width)

    vector_parts(e, count, part)


def vector_parts(e: Emitter, count: int, body: Callable[[Index, int], None]) -> None:
    """``body(first, width)`` for elements that lie side by side, a vector at a time."""
    whole = count // e.lanes * e.lanes
    e.loop(0, whole, e.lanes, lambda i: body(i, e.lanes))
    if count > whole:
        body(whole, count - whole)


class _Correlations:
    """A kernel of one or several correlations of the same images, in the making."""

    def __init__(
        self,
        shape: _Shape,
        parts: _Parts,
        names: tuple[str, str],
    ) -> None:
        self.shape = shape
        self.channels = shape.groups * shape.inner
        self.results = shape.groups * shape.columns
        probe = Emitter(shape.dtype, ())
        regions = [
            _Region(probe, shape.lengths, self.channels, y, x)
            for (y, x), _ in parts
            if y.taps * x.taps
        ]
        self.scratch = max((region.scratch for region in regions), default=0)
        roles = (names[0], "packed", names[1], *(["scratch"] if self.scratch else []))
        self.e = Emitter(shape.dtype, roles)
        self.names = names
        self.parts = parts

    def kernel(self) -> Kernel:
        """The kernel, cut along the images."""
        return Kernel(
            f"correlations {self.shape} {self.parts}",
            lambda: self.e.text(self.emit),
            self.e.operands,
            self.shape.images,
            self.scratch * self.e.itemsize,
        )

    def emit(self) -> None:
        """The whole kernel."""
        e, shape = self.e, self.shape
        source, packed, result = (e.operand(role) for role in e.operands[:3])
        scratch = e.operand("scratch") if self.scratch else source

        def image(n: Index) -> None:
            x = e.at(source, e.times(n, prod(shape.lengths) * self.channels))
            y = e.at(result, e.times(n, prod(shape.counts) * self.results))
            for pair, start in self.parts:
                self.correlate(pair, x, e.at(packed, start), y, scratch)

        e.loop(e.begin, e.end, 1, image)

    def correlate(
        self, pair: tuple[_Taps, _Taps], image: Value, packed: Value, result: Value, scratch: Value
    ) -> None:
        """One correlation of one image."""
        e, shape = self.e, self.shape
        y, x = pair
        if not y.taps * x.taps:
            self.clear(y, x, result)
            return
        region = _Region(e, shape.lengths, self.channels, y, x)
        depth = y.taps * x.taps * shape.inner
        padded = -(-shape.columns // e.lanes) * e.lanes
        # One pixel after another where rows of windows follow each other without a gap.
        linear = x.stride * x.count == y.stride * region.width

        def strip(first: Index, count: Index, place: Value) -> None:
            points = e.times(count, x.count)
            line = y.step * shape.counts[1]
            out = e.at(result, (y.first * shape.counts[1] + x.first) * self.results)
            out = e.at(out, e.times(first, line * self.results))

            def pixels(p: Index, height: int, valid: Index | None) -> list[tuple[Index, Index]]:
                """Where the windows of a tile's pixels begin and where their results go."""
                offsets: list[tuple[Index, Index]] = []
                for r in range(height):
                    point = e.add(p, r)
                    if valid is not None:
                        point = e.least(point, e.subtract(points, 1))
                    i, j = e.divide(point, x.count)
                    seen = e.times(point, x.stride * self.channels)
                    if not linear:
                        seen = e.times(j, x.stride * self.channels)
                        seen = e.add(e.times(i, y.stride * region.line), seen)
                    to = e.times(point, self.results)
                    if not (x.step == 1 and y.step == 1 and x.count == shape.counts[1]):
                        to = e.times(j, x.step * self.results)
                        to = e.add(e.times(i, line * self.results), to)
                    offsets.append((seen, to))
                return offsets

            if shape.inner == shape.columns == 1:
                self.depthwise(pair, place, packed, out, points, region, pixels)
                return

            def group(g: Index) -> None:
                seen = e.at(place, e.times(g, shape.inner))
                weights = e.at(packed, e.times(g, padded * depth))
                to = e.at(out, e.times(g, shape.columns))
                groups = panel_groups(panels(shape.columns, e.lanes), shape.columns, e.lanes)
                for start, stop, vectors, width in groups:

                    def panel(column: Index, vectors: int = vectors, width: int = width) -> None:
                        b = e.at(weights, e.times(column, depth))
                        wide = vectors * e.lanes
                        levels = [
                            Level(y.taps, y.dilation * region.line, x.taps * shape.inner * wide),
                            Level(x.taps, x.dilation * self.channels, shape.inner * wide),
                            Level(shape.inner, 1, wide),
                        ]

                        def tile(p: Index, height: int, valid: Index | None) -> None:
                            offsets = pixels(p, height, valid)
                            rows = [e.at(seen, offset) for offset, _ in offsets]
                            outs = [e.at(e.at(to, column), offset) for _, offset in offsets]
                            sums = e.multiply(rows, b, vectors, levels)
                            e.write(sums, outs, width)

                        e.row_tiles(0, points, tile_rows(vectors), tile)

                    e.loop(start, stop, vectors * e.lanes, panel)

            e.loop(0, shape.groups, 1, group)

        region.strips(image, scratch, strip)

    def depthwise(
        self,
        pair: tuple[_Taps, _Taps],
        place: Value,
        packed: Value,
        out: Value,
        points: Index,
        region: _Region,
        pixels: Callable[[Index, int, Index | None], list[tuple[Index, Index]]],
    ) -> None:
        """Each channel for itself: vectors of channels, multiplied by vectors of weights."""
        e, (y, x) = self.e, pair

        def channels(c: Index, width: int) -> None:
            weights = e.at(packed, c)

            def tile(p: Index, height: int, valid: Index | None) -> None:
                offsets = pixels(p, height, valid)
                rows = [e.at(e.at(place, c), offset) for offset, _ in offsets]
                outs = [e.at(e.at(out, c), offset) for _, offset in offsets]

                def taps(i: Index, *sums: Value) -> list[Value]:
                    new = list(sums)
                    line = e.at(weights, e.times(i, x.taps * self.channels))
                    for j in range(x.taps):
                        w = e.load(e.at(line, j * self.channels), width)
                        step = e.times(i, y.dilation * region.line)
                        for r, row in enumerate(rows):
                            seen = e.at(e.at(row, step), j * x.dilation * self.channels)
                            new[r] = e.fma(e.load(seen, width), w, new[r])
                    return new

                sums = e.loop(0, y.taps, 1, taps, [e.zero()] * height)
                e.write([[total] for total in sums], outs, width)

            e.row_tiles(0, points, 8, tile)

        vector_parts(e, self.channels, channels)

    def clear(self, y: _Taps, x: _Taps, result: Value) -> None:
        """Zeros to results that no tap reaches."""
        e = self.e
        width = self.shape.counts[1]

        def row(i: Index) -> None:
            line = e.at(result, e.times(e.add(y.first, e.times(i, y.step)), width * self.results))

            def pixel(j: Index) -> None:
                at = e.times(e.add(x.first, e.times(j, x.step)), self.results)
                fill(e, e.at(line, at), self.results)

            e.loop(0, x.count, 1, pixel)

        e.loop(0, y.count, 1, row)


def weight_partial(spec: ConvolutionSpec) -> tuple[int, ...]:
    """The shape of "partial": (size, ..., C / groups, K), the gradient with its first axis last."""
    return (*spec.windows.size, spec.channels // spec.groups, spec.filters)


def convolve_weight(spec: ConvolutionSpec) -> Plan:
    """The gradient of the weight: "x" and "gy" added to "partial" (see `weight_partial`)."""
    spec = _two_axes(spec)
    return Plan((_WeightGradient(spec).kernel(),))


class _WeightGradient:
    """The kernel of a weight's gradient in the making."""

    def __init__(self, spec: ConvolutionSpec) -> None:
        self.spec = spec
        w = spec.windows
        self.counts = _counts(spec)
        self.y, self.x = (
            _Taps(self.counts[i], 0, 1, -w.before[i], w.stride[i], w.size[i], w.dilation[i], 0, 1)
            for i in range(2)
        )
        self.inner = spec.channels // spec.groups
        self.columns = spec.filters // spec.groups
        self.e = e = Emitter(spec.dtype, ())
        self.region = _Region(
            e, spec.lengths, spec.channels, self.y, self.x, strip_points=STRIP_POINTS
        )
        self.widest = max(n for _, n in panels(self.columns, e.lanes)) * e.lanes
        depthwise = self.inner == self.columns == 1
        self.packs = not depthwise and spec.filters != self.widest
        self.scratch = self.region.scratch
        if self.packs:
            self.scratch += self.region.strip * self.x.count * self.widest
        e.operands = ("x", "gy", "partial", *(["scratch"] if self.scratch else []))

    def kernel(self) -> Kernel:
        """The kernel, cut along the images."""
        return Kernel(
            f"gradient of weight {self.spec}",
            lambda: self.e.text(self.emit),
            self.e.operands,
            self.spec.images,
            self.scratch * self.e.itemsize,
        )

    def emit(self) -> None:
        """The whole kernel."""
        e, spec = self.e, self.spec
        x, gy, partial = (e.operand(role) for role in e.operands[:3])
        scratch = e.operand("scratch") if self.scratch else x

        def image(n: Index) -> None:
            here = e.at(x, e.times(n, prod(spec.lengths) * spec.channels))
            outputs = e.at(gy, e.times(n, prod(self.counts) * spec.filters))

            def strip(first: Index, count: Index, region: Value) -> None:
                g = e.at(outputs, e.times(first, self.counts[1] * spec.filters))
                self.strip(region, g, partial, e.at(scratch, self.region.scratch), count)

            self.region.strips(here, scratch, strip)

        e.loop(e.begin, e.end, 1, image)

    def strip(self, region: Value, gy: Value, partial: Value, memory: Value, count: Index) -> None:
        """What one strip adds to all of the gradient."""
        e, spec, x, y = self.e, self.spec, self.x, self.y
        if self.inner == self.columns == 1:
            self.depthwise(region, gy, partial, count)
            return
        groups = panel_groups(panels(self.columns, e.lanes), self.columns, e.lanes)

        def group(g: Index) -> None:
            seen = e.at(region, e.times(g, self.inner))
            outputs = e.at(gy, e.times(g, self.columns))
            to = e.at(partial, e.times(g, self.columns))
            for start, stop, vectors, width in groups:

                def panel(column: Index, vectors: int = vectors, width: int = width) -> None:
                    b = e.at(outputs, column)
                    out = e.at(to, column)
                    wide = spec.filters
                    if self.packs:
                        wide = vectors * e.lanes
                        self.pack(memory, b, e.times(count, x.count), vectors, width)
                        b = memory
                    levels = [
                        Level(count, y.stride * self.region.line, x.count * wide),
                        Level(x.count, x.stride * spec.channels, wide),
                    ]

                    def tile(rows: list[Value], outs: list[Value]) -> None:
                        sums = e.multiply(rows, b, vectors, levels)
                        e.write(sums, outs, width, add=True)

                    self.rows(seen, out, tile_rows(vectors), tile)

                e.loop(start, stop, vectors * e.lanes, panel)

        e.loop(0, spec.groups, 1, group)

    def depthwise(self, region: Value, gy: Value, partial: Value, count: Index) -> None:
        """Each channel for itself: vectors of channels, several taps in registers."""
        e, x, y, channels = self.e, self.x, self.y, self.spec.channels
        line = self.region.line
        taps = [(i, j) for i in range(y.taps) for j in range(x.taps)]
        chunks = [taps[t : t + 8] for t in range(0, len(taps), 8)]

        def part(c: Index, width: int) -> None:
            for number, chunk in enumerate(chunks):
                offsets = [i * y.dilation * line + j * x.dilation * channels for i, j in chunk]

                def row(i: Index, *sums: Value, offsets: list[int] = offsets) -> list[Value]:
                    seen = e.at(e.at(region, c), e.times(i, y.stride * line))
                    outputs = e.at(e.at(gy, c), e.times(i, x.count * channels))

                    def pixel(p: Index, *sums: Value) -> list[Value]:
                        g = e.load(e.at(outputs, e.times(p, channels)), width)
                        here = e.at(seen, e.times(p, x.stride * channels))
                        loaded = [e.load(e.at(here, offset), width) for offset in offsets]
                        return [e.fma(v, g, z) for v, z in zip(loaded, sums, strict=True)]

                    return e.loop(0, x.count, 1, pixel, sums)

                sums = e.loop(0, count, 1, row, [e.zero()] * len(chunk))
                to = e.at(e.at(partial, c), number * 8 * channels)
                outs = [e.at(to, t * channels) for t in range(len(chunk))]
                e.write([[total] for total in sums], outs, width, add=True)

        vector_parts(e, channels, part)

    def pack(self, place: Value, source: Value, count: Index, vectors: int, width: int) -> None:
        """A panel of the outputs' columns, side by side, zeros behind the last."""
        e = self.e

        def point(p: Index) -> None:
            for v in range(vectors):
                end = width if v == vectors - 1 else e.lanes
                x = e.load(e.at(source, e.add(e.times(p, self.spec.filters), v * e.lanes)), end)
                e.store(x, e.at(place, e.add(e.times(p, vectors * e.lanes), v * e.lanes)))

        e.loop(0, count, 1, point)

    def rows(
        self,
        seen: Value,
        out: Value,
        height: int,
        tile: Callable[[list[Value], list[Value]], None],
    ) -> None:
        """Tiles over the elements of a window: where they are seen, where their sums go."""
        e, x, y = self.e, self.x, self.y
        by_row, by_column = y.dilation * self.region.line, x.dilation * self.spec.channels
        elements = [
            (i, j, c) for i in range(y.taps) for j in range(x.taps) for c in range(self.inner)
        ]
        run = self.inner * (x.taps if by_column == self.inner else 1)
        if run < height and len(elements) <= 8 * height:
            # Windows of few channels: rows from all over the window make full tiles.
            for first, tiles, size in even_tiles(len(elements), height):
                for t in range(tiles):
                    chosen = range(first + t * size, first + (t + 1) * size)
                    offsets = [
                        elements[m][0] * by_row + elements[m][1] * by_column + elements[m][2]
                        for m in chosen
                    ]
                    tile(
                        [e.at(seen, offset) for offset in offsets],
                        [e.at(out, m * self.spec.filters) for m in chosen],
                    )
            return
        lines = y.taps * x.taps * self.inner // run

        def line(t: Index) -> None:
            i, j = e.divide(t, lines // y.taps)
            here = e.at(e.at(seen, e.times(i, by_row)), e.times(j, by_column))
            there = e.at(out, e.times(t, run * self.spec.filters))

            def part(m: Index, size: int, valid: Any) -> None:
                rows = [e.at(e.at(here, m), r) for r in range(size)]
                first = e.at(there, e.times(m, self.spec.filters))
                tile(rows, [e.at(first, r * self.spec.filters) for r in range(size)])

            e.row_tiles(0, run, height, part)

        e.loop(0, lines, 1, line)

"""Kernels for convolutions with windows of 3 x 3 that multiply less: Winograd's.

A tile of m x m results is an alternating sum of (m + 2)^2 products, each of a sum of the tile's
image and one of the weight, instead of 9 m^2: polynomials are multiplied through their values at
m + 2 points. The sums over channels become (m + 2)^2 products of matrices, tiles times channels by
channels times filters.

S. Winograd, "Arithmetic complexity of computations" (1980, doi:10.1137/1.9781611970364);
A. Lavin and S. Gray, "Fast algorithms for convolutional neural networks" (2016,
doi:10.1109/CVPR.2016.435).
"""

# pyright: reportUnknownMemberType=false, reportUnknownVariableType=false
# pyright: reportUnknownArgumentType=false, reportMissingTypeStubs=false
# pyright: reportUnknownParameterType=false, reportUnknownLambdaType=false

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from fractions import Fraction
from math import gcd, isqrt, prod

import llvmlite.ir as ir

from descend.compile.kernels.convolution import (
    DTYPES,
    ConvolutionSpec,
    Plan,
    copy,
    fill,
    vector_parts,
)
from descend.compile.kernels.products import panel_groups
from descend.compile.kernels.tiles import (
    I64,
    POINTER,
    Emitter,
    Index,
    Kernel,
    Level,
    Value,
    panels,
    tile_rows,
)

TILES = 24
"""The tiles that are multiplied at once: enough for each weight that is read, and few enough that
they stay in the second-level cache unless there are very many channels."""

WEIGHT_TILES = 32
"""The tiles that a weight's gradient sums over before it is added to memory."""

Terms = list[Value]
"""The vectors along one axis of a tile."""

Transform = Callable[[Emitter, Terms], Terms]

MOST = 6
"""The longest side of a tile."""


@dataclass(frozen=True)
class Form:
    """How tiles of some size are taken apart and put together, along one axis.

    The points are 0, some pairs a and -a, and infinity: as many as a tile has elements. A tile of
    as many elements holds some windows, ``taps`` long, and gives a result for each.
    """

    results: int
    pairs: tuple[Fraction, ...]

    @property
    def size(self) -> int:
        """The elements of a tile."""
        return 2 * len(self.pairs) + 2

    @property
    def taps(self) -> int:
        """The elements of a window."""
        return self.size - self.results + 1

    @property
    def products(self) -> int:
        """The multiplications for a tile of two axes."""
        return self.size**2

    def image(self, e: Emitter, x: Terms) -> Terms:
        """The values of size elements: transposed polynomials that vanish at all other points."""
        all_pairs = _vanishing(self.pairs)
        y = [_combination(e, all_pairs, x[0:-1:2])]
        for a in self.pairs:
            others = _vanishing([b for b in self.pairs if b != a])
            even = _combination(e, others, x[2::2])
            odd = _combination(e, [a * c for c in others], x[1:-1:2])
            y += [e.b.fadd(even, odd), e.b.fsub(even, odd)]
        return [*y, _combination(e, all_pairs, x[1::2])]

    def weight(self, e: Emitter, x: Terms) -> Terms:
        """The values of a window's elements, divided by those of the image's polynomials."""
        y = [_combination(e, [1 / _vanishing(self.pairs)[0]], x[:1])]
        for a in self.pairs:
            norm = 2 * a * a
            for b in self.pairs:
                norm *= a * a - b * b if a != b else 1
            powers = [a**i / norm for i in range(self.taps)]
            even = _combination(e, powers[::2], x[::2])
            odd = _combination(e, powers[1::2], x[1::2])
            y += [e.b.fadd(even, odd), e.b.fsub(even, odd)]
        return [*y, x[-1]]

    def result(self, e: Emitter, x: Terms) -> Terms:
        """The results from the products at each point."""
        pairs = list(zip(x[1:-1:2], x[2:-1:2], strict=True))
        sums = [e.b.fadd(y, z) for y, z in pairs]
        differences = [e.b.fsub(y, z) for y, z in pairs]
        results: Terms = []
        for i in range(self.results):
            y = _combination(e, [a**i for a in self.pairs], differences if i % 2 else sums)
            if i == 0:
                y = e.b.fadd(y, x[0])
            if i == self.results - 1:
                y = e.b.fadd(y, x[-1])
            results.append(y)
        return results


# Powers of 2/3 and 3/2 stay near one: their rounding errors are half those of the usual 1 and 2,
# and two to three times the direct sum's, which are those of "2x2" too (B. Barabasz and others,
# "Error analysis and improving the accuracy of Winograd convolution for deep neural networks",
# 2020, doi:10.1145/3412380).
_POINTS = {"2x2": (Fraction(1),), "4x4": (Fraction(2, 3), Fraction(3, 2))}

FORMS = {name: Form(2 * len(points), points) for name, points in _POINTS.items()}
"""The forms for a window of 3 elements, named by the results of a tile."""

WEIGHT_FORMS = {name: Form(3, points) for name, points in _POINTS.items()}
"""The forms for a weight of 3 elements, named by the outputs of a tile."""


def _vanishing(pairs: Sequence[Fraction]) -> list[Fraction]:
    """The coefficients of the product of x^2 - a^2 at the powers 0, 2, 4, ..."""
    y = [Fraction(1)]
    for a in pairs:
        y = [u - a * a * v for u, v in zip([Fraction(0), *y], [*y, Fraction(0)], strict=True)]
    return y


def _combination(e: Emitter, coefficients: Sequence[Fraction], x: Terms) -> Value:
    """The sum of the terms, each times a number."""
    ones = [term for c, term in zip(coefficients, x, strict=True) if c == 1]
    others = [(c, term) for c, term in zip(coefficients, x, strict=True) if c != 1]
    y = None
    for term in ones:
        y = term if y is None else e.b.fadd(y, term)
    for c, term in others:
        if y is None:
            y = e.b.fmul(term, _constant(e, c))
        elif c == -1:
            y = e.b.fsub(y, term)
        else:
            y = e.fma(term, _constant(e, c), y)
    return y


def _constant(e: Emitter, x: Fraction) -> Value:
    return ir.Constant(e.vector, [float(x)] * e.lanes)


class _Transforming:
    """Emits transforms of tiles along both axes, whose one half-way lies in memory.

    Loops over columns and rows compile in half the time of straight lines, and run as fast.
    """

    def __init__(self, e: Emitter, transform: Transform, size: int) -> None:
        self.e, self.transform, self.size = e, transform, size
        # Made at the function's beginning: memory asked for in a loop would only grow.
        half = e.b.alloca(ir.ArrayType(e.vector, MOST * MOST))
        self.half = e.b.inttoptr(e.b.ptrtoint(half, I64), POINTER)

    def run(
        self,
        load: Callable[[int, Index], Value],
        store: Callable[[Value, Index, int], None],
    ) -> None:
        """``store(y, i, j)`` the results from ``load(i, j)``: one of the two is known."""
        e, size = self.e, self.size
        results = 0

        def column(j: Index) -> None:
            nonlocal results
            values = self.transform(e, [load(i, j) for i in range(size)])
            results = len(values)
            place = e.at(self.half, e.times(j, e.lanes))
            for i, value in enumerate(values):
                e.store(value, e.at(place, i * size * e.lanes))

        def row(i: Index) -> None:
            place = e.at(self.half, e.times(i, size * e.lanes))
            values = self.transform(e, [e.load(e.at(place, j * e.lanes)) for j in range(size)])
            for j, value in enumerate(values):
                store(value, i, j)

        e.loop(0, size, 1, column)
        e.loop(0, results, 1, row)


def supports(spec: ConvolutionSpec) -> bool:
    """Whether there are kernels for it."""
    w = spec.windows
    if len(spec.lengths) != 2 or spec.dtype not in DTYPES or w.ceil_mode or spec.groups != 1:
        return False
    sizes = (*spec.lengths, spec.images, spec.channels, spec.filters, *w.counts(spec.lengths))
    plain = w.size == (3, 3) and w.stride == w.dilation == (1, 1)
    return plain and min(sizes) > 0


@dataclass(frozen=True)
class _Cost:
    """What surrounds the products, in multiplications that take as long (measured)."""

    read: int
    """For each channel of a tile that is read: of an image, or of what a weight goes through."""
    write: int
    """For each channel of a tile that is written; a weight's gradient reads these outputs."""
    weight: int
    """For each number of channels times filters, once: packing, or the sum of the partials."""


_COSTS = {"direct": _Cost(0, 0, 230), "2x2": _Cost(90, 50, 260), "4x4": _Cost(450, 220, 400)}

_STEPS = 4
"""What a register tile takes besides its multiplications, in steps of its sum."""


def faster(spec: ConvolutionSpec, operation: str = "convolve") -> str:
    """What computes "convolve", "convolve_input" or "convolve_weight" soonest: "direct" or a form.

    The fewer results a tile has outside of the images and the more channels there are, the more
    do fewer multiplications save; a few channels are convolved sooner than transformed.
    """
    if not supports(spec):
        return "direct"
    counts = spec.windows.counts(spec.lengths)
    read, written, results = spec.channels, spec.filters, counts
    if operation == "convolve_input":
        read, written, results = written, read, spec.lengths
    pairs = spec.channels * spec.filters
    lanes = Emitter(spec.dtype, ()).lanes
    # A part of a vector takes as long as a whole one.
    reads, writes = (-(-channels // lanes) * lanes for channels in (read, written))

    def cost(name: str) -> float:
        around = _COSTS[name]
        total = around.weight * pairs
        if name == "direct":
            return total + spec.images * prod(results) * 9 * pairs
        form = FORMS[name]
        tiles = spec.images * prod(-(-count // form.results) for count in results)
        summed = WEIGHT_TILES if operation == "convolve_weight" else read
        products = form.products * pairs * (1 + _STEPS / summed)
        return total + tiles * (products + around.read * reads + around.write * writes)

    return min(_COSTS, key=cost)


def convolve(spec: ConvolutionSpec, form: str = "4x4") -> Plan:
    """y = x * weight: "weight" to "packed" (cut along channels), then "x", "packed" to "y"."""
    before = spec.windows.before
    counts = spec.windows.counts(spec.lengths)
    by_filter, by_row, by_column, by_channel = spec.weight
    shape = _Shape(
        spec.dtype,
        spec.images,
        (spec.lengths[0], spec.lengths[1]),
        (counts[0], counts[1]),
        (-before[0], -before[1]),
        spec.channels,
        spec.filters,
        (by_channel, by_filter, by_row, by_column),
        0,
    )
    return _plan(shape, FORMS[form], ("x", "y"))


def convolve_input(spec: ConvolutionSpec, form: str = "4x4") -> Plan:
    """The gradient of x: "weight" to "packed" (cut along filters), then "gy", "packed" to "gx"."""
    before = spec.windows.before
    counts = spec.windows.counts(spec.lengths)
    by_filter, by_row, by_column, by_channel = spec.weight
    shape = _Shape(
        spec.dtype,
        spec.images,
        (counts[0], counts[1]),
        (spec.lengths[0], spec.lengths[1]),
        (before[0] - 2, before[1] - 2),
        spec.filters,
        spec.channels,
        # The window is met from its end.
        (by_filter, by_channel, -by_row, -by_column),
        2 * by_row + 2 * by_column,
    )
    return _plan(shape, FORMS[form], ("gy", "gx"))


@dataclass(frozen=True)
class _Shape:
    """A correlation of images with windows of 3 x 3."""

    dtype: str
    images: int
    lengths: tuple[int, int]
    counts: tuple[int, int]
    origin: tuple[int, int]
    """Where the first window begins in the image; it may be outside."""
    inner: int
    """The channels that are summed over."""
    columns: int
    """The channels that come out."""
    weight: tuple[int, int, int, int]
    """The weight's strides: along the channels summed over, those coming out, and the window."""
    start: int
    """Where the weight's first tap lies."""


def _plan(shape: _Shape, form: Form, names: tuple[str, str]) -> Plan:
    lanes = Emitter(shape.dtype, ()).lanes
    padded = -(-shape.columns // lanes) * lanes
    packed = _panel_elements(shape, form) * padded
    kernels = (_pack(shape, form), _Correlation(shape, form, names).kernel())
    return Plan(kernels, (("packed", packed),))


def _pack(shape: _Shape, form: Form) -> Kernel:
    """The transformed weights in the order in which they are read, zeros behind the last column."""
    e = Emitter(shape.dtype, ("weight", "packed"))
    return Kernel(
        f"pack {form} {replace(shape, images=1)}",
        lambda: e.text(lambda: _emit_packing(e, shape, form)),
        e.operands,
        shape.inner,
    )


def _emit_packing(e: Emitter, shape: _Shape, form: Form) -> None:
    """For each panel of columns: products, channels, the panel's columns."""
    weight, packed = e.at(e.operand("weight"), shape.start), e.operand("packed")
    across, along, by_row, by_column = shape.weight
    groups = panel_groups(panels(shape.columns, e.lanes), shape.columns, e.lanes)
    transforming = _Transforming(e, form.weight, form.taps)
    for first, stop, vectors, width in groups:
        wide = vectors * e.lanes
        there = wide - e.lanes + width

        def panel(column: Index, wide: int = wide, there: int = there) -> None:
            step = (shape.inner + 1) * wide
            source = e.at(weight, e.times(column, along))
            place = e.at(packed, e.times(column, _panel_elements(shape, form)))

            def channel(c: Index) -> None:
                line = e.at(source, e.times(c, across))
                to = e.at(place, e.times(c, wide))

                def part(k: Index, size: int) -> None:
                    at = e.at(line, e.times(k, along))

                    def load(i: int, j: Index) -> Value:
                        tap = e.at(e.at(at, i * by_row), e.times(j, by_column))
                        return _gather(e, tap, along, size)

                    def store(y: Value, i: Index, j: int) -> None:
                        line = e.at(e.at(to, k), e.times(i, form.size * step))
                        e.store(y, e.at(line, j * step))

                    transforming.run(load, store)

                vector_parts(e, there, part)

            e.loop(e.begin, e.end, 1, channel)

        e.loop(first, stop, wide, panel)


def _panel_elements(shape: _Shape, form: Form) -> int:
    """The transformed weights of one column.

    A row more than there are channels keeps the products apart in a cache whose sets repeat.
    """
    return form.products * (shape.inner + 1)


def _gather(e: Emitter, pointer: Value, stride: int, width: int) -> Value:
    """A vector of elements that lie ``stride`` apart, zeros behind the first ``width``."""
    if stride == 1:
        return e.load(pointer, width)
    y = e.zero()
    for i in range(width):
        y = e.b.insert_element(y, e.load_scalar(e.at(pointer, i * stride)), e.index(i))
    return y


@dataclass(frozen=True)
class _Grid:
    """The tiles of all images: their first results, one after another."""

    e: Emitter
    counts: tuple[int, ...]
    results: int

    @property
    def lengths(self) -> tuple[int, ...]:
        """How many tiles lie along each axis."""
        return tuple(-(-count // self.results) for count in self.counts)

    @property
    def tiles(self) -> int:
        """The tiles of an image."""
        return prod(self.lengths)

    def place(self, number: Index) -> tuple[Index, Index, Index]:
        """The image of a tile, and the row and column of its first result."""
        e = self.e
        n, rest = e.divide(number, self.tiles)
        i, j = e.divide(rest, self.lengths[1])
        return n, e.times(i, self.results), e.times(j, self.results)

    def blocks(self, most: int, body: Callable[[Index, Index], None]) -> None:
        """``body(first, count)`` for blocks of the tiles of the images [begin, end)."""
        e = self.e
        start, stop = e.times(e.begin, self.tiles), e.times(e.end, self.tiles)
        e.loop(start, stop, most, lambda i: body(i, e.least(most, e.subtract(stop, i))))


class _Transformed:
    """Tiles of images whose values lie in scratch: for each product, tiles, and channels."""

    def __init__(
        self,
        grid: _Grid,
        lengths: tuple[int, ...],
        channels: int,
        origin: tuple[int, int],
        size: int,
        transform: Transform,
        products: int,
        rows: int,
    ) -> None:
        self.grid, self.lengths, self.channels = grid, lengths, channels
        self.origin, self.size, self.transform = origin, size, transform
        self.step = _apart(rows * channels, grid.e)
        self.products, self.elements = products, products * self.step
        self.border = size * size * channels
        """The elements of scratch for a tile that reaches over a border."""

    def begin(self) -> None:
        """What goes to the beginning of the kernel."""
        self.transforming = _Transforming(self.grid.e, self.transform, self.size)

    def fill(self, source: Value, first: Index, count: Index, to: Value, border: Value) -> None:
        """The values of a block of tiles."""
        body = self.tile
        self.grid.e.loop(0, count, 1, lambda t: body(source, t, first, to, border))

    def tile(self, source: Value, t: Index, first: Index, to: Value, border: Value) -> None:
        """The values of tile t of a block."""
        e, channels, size = self.grid.e, self.channels, self.size
        transforming, side = self.transforming, isqrt(self.products)
        height, width = self.lengths
        n, i, j = self.grid.place(e.add(first, t))
        i, j = e.add(i, self.origin[0]), e.add(j, self.origin[1])
        image = e.at(source, e.times(n, height * width * channels))
        inside = _within(e, i, size, height)
        inside = e.b.and_(inside, _within(e, j, size, width))
        tile = e.at(e.at(image, e.times(i, width * channels)), e.times(j, channels))
        e.when(e.b.not_(inside), lambda: self.copy(image, i, j, border), likely=False)
        tile = e.b.select(inside, tile, border)
        line = e.b.select(inside, e.index(width * channels), e.index(size * channels))
        to = e.at(to, e.times(t, channels))

        def part(c: Index, width: int) -> None:
            rows = [e.at(e.at(tile, e.times(line, i)), c) for i in range(size)]

            def load(i: int, j: Index) -> Value:
                return e.load(e.at(rows[i], e.times(j, channels)), width)

            def store(y: Value, i: Index, j: int) -> None:
                place = e.at(e.at(to, c), e.times(i, side * self.step))
                e.store(y, e.at(place, j * self.step), width)

            transforming.run(load, store)

        vector_parts(e, channels, part)

    def copy(self, image: Value, i: Index, j: Index, to: Value) -> None:
        """A tile's image, zeros where it is outside."""
        e, size, channels = self.grid.e, self.size, self.channels
        height, width = self.lengths

        def element(k: Index) -> None:
            down, right = e.divide(k, size)
            row, column = e.add(i, down), e.add(j, right)
            # Unsigned, what lies before the first is behind the last.
            there = e.b.and_(
                e.b.icmp_unsigned("<", row, e.index(height)),
                e.b.icmp_unsigned("<", column, e.index(width)),
            )
            place = e.at(to, e.times(k, channels))
            with e.b.if_else(there) as (then, otherwise):
                with then:
                    at = e.add(e.times(row, width * channels), e.times(column, channels))
                    copy(e, place, e.at(image, at), channels)
                with otherwise:
                    fill(e, place, channels)

        e.loop(0, size * size, 1, element)


def _apart(elements: int, e: Emitter) -> int:
    """A step that keeps products' places apart in a cache whose sets repeat: a line more."""
    line = 64 // e.itemsize
    return -(-elements // line) * line + line


def _within(e: Emitter, first: Index, size: int, length: int) -> Value:
    """Whether the elements from the first on are all there."""
    return e.b.and_(e.compare(first, ">=", 0), e.compare(first, "<=", length - size))


class _Correlation:
    """The kernel of a correlation, in the making.

    Tiles of all images are taken in blocks. A block is transformed, then for each panel of columns
    multiplied and transformed back.
    """

    def __init__(self, shape: _Shape, form: Form, names: tuple[str, str]) -> None:
        self.shape, self.form = shape, form
        self.e = e = Emitter(shape.dtype, (names[0], "packed", names[1], "scratch"))
        self.panels = panels(shape.columns, e.lanes)
        self.grid = _Grid(e, shape.counts, form.results)
        usual = tile_rows(self.panels[0][1])
        most = min(TILES, shape.images * self.grid.tiles)
        self.block = -(-most // usual) * usual
        # Room for whole register tiles, whatever their heights.
        rows = max(
            -(-self.block // height) * height
            for height in {tile_rows(vectors) for _, vectors in self.panels}
        )
        wide = max(vectors for _, vectors in self.panels) * e.lanes
        self.images = _Transformed(
            self.grid,
            shape.lengths,
            shape.inner,
            shape.origin,
            form.size,
            form.image,
            form.products,
            rows,
        )
        self.step = _apart(rows * wide, e)
        self.results_at = self.images.elements
        self.border_at = self.results_at + form.products * self.step
        border = max(self.images.border, form.results**2 * wide)
        self.scratch = (self.border_at + border) * e.itemsize

    def kernel(self) -> Kernel:
        """The kernel, cut along the images."""
        return Kernel(
            f"correlation {self.form} {replace(self.shape, images=1)} {self.block}",
            lambda: self.e.text(self.emit),
            self.e.operands,
            self.shape.images,
            self.scratch,
            self.block // gcd(self.block, self.grid.tiles),
        )

    def emit(self) -> None:
        """The whole kernel."""
        e, shape = self.e, self.shape
        source, packed, self.out, self.memory = (e.operand(role) for role in e.operands)
        self.results = e.at(self.memory, self.results_at)
        self.images.begin()
        self.transforming = _Transforming(e, self.form.result, self.form.size)
        self.border = e.at(self.memory, self.border_at)

        def block(first: Index, count: Index) -> None:
            self.images.fill(source, first, count, self.memory, self.border)
            groups = panel_groups(self.panels, shape.columns, e.lanes)
            for start, stop, vectors, width in groups:

                def panel(column: Index, vectors: int = vectors, width: int = width) -> None:
                    weights = e.times(column, _panel_elements(shape, self.form))
                    self.multiply(e.at(packed, weights), vectors, count)

                    def back(t: Index) -> None:
                        self.transform_back(t, e.add(first, t), column, vectors, width)

                    e.loop(0, count, 1, back)

                e.loop(start, stop, vectors * e.lanes, panel)

        self.grid.blocks(self.block, block)

    def multiply(self, weights: Value, vectors: int, count: Index) -> None:
        """The products of a block with one panel of the weights."""
        e, inner = self.e, self.shape.inner
        wide = vectors * e.lanes
        height = tile_rows(vectors)

        def product(p: Index) -> None:
            a = e.at(self.memory, e.times(p, self.images.step))
            b = e.at(weights, e.times(p, (inner + 1) * wide))
            c = e.at(self.results, e.times(p, self.step))

            def tile(t: Index) -> None:
                # Rows behind the last are whatever scratch has there, and so are their results.
                here = e.at(a, e.times(t, inner))
                rows = [e.at(here, r * inner) for r in range(height)]
                there = e.at(c, e.times(t, wide))
                outs = [e.at(there, r * wide) for r in range(height)]
                sums = e.multiply(rows, b, vectors, [Level(inner, 1, wide)])
                e.write(sums, outs, e.lanes)

            e.loop(0, count, height, tile)

        e.loop(0, self.form.products, 1, product)

    def transform_back(
        self, t: Index, number: Index, column: Index, vectors: int, width: int
    ) -> None:
        """Tile t of the block: one panel's columns of its results."""
        e, shape, results = self.e, self.shape, self.form.results
        size, wide = self.form.size, vectors * e.lanes
        n, i, j = self.grid.place(number)
        line = shape.counts[1] * shape.columns
        to = e.at(self.out, e.times(n, shape.counts[0] * line))
        to = e.at(e.at(to, e.times(i, line)), e.add(e.times(j, shape.columns), column))
        place, row_step, step = to, e.index(line), e.index(shape.columns)
        whole = None
        if any(count % results for count in shape.counts):
            whole = e.b.and_(
                _within(e, i, results, shape.counts[0]), _within(e, j, results, shape.counts[1])
            )
            place = e.b.select(whole, to, self.border)
            row_step = e.b.select(whole, row_step, e.index(results * wide))
            step = e.b.select(whole, step, e.index(wide))
        source = e.at(self.results, e.times(t, wide))

        def part(k: Index, width: int) -> None:
            here = e.at(source, k)
            there = e.at(place, k)

            def load(i: int, j: Index) -> Value:
                return e.load(e.at(e.at(here, i * size * self.step), e.times(j, self.step)))

            def store(y: Value, i: Index, j: int) -> None:
                line = e.at(there, e.b.mul(row_step, e.index(i)))
                e.store(y, e.at(line, e.times(step, j)), width)

            self.transforming.run(load, store)

        vector_parts(e, wide - e.lanes + width, part)
        if whole is not None:
            e.when(e.b.not_(whole), lambda: self.copy_back(to, i, j, wide, width))

    def copy_back(self, to: Value, i: Index, j: Index, wide: int, width: int) -> None:
        """Those results of a tile that the images have."""
        e, shape, results = self.e, self.shape, self.form.results
        height, length = shape.counts

        def row(down: Index) -> None:
            def element(right: Index) -> None:
                place = e.at(to, e.times(down, length * shape.columns))
                place = e.at(place, e.times(right, shape.columns))
                source = e.at(self.border, e.times(e.add(e.times(down, results), right), wide))
                copy(e, place, source, wide - e.lanes + width)

            e.loop(0, e.least(results, e.subtract(length, j)), 1, element)

        e.loop(0, e.least(results, e.subtract(height, i)), 1, row)


def weight_partial(spec: ConvolutionSpec, form: str = "4x4") -> tuple[int, ...]:
    """The shape of "partial": (products, C + 1, K), K made whole vectors.

    The row more keeps the products apart in a cache whose sets repeat.
    """
    lanes = Emitter(spec.dtype, ()).lanes
    return (WEIGHT_FORMS[form].products, spec.channels + 1, -(-spec.filters // lanes) * lanes)


def convolve_weight(
    spec: ConvolutionSpec, form: str = "4x4", *, copies: int = 1, step: int = 0
) -> Plan:
    """The gradient of the weight: "x", "gy" added to "partial", then all "partial" to "gw".

    The first kernel is cut along the images. The second, cut along the channels, takes ``copies``
    of "partial" (see `weight_partial`), each ``step`` elements behind the other, adds them up and
    writes the gradient with the weight's strides.
    """
    made = WEIGHT_FORMS[form]
    return Plan((_WeightGradient(spec, made).kernel(), _weight_result(spec, made, copies, step)))


class _WeightGradient:
    """The kernel of a weight's gradient, in the making.

    The gradient is a result of 3 x 3 from windows as large as a tile of the outputs. What tiles
    give is added up before it is transformed back.
    """

    def __init__(self, spec: ConvolutionSpec, form: Form) -> None:
        self.spec, self.form = spec, form
        self.e = e = Emitter(spec.dtype, ("x", "gy", "partial", "scratch"))
        self.counts = spec.windows.counts(spec.lengths)
        self.columns = -(-spec.filters // e.lanes) * e.lanes
        self.grid = grid = _Grid(e, self.counts, form.taps)
        before = spec.windows.before
        self.block = min(WEIGHT_TILES, spec.images * grid.tiles)
        self.images = _Transformed(
            grid,
            spec.lengths,
            spec.channels,
            (-before[0], -before[1]),
            form.size,
            form.image,
            form.products,
            self.block,
        )
        self.outputs = _Transformed(
            grid,
            self.counts,
            spec.filters,
            (0, 0),
            form.taps,
            form.weight,
            form.products,
            self.block,
        )
        border = max(self.images.border, self.outputs.border)
        self.border_at = self.images.elements + self.outputs.elements
        self.scratch = (self.border_at + border) * e.itemsize

    def kernel(self) -> Kernel:
        """The kernel, cut along the images."""
        return Kernel(
            f"gradient of weight {self.form} {replace(self.spec, images=1)} {self.block}",
            lambda: self.e.text(self.emit),
            self.e.operands,
            self.spec.images,
            self.scratch,
            self.block // gcd(self.block, self.grid.tiles),
        )

    def emit(self) -> None:
        """The whole kernel."""
        e, spec = self.e, self.spec
        x, gy, partial, memory = (e.operand(role) for role in e.operands)
        outputs, border = e.at(memory, self.images.elements), e.at(memory, self.border_at)
        self.images.begin()
        self.outputs.begin()

        def block(first: Index, count: Index) -> None:
            self.images.fill(x, first, count, memory, border)
            self.outputs.fill(gy, first, count, outputs, border)

            def product(p: Index) -> None:
                a = e.at(memory, e.times(p, self.images.step))
                b = e.at(outputs, e.times(p, self.outputs.step))
                c = e.at(partial, e.times(p, (spec.channels + 1) * self.columns))
                self.multiply(a, b, c, count)

            e.loop(0, self.form.products, 1, product)

        self.grid.blocks(self.block, block)

    def multiply(self, a: Value, b: Value, c: Value, count: Index) -> None:
        """One product: channels times outputs, summed over the block's tiles."""
        e, spec = self.e, self.spec
        parts = panels(spec.filters, e.lanes)
        level = Level(count, spec.channels, spec.filters)
        for start, stop, vectors, width in panel_groups(parts, spec.filters, e.lanes):

            def panel(column: Index, vectors: int = vectors, width: int = width) -> None:
                def tile(i: Index, height: int, valid: Index | None) -> None:
                    rows = [e.at(e.at(a, i), r) for r in range(height)]
                    there = e.at(e.at(c, column), e.times(i, self.columns))
                    outs = [e.at(there, r * self.columns) for r in range(height)]
                    sums = e.multiply(rows, e.at(b, column), vectors, [level], width=width)
                    e.write(sums, outs, e.lanes, add=True)

                e.row_tiles(0, spec.channels, tile_rows(vectors), tile)

            e.loop(start, stop, vectors * e.lanes, panel)


def _weight_result(spec: ConvolutionSpec, form: Form, copies: int, step: int) -> Kernel:
    """The gradient from what the products add up to."""
    e = Emitter(spec.dtype, ("partial", "gw"))
    return Kernel(
        f"weight {form} {replace(spec, images=1)} {copies} {step}",
        lambda: e.text(lambda: _emit_weight_result(e, spec, form, copies, step)),
        e.operands,
        spec.channels,
    )


def _emit_weight_result(
    e: Emitter, spec: ConvolutionSpec, form: Form, copies: int, step: int
) -> None:
    """The vectors of the filters, channel by channel."""
    partial, gw = e.operand("partial"), e.operand("gw")
    columns = -(-spec.filters // e.lanes) * e.lanes
    place = (spec.channels + 1) * columns
    transforming = _Transforming(e, form.result, form.size)
    along, by_row, by_column, by_channel = spec.weight

    def part(k: Index, width: int) -> None:
        def channel(c: Index) -> None:
            source = e.at(e.at(partial, e.times(c, columns)), k)
            to = e.at(e.at(gw, e.times(c, by_channel)), e.times(k, along))

            def load(i: int, j: Index) -> Value:
                here = e.at(e.at(source, i * form.size * place), e.times(j, place))
                y = e.load(here)
                for number in range(1, copies):
                    y = e.b.fadd(y, e.load(e.at(here, number * step)))
                return y

            def store(y: Value, i: Index, j: int) -> None:
                there = e.at(e.at(to, e.times(i, by_row)), j * by_column)
                if along == 1:
                    e.store(y, there, width)
                    return
                for lane in range(width):
                    one = e.b.extract_element(y, e.index(lane))
                    e.b.store(one, e.at(there, lane * along), align=e.itemsize)

            transforming.run(load, store)

        e.loop(e.begin, e.end, 1, channel)

    vector_parts(e, spec.filters, part)

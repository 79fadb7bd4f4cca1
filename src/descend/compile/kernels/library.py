"""Kernels that are no loops: matrix products, convolutions, random words, calls of Python."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from math import log2, prod
from typing import Any

from descend.compile import matrices
from descend.compile.graph import Node
from descend.compile.kernels.kernel import Access, Buffer, Kernel, Packing, of_loop
from descend.compile.machine.loops import Expr, Loop, Store, View

NEEDS_MEMORY = frozenset(
    (
        *"matmul convolve convolve_input convolve_weight philox fft rfft irfft host part".split(),
        *matrices.OPERATIONS,
    )
)
"""The operations whose operands must lie in memory."""
FOURIER = frozenset(("fft", "rfft", "irfft"))


@dataclass(frozen=True)
class Operand:
    """A node in memory: its buffer, and the walk through it."""

    node: Node
    buffer: Buffer
    offset: int
    strides: tuple[int, ...]


def lower(node: Node, operands: list[Operand], result: Buffer, threads: int) -> list[Kernel]:
    """The kernels that fill ``result``."""
    return LOWERINGS[node.op](node, operands, result, threads)


def supports(node: Node) -> bool:
    """Whether there is a kernel for this operation on operands of these dtypes."""
    if node.op == "matmul":
        return node.dtype.name in ("float32", "float64") and node.inputs[0].shape[-1] > 0
    if node.op.startswith("convolve"):
        from descend.compile.kernels import convolution

        return convolution.supports(_convolution_spec(node, ()))
    if node.op in FOURIER:
        from descend.compile.kernels import fourier

        return fourier.transform_of(node) is not None
    if node.op in matrices.OPERATIONS:
        return node.dtype.name in ("float32", "float64")
    return node.op in LOWERINGS


def needs_contiguous(node: Node) -> tuple[Node, ...]:
    """The operands that must lie in memory in row-major order."""
    if node.op in matrices.OPERATIONS:
        return tuple(node.inputs[i] for i in matrices.IN_ORDER.get(node.op, ()))
    if node.op == "convolve_weight" or node.op in FOURIER:
        return node.inputs
    return node.inputs[:1] if node.op.startswith("convolve") else ()


def host(node: Node, operands: list[Operand], results: list[Buffer]) -> Kernel:
    """A call of Python between two runs of native code."""
    call = node.params["call"]

    def nothing() -> str:
        raise AssertionError("a host call has no machine code")

    kernel = Kernel(
        rows=1,
        operands=[*(x.buffer for x in operands), *results],
        reads=[_everything(x) for x in operands],
        writes=[_everything(Operand(node, b, 0, _contiguous(b.shape)), b.shape) for b in results],
        text=nothing,
        emit=nothing,
        title=f"host call {getattr(call, '__name__', 'function')}",
    )
    kernel.call = call
    kernel.views = [(x.buffer, x.offset, x.strides, x.node.shape) for x in operands]
    return kernel


def _everything(x: Operand, shape: tuple[int, ...] | None = None) -> Access:
    shape = x.node.shape if shape is None else shape
    return Access(x.buffer, x.offset, (0, *x.strides), (1, *shape))


def _contiguous(shape: tuple[int, ...]) -> tuple[int, ...]:
    return tuple(prod(shape[i + 1 :]) for i in range(len(shape)))


def _matmul(node: Node, operands: list[Operand], result: Buffer, threads: int) -> list[Kernel]:
    from descend.compile.kernels import products

    a, b = operands
    batch = node.shape[:-2]
    rows, columns = node.shape[-2:]
    inner = a.node.shape[-1]
    own = _contiguous(node.shape)
    steps = [_broadcast_strides(x, batch) for x in (a, b)]
    if not batch and threads > 1 and _is_long(rows, inner, columns):
        return _long_matmul(node, operands, result, threads)
    spec = products.MatmulSpec(
        dtype=node.dtype.name,
        rows=rows,
        inner=inner,
        columns=columns,
        a=(a.strides[-2], a.strides[-1]),
        b=(b.strides[-2], b.strides[-1]),
        c=own[-2],
        batch=tuple(zip(batch, *steps, own[:-2], strict=True)),
        cut="batch" if batch else "rows",
        keep=not batch,
    )
    made = products.matmul(spec)
    packing = None
    if spec.keep and made.scratch:
        packed = products.matmul(replace(spec, packed=True))
        form = (spec.dtype, b.offset, spec.b, inner, columns)
        packing = Packing(b.buffer, form, lambda: packed.name, packed.emit)
    if batch:
        accesses = [
            Access(x.buffer, x.offset, (*step, *x.strides[-2:]), (*batch, *x.node.shape[-2:]))
            for x, step in zip(operands, steps, strict=True)
        ]
        whole = Access(result, 0, own, node.shape)
    else:
        accesses = [
            Access(a.buffer, a.offset, a.strides, (rows, inner)),
            Access(b.buffer, b.offset, (0, *b.strides), (rows, inner, columns)),
        ]
        whole = Access(result, 0, own, (rows, columns))
    return [
        Kernel(
            rows=made.extent,
            operands=[a.buffer, b.buffer, result],
            offsets=[a.offset, b.offset, 0],
            reads=accesses,
            writes=[whole],
            text=lambda: made.name,
            emit=made.emit,
            title=f"matmul {rows}x{inner}x{columns}" + (f" * {prod(batch)}" if batch else ""),
            operations=2 * prod(node.shape) * inner,
            scratch=made.scratch,
            block=made.block,
            product=True,
            packing=packing,
        )
    ]


def _is_long(rows: int, inner: int, columns: int) -> bool:
    """Whether threads rather share the rows of b than those of the result.

    Each packs the part of b that it multiplies by: all of it if they share the result's rows.
    """
    return inner >= 2 * columns and columns >= 2 * rows and rows >= 32


def _long_matmul(node: Node, operands: list[Operand], result: Buffer, threads: int) -> list[Kernel]:
    """A product whose sums are cut into a part for each thread, and the sum of the parts."""
    from descend.compile.kernels import products

    a, b = operands
    rows, columns = node.shape
    inner = a.node.shape[-1]
    partial = partial_of(result, threads)
    spec = products.MatmulSpec(
        dtype=node.dtype.name,
        rows=rows,
        inner=inner,
        columns=columns,
        a=(a.strides[-2], a.strides[-1]),
        b=(b.strides[-2], b.strides[-1]),
        c=columns,
        cut="inner",
        accumulate=True,
    )
    made = products.matmul(spec)
    kernel = Kernel(
        rows=made.extent,
        operands=[a.buffer, b.buffer, partial],
        offsets=[a.offset, b.offset, 0],
        reads=[
            Access(a.buffer, a.offset, a.strides[::-1], (inner, rows)),
            Access(b.buffer, b.offset, b.strides, (inner, columns)),
        ],
        writes=[Access(partial, 0, (0,), (inner,), anywhere=True)],
        text=lambda: made.name,
        emit=made.emit,
        title=f"matmul {rows}x{inner}x{columns} in parts",
        operations=2 * node.size * inner,
        scratch=made.scratch,
        block=256,
        adds=[partial],
    )
    loop = added_up(partial, result, threads, (node.size,), (1,), (1,))
    return [kernel, of_loop(loop)]


def _broadcast_strides(x: Operand, batch: tuple[int, ...]) -> tuple[int, ...]:
    own = x.node.shape[:-2]
    lead = (0,) * (len(batch) - len(own))
    pairs = zip(own, x.strides[:-2], strict=True)
    return lead + tuple(0 if n == 1 else s for n, s in pairs)


def _convolution_spec(node: Node, weight: tuple[int, ...]) -> Any:
    """What `convolution` needs to know of a node; ``weight`` are the weight's strides."""
    from descend.compile.kernels.convolution import ConvolutionSpec

    if node.op == "convolve_input":
        image, filters = node, node.inputs[0].shape[-1]
    else:
        image, filters = (
            node.inputs[0],
            (node if node.op == "convolve" else node.inputs[1]).shape[-1],
        )
    return ConvolutionSpec(
        dtype=node.dtype.name,
        images=image.shape[0],
        lengths=image.shape[1:-1],
        channels=image.shape[-1],
        filters=filters,
        windows=node.params["windows"],
        weight=weight,
        groups=node.params["groups"],
    )


def _convolution(node: Node, operands: list[Operand], result: Buffer, threads: int) -> list[Kernel]:
    """A convolution or its adjoint in the image: the weight is packed, then image by image."""
    from descend.compile.kernels import convolution, winograd

    image, weight = operands
    spec = _convolution_spec(node, weight.strides)
    form = winograd.faster(spec, node.op)
    if form == "direct":
        made = getattr(convolution, node.op)(spec)
    else:
        made = getattr(winograd, node.op)(spec, form)
    buffers = {name: Buffer((elements,), node.dtype, name=name) for name, elements in made.buffers}
    given = {"weight": weight, "x": image, "gy": image}
    kernels: list[Kernel] = []
    for part in made.kernels:
        reads: list[Access] = []
        writes: list[Access] = []
        roles = [role for role in part.operands if role != "scratch"]
        for role in roles:
            if role == "weight" or (role in buffers and kernels):
                buffer = buffers.get(role) or weight.buffer
                reads.append(Access(buffer, 0, (0,), (part.extent,), anywhere=True))
            elif role in buffers:
                writes.append(Access(buffers[role], 0, (0,), (part.extent,), anywhere=True))
            elif role in ("x", "gy"):
                reads.append(_rows_of(image.buffer, image.offset))
            else:
                writes.append(_rows_of(result, 0))
        kernels.append(
            Kernel(
                rows=part.extent,
                operands=[
                    buffers.get(role) or (given[role].buffer if role in given else result)
                    for role in roles
                ],
                offsets=[given[role].offset if role in given else 0 for role in roles],
                reads=reads,
                writes=writes,
                text=lambda part=part: part.name,
                emit=part.emit,
                title=f"{node.op} {_sizes(spec)} {form}"
                if "weight" not in roles
                else "pack weight",
                operations=_multiplications(node) if "weight" not in roles else 0,
                scratch=part.scratch,
                block=part.block,
            )
        )
    return kernels


def _convolution_weight(
    node: Node, operands: list[Operand], result: Buffer, threads: int
) -> list[Kernel]:
    """The gradient of a convolution's weight: each thread adds up its images."""
    from descend.compile.kernels import convolution, winograd

    image, gradient = operands
    spec = _convolution_spec(node, _contiguous(node.shape))
    form = winograd.faster(spec, node.op)
    if form == "direct":
        partial = partial_of(result, threads)
        (part,) = convolution.convolve_weight(spec).kernels
        rows, filters = node.size // node.shape[0], node.shape[0]
        strides, own = (filters, 1), (1, rows)  # the copies have the filters last
        last = of_loop(added_up(partial, result, threads, (rows, filters), strides, own))
    else:
        partial = _copies(prod(winograd.weight_partial(spec, form)), node.dtype, threads)
        part, finish = winograd.convolve_weight(
            spec, form, copies=threads, step=partial.shape[1]
        ).kernels
        last = Kernel(
            rows=finish.extent,
            operands=[partial, result],
            reads=[Access(partial, 0, (0,), (finish.extent,), anywhere=True)],
            writes=[Access(result, 0, (0,), (finish.extent,), anywhere=True)],
            text=lambda: finish.name,
            emit=finish.emit,
            title="add transformed weights",
            scratch=finish.scratch,
        )
    given = {"x": image, "gy": gradient}
    roles = [role for role in part.operands if role != "scratch"]
    kernel = Kernel(
        rows=part.extent,
        operands=[given[role].buffer if role in given else partial for role in roles],
        offsets=[given[role].offset if role in given else 0 for role in roles],
        reads=[_rows_of(x.buffer, x.offset) for x in operands],
        writes=[Access(partial, 0, (0,), (part.extent,), anywhere=True)],
        text=lambda: part.name,
        emit=part.emit,
        title=f"{node.op} {_sizes(spec)} {form}",
        operations=_multiplications(node),
        scratch=part.scratch,
        block=part.block,
        adds=[partial],
    )
    return [kernel, last]


def _multiplications(node: Node) -> int:
    """The operations of a convolution: two for each element of each window."""
    counts = {"convolve": node, "convolve_input": node.inputs[0]}.get(node.op, node.inputs[1])
    weight = node if node.op == "convolve_weight" else node.inputs[1]
    return 2 * counts.size * weight.size // weight.shape[0]


def _sizes(spec: Any) -> str:
    size = "x".join(map(str, spec.windows.size))
    return f"{spec.channels}->{spec.filters} {size} @ {'x'.join(map(str, spec.lengths))}"


def _rows_of(buffer: Buffer, offset: int) -> Access:
    """A buffer whose first axis is that of the kernel."""
    return Access(buffer, offset, _contiguous(buffer.shape), buffer.shape)


def partial_of(result: Buffer, threads: int) -> Buffer:
    """A copy of a buffer for each thread."""
    return _copies(result.size, result.dtype, threads)


def _copies(elements: int, dtype: Any, threads: int) -> Buffer:
    line = 64 // dtype.itemsize  # of the cache: no two threads write into one
    return Buffer((threads, -(-elements // line) * line), dtype, "partial")


def added_up(
    partial: Buffer,
    result: Buffer,
    threads: int,
    lengths: tuple[int, ...],
    strides: tuple[int, ...],
    own: tuple[int, ...],
) -> Loop:
    """The sum of all threads' copies, walked through by ``strides``, into the result by ``own``."""
    total: Expr | None = None
    for thread in range(threads):
        view = View(partial, thread * partial.shape[1], strides)
        copy = Expr("load", (), partial.dtype, view)
        total = copy if total is None else Expr("add", (total, copy), partial.dtype)
    assert total is not None
    return Loop(lengths, [Store("store", View(result, 0, own), total)])


def _philox(node: Node, operands: list[Operand], result: Buffer, threads: int) -> list[Kernel]:
    from descend.compile.kernels import philox

    key, counter = operands
    blocks = node.params["blocks"]
    return [
        Kernel(
            rows=blocks,
            operands=[key.buffer, counter.buffer, result],
            offsets=[key.offset, counter.offset, 0],
            reads=[
                Access(x.buffer, x.offset, (0, 1), (blocks, n)) for x, n in ((key, 2), (counter, 4))
            ],
            writes=[Access(result, 0, (4, 1), (blocks, 4))],
            text=lambda: f"philox {key.strides} {counter.strides}",
            emit=lambda: philox.emit(key.strides[0], counter.strides[0]),
            title="philox",
        )
    ]


def _fourier(node: Node, operands: list[Operand], result: Buffer, threads: int) -> list[Kernel]:
    from descend.compile.kernels import fourier

    (x,) = operands
    spec = fourier.transform_of(node)
    assert spec is not None
    width = spec.answered * spec.item[1] // result.dtype.itemsize
    rows = result.size // width
    row = x.node.size // rows
    return [
        Kernel(
            rows=rows,
            operands=[x.buffer, result],
            offsets=[x.offset, 0],
            reads=[Access(x.buffer, x.offset, (row, 1), (rows, row))],
            writes=[Access(result, 0, (width, 1), (rows, width))],
            text=lambda: f"fourier {spec}",
            emit=lambda: fourier.emit(spec),
            title=f"{node.op} of {max(spec.given, spec.answered)}",
            operations=int(5 * rows * row * max(1, log2(row))),
        )
    ]


def _matrices(node: Node, operands: list[Operand], result: Buffer, threads: int) -> list[Kernel]:
    from descend.compile.kernels import solvers

    return solvers.lower(node, operands, result)


LOWERINGS: dict[str, Callable[..., list[Kernel]]] = {
    "matmul": _matmul,
    "convolve": _convolution,
    "convolve_input": _convolution,
    "convolve_weight": _convolution_weight,
    "philox": _philox,
    **dict.fromkeys(matrices.OPERATIONS, _matrices),
    **dict.fromkeys(FOURIER, _fourier),
}
"""How each of these operations becomes kernels."""

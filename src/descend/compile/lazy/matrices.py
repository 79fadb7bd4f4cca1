"""How functions of matrices are recorded: as nodes that LAPACK or a kernel of ours computes.

A system is solved with the factors of its matrix, transposed or not: so the factors that a solution
took serve its gradient, too. What is complex or empty raises `NotRecorded`: NumPy computes it.
"""

# pyright: reportUnknownVariableType=false, reportUnknownArgumentType=false
# pyright: reportUnknownMemberType=false, reportPrivateUsage=false
# (NumPy's arrays have unknown parameters here)

from __future__ import annotations

from collections.abc import Callable
from itertools import pairwise
from math import prod
from typing import Any, NamedTuple

import numpy as np

from descend.compile.errors import NotRecorded
from descend.compile.graph import Node, Shape
from descend.compile.lazy import array as nodes
from descend.compile.lazy import functions as lazy
from descend.compile.lazy.array import LazyArray, cast, emit
from descend.core.function import Function
from descend.functions.matrices import decompositions, determinants, eigenvalues, systems
from descend.functions.matrices.lapack import NOT_POSITIVE, SINGULAR, SINGULAR_TRIANGLE
from descend.functions.matrices.parts import Quotient


class Stack(NamedTuple):
    """Matrices as kernels take them: (N, m, n), in a dtype that is computed in."""

    node: Node
    lead: Shape
    """Their leading axes."""
    dtype: np.dtype[Any]
    """That of the result."""

    def answer(self, node: Node, *shape: int) -> LazyArray:
        """A result with the leading axes again, in the dtype that was asked for."""
        return LazyArray(cast(nodes.reshape(node, (*self.lead, *shape)), self.dtype))


def stacked(*xs: Any) -> tuple[Stack, ...]:
    """Arrays of matrices in one dtype, each with leading axes of its own."""
    arrays = [lazy.asarray(x) for x in xs]
    dtype = lazy.result_type(*arrays)
    dtype = np.dtype(np.float64) if dtype.kind in "biu" else dtype
    if dtype.kind != "f" or dtype.itemsize > 8 or not all(x.size for x in arrays):
        raise NotRecorded("NumPy computes it")
    working = np.dtype(np.float32) if dtype == np.float16 else dtype
    result: list[Stack] = []
    for x in arrays:
        node = cast(x.node, working)
        result.append(Stack(_stack(node), x.shape[:-2], dtype))
    return tuple(result)


def _stack(x: Node) -> Node:
    """(..., m, n) as (N, m, n); transposed at last, so that it is seen."""
    if is_turned(x):
        return turned(_stack(x.inputs[0]))
    return nodes.reshape(x, (prod(x.shape[:-2]), *x.shape[-2:]))


def is_turned(x: Node) -> bool:
    """Whether these are the transposes of matrices."""
    n = x.ndim
    return x.op == "transpose" and x.params["axes"] == (*range(n - 2), n - 1, n - 2)


def sentence(function: Function, problem: str, *xs: Any) -> str:
    """What numpy.linalg.LinAlgError says in eager mode."""
    return str(function._refusal(np.linalg.LinAlgError(problem), list(xs)))


def check(complaint: str | None) -> None:
    """Refuse shapes that eager mode refuses."""
    if complaint:
        raise ValueError(complaint)


def turned(x: Node) -> Node:
    """The transposes of matrices."""
    return nodes.transpose(x, (*range(x.ndim - 2), x.ndim - 1, x.ndim - 2))


# ---- factors ------------------------------------------------------------------------------------


def cholesky(function: decompositions.Cholesky, x: Any) -> LazyArray:
    """The factor of the symmetric part."""
    check(function.complaint(x))
    x = lazy.asarray(x)
    [whole] = stacked((x + x.swapaxes(-1, -2)) * 0.5)
    y = emit("cholesky", whole.node, error=sentence(function, NOT_POSITIVE, x))
    return whole.answer(y, *x.shape[-2:])


class Factors(NamedTuple):
    """The node of `lu` taken apart."""

    columns: Node
    """L and U in one matrix, by columns."""
    order: Node
    inverse: Node
    sign: Node
    det: Node


def factored(x: Node) -> Factors:
    """x = P L U."""
    count, m, n = x.shape
    both = emit("lu", x)

    def part(start: int, length: int) -> Node:
        return nodes.slice_of(both, ((0, count, 1), (start, start + length, 1)))

    size = m * n
    columns = nodes.reshape(part(0, size), (count, n, m))
    order, inverse = (
        cast(part(size + k * m, m), np.int64) for k in range(2)
    )  # whole numbers, kept as the floats that the others are
    return Factors(columns, order, inverse, part(size + 2 * m, 1), part(size + 2 * m + 1, 1))


def lu(function: decompositions.Lu, x: Any) -> tuple[LazyArray, ...]:
    """P, L and U."""
    check(function.complaint(x))
    [whole] = stacked(x)
    count, m, n = whole.node.shape
    k = min(m, n)
    found = factored(whole.node)
    both = LazyArray(turned(found.columns))
    rows = lazy.arange(m)[:, None]
    below, one = rows > lazy.arange(n), rows == lazy.arange(n)
    lower = lazy.where(below, both, one.astype(both.dtype))[..., :k]
    upper = lazy.where(below, 0, both)[:, :k]
    places = LazyArray(nodes.reshape(found.order, (count, 1, m)))
    order = (rows == places).astype(both.dtype)
    return (
        whole.answer(order.node, m, m),
        whole.answer(lower.node, m, k),
        whole.answer(upper.node, k, n),
    )


# ---- systems ------------------------------------------------------------------------------------


def spread(x: Node, lead: Shape, whole: Shape) -> Node:
    """A stack with these leading axes for all places of the whole ones."""
    if lead == whole:
        return x
    rest = x.shape[1:]
    return nodes.reshape(
        nodes.broadcast_to(nodes.reshape(x, (*lead, *rest)), (*whole, *rest)),
        (prod(whole), *rest),
    )


def solve_triangular(function: systems.SolveTriangular, x0: Any, x1: Any) -> LazyArray:
    """The solution by substitution."""
    check(function.complaint(x0, x1))
    a, b = stacked(x0, x1)
    lead = np.broadcast_shapes(a.lead, b.lead)
    lower = function.lower != (function.trans > 0)
    y = emit(
        "solve_triangular",
        spread(turned(a.node) if function.trans else a.node, a.lead, lead),
        spread(b.node, b.lead, lead),
        lower=lower,
        unit=function.unit_diagonal,
        error=sentence(function, SINGULAR_TRIANGLE, x0, x1),
    )
    return b._replace(lead=lead).answer(y, *x1.shape[-2:])


def solve(function: systems.Solve, x0: Any, x1: Any) -> LazyArray:
    """The solution with the factors of x0; by substitution where x0 is a factor itself."""
    function.keep(factors=None)
    check(function.complaint(x0, x1))
    vector = x1.ndim == 1
    a, b = stacked(x0, lazy.asarray(x1)[:, None] if vector else x1)
    error = sentence(function, SINGULAR, x0, x1)
    y, lead = solution(a.node, a.lead, b.node, b.lead, error)
    shape = (x1.shape[0],) if vector else x1.shape[-2:]
    return b._replace(lead=lead).answer(y, *shape)


def solution(a: Node, alead: Shape, b: Node, blead: Shape, error: str) -> tuple[Node, Shape]:
    """The stack x with a x = b, and its leading axes."""
    lead = np.broadcast_shapes(alead, blead)
    b = spread(b, blead, lead)
    lower = triangle(a)
    if lower is not None:
        a = spread(a, alead, lead)
        return emit("solve_triangular", a, b, lower=lower, unit=False, error=error), lead
    base = a.inputs[0] if is_turned(a) else a
    # the transpose by columns is the matrix by rows: it is copied as it lies
    found = factored(turned(base))
    by_rows = spread(found.columns, alead, lead)
    by_columns = turned(by_rows)
    order, inverse = (spread(x, alead, lead) for x in (found.order, found.inverse))
    if is_turned(a):  # P L U x = b
        y = rows_of(b, order)
        y = emit("solve_triangular", by_columns, y, lower=True, unit=True, error=error)
        return emit("solve_triangular", by_columns, y, lower=False, unit=False, error=error), lead
    y = emit("solve_triangular", by_rows, b, lower=True, unit=False, error=error)
    y = emit("solve_triangular", by_rows, y, lower=False, unit=True, error=error)
    return rows_of(y, inverse), lead


def triangle(x: Node) -> bool | None:
    """Whether x is a triangle, the lower one, as far as that is known; None if it is not."""
    lower = True
    while x.op in ("transpose", "reshape", "broadcast_to"):
        (inside,) = x.inputs
        if x.op == "transpose":
            if not is_turned(x):
                return None
            lower = not lower
        elif inside.shape[-2:] != x.shape[-2:]:
            return None
        x = inside
    return lower if x.op == "cholesky" else None


def rows_of(x: Node, order: Node) -> Node:
    """For each matrix its rows in an order."""
    count, n, _ = x.shape
    if count == 1:
        y = emit("gather", nodes.reshape(x, x.shape[1:]), nodes.reshape(order, (n,)))
        return nodes.reshape(y, x.shape)
    matrix = emit("iota", shape=(count, 1), axis=0, dtype=np.dtype(np.int64))
    return emit("gather", x, matrix, order)


def inv(function: systems.Inv, x: Any) -> LazyArray:
    """The solution for the columns of the unit matrix."""
    check(function.complaint(x))
    [whole] = stacked(x)
    n = whole.node.shape[-1]
    line = lazy.arange(n)
    unit = (line[:, None] == line).astype(whole.node.dtype).node
    error = sentence(function, SINGULAR, x)
    y, _ = solution(whole.node, whole.lead, nodes.reshape(unit, (1, n, n)), (), error)
    return whole.answer(y, n, n)


# ---- determinants -------------------------------------------------------------------------------


def det(function: determinants.Det, x: Any) -> LazyArray:
    """The product of the pivots."""
    check(function.complaint(x))
    [whole] = stacked(x)
    return whole.answer(factored(as_it_lies(whole.node)).det)


def slogdet(function: determinants.LogDet, x: Any) -> tuple[LazyArray, LazyArray]:
    """The sign, and the sum of the pivots' logarithms."""
    check(function.complaint(x))
    [whole] = stacked(x)
    count, n, _ = whole.node.shape
    found = factored(as_it_lies(whole.node))
    flat = nodes.reshape(found.columns, (count, n * n))
    pivots = LazyArray(nodes.slice_of(flat, ((0, count, 1), (0, n * n, n + 1))))
    total = lazy.sum(lazy.log(lazy.abs(pivots)), axis=-1)
    return whole.answer(found.sign), whole.answer(total.node)


def as_it_lies(x: Node) -> Node:
    """What is factored in the place of x, whose determinant is the same: see `solution`."""
    return turned(x.inputs[0] if is_turned(x) else x)


# ---- eigenvalues --------------------------------------------------------------------------------


def eigh(function: eigenvalues.Eigh, x: Any) -> tuple[LazyArray, LazyArray]:
    """The values and the vectors."""
    check(function.complaint(x))
    [whole] = stacked(x)
    count, n, _ = whole.node.shape
    y = emit("eigh", whole.node, vectors=True, error=sentence(function, NO_VALUES, x))
    values = nodes.slice_of(y, ((0, count, 1), (0, n, 1)))
    vectors = nodes.slice_of(y, ((0, count, 1), (n, n + n * n, 1)))
    vectors = turned(nodes.reshape(vectors, (count, n, n)))
    return whole.answer(values, n), whole.answer(vectors, n, n)


def eigvalsh(function: eigenvalues.Eigvalsh, x: Any) -> LazyArray:
    """The values alone."""
    check(function.complaint(x))
    [whole] = stacked(x)
    error = sentence(function, NO_VALUES, x)
    return whole.answer(emit("eigh", whole.node, vectors=False, error=error), x.shape[-1])


NO_VALUES = "Eigenvalues did not converge"


def qr(function: decompositions.Qr, x: Any) -> tuple[LazyArray, LazyArray]:
    """Q and R."""
    check(function.complaint(x))
    [whole] = stacked(x)
    count, m, n = whole.node.shape
    k = min(m, n)
    y = emit("qr", whole.node)
    q = nodes.reshape(nodes.slice_of(y, ((0, count, 1), (0, m * k, 1))), (count, k, m))
    r = nodes.slice_of(y, ((0, count, 1), (m * k, m * k + k * n, 1)))
    r = nodes.reshape(r, (count, n, k))
    return whole.answer(turned(q), m, k), whole.answer(turned(r), k, n)


def svd(function: decompositions.Svd, x: Any) -> tuple[LazyArray, ...]:
    """U, the values, and V^H."""
    check(function.complaint(x))
    [whole] = stacked(x)
    count, m, n = whole.node.shape
    k = min(m, n)
    y = emit("svd", whole.node, vectors=True, error=sentence(function, NO_SINGULAR_VALUES, x))
    ends = (k, k + m * k, k + m * k + k * n)
    values = nodes.slice_of(y, ((0, count, 1), (0, k, 1)))
    u, vh = (nodes.slice_of(y, ((0, count, 1), (*pair, 1))) for pair in pairwise(ends))
    u, vh = nodes.reshape(u, (count, k, m)), nodes.reshape(vh, (count, n, k))
    return whole.answer(turned(u), m, k), whole.answer(values, k), whole.answer(turned(vh), k, n)


def svdvals(function: decompositions.Svdvals, x: Any) -> LazyArray:
    """The values alone."""
    check(function.complaint(x))
    [whole] = stacked(x)
    error = sentence(function, NO_SINGULAR_VALUES, x)
    y = emit("svd", whole.node, vectors=False, error=error)
    return whole.answer(y, min(x.shape[-2:]))


NO_SINGULAR_VALUES = "SVD did not converge"


def quotient(function: Quotient, x0: Any, x1: Any, limit: Any) -> LazyArray:
    """The quotient, and a look at what it divides by."""
    x0, x1, limit = (lazy.asarray(x) for x in (x0, x1, limit))
    if "c" in (x0.dtype.kind, x1.dtype.kind) or not limit.size:
        raise NotRecorded("NumPy computes it")
    refused = lazy.any(lazy.logical_and(lazy.abs(x1) <= limit, x0 != 0))
    error = sentence(function, function.refusal, x0, x1, limit)
    limit = LazyArray(emit("refuse_if", limit.node, refused.node, error=error))
    return x0 / lazy.where(lazy.abs(x1) <= limit, lazy.ones_like(x1), x1)


def of_something(lowering: Callable[..., Any]) -> Callable[..., Any]:
    """The lowering of a function whose value for arrays without elements is known now."""

    def lower(function: Function, *xs: Any) -> Any:
        if any(x.size for x in xs):
            return lowering(function, *xs)
        ys = function.forward(*(np.zeros(x.shape, x.dtype) for x in xs))
        return tuple(map(lazy.asarray, ys)) if isinstance(ys, tuple) else lazy.asarray(ys)

    return lower


OWN: dict[type[Function], Callable[..., Any]] = {
    decompositions.Cholesky: cholesky,
    decompositions.Lu: lu,
    decompositions.Qr: qr,
    decompositions.Svd: svd,
    decompositions.Svdvals: svdvals,
    systems.Solve: solve,
    systems.SolveAgain: solve,
    systems.SolveTriangular: solve_triangular,
    systems.Inv: inv,
    determinants.Det: det,
    determinants.LogDet: slogdet,
    eigenvalues.Eigh: eigh,
    eigenvalues.Eigvalsh: eigvalsh,
    Quotient: quotient,
}
LOWERINGS = {kind: of_something(lowering) for kind, lowering in OWN.items()}
"""What to record for each of these; called with the Function and what ``forward`` would get."""

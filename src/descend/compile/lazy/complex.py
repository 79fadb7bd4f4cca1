"""Operations on recorded complex arrays, as operations on their real and imaginary parts.

A complex array is a node ``complex`` of two real ones, or one that is given or answered by a call
of Python, whose parts are the nodes ``real`` and ``imag``. `emit` asks here what to record in the
place of an operation on such arrays: so kernels compute with real numbers alone, and everything
that works element by element is fused. What has no rule here is called while the program runs.

As in NumPy a real operand counts as one with imaginary part 0, so that zeros have the signs, and
infinities the NaN, that NumPy answers. `pairs` has the formulas.
"""

# pyright: reportUnknownVariableType=false, reportUnknownArgumentType=false
# pyright: reportUnknownMemberType=false, reportUnknownParameterType=false
# pyright: reportMissingParameterType=false, reportUnknownLambdaType=false
# (NumPy's arrays have unknown parameters here; its functions take whatever is an array)

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from descend.compile.graph import Node, Shape, constant, part_dtype
from descend.compile.lazy import array as nodes
from descend.compile.lazy import elements, pairs
from descend.compile.lazy.array import ON_COMPLEX, LazyArray, cast, emit

# ---- two arrays as one, and back --------------------------------------------------------------


def parts(x: Node) -> tuple[Node, Node]:
    """The real and the imaginary part of complex numbers."""
    if x.op == "complex":
        return x.inputs[0], x.inputs[1]
    if x.op == "constant":
        value = x.params["value"]
        return constant(value.real), constant(value.imag)
    return emit("real", x), emit("imag", x)


def joined(real: Node, imag: Node) -> Node:
    """Two real nodes as complex numbers; their shapes broadcast."""
    shape = np.broadcast_shapes(real.shape, imag.shape)
    return emit("complex", nodes.broadcast_to(real, shape), nodes.broadcast_to(imag, shape))


def pair(x: Node) -> pairs.Pair:
    """The parts as recorded arrays, to compute with."""
    a, b = parts(x)
    return LazyArray(a), LazyArray(b)


def real(x):
    """The real parts, a view; itself where x is real."""
    x = elements.as_lazy(x)
    return x.view(parts(x.node)[0]) if x.dtype.kind == "c" else x


def imag(x):
    """The imaginary parts, a view; zeros where x is real."""
    x = elements.as_lazy(x)
    return x.view(parts(x.node)[1]) if x.dtype.kind == "c" else elements.zeros_like(x)


def angle(z, deg=False):
    """The angle from the positive real axis."""
    z = elements.as_lazy(z)
    a, b = pair(z.node) if z.dtype.kind == "c" else (z, 0.0)
    y = elements.arctan2(b, a)
    return y * (180 / np.pi) if deg else y


# ---- the same on both parts -------------------------------------------------------------------


def _on_parts(op: str) -> Callable[..., Node]:
    """An operation that is linear and real, on each part; further operands stay as they are."""

    def rule(x: Node, *others: Node, **params: Any) -> Node:
        a, b = parts(x)
        y = _plain(op, a, *others, **params)
        zero = pairs.known_zero(b)
        return joined(y, _plain(op, b, *others, **params) if zero is None else _filled(y, zero))

    return rule


def _plain(op: str, x: Node, *others: Node, **params: Any) -> Node:
    """A real node; several views in a row are made one where that is known."""
    view = {"reshape": nodes.reshape, "transpose": nodes.transpose}.get(op)
    return emit(op, x, *others, **params) if view is None else view(x, *params.values())


def _filled(like: Node, value: Node) -> Node:
    return nodes.broadcast_to(value, like.shape)


def _where(condition: Node, x: Node, y: Node) -> Node:
    (a, b), (c, d) = parts(x), parts(y)
    return joined(emit("where", condition, a, c), emit("where", condition, b, d))


def _cast(x: Node, dtype: Any) -> Node:
    if np.dtype(dtype).kind != "c":
        return cast(parts(x)[0], dtype)
    part = part_dtype(dtype)
    if x.dtype.kind != "c":
        return joined(cast(x, part), nodes.full(x.shape, 0, part))
    a, b = parts(x)
    zero = pairs.known_zero(b)
    return joined(cast(a, part), cast(b, part) if zero is None else _filled(a, cast(zero, part)))


def _assemble(*pieces: Node, shape: Shape, dtype: Any, fill: Any, places: Any) -> Node:
    def assembled(k: int) -> Node:
        return emit(
            "assemble",
            *(parts(piece)[k] for piece in pieces),
            shape=shape,
            dtype=part_dtype(dtype),
            fill=(fill.real, fill.imag)[k],
            places=places,
        )

    return joined(assembled(0), assembled(1))


def _bilinear(op: str) -> Callable[..., Node]:
    """A product of arrays: four of their parts, or two where one side is made of real numbers."""

    def rule(x: Node, y: Node, **params: Any) -> Node:
        def product(u: Node, v: Node) -> Node:
            return emit(op, u, v, **params)

        (a, b), (c, d) = parts(x), parts(y)
        re = product(a, c)
        zeros = pairs.known_zero(b), pairs.known_zero(d)
        if all(zero is not None for zero in zeros):
            return joined(re, nodes.full(re.shape, 0, re.dtype))
        if zeros[0] is not None:
            return joined(re, product(a, d))
        if zeros[1] is not None:
            return joined(re, product(b, c))
        im = emit("add", product(a, d), product(b, c))
        return joined(emit("subtract", re, product(b, d)), im)

    return rule


def _power(x: Node, exponent: Node) -> Node:
    """x**exponent; whole numbers that are known are products, as in NumPy."""
    if exponent.op == "constant" and not exponent.ndim:
        known = exponent.params["value"].item()
        if known == 0.5:
            return emit("sqrt", x)
        if known.imag == 0 and known.real in range(-99, 100):
            return _whole_power(x, int(known.real))
    (a, b), (c, d) = pair(x), pair(exponent)
    u, v = pairs.exp(pairs.multiply((c, d), pairs.log((a, b))))
    at_zero, to_none = (a == 0) & (b == 0), (c == 0) & (d == 0)
    of_zero = elements.where(c > 0, 0, a.dtype.type(np.nan))
    u, v = elements.where(at_zero, of_zero, u), elements.where(at_zero, of_zero, v)
    return joined(elements.where(to_none, 1, u).node, elements.where(to_none, 0, v).node)


def _whole_power(x: Node, exponent: int) -> Node:
    one = constant(1, x.dtype)
    if exponent == 0:
        return nodes.broadcast_to(one, x.shape)
    y, square, left = None, x, abs(exponent)
    while left:
        if left % 2:
            y = square if y is None else emit("multiply", y, square)
        left //= 2
        if left:
            square = emit("multiply", square, square)
    assert y is not None
    return y if exponent > 0 else emit("divide", one, y)


# ---- the table --------------------------------------------------------------------------------


def _pairs(function: Callable[..., pairs.Pair]) -> Callable[..., Node]:
    """The rule of a function of pairs."""

    def rule(*xs: Node) -> Node:
        a, b = function(*map(pair, xs))
        return joined(a.node, b.node)

    return rule


def _tests(function: Callable[..., LazyArray]) -> Callable[..., Node]:
    """The rule of a function of parts that answers one real array."""
    return lambda *xs: function(*(part for x in xs for part in pair(x))).node


LINEAR = "reshape transpose broadcast_to slice gather scatter_add sum cumsum rint".split()
BILINEAR = "matmul convolve convolve_input convolve_weight".split()
FUNCTIONS = """
    multiply divide conj sign sqrt exp exp2 expm1 log log2 log10 log1p sin cos tan sinh cosh tanh
    arcsin arccos arctan arcsinh arccosh arctanh
""".split()
ON_COMPLEX.update(
    {
        **{op: _on_parts(op) for op in LINEAR},
        "where": _where,
        "cast": _cast,
        "assemble": _assemble,
        **{op: _bilinear(op) for op in BILINEAR},
        "power": _power,
        "add": _pairs(lambda x, y: (x[0] + y[0], x[1] + y[1])),
        "subtract": _pairs(lambda x, y: (x[0] - y[0], x[1] - y[1])),
        "negative": _pairs(lambda x: (-x[0], -x[1])),
        **{op: _pairs(getattr(pairs, op)) for op in FUNCTIONS},
        "abs": _tests(elements.hypot),
        "isnan": _tests(lambda a, b: elements.isnan(a) | elements.isnan(b)),
        "isinf": _tests(pairs.infinite),
        "isfinite": _tests(lambda a, b: elements.isfinite(a) & elements.isfinite(b)),
        "equal": _tests(lambda a, b, c, d: (a == c) & (b == d)),
        "not_equal": _tests(lambda a, b, c, d: (a != c) | (b != d)),
    }
)

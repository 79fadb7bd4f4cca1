"""Products of derivatives with vectors, without the matrix: vjp, jvp, hvp."""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any

from descend import functions as F
from descend.core import tree
from descend.core.arrays import get_array_module
from descend.core.errors import shape_of
from descend.core.function import as_operand
from descend.core.variable import Variable
from descend.transforms.call import Call, kinds, walked
from descend.transforms.gradient import Argnums, grad


def vjp(function: Callable[..., Any], *args: Any) -> tuple[Any, Callable[[Any], tuple[Any, ...]]]:
    """What ``function(*args)`` answers, and its pullback.

    The pullback takes a gradient of the answer (in the answer's structure) to those of all
    arguments, a tuple: the product of a vector and the Jacobian. It may be called repeatedly.

    >>> y, pullback = vjp(lambda x: x * x, np.array([1.0, 2.0]))
    >>> pullback(np.array([1.0, 10.0]))
    (array([ 2., 40.]),)
    """
    call = Call("vjp", function, tuple(range(len(args))), args, {})

    def pullback(gy: Any) -> tuple[Any, ...]:
        ys, seeds = _reached(call, "vjp", gy)
        again = call.outer or any(seed.requires_grad for seed in seeds)
        gxs = walked(ys, call.own, seeds, again)
        return call.structured([call.finished(gx, i, again) for i, gx in enumerate(gxs)])

    return call.value(call.answer), pullback


def jvp(function: Callable[..., Any], primals: Any, tangents: Any) -> tuple[Any, Any]:
    """What ``function(*primals)`` answers, and its derivative along ``tangents``.

    ``tangents`` is a tuple like ``primals``; the derivative has the answer's structure: the product
    of the Jacobian and a vector. It is exact: the gradient is linear in the vector u that it starts
    from, and its own gradient to u is the derivative asked for.

    >>> jvp(lambda x: x * x, (np.array([1.0, 2.0]),), (np.array([1.0, 10.0]),))
    (array([1., 4.]), array([ 2., 40.]))
    """
    call = Call("jvp", function, tuple(range(len(primals))), tuple(primals), {})
    vectors = _like(call, "jvp", tuple(tangents))
    ys = [y for y in call.bases if isinstance(y, Variable) and y.requires_grad]
    us = [Variable(get_array_module(y.data).zeros_like(y.data)) for y in ys]
    again = call.outer or any(isinstance(v, Variable) and v.requires_grad for v in vectors)
    found: dict[int, Any] = {}
    if ys:
        gxs = walked(ys, call.own, us, again=True)
        pairs = [
            (gx, v)
            for gx, v in zip(gxs, vectors, strict=True)
            if gx is not None and gx.requires_grad
        ]
        if pairs:
            along = walked([gx for gx, _ in pairs], us, [v for _, v in pairs], again)
            found = {id(y): t for y, t in zip(ys, along, strict=True) if t is not None}
    derivatives: list[Any] = []
    for y, base in zip(call.ys, call.bases, strict=True):
        t = found.get(id(base))
        derivatives.append(call.derivative_of(y, base, t, again))
    call.close()
    return call.value(call.answer), tree.filled(call.answer, derivatives, kinds())


def hvp(function: Callable[..., Any], argnums: Argnums = 0) -> Callable[..., Any]:
    """The product of the Hessian and a vector: a function of the arguments and then the vector.

    The vector has the structure of the differentiated argument (with several ``argnums`` a tuple of
    them), and so has the answer. It takes two gradients, whatever the size.

    >>> hvp(lambda x: F.sum(x**3))(np.array([1.0, 2.0]), np.array([1.0, 1.0]))
    array([ 6., 12.])
    """
    gradient = grad(function, argnums)

    @functools.wraps(function)
    def product(*args_and_vector: Any, **kwargs: Any) -> Any:
        *args, vector = args_and_vector
        vectors = tree.leaves(vector, kinds())

        def along(*args: Any, **kwargs: Any) -> Any:
            gxs = tree.leaves(gradient(*args, **kwargs), kinds())
            if len(gxs) != len(vectors):
                raise ValueError(f"hvp: a vector of {len(vectors)} arrays came for {len(gxs)}")
            for gx, v in zip(gxs, vectors, strict=True):
                if gx.shape != as_operand(v).shape:
                    raise ValueError(f"hvp: a vector {shape_of(v)} came for an array {gx.shape}")
            return sum(F.sum(gx * v) for gx, v in zip(gxs, vectors, strict=True))

        return grad(along, argnums)(*args, **kwargs)

    return product


def _reached(call: Call, name: str, gy: Any) -> tuple[list[Variable], list[Any]]:
    """The answers that depend on the arguments, and the gradients given for them."""
    seeds = tree.leaves(gy, kinds())
    if len(seeds) != len(call.ys):
        raise ValueError(f"{name}: {len(seeds)} gradients came for {len(call.ys)} answers")
    ys: list[Variable] = []
    found: list[Any] = []
    for y, base, seed in zip(call.ys, call.bases, seeds, strict=True):
        if not isinstance(base, Variable) or not base.requires_grad:
            continue
        seed = as_operand(seed)
        if seed.shape != y.shape:
            raise ValueError(f"{name}: a gradient {seed.shape} came for an answer {y.shape}")
        ys.append(base)
        found.append(call.behind(seed, y.dtype))
    return ys, found


def _like(call: Call, name: str, tangents: tuple[Any, ...]) -> list[Any]:
    """The tangents as the own Variables are: one for each."""
    found = tree.leaves(tangents, kinds())
    if len(found) != len(call.given):
        raise ValueError(f"{name}: {len(found)} tangents came for {len(call.given)} arrays")
    vectors: list[Any] = []
    for v, x, own in zip(found, call.given, call.own, strict=True):
        v = as_operand(v)
        shape = x.shape if hasattr(x, "shape") else ()
        if v.shape != shape:
            raise ValueError(f"{name}: a tangent {v.shape} came for an array {shape}")
        vectors.append(call.behind(v, own.dtype))
    return vectors

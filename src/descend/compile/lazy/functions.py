"""NumPy's functions for arrays that are recorded: the array module of LazyArray.

Each works out what NumPy would answer (shape, dtype, or which error) and records it as nodes of the
graph. A function of NumPy that has no operations here becomes a host call.
"""

# pyright: reportUnknownVariableType=false, reportUnknownArgumentType=false
# pyright: reportUnknownMemberType=false, reportUnknownParameterType=false
# pyright: reportMissingParameterType=false, reportPrivateUsage=false
# pyright: reportUnknownLambdaType=false
# (NumPy's arrays have unknown parameters here; its functions take whatever is an array)

from __future__ import annotations

import builtins
import inspect
import sys
from collections.abc import Callable
from math import prod as product
from typing import Any

import numpy as np

from descend import functions as F
from descend.compile.errors import NotRecorded
from descend.compile.graph import BOOL, Node, Shape
from descend.compile.lazy import array as nodes
from descend.compile.lazy import fourier as lazy_fourier
from descend.compile.lazy import special
from descend.compile.lazy.array import LazyArray, cast, emit, ghost
from descend.compile.lazy.array import Recorder as Recorder
from descend.compile.lazy.complex import angle as angle
from descend.compile.lazy.complex import imag as imag
from descend.compile.lazy.complex import real as real
from descend.compile.lazy.elements import *  # noqa: F403  this is their face, under NumPy's names
from descend.compile.lazy.elements import as_lazy, hosted, into, multiply, result_type
from descend.compile.lazy.reductions import *  # noqa: F403  as above
from descend.compile.lazy.reductions import all, any, max, min, prod, sum
from descend.compile.lazy.shapes import *  # noqa: F403  as above
from descend.compile.lazy.shapes import add_at, ravel
from descend.core.arrays import register
from descend.core.variable import Variable, array_of

# ---- products ---------------------------------------------------------------------------------


def matmul(x0, x1, out=None):
    """The matrix product; a 1-D argument is a vector, leading axes broadcast."""
    if isinstance(x0, Variable) or isinstance(x1, Variable):
        return F.matmul(x0, x1)
    x0, x1 = as_lazy(x0), as_lazy(x1)
    dtype = result_type(x0, x1)
    left = x0.shape if x0.ndim > 1 else (1, *x0.shape)
    right = x1.shape if x1.ndim > 1 else (*x1.shape, 1)
    lead = _batch(left, right) if x0.ndim and x1.ndim else None
    if lead is None:
        np.matmul(ghost(x0), ghost(x1))
        raise ValueError(f"matmul: {x0.shape} and {x1.shape} do not meet")
    shape = (*lead, *left[-2:-1][: x0.ndim - 1], *right[-1:][: x1.ndim - 1])
    if dtype == BOOL:  # is any product true?
        y = _product(cast(x0.node, np.int64), cast(x1.node, np.int64), left, right)
    else:
        wide = np.float32 if dtype == np.float16 else dtype  # as NumPy's own
        y = _product(cast(x0.node, wide), cast(x1.node, wide), left, right)
    return into(out, LazyArray(cast(nodes.reshape(y, shape), dtype)))


def _batch(left: Shape, right: Shape) -> Shape | None:
    """The leading axes of a product of matrices; None where they do not meet."""
    if left[-1] != right[-2]:
        return None
    try:
        return np.broadcast_shapes(left[:-2], right[:-2])
    except ValueError:
        return None


def _product(x0: Node, x1: Node, left: Shape, right: Shape) -> Node:
    """A product of matrices; all leading axes of x0 are rows of one product if x1 has none."""
    if len(right) == 2:
        left = (product(left[:-1]), left[-1])
    return emit("matmul", nodes.reshape(x0, left), nodes.reshape(x1, right))


def dot(x0, x1, out=None):
    """The matrix product of at most two axes each, or the product with a number."""
    x0, x1 = as_lazy(x0), as_lazy(x1)
    if not x0.ndim or not x1.ndim:
        return multiply(x0, x1, out=out)
    return matmul(x0, x1, out) if x1.ndim <= 2 else hosted(np.dot, x0, x1)


def outer(x0, x1, out=None):
    """All products of an element of x0 and one of x1."""
    return multiply(ravel(x0)[:, None], ravel(x1), out=out)


def philox(key, counter, blocks):
    """The four words of each of the blocks after ``counter``."""
    return LazyArray(emit("philox", as_lazy(key).node, as_lazy(counter).node, blocks=blocks))


fft = lazy_fourier

# ---- NumPy's protocols, and what has no operations --------------------------------------------


AS_LONG_AS_THE_VALUES_SAY = frozenset(
    """
    nonzero flatnonzero argwhere unique unique_values compress extract trim_zeros intersect1d
    union1d setdiff1d
    """.split()
)


FACTS = {"shape", "ndim", "size", "iscomplexobj", "isrealobj", "can_cast", "common_type"}
REDUCTIONS: dict[str, Callable[..., Any]] = {
    "add": sum,
    "multiply": prod,
    "maximum": max,
    "minimum": min,
    "logical_and": all,
    "logical_or": any,
}


def call_ufunc(ufunc: Any, method: str, inputs: tuple[Any, ...], params: dict[str, Any]) -> Any:
    """What a ufunc of NumPy or SciPy answers for recorded arrays."""
    if builtins.any(isinstance(x, Variable) for x in inputs):
        return NotImplemented
    name = {"conjugate": "conj"}.get(ufunc.__name__) or str(ufunc.__name__)
    params = {key: value for key, value in params.items() if value is not None}
    if method == "at" and name == "add":
        return add_at(*inputs)
    if method == "reduce" and name in REDUCTIONS and ufunc is getattr(np, name):
        given = dict(zip(("axis", "dtype", "out"), inputs[1:], strict=False)) | params
        return REDUCTIONS[name](inputs[0], **{"axis": 0, **given})
    own = globals().get(name)
    known = ufunc is getattr(np, name, None)
    if method == "__call__" and ufunc in special.BY_UFUNC:
        known, own = True, special.BY_UFUNC[ufunc]
    if method == "__call__" and known and own and params.keys() <= {"out", "dtype"}:
        try:
            return own(*inputs, **params)
        except NotRecorded:
            pass
    out = params.pop("out", None)
    return into(out, hosted(getattr(ufunc, method), *inputs, **params))


def call_function(function: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
    """What another function of NumPy answers for recorded arrays."""
    name = str(function.__name__)
    if function is getattr(np.fft, name, None) and "out" not in kwargs:
        return getattr(F, name)(*args, **kwargs)
    if function is not getattr(np, name, None):
        return hosted(function, *args, **kwargs)
    if name in FACTS:
        return function(*map(ghost, args), **kwargs)
    own = globals().get(name)
    if own is None:
        return getattr(sys.modules[__name__], name)(*args, **kwargs)
    try:
        inspect.signature(own).bind(*args, **kwargs)
    except TypeError:  # an argument that is not recorded, such as where= or initial=
        return hosted(function, *args, **kwargs)
    try:
        return own(*args, **kwargs)
    except NotRecorded:
        return hosted(function, *args, **kwargs)


def __getattr__(name: str) -> Any:
    """NumPy's functions that have no operations here, as host calls."""
    numpys = getattr(np, name)  # AttributeError for what NumPy has not either
    if name in AS_LONG_AS_THE_VALUES_SAY:
        return LazyArray.nonzero
    if not callable(numpys) or isinstance(numpys, type):
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return lambda *args, **kwargs: hosted(numpys, *map(array_of, args), **kwargs)


register(LazyArray, sys.modules[__name__])

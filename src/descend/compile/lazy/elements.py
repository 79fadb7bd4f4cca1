"""NumPy's functions of single elements for recorded arrays, and arrays out of nothing."""

# pyright: reportUnknownVariableType=false, reportUnknownArgumentType=false
# pyright: reportUnknownMemberType=false, reportUnknownParameterType=false
# pyright: reportMissingParameterType=false, reportPrivateUsage=false
# pyright: reportUnknownLambdaType=false
# (NumPy's arrays have unknown parameters here; its functions take whatever is an array)

from __future__ import annotations

import builtins
from collections.abc import Callable, Iterable
from functools import lru_cache
from typing import Any

import numpy as np

from descend import functions as F
from descend.compile.errors import NotRecorded, TraceError
from descend.compile.graph import BOOL, Node, constant
from descend.compile.lazy import array as nodes
from descend.compile.lazy.array import LazyArray, as_node, cast, emit, ghost
from descend.compile.record.host import host_call
from descend.core.variable import Variable

float16, float32, float64 = np.float16, np.float32, np.float64
int8, int16, int32, int64 = np.int8, np.int16, np.int32, np.int64
uint8, uint16, uint32, uint64 = np.uint8, np.uint16, np.uint32, np.uint64
bool = bool_ = np.bool
inf, nan, pi, newaxis = np.inf, np.nan, np.pi, None


def operand(x: Any) -> Any:
    """What is computed with: arrays and numbers as they are, else as an array."""
    if isinstance(x, (LazyArray, np.ndarray, np.generic, int, float, complex)):
        return x
    if not _lists_lazies(x):
        return np.asarray(x)
    from descend.compile.lazy.shapes import stack

    return stack(x)


def _lists_lazies(x: Any) -> builtins.bool:
    return isinstance(x, (list, tuple)) and builtins.any(
        isinstance(part, LazyArray) or _lists_lazies(part) for part in x
    )


def as_lazy(x: Any) -> LazyArray:
    """x as a recorded array."""
    x = operand(x)
    return x if isinstance(x, LazyArray) else LazyArray(as_node(x))


def _kind(x: Any) -> Any:
    """How a value takes part in the choice of a dtype: Python's numbers never promote."""
    if isinstance(x, (LazyArray, np.ndarray, np.generic)):
        return x.dtype
    return BOOL if isinstance(x, builtins.bool) else type(x)


def hosted(function: Callable[..., Any], *arguments: Any, **params: Any) -> Any:
    """A function of arrays as a call of Python while the program runs."""
    return host_call(function, arguments, params)


def result_type(*xs: Any) -> np.dtype[Any]:
    """The dtype that NumPy computes in with these arrays, numbers and dtypes."""
    return np.result_type(*(x.dtype if isinstance(x, LazyArray) else x for x in xs))


# ---- arrays out of nothing --------------------------------------------------------------------


def asarray(x, dtype=None, copy=None):
    """x as a recorded array."""
    y = as_lazy(x)
    y = y if dtype is None else astype(y, dtype, copy=False)
    return y.copy() if copy and y is x else y


def array(x, dtype=None, copy=True):
    """x as a recorded array of its own."""
    return asarray(x, dtype, copy)


def full(shape, fill_value, dtype=None):
    """An array of one value."""
    shape = (int(shape),) if isinstance(shape, (int, np.integer)) else tuple(shape)
    value = as_node(operand(fill_value))
    return LazyArray(nodes.broadcast_to(cast(value, dtype or value.dtype), shape))


def zeros(shape, dtype: Any = np.float64):
    """An array of zeros."""
    return full(shape, 0, dtype or np.float64)


def ones(shape, dtype: Any = np.float64):
    """An array of ones."""
    return full(shape, 1, dtype or np.float64)


empty = zeros


def full_like(x, fill_value, dtype=None, shape=None):
    """An array of one value, in the shape and dtype of x."""
    return full(np.shape(x) if shape is None else shape, fill_value, dtype or x.dtype)


def zeros_like(x, dtype=None, shape=None):
    """Zeros in the shape and dtype of x."""
    return full_like(x, 0, dtype, shape)


def ones_like(x, dtype=None, shape=None):
    """Ones in the shape and dtype of x."""
    return full_like(x, 1, dtype, shape)


empty_like = zeros_like


def arange(start: Any, stop: Any = None, step: Any = 1, dtype: Any = None):
    """Numbers from ``start`` to below ``stop``."""
    if stop is None:
        start, stop = 0, start
    line = np.arange(*(start, stop, step), dtype=dtype)
    if line.dtype.kind not in "iu" or line.size <= 1:
        return LazyArray(as_node(line))
    y = LazyArray(emit("iota", shape=line.shape, axis=0, dtype=line.dtype))
    y = y if step == 1 else y * step
    return y if start == 0 else y + start


# ---- elements ---------------------------------------------------------------------------------


@lru_cache(1024)
def _loop(ufunc: Any, *kinds: Any) -> tuple[Any, ...]:
    """The dtypes in which NumPy computes a ufunc of operands of these kinds."""
    return ufunc.resolve_dtypes((*kinds, *(None,) * ufunc.nout))


def compute(op: str, dtype: Any, *xs: Node) -> Node:
    """An operation on elements, computed in ``dtype``; float16 is computed in float32."""
    xs = tuple(cast(x, dtype) for x in xs)
    if dtype != np.float16:
        return emit(op, *xs)
    y = emit(op, *(cast(x, np.float32) for x in xs))
    return cast(y, dtype) if y.dtype == np.float32 else y


def _operands(ufunc: Any, xs: Iterable[Any], dtype: Any) -> tuple[Any, list[Node]]:
    """The dtype that a ufunc computes in, and its operands in it; NumPy's error if it refuses."""
    xs = [operand(x) for x in xs]
    kinds = [_kind(x) for x in xs] if dtype is None else [np.dtype(dtype)] * len(xs)
    working = np.result_type(*_loop(ufunc, *kinds)[: len(xs)])
    with np.errstate(over="ignore"):
        operands = [as_node(x) if hasattr(x, "dtype") else constant(x, working) for x in xs]
    if len({x.shape for x in operands if x.ndim}) > 1:
        try:
            np.broadcast_shapes(*(x.shape for x in operands))
        except ValueError:
            ufunc(*map(ghost, xs))
            raise
    return working, operands


def _recorded(name: str, rule: Callable[..., Node] | None = None) -> Callable[..., Any]:
    """NumPy's ufunc ``name`` for recorded arrays; ``rule`` makes the node where it is not plain."""
    ufunc = getattr(np, name)

    def function(*xs: Any, out: Any = None, dtype: Any = None) -> Any:
        if builtins.any(isinstance(x, Variable) for x in xs):
            return getattr(F, name)(*xs)
        working, operands = _operands(ufunc, xs, dtype)
        y = compute(name, working, *operands) if rule is None else rule(working, *operands)
        return into(out, LazyArray(y))

    function.__name__ = function.__qualname__ = name
    function.__doc__ = f"NumPy's {name}, recorded."
    return function


def into(out: Any, y: LazyArray) -> Any:
    """y, or ``out`` after y was written into it."""
    out = out[0] if isinstance(out, tuple) else out
    if out is None:
        return y
    if not isinstance(out, LazyArray):
        raise TraceError(
            "writes a recorded result into an array", "compute a new array, without out= and +="
        )
    out[...] = y
    return out


def _truths(op: str) -> Callable[..., Node]:
    """``op`` on whether the elements are not 0."""
    return lambda dtype, *xs: emit(op, *(cast(x, BOOL) for x in xs))


def _or_as_bools(name: str, boolean: str) -> Callable[..., Any]:
    """Arithmetic that is logic where the operands are booleans."""
    return _recorded(name, lambda d, *xs: compute(boolean if d == BOOL else name, d, *xs))


def _for_floats(name: str) -> Callable[..., Any]:
    """What leaves whole numbers as they are."""
    return _recorded(name, lambda d, x: compute(name, d, x) if d.kind in "fc" else cast(x, d))


def _test(name: str, of_integers: builtins.bool) -> Callable[..., Any]:
    """A test of floats, of which the answer is known for whole numbers."""

    def rule(dtype: Any, x: Node) -> Node:
        if x.dtype.kind in "fc":
            return compute(name, dtype, x)
        return nodes.full(x.shape, of_integers, BOOL)

    return _recorded(name, rule)


def _comparison(name: str) -> Callable[..., Any]:
    ufunc = getattr(np, name)
    record = _recorded(name)

    def function(x0: Any, x1: Any, out: Any = None, dtype: Any = None) -> Any:
        beyond = _beyond(x0, x1), _beyond(x1, x0)
        if not builtins.any(beyond):  # all elements are on one side of the number
            return record(x0, x1, out=out)
        values = [0 if other else x for x, other in zip((x0, x1), beyond[::-1], strict=True)]
        shape = np.broadcast_shapes(np.shape(x0), np.shape(x1))
        return into(out, full(shape, ufunc(*values), BOOL))

    function.__name__ = function.__qualname__ = name
    function.__doc__ = f"NumPy's {name}, recorded."
    return function


def _beyond(number: Any, x: Any) -> builtins.bool:
    """Whether a whole number is outside of what the integers of x can be."""
    if type(number) is not int or not hasattr(x, "dtype") or x.dtype.kind not in "iu":
        return False
    limits = np.iinfo(x.dtype)
    return not limits.min <= number <= limits.max


def _power(dtype: Any, x: Node, exponent: Node) -> Node:
    plain = exponent.op == "constant" and not exponent.ndim and dtype.kind != "c"
    known = exponent.params["value"] if plain else None
    if dtype.kind in "iu" and known is not None and known < 0:
        raise ValueError("Integers to negative integer powers are not allowed.")
    if dtype.kind == "f" or (known is not None and known >= 0 and known == int(known)):
        x = cast(x, dtype)
        one = constant(1, dtype)
        if known == 0:
            return nodes.full(x.shape, 1, dtype)
        if known == 1:
            return x
        if known == 2:
            return compute("multiply", dtype, x, x)
        if known == 3:
            return compute("multiply", dtype, compute("multiply", dtype, x, x), x)
        if known == 0.5:
            return compute("sqrt", dtype, x)
        if known == -1:
            return compute("divide", dtype, one, x)
        if known == -0.5:
            return compute("divide", dtype, one, compute("sqrt", dtype, x))
    return compute("power", dtype, x, exponent)


def _trunc(dtype: Any, x: Node) -> Node:
    x = cast(x, dtype)
    if dtype.kind not in "f":
        return x
    below = compute("less", dtype, x, constant(0, x.dtype))
    return emit("where", below, compute("ceil", dtype, x), compute("floor", dtype, x))


def _abs(dtype: Any, x: Node) -> Node:
    return cast(x, dtype) if dtype.kind in "bu" else compute("abs", dtype, x)


def _reciprocal(dtype: Any, x: Node) -> Node:
    if dtype.kind not in "fc":
        return hosted(np.reciprocal, LazyArray(x)).node
    return compute("divide", dtype, constant(1, dtype), x)


def _conj(dtype: Any, x: Node) -> Node:
    x = cast(x, dtype)
    return emit("conj", x) if dtype.kind == "c" else x


def _log_of_sum(exp: str, of_e: float, of_2: float) -> Callable[..., Node]:
    """The larger one plus log(1 + exp(-difference)); equal infinities have no difference.

    ``of_e`` and ``of_2`` are the logarithms of e and 2 to the base.
    """

    def rule(asked: Any, x0: Node, x1: Node) -> Node:
        dtype = np.dtype(np.float32) if asked == np.float16 else asked
        x0, x1 = cast(x0, dtype), cast(x1, dtype)
        difference = compute("abs", dtype, compute("subtract", dtype, x0, x1))
        rest = compute("log1p", dtype, compute(exp, dtype, compute("negative", dtype, difference)))
        rest = compute("multiply", dtype, rest, constant(of_e, dtype))
        same = compute("equal", dtype, x0, x1)
        larger = compute("maximum", dtype, x0, x1)
        rest = emit("where", same, constant(of_2, dtype), rest)
        return cast(compute("add", dtype, larger, rest), asked)

    return rule


def _heaviside(dtype: Any, x0: Node, x1: Node) -> Node:
    x0, zero = cast(x0, dtype), constant(0, dtype)
    above = compute("greater", dtype, x0, zero)
    step = emit("where", above, constant(1, dtype), zero)
    step = emit("where", compute("equal", dtype, x0, zero), cast(x1, dtype), step)
    return emit("where", compute("isnan", dtype, x0), x0, step)


add = _or_as_bools("add", "bitwise_or")
multiply = _or_as_bools("multiply", "bitwise_and")
maximum = _or_as_bools("maximum", "bitwise_or")
minimum = _or_as_bools("minimum", "bitwise_and")
subtract, divide = _recorded("subtract"), _recorded("divide")
true_divide = divide
floor_divide, remainder = _recorded("floor_divide"), _recorded("remainder")
mod, fmod, copysign = remainder, _recorded("fmod"), _recorded("copysign")
heaviside = _recorded("heaviside", _heaviside)
power = _recorded("power", _power)
pow = power
negative, sign = _recorded("negative"), _recorded("sign")
positive = _recorded("positive", lambda dtype, x: cast(x, dtype))
conj = _recorded("conj", _conj)
conjugate = conj
abs = _recorded("abs", _abs)
absolute = abs
square = _recorded("square", lambda dtype, x: compute("multiply", dtype, x, x))
reciprocal = _recorded("reciprocal", _reciprocal)
sqrt, exp, expm1 = _recorded("sqrt"), _recorded("exp"), _recorded("expm1")
log, log1p = _recorded("log"), _recorded("log1p")
sin, cos, tan = _recorded("sin"), _recorded("cos"), _recorded("tan")
sinh, cosh, tanh = _recorded("sinh"), _recorded("cosh"), _recorded("tanh")
exp2, log2, log10 = _recorded("exp2"), _recorded("log2"), _recorded("log10")
logaddexp = _recorded("logaddexp", _log_of_sum("exp", 1, np.log(2)))
logaddexp2 = _recorded("logaddexp2", _log_of_sum("exp2", 1 / np.log(2), 1))
cbrt, hypot = _recorded("cbrt"), _recorded("hypot")
arcsin, arccos = _recorded("arcsin"), _recorded("arccos")
arctan, arctan2 = _recorded("arctan"), _recorded("arctan2")
arcsinh, arccosh, arctanh = _recorded("arcsinh"), _recorded("arccosh"), _recorded("arctanh")
asin, acos, atan, atan2, asinh, acosh, atanh = (
    arcsin,
    arccos,
    arctan,
    arctan2,
    arcsinh,
    arccosh,
    arctanh,
)
floor, ceil, rint = _for_floats("floor"), _for_floats("ceil"), _recorded("rint")
trunc = _recorded("trunc", _trunc)
bitwise_and, bitwise_or = _recorded("bitwise_and"), _recorded("bitwise_or")
bitwise_xor, invert = _recorded("bitwise_xor"), _recorded("invert")
bitwise_not = bitwise_invert = invert
left_shift, right_shift = _recorded("left_shift"), _recorded("right_shift")
equal, not_equal = _comparison("equal"), _comparison("not_equal")
less, less_equal = _comparison("less"), _comparison("less_equal")
greater, greater_equal = _comparison("greater"), _comparison("greater_equal")
isfinite, isinf, isnan = _test("isfinite", True), _test("isinf", False), _test("isnan", False)
logical_and = _recorded("logical_and", _truths("bitwise_and"))
logical_or = _recorded("logical_or", _truths("bitwise_or"))
logical_xor = _recorded("logical_xor", _truths("bitwise_xor"))
logical_not = _recorded("logical_not", _truths("invert"))


def erf(x, out=None):
    """The error function, SciPy's."""
    x = as_lazy(x)
    return into(out, LazyArray(compute("erf", floating(x.dtype), x.node)))


def floating(dtype: Any) -> np.dtype[Any]:
    """The floating dtype in which whole numbers are computed."""
    return dtype if dtype.kind in "fc" else np.dtype(np.float64)


def where(condition, x0=None, x1=None):
    """x0 where the condition holds, x1 elsewhere."""
    if x0 is None or x1 is None:
        return as_lazy(condition).nonzero()
    if isinstance(x0, Variable) or isinstance(x1, Variable):
        return F.where(condition, x0, x1)
    condition, x0, x1 = operand(condition), operand(x0), operand(x1)
    dtype = result_type(x0, x1)
    branches = [as_node(x) if hasattr(x, "dtype") else constant(x, dtype) for x in (x0, x1)]
    branches = [cast(x, dtype) for x in branches]
    shapes = [np.shape(x) for x in (condition, x0, x1)]
    try:
        np.broadcast_shapes(*shapes)
    except ValueError:
        np.where(*(np.broadcast_to(False, shape) for shape in shapes))
        raise
    return LazyArray(emit("where", cast(as_node(condition), BOOL), *branches))


def clip(x, min=None, max=None, out=None, *, a_min=None, a_max=None):
    """x held between two bounds."""
    min, max = a_min if min is None else min, a_max if max is None else max
    bounds = [bound for bound in (min, max) if bound is not None]
    y = astype(as_lazy(x), result_type(x, *bounds), copy=False)
    y = y if min is None else maximum(y, min)
    y = y if max is None else minimum(y, max)
    return into(out, y)


def round(x, decimals=0, out=None):
    """To ``decimals`` digits behind the point, halves to even."""
    x = as_lazy(x)
    if x.dtype.kind != "f":
        return x if decimals >= 0 and x.dtype.kind in "iu" else hosted(np.round, x, decimals)
    if decimals == 0:
        return into(out, rint(x))
    factor = 10.0 ** builtins.abs(decimals)
    if decimals > 0:
        return into(out, rint(x * factor) / factor)
    return into(out, rint(x / factor) * factor)


around = round


def nan_to_num(x, copy=True, nan=0.0, posinf=None, neginf=None):
    """x with numbers in the place of NaN and infinities."""
    x = as_lazy(x)
    if x.dtype.kind != "f":
        if x.dtype.kind == "c":
            raise NotRecorded("nan_to_num of complex numbers")
        return astype(x, x.dtype)
    limits = np.finfo(x.dtype)
    largest = limits.max if posinf is None else asarray(posinf, x.dtype)
    smallest = limits.min if neginf is None else asarray(neginf, x.dtype)
    y = where(isnan(x), asarray(nan, x.dtype), x)
    return where(isinf(x), where(x > 0, largest, smallest), y)


def sinc(x):
    """sin(pi x) / (pi x), 1 at 0."""
    angle = multiply(pi, x)
    small = np.finfo(angle.dtype).eps if angle.dtype.kind == "f" else 1e-20
    angle = where(angle == 0, small, angle)
    return divide(sin(angle), angle)


def astype(x, dtype, copy=True):
    """The same values in another dtype."""
    x, dtype = as_lazy(x), np.dtype(dtype)
    if x.dtype == dtype:
        return LazyArray(x.node, copied=True) if copy else x
    return LazyArray(cast(x.node, dtype))


def copy(x):
    """The same values in memory of their own."""
    return LazyArray(as_lazy(x).node, copied=True)

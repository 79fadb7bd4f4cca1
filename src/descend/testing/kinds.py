"""The same answer from arrays and Variables, in every float dtype, and from any memory layout."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from descend.core import Variable
from descend.testing.call import Call, random_like

FLOATS = (np.float16, np.float32, np.float64)


def check_values(function: Callable[..., Any], *arrays: Any, seed: int = 0, **params: Any) -> None:
    """Raise AssertionError unless arrays give arrays, and Variables give Variables of the same."""
    call = Call(function, arrays, params, seed)
    from_arrays, again = call(list(call.inputs)), call(list(call.inputs))
    for i, (y, twin) in enumerate(zip(from_arrays, again, strict=True)):
        if isinstance(y, Variable):
            raise AssertionError(f"{call.name}: output {i} of arrays is a Variable")
        if not np.array_equal(y, twin, equal_nan=_floating(y)):
            raise AssertionError(
                f"{call.name}: two calls with the same arguments differ: give it a seed"
            )
    if not call.inputs:
        return
    from_variables = call([Variable(x) for x in call.inputs])
    for i, (y, value) in enumerate(zip(from_variables, from_arrays, strict=True)):
        if not isinstance(y, Variable):
            raise AssertionError(f"{call.name}: output {i} of Variables is {type(y).__name__}")
        same = y.shape == np.shape(value) and y.dtype == value.dtype
        if not same or not np.array_equal(y.data, value, equal_nan=_floating(y)):
            raise AssertionError(
                f"{call.name}: output {i} is {y.data!r} of Variables, {value!r} of arrays"
            )


def check_dtypes(function: Callable[..., Any], *arrays: Any, seed: int = 0, **params: Any) -> None:
    """Raise AssertionError unless outputs and gradients keep the dtype of the inputs.

    Tried with float16, float32 and float64, with and without create_graph. Outputs may have
    another dtype where one is among the arguments. Values are not compared. Complex numbers have
    the precision of the dtype, complex64 with float16.
    """
    call = Call(function, arrays, params, seed)
    told = any(isinstance(x, (type, np.dtype)) for x in (*arrays, *params.values()))
    if len(arrays) == 1 and hasattr(arrays[0], "inputs"):
        told = any(isinstance(x, (type, np.dtype)) for x in arrays[0].inputs)
    half_complex = any(x.dtype.kind == "c" for x in call.inputs)  # NumPy has no such numbers
    for dtype in FLOATS[half_complex:]:
        with np.errstate(over="ignore", under="ignore"):  # float16 may leave its range
            _check_dtype(call, np.dtype(dtype), told)


def check_strides(
    function: Callable[..., Any], *arrays: Any, rtol: float = 1e-9, seed: int = 0, **params: Any
) -> None:
    """Raise AssertionError unless transposed, strided and reversed inputs give the same.

    The same values and the same gradients, that is, as the same numbers in contiguous memory.
    """
    call = Call(function, arrays, params, seed)
    _, ys = call.on_variables(call.inputs)
    rng = np.random.default_rng(seed)
    gys = [random_like(y, rng) for y in ys]
    values = call(list(call.inputs))
    gxs = call.gradients(call.inputs, gys)
    for how, layout in LAYOUTS.items():
        inputs = [layout(x) for x in call.inputs]
        for i, (got, value) in enumerate(zip(call(list(inputs)), values, strict=True)):
            _check_close(f"{call.name}: output {i} of {how} inputs", got, value, rtol)
        found = call.gradients(inputs, [layout(gy) for gy in gys])
        for label, got, gx in zip(call.labels, found, gxs, strict=True):
            _check_close(f"{call.name}: the gradient to {label}, {how},", got, gx, rtol)


def transposed(x: np.ndarray) -> np.ndarray:
    """The same array, its first axis the fastest in memory."""
    return np.ascontiguousarray(x.T).T.reshape(x.shape)


def strided(x: np.ndarray) -> np.ndarray:
    """The same array, each second element of a larger one along every axis."""
    large = np.full([2 * size for size in x.shape], 77, x.dtype)
    view = large[(..., *[slice(None, None, 2)] * x.ndim)]
    view[...] = x
    return view


def reversed_in_memory(x: np.ndarray) -> np.ndarray:
    """The same array, each axis running backwards in memory."""
    backwards = (..., *[slice(None, None, -1)] * x.ndim)
    return x[backwards].copy()[backwards]


LAYOUTS = {"transposed": transposed, "strided": strided, "reversed": reversed_in_memory}


def _check_dtype(call: Call, dtype: np.dtype[Any], told: bool) -> None:
    """Outputs and gradients in one dtype."""

    def cast(x: np.ndarray) -> np.ndarray:
        return x.astype(_in_precision(x, dtype)) if _floating(x) else x

    call = call.with_constants(cast)
    inputs = [cast(x) for x in call.inputs]
    xs, ys = call.on_variables(inputs)
    for i, y in enumerate(call(list(inputs))):
        if _floating(y) and y.dtype != _in_precision(y, dtype) and not told:
            raise AssertionError(f"{call.name}: output {i} of {dtype} inputs is {y.dtype}")
    if not ys:
        return
    for create_graph in (False, True):
        for x in xs:
            x.cleargrad()
        for y in ys:
            y.grad = None
            y.backward(create_graph=create_graph)
        for label, x in zip(call.labels, xs, strict=True):
            gx = x.grad
            if gx is not None and (gx.dtype != x.dtype or gx.shape != x.shape):
                raise AssertionError(
                    f"{call.name}: the gradient to {label} is {gx.dtype} {gx.shape}, "
                    f"the input {x.dtype} {x.shape}"
                )
    for x in xs:  # with create_graph a gradient knows its input: a cycle until it is cleared
        x.cleargrad()


def _check_close(what: str, got: Any, expected: Any, rtol: float) -> None:
    if np.shape(got) != np.shape(expected):
        raise AssertionError(
            f"{what} has the shape {np.shape(got)}, {np.shape(expected)} if contiguous"
        )
    # Sums in another order differ in the last digits of their largest term.
    scale = np.max(np.abs(expected), initial=0)
    if not np.allclose(got, expected, rtol, rtol * scale, equal_nan=True):
        wrong = ~np.isclose(got, expected, rtol, rtol * scale, equal_nan=True)
        place = tuple(map(int, np.argwhere(wrong)[0]))
        raise AssertionError(
            f"{what} differs at {place}: {got[place]:.9g}, {expected[place]:.9g} if contiguous"
        )


def _in_precision(y: Any, dtype: np.dtype[Any]) -> np.dtype[Any]:
    """The dtype for the kind of numbers in y, real or complex."""
    return np.result_type(dtype, np.complex64) if y.dtype.kind == "c" else dtype


def _floating(y: Any) -> bool:
    return y.dtype.kind in "fc"

"""Derivatives against finite differences.

A complex number is two real ones: the gradient of a real function to x + iy is its slope along x
plus i times that along y, and the slope of the function along d is the real part of the gradient
times the conjugate of d.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from typing import Any

import numpy as np

from descend import functions as F
from descend.core import Variable
from descend.core.backward import gradients
from descend.testing.call import Call, random_like, refusals_told

STEPS = (1e-3, 1e-4, 1e-5)
"""Steps to try: the first is the most exact, smaller ones keep away from a nearby kink or pole."""

ORDINALS = ("first", "second", "third", "fourth", "fifth", "sixth")


def numerical_gradient(
    f: Callable[[np.ndarray], Any], x: np.ndarray, step: float = STEPS[0]
) -> np.ndarray:
    """The gradient of ``f`` at ``x`` by finite differences, for a float64 or complex128 array.

    ``f`` takes an array like ``x`` and answers one real number. Central differences with ``step``
    and with half of it are extrapolated (Richardson), so the error falls with step**4. To a complex
    number it is the slope along the real axis plus i times that along the imaginary one.

    >>> numerical_gradient(lambda x: (x**2).sum(), np.array([1.0, -3.0])).round(8)
    array([ 2., -6.])
    """
    x = np.array(x, dtype=np.result_type(x, np.float64))
    gx = np.zeros_like(x)
    for place in np.ndindex(x.shape):
        for unit in (1, 1j) if x.dtype.kind == "c" else (1,):
            direction = np.zeros_like(x)
            direction[place] = unit
            slope = _slope(lambda t, d=direction: float(f(np.asarray(x + t * d))), step)
            gx[place] += slope * unit
    return gx


def check_derivatives(
    function: Callable[..., Any],
    *arrays: Any,
    order: int = 3,
    rtol: float = 1e-6,
    atol: float = 1e-8,
    seed: int = 0,
    **params: Any,
) -> None:
    """Raise AssertionError unless the derivatives up to ``order`` equal finite differences.

    The outputs are weighted with random numbers and added; of complex outputs the real part of that
    counts. The first derivative of the sum is compared element by element with
    `numerical_gradient`; each higher one, along a random direction, with the difference of the one
    before it. The weights are differentiated like the arguments, which checks what a rule does with
    the gradient that comes in.
    """
    call = Call(function, arrays, params, seed)
    rng = np.random.default_rng(seed)
    weights = [random_like(y, rng) for y in _floats(call(list(call.inputs)))]
    if order >= 1:
        _check_first(call, weights, rtol, atol)
    points = [*call.inputs, *weights]
    directions = [[random_like(z, rng) for z in points] for _ in range(order - 1)]
    for k in range(2, order + 1):
        _check_next(call, points, directions[: k - 1], rtol, atol)


def check_constants(
    function: Callable[..., Any],
    *arrays: Any,
    order: int = 3,
    rtol: float = 1e-9,
    seed: int = 0,
    **params: Any,
) -> None:
    """Raise AssertionError unless the others' derivatives stay when an input becomes a constant.

    A rule skips the work for a constant, and lets go of what only that needs.
    """
    call = Call(function, arrays, params, seed)
    if len(call.inputs) < 2:
        return
    rng = np.random.default_rng(seed)
    points = [*call.inputs, *(random_like(y, rng) for y in _floats(call(list(call.inputs))))]
    for i, constant in enumerate(call.labels):
        directions = [[random_like(z, rng) * (j != i) for j, z in enumerate(points)]] * (order - 1)
        for along in directions[:0], directions:
            expected = _gradients_along(call, points, along)
            got = _gradients_along(call, points, along, constant=i)
            for j, label in enumerate(call.labels):
                scale = rtol * np.max(np.abs(expected[j]), initial=0)
                if j != i and not np.allclose(got[j], expected[j], rtol, scale):
                    raise AssertionError(
                        f"{call.name}: the {ORDINALS[len(along)]} derivative to {label} is another "
                        f"one where {constant} is a constant"
                    )


def _check_first(call: Call, weights: list[np.ndarray], rtol: float, atol: float) -> None:
    """The gradient of the weighted outputs, element by element."""
    got = _gradients_along(call, [*call.inputs, *weights], [])
    for i, label in enumerate(call.labels):
        before, after = call.inputs[:i], call.inputs[i + 1 :]

        def total(x: np.ndarray, before: Any = before, after: Any = after) -> float:
            ys = _floats(call([*before, x, *after]))
            return float(sum(np.sum(y * w).real for y, w in zip(ys, weights, strict=True)))

        def expected(step: float, i: int = i, total: Any = total) -> np.ndarray:
            return numerical_gradient(total, call.inputs[i], step)

        _compare(f"{call.name}: the first derivative to {label}", got[i], expected, rtol, atol)


def _check_next(
    call: Call, points: list[Any], directions: list[list[Any]], rtol: float, atol: float
) -> None:
    """The gradient of the slope along ``directions``, against differences of the one before.

    Derivatives may be taken in any order: the gradient of the slope along the last direction is
    the slope of the gradient along it.
    """
    *before, last = directions

    @cache
    def along(t: float) -> list[np.ndarray]:
        moved = [np.asarray(z + t * d) for z, d in zip(points, last, strict=True)]
        return _gradients_along(call, moved, before)

    got = _gradients_along(call, points, directions)
    labels = [f"to {label}" for label in call.labels]
    labels += ["to the gradient that comes in"] * (len(points) - len(labels))
    for i, label in enumerate(labels):

        def expected(step: float, i: int = i) -> np.ndarray:
            return np.asarray(_slope(lambda t: along(t)[i], step))

        what = f"{call.name}: the {ORDINALS[len(directions)]} derivative {label}"
        _compare(what, got[i], expected, rtol, atol)


def _gradients_along(
    call: Call, points: list[Any], directions: list[list[Any]], constant: int | None = None
) -> list[np.ndarray]:
    """The gradient of the weighted outputs, or of its slope along each direction in turn."""
    zs = [Variable(np.array(z)) for z in points]
    count = len(call.inputs)
    inputs = [z.data if i == constant else z for i, z in enumerate(zs[:count])]
    total = _total(_floats(call(inputs)), zs[count:])
    for direction in directions:
        gzs = _gradients(call.name, total, zs, create_graph=True)
        known = [(gz, d.conj()) for gz, d in zip(gzs, direction, strict=True) if gz is not None]
        total = _total(*zip(*known, strict=True)) if known else 0
    gzs = _gradients(call.name, total, zs, create_graph=False)
    return [np.zeros_like(z.data) if gz is None else gz.data for z, gz in zip(zs, gzs, strict=True)]


def _gradients(name: str, total: Any, zs: list[Variable], *, create_graph: bool) -> list[Any]:
    """The gradients of a sum, None where it is constant."""
    if not isinstance(total, Variable) or not total.requires_grad:
        return [None] * len(zs)
    return refusals_told(
        name, lambda: gradients(total, zs, create_graph=create_graph, allow_unused=True)
    )


def _total(xs: Any, weights: Any) -> Any:
    """The sum of all elements times their weights, its real part if it is complex."""
    return sum(F.sum(x * w).real for x, w in zip(xs, weights, strict=True))


def _floats(ys: list[Any]) -> list[Any]:
    return [y for y in ys if y.dtype.kind in "fc"]


def _slope(f: Callable[[float], Any], step: float) -> Any:
    """The derivative of ``f`` at 0."""
    wide = (f(step) - f(-step)) / (2 * step)
    narrow = (f(step / 2) - f(-step / 2)) / step
    return (4 * narrow - wide) / 3


def _compare(
    what: str, got: np.ndarray, expected: Callable[[float], np.ndarray], rtol: float, atol: float
) -> None:
    """AssertionError unless ``got`` is what finite differences with one of STEPS give."""
    best: tuple[float, Any] | None = None
    for step in STEPS:
        differences = expected(step)
        if np.allclose(got, differences, rtol, atol):
            return
        excess = np.abs(got - differences) - (atol + rtol * np.abs(differences))
        excess = np.where(np.isnan(excess), np.inf, excess)
        if best is None or excess.max() < best[0]:
            place = tuple(map(int, np.unravel_index(excess.argmax(), excess.shape)))
            best = float(excess.max()), (place, got[place], differences[place])
    assert best is not None
    place, value, difference = best[1]
    raise AssertionError(
        f"{what} is wrong: at {place} of {got.shape} the rule gives {value:.9g}, finite "
        f"differences give {difference:.9g} (of the outputs weighted at random)"
    )

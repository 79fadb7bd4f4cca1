"""SciPy's minimizers with exact derivatives, for parameters in any container."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from descend.core import tree
from descend.core.arrays import as_array, is_inexact
from descend.core.errors import kind_of
from descend.core.variable import array_of
from descend.transforms import hessian, hvp, value_and_grad
from descend.transforms.call import kinds

WITH_PRODUCTS = frozenset(("newton-cg", "trust-ncg", "trust-krylov", "trust-constr"))
"""The methods that take products of the Hessian and a vector."""

WITH_HESSIAN = frozenset(("dogleg", "trust-exact"))
"""The methods that need the Hessian itself."""

WITHOUT_GRADIENT = frozenset(("nelder-mead", "powell", "cobyla", "cobyqa"))


def minimize(
    function: Callable[..., Any],
    x0: Any,
    args: tuple[Any, ...] = (),
    method: str = "L-BFGS-B",
    *,
    tol: float | None = None,
    bounds: Any = None,
    constraints: Any = (),
    callback: Callable[[Any], Any] | None = None,
    progress: bool = False,
    options: dict[str, Any] | None = None,
) -> Any:
    """Minimize ``function(x, *args)``, one number, from ``x0`` by ``scipy.optimize.minimize``.

    x is an array, a Variable, or a nested list, tuple or dict of arrays; the function gets it in
    this structure, with these shapes and dtypes. SciPy gets exact gradients, and, where ``method``
    takes them, products of the Hessian with vectors or the Hessian. ``bounds`` is one pair
    (low, high) for all numbers or one for each of them in order; ``constraints`` and ``options``
    are SciPy's, of the flat vector. ``callback`` gets x after each iteration and ends the search by
    raising StopIteration; ``progress`` shows each iteration.

    Answers SciPy's ``OptimizeResult``, with ``x`` and ``jac`` in the structure of ``x0``.

    >>> start = {"a": 0.0, "b": np.ones(2)}
    >>> found = minimize(lambda p: (p["a"] - 3) ** 2 + F.sum(p["b"] ** 2), start)
    >>> round(float(found.x["a"]), 4), found.success
    (3.0, True)
    """
    from scipy import optimize  # pyright: ignore[reportMissingTypeStubs]

    vector = Vector(x0)
    name = method.lower()
    differentiate = value_and_grad(function)
    lines = Lines() if progress else None

    def value_and_slope(flat: np.ndarray) -> tuple[float, np.ndarray]:
        y, gx = differentiate(vector.structured(flat), *args)
        return float(array_of(y)), vector.flat(gx)

    def value(flat: np.ndarray) -> float:
        return float(array_of(function(vector.structured(flat), *args)))

    given: dict[str, Any] = {"jac": True}
    if name in WITHOUT_GRADIENT:
        given = {}
    elif name in WITH_PRODUCTS:
        product = hvp(function)

        def hessp(flat: np.ndarray, v: np.ndarray) -> np.ndarray:
            return vector.flat(product(vector.structured(flat), *args, vector.structured(v)))

        given["hessp"] = hessp
    elif name in WITH_HESSIAN:

        def whole(flat: np.ndarray) -> Any:
            return function(vector.structured_variable(flat), *args)

        given["hess"] = lambda flat: array_of(hessian(whole)(flat))

    def after(intermediate_result: Any) -> None:
        if lines is not None:
            lines.show(intermediate_result)
        if callback is not None:
            callback(vector.structured(intermediate_result.x))

    if bounds is not None and np.ndim(bounds) == 1:
        bounds = [tuple(bounds)] * vector.size
    found: Any = optimize.minimize(
        value if name in WITHOUT_GRADIENT else value_and_slope,
        vector.flat(x0),
        method=method,
        tol=tol,
        bounds=bounds,
        constraints=constraints,
        callback=after if progress or callback is not None else None,
        options=options,
        **given,
    )
    if lines is not None:
        lines.end(found)
    found.x = vector.structured(np.asarray(found.x))
    if "jac" in found and np.shape(found.jac) == (vector.size,):
        found.jac = vector.structured(np.asarray(found.jac))
    return found


class Vector:
    """How the leaves of a structure lie in one flat vector of float64."""

    def __init__(self, structure: Any) -> None:
        self.structure = structure
        leaves = [as_array(array_of(x)) for x in tree.leaves(structure, kinds())]
        for x, given in zip(leaves, tree.leaves(structure, kinds()), strict=True):
            if not is_inexact(x.dtype):
                raise TypeError(
                    f"minimize: x0 holds {kind_of(given)} of {x.dtype}, floating point is needed"
                )
        self.types = [(x.shape, x.dtype) for x in leaves]
        self.sizes = [x.size for x in leaves]
        self.size = sum(self.sizes)

    def flat(self, structure: Any) -> np.ndarray:
        """All numbers of a structure like the first, one behind the other."""
        parts = [np.ravel(array_of(x)) for x in tree.leaves(structure, kinds())]
        return np.concatenate(parts).astype(float) if parts else np.zeros(0)

    def structured(self, flat: np.ndarray) -> Any:
        """The numbers in the structure, in its shapes and dtypes."""
        parts = np.split(flat, np.cumsum(self.sizes)[:-1])
        leaves = [
            as_array(part.reshape(shape)).astype(dtype)
            for part, (shape, dtype) in zip(parts, self.types, strict=True)
        ]
        return tree.filled(self.structure, leaves, kinds())

    def structured_variable(self, flat: Any) -> Any:
        """The same of a vector that is being differentiated."""
        leaves: list[Any] = []
        at = 0
        for size, (shape, dtype) in zip(self.sizes, self.types, strict=True):
            leaves.append(flat[at : at + size].reshape(shape).astype(dtype))
            at += size
        return tree.filled(self.structure, leaves, kinds())


class Lines:
    """One line on the terminal that follows the search."""

    def __init__(self) -> None:
        from rich.console import Console

        self.console = Console(stderr=True)
        self.status = self.console.status("minimize: the first value")
        self.status.start()
        self.count = 0

    def show(self, now: Any) -> None:
        """One more iteration."""
        self.count += 1
        self.status.update(f"minimize: iteration {self.count}, value {float(now.fun):.8g}")

    def end(self, found: Any) -> None:
        """How it ended."""
        self.status.stop()
        word = "found" if found.success else "stopped"
        self.console.print(
            f"minimize: {word} after {found.get('nit', self.count)} iterations, "
            f"value {float(found.fun):.8g}: {found.message}"
        )

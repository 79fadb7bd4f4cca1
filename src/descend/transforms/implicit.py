"""Solutions of equations, differentiated by the equation and not through the solver's steps.

Where x solves r(x, a) = 0, its derivative to a is -(dr/dx)**-1 dr/da, whatever way it was found
(the implicit function theorem). All that the equation depends on must be among the arguments.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from descend import functions as F
from descend.core import tree
from descend.core.arrays import as_array, is_inexact
from descend.core.config import no_grad
from descend.core.function import Function, as_operand
from descend.core.variable import Variable, array_of
from descend.transforms.call import kinds
from descend.transforms.gradient import grad
from descend.transforms.jacobian import jacobian
from descend.transforms.products import vjp

Residual = Callable[..., Any]
Solver = Callable[[Any, tuple[Any, ...]], Any]


def root(
    function: Residual, x0: Any, *args: Any, method: str = "hybr", tol: float | None = None
) -> Any:
    """The x near ``x0`` where ``function(x, *args)``, an array of x's shape, is 0.

    ``args`` are arrays, Variables, or containers of them, and may be differentiated; ``x0`` is no
    part of that. The equation is solved by ``scipy.optimize.root`` with the exact Jacobian.

    Raises RuntimeError if the solver does not find a solution.

    >>> a = Variable(np.array([4.0, 9.0]))
    >>> x = root(lambda x, a: x * x - a, np.ones(2), a)
    >>> x.sum().backward()
    >>> x.data.round(6), a.grad.data.round(6)
    (array([2., 3.]), array([0.25    , 0.166667]))
    """

    def solve(x0: Any, args: tuple[Any, ...]) -> Any:
        from scipy import optimize  # pyright: ignore[reportMissingTypeStubs]

        shape = x0.shape
        derivative = jacobian(function)

        def residual(x: np.ndarray) -> np.ndarray:
            return np.ravel(array_of(function(x.reshape(shape), *args)))

        def slopes(x: np.ndarray) -> np.ndarray:
            return array_of(derivative(x.reshape(shape), *args)).reshape(x.size, x.size)

        jac = slopes if method in ("hybr", "lm") else None
        found: Any = optimize.root(
            residual, x0.ravel().astype(float), method=method, jac=jac, tol=tol
        )
        if not found.success:
            raise RuntimeError(f"root: no solution was found: {' '.join(found.message.split())}")
        return found.x.reshape(shape)

    return _solved("root", function, solve, x0, args)


def fixed_point(
    function: Residual, x0: Any, *args: Any, tol: float = 1e-10, max_iter: int = 1000
) -> Any:
    """The x that ``function(x, *args)`` leaves as it is, found by applying it again and again.

    It stops when x changes by less than ``tol`` times its size; the function must contract.

    Raises RuntimeError after ``max_iter`` applications.

    >>> a = Variable(np.array(0.5))
    >>> x = fixed_point(lambda x, a: a * F.cos(x), np.array(0.0), a)
    >>> x.backward()
    >>> round(x.item(), 6), round(a.grad.item(), 6)
    (0.450184, 0.739482)
    """

    def solve(x0: Any, args: tuple[Any, ...]) -> Any:
        x = x0
        for _ in range(max_iter):
            new = as_array(array_of(function(x, *args)))
            if new.shape != x.shape:
                raise ValueError(
                    f"fixed_point: the function answered {new.shape} for an x of {x.shape}"
                )
            change = np.max(np.abs(new - x), initial=0.0)
            x = new
            if change <= tol * max(1.0, float(np.max(np.abs(x), initial=0.0))):
                return x
        raise RuntimeError(
            f"fixed_point: not found after {max_iter} applications; is it contracting?"
        )

    return _solved("fixed_point", lambda x, *args: function(x, *args) - x, solve, x0, args)


def argmin(
    function: Residual, x0: Any, *args: Any, method: str = "BFGS", tol: float | None = 1e-10
) -> Any:
    """The x near ``x0`` where ``function(x, *args)``, one number, is smallest.

    It is minimized by ``scipy.optimize.minimize``, then brought to a zero of the gradient by
    Newton's steps, and differentiated as that zero.

    Raises RuntimeError if no minimum is found.

    >>> a = Variable(np.array([1.0, 2.0]))
    >>> x = argmin(lambda x, a: F.sum((x - a * a) ** 2), np.zeros(2), a)
    >>> x.sum().backward()
    >>> a.grad.data.round(6)
    array([2., 4.])
    """
    gradient = grad(function)

    def solve(x0: Any, args: tuple[Any, ...]) -> Any:
        from scipy import optimize  # pyright: ignore[reportMissingTypeStubs]

        shape = x0.shape
        derivative = jacobian(gradient)

        def value(x: np.ndarray) -> float:
            return float(array_of(function(x.reshape(shape), *args)))

        def slope(x: np.ndarray) -> np.ndarray:
            return np.ravel(array_of(gradient(x.reshape(shape), *args)))

        found: Any = optimize.minimize(
            value, x0.ravel().astype(float), jac=slope, method=method, tol=tol
        )
        x = found.x
        for _ in range(3):  # a minimizer stops when the value no longer falls, far from g = 0
            g = slope(x)
            h = array_of(derivative(x.reshape(shape), *args)).reshape(x.size, x.size)
            x = x - np.linalg.lstsq(h, g)[0]
        if not np.all(np.isfinite(x)) or np.max(np.abs(slope(x)), initial=0.0) > 1e-4 * max(
            1.0, float(np.max(np.abs(slope(x0.ravel().astype(float))), initial=0.0))
        ):
            raise RuntimeError(f"argmin: no minimum was found: {found.message}")
        return x.reshape(shape)

    return _solved("argmin", gradient, solve, x0, args)


def _solved(name: str, residual: Residual, solve: Solver, x0: Any, args: tuple[Any, ...]) -> Any:
    x0 = as_array(array_of(as_operand(x0)))
    if not is_inexact(x0.dtype):
        x0 = x0.astype(float)
    leaves = tree.leaves(args, kinds())
    outline = tree.mapped(args, lambda _: 0.0, kinds())
    return Solution(name, residual, solve, x0, outline)(*leaves)


class Solution(Function):
    """The solution of an equation, whose arguments' leaves are the inputs."""

    name = "solution"
    needs_values = True

    def __init__(
        self, name: str, residual: Residual, solve: Solver, x0: Any, args: tuple[Any, ...]
    ) -> None:
        self.name = name  # pyright: ignore[reportAttributeAccessIssue]
        self.residual = residual
        self.solve = solve
        self.x0 = x0
        self.args = args

    def _filled(self, leaves: Any) -> tuple[Any, ...]:
        return tree.filled(self.args, list(leaves), kinds())

    def forward(self, *leaves: Any) -> Any:
        """What the solver finds."""
        with no_grad():
            x = self.solve(self.x0, self._filled(leaves))
        return x.astype(self.x0.dtype)

    def like(self, *leaves: Any) -> Any:
        """An array like the solution."""
        return np.zeros(self.x0.shape, self.x0.dtype)

    def backward(self, gy: Any) -> Any:
        """Minus what the residual's derivatives to the arguments answer for (dr/dx)**-T gy."""
        leaves, [x] = self.inputs, [y() for y in self.outputs]
        assert x is not None
        again = isinstance(gy, Variable)
        if not again:
            x = x.data
            leaves = [array_of(leaf) for leaf in leaves]
        wanted = [i for i, edge in enumerate(self.edges) if edge is not None]
        size = int(np.prod(x.shape, dtype=int))
        args = self._filled(leaves)
        slopes = F.reshape(jacobian(self.residual)(x, *args), (size, size))
        u = F.reshape(F.solve(F.transpose(slopes), F.reshape(gy, (size,))), x.shape)

        def of_wanted(*chosen: Any) -> Any:
            filled = list(leaves)
            for i, leaf in zip(wanted, chosen, strict=True):
                filled[i] = leaf
            return self.residual(x, *self._filled(filled))

        _, pullback = vjp(of_wanted, *[leaves[i] for i in wanted])
        gxs: list[Any] = [None] * len(leaves)
        for i, gx in zip(wanted, pullback(-u), strict=True):
            gxs[i] = gx
        return tuple(gxs)

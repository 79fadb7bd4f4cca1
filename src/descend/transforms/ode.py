"""Solutions of ordinary differential equations, differentiated by the adjoint equation."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from descend import functions as F
from descend.core import tree
from descend.core.arrays import as_array, is_inexact
from descend.core.config import no_grad
from descend.core.errors import shape_of
from descend.core.function import Function, as_operand
from descend.core.variable import Variable, array_of
from descend.transforms.call import kinds
from descend.transforms.products import vjp


def odeint(
    function: Callable[..., Any],
    y0: Any,
    t: Any,
    *args: Any,
    rtol: float = 1e-7,
    atol: float = 1e-9,
    method: str = "RK45",
) -> Any:
    """The solution of dy/dt = function(y, t, *args) with y = ``y0`` at t[0]: (len(t), *y0.shape).

    ``t`` (n,) rises or falls; ``args`` are arrays, Variables, or containers of them. It is solved
    by ``scipy.integrate.solve_ivp`` with ``method``. Gradients to y0, t and args come from the
    adjoint equation, solved backwards with the same tolerances from each t to the one before:
    memory does not grow with the steps. All that the function depends on must be among ``args``.
    Chen et al., 2018, https://doi.org/10.48550/arXiv.1806.07366.

    Raises RuntimeError if the solver gives up.

    >>> k = Variable(np.array(2.0))
    >>> y = odeint(lambda y, t, k: -k * y, np.array([1.0]), np.array([0.0, 1.0]), k)
    >>> y[-1].backward()
    >>> y.data[-1].round(5), round(k.grad.item(), 5)
    (array([0.13534]), -0.13534)
    """
    y0, t = as_operand(y0), as_operand(t)
    if t.ndim != 1 or len(t) < 1:
        raise ValueError(f"odeint: t {shape_of(t)} came, (n,) with at least one time is needed")
    steps = np.diff(array_of(t)) if isinstance(array_of(t), np.ndarray) else np.ones(1)
    if not (np.all(steps > 0) or np.all(steps < 0)):
        raise ValueError("odeint: t neither rises nor falls throughout")
    if not is_inexact(y0.dtype):
        y0 = F.astype(y0, np.float64)
    if not is_inexact(t.dtype):
        t = F.astype(t, np.float64)
    settings = {"rtol": rtol, "atol": atol, "method": method}
    outline = tree.mapped(args, lambda _: 0.0, kinds())
    return OdeInt(function, outline, settings)(y0, t, *tree.leaves(args, kinds()))


class OdeInt(Function):
    """One solution; its inputs are y0, t and the leaves of the arguments."""

    name = "odeint"
    needs_values = True

    def __init__(
        self, function: Callable[..., Any], args: tuple[Any, ...], settings: dict[str, Any]
    ) -> None:
        self.function = function
        self.args = args
        self.settings = settings

    def forward(self, y0: Any, t: Any, *leaves: Any) -> Any:
        """The states at all times."""
        from scipy import integrate  # pyright: ignore[reportMissingTypeStubs]

        args, shape = tree.filled(self.args, list(leaves), kinds()), y0.shape

        def slope(time: float, y: np.ndarray) -> np.ndarray:
            answer = self.function(y.reshape(shape), np.asarray(time), *args)
            return np.ravel(array_of(answer))

        if len(t) == 1:
            return y0[None].copy()
        with no_grad():
            found: Any = integrate.solve_ivp(
                slope,
                (t[0], t[-1]),
                y0.ravel().astype(float),
                t_eval=t.astype(float),
                **self.settings,
            )
        if not found.success:
            raise RuntimeError(f"odeint: {found.message}")
        return as_array(found.y.T.reshape(len(t), *shape)).astype(y0.dtype)

    def like(self, y0: Any, t: Any, *leaves: Any) -> Any:
        """An array like the states."""
        return np.zeros((len(t), *y0.shape), y0.dtype)

    def backward(self, gy: Any) -> Any:
        """The adjoint equation backwards, a piece between two times after the other."""
        [ys] = [y() for y in self.outputs]
        assert ys is not None
        _y0, t, *leaves = self.inputs
        if not isinstance(gy, Variable):
            ys, t = ys.data, array_of(t)
            leaves = [array_of(leaf) for leaf in leaves]
        shape = ys.shape[1:]
        wanted = [i for i, edge in enumerate(self.edges[2:]) if edge is not None]
        sizes = [int(np.prod(np.shape(leaves[i]), dtype=int)) for i in wanted]
        size = int(np.prod(shape, dtype=int))
        cuts = np.cumsum([size, size, *sizes])[:-1]

        function, outline = self.function, self.args  # and not self, which holds all arrays

        def slope_at(y: Any, time: Any, filled: Any) -> Any:
            return as_operand(function(y, time, *tree.filled(outline, list(filled), kinds())))

        def augmented(state: Any, s: Any, *leaves: Any) -> Any:
            """State, adjoint and gradients as time runs backwards: s = -t."""
            y, a, *_ = F.split(state, cuts)

            def of(y: Any, *chosen: Any) -> Any:
                filled = list(leaves)
                for i, leaf in zip(wanted, chosen, strict=True):
                    filled[i] = leaf
                return slope_at(y, -s, filled)

            f, pullback = vjp(of, F.reshape(y, shape), *[leaves[i] for i in wanted])
            ga, *gs = pullback(F.reshape(a, shape))
            parts = [-as_operand(f), ga, *gs]
            return F.concatenate([F.reshape(part, (-1,)) for part in parts])

        a = gy[-1]
        totals: Any = [np.zeros(n, ys.dtype) for n in sizes]
        gts: list[Any] = [F.sum(gy[-1] * slope_at(ys[-1], t[-1], leaves))]
        for i in range(len(t) - 1, 0, -1):
            state = F.concatenate([F.reshape(ys[i], (-1,)), F.reshape(a, (-1,)), *totals])
            back = odeint(augmented, state, -t[i - 1 : i + 1][::-1], *leaves, **self.settings)[-1]
            _, a, *totals = F.split(back, cuts)
            if i > 1:
                gts.append(F.sum(gy[i - 1] * slope_at(ys[i - 1], t[i - 1], leaves)))
                a = F.reshape(a, shape) + gy[i - 1]
            else:
                a = F.reshape(a, shape)
        gts.append(-F.sum(a * slope_at(ys[0], t[0], leaves)))
        if len(t) == 1:
            gts = [0 * gts[0]]
        else:
            a = a + gy[0]
        gxs: list[Any] = [None] * len(leaves)
        for i, total in zip(wanted, totals, strict=True):
            gxs[i] = F.reshape(total, np.shape(leaves[i]))
        return a, F.stack(gts[::-1]), *gxs

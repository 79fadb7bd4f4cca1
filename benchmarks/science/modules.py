"""What `functions` calls ``xp``, for each framework, and how each makes a gradient."""

from __future__ import annotations

from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

import numpy as np

from benchmarks import peers

NAMES = "sum exp log log1p sqrt tanh abs cumsum stack cos sin".split()

Gradient = Callable[[], Any]
"""One call that answers (value, gradient) at the problem's parameters."""


def numpy_value(problem: Any) -> Callable[[], Any]:
    """The value alone, by NumPy and SciPy: what the forward half costs without a graph."""
    import scipy.special

    xp = SimpleNamespace(
        **{name: getattr(np, name) for name in NAMES},
        cholesky=np.linalg.cholesky,
        solve=np.linalg.solve,
        diagonal=np.diagonal,
        rfft=np.fft.rfft,
        logsumexp=scipy.special.logsumexp,
        gammaln=scipy.special.gammaln,
        erf=scipy.special.erf,
    )
    return lambda: problem.function(xp, problem.parameters, *problem.data)


def descend_eager(problem: Any) -> Gradient:
    """Op by op."""
    import descend.functions as F
    from descend import value_and_grad

    differentiate = value_and_grad(lambda p, *data: problem.function(F, p, *data))
    return lambda: differentiate(problem.parameters, *problem.data)


def descend_compiled(problem: Any) -> Gradient:
    """Value and gradient as one program."""
    import descend
    import descend.functions as F

    function = descend.compile(
        descend.value_and_grad(lambda p, *data: problem.function(F, p, *data))
    )
    return lambda: function(problem.parameters, *problem.data)


def descend_hessian(problem: Any) -> Callable[[], Any]:
    """The whole matrix of second derivatives."""
    import descend.functions as F
    from descend import hessian

    function = hessian(lambda p, *data: problem.function(F, p, *data))
    return lambda: function(problem.parameters, *problem.data)


def _autograd() -> Any:
    import autograd.numpy as anp
    from autograd.scipy import special

    xp = {name: getattr(anp, name) for name in NAMES}
    return SimpleNamespace(
        **xp,
        cholesky=anp.linalg.cholesky,
        solve=anp.linalg.solve,
        diagonal=anp.diagonal,
        rfft=_half_spectrum(anp),
        logsumexp=special.logsumexp,
        gammaln=special.gammaln,
        erf=special.erf,
    )


def _half_spectrum(anp: Any) -> Callable[[Any], Any]:
    """autograd's rfft has no gradient for an even number of samples in all versions: by fft."""
    return lambda x: anp.fft.fft(x)[: len(x) // 2 + 1]


def autograd(problem: Any) -> Gradient:
    """HIPS autograd."""
    from autograd import value_and_grad

    xp = _autograd()
    differentiate = value_and_grad(lambda p: problem.function(xp, p, *problem.data))
    return lambda: differentiate(problem.parameters)


def autograd_hessian(problem: Any) -> Callable[[], Any]:
    """autograd's hessian."""
    from autograd import hessian

    xp = _autograd()
    function = hessian(lambda p: problem.function(xp, p, *problem.data))
    return lambda: function(problem.parameters)


def jax(problem: Any) -> Gradient:
    """JAX, jitted, in float64; data are arguments."""
    import jax

    jax.config.update("jax_enable_x64", True)
    jnp = jax.numpy
    xp = SimpleNamespace(
        **{name: getattr(jnp, name) for name in NAMES},
        cholesky=jnp.linalg.cholesky,
        solve=jnp.linalg.solve,
        diagonal=jnp.diagonal,
        rfft=jnp.fft.rfft,
        logsumexp=jax.nn.logsumexp,
        gammaln=jax.scipy.special.gammaln,
        erf=jax.scipy.special.erf,
    )
    function = jax.jit(jax.value_and_grad(lambda p, *data: problem.function(xp, p, *data)))
    p, data = jnp.array(problem.parameters), [jnp.array(x) for x in problem.data]
    return lambda: jax.block_until_ready(function(p, *data))


def torch(problem: Any) -> Gradient:
    """PyTorch, eager."""
    torch = peers.torch()
    assert torch is not None
    xp = SimpleNamespace(
        **{name: getattr(torch, name) for name in NAMES if name not in ("stack", "cumsum")},
        stack=lambda xs: torch.stack([torch.as_tensor(x) for x in xs]),
        cumsum=lambda x, axis: torch.cumsum(x, axis),
        cholesky=torch.linalg.cholesky,
        solve=lambda a, b: torch.linalg.solve(a, torch.as_tensor(b)),
        diagonal=torch.diagonal,
        rfft=torch.fft.rfft,
        logsumexp=lambda x, axis: torch.logsumexp(x, axis),
        gammaln=torch.lgamma,
        erf=torch.erf,
    )
    data = [torch.as_tensor(x) for x in problem.data]
    p = torch.tensor(problem.parameters, requires_grad=True)

    def step() -> Any:
        y = problem.function(xp, p, *data)
        [gx] = torch.autograd.grad(y, p)
        return y.detach(), gx

    return step


CONTENDERS: dict[str, tuple[str, Callable[[Any], Gradient]]] = {
    "autograd": ("autograd", autograd),
    "torch": ("PyTorch", torch),
    "jax": ("JAX (jit)", jax),
    "eager": ("descend eager", descend_eager),
    "compiled": ("descend compiled", descend_compiled),
}

REFERENCE = "autograd"


def close(a: Any, b: Any) -> bool:
    """Whether two (value, gradient) agree."""
    return all(
        np.allclose(np.asarray(x), np.asarray(y), rtol=1e-6, atol=1e-8)
        for x, y in zip(a, b, strict=True)
    )

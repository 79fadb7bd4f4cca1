"""Layers around a layer, whose weight they compute from what is trained."""

from __future__ import annotations

import copy
from typing import Any

from descend import functions as F
from descend.core.config import config
from descend.core.errors import kind_of
from descend.core.variable import Parameter, Variable, array_of
from descend.functions.axis import axes_of, axis_of
from descend.functions.random import Generator
from descend.nn import init
from descend.nn.convolution import ConvTranspose1d, ConvTranspose2d, ConvTranspose3d
from descend.nn.module import Module, watcher


class Parametrized(Module):
    """The base of layers that call ``module`` with something else in the place of a parameter.

    The parameter stays what it is and where it is, and is trained.
    """

    def __init__(self, module: Module, name: str) -> None:
        kind = type(self).__name__
        if not isinstance(module, Module):
            raise TypeError(f"{kind}: module is {kind_of(module)}, a Module is needed")
        found = dict(module.own_parameters())
        if name not in found:
            raise ValueError(
                f"{kind}: {type(module).__name__} has no parameter {name!r}, it has "
                f"{', '.join(found) or 'none'}: wrap the layer that has it"
            )
        self.module = module
        self.name = name

    @property
    def parameter(self) -> Parameter:
        """The parameter of the module."""
        return getattr(self.module, self.name)

    def called_with(self, weight: Any, xs: tuple[Any, ...], params: dict[str, Any]) -> Any:
        """What the module answers with this weight."""
        # A twin has the other weight: the module itself may be running in another thread.
        twin = copy.copy(self.module)
        vars(twin)[self.name] = weight
        trace, told = config().trace, watcher.get()
        if trace is not None:
            trace.depends(vars(self.module))
        y = twin.forward(*xs, **params)
        if told is not None:
            told(self.module, y)
        return y


class SpectralNorm(Parametrized):
    """``module`` with a weight whose largest singular value is 1; `functions.spectral_norm`.

    Each call in training makes ``n_power_iterations`` towards that singular value, from where the
    last one came to: ``u``, a buffer. ``axis`` is that of the weight's rows: None for the one of
    the outputs, which is 0, and 1 in transposed convolutions.

    >>> layer = descend.nn.SpectralNorm(descend.nn.Linear(3, 2))
    >>> [*layer.state_dict()]
    ['u', 'module.weight', 'module.bias']
    """

    u: Variable

    def __init__(
        self,
        module: Module,
        name: str = "weight",
        n_power_iterations: int = 1,
        axis: int | None = None,
        eps: float = 1e-12,
        *,
        rng: Generator | int | None = None,
    ) -> None:
        super().__init__(module, name)
        if n_power_iterations < 1:
            raise ValueError(
                f"SpectralNorm: n_power_iterations={n_power_iterations} came, at least 1 is needed"
            )
        weight = self.parameter
        if weight.ndim < 2:
            raise ValueError(f"SpectralNorm: {name} {weight.shape} came, a matrix is needed")
        if axis is None:
            transposed = isinstance(module, ConvTranspose1d | ConvTranspose2d | ConvTranspose3d)
            axis = 1 if transposed and name == "weight" else 0
        self.n_power_iterations = n_power_iterations
        self.axis = axis_of("SpectralNorm", axis, weight.ndim)
        self.eps = eps
        rng = init.rng_or_default("rng", rng)
        start = rng.normal((weight.shape[self.axis],), dtype=weight.dtype)
        # Far enough from chance that the first steps are no leaps, as in PyTorch
        _, u = F.spectral_norm(weight.data, start, 15, self.axis, eps)
        self.register_buffer("u", u)

    def forward(self, *xs: Any, **params: Any) -> Any:
        """What the module answers with the weight divided by its largest singular value."""
        training = self.training and config().train
        iterations = self.n_power_iterations if training else 0
        weight, u = F.spectral_norm(self.parameter, self.u, iterations, self.axis, self.eps)
        y = self.called_with(weight, xs, params)
        if training:
            self.u.data = array_of(u)
        return y

    def extra_repr(self) -> str:
        """What is normalized, and how."""
        return f"name={self.name!r}, n_power_iterations={self.n_power_iterations}, axis={self.axis}"


class WeightNorm(Parametrized):
    """``module`` with a weight g v / norm(v): length and direction are trained by themselves.

    v is the module's own parameter; g, ``magnitude``, has a number for each place along ``axis``
    (None: one for all) and starts as the norm of v, so that nothing changes at first. T. Salimans,
    D. Kingma, "Weight normalization", 2016, https://doi.org/10.48550/arXiv.1602.07868.

    >>> layer = descend.nn.WeightNorm(descend.nn.Linear(3, 2))
    >>> {name: x.shape for name, x in layer.named_parameters()}
    {'magnitude': (2, 1), 'module.weight': (2, 3), 'module.bias': (2,)}
    """

    def __init__(self, module: Module, name: str = "weight", axis: int | None = 0) -> None:
        super().__init__(module, name)
        weight = self.parameter
        kept = () if axis is None else axes_of("WeightNorm", axis, weight.ndim)
        self.axis = axis
        self.summed = tuple(i for i in range(weight.ndim) if i not in kept)
        length = F.norm(weight.data, axis=self.summed, keepdims=True)
        self.magnitude = Parameter(length, "magnitude")

    def forward(self, *xs: Any, **params: Any) -> Any:
        """What the module answers with the weight in its length."""
        v = self.parameter
        length = F.norm(v, axis=self.summed, keepdims=True)
        return self.called_with(self.magnitude * (v / length), xs, params)

    def extra_repr(self) -> str:
        """What is normalized, and how."""
        return f"name={self.name!r}, axis={self.axis}"

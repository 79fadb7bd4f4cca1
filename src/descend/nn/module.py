"""A network, or a part of one: parameters, buffers and other modules, and how they compute."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextvars import ContextVar
from typing import Any, Self

import numpy as np

from descend.core.arrays import is_array, is_inexact
from descend.core.config import config
from descend.core.errors import kind_of
from descend.core.variable import Parameter, Variable
from descend.nn import state

watcher: ContextVar[Callable[[Module, Any], None] | None] = ContextVar("watcher", default=None)
"""Is told of every module that was called, and of what it answered."""


class Module:
    """The base of every layer and network.

    What is assigned to ``self`` is found by its type, in the order of assignment: a `Parameter`, a
    Module, and the buffers that `register_buffer` names. ``forward`` computes; the module is called
    like a function.

        class Net(nn.Module):
            def __init__(self):
                self.hidden = nn.Linear(784, 100)
                self.output = nn.Linear(100, 10)

            def forward(self, x):
                return self.output(F.relu(self.hidden(x)))

    Modules in a list belong into a `ModuleList`. A module or parameter under two names is counted
    once, and stored under both.
    """

    training: bool = True
    """Does it behave as in training? Set by `train` and `eval`."""

    _buffers: dict[str, bool] = {}  # noqa: RUF012  never written, only replaced
    """The names of the buffers, and whether they are stored."""

    def forward(self, *xs: Any, **params: Any) -> Any:
        """What the module computes."""
        raise NotImplementedError(f"{type(self).__name__}: the class has no forward")

    def __call__(self, *xs: Any, **params: Any) -> Any:
        """What `forward` computes."""
        trace = config().trace
        if trace is not None:  # a recording holds for these settings only
            trace.depends(vars(self))
        y = self.forward(*xs, **params)
        told = watcher.get()
        if told is not None:
            told(self, y)
        return y

    def __setattr__(self, name: str, value: Any) -> None:
        # A parameter replaced by an array would go on to compute, and no longer be trained.
        old = vars(self).get(name)
        kind = next((k for k in (Parameter, Module, Variable) if isinstance(old, k)), object)
        if value is not None and not isinstance(value, kind):
            raise TypeError(
                f"{type(self).__name__}: {name} is a {kind.__name__}, {kind_of(value)} cannot "
                f"replace it: assign to {name}.data, or del {name} first"
            )
        super().__setattr__(name, value)

    # ---- what it is made of -----------------------------------------------------------------

    def register_buffer(self, name: str, value: Any, persistent: bool = True) -> None:
        """Let ``self.name`` be a Variable that belongs to the state and is not trained.

        ``value`` is an array, a Variable, or None for no buffer of that name. Where it is not
        ``persistent`` it moves with the module and is not stored.
        """
        if not name.isidentifier() or (hasattr(self, name) and name not in self._buffers):
            raise ValueError(
                f"{type(self).__name__}: {name!r} cannot be the name of a buffer: it is no "
                f"identifier, or something else has it"
            )
        if value is not None and not isinstance(value, Variable):
            value = Variable(value if is_array(value) else np.asarray(value), name)
        if value is not None:
            value.requires_grad = False
        self._buffers = {**self._buffers, name: persistent}
        setattr(self, name, value)

    def own_parameters(self) -> Iterator[tuple[str, Parameter]]:
        """The names and parameters of this module without those below it."""
        for name, value in vars(self).items():
            if isinstance(value, Parameter) and name not in self._buffers:
                yield name, value

    def own_buffers(self, *, stored: bool = False) -> Iterator[tuple[str, Variable]]:
        """The names and buffers of this module without those below it; only ``stored`` ones."""
        for name, persistent in self._buffers.items():
            value = vars(self).get(name)
            if value is not None and (persistent or not stored):
                yield name, value

    def named_children(self) -> Iterator[tuple[str, Module]]:
        """The names and modules that are attributes of this one."""
        for name, value in vars(self).items():
            if isinstance(value, Module):
                yield name, value
            elif isinstance(value, (list, tuple, dict)):
                self._refuse_hidden(name, value)

    def _refuse_hidden(self, name: str, held: Any) -> None:
        """TypeError if a plain container holds what would not be found: it would not be trained."""
        for value in held.values() if isinstance(held, dict) else held:
            if isinstance(value, (Module, Parameter)):
                raise TypeError(
                    f"{type(self).__name__}: the {type(value).__name__} in the "
                    f"{type(held).__name__} {name!r} would not be found: use an nn.ModuleList, "
                    f"or an attribute for each"
                )

    def children(self) -> Iterator[Module]:
        """The modules that are attributes of this one."""
        return (child for _, child in self.named_children())

    def named_modules(self, prefix: str = "") -> Iterator[tuple[str, Module]]:
        """This module and all below it, each once, with dotted names."""
        return _each_once(state.walk(self, prefix))

    def modules(self) -> Iterator[Module]:
        """This module and all below it, each once."""
        return (module for _, module in self.named_modules())

    def named_parameters(self, prefix: str = "") -> Iterator[tuple[str, Parameter]]:
        """All parameters, each once, with dotted names."""
        return _each_once(
            (f"{path}.{name}" if path else name, value)
            for path, module in self.named_modules(prefix)
            for name, value in module.own_parameters()
        )

    def parameters(self) -> Iterator[Parameter]:
        """All parameters, each once."""
        return (parameter for _, parameter in self.named_parameters())

    def named_buffers(self, prefix: str = "") -> Iterator[tuple[str, Variable]]:
        """All buffers, each once, with dotted names."""
        return _each_once(
            (f"{path}.{name}" if path else name, value)
            for path, module in self.named_modules(prefix)
            for name, value in module.own_buffers()
        )

    def buffers(self) -> Iterator[Variable]:
        """All buffers, each once."""
        return (buffer for _, buffer in self.named_buffers())

    # ---- state ------------------------------------------------------------------------------

    def state_dict(self) -> dict[str, np.ndarray]:
        """Every parameter and stored buffer by its dotted name, as a NumPy array of its own."""
        return state.state_dict(self)

    def load_state_dict(self, state_dict: Any, strict: bool = True) -> state.LoadResult:
        """Take over the arrays of a `state_dict`, cast to the dtypes there are.

        Raises ValueError that lists the names that are missing, unexpected, or of another shape;
        then nothing was changed. Without ``strict`` only the last are an error, and the answer
        names the others.
        """
        return state.load_state_dict(self, state_dict, strict)

    # ---- modes, devices, dtypes -------------------------------------------------------------

    def train(self, mode: bool = True) -> Self:
        """Behave as in training: dropout drops, batch normalization follows the batch."""
        for module in self.modules():
            module.training = mode
        return self

    def eval(self) -> Self:
        """Behave as in use."""
        return self.train(False)

    def zero_grad(self) -> None:
        """Forget all gradients."""
        for parameter in self.parameters():
            parameter.cleargrad()

    def requires_grad_(self, requires_grad: bool = True) -> Self:
        """Whether the parameters get gradients; without, they are constants."""
        for parameter in self.parameters():
            parameter.requires_grad = requires_grad and is_inexact(parameter.dtype)
        return self

    def to_cpu(self) -> Self:
        """Move parameters, their gradients and buffers into the main memory."""
        for x in self._variables():
            x.to_cpu()
        return self

    def to_gpu(self) -> Self:
        """Move parameters, their gradients and buffers onto the GPU.

        Raises RuntimeError where there is no CuPy or no GPU.
        """
        for x in self._variables():
            x.to_gpu()
        return self

    def astype(self, dtype: Any) -> Self:
        """Cast parameters and buffers that are floating point; forgets the gradients."""
        dtype = np.dtype(dtype)
        if not is_inexact(dtype):
            raise TypeError(f"astype: dtype is {dtype}, parameters need a floating one")
        self.zero_grad()
        for x in self._variables():
            if is_inexact(x.dtype):
                x.data = x.data.astype(dtype)
        return self

    def float(self) -> Self:
        """Cast to float32."""
        return self.astype(np.float32)

    def double(self) -> Self:
        """Cast to float64."""
        return self.astype(np.float64)

    def _variables(self) -> list[Variable]:
        """Parameters, their gradients and buffers."""
        parameters = list(self.parameters())
        grads = [p.grad for p in parameters if p.grad is not None]
        return [*parameters, *grads, *self.buffers()]

    # ---- showing ----------------------------------------------------------------------------

    def extra_repr(self) -> str:
        """What stands between the parentheses of a layer's repr."""
        return ""

    def __repr__(self) -> str:
        lines = [self.extra_repr()] if self.extra_repr() else []
        children = [
            f"({name}): " + repr(child).replace("\n", "\n  ")
            for name, child in self.named_children()
        ]
        if not children:
            return f"{type(self).__name__}({''.join(lines)})"
        return f"{type(self).__name__}(\n  " + "\n  ".join(lines + children) + "\n)"

    def summary(self, *xs: Any) -> str:
        """A table of the layers: what each answers, and how many parameters it has.

        Each of ``xs`` is an input, or the shape of one, which is filled with zeros.
        """
        from descend.nn.summary import summary  # it stands above this file

        return summary(self, *xs)


def _each_once(named: Iterator[tuple[str, Any]]) -> Iterator[tuple[str, Any]]:
    """The pairs, without those whose object came before under another name."""
    seen: set[int] = set()
    for name, value in named:
        if id(value) not in seen:
            seen.add(id(value))
            yield name, value

"""Recurrent layers over sequences, and the cells they are made of."""

from __future__ import annotations

from collections.abc import Iterator
from math import sqrt
from typing import Any, ClassVar

import numpy as np

from descend import functions as F
from descend.core.config import config
from descend.core.errors import shape_of
from descend.core.function import as_operand
from descend.core.variable import Parameter
from descend.functions.random import Generator, default_rng
from descend.nn import init
from descend.nn.module import Module


class Recurrent(Module):
    """The base of the layers: ``num_layers`` of them on top of each other, in one direction or two.

    Called with x (T, N, input_size), or (N, T, input_size) with ``batch_first``, or one sequence
    (T, input_size), it answers the hidden states of the last layer, (..., hidden_size) or twice
    that with ``bidirectional``, and the state behind the last step of each layer and direction:
    (num_layers * directions, N, hidden_size). ``hx`` is the state to begin with, zeros if None.
    ``lengths`` (N,) says where sequences of a batch end; behind that the answer is 0.

    In training, each element between two layers is 0 with probability ``dropout``. Parameters are
    named as PyTorch's and start uniform within 1 / sqrt(hidden_size).
    """

    gates: ClassVar[int] = 1
    states: ClassVar[int] = 1

    def __init__(
        self,
        input_size: int,
        hidden_size: int,
        num_layers: int = 1,
        bias: bool = True,
        batch_first: bool = False,
        dropout: float = 0.0,
        bidirectional: bool = False,
        *,
        dtype: Any = np.float32,
        rng: Generator | int | None = None,
    ) -> None:
        name = type(self).__name__
        for argument, size in (("hidden_size", hidden_size), ("num_layers", num_layers)):
            if size < 1:
                raise ValueError(f"{name}: {argument} is {size}, at least 1 is needed")
        if not 0 <= dropout <= 1:
            raise ValueError(f"{name}: dropout is {dropout}, a probability from 0 to 1 is needed")
        self.input_size = input_size
        self.hidden_size = hidden_size
        self.num_layers = num_layers
        self.bias = bias
        self.batch_first = batch_first
        self.dropout = dropout
        self.bidirectional = bidirectional
        generator = init.rng_or_default("rng", rng)
        self.rng = None if rng is None else default_rng(rng)
        for layer, suffix in self._directions():
            inputs = input_size if layer == 0 else hidden_size * (1 + bidirectional)
            shapes = _shapes(self.gates, inputs, hidden_size, bias)
            for kind, parameter in _parameters(shapes, hidden_size, dtype, generator):
                setattr(self, f"{kind}_l{layer}{suffix}", parameter)

    def _directions(self) -> Iterator[tuple[int, str]]:
        """Each layer with the suffix of each of its directions, in the order of the states."""
        for layer in range(self.num_layers):
            yield layer, ""
            if self.bidirectional:
                yield layer, "_reverse"

    def _weights(self, layer: int, suffix: str) -> tuple[Any, ...]:
        kinds = "weight_ih", "weight_hh", "bias_ih", "bias_hh"
        return tuple(getattr(self, f"{kind}_l{layer}{suffix}", None) for kind in kinds)

    def _run(self, x: Any, state: Any, weights: Any, lengths: Any, reverse: bool) -> Any:
        """One layer in one direction: all hidden states, then the last state."""
        raise NotImplementedError

    def forward(self, x: Any, hx: Any = None, lengths: Any = None) -> Any:
        """The hidden states, and the last state: h, or (h, c) of an LSTM."""
        x = as_operand(x)
        if x.ndim not in (2, 3) or x.shape[-1] != self.input_size:
            raise ValueError(
                f"{type(self).__name__}: x {shape_of(x)} came, "
                f"{'(N, T, in)' if self.batch_first else '(T, N, in)'} or (T, in) "
                f"with in={self.input_size} is needed"
            )
        single = x.ndim == 2
        if single:
            x = F.expand_dims(x, 1)
        elif self.batch_first:
            x = F.swapaxes(x, 0, 1)
        state = self._first_state(x, hx, single)
        last: list[tuple[Any, ...]] = []
        ys: list[Any] = []
        for i, (layer, suffix) in enumerate(self._directions()):
            if suffix == "" and layer > 0:  # what both directions of the layer below have answered
                x = ys[0] if len(ys) == 1 else F.concatenate(ys, axis=-1)
                training = self.training and config().train
                x = F.dropout(x, self.dropout, training, self.rng) if self.dropout else x
                ys = []
            own = tuple(part[i] for part in state)
            weights = self._weights(layer, suffix)
            y, *new = self._run(x, own, weights, lengths, suffix == "_reverse")
            ys.append(y)
            last.append(tuple(new))
        y = ys[0] if len(ys) == 1 else F.concatenate(ys, axis=-1)
        new_state = tuple(F.stack(parts) for parts in zip(*last, strict=True))
        if single:
            y = y[:, 0]
            new_state = tuple(part[:, 0] for part in new_state)
        elif self.batch_first:
            y = F.swapaxes(y, 0, 1)
        return y, new_state if self.states > 1 else new_state[0]

    def _first_state(self, x: Any, hx: Any, single: bool) -> tuple[Any, ...]:
        """The state to begin with as a tuple of (layers and directions, N, hidden)."""
        count = self.num_layers * (1 + self.bidirectional)
        shape = (count, x.shape[1], self.hidden_size)
        if hx is None:
            return (np.zeros(shape, x.dtype),) * self.states
        state = tuple(as_operand(part) for part in (hx if self.states > 1 else (hx,)))
        if single:
            state = tuple(F.expand_dims(part, 1) if part.ndim == 2 else part for part in state)
        if len(state) != self.states or any(part.shape != shape for part in state):
            came = ", ".join(shape_of(part) for part in state)
            raise ValueError(
                f"{type(self).__name__}: a state of {came} came, "
                f"{' and '.join([str(shape)] * self.states)} is needed"
            )
        return state

    def extra_repr(self) -> str:
        """PyTorch's: the sizes, then what differs from the defaults."""
        parts = [f"{self.input_size}, {self.hidden_size}"]
        for name, default in (
            ("num_layers", 1), ("bias", True), ("batch_first", False), ("dropout", 0.0),
            ("bidirectional", False),
        ):  # fmt: skip
            value = getattr(self, name)
            if value != default:
                parts.append(f"{name}={value}")
        return ", ".join(parts)


class RNN(Recurrent):
    """Elman's network: h = tanh(x @ weight_ih.T + bias_ih + h @ weight_hh.T + bias_hh).

    ``nonlinearity`` may be "relu". The other arguments are those of `Recurrent`.
    """

    def __init__(self, *sizes: Any, nonlinearity: str = "tanh", **options: Any) -> None:
        if nonlinearity not in ("tanh", "relu"):
            raise ValueError(f"RNN: nonlinearity is {nonlinearity!r}, 'tanh' or 'relu' is needed")
        self.nonlinearity = nonlinearity
        super().__init__(*sizes, **options)

    def _run(self, x: Any, state: Any, weights: Any, lengths: Any, reverse: bool) -> Any:
        return F.rnn(
            x, *state, *weights, nonlinearity=self.nonlinearity, lengths=lengths, reverse=reverse
        )


class LSTM(Recurrent):
    """Long short-term memory; its state is the pair (h, c)."""

    gates = 4
    states = 2

    def _run(self, x: Any, state: Any, weights: Any, lengths: Any, reverse: bool) -> Any:
        return F.lstm(x, *state, *weights, lengths=lengths, reverse=reverse)


class GRU(Recurrent):
    """Gated recurrent units."""

    gates = 3

    def _run(self, x: Any, state: Any, weights: Any, lengths: Any, reverse: bool) -> Any:
        return F.gru(x, *state, *weights, lengths=lengths, reverse=reverse)


class Cell(Module):
    """The base of the cells: one step, with x (N, input_size) and a state of (N, hidden_size).

    The state is zeros if None.
    """

    gates: ClassVar[int] = 1
    weight_ih: Parameter
    weight_hh: Parameter
    bias_ih: Parameter | None
    bias_hh: Parameter | None

    def __init__(
        self,
        input_size: int,
        hidden_size: int,
        bias: bool = True,
        *,
        dtype: Any = np.float32,
        rng: Generator | int | None = None,
    ) -> None:
        self.input_size = input_size
        self.hidden_size = hidden_size
        self.bias_ih = self.bias_hh = None
        shapes = _shapes(self.gates, input_size, hidden_size, bias)
        generator = init.rng_or_default("rng", rng)
        for kind, parameter in _parameters(shapes, hidden_size, dtype, generator):
            setattr(self, kind, parameter)

    def _given(self, x: Any, state: Any) -> tuple[Any, Any]:
        x = as_operand(x)
        if state is None:
            state = np.zeros((*x.shape[:-1], self.hidden_size), x.dtype)
        return x, state

    @property
    def _weights(self) -> tuple[Any, ...]:
        return self.weight_ih, self.weight_hh, self.bias_ih, self.bias_hh

    def extra_repr(self) -> str:
        """PyTorch's."""
        bias = "" if self.bias_ih is not None else ", bias=False"
        return f"{self.input_size}, {self.hidden_size}{bias}"


class RNNCell(Cell):
    """One step of an `RNN`."""

    def __init__(self, *sizes: Any, nonlinearity: str = "tanh", **options: Any) -> None:
        self.nonlinearity = nonlinearity
        super().__init__(*sizes, **options)

    def forward(self, x: Any, hx: Any = None) -> Any:
        """The next hidden state."""
        x, h = self._given(x, hx)
        return F.rnn_cell(x, h, *self._weights, nonlinearity=self.nonlinearity)


class LSTMCell(Cell):
    """One step of an `LSTM`."""

    gates = 4

    def forward(self, x: Any, hx: Any = None) -> Any:
        """The next state (h, c)."""
        h, c = (None, None) if hx is None else hx
        x, h = self._given(x, h)
        return F.lstm_cell(x, h, self._given(x, c)[1], *self._weights)


class GRUCell(Cell):
    """One step of a `GRU`."""

    gates = 3

    def forward(self, x: Any, hx: Any = None) -> Any:
        """The next hidden state."""
        x, h = self._given(x, hx)
        return F.gru_cell(x, h, *self._weights)


def _shapes(gates: int, inputs: int, hidden: int, bias: bool) -> dict[str, tuple[int, ...]]:
    rows = gates * hidden
    shapes: dict[str, tuple[int, ...]] = {
        "weight_ih": (rows, inputs), "weight_hh": (rows, hidden)
    }  # fmt: skip
    return {**shapes, "bias_ih": (rows,), "bias_hh": (rows,)} if bias else shapes


def _parameters(
    shapes: dict[str, tuple[int, ...]], hidden: int, dtype: Any, rng: Any
) -> Iterator[tuple[str, Parameter]]:
    """The parameters of one direction with their first values, by kind."""
    bound = 1 / sqrt(hidden)
    for kind, shape in shapes.items():
        parameter = Parameter(np.empty(shape, dtype), kind)
        init.uniform_(parameter, -bound, bound, rng)
        yield kind, parameter

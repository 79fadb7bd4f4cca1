"""Recurrent networks: one cell, and one layer of cells over a sequence.

The gates stand in PyTorch's order in the rows of the weights: input, forget, cell, output in an
LSTM; reset, update, new in a GRU. Called op by op, sequences of some length go through native
programs of `CHUNK` steps each, whatever their length.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import numpy as np

from descend import functions as F
from descend.core.acceleration import accelerator
from descend.core.arrays import as_array
from descend.core.errors import shape_of
from descend.core.function import as_operand
from descend.core.variable import array_of
from descend.functions.registry import Sample, composition

CHUNK = 8
"""The steps in one native program: longer ones are hardly faster and take longer to compile."""

SHORT = 4
"""The steps of a sequence that is not worth a program."""

State = tuple[Any, ...]
"""What goes from step to step: (h,), or (h, c) in an LSTM."""

Cell = Callable[[Any, Any, State], State]
"""The state after a step, from the inputs' part of the gates, the hidden state's, and the state."""


# ---- the cells ----------------------------------------------------------------------------------


def _tanh(x: Any, h: Any, state: State) -> State:
    return (F.tanh(x + h),)


def _relu(x: Any, h: Any, state: State) -> State:
    return (F.relu(x + h),)


def _lstm(x: Any, h: Any, state: State) -> State:
    i, f, g, o = F.split(x + h, 4, axis=-1)
    c = F.sigmoid(f) * state[1] + F.sigmoid(i) * F.tanh(g)
    return F.sigmoid(o) * F.tanh(c), c


def _gru(x: Any, h: Any, state: State) -> State:
    (xr, xz, xn), (hr, hz, hn) = F.split(x, 3, axis=-1), F.split(h, 3, axis=-1)
    z = F.sigmoid(xz + hz)
    n = F.tanh(xn + F.sigmoid(xr + hr) * hn)
    return (n + z * (state[0] - n),)


CELLS: dict[str, tuple[Cell, int]] = {
    "rnn_tanh": (_tanh, 1), "rnn_relu": (_relu, 1), "lstm": (_lstm, 4), "gru": (_gru, 3)
}  # fmt: skip
"""Each kind of cell and the number of its gates."""

CELL = (
    Sample((2, 3), (2, 2), (2, 3), (2, 2), (2,), (2,)),
    Sample((3,), (2,), (2, 3), (2, 2)),
    Sample((0, 3), (0, 2), (2, 3), (2, 2), (2,), (2,)),
)


@composition(*CELL, Sample((2, 3), (2, 2), (2, 3), (2, 2), nonlinearity="relu"))
def rnn_cell(x, h, weight_ih, weight_hh, bias_ih=None, bias_hh=None, nonlinearity="tanh"):
    """The next hidden state tanh(x @ weight_ih.T + bias_ih + h @ weight_hh.T + bias_hh).

    x is (..., in), h (..., hidden), the weights (hidden, in) and (hidden, hidden); Elman, 1990,
    https://doi.org/10.1207/s15516709cog1402_1. ``nonlinearity`` may be "relu".

    >>> F.rnn_cell(np.array([1.0]), np.array([0.0]), np.array([[0.5]]), np.array([[1.0]]))
    array([0.46211716])
    """
    kind = _kind_of_rnn("rnn_cell", nonlinearity)
    return _one_step("rnn_cell", kind, x, (h,), weight_ih, weight_hh, bias_ih, bias_hh)[0]


@composition(
    Sample((2, 3), (2, 2), (2, 2), (8, 3), (8, 2), (8,), (8,)),
    Sample((3,), (2,), (2,), (8, 3), (8, 2)),
)
def lstm_cell(x, h, c, weight_ih, weight_hh, bias_ih=None, bias_hh=None):
    """The next hidden state and the next cell state of an LSTM: (h, c).

    x is (..., in), h and c (..., hidden), the weights (4 * hidden, in) and (4 * hidden, hidden).
    Hochreiter and Schmidhuber, 1997, https://doi.org/10.1162/neco.1997.9.8.1735.

    >>> one, zero = np.array([1.0]), np.array([0.0])
    >>> F.lstm_cell(one, zero, zero, np.ones((4, 1)), np.ones((4, 1)))
    (array([0.36960635]), array([0.55676994]))
    """
    return _one_step("lstm_cell", "lstm", x, (h, c), weight_ih, weight_hh, bias_ih, bias_hh)


@composition(
    Sample((2, 3), (2, 2), (6, 3), (6, 2), (6,), (6,)),
    Sample((3,), (2,), (6, 3), (6, 2)),
)
def gru_cell(x, h, weight_ih, weight_hh, bias_ih=None, bias_hh=None):
    """The next hidden state of a GRU, whose reset gate multiplies weight_hh @ h + bias_hh.

    x is (..., in), h (..., hidden), the weights (3 * hidden, in) and (3 * hidden, hidden).
    Cho et al., 2014, https://doi.org/10.48550/arXiv.1406.1078.

    >>> F.gru_cell(np.array([1.0]), np.array([0.0]), np.ones((3, 1)), np.ones((3, 1)))
    array([0.20482421])
    """
    return _one_step("gru_cell", "gru", x, (h,), weight_ih, weight_hh, bias_ih, bias_hh)[0]


# ---- the layers ---------------------------------------------------------------------------------


@composition(
    Sample((3, 2, 3), (2, 2), (2, 3), (2, 2), (2,), (2,)),
    Sample((3, 2, 3), (2, 2), (2, 3), (2, 2), lengths=np.array([1, 3])),
    Sample((2, 1, 1), (1, 1), (1, 1), (1, 1), nonlinearity="relu", reverse=True),
)
def rnn(
    x, h, weight_ih, weight_hh, bias_ih=None, bias_hh=None,
    nonlinearity="tanh", lengths=None, reverse=False,
):  # fmt: skip
    """The hidden states of `rnn_cell` along a sequence, and the last: ((T, N, hidden), h).

    x is (T, N, in) and h (N, hidden). With ``lengths`` (N,), a sequence ends early: its states
    behind that are 0, and its last state is the one at its end. With ``reverse`` each sequence is
    read from its end.

    >>> y, h = F.rnn(np.ones((2, 1, 1)), np.zeros((1, 1)), np.ones((1, 1)), np.ones((1, 1)))
    >>> y.ravel()
    array([0.76159416, 0.94268079])
    """
    kind = _kind_of_rnn("rnn", nonlinearity)
    weights = weight_ih, weight_hh, bias_ih, bias_hh
    return _layer("rnn", kind, x, (h,), weights, lengths, reverse)


@composition(
    Sample((3, 2, 3), (2, 2), (2, 2), (8, 3), (8, 2), (8,), (8,)),
    Sample((2, 2, 1), (2, 1), (2, 1), (4, 1), (4, 1), lengths=np.array([2, 1]), reverse=True),
)
def lstm(
    x, h, c, weight_ih, weight_hh, bias_ih=None, bias_hh=None, lengths=None, reverse=False
):  # fmt: skip
    """The hidden states of `lstm_cell` along a sequence, and the last states: (y, h, c).

    x is (T, N, in), h and c are (N, hidden), y is (T, N, hidden); ``lengths`` and ``reverse`` are
    those of `rnn`.

    >>> x, zeros = np.ones((2, 1, 1)), np.zeros((1, 1))
    >>> y, h, c = F.lstm(x, zeros, zeros, np.ones((4, 1)), np.ones((4, 1)))
    >>> y.ravel()
    array([0.36960635, 0.65053522])
    """
    weights = weight_ih, weight_hh, bias_ih, bias_hh
    return _layer("lstm", "lstm", x, (h, c), weights, lengths, reverse)


@composition(
    Sample((3, 2, 3), (2, 2), (6, 3), (6, 2), (6,), (6,)),
    Sample((2, 2, 1), (2, 1), (3, 1), (3, 1), lengths=np.array([2, 1]), reverse=True),
)
def gru(
    x, h, weight_ih, weight_hh, bias_ih=None, bias_hh=None, lengths=None, reverse=False
):  # fmt: skip
    """The hidden states of `gru_cell` along a sequence, and the last: ((T, N, hidden), h).

    x is (T, N, in) and h (N, hidden); ``lengths`` and ``reverse`` are those of `rnn`.

    >>> y, h = F.gru(np.ones((2, 1, 1)), np.zeros((1, 1)), np.ones((3, 1)), np.ones((3, 1)))
    >>> y.ravel()
    array([0.20482421, 0.34675308])
    """
    weights = weight_ih, weight_hh, bias_ih, bias_hh
    return _layer("gru", "gru", x, (h,), weights, lengths, reverse)


# ---- how ----------------------------------------------------------------------------------------


def _one_step(name: str, kind: str, x: Any, state: State, *weights: Any) -> State:
    x, state = as_operand(x), tuple(as_operand(part) for part in state)
    _check_weights(name, kind, x, state, weights)
    weight_ih, weight_hh, bias_ih, bias_hh = weights
    cell, _ = CELLS[kind]
    return cell(F.linear(x, weight_ih, bias_ih), F.linear(state[0], weight_hh, bias_hh), state)


def _layer(
    name: str, kind: str, x: Any, state: State, weights: Any, lengths: Any, reverse: bool
) -> tuple[Any, ...]:
    """All hidden states (T, N, hidden), then the last state."""
    x, state = as_operand(x), tuple(as_operand(part) for part in state)
    if x.ndim != 3 or any(part.ndim != 2 for part in state):
        came = " and ".join(shape_of(part) for part in state)
        raise ValueError(
            f"{name}: x {shape_of(x)} came and a state of {came}, "
            f"(T, N, in) and (N, hidden) are needed"
        )
    if len(x) == 0:
        raise ValueError(f"{name}: x {x.shape} has no step")
    _check_weights(name, kind, x, state, weights)
    mask = None if lengths is None else _mask(name, lengths, x.shape)
    native = accelerator() if len(x) > SHORT else None
    ys: list[Any] = []
    for part in _parts(len(x), CHUNK if native else len(x), reverse):
        given = [x[part], None if mask is None else mask[part], *weights, *state]
        params = {"kind": kind, "reverse": reverse}
        y, *new = native.composite(_steps, given, params) if native else _steps(*given, **params)
        ys.append(y)
        state = tuple(new)
    ys = ys[::-1] if reverse else ys
    return ys[0] if len(ys) == 1 else F.concatenate(ys), *state


def _steps(
    x: Any, mask: Any, weight_ih: Any, weight_hh: Any, bias_ih: Any, bias_hh: Any,
    *state: Any, kind: str, reverse: bool,
) -> tuple[Any, ...]:  # fmt: skip
    """Some steps of a layer: the hidden states, then the state behind them."""
    cell, _ = CELLS[kind]
    gates = F.linear(x, weight_ih, bias_ih)  # the products with all inputs at once
    ys: list[Any] = [None] * len(x)
    for i in reversed(range(len(x))) if reverse else range(len(x)):
        new = cell(gates[i], F.linear(state[0], weight_hh, bias_hh), state)
        ys[i] = new[0]
        if mask is not None:
            ys[i] = F.where(mask[i], ys[i], 0)
            new = tuple(F.where(mask[i], n, old) for n, old in zip(new, state, strict=True))
        state = new
    return F.stack(ys), *state


def _parts(steps: int, most: int, reverse: bool) -> Iterator[slice]:
    """The sequence in parts of ``most`` steps, then of halves of that, in the order of reading.

    So a handful of programs serve sequences of every length.
    """
    at = 0
    while at < steps:
        while most > steps - at:
            most = max(most // 2, 1)
        yield slice(steps - at - most, steps - at) if reverse else slice(at, at + most)
        at += most


def _mask(name: str, lengths: Any, shape: tuple[int, ...]) -> Any:
    """Whether a sequence goes on at each step: (T, N, 1)."""
    lengths = as_array(array_of(lengths))
    if lengths.shape != (shape[1],) or lengths.dtype.kind not in "iu":
        raise ValueError(
            f"{name}: lengths are {lengths.dtype} {lengths.shape}, "
            f"integers ({shape[1]},) are needed"
        )
    return (np.arange(shape[0])[:, None] < lengths)[..., None]


def _kind_of_rnn(name: str, nonlinearity: str) -> str:
    if nonlinearity not in ("tanh", "relu"):
        raise ValueError(f"{name}: nonlinearity is {nonlinearity!r}, 'tanh' or 'relu' is needed")
    return f"rnn_{nonlinearity}"


def _check_weights(name: str, kind: str, x: Any, state: State, weights: Any) -> None:
    """ValueError if the shapes do not belong together."""
    hidden, inputs = state[0].shape[-1], x.shape[-1]
    rows = CELLS[kind][1] * hidden
    given = zip(("weight_ih", "weight_hh", "bias_ih", "bias_hh"), weights, strict=True)
    wanted = (rows, inputs), (rows, hidden), (rows,), (rows,)
    for (argument, weight), shape in zip(given, wanted, strict=True):
        if weight is not None and np.shape(array_of(weight)) != shape:
            raise ValueError(
                f"{name}: {argument} is {np.shape(array_of(weight))}, for {inputs} inputs and "
                f"{hidden} hidden units {shape} is needed"
            )
    for part in state:
        if part.shape != state[0].shape or part.shape[:-1] != x.shape[x.ndim - part.ndim : -1]:
            raise ValueError(
                f"{name}: x {x.shape} and a state of {part.shape} do not belong together"
            )

"""What is computed for a batch: as native code where that can be, else as it is written."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

from descend.compile import TraceError, is_available
from descend.compile import compile as compiled
from descend.core import get_array_module
from descend.core.arrays import is_array
from descend.core.config import config
from descend.core.variable import array_of

Metrics = Mapping[str, Callable[[Any, Any], Any]]

KINDS = 8
"""How many recordings are worth their time: each may take a second."""


class Steps:
    """The computations of a loop: gradients of a batch, update, and measures of a batch.

    The gradients and the update are two programs, so that a loss that is not finite is seen before
    anything is updated.

    With ``compile`` each is compiled where there is a compiler and the model is in the main
    memory. Where one of them cannot be recorded, or batches come in ever new shapes, all of them
    go on as they are written, and a RuntimeWarning says why.
    """

    def __init__(self, compile: bool = True) -> None:
        self.compile = compile
        self.seconds = 0.0
        """How long compiling has taken so far."""
        self.kernels = 0
        """How many kernels were made; the others were found in the cache."""
        self._gradients: Any = compiled(gradients)
        self._update: Any = compiled(update)
        self._measure: Any = compiled(measure)

    def gradients(
        self, model: Any, optimizer: Any, loss: Any, metrics: Metrics, x: Any, t: Any
    ) -> dict[str, float]:
        """Loss and metrics of a batch; the parameters get their gradients."""
        answer = self._run(self._gradients, model, optimizer, loss, metrics, x, t)
        return numbers(metrics, t, *answer)

    def update(self, model: Any, optimizer: Any) -> None:
        """Move the parameters."""
        self._run(self._update, model, optimizer)

    def measure(self, model: Any, loss: Any, metrics: Metrics, x: Any, t: Any) -> dict[str, float]:
        """Loss and metrics of a batch."""
        return numbers(metrics, t, *self._run(self._measure, model, loss, metrics, x, t))

    def _run(self, step: Any, model: Any, *arguments: Any) -> Any:
        if not (self.compile and is_available() and in_main_memory(model)):
            return step.function(model, *arguments)
        from descend.compile.machine import native

        seconds, kernels = step.seconds, native.compiled
        try:
            answer = step(model, *arguments)
        except TraceError as error:
            self._give_up(str(error))
            return step.function(model, *arguments)
        if step.seconds > seconds:
            self.seconds += step.seconds - seconds
            self.kernels += native.compiled - kernels
            if sum(map(len, step.recordings.values())) > KINDS:
                self._give_up(f"there are more than {KINDS} kinds of batches or settings")
        return answer

    def _give_up(self, reason: str) -> None:
        self.compile = False
        # The line that called fit, six calls up
        warnings.warn(f"going on without the compiler: {reason}", RuntimeWarning, stacklevel=7)


def gradients(
    model: Any, optimizer: Any, loss: Any, metrics: Metrics, x: Any, t: Any
) -> tuple[Any, dict[str, Any], Any]:
    """What `measure` answers, after backward()."""
    optimizer.zero_grad()
    answer = measure(model, loss, metrics, x, t)
    answer[0].backward()
    return answer


def update(model: Any, optimizer: Any) -> None:
    """One step of the optimizer."""
    optimizer.step()


def measure(
    model: Any, loss: Any, metrics: Metrics, x: Any, t: Any
) -> tuple[Any, dict[str, Any], Any]:
    """The loss, the metrics that can be recorded (eagerly none), and what the others need."""
    y = model(x)
    value = loss(y, t)
    if config().trace is None:
        return value, {}, y
    found = {name: recorded(metric, y, t) for name, metric in metrics.items()}
    known = {name: x for name, x in found.items() if x is not None}
    return value, known, y if len(known) < len(found) else None


def recorded(metric: Callable[[Any, Any], Any], y: Any, t: Any) -> Any:
    """What a metric answers while recording; None if that is no array that a program computes.

    A metric may ask for values, and count by itself: it is then called after each batch instead.
    """
    try:
        value = metric(y, t)
    except Exception:  # what is wrong is said again when it is asked of arrays
        return None
    array = array_of(value)
    return value if is_array(array) and not isinstance(array, np.ndarray) else None


def numbers(
    metrics: Metrics, t: Any, loss: Any, known: Mapping[str, Any], y: Any
) -> dict[str, float]:
    """The loss and the metrics of one batch as Python numbers."""
    values = {
        name: known[name] if name in known else metric(y, t) for name, metric in metrics.items()
    }
    return {name: float(value) for name, value in {"loss": loss, **values}.items()}


def in_main_memory(model: Any) -> bool:
    """Whether the model's parameters are arrays of NumPy; so is a model without parameters."""
    parameter = next(iter(model.parameters()), None)
    return parameter is None or get_array_module(parameter.data).__name__ == "numpy"

"""A network in use: its scores without a graph, and how good they are."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from typing import Any

from descend import functions as F
from descend.core import get_array_module, no_grad
from descend.core.arrays import Array
from descend.cuda import as_numpy
from descend.train.metrics import Means, accuracy
from descend.train.steps import Metrics, Steps

ACCURACY: Metrics = {"accuracy": accuracy}


@contextmanager
def in_use(model: Any) -> Iterator[None]:
    """Run a block with the model as in use: no dropout, no graph; then as it was before."""
    modes = [(module, module.training) for module in model.modules()]
    model.eval()
    try:
        with no_grad():
            yield
    finally:
        for module, training in modes:
            module.training = training


def evaluate(
    model: Any,
    batches: Iterable[tuple[Any, Any]],
    loss: Callable[[Any, Any], Any] = F.cross_entropy,
    metrics: Metrics = ACCURACY,
    *,
    stopped: Callable[[], bool] = lambda: False,
    steps: Steps | None = None,
) -> dict[str, float]:
    """The mean loss and metrics over all samples of batches of pairs (x, t).

    ``stopped`` is asked before each batch; where it says true, the answer is empty. ``steps`` may
    have compiled what is computed for a batch. Raises ValueError where there are no samples.
    """
    means = Means()
    steps = Steps(compile=False) if steps is None else steps
    with in_use(model):
        for x, t in batches:
            if stopped():
                return {}
            x, t = on_device(model, x), on_device(model, t)
            means.add(len(x), steps.measure(model, loss, metrics, x, t))
    if means.samples == 0:
        raise ValueError("evaluate: there are no samples, at least one is needed")
    return means.values()


def probabilities(model: Any, x: Array) -> Array:
    """The probability of each class for each sample, (N, classes), in the main memory."""
    with in_use(model):
        return as_numpy(F.softmax(model(on_device(model, x)), axis=1))


def on_device(model: Any, x: Any) -> Array:
    """The array where the model's parameters are: in the main memory or on the GPU."""
    parameter = next(iter(model.parameters()), None)
    return x if parameter is None else get_array_module(parameter.data).asarray(x)

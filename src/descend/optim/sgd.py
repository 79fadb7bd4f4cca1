"""Stochastic gradient descent."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from descend.optim.checks import checked
from descend.optim.optimizer import Group, Optimizer


class SGD(Optimizer):
    """p - lr * d, where d is the gradient, or its running sum with ``momentum``.

    With g = gradient + weight_decay * p the buffer is momentum * buffer + (1 - dampening) * g, in
    the first step g. d is the buffer, or with ``nesterov`` g + momentum * buffer. Sutskever,
    Martens, Dahl and Hinton, 2013, https://proceedings.mlr.press/v28/sutskever13.html, in PyTorch's
    form.
    """

    def __init__(
        self,
        params: Iterable[Any],
        lr: float = 1e-3,
        momentum: float = 0.0,
        dampening: float = 0.0,
        weight_decay: float = 0.0,
        nesterov: bool = False,
    ) -> None:
        super().__init__(
            params,
            lr=lr,
            momentum=momentum,
            dampening=dampening,
            weight_decay=weight_decay,
            nesterov=nesterov,
        )

    def check(self, group: dict[str, Any]) -> None:
        """ValueError if an option makes no sense."""
        for name in ("momentum", "dampening", "weight_decay"):
            group[name] = checked(f"SGD: {name}", group[name])
        if group["nesterov"] and (group["momentum"] == 0 or group["dampening"] != 0):
            raise ValueError("SGD: nesterov needs a momentum above 0 and no dampening")

    def slots(self, group: Group) -> tuple[str, ...]:
        """The running sum of gradients, with momentum."""
        return ("momentum_buffer",) if group["momentum"] else ()

    def scalars(self, group: Group, lr: Any, step: Any) -> dict[str, Any]:
        """The numbers of this step."""
        return {
            "lr": lr,
            "momentum": group["momentum"],
            # In the first step the buffer is the gradient itself.
            "share": 1 - group["dampening"] * (step > 1) if group["dampening"] else None,
            "weight_decay": group["weight_decay"],
            "nesterov": group["nesterov"],
        }

    @staticmethod
    def update(
        p: Any,
        g: Any,
        buffer: Any = None,
        *,
        lr: Any,
        momentum: float,
        share: Any,
        weight_decay: float,
        nesterov: bool,
    ) -> tuple[Any, ...]:
        """The new parameter, and the new buffer if there is one."""
        if weight_decay:
            g = g + weight_decay * p
        if buffer is None:
            p -= lr * g
            return (p,)
        buffer *= momentum
        buffer += g if share is None else share * g
        p -= lr * (g + momentum * buffer if nesterov else buffer)
        return p, buffer

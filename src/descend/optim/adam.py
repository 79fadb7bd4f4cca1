"""Adam, and Adam with decoupled weight decay."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from descend.optim.checks import checked
from descend.optim.optimizer import Group, Optimizer


class Adam(Optimizer):
    """p - lr * m / (sqrt(v) + eps), with running means m of the gradient and v of its square.

    What is remembered are the sums of which they are the means: s = beta * s + new. The weights in
    such a sum add up to (1 - beta**step) / (1 - beta), and m = s divided by that is the mean
    without bias. ``weight_decay`` adds that much of p to the gradient. Kingma and Ba, 2015,
    https://doi.org/10.48550/arXiv.1412.6980.
    """

    decoupled = False

    def __init__(
        self,
        params: Iterable[Any],
        lr: float = 1e-3,
        betas: tuple[float, float] = (0.9, 0.999),
        eps: float = 1e-8,
        weight_decay: float = 0.0,
    ) -> None:
        super().__init__(params, lr=lr, betas=betas, eps=eps, weight_decay=weight_decay)

    def check(self, group: dict[str, Any]) -> None:
        """ValueError if an option makes no sense."""
        betas = group["betas"]
        if not isinstance(betas, (tuple, list)) or len(betas) != 2:
            raise TypeError(f"{self.name}: betas is {betas!r}, a pair of numbers is needed")
        group["betas"] = tuple(checked(f"{self.name}: beta", beta, below=1) for beta in betas)
        for name in ("eps", "weight_decay"):
            group[name] = checked(f"{self.name}: {name}", group[name])

    def slots(self, group: Group) -> tuple[str, ...]:
        """The decaying sums of gradients and of their squares."""
        return ("gradients", "squares")

    def scalars(self, group: Group, lr: Any, step: Any) -> dict[str, Any]:
        """The numbers of this step.

        Dividing both sums by the weights in them is moved out of the elements into ``rate`` and
        ``eps``.
        """
        beta1, beta2 = group["betas"]
        root = ((1 - beta2**step) / (1 - beta2)) ** 0.5
        decay = group["weight_decay"]
        return {
            "rate": lr * root * (1 - beta1) / (1 - beta1**step),
            "eps": group["eps"] * root,
            "beta1": beta1,
            "beta2": beta2,
            "decay": 0.0 if self.decoupled else decay,
            "shrink": 1 - lr * decay if self.decoupled and decay else None,
        }

    @staticmethod
    def update(
        p: Any,
        g: Any,
        gradients: Any,
        squares: Any,
        *,
        rate: Any,
        eps: Any,
        beta1: float,
        beta2: float,
        decay: float,
        shrink: Any,
    ) -> tuple[Any, ...]:
        """The new parameter and the new sums."""
        if decay:
            g = g + decay * p
        gradients *= beta1
        gradients += g
        squares *= beta2
        squares += g * g
        scale = squares**0.5
        scale += eps
        change = gradients / scale
        change *= rate
        if shrink is not None:
            p *= shrink  # it is the old weights that decay
        p -= change
        return p, gradients, squares


class AdamW(Adam):
    """Adam with decoupled weight decay: p is first multiplied by 1 - lr * weight_decay.

    Loshchilov and Hutter, 2019, https://doi.org/10.48550/arXiv.1711.05101.
    """

    decoupled = True

    def __init__(
        self,
        params: Iterable[Any],
        lr: float = 1e-3,
        betas: tuple[float, float] = (0.9, 0.999),
        eps: float = 1e-8,
        weight_decay: float = 1e-2,
    ) -> None:
        super().__init__(params, lr, betas, eps, weight_decay)

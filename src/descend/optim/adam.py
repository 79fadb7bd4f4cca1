"""Adam, and Adam with decoupled weight decay."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from descend.optim.optimizer import Group, Optimizer, checked


class Adam(Optimizer):
    """p - lr * m / (sqrt(v) + eps), with running means m of the gradient and v of its square.

    Both start from 0 and are divided by 1 - beta**step, which makes up for that. ``weight_decay``
    adds that much of p to the gradient. Kingma and Ba, 2015,
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

    def check(self, group: Group) -> None:
        """ValueError if an option makes no sense."""
        betas = group["betas"]
        if not isinstance(betas, (tuple, list)) or len(betas) != 2:
            raise TypeError(f"{self.name}: betas is {betas!r}, a pair of numbers is needed")
        group["betas"] = tuple(checked(f"{self.name}: beta", beta, below=1) for beta in betas)
        for name in ("eps", "weight_decay"):
            group[name] = checked(f"{self.name}: {name}", group[name])

    def slots(self, group: Group) -> tuple[str, ...]:
        """The running means, under PyTorch's names."""
        return ("exp_avg", "exp_avg_sq")

    def scalars(self, group: Group, lr: Any, step: Any) -> dict[str, Any]:
        """The numbers of this step.

        The division of v by 1 - beta2**step is moved out of the square root into ``rate`` and
        ``eps``: one operation an element less.
        """
        beta1, beta2 = group["betas"]
        root = (1 - beta2**step) ** 0.5
        decay = group["weight_decay"]
        return {
            "rate": lr * root / (1 - beta1**step),
            "eps": group["eps"] * root,
            "beta1": beta1,
            "beta2": beta2,
            "added": 0.0 if self.decoupled else decay,
            "shrink": 1 - lr * decay if self.decoupled and decay else 1.0,
        }

    @staticmethod
    def update(
        p: Any,
        g: Any,
        m: Any,
        v: Any,
        *,
        rate: Any,
        eps: Any,
        beta1: float,
        beta2: float,
        added: float,
        shrink: Any,
    ) -> tuple[Any, ...]:
        """The new parameter and the new running means."""
        if isinstance(added, float) and added:
            g = g + added * p
        m *= beta1
        m += (1 - beta1) * g
        square = g * g
        square *= 1 - beta2
        v *= beta2
        v += square
        change = v**0.5
        change += eps
        change = m / change
        change *= rate
        if not (isinstance(shrink, float) and shrink == 1):
            p *= shrink  # the old weights decay: before they are moved
        p -= change
        return p, m, v


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

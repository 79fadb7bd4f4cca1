"""Learning rates that change while training."""

from __future__ import annotations

from math import cos, pi
from typing import Any

import numpy as np

from descend.core.variable import Variable
from descend.optim.checks import checked, whole
from descend.optim.optimizer import Optimizer


class Schedule:
    """The base: a learning rate for each number of steps, from the one the optimizer began with.

    ``step()`` is called after the optimizer's, once an epoch or once a batch: a schedule counts its
    own calls. A subclass says in `rate` what the learning rate is after so many.
    """

    def __init__(self, optimizer: Optimizer) -> None:
        self.optimizer = optimizer
        self.base_lrs = [group["lr"].item() for group in optimizer.param_groups]
        self.count = Variable(np.asarray(0, np.int64), "count", requires_grad=False)
        self._apply()

    def rate(self, base: float, count: int) -> float:
        """The learning rate after ``count`` steps, where it began with ``base``."""
        raise NotImplementedError(f"{type(self).__name__}: the class has no rate")

    def step(self) -> None:
        """Count one step on, and set the learning rates."""
        self.count.data = np.asarray(self.count.item() + 1, np.int64)
        self._apply()

    def get_last_lr(self) -> list[float]:
        """The learning rate of each group."""
        return [group["lr"].item() for group in self.optimizer.param_groups]

    def _apply(self) -> None:
        for group, base in zip(self.optimizer.param_groups, self.base_lrs, strict=True):
            group["lr"] = self.rate(base, self.count.item())

    def state_dict(self) -> dict[str, np.ndarray]:
        """The count and the first learning rates, as NumPy arrays."""
        return {"count": np.array(self.count.data), "base_lrs": np.array(self.base_lrs)}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Go on where the schedule of that `state_dict` was; the optimizer has its own."""
        names = ("count", "base_lrs")
        missing = [name for name in names if name not in state]
        if missing or np.shape(state["base_lrs"]) != (len(self.base_lrs),):
            raise ValueError(
                f"{type(self).__name__}: the state does not fit: count and base_lrs "
                f"({len(self.base_lrs)},) are needed"
            )
        self.base_lrs = np.asarray(state["base_lrs"]).tolist()
        self.count.data = np.asarray(int(state["count"]), np.int64)
        self._apply()


class StepLR(Schedule):
    """Times ``gamma`` after every ``step_size`` steps."""

    def __init__(self, optimizer: Optimizer, step_size: int, gamma: float = 0.1) -> None:
        self.step_size = whole("StepLR: step_size", step_size)
        self.gamma = checked("StepLR: gamma", gamma)
        super().__init__(optimizer)

    def rate(self, base: float, count: int) -> float:
        """The learning rate after ``count`` steps."""
        return base * self.gamma ** (count // self.step_size)


class CosineAnnealingLR(Schedule):
    """Half a cosine from the first learning rate down to ``eta_min`` after ``T_max`` steps.

    Loshchilov and Hutter, 2017, https://doi.org/10.48550/arXiv.1608.03983, without restarts: after
    T_max it rises again, as PyTorch's does.
    """

    def __init__(self, optimizer: Optimizer, T_max: int, eta_min: float = 0.0) -> None:
        self.T_max = whole("CosineAnnealingLR: T_max", T_max)
        self.eta_min = checked("CosineAnnealingLR: eta_min", eta_min)
        super().__init__(optimizer)

    def rate(self, base: float, count: int) -> float:
        """The learning rate after ``count`` steps."""
        return annealed(base, self.eta_min, count / self.T_max)


class LinearWarmup(Schedule):
    """From 1 / ``steps`` of the learning rate up to all of it, in equal parts."""

    def __init__(self, optimizer: Optimizer, steps: int) -> None:
        self.steps = whole("LinearWarmup: steps", steps)
        super().__init__(optimizer)

    def rate(self, base: float, count: int) -> float:
        """The learning rate after ``count`` steps."""
        return base * min((count + 1) / self.steps, 1.0)


class WarmupCosine(Schedule):
    """`LinearWarmup` over ``warmup`` steps, then half a cosine down to ``eta_min`` at ``total``.

    It stays there.
    """

    def __init__(self, optimizer: Optimizer, warmup: int, total: int, eta_min: float = 0.0) -> None:
        self.warmup = whole("WarmupCosine: warmup", warmup, low=0)
        self.total = whole("WarmupCosine: total", total)
        if self.total <= self.warmup:
            raise ValueError(f"WarmupCosine: total={total} must be larger than warmup={warmup}")
        self.eta_min = checked("WarmupCosine: eta_min", eta_min)
        super().__init__(optimizer)

    def rate(self, base: float, count: int) -> float:
        """The learning rate after ``count`` steps."""
        if count < self.warmup:
            return base * (count + 1) / self.warmup
        done = (count - self.warmup) / (self.total - self.warmup)
        return annealed(base, self.eta_min, min(done, 1.0))


def annealed(base: float, lowest: float, done: float) -> float:
    """Between ``base`` (nothing done) and ``lowest`` (all done), along half a cosine."""
    return lowest + (base - lowest) * (1 + cos(pi * done)) / 2

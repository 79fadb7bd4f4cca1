"""Losses for numbers and for distributions as targets."""

from __future__ import annotations

from math import log, pi
from typing import Any

import numpy as np

from descend import functions as F
from descend.core.acceleration import fused
from descend.core.arrays import as_array, get_array_module
from descend.core.errors import shape_of
from descend.core.function import as_operand
from descend.core.variable import array_of
from descend.functions.losses.common import PAIRS, pair, reduced, times
from descend.functions.registry import Sample, composition

SHARES: dict[str, Any] = {"low": 0.1, "high": 0.9}


@composition(*PAIRS, Sample((3, 4), (3, 4), beta=0.3), Sample((3,), (3,), beta=0))
def smooth_l1_loss(x, t, reduction="mean", beta=1.0):
    """d**2 / (2 * beta) where d = abs(x - t) is less than ``beta``, d - beta / 2 elsewhere.

    With ``beta=0`` it is `l1_loss`. Girshick, 2015, https://doi.org/10.48550/arXiv.1504.08083.

    >>> F.smooth_l1_loss(np.array([0.5, 3.0]), np.array([0.0, 0.0]), reduction="none")
    array([0.125, 2.5  ])
    """
    if beta < 0:
        raise ValueError(f"smooth_l1_loss: beta is {beta}, at least 0 is needed")
    x, t = pair("smooth_l1_loss", x, t)
    if beta == 0:
        return reduced("smooth_l1_loss", F.abs(x - t), reduction)
    name = "smooth_l1_loss"
    return _square_then_line(x, t, name=name, bound=beta, factor=1 / beta, reduction=reduction)


@composition(*PAIRS, Sample((3, 4), (3, 4), delta=0.3))
def huber_loss(x, t, reduction="mean", delta=1.0):
    """d**2 / 2 where d = abs(x - t) is less than ``delta``, delta * (d - delta / 2) elsewhere.

    Huber, 1964, https://doi.org/10.1214/aoms/1177703732.

    >>> F.huber_loss(np.array([0.5, 3.0]), np.array([0.0, 0.0]), reduction="none", delta=2.0)
    array([0.125, 4.   ])
    """
    if delta <= 0:
        raise ValueError(f"huber_loss: delta is {delta}, more than 0 is needed")
    x, t = pair("huber_loss", x, t)
    name = "huber_loss"
    return _square_then_line(x, t, name=name, bound=delta, factor=1.0, reduction=reduction)


@fused
def _square_then_line(
    x: Any, t: Any, *, name: str, bound: float, factor: float, reduction: str
) -> Any:
    """factor times d**2 / 2 up to the bound, where a line goes on with the same slope."""
    d = x - t
    length = F.abs(d)
    near = array_of(length) < bound
    # Squares of large differences, which are not taken, might overflow
    square = F.square(F.where(near, d, 0)) * (0.5 * factor)
    line = factor * bound * length - 0.5 * factor * bound * bound
    return reduced(name, F.where(near, square, line), reduction)


@composition(
    Sample((3, 4), (3, 4), **SHARES),
    Sample((3, 4), (3, 4), reduction="batchmean", **SHARES),
    Sample((3,), (3,), reduction="sum", log_target=True),
    Sample((2, 3), np.array([[0.2, 0.3, 0.5], [0.0, 1.0, 0.0]]), reduction="none"),
)
def kl_div(x, t, reduction="mean", log_target=False):
    """t * (log(t) - x): how far the distribution t is from one whose logarithm is x.

    ``log_target`` says that t holds logarithms too. The divergence of distributions is their sum:
    "batchmean" divides it by x.shape[0], where "mean" divides by the number of elements. An element
    with t = 0 adds 0, even where x is -inf; t * log(t) has there the gradient 0.

    >>> F.kl_div(np.log([0.5, 0.5]), np.array([1.0, 0.0]), reduction="sum").round(4).item()
    0.6931
    """
    x, t = pair("kl_div", x, t)
    whole = reduction == "batchmean"
    if whole and x.ndim == 0:
        raise ValueError('kl_div: reduction="batchmean" needs a first axis, x is ()')
    loss = _kl_div(x, t, reduction="sum" if whole else reduction, log_target=log_target)
    return loss / x.shape[0] if whole else loss


@fused
def _kl_div(x: Any, t: Any, *, reduction: str, log_target: bool) -> Any:
    if log_target:
        none = array_of(t) == -np.inf
        t = F.where(none, 0, t)
        each = F.where(none, 0, F.exp(t) * (t - F.where(none, 0, x)))
        return reduced("kl_div", each, reduction)
    none = array_of(t) == 0
    entropy = F.where(none, 0, t * F.log(F.where(none, 1, t)))
    return reduced("kl_div", entropy - times(t, x), reduction)


@composition(
    Sample((3, 2), (3, 2), (3, 2), low=0.3, high=2),
    Sample((3, 2), (3, 2), (3, 1), low=0.3, high=2, full=True, reduction="sum"),
    Sample((3, 2), (3, 2), (3,), low=0.3, high=2, reduction="none"),
    Sample((3,), (3,), (), low=0.3, high=2),
)
def gaussian_nll_loss(x, t, var, full=False, eps=1e-6, reduction="mean"):
    """(log(var) + (x - t)**2 / var) / 2: t as drawn around x with the variance ``var``.

    ``var`` has x's shape, or leaves out the last axis, or has length 1 there, or is one number.
    Less than ``eps`` counts as ``eps``, while the gradient to ``var`` goes on as if it were so,
    that it may grow again. ``full`` adds log(2 pi) / 2. Nix and Weigend, 1994,
    https://doi.org/10.1109/ICNN.1994.374138.

    >>> F.gaussian_nll_loss(np.array([1.0]), np.array([3.0]), np.array([4.0])).round(4).item()
    1.1931
    """
    name = "gaussian_nll_loss"
    x, t = pair(name, x, t)
    var = as_operand(var)
    if var.ndim and var.shape == x.shape[:-1]:
        var = F.expand_dims(var, -1)
    if var.shape not in ((), x.shape, (*x.shape[:-1], 1)):
        raise ValueError(
            f"{name}: var {shape_of(var)} came, for x {x.shape} it must be {x.shape}, "
            f"{(*x.shape[:-1], 1)} or {x.shape[:-1]}"
        )
    values = array_of(var)
    if isinstance(values, np.ndarray) and (values < 0).any():
        raise ValueError(f"{name}: var has the element {values.min()}, none below 0 is needed")
    return _gaussian_nll(x, t, var, full=full, eps=eps, reduction=reduction)


@fused
def _gaussian_nll(x: Any, t: Any, var: Any, *, full: bool, eps: float, reduction: str) -> Any:
    values = array_of(var)
    var = F.straight_through(var, get_array_module(values).maximum(values, eps))
    each = 0.5 * (F.log(var) + F.square(x - t) / var)
    return reduced("gaussian_nll_loss", each + 0.5 * log(2 * pi) if full else each, reduction)


@composition(
    Sample((3, 2), (3, 2)),
    Sample((3, 2), (3, 2), log_input=False, low=0.3, high=3),
    Sample((3, 2), (3, 2), full=True, reduction="sum", low=0.3, high=3),
    Sample((3,), np.array([0.0, 1.0, 5.0]), full=True, reduction="none"),
)
def poisson_nll_loss(x, t, log_input=True, full=False, eps=1e-8, reduction="mean"):
    """exp(x) - t * x: t as counted where exp(x) is expected.

    Without ``log_input`` x is what is expected: x - t * log(x + eps). ``full`` adds Stirling's
    approximation of log(t!), t * log(t) - t + log(2 pi t) / 2, where t is larger than 1.

    >>> F.poisson_nll_loss(np.array([2.0]), np.array([3.0]), log_input=False).round(4).item()
    -0.0794
    """
    x, t = pair("poisson_nll_loss", x, t)
    settings = {"log_input": log_input, "full": full, "eps": eps, "reduction": reduction}
    return _poisson_nll(x, t, **settings)


@fused
def _poisson_nll(x: Any, t: Any, *, log_input: bool, full: bool, eps: float, reduction: str) -> Any:
    each = F.exp(x) - t * x if log_input else x - t * F.log(x + eps)
    if full:
        many = as_array(array_of(t) > 1)
        count = F.where(many, t, 1)
        log_factorial = count * F.log(count) - count + 0.5 * F.log(2 * pi * count)
        each = each + F.where(many, log_factorial, 0)
    return reduced("poisson_nll_loss", each, reduction)

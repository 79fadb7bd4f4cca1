"""Holding gradients within bounds."""

from __future__ import annotations

from collections.abc import Iterable
from math import inf
from typing import Any

import numpy as np

from descend.core.arrays import as_array, get_array_module
from descend.core.variable import Variable, array_of
from descend.optim.checks import checked


def clip_grad_norm_(
    parameters: Variable | Iterable[Variable],
    max_norm: float,
    norm_type: float = 2.0,
    error_if_nonfinite: bool = False,
) -> Variable:
    """The norm of all gradients together; where it exceeds ``max_norm`` they are scaled to that.

    Gradients get new arrays; those of before are not written. Raises ValueError, with
    ``error_if_nonfinite``, if the norm is infinite or NaN; nothing is changed then.
    """
    max_norm = checked("clip_grad_norm_: max_norm", max_norm)
    norm_type = inf if norm_type == inf else checked("clip_grad_norm_: norm_type", norm_type)
    if norm_type == 0:
        raise ValueError("clip_grad_norm_: norm_type is 0, a number above 0 is needed")
    holders = _with_gradients(parameters)
    if not holders:
        return Variable(np.asarray(0.0, np.float32), requires_grad=False)
    norm = total_norm([array_of(p.grad) for p in holders], norm_type)
    xp = get_array_module(norm)
    if error_if_nonfinite and not bool(xp.isfinite(norm)):
        raise ValueError(f"clip_grad_norm_: the norm of the gradients is {norm.item()}")
    # 1e-6: PyTorch's, so that a norm of 0 divides
    factor = xp.minimum(max_norm / (norm + 1e-6), 1)
    for p in holders:
        g = array_of(p.grad)
        p.grad = Variable(g * factor.astype(g.dtype), requires_grad=False)
    return Variable(as_array(norm), requires_grad=False)


def clip_grad_value_(parameters: Variable | Iterable[Variable], clip_value: float) -> None:
    """Hold every element of the gradients between -clip_value and clip_value."""
    bound = checked("clip_grad_value_: clip_value", clip_value)
    for p in _with_gradients(parameters):
        g = array_of(p.grad)
        clipped = get_array_module(g).clip(g, -bound, bound)
        p.grad = Variable(as_array(clipped), requires_grad=False)


def total_norm(gradients: list[Any], norm_type: float) -> Any:
    """The norm of all elements of several arrays; float16 is summed in float32."""
    xp = get_array_module(*gradients)
    wide = [g.astype(np.float32) if g.dtype == np.float16 else g for g in gradients]
    if norm_type == inf:
        return xp.max(xp.stack([xp.max(xp.abs(g)) for g in wide]))
    if norm_type == 2:
        return xp.sum(xp.stack([xp.sum(xp.square(g)) for g in wide])) ** 0.5
    return xp.sum(xp.stack([xp.sum(xp.abs(g) ** norm_type) for g in wide])) ** (1 / norm_type)


def _with_gradients(parameters: Variable | Iterable[Variable]) -> list[Variable]:
    """The parameters whose gradient has elements, each once."""
    given = [parameters] if isinstance(parameters, Variable) else parameters
    return list({id(p): p for p in given if p.grad is not None and p.grad.size}.values())

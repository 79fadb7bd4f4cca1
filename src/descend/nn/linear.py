"""Layers that multiply by a matrix, and the one that does nothing."""

from __future__ import annotations

from math import sqrt
from typing import Any

import numpy as np

from descend import functions as F
from descend.core.variable import Parameter
from descend.functions.random import Generator
from descend.nn import init
from descend.nn.module import Module


class Linear(Module):
    """x @ weight.T + bias: (..., in_features) becomes (..., out_features).

    ``weight`` is (out_features, in_features); it and ``bias`` start uniform within
    1 / sqrt(in_features).
    """

    bias: Parameter | None

    def __init__(
        self,
        in_features: int,
        out_features: int,
        bias: bool = True,
        *,
        dtype: Any = np.float32,
        rng: Generator | int | None = None,
    ) -> None:
        self.in_features = in_features
        self.out_features = out_features
        self.weight = Parameter(np.empty((out_features, in_features), dtype), "weight")
        self.bias = Parameter(np.empty(out_features, dtype), "bias") if bias else None
        fill_uniform(self.weight, self.bias, rng)

    def forward(self, x: Any) -> Any:
        """x @ weight.T + bias."""
        if self.bias is None:
            return F.linear(x, self.weight)
        return F.linear(x, self.weight, self.bias)

    def extra_repr(self) -> str:
        """PyTorch's."""
        return (
            f"in_features={self.in_features}, out_features={self.out_features}, "
            f"bias={self.bias is not None}"
        )


class Bilinear(Module):
    """x0 @ weight[k] @ x1 + bias[k] for each k: (..., in1) and (..., in2) become (..., out).

    ``weight`` is (out_features, in1_features, in2_features); it and ``bias`` start uniform within
    1 / sqrt(in1_features).
    """

    bias: Parameter | None

    def __init__(
        self,
        in1_features: int,
        in2_features: int,
        out_features: int,
        bias: bool = True,
        *,
        dtype: Any = np.float32,
        rng: Generator | int | None = None,
    ) -> None:
        self.in1_features = in1_features
        self.in2_features = in2_features
        self.out_features = out_features
        shape = (out_features, in1_features, in2_features)
        self.weight = Parameter(np.empty(shape, dtype), "weight")
        self.bias = Parameter(np.empty(out_features, dtype), "bias") if bias else None
        rng = init.rng_or_default("rng", rng)
        bound = 1 / sqrt(max(in1_features, 1))
        init.uniform_(self.weight, -bound, bound, rng)
        if self.bias is not None:
            init.uniform_(self.bias, -bound, bound, rng)

    def forward(self, x0: Any, x1: Any) -> Any:
        """x0 @ weight[k] @ x1 + bias[k]."""
        return F.bilinear(x0, x1, self.weight, self.bias)

    def extra_repr(self) -> str:
        """PyTorch's."""
        return (
            f"in1_features={self.in1_features}, in2_features={self.in2_features}, "
            f"out_features={self.out_features}, bias={self.bias is not None}"
        )


class Identity(Module):
    """x itself."""

    def forward(self, x: Any) -> Any:
        """The input."""
        return x


def fill_uniform(weight: Parameter, bias: Parameter | None, rng: Generator | int | None) -> None:
    """Fill weight and bias uniformly within 1 / sqrt(fan in), as PyTorch starts its layers."""
    rng = init.rng_or_default("rng", rng)
    init.kaiming_uniform_(weight, a=sqrt(5), rng=rng)
    if bias is not None:
        bound = 1 / sqrt(max(init.fans(weight)[0], 1))
        init.uniform_(bias, -bound, bound, rng)

"""Layers that bring elements to mean 0 and variance 1."""

from __future__ import annotations

from typing import Any, ClassVar

import numpy as np

from descend import functions as F
from descend.core.arrays import as_array
from descend.core.config import config
from descend.core.errors import shape_of
from descend.core.function import as_operand
from descend.core.variable import Parameter, Variable
from descend.nn.module import Module


class BatchNorm(Module):
    """The base of batch normalization for each number of axes; `functions.batch_norm` says how.

    In training the batch's mean and variance are used, and the running ones follow them:
    ``momentum`` is the part of the new, None for the plain average of all batches. Without
    ``track_running_stats`` the batch's are always used.
    """

    dimensions: ClassVar[dict[int, str]]
    """The shapes an input may have, by their number of axes."""

    weight: Parameter | None
    bias: Parameter | None
    running_mean: Variable | None
    running_var: Variable | None
    num_batches_tracked: Variable | None

    def __init__(
        self,
        num_features: int,
        eps: float = 1e-5,
        momentum: float | None = 0.1,
        affine: bool = True,
        track_running_stats: bool = True,
        *,
        dtype: Any = np.float32,
    ) -> None:
        self.num_features = num_features
        self.eps = eps
        self.momentum = momentum
        self.affine = affine
        self.track_running_stats = track_running_stats
        self.weight = Parameter(np.ones(num_features, dtype), "weight") if affine else None
        self.bias = Parameter(np.zeros(num_features, dtype), "bias") if affine else None
        mean, var = np.zeros(num_features, dtype), np.ones(num_features, dtype)
        tracked = track_running_stats
        self.register_buffer("running_mean", mean if tracked else None)
        self.register_buffer("running_var", var if tracked else None)
        self.register_buffer("num_batches_tracked", np.array(0, np.int64) if tracked else None)

    def forward(self, x: Any) -> Any:
        """x normalized, in its shape."""
        x = as_operand(x)
        if x.ndim not in self.dimensions or x.shape[1] != self.num_features:
            raise ValueError(
                f"{type(self).__name__}: x {shape_of(x)} came, "
                f"{' or '.join(self.dimensions.values())} with C={self.num_features} is needed"
            )
        tracked = self.num_batches_tracked
        training = self.training and config().train
        if not training or tracked is None:
            return self._normalized(x, training or tracked is None, 0.0)
        count = as_array(tracked.data + 1)
        momentum = 1 / count if self.momentum is None else self.momentum
        y = self._normalized(x, True, momentum)
        tracked.data = count
        return y

    def _normalized(self, x: Any, training: bool, momentum: Any) -> Any:
        return F.batch_norm(
            x,
            self.running_mean,
            self.running_var,
            self.weight,
            self.bias,
            training,
            momentum,
            self.eps,
        )

    def extra_repr(self) -> str:
        """PyTorch's."""
        return (
            f"{self.num_features}, eps={self.eps}, momentum={self.momentum}, "
            f"affine={self.affine}, track_running_stats={self.track_running_stats}"
        )


class BatchNorm1d(BatchNorm):
    """Batch normalization of (N, C) or (N, C, L), for each of the C features."""

    dimensions = {2: "(N, C)", 3: "(N, C, L)"}  # noqa: RUF012  declared as ClassVar above


class BatchNorm2d(BatchNorm):
    """Batch normalization of images (N, C, H, W), for each of the C channels."""

    dimensions = {4: "(N, C, H, W)"}  # noqa: RUF012  declared as ClassVar above


class LayerNorm(Module):
    """(x - mean) / sqrt(variance + eps) * weight + bias over the last axes of each sample."""

    weight: Parameter | None
    bias: Parameter | None

    def __init__(
        self,
        normalized_shape: int | tuple[int, ...],
        eps: float = 1e-5,
        elementwise_affine: bool = True,
        bias: bool = True,
        *,
        dtype: Any = np.float32,
    ) -> None:
        whole = isinstance(normalized_shape, int)
        self.normalized_shape = (normalized_shape,) if whole else tuple(normalized_shape)
        self.eps = eps
        self.elementwise_affine = elementwise_affine
        self.weight = self.bias = None
        if elementwise_affine:
            self.weight = Parameter(np.ones(self.normalized_shape, dtype), "weight")
            if bias:
                self.bias = Parameter(np.zeros(self.normalized_shape, dtype), "bias")

    def forward(self, x: Any) -> Any:
        """x normalized, in its shape."""
        return F.layer_norm(x, self.normalized_shape, self.weight, self.bias, self.eps)

    def extra_repr(self) -> str:
        """PyTorch's."""
        affine = self.elementwise_affine
        return f"{self.normalized_shape}, eps={self.eps}, elementwise_affine={affine}"

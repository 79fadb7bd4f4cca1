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


class BatchNorm3d(BatchNorm):
    """Batch normalization of volumes (N, C, D, H, W), for each of the C channels."""

    dimensions = {5: "(N, C, D, H, W)"}  # noqa: RUF012  declared as ClassVar above


class InstanceNorm(BatchNorm):
    """The base of instance normalization for each number of axes; `functions.instance_norm`.

    Each channel of each sample has its own mean and variance. With ``track_running_stats`` running
    averages follow them, and are used where the network is not in training. A single sample, which
    lacks the first axis, is normalized too.
    """

    def __init__(
        self,
        num_features: int,
        eps: float = 1e-5,
        momentum: float | None = 0.1,
        affine: bool = False,
        track_running_stats: bool = False,
        *,
        dtype: Any = np.float32,
    ) -> None:
        super().__init__(num_features, eps, momentum, affine, track_running_stats, dtype=dtype)

    def forward(self, x: Any) -> Any:
        """x normalized, in its shape."""
        x = as_operand(x)
        [(full, shape)] = self.dimensions.items()
        if x.ndim == full - 1 and x.shape[0] == self.num_features:
            return F.squeeze(super().forward(F.expand_dims(x, 0)), 0)
        if x.ndim == full - 1:
            raise ValueError(
                f"{type(self).__name__}: x {shape_of(x)} came, {shape} or {shape[0]}"
                f"{shape[4:]} with C={self.num_features} is needed"
            )
        return super().forward(x)

    def _normalized(self, x: Any, training: bool, momentum: Any) -> Any:
        return F.instance_norm(
            x,
            self.running_mean,
            self.running_var,
            self.weight,
            self.bias,
            training,
            momentum,
            self.eps,
        )


class InstanceNorm1d(InstanceNorm):
    """Instance normalization of (N, C, L), for each of the C features of each sample."""

    dimensions = {3: "(N, C, L)"}  # noqa: RUF012  declared as ClassVar above


class InstanceNorm2d(InstanceNorm):
    """Instance normalization of images (N, C, H, W), for each channel of each sample."""

    dimensions = {4: "(N, C, H, W)"}  # noqa: RUF012  declared as ClassVar above


class InstanceNorm3d(InstanceNorm):
    """Instance normalization of volumes (N, C, D, H, W), for each channel of each sample."""

    dimensions = {5: "(N, C, D, H, W)"}  # noqa: RUF012  declared as ClassVar above


class GroupNorm(Module):
    """Normalization within each of ``num_groups`` groups of channels; `functions.group_norm`."""

    weight: Parameter | None
    bias: Parameter | None

    def __init__(
        self,
        num_groups: int,
        num_channels: int,
        eps: float = 1e-5,
        affine: bool = True,
        *,
        dtype: Any = np.float32,
    ) -> None:
        if num_groups < 1 or num_channels % num_groups:
            raise ValueError(
                f"GroupNorm: num_channels={num_channels} does not divide into "
                f"num_groups={num_groups}"
            )
        self.num_groups = num_groups
        self.num_channels = num_channels
        self.eps = eps
        self.affine = affine
        self.weight = Parameter(np.ones(num_channels, dtype), "weight") if affine else None
        self.bias = Parameter(np.zeros(num_channels, dtype), "bias") if affine else None

    def forward(self, x: Any) -> Any:
        """x normalized, in its shape."""
        return F.group_norm(x, self.num_groups, self.weight, self.bias, self.eps)

    def extra_repr(self) -> str:
        """PyTorch's."""
        return f"{self.num_groups}, {self.num_channels}, eps={self.eps}, affine={self.affine}"


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


class RMSNorm(Module):
    """x / sqrt(mean(x**2) + eps) * weight over the last axes of each sample."""

    weight: Parameter | None

    def __init__(
        self,
        normalized_shape: int | tuple[int, ...],
        eps: float | None = None,
        elementwise_affine: bool = True,
        *,
        dtype: Any = np.float32,
    ) -> None:
        whole = isinstance(normalized_shape, int)
        self.normalized_shape = (normalized_shape,) if whole else tuple(normalized_shape)
        self.eps = eps
        self.elementwise_affine = elementwise_affine
        ones = np.ones(self.normalized_shape, dtype)
        self.weight = Parameter(ones, "weight") if elementwise_affine else None

    def forward(self, x: Any) -> Any:
        """x normalized, in its shape."""
        return F.rms_norm(x, self.normalized_shape, self.weight, self.eps)

    def extra_repr(self) -> str:
        """PyTorch's."""
        affine = self.elementwise_affine
        return f"{self.normalized_shape}, eps={self.eps}, elementwise_affine={affine}"


class LocalResponseNorm(Module):
    """x divided by a power of the squares of neighbours; `functions.local_response_norm`."""

    def __init__(self, size: int, alpha: float = 1e-4, beta: float = 0.75, k: float = 1.0) -> None:
        self.size = size
        self.alpha = alpha
        self.beta = beta
        self.k = k

    def forward(self, x: Any) -> Any:
        """x normalized, in its shape."""
        return F.local_response_norm(x, self.size, self.alpha, self.beta, self.k)

    def extra_repr(self) -> str:
        """PyTorch's."""
        return f"{self.size}, alpha={self.alpha}, beta={self.beta}, k={self.k}"

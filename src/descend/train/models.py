"""Two networks for classifying images."""

from __future__ import annotations

import math
from collections.abc import Sequence

from descend import nn


def mlp(input_shape: Sequence[int], classes: int, width: int = 256) -> nn.Sequential:
    """Two hidden layers between samples of any shape and a score for each class."""
    return nn.Sequential(
        nn.Flatten(),
        nn.Linear(math.prod(input_shape), width),
        nn.ReLU(),
        nn.Dropout(0.2),
        nn.Linear(width, width),
        nn.ReLU(),
        nn.Dropout(0.2),
        nn.Linear(width, classes),
    )


def cnn(input_shape: Sequence[int], classes: int, width: int = 16) -> nn.Sequential:
    """Three 3 x 3 convolutions, each of twice the channels of the one before, and a linear layer.

    ``input_shape`` is (C, H, W); H and W are halved twice on the way, so at least 4 each.
    """
    if len(input_shape) != 3 or min(input_shape[1:]) < 4:
        raise ValueError(
            f"cnn: samples have shape {tuple(input_shape)}, images (C, H, W) of at least 4 x 4 "
            f"pixels needed: the mlp takes any shape"
        )
    C, H, W = input_shape
    return nn.Sequential(
        *_convolution(C, width),
        nn.MaxPool2d(2),
        nn.ReLU(),
        *_convolution(width, 2 * width),
        nn.MaxPool2d(2),
        nn.ReLU(),
        *_convolution(2 * width, 4 * width),
        nn.ReLU(),
        nn.Flatten(),
        nn.Dropout(0.2),
        nn.Linear(4 * width * (H // 4) * (W // 4), classes),
    )


def _convolution(C: int, channels: int) -> tuple[nn.Module, ...]:
    # No bias: the normalization takes the mean away again. The ReLU comes after the pooling, which
    # gives the same numbers (both are monotonic) from a quarter of the work.
    return (
        nn.Conv2d(C, channels, 3, padding=1, bias=False),
        nn.BatchNorm2d(channels),
    )


MODELS = {"mlp": mlp, "cnn": cnn}

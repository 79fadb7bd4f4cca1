"""Elements that change between channels and places, and channels among each other."""

from __future__ import annotations

from typing import Any

from descend import functions as F
from descend.core.function import as_operand
from descend.functions.registry import Sample, composition


@composition(Sample((2, 8, 2, 3), 2), Sample((9, 1, 2), 3), Sample((0, 4, 2, 2), upscale_factor=2))
def pixel_shuffle(x, upscale_factor):
    """x (..., C r^2, H, W) as (..., C, H r, W r): each r^2 channels become a square of r by r.

    From W. Shi et al., "Real-time single image and video super-resolution using an efficient
    sub-pixel convolutional neural network", 2016.

    >>> F.pixel_shuffle(np.arange(4.0).reshape(4, 1, 1), 2)
    array([[[0., 1.],
            [2., 3.]]])
    """
    x, r = as_operand(x), upscale_factor
    if not _is_count(r) or x.ndim < 3 or x.shape[-3] % (r * r):
        raise ValueError(
            f"pixel_shuffle: x {x.shape} and upscale_factor={r!r} came, (..., C, H, W) and an "
            f"integer whose square divides C are needed"
        )
    *lead, C, H, W = x.shape
    x = F.reshape(x, (*lead, C // (r * r), r, r, H, W))
    n = len(lead)
    x = F.transpose(x, (*range(n), n, n + 3, n + 1, n + 4, n + 2))
    return F.reshape(x, (*lead, C // (r * r), H * r, W * r))


@composition(Sample((2, 2, 4, 6), 2), Sample((1, 3, 6), 3))
def pixel_unshuffle(x, downscale_factor):
    """x (..., C, H r, W r) as (..., C r^2, H, W): the inverse of `pixel_shuffle`.

    >>> F.pixel_unshuffle(np.array([[[0.0, 1.0], [2.0, 3.0]]]), 2)[:, 0, 0]
    array([0., 1., 2., 3.])
    """
    x, r = as_operand(x), downscale_factor
    if not _is_count(r) or x.ndim < 3 or x.shape[-1] % r or x.shape[-2] % r:
        raise ValueError(
            f"pixel_unshuffle: x {x.shape} and downscale_factor={r!r} came, (..., C, H, W) and an "
            f"integer that divides H and W are needed"
        )
    *lead, C, H, W = x.shape
    x = F.reshape(x, (*lead, C, H // r, r, W // r, r))
    n = len(lead)
    x = F.transpose(x, (*range(n), n, n + 2, n + 4, n + 1, n + 3))
    return F.reshape(x, (*lead, C * r * r, H // r, W // r))


@composition(Sample((2, 6, 3), 2), Sample((1, 4, 2, 2), groups=4))
def channel_shuffle(x, groups):
    """x (N, C, ...) with the first channels of all ``groups`` in front, then the second ones, ...

    From X. Zhang et al., "ShuffleNet", 2017.

    >>> F.channel_shuffle(np.arange(6.0).reshape(1, 6), 2)
    array([[0., 3., 1., 4., 2., 5.]])
    """
    x = as_operand(x)
    if not _is_count(groups) or x.ndim < 2 or x.shape[1] % groups:
        raise ValueError(
            f"channel_shuffle: x {x.shape} and groups={groups!r} came, (N, C, ...) and a divisor "
            f"of C are needed"
        )
    N, C, *rest = x.shape
    x = F.swapaxes(F.reshape(x, (N, groups, C // groups, *rest)), 1, 2)
    return F.reshape(x, (N, C, *rest))


def _is_count(n: Any) -> bool:
    """Whether it is an integer of at least 1."""
    return isinstance(n, int) and not isinstance(n, bool) and n >= 1

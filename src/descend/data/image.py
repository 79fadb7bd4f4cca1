"""One image file as a network's input."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

Array = NDArray[Any]

# Luma of red, green and blue: ITU-R Recommendation BT.601.
LUMA = np.array([0.299, 0.587, 0.114])


def read_image(path: str | os.PathLike[str], shape: tuple[int, int, int]) -> Array:
    """The image in a file as a (1, C, H, W) float32 array in [0, 1], for `shape` = (C, H, W).

    Colour is averaged to gray where C is 1 and gray repeated where C is 3; the image is stretched
    to H x W. Transparent parts are seen on white. Reads .npy files ((H, W), (C, H, W) or
    (H, W, C), uint8, uint16 or floating point in [0, 1]) and, through Pillow, .png, .jpg and what
    else Pillow knows.

    A missing file is a FileNotFoundError, one that is not an image a ValueError, missing Pillow an
    ImportError.
    """
    path = Path(path)
    if len(shape) != 3 or shape[0] not in (1, 3) or min(shape) < 1:
        raise ValueError(f"read_image: shape is {shape}, (C, H, W) with 1 or 3 channels needed")
    if not path.is_file():
        raise FileNotFoundError(f"read_image: {path} is not a file")
    load = _load_npy if path.suffix.lower() == ".npy" else _load_with_pillow
    pixels = _to_unit_range(load(path), path)
    x = resize(_to_channels(pixels, shape[0]), shape[1], shape[2])
    return x.astype(np.float32)[None]


def resize(x: Array, H: int, W: int) -> Array:
    """The image or images (..., h, w) stretched to (..., H, W), as float64.

    Linear interpolation between pixel centres; where the image shrinks the triangle is as wide as
    a pixel of the result, so that nothing falls through (as in Pillow's BILINEAR).
    """
    return _triangles(H, x.shape[-2]) @ x @ _triangles(W, x.shape[-1]).T


def _triangles(target: int, source: int) -> Array:
    """(target, source) weights; each row sums to 1."""
    scale = source / target
    centres = (np.arange(target) + 0.5) * scale
    distance = np.abs(np.arange(source) + 0.5 - centres[:, None])
    weights = np.maximum(0, 1 - distance / max(scale, 1))
    return weights / weights.sum(axis=1, keepdims=True)


def _load_npy(path: Path) -> Array:
    try:
        pixels = np.load(path, allow_pickle=False)
    except (ValueError, EOFError, OSError) as error:
        raise ValueError(f"read_image: {path} is not a .npy file of numbers: {error}") from error
    if pixels.ndim == 2:
        return pixels[:, :, None]
    if pixels.ndim == 3 and pixels.shape[0] in (1, 3):
        return pixels.transpose(1, 2, 0)
    if pixels.ndim == 3 and pixels.shape[2] in (1, 3):
        return pixels
    raise ValueError(
        f"read_image: {path} has shape {pixels.shape}, (H, W), (C, H, W) or (H, W, C) with 1 or 3 "
        "channels needed"
    )


def _load_with_pillow(path: Path) -> Array:
    try:
        from PIL import Image, ImageOps
    except ImportError as error:
        raise ImportError(
            f"read_image: reading {path} needs Pillow: pip install pillow, or save it as .npy"
        ) from error
    # A broken .png is a SyntaxError to Pillow.
    broken = (OSError, SyntaxError, ValueError, Image.DecompressionBombError)
    try:
        with Image.open(path) as file:
            image = ImageOps.exif_transpose(file)
            if image.mode.startswith("I"):
                # 16-bit gray; Pillow's own conversion would cut it off at 255.
                return np.asarray(image).astype(np.uint16)[:, :, None]
            image = image.convert("RGBA")
            white = Image.new("RGBA", image.size, "white")
            return np.asarray(Image.alpha_composite(white, image).convert("RGB"))
    except broken as error:
        raise ValueError(f"read_image: {path} is not an image that can be read: {error}") from error


def _to_unit_range(pixels: Array, path: Path) -> Array:
    if pixels.size == 0:
        raise ValueError(f"read_image: {path} has no pixels, its shape is {pixels.shape}")
    if pixels.dtype in (np.uint8, np.uint16):
        return pixels / np.iinfo(pixels.dtype).max
    if not (np.issubdtype(pixels.dtype, np.floating) or pixels.dtype == np.bool_):
        raise ValueError(
            f"read_image: {path} has dtype {pixels.dtype}, uint8, uint16 or floating point needed"
        )
    if not (pixels.min() >= 0 and pixels.max() <= 1):
        raise ValueError(
            f"read_image: {path} has pixels from {pixels.min()} to {pixels.max()}, floating point "
            "pixels must lie in [0, 1]: divide them by their largest possible value"
        )
    return pixels.astype(np.float64)


def _to_channels(pixels: Array, C: int) -> Array:
    """(H, W, 1 or 3) as (C, H, W)."""
    if C == 1 and pixels.shape[2] == 3:
        return (pixels @ LUMA)[None]
    return np.broadcast_to(pixels, (*pixels.shape[:2], C)).transpose(2, 0, 1)

"""CIFAR-10 from its binary files."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from descend.data.dataset import Dataset, as_image_dataset

CLASSES = (
    "airplane",
    "automobile",
    "bird",
    "cat",
    "deer",
    "dog",
    "frog",
    "horse",
    "ship",
    "truck",
)
TRAIN_FILES = tuple(f"data_batch_{number}.bin" for number in range(1, 6))
TEST_FILES = ("test_batch.bin",)

# One byte for the label, then the red, the green and the blue plane, each row by row.
IMAGE_SHAPE = (3, 32, 32)
ROW = 1 + 3 * 32 * 32


def cifar10(folder: str | os.PathLike[str]) -> tuple[Dataset, Dataset]:
    """The train and test Datasets of CIFAR-10 in its "binary version".

    `x` is (N, 3, 32, 32) float32 in [0, 1], red, green, blue; `t` is (N,) int64. `folder` holds
    data_batch_1.bin to data_batch_5.bin and test_batch.bin, or the folder cifar-10-batches-bin
    with them. A missing file is a FileNotFoundError, one of a wrong size a ValueError.

    A. Krizhevsky, "Learning multiple layers of features from tiny images", 2009,
    https://www.cs.toronto.edu/~kriz/cifar.html
    """
    inner = Path(folder, "cifar-10-batches-bin")
    place = inner if inner.is_dir() else Path(folder)
    return _read(place, TRAIN_FILES, "train"), _read(place, TEST_FILES, "test")


def _read(folder: Path, names: tuple[str, ...], part: str) -> Dataset:
    rows = np.concatenate([_read_rows(folder / name) for name in names])
    return as_image_dataset(
        rows[:, 1:].reshape(-1, *IMAGE_SHAPE),
        rows[:, 0],
        where=f"cifar10: {folder} ({part})",
        classes=CLASSES,
        name=f"cifar10 {part}",
    )


def _read_rows(path: Path) -> NDArray[Any]:
    if not path.is_file():
        raise FileNotFoundError(
            f"cifar10: {path} is missing: unpack the binary version of CIFAR-10 there"
        )
    data = np.fromfile(path, np.uint8)
    if data.size == 0 or data.size % ROW:
        raise ValueError(
            f"cifar10: {path} has {data.size} bytes, a multiple of {ROW} needed (a label and "
            "3 x 32 x 32 pixels an image)"
        )
    return data.reshape(-1, ROW)

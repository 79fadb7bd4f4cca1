"""The IDX format, in which MNIST and its relatives are published.

A file is: two zero bytes, a byte for the type, a byte for the number of axes, one big-endian
uint32 an axis, then the elements, big-endian, the last axis fastest. Gzip around it is usual.
Source: the last section of http://yann.lecun.com/exdb/mnist/
"""

from __future__ import annotations

import gzip
import hashlib
import math
import os
import zlib
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from descend.data.dataset import Dataset, as_image_dataset

Array = NDArray[Any]

TYPES = {0x08: ">u1", 0x09: ">i1", 0x0B: ">i2", 0x0C: ">i4", 0x0D: ">f4", 0x0E: ">f8"}

FILES = (
    "train-images-idx3-ubyte",
    "train-labels-idx1-ubyte",
    "t10k-images-idx3-ubyte",
    "t10k-labels-idx1-ubyte",
)


def read_idx(path: str | os.PathLike[str]) -> Array:
    """The array in an IDX file, gzipped or not, in the machine's byte order.

    A missing file is a FileNotFoundError; a wrong magic number, too few or too many bytes or
    broken compression is a ValueError.
    """
    return _parse(_read_bytes(Path(path)), Path(path))


def mnist(folder: str | os.PathLike[str]) -> tuple[Dataset, Dataset]:
    """The train and test Datasets of the four MNIST files in `folder`, gzipped or not.

    `x` is (N, 1, 28, 28) float32 in [0, 1], `t` is (N,) int64. The files are
    train-images-idx3-ubyte, train-labels-idx1-ubyte, t10k-images-idx3-ubyte and
    t10k-labels-idx1-ubyte; any data set that is published in this form can be read.

    Y. LeCun, L. Bottou, Y. Bengio, P. Haffner, "Gradient-based learning applied to document
    recognition", Proceedings of the IEEE 86, 1998, https://doi.org/10.1109/5.726791
    """
    paths = find_files(folder)
    if paths is None:
        raise FileNotFoundError(
            f"mnist: {Path(folder)} does not hold the four files {', '.join(FILES)} (or with .gz)"
        )
    return read_datasets(paths, "mnist", [str(digit) for digit in range(10)])


def find_files(folder: str | os.PathLike[str]) -> tuple[Path, ...] | None:
    """The paths of the four files, each plain or gzipped, or None if one is missing."""
    found = []
    for name in FILES:
        # Some archives unpack to train-images.idx3-ubyte, with a dot.
        dotted = name.replace("-idx", ".idx")
        choices = (Path(folder, n + end) for n in (name, dotted) for end in ("", ".gz"))
        found.append(next((path for path in choices if path.is_file()), None))
    paths = tuple(path for path in found if path is not None)
    return paths if len(paths) == len(FILES) else None


def read_datasets(
    paths: Sequence[Path],
    name: str,
    classes: Sequence[str],
    digests: Mapping[str, str] | None = None,
) -> tuple[Dataset, Dataset]:
    """The train and test Datasets in the four files that `find_files` found.

    With `digests` (a file's name in FILES to the md5 of its decompressed bytes), each file is
    verified before it is used.
    """
    arrays = []
    for path, file in zip(paths, FILES, strict=True):
        data = _read_bytes(path)
        if digests is not None:
            verify(data, digests[file], path)
        arrays.append(_parse(data, path))
    parts = []
    for part, (images, labels) in (("train", (0, 1)), ("test", (2, 3))):
        x, t = arrays[images], arrays[labels]
        if x.ndim != 3 or x.dtype != np.uint8:
            raise ValueError(
                f"{paths[images]}: holds {x.dtype} of shape {x.shape}, images must be uint8 of "
                "shape (N, H, W)"
            )
        where = f"{paths[labels]} ({part})"
        parts.append(as_image_dataset(x, t, where=where, classes=classes, name=f"{name} {part}"))
    return parts[0], parts[1]


def verify(data: bytes, digest: str, path: Path) -> None:
    """Raise a ValueError unless the md5 of `data`, which came from `path`, is `digest`."""
    actual = hashlib.md5(data, usedforsecurity=False).hexdigest()
    if actual != digest:
        raise ValueError(
            f"{path} is damaged or another file: the md5 of its decompressed bytes is {actual}, "
            f"expected {digest}: delete it and get it again"
        )


def _read_bytes(path: Path) -> bytes:
    if not path.is_file():
        raise FileNotFoundError(f"read_idx: {path} is not a file")
    data = path.read_bytes()
    # By content, not by name: browsers unpack and rename.
    if data[:2] != b"\x1f\x8b":
        return data
    try:
        return gzip.decompress(data)
    except (OSError, EOFError, zlib.error) as error:
        raise ValueError(f"{path} is damaged, gzip cannot decompress it: {error}") from error


def _parse(data: bytes, path: Path) -> Array:
    if len(data) < 4 or data[:2] != b"\0\0" or data[2] not in TYPES:
        raise ValueError(
            f"{path} is not an IDX file: it begins with {data[:4].hex(' ') or 'nothing'}, "
            "00 00, a type (08, 09, 0b, 0c, 0d or 0e) and the number of axes needed"
        )
    ndim, dtype = data[3], np.dtype(TYPES[data[2]])
    start = 4 + 4 * ndim
    if len(data) < start:
        raise ValueError(f"{path} is cut off in its header: {len(data)} bytes, {start} needed")
    shape = tuple(int(n) for n in np.frombuffer(data, ">u4", ndim, offset=4))
    # Before anything is allocated: a broken header can ask for any amount of memory.
    need = start + math.prod(shape) * dtype.itemsize
    if len(data) != need:
        raise ValueError(
            f"{path} has {len(data)} bytes, its header (shape {shape}, {dtype.name}) says {need}"
        )
    if ndim > 32:
        raise ValueError(f"{path} has {ndim} axes, at most 32 can be read")
    return np.frombuffer(data, dtype, offset=start).reshape(shape).astype(dtype.newbyteorder("="))

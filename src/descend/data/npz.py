"""Datasets from .npz files."""

from __future__ import annotations

import os
import zipfile
import zlib
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from descend.data.dataset import Dataset, as_image_dataset

Array = NDArray[Any]


def load_npz(path: str | os.PathLike[str]) -> tuple[Dataset, Dataset]:
    """The train and test Datasets in a .npz file.

    Its keys are x_train, t_train, x_test, t_test (y_train and y_test mean the same as t); a file
    with x and t (or y) only is split, a fixed fifth is the test set. uint8 images are scaled to
    float32 in [0, 1], (N, H, W) becomes (N, 1, H, W), labels become int64. Pickled objects are
    never loaded.

    A missing file is a FileNotFoundError, anything else that is wrong with it a ValueError.
    """
    path = Path(path)
    where = f"load_npz: {path}"
    if not path.is_file():
        raise FileNotFoundError(f"{where} is not a file")
    # Asked beforehand because np.load takes whatever it does not know for a pickle, and says so.
    if not zipfile.is_zipfile(path):
        raise ValueError(f"{where} is not a .npz file (a zip archive of arrays): use np.savez")
    arrays = _read(path, where)
    if _find(arrays, "x_train") is None:
        x, t = _need(arrays, where, "x"), _need(arrays, where, "t", "y")
        whole = as_image_dataset(x, t, where=where, name=path.stem)
        if len(whole) < 3:
            raise ValueError(f"{where} holds {len(whole)} samples, too few to hold out a fifth")
        return whole.split(0.2)
    parts = [
        as_image_dataset(
            _need(arrays, where, f"x_{part}"),
            _need(arrays, where, f"t_{part}", f"y_{part}"),
            where=f"{where} ({part})",
            name=f"{path.stem} {part}",
        )
        for part in ("train", "test")
    ]
    train, test = parts
    if train.x.shape[1:] != test.x.shape[1:]:
        raise ValueError(
            f"{where}: train images are {train.x.shape[1:]} and test images {test.x.shape[1:]}, "
            "they must have the same shape"
        )
    return train, test


def _read(path: Path, where: str) -> dict[str, Array]:
    arrays: dict[str, Array] = {}
    key = ""
    try:
        with np.load(path, allow_pickle=False) as archive:
            for key in archive.files:
                arrays[key] = archive[key]
    except (zipfile.BadZipFile, zlib.error, EOFError, OSError) as error:
        raise ValueError(f"{where} is damaged at {key!r}: {error}") from error
    except ValueError as error:
        # NumPy's refusal of pickles; a broken array header ends here as well.
        raise ValueError(
            f"{where}: {key!r} is not a plain array, pickled objects are not loaded: "
            "save numbers only"
        ) from error
    return arrays


def _find(arrays: dict[str, Array], *keys: str) -> Array | None:
    return next((arrays[key] for key in keys if key in arrays), None)


def _need(arrays: dict[str, Array], where: str, *keys: str) -> Array:
    found = _find(arrays, *keys)
    if found is None:
        raise ValueError(
            f"{where} has the keys {sorted(arrays)} but no {' or '.join(keys)}: "
            "x_train, t_train, x_test, t_test are needed, or x and t"
        )
    if not isinstance(found, np.ndarray):
        raise ValueError(f"{where}: {keys[0]} is not an array")
    return found

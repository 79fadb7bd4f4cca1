"""Named arrays in a safetensors file: a JSON header and raw bytes, nothing that could run.

The format: https://huggingface.co/docs/safetensors. Reading and checking is left to the package
`safetensors`, which refuses offsets outside of the file, overlaps and gaps.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np

from descend.formats.atomic import write_atomically


def save_safetensors(
    path: str | os.PathLike[str],
    arrays: Mapping[str, Any],
    metadata: Mapping[str, str] | None = None,
) -> None:
    """Write arrays under their names, and texts (``metadata``) beside them, in one piece.

    Raises TypeError for what is no array of numbers, ImportError without the package safetensors.
    """
    _need_package()
    from safetensors import numpy as safetensors

    plain = {name: _plain(path, name, x) for name, x in arrays.items()}
    write_atomically(path, safetensors.save(plain, dict(metadata or {})))


def load_safetensors(path: str | os.PathLike[str]) -> tuple[dict[str, np.ndarray], dict[str, str]]:
    """The arrays by name, and the texts that were saved beside them.

    Raises FileNotFoundError where there is no file, ValueError where it is damaged, ImportError
    without the package safetensors.
    """
    _need_package()
    from safetensors import SafetensorError, safe_open

    if not Path(path).is_file():
        raise FileNotFoundError(f"load_safetensors: {path} is not a file")
    try:
        with safe_open(path, framework="np") as file:
            arrays = {name: file.get_tensor(name) for name in file.keys()}
            return arrays, dict(file.metadata() or {})
    except (SafetensorError, TypeError, AttributeError, ValueError) as error:
        # NumPy has no bfloat16 and no 8-bit floats; the package then fails in several ways.
        reason = " ".join(str(error).split())
        raise ValueError(
            f"load_safetensors: {path} is not a readable safetensors file: {reason}"
        ) from error


def _plain(path: object, name: str, x: Any) -> np.ndarray:
    """The array in the main memory, contiguous: the package writes its memory as it lies."""
    array = x.get() if hasattr(x, "get") else np.asarray(x)
    if array.dtype.kind not in "biufc":
        raise TypeError(
            f"save_safetensors: {name!r} for {path} has dtype {array.dtype}, numbers are needed"
        )
    return np.asarray(array, order="C")


def _need_package() -> None:
    if find_spec("safetensors") is None:
        raise ImportError("safetensors: the package is not installed: pip install 'descend[train]'")

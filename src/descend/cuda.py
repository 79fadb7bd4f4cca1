"""Is a GPU there, and moving arrays to it and back.

CuPy is imported when an array is first sent to the GPU, so that neither its absence nor a broken
installation is in anybody's way.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from descend.core.arrays import Array, register
from descend.core.arrays import get_array_module as get_array_module
from descend.core.variable import array_of


def gpu_problem() -> str | None:
    """Why there is no GPU to compute on, in a sentence; None where there is one."""
    try:
        import cupy  # pyright: ignore[reportMissingImports]

        count = cupy.cuda.runtime.getDeviceCount()
    except ModuleNotFoundError:
        return "CuPy is not installed: pip install cupy-cuda12x, or the build for your CUDA"
    except Exception as error:  # a broken CuPy raises whatever its loader or driver does
        return f"CuPy is installed and does not work: {error}"
    return None if count else "CuPy sees no GPU"


def gpu_enable() -> bool:
    """Whether arrays can be sent to a GPU."""
    return gpu_problem() is None


def as_numpy(x: Any) -> np.ndarray:
    """The values of an array of any kind, a Variable or a number, in the main memory."""
    x = array_of(x)
    return x.get() if hasattr(x, "get") else np.asarray(x)


def as_cupy(x: Any) -> Array:
    """The values of an array or a Variable on the GPU.

    Raises RuntimeError where there is no CuPy or no GPU.
    """
    problem = gpu_problem()
    if problem:
        raise RuntimeError(f"to_gpu: {problem}")
    import cupy  # pyright: ignore[reportMissingImports]

    register(cupy.ndarray, cupy)
    return cupy.asarray(array_of(x))

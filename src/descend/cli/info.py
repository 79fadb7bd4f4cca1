"""``descend info``."""

from __future__ import annotations

import os
import platform
from importlib.util import find_spec

import numpy as np

from descend import __version__, cuda
from descend.compile import is_available
from descend.compile.machine import cache
from descend.data.fashion_mnist import find_fashion_mnist


def print_info() -> int:
    """Print what descend runs on, a line each."""
    lines = {
        "descend": __version__,
        "Python": f"{platform.python_version()} on {platform.platform()}",
        "NumPy": f"{np.__version__} with {_blas()}",
        "processor": f"{_cores()}{_threads()}",
        "compiler": _compiler(),
        "compiled code": _cache(),
        "GPU": _gpu(),
        "digits": "in the package",
        "fashion-mnist": _fashion_mnist(),
    }
    width = max(map(len, lines))
    for name, value in lines.items():
        print(f"{name:<{width}}  {value}")
    return 0


def _blas() -> str:
    blas = np.show_config(mode="dicts")["Build Dependencies"]["blas"]  # pyright: ignore
    return f"{blas['name']} {blas['version']}"


def _cores() -> str:
    usable = os.sched_getaffinity(0) if hasattr(os, "sched_getaffinity") else None
    count = os.cpu_count() or 1 if usable is None else len(usable)
    return f"{count} core{'s' if count > 1 else ''} to use"


def _threads() -> str:
    """The variables that hold NumPy's BLAS to fewer threads, where they are set."""
    names = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS")
    found = [f"{name}={os.environ[name]}" for name in names if name in os.environ]
    return f" ({', '.join(found)})" if found else ""


def _compiler() -> str:
    """What compiles, and for how many threads; or why nothing does."""
    if os.environ.get("DESCEND_COMPILE", "1") == "0":
        return "off: DESCEND_COMPILE is 0"
    if find_spec("llvmlite") is None:
        return "off: llvmlite is not installed"
    if not is_available():
        return "off: it does not run here"
    import llvmlite
    from llvmlite import binding

    from descend.compile.run.threads import thread_count

    version = ".".join(map(str, binding.llvm_version_info))
    count = thread_count()
    threads = f"{count} thread{'s' if count > 1 else ''}"
    return f"LLVM {version} (llvmlite {llvmlite.__version__}), {threads}"


def _cache() -> str:
    place = cache.folder()
    if place is None:
        return "not kept: DESCEND_CACHE is empty"
    files = [path for path in place.glob("*") if path.is_file()]
    size = sum(path.stat().st_size for path in files)
    return f"in {place}, {size / 1e6:.1f} MB"


def _gpu() -> str:
    problem = cuda.gpu_problem()
    if problem:
        return f"none: {problem}"
    import cupy  # pyright: ignore[reportMissingImports]

    return f"{cupy.cuda.runtime.getDeviceProperties(0)['name'].decode()}, CuPy {cupy.__version__}"


def _fashion_mnist() -> str:
    paths = find_fashion_mnist()
    return f"in {paths[0].parent}" if paths else "not here: it is downloaded when first needed"

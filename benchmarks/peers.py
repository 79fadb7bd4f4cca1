"""Which peers are installed, and what the machine is."""

from __future__ import annotations

import importlib
import os
import platform
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np

THREADS = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()


def peer(name: str) -> Any:
    """The module of a peer, or None where it is not installed."""
    try:
        return importlib.import_module(name)
    except ImportError:
        return None


def torch() -> ModuleType | None:
    """PyTorch on as many threads as there are cores."""
    module = peer("torch")
    if module is not None:
        module.set_num_threads(THREADS)
    return module


def machine() -> str:
    """The machine and the versions, in one line."""
    cpu = Path("/proc/cpuinfo")
    models = [
        line.partition(":")[2].strip()
        for line in (cpu.read_text().splitlines() if cpu.exists() else [])
        if line.startswith("model name")
    ]
    flags = cpu.read_text() if cpu.exists() else ""
    vectors = next((name for name in ("avx512f", "avx2") if name in flags), "")
    versions = [f"Python {platform.python_version()}", f"NumPy {np.__version__}"]
    for name in ("torch", "autograd", "jax", "tinygrad"):
        module = peer(name)
        if module is not None:
            versions.append(f"{name} {getattr(module, '__version__', '')}".strip())
    processor = models[0] if models else platform.processor()
    return f"{THREADS} cores of {processor} ({vectors}), {', '.join(versions)}"

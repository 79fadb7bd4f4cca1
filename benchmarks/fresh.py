"""Measurements that need a process of their own: a module is run and prints JSON as its last line.

So a crash takes one figure with it, settings of one piece of work stay out of the next, and the
number of threads can be chosen, which JAX reads from the cores that it may use.
"""

from __future__ import annotations

import compileall
import functools
import importlib.util
import json
import os
import subprocess
import sys
from collections.abc import Mapping
from typing import Any

THREADS = ("DESCEND_THREADS", "OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS")
CACHES = ("DESCEND_CACHE", "TORCHINDUCTOR_CACHE_DIR", "JAX_COMPILATION_CACHE_DIR")


def start(
    module: str, *arguments: str, threads: int, environment: Mapping[str, str] = {}
) -> subprocess.Popen[str]:
    """A new process that runs ``module`` on the first ``threads`` cores."""

    def bind() -> None:
        if hasattr(os, "sched_setaffinity"):
            os.sched_setaffinity(0, sorted(os.sched_getaffinity(0))[:threads])

    compile_package()
    return subprocess.Popen(
        [sys.executable, "-W", "ignore", "-m", module, *arguments],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        env={**os.environ, **dict.fromkeys(THREADS, str(threads)), **environment},
        preexec_fn=bind,
    )


@functools.cache
def compile_package() -> None:
    """Leave Python's own compiled files, as every installed package has them."""
    found = importlib.util.find_spec("descend")
    assert found is not None and found.submodule_search_locations is not None
    for folder in found.submodule_search_locations:
        compileall.compile_dir(folder, quiet=1)


def run(module: str, *arguments: str, **options: Any) -> Any:
    """What ``module`` printed; RuntimeError if it did not end well."""
    process = start(module, *arguments, **options)
    output = process.communicate()[0]
    return answer(process, output)


def answer(process: subprocess.Popen[str], output: str) -> Any:
    """The last line of the output of a process that has ended."""
    lines = output.splitlines()
    if process.returncode or not lines:
        raise RuntimeError(f"the process ended with {process.returncode}")
    return json.loads(lines[-1])


def caches(folder: str) -> dict[str, str]:
    """The settings that let everyone keep compiled code below ``folder``."""
    return {
        **{name: os.path.join(folder, name.lower()) for name in CACHES},
        "JAX_PERSISTENT_CACHE_MIN_COMPILE_TIME_SECS": "0",
        "JAX_PERSISTENT_CACHE_MIN_ENTRY_SIZE_BYTES": "-1",
    }

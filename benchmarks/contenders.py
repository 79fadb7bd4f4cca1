"""Who computes a piece of work, and whether all compute the same."""

from __future__ import annotations

import importlib.util
import os
from collections.abc import Callable, Collection
from functools import partial
from types import ModuleType
from typing import Any

import numpy as np

from benchmarks import peers

COLUMNS = {
    "torch": "PyTorch",
    "torch.compile": "torch.compile",
    "jax": "JAX (jit)",
    "tinygrad": "tinygrad",
    "eager": "descend eager",
    "compiled": "descend compiled",
}
STEPS = 3

Step = Callable[[], Any]
Maker = Callable[[], tuple[Step, Callable[[], dict[str, np.ndarray]]]]


class Absent(Exception):
    """Why a contender is not there."""


def contenders(
    work: ModuleType, columns: Collection[str] = tuple(COLUMNS), **sizes: int
) -> dict[tuple[str, str], Maker]:
    """A maker of step and weights for each column and variant, PyTorch's first.

    What is not installed and what the work does not have is left out; other frameworks than
    those of ``columns`` are not imported.
    """
    makers: dict[tuple[str, str], Maker] = {}
    torch = peers.torch() if {"torch", "torch.compile"} & {*columns} else None
    if torch is not None:
        for variant, options in getattr(work, "TORCH_VARIANTS", {"": {}}).items():
            options = {**options, **sizes}
            makers["torch", variant] = partial(work.torch, torch, **options)
            makers["torch.compile", variant] = partial(
                work.torch, torch, compile=torch.compile, **options
            )
    for name in ("jax", "tinygrad"):
        module = peers.peer(name) if name in columns and hasattr(work, name) else None
        if module is not None:
            makers[name, ""] = partial(getattr(work, name), module, **sizes)
    makers["eager", ""] = partial(work.descend, **sizes)
    makers["compiled", ""] = lambda: work.descend(compile=descend_compile(), **sizes)
    return {key: maker for key, maker in makers.items() if key[0] in columns}


def descend_compile() -> Callable[..., Any]:
    """`descend.compile`; Absent where it is not there, or would do nothing."""
    import descend

    found = getattr(descend, "compile", None)
    if not callable(found):
        raise Absent("no descend.compile")
    if importlib.util.find_spec("llvmlite") is None:
        raise Absent("no llvmlite")
    if os.environ.get("DESCEND_COMPILE") == "0":
        raise Absent("DESCEND_COMPILE=0")
    return found


def record(maker: Maker) -> tuple[Step, list[np.ndarray]]:
    """A step, and what it returned and changed in its first ``STEPS`` calls.

    All changes of weights together are one array: that of a bias in front of a normalization is
    nothing but rounding, and has to be seen beside the others.
    """
    step, weights = maker()
    before = weights()
    # Copies: a framework may use the memory of an answer again.
    answers = [[np.array(part) for part in _parts(step())] for _ in range(STEPS)]
    after = weights()
    trace = [part for answer in answers for part in answer]
    if before:
        trace.append(np.concatenate([np.ravel(after[k] - before[k]) for k in sorted(before)]))
    return step, trace


def _parts(answer: Any) -> list[Any]:
    return list(answer) if isinstance(answer, (list, tuple)) else [answer]


def distance(trace: list[np.ndarray], reference: list[np.ndarray]) -> float:
    """The largest difference of two arrays, as a part of the reference; in the Euclidean norm."""
    parts = []
    for x, y in zip(trace, reference, strict=True):
        x, y = x.astype(np.float64), y.astype(np.float64)
        if x.shape != y.shape:
            raise ValueError(f"{x.shape} came, {y.shape} is needed")
        parts.append(np.linalg.norm(x - y) / np.linalg.norm(y))
    return float(np.max(parts))


def excuse(error: BaseException) -> str:
    """What went wrong, in a few words for a cell of a table."""
    if isinstance(error, Absent):
        return str(error)
    lines = [line for line in str(error).splitlines() if line.strip()]
    text = f"{type(error).__name__}: {lines[0].strip()}" if lines else type(error).__name__
    return text.replace("|", "/")[:90]

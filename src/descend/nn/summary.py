"""A table of a network's layers."""

from __future__ import annotations

from typing import Any

import numpy as np

from descend.core.config import no_grad, test_mode
from descend.core.variable import Variable
from descend.nn.module import Module, watcher

HEAD = ("Layer", "Output shape", "Parameters")


def summary(module: Module, *xs: Any) -> str:
    """The table of `Module.summary`: every layer under the name of the attribute that holds it."""
    xs = tuple(_input(module, x) for x in xs)
    names = {id(part): (path, depth(path)) for path, part in module.named_modules()}
    shapes: dict[int, str] = {}

    def told(part: Module, y: Any) -> None:
        shapes.setdefault(id(part), answered(y))

    token = watcher.set(told)
    try:
        with no_grad(), test_mode():
            module(*xs)
    finally:
        watcher.reset(token)

    rows = []
    seen: set[int] = set()
    for path, part in module.named_modules():
        own = [p for _, p in part.own_parameters() if id(p) not in seen]
        seen.update(id(p) for p in own)
        label = "  " * names[id(part)][1] + (f"{path.rpartition('.')[2]}: " if path else "")
        count = sum(p.size for p in own)
        rows.append(
            (label + type(part).__name__, shapes.get(id(part), "-"), f"{count:,}" if own else "-")
        )
    return "\n".join([*_table(rows), *_totals(module)])


def _input(module: Module, x: Any) -> Any:
    """An input as it is; for a shape, zeros of the dtype of the parameters."""
    if not isinstance(x, (tuple, list)) or not all(isinstance(size, int) for size in x):
        return x
    dtypes = [parameter.dtype for parameter in module.parameters()]
    return np.zeros(tuple(x), dtypes[0] if dtypes else np.float32)


def depth(path: str) -> int:
    """How many modules lie above the one of this dotted name."""
    return path.count(".") + 1 if path else 0


def answered(y: Any) -> str:
    """The shape of what a module answered, or those of several arrays."""
    if isinstance(y, (tuple, list)):
        return "(" + ", ".join(answered(part) for part in y) + ")"
    return str(tuple(y.shape)) if isinstance(y, Variable) or hasattr(y, "shape") else "-"


def _table(rows: list[tuple[str, str, str]]) -> list[str]:
    """The rows under their head, in columns."""
    widths = [max(len(row[i]) for row in [HEAD, *rows]) for i in range(3)]
    lines = [
        f"{layer:<{widths[0]}}  {shape:<{widths[1]}}  {count:>{widths[2]}}".rstrip()
        for layer, shape, count in [HEAD, *rows]
    ]
    rule = "-" * (sum(widths) + 4)
    return [lines[0], rule, *lines[1:], rule]


def _totals(module: Module) -> list[str]:
    """How many parameters there are, and how much memory they take."""
    parameters = list(module.parameters())
    total = sum(p.size for p in parameters)
    trained = sum(p.size for p in parameters if p.requires_grad)
    size = sum(p.data.nbytes for p in [*parameters, *module.buffers()])
    return [
        f"{total:,} parameters, {trained:,} of them trained; {size / 2**20:.2f} MiB with buffers"
    ]

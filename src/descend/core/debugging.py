"""What `debug()` checks: values and gradients are finite, kept arrays are unchanged."""

# pyright: reportUnknownVariableType=false, reportUnknownArgumentType=false
# pyright: reportUnknownMemberType=false, reportPrivateUsage=false
# (isinstance narrows an array, which is Any, to a type with unknown parameters)

from __future__ import annotations

import os
import sys
import zlib
from typing import TYPE_CHECKING, Any

import numpy as np

from descend.core.errors import shape_of
from descend.core.variable import array_of

if TYPE_CHECKING:
    from descend.core.function import Function

PACKAGES = tuple(
    os.path.join(os.path.dirname(path), "") for path in (os.path.dirname(__file__), np.__file__)
)


def user_line() -> str:
    """The line of the caller's source, outside of this package and of NumPy: "train.py:12"."""
    frame = sys._getframe(1)  # pyright: ignore[reportPrivateUsage]
    while frame.f_back is not None and frame.f_code.co_filename.startswith(PACKAGES):
        frame = frame.f_back
    return f"{frame.f_code.co_filename}:{frame.f_lineno}"


def check_values(function: Function, xs: list[Any], answer: Any) -> None:
    """FloatingPointError if an output of ``forward`` is not finite."""
    for y in answer if isinstance(answer, tuple) else (answer,):
        fault = not_finite(y)
        if fault:
            came = ", ".join(shape_of(x) for x in xs)
            raise FloatingPointError(
                f"{function.name}: the value has {fault} (inputs {came}, output {shape_of(y)}), "
                f"called at {user_line()}"
            )


def check_gradients(function: Function, gys: list[Any], gxs: tuple[Any, ...]) -> None:
    """FloatingPointError if the rule answered a gradient that is not finite."""
    for i, gx in enumerate(gxs):
        fault = None if gx is None else not_finite(array_of(gx))
        if fault:
            raise FloatingPointError(
                f"{function.name}: the gradient of input {i} has {fault} "
                f"(shape {shape_of(gx)}, output {shape_of(gys[0])}), "
                f"called at {getattr(function, 'called_at', 'a line that ran outside of debug()')}"
            )


def not_finite(x: Any) -> str | None:
    """What is wrong with the values, if something is: "2 of 6 elements NaN or infinite"."""
    x = np.asarray(x) if isinstance(x, (np.generic, int, float, complex)) else x
    if x.dtype.kind not in "fc":
        return None
    bad = x.size - int((abs(x) < np.inf).sum())  # NaN compares as false
    return f"{bad} of {x.size} elements NaN or infinite" if bad else None


def watch(function: Function) -> None:
    """Note where the call was made, and what the arrays are that it keeps."""
    function.called_at = user_line()  # pyright: ignore[reportAttributeAccessIssue]
    function.fingerprints = fingerprints(function)  # pyright: ignore[reportAttributeAccessIssue]


def check_unchanged(function: Function) -> None:
    """RuntimeError if an array that the call keeps is not what it was in the forward pass."""
    before: dict[str, int] = getattr(function, "fingerprints", {})
    for name, value in fingerprints(function).items() if before else ():
        if value != before.get(name):
            raise RuntimeError(
                f"{function.name}: {name} was changed in place after the forward pass at "
                f"{getattr(function, 'called_at', '?')}, so its gradient would be wrong; "
                f"change a copy, or call backward() first"
            )


def fingerprints(function: Function) -> dict[str, int]:
    """A checksum of each array that the call keeps."""
    held = dict(function.kept)
    inputs, outputs = held.pop("held", ((), ()))
    held.update((f"input {i}", x) for i, x in enumerate(inputs))
    held.update((f"output {i}", y) for i, y in enumerate(outputs))
    return {
        name: zlib.crc32(np.ascontiguousarray(x).view(np.uint8).data if x.ndim else x.tobytes())
        for name, x in held.items()
        if isinstance(x, np.ndarray)
    }

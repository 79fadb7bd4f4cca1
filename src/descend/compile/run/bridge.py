"""A host call in a program: where its arguments and results lie, found once."""

# pyright: reportUnknownVariableType=false, reportUnknownArgumentType=false
# pyright: reportUnknownMemberType=false
# (NumPy's arrays have unknown parameters here)

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from descend.compile.kernels.kernel import Buffer, Kernel
from descend.compile.kernels.walks import contiguous
from descend.compile.passes.floats import FloatCall


@dataclass(frozen=True)
class Place:
    """Where a buffer lies: in an array that stays, or in one that every run is given."""

    array: Any = None
    index: int = -1
    output: bool = False


class Window:
    """Elements of a buffer, seen as an array of some shape and dtype."""

    __slots__ = ("array", "dtype", "index", "offset", "output", "shape", "strides")

    def __init__(
        self,
        buffer: Buffer,
        place: Place,
        offset: int,
        strides: tuple[int, ...],
        shape: tuple[int, ...],
        dtype: Any,
    ) -> None:
        size = buffer.dtype.itemsize
        pairs = dtype is not None  # a complex number for the two floats along the last axis
        self.shape = shape[:-1] if pairs else shape
        self.strides = tuple(size * s for s in strides)[: len(self.shape)]
        self.offset = size * offset
        self.dtype = dtype if pairs else buffer.dtype
        self.index, self.output = place.index, place.output
        self.array = None if place.array is None else self._of(place.array)

    def _of(self, array: Any) -> Any:
        return np.ndarray(self.shape, self.dtype, array, self.offset, self.strides)

    def now(self, inputs: Sequence[Any], outputs: Sequence[Any]) -> Any:
        """The array in this run."""
        if self.array is not None:
            return self.array
        return self._of((outputs if self.output else inputs)[self.index])


class Bridge:
    """One host call: arguments are copied out of the program's memory, results into it."""

    def __init__(self, kernel: Kernel, place_of: Callable[[Buffer], Place]) -> None:
        call = kernel.call
        assert call is not None
        given: Sequence[Any] = [None] * len(kernel.views)
        answered: Sequence[Any] = [None] * len(kernel.writes)
        if isinstance(call, FloatCall):
            call, given, answered = call.call, call.given, call.answered
        self.call: Callable[..., Any] = call
        self.arguments = [
            Window(buffer, place_of(buffer), offset, strides, shape, dtype)
            for (buffer, offset, strides, shape), dtype in zip(kernel.views, given, strict=True)
        ]
        buffers = [access.buffer for access in kernel.writes]
        self.results = [
            Window(buffer, place_of(buffer), 0, contiguous(buffer.shape), buffer.shape, dtype)
            for buffer, dtype in zip(buffers, answered, strict=True)
        ]

    def __call__(self, inputs: Sequence[Any], outputs: Sequence[Any]) -> None:
        """Call, with the arrays of this run."""
        found = self.call(*[x.now(inputs, outputs).copy() for x in self.arguments])
        for window, value in zip(self.results, found, strict=True):
            window.now(inputs, outputs)[...] = value

"""What a function touches while it is recorded: its arguments, and each Variable that it meets.

While a trace is open (``config().trace``), reading ``data`` of a Variable made before answers a
LazyArray and makes that Variable an input; rebinding it makes it an output. The Variables
themselves stay as they are: what they would be is held here.
"""

# pyright: reportUnknownVariableType=false, reportUnknownArgumentType=false
# pyright: reportUnknownMemberType=false
# (isinstance narrows an array, which is Any, to a type with unknown parameters)

from __future__ import annotations

import gc
import time
import zlib
from dataclasses import dataclass
from typing import Any
from weakref import ref

import numpy as np

from descend.compile.errors import TraceError
from descend.compile.graph import Node, input_node
from descend.compile.lazy.array import LazyArray, Recorder, as_node, native
from descend.compile.record.lowerings import lower
from descend.core import Function, Variable

PLAIN = (bool, int, float, str, tuple, type(None))
"""The types of settings that a recording depends on."""


@dataclass(frozen=True)
class Source:
    """Where an input of the graph comes from at every call.

    ``kind`` is "argument" (the array or Variable number ``index``), "variable", "grad" (the
    gradient that a Variable has), or "array" (one that the function holds on to).
    """

    kind: str
    owner: Any = None
    index: int = -1


class Trace(Recorder):
    """One recording."""

    def __init__(self, captured: frozenset[Variable] = frozenset()) -> None:
        super().__init__()
        self.captured_arguments = captured
        """The arguments that the function has anyway: it gets them as they are."""
        self.replaced: set[Variable] = set()
        """The arguments that something else stands for."""
        self.met: set[Variable] = set()
        """Those of them that it has anyway, as this recording has shown."""
        self.inputs: dict[Node, Source] = {}
        self.held: dict[Variable, LazyArray] = {}
        """What each Variable from outside holds by now."""
        self.given: dict[Variable, LazyArray] = {}
        """What it held when it was first read."""
        self.grads: dict[Variable, Variable | None] = {}
        """The gradient that each Variable from outside has by now."""
        self.given_grads: dict[Variable, Variable | None] = {}
        self.arguments: dict[Variable, tuple[int, Variable]] = {}
        """The Variables that stand for arguments: which one, and the argument itself."""
        self.stand_ins: dict[Variable, Variable] = {}
        """For each computed Variable from outside the leaf that stands for it."""
        self.originals: dict[Variable, Variable] = {}
        self.settings: dict[int, tuple[Any, dict[str, Any], int]] = {}
        """Dicts and lists that the recording depends on, the values in them, how many."""
        self.made: set[Variable] = set()
        """The Variables made inside, but for those that calls answer."""
        self.presets: dict[Variable, LazyArray] = {}
        self.checksums: dict[Node, int] = {}
        """Of the arrays that were met, when they were."""
        self.walked = False
        """Whether backward() was called inside."""

    # ---- what the core asks -----------------------------------------------------------------

    def read(self, variable: Variable) -> Any:
        """What ``variable.data`` is by now."""
        data = variable._data  # pyright: ignore[reportPrivateUsage]
        if isinstance(data, LazyArray) or data is None:
            return data
        self._note(variable)
        if variable in self.made:
            variable._data = LazyArray(as_node(array_now(variable)))  # pyright: ignore[reportPrivateUsage]
            return variable._data  # pyright: ignore[reportPrivateUsage]
        if variable not in self.held:
            data = array_now(variable)
            if not isinstance(data, np.ndarray):
                raise TraceError(
                    f"reads a Variable that holds {type(data).__name__}",
                    "the compiler takes NumPy's arrays",
                )
            array = self.presets.get(variable)
            if array is None:
                owner = self.originals.get(variable, variable)
                array = self.input(Source("variable", owner), data)
            self.held[variable] = self.given[variable] = array
        return self.held[variable]

    def add(self, variable: Variable) -> None:
        """Note that a Variable is made inside: every call makes it anew."""
        self.made.add(variable)

    def write(self, variable: Variable, value: Any) -> None:
        """``variable.data = value``."""
        if self._is_inside(variable):
            variable._data = value  # pyright: ignore[reportPrivateUsage]
            return
        self._note(variable)
        if variable in self.stand_ins or variable.creator is not None:
            raise TraceError(
                "rebinds the data of a Variable that was computed outside", "rebind a leaf"
            )
        self.held[variable] = value
        if variable in self.arguments:
            variable._data = value  # pyright: ignore[reportPrivateUsage]

    def read_grad(self, variable: Variable) -> Variable | None:
        """What ``variable.grad`` is by now."""
        if variable in self.grads:
            return self.grads[variable]
        if self._is_inside(variable):
            return variable._grad  # pyright: ignore[reportPrivateUsage]
        self._note(variable)
        grad = self._outer(variable)._grad  # pyright: ignore[reportPrivateUsage]
        if grad is not None:
            array = self.input(self._source_of_grad(variable), array_now(grad))
            grad = Variable(array, grad.name, grad.requires_grad)
        self.given_grads[variable] = self.grads[variable] = grad
        return grad

    def write_grad(self, variable: Variable, value: Variable | None) -> None:
        """``variable.grad = value``."""
        if self._is_inside(variable):
            variable._grad = value  # pyright: ignore[reportPrivateUsage]
            return
        self._note(variable)
        if variable in self.originals:
            raise TraceError(
                "walks into a graph that was made outside",
                "compute all that backward() walks over inside the compiled function",
            )
        self.grads[variable] = value

    def operands(self, xs: tuple[Any, ...]) -> tuple[Any, ...]:
        """The arguments of a call, a leaf in the place of each Variable computed outside."""
        return tuple(self._leaf(x) if isinstance(x, Variable) else x for x in xs)

    def forward(self, function: Function, arrays: list[Any]) -> Any:
        """What a call answers, recorded."""
        return lower(function, arrays)

    def check_inside(self, y: Variable) -> None:
        """TraceError if backward() is asked of something computed outside."""
        self.walked = True
        if y.creator is not None and not isinstance(y._data, LazyArray):  # pyright: ignore[reportPrivateUsage]
            raise TraceError(
                "calls backward() of a Variable that was computed outside",
                "compute it inside the compiled function",
            )

    def depends(self, settings: dict[str, Any] | list[Any]) -> None:
        """Note that the recording holds only as long as the numbers and words in here are these.

        Of a list it is the length that must stay.
        """
        if id(settings) not in self.settings:
            named = settings.items() if isinstance(settings, dict) else ()
            plain = {k: v for k, v in named if isinstance(v, PLAIN)}
            self.settings[id(settings)] = (settings, plain, len(settings))

    # ---- what the compiler asks -------------------------------------------------------------

    def input(self, source: Source, array: Any) -> LazyArray:
        """A new input of the graph."""
        node = input_node(array.shape, native(array.dtype))
        self.inputs[node] = source
        return LazyArray(node)

    def capture(self, array: Any) -> Node:
        """The input that stands for this very array."""
        node = super().capture(array)
        if node not in self.inputs:
            self.inputs[node] = Source("array", array)
            self.checksums[node] = _checksum(array)
        return node

    def check_captured(self) -> None:
        """TraceError if an array was changed after it was used: every call reads it as it is."""
        for node, checksum in self.checksums.items():
            if _checksum(self.inputs[node].owner) != checksum:
                shape, dtype = node.shape, node.dtype
                raise TraceError(
                    f"is in a function that changes an array, {dtype} {shape}, after it was used "
                    f"in what is recorded",
                    "change a copy, or keep it in a Variable",
                )

    def argument(self, x: Any, index: int) -> Any:
        """What the function gets for an argument: an array that records, or a leaf with one."""
        source = Source("argument", index=index)
        if not isinstance(x, Variable):
            return self.input(source, x)
        if x in self.captured_arguments:
            return x
        self.replaced.add(x)
        array = self.input(source, array_now(x))
        leaf = type(x)(array, x.name)
        leaf.requires_grad = x.requires_grad
        self.arguments[leaf] = (index, x)
        self.given[leaf] = array
        return leaf

    def writes(self) -> list[tuple[Variable, Any]]:
        """The Variables from outside that hold something else by now."""
        return [
            (variable, value)
            for variable, value in self.held.items()
            if value is not self.given.get(variable)
        ]

    def grad_writes(self) -> list[tuple[Variable, Variable | None]]:
        """The Variables from outside whose gradient is another by now."""
        missing = object()
        return [
            (variable, grad)
            for variable, grad in self.grads.items()
            if grad is not self.given_grads.get(variable, missing)
        ]

    def outside(self) -> set[Variable]:
        """The Variables from outside that the function read or changed, arguments aside."""
        return {v for v in (*self.held, *self.grads) if v not in self.arguments}

    def _note(self, variable: Variable) -> None:
        if variable in self.replaced:
            self.met.add(variable)

    def _is_inside(self, variable: Variable) -> bool:
        lazy = isinstance(variable._data, LazyArray)  # pyright: ignore[reportPrivateUsage]
        return (
            (lazy or variable in self.made)
            and variable not in self.arguments
            and variable not in self.originals
        )

    def _outer(self, variable: Variable) -> Variable:
        return self.arguments[variable][1] if variable in self.arguments else variable

    def _source_of_grad(self, variable: Variable) -> Source:
        if variable in self.arguments:
            return Source("argument grad", index=self.arguments[variable][0])
        return Source("grad", variable)

    def _leaf(self, x: Variable) -> Variable:
        data = x._data  # pyright: ignore[reportPrivateUsage]
        if x.creator is None or isinstance(data, LazyArray):
            return x
        if x not in self.stand_ins:
            leaf = Variable(np.asarray(data), x.name)
            self.made.discard(leaf)
            leaf.requires_grad = x.requires_grad
            self.stand_ins[x] = leaf
            self.originals[leaf] = x
        return self.stand_ins[x]


def _checksum(array: Any) -> int:
    return zlib.crc32(np.ascontiguousarray(array).tobytes())


def array_now(variable: Variable) -> Any:
    """The array that a Variable holds, whether or not a trace is open."""
    data = variable._data  # pyright: ignore[reportPrivateUsage]
    return np.asarray(data) if isinstance(data, np.generic) else data


def check_nothing_is_kept(arrays: list[ref[LazyArray]]) -> None:
    """TraceError if somebody outside holds on to an array that was only recorded."""
    for attempt in range(5):
        if all(array() is None for array in arrays):
            return
        gc.collect()  # which does nothing while another thread is at it
        time.sleep(0.002 * attempt)
    for array in arrays:
        kept = array()
        if kept is not None:
            raise TraceError(
                "makes an array that is kept outside of the compiled function, where it would "
                "have no value",
                "return it instead",
                kept.node.line,
            )

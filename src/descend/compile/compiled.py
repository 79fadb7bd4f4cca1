"""`compile`: a function that is recorded at its first call and then runs as native code."""

# pyright: reportPrivateUsage=false
# (the slot behind Variable.data is read directly: a call is to cost microseconds)

# pyright: reportUnknownVariableType=false, reportUnknownArgumentType=false
# pyright: reportUnknownMemberType=false
# (isinstance narrows an array, which is Any, to a type with unknown parameters)

from __future__ import annotations

import functools
import os
import sys
import threading
from collections.abc import Callable
from time import perf_counter
from types import MethodType
from typing import TYPE_CHECKING, Any

import numpy as np

from descend.compile import tree
from descend.core import Variable
from descend.core.arrays import is_array
from descend.core.config import config

if TYPE_CHECKING:
    from descend.compile.record.recording import Recording


def compile(function: Callable[..., Any] | None = None) -> Any:
    """A function that is recorded once for each kind of arguments, and then runs as native code.

        @descend.compile
        def step(x, t):
            loss = F.cross_entropy(model(x), t)
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            return loss

    The first call with arguments of new shapes or dtypes runs the Python once to see what is
    computed; later ones do not run it. Arrays and Variables may come in nested lists, tuples and
    dicts; everything else is part of the kind of arguments. Variables that the function reads
    (parameters, running statistics, an optimizer's state, a random generator's) are inputs of every
    call, and those that it rebinds are written.

    Called with Variables that need gradients, a function that changes none is one node of the
    graph, and its derivative is compiled too.

    What cannot be known while recording (``if loss > 1``, ``float(loss)``) is a `TraceError`. With
    ``DESCEND_COMPILE=0`` in the environment, without llvmlite, or under `descend.debug`, the
    function runs as it is written.

    >>> @descend.compile
    ... def area(r):
    ...     return np.pi * r**2
    >>> area(np.array([1.0, 2.0]))
    array([ 3.14159265, 12.56637061])
    """
    if function is None:
        return compile
    return Compiled(function)


@functools.cache
def is_available() -> bool:
    """Whether functions are compiled here: llvmlite is installed, and nobody turned it off."""
    if os.environ.get("DESCEND_COMPILE", "1") == "0":
        return False
    try:
        import llvmlite.binding  # noqa: F401  only to see that it is there  # pyright: ignore
    except ImportError:
        return False
    return sys.byteorder == "little"


class Compiled:
    """A compiled function; it is called as the function itself."""

    def __init__(self, function: Callable[..., Any], pure: bool = False) -> None:
        functools.update_wrapper(self, function)
        self.function = function
        self.pure = pure
        self.recordings: dict[Any, list[Recording]] = {}
        self.last: Recording | None = None
        self.seconds = 0.0
        """How long recording and compiling have taken so far."""
        self._lock = threading.RLock()

    def __get__(self, owner: Any, kind: Any = None) -> Any:
        """The method of one object: compiled for it alone, and gone with it."""
        if owner is None:
            return self
        try:
            held = vars(owner)
        except TypeError:  # it has slots
            return functools.partial(self, owner)
        bound = held.get(self._place)
        if bound is None or bound.function.__self__ is not owner:
            for cls in type(
                owner
            ).__mro__:  # all at once: recordings note which attributes are there
                for method in vars(cls).values():
                    if isinstance(method, Compiled):
                        function = MethodType(method.function, owner)
                        held[method._place] = Compiled(function, method.pure)
            bound = held.get(self._place) or functools.partial(self, owner)
        return bound

    @property
    def _place(self) -> str:
        """The attribute of an object that holds its own compiled method."""
        return f"_compiled_{id(self)}"

    def __reduce__(self) -> Any:
        return (Compiled, (self.function, self.pure))  # a copy begins anew

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        """What the function answers: recorded at the first such call, then run natively."""
        settings = config()
        if settings.trace is not None or settings.debug or not is_available():
            return self.function(*args, **kwargs)
        found: list[Any] = []
        structure = tree.leaves((args, kwargs), found) if args or kwargs else None
        kinds: list[Any] = [structure, settings.enable_backprop, settings.train]
        places: dict[int, int] = {}
        for i, x in enumerate(found):
            if isinstance(x, Variable):
                data = x._data
                if not isinstance(data, (np.ndarray, np.generic)):
                    return self.function(*args, **kwargs)  # of another device, or none
                first = places.setdefault(id(x), i)  # the same Variable may come twice
                kinds.append((data.shape, data.dtype, x.requires_grad, type(x), first))
            else:
                kinds.append((x.shape, x.dtype))
        key = tuple(kinds)
        with self._lock:
            recording = self._recording(key, found)
            if recording is None:
                if any(is_array(x) and not isinstance(x, np.ndarray) for x in args):
                    return self.function(*args, **kwargs)
                from descend.compile.record.recording import record

                start = perf_counter()
                recording = record(self.function, args, kwargs, found, self.pure)
                self.seconds += perf_counter() - start
                self.recordings.setdefault(key, []).insert(0, recording)
            self.last = recording
            if not recording.is_out_of_bounds(found):
                return recording.run(found)
        return self.function(*args, **kwargs)  # which says what is wrong

    def _recording(self, key: Any, found: list[Any]) -> Recording | None:
        """A recording of such a call that still holds."""
        candidates = self.recordings.get(key, ())
        for i, candidate in enumerate(candidates):
            if candidate.holds(found):
                if i:
                    candidates.insert(0, candidates.pop(i))  # pyright: ignore
                return candidate
        return None

    def clear(self) -> None:
        """Forget all recordings."""
        with self._lock:
            self.recordings.clear()
            self.last = None

    @property
    def name(self) -> str:
        """The function's name."""
        return getattr(self.function, "__name__", type(self.function).__name__)

    # ---- what was made ----------------------------------------------------------------------

    def _made(self) -> Recording:
        if self.last is None:
            raise RuntimeError(f"{self.name}: nothing is compiled before the first call")
        return self.last

    @property
    def graph(self) -> str:
        """The last recording's graph, as text."""
        return str(self._made().executable.graph)

    @property
    def kernels(self) -> str:
        """The last recording's kernels, as text."""
        from descend.compile.run.runtime import text_of

        return text_of(self._made().executable)

    @property
    def peak_bytes(self) -> int:
        """The memory that the last recording takes beside its inputs."""
        return self._made().executable.peak_bytes

    def explain(self) -> str:
        """What the last recording runs: kernels, what is in each, bytes, operations and time."""
        from descend.compile.run.explain import explain

        return explain(self)

    def __repr__(self) -> str:
        count = sum(len(found) for found in self.recordings.values())
        return f"<compiled {self.name}: {count} recordings>"

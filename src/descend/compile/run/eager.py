"""Large operations outside compiled functions as native kernels: the accelerator of the core.

An operation of one kind (its class and settings, the shapes, dtypes and layouts of its arrays) is
recorded and compiled when it is first met, and runs as a program from then on. The kinds of one
operation are counted: where shapes vary from call to call, compiling would never end.
"""

# pyright: reportPrivateUsage=false, reportUnknownVariableType=false
# pyright: reportUnknownArgumentType=false, reportUnknownMemberType=false
# (NumPy's arrays have unknown parameters here)

from __future__ import annotations

import copy
import threading
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from descend.compile.graph import Graph, Node, input_node
from descend.compile.lazy.array import LazyArray, as_node
from descend.compile.passes import optimized
from descend.compile.record.trace import Source, Trace
from descend.compile.run.memory import address_of
from descend.compile.run.runtime import Executable
from descend.core import Function, Variable, gradients
from descend.core.arrays import Array
from descend.core.config import using_config
from descend.core.function import Alias

MOST_KINDS = 64
"""The programs of one operation; what comes after is left to NumPy."""

DTYPES = frozenset("?bBhHiIlLqQfd")
"""The dtypes that kernels compute in, as NumPy's characters."""

Order = tuple[int, ...] | None
"""The axes of an array in the order in which they lie in memory; None for row-major."""


class Program:
    """A function of arrays of certain kinds as native code.

    ``function`` answers a list of arrays and Nones. The first outputs are written into the inputs
    numbered ``in_place``.
    """

    def __init__(
        self,
        function: Callable[..., Sequence[Any]],
        kinds: Sequence[tuple[tuple[int, ...], Any, Order]],
        in_place: Sequence[int] = (),
    ) -> None:
        trace = Trace()
        arrays: list[LazyArray] = []
        for i, (shape, dtype, order) in enumerate(kinds):
            stored = shape if order is None else tuple(shape[axis] for axis in order)
            node = input_node(stored, dtype)
            trace.inputs[node] = Source("argument", index=i)
            array = LazyArray(node)
            arrays.append(array if order is None else array.transpose(np.argsort(order).tolist()))
        with using_config("trace", trace), using_config("enable_backprop", False):
            ys = function(*arrays)
        self.places = [None if y is None else 0 for y in ys]
        nodes: list[Node] = []
        self.orders: list[Order] = []
        """How the axes of each output are brought back from the order they are computed in."""
        for i, y in enumerate(ys):
            if y is None:
                continue
            self.places[i] = len(nodes)
            node, back = as_node(y), None
            if node.op == "transpose" and len(nodes) >= len(in_place):
                back = tuple(node.params["axes"])
                node = node.inputs[0]
            nodes.append(node)
            self.orders.append(back)
        graph = optimized(Graph(list(trace.inputs), nodes))
        self.given: list[Any] = []
        """For each input of the graph its number among the arguments, or the array itself."""
        numbers: dict[int, int] = {}
        for i, x in enumerate(graph.inputs):
            source = trace.inputs[x]
            self.given.append(source.index if source.kind == "argument" else source.owner)
            numbers[source.index] = i
        written = [numbers.get(place) for place in in_place]
        self.in_place = list(in_place)
        self.executable = executable = Executable(graph, written)
        shared = list(zip(executable.output_numbers, executable.shared, strict=True))
        self.numbers = [
            [n, *(y for y, place in shared if place == i)]
            for i, n in enumerate(executable.input_numbers)
        ]
        """For each input of the graph the places of its address in the tables."""
        self.types = [(y.shape, y.dtype) for y in graph.outputs]
        self.lock = threading.Lock()

    def __call__(self, arrays: Sequence[Any]) -> list[Any]:
        """The results of the function; those written in place are the arguments themselves."""
        executable = self.executable
        outputs: list[Any] = []
        for i, (shape, dtype) in enumerate(self.types):
            kept = executable.shared[i] is not None
            outputs.append(None if kept else np.empty(shape, dtype))
        inputs = [arrays[x] if type(x) is int else x for x in self.given]
        with self.lock:
            for numbers, array in zip(self.numbers, inputs, strict=True):
                address = address_of(array)
                for table in executable.tables:
                    for number in numbers:
                        table[number] = address
            for i, array in enumerate(outputs):
                if array is not None:
                    executable.set_output(i, address_of(array))
            executable.execute(inputs, outputs)
        for i, place in enumerate(self.in_place):
            if outputs[i] is not None:
                arrays[place][...] = outputs[i]
            outputs[i] = arrays[place]
        for i, order in enumerate(self.orders):
            if order is not None:
                outputs[i] = outputs[i].transpose(order)
        return [None if place is None else outputs[place] for place in self.places]


class Fused(Function):
    """A composite as one node: its derivative computes it again, together with the gradients.

    Further derivatives go through its operations one by one.
    """

    def __init__(self, function: Callable[..., Any], count: int, params: dict[str, Any]) -> None:
        self.name = function.__name__.lstrip("_")  # pyright: ignore[reportAttributeAccessIssue]
        self.function = function
        self.count = count
        self.params = params

    @property
    def kind(self) -> Any:
        """What its programs depend on, but for the arrays."""
        return self.function, *sorted(self.params.items())

    def forward(  # pyright: ignore[reportIncompatibleMethodOverride]  a rule names its arguments
        self, x0: Any, x1: Any = None, x2: Any = None, x3: Any = None, x4: Any = None,
        x5: Any = None, x6: Any = None, x7: Any = None,
    ) -> Any:  # fmt: skip
        """The value, or the values."""
        xs = [x0, x1, x2, x3, x4, x5, x6, x7][: self.count]
        found = EAGER.run(self.function, (self.kind, "forward"), xs, self._values)
        ys = self._values(*xs) if found is None else found
        return ys[0] if len(ys) == 1 else tuple(ys)

    def _values(self, *xs: Any) -> list[Any]:
        y = self.function(*xs, **self.params)
        return list(y) if type(y) is tuple else [y]

    def backward(
        self, *gys: Any, x0: Any, x1: Any, x2: Any, x3: Any, x4: Any, x5: Any, x6: Any, x7: Any
    ) -> tuple[Any, ...]:
        """The gradients of those arguments that have one."""
        xs = [x0, x1, x2, x3, x4, x5, x6, x7][: self.count]
        wanted = tuple(edge is not None for edge in self.edges)
        if isinstance(gys[0], Variable):
            # one argument may be computed from another: each its own, whose gradient is looked for
            own = [Alias()(x) if want else x for x, want in zip(xs, wanted, strict=True)]
            return self._gradients(wanted, gys, own, create_graph=True)

        def rule(*arrays: Any) -> tuple[Any, ...]:
            gys = [Variable(gy, None, False) for gy in arrays[: len(arrays) - self.count]]
            xs = list(arrays[len(gys) :])
            for i, want in enumerate(wanted):
                xs[i] = Variable(xs[i]) if want else xs[i]
            gxs = self._gradients(wanted, gys, xs, create_graph=False)
            return tuple(None if gx is None else gx.data for gx in gxs)

        key = (self.kind, "backward", wanted)
        found = EAGER.run(self.function, key, [*gys, *xs], rule)
        return rule(*gys, *xs) if found is None else tuple(found)

    def _gradients(
        self,
        wanted: tuple[bool, ...],
        gys: Sequence[Any],
        xs: Sequence[Any],
        create_graph: bool,
    ) -> tuple[Any, ...]:
        """The gradients as Variables, by the rules of the operations."""
        with using_config("enable_backprop", True):
            pairs = list(zip(self._values(*xs), gys, strict=True))
            pairs = [pair for pair in pairs if isinstance(pair[0], Variable)]
            ys, seeds = [y for y, _ in pairs], [gy for _, gy in pairs]
            leaves = [x for x, want in zip(xs, wanted, strict=True) if want]
            found = iter(gradients(ys, leaves, seeds, create_graph, allow_unused=True))
        return tuple(next(found) if want else None for want in wanted)


class Eager:
    """The accelerator: programs by kind of call."""

    def __init__(self) -> None:
        self.programs: dict[Any, Program | None] = {}
        self.counts: dict[Any, int] = {}
        self.names: dict[type, list[str]] = {}
        """What the Functions of a class hand to their rule."""
        self.lock = threading.RLock()

    def run(
        self,
        operation: Any,
        key: Any,
        arrays: Sequence[Any],
        function: Callable[..., Sequence[Any]],
        in_place: Sequence[int] = (),
    ) -> list[Any] | None:
        """``function(*arrays)`` as a program, where None stays None; None if there is none."""
        stored: list[Any] = []
        kinds: list[Any] = []
        for x in arrays:
            if x is None:
                kinds.append(None)
                continue
            if type(x) is not np.ndarray or x.dtype.char not in DTYPES or not x.dtype.isnative:
                return None
            x, order = in_memory_order(x)
            stored.append(x)
            kinds.append((x.shape, x.dtype, order))
        whole = (operation, key, tuple(kinds))
        try:
            program = self.programs[whole]
        except TypeError:  # of a setting that cannot be hashed
            return None
        except KeyError:
            program = self._made(operation, whole, kinds, function, in_place)
        return None if program is None else program(stored)

    def _made(
        self,
        operation: Any,
        whole: Any,
        kinds: list[Any],
        function: Callable[..., Sequence[Any]],
        in_place: Sequence[int],
    ) -> Program | None:
        with self.lock:
            if whole in self.programs:
                return self.programs[whole]
            count = self.counts.get(operation, 0)
            if count >= MOST_KINDS:
                return None
            self.counts[operation] = count + 1

            def given(*arrays: Any) -> Sequence[Any]:
                some = iter(arrays)
                return function(*[None if kind is None else next(some) for kind in kinds])

            real = [_original(kind) for kind in kinds if kind is not None]
            try:
                program = Program(given, real, in_place)
                if any(kernel.call is not None for kernel in program.executable.kernels):
                    program = None  # it would call NumPy again
            except Exception:
                # What cannot be recorded runs op by op, and so does what is wrong: with the error
                # that belongs there
                program = None
            self.programs[whole] = program
            return program

    # ---- what the core asks -----------------------------------------------------------------

    def forward(self, function: Function, arrays: Sequence[Array]) -> Any:
        """What ``function.forward(*arrays)`` answers; what it keeps for its rule is kept."""
        kind = settings_of(function)
        names: list[str] = []

        def forward(*xs: Any) -> list[Any]:
            twin = copy.copy(function)
            y = twin(*_used(xs))
            handed = vars(twin).get("_handed", {})
            names.extend(handed)
            return [y, *handed.values()]

        cls = type(function)
        found = self.run(cls, (kind, "forward"), arrays, forward)
        if found is None:
            return None
        if names:
            self.names[cls] = names
        y, *handed = found
        if handed:
            function.keep(**dict(zip(self.names[cls], handed, strict=True)))
        return y

    def backward(self, function: Function, gys: list[Array]) -> Any:
        """What the rule answers for these gradients."""
        kept = function.kept
        edges = tuple(edge is not None for edge in function.edges)
        facts = tuple(x for x in kept.items() if type(x[1]) is not np.ndarray)
        names = [name for name, x in kept.items() if type(x) is np.ndarray]
        count = len(gys)

        def rule(*arrays: Any) -> Sequence[Any]:
            twin = copy.copy(function)
            twin.edges = list(edges)  # pyright: ignore[reportAttributeAccessIssue]
            held = {**dict(facts), **dict(zip(names, arrays[count:], strict=True))}
            gxs = twin.backward(*arrays[:count], **held)
            return gxs if type(gxs) is tuple else (gxs,)

        key = (settings_of(function), "backward", edges, facts)
        arrays = [*gys, *[kept[name] for name in names]]
        found = self.run(type(function), key, arrays, rule)
        return None if found is None else tuple(found)

    def composite(self, function: Callable[..., Any], xs: Any, params: dict[str, Any]) -> Any:
        """The composite as one node."""
        return Fused(function, len(xs), params)(*xs)

    def update(
        self,
        function: Callable[..., Any],
        key: Any,
        numbers: list[Array],
        arrays: list[Array],
        others: list[Array],
    ) -> Any:
        """Write what the function answers into ``arrays``."""
        in_place = range(len(numbers), len(numbers) + len(arrays))
        return self.run(key[0], key, [*numbers, *arrays, *others], function, in_place)


def in_memory_order(x: Any) -> tuple[Any, Order]:
    """An array with its axes as they lie in memory, and where they came from.

    What lies in no order at all is copied.
    """
    flags = x.flags
    if flags.c_contiguous and flags.aligned:
        return x, None
    if x.ndim > 1 and flags.aligned:
        order = tuple(sorted(range(x.ndim), key=lambda axis: -x.strides[axis]))
        y = x.transpose(order)
        if y.flags.c_contiguous:
            return y, order
    return np.require(x, requirements=["C", "A"]), None


def _original(kind: Any) -> Any:
    """The kind of an array from that of the one that lies in order."""
    shape, dtype, order = kind
    if order is None:
        return kind
    first = [0] * len(shape)
    for length, axis in zip(shape, order, strict=True):
        first[axis] = length
    return tuple(first), dtype, order


def settings_of(function: Function) -> Any:
    """What a Function depends on besides its arrays."""
    own = vars(function)
    return tuple((name, own[name]) for name in own if name not in STATE)


STATE = frozenset(("edges", "generation", "outputs", "kept", "output_types", "_handed"))
"""The attributes of a Function that a call leaves behind."""


def _used(xs: Sequence[Any]) -> Sequence[Any]:
    """The arguments up to the last that is given."""
    count = len(xs)
    while count and xs[count - 1] is None:
        count -= 1
    return xs[:count]


EAGER = Eager()

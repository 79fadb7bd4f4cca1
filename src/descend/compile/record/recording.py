"""One recording of a function: its graph compiled, and how arguments and results belong to it."""

# pyright: reportPrivateUsage=false
# (the slots behind Variable.data and Variable.grad are read directly: a call costs microseconds)

# pyright: reportUnknownVariableType=false, reportUnknownArgumentType=false
# pyright: reportUnknownMemberType=false
# (isinstance narrows an array, which is Any, to a type with unknown parameters)

from __future__ import annotations

import threading
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

from descend.compile import tree
from descend.compile.graph import Graph, Node
from descend.compile.lazy.array import LazyArray, as_node, native
from descend.compile.passes import optimized
from descend.compile.passes.bounds import bounds
from descend.compile.record.derivative import CompiledCall, Derivative, second_order
from descend.compile.record.trace import Source, Trace, array_now, check_nothing_is_kept
from descend.compile.run.memory import Memory
from descend.compile.run.runtime import Executable
from descend.core import Variable
from descend.core.config import using_config
from descend.core.variable import constant


@dataclass(frozen=True)
class Result:
    """A place in what the function answers: which output stands there, and as what."""

    output: int
    variable: bool


@dataclass(frozen=True)
class Effect:
    """An output that becomes the data or the gradient of a Variable.

    The Variable is ``owner``, or the argument ``index``. An output of None clears the gradient.
    """

    kind: str
    owner: Variable | None
    index: int
    output: int | None

    def target(self, found: list[Any]) -> Variable:
        """The Variable that is written."""
        return found[self.index] if self.owner is None else self.owner


class Guard:
    """A small program that is run first: does an index leave its axis?"""

    def __init__(self, graph: Graph) -> None:
        used = {x for node in graph.nodes for x in node.inputs}
        self.inputs = [i for i, x in enumerate(graph.inputs) if x in used]
        given = [graph.inputs[i] for i in self.inputs]
        self.executable = Executable(optimized(Graph(given, graph.outputs)))
        self.flag = np.zeros((), bool)
        self.seen: list[Any] = [None] * len(given)
        self.executable.set_output(0, self.flag.ctypes.data)

    @classmethod
    def of(cls, graph: Graph) -> Guard | None:
        """The guard of a graph, if it has indices to be looked at."""
        found = bounds(graph)
        return None if found is None else cls(found)

    def fires(self, arrays: list[Any]) -> bool:
        """Whether an index in these arrays is outside."""
        for i, array in enumerate(arrays):
            if array is self.seen[i]:
                continue
            if not (array.flags.c_contiguous and array.flags.aligned):
                array = arrays[i] = np.array(array, order="C")
            self.seen[i] = array
            self.executable.set_input(i, array)
        self.executable.execute(arrays, [self.flag])
        return bool(self.flag)


class Recording:
    """What one kind of call does."""

    def __init__(
        self,
        trace: Trace,
        outputs: list[Node],
        structure: Any,
        effects: list[Effect],
        derivative: Derivative | None,
    ) -> None:
        self.structure = structure
        self.effects = effects
        inputs = list(trace.inputs)
        self.results = len(outputs)
        self.derivative = derivative
        self.handed: list[Node] = []
        if derivative is not None:
            self.handed = derivative.residuals(inputs)
            own = [x for x in self.handed if x not in trace.inputs]
            places = {x: self.results + i for i, x in enumerate(own)}
            places.update({x: -1 - i for i, x in enumerate(inputs)})
            self.places = [places[x] for x in self.handed]
            outputs = [*outputs, *own]
        recorded = Graph(inputs, outputs)
        self.guard = Guard.of(recorded)
        graph = optimized(recorded)
        self.sources = [trace.inputs[x] for x in graph.inputs]
        self.settings = list(trace.settings.values())
        self.grad_states = [
            (trace.arguments[v][0] if v in trace.arguments else v, grad is None)
            for v, grad in trace.given_grads.items()
        ]
        self.needs = [
            (s.owner, s.owner.requires_grad) for s in self.sources if s.kind == "variable"
        ]
        self.shapes = [(x.shape, x.dtype) for x in graph.inputs]
        self.types = [(y.shape, y.dtype) for y in graph.outputs]
        self.executable = Executable(graph, self._in_place() if derivative is None else ())
        self.memories = [
            None if place is not None else Memory(*kind)
            for place, kind in zip(self.executable.shared, self.types, strict=True)
        ]
        self.variables = [(i, s.owner) for i, s in enumerate(self.sources) if s.kind == "variable"]
        self.others = [(i, s) for i, s in enumerate(self.sources) if s.kind != "variable"]
        self.seen: list[Any] = [None] * len(self.sources)
        self.keep: list[Any] = [None] * len(self.sources)
        self.differentiable: list[int] = []
        self.written = [place for place in self.executable.shared if place is not None]
        self.owners: set[int] = set()
        self._backward: Executable | None = None
        self._second: Any = None
        self.function: Any = None
        self.call: Any = None
        self.lock = threading.RLock()

    def _in_place(self) -> list[int | None]:
        """For each output the input that it replaces."""
        places: list[int | None] = [None] * len(self.types)
        for effect in self.effects:
            if effect.kind != "data" or effect.output is None:
                continue
            for i, source in enumerate(self.sources):
                same = (
                    source.kind == "variable" and source.owner is effect.owner
                    if effect.owner is not None
                    else source.kind == "argument" and source.index == effect.index
                )
                if same and self.shapes[i] == self.types[effect.output]:
                    places[effect.output] = i
        return places

    def place_arguments(self, trace: Trace, found: list[Any]) -> None:
        """Note which arguments are Variables that the function has anyway, and which are not."""
        self.outside = trace.outside()
        variables = [(i, x) for i, x in enumerate(found) if isinstance(x, Variable)]
        self.fixed = [(i, x) for i, x in variables if x in trace.captured_arguments]
        self.free = [i for i, x in variables if x not in trace.captured_arguments]

    # ---- is it this one? --------------------------------------------------------------------

    def holds(self, found: list[Any]) -> bool:
        """Whether all is as it was when this was recorded."""
        for settings, plain, count in self.settings:
            if len(settings) != count:
                return False
            for name, value in plain.items():
                if settings.get(name) is not value and settings.get(name) != value:
                    return False
        for owner, none in self.grad_states:
            variable: Variable = found[owner] if isinstance(owner, int) else owner
            if (variable._grad is None) is not none:
                return False
        for variable, needed in self.needs:
            if variable.requires_grad is not needed:
                return False
        for i, variable in self.fixed:
            if found[i] is not variable:
                return False
        for i in self.free:
            if found[i] in self.outside:
                return False
        for i, source in enumerate(self.sources):
            if source.kind == "variable" and source.owner._data is not self.seen[i]:
                data = array_now(source.owner)
                if not isinstance(data, np.ndarray):
                    return False
                if (data.shape, native(data.dtype)) != self.shapes[i]:
                    return False
        return True

    # ---- running ----------------------------------------------------------------------------

    def is_out_of_bounds(self, found: list[Any]) -> bool:
        """Whether an index among the arguments is outside of its axis."""
        return self.guard is not None and self.guard.fires(
            [_array_of(self.sources[i], found) for i in self.guard.inputs]
        )

    def run(self, found: list[Any]) -> Any:
        """What the function answers for these arguments."""
        if self.derivative is None:
            return self._answer(self.compute(found), {})
        targets = [_variable_of(source, found) for source in self.derivative.targets]
        call = CompiledCall(self, found)
        ys = call(*targets)
        return self._answer(call.outputs_now, dict(zip(self.differentiable, ys, strict=True)))

    def compute(self, found: list[Any]) -> list[Any]:
        """Run; answers the arrays of all outputs (None for those written in place)."""
        executable, seen, keep = self.executable, self.seen, self.keep
        changed: list[int] = []
        for i, owner in self.variables:
            data = owner._data
            if data is not seen[i] or keep[i] is not data:
                self._take(i, owner.data, changed)
        for i, source in self.others:
            self._take(i, _array_of(source, found), changed)
        inputs = keep
        if changed:
            inputs = list(keep)
            self._separate(changed, inputs)
        outputs: list[Any] = []
        for i, memory in enumerate(self.memories):
            if memory is None:
                outputs.append(None)
                continue
            array, address = memory.take()
            outputs.append(array)
            executable.set_output(i, address)
        executable.execute(inputs, outputs)
        for effect in self.effects:
            self._apply(effect, found, outputs)
        return outputs

    def _take(self, i: int, array: Any, changed: list[int]) -> None:
        """Let an input be read from this array, or from a copy in row-major order."""
        if array is not self.seen[i]:
            self.seen[i] = array
            flags = array.flags
            plain = flags.c_contiguous and flags.aligned and flags.writeable
            if not (plain and array.dtype.isnative):
                array = np.array(array, self.shapes[i][1], order="C")
            self.keep[i] = array
            self.executable.set_input(i, array)
            changed.append(i)
        elif self.keep[i] is not array:
            self.keep[i][...] = array

    def _separate(self, changed: list[int], inputs: list[Any]) -> None:
        """Copy an input that lies in memory that the run writes."""
        written = self.written
        if not written:
            return
        if not set(written).isdisjoint(changed):
            self.owners = {_owner(inputs[place]) for place in written}
            changed = list(range(len(inputs)))
        for i in changed:
            array = inputs[i]
            if i in written or _owner(array) not in self.owners:
                continue
            if any(np.may_share_memory(array, inputs[place]) for place in written):
                self.keep[i] = inputs[i] = array.copy()
                self.executable.set_input(i, inputs[i])

    # ---- derivatives ------------------------------------------------------------------------

    def changed(self) -> list[Variable]:
        """The Variables that a call changes."""
        return [e.owner for e in self.effects if e.kind == "data" and e.owner is not None]

    def state(self) -> list[Any]:
        """Copies of what they hold."""
        return [variable.data.copy() for variable in self.changed()]

    def residuals_of(self, outputs: list[Any]) -> list[Any]:
        """What the backward program gets of a call that has just been computed."""
        return [self.keep[-1 - i] if i < 0 else outputs[i] for i in self.places]

    def backward(self, residuals: list[Any], gys: tuple[Any, ...]) -> tuple[Any, ...]:
        """The gradients of the targets; None for those that the outputs do not depend on."""
        derivative = self.derivative
        assert derivative is not None
        if derivative.error is not None:
            raise derivative.error
        if self._backward is None:
            self._backward = Executable(optimized(derivative.graph(self.handed)))
        executable = self._backward
        seeds = [np.require(gy, requirements=["C", "A", "W"]) for gy in gys]
        outputs = [np.empty(y.shape, y.dtype) for y in executable.graph.outputs]
        with self.lock:
            executable.run([*residuals, *seeds], outputs)
        found = iter(outputs)
        return tuple(next(found) if reached else None for reached in derivative.reached)

    def second(
        self, found: list[Any], xs: list[Any], gys: list[Variable], state: list[Any]
    ) -> tuple[Any, ...]:
        """The same gradients as Variables, computed by a compiled function of its own."""
        from descend.compile.compiled import Compiled

        assert self.derivative is not None
        if self.derivative.error is not None:
            raise self.derivative.error
        if self._second is None:
            self._second = Compiled(second_order(self, self.changed()), pure=True)
        found = list(found)
        for source, x in zip(self.derivative.targets, xs, strict=True):
            if source.kind == "argument":
                found[source.index] = x
        leaves = iter(found)
        args, kwargs = tree.mapped(self.call, lambda _: next(leaves), (tree.Leaf,))
        return tuple(self._second(args, kwargs, gys, state))

    def _apply(self, effect: Effect, found: list[Any], outputs: list[Any]) -> None:
        variable = effect.target(found)
        if effect.kind == "grad":
            array = None if effect.output is None else outputs[effect.output]
            variable._grad = None if array is None else constant(array)
            return
        assert effect.output is not None
        array = outputs[effect.output]
        place = self.executable.shared[effect.output]
        if place is not None:
            if self.keep[place] is not self.seen[place]:
                variable._data = self.keep[place]
        elif (
            self.derivative is None  # whose backward needs the old values
            and isinstance(variable._data, np.ndarray)
            and _same_type(variable._data, array)
        ):
            variable._data[...] = array
        else:
            variable._data = array.copy()

    def _answer(self, outputs: list[Any], variables: dict[int, Variable]) -> Any:
        if type(self.structure) is Result and not variables:
            array = outputs[self.structure.output]
            return constant(array) if self.structure.variable else array

        def made(result: Result) -> Any:
            if result.output in variables:
                return variables[result.output]
            array = outputs[result.output]
            return constant(array) if result.variable else array

        return tree.mapped(self.structure, made, (Result,))


def _same_type(a: Any, b: Any) -> bool:
    return a.shape == b.shape and a.dtype == b.dtype and a.flags.writeable


def _owner(array: Any) -> int:
    """What the memory of an array belongs to."""
    base = array.base
    return id(array if base is None else base)


def _array_of(source: Source, found: list[Any]) -> Any:
    if source.kind == "variable":
        return source.owner._data if type(source.owner._data) is np.ndarray else source.owner.data
    if source.kind == "argument":
        x = found[source.index]
        if isinstance(x, Variable):
            return x.data
        return x if type(x) is np.ndarray else np.asarray(x)
    if source.kind == "array":
        return source.owner
    owner = found[source.index] if source.kind == "argument grad" else source.owner
    return owner._grad.data


def _variable_of(source: Source, found: list[Any]) -> Any:
    return found[source.index] if source.kind == "argument" else source.owner


def record(
    function: Callable[..., Any], args: Any, kwargs: Any, found: list[Any], pure: bool = False
) -> Recording:
    """Run the function once on arrays that record, and compile what it did.

    With ``pure``, what it would change stays as it is.
    """
    captured: frozenset[Variable] = frozenset()
    while True:
        trace = Trace(captured)
        try:
            recording = _recorded(trace, function, args, kwargs, found, pure)
            if not trace.met:
                break
        except Exception:
            if not trace.met:
                raise
        # The function has an argument anyway, a parameter for example: again, with that itself
        captured = captured | trace.met
    arrays = trace.arrays
    recording.function = function
    recording.call = tree.mapped((args, kwargs), lambda _: tree.LEAF)
    del trace
    check_nothing_is_kept(arrays)
    return recording


def _recorded(
    trace: Trace,
    function: Callable[..., Any],
    args: Any,
    kwargs: Any,
    found: list[Any],
    pure: bool,
) -> Recording:
    numbers = iter(range(len(found)))
    known: dict[int, Any] = {}

    def argument(x: Any) -> Any:
        """What stands for an argument inside; one and the same for one Variable."""
        number = next(numbers)
        if id(x) not in known:
            known[id(x)] = trace.argument(_plain(x), number)
        return known[id(x)]

    with using_config("trace", trace):
        inner = tree.mapped((args, kwargs), argument)
        answer = function(*inner[0], **inner[1])
        trace.check_captured()
        outputs: list[Node] = []
        ys: dict[int, Variable] = {}
        structure = _results(answer, trace, outputs, ys)
        effects = [] if pure else _effects(trace, outputs)
        step = trace.walked or any(
            e.kind == "grad" or (e.owner is not None and e.owner.requires_grad) for e in effects
        )
        if pure:
            step = False
        derivative = Derivative(trace, list(ys.values())) if ys and not step else None
    recording = Recording(trace, outputs, structure, effects, derivative)
    recording.differentiable = list(ys)
    recording.place_arguments(trace, found)
    return recording


def _plain(x: Any) -> Any:
    return np.asarray(x) if isinstance(x, np.generic) else x


def _results(
    answer: Any, trace: Trace, outputs: list[Node], differentiable: dict[int, Variable]
) -> Any:
    """The structure of the answer with a Result in every array's place.

    ``differentiable`` gets the Variables among them that have gradients, by their outputs.
    """

    def result(x: Any) -> Any:
        data = trace.read(x) if isinstance(x, Variable) else x
        if data is None:
            return x
        outputs.append(as_node(data))
        if isinstance(x, Variable) and x.requires_grad:
            differentiable[len(outputs) - 1] = x
        return Result(len(outputs) - 1, isinstance(x, Variable))

    return tree.mapped(answer, result, (LazyArray, *tree.LEAVES))


def _effects(trace: Trace, outputs: list[Node]) -> list[Effect]:
    effects: list[Effect] = []

    def add(kind: str, variable: Variable, array: Any) -> None:
        place = None
        if array is not None:
            outputs.append(as_node(array))
            place = len(outputs) - 1
        if variable in trace.arguments:
            effects.append(Effect(kind, None, trace.arguments[variable][0], place))
        else:
            effects.append(Effect(kind, variable, -1, place))

    for variable, array in trace.writes():
        add("data", variable, array)
    for variable, grad in trace.grad_writes():
        add("grad", variable, None if grad is None else trace.read(grad))
    return effects

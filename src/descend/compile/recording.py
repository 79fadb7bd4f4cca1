"""One recording of a function: its graph compiled, and how arguments and results belong to it."""

# pyright: reportPrivateUsage=false
# (the slots behind Variable.data and Variable.grad are read directly: a call costs microseconds)

from __future__ import annotations

import sys
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

from descend.compile import tree
from descend.compile.graph import Graph, Node
from descend.compile.lazy_array import LazyArray, as_node
from descend.compile.passes import optimized
from descend.compile.runtime import Executable
from descend.compile.trace import Source, Trace, array_now
from descend.core import Variable
from descend.core.config import using_config


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


class Recording:
    """What one kind of call does."""

    def __init__(
        self, trace: Trace, graph: Graph, structure: Any, effects: list[Effect]
    ) -> None:
        self.structure = structure
        self.effects = effects
        self.sources = [trace.inputs[x] for x in graph.inputs]
        self.settings = trace.settings
        self.grad_states = [
            (trace.arguments[v][0] if v in trace.arguments else v, grad is None)
            for v, grad in trace.given_grads.items()
        ]
        self.needs = [
            (s.owner, s.owner.requires_grad) for s in self.sources if s.kind == "variable"
        ]
        self.shapes = [(x.shape, x.dtype) for x in graph.inputs]
        self.types = [(y.shape, y.dtype) for y in graph.outputs]
        in_place = self._in_place()
        self.executable = Executable(graph, in_place)
        self.spare: list[Any] = [None] * len(self.types)
        self.seen: list[Any] = [None] * len(self.sources)
        self.keep: list[Any] = [None] * len(self.sources)

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

    # ---- is it this one? --------------------------------------------------------------------

    def holds(self, found: list[Any]) -> bool:
        """Whether all is as it was when this was recorded."""
        for owner, name, value in self.settings:
            if owner.__dict__.get(name) is not value and _setting(owner, name) != value:
                return False
        for owner, none in self.grad_states:
            variable = found[owner] if type(owner) is int else owner
            if (variable._grad is None) is not none:
                return False
        for variable, needed in self.needs:
            if variable.requires_grad is not needed:
                return False
        for i, source in enumerate(self.sources):
            if source.kind == "variable" and source.owner._data is not self.seen[i]:
                data = array_now(source.owner)
                if not isinstance(data, np.ndarray) or (data.shape, data.dtype) != self.shapes[i]:
                    return False
        return True

    # ---- running ----------------------------------------------------------------------------

    def run(self, found: list[Any]) -> Any:
        """What the function answers for these arguments."""
        executable = self.executable
        inputs: list[Any] = []
        for i, source in enumerate(self.sources):
            array = _array_of(source, found)
            if array is not self.seen[i]:
                self.seen[i] = array
                flags = array.flags
                if not (flags.c_contiguous and flags.aligned and flags.writeable):
                    array = np.array(array, order="C")
                self.keep[i] = array
                executable.set_input(i, array)
            elif self.keep[i] is not array:  # a copy in row-major order
                self.keep[i][...] = array
            inputs.append(self.keep[i])
        outputs = [self._output(i) for i in range(len(self.types))]
        executable.execute(inputs, outputs)
        for effect in self.effects:
            self._apply(effect, found, outputs)
        return self._answer(outputs)

    def _output(self, i: int) -> Any:
        """Memory for an output: the last call's, if nobody holds it any more."""
        if self.executable.shared[i] is not None:
            return None
        array = self.spare[i]
        if array is None or sys.getrefcount(array) > 3:
            shape, dtype = self.types[i]
            array = self.spare[i] = np.empty(shape, dtype)
            self.executable.set_output(i, array)
        return array

    def _apply(self, effect: Effect, found: list[Any], outputs: list[Any]) -> None:
        variable = effect.target(found)
        if effect.kind == "grad":
            array = None if effect.output is None else outputs[effect.output]
            variable._grad = None if array is None else Variable(array, None, False)
            return
        assert effect.output is not None
        array = outputs[effect.output]
        place = self.executable.shared[effect.output]
        if place is not None:
            if self.keep[place] is not self.seen[place]:
                variable._data = self.keep[place]
        elif isinstance(variable._data, np.ndarray) and _same_type(variable._data, array):
            variable._data[...] = array
        else:
            variable._data = array.copy()

    def _answer(self, outputs: list[Any]) -> Any:
        def made(result: Result) -> Any:
            array = outputs[result.output]
            return Variable(array, None, False) if result.variable else array

        return tree.mapped(self.structure, made, (Result,))


def _same_type(a: Any, b: Any) -> bool:
    return a.shape == b.shape and a.dtype == b.dtype and a.flags.writeable


def _setting(owner: Any, name: str) -> Any:
    return owner.get(name) if isinstance(owner, dict) else getattr(owner, name, None)


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


def record(
    function: Callable[..., Any], args: Any, kwargs: Any, found: list[Any]
) -> Recording:
    """Run the function once on arrays that record, and compile what it did."""
    trace = Trace()
    numbers = iter(range(len(found)))
    with using_config("trace", trace):
        inner = tree.mapped((args, kwargs), lambda x: trace.argument(_plain(x), next(numbers)))
        answer = function(*inner[0], **inner[1])
        outputs: list[Node] = []
        structure = _results(answer, trace, outputs)
        effects = _effects(trace, outputs)
    graph = optimized(Graph(trace.inputs, outputs))
    return Recording(trace, graph, structure, effects)


def _plain(x: Any) -> Any:
    return np.asarray(x) if isinstance(x, np.generic) else x


def _results(answer: Any, trace: Trace, outputs: list[Node]) -> Any:
    """The structure of the answer with a Result in every array's place."""

    def result(x: Any) -> Any:
        data = trace.read(x) if isinstance(x, Variable) else x
        if data is None:
            return x
        outputs.append(as_node(data))
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

"""A compiled function as one node of the graph: its derivative is compiled as well.

Forward and backward are recorded together. What the backward part needs of the forward part and
would be dear to compute again are further outputs of the forward program; everything else is
computed where it is needed.
"""

# pyright: reportPrivateUsage=false

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from descend.compile import tree
from descend.compile.graph import Graph, Node, input_node
from descend.compile.lazy.array import LazyArray
from descend.compile.passes.realize import DEAR
from descend.compile.record.trace import Source, Trace
from descend.core import Function, Variable, gradients
from descend.core.config import config

if TYPE_CHECKING:
    from descend.compile.record.recording import Recording

CHEAP = frozenset(
    "complex real imag reshape transpose broadcast_to slice cast negative where constant iota "
    "greater greater_equal less less_equal equal not_equal isfinite isinf isnan bitwise_and "
    "bitwise_or bitwise_xor invert add subtract multiply abs sign maximum minimum".split()
)
assert not CHEAP & DEAR


class Derivative:
    """The backward part of a recording."""

    def __init__(self, trace: Trace, ys: list[Variable]) -> None:
        targets: list[tuple[Source, Variable]] = []
        for leaf, (index, _) in trace.arguments.items():
            if leaf.requires_grad:
                targets.append((Source("argument", index=index), leaf))
        for variable in trace.given:
            if variable.requires_grad and variable not in trace.arguments:
                owner = trace.originals.get(variable, variable)
                targets.append((Source("variable", owner), variable))
        seeds: list[Variable] = []
        self.seeds: list[Node] = []
        for y in ys:
            node = input_node(y.shape, y.dtype)
            self.seeds.append(node)
            seeds.append(Variable(LazyArray(node), requires_grad=False))
        self.targets = [source for source, _ in targets]
        """The Variables that may get a gradient."""
        leaves = [leaf for _, leaf in targets]
        self.error: Exception | None = None
        try:
            found = gradients(ys, leaves, seeds, allow_unused=True)
        except Exception as error:  # it counts only if somebody asks for the gradients
            self.error = error.with_traceback(None)
            found = [None] * len(leaves)
        self.reached = [gx is not None for gx in found]
        self.outputs = [trace.read(gx).node for gx in found if gx is not None]

    def residuals(self, inputs: list[Node]) -> list[Node]:
        """What the forward program must hand over, inputs aside, and what the backward one gets."""
        later = self._after_seeds()
        given = set(inputs)
        needed: dict[Node, None] = {}
        seen: set[Node] = set()
        stack = [x for node in later for x in node.inputs if x not in later]
        stack += [y for y in self.outputs if y not in later]
        while stack:
            x = stack.pop()
            if x in seen or x in later:
                continue
            seen.add(x)
            if x in given or x.op not in CHEAP:
                needed.setdefault(x)
            else:
                stack.extend(x.inputs)
        return list(needed)

    def _after_seeds(self) -> set[Node]:
        """Everything that depends on the gradients that come in."""
        later = set(self.seeds)
        for node in Graph([], self.outputs).nodes:
            if any(x in later for x in node.inputs):
                later.add(node)
        return later

    def graph(self, residuals: list[Node]) -> Graph:
        """The backward program: from residuals and gradients to the gradients of the targets."""
        stand_ins = {x: input_node(x.shape, x.dtype) for x in residuals}
        new: dict[Node, Node] = {**stand_ins, **{seed: seed for seed in self.seeds}}
        joint = Graph([*residuals, *self.seeds], self.outputs)
        for node in joint.nodes:
            if node not in new:
                new[node] = node.with_inputs(new[x] for x in node.inputs)
        inputs = [*stand_ins.values(), *self.seeds]
        return Graph(inputs, [new[y] for y in self.outputs])


class CompiledCall(Function):
    """One call of a compiled function, in a graph."""

    name = "compiled"

    def __init__(self, recording: Recording, found: list[Any]) -> None:
        self.recording = recording
        self.found = found

    def forward(self, *arrays: Any) -> Any:
        """The outputs that depend on Variables that need gradients."""
        self.before = self.recording.state()
        self.outputs_now = self.recording.compute(self.found)
        self.residuals = self.recording.residuals_of(self.outputs_now)
        return tuple(self.outputs_now[i] for i in self.recording.differentiable)

    def backward(self, *gys: Any) -> Any:
        """The gradients of arguments and of the Variables that the function read."""
        xs = self.inputs
        if isinstance(gys[0], Variable):
            return self.recording.second(self.found, xs, list(gys), self.before)
        return self.recording.backward(self.residuals, gys)


def second_order(recording: Recording, changed: list[Variable]) -> Callable[..., Any]:
    """The gradients that a recorded call sends back, as a function to be compiled.

    It gets the call's arguments, the gradients of its outputs, and what the Variables that it
    changes held before.
    """
    assert recording.derivative is not None
    sources = recording.derivative.targets
    function = recording.function

    def gradients_of_call(args: Any, kwargs: Any, gys: list[Variable], state: list[Any]) -> Any:
        found: list[Any] = []
        tree.leaves((args, kwargs), found, (Variable, LazyArray, *tree.LEAVES))
        targets = [found[s.index] if s.kind == "argument" else s.owner for s in sources]
        trace = config().trace
        if trace is not None:
            trace.presets.update(zip(changed, state, strict=True))
            targets = list(trace.operands(tuple(targets)))
        ys: list[Variable] = []

        def collect(y: Any) -> Any:
            if isinstance(y, Variable) and y.requires_grad:
                ys.append(y)
            return y

        tree.mapped(function(*args, **kwargs), collect, (LazyArray, *tree.LEAVES))
        return gradients(ys, targets, gys, create_graph=True, allow_unused=True)

    return gradients_of_call

"""The walk from the newest generation to the oldest that computes gradients."""

# pyright: reportUnknownVariableType=false, reportUnknownArgumentType=false
# pyright: reportUnknownMemberType=false, reportPrivateUsage=false
# (isinstance narrows an array, which is Any, to a type with unknown parameters)

from __future__ import annotations

import itertools
import sys
from collections.abc import Iterable, Sequence
from heapq import heappop, heappush
from typing import Any

import numpy as np

from descend.core import acceleration, debugging
from descend.core.arrays import Overriding, as_array, get_array_module, sum_to
from descend.core.config import config, using_config
from descend.core.errors import kind_of
from descend.core.function import Edge, Function
from descend.core.variable import Variable, array_of, as_variable

Place = tuple[Any, int]
"""Where a gradient belongs: (leaf, 0), or (Function, which of its outputs)."""


def backward(y: Variable, *, retain_grad: bool, create_graph: bool) -> None:
    """Add the gradient of ``y`` to ``grad`` of every leaf that it came from: Variable.backward."""
    if not y.requires_grad:
        raise RuntimeError(
            f"backward: this Variable {y.shape} {y.dtype} has no gradient: it is a constant, an "
            f"integer, or was computed under no_grad()"
        )
    trace = config().trace
    if trace is not None:
        trace.check_inside(y)
    gy = given = y.grad
    if gy is None:
        gy = Variable(ones_like(y._data), None, False)
    elif gy.shape != y.shape:
        raise ValueError(f"backward: grad {gy.shape} does not fit the Variable {y.shape}")
    if y.creator is None:
        y.grad = gy
        return
    seed = gy if create_graph else gy.data
    with using_config("enable_backprop", create_graph):
        y.grad = None
        try:
            leaves = propagate([(edge_of(y), seed)], create_graph, retain_grad)
        except BaseException:
            y.grad = given  # an error adds nothing to the leaves, and takes away no seed
            raise
        y.grad = gy if retain_grad else None
        del gy, given, seed  # `owned` counts who holds what
        while leaves:
            leaf, gx = leaves.popitem()
            gx = owned(gx)
            if not create_graph:
                gx = Variable(gx, None, False)
            leaf.grad = gx if leaf.grad is None else leaf.grad + gx


def gradients(
    outputs: Variable | Sequence[Variable],
    inputs: Variable | Sequence[Variable],
    grad_outputs: Any = None,
    create_graph: bool = False,
    allow_unused: bool = False,
) -> list[Any]:
    """The gradients of ``outputs`` (their sum, if several) with respect to each of ``inputs``.

    Touches no ``grad``, and walks only the calls that lie between. ``inputs`` may be leaves or
    anything that was computed on the way. ``grad_outputs`` are the gradients to start from, one
    for each output; None stands for ones.

    Raises ValueError if an output does not depend on an input, unless ``allow_unused``: then its
    gradient is None.

    >>> x = Variable(np.array(3.0))
    >>> [gx] = gradients(x**2, x, create_graph=True)
    >>> gradients(gx, x)
    [Variable(2.0)]
    """
    ys, xs = _as_list(outputs, "outputs"), _as_list(inputs, "inputs")
    seeds = _seeds(ys, grad_outputs, create_graph)
    for i, x in enumerate(xs):
        if not x.requires_grad:
            raise ValueError(
                f"gradients: input {i} {x.shape} {x.dtype} has no gradient: it is a constant, an "
                f"integer, or was computed under no_grad()"
            )
    targets = [edge_of(x)[:2] for x in xs]
    with using_config("enable_backprop", create_graph):
        found = dict.fromkeys(targets)
        propagate(seeds, create_graph, found=found, edges=edges_between(seeds, found))
        gxs = [found[target] for target in targets]
        del found
        unused = [i for i, gx in enumerate(gxs) if gx is None]
        if unused and not allow_unused:
            raise ValueError(
                f"gradients: the outputs do not depend on input {unused[0]} "
                f"{xs[unused[0]].shape}; allow_unused=True answers None for it"
            )
        results: list[Any] = []
        for i, gx in enumerate(gxs):
            gxs[i] = None
            gx = None if gx is None else owned(gx)
            wrap = not (gx is None or create_graph or isinstance(gx, Overriding))
            results.append(Variable(gx, None, False) if wrap else gx)
    return results


def propagate(
    seeds: list[tuple[Edge, Any]],
    create_graph: bool,
    retain_grad: bool = False,
    *,
    found: dict[Place, Any] | None = None,
    edges: dict[Function, list[Edge | None]] | None = None,
) -> dict[Variable, Any]:
    """Walk from the seeds to the leaves; answers the gradient of each leaf.

    A Function is walked when all that came after it has been: those have larger generations, and
    the heap hands out the largest first. ``found`` collects the gradients of the places it names;
    ``edges`` names the Functions to walk, and which of their inputs, where not all are wanted.
    """
    leaves: dict[Variable, Any] = {}
    pending: dict[Function, list[Any]] = {}
    heap: list[tuple[int, int, Function]] = []
    order = itertools.count()  # ties within a generation: Functions themselves have no order
    debug = config().debug
    plain = not create_graph and edges is None
    function: Any = None
    wanted: Sequence[Edge | None] = [edge for edge, _ in seeds]
    gxs: Sequence[Any] = [gy for _, gy in seeds]

    while True:
        for edge, gx in zip(wanted, gxs):  # noqa: B905  hot; they are as many
            if edge is None or gx is None:
                continue
            source, index, shape, dtype = edge
            if gx.shape != shape or (gx.dtype is not dtype and gx.dtype != dtype):
                gx = fitted(function, gx, shape, dtype)
            if isinstance(gx, Variable) is not create_graph:
                gx = as_asked(function, gx, create_graph)
            if source in pending:
                gys = pending[source]
                gys[index] = gx if gys[index] is None else gys[index] + gx
            elif isinstance(source, Variable):
                leaves[source] = leaves[source] + gx if source in leaves else gx
            elif edges is None or source in edges:
                pending[source] = gys = [None] * len(source.outputs)
                gys[index] = gx
                heappush(heap, (-source.generation, next(order), source))
        if not heap:
            break

        function = heappop(heap)[2]
        gys = pending.pop(function)
        if len(gys) > 1:
            gys = with_zeros(function, gys)
        if retain_grad:
            leave_grads(function, gys)
        elif found is not None:
            collect(found, function, gys)
        else:
            for output in function.outputs:
                if (y := output()) is not None:
                    y._grad = None  # as `grad`, which costs a call in the hottest place

        if debug:
            debugging.check_unchanged(function)
        wanted = function.edges if edges is None else edges[function]
        if plain and function.native_rule:
            gxs = acceleration.backward(function, gys)
        elif plain:
            gxs = function.backward(*gys, **function.kept)
        else:
            gxs = function.gradients(gys, wanted, create_graph) if wanted else ()
        if type(gxs) is not tuple:
            gxs = (gxs,)
        if len(gxs) != len(wanted):
            raise wrong_count(function, len(gxs), len(wanted))
        if debug:
            debugging.check_gradients(function, gys, gxs)

    if found is not None:
        found.update(((leaf, 0), gx) for leaf, gx in leaves.items() if (leaf, 0) in found)
    return leaves


def collect(found: dict[Place, Any], function: Function, gys: list[Any]) -> None:
    """Note the gradients of those outputs of a Function that are looked for."""
    for index, gy in enumerate(gys):
        if (function, index) in found:
            found[function, index] = gy


def edges_between(
    seeds: list[tuple[Edge, Any]], targets: Iterable[Place]
) -> dict[Function, list[Edge | None]]:
    """The Functions on the way from the seeds to the targets, and which of their inputs lead there.

    One walk towards the leaves in no particular order (a stack, no recursion), one back in the
    order of the generations: a Function leads to a target if one of its inputs does.
    """
    targets = set(targets)
    oldest = min((source.generation for source, _ in targets), default=0)
    reached: set[Function] = set()
    stack = [edge[0] for edge, _ in seeds]
    while stack:
        source = stack.pop()
        if isinstance(source, Variable) or source.generation < oldest or source in reached:
            continue
        reached.add(source)
        stack.extend(edge[0] for edge in source.edges if edge is not None)

    between: dict[Function, list[Edge | None]] = {}
    produces = {place[0] for place in targets}
    for function in sorted(reached, key=lambda f: f.generation):
        wanted = [
            edge if edge and (edge[:2] in targets or edge[0] in between) else None
            for edge in function.edges
        ]
        if not any(wanted):
            wanted: list[Edge | None] = []  # its gradient is looked for, and nothing behind it
        if wanted or function in produces:
            # where every input is wanted the very list tells `gradients` that nothing is left out
            between[function] = function.edges if wanted == function.edges else wanted
    return between


def unchain_backward(y: Variable) -> None:
    """Make every Variable behind ``y`` a leaf: Variable.unchain_backward."""
    stack = [y.creator]
    while stack:
        function = stack.pop()
        if function is None:
            continue
        for i, edge in enumerate(function.edges):
            if edge is None or isinstance(edge[0], Variable):
                continue
            source, place, shape, dtype = edge
            stack.append(source)
            x = source.outputs[place]()
            function.edges[i] = None if x is None else (x, 0, shape, dtype)
            if x is not None:
                x.unchain()


def wrong_count(function: Function, answered: int, inputs: int) -> ValueError:
    """The error for a rule that answers more or fewer gradients than there are inputs."""
    return ValueError(
        f"{function.name}: backward answered {answered} gradients for {inputs} inputs; None stands "
        f"for an input that has none"
    )


def fitted(function: Function, gx: Any, shape: tuple[int, ...], dtype: Any) -> Any:
    """A gradient in the shape and dtype of its input: un-broadcasting lives here, once."""
    if gx.shape != shape:
        if not broadcasts_to(shape, gx.shape):
            raise ValueError(
                f"{function.name}: its rule answered a gradient {gx.shape} for an input {shape}"
            )
        gx = sum_to(gx, shape)
    if gx.dtype.kind == "c" and dtype.kind != "c":
        gx = gx.real  # a real input moves along the real axis alone
    return gx if gx.dtype == dtype else gx.astype(dtype)


def broadcasts_to(shape: tuple[int, ...], larger: tuple[int, ...]) -> bool:
    """Whether an array of this shape broadcasts to the larger one."""
    lead = len(larger) - len(shape)
    if lead < 0:
        return False
    for own, size in zip(shape, larger[lead:]):  # noqa: B905  hot; they are as many
        if own != size and own != 1:
            return False
    return True


def as_asked(function: Function, gx: Any, create_graph: bool) -> Any:
    """A rule's answer as an array, or as a Variable with create_graph: there arrays are refused."""
    if isinstance(gx, Overriding):
        return gx  # it may hold a Variable
    if not create_graph:
        return gx.data
    raise TypeError(
        f"{function.name}: with create_graph its rule answered {kind_of(gx)}: the next derivative "
        f"would be lost; compute it from gy with descend's functions"
    )


def with_zeros(function: Function, gys: list[Any]) -> list[Any]:
    """The gradients of a Function's outputs, zeros for those that nobody reached."""
    known = next(gy for gy in gys if gy is not None)
    xp = get_array_module(array_of(known))
    filled: list[Any] = []
    for gy, (shape, dtype) in zip(gys, function.output_types, strict=True):
        if gy is None:
            gy = xp.zeros(shape, dtype)
            gy = Variable(gy, None, False) if isinstance(known, Variable) else gy
        filled.append(gy)
    return filled


def leave_grads(function: Function, gys: list[Any]) -> None:
    """Leave the gradients in those outputs that are still held."""
    for output, gy in zip(function.outputs, gys, strict=True):
        y = output()
        if y is not None:
            if not isinstance(gy, Variable):
                gy = Variable(as_array(gy).copy(), None, False)
            y.grad = gy if y.grad is None else y.grad + gy


def owned(gx: Any) -> Any:
    """The gradient itself if nobody else can hold its memory, else a copy.

    A rule may answer the array it was given, one that the graph keeps, or a view. What ends in
    ``grad`` must be safe to change in place. Counting references decides that for free, as
    PyTorch's AccumulateGrad does; three are ours: the caller's, this argument, getrefcount's.
    """
    if isinstance(gx, Variable):
        alone = sys.getrefcount(gx) <= 3 and sys.getrefcount(gx.data) <= 2
        return gx if alone and has_own_memory(gx.data) else get_array_module(gx).copy(gx)
    if type(gx) is not np.ndarray:
        gx = as_array(gx)
    return gx if sys.getrefcount(gx) <= 3 and has_own_memory(gx) else gx.copy()


def ones_like(x: Any) -> Any:
    """The gradient that a walk starts from. (NumPy's own ones_like takes many times as long.)"""
    y = get_array_module(x).empty(x.shape, x.dtype)
    y.fill(1)
    return y


def has_own_memory(x: Any) -> bool:
    """Whether no other array that somebody holds shares the memory of ``x``."""
    if not isinstance(x, np.ndarray) or not x.flags.writeable:
        return False
    base = x.base
    return base is None or sys.getrefcount(base) <= 3


def edge_of(x: Variable) -> Edge:
    """Where the gradient of ``x`` belongs, and in which shape and dtype."""
    return (x.creator or x, x.index, x._data.shape, x._data.dtype)


def _as_list(given: Any, role: str) -> list[Any]:
    """One Variable or a sequence of them, as a list."""
    xs = [given] if isinstance(given, Variable) else list(given)
    for i, x in enumerate(xs):
        if not isinstance(x, Variable):  # pyright: ignore[reportUnnecessaryIsInstance]
            raise TypeError(f"gradients: {role} {i} is {kind_of(x)}, a Variable is needed")
    return xs


def _seeds(ys: list[Variable], grad_outputs: Any, create_graph: bool) -> list[tuple[Edge, Any]]:
    """The places of the outputs, and the gradients to start from."""
    if grad_outputs is None or isinstance(grad_outputs, Variable):
        grad_outputs = [grad_outputs] * len(ys) if grad_outputs is None else [grad_outputs]
    if len(grad_outputs) != len(ys):
        raise ValueError(f"gradients: {len(grad_outputs)} grad_outputs for {len(ys)} outputs")
    seeds: list[tuple[Edge, Any]] = []
    for i, (y, gy) in enumerate(zip(ys, grad_outputs, strict=True)):
        if not y.requires_grad:
            raise ValueError(
                f"gradients: output {i} {y.shape} {y.dtype} has no gradient: it is a constant, an "
                f"integer, or was computed under no_grad()"
            )
        if gy is None:
            gy = ones_like(y.data)
        gy = gy if isinstance(gy, Overriding) else as_variable(gy)
        if gy.shape != y.shape:
            raise ValueError(f"gradients: grad_output {i} {gy.shape} does not fit {y.shape}")
        whole = create_graph or isinstance(gy, Overriding)
        seeds.append((edge_of(y), gy if whole else gy.data))
    return seeds


Variable._walk = staticmethod(backward)

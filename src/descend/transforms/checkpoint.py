"""Less memory for more time: what lies within a checkpoint is computed again when it is needed."""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any

from descend.core import tree
from descend.core.backward import edge_of, edges_between, propagate
from descend.core.config import config, using_config
from descend.core.function import Alias, Function
from descend.core.variable import Variable


def checkpoint(function: Callable[..., Any]) -> Callable[..., Any]:
    """The same function, of which the graph keeps the arguments only.

    What it computes on the way is thrown away and computed again when gradients are asked for, so a
    network of n blocks needs the memory of one block and of what lies between blocks. The function
    must answer the same when it is called again: give random operations a generator, or a mask.
    Chen et al., 2016, https://doi.org/10.48550/arXiv.1604.06174.

    >>> x = Variable(np.array(2.0))
    >>> checkpoint(lambda x: F.exp(F.sin(x)))(x).backward()
    >>> round(x.grad.item(), 4)
    -1.0331
    """

    @functools.wraps(function)
    def call(*args: Any, **kwargs: Any) -> Any:
        settings = config()
        if not settings.enable_backprop or settings.trace is not None:
            return function(*args, **kwargs)  # the compiler decides for itself what it keeps
        given = [x for x in tree.leaves((args, kwargs), (Variable,)) if x.requires_grad]
        inner: list[Variable] = []
        own_args, own_kwargs = tree.mapped((args, kwargs), lambda x: _own(x, inner), (Variable,))
        answer = function(*own_args, **own_kwargs)
        ys = [y for y in tree.leaves(answer, (Variable,)) if y.requires_grad]
        if not ys:
            return answer
        others = _leaves_beside(ys, inner)
        node = Checkpoint(function, args, kwargs, [y.data for y in ys])
        outputs = node(*given, *others)
        outputs = iter(outputs if type(outputs) is tuple else (outputs,))
        return tree.mapped(answer, lambda y: next(outputs) if y.requires_grad else y, (Variable,))

    return call


class Checkpoint(Function):
    """One call of a function whose graph was thrown away."""

    def __init__(
        self, function: Callable[..., Any], args: Any, kwargs: Any, values: list[Any]
    ) -> None:
        self.function = function
        self.call = args, kwargs
        self.values = values

    def forward(self, *xs: Any) -> Any:
        """The values, which are known already."""
        values, self.values = self.values, []
        return tuple(values)

    def backward(self, *gys: Any) -> Any:
        """The gradients of all that the function depends on, from a call made anew."""
        again = isinstance(gys[0], Variable)
        inner: list[Variable] = []
        with using_config("enable_backprop", True):
            args, kwargs = tree.mapped(self.call, lambda x: _own(x, inner), (Variable,))
            answer = self.function(*args, **kwargs)
        ys = [y for y in tree.leaves(answer, (Variable,)) if y.requires_grad]
        others = list(self.inputs[len(inner) :])
        seeds = [(edge_of(y), gy) for y, gy in zip(ys, gys, strict=True)]
        targets = [edge_of(x)[:2] for x in (*inner, *others)]
        found: dict[Any, Any] = dict.fromkeys(targets)
        edges = edges_between(seeds, found)
        for x in inner:  # what lies behind the arguments is the walk's that called this rule
            edges[edge_of(x)[0]] = []
        with using_config("enable_backprop", again):
            propagate(seeds, again, found=found, edges=edges)
        return tuple(found[target] for target in targets)


def _own(x: Variable, inner: list[Variable]) -> Variable:
    """The argument as a Variable of the call's own."""
    if not x.requires_grad:
        return x
    y = Alias()(x)
    inner.append(y)
    return y


def _leaves_beside(ys: list[Variable], inner: list[Variable]) -> list[Variable]:
    """The leaves that the answers depend on beside the arguments: a network's parameters."""
    known = {edge_of(x)[:2] for x in inner}
    seen: set[Any] = set()
    found: dict[Variable, None] = {}
    stack = [edge_of(y)[:2] for y in ys]
    while stack:
        place = stack.pop()
        source = place[0]
        if place in known or source in seen:
            continue
        seen.add(source)
        if isinstance(source, Variable):
            found.setdefault(source)
        else:
            stack.extend(edge[:2] for edge in source.edges if edge is not None)
    return list(found)

"""One call of a function on Variables of its own, whose derivatives are then asked for."""

from __future__ import annotations

from collections.abc import Callable
from functools import cached_property
from typing import Any

import numpy as np

from descend.core import tree
from descend.core.arrays import ARRAY_TYPES, as_array, get_array_module, is_inexact
from descend.core.backward import edge_of, gradients, ones_like, owned, propagate
from descend.core.config import config, using_config
from descend.core.errors import kind_of
from descend.core.function import Alias
from descend.core.variable import Variable, array_of, as_variable
from descend.transforms.batched import (
    Batched,
    Level,
    entered,
    left,
    levels_now,
    repeated,
    using_levels,
)

NUMBERS = (int, float, complex, np.generic)


_kinds: list[tuple[type, ...]] = [()]


def kinds() -> tuple[type, ...]:
    """What counts as a leaf of arguments and answers: Variables, arrays, numbers."""
    if len(_kinds[0]) != len(ARRAY_TYPES) + len(NUMBERS) + 1:  # a kind of arrays has joined
        _kinds[0] = (Variable, *ARRAY_TYPES, *NUMBERS)
    return _kinds[0]


class Call:
    """A function called with Variables of its own in the place of the chosen arguments.

    ``own`` are these Variables, ``ys`` the leaves of what the function answered.
    """

    def __init__(
        self,
        name: str,
        function: Callable[..., Any],
        argnums: int | tuple[int, ...],
        args: tuple[Any, ...],
        kwargs: dict[str, Any],
        has_aux: bool = False,
    ) -> None:
        self.name = name
        self.argnums = argnums
        self.own: list[Variable] = []
        self.given: list[Any] = []
        """The leaves of the chosen arguments, as they came."""
        self.aux: Any = None
        self.aliases = False
        """Whether some of the call's own Variables stand for Variables of somebody else."""
        self.levels = levels_now()
        self.places = (argnums,) if isinstance(argnums, int) else tuple(argnums)
        for place in self.places:
            if not -len(args) <= place < len(args):
                raise ValueError(f"{name}: argnums {place} came, there are {len(args)} arguments")
        self.chosen: list[Any] = [args[place] for place in self.places]
        self.recorded = config().enable_backprop
        """Whether derivatives may be remembered by whoever calls."""
        if self.recorded:
            answer = self._answer(function, list(args), kwargs)
        else:
            with using_config("enable_backprop", True):
                answer = self._answer(function, list(args), kwargs)
        if has_aux:
            if not isinstance(answer, tuple) or len(answer) != 2:  # pyright: ignore[reportUnknownArgumentType]
                raise TypeError(f"{name}: with has_aux the function answers a pair (value, aux)")
            answer, self.aux = answer  # pyright: ignore[reportUnknownVariableType]
        self.answer: Any = answer
        self.ys: list[Any] = [answer] if type(answer) is Variable else tree.leaves(answer, kinds())
        self.bases = [left(y, self.levels) for y in self.ys] if self.levels else self.ys
        """The Variables behind the leaves of the answer, with all hidden axes."""

    def _answer(self, function: Callable[..., Any], args: list[Any], kwargs: dict[str, Any]) -> Any:
        for place in self.places:
            x = args[place]
            plain = type(x) is np.ndarray
            args[place] = self._own(x) if plain else tree.mapped(x, self._own, kinds())
        return function(*args, **kwargs)

    def _own(self, given: Any) -> Any:
        """A Variable of the call's own in the place of a leaf."""
        x = given if isinstance(given, (Variable, Batched)) else as_array(given)
        if not is_inexact(x.dtype):
            raise TypeError(
                f"{self.name}: {kind_of(given)} of {x.dtype} came, which has no derivative: "
                f"floating point is needed"
            )
        self.given.append(given)
        return entered(x, self.levels, self._own_variable)

    def _own_variable(self, x: Any) -> Variable:
        if isinstance(x, Variable) and x.requires_grad:
            own: Variable = Alias()(x)
            self.aliases = True
        else:
            own = Variable(array_of(x))
        self.own.append(own)
        return own

    @cached_property
    def outer(self) -> bool:
        """Whether a derivative of this call may be differentiated: by whoever handed in Variables.

        Or by whoever has Variables that need gradients and that the function used.
        """
        if not self.recorded:
            return False
        if self.aliases:
            return True
        own = {edge_of(x)[:2] for x in self.own}
        seen: set[Any] = set()
        stack = [edge_of(y)[:2] for y in self.bases if isinstance(y, Variable) and y.requires_grad]
        while stack:
            place = stack.pop()
            source = place[0]
            if place in own or source in seen:
                continue
            if isinstance(source, Variable):
                if source.requires_grad:
                    return True
                continue  # the own Variable of a call inside, which is over
            seen.add(source)
            stack.extend(edge[:2] for edge in source.edges if edge is not None)
        return False

    # ---- what is answered -------------------------------------------------------------------

    def gradient(self) -> list[Any]:
        """The gradients of the only answer, a number, to the call's own Variables."""
        [y] = self.bases
        if not isinstance(y, Variable) or not y.requires_grad:
            return [None] * len(self.own)
        if self.levels or self.aliases:
            return self.gradients([y], None)
        # The cheapest walk first. It shows whether there are Variables beside the call's own: then
        # the gradient belongs into a graph.
        with using_config("enable_backprop", False):
            found = propagate([(edge_of(y), ones_like(y.data))], create_graph=False)
        own = {x: found.pop(x, None) for x in self.own}
        if self.recorded and any(x.requires_grad for x in found):
            return self.gradients([y], None)
        self.outer = False
        gxs: list[Any] = []
        for x in self.own:
            gx = own.pop(x)
            gxs.append(None if gx is None else owned(gx))
        return gxs

    def close(self) -> None:
        """Nobody asks for gradients of the call's own Variables any more."""
        for x in self.own:
            x.requires_grad = x.creator is not None

    def gradients(self, ys: list[Variable], seeds: list[Any] | None) -> list[Any]:
        """The gradients of some of the answers to the call's own Variables; None where unused."""
        return walked(ys, self.own, seeds, self.outer)

    def behind(self, x: Any, dtype: Any) -> Any:
        """What a gradient or tangent is behind all vmaps, as a Variable."""
        for level in reversed(self.levels):
            x = repeated(x, level)
        x = x if isinstance(x, Batched) else as_variable(x)
        return x if x.dtype == dtype else x.astype(dtype)

    def derivative_of(self, y: Any, base: Any, t: Any, again: bool) -> Any:
        """The derivative of an answer as it is handed out; zeros where it does not depend."""
        if t is None:
            values = as_array(array_of(base))
            dtype = values.dtype if is_inexact(values.dtype) else np.dtype(float)
            t = Variable(get_array_module(values).zeros(values.shape, dtype), requires_grad=False)
            if not isinstance(base, Variable):  # a constant, the same for all examples
                return t.data
        variables = any(isinstance(_innermost(x), Variable) for x in self.given)
        return wrapped(t if again or variables else array_of(t), self.levels)

    def finished(self, gx: Any, i: int, again: bool | None = None) -> Any:
        """The gradient of own Variable i as it is handed out: Variables for Variables."""
        again = self.outer if again is None else again
        if gx is None:
            own = self.own[i]
            gx = Variable(get_array_module(own.data).zeros_like(own.data), requires_grad=False)
        if again or isinstance(_innermost(self.given[i]), Variable):
            gx = gx if isinstance(gx, Batched) else as_variable(gx)
        else:
            gx = array_of(gx)
        return wrapped(gx, self.levels)

    def finished_block(self, block: Any, y: Any, i: int) -> Any:
        """Derivatives of an answer to own Variable i, as they are handed out."""
        own = self.own[i]
        if block is None:
            hidden = len(self.levels)
            shape = (*own.shape[:hidden], *np.shape(y), *own.shape[hidden:])
            block = get_array_module(own.data).zeros(shape, own.dtype)
        if self.outer or isinstance(_innermost(self.given[i]), Variable):
            block = as_variable(block)
        else:
            block = array_of(block)
        return wrapped(block, self.levels)

    def structured(self, gxs: list[Any]) -> Any:
        """Values for the own Variables, in the structure of the chosen arguments."""
        if isinstance(self.argnums, int) and len(gxs) == 1 and self.chosen[0] is self.given[0]:
            return gxs[0]
        filled = tuple(tree.filled(self.chosen, gxs, kinds()))
        return filled[0] if isinstance(self.argnums, int) else filled

    def value(self, structure: Any) -> Any:
        """What the function answered, as it is handed out: arrays where only arrays came."""
        if self.outer:
            return structure
        if (
            type(structure) is Variable
            and type(self.given[0]) is np.ndarray
            and len(self.given) == 1
        ):
            return structure.data
        variables = any(isinstance(_innermost(x), Variable) for x in self.given)

        def plain(y: Any) -> Any:
            if isinstance(y, Batched):
                return Batched(plain(y.data), y.level)
            if not isinstance(y, Variable):
                return y
            return y.detach() if variables else y.data

        return tree.mapped(structure, plain, kinds())


def walked(ys: list[Variable], xs: list[Variable], seeds: list[Any] | None, again: bool) -> Any:
    """The gradients of ys to xs, None where unused; ``again`` if they are differentiated again.

    Rules see the hidden axes of all vmaps, as if none were running.
    """
    if not ys:
        return [None] * len(xs)
    with using_levels(()):
        return gradients(ys, xs, seeds, create_graph=again, allow_unused=True)


def wrapped(x: Any, levels: tuple[Level, ...]) -> Any:
    """An array or Variable with all hidden axes as the examples of these vmaps see it."""
    for level in levels:
        x = Batched(x, level)
    return x


def _innermost(x: Any) -> Any:
    while isinstance(x, Batched):
        x = x.data
    return x

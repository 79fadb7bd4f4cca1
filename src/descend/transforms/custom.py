"""Functions that bring their own derivative."""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any

from descend.core import tree
from descend.core.config import using_config
from descend.core.errors import kind_of
from descend.core.function import Alias, Function
from descend.core.variable import Variable, array_of


def custom_gradient(function: Callable[..., Any]) -> Callable[..., Any]:
    """A function whose gradient is computed by a rule that it answers itself.

    It answers a pair: the value (an array, or a tuple of arrays), and a function of the gradient of
    each value that answers the gradient of each array or Variable among the arguments (one, or a
    tuple; None for none). The rule may use anything that the function has seen; written in
    descend's functions it can be differentiated again.

    >>> @custom_gradient
    ... def clipped(x):
    ...     return x, lambda gy: F.clip(gy, -1, 1)
    >>> grad(lambda x: 5 * clipped(x))(2.0)
    array(1.)
    """

    @functools.wraps(function)
    def call(*args: Any, **kwargs: Any) -> Any:
        given = tree.leaves((args, kwargs), (Variable,))
        wanted = [x.requires_grad for x in given]
        inner: list[Variable] = []

        def own(x: Variable) -> Variable:
            y = Alias()(x) if x.requires_grad else x
            inner.append(y)
            return y

        own_args, own_kwargs = tree.mapped((args, kwargs), own, (Variable,))
        answer = function(*own_args, **own_kwargs)
        if not isinstance(answer, tuple) or len(answer) != 2 or not callable(answer[1]):  # pyright: ignore[reportUnknownArgumentType]
            raise TypeError(
                f"custom_gradient: {function.__name__} answered {kind_of(answer)}, "
                f"a pair (value, rule) is needed"
            )
        value, rule = answer  # pyright: ignore[reportUnknownVariableType]
        if not any(wanted):
            return value
        single = not isinstance(value, tuple)
        values = (value,) if single else value
        node = Custom(function.__name__, rule, [array_of(y) for y in values])
        ys = node(*given)
        return ys[0] if single else ys

    return call


class Custom(Function):
    """One call of a function with a rule of its own."""

    name = "custom_gradient"

    def __init__(self, name: str, rule: Callable[..., Any], values: list[Any]) -> None:
        self.name = name  # pyright: ignore[reportAttributeAccessIssue]
        self.rule = rule
        self.values = values

    def forward(self, *xs: Any) -> Any:
        """The values, which are known already."""
        values, self.values = self.values, []
        return tuple(values)

    def backward(self, *gys: Any) -> Any:
        """What the rule answers."""
        again = isinstance(gys[0], Variable)
        with using_config("enable_backprop", again):
            gxs = self.rule(*gys)
        gxs = gxs if isinstance(gxs, tuple) else (gxs,)
        return tuple(gx if again else array_of(gx) for gx in gxs)

"""A function of one example as a function of many."""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any

from descend import functions as F
from descend.core import tree
from descend.core.arrays import as_array
from descend.core.errors import shape_of
from descend.core.variable import Variable
from descend.transforms.batched import Batched, Level, levels_now, repeated, using_levels
from descend.transforms.call import kinds


def vmap(function: Callable[..., Any], in_axes: Any = 0, out_axes: Any = 0) -> Callable[..., Any]:
    """The function that answers for all examples at once what ``function`` answers for one.

    ``in_axes`` names for each argument the axis along which the examples lie, None for what is the
    same for all; one number stands for all arguments, and within an argument that is a container it
    holds for every array. ``out_axes`` names the axis along which they lie in the answer.

    Nothing loops where an operation has a rule in `transforms.batching`; the others are called
    example by example. It nests with itself and with `grad`, which gives per-example gradients.

    >>> vmap(lambda x, w: x @ w, in_axes=(0, None))(np.ones((5, 3)), np.ones(3)).shape
    (5,)
    """

    @functools.wraps(function)
    def all_examples(*args: Any, **kwargs: Any) -> Any:
        axes = in_axes if isinstance(in_axes, tuple | list) else (in_axes,) * len(args)
        if len(axes) != len(args):
            raise ValueError(f"vmap: {len(axes)} in_axes came for {len(args)} arguments")
        size = _size(args, axes)
        level = Level(size)
        with using_levels((*levels_now(), level)):
            given = [_entered(arg, axis, level) for arg, axis in zip(args, axes, strict=True)]
            answer = function(*given, **kwargs)
        if isinstance(out_axes, tuple | list):
            return tuple(_left(y, a, level) for y, a in zip(answer, out_axes, strict=True))
        return _left(answer, out_axes, level)

    return all_examples


def _size(args: Any, axes: Any) -> int:
    """The number of examples."""
    sizes: dict[int, str] = {}
    for i, (arg, axis) in enumerate(zip(args, axes, strict=True)):
        if axis is None:
            continue
        for x in tree.leaves(arg, kinds()):
            shape: Any = getattr(x, "shape", ())
            if not -len(shape) <= axis < len(shape):
                raise ValueError(f"vmap: argument {i} {shape_of(x)} has no axis {axis}")
            sizes.setdefault(shape[axis], f"argument {i} {shape_of(x)}")
    if not sizes:
        raise ValueError("vmap: no argument has examples: in_axes are all None")
    if len(sizes) > 1:
        came = " and ".join(sizes.values())
        raise ValueError(f"vmap: {came} have different numbers of examples")
    return next(iter(sizes))


def _entered(arg: Any, axis: int | None, level: Level) -> Any:
    if axis is None:
        return arg

    def batched(x: Any) -> Batched:
        x = x if isinstance(x, Variable | Batched) else as_array(x)
        return Batched(F.moveaxis(x, axis, 0) if axis else x, level)

    return tree.mapped(arg, batched, kinds())


def _left(answer: Any, axis: int, level: Level) -> Any:
    def unbatched(y: Any) -> Any:
        y = repeated(y, level)
        return F.moveaxis(y, 0, axis) if axis else y

    return tree.mapped(answer, unbatched, kinds())

"""All derivatives of functions that answer arrays: Jacobians and Hessians."""

from __future__ import annotations

import functools
from collections.abc import Callable
from math import prod
from typing import Any

import numpy as np

from descend import functions as F
from descend.core import tree
from descend.core.arrays import get_array_module
from descend.core.errors import kind_of
from descend.core.variable import Variable
from descend.transforms.batched import Batched, Level
from descend.transforms.call import Call, kinds, walked
from descend.transforms.gradient import Argnums, grad


def jacobian(function: Callable[..., Any], argnums: Argnums = 0) -> Callable[..., Any]:
    """The function that answers the derivative of each output to each element of the arguments.

    For an argument x and an answer y it has the shape y.shape + x.shape. Containers are answered in
    the structure of the answer, with the structure of the argument in the place of each array.
    Rows are taken (one gradient for each output) or columns (one derivative along each input),
    whichever are fewer, all of them in one walk.

    >>> jacobian(lambda x: x * x)(np.array([1.0, 2.0]))
    array([[2., 0.],
           [0., 4.]])
    """

    @functools.wraps(function)
    def derivative(*args: Any, **kwargs: Any) -> Any:
        call = Call("jacobian", function, argnums, args, kwargs)
        if not call.ys:
            came = kind_of(call.answer)
            raise TypeError(f"jacobian: the function answered {came}, arrays are needed")
        hidden = len(call.levels)
        outputs = sum(prod(y.shape[hidden:]) for y in call.bases if _depends(y))
        inputs = sum(prod(x.shape[hidden:]) for x in call.own)
        found = _rows(call) if outputs <= inputs else _columns(call)
        structured = [
            call.structured([call.finished_block(block, y, i) for i, block in enumerate(blocks)])
            for y, blocks in zip(call.ys, found, strict=True)
        ]
        call.close()
        return tree.filled(call.answer, structured, kinds())

    return derivative


def hessian(function: Callable[..., Any], argnums: Argnums = 0) -> Callable[..., Any]:
    """The second derivatives of a function that answers one number: the Jacobian of its gradient.

    >>> hessian(lambda x: F.sum(x**3))(np.array([1.0, 2.0]))
    array([[ 6.,  0.],
           [ 0., 12.]])
    """
    return jacobian(grad(function, argnums), argnums)


def _depends(y: Any) -> bool:
    return isinstance(y, Variable) and y.requires_grad


def _rows(call: Call) -> list[list[Any]]:
    """For each answer and own Variable the block y.shape + x.shape; None where it is 0."""
    hidden = len(call.levels)
    blocks: list[list[Any]] = []
    for y in call.bases:
        if not _depends(y):
            blocks.append([None] * len(call.own))
            continue
        level = Level(prod(y.shape[hidden:]))
        gxs = call.gradients([y], [Batched(_unit_vectors(y, hidden), level)])
        rows = [_unbatched(gx, x, level) for gx, x in zip(gxs, call.own, strict=True)]
        blocks.append([])
        for row, x in zip(rows, call.own, strict=True):
            if row is not None:
                row = F.moveaxis(row, 0, hidden) if hidden else row
                row = F.reshape(row, (*y.shape, *x.shape[hidden:]))
            blocks[-1].append(row)
    return blocks


def _columns(call: Call) -> list[list[Any]]:
    """The same from the derivative along each unit vector of the inputs.

    The gradient is linear in what it starts from, u: its own gradient to u is the derivative along
    the vector that it is seeded with.
    """
    hidden = len(call.levels)
    ys = [y for y in call.bases if _depends(y)]
    blocks = {id(y): [None] * len(call.own) for y in ys}
    if ys:
        us = [Variable(get_array_module(y.data).zeros_like(y.data)) for y in ys]
        gxs = walked(ys, call.own, us, again=True)
        for i, (gx, x) in enumerate(zip(gxs, call.own, strict=True)):
            if gx is None or not gx.requires_grad:
                continue
            level = Level(prod(x.shape[hidden:]))
            seed = Batched(_unit_vectors(x, hidden), level)
            tangents = walked([gx], us, [seed], call.outer)
            columns = [_unbatched(t, u, level) for t, u in zip(tangents, us, strict=True)]
            for y, column in zip(ys, columns, strict=True):
                if column is not None:
                    column = F.moveaxis(column, 0, -1)
                    blocks[id(y)][i] = F.reshape(column, (*y.shape, *x.shape[hidden:]))
    return [blocks.get(id(y), [None] * len(call.own)) for y in call.bases]


def _unit_vectors(x: Variable, hidden: int) -> Any:
    """A row for each element of an example of x: 1 in its place, in all examples."""
    shape = x.shape[hidden:]
    size = prod(shape)
    eye = np.eye(size, dtype=x.dtype).reshape(size, *(1,) * hidden, *shape)
    return get_array_module(x.data).asarray(np.broadcast_to(eye, (size, *x.shape)))


def _unbatched(gx: Any, x: Variable, level: Level) -> Any:
    """All rows of a batched gradient; None for none."""
    if gx is None:
        return None
    if isinstance(gx, Batched):
        return gx.data
    return F.broadcast_to(gx, (level.size, *x.shape))

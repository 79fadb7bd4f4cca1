"""Products of vectors, matrices and arrays of more axes, all of them made of `matmul`."""

from __future__ import annotations

from math import prod
from typing import Any

import numpy as np

from descend import functions as F
from descend.core.arrays import conj
from descend.core.errors import shape_of
from descend.core.function import as_operand
from descend.functions.axis import axes_of, axis_of
from descend.functions.registry import Sample, composition


@composition(
    Sample((3,), (3,)), Sample((2, 3), (3, 2)), Sample((2, 2, 3), (2, 3, 2)), Sample((), (2, 3))
)
def dot(x0, x1):
    """The product of vectors or matrices; with a number, that of each element.

    Of more axes it sums over the last of x0 and the last but one of x1, and keeps all others.

    >>> F.dot(np.array([1.0, 2.0]), np.array([3.0, 4.0]))
    array(11.)
    """
    x0, x1 = as_operand(x0), as_operand(x1)
    if x0.ndim == 0 or x1.ndim == 0:
        return x0 * x1
    if x1.ndim <= 2:
        _check_lengths("dot", x0, -1, x1, -min(x1.ndim, 2))
        return F.matmul(x0, x1)
    return _summed("dot", x0, x1, (x0.ndim - 1,), (x1.ndim - 2,))


@composition(Sample((3,), (3,)), Sample((2, 2), (4,)), Sample((2,), (2,), complex=True))
def vdot(x0, x1):
    """The sum of the products of all elements, those of x0 conjugated.

    >>> F.vdot(np.array([1j, 2]), np.array([1j, 3]))
    array(7.+0.j)
    """
    x0, x1 = F.flatten(x0), F.flatten(x1)
    _check_lengths("vdot", x0, 0, x1, 0)
    return F.matmul(conj(x0), x1)


@composition(Sample((3,), (3,)), Sample((2, 3), (2, 2, 3)), Sample((2,), ()), Sample((0,), (2, 0)))
def inner(x0, x1):
    """The sums of products over the last axes; with a number, the product of each element.

    >>> F.inner(np.array([[1.0, 2.0], [3.0, 4.0]]), np.array([1.0, 1.0]))
    array([3., 7.])
    """
    x0, x1 = as_operand(x0), as_operand(x1)
    if x0.ndim == 0 or x1.ndim == 0:
        return x0 * x1
    return _summed("inner", x0, x1, (x0.ndim - 1,), (x1.ndim - 1,))


@composition(Sample((2,), (3,)), Sample((2, 2), ()))
def outer(x0, x1):
    """All products of an element of x0 and one of x1, each of them flattened.

    >>> F.outer(np.array([1.0, 2.0]), np.array([3.0, 4.0, 5.0]))
    array([[ 3.,  4.,  5.],
           [ 6.,  8., 10.]])
    """
    return F.expand_dims(F.flatten(x0), 1) * F.flatten(x1)


@composition(
    Sample((2, 3, 4), (3, 4, 2)),
    Sample((2, 3), (4,), axes=0),
    Sample((2, 3, 4), (4, 5, 3), axes=([1, -1], [2, 0])),
)
def tensordot(x0, x1, axes=2):
    """The sums of products over some axes of x0 and as many of x1; the other axes are kept.

    ``axes`` is a number (that many of the last of x0 and of the first of x1), or two lists.

    >>> F.tensordot(np.ones((2, 3)), np.ones((3, 4)), axes=1).shape
    (2, 4)
    """
    x0, x1 = as_operand(x0), as_operand(x1)
    if isinstance(axes, int | np.integer):
        if axes < 0 or axes > min(x0.ndim, x1.ndim):
            raise ValueError(
                f"tensordot: axes={axes} came for x0 {x0.shape} and x1 {x1.shape}: a number of "
                f"axes that both have, or two lists, is needed"
            )
        axes0, axes1 = tuple(range(x0.ndim - int(axes), x0.ndim)), tuple(range(int(axes)))
    else:
        axes0, axes1 = (
            axes_of("tensordot", given, x.ndim) for given, x in zip(axes, (x0, x1), strict=True)
        )
    if len(axes0) != len(axes1):
        raise ValueError(f"tensordot: {len(axes0)} axes of x0 came for {len(axes1)} of x1")
    return _summed("tensordot", x0, x1, axes0, axes1)


@composition(Sample((2, 3), (3, 2)), Sample((2,), (2, 1, 3)))
def kron(x0, x1):
    """The Kronecker product: x1 times each element of x0, laid out where that element is.

    >>> F.kron(np.array([1.0, 10.0]), np.array([1.0, 2.0]))
    array([ 1.,  2., 10., 20.])
    """
    x0, x1 = as_operand(x0), as_operand(x1)
    ndim = max(x0.ndim, x1.ndim)
    shape0, shape1 = ((1,) * (ndim - x.ndim) + x.shape for x in (x0, x1))
    x0 = F.reshape(x0, [size for n in shape0 for size in (n, 1)])
    x1 = F.reshape(x1, [size for n in shape1 for size in (1, n)])
    return F.reshape(x0 * x1, [n * m for n, m in zip(shape0, shape1, strict=True)])


@composition(
    Sample((3,), (3,)),
    Sample((2, 3), (3,)),
    Sample((3, 2), (2, 3), axisa=0, axisb=1, axisc=0),
    Sample((3, 2), (3, 1), axis=0),
)
def cross(x0, x1, axisa=-1, axisb=-1, axisc=-1, axis=None):
    """The cross product of vectors of length 3, which lie along ``axis``.

    ``axisa``, ``axisb`` and ``axisc`` say it for x0, x1 and the answer where they differ.

    >>> F.cross(np.array([1.0, 0.0, 0.0]), np.array([0.0, 1.0, 0.0]))
    array([0., 0., 1.])
    """
    x0, x1 = as_operand(x0), as_operand(x1)
    axisa, axisb, axisc = (axisa, axisb, axisc) if axis is None else (axis,) * 3
    x0 = F.moveaxis(x0, axis_of("cross", axisa, x0.ndim), 0)
    x1 = F.moveaxis(x1, axis_of("cross", axisb, x1.ndim), 0)
    if len(x0) != 3 or len(x1) != 3:
        raise ValueError(f"cross: vectors of length {len(x0)} and {len(x1)} came, 3 is needed")
    (a0, a1, a2), (b0, b1, b2) = ([x[i] for i in range(3)] for x in (x0, x1))
    parts = [a1 * b2 - a2 * b1, a2 * b0 - a0 * b2, a0 * b1 - a1 * b0]
    return F.stack(parts, axis=axis_of("cross", axisc, np.ndim(parts[0]) + 1))


@composition(Sample((2, 2, 3), (2, 3, 1)), Sample((2, 0, 3), (2, 3, 2)))
def bmm(x0, x1):
    """The products of matrices (b, m, k) with matrices (b, k, n), one by one.

    >>> F.bmm(np.ones((2, 1, 3)), np.ones((2, 3, 1))).shape
    (2, 1, 1)
    """
    x0, x1 = as_operand(x0), as_operand(x1)
    if x0.ndim != 3 or x1.ndim != 3 or len(x0) != len(x1):
        raise ValueError(
            f"bmm: x0 {x0.shape} and x1 {x1.shape} came, (b, m, k) and (b, k, n) are needed; "
            f"matmul broadcasts"
        )
    _check_lengths("bmm", x0, 2, x1, 1)
    return F.matmul(x0, x1)


@composition(Sample((4,), (2, 3), (3, 4)), Sample((2, 4), (2, 3), (3, 4), beta=0.5, alpha=-2.0))
def addmm(x, x0, x1, beta=1, alpha=1):
    """beta * x + alpha * x0 @ x1, where x broadcasts; it is left out where ``beta`` is 0.

    >>> F.addmm(np.ones(2), np.eye(2), np.eye(2), alpha=3)
    array([[4., 1.],
           [1., 4.]])
    """
    y = F.matmul(x0, x1)
    y = y if alpha == 1 else alpha * y
    if beta == 0:
        return y
    return y + (as_operand(x) if beta == 1 else beta * as_operand(x))


@composition(Sample((2, 3), (3,)), Sample((2, 1, 2, 3), (2, 3)))
def matvec(x0, x1):
    """Matrices (..., m, n) times vectors (..., n): (..., m).

    >>> F.matvec(np.ones((5, 2, 3)), np.ones((5, 3))).shape
    (5, 2)
    """
    x0, x1 = as_operand(x0), as_operand(x1)
    if x0.ndim < 2 or x1.ndim < 1:
        raise ValueError(
            f"matvec: x0 {x0.shape} and x1 {x1.shape} came, (..., m, n) and (..., n) are needed"
        )
    _check_lengths("matvec", x0, -1, x1, -1)
    return F.squeeze(F.matmul(x0, F.expand_dims(x1, -1)), -1)


@composition(Sample((3,), (3, 2)), Sample((2, 3), (2, 3, 2)), Sample((2,), (2, 2), complex=True))
def vecmat(x0, x1):
    """Vectors (..., n), conjugated, times matrices (..., n, m): (..., m).

    >>> F.vecmat(np.ones((5, 3)), np.ones((5, 3, 2))).shape
    (5, 2)
    """
    x0, x1 = as_operand(x0), as_operand(x1)
    if x0.ndim < 1 or x1.ndim < 2:
        raise ValueError(
            f"vecmat: x0 {x0.shape} and x1 {x1.shape} came, (..., n) and (..., n, m) are needed"
        )
    _check_lengths("vecmat", x0, -1, x1, -2)
    return F.squeeze(F.matmul(F.expand_dims(conj(x0), -2), x1), -2)


@composition(Sample((3,), (3,)), Sample((2, 3), (4, 1, 3)), Sample((3, 2), (3, 1), axis=0))
def vecdot(x0, x1, axis=-1):
    """The sums of products along ``axis``, the elements of x0 conjugated; other axes broadcast.

    >>> F.vecdot(np.array([[1.0, 2.0], [3.0, 4.0]]), np.array([1.0, 1.0]))
    array([3., 7.])
    """
    x0, x1 = as_operand(x0), as_operand(x1)
    _check_lengths("vecdot", x0, axis, x1, axis)
    x0, x1 = F.moveaxis(conj(x0), axis, -1), F.moveaxis(x1, axis, -1)
    y = F.matmul(F.expand_dims(x0, -2), F.expand_dims(x1, -1))
    return F.squeeze(y, (-2, -1))


@composition(
    Sample([(2, 3), (3, 1), (1, 4)]), Sample([(3,), (3, 2), (2, 3), (3,)]), Sample([(2, 2), (2,)])
)
def multi_dot(xs):
    """The product of two or more matrices, in the order that takes the fewest multiplications.

    The first and the last may be vectors.

    >>> F.multi_dot([np.ones((2, 3)), np.ones((3, 4)), np.ones(4)])
    array([12., 12.])
    """
    xs = [as_operand(x) for x in xs]
    shapes = [x.shape for x in xs]
    ends = (1, 2) if len(xs) > 1 else ()
    if not ends or len(shapes[0]) not in ends or len(shapes[-1]) not in ends:
        raise ValueError(f"multi_dot: {shapes} came, two or more matrices are needed")
    if any(len(shape) != 2 for shape in shapes[1:-1]):
        raise ValueError(f"multi_dot: {shapes} came, only the first and last may be vectors")
    for i in range(len(xs) - 1):
        if shapes[i][-1] != shapes[i + 1][0]:
            raise ValueError(
                f"multi_dot: factors {i} {shapes[i]} and {i + 1} {shapes[i + 1]} do not meet"
            )
    first = shapes[0][0] if len(shapes[0]) == 2 else 1
    last = shapes[-1][1] if len(shapes[-1]) == 2 else 1
    cuts = _best_cuts([first, *[shape[0] for shape in shapes[1:]], last])

    return _product_of(xs, cuts, 0, len(xs) - 1)


def _product_of(xs: list[Any], cuts: dict[tuple[int, int], int], i: int, j: int) -> Any:
    """The product of the factors from i to j."""
    if i == j:
        return xs[i]
    k = cuts[i, j]
    return F.matmul(_product_of(xs, cuts, i, k), _product_of(xs, cuts, k + 1, j))


def _best_cuts(sizes: list[int]) -> dict[tuple[int, int], int]:
    """Where to cut each run of factors (Cormen et al., matrix-chain multiplication)."""
    count = len(sizes) - 1
    cost = {(i, i): 0 for i in range(count)}
    cuts: dict[tuple[int, int], int] = {}
    for length in range(1, count):
        for i in range(count - length):
            j = i + length
            costs = {
                k: cost[i, k] + cost[k + 1, j] + sizes[i] * sizes[k + 1] * sizes[j + 1]
                for k in range(i, j)
            }
            cuts[i, j] = min(costs, key=costs.__getitem__)
            cost[i, j] = costs[cuts[i, j]]
    return cuts


@composition(
    Sample((2, 2), 3), Sample((2, 3, 3), 5), Sample((2, 2), -2, low=0.5, high=2), Sample((2, 2), 0)
)
def matrix_power(x, n):
    """Square matrices (..., k, k) to the integer power n, that of the inverse if n is negative.

    Raises numpy.linalg.LinAlgError where n is negative and a matrix singular.

    >>> F.matrix_power(np.array([[1.0, 1.0], [0.0, 1.0]]), 5)
    array([[1., 5.],
           [0., 1.]])
    """
    x = as_operand(x)
    if x.ndim < 2 or x.shape[-1] != x.shape[-2]:
        raise ValueError(f"matrix_power: x {x.shape} came, (..., n, n) is needed")
    if not isinstance(n, int | np.integer):
        raise TypeError(f"matrix_power: n={n!r} came, an integer is needed")
    if n == 0:
        return F.zeros_like(x) + np.eye(x.shape[-1], dtype=x.dtype)
    if n < 0:
        x, n = F.inv(x), -n
    y = None
    while n:
        if n % 2:
            y = x if y is None else F.matmul(y, x)
        n //= 2
        x = F.matmul(x, x) if n else x
    return y


def _check_lengths(name: str, x0: Any, axis0: int, x1: Any, axis1: int) -> None:
    """ValueError unless two axes have one length."""
    if x0.shape[axis0] != x1.shape[axis1]:
        raise ValueError(
            f"{name}: x0 {shape_of(x0)} and x1 {shape_of(x1)} do not meet: "
            f"x0.shape[{axis0}] must equal x1.shape[{axis1}]"
        )


def _summed(name: str, x0: Any, x1: Any, axes0: tuple[int, ...], axes1: tuple[int, ...]) -> Any:
    """The sums of products over these axes: one product of matrices."""
    for i, j in zip(axes0, axes1, strict=True):
        _check_lengths(name, x0, i, x1, j)
    kept0 = tuple(i for i in range(x0.ndim) if i not in axes0)
    kept1 = tuple(i for i in range(x1.ndim) if i not in axes1)
    shape0, shape1 = [x0.shape[i] for i in kept0], [x1.shape[i] for i in kept1]
    size = prod(x0.shape[i] for i in axes0)
    rows = F.reshape(F.transpose(x0, (*kept0, *axes0)), (prod(shape0), size))
    columns = F.reshape(F.transpose(x1, (*axes1, *kept1)), (size, prod(shape1)))
    return F.reshape(F.matmul(rows, columns), (*shape0, *shape1))

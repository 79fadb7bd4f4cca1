"""Choosing elements, and their adjoint: adding at the chosen places."""

from __future__ import annotations

from math import prod
from typing import Any

import numpy as np

from descend import functions as F
from descend.core.arrays import Array, Overridden, Overriding, as_array, get_array_module
from descend.core.errors import shape_of
from descend.core.function import Function, as_operand
from descend.core.variable import Variable, array_of
from descend.functions.axis import axis_of
from descend.functions.registry import Sample, composition, primitive

ROWS = np.array([[0, 2, 0], [1, 1, 1]])

SPARSE = 1 << 14
"""From so many elements on SciPy's sparse matrices, whose import takes time, add rows."""


class GetItem(Function):
    """x[index], for anything that NumPy takes as an index.

    Elements chosen more than once get the sum of their gradients. With ``distinct`` the caller
    knows that there are none.

    >>> x = Variable(np.array([1.0, 2.0, 3.0]))
    >>> x[[0, 0, 2]].sum().backward()
    >>> x.grad
    Variable([2. 0. 1.])
    """

    name = "getitem"
    samples = (
        Sample((3, 4), (slice(None), 1)),
        Sample((5,), slice(None, None, -2)),
        Sample((3, 4), ROWS),
        Sample((3, 4), (ROWS, slice(1, 3))),
        Sample((3, 4), (np.array([0, 0]), np.array([1, -3]))),
        Sample((3,), np.array([True, False, True])),
        Sample((3, 2), (Ellipsis, None, 0)),
        Sample((), index=()),
        Sample((3, 2), (slice(0, 0),)),
        Sample((2, 3), (np.array([1, 0]), np.array([2, 2])), distinct=True),
    )

    def __init__(self, index: Any, distinct: bool = False) -> None:
        self.basic = is_basic(index)
        self.index = index if self.basic else _without_variables(index)
        self.distinct = distinct or self.basic

    def forward(self, x):
        if not self.basic:
            check_examples(self.index)
        return x[self.index]

    def backward(self, gy, *, x_shape):
        return ScatterTo(self.index, x_shape, self.distinct)(gy)


class ScatterTo(Function):
    """Zeros of ``shape`` with x added at ``index``: the adjoint of x[index].

    With ``distinct`` the caller knows that no place is chosen twice.

    >>> F.scatter_to(np.array([1.0, 2.0, 3.0]), np.array([1, 1, 0]), (3,))
    array([3., 3., 0.])
    """

    samples = (
        Sample((2, 3, 4), ROWS, shape=(3, 4)),
        Sample((3,), (slice(None), 1), shape=(3, 4)),
        Sample((2,), np.array([True, False, True]), shape=(3,)),
        Sample((2,), (np.array([0, 0]), np.array([1, 1])), shape=(2, 2)),
        Sample((2, 2, 3), (slice(None), np.array([1, 1])), shape=(2, 4, 3)),
        Sample((3,), np.array([2, 0, 3]), shape=(4,), distinct=True),
    )

    def __init__(self, index: Any, shape: tuple[int, ...], distinct: bool = False) -> None:
        self.basic = is_basic(index)
        self.index = index if self.basic else _without_variables(index)
        self.shape = tuple(shape)
        self.distinct = distinct or self.basic

    def forward(self, x):
        if not self.basic:
            check_examples(self.index)
        if self.distinct:
            y = get_array_module(x).zeros(self.shape, x.dtype)
            y[self.index] = x
            return y
        half = x.dtype == np.float16  # summed in float32
        y = get_array_module(x).zeros(self.shape, np.float32 if half else x.dtype)
        _add_at(y, self.index, x)
        return y.astype(np.float16) if half else y

    def backward(self, gy):
        return F.getitem(gy, self.index, self.distinct)


class Where(Function):
    """x0 where ``condition`` holds, x1 elsewhere.

    The branch not taken gets exactly 0, even where it is infinite or NaN. With a condition alone
    it is `nonzero`: for each axis an array of the places where it holds.

    >>> x = Variable(np.array([0.0, 4.0]))
    >>> F.where(x > 0, F.sqrt(F.where(x > 0, x, 1)), 0)
    Variable([0. 2.])
    """

    elementwise = True
    samples = (
        Sample(np.array([True, False, True]), (3,), (3,)),
        Sample(np.array([[True], [False]]), (3,), 0.0),
        Sample(np.array([[True], [False]]), 1.0, (2, 1)),
        Sample(np.array(True), (), ()),
    )

    def forward(self, condition, x0=None, x1=None):
        if x0 is None or x1 is None:
            if x0 is not x1:
                raise ValueError("one of x0 and x1 came, both or none are needed")
            return get_array_module(condition).nonzero(condition)
        return get_array_module(condition, x0, x1).where(condition, x0, x1)

    def backward(self, gy, *, condition):
        condition = array_of(condition)
        gx0 = F.where(condition, gy, 0) if self.edges[1] else None
        gx1 = F.where(condition, 0, gy) if self.edges[2] else None
        return None, gx0, gx1

    def complaint(self, condition: Any, x0: Any = None, x1: Any = None) -> str | None:
        """Name the shapes."""
        if x0 is None or x1 is None:
            return None
        return (
            f"condition {shape_of(condition)}, x0 {shape_of(x0)} and x1 {shape_of(x1)} "
            f"do not broadcast"
        )


getitem = primitive(GetItem)
scatter_to = primitive(ScatterTo)
where = primitive(Where)


@composition(
    Sample((3, 4), ROWS, axis=0),
    Sample((3, 4), [0, -1], axis=1),
    Sample((2, 3), ROWS),
    Sample((3,), 1),
)
def take(x, indices, axis=None):
    """The elements of x at ``indices`` along ``axis``, of the flattened x if None.

    >>> F.take(np.array([10.0, 20.0, 30.0]), [2, 0, 0])
    array([30., 10., 10.])
    """
    x = as_operand(x)
    if axis is None:
        x, axis = F.flatten(x), 0
    axis = axis_of("take", axis, x.ndim)
    return getitem(x, (*(slice(None),) * axis, as_array(array_of(indices))))


@composition(Sample((2, 4), ROWS, axis=1), Sample((4, 3), ROWS, axis=0))
def take_along_axis(x, indices, axis=-1):
    """For each line of x along ``axis``, its elements at that line's ``indices``.

    ``indices`` has x's shape but for the length of ``axis``; its other lengths may be 1.

    >>> F.take_along_axis(np.array([[1.0, 2.0], [3.0, 4.0]]), np.array([[1], [0]]), axis=1)
    array([[2.],
           [3.]])
    """
    x = as_operand(x)
    return getitem(x, places_along_axis("take_along_axis", array_of(indices), x.shape, axis))


@composition(Sample((2, 4), 1, ROWS, (2, 3)), Sample((4, 3), 0, ROWS, (2, 3)))
def scatter_add(x, axis, index, src):
    """x with the elements of ``src`` added, each line along ``axis`` at that line's ``index``.

    ``index`` and ``src`` have one shape: that of x but for the length of ``axis``.

    >>> F.scatter_add(np.zeros((1, 3)), 1, np.array([[2, 2]]), np.array([[1.0, 5.0]]))
    array([[0., 0., 6.]])
    """
    x, src, index = as_operand(x), as_operand(src), array_of(index)
    if np.shape(index) != src.shape:
        raise ValueError(f"scatter_add: index {np.shape(index)} and src {src.shape} must be equal")
    places = places_along_axis("scatter_add", index, x.shape, axis)
    wanted = np.broadcast_shapes(*(np.shape(place) for place in places))
    if wanted != src.shape:  # src would be added several times
        raise ValueError(f"scatter_add: index and src are {src.shape}, {wanted} is needed")
    return x + scatter_to(src, places, x.shape)


@composition(Sample((3, 4), 0, [2, 2], (2, 4)), Sample((3, 4), -1, [0, 1, 0], (3, 3)))
def index_add(x, axis, index, source):
    """x with the slices of ``source`` along ``axis`` added at the places ``index``.

    >>> F.index_add(np.zeros(3), 0, [0, 0, 2], np.array([1.0, 2.0, 4.0]))
    array([3., 0., 4.])
    """
    x = as_operand(x)
    axis = axis_of("index_add", axis, x.ndim)
    index = as_array(array_of(index))
    return x + scatter_to(source, (*(slice(None),) * axis, index), x.shape)


@composition(Sample(ROWS, (3, 4)), Sample(np.array(1), (3, 2)))
def embedding(indices, weight):
    """The rows of ``weight`` (rows, features) at ``indices``: (..., features).

    >>> F.embedding(np.array([1, 0]), np.array([[1.0, 2.0], [3.0, 4.0]]))
    array([[3., 4.],
           [1., 2.]])
    """
    indices = as_array(array_of(indices))
    if indices.dtype.kind not in "iu":
        raise TypeError(f"embedding: indices are {indices.dtype}, integers are needed")
    return getitem(weight, indices)


def _without_variables(index: Any) -> Any:
    """The index with arrays in the place of Variables and sequences."""
    if isinstance(index, tuple):  # only the outermost tuple means one index for each axis
        return tuple(_without_variables([*p] if isinstance(p, tuple) else p) for p in index)
    if isinstance(index, list):
        parts = [array_of(part) for part in index]
        return get_array_module(*parts).asarray(parts) if parts else np.empty(0, np.intp)
    return array_of(index) if isinstance(index, Variable) else index


BASIC = frozenset({int, slice, type(None), type(Ellipsis)})


def is_basic(index: Any) -> bool:
    """Whether an index is made of numbers, slices, None and ``...``: it answers a view."""
    if type(index) is not tuple:
        return type(index) in BASIC
    for part in index:
        if type(part) not in BASIC:
            return False
    return True


def check_examples(index: Any) -> None:
    """Let an index that differs from example to example do the call."""
    for part in index if type(index) is tuple else (index,):
        if isinstance(part, Overriding):
            raise Overridden(part)


def places_along_axis(
    name: str, indices: Any, shape: tuple[int, ...], axis: int
) -> tuple[Any, ...]:
    """The index that picks ``indices`` along one axis, each line for itself."""
    if np.ndim(indices) != len(shape):
        raise ValueError(f"{name}: indices {np.shape(indices)} need as many axes as x {shape}")
    axis = axis_of(name, axis, len(shape))
    grid = np.ogrid[tuple(slice(size) for size in shape)]
    return tuple(indices if i == axis else lines for i, lines in enumerate(grid))


def _add_at(y: Array, index: Any, x: Array) -> None:
    """Add x to y[index], where y is zeros and elements may be chosen repeatedly."""
    parts = index if isinstance(index, tuple) else (index,)
    arrays = [part for part in parts if hasattr(part, "dtype") and part.ndim > 0]
    if all(part.dtype == bool for part in arrays) and len(arrays) <= 1:
        y[index] = x  # slices and a mask choose nothing twice
        return
    whole = next(i for i, part in enumerate(parts) if not _is_whole(part))
    chosen = parts[whole:]
    if not isinstance(y, np.ndarray) or not all(map(_is_number, chosen)):
        get_array_module(y).add.at(y, index, x)
        return
    front, back = y.shape[:whole], y.shape[whole + len(chosen) :]
    rows, lengths = _rows(chosen, y.shape[whole:]), y.shape[whole : whole + len(chosen)]
    x = np.broadcast_to(x, (*front, *rows.shape, *back))
    if not x.size:
        return
    if whole:  # the same rows of every part
        starts = np.arange(prod(front)) * prod(lengths)
        rows = np.add.outer(starts, rows)
    _add_rows(y.reshape(-1, prod(back)), rows.reshape(-1), x.reshape(-1, prod(back)))


def _is_whole(part: Any) -> bool:
    return isinstance(part, slice) and part == slice(None)


def _is_number(part: Any) -> bool:
    kind = part.dtype.kind if hasattr(part, "dtype") else type(part).__name__
    return kind in ("i", "u", "int")


def _rows(parts: tuple[Any, ...], lengths: tuple[int, ...]) -> np.ndarray:
    """The numbers of what the parts choose from as many leading axes, seen as one axis."""
    rows: Any = 0
    for axis, (part, length) in enumerate(zip(parts, lengths, strict=False)):
        part = np.asarray(part)
        least, most = (int(part.min()), int(part.max())) if part.size else (0, -1)
        if least < -length or most >= length:
            raise IndexError(f"an index is out of bounds for axis {axis} with size {length}")
        part = part.astype(np.intp, copy=False)  # a small type may not hold the length
        part = np.where(part < 0, part + length, part) if least < 0 else part
        rows = rows * length + part if axis else part
    return rows


def _add_rows(y: np.ndarray, rows: np.ndarray, x: np.ndarray) -> None:
    """Add the rows of x (n, k) to those of y (m, k), which is zeros."""
    if x.size < SPARSE or x.shape[1] == 1 or y.dtype.kind not in "fc":
        k = x.shape[1]
        places = rows if k == 1 else np.add.outer(rows * k, np.arange(k)).reshape(-1)
        np.add.at(y.reshape(-1), places, x.reshape(-1).astype(y.dtype, copy=False))
        return
    # The product with a matrix that has a 1 in the column of each row of x: no more than additions
    import scipy.sparse  # pyright: ignore[reportMissingTypeStubs]

    n = len(rows)
    ones, starts = np.ones(n, y.dtype), np.arange(n + 1)
    chosen = scipy.sparse.csc_array((ones, rows, starts), shape=(len(y), n))
    y[...] = chosen @ x.astype(y.dtype, copy=False)

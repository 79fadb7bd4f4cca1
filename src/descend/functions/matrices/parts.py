"""What the rules of linear algebra share: adjoints, triangles, quotients, what LAPACK lacks."""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any

import numpy as np

from descend import functions as F
from descend.core.arrays import conj, get_array_module
from descend.core.errors import shape_of
from descend.core.function import Function, as_operand
from descend.core.variable import array_of
from descend.functions.matrices import lapack

# ---- rules --------------------------------------------------------------------------------------


def adjoint(x: Any) -> Any:
    """Rows and columns exchanged, and conjugated: x^H."""
    return conj(x.swapaxes(-1, -2))  # the method: in eager mode a call of F costs more


def symmetric(x: Any) -> Any:
    """The symmetric (Hermitian) part (x + x^H) / 2."""
    return (x + adjoint(x)) * 0.5


def product(*xs: Any) -> Any:
    """The matrix product of several factors, from the left to the right."""
    y, *rest = xs
    for x in rest:
        y = F.matmul(y, x)
    return y


def column(x: Any) -> Any:
    """(..., n) as (..., n, 1)."""
    return F.expand_dims(x, -1)


def row(x: Any) -> Any:
    """(..., n) as (..., 1, n)."""
    return F.expand_dims(x, -2)


def lower_part(x: Any, k: int = 0) -> Any:
    """The elements on and below the diagonal ``k``, zeros above it."""
    return F.where(_distance(x, *x.shape[-2:]) <= k, x, 0)


def upper_part(x: Any, k: int = 0) -> Any:
    """The elements on and above the diagonal ``k``, zeros below it."""
    return F.where(_distance(x, *x.shape[-2:]) >= k, x, 0)


def from_below(x: Any) -> Any:
    """What the elements below the diagonal say of a Hermitian matrix, and the diagonal of x."""
    return F.where(_distance(x, *x.shape[-2:]) <= 0, x, adjoint(x))


def off_diagonal(x: Any) -> Any:
    """x with zeros on its diagonal."""
    return F.where(_distance(x, *x.shape[-2:]) == 0, 0, x)


def diagonal_matrix(x: Any) -> Any:
    """(..., n) on the diagonals of matrices (..., n, n)."""
    size = x.shape[-1]
    return F.where(_distance(x, size, size) == 0, row(x), 0)


def identity(x: Any) -> Any:
    """Unit matrices in the shape and dtype of x."""
    return F.where(_distance(x, *x.shape[-2:]) == 0, F.ones_like(x), F.zeros_like(x))


def trace(x: Any) -> Any:
    """The sum of each diagonal, (..., 1, 1)."""
    return F.sum(x - off_diagonal(x), axis=(-2, -1), keepdims=True)


def _distance(x: Any, rows: int, columns: int) -> Any:
    """How far each place of a matrix lies above the diagonal, in the array module of x."""
    xp = get_array_module(array_of(x))
    if xp is np and rows * columns <= KEPT:
        return _distances(rows, columns)
    return xp.arange(columns) - xp.arange(rows)[:, None]


KEPT = 1 << 16
"""Elements up to which these are kept for the next time."""


@functools.lru_cache(32)
def _distances(rows: int, columns: int) -> Any:
    return np.arange(columns, dtype=np.int32) - np.arange(rows, dtype=np.int32)[:, None]


def hermitian(name: str, x: Any, triangle: str | None = None) -> Any:
    """The Hermitian matrices that x stands for."""
    x = as_operand(x)
    if complaint := not_square("x", x):
        raise ValueError(f"{name}: {complaint}")
    if triangle is None:
        return symmetric(x)
    if triangle not in ("L", "U"):
        raise ValueError(f"{name}: UPLO={triangle!r} came, 'L' or 'U' is needed")
    beside = lower_part(x, -1) if triangle == "L" else upper_part(x, 1)
    diagonal = x - off_diagonal(x)
    return beside + adjoint(beside) + (symmetric(diagonal) if x.dtype.kind == "c" else diagonal)


class Quotient(Function):
    """x0 / x1 in a rule that divides by gaps between values: 0 where both are 0.

    x1 counts as 0 up to ``limit``. Raises numpy.linalg.LinAlgError, with the sentence given, where
    x1 is 0 and x0 is not: there is no derivative.
    """

    needs_values = True

    def __init__(self, name: str, refusal: str) -> None:
        self.name = name  # pyright: ignore[reportAttributeAccessIssue]
        self.refusal = refusal

    def forward(self, x0, x1, limit):
        xp = get_array_module(x0, x1)
        small = xp.abs(x1) <= limit
        if xp.any(xp.logical_and(small, x0 != 0)):
            raise np.linalg.LinAlgError(self.refusal)
        return x0 / xp.where(small, xp.ones_like(x1), x1)

    def like(self, x0, x1, limit):
        return np.zeros(np.broadcast_shapes(x0.shape, x1.shape), np.result_type(x0, x1))

    def backward(self, gy, *, x1, limit, y):
        gx0 = self.again(gy, conj(x1), limit)
        return gx0, -self.again(gy * conj(y), conj(x1), limit) if self.edges[1] else None, None

    def again(self, x0: Any, x1: Any, limit: Any) -> Any:
        """Another quotient that refuses in the same words."""
        return Quotient(self.name, self.refusal)(x0, x1, limit)

    def complaint(self, *xs: Any) -> str | None:
        """Why there is no derivative."""
        return self.refusal


def rounding(x: Any) -> Any:
    """What values (..., n) of LAPACK may be off by rounding alone, (..., 1): the limit of 0."""
    epsilon = float(np.finfo(x.dtype).eps)
    return F.sum(F.abs(F.stop_gradient(x)), axis=-1, keepdims=True) * epsilon


# ---- forward ------------------------------------------------------------------------------------


class MatrixFunction(Function):
    """The base of functions of matrices (..., m, n) that LAPACK computes, by values."""

    needs_values = True

    def _refusal(self, error: Exception, arrays: list[Any]) -> Exception:
        """A native program's error has the sentence already."""
        if isinstance(error, np.linalg.LinAlgError) and str(error).startswith(f"{self.name}: "):
            return error
        return super()._refusal(error, arrays)

    def like(self, *xs):
        """The answer for unit matrices."""
        return self.forward(*[None if x is None else _unit(x) for x in xs])


def computed(function: Callable[..., Any], *xs: Any) -> Any:
    """``function(*xs)``, in float32 where all are float16, which LAPACK lacks."""
    if np.result_type(*xs) != np.float16:
        ys = function(*xs)
        return tuple(ys) if isinstance(ys, tuple) else ys
    ys = function(*[x.astype(np.float32) for x in xs])
    return tuple(_half(y) for y in ys) if isinstance(ys, tuple) else _half(ys)


def for_each(function: Callable[..., Any], *xs: Any) -> Any:
    """A function of matrices for each place of the leading axes, which broadcast.

    Its answers have the shape of its last argument.
    """
    if all(x.ndim == 2 for x in xs):
        return function(*xs)
    lead = np.broadcast_shapes(*[x.shape[:-2] for x in xs])
    xp = get_array_module(*xs)
    xs = tuple(xp.broadcast_to(x, (*lead, *x.shape[-2:])) for x in xs)
    ys = [function(*[x[place] for x in xs]) for place in np.ndindex(*lead)]
    return xp.reshape(xp.stack(ys), xs[-1].shape) if ys else xp.zeros_like(xs[-1])


def scipy_linalg(xp: Any) -> Any:
    """SciPy's linear algebra, or CuPy's copy of it."""
    if xp is np:
        return lapack.scipy_linalg()
    import cupyx.scipy.linalg  # pyright: ignore[reportMissingImports]

    return cupyx.scipy.linalg  # pyright: ignore[reportUnknownVariableType, reportUnknownMemberType]


def not_square(name: str, x: Any) -> str | None:
    """The complaint about an argument that has no square matrices."""
    if getattr(x, "ndim", 0) < 2 or x.shape[-1] != x.shape[-2]:
        return f"{name} {shape_of(x)} came, (..., n, n) is needed"
    return None


def no_matrix(name: str, x: Any) -> str | None:
    """The complaint about an argument that has no matrices."""
    return (
        f"{name} {shape_of(x)} came, (..., m, n) is needed" if getattr(x, "ndim", 0) < 2 else None
    )


def _half(y: Any) -> Any:
    return y.astype(np.float16) if y.dtype == np.float32 else y


def _unit(x: Any) -> Any:
    """Unit matrices in the shape of x; ones where there are less than two axes."""
    unit = np.eye(*x.shape[-2:], dtype=x.dtype) if np.ndim(x) > 1 else np.ones((), x.dtype)
    return np.broadcast_to(unit, x.shape).copy()

"""Matrices of which only some elements are kept, multiplied and solved with."""

from __future__ import annotations

from typing import Any

import numpy as np

from descend import functions as F
from descend.core.arrays import conj, get_array_module
from descend.core.errors import kind_of, shape_of
from descend.core.function import as_operand
from descend.core.variable import array_of
from descend.functions.matrices.parts import MatrixFunction, computed
from descend.functions.registry import Sample, composition

ROWS, COLUMNS = np.array([0, 2, 2, 1, 0]), np.array([0, 0, 1, 1, 0])
"""The places of a sample's elements; (0, 0) comes twice."""


class Places:
    """Where the elements of a sparse matrix of some shape lie; those in one place are added."""

    def __init__(self, rows: Any, columns: Any, shape: tuple[int, int]) -> None:
        self.rows = rows
        self.columns = columns
        self.shape = shape

    @property
    def transposed(self) -> Places:
        """The places in the transposed matrix."""
        m, n = self.shape
        return Places(self.columns, self.rows, (n, m))

    def repeated(self, count: int) -> Places:
        """The places in a matrix that has ``count`` such matrices along its diagonal."""
        m, n = self.shape
        blocks = np.arange(count)
        rows, columns = (
            np.add.outer(blocks * size, places).reshape(-1)
            for size, places in ((m, self.rows), (n, self.columns))
        )
        return Places(rows, columns, (count * m, count * n))

    def matrix(self, data: Any) -> Any:
        """SciPy's matrix with these elements, or that of its copy for CuPy."""
        return _scipy_sparse(get_array_module(data)).coo_matrix(
            (data, (self.rows, self.columns)), self.shape
        )

    def products(self, rows: Any, columns: Any) -> Any:
        """For each place the product of a row of one and a row of another (n, k), summed."""
        products = rows[self.rows] * conj(columns[self.columns])
        return products if products.ndim == 1 else F.sum(products, axis=-1)


class SparseMatmul(MatrixFunction):
    """The product of a sparse matrix with these elements and x (n,) or (n, k)."""

    def __init__(self, places: Places) -> None:
        self.places = places

    def forward(self, data, x):
        if x.ndim not in (1, 2) or x.shape[0] != self.places.shape[1]:
            raise ValueError(self.complaint(data, x))
        return computed(lambda data, x: self.places.matrix(data) @ x, data, x)

    def backward(self, gy, *, data, x):
        gx = SparseMatmul(self.places.transposed)(conj(data), gy) if self.edges[1] else None
        return self.places.products(gy, x) if self.edges[0] else None, gx

    def complaint(self, data: Any, x: Any) -> str | None:
        """Name the shapes."""
        m, n = self.places.shape
        return f"a ({m}, {n}) and x {shape_of(x)} do not meet: ({n},) or ({n}, k) is needed"


class SparseSolve(MatrixFunction):
    """The x with a @ x = b for a sparse matrix a with these elements and b (n,) or (n, k)."""

    name = "spsolve"

    def __init__(self, places: Places) -> None:
        self.places = places

    def forward(self, data, b):
        if b.ndim not in (1, 2) or b.shape[0] != self.places.shape[0]:
            raise ValueError(self.complaint(data, b))
        return computed(self._solution, data, b)

    def _solution(self, data: Any, b: Any) -> Any:
        splu = _sparse_linalg(get_array_module(data, b)).splu
        dtype = np.result_type(data, b, np.float32)
        try:
            return splu(self.places.matrix(data.astype(dtype)).tocsc()).solve(b.astype(dtype))
        except RuntimeError as error:  # so SuperLU says it
            raise np.linalg.LinAlgError("a is singular") from error

    def like(self, data, b):
        return np.zeros(b.shape, np.result_type(data, b, np.float16))

    def backward(self, gy, *, data, y):
        gb = SparseSolve(self.places.transposed)(conj(data), gy)
        return -self.places.products(gb, y) if self.edges[0] else None, gb

    def complaint(self, data: Any, b: Any) -> str | None:
        """Name the shapes; None where it is the values that do not do."""
        n = self.places.shape[0]
        if b.ndim in (1, 2) and b.shape[0] == n:
            return None
        return f"a ({n}, {n}) and b {shape_of(b)} do not meet: ({n},) or ({n}, k) is needed"


@composition(
    Sample([(5,), (ROWS, COLUMNS)], (2,), shape=(3, 2)),
    Sample([(3,), np.array([0, 2, 0]), np.array([0, 2, 2, 3])], (3, 2), shape=(3, 3)),
    Sample([(2,), (np.array([0, 1]), np.array([1, 0]))], (2, 2), shape=(2, 2), complex=True),
)
def sparse_matmul(a, x, shape=None):
    """The product a @ x of a sparse matrix (m, n) and x (n,) or (n, k).

    a is a matrix of scipy.sparse, a constant, or what SciPy makes one of together with ``shape``:
    ``(data, (rows, columns))``, whose elements in the same place are added, or ``(data, indices,
    indptr)``, the compressed rows. ``data`` may be a Variable, and its gradient has elements in the
    same places.

    >>> data = Variable(np.array([2.0, 3.0]))
    >>> y = F.sparse_matmul((data, ([0, 1], [1, 1])), np.array([1.0, 10.0]), shape=(2, 2))
    >>> y.sum().backward()
    >>> y, data.grad
    (Variable([20. 30.]), Variable([10. 10.]))
    """
    data, places = _parts("sparse_matmul", a, shape)
    return SparseMatmul(places)(data, as_operand(x))


@composition(
    Sample([(3,), ([0, 1, 1], [0, 0, 1])], (2,), shape=(2, 2), low=0.5, high=2),
    Sample([(3,), np.array([0, 0, 1]), np.array([0, 1, 3])], (2, 2), shape=(2, 2), low=0.5, high=2),
)
def spsolve(a, b, shape=None):
    """The x with a @ x = b, for a sparse matrix a (n, n) and b (n,) or (n, k).

    a is given as in `sparse_matmul`.

    Raises numpy.linalg.LinAlgError where a is singular.

    >>> F.spsolve((np.array([2.0, 4.0]), ([0, 1], [0, 1])), np.array([2.0, 2.0]), shape=(2, 2))
    array([1. , 0.5])
    """
    data, places = _parts("spsolve", a, shape)
    if places.shape[0] != places.shape[1]:
        raise ValueError(f"spsolve: a {places.shape} came, (n, n) is needed")
    return SparseSolve(places)(data, as_operand(b))


def _parts(name: str, a: Any, shape: Any) -> tuple[Any, Places]:
    """The elements of a sparse matrix, and where they lie."""
    if hasattr(a, "tocoo"):
        a = a.tocoo()
        return a.data, Places(a.row, a.col, a.shape)
    if not isinstance(a, tuple | list) or len(a) not in (2, 3):
        raise TypeError(
            f"{name}: a is {kind_of(a)}; a matrix of scipy.sparse, (data, (rows, columns)) or "
            f"(data, indices, indptr) is needed"
        )
    if shape is None:
        raise TypeError(f"{name}: shape is missing, that of the matrix is needed")
    data = as_operand(a[0])
    if len(a) == 2:
        rows, columns = (np.asarray(array_of(part)) for part in a[1])
    else:
        columns, pointers = (np.asarray(array_of(part)) for part in a[1:])
        rows = np.repeat(np.arange(len(pointers) - 1), np.diff(pointers))
    if not data.shape == rows.shape == columns.shape or data.ndim != 1:
        raise ValueError(
            f"{name}: data {data.shape}, rows {rows.shape} and columns {columns.shape} came, three "
            f"of one length (k,) are needed"
        )
    m, n = shape
    if rows.size and not (
        0 <= rows.min() and rows.max() < m and 0 <= columns.min() and columns.max() < n
    ):
        raise IndexError(f"{name}: an element lies outside of the matrix ({m}, {n})")
    return data, Places(rows, columns, (int(m), int(n)))


def _scipy_sparse(xp: Any) -> Any:
    if xp is np:
        import scipy.sparse  # pyright: ignore[reportMissingTypeStubs]

        return scipy.sparse
    import cupyx.scipy.sparse  # pyright: ignore[reportMissingImports]

    return cupyx.scipy.sparse  # pyright: ignore[reportUnknownVariableType, reportUnknownMemberType]


def _sparse_linalg(xp: Any) -> Any:
    if xp is np:
        import scipy.sparse.linalg  # pyright: ignore[reportMissingTypeStubs]

        return scipy.sparse.linalg
    import cupyx.scipy.sparse.linalg  # pyright: ignore[reportMissingImports]

    return cupyx.scipy.sparse.linalg  # pyright: ignore[reportUnknownVariableType, reportUnknownMemberType]

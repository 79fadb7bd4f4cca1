"""Weighted sums of a few rows of a matrix: what `grid_sample` takes from the elements of images.

With chosen rows r[p, t], weights w[p, t] and a gradient g[p, c] there is a number linear in each:
the sum of w[p, t] * rows[r[p, t], c] * g[p, c]. Its derivatives by one of the three are functions
of the other two, and each has the others for its derivatives.
"""

from __future__ import annotations

from functools import cached_property
from typing import Any

import numpy as np

from descend.core.arrays import conj
from descend.core.function import Function


class Chosen:
    """The rows (P, T) that are chosen from ``count`` rows; the number ``count`` itself is none."""

    def __init__(self, rows: np.ndarray, count: int) -> None:
        self.rows = rows
        self.count = count

    @cached_property
    def _structure(self) -> tuple[np.ndarray | None, np.ndarray, np.ndarray]:
        """Which are rows (None: all), their numbers, and where those of each p begin."""
        P, T = self.rows.shape
        there = self.rows < self.count
        if there.all():
            return None, self.rows.reshape(-1), np.arange(0, P * T + 1, T)
        starts = np.concatenate([[0], np.cumsum(np.count_nonzero(there, axis=1))])
        return there, self.rows[there], starts

    def matrix(self, weights: np.ndarray) -> Any:
        """The weights as a sparse matrix (P, count)."""
        import scipy.sparse  # pyright: ignore[reportMissingTypeStubs]

        there, rows, starts = self._structure
        data = weights.reshape(-1) if there is None else weights[there]
        return scipy.sparse.csr_array((data, rows, starts), shape=(len(self.rows), self.count))

    def products(self, rows: np.ndarray, g: np.ndarray) -> np.ndarray:
        """The products of the chosen rows (P, T) and those of g (P, C)."""
        there, _, _ = self._structure
        y = np.empty(self.rows.shape, np.result_type(rows, g))
        for t, chosen in enumerate(self.rows.T):
            np.einsum("pc,pc->p", rows.take(chosen, 0, mode="clip"), g, out=y[:, t])
        return y if there is None else np.where(there, y, 0)


class Rows(Function):
    """The base of the three, of NumPy's arrays only."""

    needs_values = True

    def __init__(self, chosen: Chosen) -> None:
        self.chosen = chosen


class Blend(Rows):
    """y[p] = the sum of w[p, t] * rows[r[p, t]]: (P, C)."""

    kept_for = {"rows": 1, "weights": 0}

    def forward(self, rows, weights):
        return self.chosen.matrix(weights) @ _single(rows)

    def backward(self, gy, *, rows, weights):
        gx = Spread(self.chosen)(gy, conj(weights)) if self.edges[0] else None
        return gx, Products(self.chosen)(conj(rows), gy) if self.edges[1] else None

    def like(self, rows, weights):
        """What a recorder needs to know."""
        return np.zeros((len(weights), rows.shape[1]), np.result_type(rows, weights, np.float32))


class Spread(Rows):
    """y[r] = the sum of w[p, t] * g[p] over all that chose it: (count, C)."""

    kept_for = {"g": 1, "weights": 0}

    def forward(self, g, weights):
        return self.chosen.matrix(weights).T @ _single(g)

    def backward(self, gy, *, g, weights):
        gx = Blend(self.chosen)(gy, conj(weights)) if self.edges[0] else None
        return gx, Products(self.chosen)(gy, conj(g)) if self.edges[1] else None

    def like(self, g, weights):
        """What a recorder needs to know."""
        shape = (self.chosen.count, g.shape[1])
        return np.zeros(shape, np.result_type(g, weights, np.float32))


class Products(Rows):
    """y[p, t] = the product of rows[r[p, t]] and g[p]: (P, T)."""

    kept_for = {"rows": 1, "g": 0}

    def forward(self, rows, g):
        return self.chosen.products(_single(rows), _single(g))

    def backward(self, gy, *, rows, g):
        gx = Spread(self.chosen)(conj(g), gy) if self.edges[0] else None
        return gx, Blend(self.chosen)(conj(rows), gy) if self.edges[1] else None

    def like(self, rows, g):
        """What a recorder needs to know."""
        return np.zeros(self.chosen.rows.shape, np.result_type(rows, g, np.float32))


def _single(x: np.ndarray) -> np.ndarray:
    """float16 as float32, which sparse matrices are multiplied in."""
    return x.astype(np.float32) if x.dtype == np.float16 else x

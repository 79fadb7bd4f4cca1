"""Weighted sums of elements along an axis: what images are resampled with."""

from __future__ import annotations

from functools import cached_property
from math import prod
from typing import Any

import numpy as np

from descend.core.arrays import Array, get_array_module
from descend.core.function import Function

DENSE = 32
"""A product with a matrix sums so many elements in the time that one by one takes for each tap."""


class Taps:
    """The elements of an axis that each of n new ones is the sum of: ``places`` (t, n).

    They count by their ``weights`` (t, n); without, t is 1 and the element is taken as it is. The
    axis has ``length`` elements.
    """

    def __init__(self, length: int, places: np.ndarray, weights: np.ndarray | None = None) -> None:
        self.length = length
        self.places = places
        self.weights = weights
        self._matrices: dict[Any, np.ndarray] = {}

    @cached_property
    def adjoint(self) -> Taps:
        """For each element of the axis which new ones have it, with which weights."""
        tap, to = np.nonzero(np.ones(self.places.shape) if self.weights is None else self.weights)
        taken = self.places[tap, to]
        order = np.argsort(taken, kind="stable")
        tap, to, taken = tap[order], to[order], taken[order]
        rank = np.arange(len(taken)) - np.searchsorted(taken, taken)
        shape = (int(rank.max(initial=0)) + 1, self.length)
        places, weights = np.zeros(shape, np.int64), np.zeros(shape)
        places[rank, taken] = to
        weights[rank, taken] = 1 if self.weights is None else self.weights[tap, to]
        return Taps(self.places.shape[1], places, weights)

    def is_dense(self) -> bool:
        """Whether a product with the matrix is cheaper than summing element by element."""
        return self.weights is not None and self.length <= DENSE * max(len(self.places), 2)

    def matrix(self, dtype: Any) -> np.ndarray:
        """The weights as a matrix (n, length)."""
        if dtype not in self._matrices:
            rows = np.arange(self.places.shape[1])
            matrix = np.zeros((len(rows), self.length))
            weights = np.ones(self.places.shape) if self.weights is None else self.weights
            for places, own in zip(self.places, weights, strict=True):
                matrix[rows, places] += own
            self._matrices[dtype] = matrix.astype(dtype)
        return self._matrices[dtype]


class Resample(Function):
    """The sums along an axis that taps name. ``axis`` counts from the end.

    A weight of 0 keeps even an infinite element out.
    """

    def __init__(self, axis: int, taps: Taps) -> None:
        self.axis = axis
        self.taps = taps

    def forward(self, x):
        xp, taps = get_array_module(x), self.taps
        if taps.weights is None:
            return xp.take(x, xp.asarray(taps.places[0]), axis=self.axis)
        wide = x.astype(np.float32) if x.dtype == np.float16 else x
        y = None
        if xp is np and taps.is_dense():
            y = self._product(wide)
        if y is None:
            y = self._sums(wide) if xp is np else self._recorded_sums(wide)
        return y.astype(x.dtype, copy=False)

    def backward(self, gy):
        return Resample(self.axis, self.taps.adjoint)(gy)

    def _product(self, x: np.ndarray) -> np.ndarray | None:
        """The sums as a matrix product; None if that makes a NaN, as 0 * inf does."""
        matrix, last = self.taps.matrix(x.dtype), -self.axis - 1
        front, back = x.shape[: self.axis], x.shape[x.ndim - last :]
        n, length = matrix.shape
        with np.errstate(invalid="ignore"):
            if not back:
                y = x.reshape(-1, length) @ matrix.T
            else:
                y = np.matmul(matrix, x.reshape(*front, length, prod(back)))
            return None if y.size and np.isnan(y.max()) else y.reshape(*front, n, *back)

    def _sums(self, x: np.ndarray) -> np.ndarray:
        """The sums, tap by tap, of the elements whose weight is not 0."""
        behind = (slice(None),) * (-self.axis - 1)
        y: np.ndarray | None = None
        for places, weights in zip(self.taps.places, self._weights, strict=True):
            used = weights != 0
            few = 2 * np.count_nonzero(used) < len(used)
            if few and y is not None:
                places, weights = places[used], weights[used]
            part = np.take(x, places, axis=self.axis)
            with np.errstate(invalid="ignore"):  # 0 * inf, which is replaced
                part *= weights.reshape(-1, *(1,) * len(behind)).astype(x.dtype)
            if few and y is not None:
                y[(..., used, *behind)] += part
                continue
            if not used.all():
                part[(..., ~used, *behind)] = 0
            y = part if y is None else np.add(y, part, out=y)
        assert y is not None
        return y

    def _recorded_sums(self, x: Array) -> Array:
        """The same where no array may be written."""
        xp = get_array_module(x)
        y: Any = None
        for places, weights in zip(self.taps.places, self._weights, strict=True):
            part = xp.take(x, xp.asarray(places), axis=self.axis)
            weights = weights.reshape(-1, *(1,) * (-self.axis - 1)).astype(x.dtype)
            if not weights.all():
                part = xp.where(xp.asarray(weights != 0), part, xp.asarray(0, x.dtype))
            if not (weights == 1).all():
                part = part * xp.asarray(weights)
            y = part if y is None else y + part
        return y

    @property
    def _weights(self) -> np.ndarray:
        weights = self.taps.weights
        assert weights is not None
        return weights

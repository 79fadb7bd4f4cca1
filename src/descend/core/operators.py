"""What ``x + y``, ``x[0]`` and ``x.sum()`` mean: the function of that name in x's array module.

Written once, for every kind of array that has no such operators of its own.
"""

# pyright: reportUnknownVariableType=false, reportUnknownArgumentType=false
# pyright: reportUnknownMemberType=false, reportPrivateUsage=false
# (isinstance narrows an array, which is Any, to a type with unknown parameters)

from __future__ import annotations

from typing import Any

from descend.core.arrays import MODULES


class Operators:
    """The operators and array methods that Variable has in common with the arrays it holds."""

    __slots__ = ()

    shape: Any
    dtype: Any

    def __add__(self, other: Any) -> Any:
        return MODULES[type(self)].add(self, other)

    def __radd__(self, other: Any) -> Any:
        return MODULES[type(self)].add(other, self)

    def __sub__(self, other: Any) -> Any:
        return MODULES[type(self)].subtract(self, other)

    def __rsub__(self, other: Any) -> Any:
        return MODULES[type(self)].subtract(other, self)

    def __mul__(self, other: Any) -> Any:
        return MODULES[type(self)].multiply(self, other)

    def __rmul__(self, other: Any) -> Any:
        return MODULES[type(self)].multiply(other, self)

    def __truediv__(self, other: Any) -> Any:
        return MODULES[type(self)].divide(self, other)

    def __rtruediv__(self, other: Any) -> Any:
        return MODULES[type(self)].divide(other, self)

    def __floordiv__(self, other: Any) -> Any:
        return MODULES[type(self)].floor_divide(self, other)

    def __rfloordiv__(self, other: Any) -> Any:
        return MODULES[type(self)].floor_divide(other, self)

    def __mod__(self, other: Any) -> Any:
        return MODULES[type(self)].remainder(self, other)

    def __rmod__(self, other: Any) -> Any:
        return MODULES[type(self)].remainder(other, self)

    def __divmod__(self, other: Any) -> Any:
        return MODULES[type(self)].divmod(self, other)

    def __rdivmod__(self, other: Any) -> Any:
        return MODULES[type(self)].divmod(other, self)

    def __pow__(self, power: Any, modulo: None = None) -> Any:
        if modulo is not None:
            raise TypeError("power: pow(x, y, modulo) has no meaning here: write pow(x, y)")
        return MODULES[type(self)].power(self, power)

    def __rpow__(self, base: Any, modulo: None = None) -> Any:
        return MODULES[type(self)].power(base, self)

    def __matmul__(self, other: Any) -> Any:
        return MODULES[type(self)].matmul(self, other)

    def __rmatmul__(self, other: Any) -> Any:
        return MODULES[type(self)].matmul(other, self)

    def __neg__(self) -> Any:
        return MODULES[type(self)].negative(self)

    def __pos__(self) -> Any:
        return self

    def __abs__(self) -> Any:
        return MODULES[type(self)].abs(self)

    def __getitem__(self, index: Any) -> Any:
        return MODULES[type(self)].getitem(self, index)

    def reshape(self, *shape: Any) -> Any:
        """The same elements in another shape: ``reshape(2, 3)`` or ``reshape((2, 3))``."""
        if len(shape) == 1 and isinstance(shape[0], (tuple, list)):
            shape = tuple(shape[0])  # pyright: ignore[reportUnknownArgumentType]
        return MODULES[type(self)].reshape(self, shape)

    def transpose(self, *axes: Any) -> Any:
        """The axes reversed, or in the order given: ``transpose(1, 0)``, ``transpose((1, 0))``."""
        order: Any = axes or None
        if len(axes) == 1 and (axes[0] is None or isinstance(axes[0], (tuple, list))):
            order = axes[0]
        return MODULES[type(self)].transpose(self, order)

    @property
    def T(self) -> Any:
        """The axes reversed."""
        return MODULES[type(self)].transpose(self)

    @property
    def real(self) -> Any:
        """The real parts; itself where it is real."""
        return MODULES[type(self)].real(self) if self.dtype.kind == "c" else self

    @property
    def imag(self) -> Any:
        """The imaginary parts; zeros where it is real."""
        return MODULES[type(self)].imag(self)

    def conj(self) -> Any:
        """The complex conjugate; itself where it is real."""
        return MODULES[type(self)].conj(self) if self.dtype.kind == "c" else self

    conjugate = conj

    def swapaxes(self, axis1: int, axis2: int) -> Any:
        """Two axes exchanged."""
        return MODULES[type(self)].swapaxes(self, axis1, axis2)

    def squeeze(self, axis: Any = None) -> Any:
        """Without the axes of length 1, or without those named."""
        return MODULES[type(self)].squeeze(self, axis)

    def flatten(self) -> Any:
        """All elements along one axis."""
        return MODULES[type(self)].flatten(self)

    def ravel(self) -> Any:
        """All elements along one axis."""
        return MODULES[type(self)].ravel(self)

    def repeat(self, repeats: Any, axis: int | None = None) -> Any:
        """Each element several times along ``axis``, along the flattened array if None."""
        return MODULES[type(self)].repeat(self, repeats, axis=axis)

    def diagonal(self, offset: int = 0, axis1: int = 0, axis2: int = 1) -> Any:
        """The elements on a diagonal, along a new last axis."""
        return MODULES[type(self)].diagonal(self, offset, axis1, axis2)

    def trace(self, offset: int = 0, axis1: int = 0, axis2: int = 1) -> Any:
        """The sum of the elements on a diagonal."""
        return MODULES[type(self)].trace(self, offset, axis1, axis2)

    def dot(self, other: Any) -> Any:
        """The product of matrices or vectors."""
        return MODULES[type(self)].dot(self, other)

    def astype(self, dtype: Any) -> Any:
        """The same values in another dtype."""
        return MODULES[type(self)].astype(self, dtype)

    def copy(self) -> Any:
        """The same values in memory of their own."""
        return MODULES[type(self)].copy(self)

    def sum(self, axis: Any = None, keepdims: bool = False) -> Any:
        """The sum over ``axis``, over everything if None."""
        return MODULES[type(self)].sum(self, axis=axis, keepdims=keepdims)

    def mean(self, axis: Any = None, keepdims: bool = False) -> Any:
        """The arithmetic mean over ``axis``, over everything if None."""
        return MODULES[type(self)].mean(self, axis=axis, keepdims=keepdims)

    def prod(self, axis: Any = None, keepdims: bool = False) -> Any:
        """The product over ``axis``, over everything if None."""
        return MODULES[type(self)].prod(self, axis=axis, keepdims=keepdims)

    def max(self, axis: Any = None, keepdims: bool = False) -> Any:
        """The largest element over ``axis``, over everything if None."""
        return MODULES[type(self)].max(self, axis=axis, keepdims=keepdims)

    def min(self, axis: Any = None, keepdims: bool = False) -> Any:
        """The smallest element over ``axis``, over everything if None."""
        return MODULES[type(self)].min(self, axis=axis, keepdims=keepdims)

    def var(self, axis: Any = None, ddof: int = 0, keepdims: bool = False) -> Any:
        """The variance over ``axis``, over everything if None."""
        return MODULES[type(self)].var(self, axis=axis, ddof=ddof, keepdims=keepdims)

    def std(self, axis: Any = None, ddof: int = 0, keepdims: bool = False) -> Any:
        """The standard deviation over ``axis``, over everything if None."""
        return MODULES[type(self)].std(self, axis=axis, ddof=ddof, keepdims=keepdims)

    def cumsum(self, axis: int | None = None) -> Any:
        """The running sum along ``axis``, along the flattened array if None."""
        return MODULES[type(self)].cumsum(self, axis=axis)

    def cumprod(self, axis: int | None = None) -> Any:
        """The running product along ``axis``, along the flattened array if None."""
        return MODULES[type(self)].cumprod(self, axis=axis)

    def argsort(self, axis: int | None = -1) -> Any:
        """The order in which the elements along ``axis`` are sorted."""
        return MODULES[type(self)].argsort(self, axis=axis)

    def round(self, decimals: int = 0) -> Any:
        """To ``decimals`` digits behind the point."""
        return MODULES[type(self)].round(self, decimals)

    def clip(self, min: Any = None, max: Any = None) -> Any:
        """The values held between ``min`` and ``max``."""
        return MODULES[type(self)].clip(self, min, max)

    def take(self, indices: Any, axis: int | None = None) -> Any:
        """The elements at ``indices`` along ``axis``."""
        return MODULES[type(self)].take(self, indices, axis=axis)

"""Which module computes for which kind of array.

A gradient rule, a layer, an optimizer is written once; its arguments decide what it computes on.
A kind of array joins with `register(kind, module)`, called from the kind's own file, so the core
knows neither the functions nor the compiler.
"""

from __future__ import annotations

from math import prod
from types import ModuleType
from typing import Any

import numpy as np

Array = Any
"""An array of any registered kind: typed as Any, since NumPy's and CuPy's types share no base."""

CONTRACT = tuple(
    """
    abs add all angle any arange arccos arccosh arcsin arcsinh arctan arctan2 arctanh argmax
    argmin argsort asarray astype bool broadcast_to cbrt ceil clip concatenate conj convolve
    copy copysign cos cosh cumprod cumsum divide empty empty_like equal exp exp2 expand_dims
    expm1 float32 float64 floor floor_divide fmod full full_like greater greater_equal heaviside
    hypot int64 isfinite isinf isnan less less_equal log log10 log1p log2 logaddexp logaddexp2
    logical_and logical_not logical_or matmul max maximum mean min minimum moveaxis multiply
    nan_to_num negative nonzero not_equal ones ones_like pad power prod reciprocal remainder
    reshape rint round searchsorted sign sin sinh sort split sqrt square squeeze stack subtract
    sum swapaxes take take_along_axis tan tanh transpose trunc where zeros zeros_like
    """.split()
)
"""The names that an operation may use of an array module, whichever module it is."""


class Modules(dict[type, ModuleType]):
    """The array module of each type; a type that was never registered asks its base classes."""

    def __missing__(self, kind: type) -> ModuleType:
        module = next((self[base] for base in kind.__mro__[1:] if base in self), np)
        self[kind] = module
        return module


MODULES = Modules({np.ndarray: np})
ARRAY_TYPES: list[type] = [np.ndarray]


def register(kind: type, module: ModuleType, *, holds_arrays: bool = False) -> None:
    """Let ``module`` compute for arrays of type ``kind``.

    ``holds_arrays`` is for Variable alone: a kind that wraps arrays and is not one itself.
    """
    for derived in [known for known in MODULES if issubclass(known, kind)]:
        del MODULES[derived]  # they had asked their bases before this kind was known
    MODULES[kind] = module
    if not holds_arrays and kind not in ARRAY_TYPES:
        ARRAY_TYPES.append(kind)


def get_array_module(x: Any, *others: Any) -> Any:
    """The module that computes for these: numpy, unless one of them is of another kind.

    >>> get_array_module(np.ones(3), 2.0).__name__
    'numpy'
    """
    module = MODULES[type(x)]
    if not others:
        return module
    for other in others:
        if module is not np:
            break
        module = MODULES[type(other)]
    return module


class Overriding:
    """The base of kinds of arrays on which a Function is not computed but called otherwise."""

    __slots__ = ()

    shape: Any
    data: Any

    def values(self) -> Any:
        """The same without Variables in it."""
        raise NotImplementedError

    def detach(self) -> Any:
        """The same without a gradient."""
        raise NotImplementedError

    def apply(self, function: Any, xs: tuple[Any, ...]) -> Any:
        """What ``function(*xs)`` answers, where this is among the arguments."""
        raise NotImplementedError


class Overridden(Exception):
    """Tells a Function that an argument knows better how to call it."""

    def __init__(self, by: Overriding) -> None:
        self.by = by


def is_array(x: object) -> bool:
    """Whether ``x`` is an array of a registered kind; CuPy registers itself when first met."""
    if isinstance(x, np.ndarray) or isinstance(x, tuple(ARRAY_TYPES)):
        return True
    if type(x).__module__.partition(".")[0] == "cupy" and type(x).__name__ == "ndarray":
        import cupy  # pyright: ignore[reportMissingImports]

        register(type(x), cupy)  # pyright: ignore[reportUnknownArgumentType]
        return True
    return False


def as_array(x: Any) -> Array:
    """``x`` as an array; NumPy answers scalars where an operation leaves no axis."""
    return x if is_array(x) else np.asarray(x)


def is_inexact(dtype: Any) -> bool:
    """Whether values of this dtype have derivatives: floating point and complex, not integers."""
    return dtype.kind in "fc"


def conj(x: Any) -> Any:
    """The complex conjugate; x itself where it is real, or None.

    A rule multiplies the gradient by the conjugate of the derivative: so the gradient of a real L
    to x + iy is dL/dx + i dL/dy, the direction in which L grows fastest, as PyTorch has it.

    >>> conj(2.0), conj(1 + 2j)
    (2.0, (1-2j))
    """
    dtype = getattr(x, "dtype", None)
    if dtype is None:  # a number of Python
        return x if x is None else x.conjugate()
    return x.conjugate() if dtype.kind == "c" else x


def sum_to(x: Any, shape: tuple[int, ...]) -> Any:
    """``x`` summed over the axes that broadcasting ``shape`` to ``x.shape`` has repeated.

    >>> sum_to(np.ones((2, 3)), (3,))
    array([2., 2., 2.])
    """
    if x.shape == shape:
        return x
    if x.dtype.char == "e" and is_array(x):  # as everywhere, float16 is summed in float32
        return sum_to(x.astype(np.float32), shape).astype(np.float16)
    lead = x.ndim - len(shape)
    repeated = [lead + i for i, size in enumerate(shape) if size == 1 and x.shape[lead + i] != 1]
    if not repeated:
        return x.sum(axis=tuple(range(lead)))
    y = x.sum(axis=(*range(lead), *repeated), keepdims=True)
    return y.reshape(shape) if lead else y


SMALL = 1 << 12
"""The elements that are written faster than a view of them is made."""


def broadcast_to(x: Any, shape: tuple[int, ...]) -> Any:
    """``x`` repeated to ``shape``, of one memory where its kind allows, which is not to be written.

    >>> broadcast_to(np.array([1.0, 2.0]), (2, 2))
    array([[1., 2.],
           [1., 2.]])
    """
    if isinstance(x, np.generic):
        x = np.asarray(x)  # pyright: ignore[reportUnknownArgumentType, reportUnknownVariableType]
    if x.shape == () and type(x) is np.ndarray and prod(shape) < SMALL:
        y = np.empty(shape, x.dtype)  # filled faster than viewed
        y.fill(x)
        return y
    if type(x) is not np.ndarray or not x.flags.c_contiguous or len(x.shape) > len(shape):
        return get_array_module(x).broadcast_to(x, shape)
    lead = len(shape) - len(x.shape)
    steps = [0] * lead
    for own, size, step in zip(x.shape, shape[lead:], x.strides):  # noqa: B905  as many
        if own != size and own != 1:
            return np.broadcast_to(x, shape)  # it says what does not fit
        steps.append(0 if own == 1 else step)
    y = np.ndarray(shape, x.dtype, x, 0, steps)  # np.broadcast_to takes several times as long
    y.flags.writeable = False
    return y


def special_module(xp: Any) -> Any:
    """The functions that NumPy lacks (erf, gammaln, ...): SciPy's, or CuPy's copy of them."""
    if xp is np:
        import scipy.special  # pyright: ignore[reportMissingTypeStubs]

        return scipy.special
    if xp.__name__ != "cupy":  # the compiler's recorder has its own
        return xp.special
    import cupyx.scipy.special  # pyright: ignore[reportMissingImports]

    return cupyx.scipy.special  # pyright: ignore[reportUnknownVariableType, reportUnknownMemberType]

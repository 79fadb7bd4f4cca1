"""A value that remembers the Function that made it."""

# pyright: reportUnknownVariableType=false, reportUnknownArgumentType=false
# pyright: reportUnknownMemberType=false, reportPrivateUsage=false
# (isinstance narrows an array, which is Any, to a type with unknown parameters)

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any, ClassVar, Self

import numpy as np
from numpy import generic, ndarray

from descend.core import protocols
from descend.core.arrays import Array, Overriding, as_array, get_array_module, is_array, is_inexact
from descend.core.config import config
from descend.core.errors import kind_of
from descend.core.operators import Operators

if TYPE_CHECKING:
    from descend.core.function import Function


class Variable(Operators):
    """An array in a graph of calls.

    ``data`` is the array, ``creator`` the Function that made it (None for a leaf), ``generation``
    how many calls lie between it and the leaves at most, ``index`` which of the creator's outputs
    it is, ``grad`` the gradient that the last `backward` left here, itself a Variable.

    Integers and booleans have no gradient, whatever ``requires_grad`` says.

    Raises TypeError if ``data`` is neither an array nor None.

    >>> x = Variable(np.array([1.0, 2.0]))
    >>> y = (x * x).sum()
    >>> y.backward()
    >>> x.grad
    Variable([2. 4.])
    """

    __array_priority__ = 200  # ndarray * Variable is ours to compute
    __slots__ = (
        "__weakref__",
        "_data",
        "_grad",
        "creator",
        "generation",
        "index",
        "name",
        "requires_grad",
    )

    _walk: ClassVar[Any]  # `backward.backward`, handed in from there: it stands above this file

    def __init__(
        self, data: Array | None, name: str | None = None, requires_grad: bool = True
    ) -> None:
        if data is not None:
            if type(data) is not ndarray and not is_array(data):
                raise TypeError(
                    f"Variable: data is {kind_of(data)}, an array is needed: "
                    f"as_variable(...) takes numbers and lists"
                )
            requires_grad = requires_grad and data.dtype.kind in "fc"
        self._data: Any = data
        self.name = name
        self.requires_grad = requires_grad
        self._grad: Variable | None = None
        self.creator: Function | None = None
        self.generation = 0
        self.index = 0
        trace = config().trace
        if trace is not None:
            trace.add(self)

    @property
    def data(self) -> Any:
        """The array. Rebinding it leaves the graph as it is: gradients are of the old array."""
        trace = config().trace
        if trace is not None:
            return trace.read(self)
        if isinstance(self._data, generic):
            self._data = np.asarray(self._data)
        return self._data

    @data.setter
    def data(self, value: Array | None) -> None:
        if isinstance(value, generic):
            value = np.asarray(value)  # what NumPy answers where no axis is left
        if value is not None:
            if not is_array(value):
                raise TypeError(f"data: {kind_of(value)} came, an array is needed")
            self.requires_grad = self.requires_grad and is_inexact(value.dtype)
        trace = config().trace
        if trace is not None:
            trace.write(self, value)
        else:
            self._data = value

    @property
    def grad(self) -> Variable | None:
        """The gradient that the last `backward` left here, or None."""
        trace = config().trace
        return self._grad if trace is None else trace.read_grad(self)

    @grad.setter
    def grad(self, value: Variable | None) -> None:
        trace = config().trace
        if trace is None:
            self._grad = value
        else:
            trace.write_grad(self, value)

    def set_creator(self, func: Function, index: int = 0) -> None:
        """Remember that this is output ``index`` of ``func``, one generation after it."""
        self.creator = func
        self.generation = func.generation + 1
        self.index = index

    # ---- gradients --------------------------------------------------------------------------

    def backward(self, retain_grad: bool = False, create_graph: bool = False) -> None:
        """Add the gradient of this Variable to ``grad`` of every leaf that it came from.

        It starts from this Variable's own ``grad``, from ones where that is None. The calls are
        walked from the newest generation to the oldest; they stay, so it can be repeated.

        ``retain_grad`` keeps ``grad`` of what lies between, too. ``create_graph`` records the
        gradients' own computation, so that they can be differentiated again.
        """
        self._walk(self, retain_grad=retain_grad, create_graph=create_graph)

    def cleargrad(self) -> None:
        """Forget the gradient."""
        self.grad = None

    def detach(self) -> Variable:
        """A constant with the same array."""
        return Variable(self.data, requires_grad=False)

    def unchain(self) -> None:
        """Forget the Function that made this: from here on it is a leaf."""
        self.creator = None
        self.generation = 0
        self.index = 0

    def unchain_backward(self) -> None:
        """Cut the graph behind this Variable: every Variable in it becomes a leaf.

        For long sequences: what came before is kept as values and no longer walked.
        """
        from descend.core.backward import unchain_backward

        unchain_backward(self)

    # ---- devices ----------------------------------------------------------------------------

    def to_cpu(self) -> None:
        """Move the array into the main memory."""
        from descend.cuda import as_numpy

        if self.data is not None:
            self.data = as_numpy(self.data)

    def to_gpu(self) -> None:
        """Move the array onto the GPU; RuntimeError where there is no CuPy or no GPU."""
        from descend.cuda import as_cupy

        if self.data is not None:
            self.data = as_cupy(self.data)

    # ---- what an array answers --------------------------------------------------------------

    @property
    def shape(self) -> tuple[int, ...]:
        """The length of each axis."""
        return self.data.shape

    @property
    def size(self) -> int:
        """The number of elements."""
        return self.data.size

    @property
    def ndim(self) -> int:
        """The number of axes."""
        return self.data.ndim

    @property
    def dtype(self) -> Any:
        """The type of the elements."""
        return self.data.dtype

    def item(self) -> Any:
        """The only element as a Python number."""
        return self.data.item()

    def tolist(self) -> Any:
        """The elements as nested lists of Python numbers."""
        return self.data.tolist()

    def argmax(self, axis: int | None = None, keepdims: bool = False) -> Array:
        """The index of the largest element, an array: it has no derivative."""
        return get_array_module(self.data).argmax(self.data, axis=axis, keepdims=keepdims)

    def argmin(self, axis: int | None = None, keepdims: bool = False) -> Array:
        """The index of the smallest element, an array: it has no derivative."""
        return get_array_module(self.data).argmin(self.data, axis=axis, keepdims=keepdims)

    def all(self, axis: Any = None, keepdims: bool = False) -> Array:
        """Whether all elements are true, an array: it has no derivative."""
        return get_array_module(self.data).all(self.data, axis=axis, keepdims=keepdims)

    def any(self, axis: Any = None, keepdims: bool = False) -> Array:
        """Whether any element is true, an array: it has no derivative."""
        return get_array_module(self.data).any(self.data, axis=axis, keepdims=keepdims)

    def __len__(self) -> int:
        return len(self.data)

    def __iter__(self) -> Iterator[Any]:
        if self.ndim == 0:
            raise TypeError("iteration: a 0-d Variable has no elements to go through")
        return (self[i] for i in range(len(self)))

    def __setitem__(self, index: Any, value: Any) -> None:
        raise TypeError(
            "assignment: the elements of a Variable are not set, since its graph would not know; "
            "F.where or F.scatter_add make a new one, x.data[...] = value changes a leaf"
        )

    def __bool__(self) -> bool:
        return bool(self.data)

    def __float__(self) -> float:
        return float(self.data.item())

    def __int__(self) -> int:
        return int(self.data.item())

    def __complex__(self) -> complex:
        return complex(self.data.item())

    def __index__(self) -> int:
        return self.data.__index__()

    def __round__(self, ndigits: int = 0) -> Any:
        return get_array_module(self).round(self, ndigits)

    def __format__(self, spec: str) -> str:
        return format(self.data.item(), spec) if spec else str(self)

    def __repr__(self) -> str:
        if self.data is None:
            return "Variable(None)"
        return "Variable(" + str(self.data).replace("\n", "\n" + " " * 9) + ")"

    # Comparisons answer arrays: they have no derivative.
    def __eq__(self, other: Any) -> Any:
        return self.data == array_of(other)

    def __ne__(self, other: Any) -> Any:
        return self.data != array_of(other)

    def __lt__(self, other: Any) -> Array:
        return self.data < array_of(other)

    def __le__(self, other: Any) -> Array:
        return self.data <= array_of(other)

    def __gt__(self, other: Any) -> Array:
        return self.data > array_of(other)

    def __ge__(self, other: Any) -> Array:
        return self.data >= array_of(other)

    __hash__ = object.__hash__  # a Variable is a place in a graph, equal only to itself as a key

    # A copy is a leaf: memory of its own, no graph, no gradient.
    def __deepcopy__(self, memo: dict[int, Any]) -> Self:
        twin = type(self)(None if self.data is None else self.data.copy(), self.name)
        twin.requires_grad = self.requires_grad
        memo[id(self)] = twin
        return twin

    # NumPy's functions, called with a Variable, are answered by ours of the same name.
    __array__ = protocols.array
    __array_ufunc__ = protocols.array_ufunc
    __array_function__ = protocols.array_function


class Parameter(Variable):
    """A Variable that training changes; a Module finds it by its type."""

    __slots__ = ()


_blank = object.__new__


def output(array: Any, creator: Function, index: int = 0) -> Variable:
    """Output ``index`` of a call, as a Variable.

    Where an operation leaves no axis NumPy answers a scalar, with which it then computes several
    times faster than with a 0-d array: it stays one until somebody asks for ``data``.
    """
    if type(array) is not ndarray and not isinstance(array, generic):
        array = as_array(array)
    y = _blank(Variable)
    y._data = array
    y.name = y._grad = None
    y.requires_grad = array.dtype.kind in "fc"
    y.creator = creator
    y.generation = creator.generation + 1
    y.index = index
    return y


def constant(array: Array) -> Variable:
    """A constant with this array, which is known to be one."""
    y = _blank(Variable)
    y._data = array
    y.name = y._grad = y.creator = None
    y.requires_grad = False
    y.generation = y.index = 0
    return y


def array_of(x: Any) -> Any:
    """The array in a Variable; anything else as it is."""
    if isinstance(x, Variable):
        return x.data
    return x.values() if isinstance(x, Overriding) else x


def as_variable(x: Any) -> Variable:
    """``x`` as a Variable: itself if it is one, else a constant.

    >>> as_variable([1, 2]).requires_grad
    False
    """
    if isinstance(x, Variable):
        return x
    return Variable(x if is_array(x) else np.asarray(x), requires_grad=False)

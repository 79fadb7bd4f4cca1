"""An array that is recorded: a node of the graph in the clothes of an ndarray."""

# pyright: reportUnknownVariableType=false, reportUnknownArgumentType=false
# pyright: reportUnknownMemberType=false, reportIncompatibleMethodOverride=false
# (NumPy's arrays have unknown parameters here, and its methods more arguments than a Variable's)

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any
from weakref import ref

import numpy as np

from descend.compile.errors import TraceError
from descend.compile.graph import BOOL, Node, Shape, constant, input_node, node
from descend.core.arrays import MODULES
from descend.core.config import config
from descend.core.debugging import user_line
from descend.core.operators import Operators
from descend.core.variable import array_of

SMALL = 16
"""Arrays of so many elements become constants of the graph; larger ones are inputs."""


class Recorder:
    """What a recording needs: the arrays that it met and did not make, as inputs of the graph."""

    def __init__(self) -> None:
        self.captured: dict[int, tuple[Any, Node]] = {}
        self.arrays: list[ref[LazyArray]] = []
        """All arrays that were made, to see who is still there after the recording."""

    def capture(self, array: Any) -> Node:
        """The input that stands for this very array; the array is held as long as the recording."""
        if id(array) not in self.captured:
            self.captured[id(array)] = (array, input_node(array.shape, native(array.dtype)))
        return self.captured[id(array)][1]


def _refusal(what: str, remedy: str) -> Callable[..., Any]:
    def refuse(self: LazyArray, *arguments: Any, **params: Any) -> Any:
        raise TraceError(what, remedy)

    return refuse


A_VALUE = "asks for a value while the step is being recorded"
_value = _refusal(A_VALUE, "keep it an array, or take it out of the compiled function")


class LazyArray(Operators):
    """What an array will be: its node in the graph that is recorded, its shape and its dtype.

    It has ndarray's operators and methods; each records an operation. Asking for a value raises
    TraceError. Writing into it makes a new node, as long as no view of it is held.
    """

    __array_priority__ = 100  # ndarray * LazyArray is ours to record
    __slots__ = ("__weakref__", "_base", "_given", "_views", "node")

    def __init__(self, node: Node, base: LazyArray | None = None, copied: bool = False) -> None:
        self.node = node
        self._base = base
        self._given = node.op == "input" and not copied
        self._views: list[ref[LazyArray]] = []
        trace = config().trace
        if trace is not None:
            trace.arrays.append(ref(self))
        if base is not None:
            base._views.append(ref(self))

    def view(self, node: Node) -> LazyArray:
        """The same elements seen otherwise."""
        return LazyArray(node, self if self._base is None else self._base)

    def rebind(self, node: Node) -> None:
        """Hold other values from here on; TraceError where somebody would still see the old."""
        remedy = "compute a new array with F.where or F.scatter_add"
        if self._base is not None:
            raise TraceError("writes into a view of a recorded array", remedy)
        if self._given:
            raise TraceError("writes into an array that was given", "write into a copy() of it")
        self._views = [view for view in self._views if view() is not None]
        if self._views:
            raise TraceError("writes into a recorded array of which a view is held", remedy)
        self.node = node

    # ---- what is known ----------------------------------------------------------------------

    @property
    def shape(self) -> Shape:
        """The length of each axis."""
        return self.node.shape

    @property
    def dtype(self) -> np.dtype[Any]:
        """The type of the elements."""
        return self.node.dtype

    @property
    def ndim(self) -> int:
        """The number of axes."""
        return len(self.node.shape)

    @property
    def size(self) -> int:
        """The number of elements."""
        return self.node.size

    @property
    def nbytes(self) -> int:
        """The bytes of all elements."""
        return self.node.nbytes

    @property
    def itemsize(self) -> int:
        """The bytes of one element."""
        return self.node.dtype.itemsize

    @property
    def real(self) -> LazyArray:
        """The real parts; itself where it is real."""
        return MODULES[LazyArray].real(self)

    @property
    def imag(self) -> LazyArray:
        """The imaginary parts; zeros where it is real."""
        return MODULES[LazyArray].imag(self)

    def __len__(self) -> int:
        if not self.shape:
            raise TypeError("len() of unsized object")
        return self.shape[0]

    def __iter__(self) -> Iterator[Any]:
        if not self.shape:
            raise TypeError("iteration over a 0-d array")
        return (self[i] for i in range(len(self)))

    def __repr__(self) -> str:
        shape = ",".join(map(str, self.shape))
        return f"LazyArray({self.dtype.name}[{shape}], {self.node.op})"

    def __format__(self, spec: str) -> str:
        return _value(self) if spec else repr(self)

    def __deepcopy__(self, memo: Any) -> LazyArray:
        return self.copy()

    # ---- what is not ------------------------------------------------------------------------

    __bool__ = _refusal(A_VALUE, "use F.where, or take it out of the compiled function")
    __float__ = __int__ = __complex__ = __index__ = __array__ = _value
    item = tolist = tobytes = _value
    nonzero = _refusal(
        "asks for as many elements as the values say, which is not known while the step is "
        "being recorded",
        "use F.where, or take it out of the compiled function",
    )

    # ---- comparisons and whole numbers ------------------------------------------------------

    def __eq__(self, other: Any) -> Any:
        return _compared("equal", self, other)

    def __ne__(self, other: Any) -> Any:
        return _compared("not_equal", self, other)

    def __lt__(self, other: Any) -> Any:
        return _compared("less", self, other)

    def __le__(self, other: Any) -> Any:
        return _compared("less_equal", self, other)

    def __gt__(self, other: Any) -> Any:
        return _compared("greater", self, other)

    def __ge__(self, other: Any) -> Any:
        return _compared("greater_equal", self, other)

    __hash__ = object.__hash__  # as a key it is equal only to itself

    def __and__(self, other: Any) -> Any:
        return MODULES[LazyArray].bitwise_and(self, other)

    def __rand__(self, other: Any) -> Any:
        return MODULES[LazyArray].bitwise_and(other, self)

    def __or__(self, other: Any) -> Any:
        return MODULES[LazyArray].bitwise_or(self, other)

    def __ror__(self, other: Any) -> Any:
        return MODULES[LazyArray].bitwise_or(other, self)

    def __xor__(self, other: Any) -> Any:
        return MODULES[LazyArray].bitwise_xor(self, other)

    def __rxor__(self, other: Any) -> Any:
        return MODULES[LazyArray].bitwise_xor(other, self)

    def __lshift__(self, other: Any) -> Any:
        return MODULES[LazyArray].left_shift(self, other)

    def __rlshift__(self, other: Any) -> Any:
        return MODULES[LazyArray].left_shift(other, self)

    def __rshift__(self, other: Any) -> Any:
        return MODULES[LazyArray].right_shift(self, other)

    def __rrshift__(self, other: Any) -> Any:
        return MODULES[LazyArray].right_shift(other, self)

    def __invert__(self) -> Any:
        return MODULES[LazyArray].invert(self)

    def __round__(self, ndigits: int = 0) -> Any:
        return MODULES[LazyArray].round(self, ndigits)

    # ---- ndarray's methods ------------------------------------------------------------------

    def __setitem__(self, index: Any, value: Any) -> None:
        MODULES[LazyArray].setitem(self, index, value)

    def fill(self, value: Any) -> None:
        """Every element becomes ``value``."""
        self[...] = value

    def astype(self, dtype: Any, copy: bool = True) -> Any:
        """The same values in another dtype."""
        return MODULES[LazyArray].astype(self, dtype, copy=copy)

    def ravel(self) -> Any:
        """All elements along one axis."""
        return MODULES[LazyArray].ravel(self)

    def sum(self, axis: Any = None, keepdims: bool = False, *, dtype: Any = None) -> Any:
        """The sum over ``axis``, over everything if None."""
        return MODULES[LazyArray].sum(self, axis=axis, dtype=dtype, keepdims=keepdims)

    def argmax(self, axis: int | None = None, keepdims: bool = False) -> Any:
        """The index of the largest element."""
        return MODULES[LazyArray].argmax(self, axis=axis, keepdims=keepdims)

    def argmin(self, axis: int | None = None, keepdims: bool = False) -> Any:
        """The index of the smallest element."""
        return MODULES[LazyArray].argmin(self, axis=axis, keepdims=keepdims)

    def all(self, axis: Any = None, keepdims: bool = False) -> Any:
        """Whether all elements are true."""
        return MODULES[LazyArray].all(self, axis=axis, keepdims=keepdims)

    def any(self, axis: Any = None, keepdims: bool = False) -> Any:
        """Whether any element is true."""
        return MODULES[LazyArray].any(self, axis=axis, keepdims=keepdims)

    def round(self, decimals: int = 0) -> Any:
        """To ``decimals`` digits behind the point."""
        return MODULES[LazyArray].round(self, decimals)

    def argsort(self, axis: int | None = -1) -> Any:
        """The order in which the elements are sorted."""
        return MODULES[LazyArray].argsort(self, axis=axis)

    def conj(self) -> Any:
        """The complex conjugate."""
        return MODULES[LazyArray].conj(self)

    def repeat(self, repeats: Any, axis: int | None = None) -> Any:
        """Each element several times."""
        return MODULES[LazyArray].repeat(self, repeats, axis=axis)

    def dot(self, other: Any) -> Any:
        """The matrix product."""
        return MODULES[LazyArray].dot(self, other)

    # ---- NumPy's functions ------------------------------------------------------------------

    def __array_ufunc__(self, ufunc: Any, method: str, *inputs: Any, **params: Any) -> Any:
        return MODULES[LazyArray].call_ufunc(ufunc, method, inputs, params)

    def __array_function__(self, function: Any, types: Any, args: Any, kwargs: Any) -> Any:
        return MODULES[LazyArray].call_function(function, args, kwargs)


def _compared(name: str, x: LazyArray, other: Any) -> Any:
    if other is None or isinstance(other, str):
        return NotImplemented
    return getattr(MODULES[LazyArray], name)(x, array_of(other))


# ---- nodes ------------------------------------------------------------------------------------


ON_COMPLEX: dict[str, Callable[..., Node]] = {}
"""What to record in the place of an operation on complex numbers: `lazy_complex` enters it."""


def emit(op: str, *inputs: Node, **params: Any) -> Node:
    """A new node, made by the user's line that is running; of complex numbers by their parts."""
    rule = ON_COMPLEX.get(op)
    if rule is not None and _is_complex(inputs, params):
        return rule(*inputs, **params)
    made = node(op, *inputs, **params)
    made.line = user_line()
    return made


def _is_complex(inputs: tuple[Node, ...], params: dict[str, Any]) -> bool:
    """Whether complex numbers come in, or are asked for."""
    asked = "dtype" in params and np.dtype(params["dtype"]).kind == "c"
    return asked or any(x.dtype.kind == "c" for x in inputs)


def as_node(x: Any, dtype: Any = None) -> Node:
    """The node of a LazyArray; for a number or array a constant or an input."""
    if isinstance(x, LazyArray):
        return x.node
    array = np.asarray(x, dtype)
    if array.dtype.kind not in "biufc":
        raise TypeError(f"an array of {array.dtype} cannot be recorded, numbers are needed")
    trace = config().trace
    if array.size <= SMALL or trace is None:
        return constant(array, native(array.dtype))
    return trace.capture(array)


def native(dtype: np.dtype[Any]) -> np.dtype[Any]:
    """The dtype in the byte order of this machine."""
    return dtype if dtype.isnative else dtype.newbyteorder("=")


def cast(x: Node, dtype: Any) -> Node:
    """The same values in another dtype; as bool, whether they are not 0."""
    dtype = np.dtype(dtype)
    if x.dtype == dtype:
        return x
    if x.op == "constant":
        with np.errstate(all="ignore"):
            return constant(x.params["value"].astype(dtype))
    if dtype == BOOL:
        return emit("not_equal", x, constant(0, x.dtype))
    return emit("cast", x, dtype=dtype)


def reshape(x: Node, shape: Shape) -> Node:
    """The same elements in another shape."""
    while x.op == "reshape":
        (x,) = x.inputs
    if x.shape == shape:
        return x
    if x.op == "constant":
        return constant(x.params["value"].reshape(shape))
    return emit("reshape", x, shape=shape)


def transpose(x: Node, axes: tuple[int, ...]) -> Node:
    """The axes in another order."""
    if x.op == "transpose":
        axes = tuple(x.params["axes"][i] for i in axes)
        (x,) = x.inputs
    return x if axes == tuple(range(x.ndim)) else emit("transpose", x, axes=axes)


def broadcast_to(x: Node, shape: Shape) -> Node:
    """The elements repeated until there are so many."""
    return x if x.shape == shape else emit("broadcast_to", x, shape=shape)


def slice_of(x: Node, place: tuple[tuple[int, int | None, int], ...]) -> Node:
    """The elements at a place."""
    whole = tuple((0, n, 1) for n in x.shape)
    return x if place == whole else emit("slice", x, index=place)


def full(shape: Shape, value: Any, dtype: Any) -> Node:
    """One value everywhere."""
    return broadcast_to(constant(value, dtype), shape)


def ghost(x: Any) -> Any:
    """An ndarray of x's shape and dtype without memory of its own, to ask NumPy for its errors."""
    if isinstance(x, LazyArray):
        return np.broadcast_to(np.zeros((), x.dtype), x.shape)
    return x

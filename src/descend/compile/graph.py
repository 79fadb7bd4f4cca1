"""The graph that a recorded step becomes: a list of operations on arrays, each with its result.

A graph prints as text and parses back. The grammar:

    graph  = "graph(" input, ... ") {" node ... "return" name, ... "}"
    input  = name ":" type
    node   = name "=" op "(" name, ... param=literal, ... ")" ":" type
    type   = dtype "[" length, ... "]"
    name   = "%" number

For example:

    graph(%0: float32[2,3], %1: float32[3]) {
      %2 = multiply(%0, %1) : float32[2,3]
      %3 = sum(%2, axes=(1,)) : float32[2]
      return %3
    }

The operations (`OPERATIONS` has the meaning of each, in NumPy):

    input constant iota                          what is given
    add multiply exp where cast ...              each element for itself; operands broadcast and
                                                 have one dtype (the condition of where is bool)
    gammaln psi beta jv ...                      such too, by C functions of SciPy: see `special`
    sum max min any all argmax argmin            over ``axes``, which are gone from the result
    cumsum                                       along ``axis``
    reshape transpose broadcast_to slice         the same elements, seen otherwise
    assemble                                     pieces written into slices of an array of ``fill``
    gather scatter_add                           x[i0, i1, ...] over the leading axes; its adjoint
    matmul                                       over the last two axes; the leading ones broadcast
    convolve convolve_input convolve_weight      a convolution and its two adjoints
    cholesky solve_triangular lu eigh qr svd     stacks of matrices: see `matrices`
    refuse_if                                    LinAlgError where a condition holds
    philox                                       random words
    fft rfft irfft                               Fourier transforms along the last axis
    complex real imag                            two real arrays as one complex one, and back
    host part                                    a call of Python, and one of its results

Operations on complex numbers are recorded as operations on their parts (`lazy_complex`), so that
complex arrays are what is given, what is asked for, and what a call of Python takes and answers.
"""

# pyright: reportUnknownLambdaType=false, reportUnknownArgumentType=false
# pyright: reportUnknownMemberType=false, reportUnknownVariableType=false
# (the rules and values in the table of operations are lambdas)

from __future__ import annotations

import ast
import re
from collections.abc import Callable, Iterable, Iterator
from math import prod
from typing import Any

import numpy as np

from descend.compile import matrices
from descend.compile.elementary import special

Shape = tuple[int, ...]

BOOL = np.dtype(bool)


class Node:
    """One operation on the results of others, and the shape and dtype of its own."""

    __slots__ = ("dtype", "inputs", "line", "op", "params", "shape")

    def __init__(
        self,
        op: str,
        inputs: tuple[Node, ...],
        params: dict[str, Any],
        shape: Shape,
        dtype: np.dtype[Any],
        line: str = "",
    ) -> None:
        self.op = op
        self.inputs = inputs
        self.params = params
        self.shape = shape
        self.dtype = dtype
        self.line = line
        """The user's line that asked for it, for messages."""

    @property
    def ndim(self) -> int:
        """The number of axes."""
        return len(self.shape)

    @property
    def size(self) -> int:
        """The number of elements."""
        return prod(self.shape)

    @property
    def nbytes(self) -> int:
        """The bytes of all elements."""
        return self.size * self.dtype.itemsize

    def with_inputs(self, inputs: Iterable[Node]) -> Node:
        """The same operation on other operands of the same shapes; itself if they are the same."""
        inputs = tuple(inputs)
        if all(a is b for a, b in zip(inputs, self.inputs, strict=True)):
            return self
        return Node(self.op, inputs, self.params, self.shape, self.dtype, self.line)

    def __repr__(self) -> str:
        return f"Node({self.op} : {_type(self)})"


class Graph:
    """Inputs, what is computed from them, and which of it are the results."""

    def __init__(self, inputs: Iterable[Node], outputs: Iterable[Node]) -> None:
        self.inputs = list(inputs)
        self.outputs = list(outputs)

    @property
    def nodes(self) -> list[Node]:
        """Everything that the outputs need but for the inputs, each after what it needs."""
        given = set(self.inputs)
        return [node for node in _in_order(self.outputs) if node not in given]

    def rebuilt(self, change: Callable[[Node], Node]) -> Graph:
        """The graph with every node replaced by ``change(node)``, its operands first.

        ``change`` gets a node whose operands are the new ones.
        """
        new: dict[Node, Node] = {x: x for x in self.inputs}
        for node in self.nodes:
            new[node] = change(node.with_inputs(new[x] for x in node.inputs))
        return Graph(self.inputs, [new[y] for y in self.outputs])

    def users(self) -> dict[Node, list[Node]]:
        """The nodes that use each node's result, one entry a use; outputs are no use."""
        users: dict[Node, list[Node]] = {x: [] for x in self.inputs}
        for node in self.nodes:
            users.setdefault(node, [])
            for x in node.inputs:
                users.setdefault(x, []).append(node)
        return users

    def __str__(self) -> str:
        names = {x: f"%{i}" for i, x in enumerate(self.inputs)}
        inputs = ", ".join(f"{names[x]}: {_type(x)}" for x in self.inputs)
        lines = [f"graph({inputs}) {{"]
        for node in self.nodes:
            names[node] = f"%{len(names)}"
            operands = [names[x] for x in node.inputs]
            params = [f"{key}={_literal(value)}" for key, value in node.params.items()]
            call = ", ".join(operands + params)
            lines.append(f"  {names[node]} = {node.op}({call}) : {_type(node)}")
        lines.append(f"  return {', '.join(names[y] for y in self.outputs)}")
        return "\n".join([*lines, "}"])


def _in_order(outputs: Iterable[Node]) -> list[Node]:
    """All that the outputs need, each node after its operands (iterative: chains are long)."""
    order: list[Node] = []
    seen: set[Node] = set()
    for output in outputs:
        stack: list[tuple[Node, Iterator[Node]]] = []
        if output not in seen:
            seen.add(output)
            stack.append((output, iter(output.inputs)))
        while stack:
            node, operands = stack[-1]
            for x in operands:
                if x not in seen:
                    seen.add(x)
                    stack.append((x, iter(x.inputs)))
                    break
            else:
                stack.pop()
                order.append(node)
    return order


def _type(node: Node) -> str:
    return f"{node.dtype.name}[{','.join(map(str, node.shape))}]"


def _literal(value: Any) -> str:
    if isinstance(value, np.ndarray):
        return repr(value.tolist())
    if isinstance(value, np.dtype):
        return repr(value.name)
    if callable(value):
        return repr(getattr(value, "__name__", type(value).__name__))
    return repr(value)


# ---- making nodes -----------------------------------------------------------------------------


def input_node(shape: Iterable[int], dtype: Any) -> Node:
    """Something that is given."""
    return Node("input", (), {}, tuple(shape), np.dtype(dtype))


def constant(value: Any, dtype: Any = None) -> Node:
    """An array whose elements are known; large ones had better be inputs."""
    array = np.array(value, dtype)
    array.flags.writeable = False
    return Node("constant", (), {"value": array}, array.shape, array.dtype)


def node(op: str, *inputs: Node, **params: Any) -> Node:
    """An operation, its shape and dtype found by its rule."""
    shape, dtype = OPERATIONS[op].rule(inputs, params)
    return Node(op, inputs, params, tuple(int(n) for n in shape), np.dtype(dtype))


# ---- the operations ---------------------------------------------------------------------------


class Operation:
    """What an operation means: the shape and dtype of its result, and its value in NumPy."""

    def __init__(self, rule: Callable[..., Any], value: Callable[..., Any]) -> None:
        self.rule = rule
        self.value = value


OPERATIONS: dict[str, Operation] = {}


def _elementwise(names: str, arity: int, dtype: Any = None) -> None:
    def rule(inputs: tuple[Node, ...], params: dict[str, Any]) -> tuple[Shape, Any]:
        kinds = {x.dtype for x in inputs}
        if len(inputs) != arity or len(kinds) != 1:
            raise ValueError(f"{arity} operands of one dtype are needed, {list(inputs)} came")
        return np.broadcast_shapes(*(x.shape for x in inputs)), dtype or inputs[0].dtype

    for name in names.split():
        OPERATIONS[name] = Operation(rule, VALUES.get(name) or getattr(np, name))


VALUES: dict[str, Callable[..., Any]] = {
    "divide": np.true_divide,
    **{name: special.value(name) for name in ("erf", *special.ARITIES)},
}

UNARY = """
    negative abs sign sqrt exp expm1 log log1p sin cos tan tanh sinh cosh erf floor ceil rint invert
    exp2 log2 log10 cbrt arcsin arccos arctan arcsinh arccosh arctanh
"""
BINARY = """
    add subtract multiply divide power maximum minimum remainder fmod floor_divide copysign
    arctan2 hypot bitwise_and bitwise_or bitwise_xor left_shift right_shift
"""
COMPARISONS = "equal not_equal less less_equal greater greater_equal"
_elementwise(UNARY, 1)
_elementwise(BINARY, 2)
_elementwise(COMPARISONS, 2, BOOL)
_elementwise("isfinite isinf isnan", 1, BOOL)
for _name, _arity in special.ARITIES.items():
    _elementwise(_name, _arity)
ELEMENTWISE = frozenset(
    (*UNARY.split(), *BINARY.split(), *COMPARISONS.split(), "isfinite", "isinf", "isnan")
    + ("where", "cast", *special.ARITIES)
)
VIEWS = frozenset(("reshape", "transpose", "broadcast_to", "slice"))
REDUCTIONS = frozenset(("sum", "max", "min", "any", "all"))


def _where_rule(inputs: tuple[Node, ...], params: dict[str, Any]) -> tuple[Shape, Any]:
    condition, x0, x1 = inputs
    if condition.dtype != BOOL or x0.dtype != x1.dtype:
        raise ValueError(f"bool and two of one dtype are needed, {list(inputs)} came")
    return np.broadcast_shapes(condition.shape, x0.shape, x1.shape), x0.dtype


def _reduced(inputs: tuple[Node, ...], params: dict[str, Any]) -> tuple[Shape, Any]:
    (x,) = inputs
    axes = params["axes"]
    if any(not 0 <= axis < x.ndim for axis in axes):
        raise ValueError(f"axes {axes} of {x}")
    return tuple(n for i, n in enumerate(x.shape) if i not in axes), x.dtype


def _position(inputs: tuple[Node, ...], params: dict[str, Any]) -> tuple[Shape, Any]:
    (x,) = inputs
    return tuple(n for i, n in enumerate(x.shape) if i != params["axis"]), np.int64


def _reshape_rule(inputs: tuple[Node, ...], params: dict[str, Any]) -> tuple[Shape, Any]:
    if prod(params["shape"]) != inputs[0].size:
        raise ValueError(f"{inputs[0]} does not fill {params['shape']}")
    return params["shape"], inputs[0].dtype


def _slice_length(start: int, stop: int | None, step: int) -> int:
    """The elements of a slice whose bounds are inside; a stop of None goes on to element 0."""
    return len(range(start, -1 if stop is None else stop, step))


def slices(place: Iterable[tuple[int, int | None, int]]) -> tuple[slice, ...]:
    """A place, (start, stop, step) for each axis, as NumPy's index."""
    return tuple(slice(*part) for part in place)


def _slice_rule(inputs: tuple[Node, ...], params: dict[str, Any]) -> tuple[Shape, Any]:
    return tuple(_slice_length(*part) for part in params["index"]), inputs[0].dtype


def _assemble_rule(inputs: tuple[Node, ...], params: dict[str, Any]) -> tuple[Shape, Any]:
    for x, place in zip(inputs, params["places"], strict=True):
        if tuple(_slice_length(*part) for part in place) != x.shape:
            raise ValueError(f"{x} does not fill {place}")
    dtype = params["dtype"]
    if any(x.dtype != dtype for x in inputs):
        raise ValueError(f"{list(inputs)} are not all {dtype}")
    return params["shape"], dtype


def _assembled(*pieces: Any, shape: Shape, dtype: Any, fill: Any, places: Any) -> Any:
    y = np.full(shape, fill, dtype)
    for piece, place in zip(pieces, places, strict=True):
        y[slices(place)] = piece
    return y


def _gather_rule(inputs: tuple[Node, ...], params: dict[str, Any]) -> tuple[Shape, Any]:
    x, *index = inputs
    shape = np.broadcast_shapes(*(i.shape for i in index))
    return (*shape, *x.shape[len(index) :]), x.dtype


def _scatter_rule(inputs: tuple[Node, ...], params: dict[str, Any]) -> tuple[Shape, Any]:
    return params["shape"], inputs[0].dtype


def _scattered(x: Any, *index: Any, shape: Shape) -> Any:
    y = np.zeros(shape, x.dtype)
    np.add.at(y, index, x)
    return y


def _matmul_rule(inputs: tuple[Node, ...], params: dict[str, Any]) -> tuple[Shape, Any]:
    x0, x1 = inputs
    if x0.ndim < 2 or x1.ndim < 2 or x0.shape[-1] != x1.shape[-2] or x0.dtype != x1.dtype:
        raise ValueError(f"{x0} and {x1} do not meet")
    batch = np.broadcast_shapes(x0.shape[:-2], x1.shape[:-2])
    return (*batch, x0.shape[-2], x1.shape[-1]), x0.dtype


def _convolve_rule(inputs: tuple[Node, ...], params: dict[str, Any]) -> tuple[Shape, Any]:
    x, weight = inputs
    windows = params["windows"]
    return (x.shape[0], *windows.counts(x.shape[1:-1]), weight.shape[0]), x.dtype


def _convolve_input_rule(inputs: tuple[Node, ...], params: dict[str, Any]) -> tuple[Shape, Any]:
    gy, weight = inputs
    return (gy.shape[0], *params["lengths"], weight.shape[-1] * params["groups"]), gy.dtype


def _convolve_weight_rule(inputs: tuple[Node, ...], params: dict[str, Any]) -> tuple[Shape, Any]:
    x, gy = inputs
    size = params["windows"].size
    return (gy.shape[-1], *size, x.shape[-1] // params["groups"]), x.dtype


def _convolved(x: Any, weight: Any, *, windows: Any, groups: int) -> Any:
    from descend.functions.images.columns import correlate

    y = correlate(_channels_first(x), _channels_first(weight), None, windows, groups)
    return _channels_last(y)


def _convolved_input(gy: Any, weight: Any, *, windows: Any, groups: int, lengths: Shape) -> Any:
    from descend.functions.images.columns import spread

    y = spread(_channels_first(gy), _channels_first(weight), lengths, windows, groups)
    return _channels_last(y)


def _convolved_weight(x: Any, gy: Any, *, windows: Any, groups: int) -> Any:
    from descend.functions.images.columns import collect

    shape = (gy.shape[-1], x.shape[-1] // groups, *windows.size)
    return _channels_last(collect(_channels_first(x), _channels_first(gy), shape, windows, groups))


def _channels_first(x: Any) -> Any:
    return np.ascontiguousarray(np.moveaxis(x, -1, 1))


def _channels_last(x: Any) -> Any:
    return np.moveaxis(x, 1, -1)


def _philox_value(key: Any, counter: Any, *, blocks: int) -> Any:
    return np.random.Philox(key=key, counter=counter).random_raw(4 * blocks)


def _transposed(inputs: tuple[Node, ...], params: dict[str, Any]) -> tuple[Shape, Any]:
    (x,) = inputs
    if sorted(params["axes"]) != list(range(x.ndim)):
        raise ValueError(f"axes {params['axes']} of {x}")
    return tuple(x.shape[i] for i in params["axes"]), x.dtype


def _summed(x: Any, *, axes: tuple[int, ...]) -> Any:
    return np.sum(x, axis=axes, dtype=x.dtype)


def _iota(*, shape: Shape, axis: int, dtype: Any) -> Any:
    line = np.arange(shape[axis], dtype=dtype)
    line = line.reshape([-1 if i == axis else 1 for i in range(len(shape))])
    return np.broadcast_to(line, shape)


def part_dtype(dtype: Any) -> np.dtype[Any]:
    """The dtype of the parts of complex numbers.

    >>> part_dtype("complex64")
    dtype('float32')
    """
    return np.dtype(f"f{np.dtype(dtype).itemsize // 2}")


def _complex_rule(inputs: tuple[Node, ...], params: dict[str, Any]) -> tuple[Shape, Any]:
    a, b = inputs
    if a.dtype.kind != "f" or a.dtype != b.dtype or a.shape != b.shape:
        raise ValueError(f"two floating operands of one kind are needed, {list(inputs)} came")
    return a.shape, np.dtype(f"c{2 * a.dtype.itemsize}")


def _part_rule(inputs: tuple[Node, ...], params: dict[str, Any]) -> tuple[Shape, Any]:
    if inputs[0].dtype.kind != "c":
        raise ValueError(f"{inputs[0]} has no parts")
    return inputs[0].shape, part_dtype(inputs[0].dtype)


def _complexes(real: Any, imag: Any) -> Any:
    y = np.empty(np.shape(real), f"c{2 * real.dtype.itemsize}")
    y.real, y.imag = real, imag  # real + 1j * imag would make NaN of an infinite part
    return y


def _rfft_rule(inputs: tuple[Node, ...], params: dict[str, Any]) -> tuple[Shape, Any]:
    (x,) = inputs
    return (*x.shape[:-1], x.shape[-1] // 2 + 1), np.dtype(f"c{2 * x.dtype.itemsize}")


def _irfft_rule(inputs: tuple[Node, ...], params: dict[str, Any]) -> tuple[Shape, Any]:
    (x,) = inputs
    if params["n"] // 2 + 1 != x.shape[-1]:
        raise ValueError(f"{x} does not begin a transform of {params['n']} numbers")
    return (*x.shape[:-1], params["n"]), part_dtype(x.dtype)


def _transformed(x: Any, *, inverse: bool, factor: float) -> Any:
    return (np.fft.ifft(x, norm="forward") if inverse else np.fft.fft(x)) * factor


OPERATIONS.update(
    {
        "where": Operation(_where_rule, np.where),
        "cast": Operation(
            lambda xs, p: (xs[0].shape, p["dtype"]), lambda x, dtype: np.asarray(x).astype(dtype)
        ),
        "constant": Operation(
            lambda xs, p: (p["value"].shape, p["value"].dtype), lambda value: value
        ),
        "iota": Operation(lambda xs, p: (p["shape"], p["dtype"]), _iota),
        "sum": Operation(_reduced, _summed),
        "max": Operation(_reduced, lambda x, axes: np.max(x, axis=axes)),
        "min": Operation(_reduced, lambda x, axes: np.min(x, axis=axes)),
        "any": Operation(_reduced, lambda x, axes: np.any(x, axis=axes)),
        "all": Operation(_reduced, lambda x, axes: np.all(x, axis=axes)),
        "argmax": Operation(_position, lambda x, axis: np.argmax(x, axis=axis)),
        "argmin": Operation(_position, lambda x, axis: np.argmin(x, axis=axis)),
        "cumsum": Operation(
            lambda xs, p: (xs[0].shape, xs[0].dtype),
            lambda x, axis: np.cumsum(x, axis=axis, dtype=x.dtype),
        ),
        "reshape": Operation(_reshape_rule, lambda x, shape: np.reshape(x, shape)),
        "transpose": Operation(_transposed, lambda x, axes: np.transpose(x, axes)),
        "broadcast_to": Operation(
            lambda xs, p: (np.broadcast_shapes(xs[0].shape, p["shape"]), xs[0].dtype),
            lambda x, shape: np.broadcast_to(x, shape),
        ),
        "slice": Operation(_slice_rule, lambda x, index: x[slices(index)]),
        "assemble": Operation(_assemble_rule, _assembled),
        "gather": Operation(_gather_rule, lambda x, *index: x[index]),
        "scatter_add": Operation(_scatter_rule, _scattered),
        "matmul": Operation(_matmul_rule, np.matmul),
        "convolve": Operation(_convolve_rule, _convolved),
        "convolve_input": Operation(_convolve_input_rule, _convolved_input),
        "convolve_weight": Operation(_convolve_weight_rule, _convolved_weight),
        "fft": Operation(lambda xs, p: (xs[0].shape, xs[0].dtype), _transformed),
        "rfft": Operation(_rfft_rule, lambda x, factor: np.fft.rfft(x) * factor),
        "irfft": Operation(
            _irfft_rule, lambda x, n, factor: np.fft.irfft(x, n, norm="forward") * factor
        ),
        "complex": Operation(_complex_rule, _complexes),
        "real": Operation(_part_rule, np.real),
        "imag": Operation(_part_rule, np.imag),
        **{name: Operation(*both) for name, both in matrices.OPERATIONS.items()},
        "philox": Operation(lambda xs, p: ((4 * p["blocks"],), np.uint64), _philox_value),
        "host": Operation(lambda xs, p: p["types"][0], lambda *xs, call, types: tuple(call(*xs))),
        "part": Operation(
            lambda xs, p: xs[0].params["types"][p["index"]], lambda xs, index: xs[index]
        ),
    }
)


def verify(graph: Graph) -> Graph:
    """The graph, if every node is what its operation's rule says; AssertionError if not."""
    known = set(graph.inputs)
    for x in graph.nodes:
        assert x.op in OPERATIONS, f"{x.op} is no operation"
        assert all(operand in known for operand in x.inputs), f"{x} comes before its operands"
        try:
            shape, dtype = OPERATIONS[x.op].rule(x.inputs, x.params)
        except ValueError as error:
            raise AssertionError(f"{x}: {error}") from None
        same = tuple(shape) == x.shape and np.dtype(dtype) == x.dtype
        assert same, f"{x} should be {np.dtype(dtype)}{list(shape)}"
        known.add(x)
    assert all(y in known for y in graph.outputs), "an output is computed nowhere"
    return graph


def evaluate(graph: Graph, *arrays: Any) -> list[Any]:
    """The outputs for these inputs, computed with NumPy one operation after the other."""
    values: dict[Node, Any] = dict(zip(graph.inputs, arrays, strict=True))
    for x in graph.nodes:
        y = OPERATIONS[x.op].value(*(values[operand] for operand in x.inputs), **x.params)
        values[x] = y if x.op == "host" else np.asarray(y, x.dtype)
    return [values[y] for y in graph.outputs]


# ---- from text --------------------------------------------------------------------------------


def parse(text: str) -> Graph:
    """The graph that prints as ``text``; ValueError that names the line otherwise.

    Host calls cannot be parsed: a text has no Python function.
    """
    lines = [line.strip() for line in text.strip().splitlines() if line.strip()]
    head = re.fullmatch(r"graph\((.*)\) \{", lines[0]) if len(lines) > 2 else None
    if head is None or lines[-1] != "}" or not lines[-2].startswith("return"):
        raise ValueError("parse: a graph is 'graph(...) {', nodes, 'return ...' and '}'")
    names: dict[str, Node] = {}
    inputs: list[Node] = []
    for part in re.split(r", (?=%)", head[1]) if head[1] else ():
        found = re.fullmatch(r"(%\d+): (\w+\[[\d,]*\])", part)
        if found is None:
            raise ValueError(f"parse: {part!r} is no input, which is like '%0: float32[2,3]'")
        names[found[1]] = input_node(*_kind(found[2], part))
        inputs.append(names[found[1]])
    for line in lines[1:-2]:
        found = re.fullmatch(r"(%\d+) = (.+) : (\w+\[[\d,]*\])", line)
        if found is None:
            raise ValueError(
                f"parse: {line!r} is no node, which is like '%2 = add(%0, %1) : float32[2,3]'"
            )
        if found[1] in names:
            raise ValueError(f"parse: {line!r} names {found[1]} a second time")
        names[found[1]] = _parsed(found[2], found[3], names, line)
    results = lines[-2].removeprefix("return").replace(",", " ").split()
    for name in results:
        if name not in names:
            raise ValueError(f"parse: {lines[-2]!r} returns {name}, which no line defines")
    return Graph(inputs, [names[name] for name in results])


def _kind(text: str, line: str) -> tuple[Shape, np.dtype[Any]]:
    """The shape and dtype that a type says."""
    dtype, _, lengths = text.rstrip("]").partition("[")
    try:
        return tuple(int(n) for n in lengths.split(",") if n), np.dtype(dtype)
    except TypeError:
        raise ValueError(f"parse: {line!r} has no dtype of NumPy: {dtype!r}") from None


def _parsed(call: str, kind: str, names: dict[str, Node], line: str) -> Node:
    """A node from its call, ``op(%0, axis=1)``, and its type."""
    shape, dtype = _kind(kind, line)
    try:
        tree = ast.parse(call.replace("%", "v"), mode="eval").body
    except SyntaxError as error:
        raise ValueError(f"parse: {line!r} is no node: {error.msg}") from None
    if not isinstance(tree, ast.Call) or not isinstance(tree.func, ast.Name):
        raise ValueError(f"parse: {line!r} is no node: it calls no operation")
    op = tree.func.id
    if op not in OPERATIONS:
        raise ValueError(f"parse: {line!r} is no node: {op!r} is no operation")
    operands: list[Node] = []
    for x in tree.args:
        name = "%" + x.id[1:] if isinstance(x, ast.Name) else ast.unparse(x)
        if name not in names:
            raise ValueError(f"parse: {line!r} uses {name}, which no line before defines")
        operands.append(names[name])
    params: dict[str, Any] = {}
    for p in tree.keywords:
        try:
            params[p.arg or ""] = _param(op, p.arg, p.value, kind)
        except (NameError, TypeError, ValueError):
            raise ValueError(f"parse: {line!r} has a wrong {p.arg}: {ast.unparse(p)}") from None
    return Node(op, tuple(operands), params, shape, dtype)


def _param(op: str, name: str | None, tree: ast.expr, kind: str) -> Any:
    if isinstance(tree, ast.Call):  # Windows(size=(3, 3), ...)
        from descend.functions.images.windows import Windows

        return Windows(**{p.arg: ast.literal_eval(p.value) for p in tree.keywords if p.arg})
    floats = {"inf": float("inf"), "nan": float("nan")}
    value = eval(compile(ast.Expression(tree), "", "eval"), {"__builtins__": {}}, floats)
    if op == "constant":
        return np.asarray(value, kind.partition("[")[0])
    return np.dtype(value) if name == "dtype" else value

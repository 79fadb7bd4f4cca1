"""What is recorded, evaluated with NumPy, is what NumPy answers at once."""

import copy
import operator
import warnings

import numpy as np
import pytest
import scipy.special

import descend.functions as F
from descend import Variable, nn
from descend.compile.errors import TraceError
from descend.compile.graph import Graph, evaluate, input_node, verify
from descend.compile.lazy import functions as lazy
from descend.compile.lazy.array import LazyArray
from descend.compile.record.trace import Trace
from descend.core import CONTRACT, Function
from descend.core.backward import gradients
from descend.core.config import using_config
from descend.functions.random import Generator, default_rng
from descend.functions.registry import OPERATIONS
from descend.testing.call import Call


def recorded(function, *arrays):
    """What ``function`` answers for arrays, recorded on LazyArrays and evaluated; and the graph."""
    trace = Trace()
    inputs = [LazyArray(input_node(np.shape(x), x.dtype)) for x in arrays]
    given = [x.node for x in inputs]
    with using_config("trace", trace):
        answer = function(*inputs)
    ys = list(answer) if isinstance(answer, (tuple, list)) else [answer]
    ys = [y.data if isinstance(y, Variable) else y for y in ys]
    outputs = [y.node for y in ys if isinstance(y, LazyArray)]
    met = [source.owner for source in trace.inputs.values()]  # arrays and Variables from outside
    graph = Graph([*given, *trace.inputs], outputs)
    with np.errstate(all="ignore"):
        others = [x.data if isinstance(x, Variable) else x for x in met]
        values = iter(evaluate(verify(graph), *arrays, *others))
    return [next(values) if isinstance(y, LazyArray) else y for y in ys], graph


def check(function, *arrays, rtol=1e-12):
    """Assert that recorded and at once are the same: values, shapes, dtypes; answers the graph."""
    arrays = [np.asarray(x) for x in arrays]
    with np.errstate(all="ignore"):
        expected = function(*(x.copy() for x in arrays))
    expected = list(expected) if isinstance(expected, (tuple, list)) else [expected]
    expected = [y.data if isinstance(y, Variable) else y for y in expected]
    got, graph = recorded(function, *arrays)
    assert len(got) == len(expected)
    for y, value in zip(got, expected, strict=True):
        assert y.shape == np.shape(value)
        assert y.dtype == value.dtype
        if value.dtype.kind in "biu":
            np.testing.assert_array_equal(y, value)
        else:
            rtol = max(rtol, {2: 2e-3, 4: 1e-6}.get(value.dtype.itemsize, 0))
            np.testing.assert_allclose(y, value, rtol=rtol, atol=rtol)
    return graph


def ops(graph):
    return {node.op for node in graph.nodes}


# ---- every operation --------------------------------------------------------------------------

CASES = [
    pytest.param(
        operation, sample, id=f"{operation.name}-{i}", marks=[pytest.mark.slow] if i > 0 else []
    )
    for operation in OPERATIONS.values()
    for i, sample in enumerate(operation.samples)
]
"""Every operation on every sample; the samples behind the first are run on demand."""


def first_derivative(call, create_graph):
    """The gradients of an operation's outputs to its inputs."""

    def function(*inputs):
        xs, ys = call.on_variables(inputs)
        if not ys:
            return list(inputs)
        seeds = [F.cos(y.detach()) for y in ys]
        gxs = gradients(ys, xs, seeds, create_graph=create_graph, allow_unused=True)
        return [x if gx is None else gx for x, gx in zip(xs, gxs, strict=True)]

    return function


def second_derivative(call):
    """The gradients of those gradients."""

    def function(*inputs):
        xs, ys = call.on_variables(inputs)
        gxs = gradients(ys, xs, create_graph=True, allow_unused=True) if ys else []
        gxs = [gx for gx in gxs if gx is not None and gx.requires_grad]
        if not gxs:
            return list(inputs)
        ggxs = gradients(gxs, xs, [F.sin(gx.detach()) for gx in gxs], allow_unused=True)
        return [x if gx is None else gx for x, gx in zip(xs, ggxs, strict=True)]

    return function


HOSTED = frozenset(
    """
    cho_solve cholesky cond convolve correlate cumprod cumulative_prod dct dctn det dst dstn eig
    eigh eigvals eigvalsh expm idct idctn idst idstn interp inv logdet logm lstsq lu matrix_norm
    median nancumprod nanmedian nanpercentile nanquantile percentile pinv qr quantile
    segment_max segment_softmax slogdet solve solve_sylvester solve_triangular sort
    sparse_matmul spsolve sqrtm svd svdvals tensorinv tensorsolve topk zeta
    """.split()
)
"""The operations that may call Python while the program runs."""


def of_variables(call):
    return lambda *inputs: call([Variable(x) for x in inputs])


@pytest.mark.parametrize(("operation", "sample"), CASES)
def test_every_operation(operation, sample):
    call = Call(operation.function, (sample,), {})
    graph = check(of_variables(call), *call.inputs)
    assert ("host" in ops(graph)) <= (operation.name in HOSTED)


@pytest.mark.parametrize(("operation", "sample"), CASES)
def test_every_operation_on_arrays(operation, sample):
    call = Call(operation.function, (sample,), {})
    check(lambda *xs: call(list(xs)), *call.inputs)


@pytest.mark.parametrize("dtype", [np.float16, np.float32])
@pytest.mark.parametrize(("operation", "sample"), CASES)
def test_every_operation_in_short_dtypes(operation, sample, dtype):
    call = Call(operation.function, (sample,), {})
    with warnings.catch_warnings(action="ignore"):
        graph = check(of_variables(call), *(x.astype(dtype) for x in call.inputs), rtol=2e-6)
    elements = [x for x in graph.nodes if x.op in ("add", "multiply", "exp", "less", "maximum")]
    assert all(x.inputs[0].dtype != np.float16 for x in elements)


@pytest.mark.parametrize("create_graph", [False, True])
@pytest.mark.parametrize(("operation", "sample"), CASES)
def test_every_gradient(operation, sample, create_graph):
    call = Call(operation.function, (sample,), {})
    graph = check(first_derivative(call, create_graph), *call.inputs)
    assert ("host" in ops(graph)) <= (operation.name in HOSTED)


@pytest.mark.parametrize(("operation", "sample"), CASES)
def test_every_second_derivative(operation, sample):
    call = Call(operation.function, (sample,), {})
    check(second_derivative(call), *call.inputs, rtol=1e-10)


def test_every_name_of_the_contract_is_there():
    assert all(hasattr(lazy, name) for name in CONTRACT)
    assert not hasattr(lazy, "linalg") and not hasattr(lazy, "no_such_name")


# ---- dtypes -----------------------------------------------------------------------------------

DTYPES = ["?", "i1", "i4", "i8", "u1", "u8", "f2", "f4", "f8"]
OTHERS = [*DTYPES, True, 3, -1, 0.5, np.float32(1.5), np.float64(2.0), np.int8(2), np.array(2.0)]
BINARY = """
    add subtract multiply divide power maximum minimum floor_divide remainder
    bitwise_and bitwise_or bitwise_xor left_shift right_shift equal not_equal less less_equal
    greater greater_equal logical_and logical_or logical_xor
""".split()
UNARY = """
    negative abs sign sqrt square reciprocal exp expm1 log log1p sin cos tan sinh cosh tanh floor
    ceil rint trunc invert isfinite isinf isnan logical_not positive conj
""".split()


def values(dtype):
    return np.array([1, 2, 0, 3], dtype)


def same_as_numpy(function, *arrays, rtol=1e-6):
    """``check``, where NumPy's refusal must be the recording's."""
    with warnings.catch_warnings(action="ignore"):
        try:
            function(*arrays)
        except (TypeError, ValueError, OverflowError, IndexError) as error:
            refusal = error
        else:
            return check(function, *arrays, rtol=rtol)
    with pytest.raises(type(refusal)) as raised:
        recorded(function, *arrays)
    assert str(raised.value) == str(refusal)


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("name", BINARY)
def test_dtypes_of_two(name, dtype):
    function, x = getattr(np, name), values(dtype)
    for other in OTHERS:
        if isinstance(other, str):
            same_as_numpy(function, x, values(other)[::-1])
        else:
            same_as_numpy(lambda x, other=other: function(x, other), x)
            same_as_numpy(lambda x, other=other: function(other, x), x)


@pytest.mark.parametrize("dtype", DTYPES)
def test_dtypes_of_one(dtype):
    for name in UNARY:
        same_as_numpy(getattr(np, name), values(dtype))


@pytest.mark.parametrize("dtype", ["i1", "u1", "u4", "i8"])
@pytest.mark.parametrize("compare", [operator.lt, operator.ge, operator.eq, operator.ne])
def test_comparisons_with_numbers_that_the_dtype_cannot_hold(compare, dtype):
    for number in (300, 2**40, -1, -(2**40), 2**70):
        check(lambda x, n=number: compare(x, n), values(dtype))
        check(lambda x, n=number: compare(n, x), values(dtype))


@pytest.mark.parametrize("exponent", [0, 1, 2, 3, 0.5, -1, -0.5, -2, 1.5, 2.5, np.float32(2)])
@pytest.mark.parametrize("dtype", ["f4", "f8"])
def test_powers(exponent, dtype):
    check(lambda x: x**exponent, np.array([0.3, 1.0, 2.5, 7.0], dtype), rtol=1e-15)


def test_cheap_powers():
    x = np.linspace(0.5, 2, 5, dtype=np.float32)
    for exponent in (0, 1, 2, 3, 0.5, -1, -0.5):
        assert "power" not in ops(check(lambda x, n=exponent: x**n, x))
    assert "power" in ops(check(lambda x: x**2.5, x))


REDUCING = ["sum", "mean", "var", "std", "max", "min", "prod", "all", "any", "argmax", "argmin"]


@pytest.mark.parametrize("name", [*REDUCING, "cumsum", "count_nonzero"])
@pytest.mark.parametrize("dtype", DTYPES)
def test_dtypes_of_reductions(name, dtype):
    same_as_numpy(getattr(np, name), values(dtype), rtol=1e-6)


@pytest.mark.parametrize("name", REDUCING)
@pytest.mark.parametrize("axis", [None, 0, -1, (0, 2), (-1, 1), (), 3, (0, 0), "x"])
@pytest.mark.parametrize("keepdims", [False, True])
def test_axes_of_reductions(name, axis, keepdims):
    if axis == () and name in ("var", "std"):
        return  # NumPy's own answer is a division by 1 of zeros
    x = np.random.default_rng(0).standard_normal((2, 3, 4))
    try:
        getattr(np, name)(x, axis=axis, keepdims=keepdims)
    except (TypeError, ValueError) as error:
        with pytest.raises(type(error)):
            recorded(lambda x: getattr(np, name)(x, axis=axis, keepdims=keepdims), x)
        return
    check(lambda x: getattr(np, name)(x, axis=axis, keepdims=keepdims), x)
    if name not in ("argmax", "argmin"):
        method = getattr(LazyArray, name)
        got, _ = recorded(lambda x: method(x, axis=axis, keepdims=keepdims), x)
        np.testing.assert_allclose(got[0], getattr(x, name)(axis=axis, keepdims=keepdims))


@pytest.mark.parametrize("name", ["max", "min", "argmax", "argmin"])
def test_extremes_of_nothing_are_refused_as_by_numpy(name):
    for axis in (None, 0):
        same_as_numpy(lambda x, a=axis: getattr(np, name)(x, axis=a), np.zeros((0, 3)))
    check(lambda x: getattr(np, name)(x, axis=1), np.zeros((0, 3)))


def test_sums_take_a_dtype():
    x = values("f4")
    check(lambda x: np.sum(x, dtype=np.float64), x)
    check(lambda x: np.cumsum(x, dtype=np.float64), x)
    check(lambda x: np.mean(x, dtype=np.float64), x)


def test_where_and_clip_choose_numpys_dtype():
    truth = np.array([True, False, True, False])
    for dtype in DTYPES:
        x = values(dtype)
        for other in (1, 0.5, True, np.float64(1), np.float32(1)):
            check(lambda c, x, o=other: np.where(c, o, x), truth, x)
            check(lambda c, x, o=other: np.where(c, x, o), truth, x)
        if dtype != "?":
            same_as_numpy(lambda x: np.clip(x, 1, 2), x)
            same_as_numpy(lambda x: np.clip(x, None, 1.5), x)
    check(lambda c: np.where(c, 1.0, 0), truth)
    check(lambda x: np.where(x, x, 5), values("i4"))
    same_as_numpy(lambda c, x: np.where(c, x, 0), truth, np.zeros(3))


def test_round():
    x = np.array([0.5, 1.5, -2.567, 123.456])
    for decimals in (0, 1, 2, -1):
        check(lambda x, d=decimals: np.round(x, d), x)
    check(lambda x: np.round(x, 1), values("i8"))
    assert recorded(lambda x: round(x, 1), x)[0][0].tolist() == np.round(x, 1).tolist()


def test_casts():
    for given in DTYPES:
        for dtype in DTYPES:
            check(lambda x, d=dtype: x.astype(d), values(given))
    check(lambda x: x.astype(bool), np.array([0.0, -0.0, np.nan, 0.5]))
    x = LazyArray(input_node((2,), "float32"))
    assert x.astype("float32", copy=False) is x


def test_numbers_become_constants_of_the_other_dtype():
    _, graph = recorded(lambda x: 2 * x + 0.1, np.ones(3, np.float32))
    constants = [x for x in graph.nodes if x.op == "constant"]
    assert [x.shape for x in constants] == [(), ()]
    assert {x.dtype for x in constants} == {np.dtype(np.float32)}


# ---- indices ----------------------------------------------------------------------------------

I, J = np.array([0, 2, 1]), np.array([[1], [-1]])  # noqa: E741
MASK = np.array([True, False, True])
ALL = slice(None)
INDICES = [
    0, -1, np.int64(2), ALL, slice(1, None), slice(None, -1), slice(None, None, 2),
    slice(None, None, -1), slice(2, None, -2), slice(-1, -9, -1), slice(5, 9), slice(2, 1),
    slice(1, 2, -1), ..., None, (), (0, 1), (0, ..., 1), (..., 0), (None, 0), (0, None),
    (..., None), (ALL, 1), (ALL, slice(None, None, -1), 2), (ALL, None, 1),
    (slice(1), ALL, slice(0, 4, 3)), (None, ..., None), (1, 2, 3), (-1, -1, -1), (slice(0, 0), 1),
    (ALL, ALL, ALL), I, [0, 2], [], [-1], J, np.array(1), np.array([], int), (I,), (I, I), (J, I),
    (I, ALL), (ALL, I), (ALL, I, ALL), (ALL, ALL, I), (ALL, I, I), (I, ALL, I), (I, None, I),
    (0, ALL, I), (I, ALL, 0), (I, 0), (0, I), (ALL, 0, I), (ALL, I, 0),
    (ALL, J, slice(None, None, -1)), (..., I), (..., J, 0), (slice(0, 3, 2), I, None),
    (None, I, None, J), (slice(1), J, ALL), (I.astype(np.int8), 1),
    (I.astype(np.uint16), ALL, slice(1, 3)), (np.arange(3), I), (np.arange(3)[:, None], I),
    (np.arange(3), ALL, np.arange(3)), MASK, (ALL, MASK), (MASK, 0), (MASK, I[:2]),
    np.array([[True, False, True]] * 3), (0, np.array([[True, False, False, True]] * 3)),
    np.zeros((3, 3, 4), bool), [True, False, False], (ALL, [[0, 1], [2, 0]]),
]  # fmt: skip
WRONG = [3, (0, 0, 0, 0), -4, (..., ...), [5], np.array([True, False]), 1.5, (I, [0, 1]), "a"]


def cube():
    return np.random.default_rng(0).standard_normal((3, 3, 4))


@pytest.mark.parametrize("index", INDICES, ids=repr)
def test_indices(index):
    graph = check(lambda x: x[index] if isinstance(x, LazyArray) else np.array(x[index]), cube())
    fancy = any(isinstance(i, (list, np.ndarray)) and np.ndim(i) for i in _parts(index))
    assert ("gather" in ops(graph)) == fancy


def _parts(index):
    return index if isinstance(index, tuple) else (index,)


@pytest.mark.parametrize("index", INDICES, ids=repr)
def test_adjoints_of_indices(index):
    x = np.random.default_rng(1).standard_normal(cube()[index].shape)
    check(lambda x: F.scatter_to(Variable(x), index, (3, 3, 4)), x)


@pytest.mark.parametrize("index", INDICES, ids=repr)
def test_indices_that_are_recorded_themselves(index):
    parts = _parts(index)
    arrays = [i for i in parts if isinstance(i, np.ndarray) and i.dtype != bool]
    if not arrays:
        return

    def chosen(x, *arrays):
        given = iter(arrays)
        known = [isinstance(i, np.ndarray) and i.dtype != bool for i in parts]
        place = tuple(next(given) if k else i for i, k in zip(parts, known, strict=True))
        return x[place] if isinstance(x, LazyArray) else np.array(x[place])

    check(chosen, cube(), *arrays)


@pytest.mark.parametrize("index", WRONG, ids=repr)
def test_wrong_indices_are_refused_as_by_numpy(index):
    with pytest.raises(IndexError) as refusal:
        cube()[index]
    with pytest.raises(IndexError) as raised:
        recorded(lambda x: x[index], cube())
    assert str(raised.value) == str(refusal.value)


def test_lines_that_count_are_known_as_such():
    x = np.ones((4, 5))
    for rows in (np.arange(4), np.arange(4)[:, None]):
        assert "iota" in ops(check(lambda x, t, r=rows: x[r, t], x, np.array([0, 3, 1, 2])))
    graph = check(lambda x, t: x[lazy.arange(4) if isinstance(t, LazyArray) else ALL.start or
                                 np.arange(4), t], x, np.array([0, 3, -1, 2]))  # fmt: skip
    assert [node.op for node in graph.nodes].count("where") == 1  # the counting needs none


def test_recorded_indices_into_arrays_and_layers():
    weight, index = np.random.default_rng(0).standard_normal((5, 4)), np.array([[0, 3], [4, -1]])
    check(lambda i: F.take(weight, i, axis=0), index)
    check(lambda i: F.take(weight, i), index)
    check(lambda i: F.take_along_axis(weight[:2], i, axis=1), index % 4)
    check(lambda i: F.embedding(i, weight), index)
    check(lambda i: F.index_add(weight, 0, i[0], weight[:2]), index)
    check(lambda i: F.scatter_add(weight[:2], 1, i, weight[:2, :2]), index % 4)
    check(lambda i: F.getitem(weight, [i[0, 0], i[0, 1]]), index)
    check(lambda i: F.getitem(weight, (i[0], 1)), index)
    check(lambda i: F.scatter_to(weight[:2, 0], i[0], (5,)), index)
    layer = nn.Embedding(5, 3, padding_idx=3, rng=0)
    check(lambda i: layer(i), index)
    t = np.array([1, 0, 3, 1, -100])
    for share in (None, np.array([0.5, 2.0, 1.0, 3.0])):
        check(lambda t, w=share: F.cross_entropy(weight, t, w), t)


BASIC = [i for i in INDICES if not any(isinstance(p, (list, np.ndarray)) for p in _parts(i))]


@pytest.mark.parametrize("index", BASIC, ids=repr)
@pytest.mark.parametrize("make", ["zeros", "full", "copy"])
def test_writing_into_fresh_arrays(index, make):
    def written(x):
        xp = lazy if isinstance(x, LazyArray) else np
        y = x.copy() if make == "copy" else xp.zeros((3, 3, 4)) if make == "zeros" else xp.full(
            (3, 3, 4), 7.0
        )  # fmt: skip
        y[index] = 5
        y[0] = x[1]
        y[index] += 1
        return y

    check(written, cube())


def test_what_is_written_before_and_after():
    def written(x):
        y = x * 1
        before = y + 0
        y[x < 0] = 9.0
        y[x[:, 0, 0] > 0] = 1
        return before, y

    check(written, cube())
    for value in (np.zeros((1, 1, 3, 4)), np.zeros(4)):
        check(lambda x, v: _with(x.copy(), 1, v), cube(), value)
    with pytest.raises(
        ValueError, match=r"^could not broadcast input array from shape \(3,\) into "
    ):
        recorded(lambda x: _with(x.copy(), 0, np.zeros(3)), cube())


def _with(x, index, value):
    x[index] = value
    return x


def test_out_and_fill():
    def written(x):
        y = np.zeros_like(x)
        np.add(x, 1, out=y)
        y[0].copy()
        np.add.at(y, (np.array([0, 0]), 1), 2.0)
        z = np.empty_like(x)
        z.fill(3)
        return y, z

    check(written, cube())


# ---- shapes, products, several arrays ---------------------------------------------------------

SHAPED = {
    "reshape": lambda x: np.reshape(x, (4, -1)), "method": lambda x: x.reshape(3, -1),
    "transpose": np.transpose, "axes": lambda x: np.transpose(x, (1, -1, 0)),
    "T": lambda x: x.T, "swapaxes": lambda x: np.swapaxes(x, 0, -1),
    "moveaxis": lambda x: np.moveaxis(x, (0, 1), (-1, 0)), "ravel": np.ravel,
    "flatten": lambda x: x.flatten(), "expand_dims": lambda x: np.expand_dims(x, (0, -1)),
    "squeeze": lambda x: np.squeeze(x[:, :1], 1), "flip": np.flip, "flip1": lambda x: np.flip(x, 1),
    "broadcast_to": lambda x: np.broadcast_to(x, (2, 2, 3, 4)), "tril": np.tril,
    "triu": lambda x: np.triu(x, 1), "concatenate": lambda x: np.concatenate([x, x[:1]]),
    "joined": lambda x: np.concatenate([x, np.ones((2, 3, 1), np.float32)], axis=-1),
    "flat": lambda x: np.concatenate([x, x], axis=None), "stack": lambda x: np.stack([x, x], -1),
    "split": lambda x: np.split(x, [1, 2], axis=2), "even": lambda x: np.split(x, 2),
    "array_split": lambda x: np.array_split(x, 3, axis=2), "pad": lambda x: np.pad(x, 1),
    "pad2": lambda x: np.pad(x, ((1, 0), (0, 2), (1, 1)), constant_values=3),
    "like": lambda x: (np.zeros_like(x), np.ones_like(x, dtype=int), np.full_like(x, 7)),
    "take": lambda x: np.take(x, [0, 1, 0], axis=1), "whole": lambda x: np.take(x, [0, 7]),
    "along": lambda x: np.take_along_axis(x, np.argmax(x, 1, keepdims=True), 1),
    "matmul": lambda x: x @ np.ones((4, 5)), "batch": lambda x: x @ x.swapaxes(1, 2),
    "vector": lambda x: x @ np.arange(4.0), "left": lambda x: np.arange(3.0) @ x,
    "broadcast": lambda x: x @ np.ones((5, 1, 4, 2)), "inner": lambda x: x[0, 0] @ x[1, 1],
    "dot": lambda x: np.dot(x, np.ones(4)), "scaled": lambda x: np.dot(x, 2.0),
    "outer": lambda x: np.outer(x[0, 0], x[0, 1]), "iterate": lambda x: [row * 2 for row in x],
    "facts": lambda x: (np.ones(np.shape(x)) * np.ndim(x) + np.size(x) + len(x) + x[0, 0, 0]),
}  # fmt: skip


@pytest.mark.parametrize("name", SHAPED)
def test_shapes(name):
    x = np.random.default_rng(0).standard_normal((2, 3, 4))
    assert "host" not in ops(check(SHAPED[name], x))


REFUSED = {
    "add": lambda x: x + np.ones(3), "reshape": lambda x: x.reshape(5, 5),
    "transpose": lambda x: np.transpose(x, (0, 0, 1)), "matmul": lambda x: x @ np.ones((3, 4)),
    "scalar": lambda x: x @ np.array(2.0), "batch": lambda x: x @ np.ones((5, 4, 2)),
    "concatenate": lambda x: np.concatenate([x, np.ones((2, 3))]),
    "lengths": lambda x: np.concatenate([x, np.ones((2, 4, 4))]),
    "axis": lambda x: np.concatenate([x, x], axis=3),
    "stack": lambda x: np.stack([x, x[0]]), "split": lambda x: np.split(x, 3, axis=2),
    "squeeze": lambda x: np.squeeze(x, 0), "broadcast_to": lambda x: np.broadcast_to(x, (3, 4)),
    "swapaxes": lambda x: np.swapaxes(x, 0, 3), "pad": lambda x: np.pad(x, -1),
    "bits": lambda x: x & 1, "shift": lambda x: x << 1, "sum": lambda x: np.sum(x, axis=3),
}  # fmt: skip


@pytest.mark.parametrize("name", REFUSED)
def test_what_numpy_refuses_is_refused_in_its_words(name):
    same_as_numpy(REFUSED[name], np.ones((2, 3, 4)))


@pytest.mark.parametrize(
    "call",
    [
        lambda x: F.add(x, np.ones(5)),
        lambda x: F.matmul(x, np.ones((5, 5))),
        lambda x: F.reshape(x, (5,)),
        lambda x: F.sum(x, axis=7),
        lambda x: F.getitem(x, (0, 0, 0)),
        lambda x: F.conv2d(x, np.ones((1, 1, 2, 2))),
        lambda x: F.cross_entropy(x, np.array([0, 1, 9])),
    ],
)
def test_operations_refuse_in_the_same_words_eager_and_recorded(call):
    x = np.ones((3, 4))
    with pytest.raises((ValueError, IndexError, TypeError)) as refusal:
        call(Variable(x))
    with pytest.raises(type(refusal.value)) as raised:
        recorded(lambda x: call(Variable(x)), x)
    assert str(raised.value) == str(refusal.value)


def test_leading_axes_are_rows_of_one_product():
    graph = check(lambda x: x @ np.ones((4, 5)), np.ones((2, 3, 4)))
    assert [node.shape for node in graph.nodes if node.op == "matmul"] == [(6, 5)]


def test_transposes_and_reshapes_of_themselves_leave_nothing():
    _, graph = recorded(lambda x: x.T.T.reshape(6, 2).reshape(3, 4), np.ones((3, 4)))
    assert graph.nodes == []
    x = np.ones((2, 3, 6, 6))

    def net(x):
        y = F.conv2d(F.conv2d(x, np.ones((4, 3, 3, 3))), np.ones((2, 4, 3, 3)))
        return F.max_pool2d(y, 2)

    graph = check(net, x)
    assert [node.op for node in graph.nodes].count("transpose") <= 4  # two weights, in and out


# ---- what is not known ------------------------------------------------------------------------


def asks(x):
    """Each line asks for something that a recording cannot know."""
    yield "`if x.sum() > 1`", lambda: bool(x.sum() > 1), "use F.where"
    yield "", lambda: float(x.sum()), "keep it an array"
    yield "", lambda: int(x.sum()), "keep it an array"
    yield "", lambda: x.sum().item(), "keep it an array"
    yield "", lambda: x.tolist(), "keep it an array"
    yield "", lambda: np.asarray(x), "keep it an array"
    yield "", lambda: range(x.sum()), "keep it an array"
    yield "", lambda: f"{x.sum():.3f}", "keep it an array"
    yield "", lambda: x[x > 0], "use F.where, or multiply by the mask"
    yield "", lambda: np.nonzero(x), "use F.where"
    yield "", lambda: np.unique(x), "use F.where"
    yield "", lambda: np.where(x > 0), "use F.where"
    yield "", lambda: x[: x.sum()], "use Python's numbers as bounds"
    yield "", lambda: x[True], "use None for a new axis"
    yield "", lambda: np.allclose(x, 1), "take it out of the compiled function"


def test_asking_for_values_is_refused():
    with using_config("trace", Trace()):
        for _, ask, remedy in asks(LazyArray(input_node((3, 4), "int64"))):
            with pytest.raises(TraceError, match=remedy) as raised:
                ask()
            assert "test_lazy.py" in str(raised.value)


def test_the_sentence_names_the_users_line():
    x = LazyArray(input_node((3,), "float32"))
    with pytest.raises(TraceError) as raised:
        if x.sum() > 1:
            pass
    line = raised.traceback[0].lineno + 1
    assert str(raised.value) == (
        f"`if x.sum() > 1` (test_lazy.py:{line}) asks for a value while the step is being "
        f"recorded: use F.where, or take it out of the compiled function"
    )


def test_a_value_asked_for_inside_numpy_is_asked_for_by_the_users_line():
    x = LazyArray(input_node((3,), "float32"))
    with pytest.raises(TraceError, match=r"^`np\.testing\.assert_array_equal\(x, 1\)` \(test_lazy"):
        np.testing.assert_array_equal(x, 1)


def test_writing_where_others_would_see_it_is_refused():
    x = LazyArray(input_node((3, 4), "float32"))
    with pytest.raises(TraceError, match="given: write into a copy"):
        x[0] = 1
    y = x * 2
    row = y[0]
    with pytest.raises(TraceError, match="writes into a view"):
        row[0] = 1
    with pytest.raises(TraceError, match="of which a view is held"):
        y[0] = 1
    with pytest.raises(TraceError, match="of which a view is held"):
        y.fill(1)
    del row
    y[0] = 1
    with pytest.raises(TraceError, match=r"places that an array chooses: use F\.scatter_add"):
        y[[0, 1]] = 1
    array = np.ones((3, 4), np.float32)
    with pytest.raises(TraceError, match="writes a recorded result into an array"):
        array += x


def test_what_is_known_prints():
    x = LazyArray(input_node((128, 10), "float32"))
    assert repr(x) == str(x) == f"{x}" == "LazyArray(float32[128,10], input)"
    assert repr(x + 1) == "LazyArray(float32[128,10], add)"
    assert (x.shape, x.ndim, x.size, x.nbytes, x.itemsize) == ((128, 10), 2, 1280, 5120, 4)
    assert (x == None) is False and (x != "a") is True  # noqa: E711
    assert copy.deepcopy(x).node is x.node
    assert {x: 1}[x] == 1
    for ask in (len, iter):
        with pytest.raises(TypeError, match=r"unsized object|iteration over a 0-d array"):
            ask(x.sum())


def test_nodes_know_the_users_line():
    x = LazyArray(input_node((3,), "float32"))
    y = Variable(x) * 2
    assert "test_lazy.py" in y.data.node.line
    assert "test_lazy.py" in np.exp(x).node.line


# ---- arrays that meet a recording -------------------------------------------------------------


def test_small_arrays_are_constants_and_large_ones_inputs_by_reference():
    small, large = np.arange(16.0), np.arange(17.0)
    _, graph = recorded(lambda x: x + small, np.ones(16))
    assert len(graph.inputs) == 1
    trace = Trace()
    x = LazyArray(input_node((17,), "float64"))
    with using_config("trace", trace):
        y = (x + large) * large + x @ large
    [(array, node)] = trace.captured.values()
    assert array is large
    large[:] = 2
    [value] = evaluate(verify(Graph([x.node, node], [y.node])), np.ones(17), large)
    assert value.tolist() == [6 + 34] * 17


def test_reflected_operators_and_mixed_kinds():
    x = np.array([1.0, 2.0, 3.0])
    check(lambda x: 1 - x, x)
    check(lambda x: np.float32(2) ** x, x)
    check(lambda x: np.ones(3) / x, x)
    check(lambda x: [1, 2, 3] * x, x)
    check(lambda x: np.ones((2, 3)) @ x, x)
    check(lambda x: (7 // x, 7 % x, x // 2, x % 2, abs(-x), +x), x)
    check(lambda x: (5 & x, 5 | x, 5 ^ x, ~x, x << 1, 9 >> x, 1 << x, x >> 1), values("i8"))
    check(lambda x: x * Variable(np.ones(3)) + np.add(x, Variable(np.ones(3))), x)
    check(lambda x: F.where(x > 1, Variable(x), 0) @ x, x)
    check(lambda x: Variable(x) > x, x)
    check(lambda x: np.stack([x, [1, 2, 3]]), x)


# ---- host calls -------------------------------------------------------------------------------

ON_HOST = {
    "sort": np.sort, "argsort": lambda x: x.argsort(), "norm": np.linalg.norm,
    "eigh": lambda x: np.linalg.eigh(x @ x.T)[0], "einsum": lambda x: np.einsum("ij,kj->ik", x, x),
    "struve": lambda x: scipy.special.struve(1, np.abs(x)), "median": lambda x: np.median(x, 1),
    "where": lambda x: np.sum(x, where=np.abs(x) > 0.5),
    "accumulate": lambda x: np.maximum.accumulate(x), "edge": lambda x: np.pad(x, 1, mode="edge"),
    "svd": lambda x: np.linalg.svd(x)[1], "two": lambda x: np.frexp(x),
    "tile": lambda x: np.tile(x, 2), "repeat": lambda x: x.repeat(2, 0),
    "F order": lambda x: np.reshape(x, 12, order="F"),
}  # fmt: skip


@pytest.mark.parametrize("name", ON_HOST)
def test_what_has_no_operation_is_called_while_the_program_runs(name):
    graph = check(ON_HOST[name], np.random.default_rng(0).standard_normal((3, 4)))
    assert "host" in ops(graph)


def test_ufuncs_by_their_methods():
    graph = check(lambda x: (np.add.reduce(x), np.maximum.reduce(x, axis=1)), cube())
    assert "host" not in ops(graph)
    assert "erf" in ops(check(scipy.special.erf, cube()))


class Halved(Function):
    """Half of what is positive: written with what only NumPy can do."""

    def forward(self, x):
        y = np.array(x)
        for i in range(len(y)):
            if y[i] > 0:
                y[i] /= 2
        self.keep(positive=np.array(x) > 0, word="half")
        return y, float(2)

    def backward(self, gy, unused, *, positive, word):
        assert word == "half"
        return F.where(positive, gy / 2, gy)


def test_functions_of_others_that_cannot_be_recorded():
    class Half(Halved):
        def forward(self, x):
            return super().forward(x)[0]

        def backward(self, gy, *, positive, word):
            return F.where(positive, gy / 2, gy)

    def gradient(x):
        x = Variable(x)
        y = Half()(x)
        (y * y).sum().backward()
        return y, x.grad

    graph = check(gradient, np.array([1.0, -2.0, 3.0]))
    assert [node.op for node in graph.nodes].count("host") == 1


def test_a_host_call_that_answers_something_else_later_is_an_error():
    class Positive(Function):
        def forward(self, x):
            return np.asarray(x)[np.asarray(x) > 0]

    x = LazyArray(input_node((3,), "float64"))
    with using_config("trace", Trace()):
        y = Positive()(Variable(x)).data
    with pytest.raises(ValueError, match=r"^positive: answered .* take it out of the compiled"):
        evaluate(Graph([x.node], [y.node]), np.array([1.0, -1.0, 2.0]))


# ---- random numbers ---------------------------------------------------------------------------


def drawn(draw):
    """What ``draw(rng)`` answers from a generator with a recorded key and counter."""

    def function(key, counter):
        rng = default_rng(0)
        rng.key._data, rng.counter._data = key, counter
        return draw(rng), rng.counter.data

    return function


@pytest.mark.parametrize("counter", [[0, 0, 0, 0], [2**64 - 2, 2**64 - 1, 5, 0]])
@pytest.mark.parametrize(
    "draw",
    [
        lambda rng: rng.words(10),
        lambda rng: rng.halves(7),
        lambda rng: rng.uniform((3, 5)),
        lambda rng: rng.uniform((3,), -1, 2, np.float64),
        lambda rng: rng.normal((5,)),
        lambda rng: F.dropout(np.ones((4, 5), np.float32), 0.3, True, rng),
        lambda rng: F.dropout(np.ones(3), 1.0, True, rng),
        lambda rng: (rng.words(3), rng.words(3))[1],
    ],
)
def test_random_numbers_are_the_same_bit_for_bit(draw, counter):
    state = Generator(np.array([1, 2**63 + 5], np.uint64)).key.data, np.array(counter, np.uint64)
    expected = drawn(draw)(*(x.copy() for x in state))
    got, graph = recorded(drawn(draw), *state)
    for y, value in zip(got, expected, strict=True):
        value = value.data if isinstance(value, Variable) else value
        assert y.dtype == value.dtype
        np.testing.assert_array_equal(y, value)
    assert "philox" in ops(graph)


# ---- whole steps ------------------------------------------------------------------------------


def optimizers():
    from descend import optim

    yield "adam", lambda ps: optim.Adam(ps, weight_decay=0.1)
    yield "adamw", lambda ps: optim.AdamW(ps)
    yield "sgd", lambda ps: optim.SGD(ps, lr=0.1, momentum=0.9, dampening=0.5, weight_decay=0.1)


@pytest.mark.parametrize(("name", "make"), list(optimizers()))
def test_an_optimizers_step(name, make):
    def step(w, x, count, *slots):
        p = Variable(np.zeros((4, 3), np.float32))
        optimizer = make([p])
        state = optimizer.state[p]
        for variable, array in zip((p, *state.values()), (w, count, *slots), strict=True):
            variable._data = array
        for _ in range(2):
            optimizer.zero_grad()
            F.mse_loss(F.tanh(x @ p), x[:, :3]).backward()
            optimizer.step()
        return [p, *state.values()]

    rng = np.random.default_rng(0)
    w, x = rng.standard_normal((4, 3)).astype("f4"), rng.standard_normal((5, 4)).astype("f4")
    slots = 1 if name == "sgd" else 2
    given = [w, x, np.array(3), *[np.abs(w) * 0.1] * slots]
    graph = check(step, *given, rtol=1e-5)
    assert "host" not in ops(graph)

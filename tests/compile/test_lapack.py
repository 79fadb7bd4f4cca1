"""Linear algebra in compiled programs, without calls of Python: values, shapes, errors."""

import re

import numpy as np
import pytest

import descend
import descend.functions as F
from descend import Variable, gradients
from descend.compile.graph import Graph, evaluate, input_node, node, parse, verify
from descend.compile.kernels import solvers
from descend.compile.run import threads
from descend.compile.run.runtime import Executable

RNG = np.random.default_rng(5)


def matrices(*shape):
    """Matrices far from singular."""
    n = shape[-1]
    return RNG.normal(size=shape) + n * np.eye(shape[-2], n)


def positive(*shape):
    x = RNG.normal(size=shape)
    return x @ np.swapaxes(x, -1, -2) + shape[-1] * np.eye(shape[-1])


def vectors_of(decomposition):
    """What a decomposition says whichever way its vectors are turned."""
    w, v = decomposition
    return w, F.matmul(v * F.expand_dims(w, -2), F.swapaxes(v, -1, -2))


FUNCTIONS = {
    "cholesky": (F.cholesky, positive),
    "upper": (lambda x: F.cholesky(x, upper=True), positive),
    "inv": (F.inv, matrices),
    "det": (lambda x: F.det(x / x.shape[-1]), matrices),
    "slogdet": (F.slogdet, matrices),
    "logdet": (F.logdet, positive),
    "lu": (F.lu, matrices),
    "qr": (F.qr, matrices),
    "eigh": (lambda x: vectors_of(F.eigh(x)), positive),
    "eigvalsh": (F.eigvalsh, positive),
    "svd": (lambda x: (F.svd(x).S, F.matmul(F.svd(x).U, F.svd(x).Vh)), matrices),
    "svdvals": (F.svdvals, matrices),
    "solve": (lambda x: F.solve(x, x[..., :, :2] + 1), matrices),
    "transposed": (lambda x: F.solve(F.swapaxes(x, -1, -2), x), matrices),
    "vector": (lambda x: F.solve(x, np.arange(1.0, x.shape[-1] + 1).astype(x.dtype)), matrices),
    "factor": (lambda x: F.solve(F.cholesky(x), x[..., :1]), positive),
    "factor_transposed": (lambda x: F.solve(F.cholesky(x, upper=True), x[..., :1]), positive),
}


def native(same, function, *xs, scale=1.0):
    """Assert that a compiled function answers what it answers eagerly, without calls of Python."""
    compiled = descend.compile(function)
    same(compiled(*xs), function(*xs), scale=scale)
    same(compiled(*xs), function(*xs), "second call", scale)
    assert not any(kernel.call for kernel in compiled.last.executable.kernels)
    return compiled


def gradient(function, weights):
    """The gradient of the answers, weighted and added up."""

    def slope(x):
        v = Variable(x)
        ys = function(v)
        ys = ys if isinstance(ys, tuple) else (ys,)
        ys = [y for y in ys if y.requires_grad]
        total = sum((y * F.reshape(weights[: y.size], y.shape).astype(y.dtype)).sum() for y in ys)
        return gradients(total, v)[0].data

    return slope


@pytest.mark.parametrize("name", ["cholesky", "solve", "det", "eigvalsh"])
def test_half_precision(same, name):
    function, some = FUNCTIONS[name]
    native(same, function, some(2, 4, 4).astype(np.float16), scale=20)


@pytest.mark.parametrize("dtype", [np.float64, np.float32])
@pytest.mark.parametrize("name", FUNCTIONS)
def test_values(same, name, dtype):
    function, some = FUNCTIONS[name]
    for shape in ((1, 1), (3, 3), (17, 17), (3, 2, 5, 5)):
        native(same, function, some(*shape).astype(dtype), scale=20)


@pytest.mark.parametrize("name", [name for name in FUNCTIONS if name != "det"])
def test_gradients(same, name):
    """That of a determinant is NumPy's: it exists for singular matrices as well."""
    function, some = FUNCTIONS[name]
    native(same, gradient(function, RNG.normal(size=1000)), some(2, 6, 6), scale=10)


@pytest.mark.parametrize("count", [1, 2, 3])
def test_a_batch_that_threads_share(same, monkeypatch, count):
    if count == 3 and threads.thread_count() < 2:
        pytest.skip("one core")
    monkeypatch.setattr(threads, "thread_count", lambda: count)

    def function(x):
        y = F.cholesky(x)
        return y, F.solve(x, y), F.lu(x), F.qr(x), F.eigvalsh(x), F.slogdet(x)

    compiled = native(same, function, positive(50, 12, 12), scale=10)
    assert compiled.last.executable.threads == count


@pytest.mark.parametrize("n, dtype", [(127, np.float64), (200, np.float64), (300, np.float32)])
def test_large_matrices(same, n, dtype):
    """By our kernels and by LAPACK's."""
    a, b = matrices(n, n).astype(dtype), RNG.normal(size=(n, 40)).astype(dtype)
    native(same, F.cholesky, positive(n, n).astype(dtype), scale=50)
    native(same, F.solve, a, b, scale=50)
    native(same, F.inv, a, scale=50)
    for lower in (False, True):
        for trans in (0, 1):
            native(same, systems(trans, lower, False), a, b, scale=200)
    native(same, systems(1, True, True), a / n, b, scale=200)
    native(same, systems(0, False, True), a / n, b, scale=200)


def systems(trans, lower, unit):
    return lambda a, b: F.solve_triangular(a, b, trans, lower, unit)


@pytest.mark.parametrize("n, columns", [(1, 1), (2, 3), (3, 5), (5, 1), (8, 7), (11, 33)])
def test_triangular_systems(same, n, columns):
    a, b = matrices(n, n), RNG.normal(size=(n, columns))
    for lower in (False, True):
        for trans in (0, 1, 2):
            native(same, systems(trans, lower, False), a, b)
    native(same, systems(0, True, True), a / n, b)
    native(same, systems(1, True, True), a / n, b)


@pytest.mark.parametrize(
    "a, b",
    [
        ((4, 4), (3, 4, 2)),
        ((3, 4, 4), (4, 2)),
        ((3, 1, 4, 4), (2, 4, 2)),
        ((2, 4, 4), (4,)),
        ((4, 4), (4,)),
    ],
)
@pytest.mark.parametrize("solve", [F.solve, F.solve_triangular])
def test_leading_axes_broadcast(same, solve, a, b):
    if solve is F.solve_triangular and len(b) == 1 and len(a) > 2:
        pytest.skip("as SciPy's it takes one vector for one matrix")
    native(same, solve, matrices(*a), RNG.normal(size=b))


def test_operands_that_are_views(same):
    x, b = matrices(12, 12), RNG.normal(size=(24, 12))
    native(same, lambda x, b: F.solve(x.T, b.T[:, ::2]), x, b)
    native(same, lambda x, b: F.solve_triangular(x[::-1, ::-1], b[1:13][::-1].T, 1), x, b)
    native(same, lambda x: F.cholesky((x @ x.T)[2:9, 2:9]), x)
    native(same, lambda x: F.inv(x[1:6, 1:6].T), x)
    native(same, lambda x: F.lu(x[::2, 1:5]), x)
    native(same, lambda x: F.lu(x[1:5, ::2]), x)
    native(same, lambda x: F.qr(x[1:9, ::3]), x)
    native(same, lambda x: F.matmul(F.svd(x[1:9, ::3]).U, F.svd(x[1:9, ::3]).Vh), x)
    native(same, lambda x: F.matmul(F.svd(x[::3, 1:9]).U, F.svd(x[::3, 1:9]).Vh), x)
    native(same, lambda x: F.svdvals(x[1:9, ::3]), x)


@pytest.mark.parametrize("shape", [(0, 0), (0, 3, 3), (2, 0, 0)])
@pytest.mark.parametrize("function", [F.cholesky, F.inv, F.det, F.slogdet, F.solve])
def test_nothing(same, function, shape):
    x = np.zeros(shape)
    native(same, function, *[x] * (2 if function is F.solve else 1))


def test_the_factors_of_a_solution_serve_its_gradient(same):
    def slope(a, b):
        v, w = Variable(a), Variable(b)
        return [g.data for g in gradients((F.solve(v, w) ** 2).sum(), [v, w])]

    compiled = native(same, slope, matrices(6, 6), RNG.normal(size=6))
    assert str(compiled.graph).count(" = lu(") == 1


def test_a_system_of_a_cholesky_factor_is_not_factored(same):
    compiled = native(same, lambda x, b: F.solve(F.cholesky(x).T, b), positive(5, 5), np.ones(5))
    assert " = lu(" not in str(compiled.graph)


def test_a_refused_call_says_what_eager_mode_says_and_leaves_all_as_it_was(same):
    for function, good, bad in REFUSED:
        with pytest.raises(np.linalg.LinAlgError) as eager:
            function(bad)
        compiled = descend.compile(function)
        same(compiled(good), function(good))
        for _ in range(2):
            with pytest.raises(np.linalg.LinAlgError, match=f"^{re.escape(str(eager.value))}$"):
                compiled(bad)
            same(compiled(good), function(good), "after a refusal")


def slope_of_vectors(x):
    v = Variable(x)
    return gradients((F.eigh(v).eigenvectors * np.arange(9.0).reshape(3, 3)).sum(), v)[0].data


ONE, ONES, LEFT = np.eye(3), np.ones((3, 3)), np.diag([1.0, 0.0, 2.0])
REFUSED = [
    (F.cholesky, ONE, -ONE),
    (F.cholesky, np.eye(130), np.diag([*[1.0] * 129, 0])),
    (F.cholesky, np.stack([ONE] * 3), np.stack([ONE, -ONE, ONE])),
    (lambda x: F.solve(x, np.ones(3)), ONE, ONES),
    (lambda x: F.solve(x.T, np.ones((3, 2))), ONE, ONES),
    (lambda x: F.solve_triangular(x, np.ones(3)), ONE, LEFT),
    (lambda x: F.solve_triangular(x, np.ones((300, 40))), np.eye(300), np.diag(np.arange(300.0))),
    (F.inv, ONE, ONES),
    (gradient(lambda x: F.slogdet(x)[1], np.ones(1)), ONE, ONES),
    (slope_of_vectors, LEFT, ONE),
    (lambda x: F.cholesky(x + 0j), ONE, -ONE),
]


def test_nan_is_no_refusal(same):
    native(same, F.cholesky, ONE * np.nan)
    native(same, lambda x: F.solve(x, x), ONE * np.nan)


def test_the_first_refusal_counts():
    compiled = descend.compile(lambda x: F.inv(F.cholesky(x)))
    with pytest.raises(np.linalg.LinAlgError, match="cholesky: x"):
        compiled(-ONE)


def test_a_refused_step_changes_no_parameter():
    x, other = Variable(np.eye(3)), Variable(np.ones(3))

    @descend.compile
    def step(scale):
        other.data = other.data * 2
        x.data = F.cholesky(x.data * scale)

    step(np.array(4.0))
    np.testing.assert_array_equal(x.data, 2 * np.eye(3))
    with pytest.raises(np.linalg.LinAlgError):
        step(np.array(-1.0))
    np.testing.assert_array_equal(x.data, 2 * np.eye(3))
    np.testing.assert_array_equal(other.data, np.full(3, 2.0))


def test_shapes_that_do_not_fit_are_refused_as_in_eager_mode():
    wide = np.ones((2, 3))
    for function in (F.cholesky, F.inv, F.det, F.slogdet, F.eigh, lambda x: F.solve(x, x)):
        with pytest.raises(ValueError) as eager:
            function(wide)
        with pytest.raises(ValueError, match=f"^{re.escape(str(eager.value))}$"):
            descend.compile(function)(wide)


# ---- the graph ----------------------------------------------------------------------------------

TEXT = """
graph(%0: float64[2,4,4], %1: float64[2,4,3]) {
  %2 = cholesky(%0, error='no') : float64[2,4,4]
  %3 = solve_triangular(%2, %1, lower=True, unit=False, error='no') : float64[2,4,3]
  %4 = lu(%1) : float64[2,22]
  %5 = eigh(%0, vectors=True, error='no') : float64[2,20]
  %6 = eigh(%0, vectors=False, error='no') : float64[2,4]
  %7 = qr(%1) : float64[2,21]
  %8 = svd(%1, vectors=False, error='no') : float64[2,3]
  return %3, %4, %6, %7, %8
}
"""


def test_the_text_of_a_graph_parses_back(same):
    graph = verify(parse(TEXT))
    assert str(parse(str(graph))) == str(graph)
    xs = positive(2, 4, 4), RNG.normal(size=(2, 4, 3))
    outputs = [np.empty(y.shape) for y in graph.outputs]
    Executable(graph).run(xs, outputs)
    same(outputs, evaluate(graph, *xs))


def test_kinds_that_do_not_fit():
    x, b = input_node((2, 3, 4), "float64"), input_node((2, 3, 4), "float32")
    with pytest.raises(ValueError, match="no square matrices"):
        node("cholesky", x, error="")
    with pytest.raises(ValueError, match="do not meet"):
        node("solve_triangular", x, b, lower=True, unit=False, error="")
    with pytest.raises(ValueError, match="no stack of matrices"):
        node("lu", input_node((3, 3), "float64"))
    with pytest.raises(ValueError, match="no condition"):
        node("refuse_if", x, b, error="")


def test_a_refusal_by_a_condition():
    x, flag = input_node((3,), "float64"), input_node((), "bool")
    graph = Graph([x, flag], [node("refuse_if", x, flag, error="so it is")])
    program, y = Executable(graph), np.empty(3)
    for run in (lambda *xs: program.run(xs, [y]), lambda *xs: evaluate(graph, *xs)):
        run(np.arange(3.0), np.array(False))
        with pytest.raises(np.linalg.LinAlgError, match=r"^so it is$"):
            run(np.arange(3.0), np.array(True))
    np.testing.assert_array_equal(y, np.arange(3.0))


def test_explain_names_the_sizes():
    compiled = descend.compile(lambda x, b: (F.solve(F.cholesky(x), b), F.eigvalsh(x)))
    compiled(positive(3, 6, 6), np.ones((3, 6, 2)))
    text = compiled.explain()
    for title in ("cholesky 6x6 * 3", "solve_triangular 6x2 * 3", "eigh 6x6 * 3", "0 host calls"):
        assert title in text


# ---- eager mode ---------------------------------------------------------------------------------


def test_eager_calls_that_are_native_refuse_in_the_same_words():
    large = np.diag([*[1.0] * 69, 0.0])
    with pytest.raises(np.linalg.LinAlgError, match=r"^cholesky: x \(70, 70\): Matrix is not pos"):
        F.cholesky(large)
    with pytest.raises(
        np.linalg.LinAlgError,
        match=r"^solve_triangular: x0 \(70, 70\), x1 \(70, 70\): the matrix is singular",
    ):
        F.solve_triangular(large, np.ones((70, 70)))


def test_every_operation_has_a_kernel():
    from descend.compile import matrices as operations

    assert set(operations.OPERATIONS) == {
        *solvers.WORK,
        "cholesky",
        "solve_triangular",
        "refuse_if",
    }

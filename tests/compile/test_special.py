"""SciPy's special functions in compiled programs: the same C functions, without Python between."""

import numpy as np
import pytest
import scipy.special

import descend
import descend.functions as F
from descend.compile.elementary import special
from descend.compile.graph import ELEMENTWISE, OPERATIONS, parse, verify
from descend.compile.machine import foreign, native
from descend.compile.run import threads

EDGES = np.array([0.0, 1.0, -1.0, -2.0, 0.5, -0.5, 2.0, 30.0, 171.7, 1e-300, 1e8, 1e300])
EDGES = np.concatenate([EDGES, [np.inf, -np.inf, np.nan, -0.0, -3.3, 1 - 1e-16, 5e-324]])
IN_NUMPY = frozenset("entr logit xlogy xlog1py".split())
"""Those that are made of other operations."""


def scipys(name):
    return getattr(scipy.special, name)


def in_range(name, arity, shape):
    """Arguments for which the function has a value."""
    rng = np.random.default_rng(0)
    high = 0.9 if name in ("ndtri", "erfinv", "logit", "betainc", "ellipk", "ellipe") else 3.0
    low = 1.1 if name == "zeta" else 0.1
    xs = [rng.uniform(low, high, shape) for _ in range(arity)]
    if name in ("gammaincinv", "gammainccinv", "stdtrit", "betaincinv"):
        xs[-1] = rng.uniform(0.1, 0.9, shape)
    return xs


def called(compiled):
    """The titles of kernels that are calls of Python."""
    return [k.title for k in compiled.last.executable.kernels if k.call is not None]


def check(name, xs, exact=True):
    """Assert that compiled and eager are the same, and that Python is not called."""
    compiled = descend.compile(lambda *xs: scipys(name)(*xs))
    y = compiled(*xs)
    with np.errstate(all="ignore"):
        expected = np.asarray(scipys(name)(*xs))
    assert called(compiled) == [], name
    assert y.dtype == expected.dtype and y.shape == expected.shape
    digits = {4: 1e-5, 8: 0 if exact else 1e-13}[expected.dtype.itemsize]
    np.testing.assert_allclose(y, expected, digits, err_msg=name)
    return compiled


NAMES = [pytest.param(name, arity, id=name) for name, arity in special.ARITIES.items()]


@pytest.mark.parametrize("name, arity", NAMES)
def test_values_are_scipys(name, arity):
    for shape in ((), (37,), (3, 5), (0, 3)):
        check(name, in_range(name, arity, shape), exact=name != "zeta")


@pytest.mark.parametrize("name, arity", [case for case in NAMES if case.id != "zeta"])
def test_edges_are_scipys(name, arity):
    check(name, [x.ravel() for x in np.meshgrid(*[EDGES] * arity)])


@pytest.mark.parametrize("name, arity", NAMES)
def test_float32_is_computed_in_float64(name, arity):
    xs = [x.astype(np.float32) for x in in_range(name, arity, (5, 8))]
    y = descend.compile(scipys(name))(*xs)
    expected = scipys(name)(*(x.astype(np.float64) for x in xs)).astype(np.float32)
    assert y.dtype == np.float32
    np.testing.assert_allclose(y, expected, 1e-7)


@pytest.mark.parametrize("name", sorted(IN_NUMPY))
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_functions_made_of_others(name, dtype):
    xs = [x.ravel() for x in np.meshgrid(*[EDGES] * scipys(name).nin)]
    with np.errstate(over="ignore"):
        check(name, [x.astype(dtype) for x in xs], exact=False)


def test_an_entropy_at_the_kinks():
    y = descend.compile(lambda x: F.entr(x))(np.array([-1.0, -0.0, 0.0, 0.5, np.inf, np.nan]))
    np.testing.assert_allclose(y.data, [-np.inf, 0, 0, 0.5 * np.log(2), -np.inf, np.nan])


def test_half_floats_and_whole_numbers(same):
    x = np.linspace(0.3, 3, 40, dtype=np.float16)
    function = descend.compile(lambda x: F.gammaln(x) + F.gammaincc(2.0, x))
    same(function(x), F.gammaln(x) + F.gammaincc(2.0, x))
    check("gammaln", [np.arange(-3, 9)])


def test_broadcasting_and_strides():
    base = np.random.default_rng(0).uniform(0.3, 3, (6, 10, 4))
    x, y = base[::2, ::-3, 1], base[1, :4, 2:3].T
    check("betaln", [x, y])
    check("gammainc", [base.transpose(2, 0, 1), base[0, :, 3]])
    check("beta", [base[:, :1], np.float64(2.5)])


@pytest.mark.parametrize("count", [1, 3])
def test_rows_are_shared_by_threads(count, monkeypatch):
    if count == 3 and threads.thread_count() < 2:
        pytest.skip("one core")
    monkeypatch.setattr(threads, "thread_count", lambda: count)
    x = np.random.default_rng(0).uniform(0.3, 30, (257, 33))
    check("psi", [x])
    compiled = descend.compile(lambda x: F.gammaln(x).sum(axis=0))
    np.testing.assert_allclose(compiled(x).data, scipy.special.gammaln(x).sum(0), 1e-13)


def test_one_kernel_with_what_is_around_it():
    """The function is an operation like others: fused, named in the report, cheap to derive."""
    step = descend.compile(lambda x: F.exp(F.gammaln(x * 2)) + 1)
    step(np.linspace(1, 2, 30))
    assert [k.title for k in step.last.executable.kernels] == ["multiply gammaln exp add"]
    assert "gammaln" in str(step.explain())


def test_common_values_are_computed_once():
    """They are dear: what two kernels need lies in memory."""
    step = descend.compile(lambda x: (F.digamma(x).sum(0), F.digamma(x).sum(1)))
    step(np.ones((40, 50)))
    titles = " ".join(k.title for k in step.last.executable.kernels)
    assert titles.count("psi") == 1


def test_a_graph_prints_and_parses_back():
    text = (
        "graph(%0: float64[2,3], %1: float64[3]) {\n"
        "  %2 = gammaincc(%0, %1) : float64[2,3]\n"
        "  %3 = psi(%2) : float64[2,3]\n"
        "  return %3\n"
        "}"
    )
    assert str(verify(parse(text))) == text
    assert special.ARITIES.keys() <= OPERATIONS.keys() & ELEMENTWISE


def test_a_function_that_scipy_lacks_is_called_in_python(monkeypatch):
    special.symbol.cache_clear()
    monkeypatch.setattr(foreign, "signature", lambda name: None)
    step = descend.compile(lambda x: F.gammaln(x))
    y = step(np.array([0.5, 4.0]))
    special.symbol.cache_clear()
    np.testing.assert_array_equal(y.data, scipy.special.gammaln([0.5, 4.0]))
    assert called(step) == ["host call gammaln"]


def test_scipys_functions_of_complex_numbers_are_called_in_python():
    x = np.array([1 + 2j, -0.5j])
    compiled = descend.compile(lambda x: scipy.special.gamma(x))
    np.testing.assert_allclose(compiled(x), scipy.special.gamma(x))


def test_the_name_of_a_kernel_says_which_c_function_it_calls():
    step = descend.compile(lambda x: F.gammaln(x))
    step(np.ones(3))
    (kernel,) = step.last.executable.kernels
    assert kernel.text().endswith("\nscipy.special.cython_special:gammaln")


def test_code_with_calls_is_kept_in_the_cache(monkeypatch, tmp_path):
    monkeypatch.setenv("DESCEND_CACHE", str(tmp_path))
    x = np.full(5, 0.123)
    for expected in (1, 0):
        native._loaded.clear()
        before = native.compiled
        y = descend.compile(lambda x: F.erfcx(x) - 0.25)(x)
        np.testing.assert_array_equal(y.data, scipy.special.erfcx(x) - 0.25)
        assert native.compiled - before == expected


def test_the_hurwitz_zeta_function():
    s = np.array([1.0, 0.5, 1.5, 2, 3, 2.5, 7, 30, 100, 1e3, 1e6, np.nan, -1, 1.0001])[:, None]
    q = np.array([0.5, 1, 2, 9, 20, 1e7, 1e8, 1.1e8, 1e12, np.inf, np.nan, 1e-3, 1e-300])
    q = np.concatenate([q, [0.0, -1, -2, -0.5, -3.3, -40.2]])
    y = descend.compile(lambda s, q: F.zeta(s, q))(s, q)
    with np.errstate(all="ignore"):
        np.testing.assert_allclose(y.data, scipy.special.zeta(s, q), 1e-14)


def test_polygamma_needs_no_python_for_known_orders():
    step = descend.compile(lambda x: F.polygamma(2, x))
    x = np.array([0.5, 3.0, -0.7])
    np.testing.assert_allclose(step(x).data, scipy.special.polygamma(2, x), 1e-14)
    assert called(step) == []

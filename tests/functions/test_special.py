"""Elementary and special functions at their poles, jumps and zeros; `test_mpmath` has the rest."""

import mpmath
import numpy as np
import pytest
import scipy.special
from mpmath import mp

import descend
import descend.functions as F
from descend import Variable, gradients
from descend.testing import check_derivatives

inf, nan = np.inf, np.nan


def derivatives(function, x, orders=3):
    """The value and the derivatives of a function of one number, at each of several."""
    x = Variable(np.array(x, float))
    ys = [function(x)]
    for _ in range(orders):
        (gx,) = gradients(F.sum(ys[-1]), x, create_graph=True, allow_unused=True)
        ys.append(F.zeros_like(x) if gx is None else gx)
        if not ys[-1].requires_grad:
            break
    return [y.data for y in ys]


def gradient(function, *xs):
    """The gradients of the sum of a function's elements, as lists."""
    xs = [Variable(np.asarray(x)) for x in xs]
    y = function(*xs)
    gxs = gradients([y], xs, [np.ones(y.shape, y.dtype)], allow_unused=True)
    return [None if gx is None else gx.tolist() for gx in gxs]


# ---- rounding and remainders ------------------------------------------------------------------


@pytest.mark.parametrize("name", ["floor", "ceil", "trunc", "fix", "rint", "round", "sign"])
def test_steps_have_the_derivative_0(name):
    function, x = getattr(F, name), np.array([-1.5, -1.0, -0.0, 0.5, 2.5, inf])
    np.testing.assert_array_equal(function(x), getattr(np, name)(x))
    assert gradient(function, x) == [[0.0] * 6]


def test_whole_numbers_are_rounded_like_numpys():
    x = np.array([1, -2])
    for name in ("floor", "ceil", "trunc"):
        y = getattr(F, name)(x)
        assert y.dtype == getattr(np, name)(x).dtype
        assert y.tolist() == [1, -2]


X0, X1 = np.array([7.0, -7.0, 7.0, -7.0, 6.0]), np.array([3.0, 3.0, -3.0, -3.0, 3.0])


@pytest.mark.parametrize(
    ("name", "quotient"), [("remainder", [2, -3, -3, 2, 2]), ("fmod", [2, -2, -2, 2, 2])]
)
def test_remainders_and_what_they_have_of_their_divisors(name, quotient):
    function = getattr(F, name)
    np.testing.assert_array_equal(function(X0, X1), getattr(np, name)(X0, X1))
    assert gradient(function, X0, X1) == [[1.0] * 5, [-float(q) for q in quotient]]
    assert gradient(F.floor_divide, X0, X1) == [[0.0] * 5, [0.0] * 5]


def test_a_quotient_that_rounds_up_to_a_whole_number():
    x0, x1 = np.array([1.0]), np.array([0.1])  # 0.1 is a little more than a tenth
    assert np.floor(x0 / x1) == 10
    assert gradient(F.fmod, x0, x1) == [[1], [-9]]
    assert gradient(F.remainder, x0, x1) == [[1], [-9]]


def test_remainders_by_infinity_are_the_number_itself():
    x1 = Variable(np.array(inf))
    y = F.remainder(2.0, x1)
    y.backward()
    assert (y.item(), x1.grad.item()) == (2, 0)
    assert gradient(F.fmod, np.array(2.0), np.array(inf)) == [1, 0]


def test_operators_of_division():
    x, n = Variable(np.array([7.0, -7.0])), Variable(np.array([7, -7]))
    assert (x // 2).tolist() == [3, -4]
    assert (x % 2).tolist() == [1, 1]
    assert (15 // x).tolist() == [2, -3]
    assert (15 % x).tolist() == [1, -6]
    assert [y.tolist() for y in divmod(x, 2)] == [[3, -4], [1, 1]]
    assert [y.tolist() for y in divmod(15, x)] == [[2, -3], [1, -6]]
    assert (n // 2).dtype == (n % 2).dtype == np.dtype(int)
    assert (np.array([9.0, 9.0]) % x).tolist() == [2, -5]
    assert isinstance(np.array([9.0, 9.0]) // x, Variable)
    (x % 4 + x // 4 + sum(divmod(x, 4))).sum().backward()
    assert x.grad.tolist() == [2, 2]


def test_shapes_that_do_not_broadcast_are_named():
    for name in ("remainder", "arctan2", "logaddexp", "xlogy", "beta", "gammainc"):
        with pytest.raises(ValueError, match=rf"^{name}: x0 \(3,\) and x1 \(2,\) do not broadcast"):
            getattr(F, name)(np.ones(3), np.ones(2))


# ---- the documented values at special points --------------------------------------------------


def test_sinc_has_all_derivatives_at_0():
    expected = [1, 0, -(np.pi**2) / 3, 0, np.pi**4 / 5, 0, -(np.pi**6) / 7]
    for x in (0.0, -0.0):
        np.testing.assert_allclose(derivatives(F.sinc, x, 6), expected, rtol=1e-14)
    assert F.sinc(np.array([0, 1])).dtype == float
    np.testing.assert_allclose(
        F.sinc(np.linspace(-40, 40, 999)), np.sinc(np.linspace(-40, 40, 999))
    )


@pytest.mark.filterwarnings("ignore:divide by zero")
def test_arcsin_and_arccos_at_the_ends():
    x = np.array([-1.0, 1.0])
    assert gradient(F.arcsin, x) == [[inf, inf]]
    assert gradient(F.arccos, x) == [[-inf, -inf]]
    assert F.arccos(x).tolist() == [np.pi, 0]
    assert gradient(F.arccosh, np.array(1.0)) == [inf]
    assert gradient(F.arctanh, x) == [[inf, inf]]
    with pytest.warns(RuntimeWarning, match="invalid value"):
        assert np.isnan(F.arccos(np.array(1.5)))


def all_derivatives_at(function, *xs):
    """The first three derivatives of a function of two numbers, with those between them."""
    xs = [Variable(np.array(x)) for x in xs]
    ys, found = [function(*xs)], []
    for _ in range(3):
        ys = [gx for y in ys for gx in gradients(y, xs, create_graph=True, allow_unused=True)]
        ys = [y for y in ys if y is not None and y.requires_grad]
        found += [y.item() for y in ys]
    return found


@pytest.mark.parametrize("name", ["hypot", "arctan2"])
def test_the_origin(name):
    function = getattr(F, name)
    assert function(np.array(0.0), np.array(0.0)) == 0
    assert gradient(function, np.array(0.0), np.array(0.0)) == [0, 0]
    assert not np.any(all_derivatives_at(function, 0.0, 0.0))


def test_far_points_do_not_overflow():
    x0, x1 = np.array([3e200, 3e-200]), np.array([4e200, 4e-200])
    np.testing.assert_allclose(gradient(F.hypot, x0, x1), [[0.6, 0.6], [0.8, 0.8]])
    gx0, gx1 = gradient(F.arctan2, x0, x1)
    np.testing.assert_allclose(gx0, [0.16e-200, 0.16e200])
    np.testing.assert_allclose(gx1, [-0.12e-200, -0.12e200])
    assert gradient(F.arcsinh, np.array([2048.0], np.float16)) == [[np.float16(1 / 2048)]]
    assert gradient(F.arctan, np.array([1024.0], np.float16)) == [[np.float16(1 / 1024**2)]]


def test_sums_of_exponentials_at_infinity():
    x0, x1 = np.array([-inf, -inf, inf, inf, 1000.0]), np.array([-inf, 0.0, inf, 0.0, 1000.0])
    for name in ("logaddexp", "logaddexp2"):
        function = getattr(F, name)
        np.testing.assert_array_equal(function(x0, x1), getattr(np, name)(x0, x1))
        assert gradient(function, x0, x1) == [[0, 0, 0, 1, 0.5], [0, 1, 0, 0, 0.5]]
    assert F.logaddexp(np.array(-inf), -inf) == -inf


def test_products_with_logarithms_at_0():
    zeros = np.array([0.0, 0.0])
    for function, poles in ((F.xlogy, [0.0, -1.0]), (F.xlog1py, [-1.0, -2.0])):
        assert function(zeros, np.array(poles)).tolist() == [0, 0]
        assert gradient(function, zeros, np.array(poles)) == [[0, 0], [0, 0]]
        assert np.isnan(function(0.0, np.array(nan)))
        assert not np.any(all_derivatives_at(function, 0.0, poles[0]))
    assert gradient(F.xlogy, np.array(0.0), np.array(np.e)) == [1, 0]
    assert F.xlogy(0, np.array(0.0)) == 0


def test_no_derivative_of_log_ndtr_is_nan_on_the_right():
    for y in derivatives(F.log_ndtr, [30.0, 60.0, 1e3])[1:]:
        np.testing.assert_allclose(y, 0, atol=1e-100)


def test_copysign_counts_the_sign_of_zero():
    x0, x1 = np.array([2.0, -2.0, 0.0, -3.0]), np.array([-0.0, 0.0, -1.0, -1.0])
    assert F.copysign(x0, x1).tolist() == [-2, 2, 0, -3]
    assert gradient(F.copysign, x0, x1) == [[-1, -1, 0, 1], [0, 0, 0, 0]]


def test_heaviside_gives_its_gradient_to_the_value_at_0():
    x0, x1 = np.array([-1.0, 0.0, 2.0, -0.0]), np.full(4, 0.5)
    assert F.heaviside(x0, x1).tolist() == [0, 0.5, 1, 0.5]
    assert gradient(F.heaviside, x0, x1) == [[0, 0, 0, 0], [0, 1, 0, 1]]


def test_nan_to_num_is_flat_where_it_replaces():
    x = np.array([nan, inf, -inf, 2.0])
    for dtype in (np.float16, np.float32, np.float64):
        largest = np.finfo(dtype).max
        assert F.nan_to_num(x.astype(dtype)).tolist() == [0, largest, -largest, 2]
    replaced = lambda x: F.nan_to_num(x, nan=7.0, posinf=8.0, neginf=9.0)  # noqa: E731
    assert replaced(x).tolist() == [7, 8, 9, 2]
    assert gradient(replaced, x) == [[0, 0, 0, 1]]
    assert F.nan_to_num(np.array([1, 2])).tolist() == [1, 2]
    assert np.isnan(x[0])


def test_float_power_makes_floats_of_whole_numbers():
    y = F.float_power(np.array([2, 4]), -1)
    assert y.dtype == float
    assert y.tolist() == [0.5, 0.25]
    assert F.float_power(2, -1) == 0.5
    assert F.float_power(np.ones(2, np.float32), 2).dtype == np.float32
    x = Variable(np.array([2.0, 3.0]))
    F.float_power(x, np.array([2, 1])).sum().backward()
    assert x.grad.tolist() == [4, 1]


# ---- gamma functions --------------------------------------------------------------------------


def test_polygamma_of_each_order():
    n, x = np.array([0, 1, 2, 5]), np.array([[0.7], [3.0]])
    np.testing.assert_allclose(F.polygamma(n, x), scipy.special.polygamma(n, x), rtol=1e-14)
    assert F.polygamma(2, np.ones(2, np.float32)).dtype == np.float32
    assert F.polygamma(n, np.ones(1, np.float32)).dtype == np.float32
    assert F.polygamma(1, 1) == pytest.approx(np.pi**2 / 6)
    np.testing.assert_allclose(F.polygamma(0, x), F.digamma(x))


@pytest.mark.parametrize("n", [-1, 0.5, np.array([1, -2]), np.array([0.5])])
def test_orders_of_polygamma_are_whole(n):
    with pytest.raises(
        ValueError, match=r"^polygamma: n is .*, whole numbers from 0 on are needed"
    ):
        F.polygamma(n, np.ones(2))


def test_zeta_below_1_is_riemanns():
    s = np.array([-2.5, 0.0, 0.5, 2.0, 3.0])
    with mpmath.workdps(30):
        expected = [float(mp.zeta(x)) for x in s]
    np.testing.assert_allclose(F.zeta(s), expected, rtol=1e-14)


@pytest.mark.parametrize("d", [0, -1, 1.5])
def test_the_dimension_of_multigammaln_is_whole(d):
    with pytest.raises(ValueError, match=rf"^multigammaln: d is {d}, a whole number from 1 on"):
        F.multigammaln(np.array(3.0), d)


def test_multigammaln_outside_of_its_domain():
    y = F.multigammaln(np.array([1.0, 0.9, 3.0]), 3)
    assert np.isnan(y).tolist() == [True, True, False]
    assert y[2] == pytest.approx(scipy.special.multigammaln(3, 3))


@pytest.mark.parametrize(
    ("function", "what"),
    [
        (lambda a, x: F.gammainc(a, x), "gammainc: there is no derivative to x0 in closed form"),
        (lambda a, x: F.gammaincc(a, x), "gammaincc: there is no derivative to x0 in closed form"),
        (lambda s, q: F.zeta(s, q), "zeta: there is no derivative to s in closed form"),
        (lambda s, q: F.zeta(s) + q, "zeta: there is no derivative to s in closed form"),
        (lambda n, x: F.polygamma(n, x), "polygamma: there is no derivative to n"),
    ],
)
def test_derivatives_that_are_refused(function, what):
    x0, x1 = Variable(np.array([2.0])), Variable(np.array([3.0]))
    y = function(x0, x1)
    with pytest.raises(NotImplementedError, match=what + r".*; detach\(\) it"):
        y.backward()
    function(x0.detach(), x1).backward()
    (gx1,) = gradients(function(x0, x1), x1)
    assert gx1.tolist() == x1.grad.tolist()


# ---- names, dtypes, memory --------------------------------------------------------------------

CALLS = [
    *[
        (getattr(np, name), getattr(F, name))
        for name in (
            "arcsin arccos arctan arcsinh arctanh cbrt exp2 floor ceil trunc rint fix i0 sinc "
            "nan_to_num deg2rad rad2deg log2 log10"
        ).split()
    ],
    (np.radians, F.deg2rad),
    (np.degrees, F.rad2deg),
    *[
        (getattr(scipy.special, name), getattr(F, name))
        for name in (
            "erf erfc erfcx erfinv ndtr ndtri log_ndtr gammaln digamma gamma entr logit expit i0 "
            "i0e i1 i1e j0 j1"
        ).split()
    ],
    (scipy.special.psi, F.digamma),
    (scipy.special.log_expit, F.logsigmoid),
    *[
        (lambda x, f=f: f(x, 1.5), lambda x, g=g: g(x, 1.5))
        for f, g in [
            (np.mod, F.mod),
            (np.fmod, F.fmod),
            (np.floor_divide, F.floor_divide),
            (np.arctan2, F.arctan2),
            (np.hypot, F.hypot),
            (np.logaddexp, F.logaddexp),
            (np.logaddexp2, F.logaddexp2),
            (np.copysign, F.copysign),
            (np.heaviside, F.heaviside),
            (np.float_power, F.float_power),
            (scipy.special.beta, F.beta),
            (scipy.special.betaln, F.betaln),
            (scipy.special.gammainc, lambda x0, x1: F.gammainc(x0.detach(), x1)),
            (scipy.special.xlogy, F.xlogy),
            (scipy.special.xlog1py, F.xlog1py),
            (scipy.special.zeta, lambda x0, x1: F.zeta(x0.detach(), x1)),
        ]
    ],
]


@pytest.mark.parametrize(("theirs", "ours"), CALLS)
def test_numpys_and_scipys_functions_of_variables(theirs, ours):
    x = Variable(np.array([0.2, 0.5, 0.8]))
    y = theirs(x)
    assert isinstance(y, Variable)
    np.testing.assert_array_equal(y.data, ours(x).data)


def test_numpys_divmod_of_variables():
    ys = np.divmod(Variable(np.array([7.0])), 2)
    assert [y.tolist() for y in ys] == [[3], [1]]


FLOAT_ONLY = "erfc erfcx erfinv ndtr ndtri log_ndtr gammaln digamma gamma entr logit i0 i0e j0 j1"


@pytest.mark.parametrize("name", FLOAT_ONLY.split())
def test_dtypes_of_scipys_functions(name):
    function = getattr(F, name)
    x = np.array([0.25, 0.5])
    for dtype in (np.float16, np.float32):
        y = function(x.astype(dtype))
        assert y.dtype == dtype
        np.testing.assert_allclose(y, function(x), rtol=4 * np.finfo(dtype).eps)
        for gx in derivatives_in(function, x.astype(dtype)):
            assert gx.dtype == dtype
    assert function(np.array([1])).dtype == float
    assert type(function(0.5)) is np.ndarray


def derivatives_in(function, x):
    """Two derivatives of the sum, in x's own dtype."""
    x = Variable(x)
    (gx,) = gradients(F.sum(function(x)), x, create_graph=True)
    (ggx,) = gradients(F.sum(gx), x)
    return gx, ggx


@pytest.mark.parametrize(
    "name", ["beta", "xlogy", "gammainc", "zeta", "logaddexp", "hypot", "fmod"]
)
def test_numbers_of_python_do_not_promote(name):
    x = np.array([1.5, 2.5], np.float32)
    assert getattr(F, name)(2.0, x).dtype == np.float32
    assert getattr(F, name)(2, x).dtype == np.float32
    assert getattr(F, name)(x.astype(np.float16), x).dtype == np.float32
    assert getattr(F, name)(x.astype(np.float64), x).dtype == np.float64


COMPLEX = "arcsin arccos arctan arcsinh arccosh arctanh log2 log10 rsqrt exp2 erf erfc ndtr"


@pytest.mark.parametrize("name", COMPLEX.split())
def test_derivatives_of_complex_numbers(name):
    z = np.array([0.5 + 0.7j, -0.4 + 1.3j, 1.2 - 0.9j])
    check_derivatives(getattr(F, name), z)


@pytest.mark.parametrize("name", ["gamma", "erfcx", "digamma", "gammaln", "sinc", "logit", "j0"])
def test_functions_of_real_numbers(name):
    with pytest.raises(TypeError, match=f"^{name}: .*complex128 came, real numbers are needed"):
        getattr(F, name)(np.array([1j]))


def test_variables_of_whole_numbers_have_no_gradient():
    n = Variable(np.array([1, 2]))
    for y in (F.gammaln(n), F.floor(n), n % 2, F.sinc(n), F.log2(n), F.beta(n, 2)):
        assert not y.requires_grad


@pytest.mark.parametrize(
    "function",
    [
        F.erfcx,
        F.sinc,
        F.i0e,
        F.j1,
        lambda x: F.polygamma(1, x),
        lambda x: F.zeta(2.0, x),
        lambda x: F.hypot(x, 2.0),
        lambda x: F.arctan2(x, 0.3) % 0.7,
        F.log_ndtr,
        lambda x: F.multigammaln(x + 1, 2),
    ],
)
def test_batched_and_compiled(function):
    x = np.linspace(0.3, 2.0, 6).reshape(2, 3)
    slope = descend.grad(lambda x: F.sum(function(x)))
    expected = slope(x)
    np.testing.assert_allclose(descend.vmap(slope)(x), expected, rtol=1e-12)
    compiled = descend.compile(slope)
    for _ in range(2):
        np.testing.assert_allclose(compiled(x), expected, rtol=1e-12)

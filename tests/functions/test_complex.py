"""Complex numbers: gradients dL/dx + i dL/dy, by finite differences along both axes."""

import numpy as np
import pytest

import descend
import descend.functions as F
from descend import Variable, gradients
from descend.core import Function
from descend.functions.registry import Sample
from descend.testing import check_derivatives, check_function, numerical_gradient

RNG = np.random.default_rng(0)


def numbers(*shape, low=-2.0, high=2.0):
    """Complex numbers, both parts between ``low`` and ``high``."""
    return RNG.uniform(low, high, shape) + 1j * RNG.uniform(low, high, shape)


Z, W = numbers(2, 3, low=0.3), numbers(2, 3, low=0.3)
X = RNG.uniform(0.3, 2, (2, 3))

CASES = {
    "add": (F.add, Z, W),
    "add to real": (F.add, Z, X),
    "subtract": (F.subtract, X, W),
    "multiply": (F.multiply, Z, W),
    "multiply by real": (F.multiply, X, W[0]),
    "multiply by a number": (lambda z: (2 + 1j) * z, Z),
    "real by a complex number": (lambda x: x * (2 + 1j), X),
    "divide": (F.divide, Z, W),
    "divide real": (F.divide, X, W),
    "divide by real": (F.divide, Z, X),
    "negative": (F.negative, Z),
    "power": (F.power, Z, W),
    "power of real": (F.power, X, W),
    "power of negative real": (F.power, -X, W),
    "power to real": (F.power, Z, X),
    "power to 2": (lambda z: z**2, Z),
    "power to -1.5": (lambda z: z**-1.5, Z),
    "power to a complex number": (lambda z: z ** (0.5 - 1j), Z),
    "number to a complex power": (lambda z: 2.0**z, Z),
    "negative number to a complex power": (lambda z: (-2.0) ** z, Z),
    "square": (F.square, Z),
    "sqrt": (F.sqrt, Z),
    "reciprocal": (F.reciprocal, Z),
    "abs": (F.abs, Z),
    "exp": (F.exp, Z),
    "expm1": (F.expm1, Z),
    "log": (F.log, Z),
    "log1p": (F.log1p, Z),
    "sin": (F.sin, Z),
    "cos": (F.cos, Z),
    "tan": (F.tan, Z),
    "sinh": (F.sinh, Z),
    "cosh": (F.cosh, Z),
    "tanh": (F.tanh, Z),
    "matmul": (F.matmul, Z, W.T),
    "matmul with real": (F.matmul, Z, X.T),
    "matmul of real": (F.matmul, X, W.T),
    "batched matmul": (F.matmul, numbers(2, 1, 2, 3), numbers(2, 3, 2)),
    "matmul of vectors": (F.matmul, Z[0], W[0]),
    "linear": (F.linear, Z, W, W[:, 0]),
    "linear of real": (F.linear, X, W),
    "sum": (lambda z: F.sum(z, axis=0), Z),
    "mean": (F.mean, Z),
    "prod": (lambda z: F.prod(z, axis=1), Z),
    "prod with a zero": (F.prod, np.array([0, 1 + 2j, 3j])),
    "var": (lambda z: F.var(z, axis=1, ddof=1), Z),
    "std": (lambda z: F.std(z, axis=1), Z),
    "cumsum": (lambda z: F.cumsum(z, axis=1), Z),
    "logsumexp": (lambda z: F.logsumexp(z, axis=1), Z),
    "reshape": (lambda z: F.transpose(F.reshape(z, (3, 2))), Z),
    "broadcast_to": (lambda z: F.broadcast_to(z, (2, 2, 3)), Z),
    "concatenate": (lambda x, z: F.concatenate([x, z], axis=1), X, Z),
    "split": (lambda z: F.split(z, [1], axis=1), Z),
    "pad": (lambda z: F.pad(z, 1), Z),
    "getitem": (lambda z: z[[0, 1, 0], ::-1], Z),
    "take_along_axis": (lambda z: F.take_along_axis(z, np.array([[0, 0], [2, 1]]), axis=1), Z),
    "where": (lambda z, x: F.where(X > 1, z, x), Z, X),
    "exp of imaginary": (lambda x: F.exp(x * 1j), X),
    "copy": (F.copy, Z),
    "real and imag": (lambda z: z.real * z.imag, Z),
    "conj": (lambda z: z.conj() * F.exp(z), Z),
    "angle": (lambda z: F.angle(z) * F.abs(z), Z),
    "real": (F.real, X),
    "imag": (F.imag, X),
    "angle of real": (F.angle, X),
}


@pytest.mark.parametrize("case", CASES)
def test_three_derivatives(case):
    function, *xs = CASES[case]
    check_function(function, *xs)


@pytest.mark.parametrize("case", CASES)
def test_compiled_equals_eager(case):
    function, *xs = CASES[case]

    def step(*xs):
        vs = [Variable(x) for x in xs]
        y = function(*vs)
        y = F.sum(y[0] if isinstance(y, tuple) else y)
        return [y.data, *(gx.data for gx in gradients((y * y.conj()).real, vs))]

    expected = step(*xs)
    compiled = descend.compile(step)
    for _ in range(2):
        for got, value in zip(compiled(*xs), expected, strict=True):
            np.testing.assert_allclose(got, value, rtol=1e-9, atol=1e-12)
            assert got.dtype == value.dtype


@pytest.mark.parametrize("name", ["mean", "prod", "var", "std", "sum"])
def test_reductions_are_numpys(name):
    y = getattr(F, name)(Z, axis=1, keepdims=True)
    np.testing.assert_allclose(y, getattr(np, name)(Z, axis=1, keepdims=True))
    assert y.dtype == getattr(np, name)(Z).dtype


# ---- the convention ---------------------------------------------------------------------------


def test_the_gradient_of_a_real_function_is_the_direction_in_which_it_grows():
    z = Variable(np.array([3 + 4j]))
    F.sum(F.abs(z)).backward()
    np.testing.assert_allclose(z.grad.data, [0.6 + 0.8j])
    [gz] = gradients(F.sum((z * z.conj()).real), [z])
    np.testing.assert_allclose(gz.data, 2 * z.data)


def test_a_holomorphic_rule_multiplies_by_the_conjugate():
    z = Variable(Z)
    [gz] = gradients(F.sum(F.exp(z)), [z], [np.array(1j)])
    np.testing.assert_allclose(gz.data, 1j * np.conj(np.exp(Z)))


def test_backward_of_complex_numbers_starts_from_their_real_parts():
    z = Variable(Z)
    F.sum(z**3).backward()
    [expected] = gradients(F.real(F.sum(z**3)), [z])
    np.testing.assert_array_equal(z.grad.data, expected.data)


def test_a_real_input_gets_the_real_part():
    x, z = Variable(X), Variable(Z)
    y = F.sum(x * z)
    [gx] = gradients(y, [x], [np.array(1 + 2j)])
    assert gx.dtype == np.float64
    np.testing.assert_allclose(gx.data, ((1 + 2j) * Z.conj()).real)


def test_numerical_gradients_go_in_both_directions():
    got = numerical_gradient(lambda z: (z.real**2 * z.imag).sum(), Z)
    np.testing.assert_allclose(got, 2 * Z.real * Z.imag + 1j * Z.real**2)


def test_the_checker_notices_a_missing_conjugate():
    class Wrong(Function):
        def forward(self, x):
            return np.exp(x)

        def backward(self, gy, *, y):
            return gy * y

    check_derivatives(Wrong(), X)
    with pytest.raises(AssertionError, match="the first derivative to argument 0 is wrong"):
        check_derivatives(Wrong(), Z)


def test_the_checker_notices_a_conjugate_missing_in_the_second_derivative():
    class Wrong(Function):
        def forward(self, x):
            return np.exp(x)

        def backward(self, gy, *, y):
            return gy * F.conj(y) if not isinstance(y, Variable) else gy * F.exp(F.conj(y) * 1.01)

    with pytest.raises(AssertionError, match="the second derivative"):
        check_derivatives(Wrong(), Z)


def test_samples_of_complex_numbers():
    [z] = Sample((2, 3), complex=True, low=1, high=2).arrays()
    assert z.dtype == np.complex128 and z.shape == (2, 3)
    assert (z.real >= 1).all() and (z.imag >= 1).all() and (z.real != z.imag).all()
    [z] = Sample((2,), complex=True).arrays(dtype=np.float32)
    assert z.dtype == np.complex64


# ---- special values ---------------------------------------------------------------------------


@pytest.mark.parametrize("function", [F.abs, F.angle], ids=["abs", "angle"])
def test_at_zero_the_gradient_is_zero(function):
    z = Variable(np.zeros(2, complex))
    y = function(z)
    y.backward()
    np.testing.assert_array_equal(y.data, 0)
    np.testing.assert_array_equal(z.grad.data, 0)


def test_the_angle_of_real_numbers_does_not_change():
    x = Variable(np.array([-2.0, 3.0]))
    y = F.angle(x)
    y.backward()
    np.testing.assert_array_equal(y.data, [np.pi, 0])
    np.testing.assert_array_equal(x.grad.data, 0)


def test_angles_in_degrees():
    z = Variable(np.array([1j]))
    y = F.angle(z, deg=True)
    y.backward()
    np.testing.assert_allclose(y.data, [90])
    np.testing.assert_allclose(z.grad.data, [-180 / np.pi])


@pytest.mark.parametrize("exponent", [0, 0.0, 2, 1 + 0j])
def test_powers_of_zero(exponent):
    z = Variable(np.zeros(1, complex))
    y = z**exponent
    y.backward()
    np.testing.assert_array_equal(y.data, np.zeros(1, complex) ** exponent)
    np.testing.assert_array_equal(z.grad.data, 1 if exponent == 1 else 0)


def test_the_exponent_of_zero_has_the_gradient_zero():
    z = Variable(np.array([2 + 1j, 0.5 - 1j]))
    y = np.zeros(2, complex) ** z
    y.backward()
    np.testing.assert_array_equal(y.data, 0)
    np.testing.assert_array_equal(z.grad.data, 0)


def test_the_direction_of_complex_numbers_has_no_derivative_of_its_own():
    np.testing.assert_allclose(F.sign(np.array([3 + 4j, 0])), [0.6 + 0.8j, 0])
    with pytest.raises(NotImplementedError, match="sign: there is no derivative to complex"):
        F.sign(Variable(Z)).backward()


def test_complex_numbers_are_ordered_as_numpy_orders_them():
    z, w = Variable(np.array([1 + 1j, 2j])), Variable(np.array([1 + 2j, -1 + 5j]))
    y = F.maximum(z, w)
    y.backward()
    np.testing.assert_array_equal(y.data, np.maximum(z.data, w.data))
    np.testing.assert_array_equal(z.grad.data, [0, 1])
    np.testing.assert_array_equal(w.grad.data, [1, 0])


# ---- dtypes and names -------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["exp", "abs", "sqrt", "square", "tanh", "conj", "real", "angle"])
def test_single_precision_stays(name):
    z = Variable(Z.astype(np.complex64))
    y = getattr(F, name)(z)
    y.backward()
    assert y.dtype in (np.complex64, np.float32)
    assert z.grad.dtype == np.complex64


def test_parts_of_a_variable():
    z, x = Variable(Z), Variable(X)
    np.testing.assert_array_equal(z.real.data, Z.real)
    np.testing.assert_array_equal(z.imag.data, Z.imag)
    np.testing.assert_array_equal(z.conj().data, Z.conj())
    np.testing.assert_array_equal(z.conjugate().data, Z.conj())
    assert x.real is x and x.conj() is x
    np.testing.assert_array_equal(x.imag.data, 0)


@pytest.mark.parametrize("name", ["real", "imag", "conj", "conjugate", "angle", "abs"])
def test_numpys_functions_answer_variables(name):
    y = getattr(np, name)(Variable(Z))
    assert isinstance(y, Variable) and y.requires_grad
    np.testing.assert_array_equal(y.data, getattr(np, name)(Z))


def test_numbers_and_lists():
    assert F.real(3 + 4j) == 3 and F.imag(3 + 4j) == 4 and F.conj(3 + 4j) == 3 - 4j
    np.testing.assert_array_equal(F.imag([1, 2j]), [0, 2])

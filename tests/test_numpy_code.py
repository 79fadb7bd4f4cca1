"""Functions that call only NumPy and SciPy, as they stand in textbooks, differentiate unchanged."""

import re

import numpy as np
import pytest
import scipy.special

from descend import Variable, grad, hessian
from descend.testing import numerical_gradient

RNG = np.random.default_rng(0)
CODE = {}


def code(*parameters):
    """Enter a function with the arrays that it is differentiated at."""

    def enter(function):
        CODE[function.__name__] = function, [np.asarray(p, float) for p in parameters]
        return function

    return enter


@code([1.3, 0.7, 0.8, 1.9])
def rosenbrock(x):
    return np.sum(100.0 * (x[1:] - x[:-1] ** 2.0) ** 2.0 + (1 - x[:-1]) ** 2.0)


@code([0.3, -0.8, 1.1])
def ackley(x):
    return (
        -20 * np.exp(-0.2 * np.sqrt(np.mean(x**2)))
        - np.exp(np.mean(np.cos(2 * np.pi * x)))
        + 20
        + np.e
    )


@code([3.1, -2.2])
def himmelblau(x):
    return (x[0] ** 2 + x[1] - 11) ** 2 + (x[0] + x[1] ** 2 - 7) ** 2


X, T = RNG.normal(size=(12, 3)), RNG.integers(0, 2, 12)


@code([0.1, -0.4, 0.3], 0.2)
def logistic_loss(w, b):
    z = np.dot(X, w) + b
    return np.mean(np.log1p(np.exp(-(2 * T - 1) * z))) + 0.01 * np.linalg.norm(w) ** 2


@code(RNG.normal(size=(3, 4)))
def softmax_cross_entropy(w):
    z = np.matmul(X, w)
    z = z - np.max(z, axis=1, keepdims=True)
    p = np.exp(z) / np.sum(np.exp(z), axis=1, keepdims=True)
    return -np.sum(np.log(p[np.arange(12), T]))


@code(0.8, 0.1)
def gaussian_process(length, noise):
    d = X[:, 0][:, np.newaxis] - X[:, 0]
    k = np.exp(-0.5 * (d / length) ** 2) + (0.1 + noise**2) * np.eye(12)
    c = np.linalg.cholesky(k)
    a = np.linalg.solve(c, X[:, 1])
    return 0.5 * a @ a + np.sum(np.log(np.diag(c)))


@code([0.1, 0.2], [[1.0, 0.2], [0.3, 0.8]])
def multivariate_normal(mean, root):
    cov = root @ root.T + 0.1 * np.eye(2)
    d = X[:, :2] - mean
    _, logdet = np.linalg.slogdet(cov)
    return 0.5 * np.einsum("ni,ij,nj->", d, np.linalg.inv(cov), d) + 6 * logdet


@code([0.5, 1.5])
def area_under_a_curve(p):
    t = np.linspace(0, 2, 21)
    return np.trapezoid(np.exp(-p[0] * t) * np.sin(p[1] * t), t)


@code([1.0, -2.0, 0.5], 1.7)
def polynomial(coefficients, x):
    return np.polyval(coefficients, x) ** 2


@code(7.0)
def square_root_by_newton(a):
    x = a / 2
    for _ in range(6):
        x = (x + a / x) / 2
    return x


@code(0.6)
def gauss_legendre(a):
    nodes, weights = np.polynomial.legendre.leggauss(8)
    return np.sum(weights * np.log(1 + a * nodes**2))


@code(1.1, 0.3)
def kepler(mean_anomaly, eccentricity):
    e = mean_anomaly
    for _ in range(20):
        e = e - (e - eccentricity * np.sin(e) - mean_anomaly) / (1 - eccentricity * np.cos(e))
    return 2 * np.arctan2(
        np.sqrt(1 + eccentricity) * np.sin(e / 2), np.sqrt(1 - eccentricity) * np.cos(e / 2)
    )


@code([0.9, 0.1], 9.81)
def pendulum(start, g):
    angle, speed = start
    for _ in range(30):
        speed = speed - 0.02 * g * np.sin(angle)
        angle = angle + 0.02 * speed
    return angle**2 + speed


@code([48.1, 11.6], [52.5, 13.4])
def great_circle(a, b):
    (p0, l0), (p1, l1) = np.deg2rad(a), np.deg2rad(b)
    h = np.sin((p1 - p0) / 2) ** 2 + np.cos(p0) * np.cos(p1) * np.sin((l1 - l0) / 2) ** 2
    return 2 * 6371 * np.arcsin(np.sqrt(h))


@code(RNG.normal(size=9))
def autocorrelation(x):
    x = x - np.mean(x)
    c = np.correlate(x, x, mode="full")
    return np.sum(c[len(x) :] ** 2) / c[len(x) - 1] ** 2


@code(RNG.normal(size=8))
def spectral_flatness(x):
    power = np.abs(np.fft.rfft(x)) ** 2 + 1e-3
    return np.exp(np.mean(np.log(power))) / np.mean(power)


@code(RNG.normal(size=(3, 3)))
def explained_variance(w):
    values = np.linalg.eigvalsh(np.cov(X @ w, rowvar=False))
    return values[-1] / np.sum(values)


@code(RNG.normal(size=6))
def huber(x):
    return np.sum(np.where(np.abs(x) < 0.5, 0.5 * x**2, 0.5 * (np.abs(x) - 0.25)))


@code(RNG.normal(size=(4, 2)))
def length_of_a_bezier_curve(points):
    t = np.linspace(0, 1, 30)[:, None]
    c = (
        (1 - t) ** 3 * points[0]
        + 3 * (1 - t) ** 2 * t * points[1]
        + 3 * (1 - t) * t**2 * points[2]
        + t**3 * points[3]
    )
    steps = np.diff(c, axis=0)
    return np.sum(np.hypot(steps[:, 0], steps[:, 1]))


@code([0.2, 0.1, 1.3])
def student_t(p):
    nu, z = np.exp(p[2]), (X[:, 0] - p[0]) / np.exp(p[1])
    return -np.sum(
        scipy.special.gammaln((nu + 1) / 2)
        - scipy.special.gammaln(nu / 2)
        - 0.5 * np.log(np.pi * nu)
        - p[1]
        - (nu + 1) / 2 * np.log1p(z**2 / nu)
    )


@code(100.0, 105.0, 0.2, 0.03, 0.7)
def black_scholes(spot, strike, volatility, rate, time):
    d1 = (np.log(spot / strike) + (rate + volatility**2 / 2) * time) / (volatility * np.sqrt(time))
    d2 = d1 - volatility * np.sqrt(time)
    return spot * scipy.special.ndtr(d1) - strike * np.exp(-rate * time) * scipy.special.ndtr(d2)


@code(RNG.normal(size=(5, 3)) * 2)
def lennard_jones(x):
    i, j = np.triu_indices(len(x), k=1)
    r2 = np.sum((x[i] - x[j]) ** 2, axis=-1)
    return np.sum(4 * (r2**-6.0 - r2**-3.0))


@code(RNG.uniform(0.5, 2, size=(3, 4)))
def sinkhorn(costs):
    k = np.exp(-costs / 0.5)
    v = np.ones(4)
    for _ in range(10):
        u = (1 / 3) / (k @ v)
        v = (1 / 4) / (k.T @ u)
    return np.sum(u[:, None] * k * v * costs)


@pytest.mark.parametrize("name", CODE)
def test_gradients_are_those_of_finite_differences(name):
    function, parameters = CODE[name]
    every = tuple(range(len(parameters)))
    gradient = grad(function, every)(*parameters)
    for i, gx in enumerate(gradient):

        def along(x, i=i):
            return float(function(*parameters[:i], x, *parameters[i + 1 :]))

        assert gx.shape == parameters[i].shape
        expected = numerical_gradient(along, parameters[i])
        np.testing.assert_allclose(gx, expected, rtol=1e-6, atol=1e-7)


@pytest.mark.parametrize("name", ["rosenbrock", "ackley", "gaussian_process", "sinkhorn"])
def test_second_derivatives(name):
    function, (x, *rest) = CODE[name]
    found = hessian(function)(x, *rest)
    expected = numerical_gradient(lambda x: float(np.sum(grad(function)(x, *rest))), x)
    axes = tuple(range(x.ndim))
    np.testing.assert_allclose(np.sum(found, axis=axes), expected, rtol=1e-5, atol=1e-5)


# ---- what NumPy can be asked with a Variable --------------------------------------------------

V = Variable(RNG.uniform(0.5, 1, (3, 3)) + np.eye(3))

CALLS = {
    "np.sin": lambda v: np.sin(v),
    "np.sum": lambda v: np.sum(v, axis=1),
    "np.mean keepdims": lambda v: np.mean(v, axis=0, keepdims=True),
    "np.concatenate": lambda v: np.concatenate([v, v], axis=1),
    "np.stack": lambda v: np.stack([v, v]),
    "np.where Variable": lambda v: np.where(v > 0.7, v, 0),
    "np.einsum": lambda v: np.einsum("ij,kj->ik", v, v),
    "np.tensordot": lambda v: np.tensordot(v, v, axes=1),
    "np.linalg.solve": lambda v: np.linalg.solve(v, np.ones(3)),
    "np.linalg.inv": lambda v: np.linalg.inv(v),
    "np.linalg.det": lambda v: np.linalg.det(v),
    "np.linalg.norm": lambda v: np.linalg.norm(v, axis=1),
    "np.linalg.norm of all": lambda v: np.linalg.norm(v),
    "np.linalg.norm 2": lambda v: np.linalg.norm(v, 2),
    "np.linalg.norm nuc": lambda v: np.linalg.norm(v, ord="nuc", keepdims=True),
    "np.linalg.norm inf": lambda v: np.linalg.norm(v[0], np.inf),
    "np.linalg.trace": lambda v: np.linalg.trace(np.stack([v, v])),
    "np.fft.rfft": lambda v: np.abs(np.fft.rfft(v)),
    "scipy.special.erf": lambda v: scipy.special.erf(v),
    "scipy.special.gammaln": lambda v: scipy.special.gammaln(v),
    "np.maximum": lambda v: np.maximum(v, 0.8),
    "np.clip": lambda v: np.clip(v, 0.6, 0.9),
    "np.transpose": lambda v: np.transpose(v),
    "np.reshape": lambda v: np.reshape(v, (1, 9)),
    "np.sort": lambda v: np.sort(v, axis=0),
    "np.cumsum": lambda v: np.cumsum(v, axis=1),
    "np.diag": lambda v: np.diag(v),
    "np.tril": lambda v: np.tril(v),
    "np.outer": lambda v: np.outer(v, v),
    "np.prod": lambda v: np.prod(v, axis=0),
    "np.std": lambda v: np.std(v, axis=0, ddof=1),
    "np.exp2": lambda v: np.exp2(v),
    "np.power": lambda v: np.power(v, 1.5),
    "np.arctan2": lambda v: np.arctan2(v, 2.0),
    "np.pad": lambda v: np.pad(v, 1),
    "np.split": lambda v: np.split(v, 3)[1],
    "index array": lambda v: v[[0, 2]],
    "index ellipsis": lambda v: v[..., None, ::-1],
    "index mask": lambda v: v[np.eye(3, dtype=bool)],
    "index Variable mask": lambda v: v[v > 0.7],
}


@pytest.mark.parametrize("name", CALLS)
def test_a_variable_comes_back_and_is_differentiable(name):
    y = CALLS[name](V)
    assert isinstance(y, Variable)
    np.testing.assert_allclose(y.data, CALLS[name](V.data), rtol=1e-12)
    gx = grad(lambda v: np.sum(CALLS[name](v) ** 2))(V.data)
    expected = numerical_gradient(lambda x: float(np.sum(CALLS[name](x) ** 2)), V.data)
    np.testing.assert_allclose(gx, expected, rtol=1e-6, atol=1e-8)


def refused(sentence):
    return pytest.raises(TypeError, match=re.escape(sentence))


def test_what_has_no_gradient_or_writes_is_refused_with_a_sentence():
    with refused("numpy.sin: out= came, which a Variable cannot follow: leave it out"):
        np.sin(V, out=np.zeros((3, 3)))
    with refused("numpy.exp: where= came, which a Variable cannot follow: leave it out"):
        np.exp(V, where=np.eye(3, dtype=bool))
    with refused("numpy.sum: out= came, which a Variable cannot follow"):
        np.sum(V, out=np.zeros(3))
    with refused("numpy.add.reduce: no such function for a Variable"):
        np.add.reduce(V)
    with refused("there is no differentiable"):
        np.frexp(V)
    with refused("there is no differentiable"):
        np.histogram2d(V, V)

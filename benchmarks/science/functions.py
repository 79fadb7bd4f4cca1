"""The functions: each of an array module ``xp``, of its parameters and of data.

All are float64 and answer one number. Data is made by NumPy with a fixed seed.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np


class Problem(NamedTuple):
    """A function with the parameters it is differentiated at, and its data."""

    function: Callable[..., Any]
    parameters: np.ndarray
    data: tuple[np.ndarray, ...] = ()


PROBLEMS: dict[str, Problem] = {}


def problem(parameters: Any, *data: Any) -> Callable[[Callable[..., Any]], Callable[..., Any]]:
    """Enter a function."""

    def enter(function: Callable[..., Any]) -> Callable[..., Any]:
        PROBLEMS[function.__name__] = Problem(function, np.array(parameters, float), data)
        return function

    return enter


RNG = np.random.default_rng(0)
normal = RNG.normal

# ---- statistics -------------------------------------------------------------------------------


@problem(normal(size=20) * 0.1, normal(size=(500, 20)), RNG.integers(0, 2, 500) * 2.0 - 1)
def logistic_regression(xp, w, x, t):
    """The negative log likelihood, and a normal prior."""
    return xp.sum(xp.log1p(xp.exp(-t * (x @ w)))) + 0.5 * xp.sum(w * w)


@problem(normal(size=(10, 4)) * 0.1, normal(size=(300, 10)), np.eye(4)[RNG.integers(0, 4, 300)])
def softmax_regression(xp, w, x, t):
    """The cross entropy of four classes."""
    z = x @ w
    return -xp.sum(t * (z - xp.logsumexp(z, axis=1)[:, None]))


@problem([0.1, -0.2, -1.0], np.linspace(0, 5, 60), np.sin(np.linspace(0, 5, 60)), np.eye(60))
def gaussian_process(xp, p, x, y, eye):
    """The negative log marginal likelihood with a squared exponential kernel."""
    length, scale, noise = xp.exp(p[0]), xp.exp(p[1]), xp.exp(p[2])
    d = (x[:, None] - x[None, :]) / length
    k = scale**2 * xp.exp(-0.5 * d * d) + noise**2 * eye
    c = xp.cholesky(k)
    a = xp.solve(c, y)
    return 0.5 * xp.sum(a * a) + xp.sum(xp.log(xp.sum(c * eye, axis=1)))


@problem([0.9, 0.1, -1.0, -0.5], np.cumsum(normal(size=40)), np.eye(2), np.array([1.0, 0.0]))
def kalman_filter(xp, p, y, eye, h):
    """The negative log likelihood of a local linear trend."""
    f = xp.stack([xp.stack([p[0], p[1]]), xp.stack([0 * p[0], p[0]])])
    q, r = xp.exp(p[2]) * eye, xp.exp(p[3])
    m, v, total = 0 * h, eye, 0.0
    for t in range(40):
        m, v = f @ m, f @ v @ f.T + q
        s = v[0, 0] + r
        e = y[t] - m[0]
        gain = (v @ h) / s
        m, v = m + gain * e, v - gain[:, None] * (h @ v)[None, :]
        total = total + 0.5 * (xp.log(s) + e * e / s)
    return total


@problem(normal(size=(5, 3)), normal(size=(300, 3)))
def gaussian_mixture(xp, means, x):
    """The negative log likelihood of five components of variance 1."""
    d = x[:, None, :] - means[None, :, :]
    return -xp.sum(xp.logsumexp(-0.5 * xp.sum(d * d, axis=2), axis=1))


@problem(normal(size=(6, 6)), normal(size=(50, 6)))
def hidden_markov(xp, w, scores):
    """The forward algorithm in logarithms."""
    moves = w - xp.logsumexp(w, axis=1)[:, None]
    a = scores[0]
    for t in range(1, 50):
        a = xp.logsumexp(a[:, None] + moves, axis=0) + scores[t]
    return -xp.logsumexp(a, axis=0)


@problem(normal(size=6) * 0.1, normal(size=(80, 6)))
def cox_hazard(xp, w, x):
    """The partial likelihood of proportional hazards; the last samples come first."""
    z = x @ w
    return -xp.sum(z - xp.log(xp.cumsum(xp.exp(z), axis=0)))


@problem([0.5, 0.2, 1.0], normal(size=400))
def student_t(xp, p, x):
    """The negative log likelihood of location, scale and degrees of freedom."""
    scale, nu = xp.exp(p[1]), xp.exp(p[2])
    z = (x - p[0]) / scale
    log_density = (
        xp.gammaln((nu + 1) / 2) - xp.gammaln(nu / 2) - 0.5 * xp.log(nu * np.pi) - xp.log(scale)
    )
    return -xp.sum(log_density - (nu + 1) / 2 * xp.log1p(z * z / nu))


# ---- physics and chemistry --------------------------------------------------------------------


@problem(normal(size=(50, 3)), RNG.uniform(0.5, 2, 50), np.triu(np.ones((50, 50)), 1))
def n_body(xp, x, mass, pairs):
    """The potential energy of masses, softened."""
    d = x[:, None, :] - x[None, :, :]
    r = xp.sqrt(xp.sum(d * d, axis=2) + 0.01)
    return -xp.sum(pairs * mass[:, None] * mass[None, :] / r)


GRID = np.stack(np.meshgrid(*[np.arange(4.0)] * 3), -1).reshape(-1, 3)


@problem(
    1.1 * GRID + 0.05 * normal(size=(64, 3)), np.triu_indices(64, 1)[0], np.triu_indices(64, 1)[1]
)
def lennard_jones(xp, x, i, j):
    """The energy of 64 atoms, whose gradient are the forces."""
    d = x[i] - x[j]
    s = 1 / xp.sum(d * d, axis=1) ** 3
    return 4 * xp.sum(s * s - s)


@problem(normal(size=(12, 12)), RNG.uniform(0.8, 1.2, (12, 11)))
def springs(xp, x, lengths):
    """The energy of a net of springs: heights of a sheet."""
    across, down = x[:, 1:] - x[:, :-1], x[1:, :] - x[:-1, :]
    stretched = xp.sqrt(1 + across * across) - lengths
    return 0.5 * xp.sum(stretched * stretched) + 0.5 * xp.sum(down * down) + 0.1 * xp.sum(x)


@problem([1.0, 0.3, 0.5, 0.2], np.array([1.0, 0.5]), np.array([1.2, 0.8]))
def lotka_volterra(xp, p, start, goal):
    """How far 100 steps of Euler end from a goal."""
    y = start
    for _ in range(100):
        prey, hunter = y[0], y[1]
        slope = xp.stack([p[0] * prey - p[1] * prey * hunter, p[2] * prey * hunter - p[3] * hunter])
        y = y + 0.01 * slope
    return xp.sum((y - goal) ** 2)


@problem(normal(size=(18, 16)) * 0.3, normal(size=(20, 2)), normal(size=(20, 2)))
def neural_ode(xp, w, y, goal):
    """A step of Runge and Kutta's fourth order along a small network."""
    first, second = w[:2], w[2:]

    def slope(y):
        return (xp.tanh(y @ first) @ second)[:, :2]

    k1 = slope(y)
    k2 = slope(y + 0.05 * k1)
    k3 = slope(y + 0.05 * k2)
    k4 = slope(y + 0.1 * k3)
    return xp.sum((y + (k1 + 2 * k2 + 2 * k3 + k4) / 60 - goal) ** 2)


@problem(normal(size=256), np.abs(np.fft.rfft(normal(size=256))) ** 2)
def power_spectrum(xp, x, power):
    """The distance of a signal's spectrum from another's."""
    return xp.sum((xp.abs(xp.rfft(x)) ** 2 - power) ** 2) / 1e4


# ---- engineering and finance ------------------------------------------------------------------


@problem(RNG.uniform(90, 110, 1000), RNG.uniform(90, 110, 1000), RNG.uniform(0.1, 2, 1000))
def black_scholes(xp, spot, strike, time):
    """The value of 1,000 options."""
    root = 0.2 * time**0.5
    d1 = (xp.log(spot / strike) + (0.01 + 0.02) * time) / root

    def probability(x):
        return 0.5 * (1 + xp.erf(x / np.sqrt(2)))

    return xp.sum(spot * probability(d1) - strike * 0.99**time * probability(d1 - root))


@problem(normal(size=6), np.array([1.0, 0.8, 0.6, 0.5, 0.4, 0.3]), np.array([1.5, 0.7]))
def robot_arm(xp, angles, lengths, goal):
    """How far the hand of an arm of six joints is from its goal."""
    total = xp.cumsum(angles, axis=0)
    x, y = xp.sum(lengths * xp.cos(total)), xp.sum(lengths * xp.sin(total))
    return (x - goal[0]) ** 2 + (y - goal[1]) ** 2


@problem(normal(size=(50, 1)) * 0.1, np.array([[1.0, 0.1], [0, 1]]), np.array([[0.0], [0.1]]))
def optimal_control(xp, u, a, b):
    """The cost of 50 controls of a double integrator."""
    x, cost = a[1] + b[0], 0.0
    for t in range(50):
        x = a @ x + b @ u[t]
        cost = cost + xp.sum(x * x) + 0.1 * xp.sum(u[t] * u[t])
    return cost


@problem(normal(size=(40, 3)), normal(size=(3, 3)), normal(size=(40, 2)), np.array([0.0, 0, 8]))
def reprojection(xp, points, rotation, seen, shift):
    """The error of points seen by a pinhole camera."""
    p = points @ rotation.T + shift
    return xp.sum((p[:, :2] / p[:, 2:] - seen) ** 2)


# ---- learning ---------------------------------------------------------------------------------


@problem(normal(size=(180, 10)) * 0.3, normal(size=(100, 80)))
def matrix_factorization(xp, w, m):
    """The squared error of a product of rank 10."""
    u, v = w[:100], w[100:]
    return xp.sum((m - u @ v.T) ** 2) + 0.1 * xp.sum(w * w)


@problem(normal(size=(32, 32)), normal(size=(32, 32)))
def denoising(xp, x, noisy):
    """Smoothed total variation of an image."""
    across, down = x[1:, :-1] - x[:-1, :-1], x[:-1, 1:] - x[:-1, :-1]
    return 0.5 * xp.sum((x - noisy) ** 2) + 0.1 * xp.sum(
        xp.sqrt(across * across + down * down + 1e-3)
    )


@problem(RNG.uniform(-1, 1, 100))
def rosenbrock(xp, x):
    """Rosenbrock's function of 100 numbers."""
    return xp.sum(100 * (x[1:] - x[:-1] ** 2) ** 2 + (1 - x[:-1]) ** 2)

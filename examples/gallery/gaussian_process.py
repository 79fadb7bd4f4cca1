"""A Gaussian process whose kernel is learned.

Length, height and noise of the kernel are those with the largest marginal likelihood, found by its
gradient: through a Cholesky factorization, a triangular solution and a determinant.
"""

import functools

import numpy as np

import descend.functions as F
from descend import optimize

RNG = np.random.default_rng(2)
X = np.sort(RNG.uniform(-3, 3, 30))
Y = np.sin(2 * X) + 0.3 * X + 0.2 * RNG.normal(size=30)


def kernel(p, a, b):
    """The covariance of the values at a (n,) and b (m,): (n, m)."""
    d = (a[:, None] - b[None, :]) * F.exp(-p["log length"])
    return F.exp(2 * p["log height"]) * F.exp(-0.5 * d * d)


def factor(p):
    """The Cholesky factor of the covariance of the observations, (30, 30)."""
    noise = F.exp(2 * p["log noise"]) + 1e-10
    return F.cholesky(kernel(p, X, X) + noise * np.eye(len(X)))


def negative_log_likelihood(p):
    """Of the observations, given the kernel."""
    c = factor(p)
    a = F.solve_triangular(c, Y, lower=True)
    return 0.5 * F.sum(a * a) + F.sum(F.log(F.diagonal(c))) + 0.5 * len(X) * np.log(2 * np.pi)


@functools.cache
def solve():
    """The minimizer's result."""
    start = {"log length": 0.0, "log height": 0.0, "log noise": -1.0}
    return optimize.minimize(negative_log_likelihood, start)


def predict(p, x):
    """Mean and standard deviation of the function at x (n,)."""
    c, k = factor(p), kernel(p, X, x)
    a = F.solve_triangular(c, k, lower=True)
    mean = F.matmul(a.T, F.solve_triangular(c, Y, lower=True))
    variance = F.exp(2 * p["log height"]) - F.sum(a * a, axis=0)
    return mean, F.sqrt(F.maximum(variance, 0))


def main():
    """Print what was learned."""
    found = solve()
    for name, value in found.x.items():
        print(f"{name.removeprefix('log '):6} = {np.exp(float(value)):.3f}")
    print(f"log likelihood = {-float(found.fun):.2f}; the noise put in was 0.2")


def draw(axes):
    """The data, the mean, and twice the standard deviation."""
    x = np.linspace(-4.5, 4.5, 300)
    mean, deviation = predict(solve().x, x)
    axes.fill_between(x, mean - 2 * deviation, mean + 2 * deviation, alpha=0.25, linewidth=0)
    axes.plot(x, mean, label="mean, with 95 % band")
    axes.plot(x, np.sin(2 * x) + 0.3 * x, "--", color="gray", linewidth=1, label="truth")
    axes.plot(X, Y, ".", color="black", label="observed")
    axes.set_ylim(-3.5, 3.5)
    axes.legend(frameon=False)

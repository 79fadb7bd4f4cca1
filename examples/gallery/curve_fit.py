"""Fitting a curve, with error bars from the Hessian.

A decaying oscillation is measured 60 times with an error of 0.1. The parameters that explain the
data best are found by `descend.optimize.minimize` in a dict, under their names. At the minimum of
the negative log likelihood its Hessian is the inverse of the parameters' covariance: exact second
derivatives give error bars, and the Jacobian of the curve carries them over to every prediction.
"""

import functools

import numpy as np

import descend.functions as F
from descend import hessian, jacobian, optimize

TRUTH = {"amplitude": 1.5, "decay": 0.4, "frequency": 2.5, "offset": 0.3}
SIGMA = 0.1


def curve(p, t):
    """The oscillation at times t (n,)."""
    return p["amplitude"] * F.exp(-p["decay"] * t) * F.cos(p["frequency"] * t) + p["offset"]


def measure():
    """Times and measured values."""
    rng = np.random.default_rng(1)
    t = np.sort(rng.uniform(0, 6, 60))
    return t, curve(TRUTH, t) + SIGMA * rng.normal(size=60)


@functools.cache
def solve():
    """The parameters, their covariance, and the data."""
    t, y = measure()

    def loss(p):
        return 0.5 * F.sum(((curve(p, t) - y) / SIGMA) ** 2)

    start = {"amplitude": 1.0, "decay": 0.2, "frequency": 2.2, "offset": 0.0}
    found = optimize.minimize(loss, start, method="BFGS")
    second = hessian(loss)(found.x)
    names = list(start)
    covariance = np.linalg.inv([[float(second[a][b]) for b in names] for a in names])
    return found.x, covariance, t, y


def main():
    """Print the parameters with their error bars."""
    p, covariance, _, _ = solve()
    for i, (name, value) in enumerate(p.items()):
        error = covariance[i, i] ** 0.5
        print(f"{name:9} = {float(value):6.3f} +- {error:.3f}   (true: {TRUTH[name]})")


def draw(axes):
    """The data, the curve, and twice the standard deviation of the prediction."""
    p, covariance, t, y = solve()
    times = np.linspace(0, 8, 300)
    slopes = jacobian(lambda p: curve(p, times))(p)
    g = np.stack([slopes[name] for name in p], axis=1)
    spread = 2 * np.sqrt(np.einsum("ni,ij,nj->n", g, covariance, g))
    middle = curve(p, times)
    axes.fill_between(times, middle - spread, middle + spread, alpha=0.25, linewidth=0)
    axes.plot(times, middle, label="fit, with 95 % band")
    axes.plot(t, y, ".", color="black", label="measured")
    axes.plot(times, curve(TRUTH, times), "--", color="gray", linewidth=1, label="truth")
    axes.set_xlabel("time")
    axes.legend(frameon=False)

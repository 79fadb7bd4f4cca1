"""Parameters of a differential equation, from noisy observations of its solution.

Hares and lynxes follow the equations of Lotka and Volterra. `odeint` solves them, and its adjoint
gives the gradient of the misfit to all four rates and to the start; L-BFGS does the rest.
"""

import functools

import numpy as np

import descend.functions as F
from descend import optimize
from descend.transforms import odeint

RATES = np.array([1.1, 0.4, 0.1, 0.4])
START = np.array([8.0, 4.0])
TIMES = np.linspace(0, 12, 25)


def slope(y, t, rates):
    """Births and deaths of hares and lynxes, (2,)."""
    hares, lynxes = y[0], y[1]
    eaten = hares * lynxes
    return F.stack([rates[0] * hares - rates[1] * eaten, rates[2] * eaten - rates[3] * lynxes])


def observe():
    """What was counted, (25, 2): the solution times a random factor around 1."""
    rng = np.random.default_rng(0)
    y = odeint(slope, START, TIMES, RATES)
    return y * np.exp(0.08 * rng.normal(size=y.shape))


@functools.cache
def solve():
    """The minimizer's result, and the observations."""
    seen = observe()

    def loss(p):
        y = odeint(slope, F.exp(p["start"]), TIMES, F.exp(p["rates"]), rtol=1e-5, atol=1e-7)
        return F.sum((F.log(y) - np.log(seen)) ** 2)

    guess = {"rates": np.log([0.8, 0.3, 0.2, 0.5]), "start": np.log(seen[0])}
    return optimize.minimize(loss, guess, options={"maxiter": 60}), seen


def main():
    """Print the rates that were found beside the true ones."""
    found, _ = solve()
    print("rates found:", np.exp(found.x["rates"]).round(3), " true:", RATES)
    print("start found:", np.exp(found.x["start"]).round(2), " true:", START)
    print(f"gradients taken: {found.njev}, misfit {float(found.fun):.3f}")


def draw(axes):
    """Counts and the fitted solution, which goes on beyond them."""
    found, seen = solve()
    times = np.linspace(0, 18, 400)
    y = odeint(slope, np.exp(found.x["start"]), times, np.exp(found.x["rates"]))
    for i, name in enumerate(("hares", "lynxes")):
        [line] = axes.plot(times, y[:, i], label=name)
        axes.plot(TIMES, seen[:, i], "o", color=line.get_color(), markersize=4)
    axes.axvspan(TIMES[-1], times[-1], color="0.94", zorder=0)
    axes.set_xlabel("years")
    axes.legend(frameon=False)

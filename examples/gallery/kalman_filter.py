"""A Kalman filter that learns how noisy its sensor is.

A vehicle is seen 80 times by a sensor of unknown error; how much it is pushed about is unknown,
too. Both are found by maximizing the likelihood of all predictions, whose gradient goes back
through 80 updates of the filter. The step is compiled: the loop is unrolled once into one program.
"""

import functools

import numpy as np

import descend
import descend.functions as F
from descend import optimize

STEP = 0.1
MOVE = np.array([[1, 0, STEP, 0], [0, 1, 0, STEP], [0, 0, 1, 0], [0, 0, 0, 1]], float)
SEE = np.array([[1, 0, 0, 0], [0, 1, 0, 0]], float)
PUSH = np.array([[STEP**2 / 2, 0], [0, STEP**2 / 2], [STEP, 0], [0, STEP]])
SENSOR, PUSHES = 0.3, 2.0


def simulate():
    """The vehicle's path and what the sensor saw: (80, 2) each."""
    rng = np.random.default_rng(0)
    state, path = np.array([0.0, 0.0, 1.0, 0.5]), []
    for _ in range(80):
        state = MOVE @ state + PUSH @ (PUSHES * rng.normal(size=2))
        path.append(state[:2])
    return np.array(path), np.array(path) + SENSOR * rng.normal(size=(80, 2))


def filtered(p, seen):
    """The negative log likelihood of what was seen, and the estimated positions."""
    sensor, pushes = F.exp(2 * p[0]), F.exp(2 * p[1])
    mean, spread = np.zeros(4), 4 * np.eye(4)
    q, total, means = pushes * (PUSH @ PUSH.T), 0.0, []
    for y in seen:
        mean = F.matmul(MOVE, mean)
        spread = F.matmul(F.matmul(MOVE, spread), MOVE.T) + q
        s = F.matmul(F.matmul(SEE, spread), SEE.T) + sensor * np.eye(2)
        error = y - F.matmul(SEE, mean)
        det = s[0, 0] * s[1, 1] - s[0, 1] * s[1, 0]
        adjugate = F.stack([F.stack([s[1, 1], -s[0, 1]]), F.stack([-s[1, 0], s[0, 0]])])
        gain = F.matmul(F.matmul(spread, SEE.T), adjugate / det)
        total = total + 0.5 * (F.log(det) + F.matmul(error, F.matmul(adjugate / det, error)))
        mean = mean + F.matmul(gain, error)
        spread = spread - F.matmul(F.matmul(gain, SEE), spread)
        means.append(mean[:2])
    return total, F.stack(means)


@functools.cache
def solve():
    """The minimizer's result, the true path, and what was seen."""
    path, seen = simulate()
    start = np.zeros(2)

    @descend.compile
    def loss(p):
        return filtered(p, seen)[0]

    return optimize.minimize(loss, start, method="BFGS"), path, seen


def main():
    """Print both errors, and what the filter gains."""
    found, path, seen = solve()
    sensor, pushes = np.exp(found.x)
    means = filtered(found.x, seen)[1]
    print(f"sensor's error: {sensor:.2f} (true: {SENSOR}), pushes: {pushes:.2f} (true: {PUSHES})")

    def error(x):
        return np.sqrt(np.mean((x - path) ** 2))

    print(f"error of the positions: {error(seen):.3f} as seen, {error(means):.3f} filtered")


def draw(axes):
    """The path, what was seen, and the filter's estimate."""
    found, path, seen = solve()
    means = filtered(found.x, seen)[1]
    axes.plot(*seen.T[::-1], ".", color="0.6", label="seen")
    axes.plot(*path.T[::-1], "--", color="gray", linewidth=1, label="path")
    axes.plot(*means.T[::-1], label="filtered")
    axes.set_aspect("equal")
    axes.legend(frameon=False)

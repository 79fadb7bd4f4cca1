"""Optimal control: a pendulum is swung up.

A motor that is too weak to lift the pendulum has four seconds to bring it upright and to rest. The
cost of a whole trajectory is a plain function of its 80 torques; its gradient goes back through
every step of the simulation, which runs as one compiled program.
"""

import functools

import numpy as np

import descend
import descend.functions as F
from descend import optimize

STEPS, DT = 80, 0.05
STRONGEST = 4.0
GRAVITY = 9.81


def step(state, torque):
    """Angle and speed (2,) after one step; the angle is 0 when it hangs, pi upright."""
    angle, speed = state[0], state[1]
    speed = speed + DT * (torque - GRAVITY * F.sin(angle) - 0.1 * speed)
    return F.stack([angle + DT * speed, speed])


def trajectory(torques):
    """The states (STEPS, 2) after each step from rest."""
    state, states = np.zeros(2), []
    for i in range(STEPS):
        state = step(state, torques[i])
        states.append(state)
    return F.stack(states)


def cost(torques):
    """How far it ends from upright and at rest, and how hard the motor worked."""
    end = trajectory(torques)[-1]
    missed = 100 * (1 + F.cos(end[0])) + 5 * end[1] ** 2
    return missed + 0.01 * F.sum(torques**2)


@functools.cache
def solve():
    """The minimizer's result."""
    start = 0.5 * np.sin(np.arange(STEPS) * DT * 3.1)
    bounds = (-STRONGEST, STRONGEST)
    compiled = descend.compile(cost)
    return optimize.minimize(compiled, start, bounds=bounds, options={"maxiter": 400})


def main():
    """Print where it ends."""
    found = solve()
    angle, speed = trajectory(found.x)[-1]
    print(f"ends at {np.degrees(angle):.1f} degrees with speed {speed:.2f}")
    print(
        f"strongest torque {np.abs(found.x).max():.2f} of {STRONGEST}; to hold it level takes 9.81"
    )
    print(f"cost {float(found.fun):.3f} after {found.nit} iterations")


def draw(axes):
    """Angle and torque over time."""
    found = solve()
    times = DT * np.arange(1, STEPS + 1)
    axes.axhline(180, color="gray", linewidth=1, linestyle="--")
    axes.plot(times, np.degrees(trajectory(found.x)[:, 0]), label="angle, degrees")
    axes.set_xlabel("seconds")
    axes.set_ylabel("degrees")
    right = axes.twinx()
    right.step(times, found.x, color="C1", label="torque", where="pre", linewidth=1)
    right.set_ylim(-3 * STRONGEST, 3 * STRONGEST)
    right.set_ylabel("torque")
    right.grid(False)

"""Molecular dynamics without writing down a force.

19 atoms attract and repel each other by the potential of Lennard and Jones. Only the energy is
written; forces are its gradient, compiled into one program, and the pull of each atom on its
neighbours (the Hessian) gives the vibrations of the crystal that the atoms freeze into.
"""

import functools

import numpy as np

import descend
import descend.functions as F
from descend import grad, hessian, optimize

ATOMS = 19
FIRST, SECOND = np.triu_indices(ATOMS, 1)


def energy(x):
    """The potential energy of atoms at x (n, 2), in units of the well's depth."""
    d = x[FIRST] - x[SECOND]
    s = 1 / F.sum(d * d, axis=1) ** 3
    return 4 * F.sum(s * s - s)


def lattice():
    """A hexagon of 19 atoms, one spacing apart, shaken."""
    rng = np.random.default_rng(0)
    places = [
        (a + b / 2, b * 3**0.5 / 2) for a in range(-2, 3) for b in range(-2, 3) if abs(a + b) <= 2
    ]
    return 1.12 * np.array(places) + 0.07 * rng.normal(size=(ATOMS, 2))


def simulate(x, steps, dt=0.005):
    """Verlet's steps from rest: the path (steps, n, 2) and the total energies (steps,)."""
    force = descend.compile(lambda x: -grad(energy)(x))
    v, path, energies = np.zeros_like(x), [], []
    f = force(x)
    for _ in range(steps):
        v = v + 0.5 * dt * f
        x = x + dt * v
        f = force(x)
        v = v + 0.5 * dt * f
        path.append(x)
        energies.append(float(energy(x)) + 0.5 * np.sum(v * v))
    return np.array(path), np.array(energies)


@functools.cache
def solve():
    """A simulation, the place of least energy, and the frequencies of its vibrations."""
    path, energies = simulate(lattice(), 600)
    rest = optimize.minimize(energy, lattice(), method="L-BFGS-B", tol=1e-12).x
    stiffness = hessian(energy)(rest).reshape(2 * ATOMS, 2 * ATOMS)
    return path, energies, rest, np.linalg.eigvalsh(stiffness)


def main():
    """Print how well energy is kept, and what the Hessian knows."""
    path, energies, rest, modes = solve()
    drift = np.ptp(energies) / abs(energies.mean())
    print(f"energy {energies.mean():.3f}, kept to {drift:.1e} over {len(path)} steps")
    still = np.sum(np.abs(modes) < 1e-6 * modes.max())
    print(
        f"least energy {float(energy(rest)):.3f}; {still} motions cost nothing (two shifts, a turn)"
    )
    print(f"frequencies from {modes[still] ** 0.5:.2f} to {modes[-1] ** 0.5:.2f}")


def draw(axes):
    """The atoms' paths, and where they would lie still."""
    path, _, rest, _ = solve()
    for atom in range(ATOMS):
        axes.plot(*path[:, atom].T, linewidth=0.8)
    axes.plot(*rest.T, "o", color="black", markersize=2.5)
    axes.set_aspect("equal")
    axes.set_axis_off()

"""minimize: SciPy's minimizers with exact derivatives end where hand-written derivatives lead."""

import re

import numpy as np
import pytest
import scipy.optimize

import descend.functions as F
from descend import Variable, nn, optimize

START = np.array([1.3, 0.7, 0.8, 1.9, 1.2])


def rosen(x):
    return F.sum(100 * (x[1:] - x[:-1] ** 2) ** 2 + (1 - x[:-1]) ** 2)


def beale(x):
    """Its minimum is 0 at (3, 0.5)."""
    a, b = x
    return (1.5 - a + a * b) ** 2 + (2.25 - a + a * b**2) ** 2 + (2.625 - a + a * b**3) ** 2


def booth(x):
    """Its minimum is 0 at (1, 3)."""
    return (x[0] + 2 * x[1] - 7) ** 2 + (2 * x[0] + x[1] - 5) ** 2


def himmelblau(x):
    """One of its four minima is 0 at (3, 2)."""
    return (x[0] ** 2 + x[1] - 11) ** 2 + (x[0] + x[1] ** 2 - 7) ** 2


def powell(x):
    """Powell's singular function: the Hessian at its minimum, 0 at 0, is singular."""
    a, b, c, d = x
    return (a + 10 * b) ** 2 + 5 * (c - d) ** 2 + (b - 2 * c) ** 4 + 10 * (a - d) ** 4


PROBLEMS = [
    (beale, [1.0, 1.0], [3, 0.5], 1e-4),
    (booth, [0.0, 0.0], [1, 3], 1e-4),
    (himmelblau, [2.5, 2.5], [3, 2], 1e-4),
    (powell, [3.0, -1.0, 0.0, 1.0], [0, 0, 0, 0], 2e-2),
    (lambda x: F.sum(x**2) - F.sum(10 * F.cos(0.3 * x)), [1.0, -0.5, 0.7], [0, 0, 0], 1e-4),
]


@pytest.mark.parametrize("method", ["L-BFGS-B", "Newton-CG", "trust-ncg", "trust-exact", "SLSQP"])
@pytest.mark.parametrize(("function", "start", "minimum", "close"), PROBLEMS)
def test_published_problems(function, start, minimum, close, method):
    found = optimize.minimize(function, np.array(start), method=method, tol=1e-9)
    np.testing.assert_allclose(found.x, minimum, atol=close)


@pytest.mark.parametrize("method", ["L-BFGS-B", "Newton-CG", "trust-ncg"])
def test_the_same_steps_as_with_hand_written_derivatives(method):
    by_hand = {"jac": scipy.optimize.rosen_der}
    if method != "L-BFGS-B":
        by_hand["hessp"] = scipy.optimize.rosen_hess_prod
    expected = scipy.optimize.minimize(scipy.optimize.rosen, START, method=method, **by_hand)
    found = optimize.minimize(rosen, START, method=method)
    assert abs(found.nit - expected.nit) <= 1
    np.testing.assert_allclose(found.x, expected.x, rtol=1e-3)


@pytest.mark.parametrize("method", ["Nelder-Mead", "BFGS", "CG", "TNC", "trust-krylov"])
def test_other_methods(method):
    found = optimize.minimize(
        rosen, START, method=method, options=None if method == "TNC" else {"maxiter": 3000}
    )
    np.testing.assert_allclose(found.x, np.ones(5), atol=2e-2)


def test_containers_keep_their_structure_shapes_and_dtypes():
    seen = []

    def function(p, target):
        seen.append((type(p["w"]), p["w"].dtype, p["b"][0].shape))
        return F.sum((p["w"] - target) ** 2) + (p["b"][0] + 1) ** 2

    start = {"w": np.zeros((2, 2), np.float32), "b": (0.0,)}
    found = optimize.minimize(function, start, (3.0,))
    assert found.success and found.x["w"].dtype == np.float32 and found.x["w"].shape == (2, 2)
    np.testing.assert_allclose(found.x["w"], 3, atol=1e-3)
    np.testing.assert_allclose(found.x["b"][0], -1, atol=1e-3)
    assert found.jac["w"].shape == (2, 2)
    assert seen[0] == (Variable, np.float32, ())
    assert not start["w"].any()


def test_bounds_callback_and_the_end_by_it():
    path = []
    found = optimize.minimize(booth, np.zeros(2), bounds=(0.0, 2.0), callback=path.append)
    np.testing.assert_allclose(found.x, [1.8, 2.0], atol=1e-5)
    assert len(path) == found.nit and path[-1].shape == (2,)

    def enough(x):
        raise StopIteration

    assert optimize.minimize(rosen, START, method="BFGS", callback=enough).nit == 1


def test_progress_is_shown(capsys):
    optimize.minimize(booth, np.zeros(2), progress=True)
    assert re.search(r"minimize: found after \d+ iterations, value", capsys.readouterr().err)


def test_a_network_fitted_by_bfgs():
    x = np.linspace(-1, 1, 30)[:, None]
    net = nn.Sequential(nn.Linear(1, 6, dtype=np.float64, rng=0), nn.Tanh(),
                        nn.Linear(6, 1, dtype=np.float64, rng=1))  # fmt: skip
    names = [name for name, _ in net.named_parameters()]

    def loss(p):
        h = F.tanh(F.linear(x, p[names[0]], p[names[1]]))
        return F.mse_loss(F.linear(h, p[names[2]], p[names[3]]), np.sin(3 * x))

    found = optimize.minimize(loss, {n: p.data for n, p in net.named_parameters()}, method="BFGS")
    assert found.fun < 1e-5


def test_integers_are_refused():
    with pytest.raises(TypeError, match="minimize: x0 holds an ndarray of int64"):
        optimize.minimize(booth, np.array([1, 2]))

"""The functions whose gradients the benchmark page compares: eager and compiled."""

import sys
from pathlib import Path

import numpy as np
import pytest

ROOT = Path(__file__).parents[1]
sys.path.insert(0, str(ROOT))

from benchmarks.science import modules  # noqa: E402
from benchmarks.science.functions import PROBLEMS  # noqa: E402

import descend.functions as F  # noqa: E402

PAGE = (ROOT / "docs" / "benchmarks-science.md").read_text(encoding="utf-8")


def slope_along(problem, direction, step=1e-6):
    """The derivative of the value along a direction, by central differences."""
    above, below = (
        np.asarray(problem.function(F, problem.parameters + s * direction, *problem.data))
        for s in (step, -step)
    )
    return (above - below) / (2 * step)


@pytest.mark.parametrize("name", PROBLEMS)
def test_the_gradient_is_the_slope_and_compiled_the_same(name):
    problem = PROBLEMS[name]
    value, gradient = modules.descend_eager(problem)()
    rng = np.random.default_rng(0)
    for _ in range(2):
        direction = rng.normal(size=gradient.shape)
        expected = slope_along(problem, direction)
        np.testing.assert_allclose(np.sum(gradient * direction), expected, rtol=1e-6, atol=1e-6)
    compiled = modules.descend_compiled(problem)
    for _ in range(2):
        again = compiled()
        np.testing.assert_allclose(again[0], value, rtol=1e-10)
        np.testing.assert_allclose(again[1], gradient, rtol=1e-8, atol=1e-10)


def test_the_hessian_is_the_change_of_the_gradient():
    problem = PROBLEMS["rosenbrock"]
    hessian = modules.descend_hessian(problem)()
    direction = np.random.default_rng(0).normal(size=problem.parameters.shape)
    above, below = (
        modules.descend_eager(problem._replace(parameters=problem.parameters + s * direction))()[1]
        for s in (1e-6, -1e-6)
    )
    np.testing.assert_allclose(hessian @ direction, (above - below) / 2e-6, rtol=1e-6, atol=1e-5)


def test_the_page_has_them_all():
    named = [
        line.split("|")[1].strip().replace(" ", "_") for line in PAGE.splitlines() if "us |" in line
    ]
    assert named == list(PROBLEMS)

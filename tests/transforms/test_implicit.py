"""Solutions of equations and of differential equations: values and derivatives of any order."""

import re

import numpy as np
import pytest
import scipy.integrate
import scipy.linalg

import descend
import descend.functions as F
from descend import Variable, grad, hessian, jacobian, vmap
from descend.testing import numerical_gradient
from descend.transforms import argmin, fixed_point, odeint, root

A = np.array([4.0, 9.0])


def square_root(a):
    return root(lambda x, a: x * x - a, np.ones(2), a)


def refused(kind, sentence):
    return pytest.raises(kind, match=re.escape(sentence))


# ---- equations --------------------------------------------------------------------------------


def test_a_root_and_its_derivatives():
    np.testing.assert_allclose(square_root(A), [2, 3])
    np.testing.assert_allclose(jacobian(square_root)(A), np.diag(0.5 / np.sqrt(A)))
    second = hessian(lambda a: F.sum(square_root(a)))(A)
    np.testing.assert_allclose(second, np.diag(-0.25 * A**-1.5), rtol=1e-6)


def test_a_root_of_several_arguments_in_containers():
    def solution(p, b):
        return F.sum(root(lambda x, p, b: F.matmul(p["m"], x) + x**3 - b, np.zeros(2), p, b) ** 2)

    p, b = {"m": np.array([[2.0, 0.3], [-0.1, 1.5]])}, np.array([1.0, -0.5])
    gp, gb = grad(solution, (0, 1))(p, b)
    expected = numerical_gradient(lambda m: solution({"m": m}, b), p["m"])
    np.testing.assert_allclose(gp["m"], expected, rtol=1e-6)
    np.testing.assert_allclose(gb, numerical_gradient(lambda b: solution(p, b), b), rtol=1e-6)


def test_a_fixed_point():
    def dottie(a):
        return fixed_point(lambda x, a: a * F.cos(x), 0.0, a)

    np.testing.assert_allclose(dottie(1.0), 0.7390851332151607)
    x = dottie(0.5)
    np.testing.assert_allclose(grad(dottie)(0.5), np.cos(x) / (1 + 0.5 * np.sin(x)))


def test_the_derivative_of_a_minimum():
    # ridge regression: its solution is known
    rng = np.random.default_rng(0)
    x, t = rng.normal(size=(8, 3)), rng.normal(size=8)

    def loss(w, strength):
        return F.sum((F.matmul(x, w) - t) ** 2) + strength * F.sum(w * w)

    def fitted(strength):
        return argmin(loss, np.zeros(3), strength)

    def exact(strength):
        return np.linalg.solve(x.T @ x + strength * np.eye(3), x.T @ t)

    np.testing.assert_allclose(fitted(0.7), exact(0.7), rtol=1e-8)
    slopes = -np.linalg.solve(x.T @ x + 0.7 * np.eye(3), exact(0.7))
    np.testing.assert_allclose(jacobian(fitted)(0.7), slopes, rtol=1e-6)


def test_solutions_of_examples_and_compiled():
    def one(a):
        return root(lambda x, a: x * x - a, np.array(1.0), a)

    np.testing.assert_allclose(vmap(one)(A), [2, 3])
    np.testing.assert_allclose(vmap(grad(one))(A), [1 / 4, 1 / 6])
    pytest.importorskip("llvmlite")
    compiled = descend.compile(grad(lambda a: F.sum(square_root(a))))
    for a in (A, 4 * A):
        np.testing.assert_allclose(compiled(a), 0.5 / np.sqrt(a))


def test_an_equation_without_solution():
    with refused(RuntimeError, "root: no solution was found"):
        root(lambda x, a: x * x + a, np.ones(1), 1.0)
    with refused(RuntimeError, "fixed_point: not found after 10 applications"):
        fixed_point(lambda x, a: a * x + 1, 1.0, 2.0, max_iter=10)
    with refused(RuntimeError, "argmin: no minimum was found"):
        argmin(lambda x, a: F.sum(a * x**3), np.ones(1), 1.0)
    with refused(ValueError, "fixed_point: the function answered (2,) for an x of ()"):
        fixed_point(lambda x, a: np.ones(2) * a, 1.0, 2.0)


# ---- differential equations -------------------------------------------------------------------

TIMES = np.array([0.1, 0.4, 1.0])


def damped(y, t, k):
    return F.stack([y[1], -k * y[0] - 0.1 * t * y[1]])


def test_solutions_are_scipys():
    y = odeint(damped, np.array([1.0, 0.0]), TIMES, 2.0)
    expected = scipy.integrate.solve_ivp(
        lambda t, y: [y[1], -2 * y[0] - 0.1 * t * y[1]], (0.1, 1.0), [1.0, 0.0], t_eval=TIMES,
        rtol=1e-10, atol=1e-12,
    ).y.T  # fmt: skip
    np.testing.assert_allclose(y, expected, rtol=1e-5)
    backwards = odeint(damped, y[-1], TIMES[::-1], 2.0)
    np.testing.assert_allclose(backwards[-1], [1, 0], atol=1e-6)
    assert odeint(damped, np.ones(2, np.float32), TIMES, 2.0).dtype == np.float32
    np.testing.assert_array_equal(odeint(damped, np.ones(2), TIMES[:1], 2.0), np.ones((1, 2)))


def test_gradients_of_everything():
    def loss(y0, t, k):
        return F.sum(odeint(damped, y0, t, k) ** 2 * np.array([1.0, 2.0]))

    given = [np.array([1.0, 0.3]), TIMES, np.array(2.0)]
    gradient = grad(loss, (0, 1, 2))(*given)
    for i, gx in enumerate(gradient):

        def along(x, i=i):
            return loss(*given[:i], x, *given[i + 1 :])

        np.testing.assert_allclose(gx, numerical_gradient(along, given[i]), rtol=1e-4, atol=1e-5)


def test_second_derivative_through_the_adjoint():
    def loss(k):
        return F.sum(odeint(lambda y, t, k: -k * y, np.ones(1), np.array([0.0, 1.0]), k)[-1])

    for order, expected in ((1, -np.exp(-0.7)), (2, np.exp(-0.7))):
        f = loss
        for _ in range(order):
            f = grad(f)
        np.testing.assert_allclose(f(0.7), expected, rtol=1e-5)


def test_a_linear_system_is_the_matrix_exponential():
    m = np.array([[0.0, 1.0], [-2.0, -0.3]])
    y = odeint(lambda y, t, m: F.matmul(m, y), np.eye(2), np.array([0.0, 1.5]), m)
    np.testing.assert_allclose(y[-1], scipy.linalg.expm(1.5 * m), rtol=1e-6)
    x = Variable(m)
    F.sum(odeint(lambda y, t, m: F.matmul(m, y), np.eye(2), np.array([0.0, 1.5]), x)[-1]).backward()
    expected = numerical_gradient(lambda m: scipy.linalg.expm(1.5 * m).sum(), m)
    np.testing.assert_allclose(x.grad.data, expected, rtol=1e-5)


def test_what_odeint_refuses():
    with refused(ValueError, "odeint: t () came, (n,) with at least one time is needed"):
        odeint(damped, np.ones(2), 1.0, 2.0)
    with refused(ValueError, "odeint: t neither rises nor falls throughout"):
        odeint(damped, np.ones(2), np.array([0.0, 1.0, 0.5]), 2.0)

"""grad, jacobian, hessian and their kin: values, structures, nesting, and what is refused."""

import re

import numpy as np
import pytest
import scipy.optimize

import descend
import descend.functions as F
from descend import (
    Variable,
    elementwise_grad,
    grad,
    hessian,
    hvp,
    jacobian,
    jvp,
    value_and_grad,
    vjp,
)
from descend.testing import numerical_gradient

RNG = np.random.default_rng(0)
A = RNG.normal(size=(3, 3))
X = RNG.normal(size=3)


def refused(kind, sentence):
    return pytest.raises(kind, match=re.escape(sentence))


def rosen(x):
    return F.sum(100 * (x[1:] - x[:-1] ** 2) ** 2 + (1 - x[:-1]) ** 2)


# ---- grad -------------------------------------------------------------------------------------


def test_arrays_in_arrays_out():
    y, gx = value_and_grad(lambda x: F.sum(x**3))(X)
    assert type(y) is type(gx) is np.ndarray and y.shape == ()
    np.testing.assert_allclose(gx, 3 * X**2)
    gx = grad(lambda x: F.sum(x * x))(X.astype(np.float32))
    assert gx.dtype == np.float32
    assert float(grad(lambda x: x**3)(2.0)) == 12


def test_derivatives_of_every_order():
    f = F.sin
    expected = [np.sin, np.cos, lambda x: -np.sin(x), lambda x: -np.cos(x), np.sin]
    for order in range(5):
        np.testing.assert_allclose(f(np.array(0.7)), expected[order](0.7))
        f = grad(f)
    with refused(ValueError, "grad: argnums 1 came, there are 1 arguments"):
        grad(F.sin, 1)(0.7)


def test_containers_and_several_arguments():
    def f(p, scale, *, power):
        return F.sum(p["w"] * p["b"][0]) * scale**power + p["b"][1]

    p = {"w": X, "b": [np.ones(3), 2.0]}
    gp, gs = grad(f, (0, 1))(p, 3.0, power=2)
    np.testing.assert_allclose(gp["w"], 9 * np.ones(3))
    np.testing.assert_allclose(gp["b"][0], 9 * X)
    assert float(gp["b"][1]) == 1
    np.testing.assert_allclose(gs, 6 * X.sum())
    assert grad(f, -1)(p, 3.0, power=2).shape == ()


def test_what_does_not_take_part_has_gradient_zero():
    _gx, gy = grad(lambda x, y: F.sum(x), (0, 1))(X, X)
    assert gy.tolist() == [0, 0, 0]
    assert grad(lambda x: F.sum(F.stop_gradient(x)))(X).tolist() == [0, 0, 0]
    assert float(grad(lambda x: 3.0)(2.0)) == 0


def test_aux_comes_beside():
    (_y, aux), gx = value_and_grad(lambda x: (F.sum(x), {"x": 2 * x}), has_aux=True)(X)
    assert type(aux["x"]) is np.ndarray
    np.testing.assert_allclose(aux["x"], 2 * X)
    gx2, _aux2 = grad(lambda x: (F.sum(x), x), has_aux=True)(X)
    np.testing.assert_array_equal(gx, gx2)
    with refused(TypeError, "grad: with has_aux the function answers a pair (value, aux)"):
        grad(F.sum, has_aux=True)(X)


def test_variables_stay_in_the_graph():
    x = Variable(X)
    gx = grad(lambda x: F.sum(x**3))(x)
    assert isinstance(gx, Variable)
    F.sum(gx).backward()
    np.testing.assert_allclose(x.grad.data, 6 * X)
    # one that the function uses without being given it
    w = Variable(np.array(2.0))
    gx = grad(lambda x: F.sum(w * x * x))(X)
    F.sum(gx).backward()
    np.testing.assert_allclose(w.grad.data, 2 * X.sum())
    with descend.no_grad():
        assert not grad(lambda x: F.sum(x**3))(x).requires_grad
    constant = Variable(X, requires_grad=False)
    assert isinstance(grad(F.sum)(constant), Variable)


def test_a_leaf_given_to_grad_keeps_its_own_gradient():
    x = Variable(X)
    grad(lambda x: F.sum(x * x))(x)
    assert x.grad is None and x.creator is None


def test_an_outer_argument_that_an_inner_function_uses():
    def outer(w):
        return F.sum(grad(lambda x: F.sum(F.sin(w * x)))(X) ** 2)

    gx = grad(outer)(X)
    assert type(gx) is np.ndarray  # the inner call's own Variable is nobody else's
    np.testing.assert_allclose(gx, numerical_gradient(outer, X), rtol=1e-7)


def test_elementwise_grad():
    np.testing.assert_allclose(elementwise_grad(F.tanh)(X), 1 - np.tanh(X) ** 2)
    twice = elementwise_grad(elementwise_grad(F.sin))
    np.testing.assert_allclose(twice(X), -np.sin(X))


def test_what_grad_refuses():
    with refused(TypeError, "grad: the function answered (3,), one number is needed"):
        grad(lambda x: x * x)(X)
    with refused(TypeError, "grad: an int of int64 came, which has no derivative"):
        grad(lambda x: x * x)(3)
    with refused(TypeError, "which has no derivative: floating point is needed"):
        grad(lambda x: F.sum(x))(np.array([1, 2]))


# ---- jacobian and hessian ---------------------------------------------------------------------


@pytest.mark.parametrize(
    "f",
    [
        lambda x: F.sin(A @ x),
        lambda x: F.sum(x * x),
        lambda x: F.concatenate([x, x * x, F.exp(x)]),  # more outputs than inputs: by columns
        lambda x: F.reshape(F.concatenate([x[::-1] * x, x, x]), (3, 3)),
        lambda x: F.stack([x[0], x[0] ** 2]),
    ],
)
def test_jacobian(f):
    expected = np.stack(
        [numerical_gradient(lambda x, p=p: f(x)[p], X) for p in np.ndindex(np.shape(f(X)))]
    ).reshape(*np.shape(f(X)), 3)
    np.testing.assert_allclose(jacobian(f)(X), expected, rtol=1e-7, atol=1e-9)


def test_jacobian_of_containers():
    found = jacobian(lambda p: {"y": p["a"] * p["b"], "z": (F.sum(p["a"]), 1.0)})(
        {"a": X, "b": np.array(2.0)}
    )
    np.testing.assert_allclose(found["y"]["a"], 2 * np.eye(3))
    np.testing.assert_allclose(found["y"]["b"], X)
    np.testing.assert_allclose(found["z"][0]["a"], np.ones(3))
    assert float(found["z"][0]["b"]) == 0 and found["z"][1]["a"].tolist() == [0, 0, 0]


def test_hessian_and_its_products_are_scipys_of_the_rosenbrock_function():
    x, v = RNG.normal(size=(2, 6))
    np.testing.assert_allclose(grad(rosen)(x), scipy.optimize.rosen_der(x))
    np.testing.assert_allclose(hessian(rosen)(x), scipy.optimize.rosen_hess(x))
    np.testing.assert_allclose(hvp(rosen)(x, v), scipy.optimize.rosen_hess_prod(x, v))


def test_hessian_of_several_arguments():
    h = hessian(lambda a, b: F.sum(a * a) * b**2, (0, 1))(X, 3.0)
    np.testing.assert_allclose(h[0][0], 18 * np.eye(3))
    np.testing.assert_allclose(h[0][1], 12 * X)
    np.testing.assert_allclose(h[1][0], 12 * X)
    np.testing.assert_allclose(h[1][1], 2 * (X @ X))


def test_the_derivative_of_a_jacobian():
    def f(x):
        return F.sum(jacobian(lambda x: F.sin(A @ x))(x) ** 2)

    def g(x):
        return F.sum(jacobian(lambda x: F.concatenate([x**2, F.sin(x)]))(x) ** 2)

    for function in (f, g):
        np.testing.assert_allclose(grad(function)(X), numerical_gradient(function, X), rtol=1e-6)


# ---- products ---------------------------------------------------------------------------------


def test_vjp_and_jvp_are_products_with_the_jacobian():
    def f(x, y):
        return F.sin(A @ x) * y, F.sum(x)

    y, v, w = RNG.normal(size=(3, 3))
    jx, jy = jacobian(lambda x, y: f(x, y)[0], (0, 1))(X, y)
    values, pullback = vjp(f, X, y)
    np.testing.assert_allclose(values[0], f(X, y)[0])
    for _ in range(2):
        gx, gy = pullback((v, 2.0))
        assert type(gx) is np.ndarray
        np.testing.assert_allclose(gx, v @ jx + 2)
        np.testing.assert_allclose(gy, v @ jy)
    values, (t0, t1) = jvp(f, (X, y), (v, w))
    np.testing.assert_allclose(t0, jx @ v + jy @ w)
    np.testing.assert_allclose(t1, v.sum())


def test_jvp_of_what_is_linear_or_constant():
    _, t = jvp(lambda x: 2 * x, (X,), (np.ones(3),))
    assert t.tolist() == [2, 2, 2]
    _, t = jvp(lambda x: np.ones(2), (X,), (X,))
    assert t.tolist() == [0, 0]


def test_derivatives_of_products():
    def f(x):
        return F.sum(F.sin(A @ x) ** 2)

    def along(x):
        return jvp(f, (x,), (x,))[1] + F.sum(vjp(F.exp, x)[1](x)[0]) + F.sum(hvp(f)(x, x))

    np.testing.assert_allclose(grad(along)(X), numerical_gradient(along, X), rtol=1e-6)


def test_what_products_refuse():
    with refused(ValueError, "vjp: a gradient (2,) came for an answer (3,)"):
        vjp(lambda x: x, X)[1](np.ones(2))
    with refused(ValueError, "vjp: 2 gradients came for 1 answers"):
        vjp(lambda x: x, X)[1]((X, X))
    with refused(ValueError, "jvp: a tangent (2,) came for an array (3,)"):
        jvp(lambda x: x, (X,), (np.ones(2),))
    with refused(ValueError, "hvp: a vector (2,) came for an array (3,)"):
        hvp(rosen)(X, np.ones(2))


# ---- compiled ---------------------------------------------------------------------------------

NESTED = {
    "grad of grad": lambda x: grad(lambda x: F.sum(grad(lambda v: F.sum(F.sin(v) ** 3))(x) ** 2))(
        x
    ),
    "jacobian by rows": jacobian(lambda x: F.sin(A @ x)),
    "jacobian by columns": jacobian(lambda x: F.concatenate([x, x * x])),
    "hessian": hessian(lambda x: F.sum(F.sin(A @ x) ** 3)),
    "gradient of a hessian": grad(lambda x: F.sum(hessian(rosen)(x) ** 2)),
    "vmap of grad": descend.vmap(grad(lambda x: x**3)),
    "vmap of hessian": lambda x: descend.vmap(hessian(rosen))(F.stack([x, x * x])),
    "jvp": lambda x: jvp(rosen, (x,), (x,))[1],
    "vjp": lambda x: vjp(F.sin, x)[1](x)[0],
    "hvp": lambda x: hvp(rosen)(x, x),
    "checkpoint": grad(lambda x: F.sum(descend.checkpoint(F.sin)(x))),
}


@pytest.mark.parametrize("name", NESTED)
def test_compiled_equals_eager(name):
    pytest.importorskip("llvmlite")
    compiled = descend.compile(NESTED[name])
    for x in (X, 2 * X):
        np.testing.assert_allclose(compiled(x), NESTED[name](x), rtol=1e-9, atol=1e-12)

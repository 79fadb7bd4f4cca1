"""checkpoint and custom_gradient: the same derivatives, another way to them."""

import re
import tracemalloc

import numpy as np
import pytest

import descend.functions as F
from descend import Variable, checkpoint, custom_gradient, grad, gradients, nn
from descend.testing import numerical_gradient


def test_a_network_in_checkpoints_has_the_same_gradients():
    blocks = [nn.Sequential(nn.Linear(4, 4, rng=i, dtype=np.float64), nn.Tanh()) for i in range(3)]
    x = np.random.default_rng(0).normal(size=(5, 4))

    def run(wrap):
        given = Variable(x)
        y = given
        for block in blocks:
            block.zero_grad()
            y = wrap(block)(y)
        F.sum(y * y).backward()
        return [given.grad.data, *(p.grad.data for block in blocks for p in block.parameters())]

    for a, b in zip(run(checkpoint), run(lambda block: block), strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-12)


def test_a_parameter_inside_and_before_a_checkpoint_counts_once_each():
    w = Variable(np.array(3.0))
    checkpoint(lambda x: F.sin(x) * w)(w * w).backward()
    np.testing.assert_allclose(w.grad.data, np.cos(9) * 6 * 3 + np.sin(9))
    w = Variable(np.array(3.0))
    [first] = gradients(checkpoint(lambda x: F.sin(x) * w)(w * w), w, create_graph=True)
    [second] = gradients(first, w)
    slope = numerical_gradient(lambda w: np.cos(w**2) * 2 * w**2 + np.sin(w**2), np.array(3.0))
    np.testing.assert_allclose(second.data, slope, rtol=1e-8)


def test_higher_derivatives_and_containers():
    def f(p):
        return {"y": F.exp(F.sin(p["x"])) * p["s"], "n": 3}

    def whole(x):
        return checkpoint(f)({"x": x, "s": 2.0})["y"]

    for order in range(1, 4):
        inside, plain = whole, lambda x: F.exp(F.sin(x)) * 2.0
        for _ in range(order):
            inside, plain = grad(inside), grad(plain)
        np.testing.assert_allclose(inside(0.7), plain(0.7))
    assert checkpoint(f)({"x": np.ones(2), "s": 2.0})["n"] == 3


def test_memory_is_that_of_one_block():
    def block(x):
        for _ in range(10):
            x = F.tanh(x)
        return x

    def peak(wrap):
        x = Variable(np.ones(50_000))
        tracemalloc.start()
        y = x
        for _ in range(8):
            y = wrap(block)(y)
        kept, _ = tracemalloc.get_traced_memory()
        F.sum(y).backward()
        _, most = tracemalloc.get_traced_memory()
        tracemalloc.stop()
        return kept, most

    kept, most = peak(checkpoint)
    plain_kept, plain_most = peak(lambda block: block)
    assert kept < plain_kept / 5 and most < plain_most / 2


def test_a_rule_of_ones_own():
    @custom_gradient
    def cube(x, scale):
        return x**3 * scale, lambda gy: gy * 3 * x**2 * scale  # of the only Variable

    x = Variable(np.array([1.0, 2.0]))
    y = cube(x, 2.0)
    F.sum(y).backward()
    assert x.grad.data.tolist() == [6, 24]
    np.testing.assert_allclose(grad(grad(lambda x: cube(x, 2.0)))(2.0), 24)
    assert cube(np.array(2.0), 1.0) == 8

    @custom_gradient
    def both(a, b):
        return (a * b, a + b), lambda g0, g1: (g0 * b + g1, None)

    ga, gb = grad(lambda a, b: sum(both(a, b)), (0, 1))(2.0, 5.0)
    assert float(ga) == 6 and float(gb) == 0


def test_a_function_without_a_rule_is_refused():
    @custom_gradient
    def wrong(x):
        return x

    with pytest.raises(
        TypeError, match=re.escape("custom_gradient: wrong answered a Variable, a pair")
    ):
        wrong(Variable(np.ones(2)))

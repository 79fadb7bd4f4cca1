"""No cycles, no growth, no recursion."""

import gc
import sys
import weakref

import numpy as np
import pytest

import descend.functions as F
from descend import Function, Variable, gradients


@pytest.fixture(autouse=True)
def _without_collector():
    gc.collect()
    gc.disable()
    yield
    gc.enable()


def test_a_long_chain_runs_backward_twice_and_is_freed_without_recursion():
    x = Variable(np.array(1.0))
    y = x
    for _ in range(200_000):
        y = y + 1.0
    y.backward()
    y.backward()
    assert x.grad.data == 2.0
    (gx,) = gradients(y, x)
    assert gx.data == 1.0
    last = weakref.ref(y.creator)
    del y
    assert last() is None


def test_a_long_chain_is_unchained_without_recursion():
    x = Variable(np.array(1.0))
    y = x
    for _ in range(50_000):
        y = y + 1.0
    y.unchain_backward()
    y.backward()
    assert x.grad is None


def leaked_blocks(steps, step):
    """How many more blocks of memory Python holds after ``steps`` calls; 0 cycles among them."""
    for _ in range(200):
        step()
    gc.collect()  # empties CPython's own free lists, which would count as growth
    before = sys.getallocatedblocks()
    for _ in range(steps):
        step()
    assert gc.collect() == 0, "reference cycles were left"
    return sys.getallocatedblocks() - before


W = [Variable(np.full((20, 20), 0.1)) for _ in range(3)]
X = np.ones((8, 20))


def forward():
    h = X
    for w in W:
        h = F.tanh(F.matmul(h, w))
    return F.mean(h * h)


def plain_step():
    loss = forward()
    for w in W:
        w.cleargrad()
    loss.backward()
    for w in W:
        w.data = w.data - 0.01 * w.grad.data


def second_order_step():
    gws = gradients(forward(), W, create_graph=True)
    penalty = F.sum(F.stack([F.sum(gw * gw) for gw in gws]))
    for w in W:
        w.cleargrad()
    penalty.backward()


def retaining_step():
    loss = forward()
    for w in W:
        w.cleargrad()
    loss.backward(retain_grad=True, create_graph=True)


class Fails(Function):
    def forward(self, x):
        return x * 1

    def backward(self, gy):
        raise ZeroDivisionError


def failing_step():
    loss = F.sum(Fails()(F.tanh(W[0] * 2)))
    try:
        loss.backward(create_graph=True)
    except ZeroDivisionError:
        pass
    try:
        loss + np.ones((2, 3, 4)) @ W[0]
    except ValueError:
        pass


@pytest.mark.parametrize("step", [plain_step, second_order_step, failing_step])
def test_a_thousand_steps_end_at_the_memory_they_began_with(step):
    assert leaked_blocks(1000, step) < 500  # one leaked object a step would be 1,000


def test_create_graph_with_backward_leaves_only_the_known_cycle():
    """x.grad holds the graph that x is a leaf of: clearing the gradients frees everything."""
    retaining_step()
    graph = weakref.ref(W[0].grad.creator)
    for w in W:
        w.cleargrad()
    assert graph() is None


def test_no_cycle_is_left_after_backward():
    x = Variable(np.ones(3))
    y = F.sum(F.exp(x * 2) * x)
    function = weakref.ref(y.creator)
    y.backward()
    del y
    assert function() is None

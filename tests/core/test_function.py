"""Function: what a rule gets, what is kept, the notebook's style."""

import gc
import weakref

import numpy as np
import pytest

import descend.functions as F
from descend import Function, Variable, gradients
from descend.functions.arrangement.shape import BroadcastTo
from descend.functions.reductions.reduction import LogSumExp


class Mul(Function):
    """The notebook's style."""

    def forward(self, x0, x1):
        return x0 * x1

    def backward(self, gy):
        x0, x1 = self.inputs
        return gy * x1, gy * x0


class Exp(Function):
    """DeZero's style: reads its output."""

    def forward(self, x):
        return np.exp(x)

    def backward(self, gy):
        y = self.outputs[0]()
        return gy * y


def test_the_notebooks_style_works_to_second_order_with_dropped_intermediates():
    x = Variable(np.array(1.0))
    y = F.sin(Exp()(Mul()(x, x)))
    (gx,) = gradients(y, x, create_graph=True)
    (ggx,) = gradients(gx, x)
    e = np.exp(1.0)
    np.testing.assert_allclose(gx.data, 2 * e * np.cos(e))
    expected = (2 * e + 4 * e) * np.cos(e) - 4 * e * e * np.sin(e)
    np.testing.assert_allclose(ggx.data, expected)
    y.backward()
    np.testing.assert_allclose(x.grad.data, gx.data)


def test_a_rule_gets_what_it_names_and_nothing_else_is_kept():
    seen = {}

    class Probe(Function):
        def forward(self, a, b):
            self.keep(mask=a > 0)
            return a * b, a + b

        def backward(self, gy0, gy1, *, b, y1, a_shape, a_dtype, mask):
            seen.update(b=b, y1=y1, a_shape=a_shape, a_dtype=a_dtype, mask=mask)
            return gy0 * b + gy1, None

    a, b = Variable(np.array([1.0, -1.0])), Variable(np.array([2.0, 3.0]))
    y0, y1 = Probe()(a, b)
    assert set(y0.creator.kept) == {"b", "y1", "a_shape", "a_dtype", "mask"}
    assert y0.index == 0 and y1.index == 1
    F.sum(y0).backward()
    assert seen["b"] is b.data and seen["y1"] is y1.data
    assert (seen["a_shape"], seen["a_dtype"]) == ((2,), np.float64)
    assert seen["mask"].tolist() == [True, False]
    F.sum(y0 + y1).backward(create_graph=True)
    assert seen["b"] is b and isinstance(seen["y1"], Variable)


def test_kept_for_drops_what_no_gradient_needs():
    x, w = Variable(np.ones(2)), Variable(np.ones(2), requires_grad=False)
    assert (x * w).creator.kept == {"x0": None, "x1": w.data}


def test_an_array_that_no_rule_named_is_freed_while_the_graph_lives():
    x = Variable(np.ones(1000))
    h = x * 2
    array = weakref.ref(h.data)
    y = F.exp(h)
    del h
    gc.collect()
    assert array() is None
    (freed,) = y.creator.inputs
    assert (freed.shape, freed.dtype, freed.generation) == ((1000,), np.float64, 1)
    assert freed.creator.name == "multiply"
    with pytest.raises(RuntimeError, match=r"multiply: the output .* was freed"):
        _ = freed.data
    y.backward()
    np.testing.assert_allclose(x.grad.data, 2 * np.exp(2))


def test_inputs_answers_the_very_variables_that_live():
    x, c = Variable(np.ones(2)), np.ones(2)
    h = x * 2
    y = h * c
    assert y.creator.inputs[0] is h
    assert h.creator.inputs[0] is x
    assert h.creator.inputs[1] is not None  # the constant 2, kept for x's gradient


def test_outputs_are_held_weakly():
    x = Variable(np.ones(2))
    y = F.sin(x)
    creator = y.creator
    assert creator.outputs[0]() is y
    del y
    assert creator.outputs[0]() is None


def test_raw_arrays_in_raw_arrays_out():
    assert type(F.sin(np.ones(2))) is np.ndarray
    assert type(F.add([1.0], 2)) is np.ndarray
    assert isinstance(F.add(Variable(np.ones(1)), 2), Variable)


def test_a_convolution_like_rule_can_skip_what_is_not_needed():
    asked = []

    class Product(Function):
        def forward(self, x, w):
            return x * w

        def backward(self, gy, *, x, w):
            asked.append(self.needs)
            return gy * w if self.needs[0] else None, gy * x if self.needs[1] else None

    w = Variable(np.ones(2))
    F.sum(Product()(np.ones(2), w)).backward()
    assert asked == [(False, True)]


def test_names_for_messages():
    assert (BroadcastTo.name, LogSumExp.name) == ("broadcast_to", "logsumexp")


def test_functions_take_arguments_by_name():
    x = np.arange(6.0).reshape(2, 3)
    assert F.sum(x, 0).tolist() == F.sum(x, axis=0).tolist() == F.sum(x=x, axis=0).tolist()
    assert F.add(x0=1, x1=np.ones(1)).tolist() == [2]
    assert F.linear(x, weight=np.ones((2, 3))).shape == (2, 2)


def test_a_notebook_rule_is_inherited():
    class Same(Mul):
        pass

    x = Variable(np.array(3.0))
    Same()(x, x).backward()
    assert x.grad.data == 6.0


def test_forward_may_answer_a_list_of_outputs():
    class Both(Function):
        def forward(self, x):
            return [x * 2, x * 3]

        def backward(self, gy0, gy1):
            return gy0 * 2 + gy1 * 3

    x = Variable(np.ones(2))
    first, second = Both()(x)
    (first + second).sum().backward()
    np.testing.assert_array_equal(x.grad.data, [5, 5])
    assert [type(y) for y in Both()(np.ones(2))] == [np.ndarray] * 2

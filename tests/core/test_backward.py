"""The walk: order, accumulation, what is kept and what is freed."""

import numpy as np
import pytest

import descend.functions as F
from descend import Function, Variable, gradients, no_grad, using_config


class Halves(Function):
    """Two outputs, so that one of them can be dropped."""

    def forward(self, x):
        return x[: len(x) // 2] * 2, x[len(x) // 2 :] * 3

    def backward(self, gy0, gy1):
        return F.concatenate([gy0 * 2, gy1 * 3])


def test_the_notebooks_diamond():
    x = Variable(np.array(2.0))
    a = x * x
    y = a * a + a * a
    y.backward()
    assert x.grad.data == 64.0
    assert a.grad is None and y.grad is None


def test_functions_run_once_and_newest_generation_first():
    order = []

    class Spy(Function):
        def __init__(self, name):
            self.label = name

        def forward(self, *xs):
            return sum(xs)

        def backward(self, gy):
            order.append(self.label)
            return (gy,) * len(self.edges)

    x = Variable(np.array(1.0))
    a = Spy("a")(x)
    b = Spy("b")(a)
    c = Spy("c")(b)
    d = Spy("d")(a)
    e = Spy("e")(d, c, a)
    e.backward()
    assert order == ["e", "c", "d", "b", "a"]
    assert [v.creator.generation for v in (a, b, c, d, e)] == [0, 1, 2, 1, 3]
    assert [v.generation for v in (a, b, c, d, e)] == [1, 2, 3, 2, 4]
    assert x.grad.data == 3.0


def test_a_leafs_own_backward_sets_ones():
    x = Variable(np.array([1.0, 2.0], np.float32))
    x.backward()
    np.testing.assert_array_equal(x.grad.data, [1, 1])
    assert x.grad.dtype == np.float32


def test_constants_refuse_backward():
    with pytest.raises(RuntimeError, match="has no gradient"):
        Variable(np.array([1])).backward()
    with no_grad():
        y = Variable(np.ones(2)) * 2
    with pytest.raises(RuntimeError, match=r"computed under no_grad\(\)"):
        y.backward()


def test_it_starts_from_grad_and_adds_to_leaves():
    x = Variable(np.array([1.0, 2.0]))
    y = x * 3
    y.grad = Variable(np.array([10.0, 100.0]))
    y.backward()
    np.testing.assert_array_equal(x.grad.data, [30, 300])
    y.backward()
    np.testing.assert_array_equal(x.grad.data, [33, 303])


def test_retain_grad_keeps_what_lies_between():
    x = Variable(np.array(2.0))
    a = x * x
    y = a * 3
    y.backward(retain_grad=True)
    assert (y.grad.data, a.grad.data, x.grad.data) == (1.0, 3.0, 12.0)
    y.grad = None
    y.backward()
    assert y.grad is None and a.grad is None and x.grad.data == 24.0


def test_intermediate_gradients_of_an_earlier_walk_do_not_flow_again():
    x = Variable(np.array(2.0))
    a = x * x
    b = a * 3
    b.backward(retain_grad=True)
    x.cleargrad()
    (a * 5).backward()
    assert x.grad.data == 20.0


def test_outputs_nobody_reached_count_as_zeros_and_may_be_dropped():
    x = Variable(np.arange(4.0))
    first, second = Halves()(x)
    del first
    second.sum().backward()
    np.testing.assert_array_equal(x.grad.data, [0, 0, 3, 3])


def test_gradients_do_not_alias():
    a, b = Variable(np.ones(3)), Variable(np.ones(3))
    y = F.sum((a + b) ** 2)
    y.backward()
    assert a.grad is not b.grad
    assert not np.shares_memory(a.grad.data, b.grad.data)
    a.grad.data *= 0
    np.testing.assert_array_equal(b.grad.data, [4, 4, 4])


@pytest.mark.parametrize("create_graph", [False, True])
def test_gradients_are_writeable_and_own_their_memory(create_graph):
    a, b = Variable(np.ones((2, 3))), Variable(np.ones(3))
    seed = np.ones(())
    y = F.sum(a + b)
    y.grad = Variable(seed)
    y.backward(create_graph=create_graph)
    for x in (a, b):
        x.grad.data[...] = 7  # a read-only view would raise
    assert seed == 1
    np.testing.assert_array_equal(b.data, np.ones(3))


def test_a_seed_is_not_handed_out_as_a_gradient():
    a, b = Variable(np.ones(3)), Variable(np.ones(3))
    seed = np.ones(3)
    y = a + b
    y.grad = Variable(seed)
    y.backward(retain_grad=True)
    a.grad.data *= 5
    b.grad.data *= 7
    np.testing.assert_array_equal(seed, [1, 1, 1])
    np.testing.assert_array_equal(y.grad.data, [1, 1, 1])


def test_a_rule_may_answer_a_kept_array():
    class Weigh(Function):
        def forward(self, x, w):
            return np.sum(x * w)

        def backward(self, gy, *, x, w):
            return w, x

    x, w = Variable(np.ones(2)), Variable(np.full(2, 3.0))
    Weigh()(x, w).backward()
    x.grad.data[...] = 0
    np.testing.assert_array_equal(w.data, [3, 3])


@pytest.mark.parametrize("uses", [1, 2, 3, 17, 64])
def test_one_weight_used_many_times(uses):
    w = Variable(np.array(1.5))
    total = F.sum(F.stack([w * i for i in range(uses)]))
    total.backward()
    assert w.grad.data == sum(range(uses))


def test_higher_derivatives_of_sin():
    x = Variable(np.array(1.0))
    F.sin(x).backward(create_graph=True)
    for n in range(1, 6):
        expected = [np.sin, np.cos, lambda v: -np.sin(v), lambda v: -np.cos(v)][n % 4](1.0)
        np.testing.assert_allclose(x.grad.data, expected, rtol=1e-14)
        gx, x.grad = x.grad, None
        gx.backward(create_graph=True)


def test_second_derivative_after_intermediates_are_gone():
    x = Variable(np.array(0.7))
    y = F.exp(F.sin(x * 2) * 3)  # nobody holds x * 2 or the sine
    (gx,) = gradients(y, x, create_graph=True)
    (ggx,) = gradients(gx, x)
    s, c, e = np.sin(1.4), np.cos(1.4), np.exp(3 * np.sin(1.4))
    np.testing.assert_allclose(gx.data, 6 * c * e, rtol=1e-14)
    np.testing.assert_allclose(ggx.data, (36 * c * c - 12 * s) * e, rtol=1e-13)


def test_rebinding_data_after_the_forward_pass_changes_no_gradient():
    x = Variable(np.array(3.0))
    y = x * x * x
    x.data = np.array(100.0)
    (gx,) = gradients(y, x, create_graph=True)
    assert gx.data == 27.0
    (ggx,) = gradients(gx, x)
    assert ggx.data == 18.0


def test_integer_indices_get_no_gradient():
    x, i = Variable(np.ones(3)), Variable(np.array([0, 0]))
    F.sum(x[i]).backward()
    assert i.grad is None
    np.testing.assert_array_equal(x.grad.data, [2, 0, 0])


@pytest.mark.parametrize("dtype", [np.float16, np.float32, np.float64])
def test_a_gradient_has_the_shape_and_dtype_of_its_input(dtype):
    x = Variable(np.ones((3, 1), dtype))
    y = Variable(np.ones((2, 1, 4)))
    F.sum(x * y).backward()
    assert (x.grad.shape, x.grad.dtype) == ((3, 1), dtype)
    np.testing.assert_array_equal(x.grad.data, np.full((3, 1), 8))


def test_a_wrong_rule_is_named():
    class Bad(Function):
        answer = None

        def forward(self, x):
            return x * 1

        def backward(self, gy):
            return self.answer

    x = Variable(np.ones((2, 3)))
    Bad.answer = np.ones((3, 3))
    with pytest.raises(ValueError, match=r"bad: its rule answered a gradient \(3, 3\) for an inp"):
        Bad()(x).backward()
    Bad.answer = (np.ones((2, 3)), None)
    with pytest.raises(ValueError, match="bad: backward answered 2 gradients for 1 inputs"):
        Bad()(x).backward()
    Bad.answer = np.ones((2, 3))
    with pytest.raises(TypeError, match="bad: with create_graph its rule answered an ndarray"):
        Bad()(x).backward(create_graph=True)
    assert x.grad is None  # nothing was added before the error


def test_a_function_without_a_rule_raises_and_does_not_lose_the_graph():
    class Floor(Function):
        def forward(self, x):
            return np.floor(x)

    y = Floor()(Variable(np.ones(2)))
    with pytest.raises(NotImplementedError, match="floor: there is no derivative"):
        y.backward()


def test_gradients_touches_no_grad():
    x, w = Variable(np.array(2.0)), Variable(np.array(3.0))
    x.grad = Variable(np.array(7.0))
    h = x * w
    y = h * h
    gx, gh = gradients(y, [x, h])
    assert (gx.data, gh.data) == (36.0, 12.0)
    assert x.grad.data == 7.0 and w.grad is None and h.grad is None and y.grad is None


def test_gradients_walks_only_what_is_needed():
    called = []

    class Spy(Function):
        def __init__(self, label):
            self.label = label

        def forward(self, x0, x1):
            return x0 * x1

        def backward(self, gy, *, x0, x1):
            called.append((self.label, self.needs))
            return gy * x1, gy * x0

    x, w = Variable(np.array(2.0)), Variable(np.array(3.0))
    side = Spy("side")(w, w)
    y = Spy("main")(x, side)
    (gx,) = gradients(y, x)
    assert gx.data == 9.0
    assert called == [("main", (True, False))]
    called.clear()
    gradients(y, side)
    assert called == [("main", (False, True))]
    called.clear()
    gradients(y, w)
    assert called == [("main", (False, True)), ("side", (True, True))]


def test_gradients_of_several_outputs_add_up():
    x = Variable(np.array([1.0, 2.0]))
    a, b = x * 2, x * x
    (gx,) = gradients([a, b], x, grad_outputs=[np.array([1.0, 1.0]), None])
    np.testing.assert_array_equal(gx.data, [4, 6])
    (gx,) = gradients([a, a], x)
    np.testing.assert_array_equal(gx.data, [4, 4])


def test_gradients_of_a_variable_by_itself_and_by_an_input_of_an_input():
    x = Variable(np.array(3.0))
    assert gradients(x, x)[0].data == 1.0
    y = x * 2
    z = y * x
    gy, gx, gz = gradients(z, [y, x, z])
    assert (gy.data, gx.data, gz.data) == (3.0, 12.0, 1.0)


def test_gradients_unused():
    x, other = Variable(np.array(1.0)), Variable(np.ones(2))
    y = x * 2
    with pytest.raises(ValueError, match=r"do not depend on input 1 \(2,\)"):
        gradients(y, [x, other])
    assert gradients(y, [x, other], allow_unused=True)[1] is None


def test_results_of_gradients_do_not_alias():
    a, b = Variable(np.ones(3)), Variable(np.ones(3))
    ga, gb = gradients(a + b, [a, b])
    ga.data *= 0
    np.testing.assert_array_equal(gb.data, [1, 1, 1])
    ga, again = gradients(a + b, [a, a])
    ga.data *= 0
    np.testing.assert_array_equal(again.data, [1, 1, 1])


def test_enable_backprop_off_remembers_nothing():
    x = Variable(np.ones(2))
    with using_config("enable_backprop", False):
        y = x * 2
    assert y.creator is None and not y.requires_grad
    y = Variable(np.ones(2), requires_grad=False) * 2
    assert y.creator is None


def test_gradients_without_create_graph_have_none():
    x = Variable(np.array(2.0))
    (x**3).backward()
    assert x.grad.creator is None and not x.grad.requires_grad
    x.cleargrad()
    (x**3).backward(create_graph=True)
    assert x.grad.creator is not None


def test_pythons_sum_starts_at_int_zero_and_float32_stays():
    xs = [Variable(np.ones(2, np.float32)) for _ in range(3)]
    total = sum(xs)
    assert total.dtype == np.float32
    F.sum(total).backward()
    assert xs[0].grad.dtype == np.float32


def test_an_error_leaves_every_grad_as_it_was():
    class Fails(Function):
        def forward(self, x):
            return x * 1

        def backward(self, gy):
            raise ZeroDivisionError

    x = Variable(np.ones(2))
    y = Fails()(x) * 2 + x
    seed = y.grad = Variable(np.ones(2))
    for retain_grad in (False, True):
        with pytest.raises(ZeroDivisionError):
            y.backward(retain_grad=retain_grad)
        assert y.grad is seed and x.grad is None
        np.testing.assert_array_equal(seed.data, [1, 1])


def test_gradients_looks_at_nothing_older_than_its_inputs():
    x = Variable(np.array(2.0))
    old = x * 3
    h = old * old
    y = h * h
    del old.creator.edges  # a walk that came by would fail
    assert gradients(y, h)[0].data == 72.0


def test_rebinding_what_lies_between_changes_no_gradient():
    x = Variable(np.array(3.0))
    h = x * x
    y = F.exp(h) * h
    h.data = np.array(-1.0)
    (gx,) = gradients(y, x, create_graph=True)
    (ggx,) = gradients(gx, x)
    np.testing.assert_allclose(gx.data, 6 * np.exp(9) * 10, rtol=1e-14)
    np.testing.assert_allclose(ggx.data, np.exp(9) * (2 * 10 + 36 * 11), rtol=1e-13)


def test_gradients_to_nothing_is_nothing():
    assert gradients(Variable(np.ones(2)) * 2, []) == []

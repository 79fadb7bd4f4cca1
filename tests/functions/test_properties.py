"""Properties that hold for every shape, index and composition."""

import hypothesis.extra.numpy as hnp
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import descend.functions as F
from descend import Variable, gradients
from descend.core import arrays
from descend.testing import check_function

inf, nan = np.inf, np.nan


numbers = st.floats(-8, 8, width=32)
shapes = hnp.array_shapes(min_dims=0, max_dims=4, min_side=0, max_side=4)


def filled(shape, seed=0):
    return np.random.default_rng(seed).normal(size=shape)


def total_in(gx, shape):
    """A gradient summed over what broadcasting has repeated, element by element."""
    y = np.zeros(shape)
    sources = np.broadcast_to(np.arange(y.size).reshape(shape), gx.shape)
    np.add.at(y.reshape(-1), sources, gx)
    return y


pairs_of_shapes = hnp.mutually_broadcastable_shapes(
    num_shapes=2, max_dims=4, min_side=0, max_side=3
).map(lambda both: both.input_shapes)


@given(pairs_of_shapes)
def test_broadcast_operands_get_the_sum_of_their_gradients(both):
    x0, x1 = (Variable(filled(shape, i)) for i, shape in enumerate(both))
    gy = filled(np.broadcast_shapes(*both), 2)
    gx0, gx1 = gradients(x0 + x1, [x0, x1], [gy])
    np.testing.assert_allclose(gx0.data, total_in(gy, x0.shape), atol=1e-12)
    np.testing.assert_allclose(gx1.data, total_in(gy, x1.shape), atol=1e-12)
    gx0, gx1 = gradients(x0 * x1, [x0, x1], [gy])
    np.testing.assert_allclose(gx0.data, total_in(gy * x1.data, x0.shape), atol=1e-12)
    np.testing.assert_allclose(gx1.data, total_in(gy * x0.data, x1.shape), atol=1e-12)


@given(pairs_of_shapes)
def test_sum_to_is_the_adjoint_of_broadcast_to(both):
    shape, large = both[0], np.broadcast_shapes(*both)
    x, y = filled(shape, 0), filled(large, 1)
    down, up = F.sum_to(y, shape), F.broadcast_to(x, large)
    assert down.shape == shape
    assert np.sum(x * down) == pytest.approx(np.sum(up * y), abs=1e-10)
    np.testing.assert_allclose(arrays.sum_to(y, shape), total_in(y, shape), atol=1e-12)


@given(st.data(), shapes)
def test_rearranging_and_back_again(data, shape):
    x = Variable(filled(shape))
    axes = data.draw(st.permutations(range(len(shape))))
    y = F.reshape(F.transpose(x, tuple(axes)), (x.size,))
    np.testing.assert_array_equal(y.data, np.transpose(x.data, axes).reshape(-1))
    back = F.transpose(
        F.reshape(y, tuple(shape[i] for i in axes)), tuple(int(i) for i in np.argsort(axes))
    )
    np.testing.assert_array_equal(back.data, x.data)
    gy = filled(shape, 1)
    (gx,) = gradients(back, x, [gy])
    np.testing.assert_array_equal(gx.data, gy)


@given(st.data(), hnp.array_shapes(min_dims=1, max_dims=3, min_side=1, max_side=4))
def test_cutting_and_joining(data, shape):
    axis = data.draw(st.integers(-len(shape), len(shape) - 1))
    cuts = sorted(data.draw(st.lists(st.integers(0, shape[axis]), max_size=3)))
    x, gy = Variable(filled(shape)), filled(shape, 1)
    parts = F.split(x, cuts, axis=axis)
    for part, expected in zip(parts, np.split(x.data, cuts, axis), strict=True):
        np.testing.assert_array_equal(part.data, expected)
    y = F.concatenate(parts, axis)
    np.testing.assert_array_equal(y.data, x.data)
    np.testing.assert_array_equal(gradients(y, x, [gy])[0].data, gy)


@st.composite
def arrays_and_indices(draw):
    shape = draw(hnp.array_shapes(min_dims=1, max_dims=4, min_side=1, max_side=4))
    basic = hnp.basic_indices(shape, allow_newaxis=True)
    fancy = hnp.integer_array_indices(shape)
    mask = hnp.arrays(bool, shape[: draw(st.integers(1, len(shape)))])
    rows = hnp.arrays(
        np.intp,
        hnp.array_shapes(max_dims=2, max_side=4, min_side=0),
        elements=st.integers(-shape[0], shape[0] - 1),
    )
    return shape, draw(st.one_of(basic, fancy, mask, rows))


@given(arrays_and_indices())
def test_getitem_and_its_adjoint(given_index):
    shape, index = given_index
    x = Variable(filled(shape))
    y = x[index]
    np.testing.assert_array_equal(y.data, x.data[index])
    gy = filled(y.shape, 1)
    (gx,) = gradients(y, x, [gy])
    expected = np.zeros(shape)
    np.add.at(expected, index, gy)
    np.testing.assert_allclose(gx.data, expected, atol=1e-12)
    # the adjoint of the adjoint is the index again
    v, w = Variable(gy), filled(shape, 2)
    scattered = F.scatter_to(v, index, shape)
    np.testing.assert_allclose(scattered.data, expected, atol=1e-12)
    np.testing.assert_array_equal(gradients(scattered, v, [w])[0].data, w[index])


@given(
    hnp.arrays(np.float64, hnp.array_shapes(min_dims=1, max_dims=3, min_side=1), elements=numbers)
)
def test_extremes_give_their_gradient_away_exactly_once(x):
    for function in (F.max, F.min):
        for axis in (None, -1):
            v = Variable(x)
            y = function(v, axis)
            np.testing.assert_array_equal(y.data, getattr(np, function.__name__)(x, axis))
            y.sum().backward()
            np.testing.assert_allclose(np.sum(v.grad.data, axis), np.ones(y.shape))


@given(hnp.arrays(np.float64, st.integers(0, 7), elements=st.sampled_from([0.0, -2.0, 0.5, 3.0])))
def test_prod_has_the_product_of_the_others_for_its_gradient(x):
    v = Variable(x)
    F.prod(v).backward()
    others = [np.prod(np.delete(x, i)) for i in range(len(x))]
    np.testing.assert_allclose(v.grad.data, others, rtol=1e-12, atol=0)


# ---- several operations together --------------------------------------------------------------


def perceptron(x, w0, b0, w1):
    return F.log_softmax(F.linear(F.tanh(F.linear(x, w0, b0)), w1))[:, 0]


def attention(q, k, v):
    return F.matmul(F.softmax(F.matmul(q, F.swapaxes(k, -1, -2)) / 2.0), v)


def block(x, weight, scale):
    y = F.batch_norm(F.conv2d(x, weight, padding=1), None, None, scale, None, training=True)
    return F.avg_pool2d(F.gelu(y), 2)


def reused(x):
    y = x * F.sum(x) + F.mean(x, axis=0)
    return F.concatenate([y, y[::-1] * x, F.stack([x[0], y[1]])]) / (1 + F.max(F.square(y)))


@pytest.mark.parametrize(
    ("function", "shapes"),
    [
        (perceptron, [(3, 4), (5, 4), (5,), (2, 5)]),
        (attention, [(2, 3, 4), (2, 5, 4), (2, 5, 2)]),
        (block, [(2, 2, 4, 4), (3, 2, 3, 3), (3,)]),
        (reused, [(3, 2)]),
    ],
)
def test_compositions_to_the_third_derivative(function, shapes):
    check_function(function, *[filled(shape, i) for i, shape in enumerate(shapes)])

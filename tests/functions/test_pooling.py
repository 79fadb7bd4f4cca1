"""Pooling, unfold and fold: values, borders, ties, adjoints, refusals."""

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

import descend.functions as F
from descend import Variable, gradients
from descend.testing import check_function

rng = np.random.default_rng(0)


def random(*shape):
    return rng.standard_normal(shape)


def shared_gradient(x, *args, **params):
    v = Variable(np.array(x, dtype=float)[None, None])
    F.max_pool2d(v, *args, **params).sum().backward()
    return v.grad.data[0, 0]


# ---- max_pool2d ---------------------------------------------------------------------------------


def test_the_largest_of_each_window():
    x = random(2, 3, 4, 6)
    expected = x.reshape(2, 3, 2, 2, 2, 3).max(axis=(3, 5))
    assert np.array_equal(F.max_pool2d(x, (2, 3)), expected)


def test_overlapping_windows_add_their_gradients():
    x = [[0.0, 1.0, 0.0], [1.0, 9.0, 1.0], [0.0, 1.0, 0.0]]
    assert shared_gradient(x, 2, stride=1).tolist() == [[0, 0, 0], [0, 4, 0], [0, 0, 0]]


def test_the_border_never_wins():
    """DeZero pads with 0."""
    x = -1 - np.abs(random(1, 1, 3, 3))
    y = F.max_pool2d(x, 3, stride=2, padding=1)
    assert y.tolist() == [[[[x[0, 0, a : a + 2, b : b + 2].max() for b in (0, 1)] for a in (0, 1)]]]


@pytest.mark.parametrize("dtype", [np.int8, np.uint8, np.int64, bool])
def test_integers_have_a_border_that_never_wins(dtype):
    x = np.full((1, 1, 2, 2), np.iinfo(np.int8).min if dtype == np.int8 else 0).astype(dtype)
    y = F.max_pool2d(x, 2, stride=1, padding=1)
    assert y.dtype == dtype
    assert np.array_equal(y, np.full((1, 1, 3, 3), x[0, 0, 0, 0]))


def test_minus_infinity_is_an_ordinary_element():
    x = np.full((1, 1, 2, 2), -np.inf)
    assert F.max_pool2d(x, 2).item() == -np.inf
    assert shared_gradient(x[0, 0], 2).tolist() == [[0.25, 0.25], [0.25, 0.25]]


def test_nan_is_the_largest():
    assert np.isnan(F.max_pool2d(np.array([[[[1.0, np.nan]]]]), (1, 2)).item())


@pytest.mark.parametrize(
    ("x", "expected"),
    [
        ([[1, 3], [3, 2]], [[0, 0.5], [0.5, 0]]),
        ([[2, 2], [2, 1]], [[1 / 3, 1 / 3], [1 / 3, 0]]),
        ([[0, 0], [0, 0]], [[0.25, 0.25], [0.25, 0.25]]),
        ([[0.0, -0.0], [-1, -1]], [[0.5, 0.5], [0, 0]]),
    ],
)
def test_ties_share_the_gradient_evenly(x, expected):
    np.testing.assert_allclose(shared_gradient(x, 2), expected)


def test_shares_of_overlapping_windows_sum_to_their_number():
    x = rng.integers(0, 2, (7, 6))
    gx = shared_gradient(x, 3, stride=2, padding=1)
    assert gx.sum() == pytest.approx(4 * 3)
    assert (gx != 0).any()


def test_many_equal_elements_are_all_counted():
    """A count in one byte would be 256 = 0."""
    np.testing.assert_allclose(shared_gradient(np.ones((16, 16)), 16), np.full((16, 16), 1 / 256))


def test_ties_have_higher_derivatives():
    x = Variable(np.array([[[[3.0, 3.0], [1.0, 0.0]]]]))
    cube = (F.max_pool2d(x, 2) ** 3).sum()
    [gx] = gradients(cube, x, create_graph=True)
    assert gx.tolist() == [[[[13.5, 13.5], [0, 0]]]]
    [ggx] = gradients((gx * np.array([[1.0, 0], [0, 0]])).sum(), x)
    assert ggx.tolist() == [[[[4.5, 4.5], [0, 0]]]]  # 0.5 * 6 * 3, shared again


def test_ceil_mode_keeps_the_window_that_sticks_out():
    x = np.arange(15.0).reshape(1, 1, 3, 5)
    assert F.max_pool2d(x, 2).shape == (1, 1, 1, 2)
    assert F.max_pool2d(x, 2, ceil_mode=True).tolist() == [[[[6, 8, 9], [11, 13, 14]]]]


def test_ceil_mode_drops_a_window_that_begins_in_the_far_border():
    x = random(1, 1, 4, 4)
    assert F.max_pool2d(x, 2, stride=3, padding=1, ceil_mode=True).shape == (1, 1, 2, 2)


def test_dilated_windows_skip_elements():
    x = np.array([[[[1.0, 9.0, 2.0, 8.0, 3.0]]]])
    assert F.max_pool2d(x, (1, 3), stride=1, dilation=(1, 2)).tolist() == [[[[3.0]]]]


def test_derivatives_of_pooled_squares_to_the_third_order():
    x = rng.permutation(60).astype(float).reshape(1, 2, 5, 6)  # far from ties
    check_function(lambda x: F.square(F.max_pool2d(x, 3, 2, 1)) * x.sum(), x / 30, order=3)


# ---- avg_pool2d ---------------------------------------------------------------------------------


def test_the_mean_of_each_window():
    x = random(2, 3, 4, 6)
    expected = x.reshape(2, 3, 2, 2, 2, 3).mean(axis=(3, 5))
    np.testing.assert_allclose(F.avg_pool2d(x, (2, 3)), expected)


def test_height_and_width_are_not_exchanged():
    """DeZero's gradient exchanges them."""
    x = Variable(random(1, 1, 6, 2))
    y = F.avg_pool2d(x, (3, 1), stride=(1, 2))
    assert y.shape == (1, 1, 4, 1)
    y.sum().backward()
    expected = np.array([1, 2, 3, 3, 2, 1]) / 3
    np.testing.assert_allclose(x.grad.data[0, 0], np.stack([expected, 0 * expected], axis=1))


def test_the_border_counts_as_zeros_or_not_at_all():
    x = np.ones((1, 1, 2, 3))
    counted = F.avg_pool2d(x, (2, 3), stride=1, padding=1)
    assert counted[0, 0, 0].tolist() == pytest.approx([2 / 6, 3 / 6, 2 / 6])
    assert (F.avg_pool2d(x, (2, 3), stride=1, padding=1, count_include_pad=False) == 1).all()


def test_what_ceil_mode_adds_beyond_the_border_is_never_counted():
    x = np.ones((1, 1, 5, 4))
    assert (F.avg_pool2d(x, 2, ceil_mode=True) == 1).all()
    y = F.avg_pool2d(x, 2, padding=1, ceil_mode=True)
    assert y[0, 0].tolist() == [[0.25, 0.5, 0.25], [0.5, 1, 0.5], [0.5, 1, 0.5]]


def test_integers_have_a_mean():
    assert F.avg_pool2d(np.array([[[[1, 2], [2, 2]]]]), 2).tolist() == [[[[1.75]]]]


# ---- unfold and fold ----------------------------------------------------------------------------


def test_a_column_is_a_window_channel_by_channel():
    x = random(2, 3, 5, 6)
    columns = F.unfold(x, (2, 3), stride=(3, 1))
    assert columns.shape == (2, 18, 8)
    np.testing.assert_array_equal(columns[1, :, 5], x[1, :, 3:5, 1:4].ravel())


def test_a_convolution_is_a_product_with_unfolded_columns():
    x, weight = random(2, 3, 6, 5), random(4, 3, 3, 2)
    params = {"stride": (2, 1), "padding": (1, 2), "dilation": (1, 2)}
    y = F.conv2d(x, weight, **params)
    product = weight.reshape(4, -1) @ F.unfold(x, (3, 2), **params)
    np.testing.assert_allclose(y.reshape(2, 4, -1), product, atol=1e-12)


@settings(max_examples=60, deadline=None)
@given(
    lengths=st.tuples(st.integers(1, 7), st.integers(1, 7)),
    size=st.tuples(st.integers(1, 3), st.integers(1, 3)),
    stride=st.tuples(st.integers(1, 4), st.integers(1, 2)),
    padding=st.tuples(st.integers(0, 3), st.integers(0, 3)),
    dilation=st.tuples(st.integers(1, 2), st.integers(1, 3)),
)
def test_fold_is_the_adjoint_of_unfold(lengths, size, stride, padding, dilation):
    span = [(k - 1) * d + 1 for k, d in zip(size, dilation, strict=True)]
    assume(all(n + 2 * p >= s for n, p, s in zip(lengths, padding, span, strict=True)))
    x = random(2, 3, *lengths)
    columns = F.unfold(x, size, dilation, padding, stride)
    g = random(*columns.shape)
    folded = F.fold(g, lengths, size, dilation, padding, stride)
    assert np.sum(columns * g) == pytest.approx(np.sum(x * folded), rel=1e-9, abs=1e-9)


@settings(max_examples=60, deadline=None)
@given(
    lengths=st.tuples(st.integers(1, 7), st.integers(1, 7)),
    size=st.tuples(st.integers(1, 4), st.integers(1, 3)),
    stride=st.tuples(st.integers(1, 4), st.integers(1, 2)),
    padding=st.tuples(st.integers(0, 2), st.integers(0, 1)),
    ceil_mode=st.booleans(),
)
def test_pooling_is_linear_or_picks(lengths, size, stride, padding, ceil_mode):
    """Both are homogeneous: <gradient, x> is the sum of the result."""
    assume(all(2 * p <= k for p, k in zip(padding, size, strict=True)))
    assume(all(n + 2 * p >= k for n, p, k in zip(lengths, padding, size, strict=True)))
    for pool in (F.max_pool2d, F.avg_pool2d):
        x = Variable(random(2, 2, *lengths))
        y = pool(x, size, stride, padding, ceil_mode=ceil_mode)
        y.sum().backward()
        assert np.sum(x.grad.data * x.data) == pytest.approx(y.data.sum(), rel=1e-9, abs=1e-9)


# ---- dtypes, shapes, memory ---------------------------------------------------------------------

OPERATIONS = [
    lambda x: F.max_pool2d(x, 2),
    lambda x: F.max_pool2d(x, 3, stride=1, padding=1),
    lambda x: F.avg_pool2d(x, 2),
    lambda x: F.avg_pool2d(x, 3, padding=1, count_include_pad=False),
    lambda x: F.unfold(x, 2),
    lambda x: F.fold(F.unfold(x, 2), (4, 5), 2),
]


@pytest.mark.parametrize("operation", OPERATIONS)
@pytest.mark.parametrize("dtype", [np.float16, np.float32])
def test_the_dtype_stays(operation, dtype):
    x = Variable(random(2, 3, 4, 5).astype(dtype))
    y = operation(x)
    y.sum().backward()
    assert y.dtype == x.grad.dtype == dtype


@pytest.mark.parametrize("operation", OPERATIONS)
def test_nothing_of_the_caller_is_written(operation):
    x = random(2, 3, 4, 5)
    x.flags.writeable = False
    operation(Variable(x)).sum().backward()


@pytest.mark.parametrize("operation", OPERATIONS)
def test_an_empty_batch_stays_empty(operation):
    x = Variable(np.zeros((0, 3, 4, 5)))
    y = operation(x)
    assert y.shape[0] == 0
    y.sum().backward()
    assert x.grad.shape == x.shape


# ---- refusals -----------------------------------------------------------------------------------

X = (1, 2, 4, 5)

REFUSED = [
    (
        lambda x: F.max_pool2d(x[None], 2),
        "max_pool2d: x (1, 1, 2, 4, 5) came, (N, C, H, W) or (C, H, W) is needed",
    ),
    (
        lambda x: F.max_pool2d(x, 5),
        "max_pool2d: a window spans (5, 5), more than x's (4, 5) with padding, (4, 5): use more "
        "padding or a smaller window",
    ),
    (
        lambda x: F.max_pool2d(x, 2, padding=(1, 2)),
        "max_pool2d: padding=(1, 2) is more than half of kernel_size (2, 2): some windows would "
        "hold nothing but border",
    ),
    (
        lambda x: F.max_pool2d(x, 2, stride=0),
        "max_pool2d: stride=0 came, an integer or 2 of them, each at least 1, is needed",
    ),
    (
        lambda x: F.avg_pool2d(x, 0),
        "avg_pool2d: kernel_size=0 came, an integer or 2 of them, each at least 1, is needed",
    ),
    (
        lambda x: F.avg_pool2d(x, (2, 2, 2)),
        "avg_pool2d: kernel_size=(2, 2, 2) came, an integer or 2 of them, each at least 1, is "
        "needed",
    ),
    (
        lambda x: F.avg_pool2d(x[0, 0], 2),
        "avg_pool2d: x (4, 5) came, (N, C, H, W) or (C, H, W) is needed",
    ),
    (
        lambda x: F.unfold(x, 2, dilation=4),
        "unfold: a window spans (5, 5), more than x's (4, 5) with padding, (4, 5): use more "
        "padding or a smaller window",
    ),
    (
        lambda x: F.fold(x, (4, 5), 2),
        "fold: x (1, 2, 4, 5) came, (N, C * 4, 12) is needed: 4 elements a window, 3 * 4 windows "
        "on (4, 5)",
    ),
    (
        lambda x: F.fold(x[:, 0], (4, 5), 2),
        "fold: x (1, 4, 5) came, (N, C * 4, 12) is needed: 4 elements a window, 3 * 4 windows on "
        "(4, 5)",
    ),
    (
        lambda x: F.fold(x, -1, 2),
        "fold: output_size=-1 came, an integer or 2 of them, each at least 1, is needed",
    ),
]


@pytest.mark.parametrize("wrap", [np.asarray, Variable], ids=["arrays", "variables"])
@pytest.mark.parametrize(("call", "message"), REFUSED, ids=lambda part: str(part)[:20])
def test_refusals(call, message, wrap):
    with pytest.raises(ValueError) as caught:
        call(wrap(np.zeros(X)))
    assert str(caught.value) == message

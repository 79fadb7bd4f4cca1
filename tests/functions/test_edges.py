"""The documented values at kinks, ties, zeros and infinities, and faults that others had."""

import builtins

import numpy as np
import pytest

import descend.functions as F
from descend import Variable, gradients

inf, nan = np.inf, np.nan


def gradient(f, *xs, order=1):
    """The gradients of the sum of f's elements as lists; for more orders those of the sum again."""
    variables = [Variable(np.asarray(x)) for x in xs]
    total = F.sum(f(*variables))
    for _ in range(order - 1):
        gxs = gradients(total, variables, create_graph=True, allow_unused=True)
        total = builtins.sum(F.sum(gx) for gx in gxs if gx is not None)
        if not total.requires_grad:
            return [0] * len(xs) if len(xs) > 1 else 0
    gxs = gradients(total, variables, allow_unused=True)
    lists = [0 if gx is None else gx.tolist() for gx in gxs]
    return lists if len(lists) > 1 else lists[0]


# ---- power ------------------------------------------------------------------------------------

TWOS = [2, 2.0, np.float64(2), np.array(2.0), np.array([2.0]), np.array(2), Variable(np.array(2.0))]


@pytest.mark.parametrize("two", TWOS, ids=lambda x: f"{type(x).__name__}-{np.shape(x)}")
def test_every_order_of_the_square_at_zero(two):
    x = np.array([0.0])
    assert gradient(lambda x: x**two, x) == [0.0]
    assert gradient(lambda x: x**two, x, order=2) == [2.0]
    assert np.all(np.array(gradient(lambda x: x**two, x, order=3)) == 0)
    assert np.all(np.array(gradient(lambda x: x**two, x, order=4)) == 0)


@pytest.mark.parametrize("exponent", [0, 0.0, np.array(0.0), np.array([0, 0]), [0.0, 0.0]])
def test_zero_to_the_power_of_zero_is_one_and_flat(exponent):
    x = Variable(np.array([0.0, 2.0]))
    y = F.power(x, exponent)
    assert y.tolist() == [1, 1]
    y.sum().backward()
    assert x.grad.tolist() == [0, 0]
    assert np.all(np.array(gradient(lambda x: F.power(x, exponent), x.data, order=2)) == 0)


def test_both_arguments_of_power_at_base_zero():
    x0, x1 = np.zeros(4), np.array([0.0, 0.5, 1.0, 2.0])
    with pytest.warns(RuntimeWarning, match="divide by zero"):  # the slope of sqrt at 0
        gx0, gx1 = gradient(F.power, x0, x1)
    assert gx0 == [0, inf, 1, 0]
    assert gx1 == [0, 0, 0, 0]


def test_negative_bases_of_power():
    x = np.array([-2.0])
    assert F.power(x, 3).tolist() == [-8]
    for exponent in (3, 3.0, np.array([3.0])):
        assert gradient(lambda x, e=exponent: x**e, x) == [12]
        assert gradient(lambda x, e=exponent: x**e, x, order=2) == [-12]
        assert gradient(lambda x, e=exponent: x**e, x, order=3) == [6]
    assert gradient(lambda x: x**-1, x) == [-0.25]
    with pytest.warns(RuntimeWarning, match="invalid value encountered in log"):
        gx0, gx1 = gradient(F.power, x, np.array([3.0]))
    assert gx0 == [12]
    assert np.isnan(gx1).all()


def test_a_constant_base_of_zero():
    assert gradient(lambda x: 0.0**x, np.array([0.0, 1.0, 2.0])) == [0, 0, 0]


# ---- kinks and ties ---------------------------------------------------------------------------


def test_sqrt_at_zero_has_an_infinite_slope():
    assert F.sqrt(np.array([0.0])).tolist() == [0]
    with pytest.warns(RuntimeWarning, match="divide by zero"):
        assert gradient(F.sqrt, np.array([0.0])) == [inf]


@pytest.mark.parametrize(
    ("function", "slope"), [(F.abs, 0), (F.sign, 0), (F.relu, 0), (F.leaky_relu, 0.01)]
)
def test_slopes_at_zero(function, slope):
    assert gradient(function, np.array([0.0])) == [slope]


@pytest.mark.parametrize("function", [F.maximum, F.minimum])
def test_equal_arguments_share_the_gradient(function):
    x = np.array([1.0, 2.0, 2.0])
    gx0, gx1 = gradient(function, x, np.array([1.0, 2.0, 2.0]))
    assert gx0 == gx1 == [0.5, 0.5, 0.5]
    assert gradient(lambda x: function(x, x), x) == [1, 1, 1]
    assert gradient(lambda x: function(x, 1.0), np.array([1.0])) == [0.5]


@pytest.mark.parametrize(("function", "sign"), [(F.max, 1), (F.min, -1)])
def test_equal_extremes_share_the_gradient(function, sign):
    assert gradient(function, sign * np.array([1.0, 3.0, 3.0])) == [0, 0.5, 0.5]
    assert gradient(function, np.full(4, 5.0)) == [0.25] * 4
    rows = sign * np.array([[2.0, 2.0], [1.0, 4.0]])
    for keepdims in (False, True):
        assert gradient(lambda x, k=keepdims: function(x, 1, k), rows) == [[0.5, 0.5], [0, 1]]
    thirds = gradient(function, np.zeros(3))
    assert builtins.sum(thirds) == pytest.approx(1)
    assert gradient(function, sign * np.array([-inf, -inf])) == [0.5, 0.5]


def test_a_bound_of_clip_shares_the_gradient():
    x = np.array([-2.0, -1.0, 0.0, 1.0, 2.0])
    assert F.clip(x, -1, 1).tolist() == [-1, -1, 0, 1, 1]
    assert gradient(lambda x: F.clip(x, -1, 1), x) == [0, 0.5, 1, 0.5, 0]
    assert gradient(lambda x: F.clip(x, None, 1), x) == [1, 1, 1, 0.5, 0]
    assert gradient(lambda x: F.clip(x, min=-1), x) == [0, 0.5, 1, 1, 1]
    gx, low, high = gradient(F.clip, x, np.full(5, -1.0), np.full(5, 1.0))
    assert np.add(np.add(gx, low), high).tolist() == [1] * 5


def test_where_gives_the_other_branch_exactly_zero():
    condition = np.array([True, False])
    broken = np.array([1.0, nan]), np.array([inf, 2.0])
    assert F.where(condition, *broken).tolist() == [1, 2]
    gx0, gx1 = gradient(lambda a, b: F.where(condition, a, b), *broken)
    assert (gx0, gx1) == ([1, 0], [0, 1])
    gx0, gx1 = gradient(lambda a, b: F.where(condition, a, b) * np.array([inf, nan]), *broken)
    assert gx0 == [inf, 0]
    assert gx1[0] == 0
    assert np.isnan(gx1[1])


def test_where_inside_and_outside_keeps_nan_away():
    def safe_log(x):
        positive = x > 0
        return F.where(positive, F.log(F.where(positive, x, 1)), 0)

    x = np.array([-1.0, 0.0, 2.0])
    assert gradient(safe_log, x) == [0, 0, 0.5]
    assert gradient(safe_log, x, order=2) == [0, 0, -0.25]


# ---- reductions -------------------------------------------------------------------------------


def hessian(f, x):
    x = Variable(np.asarray(x))
    (gx,) = gradients(f(x), x, create_graph=True)
    rows = [gradients(gx[i], x, allow_unused=True)[0] for i in range(len(x))]
    return [[0.0] * len(x) if row is None else row.tolist() for row in rows]


def test_prod_with_one_zero():
    x = np.array([0.0, 2.0, 3.0])
    assert F.prod(x) == 0
    assert gradient(F.prod, x) == [6, 0, 0]
    assert hessian(F.prod, x) == [[0, 3, 2], [3, 0, 0], [2, 0, 0]]


def test_prod_with_two_zeros():
    x = np.array([0.0, 3.0, 0.0])
    assert gradient(F.prod, x) == [0, 0, 0]
    assert hessian(F.prod, x) == [[0, 0, 3], [0, 0, 0], [3, 0, 0]]
    assert gradient(F.prod, x, order=3) == [2, 2, 2]


def test_prod_of_nothing_is_one():
    assert F.prod(np.zeros(0)) == 1
    assert F.prod(np.zeros((0, 2)), axis=0).tolist() == [1, 1]


def test_std_of_equal_elements_is_flat():
    x = np.array([[1.0, 1.0, 1.0], [1.0, 2.0, 3.0]])
    gx = gradient(lambda x: F.std(x, axis=1), x)
    assert gx[0] == [0, 0, 0]
    np.testing.assert_allclose(gx[1], np.array([-1, 0, 1]) / np.sqrt(6))
    assert gradient(F.std, np.ones(3), order=2) == [0, 0, 0]
    assert gradient(F.std, np.array(2.0)) == 0


def test_logsumexp_of_minus_infinity():
    x = np.array([[-inf, -inf], [-inf, 0.0]])
    assert F.logsumexp(x, axis=1).tolist() == [-inf, 0]
    assert gradient(lambda x: F.logsumexp(x, axis=1), x) == [[0, 0], [0, 1]]
    assert gradient(lambda x: F.logsumexp(x, axis=1), x, order=2) == [[0, 0], [0, 0]]
    assert gradient(F.logsumexp, np.array([-inf, -inf])) == [0, 0]
    assert F.logsumexp(np.array([inf, 0.0])) == inf


def test_logsumexp_of_large_elements():
    assert F.logsumexp(np.array([1000.0, 1000.0])) == pytest.approx(1000 + np.log(2))
    assert gradient(F.logsumexp, np.array([1000.0, 1000.0])) == pytest.approx([0.5, 0.5])


MASKED = np.array([[-inf, -inf, -inf], [0.0, -inf, 0.0]])
WEIGHTS = np.array([[1.0, 2.0, 3.0], [1.0, 2.0, 3.0]])


def test_softmax_with_masked_elements_and_rows():
    np.testing.assert_array_equal(F.softmax(MASKED), [[0, 0, 0], [0.5, 0, 0.5]])
    gx = gradient(lambda x: F.softmax(x) * WEIGHTS, MASKED)
    np.testing.assert_allclose(gx, [[0, 0, 0], [-0.5, 0, 0.5]], atol=1e-15)
    assert np.isfinite(gradient(lambda x: F.softmax(x) * WEIGHTS, MASKED, order=2)).all()


def test_log_softmax_with_masked_elements_and_rows():
    y = F.log_softmax(MASKED)
    np.testing.assert_allclose(y, [[-inf] * 3, [-np.log(2), -inf, -np.log(2)]])
    np.testing.assert_allclose(
        gradient(lambda x: F.log_softmax(x)[:, 0], MASKED), [[0, 0, 0], [0.5, 0, -0.5]]
    )
    assert np.isfinite(gradient(lambda x: F.log_softmax(x)[:, 0], MASKED, order=2)).all()


@pytest.mark.parametrize("function", [F.softmax, F.log_softmax])
def test_softmax_does_not_overflow(function):
    y = function(np.array([1e4, 0.0, -1e4]))
    expected = [1, 0, 0] if function is F.softmax else [0, -1e4, -2e4]
    assert y.tolist() == expected


def test_cumsum_of_everything_runs_over_the_flattened_array():
    x = np.arange(6.0).reshape(2, 3)
    np.testing.assert_array_equal(F.cumsum(x), np.cumsum(x))
    assert gradient(F.cumsum, x) == [[6, 5, 4], [3, 2, 1]]
    assert F.cumsum(np.array(3.0)).shape == (1,)


# ---- activations far out ----------------------------------------------------------------------


@pytest.mark.parametrize(
    ("function", "left", "right"),
    [
        (F.sigmoid, (0, 0), (1, 0)),
        (F.logsigmoid, (-1000, 1), (0, 0)),
        (F.tanh, (-1, 0), (1, 0)),
        (F.erf, (-1, 0), (1, 0)),
        (F.gelu, (0, 0), (1000, 1)),
        (lambda x: F.gelu(x, approximate="tanh"), (0, 0), (1000, 1)),
    ],
)
def test_far_from_zero(function, left, right):
    x = np.array([-1000.0, 1000.0])
    assert function(x).tolist() == [left[0], right[0]]
    assert gradient(function, x) == [left[1], right[1]]
    assert gradient(function, x, order=2) == [0, 0]


@pytest.mark.parametrize("function", [F.sigmoid, F.logsigmoid, F.softmax, F.log_softmax, F.gelu])
@pytest.mark.parametrize("dtype", [np.float16, np.float32])
def test_the_largest_numbers_do_not_overflow(function, dtype):
    largest = np.finfo(dtype).max
    assert not np.isnan(function(np.array([-largest / 2, 0, largest / 2], dtype))).any()


# ---- indices ----------------------------------------------------------------------------------

REPEATED = [
    [0, 0, 2],
    np.array([0, 0, 2]),
    np.array([0, -3, -1], np.int8),
    Variable(np.array([0, 0, 2])),
    ([0, 0, 2],),
    ((0, 0, 2),),
    (Ellipsis, [0, 0, 2]),
]


@pytest.mark.parametrize("index", REPEATED, ids=repr)
def test_elements_chosen_twice_get_both_gradients(index):
    x = Variable(np.array([1.0, 2.0, 3.0]))
    y = x[index]
    assert y.tolist() == [1, 1, 3]
    (y * np.array([1.0, 10.0, 100.0])).sum().backward()
    assert x.grad.tolist() == [11, 0, 100]


@pytest.mark.parametrize(
    ("index", "expected"),
    [
        (np.array([True, False, True]), [[1, 1], [0, 0], [1, 1]]),
        ([True, False, True], [[1, 1], [0, 0], [1, 1]]),
        (np.array([[True, False], [False, False], [False, True]]), [[1, 0], [0, 0], [0, 1]]),
        ((np.array([True, False, True]), [1, 1]), [[0, 1], [0, 0], [0, 1]]),
        ((None, slice(None, None, -2)), [[1, 1], [0, 0], [1, 1]]),
        ((Ellipsis, None, -1), [[0, 1], [0, 1], [0, 1]]),
        (np.int64(1), [[0, 0], [1, 1], [0, 0]]),
        (np.array(1), [[0, 0], [1, 1], [0, 0]]),
        ((slice(1, 1),), [[0, 0], [0, 0], [0, 0]]),
        ([], [[0, 0], [0, 0], [0, 0]]),
        (range(2), [[1, 1], [1, 1], [0, 0]]),
        (((0, 0), (1, 1)), [[0, 2], [0, 0], [0, 0]]),
    ],
    ids=repr,
)
def test_every_kind_of_index(index, expected):
    x = np.arange(6.0).reshape(3, 2)
    np.testing.assert_array_equal(F.getitem(x, index), x[index])
    assert gradient(lambda x: x[index], x) == expected


SEVERAL = np.random.default_rng(0).integers(-3, 3, (4, 6))


@pytest.mark.parametrize("dtype", [np.float16, np.float32, np.complex128, np.int64])
@pytest.mark.parametrize("width", [5, 1000], ids=["few", "many"])
@pytest.mark.parametrize(
    "index",
    [
        SEVERAL,
        (SEVERAL[0], SEVERAL),
        (slice(None), SEVERAL[0]),
        (slice(None), SEVERAL[:, :1], SEVERAL[0]),
        (slice(None), slice(None), SEVERAL),
        (SEVERAL[0], 2),
        (SEVERAL[0].astype(np.int8), slice(1, 3)),
        (1, SEVERAL[0]),
        (SEVERAL[0], None),
        (SEVERAL[0, :2], np.array([True, False, False, True])),
    ],
    ids=range(10),
)
def test_repeated_places_are_added_as_numpy_adds(index, width, dtype):
    rng = np.random.default_rng(1)
    expected = np.zeros((3, 4, width), dtype)
    x = rng.integers(-9, 9, expected[index].shape).astype(dtype)
    np.add.at(expected, index, x)
    np.testing.assert_array_equal(F.scatter_to(x, index, expected.shape), expected)


def test_a_place_outside_of_the_array_is_refused():
    for index in (np.array([0, 3]), (slice(None), np.array([-5, 0])), (0, np.array([4]))):
        with pytest.raises(IndexError, match=r"^scatter_to: x .*: an index is out of bounds"):
            F.scatter_to(np.ones(1), index, (3, 4))


def test_the_operations_that_choose_add_repeated_elements():
    x, twice = np.zeros((3, 2)), np.array([2, 2])
    assert gradient(lambda x: F.take(x, twice, axis=0), x) == [[0, 0], [0, 0], [2, 2]]
    assert gradient(lambda x: F.take(x, twice), x) == [[0, 0], [2, 0], [0, 0]]
    assert gradient(lambda w: F.embedding(twice, w), x) == [[0, 0], [0, 0], [2, 2]]
    rows = np.array([[0, 0], [1, 1], [0, 1]])
    assert gradient(lambda x: F.take_along_axis(x, rows, 1), x) == [[2, 0], [0, 2], [1, 1]]
    added = F.scatter_add(x, 1, rows, np.array([[1.0, 2.0], [3.0, 4.0], [5.0, 6.0]]))
    assert added.tolist() == [[3, 0], [0, 7], [5, 6]]
    assert F.index_add(x, 0, twice, np.ones((2, 2))).tolist() == [[0, 0], [0, 0], [2, 2]]


@pytest.mark.parametrize("dtype", [np.uint8, np.int8, np.int16, np.uint64])
def test_indices_of_any_integer_type(dtype):
    index = np.array([1, 1, 100], dtype)
    weight = Variable(np.ones((300, 2)))
    F.embedding(index, weight).sum().backward()
    assert weight.grad.data[[1, 100]].tolist() == [[2, 2], [1, 1]]
    assert weight.grad.data.sum() == 6


def test_indices_that_are_floats_are_refused():
    with pytest.raises(TypeError, match="embedding: indices are float64, integers are needed"):
        F.embedding(np.array([0.0]), np.ones((2, 2)))


def test_take_along_axis_broadcasts_as_numpys():
    x, indices = np.arange(6.0).reshape(2, 3), np.array([[2, 2]])
    np.testing.assert_array_equal(
        F.take_along_axis(x, indices, 1), np.take_along_axis(x, indices, 1)
    )
    assert gradient(lambda x: F.take_along_axis(x, indices, 1), x) == [[0, 0, 2], [0, 0, 2]]


def test_scatter_add_adds_nothing_twice():
    index, src = np.array([[2, 2]]), np.ones((1, 2))
    with pytest.raises(
        ValueError, match=r"scatter_add: index and src are \(1, 2\), \(2, 2\) is needed"
    ):
        F.scatter_add(np.zeros((2, 3)), 1, index, src)


def test_nothing_chosen_from_rows_of_nothing():
    x = Variable(np.zeros((3, 0)))
    y = x[[0, 0]]
    y.sum().backward()
    assert y.shape == (2, 0)
    assert x.grad.shape == (3, 0)


# ---- matmul -----------------------------------------------------------------------------------


def test_matmul_of_vectors():
    a, b = np.array([1.0, 2.0]), np.array([3.0, 4.0])
    assert F.matmul(a, b) == 11
    assert gradient(F.matmul, a, b) == [[3, 4], [1, 2]]
    assert gradient(F.matmul, np.eye(2), b) == [[[3, 4], [3, 4]], [1, 1]]
    assert gradient(F.matmul, a, np.eye(2)) == [[1, 1], [[1, 1], [2, 2]]]


def test_matmul_sums_the_gradients_of_a_broadcast_batch():
    x0, x1 = np.ones((5, 1, 2, 3)), np.ones((4, 3, 2))
    gx0, gx1 = gradient(F.matmul, x0, x1)
    assert np.shape(gx0) == x0.shape
    assert np.shape(gx1) == x1.shape
    assert np.unique(gx0).tolist() == [4 * 2]
    assert np.unique(gx1).tolist() == [5 * 2]


def test_matmul_over_nothing_is_zero():
    assert F.matmul(np.ones((2, 0)), np.ones((0, 3))).tolist() == [[0, 0, 0], [0, 0, 0]]
    gx0, gx1 = gradient(F.matmul, np.ones((2, 0)), np.ones((0, 3)))
    assert np.shape(gx0) == (2, 0)
    assert gx1 == []


# ---- empty and 0-d ----------------------------------------------------------------------------


def test_reductions_of_nothing():
    x = Variable(np.zeros((0, 3)))
    F.sum(x).backward()
    assert x.grad.shape == (0, 3)
    assert F.sum(x, axis=0).tolist() == [0, 0, 0]
    assert F.mean(x, axis=1).shape == (0,)
    with pytest.warns(RuntimeWarning, match="invalid value"):
        assert np.isnan(F.mean(x.data))
    for function in (F.max, F.min):
        assert function(x, axis=1).shape == (0,)
        with pytest.raises(ValueError, match="zero-size array"):
            function(x)


@pytest.mark.parametrize(
    "function", [F.sum, F.mean, F.max, F.min, F.prod, F.logsumexp, F.flatten, F.cumsum]
)
def test_a_single_number(function):
    x = np.array(2.0)
    assert function(x).item() == 2
    assert gradient(function, x) == 1


def test_softmax_of_a_single_number():
    assert F.softmax(np.array(2.0)) == 1
    assert gradient(F.softmax, np.array(2.0)) == 0


# ---- one weight many times --------------------------------------------------------------------


@pytest.mark.parametrize("times", [1, 2, 3, 64])
def test_a_variable_used_many_times(times):
    w = Variable(np.array([2.0]))
    y = F.concatenate([w * i for i in range(times)])
    y.sum().backward()
    assert w.grad.tolist() == [builtins.sum(range(times))]
    w.cleargrad()
    y = w
    for _ in range(times):
        y = y * w
    y.backward()
    assert w.grad.tolist() == [(times + 1) * 2.0**times]


# ---- networks ---------------------------------------------------------------------------------


def test_batch_norm_refuses_one_value_a_channel():
    running = Variable(np.zeros(3)), Variable(np.ones(3))
    with pytest.raises(ValueError, match="1 values a channel, training needs at least 2"):
        F.batch_norm(np.ones((1, 3)), *running, training=True)
    assert running[1].tolist() == [1, 1, 1]
    assert F.batch_norm(np.ones((1, 3)), *running).shape == (1, 3)


def test_batch_norm_in_use_has_all_derivatives():
    mean, var = np.array([1.0]), np.array([4.0])
    x = np.array([[3.0]])
    normal = lambda x: F.batch_norm(x, mean, var, eps=0.0) ** 3  # noqa: E731
    assert gradient(normal, x) == [[1.5]]
    assert gradient(normal, x, order=2) == [[1.5]]
    assert gradient(normal, x, order=3) == [[0.75]]


@pytest.mark.parametrize("loss", [F.mse_loss, F.l1_loss, F.binary_cross_entropy_with_logits])
def test_a_loss_of_a_column_and_a_row_is_refused(loss):
    with pytest.raises(ValueError, match=r"x \(3, 1\) and t \(3,\) must have the same shape"):
        loss(np.ones((3, 1)), np.ones(3))


def test_cross_entropy_where_other_classes_are_masked():
    x = np.array([[0.0, -inf, 0.0]])
    t = np.array([0])
    assert F.cross_entropy(x, t).item() == pytest.approx(np.log(2))
    np.testing.assert_allclose(gradient(lambda x: F.cross_entropy(x, t), x), [[-0.5, 0, 0.5]])
    soft = np.array([[1.0, 0.0, 0.0]])
    assert F.cross_entropy(x, soft).item() == pytest.approx(np.log(2))
    np.testing.assert_allclose(gradient(lambda x: F.cross_entropy(x, soft), x), [[-0.5, 0, 0.5]])


def test_cross_entropy_where_nothing_counts():
    x, t = np.zeros((2, 3)), np.array([-100, -100])
    assert F.cross_entropy(x, t).item() == 0
    assert gradient(lambda x: F.cross_entropy(x, t), x) == [[0, 0, 0], [0, 0, 0]]

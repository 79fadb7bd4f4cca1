"""Arrangement and statistics: documented values at ties, zeros and NaN, and messages."""

import warnings

import numpy as np
import pytest

import descend
import descend.functions as F
from descend import Variable, gradients, vmap
from descend.functions.reductions.cumulative import Recurrence
from descend.testing import check_derivatives

inf, nan = np.inf, np.nan


def gradient(f, *xs, order=1):
    """The gradients of the sum of f's elements, or of the sum of those, as lists."""
    variables = [Variable(np.asarray(x, np.float64)) for x in xs]
    total = F.sum(f(*variables))
    for _ in range(order - 1):
        gxs = gradients(total, variables, create_graph=True, allow_unused=True)
        total = sum((F.sum(gx) for gx in gxs if gx is not None), Variable(np.zeros(())))
    gxs = gradients(total, variables, allow_unused=True)
    lists = [np.zeros(x.shape).tolist() if gx is None else gx.tolist()
             for x, gx in zip(variables, gxs, strict=True)]  # fmt: skip
    return lists if len(lists) > 1 else lists[0]


def weighted(f, *weights):
    """f with its elements multiplied, so that it shows which gradient went where."""
    return lambda *xs: f(*xs) * np.array(weights)


# ---- sorting ----------------------------------------------------------------------------------


def test_equal_elements_are_sorted_in_their_order():
    x = np.array([2.0, 1.0, 2.0, 1.0])
    assert gradient(weighted(F.sort, 1, 2, 3, 4), x) == [3, 1, 4, 2]
    assert gradient(weighted(lambda x: F.topk(x, 2)[0], 1, 2), x) == [1, 0, 2, 0]
    assert gradient(weighted(lambda x: F.topk(x, 2, largest=False)[0], 1, 2), x) == [0, 1, 0, 2]


def test_nan_is_sorted_behind_all_numbers():
    x = np.array([nan, inf, 1.0])
    assert F.sort(x).tolist()[:2] == [1, inf]
    values, indices = F.topk(x, 2)
    assert np.isnan(values[0]) and indices.tolist() == [0, 1]
    assert F.topk(x, 2, largest=False)[1].tolist() == [2, 1]


def test_the_places_that_topk_answers_are_constants():
    x = Variable(np.array([[1.0, 3.0], [4.0, 2.0]]))
    values, indices = F.topk(x, 1)
    assert values.requires_grad and not indices.requires_grad
    assert indices.dtype == np.int64 and indices.tolist() == [[1], [0]]
    assert F.take_along_axis(x, indices).tolist() == values.tolist()


@pytest.mark.parametrize("dtype", [np.uint8, np.int16, np.int64, bool])
def test_integers_are_sorted_as_by_numpy(dtype):
    x = np.array([3, 0, 2, 0, 1]).astype(dtype)
    assert F.sort(x).dtype == dtype
    assert F.sort(x).tolist() == np.sort(x).tolist()
    assert F.topk(x, 3)[0].tolist() == np.sort(x)[::-1][:3].tolist()
    assert F.median(x).dtype == np.float64 and F.median(x) == np.median(x)


def test_equal_elements_of_a_quantile_are_chosen_in_their_order():
    assert gradient(F.median, [1, 1, 1]) == [0, 1, 0]
    assert gradient(F.median, [1, 1, 1, 1]) == [0, 0.5, 0.5, 0]
    assert gradient(lambda x: F.quantile(x, 0.25), [2, 1, 1]) == [0, 0.5, 0.5]
    assert gradient(lambda x: F.quantile(x, 1.0), [2, 1, 2]) == [0, 0, 1]
    assert gradient(lambda x: F.quantile(x, 0.75, method="lower"), [2, 1, 3]) == [1, 0, 0]
    assert gradient(lambda x: F.quantile(x, 0.75, method="higher"), [2, 1, 3]) == [0, 0, 1]
    assert gradient(lambda x: F.quantile(x, 0.75, method="midpoint"), [2, 1, 3]) == [0.5, 0, 0.5]


QUANTILE_METHODS = [
    "linear", "lower", "higher", "midpoint", "nearest", "inverted_cdf", "averaged_inverted_cdf",
    "closest_observation", "interpolated_inverted_cdf", "hazen", "weibull", "median_unbiased",
    "normal_unbiased",
]  # fmt: skip


@pytest.mark.parametrize("method", QUANTILE_METHODS)
@pytest.mark.parametrize("q", [0, 0.1, 0.25, 0.5, 0.625, 1, [0.0, 0.3, 1.0], [[0.5], [0.75]]])
def test_quantiles_are_numpys(method, q):
    x = np.random.default_rng(0).normal(size=(4, 5, 3))
    for axis in (None, 0, -1, (0, 2)):
        np.testing.assert_allclose(
            F.quantile(x, q, axis, method), np.quantile(x, q, axis, method=method), rtol=1e-12
        )
        if np.ndim(q) < 2:  # NumPy puts more axes of q elsewhere here
            holes, parts = np.where(x > 1, nan, x), np.multiply(q, 100)
            np.testing.assert_allclose(
                F.nanpercentile(holes, parts, axis, method, keepdims=True),
                np.nanpercentile(holes, parts, axis, method=method, keepdims=True),
                rtol=1e-12,
            )


def test_a_constant_has_exactly_itself_for_a_quantile():
    assert np.all(F.quantile(np.full(7, 0.1), np.linspace(0, 1, 50)) == 0.1)


def test_quantiles_with_nan_and_infinities():
    x = np.array([[1.0, nan, 3.0], [nan, nan, nan], [-inf, 2.0, inf]])
    median = F.median(x, axis=1)
    assert np.isnan(median[:2]).all() and median[2] == 2
    assert gradient(lambda x: F.median(x, axis=1), x) == [[0, 0, 0], [0, 0, 0], [0, 1, 0]]
    with warnings.catch_warnings():
        warnings.simplefilter("error")  # NumPy warns of the line that is all NaN
        middle = F.nanmedian(x, axis=1)
    assert middle[0] == 2 and np.isnan(middle[1]) and middle[2] == 2
    assert gradient(lambda x: F.nanmedian(x, axis=1), x) == [[0.5, 0, 0.5], [0, 0, 0], [0, 1, 0]]
    assert F.quantile(np.array([-inf, 0.0, inf]), [0, 0.3, 0.5, 0.7]).tolist() == [
        -inf,
        -inf,
        0,
        inf,
    ]
    assert F.median(np.array([inf, inf])) == inf


def test_the_parts_of_a_quantile_have_a_slope():
    assert gradient(lambda q: F.quantile(np.array([1.0, 2.0, 5.0]), q), 0.75) == 6.0

    def weibull(q):
        return F.quantile(np.array([1.0, 2.0, 5.0]), q, method="weibull")

    assert gradient(weibull, 0.6) == 12.0
    assert gradient(weibull, 0.1) == gradient(weibull, 0.9) == 0  # beyond the ends


def test_the_elements_a_quantile_was_found_at_get_its_gradient():
    def gradients_of(q, method):
        return gradient(lambda x: F.quantile(x, q, method=method), [4, 1, 3, 2])

    assert gradients_of(0.5, "averaged_inverted_cdf") == [0, 0, 0.5, 0.5]
    assert gradients_of(0.4, "averaged_inverted_cdf") == [0, 0, 0, 1]
    assert gradients_of(0.5, "inverted_cdf") == [0, 0, 0, 1]
    assert gradients_of(0.375, "closest_observation") == [0, 0, 0, 1]
    assert gradients_of(0.625, "closest_observation") == [0, 0, 0, 1]
    assert gradients_of(0.0, "hazen") == [0, 1, 0, 0]


# ---- running along an axis --------------------------------------------------------------------

ZEROS = [
    [0.0, 2.0, 3.0],
    [2.0, 0.0, 3.0],
    [2.0, 3.0, 0.0],
    [0.0, 2.0, 0.0, 3.0, -1.0],
    [0.0, 0.0, 0.0, 0.0],
]


@pytest.mark.parametrize("x", ZEROS, ids=str)
def test_all_derivatives_of_cumprod_are_right_at_zeros(x):
    check_derivatives(F.cumprod, np.array(x))
    check_derivatives(F.cumprod, np.array([x, x[::-1]]), order=2, axis=1)


def test_cumprod_is_numpys_where_products_overflow():
    for x in ([0.0, 1e200, 1e200], [1e-200, 1e200, 1e200], [1e200, 1e200, 0.5]):
        with np.errstate(over="ignore"):
            assert F.cumprod(np.array(x)).tolist() == np.cumprod(x).tolist()
    assert F.cumprod(np.array([100, 100], np.int8)).tolist() == [100, 10000]


@pytest.mark.parametrize("backwards", [False, True])
def test_the_recurrence_and_its_rule(backwards):
    rng = np.random.default_rng(0)
    x, factor = rng.normal(size=(2, 4)), rng.normal(size=(2, 3))
    y = Recurrence(1, backwards)(x, factor)
    if backwards:
        x, factor, y = x[:, ::-1], factor[:, ::-1], y[:, ::-1]
    expected = x.copy()
    for i in range(1, 4):
        expected[:, i] += factor[:, i - 1] * expected[:, i - 1]
    np.testing.assert_allclose(y, expected)
    check_derivatives(lambda x, f: Recurrence(1, backwards)(x, f), x.copy(), factor.copy())


@pytest.mark.parametrize("backwards", [False, True])
@pytest.mark.parametrize("size", [64, 65, 100, 127])
@pytest.mark.parametrize("large", [1.0, 1e200])
def test_long_recurrences_are_what_short_ones_are(monkeypatch, size, backwards, large):
    rng = np.random.default_rng(0)
    x, factor = rng.normal(size=(2, size)), rng.uniform(-1, 1, (2, size - 1))
    factor[:, 10:20] *= large  # the product of some of them is infinite
    x[:, :21], factor[0, 5] = 0, 0
    if backwards:
        x, factor = x[:, ::-1], factor[:, ::-1]
    y = Recurrence(1, backwards)(x, factor)
    monkeypatch.setattr("descend.functions.reductions.cumulative.LONG", 1000)
    expected = Recurrence(1, backwards)(x, factor)
    assert np.isfinite(expected).all()
    np.testing.assert_allclose(y, expected, rtol=1e-12, atol=1e-15)


def test_a_long_line_of_products():
    x = np.linspace(0.5, 1.5, 200)
    x[150] = 0
    gx = gradient(F.cumprod, x)
    short = [gradient(lambda z, i=i: F.cumprod(F.concatenate([x[:i], z, x[i + 1 :]])), x[i : i + 1])
             for i in (0, 100, 150, 199)]  # fmt: skip
    np.testing.assert_allclose(np.array(gx)[[0, 100, 150, 199]], np.ravel(short), rtol=1e-12)
    step = 1e-6
    wide = F.cumprod(np.where(np.arange(200) == 150, step, x)).sum() - F.cumprod(x).sum()
    assert gx[150] == pytest.approx(wide / step)


def test_logcumsumexp_at_infinities():
    x = np.array([-inf, -inf, 0.0, 1000.0, -inf])
    with np.errstate(divide="raise", over="raise", invalid="raise"):
        y = F.logcumsumexp(x)
        gx = gradient(F.logcumsumexp, x)
    assert y.tolist() == [-inf, -inf, 0, 1000, 1000]
    assert gx == [0, 0, 1, 2, 0]
    assert F.logcumsumexp(np.array([1.0, inf, 2.0])).tolist() == [1, inf, inf]
    assert gradient(F.logcumsumexp, [-inf, -800, -800.0]) == pytest.approx([0, 1.5, 0.5])


def test_the_last_of_equal_extremes_counts():
    x = np.array([2.0, 1.0, 2.0, 3.0, 3.0])
    assert F.cummax(x, 0)[1].tolist() == [0, 0, 2, 3, 4]
    assert gradient(lambda x: F.cummax(x, 0)[0], x) == [2, 0, 1, 1, 1]
    assert F.cummin(-x, 0)[1].tolist() == [0, 0, 2, 3, 4]


def test_extremes_so_far_stay_nan():
    x = np.array([1.0, nan, 3.0, nan, 0.0])
    for function in (F.cummax, F.cummin):
        values, indices = function(x, 0)
        assert values[0] == 1 and np.isnan(values[1:]).all()
        assert indices.tolist() == [0, 1, 1, 3, 3]


@pytest.mark.parametrize("size", [0, 1, 2, 3, 8, 13])
def test_extremes_so_far_of_any_length(size):
    x = np.random.default_rng(size).integers(0, 5, (2, size)).astype(float)
    assert F.cummax(x, 1)[0].tolist() == np.maximum.accumulate(x, 1).tolist()
    assert F.cummin(x, -1)[0].tolist() == np.minimum.accumulate(x, 1).tolist()


def test_differences_of_booleans_and_integers():
    assert F.diff(np.array([True, True, False])).tolist() == [False, True]
    assert F.diff(np.array([1, 4, 9])).tolist() == [3, 5]
    assert F.diff(np.array([1, 2], np.int32), prepend=0).dtype == np.int32
    assert F.diff(np.array([1.0, 2.0], np.float32), append=5.0).dtype == np.float32


# ---- norms ------------------------------------------------------------------------------------

POWERS = [0, 0.5, 1, 1.5, 2, 3, 4, inf]


@pytest.mark.parametrize("p", POWERS)
@pytest.mark.parametrize("order", [1, 2, 3])
def test_every_derivative_of_a_norm_is_0_at_0(p, order):
    with np.errstate(all="raise"):
        assert F.norm(np.zeros(3), p) == 0
        assert gradient(lambda x: F.norm(x, p), np.zeros(3), order=order) == [0, 0, 0]


@pytest.mark.parametrize("p", [0.5, 1.5, 3, 5])
def test_elements_that_are_0_have_no_part_in_a_norm(p):
    with np.errstate(all="raise"):
        for order in (1, 2, 3):
            gx = gradient(lambda x: F.norm(x, p), [0.0, 3.0, 4.0], order=order)
            assert gx[0] == 0
            np.testing.assert_allclose(
                gx[1:], gradient(lambda x: F.norm(x, p), [3.0, 4.0], order=order), atol=1e-15
            )


@pytest.mark.parametrize("p", [-1, -inf, *POWERS])
def test_norms_are_numpys(p):
    x = np.random.default_rng(0).normal(size=(3, 4))
    np.testing.assert_allclose(F.norm(x, p, axis=1), np.linalg.norm(x, p, 1))
    np.testing.assert_allclose(F.norm(x, p), np.linalg.norm(x.ravel(), p))


def test_high_powers_neither_overflow_nor_vanish():
    x = np.array([3e200, 4e200]) * 1e-80
    with np.errstate(all="raise"):
        assert F.norm(x, 100) == pytest.approx(4e120)
        assert F.norm(x * 1e-300, 3) == pytest.approx(np.cbrt(91) * 1e-180)
    assert F.norm(np.array([300.0, 400.0], np.float16)) == 500


def test_norms_of_infinities_empties_and_integers():
    assert F.norm(np.array([3.0, inf])) == inf
    assert F.norm(np.array([3.0, -inf]), 3) == inf
    assert F.norm(np.zeros(0)) == 0 and F.norm(np.zeros(0), 3) == 0
    assert F.norm(np.zeros((2, 0)), 1.5, axis=1).tolist() == [0, 0]
    assert F.norm(np.array([3, 4])) == 5 and F.norm(np.array(-3.0), 3) == pytest.approx(3)
    assert F.norm(np.array([3 + 4j, 0])) == 5
    assert gradient(lambda x: F.norm(x, inf), [3.0, -3.0, 1.0]) == [0.5, -0.5, 0]


# ---- without NaN ------------------------------------------------------------------------------

NAN_REDUCTIONS = ["nansum", "nanprod", "nanmax", "nanmin", "nanmean", "nanvar", "nanstd"]


@pytest.mark.parametrize("name", NAN_REDUCTIONS)
def test_lines_that_are_all_nan(name):
    x = np.array([[nan, nan], [1.0, nan]])
    function, numpys = getattr(F, name), getattr(np, name)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        y = function(x, axis=1)
        gx = gradient(lambda x: function(x, axis=1), x)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        np.testing.assert_array_equal(y, numpys(x, axis=1))
    assert gx[0] == [0, 0] and gx[1][1] == 0 and np.isfinite(gx[1][0])


@pytest.mark.parametrize("name", [*NAN_REDUCTIONS, "nanmedian"])
@pytest.mark.parametrize("dtype", [np.int32, np.float16, np.float32])
def test_without_nan_they_are_the_others(name, dtype):
    x = np.array([[1, 2, 4], [3, 5, 5]]).astype(dtype)
    y, value = getattr(F, name)(x, axis=0), getattr(np, name)(x, axis=0)
    assert y.dtype == value.dtype
    np.testing.assert_allclose(y, value, rtol=1e-3)


def test_the_deviation_of_equal_elements_is_flat():
    assert gradient(F.nanstd, [2.0, nan, 2.0]) == [0, 0, 0]
    assert gradient(F.nanstd, [2.0, nan, 2.0], order=2) == [0, 0, 0]


def test_the_larger_and_smaller_without_nan():
    x0, x1 = np.array([1.0, nan, nan, 2.0]), np.array([1.0, 2.0, nan, nan])
    np.testing.assert_array_equal(F.fmax(x0, x1), np.fmax(x0, x1))
    np.testing.assert_array_equal(F.fmin(x0, x1), np.fmin(x0, x1))
    gx0, gx1 = gradient(F.fmax, x0[[0, 1, 3]], x1[[0, 1, 3]])
    assert gx0 == [0.5, 0, 1] and gx1 == [0.5, 1, 0]


# ---- moments ----------------------------------------------------------------------------------


def test_averages():
    x = np.arange(24.0).reshape(2, 3, 4)
    weights = np.arange(1.0, 9).reshape(4, 2)
    np.testing.assert_allclose(
        F.average(x, axis=(2, 0), weights=weights), np.average(x, axis=(2, 0), weights=weights)
    )
    y, total = F.average(x, axis=1, weights=np.array([1.0, 0.0, 3.0]), returned=True)
    assert y.shape == total.shape == (2, 4) and np.all(total == 4)
    y, total = F.average(x, returned=True)
    assert (y, total) == (11.5, 24)
    assert gradient(lambda w: F.average(np.array([1.0, 3.0]), weights=w), [3.0, 1.0]) == [
        -0.125,
        0.375,
    ]


@pytest.mark.parametrize("params", [{}, {"bias": True}, {"ddof": 0}, {"rowvar": False}])
@pytest.mark.parametrize("kind", ["none", "f", "a", "both"])
def test_covariances_are_numpys(params, kind):
    x = np.random.default_rng(0).normal(size=(3, 4))
    count = 3 if params.get("rowvar") is False else 4
    if kind in ("f", "both"):
        params = {**params, "fweights": np.arange(1, count + 1)}
    if kind in ("a", "both"):
        params = {**params, "aweights": np.linspace(0.5, 2, count)}
    np.testing.assert_allclose(F.cov(x, **params), np.cov(x, **params), rtol=1e-12)


def test_variables_of_one_row():
    x = np.array([1.0, 2.0, 4.0])
    assert F.cov(x).shape == F.corrcoef(x).shape == ()
    assert F.cov(x) == pytest.approx(np.cov(x)) and F.corrcoef(x) == 1
    assert F.cov(x.astype(np.float32)).dtype == np.float32
    np.testing.assert_allclose(F.corrcoef(x, x[::-1]), np.corrcoef(x, x[::-1]))


def test_weights_are_counted_by_number():
    x = np.array([2, 0, 2])
    assert F.bincount(x).tolist() == [1, 0, 2] and F.bincount(x).dtype == np.int64
    assert F.bincount(np.zeros(0, int), minlength=2).tolist() == [0, 0]
    assert gradient(weighted(lambda w: F.bincount(x, w), 1, 2, 3), [1.0, 1.0, 1.0]) == [3, 1, 3]


# ---- put in places ----------------------------------------------------------------------------


def test_of_values_for_one_place_the_last_stays_and_has_the_gradient():
    x, values = np.zeros(3), np.array([1.0, 2.0, 3.0])
    index = (np.array([1, 1, 0]),)

    def put(x, v):
        return F.index_put(x, index, v)

    assert put(x, values).tolist() == [3, 2, 0]
    assert gradient(put, x, values) == [[0, 0, 1], [0, 1, 1]]
    added = F.index_put(x, index, values, accumulate=True)
    assert added.tolist() == [3, 3, 0]
    assert F.scatter(x, 0, index[0], values).tolist() == [3, 2, 0]
    assert F.put_along_axis(x, index[0], values).tolist() == [3, 2, 0]
    assert x.tolist() == [0, 0, 0]


def test_what_is_put_takes_the_dtype():
    x = np.zeros((2, 3), np.float32)
    for y in (
        F.index_put(x, (slice(None), 1), 5.0),
        F.put_along_axis(x, np.array([[1]]), 5.0, axis=1),
        F.scatter(x, 1, np.array([[1], [1]]), 5.0),
        F.masked_fill(x, np.array([False, True, False]), 5.0),
        F.insert(x[:, :2], 1, 5.0, axis=1),
    ):
        assert y.dtype == np.float32 and y.tolist() == [[0, 5, 0]] * 2
    y = F.masked_fill(x, True, Variable(np.array(5.0)))
    assert y.dtype == np.float32 and np.all(y.data == 5)
    assert F.append(x[0], 1.0).dtype == np.float32
    assert F.index_put(x, (np.zeros(0, int),), 1.0).tolist() == x.tolist()
    flat = F.put_along_axis(x, np.array([4]), 1.0, axis=None)
    assert flat.tolist() == [[0, 0, 0], [0, 1, 0]]


def test_a_filled_place_hides_what_was_there():
    x = np.array([nan, 1.0])
    assert gradient(lambda x: F.square(F.masked_fill(x, np.isnan(x.data), 0.0)), x) == [0, 2]


@pytest.mark.parametrize("at", [0, 3, -1, [1], [0, 2], [2, 0], slice(0, 2), [-1, 0, 0]])
def test_insertions_are_numpys(at):
    x = np.arange(12.0).reshape(3, 4)
    for axis in (0, 1, -1):
        np.testing.assert_array_equal(
            F.insert(x, at, 7.0, axis), np.insert(x, at, 7.0, axis), str(axis)
        )
    np.testing.assert_array_equal(F.insert(x, at, 7.0), np.insert(x, at, 7.0))


def test_what_is_inserted_is_shaped_as_numpy_has_it():
    x = np.arange(12.0).reshape(3, 4)
    for at, values, axis in (
        (1, np.arange(3.0), 1),
        (1, np.ones((2, 3)), 1),
        ([1], np.arange(3.0)[:, None], 1),
        ([1], np.ones((3, 2)), 1),
        (2, np.arange(8.0).reshape(2, 4), 0),
        ([0, 1], np.arange(8.0).reshape(2, 4), 0),
        (1, np.arange(3.0), None),
    ):
        np.testing.assert_array_equal(F.insert(x, at, values, axis), np.insert(x, at, values, axis))
    mask = np.array([True, False, True, False])
    assert F.insert(np.arange(4.0), mask, 9.0).tolist() == [9, 0, 1, 9, 2, 3]


@pytest.mark.parametrize("mode", ["raise", "wrap", "clip"])
def test_choices(mode):
    a = np.array([[0, 2], [1, 1]]) if mode == "raise" else np.array([[-4, 7], [3, 1]])
    choices = [np.array([1.0, 2.0]), np.array([[3.0], [4.0]]), np.array(5.0)]
    np.testing.assert_array_equal(F.choose(a, choices, mode), np.choose(a, choices, mode=mode))
    assert F.choose(np.zeros(3, int), [2.0]).tolist() == [2, 2, 2]
    x = np.ones(2, np.float32)
    assert F.choose(np.array([0, 1]), [x, 1.0, 2.0]).dtype == np.float32


# ---- arranged ---------------------------------------------------------------------------------


@pytest.mark.parametrize("shift", [0, 1, -2, 7, (1, 2), (1, -1, 5)])
def test_rolls_are_numpys(shift):
    x = np.arange(24.0).reshape(2, 3, 4)
    several = np.ndim(shift)
    for axis in ((0, 2, 0)[: len(shift)],) if several else (None, 0, -1, (1, 2)):
        np.testing.assert_array_equal(F.roll(x, shift, axis), np.roll(x, shift, axis))


@pytest.mark.parametrize("k", range(-5, 6))
def test_turns_are_numpys(k):
    x = np.arange(24.0).reshape(2, 3, 4)
    for axes in ((0, 1), (2, 0), (-1, -2)):
        np.testing.assert_array_equal(F.rot90(x, k, axes), np.rot90(x, k, axes))


def test_rollaxis_is_numpys():
    x = np.zeros((2, 3, 4))
    for axis in range(-3, 3):
        for start in range(-3, 4):
            assert F.rollaxis(x, axis, start).shape == np.rollaxis(x, axis, start).shape


def test_empty_and_scalar_arrangements():
    empty = np.zeros((0, 3))
    assert F.ravel(empty).shape == (0,) and F.flip(empty).shape == (0, 3)
    assert F.tile(empty, 2).shape == (0, 6) and F.repeat(empty, 2, axis=1).shape == (0, 6)
    assert F.tile(np.array(2.0), 3).tolist() == [2, 2, 2]
    assert F.tile(np.ones(2), ()).tolist() == [1, 1]
    assert F.repeat(np.array([1.0, 2.0]), 0).shape == (0,)
    assert F.sliding_window_view(np.arange(3.0), 3).tolist() == [[0, 1, 2]]
    assert F.diag(np.zeros(0)).shape == (0, 0) and F.trace(empty) == 0
    assert F.atleast_3d(np.array(1.0)).shape == (1, 1, 1)
    assert F.meshgrid() == () and len(F.meshgrid(np.arange(3))) == 1
    assert F.meshgrid(np.arange(3))[0].tolist() == [0, 1, 2]


def test_windows_of_several_axes_are_numpys():
    x = np.arange(24.0).reshape(4, 6)
    numpys = np.lib.stride_tricks.sliding_window_view
    np.testing.assert_array_equal(F.sliding_window_view(x, (2, 3)), numpys(x, (2, 3)))
    np.testing.assert_array_equal(
        F.sliding_window_view(x, (2, 3), axis=(1, 1)), numpys(x, (2, 3), axis=(1, 1))
    )


def test_long_windows_are_what_short_ones_are():
    x = np.random.default_rng(0).normal(size=(2, 80))
    numpys = np.lib.stride_tricks.sliding_window_view
    np.testing.assert_array_equal(F.sliding_window_view(x, 70, 1), numpys(x, 70, 1))
    places = np.arange(70)
    expected = np.minimum(np.minimum(np.arange(80) + 1, 80 - np.arange(80)), 11)
    assert gradient(lambda x: F.sliding_window_view(x, len(places), 1), x)[0] == expected.tolist()
    assert F.sliding_window_view(x, 0, 1).shape == (2, 81, 0)


def test_an_array_is_cut_beyond_its_end_as_by_numpy():
    x = np.arange(4.0)
    for cuts in ([2, 6], [3, 1], [-1], [0, 0]):
        got, expected = F.array_split(x, cuts), np.array_split(x, cuts)
        assert [part.tolist() for part in got] == [part.tolist() for part in expected]


def test_triangles_keep_the_dtype():
    for dtype in (bool, np.int8, np.float32):
        assert F.tril(np.ones((2, 2), dtype)).dtype == F.triu(np.ones(2, dtype), 1).dtype == dtype
    np.testing.assert_array_equal(F.triu(np.arange(3)), np.triu(np.arange(3)))


def test_nothing_comes_through_a_triangle():
    x = np.array([[1.0, inf], [nan, 2.0]])
    assert gradient(lambda x: F.tril(F.triu(x)), x) == [[1, 0], [0, 1]]


def test_every_derivative_of_the_powers_at_0():
    check_derivatives(lambda x: F.vander(x, 5), np.array([0.0, 1.5]))


# ---- signals ----------------------------------------------------------------------------------


@pytest.mark.parametrize("mode", ["full", "same", "valid"])
@pytest.mark.parametrize("sizes", [(1, 1), (1, 4), (4, 1), (5, 2), (2, 5), (3, 4), (6, 6)])
def test_convolutions_and_correlations_are_numpys(mode, sizes):
    rng = np.random.default_rng(0)
    x0, x1 = (rng.normal(size=n) + 1j * rng.normal(size=n) for n in sizes)
    np.testing.assert_allclose(F.convolve(x0, x1, mode=mode), np.convolve(x0, x1, mode))
    np.testing.assert_allclose(F.correlate(x0, x1, mode), np.correlate(x0, x1, mode))
    check_derivatives(F.convolve, x0.real.copy(), x1.real.copy(), mode=mode, order=2)
    check_derivatives(F.correlate, x0.real.copy(), x1.real.copy(), mode=mode, order=2)


def test_interpolation_at_its_knots_and_ends():
    knots, values = np.array([0.0, 1.0, 3.0]), np.array([5.0, 6.0, 2.0])
    x = np.array([-inf, -1.0, 0.0, 1.0, 3.0, 4.0, inf, nan])
    np.testing.assert_array_equal(F.interp(x, knots, values), np.interp(x, knots, values))
    np.testing.assert_array_equal(
        F.interp(x, knots, values, -7.0, 7.0), np.interp(x, knots, values, -7.0, 7.0)
    )
    gx, gknots, gvalues = gradient(F.interp, x[:-1], knots, values)
    assert gx == [0, 0, 1, -2, -2, 0, 0]
    assert np.isfinite(gknots).all()
    assert gvalues == [3, 1, 3]
    stairs = np.array([0.0, 1.0, 1.0, 2.0])
    assert F.interp(np.array([1.0, 2.0]), stairs, np.array([0.0, 1.0, 5.0, 6.0])).tolist() == [5, 6]


def test_periodic_interpolation_is_numpys():
    rng = np.random.default_rng(0)
    x, knots, values = rng.uniform(-9, 9, 20), rng.uniform(-5, 5, 6), rng.normal(size=6)
    for period in (4.0, -7.5):
        np.testing.assert_allclose(
            F.interp(x, knots, values, period=period), np.interp(x, knots, values, period=period)
        )


@pytest.mark.parametrize("edge_order", [1, 2])
def test_slopes_are_numpys(edge_order):
    rng = np.random.default_rng(0)
    f, x = rng.normal(size=(4, 5)), np.array([0.0, 0.5, 2.0, 2.25, 4.0])
    for spacings, axis in (((), None), ((0.5,), None), ((2.0, x), None), ((x,), 1), ((), -1)):
        got = F.gradient(f, *spacings, axis=axis, edge_order=edge_order)
        expected = np.gradient(f, *spacings, axis=axis, edge_order=edge_order)
        np.testing.assert_allclose(got, expected, rtol=1e-12)
    assert F.gradient(np.array([1, 2, 4])).tolist() == [1, 1.5, 2]
    assert F.gradient(f.astype(np.float32), np.float64(0.5))[0].dtype == np.float32
    check_derivatives(lambda f, x: F.gradient(f, x, edge_order=edge_order), f[0].copy(), x)


@pytest.mark.parametrize("period", [2 * np.pi, 1.0, 3])
def test_unwrapped_phases_are_numpys(period):
    p = np.random.default_rng(0).uniform(-20, 20, (3, 50))
    for discont in (None, 0.1, 4.0):
        for axis in (0, -1):
            np.testing.assert_allclose(
                F.unwrap(p, discont, axis, period),
                np.unwrap(p, discont, axis, period=period),
                atol=1e-12,
            )
    steps = np.array([0.0, 0.5, 1.0, 0.5, 0.0]) * period
    np.testing.assert_allclose(F.unwrap(steps, period=period), np.unwrap(steps, period=period))


def test_polynomials_take_lists():
    x = np.array([1.0, 2.0], np.float32)
    y = F.polyval([1, 0.0, Variable(np.array(3.0, np.float32))], x)
    assert y.dtype == np.float32 and y.tolist() == [4, 7]
    assert F.polyval([], x).tolist() == [0, 0]


# ---- without a derivative ---------------------------------------------------------------------


def test_what_has_no_derivative_answers_arrays():
    x = Variable(np.array([3.0, 0.0, nan]))
    assert type(F.isclose(x, x)) is np.ndarray
    assert F.isclose(x, x, equal_nan=True).tolist() == [True] * 3
    assert F.allclose(x[:2], np.array([3.0, 0.0])) and not F.array_equal(x, x)
    assert F.isin(x, [0, 3]).tolist() == [True, True, False]
    assert F.nonzero(x)[0].tolist() == F.flatnonzero(x).tolist() == [0, 2]
    assert F.argwhere(x).tolist() == [[0], [2]] and F.count_nonzero(x) == 2
    assert F.unique(x[:2]).tolist() == [0, 3]
    knots = Variable(np.array([1.0, 2.0]))
    assert F.searchsorted(knots, x[:2], side="right").tolist() == [2, 0]
    assert F.digitize(x[:2], knots).tolist() == [2, 0]
    counts, edges = F.histogram(x[:2], bins=3, weights=knots)
    assert counts.tolist() == [2, 0, 1] and edges.tolist() == [0, 1, 2, 3]
    assert F.amax is F.max and F.amin is F.min


def test_a_condition_alone_is_nonzero():
    condition = np.array([[True, False], [True, True]])
    got = F.where(condition)
    assert [places.tolist() for places in got] == [[0, 1, 1], [0, 0, 1]]
    got = F.where(Variable(condition))
    assert [places.tolist() for places in got] == [[0, 1, 1], [0, 0, 1]]


def test_examples_are_told_what_there_is_none_for():
    with pytest.raises(TypeError, match=r"^isclose: a Batched came, for which there is none"):
        vmap(lambda x: F.isclose(x, 1.0))(np.ones((2, 3)))


def test_methods_of_variables():
    x = Variable(np.array([[3.0, 1.0], [2.0, 4.0]]))
    assert x.ravel().tolist() == [3, 1, 2, 4] and x.trace().item() == 7
    assert x.repeat(2, axis=0).shape == (4, 2) and x.diagonal(1).tolist() == [1]
    assert x.dot(x).tolist() == [[11, 7], [14, 18]]
    assert x.cumprod(axis=1).tolist() == [[3, 3], [2, 8]]
    assert x.argsort().tolist() == [[1, 0], [0, 1]] and (x / 3).round(1).tolist()[0] == [1, 0.3]


def test_numpys_functions_answer_variables():
    x = Variable(np.array([[3.0, 1.0], [2.0, 4.0]]))
    for y in (np.flip(x, 0), np.sort(x, axis=0), np.median(x, axis=1), np.tril(x, k=-1)):
        assert isinstance(y, Variable) and y.requires_grad
    assert np.where(x.data > 2, x, 0.0).tolist() == [[3, 0], [0, 4]]


# ---- recorded ---------------------------------------------------------------------------------


def test_places_that_are_computed_are_recorded():
    def function(x):
        order = F.argsort(x)
        return F.put_along_axis(x, order[:2], x[:2] * 2, 0), F.choose(order, [x, -x, x * x])

    x = np.array([3.0, 1.0, 2.0])
    compiled = descend.compile(function)
    for got, expected in zip(compiled(x), function(x), strict=True):
        np.testing.assert_allclose(got, expected)


# ---- messages ---------------------------------------------------------------------------------

ONES = np.ones((2, 3))

MESSAGES = [
    (lambda: F.fliplr(np.ones(3)), "fliplr: x (3,) has no second axis"),
    (lambda: F.flipud(np.ones(())), "flipud: x () has no axis"),
    (lambda: F.flip(ONES, 2), "flip: axis 2 does not fit an array of 2 axes"),
    (lambda: F.rot90(ONES, axes=(0, 1, 0)), "rot90: axis (0, 1, 0) does not fit"),
    (lambda: F.rot90(ONES, axes=(0,)), "rot90: axes are (0,), two are needed"),
    (lambda: F.roll(ONES, [[1]], 0), "roll: shift [[1]] and axis 0 must be numbers"),
    (lambda: F.rollaxis(ONES, 0, 5), "rollaxis: start 5 does not lie between 0 and 2"),
    (lambda: F.repeat(ONES, [1, 2], 1), "repeat: 2 repeats came for the 3 places of axis 1"),
    (lambda: F.repeat(ONES, -1), "repeat: repeats is -1, it must not be negative"),
    (lambda: F.broadcast_arrays(ONES, np.ones(2)), "broadcast_arrays: (2, 3), (2,) do not"),
    (lambda: F.meshgrid(ONES, indexing="yx"), "meshgrid: indexing is 'yx', 'xy' or 'ij'"),
    (lambda: F.sliding_window_view(ONES, 2), "sliding_window_view: window_shape (2,) has 1"),
    (lambda: F.sliding_window_view(ONES, 4, 1), "sliding_window_view: a window of 4 does not fit"),
    (lambda: F.vander(ONES), "vander: x (2, 3) needs one axis"),
    (lambda: F.hstack([]), "hstack: no arrays came, at least one is needed"),
    (lambda: F.array_split(ONES, 0), "array_split: 0 parts came, at least 1 is needed"),
    (lambda: F.vsplit(np.ones(2), 2), "vsplit: x (2,) has 1 axes, 2 are needed"),
    (lambda: F.diag(np.ones((1, 1, 1))), "diag: x (1, 1, 1) has 3 axes, 1 or 2 are needed"),
    (lambda: F.diagonal(np.ones(2)), "diagonal: axis (0, 1) does not fit an array of 1 axes"),
    (lambda: F.tril(np.ones(())), "tril: x () has no axes, at least 1 is needed"),
    (lambda: F.topk(ONES, 4), "topk: k is 4, axis 1 of x (2, 3) has 3 elements"),
    (lambda: F.quantile(ONES, 1.5), "quantile: q must lie between 0 and 1"),
    (lambda: F.percentile(ONES, -1), "percentile: q must lie between 0 and 100"),
    (lambda: F.quantile(ONES, 0.5, weights=ONES), "quantile: weights came, which change the ranks"),
    (lambda: np.nanpercentile(Variable(ONES), 5, weights=ONES), "nanpercentile: weights came"),
    (lambda: F.quantile(ONES, 0.5, method="best"), "quantile: method is 'best', one of linear"),
    (lambda: F.median(np.ones(0)), "median: x (0,) has no elements along axis None"),
    (lambda: F.diff(ONES, -1), "diff: n is -1, it must not be negative"),
    (
        lambda: F.index_put(ONES, (np.array([0]),), np.ones(2)),
        "index_put: values (2,) do not broadcast to the (1, 3) that is chosen",
    ),
    (
        lambda: F.scatter(ONES, 0, np.array([[0, 0, 0]]), np.ones(3)),
        "scatter: index (1, 3) and src (3,) must be equal",
    ),
    (
        lambda: F.put_along_axis(ONES, np.array([0]), 1.0),
        "put_along_axis: indices (1,) need as many axes as x (2, 3)",
    ),
    (lambda: F.insert(ONES, 1, np.ones(5), 1), "insert: values (5,) at 1 do not fit axis 1"),
    (lambda: F.insert(ONES, 9, 1.0, 1), "insert: values () at 9 do not fit axis 1"),
    (lambda: F.delete(ONES, 9, 1), "delete: obj 9 does not fit x (2, 3)"),
    (lambda: F.masked_fill(ONES, True, ONES), "masked_fill: value has the shape (2, 3), not ()"),
    (
        lambda: F.masked_fill(ONES, np.ones(2, bool), 0.0),
        "masked_fill: mask (2,) does not broadcast to x (2, 3)",
    ),
    (lambda: F.masked_select(ONES, ONES), "masked_select: mask is float64, bool is needed"),
    (lambda: F.compress(ONES, ONES), "compress: condition (2, 3) needs one axis"),
    (lambda: F.choose(np.array([2]), [1.0, 2.0]), "choose: a has numbers from 2 to 2 for 2"),
    (lambda: F.choose(np.ones(1), [1.0]), "choose: a is float64, integers are needed"),
    (lambda: F.choose(np.array([0]), [1.0], "best"), "choose: mode is 'best', 'raise', 'wrap'"),
    (lambda: F.select([], []), "select: 0 conditions and 0 choices came"),
    (
        lambda: F.average(ONES, weights=np.ones(3)),
        "average: weights (3,) are neither of x's shape (2, 3) nor",
    ),
    (lambda: F.cov(np.ones((1, 1, 1))), "cov: x (1, 1, 1) has 3 axes, at most 2 are needed"),
    (lambda: F.cov(ONES, aweights=np.ones(2)), "cov: weights (2,) came for 3 observations"),
    (lambda: F.bincount(np.ones(2)), "bincount: x is float64 (2,), integers along one axis"),
    (lambda: F.bincount(np.array([-1])), "bincount: x has -1, no number may be negative"),
    (
        lambda: F.bincount(np.array([1]), np.ones(2)),
        "bincount: weights (2,) and x (1,) must be equal",
    ),
    (lambda: F.convolve(ONES, np.ones(2)), "convolve: x0 (2, 3) and x1 (2,) need one axis"),
    (lambda: F.convolve(np.ones(0), np.ones(2)), "convolve: x0 (0,) and x1 (2,) need one axis"),
    (lambda: F.convolve(np.ones(2), np.ones(2), mode="all"), "convolve: mode is 'all', 'full'"),
    (lambda: F.correlate(ONES, np.ones(2)), "correlate: x0 (2, 3) and x1 (2,) need one axis"),
    (lambda: F.correlate(np.ones(2), np.ones(2), "all"), "correlate: mode is 'all', 'full'"),
    (lambda: F.interp(1.0, np.ones(2), np.ones(3)), "interp: xp (2,) and fp (3,) need one axis"),
    (lambda: F.interp(1.0, np.ones(2), np.ones(2), period=0), "interp: period is 0"),
    (lambda: F.gradient(np.ones(1)), "gradient: axis 0 of f (1,) has less than 2 elements"),
    (lambda: F.gradient(ONES, 1.0, 1.0, 1.0), "gradient: 3 spacings came for 2 axes"),
    (lambda: F.gradient(ONES, np.ones(2), axis=1), "gradient: (2,) places came for axis 1"),
    (lambda: F.gradient(ONES, edge_order=3), "gradient: edge_order is 3, 1 or 2 is needed"),
    (lambda: F.trapezoid(ONES, np.ones(2)), "trapezoid: x (2,) does not fit axis 1 of y (2, 3)"),
    (lambda: F.polyval(ONES, 1.0), "polyval: p (2, 3) needs one axis"),
    (lambda: F.where(True, 1.0), "where: condition True, x0 1.0: one of x0 and x1 came"),
]


@pytest.mark.parametrize("call, start", MESSAGES, ids=[start for _, start in MESSAGES])
def test_messages(call, start):
    with pytest.raises((ValueError, TypeError, IndexError)) as caught:
        call()
    assert str(caught.value).startswith(start)

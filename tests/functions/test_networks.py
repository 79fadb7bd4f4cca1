"""Activations, losses, distances and random variables at kinks, at zero and far out; refusals."""

import itertools
import re

import mpmath
import numpy as np
import pytest

import descend.functions as F
from descend import Variable, default_rng, gradients, using_config
from descend.testing import check_derivatives

inf, nan = np.inf, np.nan
RNG = np.random.default_rng(0)


def refused(kind, sentence):
    return pytest.raises(kind, match=f"^{re.escape(sentence)}$")


def gradient(f, *xs):
    """The gradient of the sum of f's elements to each argument."""
    variables = [Variable(np.asarray(x)) for x in xs]
    gxs = gradients(F.sum(f(*variables)), variables, allow_unused=True)
    lists = [None if gx is None else gx.tolist() for gx in gxs]
    return lists if len(lists) > 1 else lists[0]


# ---- activations ------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("function", "x", "slope"),
    [
        (lambda x: F.elu(x, 0.5), 0.0, 0.5),
        (F.celu, 0.0, 1.0),
        (F.selu, 0.0, 1.0507009873554805 * 1.6732632423543772),
        (F.relu6, 0.0, 0.0),
        (F.relu6, 6.0, 0.0),
        (F.hardtanh, -1.0, 0.0),
        (F.hardtanh, 1.0, 0.0),
        (F.hardsigmoid, -3.0, 0.0),
        (F.hardsigmoid, 3.0, 0.0),
        (F.hardswish, -3.0, 0.0),
        (F.hardswish, 3.0, 1.0),
        (F.softshrink, 0.5, 0.0),
        (F.softshrink, -0.5, 0.0),
        (F.hardshrink, 0.5, 0.0),
        (lambda x: F.threshold(x, 0.5, 9.0), 0.5, 0.0),
        (lambda x: F.prelu(x, np.array(0.25)), 0.0, 0.25),
        (F.softplus, 0.0, 0.5),
        (F.softsign, 0.0, 1.0),
        (F.silu, 0.0, 0.5),
    ],
)
def test_slopes_where_pieces_meet(function, x, slope):
    assert gradient(function, np.array([x])) == [pytest.approx(slope, rel=1e-15)]


FAR = [
    (F.elu, (-1, 0), (1000, 1)),
    (F.celu, (-1, 0), (1000, 1)),
    (F.relu6, (0, 0), (6, 0)),
    (F.hardswish, (0, 0), (1000, 1)),
    (F.silu, (0, 0), (1000, 1)),
    (F.mish, (0, 0), (1000, 1)),
    (F.softplus, (0, 0), (1000, 1)),
    (lambda x: F.softplus(x, beta=3.0), (0, 0), (1000, 1)),
    (F.softshrink, (-999.5, 1), (999.5, 1)),
    (F.tanhshrink, (-999, 1), (999, 1)),
]


@pytest.mark.parametrize(("function", "left", "right"), FAR)
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_far_from_zero(function, left, right, dtype):
    x = np.array([-1000.0, 1000.0], dtype)
    assert function(x).dtype == dtype
    assert function(x).tolist() == [left[0], right[0]]
    assert gradient(function, x) == [left[1], right[1]]


@pytest.mark.parametrize("function", [f for f, _, _ in FAR] + [F.selu, F.softsign])
@pytest.mark.parametrize("dtype", [np.float16, np.float32, np.float64])
def test_the_largest_numbers_do_not_overflow(function, dtype):
    largest = np.finfo(dtype).max / 4
    assert np.isfinite(function(np.array([-largest, 0, largest], dtype))).all()


NAMES = (
    "elu selu celu relu6 hardtanh hardsigmoid hardswish softshrink hardshrink silu mish softplus"
)


@pytest.mark.parametrize("name", NAMES.split())
def test_nan_stays(name):
    assert np.isnan(getattr(F, name)(np.array([nan]))).all()
    assert np.isnan(F.threshold(np.array([nan]), 0.0, 1.0)).all()


@pytest.mark.parametrize("name", NAMES.split())
def test_integers_become_numbers(name):
    x = np.array([-4, 0, 3])
    np.testing.assert_allclose(getattr(F, name)(x), getattr(F, name)(x.astype(float)))


@pytest.mark.parametrize("beta", [1.0, 0.5, 7.0])
def test_softplus_is_exact(beta):
    xs = np.array([-700.0, -40.0, -3.0, -1e-9, 0.0, 1e-9, 2.5, 19.0, 21.0, 36.0, 700.0])
    with mpmath.workdps(50):
        values = [mpmath.log1p(mpmath.exp(beta * mpmath.mpf(x))) / beta for x in xs]
        expected = np.array([float(v) for v in values])
    np.testing.assert_allclose(F.softplus(xs, beta), expected, rtol=4e-16 * 40)


def test_softplus_beyond_its_threshold_is_x():
    x = np.array([1.9, 2.1])
    y = F.softplus(x, 2.0, threshold=4.0)
    assert y[0] > 1.9 and y[1] == 2.1
    assert gradient(lambda x: F.softplus(x, 2.0, 4.0), x)[1] == 1


def test_a_slope_for_each_channel():
    x = -np.ones((2, 3, 2))
    assert F.prelu(x, np.array([1.0, 2.0, 3.0]))[0, :, 0].tolist() == [-1, -2, -3]
    gx, gw = gradient(F.prelu, x, np.array([1.0, 2.0, 3.0]))
    assert gw == [-4, -4, -4] and gx[1][2] == [3, 3]


def test_maxout_shares_the_gradient_of_equal_elements():
    assert gradient(lambda x: F.maxout(x, 2), np.array([[1.0, 1.0, 0.0, 3.0]])) == [
        [0.5, 0.5, 0, 1]
    ]


# ---- losses -----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "name",
    "smooth_l1_loss huber_loss kl_div poisson_nll_loss binary_cross_entropy focal_loss dice_loss "
    "hinge_loss hinge_embedding_loss soft_margin_loss multilabel_soft_margin_loss".split(),
)
def test_nothing_is_broadcast(name):
    with refused(
        ValueError, f"{name}: x (3, 1) and t (3,) must have the same shape: reshape one of them"
    ):
        getattr(F, name)(np.full((3, 1), 0.5), np.full(3, 0.5))
    with refused(ValueError, f'{name}: reduction=\'avg\' came, "mean", "sum" or "none" is needed'):
        getattr(F, name)(np.full(3, 0.5), np.full(3, 0.5), reduction="avg")


@pytest.mark.parametrize("name", ["mse_loss", "hinge_loss", "soft_margin_loss", "focal_loss"])
@pytest.mark.parametrize("dtype", [np.float16, np.float32])
def test_integer_targets_do_not_promote(name, dtype):
    x = np.array([0.5, -0.25], dtype)
    assert getattr(F, name)(x, np.array([1, -1])).dtype == dtype
    assert getattr(F, name)(x, np.array([True, False])).dtype == dtype


@pytest.mark.parametrize("function", [F.smooth_l1_loss, F.huber_loss])
def test_large_differences_cost_a_line(function):
    x = np.array([1e200, -1e200, inf])
    assert gradient(lambda x: function(x, np.zeros(3), "sum"), x) == [1, -1, 1]


def test_an_element_without_probability_adds_nothing():
    x, t = np.array([-inf, -1.0]), np.array([0.0, 1.0])
    assert F.kl_div(x, t, reduction="none").tolist() == [0, 1]
    gx, gt = gradient(lambda x, t: F.kl_div(x, t, "sum"), x, t)
    assert gx == [0, -1] and gt[1] == 2
    assert F.kl_div(x, np.log([1e-300, 1.0]) * [inf, 1], "sum", log_target=True) == 1


def test_a_small_variance_counts_as_eps_and_may_grow():
    x, t, var = np.zeros(2), np.array([0.0, 1.0]), np.array([0.0, 1e-9])
    y = F.gaussian_nll_loss(x, t, var, eps=0.5, reduction="none")
    np.testing.assert_allclose(y, [0.5 * np.log(0.5), 0.5 * np.log(0.5) + 1])
    slopes = gradient(lambda v: F.gaussian_nll_loss(x, t, v, eps=0.5, reduction="sum"), var)
    np.testing.assert_allclose(slopes, [1, -1])


def test_a_wrong_answer_without_doubt_costs_100():
    x, t = np.array([0.0, 1.0, 0.0, 1.0]), np.array([1.0, 0.0, 0.0, 1.0])
    for dtype in (np.float16, np.float32, np.float64):
        y = F.binary_cross_entropy(x.astype(dtype), t.astype(dtype), reduction="none")
        assert y.tolist() == [100, 100, 0, 0] and y.dtype == dtype
    assert np.isfinite(gradient(lambda x: F.binary_cross_entropy(x, t), x)).all()


def test_focal_loss_of_large_logits():
    x, t = np.array([800.0, -800.0, 800.0]), np.array([1.0, 1.0, 0.0])
    assert F.focal_loss(x, t, alpha=-1, reduction="none").tolist() == [0, 800, 800]
    assert np.isfinite(gradient(lambda x: F.focal_loss(x, t), x)).all()


def test_regions_that_are_both_empty():
    x, t = np.zeros((2, 3)), np.zeros((2, 3))
    assert F.dice_loss(x, t) == 0 and F.dice_loss(x, t, smooth=0.0) == 0
    assert gradient(lambda x: F.dice_loss(x, t, smooth=0.0), x) == [[0] * 3] * 2


def test_soft_margin_of_large_outputs():
    x, t = np.array([1000.0, -1000.0]), np.array([1, 1])
    assert F.soft_margin_loss(x, t, "none").tolist() == [0, 1000]
    assert gradient(lambda x: F.soft_margin_loss(x, t, "sum"), x) == [0, -1]


def test_a_triplet_of_equal_vectors():
    a = np.ones((2, 3))
    for eps in (1e-6, 0.0):
        assert F.triplet_margin_loss(a, a, a, eps=eps) == 1
        gas = gradient(lambda a, p, n, e=eps: F.triplet_margin_loss(a, p, n, eps=e), a, a, a)
        assert np.isfinite(gas).all()


def test_info_nce_finds_the_pair():
    x = RNG.normal(size=(5, 4))
    easy = F.info_nce(x, x, temperature=0.01)
    assert easy < 1e-3 < F.info_nce(x, np.roll(x, 1, axis=0), temperature=0.01)
    assert F.info_nce(x, x * 7) == pytest.approx(F.info_nce(x, x).item())


# ---- ctc_loss and crf1d -----------------------------------------------------------------------


def log_softmax(x):
    return x - np.log(np.exp(x).sum(axis=-1, keepdims=True))


def test_probabilities_of_all_targets_add_up_to_one():
    x = log_softmax(RNG.normal(size=(4, 1, 3)))
    total = 0.0
    for size in range(5):
        for target in itertools.product([1, 2], repeat=size):
            loss = F.ctc_loss(x, np.array([target], int), [4], [size], reduction="sum")
            total += np.exp(-loss)
    assert total == pytest.approx(1)


def test_an_alignment_that_does_not_fit():
    # two equal labels need a blank between them: three steps
    x = Variable(log_softmax(RNG.normal(size=(3, 2, 3))))
    targets, lengths = np.array([[1, 1], [1, 2]]), np.array([2, 2])
    loss = F.ctc_loss(x, targets, lengths, [2, 2], reduction="none")
    assert loss.data[0] == inf and np.isfinite(loss.data[1])
    (gx,) = gradients(F.sum(loss), x)
    assert not gx.data[:, 0].any() and gx.data[:2, 1].any() and not gx.data[2].any()
    loss = F.ctc_loss(x, targets, lengths, [2, 2], reduction="none", zero_infinity=True)
    assert loss.data[0] == 0
    x = Variable(x.data)
    check_derivatives(lambda x: F.ctc_loss(x, targets, lengths, [2, 2], zero_infinity=True), x.data)


def test_sequences_without_steps_or_targets():
    x = log_softmax(RNG.normal(size=(3, 3, 2)))
    targets = np.array([[1], [1], [1]])
    losses = F.ctc_loss(x, targets, [0, 0, 3], [0, 1, 0], reduction="none")
    assert losses[:2].tolist() == [0, inf]
    assert losses[2] == pytest.approx(-x[:, 2, 0].sum())
    assert F.ctc_loss(x[:0], targets, [0, 0, 0], [0, 0, 0]) == 0


def test_padding_of_targets_may_be_anything():
    x = log_softmax(RNG.normal(size=(4, 2, 3)))
    losses = [
        F.ctc_loss(x, np.array([[1, 2], [2, filler]]), [4, 4], [2, 1]) for filler in (-1, 0, 2, 99)
    ]
    assert len(set(map(float, losses))) == 1


def test_probabilities_of_zero_in_ctc():
    x = Variable(np.log(np.array([[[0.5, 0.5, 1e-300]], [[0.5, 0.5, 1e-300]]])))
    x.data[..., 2] = -inf
    loss = F.ctc_loss(x, np.array([[1]]), [2], [1], reduction="sum")
    assert loss.item() == pytest.approx(-np.log(0.75))
    (gx,) = gradients(loss, x)
    assert np.isfinite(gx.data).all()


def test_a_long_sequence_does_not_underflow():
    x = log_softmax(RNG.normal(size=(300, 1, 20)).astype(np.float32))
    loss = F.ctc_loss(x, RNG.integers(1, 20, (1, 40)), [300], [40], reduction="sum")
    assert loss.dtype == np.float32 and 400 < loss < 1100


def test_crf_decodes_the_most_probable_path():
    for lengths in (None, np.array([4, 2, 1])):
        x, transitions = RNG.normal(size=(4, 3, 3)), RNG.normal(size=(3, 3))
        start, end = RNG.normal(size=3), RNG.normal(size=3)
        path = F.crf1d_decode(x, transitions, lengths, start, end)
        for n in range(3):
            length = 4 if lengths is None else lengths[n]
            assert (path[length:, n] == -1).all()
            losses = {
                tags: F.crf1d(x[:length, n], np.array(tags), transitions, None, start, end)
                for tags in itertools.product(range(3), repeat=int(length))
            }
            assert min(losses, key=losses.get) == tuple(path[:length, n].tolist())
            assert sum(np.exp(-loss) for loss in losses.values()) == pytest.approx(1)


def test_crf_of_one_step_is_cross_entropy():
    x, t = RNG.normal(size=(1, 4, 3)), np.array([[0, 2, 1, 1]])
    loss = F.crf1d(x, t, np.zeros((3, 3)))
    assert loss == pytest.approx(F.cross_entropy(x[0], t[0]).item())
    assert F.crf1d_decode(Variable(x), np.zeros((3, 3)))[0].tolist() == x[0].argmax(axis=1).tolist()


def test_a_move_that_is_forbidden():
    transitions = np.array([[0.0, -inf], [0.0, 0.0]])
    x = Variable(np.zeros((3, 1, 2)))
    loss = F.crf1d(x, np.array([[1], [1], [0]]), transitions)
    loss.backward()
    assert loss.item() == pytest.approx(np.log(4)) and np.isfinite(x.grad.data).all()


# ---- normalization ----------------------------------------------------------------------------


def test_groups_of_all_or_of_one_channel():
    x = RNG.normal(size=(2, 6, 3))
    np.testing.assert_allclose(F.group_norm(x, 1), F.layer_norm(x, (6, 3)))
    np.testing.assert_allclose(F.group_norm(x, 6), F.instance_norm(x))


def test_instance_norm_moves_running_statistics():
    x = RNG.normal(size=(4, 2, 5)).astype(np.float16)
    mean, var = (Variable(make(2, np.float32), requires_grad=False) for make in (np.zeros, np.ones))
    y = F.instance_norm(Variable(x), mean, var, momentum=0.3)
    wide = x.astype(np.float32)
    np.testing.assert_allclose(mean.data, 0.3 * wide.mean(axis=(0, 2)), rtol=1e-5)
    expected = 0.7 + 0.3 * wide.var(axis=2, ddof=1).mean(axis=0)
    np.testing.assert_allclose(var.data, expected, rtol=1e-5)
    assert y.dtype == np.float16 and mean.creator is None and mean.dtype == np.float32
    still = F.instance_norm(wide, mean, var, use_input_stats=False)
    assert still.shape == x.shape and abs(still.mean()) < 0.5


@pytest.mark.parametrize("name", ["group_norm", "rms_norm"])
def test_float16_is_computed_in_float32(name):
    x = (RNG.normal(size=(3, 64)) * 300).astype(np.float16)  # its squares overflow float16
    y = F.group_norm(x, 1) if name == "group_norm" else F.rms_norm(x, 64)
    assert y.dtype == np.float16
    np.testing.assert_allclose(y.std(axis=1), 1, atol=0.2)


def test_vectors_of_zeros():
    x = np.zeros((2, 3))
    assert not F.normalize(x).any() and not F.rms_norm(x, 3).any()
    np.testing.assert_allclose(gradient(F.normalize, x), 1e12)
    assert F.cosine_similarity(x, np.ones((2, 3))).tolist() == [0, 0]
    gx, gy = gradient(F.cosine_similarity, x, np.ones((2, 3)))
    assert np.isfinite(gx).all() and np.isfinite(gy).all()


def test_power_iterations_reach_the_largest_singular_value():
    weight, u = RNG.normal(size=(4, 2, 3)), RNG.normal(size=4)
    before = u.copy()
    scaled, u1 = F.spectral_norm(Variable(weight), u, n_power_iterations=200)
    largest = np.linalg.svd(weight.reshape(4, 6))[1][0]
    np.testing.assert_allclose(scaled.data, weight / largest)
    assert not u1.requires_grad and np.linalg.norm(u1.data) == pytest.approx(1)
    np.testing.assert_array_equal(u, before)
    # u and v count as constants: the gradient of sum(W) / (u @ W @ v)
    x = Variable(weight)
    F.spectral_norm(x, u1.data, 0)[0].sum().backward()
    v = np.linalg.svd(weight.reshape(4, 6))[2][0]
    v = v * np.sign(u1.data @ weight.reshape(4, 6) @ v)
    expected = 1 / largest - weight.sum() / largest**2 * np.outer(u1.data, v).reshape(weight.shape)
    np.testing.assert_allclose(x.grad.data, expected, rtol=1e-6)


# ---- distances --------------------------------------------------------------------------------


@pytest.mark.parametrize("p", [0.0, 1.0, 1.5, 2.0, 3.0, inf])
def test_distances_of_zero_are_flat(p):
    x = np.array([[1.0, 2.0], [3.0, 4.0]])
    y = F.cdist(x, x, p)
    assert y[0, 0] == y[1, 1] == 0
    for order in (1, 2, 3):
        v = Variable(x)
        total = F.sum(F.cdist(v, v, p)[np.arange(2), np.arange(2)])
        for _ in range(order):
            if not total.requires_grad:
                break
            (gx,) = gradients(total, v, create_graph=True, allow_unused=True)
            if gx is None:
                break
            assert not gx.data.any(), (p, order)
            total = F.sum(gx)
    y = F.pairwise_distance(Variable(x), x, p, eps=0.0)
    assert not y.data.any() and y.requires_grad == (p > 0)
    if p > 0:
        assert not np.any(gradient(lambda a, b: F.pairwise_distance(a, b, p, eps=0.0), x, x))


def test_cosines_broadcast_along_their_axis_too():
    x0, x1 = RNG.normal(size=(2, 3)), np.array([[2.0], [-1.0]])
    expected = F.cosine_similarity(x0, np.broadcast_to(x1, (2, 3)))
    np.testing.assert_allclose(F.cosine_similarity(x0, x1), expected)
    np.testing.assert_allclose(F.cosine_similarity(x0[0], x0, -1)[0], 1)


def test_distances_of_near_vectors_keep_their_digits():
    x0 = np.array([[1e8, 0.0]], np.float64)
    assert F.cdist(x0, x0 + np.array([[0.0, 1e-6]])).item() == pytest.approx(1e-6, rel=1e-12)


def test_the_number_of_elements_that_differ():
    x0, x1 = np.array([[1.0, 2.0, 3.0]], np.float32), np.array([[1.0, 0.0, 0.0]], np.float32)
    y = F.cdist(x0, x1, 0)
    assert y.tolist() == [[2]] and y.dtype == np.float32


def test_no_vectors():
    assert F.cdist(np.zeros((0, 3)), np.zeros((2, 3))).shape == (0, 2)
    assert F.cdist(np.zeros((2, 0)), np.zeros((2, 0))).tolist() == [[0, 0], [0, 0]]
    assert F.pairwise_distance(np.zeros((0, 3)), np.zeros((0, 3))).shape == (0,)


# ---- classes, positions, sequences ------------------------------------------------------------


def test_the_product_of_turned_vectors_depends_on_their_distance():
    q, k = RNG.normal(size=(1, 8)), RNG.normal(size=(1, 8))
    for interleaved in (True, False):

        def product(i, j, interleaved=interleaved):
            turned = (F.rotary(x, np.array([p]), 10000.0, interleaved) for x, p in ((q, i), (k, j)))
            return np.sum(next(turned) * next(turned))

        assert product(7, 3) == pytest.approx(product(1004, 1000))
        assert product(7, 3) != pytest.approx(product(7, 4))


def test_far_positions_keep_their_digits_in_float32():
    x = np.ones((1, 2), np.float32)
    y = F.rotary(x, np.array([1_000_003]))
    assert y.dtype == np.float32
    np.testing.assert_allclose(y[0, 0], np.cos(1_000_003) - np.sin(1_000_003), rtol=1e-6)


def test_one_hot_of_nothing():
    assert F.one_hot(np.zeros((0, 2), int), 3).shape == (0, 2, 3)
    assert F.one_hot(Variable(np.array([1])), 2, np.float32).dtype == np.float32


# ---- passing through --------------------------------------------------------------------------


def test_the_gradient_goes_straight_through():
    x, y = np.array([0.4, 2.6]), np.array([0.0, 3.0])
    gx, gy = gradient(lambda x, y: F.straight_through(x, y) ** 2, x, y)
    assert gx == [0, 6] and gy is None
    assert F.straight_through(x.astype(np.float32), y).dtype == np.float32


def test_the_gradient_turns_round():
    x = np.array([1.0, 2.0])
    assert gradient(lambda x: F.gradient_reversal(x, 0.5) ** 2, x) == [-1, -2]
    assert gradient(lambda x: F.gradient_reversal(F.gradient_reversal(x)) ** 2, x) == [2, 4]


# ---- random variables -------------------------------------------------------------------------


def test_moments():
    count = 40_000
    rng = default_rng(0)
    y = F.exponential(2.0, shape=count, rng=rng)
    assert y.dtype == np.float32 and y.min() >= 0 and abs(y.mean() - 2) < 0.05
    y = F.normal(np.array(3.0), np.array(2.0), shape=(count,), rng=rng)
    assert y.dtype == np.float64 and abs(y.mean() - 3) < 0.05 and abs(y.std() - 2) < 0.05
    y = F.uniform(-1, 3, count, rng)
    assert y.min() >= -1 and y.max() <= 3 and abs(y.mean() - 1) < 0.05
    y = F.bernoulli(np.array([0.2, 0.9], np.float32), (count, 2), rng)
    assert set(np.unique(y)) == {0, 1} and y.dtype == np.float32
    np.testing.assert_allclose(y.mean(axis=0), [0.2, 0.9], atol=0.02)
    logits = np.log(np.array([[0.1, 0.2, 0.7], [1.0, 0.0 + 1e-30, 1.0]]))
    y = F.categorical(logits, shape=(count,), rng=rng)
    assert y.shape == (count, 2)
    np.testing.assert_allclose(np.bincount(y[:, 0]) / count, [0.1, 0.2, 0.7], atol=0.02)
    np.testing.assert_allclose(np.bincount(y[:, 1]) / count, [0.5, 0, 0.5], atol=0.02)


def test_gumbel_softmax_draws_with_the_probabilities_of_the_logits():
    p = np.array([0.1, 0.2, 0.7], np.float32)
    logits = np.broadcast_to(np.log(p), (20_000, 3))
    for tau in (0.1, 5.0):
        y = F.gumbel_softmax(logits, tau, hard=True, rng=0)
        assert y.dtype == np.float32 and set(np.unique(y)) == {0, 1}
        np.testing.assert_allclose(y.mean(axis=0), p, atol=0.02)
        assert np.isfinite(F.gumbel_softmax(logits, tau, rng=0)).all()


def test_hard_samples_have_the_gradient_of_soft_ones():
    x, w = RNG.normal(size=(3, 4)), RNG.normal(size=(3, 4))
    soft = gradient(lambda x: w * F.gumbel_softmax(x, 0.7, rng=5), x)
    hard = gradient(lambda x: w * F.gumbel_softmax(x, 0.7, hard=True, rng=5), x)
    np.testing.assert_array_equal(soft, hard)


def test_samples_of_variables():
    p = Variable(np.array([0.5, 0.5]))
    for y in (F.bernoulli(p, rng=0), F.categorical(p, rng=0)):
        assert isinstance(y, Variable) and not y.requires_grad
    assert F.categorical(np.array([-inf, 0.0, -inf]), rng=0) == 1
    masked = F.gumbel_softmax(np.array([-inf, 0.0]), rng=0)
    assert masked.tolist() == [0, 1]


def test_the_noise_of_gumbel_is_finite_where_the_uniform_number_is_zero():
    from descend.functions.sampling import distributions

    class Zeros:
        def uniform(self, shape, dtype):
            return np.zeros(shape, dtype)

    for dtype in (np.float16, np.float32, np.float64):
        assert np.isfinite(distributions._gumbel(Zeros(), (2,), np.dtype(dtype))).all()


@pytest.mark.parametrize(
    ("function", "shape", "kept"),
    [
        (F.dropout1d, (50, 20, 3), (50, 20, 1)),
        (F.dropout2d, (50, 20, 2, 2), (50, 20, 1, 1)),
        (F.dropout3d, (500, 2, 2, 1), (500, 1, 1, 1)),
        (F.drop_path, (500, 3), (500, 1)),
    ],
)
def test_what_is_dropped_is_dropped_whole(function, shape, kept):
    y = function(np.ones(shape, np.float32), 0.25, True, rng=0)
    assert y.dtype == np.float32
    assert set(np.unique(y)) == {0, np.float32(4 / 3)}
    first = y[tuple(slice(0, n) for n in kept)]
    np.testing.assert_array_equal(y, np.broadcast_to(first, shape))
    assert abs((first == 0).mean() - 0.25) < 0.06
    x = Variable(np.ones(shape))
    assert function(x, 0.25, training=False) is x
    with using_config("train", False):
        assert function(x, 0.25) is x


def test_alpha_dropout_keeps_mean_and_variance():
    x = RNG.normal(size=100_000)
    y = F.alpha_dropout(x, 0.3, True, rng=0)
    assert abs(y.mean()) < 0.02 and abs(y.std() - 1) < 0.02
    gx = np.array(gradient(lambda x: F.alpha_dropout(x, 0.3, True, rng=0), x[:100]))
    assert 0.1 < (gx == 0).mean() < 0.5


# ---- what is refused --------------------------------------------------------------------------

X, SIGNS = np.zeros((2, 3)), np.ones(2, int)
STEPS = np.zeros((4, 2, 3))


@pytest.mark.parametrize(
    ("call", "kind", "sentence"),
    [
        (lambda: F.celu(X, 0), ValueError, "celu: alpha is 0, another number is needed"),
        (lambda: F.softplus(X, 0), ValueError, "softplus: beta is 0, another number is needed"),
        (lambda: F.hardtanh(X, 1, 1), ValueError,
         "hardtanh: min_val=1 must be less than max_val=1"),
        (lambda: F.softshrink(X, -1), ValueError, "softshrink: lambd is -1, at least 0 is needed"),
        (lambda: F.prelu(X, np.ones(2)), ValueError,
         "prelu: weight (2,) came, for x (2, 3) it must be (1,) or (3,)"),
        (lambda: F.glu(X), ValueError, "glu: axis 1 of x (2, 3) has no halves, its length is odd"),
        (lambda: F.maxout(X, 2), ValueError,
         "maxout: axis 1 of x (2, 3) does not divide into groups of 2"),
        (lambda: F.silu([[1], [1, 2]]), TypeError,
         "silu: a list came; a Variable, an array or a number is needed"),
        (lambda: F.smooth_l1_loss(X, X, beta=-1), ValueError,
         "smooth_l1_loss: beta is -1, at least 0 is needed"),
        (lambda: F.huber_loss(X, X, delta=0), ValueError,
         "huber_loss: delta is 0, more than 0 is needed"),
        (lambda: F.kl_div(np.array(1.0), np.array(1.0), "batchmean"), ValueError,
         'kl_div: reduction="batchmean" needs a first axis, x is ()'),
        (lambda: F.gaussian_nll_loss(X, X, np.ones(3)), ValueError,
         "gaussian_nll_loss: var (3,) came, for x (2, 3) it must be (2, 3), (2, 1) or (2,)"),
        (lambda: F.gaussian_nll_loss(X, X, X - 1), ValueError,
         "gaussian_nll_loss: var has the element -1.0, none below 0 is needed"),
        (lambda: F.binary_cross_entropy(X + 2, X), ValueError,
         "binary_cross_entropy: x has elements from 2 to 2, probabilities from 0 to 1 are needed: "
         "binary_cross_entropy_with_logits takes logits"),
        (lambda: F.binary_cross_entropy(X, X, np.ones(2)), ValueError,
         "binary_cross_entropy: weight (2,) must broadcast to x (2, 3)"),
        (lambda: F.binary_cross_entropy(X, X, np.ones((4, 2, 3))), ValueError,
         "binary_cross_entropy: weight (4, 2, 3) must broadcast to x (2, 3)"),
        (lambda: F.focal_loss(X, X, alpha=2), ValueError,
         "focal_loss: alpha is 2, 0 to 1 or -1 is needed"),
        (lambda: F.multi_margin_loss(X, np.array([0, 3])), ValueError,
         "multi_margin_loss: t has the class 3, x (2, 3) has classes 0 to 2"),
        (lambda: F.multi_margin_loss(X, np.array([0, -3])), ValueError,
         "multi_margin_loss: t has the class -3, x (2, 3) has classes 0 to 2"),
        (lambda: F.multi_margin_loss(X, SIGNS, p=3), ValueError,
         "multi_margin_loss: p is 3, 1 or 2 is needed"),
        (lambda: F.multi_margin_loss(STEPS, SIGNS), ValueError,
         "multi_margin_loss: x (4, 2, 3) came, (N, C) or (C,) is needed"),
        (lambda: F.multilabel_margin_loss(X, SIGNS), ValueError,
         "multilabel_margin_loss: x (2, 3) and t (2,) came, both (N, C) or (C,) are needed"),
        (lambda: F.multilabel_margin_loss(X, X), TypeError,
         "multilabel_margin_loss: t is float64, class numbers are integers: t.astype(int)"),
        (lambda: F.multilabel_margin_loss(X, np.full((2, 3), 3)), ValueError,
         "multilabel_margin_loss: t has the class 3, x (2, 3) has 0 to 2"),
        (lambda: F.multilabel_soft_margin_loss(np.array(1.0), np.array(1.0)), ValueError,
         "multilabel_soft_margin_loss: x has no axis, (..., C) is needed"),
        (lambda: F.cosine_embedding_loss(X, X, np.ones(3)), ValueError,
         "cosine_embedding_loss: x0 (2, 3) and t (3,) came, (N, D) and (N,), or (D,) and () are "
         "needed"),
        (lambda: F.triplet_margin_loss(X, X, X[0]), ValueError,
         "triplet_margin_loss: anchor (2, 3), positive (2, 3) and negative (3,) came, the same "
         "(N, D) or (D,) is needed"),
        (lambda: F.info_nce(X[0], X[0]), ValueError, "info_nce: x0 (3,) came, (N, D) is needed"),
        (lambda: F.info_nce(X, X, X[:, :2]), ValueError,
         "info_nce: x0 (2, 3) and negatives (2, 2) came, (N, D) and (M, D) is needed"),
        (lambda: F.info_nce(X, X, temperature=0), ValueError,
         "info_nce: temperature is 0, more than 0 is needed"),
        (lambda: F.ctc_loss(X[0], np.ones((1, 1), int), [2], [1]), ValueError,
         "ctc_loss: log_probs (3,) came, (T, N, C) or (T, C) is needed"),
        (lambda: F.ctc_loss(STEPS, np.ones((2, 1), int), [4, 4], [1, 1], blank=3), ValueError,
         "ctc_loss: blank is 3, log_probs has classes 0 to 2"),
        (lambda: F.ctc_loss(STEPS, np.ones((2, 1), int), [4, 5], [1, 1]), ValueError,
         "ctc_loss: input_lengths have 4 to 5, 0 to 4 are needed"),
        (lambda: F.ctc_loss(STEPS, np.ones((2, 1), int), [4], [1, 1]), ValueError,
         "ctc_loss: input_lengths are int64 (1,), integers (2,) are needed"),
        (lambda: F.ctc_loss(STEPS, np.ones((2, 1), int), [4, 4], [1, 2]), ValueError,
         "ctc_loss: target_lengths have 1 to 2, 0 to 1 are needed"),
        (lambda: F.ctc_loss(STEPS, np.zeros((2, 1), int), [4, 4], [1, 1]), ValueError,
         "ctc_loss: targets have the class 0, 0 to 2 without the blank 0 are needed"),
        (lambda: F.ctc_loss(STEPS, np.ones((3, 1), int), [4, 4], [1, 1]), ValueError,
         "ctc_loss: targets (3, 1) came, (2, S) is needed"),
        (lambda: F.ctc_loss(STEPS, np.ones((2, 1)), [4, 4], [1, 1]), TypeError,
         "ctc_loss: targets are float64, class numbers are integers"),
        (lambda: F.ctc_loss(STEPS, np.ones(3, int), [4, 4], [1, 1]), ValueError,
         "ctc_loss: targets (3,) one after the other need target_lengths that add up to 3: "
         "[1 1] came"),
        (lambda: F.ctc_loss(STEPS, np.array(1), [4, 4], [1, 1]), ValueError,
         "ctc_loss: targets () came, (N, S) or (S,) is needed"),
        (lambda: F.crf1d(X[0], np.zeros(3, int), np.eye(3)), ValueError,
         "crf1d: x (3,) came, (T, N, C) or (T, C) is needed"),
        (lambda: F.crf1d(STEPS, np.zeros((4, 2), int), np.eye(2)), ValueError,
         "crf1d: transitions (2, 2) came, (3, 3) is needed"),
        (lambda: F.crf1d(STEPS, np.zeros((2, 4), int), np.eye(3)), ValueError,
         "crf1d: t is int64 (2, 4), tag numbers, integers (4, 2), are needed"),
        (lambda: F.crf1d(STEPS, np.full((4, 2), 3), np.eye(3)), ValueError,
         "crf1d: t has the tag 3, x has tags 0 to 2"),
        (lambda: F.crf1d(STEPS, np.zeros((4, 2), int), np.eye(3), end=np.ones(2)), ValueError,
         "crf1d: end (2,) came, (3,) is needed"),
        (lambda: F.crf1d_decode(STEPS, np.eye(3), [0, 4]), ValueError,
         "crf1d_decode: lengths have 0, at least 1 is needed"),
        (lambda: F.group_norm(X, 2), ValueError,
         "group_norm: x (2, 3) came, (N, C) or (N, C, ...) is needed whose C channels divide into "
         "num_groups=2"),
        (lambda: F.group_norm(X, 3, np.ones(2)), ValueError,
         "group_norm: weight (2,) came, (3,) is needed"),
        (lambda: F.instance_norm(X), ValueError,
         "instance_norm: x (2, 3) came, (N, C, ...) is needed"),
        (lambda: F.instance_norm(X[..., None]), ValueError,
         "instance_norm: x (2, 3, 1) has 1 values a channel, at least 2 are needed"),
        (lambda: F.instance_norm(STEPS, use_input_stats=False), ValueError,
         "instance_norm: without use_input_stats it needs running_mean and running_var"),
        (lambda: F.instance_norm(STEPS, np.zeros(2)), TypeError,
         "instance_norm: running_mean is an ndarray, training needs a Variable to write into"),
        (lambda: F.rms_norm(X, 2), ValueError,
         "rms_norm: x (2, 3) does not end with normalized_shape (2,)"),
        (lambda: F.normalize(X, -1), ValueError,
         "normalize: p is -1, a number from 0 on is needed"),
        (lambda: F.local_response_norm(X[0], 2), ValueError,
         "local_response_norm: x (3,) came, (N, C, ...) is needed"),
        (lambda: F.local_response_norm(X, 0), ValueError,
         "local_response_norm: size is 0, at least 1 is needed"),
        (lambda: F.spectral_norm(X[0], SIGNS), ValueError,
         "spectral_norm: weight (3,) came, a matrix is needed"),
        (lambda: F.spectral_norm(X, np.ones(3)), ValueError,
         "spectral_norm: u (3,) came, (2,) is needed"),
        (lambda: F.cosine_similarity(X, np.ones(2)), ValueError,
         "cosine_similarity: x0 (2, 3) and x1 (2,) do not broadcast"),
        (lambda: F.pairwise_distance(X, np.array(1.0)), ValueError,
         "pairwise_distance: x0 (2, 3) and x1 () came, (..., D) is needed"),
        (lambda: F.pairwise_distance(X, X, p=nan), ValueError,
         "pairwise_distance: p is nan, a number from 0 on is needed"),
        (lambda: F.cdist(X, X[0]), ValueError,
         "cdist: x0 (2, 3) and x1 (3,) came, (..., M, D) and (..., N, D) are needed"),
        (lambda: F.bilinear(X, X, np.ones((1, 2, 3))), ValueError,
         "bilinear: x0 (2, 3), x1 (2, 3) and weight (1, 2, 3) came, (..., in0), (..., in1) and "
         "(out, in0, in1) are needed"),
        (lambda: F.one_hot(X), TypeError,
         "one_hot: t is float64, class numbers are integers: t.astype(int)"),
        (lambda: F.one_hot(SIGNS, 1), ValueError, "one_hot: t has the class 1, there are 0 to 0"),
        (lambda: F.one_hot(-SIGNS, 2), ValueError, "one_hot: t has the class -1, there are 0 to 1"),
        (lambda: F.one_hot(SIGNS, 0), ValueError,
         "one_hot: num_classes is 0, at least 1 is needed, or -1"),
        (lambda: F.one_hot(SIGNS[:0]), ValueError,
         "one_hot: t (0,) has no class to count: give num_classes"),
        (lambda: F.rotary(X), ValueError,
         "rotary: x (2, 3) came, (..., T, E) with an even E is needed"),
        (lambda: F.pad_sequence([X, X[0]]), ValueError,
         "pad_sequence: (2, 3), (3,) came, (L, ...) alike but for L is needed"),
        (lambda: F.pad_sequence([]), ValueError,
         "pad_sequence: no sequences came, (L, ...) alike but for L is needed"),
        (lambda: F.pad_sequence([X], padding_side="top"), ValueError,
         "pad_sequence: padding_side='top' came, \"left\" or \"right\" is needed"),
        (lambda: F.straight_through(X, X[0]), ValueError,
         "straight_through: x (2, 3) and y (3,) must have the same shape"),
        (lambda: F.normal(X, np.ones(2)), ValueError,
         "normal: mean (2, 3), std (2,) do not broadcast"),
        (lambda: F.exponential(X, shape=(3,)), ValueError,
         "exponential: scale (2, 3) do not broadcast to shape (3,)"),
        (lambda: F.bernoulli(X + 2), ValueError,
         "bernoulli: p has elements outside of 0 to 1, probabilities are needed"),
        (lambda: F.gumbel_softmax(X, tau=0), ValueError,
         "gumbel_softmax: tau is 0, more than 0 is needed"),
        (lambda: F.uniform(rng="1"), TypeError,
         "uniform: rng is a str, a descend.Generator, a seed or None is needed"),
        (lambda: F.dropout1d(X[0]), ValueError,
         "dropout1d: x (3,) came, (N, C, L) or (C, L) is needed"),
        (lambda: F.dropout2d(X), ValueError,
         "dropout2d: x (2, 3) came, (N, C, H, W) or (C, H, W) is needed"),
        (lambda: F.drop_path(np.array(1.0)), ValueError,
         "drop_path: x has no axis, (N, ...) is needed"),
        (lambda: F.alpha_dropout(X, 2), ValueError,
         "alpha_dropout: p is 2, a probability from 0 to 1 is needed"),
        (lambda: F.dropout3d(np.ones((2, 2, 2, 2), int), training=True), TypeError,
         "dropout3d: x is int64, floating point is needed"),
    ],
)  # fmt: skip
def test_refusals(call, kind, sentence):
    with refused(kind, sentence):
        call()

"""Losses: PyTorch's semantics written out, infinities, dtypes, and what they refuse."""

import re

import numpy as np
import pytest

import descend.functions as F
from descend import Variable

RNG = np.random.default_rng(0)
X = RNG.normal(size=(4, 3))
T = np.array([2, 0, 1, 2])
WEIGHT = np.array([0.5, 2.0, 1.0])
LOGP = X - np.log(np.exp(X).sum(axis=1, keepdims=True))


def refused(kind, sentence):
    return pytest.raises(kind, match=f"^{re.escape(sentence)}$")


def gradient(loss, x, *arguments, **params):
    x = Variable(np.asarray(x))
    loss(x, *arguments, **params).backward()
    return x.grad.data


# ---- shapes that must be equal ----------------------------------------------------------------


@pytest.mark.parametrize("name", ["mse_loss", "l1_loss", "binary_cross_entropy_with_logits"])
def test_nothing_is_broadcast(name):
    # pytorch/pytorch#16045, #4938
    with refused(
        ValueError,
        f"{name}: x (3, 1) and t (3,) must have the same shape: reshape one of them",
    ):
        getattr(F, name)(Variable(np.zeros((3, 1))), np.zeros(3))


@pytest.mark.parametrize("name", ["mse_loss", "l1_loss", "cross_entropy", "nll_loss"])
def test_unknown_reductions(name):
    x, t = (X, T) if name in ("cross_entropy", "nll_loss") else (X, X)
    with refused(ValueError, f'{name}: reduction=\'avg\' came, "mean", "sum" or "none" is needed'):
        getattr(F, name)(x, t, reduction="avg")


def test_l1_has_no_slope_where_both_are_equal():
    assert gradient(F.l1_loss, [1.0, 3.0], np.array([1.0, 1.0])).tolist() == [0, 0.5]


# ---- cross_entropy ----------------------------------------------------------------------------


def test_the_mean_is_weighted():
    weights = WEIGHT[T]
    expected = -(weights * LOGP[np.arange(4), T]).sum() / weights.sum()
    np.testing.assert_allclose(F.cross_entropy(X, T, WEIGHT), expected)


def test_ignored_targets_do_not_count():
    t = np.array([2, -100, 1, -100])
    np.testing.assert_allclose(F.cross_entropy(X, t), -(LOGP[0, 2] + LOGP[2, 1]) / 2)
    assert F.cross_entropy(X, t, reduction="none").tolist()[1] == 0
    assert not gradient(F.cross_entropy, X, t)[[1, 3]].any()


@pytest.mark.parametrize("t", [np.full(4, -100), np.zeros(0, int)], ids=["all ignored", "empty"])
@pytest.mark.parametrize("weight", [None, WEIGHT])
def test_where_no_target_counts_the_mean_is_0(t, weight):
    x = Variable(X[: len(t)])
    loss = F.cross_entropy(x, t, weight)
    loss.backward()
    assert loss.item() == 0
    assert not x.grad.data.any()


def test_smoothing_mixes_in_the_mean_over_the_classes():
    picked = -LOGP[np.arange(4), T]
    expected = 0.7 * picked.mean() + 0.3 * -LOGP.mean()
    np.testing.assert_allclose(F.cross_entropy(X, T, label_smoothing=0.3), expected)
    soft = 0.7 * np.eye(3)[T] + 0.1
    np.testing.assert_allclose(F.cross_entropy(X, soft), expected)


def test_weighted_smoothing_weighs_every_class_and_divides_by_the_targets_weights():
    each = -0.7 * WEIGHT[T] * LOGP[np.arange(4), T] - 0.1 * (WEIGHT * LOGP).sum(axis=1)
    np.testing.assert_allclose(
        F.cross_entropy(X, T, WEIGHT, label_smoothing=0.3), each.sum() / WEIGHT[T].sum()
    )


def test_probabilities_divide_by_the_number_of_samples():
    t = RNG.uniform(size=X.shape)
    expected = -(t * WEIGHT * LOGP).sum() / 4
    np.testing.assert_allclose(F.cross_entropy(X, t, WEIGHT), expected)


def test_classes_may_lie_along_any_axis():
    x, t = RNG.normal(size=(2, 3, 5)), RNG.integers(0, 3, (2, 5))
    rows, targets = np.moveaxis(x, 1, -1).reshape(-1, 3), t.ravel()
    expected = F.cross_entropy(rows, targets)
    np.testing.assert_allclose(F.cross_entropy(x, t), expected)
    np.testing.assert_allclose(F.cross_entropy(np.moveaxis(x, 1, -1), t, axis=-1), expected)
    np.testing.assert_allclose(
        F.cross_entropy(x[0, :, 0], t[0, 0]), F.cross_entropy(x[:1, :, 0], t[:1, 0])
    )


@pytest.mark.parametrize("t", [np.array([0]), np.array([[0.5, 0.0, 0.5]])], ids=["index", "soft"])
def test_a_class_without_probability_may_have_a_logit_of_minus_infinity(t):
    # pytorch/pytorch#31829, google-deepmind/optax#896
    x = Variable(np.array([[0.0, -np.inf, 1.0]]))
    loss = F.cross_entropy(x, t)
    loss.backward()
    log2 = np.log(1 + np.e)
    np.testing.assert_allclose(loss.item(), log2 - 0.5 * (t.ndim - 1))
    p = np.array([1, 0, np.e]) / (1 + np.e)
    np.testing.assert_allclose(x.grad.data[0], p - ([1, 0, 0] if t.ndim == 1 else t[0]))


def test_a_class_of_weight_0_may_have_a_logit_of_minus_infinity():
    x = np.array([[0.0, -np.inf, 1.0]])
    loss = F.cross_entropy(x, np.array([2]), np.array([1.0, 0.0, 1.0]), label_smoothing=0.5)
    assert np.isfinite(loss)


def test_the_gradient_to_a_probability_of_0_is_right():
    t = Variable(np.array([[1.0, 0.0, 0.0]]))
    F.cross_entropy(X[:1], t).backward()
    np.testing.assert_allclose(t.grad.data, -LOGP[:1])


def test_large_logits_do_not_overflow():
    x = Variable(np.array([[1e4, -1e4, 0.0]], np.float32))
    loss = F.cross_entropy(x, np.array([1]))
    loss.backward()
    assert loss.item() == 2e4 and loss.dtype == np.float32
    np.testing.assert_array_equal(x.grad.data, [[1, -1, 0]])


@pytest.mark.parametrize("params", [{}, {"label_smoothing": 0.1}, {"weight": WEIGHT.astype("f")}])
@pytest.mark.parametrize("soft", [False, True])
def test_float32_stays(params, soft):
    t = np.eye(3, dtype=np.float32)[T] if soft else T
    x = Variable(X.astype(np.float32))
    loss = F.cross_entropy(x, t, **params)
    loss.backward()
    assert loss.dtype == x.grad.dtype == np.float32


@pytest.mark.parametrize("dtype", [np.uint8, np.int8, np.int32, np.uint64])
def test_class_numbers_of_any_integer_dtype(dtype):
    np.testing.assert_allclose(F.cross_entropy(X, T.astype(dtype)), F.cross_entropy(X, T))


@pytest.mark.parametrize(
    ("x", "t", "params", "kind", "sentence"),
    [
        (X, T[:3], {}, ValueError,
         "t (3,) holds class numbers, for x (4, 3) with its classes along axis 1 it must be (4,)"),
        (X, np.eye(3, dtype=int)[T], {}, ValueError,
         "t (4, 3) holds class numbers, for x (4, 3) with its classes along axis 1 it must be "
         "(4,)"),
        (X, T > 0, {}, TypeError, "t is bool, class numbers are integers: t.astype(int)"),
        (X, T.astype(float), {}, ValueError,
         "x (4, 3) and t (4,) of float64, probabilities, must have the same shape: class numbers "
         "are integers"),
        (X, T + 1, {}, ValueError, "t has the class 3, x (4, 3) has classes 0 to 2"),
        (X, T - 1, {}, ValueError, "t has the class -1, x (4, 3) has classes 0 to 2"),
        (X, T, {"weight": np.ones(4)}, ValueError, "weight (4,) came, (3,) is needed"),
        (X, T, {"label_smoothing": 1.5}, ValueError, "label_smoothing is 1.5, 0 to 1 is needed"),
        (np.array(1.0), np.array(0), {}, ValueError, "x has no axis, (N, C) or (C,) is needed"),
    ],
)  # fmt: skip
def test_what_cross_entropy_refuses(x, t, params, kind, sentence):
    with refused(kind, f"cross_entropy: {sentence}"):
        F.cross_entropy(Variable(x), t, **params)


def test_nll_loss_names_itself():
    with refused(ValueError, "nll_loss: t has the class 3, x (4, 3) has classes 0 to 2"):
        F.nll_loss(X, T + 1)
    with refused(TypeError, "nll_loss: t is float64, class numbers are integers: t.astype(int)"):
        F.nll_loss(X, X)


def test_cross_entropy_is_nll_loss_of_log_softmax():
    np.testing.assert_allclose(
        F.nll_loss(F.log_softmax(X, 1), T, WEIGHT), F.cross_entropy(X, T, WEIGHT)
    )


# ---- binary_cross_entropy_with_logits ---------------------------------------------------------


def test_infinite_logits_that_are_right_cost_nothing():
    x = np.array([np.inf, -np.inf, 800.0])
    t = np.array([1.0, 0.0, 1.0])
    assert F.binary_cross_entropy_with_logits(x, t, reduction="sum") == 0
    assert not gradient(F.binary_cross_entropy_with_logits, x, t).any()


def test_wrong_large_logits_cost_their_size():
    x, t = np.array([-800.0, 800.0], np.float32), np.array([1, 0], np.float32)
    y = F.binary_cross_entropy_with_logits(x, t, reduction="none")
    assert y.tolist() == [800, 800] and y.dtype == np.float32
    assert gradient(F.binary_cross_entropy_with_logits, x, t).tolist() == [-0.5, 0.5]


def test_the_weight_of_positives():
    x, t = np.array([0.3, -0.2]), np.array([1.0, 0.0])
    y = F.binary_cross_entropy_with_logits(x, t, pos_weight=np.array(3.0), reduction="none")
    np.testing.assert_allclose(y, [3 * np.log1p(np.exp(-0.3)), np.log1p(np.exp(-0.2))])


@pytest.mark.parametrize("name", ["weight", "pos_weight"])
def test_weights_that_would_make_the_loss_larger(name):
    with pytest.raises(ValueError, match=r"^binary_cross_entropy_with_logits: weight .* must bro"):
        F.binary_cross_entropy_with_logits(np.zeros(3), np.zeros(3), **{name: np.ones((2, 3))})

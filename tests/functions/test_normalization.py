"""Batch and layer normalization: running statistics, eval mode, dtypes, and what they refuse."""

import re

import numpy as np
import pytest

import descend.functions as F
from descend import Variable, no_grad
from descend.testing import check_function

RNG = np.random.default_rng(0)


def running(channels, dtype=np.float64):
    return (
        Variable(np.zeros(channels, dtype), requires_grad=False),
        Variable(np.ones(channels, dtype), requires_grad=False),
    )


def refused(call, sentence):
    return pytest.raises(call, match=f"^{re.escape(sentence)}$")


# ---- batch_norm -------------------------------------------------------------------------------


@pytest.mark.parametrize("shape", [(6, 3), (4, 3, 5), (2, 3, 4, 5)])
def test_batch_is_normalized_by_its_biased_variance(shape):
    x = RNG.normal(3, 2, shape)
    y = F.batch_norm(x, None, None, training=True, eps=0)
    rows = np.moveaxis(y, 1, 0).reshape(3, -1)
    np.testing.assert_allclose(rows.mean(axis=1), 0, atol=1e-12)
    np.testing.assert_allclose(rows.var(axis=1), 1)


def test_running_statistics_take_momentum_of_the_new_and_the_unbiased_variance():
    x = RNG.normal(size=(4, 3, 2))
    mean, var = running(3)
    F.batch_norm(Variable(x), mean, var, training=True, momentum=0.3)
    rows = np.moveaxis(x, 1, 0).reshape(3, -1)
    np.testing.assert_allclose(mean.data, 0.3 * rows.mean(axis=1))
    np.testing.assert_allclose(var.data, 0.7 + 0.3 * rows.var(axis=1, ddof=1))


def test_running_statistics_are_rebound_not_written():
    mean, var = running(3)
    arrays = mean.data, var.data
    F.batch_norm(RNG.normal(size=(4, 3)), mean, var, training=True)
    np.testing.assert_array_equal(arrays[0], np.zeros(3))
    np.testing.assert_array_equal(arrays[1], np.ones(3))
    assert mean.data is not arrays[0] and not mean.requires_grad and mean.creator is None


@pytest.mark.parametrize("shape", [(1, 3), (1, 3, 1, 1), (0, 3)])
def test_one_value_a_channel_is_an_error_that_writes_nothing(shape):
    mean, var = running(3)
    count = int(np.prod(shape)) // 3
    with refused(
        ValueError,
        f"batch_norm: x {shape} has {count} values a channel, training needs at least 2: "
        f"use a larger batch, or training=False",
    ):
        F.batch_norm(np.zeros(shape), mean, var, training=True)
    assert mean.tolist() == [0, 0, 0] and var.tolist() == [1, 1, 1]
    F.batch_norm(np.zeros(shape), mean, var)


def test_eval_mode_writes_nothing_and_is_linear_in_x():
    x = Variable(RNG.normal(size=(4, 3)))
    mean, var = running(3)
    var.data = np.array([1.0, 4.0, 0.25])
    before = mean.data, var.data
    F.batch_norm(x, mean, var, np.array([1.0, 2.0, 3.0]), eps=0).sum().backward()
    np.testing.assert_allclose(x.grad.data, np.broadcast_to([1.0, 1.0, 6.0], (4, 3)))
    assert (mean.data, var.data) == before


def test_third_derivative_through_the_statistics_of_a_batch():
    # pytorch/pytorch#186256, #175754; order 3 of each sample is checked by the registry's test too
    weight, bias = np.array([1.5, -0.5]), np.array([0.1, 0.2])
    check_function(
        lambda x, w, b: F.batch_norm(x, None, None, w, b, training=True) ** 2,
        RNG.normal(size=(3, 2, 2)),
        weight,
        bias,
    )


def test_float32_keeps_its_dtype_and_a_large_mean_its_digits():
    x = (RNG.normal(size=(512, 2)) + 1000).astype(np.float32)
    mean, var = running(2, np.float32)
    y = F.batch_norm(x, mean, var, training=True)
    assert y.dtype == mean.dtype == var.dtype == np.float32
    wide = x.astype(np.float64)
    expected = (wide - wide.mean(axis=0)) / wide.std(axis=0)
    np.testing.assert_allclose(y, expected, atol=1e-3)


def test_float16_is_computed_in_float32():
    x = (RNG.normal(size=(64, 2)) * 300).astype(np.float16)  # its squares overflow float16
    y = F.batch_norm(Variable(x), None, None, training=True)
    assert y.dtype == np.float16
    np.testing.assert_allclose(y.data.std(axis=0), 1, atol=1e-2)


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        ((np.zeros(3), None, None), "x (3,) came, (N, C) or (N, C, ...) is needed"),
        ((np.zeros((4, 3)), np.zeros(4), np.ones(3)), "running_mean (4,) came, (3,) is needed"),
        ((np.zeros((4, 3)), None, None, np.zeros(2)), "weight (2,) came, (3,) is needed"),
        (
            (np.zeros((4, 3)), None, None),
            "without training it needs running_mean and running_var",
        ),
    ],
)
def test_what_batch_norm_refuses(arguments, sentence):
    with refused(ValueError, f"batch_norm: {sentence}"):
        F.batch_norm(*arguments)


def test_training_needs_variables_to_write_into():
    with refused(
        TypeError,
        "batch_norm: running_mean is an ndarray, training needs a Variable to write into",
    ):
        F.batch_norm(np.zeros((4, 3)), np.zeros(3), np.ones(3), training=True)


# ---- layer_norm -------------------------------------------------------------------------------


def test_each_sample_is_normalized_over_its_last_axes():
    x = RNG.normal(2, 3, (4, 2, 5))
    y = F.layer_norm(x, (2, 5), eps=0)
    np.testing.assert_allclose(y.mean(axis=(1, 2)), 0, atol=1e-12)
    np.testing.assert_allclose(y.std(axis=(1, 2)), 1)
    np.testing.assert_allclose(F.layer_norm(x, 5), F.layer_norm(x, (5,)))


def test_a_constant_sample_has_a_finite_gradient():
    x = Variable(np.ones((2, 4)))
    (F.layer_norm(x, 4) * np.arange(4.0)).sum().backward()
    assert np.isfinite(x.grad.data).all()


def test_layer_norm_of_float16_is_computed_in_float32():
    x = (RNG.normal(size=(3, 64)) * 300).astype(np.float16)
    assert F.layer_norm(x, 64).dtype == np.float16
    np.testing.assert_allclose(F.layer_norm(x, 64).std(axis=1), 1, atol=1e-2)


def test_no_grad_remembers_nothing():
    with no_grad():
        assert F.layer_norm(Variable(np.zeros((2, 4))), 4).creator is None


@pytest.mark.parametrize(
    ("shape", "weight", "sentence"),
    [
        ((5,), None, "x (2, 4) does not end with normalized_shape (5,)"),
        ((), None, "x (2, 4) does not end with normalized_shape ()"),
        ((3, 2, 4), None, "x (2, 4) does not end with normalized_shape (3, 2, 4)"),
        ((4,), np.zeros(2), "weight (2,) came, (4,) is needed"),
    ],
)
def test_what_layer_norm_refuses(shape, weight, sentence):
    with refused(ValueError, f"layer_norm: {sentence}"):
        F.layer_norm(np.zeros((2, 4)), shape, weight)

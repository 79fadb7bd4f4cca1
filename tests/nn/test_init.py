"""Initial values: bounds, deviations, seeds, and what is refused."""

import re

import numpy as np
import pytest

from descend import Parameter
from descend.nn import init


def parameter(*shape, dtype=np.float32):
    return Parameter(np.empty(shape, dtype))


@pytest.mark.parametrize(
    ("fill", "deviation"),
    [
        (lambda x: init.uniform_(x, -3, 3, rng=0), 3 / np.sqrt(3)),
        (lambda x: init.normal_(x, 0, 2, rng=0), 2),
        (lambda x: init.xavier_uniform_(x, 2, rng=0), 2 * np.sqrt(2 / 500)),
        (lambda x: init.xavier_normal_(x, rng=0), np.sqrt(2 / 500)),
        (lambda x: init.kaiming_uniform_(x, rng=0), np.sqrt(2 / 300)),
        (lambda x: init.kaiming_normal_(x, mode="fan_out", rng=0), np.sqrt(2 / 200)),
        (lambda x: init.kaiming_normal_(x, nonlinearity="tanh", rng=0), 5 / 3 / np.sqrt(300)),
        (lambda x: init.kaiming_uniform_(x, a=np.sqrt(5), rng=0), 1 / np.sqrt(900)),
        (lambda x: init.trunc_normal_(x, std=1, rng=0), 0.8796),
    ],
)
def test_mean_and_deviation(fill, deviation):
    x = parameter(200, 300)
    assert fill(x) is x
    assert x.shape == (200, 300) and x.dtype == np.float32
    assert abs(x.data.mean() / deviation) < 0.02
    np.testing.assert_allclose(x.data.std(), deviation, rtol=0.01)


def test_uniform_stays_within_its_bound():
    x = init.kaiming_uniform_(parameter(64, 8, 3, 3), a=np.sqrt(5), rng=0)
    assert np.abs(x.data).max() <= 1 / np.sqrt(72)


def test_truncation():
    x = init.trunc_normal_(parameter(10_000), 1, 2, a=-0.5, b=1.5, rng=0)
    assert x.data.min() >= -0.5 and x.data.max() <= 1.5
    assert x.data.min() < -0.49 and x.data.max() > 1.49


@pytest.mark.parametrize("shape", [(4, 7), (7, 4), (5, 5), (6, 2, 2)])
def test_orthogonal(shape):
    x = init.orthogonal_(parameter(*shape, dtype=np.float64), gain=2, rng=0)
    q = x.data.reshape(shape[0], -1) / 2
    product = q @ q.T if q.shape[0] <= q.shape[1] else q.T @ q
    np.testing.assert_allclose(product, np.eye(min(q.shape)), atol=1e-12)


def test_constants():
    assert init.zeros_(parameter(3)).tolist() == [0, 0, 0]
    assert init.ones_(parameter(3)).tolist() == [1, 1, 1]
    x = init.constant_(parameter(3, dtype=np.float64), 0.5)
    assert x.tolist() == [0.5] * 3 and x.dtype == np.float64


def test_seeds():
    first, second = (init.normal_(parameter(5), rng=seed).tolist() for seed in (1, 1))
    assert first == second != init.normal_(parameter(5), rng=2).tolist()


@pytest.mark.parametrize("dtype", [np.float16, np.float32, np.float64])
def test_dtypes_stay(dtype):
    x = parameter(4, 4, dtype=dtype)
    for fill in (init.normal_, init.uniform_, init.orthogonal_, init.trunc_normal_, init.ones_):
        assert fill(x).dtype == dtype


def test_gains():
    assert init.calculate_gain("relu") == np.sqrt(2)
    assert init.calculate_gain("leaky_relu", 1) == 1
    np.testing.assert_allclose(init.calculate_gain("leaky_relu"), np.sqrt(2 / 1.0001))


@pytest.mark.parametrize(
    ("call", "sentence"),
    [
        (lambda: init.xavier_normal_(parameter(3)),
         "init: x (3,) has no fan: (out, in) or (out, in, ...) is needed"),
        (lambda: init.kaiming_normal_(parameter(3, 3), mode="fan"),
         "init: mode='fan' came, \"fan_in\" or \"fan_out\" is needed"),
        (lambda: init.calculate_gain("swish"),
         "calculate_gain: nonlinearity='swish' came, there are linear, conv2d, conv_transpose2d, "
         "sigmoid, tanh, relu, selu, leaky_relu"),
        (lambda: init.orthogonal_(parameter(3)),
         "orthogonal_: x (3,) came, at least two axes are needed"),
        (lambda: init.trunc_normal_(parameter(3), a=1, b=0),
         "trunc_normal_: a=1, b=0, std=1.0 came; a < b and std > 0 needed"),
    ],
)  # fmt: skip
def test_what_is_refused(call, sentence):
    with pytest.raises(ValueError, match=f"^{re.escape(sentence)}$"):
        call()

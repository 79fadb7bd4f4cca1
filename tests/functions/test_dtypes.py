"""float32 stays float32, float16 is summed wide, integers have no gradient."""

import numpy as np
import pytest

import descend.functions as F
from descend import Variable

inf, nan = np.inf, np.nan


WITH_NUMBERS = {
    "x + 1": lambda x: x + 1,
    "1.5 + x": lambda x: 1.5 + x,
    "x - 1": lambda x: x - 1,
    "1 - x": lambda x: 1 - x,
    "x * 2.0": lambda x: x * 2.0,
    "x / 3": lambda x: x / 3,
    "3 / x": lambda x: 3 / x,
    "x**2": lambda x: x**2,
    "x**0.5": lambda x: x**0.5,
    "x**3": lambda x: x**3,
    "2**x": lambda x: 2**x,
    "abs": abs,
    "maximum": lambda x: F.maximum(x, 0.5),
    "minimum": lambda x: F.minimum(0.5, x),
    "clip": lambda x: F.clip(x, 0, 1.0),
    "where": lambda x: F.where(x > 1, x, 0.0),
    "mean": F.mean,
    "var": F.var,
    "std": F.std,
    "sum": F.sum,
    "prod": F.prod,
    "logsumexp": F.logsumexp,
    "cumsum": F.cumsum,
    "softmax": F.softmax,
    "gelu": F.gelu,
    "leaky_relu": F.leaky_relu,
    "pad": lambda x: F.pad(x, 1, constant_values=1.0),
    "built-in sum": lambda x: sum([x, x, x]),
    "built-in sum of elements": lambda x: sum(x),
    "round": round,
}


@pytest.mark.parametrize("dtype", [np.float16, np.float32, np.float64])
@pytest.mark.parametrize("function", WITH_NUMBERS.values(), ids=WITH_NUMBERS)
def test_python_numbers_do_not_promote(function, dtype):
    x = Variable(np.array([0.5, 1.5, 2.0], dtype))
    y = function(x)
    assert y.dtype == dtype
    y.backward(create_graph=True)
    assert x.grad.dtype == dtype


def test_each_input_gets_its_own_dtype_back():
    x, w = Variable(np.ones(3, np.float32)), Variable(np.ones(3))
    y = x * w + F.concatenate([x, w])[:3]
    assert y.dtype == np.float64
    y.sum().backward()
    assert (x.grad.dtype, w.grad.dtype) == (np.float32, np.float64)
    F.astype(x, np.float64).sum().backward()
    assert x.grad.dtype == np.float32


def test_float16_is_summed_in_float32():
    x = np.array([60000.0, 60000.0, -60000.0], np.float16)
    assert F.sum(x) == np.float16(60000)
    assert F.sum(x).dtype == np.float16
    assert F.sum(np.ones(4096 + 1, np.float16)[None], axis=1)[0] == np.float16(4097)


@pytest.mark.parametrize(
    ("function", "value", "sum_of_gradient"),
    [
        (F.mean, 1, 1),
        (F.std, 1, 0),
        (F.var, 1, 0),
        (F.logsumexp, np.log(35_000 * (1 + np.e**2)), 1),
    ],
)
def test_moments_of_more_float16_than_float16_can_count(function, value, sum_of_gradient):
    x = Variable(np.tile(np.array([0.0, 2.0], np.float16), 35_000))
    y = function(x)
    y.backward()
    assert y.dtype == x.grad.dtype == np.float16
    assert y.item() == pytest.approx(value, rel=1e-3)
    total = x.grad.data.astype(float).sum()
    assert total == pytest.approx(sum_of_gradient, abs=0.02)


@pytest.mark.parametrize("axis", [None, 0])
def test_logsumexp_of_more_float16_than_float16_can_count(axis):
    y = F.logsumexp(np.zeros((70_000,), np.float16), axis)
    assert y.dtype == np.float16
    assert y.item() == pytest.approx(np.log(70_000), rel=1e-3)


def test_running_and_scattered_sums_of_float16_do_not_stall():
    # 2048 is where adding 1 to a float16 changes nothing any more
    ones = np.ones(5000, np.float16)
    assert F.cumsum(ones)[-1] == 5000
    assert F.scatter_to(ones, np.zeros(5000, int), (2,)).tolist() == [5000, 0]
    assert F.scatter_to(ones, (np.zeros(5000, int),), (2,)).dtype == np.float16
    row = Variable(np.zeros((1, 2), np.float16))
    (row + np.ones((5000, 2), np.float16)).sum().backward()
    assert row.grad.tolist() == [[5000, 5000]]
    assert F.matmul(ones, ones) == 5000


def test_softmax_of_more_float16_than_float16_can_count():
    y = F.softmax(np.zeros(70_000, np.float16))
    assert y.dtype == np.float16
    np.testing.assert_allclose(y.astype(float), 1 / 70_000, rtol=0.02)


def test_small_integers_do_not_wrap():
    x = np.full(10, 200, np.uint8)
    for like in (x, Variable(x)):
        assert F.sum(like).item() == 2000
        assert F.mean(like).item() == 200
        assert F.cumsum(like)[-1].item() == 2000
        assert F.prod(like[:3]).item() == 200**3
        assert F.var(like).item() == 0


def test_integers_have_no_gradient():
    n, x = Variable(np.array([1, 2])), Variable(np.array([1.0, 2.0]))
    assert not n.requires_grad
    (n * x).sum().backward()
    assert n.grad is None
    assert x.grad.tolist() == [1, 2]
    assert not F.sum(n).requires_grad
    assert not F.astype(x, int).requires_grad
    assert not F.astype(n, float).requires_grad
    assert not F.mean(n).requires_grad
    with pytest.raises(RuntimeError, match="has no gradient"):
        F.sum(n).backward()

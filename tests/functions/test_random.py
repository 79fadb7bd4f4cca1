"""The stream is Philox's, its state can be kept, and dropout drops what it says."""

import re
import subprocess
import sys

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import descend
import descend.functions as F
from descend import Generator, Variable, default_rng, using_config
from descend.functions.random import DEFAULT, advanced, philox_rounds

word = st.integers(0, 2**64 - 1)


def words_of(numbers):
    return np.array(numbers, np.uint64)


# ---- the stream -------------------------------------------------------------------------------


@given(st.tuples(word, word), st.tuples(word, word, word, word))
def test_the_rounds_written_out_are_numpys(key, counter):
    expected = np.random.Philox(key=words_of(key), counter=words_of(counter)).random_raw(12)
    np.testing.assert_array_equal(philox_rounds(words_of(key), words_of(counter), 3), expected)


@pytest.mark.parametrize("counter", [(0, 0, 0, 0), (2**64 - 2, 2**64 - 1, 7, 1), (2**64 - 1,) * 4])
def test_the_counter_carries(counter):
    numpys = np.random.Philox(key=words_of((1, 2)), counter=words_of(counter))
    numpys.random_raw(4 * 3)
    np.testing.assert_array_equal(advanced(words_of(counter), 3), numpys.state["state"]["counter"])


def test_a_seed_is_numpys_seed():
    np.testing.assert_array_equal(default_rng(5).words(7), np.random.Philox(5).random_raw(7))


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_uniform_numbers_are_numpys(dtype):
    expected = np.random.Generator(np.random.Philox(3)).random((3, 5), dtype=dtype)
    y = default_rng(3).uniform((3, 5), dtype=dtype)
    assert y.dtype == dtype
    np.testing.assert_array_equal(y, expected)


def test_every_call_depends_on_key_and_counter_alone():
    rng = default_rng(1)
    rng.words(5)  # two blocks of four: three words are dropped
    assert rng.counter.tolist() == [2, 0, 0, 0]
    expected = np.random.Philox(key=rng.key.data, counter=rng.counter.data).random_raw(3)
    np.testing.assert_array_equal(rng.words(3), expected)


def test_the_state_is_variables_without_gradient():
    rng = default_rng(0)
    assert isinstance(rng.key, Variable) and isinstance(rng.counter, Variable)
    assert rng.key.dtype == rng.counter.dtype == np.uint64
    before = rng.counter.data
    rng.words(4)
    assert before.tolist() == [0, 0, 0, 0], "rebound, not written"


def test_a_saved_state_goes_on():
    rng = default_rng(9)
    rng.normal(100)
    state = rng.state_dict()
    expected = rng.uniform(10)
    other = default_rng(0)
    other.load_state_dict(state)
    np.testing.assert_array_equal(other.uniform(10), expected)
    np.testing.assert_array_equal(Generator(**state).uniform(10), expected)


def test_uniform_bounds_and_moments():
    y = default_rng(0).uniform(100_000, -3, 5)
    assert y.dtype == np.float32 and y.min() >= -3 and y.max() < 5
    assert abs(y.mean() - 1) < 0.02 and abs(y.var() - 64 / 12) < 0.05
    half = default_rng(0).uniform(100_000, dtype=np.float16)
    assert half.max() < 1, "rounding must not reach the upper bound"
    narrow = default_rng(0).uniform(100_000, 1, 1 + 3e-7)
    assert narrow.max() < np.float32(1 + 3e-7), "rounding must not reach the upper bound"


@pytest.mark.parametrize("dtype", [np.float16, np.float32, np.float64])
def test_moments_of_normal_numbers(dtype):
    y = default_rng(0).normal(100_001, 2, 3, dtype)
    assert y.dtype == dtype and y.shape == (100_001,)
    z = (y.astype(np.float64) - 2) / 3
    moments = [np.mean(z**k) for k in (1, 2, 3, 4)]
    np.testing.assert_allclose(moments, [0, 1, 0, 3], atol=0.05)
    pairs = z[: len(z) // 2 * 2].reshape(-1, 2)
    assert abs(np.corrcoef(pairs.T)[0, 1]) < 0.02


@pytest.mark.parametrize("shape", [(), (0,), 3, (2, 0, 3), (5, 1)])
def test_shapes(shape):
    full = (shape,) if isinstance(shape, int) else shape
    for y in (default_rng(0).uniform(shape), default_rng(0).normal(shape, 1, 2)):
        assert isinstance(y, np.ndarray) and y.shape == full and y.dtype == np.float32


def test_the_default_generator_is_seeded_in_place():
    key = DEFAULT.key
    descend.seed(4)
    first = DEFAULT.uniform(3)
    descend.seed(4)
    np.testing.assert_array_equal(DEFAULT.uniform(3), first)
    assert DEFAULT.key is key


def test_two_processes_without_a_seed_differ():
    code = "import descend.functions.random as r; print(r.DEFAULT.key.tolist())"
    keys = {subprocess.check_output([sys.executable, "-c", code]) for _ in range(2)}
    assert len(keys) == 2


@pytest.mark.parametrize(
    ("call", "kind", "sentence"),
    [
        (lambda: default_rng(-1), ValueError,
         "seed: -1 came, a whole number from 0 on is needed"),
        (lambda: descend.seed(1.5), ValueError,
         "seed: 1.5 came, a whole number from 0 on is needed"),
        (lambda: default_rng(0).uniform(3, dtype=int), TypeError,
         "uniform: dtype is int64, a floating one is needed"),
        (lambda: Generator(np.zeros(3, np.uint64)), ValueError,
         "Generator: key is uint64 (3,), uint64 (2,) is needed"),
        (lambda: default_rng(0).load_state_dict({"key": np.zeros(2, np.uint64)}), ValueError,
         "Generator: the state has no counter"),
    ],
)  # fmt: skip
def test_what_generators_refuse(call, kind, sentence):
    with pytest.raises(kind, match=f"^{re.escape(sentence)}$"):
        call()


# ---- dropout ----------------------------------------------------------------------------------


def test_elements_are_dropped_or_scaled():
    x = Variable(np.full((200, 50), 2, np.float32))
    y = F.dropout(x, 0.2, rng=default_rng(0))
    assert y.dtype == np.float32
    assert set(np.unique(y.data)) == {0, 2.5}
    assert abs((y.data == 0).mean() - 0.2) < 0.02


def test_the_gradient_has_the_same_mask():
    x = Variable(np.ones(1000))
    y = F.dropout(x, 0.5, rng=0)
    y.sum().backward()
    np.testing.assert_array_equal(x.grad.data, y.data)


def test_not_training():
    x = Variable(np.ones(100))
    assert F.dropout(x, training=False) is x
    with using_config("train", False):
        assert F.dropout(x) is x
        assert (F.dropout(x, training=True, rng=0).data == 0).any()
    assert (F.dropout(x, rng=0).data == 0).any()


@pytest.mark.parametrize("training", [True, False])
def test_nothing_is_drawn_where_nothing_is_dropped(training):
    rng = default_rng(0)
    x = np.ones(5)
    assert F.dropout(x, 0, training, rng).tolist() == [1] * 5
    F.dropout(x, 0.5, False, rng)
    assert rng.counter.tolist() == [0, 0, 0, 0]


def test_p_of_1_drops_everything():
    x = Variable(np.ones(50))
    y = F.dropout(x, 1.0)
    y.sum().backward()
    assert not y.data.any() and not x.grad.data.any()


def test_the_mask_does_not_depend_on_the_dtype():
    masks = [F.dropout(np.ones(999, dtype), 0.3, rng=7) > 0 for dtype in "efd"]
    np.testing.assert_array_equal(masks[0], masks[1])
    np.testing.assert_array_equal(masks[1], masks[2])


def test_the_default_generator_moves_on():
    descend.seed(0)
    x = np.ones(100)
    first, second = F.dropout(x), F.dropout(x)
    assert (first != second).any()
    descend.seed(0)
    np.testing.assert_array_equal(F.dropout(x), first)


@pytest.mark.parametrize(
    ("x", "params", "kind", "sentence"),
    [
        (np.ones(3), {"p": 1.5}, ValueError, "p is 1.5, a probability from 0 to 1 is needed"),
        (np.ones(3), {"p": np.nan}, ValueError, "p is nan, a probability from 0 to 1 is needed"),
        (np.ones(3, int), {}, TypeError, "x is int64, floating point is needed"),
        (np.ones(3), {"rng": np.random.default_rng(0)}, TypeError,
         "rng is NumPy's generator, a descend.Generator, a seed or None is needed"),
    ],
)  # fmt: skip
def test_what_dropout_refuses(x, params, kind, sentence):
    with pytest.raises(kind, match=f"^{re.escape('dropout: ' + sentence)}$"):
        F.dropout(x, **params)

"""NumPy's functions called with a Variable."""

import numpy as np
import pytest
import scipy.special

from descend import Variable, no_grad


@pytest.fixture
def x():
    return Variable(np.array([[1.0, 2.0], [3.0, 4.0]]))


@pytest.mark.parametrize(
    "call",
    [
        np.sin,
        np.absolute,
        lambda x: np.sum(x, axis=1),
        lambda x: np.mean(x, axis=0, keepdims=True),
        lambda x: np.concatenate([x, np.ones((1, 2))]),
        lambda x: np.where(x > 2, x, 0),
        lambda x: np.reshape(x, 4),
        lambda x: np.float64(2) * x,
        lambda x: np.multiply(np.ones(2), x),
        lambda x: np.transpose(x),
        lambda x: np.matmul(x, x),
        scipy.special.erf,
    ],
)
def test_the_answer_is_a_differentiable_variable(x, call):
    y = call(x)
    assert isinstance(y, Variable) and y.requires_grad
    np.testing.assert_allclose(y.data, call(x.data))
    y.sum().backward()
    assert x.grad.shape == x.shape


def test_comparisons_and_shapes_are_no_variables(x):
    assert type(np.greater(x, 2)) is np.ndarray
    assert np.isfinite(x).all()
    assert (np.shape(x), np.ndim(x), np.size(x)) == ((2, 2), 2, 4)
    assert np.argmax(x) == 3


def test_array_conversion_gives_the_values_of_a_constant_and_refuses_to_lose_a_gradient(x):
    for lost in (x, x * 2):
        with pytest.raises(TypeError, match=r"np.asarray: .* gradient would be lost"):
            np.asarray(lost)
    with no_grad():
        assert np.asarray(x).tolist() == x.tolist()
    x = x.detach()
    assert np.asarray(x) is not x and np.asarray(x).tolist() == x.tolist()
    assert np.asarray(x, dtype=np.float32).dtype == np.float32
    copied = np.array(x, copy=True)
    copied[0, 0] = 9
    assert x.data[0, 0] == 1


def test_nothing_turns_into_an_object_array(x):
    for refused in (np.lexsort, np.nanargmax, np.spacing, np.add.reduce):
        with pytest.raises(TypeError, match="Variable"):
            refused(x)

import numpy as np
import pytest

import descend.functions as F
from descend.train import cnn, mlp, probabilities


@pytest.mark.parametrize("shape", [(1, 8, 8), (1, 28, 28), (3, 32, 32), (2, 5, 7), (1, 4, 4)])
@pytest.mark.parametrize("make", [mlp, cnn])
def test_scores_and_gradients(make, shape):
    model = make(shape, 7)
    x = np.random.default_rng(0).random((3, *shape), np.float32)
    y = model(x)
    assert y.shape == (3, 7) and y.dtype == np.float32
    F.cross_entropy(y, np.array([0, 1, 2])).backward()
    for name, parameter in model.named_parameters():
        assert parameter.grad is not None, name
        assert np.isfinite(parameter.grad.data).all(), name


def test_mlp_takes_rows():
    assert mlp((5,), 2)(np.zeros((4, 5), np.float32)).shape == (4, 2)


@pytest.mark.parametrize("shape", [(5,), (3, 8), (1, 3, 8)])
def test_cnn_needs_images(shape):
    with pytest.raises(ValueError, match=r"images \(C, H, W\) of at least 4 x 4 pixels needed"):
        cnn(shape, 2)


def test_pooling_before_relu_is_relu_before_pooling():
    x = np.random.default_rng(0).normal(size=(2, 3, 6, 6))
    np.testing.assert_array_equal(F.relu(F.max_pool2d(x, 2)), F.max_pool2d(F.relu(x), 2))


def test_probabilities_are_those_of_the_model_in_use():
    model = cnn((1, 8, 8), 4)
    x = np.random.default_rng(0).random((5, 1, 8, 8), np.float32)
    first, second = probabilities(model, x), probabilities(model, x)
    np.testing.assert_array_equal(first, second)  # no dropout, no running statistics
    np.testing.assert_allclose(first.sum(axis=1), 1, rtol=1e-6)
    assert all(module.training for module in model.modules())

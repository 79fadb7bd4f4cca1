import numpy as np
import pytest

import descend
from descend import Variable
from descend.train import accuracy
from descend.train.metrics import Means


def test_accuracy_is_the_fraction_of_right_samples():
    y = np.array([[1.0, 2.0, 0.0], [3.0, 2.0, 1.0], [0.0, 1.0, 9.0], [1.0, 0.0, 0.0]])
    assert accuracy(y, np.array([1, 0, 0, 0])) == 0.75
    assert accuracy(Variable(y), Variable(np.array([1, 0, 0, 0]))) == 0.75


def test_accuracy_of_every_pixel():
    y = np.zeros((2, 3, 4, 4))
    y[:, 2] = 1
    t = np.full((2, 4, 4), 2)
    t[0, 0, 0] = 1
    assert accuracy(y, t) == 31 / 32


def test_scores_that_are_nan_are_wrong_and_infinite_ones_are_not():
    y = np.array([[np.nan, 0.0], [np.inf, 0.0], [0.0, np.nan]])
    assert accuracy(y, np.array([0, 0, 1])) == pytest.approx(1 / 3)


def test_compiled_accuracy():
    @descend.compile
    def measure(y, t):
        return accuracy(y, t)

    y = np.random.default_rng(0).normal(size=(50, 4)).astype(np.float32)
    t = np.arange(50) % 4
    y[:3, 1] = np.nan
    y[3, 0] = np.inf
    assert float(measure(y, t)) == pytest.approx(accuracy(y, t))
    with pytest.raises(ValueError, match="do not meet: scores"):
        measure(y, t[:9])


def test_no_samples():
    assert accuracy(np.zeros((0, 3)), np.zeros(0, np.int64)) == 0


@pytest.mark.parametrize(("y", "t"), [((4, 3), (4, 1)), ((4, 3), (3,)), ((4,), (4,))])
def test_shapes_that_do_not_meet(y, t):
    with pytest.raises(ValueError, match="do not meet: scores"):
        accuracy(np.zeros(y), np.zeros(t, np.int64))


def test_means_go_on_from_a_state():
    means, whole = Means(), Means()
    for samples, loss in ((3, 0.1), (5, 0.7), (2, 0.2)):
        whole.add(samples, {"loss": loss})
    means.add(3, {"loss": 0.1})
    means.add(5, {"loss": 0.7})
    other = Means()
    other.load_state_dict(means.state_dict())
    means.add(100, {"loss": 9.0})
    other.add(2, {"loss": 0.2})
    assert other.values() == whole.values()
    assert whole.values()["loss"] == pytest.approx((0.3 + 3.5 + 0.4) / 10)

"""Clipping: by the norm of all gradients, by value, and without writing into what others hold."""

import re

import numpy as np
import pytest

from descend import Parameter, Variable, optim


def with_gradients(*gradients):
    found = []
    for gradient in gradients:
        p = Parameter(np.zeros(np.shape(gradient)))
        p.grad = Variable(np.array(gradient, float), requires_grad=False)
        found.append(p)
    return found


def test_the_norm_is_over_all_gradients():
    ps = with_gradients([3.0, 0.0], [[4.0]])
    norm = optim.clip_grad_norm_(ps, 1.0)
    assert norm.item() == 5 and not norm.requires_grad
    np.testing.assert_allclose(ps[0].grad.data, [0.6, 0], rtol=1e-6)
    np.testing.assert_allclose(ps[1].grad.data, [[0.8]], rtol=1e-6)


def test_short_gradients_stay():
    ps = with_gradients([0.3, -0.4])
    assert optim.clip_grad_norm_(iter(ps), 1.0).item() == 0.5
    assert ps[0].grad.tolist() == [0.3, -0.4]


@pytest.mark.parametrize(("kind", "norm"), [(1, 7), (3, 91 ** (1 / 3)), (np.inf, 4)])
def test_other_norms(kind, norm):
    ps = with_gradients([3.0], [-4.0])
    np.testing.assert_allclose(optim.clip_grad_norm_(ps, 1e9, kind).item(), norm)


def test_arrays_of_before_are_not_written():
    ps = with_gradients([3.0, 4.0])
    array = ps[0].grad.data
    optim.clip_grad_norm_(ps, 1.0)
    optim.clip_grad_value_(ps, 0.1)
    assert array.tolist() == [3, 4]


def test_a_parameter_given_twice_is_scaled_once():
    [p] = with_gradients([3.0, 4.0])
    assert optim.clip_grad_norm_([p, p], 1.0).item() == 5
    np.testing.assert_allclose(p.grad.data, [0.6, 0.8], rtol=1e-6)


@pytest.mark.parametrize("dtype", [np.float16, np.float32])
def test_dtypes_stay_and_float16_does_not_overflow(dtype):
    p = Parameter(np.zeros(4, dtype))
    p.grad = Variable(np.full(4, 500, dtype))
    assert optim.clip_grad_norm_(p, 1.0).item() == 1000
    assert p.grad.dtype == dtype and p.grad.data[0] == dtype(0.5)


def test_no_gradients():
    assert optim.clip_grad_norm_([Parameter(np.zeros(2))], 1.0).item() == 0
    [p] = with_gradients(np.zeros((0, 3)))
    assert optim.clip_grad_norm_([p], 1.0).item() == 0
    assert optim.clip_grad_norm_([p], 1.0, np.inf).item() == 0


def test_by_value():
    ps = with_gradients([-3.0, 0.5, 2.0])
    optim.clip_grad_value_(ps, 1)
    assert ps[0].grad.tolist() == [-1, 0.5, 1]


def test_a_norm_that_is_not_finite():
    ps = with_gradients([1.0, np.inf])
    with pytest.raises(ValueError, match=r"^clip_grad_norm_: the norm of the gradients is inf$"):
        optim.clip_grad_norm_(ps, 1.0, error_if_nonfinite=True)
    assert ps[0].grad.tolist() == [1, np.inf]


@pytest.mark.parametrize(
    ("call", "sentence"),
    [
        (lambda: optim.clip_grad_norm_([], -1),
         "clip_grad_norm_: max_norm is -1, a number from 0 on is needed"),
        (lambda: optim.clip_grad_norm_([], 1, 0),
         "clip_grad_norm_: norm_type is 0, a number above 0 is needed"),
        (lambda: optim.clip_grad_value_([], float("nan")),
         "clip_grad_value_: clip_value is nan, a number from 0 on is needed"),
    ],
)  # fmt: skip
def test_what_is_refused(call, sentence):
    with pytest.raises(ValueError, match=f"^{re.escape(sentence)}$"):
        call()

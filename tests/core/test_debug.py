"""debug(): the first value or gradient that is not finite, and arrays changed too early."""

import re

import numpy as np
import pytest

import descend.functions as F
from descend import Function, Variable, debug


def test_a_value_that_is_not_finite_names_operation_shapes_and_line():
    x = Variable(np.array([1.0, 0.0, 2.0]))
    with debug(), np.errstate(divide="ignore"), pytest.raises(FloatingPointError) as error:
        F.log(x)
    assert re.fullmatch(
        r"log: the value has 1 of 3 elements NaN or infinite \(inputs \(3,\), output \(3,\)\), "
        r"called at .*test_debug\.py:\d+",
        str(error.value),
    )


def test_a_gradient_that_is_not_finite_names_the_line_of_the_forward_call():
    x = Variable(np.array([4.0, 0.0]))
    with debug(), np.errstate(divide="ignore"):
        y = F.sqrt(x * 1)  # the line that is named
        line = test_a_gradient_that_is_not_finite_names_the_line_of_the_forward_call.__code__
        with pytest.raises(FloatingPointError) as error:
            F.sum(y).backward()
    assert "sqrt: the gradient of input 0 has 1 of 2 elements NaN or infinite" in str(error.value)
    assert str(error.value).endswith(f"test_debug.py:{line.co_firstlineno + 3}")
    assert x.grad is None


def test_a_composition_names_the_users_line_too():
    with debug(), np.errstate(all="ignore"), pytest.raises(FloatingPointError) as error:
        F.var(Variable(np.array([1e300, -1e300])))
    assert "test_debug.py" in str(error.value)


@pytest.mark.parametrize("create_graph", [False, True])
def test_an_array_changed_after_the_forward_pass_is_named(create_graph):
    x = Variable(np.array([1.0, 2.0]))
    with debug():
        y = F.sum(x * x)
        x.data[0] = 5.0
        with pytest.raises(RuntimeError, match=r"multiply: x0 was changed in place after the f"):
            y.backward(create_graph=create_graph)


def test_the_notebooks_style_is_watched_too():
    class Square(Function):
        def forward(self, x):
            return x * x

        def backward(self, gy):
            (x,) = self.inputs
            return gy * x * 2

    x = Variable(np.array([1.0, 2.0]))
    with debug():
        y = F.sum(Square()(x))
        x.data += 1
        with pytest.raises(RuntimeError, match="square: input 0 was changed in place"):
            y.backward()


def test_rebinding_and_changes_of_what_is_not_kept_are_fine():
    x = Variable(np.array([1.0, 2.0]))
    with debug():
        y = F.sum(x * x + x)
        x.data = np.array([5.0, 5.0])
        y.backward()
    np.testing.assert_array_equal(x.grad.data, [3, 5])


def test_integers_and_arrays_are_checked_or_left_alone():
    with debug():
        assert F.add(np.array([1]), np.array([2])).tolist() == [3]
        with (
            np.errstate(divide="ignore"),
            pytest.raises(FloatingPointError, match="log: the value"),
        ):
            F.log(np.zeros(2))


def test_outside_of_debug_nothing_is_checked():
    with np.errstate(divide="ignore"):
        assert F.log(Variable(np.array(0.0))).item() == -np.inf

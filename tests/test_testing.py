"""The checkers are fed with wrong rules: each must be found, and named."""

import gc
import re
from typing import ClassVar

import numpy as np
import pytest

import descend.core.backward as walk
import descend.functions as F
from descend import Function, Variable, as_variable
from descend.core.variable import array_of
from descend.testing import (
    Sample,
    check_constants,
    check_derivatives,
    check_dtypes,
    check_function,
    check_no_aliases,
    check_no_cycles,
    check_strides,
    check_untouched,
    check_values,
    numerical_gradient,
)

X = np.array([0.3, -1.2, 2.0])


class Cube(Function):
    """A right rule, from which the wrong ones are derived."""

    def forward(self, x):
        return x * x * x

    def backward(self, gy, *, x):
        return gy * (3 * x * x)


class WrongFactor(Cube):
    def backward(self, gy, *, x):
        return gy * (2 * x * x)


class WrongSecond(Cube):
    def backward(self, gy, *, x):
        return gy * (3 * x * array_of(x))


class SlopeOfCube(Function):
    """3 x**2, whose own derivative is right once and is then a constant."""

    def forward(self, x):
        return 3 * x * x

    def backward(self, gy, *, x):
        return gy * (6 * array_of(x))


class WrongThird(Cube):
    def backward(self, gy, *, x):
        return gy * SlopeOfCube()(x)


class ConstantGradient(Cube):
    """As if the gradient that comes in were a constant."""

    def backward(self, gy, *, x):
        return F.stop_gradient(gy) * (3 * x * x)


class WrongShape(Cube):
    def backward(self, gy, *, x):
        return (gy * (3 * x * x))[:2]


class NoRule(Function):
    def forward(self, x):
        return x * x


class Wide(Function):
    def forward(self, x):
        return x * np.float64(2.0) * np.ones(x.shape)

    def backward(self, gy):
        return gy * 2


class WritesItsInput(Function):
    def forward(self, x):
        y = x.copy()
        if x.flags.writeable:
            x += 1
        return y

    def backward(self, gy):
        return gy


class InsistsOnWriting(Function):
    def forward(self, x):
        x += 1
        x -= 1
        return x.copy()

    def backward(self, gy):
        return gy


class WritesItsGradient(Function):
    def forward(self, x):
        return 2 * x

    def backward(self, gy):
        if isinstance(gy, np.ndarray) and gy.flags.writeable:
            gy *= 2
            return gy
        return gy * 2


class Cycle(Cube):
    def backward(self, gy, *, x):
        self.myself = self
        return super().backward(gy, x=x)


class WrongFromViews(Function):
    def forward(self, x):
        return 2 * np.lib.stride_tricks.as_strided(x, x.shape, np.empty(x.shape).strides)

    def backward(self, gy):
        return gy * 2


class WrongGradientFromViews(Function):
    def forward(self, x):
        return x * 2

    def backward(self, gy):
        return gy * (2 if isinstance(gy, Variable) or gy.flags.c_contiguous else 3)


class MoreThanValues(Function):
    """Another value for Variables than for arrays."""

    def forward(self, x):
        return x * 2

    def backward(self, gy):
        return gy * 2

    def __call__(self, x):
        return super().__call__(x) + (1 if isinstance(x, Variable) else 0)


def called(cls):
    """The function of a class, with its name."""

    def function(*xs):
        return cls()(*xs)

    function.__name__ = cls.name
    return function


def refused(check, function, *arrays, **params):
    """The sentence of the AssertionError that the check raises."""
    with pytest.raises(AssertionError) as caught:
        check(function, *arrays, **params)
    return str(caught.value)


# ---- sound functions pass ---------------------------------------------------------------------


def test_a_right_rule_passes():
    check_function(called(Cube), X)


def test_a_rule_in_the_notebooks_style_passes():
    class Square(Function):
        def forward(self, x):
            return x * x

        def backward(self, gy):
            (x,) = self.inputs
            return 2 * x * gy

    check_function(called(Square), X)


def test_constants_lists_and_params_are_handed_on():
    check_function(F.concatenate, [X, X + 1], axis=-1)
    check_function(F.power, as_variable(np.array([0.0, 0.5])), np.array([2.5, 1.5]))
    check_function(F.getitem, X, np.array([0, 0, 2]))
    check_function(F.mean, np.ones((2, 3)), axis=0, keepdims=True)


def test_a_sample_stands_for_its_arguments():
    check_function(F.power, Sample(np.array([0.0, 0.5]), (2,), low=1.5, high=3))
    message = refused(check_function, called(WrongFactor), Sample((2, 3)))
    assert "the first derivative to argument 0" in message


def test_several_outputs_and_outputs_without_gradient():
    check_function(F.split, np.arange(6.0), 3)
    check_function(F.sign, X)
    check_function(lambda x: (F.exp(x), F.astype(x, np.int64)), X)


@pytest.mark.parametrize("shape", [(), (0,), (0, 3), (1,), (2, 1, 3)])
def test_any_shape(shape):
    check_function(F.sin, np.random.default_rng(0).normal(size=shape))


def test_a_step_that_meets_a_kink_is_made_smaller():
    check_derivatives(F.abs, np.array([2e-4, -1.0]))


# ---- numerical_gradient -----------------------------------------------------------------------


def test_numerical_gradient_is_exact_to_ten_digits():
    x = np.linspace(-1, 1, 6).reshape(2, 3)
    found = numerical_gradient(lambda x: np.exp(x).sum() * x[0, 0], x)
    expected = np.exp(x) * x[0, 0]
    expected[0, 0] += np.exp(x).sum()
    np.testing.assert_allclose(found, expected, rtol=1e-10)


def test_numerical_gradient_leaves_its_point_alone():
    x = np.ones(3)
    x.flags.writeable = False
    assert (
        numerical_gradient(lambda x: float(F.sum(Variable(x)) ** 2), x).round(8).tolist() == [6] * 3
    )
    assert numerical_gradient(lambda x: x**2, np.array(3.0)).shape == ()


# ---- wrong rules are found --------------------------------------------------------------------


def test_a_wrong_factor():
    message = refused(check_function, called(WrongFactor), X)
    number = r"-?[\d.]+(?:e-\d+)?"
    told = re.fullmatch(
        r"wrong_factor: the first derivative to argument 0 is wrong: at \(2,\) of \(3,\) the rule "
        rf"gives ({number}), finite differences give ({number}) "
        r"\(of the outputs weighted at random\)",
        message,
    )
    assert told, message
    assert float(told[1]) / float(told[2]) == pytest.approx(2 / 3)


def test_the_argument_is_named():
    def product(x, ys):
        return x * F.stop_gradient(ys[0]) * ys[1]

    message = refused(check_function, product, X, [X + 1, X])
    assert "product: the first derivative to argument 1[0] is wrong" in message


def test_the_worst_element_is_named():
    def third_wrong(x):
        return F.concatenate([x[:1, :2].flatten(), F.stop_gradient(x[1, 2:])])

    message = refused(check_derivatives, third_wrong, np.ones((2, 3)))
    assert "at (1, 2) of (2, 3) the rule gives 0," in message


def test_a_wrong_second_derivative_only():
    check_function(called(WrongSecond), X, order=1)
    message = refused(check_function, called(WrongSecond), X)
    assert message.startswith("wrong_second: the second derivative to argument 0 is wrong")


def test_a_wrong_third_derivative_only():
    check_function(called(WrongThird), X, order=2)
    message = refused(check_function, called(WrongThird), X)
    assert message.startswith("wrong_third: the third derivative to argument 0 is wrong")


def test_a_rule_that_takes_its_gradient_for_a_constant():
    check_function(called(ConstantGradient), X, order=1)
    message = refused(check_function, called(ConstantGradient), X)
    assert message.startswith("constant_gradient: the second derivative to")


def test_a_gradient_that_is_nan():
    class NotFinite(Cube):
        def backward(self, gy, *, x):
            return gy * float("nan")

    message = refused(check_function, called(NotFinite), X)
    assert "the first derivative to argument 0 is wrong" in message
    assert "the rule gives nan" in message


class Product(Function):
    kept_for: ClassVar = {"x0": 1, "x1": 0}

    def forward(self, x0, x1):
        return x0 * x1

    def backward(self, gy, *, x0, x1):
        return gy * x1 if self.needs[0] else None, gy * x0 if self.needs[1] else None


class LetsTheWrongOneGo(Product):
    kept_for: ClassVar = {"x0": 0, "x1": 1}


class WrongWithConstants(Product):
    def backward(self, gy, *, x0, x1):
        gx0, gx1 = super().backward(gy, x0=x0, x1=x1)
        return gx0 if self.needs[1] else -gx0, gx1


class SecondWrongWithConstants(Product):
    kept_for: ClassVar = {}

    def backward(self, gy, *, x0, x1):
        gx0, gx1 = super().backward(gy, x0=x0, x1=x1)
        return gx0 if self.needs[1] else F.stop_gradient(gy) * x1, gx1


def test_inputs_that_are_constants():
    check_function(called(Product), X, X + 1)
    message = refused(check_function, called(LetsTheWrongOneGo), X, X + 1)
    assert message.startswith("lets_the_wrong_one_go: backward failed: unsupported operand")
    message = refused(check_function, called(WrongWithConstants), X, X + 1)
    assert message == (
        "wrong_with_constants: the first derivative to argument 0 is another one where "
        "argument 1 is a constant"
    )
    square = called(SecondWrongWithConstants)
    check_constants(lambda x0, x1: square(x0, x1), X, X + 1, order=1)
    message = refused(check_constants, lambda x0, x1: square(x0 * x0, x1) ** 2, X, X + 1, order=2)
    assert message == (
        "<lambda>: the second derivative to argument 0 is another one where argument 1 is a "
        "constant"
    )


def test_a_wrong_shape():
    message = refused(check_function, called(WrongShape), X)
    assert message == (
        "wrong_shape: backward failed: wrong_shape: its rule answered a gradient (2,) for an "
        "input (3,)"
    )


def test_no_rule():
    assert "no_rule: backward failed: no_rule: there is no derivative" in refused(
        check_function, called(NoRule), X
    )


def test_float64_out_of_float32():
    assert refused(check_function, called(Wide), X) == "wide: output 0 of float16 inputs is float64"
    message = refused(check_dtypes, lambda x: F.astype(x, np.float64), X)
    assert message == "<lambda>: output 0 of float16 inputs is float64"
    check_dtypes(F.astype, X, np.float64)  # here a dtype was asked for


def test_a_gradient_of_another_dtype(monkeypatch):
    class WideGradient(Cube):
        def backward(self, gy, *, x):
            return (gy * (3 * x * x)).astype(np.float64)

    check_dtypes(called(WideGradient), X)
    monkeypatch.setattr(walk, "fitted", lambda function, gx, shape, dtype: gx)  # no cast
    message = refused(check_dtypes, called(WideGradient), X)
    assert message == (
        "wide_gradient: the gradient to argument 0 is float64 (3,), the input float16 (3,)"
    )


def test_writing_an_input():
    message = refused(check_untouched, called(WritesItsInput), X.copy())
    assert message == "writes_its_input: forward writes into argument 0"


def test_writing_even_for_a_moment():
    message = refused(check_untouched, called(InsistsOnWriting), np.arange(3.0))
    assert message.startswith("insists_on_writing: forward fails on read-only arrays: ")


def test_writing_a_constant():
    def shuffled(x, order):
        order.sort()
        return x[order]

    order = np.array([2, 0, 1])
    assert (
        refused(check_untouched, shuffled, X, order) == "shuffled: forward writes into constant 0"
    )
    assert order.tolist() == [2, 0, 1]


def test_writing_the_gradient_that_comes_in():
    message = refused(check_untouched, called(WritesItsGradient), X)
    assert message == "writes_its_gradient: backward writes into grad_outputs[0]"


def test_check_function_finds_writing_too():
    with pytest.raises(AssertionError):
        check_function(called(WritesItsInput), X.copy())


def test_a_cycle():
    message = refused(check_function, called(Cycle), X)
    assert re.fullmatch(
        r"cycle: the function cycle is still there after its last use: a reference cycle "
        r"\(\d+ objects\)",
        message,
    )
    assert gc.isenabled()


def test_an_output_that_somebody_keeps():
    kept = []

    def hoarding(x):
        kept.append(F.exp(x))
        return kept[-1] * 1

    message = refused(check_no_cycles, hoarding, X)
    assert "hoarding: the function exp is still there after its last use" in message


def test_values_wrong_from_views():
    message = refused(check_strides, called(WrongFromViews), np.arange(6.0).reshape(2, 3))
    assert message == (
        "wrong_from_views: output 0 of transposed inputs differs at (0, 1): 6, 2 if contiguous"
    )


def test_gradients_wrong_from_views():
    message = refused(check_function, called(WrongGradientFromViews), np.ones((2, 3)))
    assert re.match(
        r"wrong_gradient_from_views: the gradient to argument 0, \w+, differs at \(0, 0\): ",
        message,
    )


def test_gradients_that_share_memory(monkeypatch):
    monkeypatch.setattr(walk, "owned", lambda gx: gx)  # the engine as it would be without care
    message = refused(check_no_aliases, F.add, X, X + 1)
    assert message == "add: the gradient to argument 0 and the gradient to argument 1 share memory"


def test_a_gradient_that_is_what_the_graph_keeps(monkeypatch):
    class Exponential(Function):
        def forward(self, x):
            return np.exp(x)

        def backward(self, gy, *, y):
            return y

    monkeypatch.setattr(walk, "owned", lambda gx: gx)
    message = refused(check_no_aliases, called(Exponential), X)
    assert re.fullmatch(
        r"exponential: the gradient to argument 0 and (output 0|exponential's y) share memory",
        message,
    )


def test_a_gradient_that_cannot_be_written(monkeypatch):
    monkeypatch.setattr(walk, "owned", lambda gx: gx)
    message = refused(check_no_aliases, F.sum, np.ones((64, 65)))  # too large to be written out
    assert message == "sum: the gradient to argument 0 is read-only"


def test_other_values_on_variables():
    message = refused(check_function, called(MoreThanValues), np.array([1.0]))
    assert (
        message == "more_than_values: output 0 is array([3.]) of Variables, array([2.]) of arrays"
    )


def test_variables_from_arrays():
    message = refused(check_values, lambda x: as_variable(np.asarray(x)), X)
    assert message == "<lambda>: output 0 of arrays is a Variable"


def test_arrays_from_variables():
    message = refused(check_values, lambda x: np.exp(array_of(x)), X)
    assert message == "<lambda>: output 0 of Variables is ndarray"


def test_two_calls_that_differ():
    rng = np.random.default_rng(0)
    message = refused(check_function, lambda x: x * rng.normal(size=3), X)
    assert message == "<lambda>: two calls with the same arguments differ: give it a seed"

"""The notebook's Variable, and what NumPy's users expect of it."""

import copy

import numpy as np
import pytest

import descend
import descend.functions as F
from descend import Parameter, Variable, as_variable


def test_attributes_of_a_new_variable():
    data = np.arange(6.0).reshape(2, 3)
    x = Variable(data, name="x")
    assert x.data is data
    assert (x.grad, x.creator, x.generation, x.name) == (None, None, 0, "x")
    assert (x.shape, x.size, x.ndim, x.dtype, len(x)) == ((2, 3), 6, 2, np.float64, 2)
    assert Variable.__array_priority__ == 200


def test_repr_aligns_continuation_lines():
    assert repr(Variable(None)) == "Variable(None)"
    assert repr(Variable(np.array(2.0))) == "Variable(2.0)"
    assert repr(Variable(np.arange(4).reshape(2, 2))) == "Variable([[0 1]\n          [2 3]])"
    assert repr(Parameter(np.ones(1))) == "Variable([1.])"


@pytest.mark.parametrize("value", [1.0, [1.0, 2.0], "x", np.float64(1)])
def test_data_must_be_an_array(value):
    with pytest.raises(TypeError, match=r"as_variable\(\.\.\.\)"):
        Variable(value)
    x = Variable(np.ones(1))
    if not isinstance(value, np.generic):
        with pytest.raises(TypeError, match="an array is needed"):
            x.data = value


def test_data_takes_what_arithmetic_without_axes_answers():
    x = Variable(np.array(2))
    x.data = x.data + x.data
    assert type(x.data) is np.ndarray and x.data == 4


def test_as_variable_makes_constants():
    x = Variable(np.ones(2))
    assert as_variable(x) is x
    assert not as_variable(3.0).requires_grad
    assert as_variable([1, 2]).shape == (2,)


def test_integers_and_booleans_have_no_gradient():
    assert not Variable(np.array([1, 2])).requires_grad
    assert not Variable(np.array([True])).requires_grad
    lazy = Variable(None)
    lazy.data = np.array([1])
    assert not lazy.requires_grad
    x = Variable(np.array([1.5]))
    assert not F.astype(x, int).requires_grad


OPERATORS = {
    "+": lambda a, b: a + b,
    "-": lambda a, b: a - b,
    "*": lambda a, b: a * b,
    "/": lambda a, b: a / b,
    "**": lambda a, b: a**b,
}


@pytest.mark.parametrize("symbol", OPERATORS)
@pytest.mark.parametrize("other", [2, 2.5, np.float64(1.5), np.array([1.0, 2.0]), [1.0, 2.0]])
def test_operators_with_scalars_and_arrays_on_either_side(symbol, other):
    operator = OPERATORS[symbol]
    values = np.array([3.0, 0.5])
    for mine, theirs in [((values, other), None), ((other, values), None)]:
        expected = operator(np.asarray(mine[0]), np.asarray(mine[1]))
        arguments = [Variable(a) if a is values else a for a in mine]
        y = operator(*arguments)
        assert isinstance(y, Variable)
        np.testing.assert_allclose(y.data, expected, rtol=1e-15)
        assert theirs is None


def test_unary_operators_matmul_and_builtins():
    x = Variable(np.array([[1.0, -2.0], [3.0, 4.5]]))
    np.testing.assert_array_equal((-x).data, -x.data)
    np.testing.assert_array_equal((+x).data, x.data)
    np.testing.assert_array_equal(abs(x).data, abs(x.data))
    np.testing.assert_array_equal(round(x).data, np.round(x.data))
    for y in (x @ np.eye(2), np.eye(2) @ x):
        assert isinstance(y, Variable)
        np.testing.assert_array_equal(y.data, x.data)
    assert [row.shape for row in x] == [(2,), (2,)]
    assert float(Variable(np.array(2.0))) == 2.0
    assert int(Variable(np.array(2))) == 2
    assert f"{Variable(np.array(2.0)):.2f}" == "2.00"
    with pytest.raises(TypeError, match="0-d Variable"):
        iter(Variable(np.array(1.0)))


def test_comparisons_answer_arrays():
    x = Variable(np.array([1.0, 2.0]))
    for answer, expected in [
        (x == 1, [True, False]),
        (x != 1, [False, True]),
        (x < 2, [True, False]),
        (x <= x, [True, True]),
        (x > np.array([0, 3]), [True, False]),
        (x >= 2, [False, True]),
    ]:
        assert type(answer) is np.ndarray
        assert answer.tolist() == expected
    assert len({x, x, Variable(x.data)}) == 2  # as a key it is equal to itself only


def test_reshape_and_transpose_take_what_the_notebook_takes():
    x = Variable(np.arange(6.0).reshape(2, 3))
    assert x.reshape(3, 2).shape == x.reshape((3, 2)).shape == x.reshape([3, 2]).shape == (3, 2)
    y = Variable(np.ones((2, 3, 4)))
    assert y.transpose().shape == y.transpose(None).shape == y.T.shape == (4, 3, 2)
    assert y.transpose(1, 0, 2).shape == y.transpose((1, 0, 2)).shape == (3, 2, 4)
    assert x.sum(axis=0).shape == (3,)
    assert x.sum(axis=0, keepdims=True).shape == (1, 3)


@pytest.mark.parametrize("method", ["sum", "mean", "prod", "max", "min", "var", "std", "cumsum"])
def test_array_methods_are_numpys(method):
    values = np.linspace(0.5, 2, 6).reshape(2, 3)
    expected = getattr(values, method)(axis=1)
    np.testing.assert_allclose(getattr(Variable(values), method)(axis=1).data, expected)


def test_more_array_methods():
    values = np.arange(6.0).reshape(1, 6)
    x = Variable(values)
    assert x.squeeze().shape == (6,)
    assert x.swapaxes(0, 1).shape == (6, 1)
    assert x.flatten().shape == (6,)
    assert x.astype(np.float32).dtype == np.float32
    assert x.copy().data is not values
    assert x.clip(1, 2).data.max() == 2
    assert x.take([0, 2], axis=1).shape == (1, 2)
    assert x.argmax() == 5 and x.argmin() == 0
    assert x.any() and not x.all()
    assert x.tolist() == values.tolist()


def test_detach_unchain_and_copies():
    x = Variable(np.ones(2))
    y = x * 2
    assert not y.detach().requires_grad
    y.unchain()
    assert y.creator is None and y.generation == 0
    twin = copy.deepcopy(Parameter(np.ones(2), "w"))
    assert type(twin) is Parameter and twin.name == "w"


def test_unchain_backward_cuts_everything_behind():
    x = Variable(np.array(2.0))
    h = x * x
    y = h * 3
    y.unchain_backward()
    y.backward()
    assert x.grad is None
    assert h.grad.data == 3.0


def test_elements_are_not_assigned():
    with pytest.raises(TypeError, match=r"assignment: .*F\.where"):
        Variable(np.ones(3))[0] = 2.0


def test_a_zero_dimensional_result_is_an_array():
    y = Variable(np.array(2.0)) * 3
    assert type(y.data) is np.ndarray and y.data.shape == ()
    assert type(F.sin(np.array(1.0))) is np.ndarray


def test_to_gpu_without_cupy_says_so():
    if descend.cuda.gpu_enable():
        pytest.skip("there is a GPU")
    with pytest.raises(RuntimeError, match="to_gpu: CuPy"):
        Variable(np.ones(1)).to_gpu()
    x = Variable(np.ones(1))
    x.to_cpu()
    assert type(x.data) is np.ndarray

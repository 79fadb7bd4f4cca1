# ruff: noqa: E501  the sentences stand as they are printed
"""Wrong calls and the exact sentences that answer them.

To add one, write the call; the failing test prints the sentence, which is then to be read as the
user would read it: the operation, what came, what is needed.
"""

import numpy as np
import pytest

import descend.functions as F
from descend import Function, Variable, gradients, using_config


def v(*shape):
    return Variable(np.ones(shape))


def with_grad(y, grad):
    y.grad = grad
    return y


class Three(Function):
    def forward(self, a, b, c):
        return a


TABLE = [
    (
        lambda: Variable(1.0),
        TypeError,
        "Variable: data is a float, an array is needed: as_variable(...) takes numbers and lists",
    ),
    (
        lambda: Variable([1, 2]),
        TypeError,
        "Variable: data is a list, an array is needed: as_variable(...) takes numbers and lists",
    ),
    (
        lambda: Variable("text"),
        TypeError,
        "Variable: data is a str, an array is needed: as_variable(...) takes numbers and lists",
    ),
    (
        lambda: v(2) + v(3),
        ValueError,
        "add: x0 (2,) and x1 (3,) do not broadcast: from the last axis on, lengths must be equal or 1",
    ),
    (
        lambda: v(2, 3) * np.ones((3, 2)),
        ValueError,
        "multiply: x0 (2, 3) and x1 (3, 2) do not broadcast: from the last axis on, lengths must be equal or 1",
    ),
    (
        lambda: v(2) - "a",
        TypeError,
        "subtract: a str came for x1; a Variable, an array or a number is needed",
    ),
    (
        lambda: v(2) / None,
        TypeError,
        "divide: None came for x1; a Variable, an array or a number is needed",
    ),
    (
        lambda: pow(v(2), 2, 3),
        TypeError,
        "power: pow(x, y, modulo) has no meaning here: write pow(x, y)",
    ),
    (
        lambda: F.power(np.array([2]), -1),
        ValueError,
        "power: x0 (1,), x1 -1: Integers to negative integer powers are not allowed.",
    ),
    (
        lambda: v(2) + Variable(None),
        TypeError,
        "add: Variable(None) came, it holds no array yet",
    ),
    (
        lambda: F.add(v(2)),
        TypeError,
        "add() missing 1 required positional argument: 'x1'",
    ),
    (
        lambda: F.add(v(2), v(2), v(2)),
        TypeError,
        "add() takes 2 positional arguments but 3 were given",
    ),
    (
        lambda: F.sin(),
        TypeError,
        "sin() missing 1 required positional argument: 'x'",
    ),
    (
        lambda: F.sin("x"),
        TypeError,
        "sin: a str came for x; a Variable, an array or a number is needed",
    ),
    (
        lambda: F.sum(v(2), axes=0),
        TypeError,
        "sum: got an unexpected keyword argument 'axes'; the call is sum(x, axis=None, keepdims=False)",
    ),
    (
        lambda: F.sum(v(2, 3), axis=2),
        IndexError,
        "sum: x (2, 3): axis 2 is out of bounds for array of dimension 2",
    ),
    (
        lambda: F.mean(v(2, 3), axis=2),
        np.exceptions.AxisError,
        "mean: axis 2 does not fit an array of 2 axes",
    ),
    (
        lambda: F.max(v(0)),
        ValueError,
        "max: x (0,): zero-size array to reduction operation maximum which has no identity",
    ),
    (
        lambda: F.max(v(2, 3), axis=5),
        IndexError,
        "max: x (2, 3): axis 5 is out of bounds for array of dimension 2",
    ),
    (
        lambda: F.argmax(v(0)),
        ValueError,
        "attempt to get argmax of an empty sequence",
    ),
    (
        lambda: F.logsumexp(v(2), axis=1),
        IndexError,
        "logsumexp: x (2,): axis 1 is out of bounds for array of dimension 1",
    ),
    (
        lambda: F.cumsum(v(2), axis=1),
        IndexError,
        "cumsum: x (2,): axis 1 is out of bounds for array of dimension 1",
    ),
    (
        lambda: F.prod(v(2), axis=3),
        np.exceptions.AxisError,
        "prod: axis 3 does not fit an array of 1 axes",
    ),
    (
        lambda: F.std(v(2), axis=3),
        np.exceptions.AxisError,
        "var: axis 3 does not fit an array of 1 axes",
    ),
    (
        lambda: F.matmul(v(3, 4), v(5, 6)),
        ValueError,
        "matmul: x0 (3, 4) and x1 (5, 6) do not meet: x0.shape[-1] must equal x1.shape[-2]",
    ),
    (
        lambda: F.matmul(v(3), v(4)),
        ValueError,
        "matmul: x0 (3,) and x1 (4,) do not meet: x0.shape[-1] must equal x1.shape[-1]",
    ),
    (
        lambda: F.matmul(v(2, 3, 4), v(3, 4, 5)),
        ValueError,
        "matmul: the leading axes of x0 (2, 3, 4) and x1 (3, 4, 5) do not broadcast",
    ),
    (
        lambda: F.matmul(v(3), 2.0),
        ValueError,
        "matmul: x0 (3,) and x1 2.0 came, each needs at least one axis: multiply numbers with *",
    ),
    (
        lambda: v(2, 3) @ v(2),
        ValueError,
        "matmul: x0 (2, 3) and x1 (2,) do not meet: x0.shape[-1] must equal x1.shape[-1]",
    ),
    (
        lambda: F.linear(v(2, 3), v(4, 5)),
        ValueError,
        "linear: x (2, 3) and weight (4, 5) do not meet: x.shape[-1] must equal weight.shape[1]",
    ),
    (
        lambda: F.linear(v(2, 3), v(3)),
        ValueError,
        "linear: weight (3,) came, (out, in) is needed",
    ),
    (
        lambda: F.linear(v(2, 3), v(4, 3), v(5)),
        ValueError,
        "linear: bias (5,) came, (4,) is needed",
    ),
    (
        lambda: F.reshape(v(2, 3), (4, 2)),
        ValueError,
        "reshape: x (2, 3) has 6 elements, which do not fill (4, 2)",
    ),
    (
        lambda: F.reshape(v(2, 3), (-1, -1)),
        ValueError,
        "reshape: x (2, 3) has 6 elements, which do not fill (-1, -1)",
    ),
    (
        lambda: v(2, 3).reshape(5),
        ValueError,
        "reshape: x (2, 3) has 6 elements, which do not fill (5,)",
    ),
    (
        lambda: F.transpose(v(2, 3), (0, 0)),
        ValueError,
        "transpose: x (2, 3): repeated axis in transpose",
    ),
    (
        lambda: F.transpose(v(2, 3), (0,)),
        ValueError,
        "transpose: x (2, 3): axes don't match array",
    ),
    (
        lambda: F.broadcast_to(v(2, 3), (2, 4)),
        ValueError,
        "broadcast_to: x (2, 3) does not broadcast to (2, 4)",
    ),
    (
        lambda: F.sum_to(v(2, 3), (4,)),
        ValueError,
        "sum_to: (4,) does not broadcast to x's shape (2, 3)",
    ),
    (
        lambda: F.expand_dims(v(2), 3),
        np.exceptions.AxisError,
        "expand_dims: axis (3,) does not fit an array of 2 axes",
    ),
    (
        lambda: F.squeeze(v(2, 3), 0),
        ValueError,
        "squeeze: axis 0 of x (2, 3) has length 2, not 1",
    ),
    (
        lambda: F.swapaxes(v(2, 3), 0, 2),
        np.exceptions.AxisError,
        "swapaxes: axis 2 does not fit an array of 2 axes",
    ),
    (
        lambda: F.moveaxis(v(2, 3), (0, 1), 0),
        ValueError,
        "moveaxis: 2 sources for 1 destinations",
    ),
    (
        lambda: F.flatten(v(2, 3), 3),
        np.exceptions.AxisError,
        "flatten: axis 3 does not fit an array of 2 axes",
    ),
    (
        lambda: F.concatenate([]),
        ValueError,
        "concatenate: no arrays came, at least one is needed",
    ),
    (
        lambda: F.concatenate([v(2, 3), v(3, 2)]),
        ValueError,
        "concatenate: (2, 3), (3, 2) do not fit: all lengths but that of axis 0 must be equal",
    ),
    (
        lambda: F.concatenate([v(2), v(2)], axis=1),
        IndexError,
        "concatenate: (2,), (2,) do not fit: all lengths but that of axis 1 must be equal",
    ),
    (
        lambda: F.stack([v(2), v(3)]),
        ValueError,
        "stack: (2,), (3,) came, arrays of one shape are needed",
    ),
    (
        lambda: F.stack([]),
        ValueError,
        "stack: no arrays came, arrays of one shape are needed",
    ),
    (
        lambda: F.split(v(5), 2),
        ValueError,
        "split: x (5,): array split does not result in an equal division",
    ),
    (
        lambda: F.split(v(5), 2, axis=1),
        IndexError,
        "split: x (5,): tuple index out of range",
    ),
    (
        lambda: F.pad(v(2, 3), ((1, 1), (1, 1), (1, 1))),
        ValueError,
        "pad: x (2, 3): operands could not be broadcast together with remapped shapes [original->remapped]: (3,2)  and requested shape (2,2)",
    ),
    (
        lambda: F.pad(v(2), -1),
        ValueError,
        "pad: x (2,): index can't contain negative values",
    ),
    (
        lambda: v(3)[5],
        IndexError,
        "getitem: x (3,): index 5 is out of bounds for axis 0 with size 3",
    ),
    (
        lambda: v(3)[0, 0],
        IndexError,
        "getitem: x (3,): too many indices for array: array is 1-dimensional, but 2 were indexed",
    ),
    (
        lambda: v(3)["a"],
        IndexError,
        "getitem: x (3,): only integers, slices (`:`), ellipsis (`...`), numpy.newaxis (`None`) and integer or boolean arrays are valid indices",
    ),
    (
        lambda: v(3)[[0.5]],
        IndexError,
        "getitem: x (3,): arrays used as indices must be of integer (or boolean) type",
    ),
    (
        lambda: v(3)[np.ones(2, bool)],
        IndexError,
        "getitem: x (3,): boolean index did not match indexed array along axis 0; size of axis is 3 but size of corresponding boolean axis is 2",
    ),
    (
        lambda: F.take(v(3), [7]),
        IndexError,
        "getitem: x (3,): index 7 is out of bounds for axis 0 with size 3",
    ),
    (
        lambda: F.take(v(3), [0], axis=1),
        np.exceptions.AxisError,
        "take: axis 1 does not fit an array of 1 axes",
    ),
    (
        lambda: F.take_along_axis(v(2, 3), [0, 1], axis=1),
        ValueError,
        "take_along_axis: indices (2,) need as many axes as x (2, 3)",
    ),
    (
        lambda: F.scatter_add(v(2, 3), 0, np.zeros((1, 3), int), v(2, 3)),
        ValueError,
        "scatter_add: index (1, 3) and src (2, 3) must be equal",
    ),
    (
        lambda: F.embedding(np.array([0.5]), v(3, 2)),
        TypeError,
        "embedding: indices are float64, integers are needed",
    ),
    (
        lambda: F.embedding(np.array([5]), v(3, 2)),
        IndexError,
        "getitem: x (3, 2): index 5 is out of bounds for axis 0 with size 3",
    ),
    (
        lambda: F.where(np.ones(2, bool), v(3), v(4)),
        ValueError,
        "where: condition (2,), x0 (3,) and x1 (4,) do not broadcast",
    ),
    (
        lambda: F.gelu(v(2), approximate="erf"),
        ValueError,
        'gelu: approximate=\'erf\' came, "none" or "tanh" is needed',
    ),
    (
        lambda: F.softmax(v(2), axis=2),
        IndexError,
        "softmax: x (2,): axis 2 is out of bounds for array of dimension 1",
    ),
    (
        lambda: F.clip(v(2), np.ones(3)),
        ValueError,
        "maximum: x0 (2,) and x1 (3,) do not broadcast: from the last axis on, lengths must be equal or 1",
    ),
    (
        lambda: F.astype(v(2), "no such type"),
        TypeError,
        "data type 'no such type' not understood",
    ),
    (
        lambda: v(2).backward(np.ones(2), False, True),
        TypeError,
        "Variable.backward() takes from 1 to 3 positional arguments but 4 were given",
    ),
    (
        lambda: Variable(np.array([1])).backward(),
        RuntimeError,
        "backward: this Variable (1,) int64 has no gradient: it is a constant, an integer, or was computed under no_grad()",
    ),
    (
        lambda: with_grad(v(2) * 2, v(3)).backward(),
        ValueError,
        "backward: grad (3,) does not fit the Variable (2,)",
    ),
    (
        lambda: gradients(v(2), v(2)),
        ValueError,
        "gradients: the outputs do not depend on input 0 (2,); allow_unused=True answers None for it",
    ),
    (
        lambda: gradients(v(2), np.ones(2)),
        TypeError,
        "gradients: inputs 0 is a float64, a Variable is needed",
    ),
    (
        lambda: gradients(np.ones(2), v(2)),
        TypeError,
        "gradients: outputs 0 is a float64, a Variable is needed",
    ),
    (
        lambda: gradients(Variable(np.array([1])), v(2)),
        ValueError,
        "gradients: output 0 (1,) int64 has no gradient: it is a constant, an integer, or was computed under no_grad()",
    ),
    (
        lambda: gradients(v(2), Variable(np.array([1]))),
        ValueError,
        "gradients: input 0 (1,) int64 has no gradient: it is a constant, an integer, or was computed under no_grad()",
    ),
    (
        lambda: gradients(v(2), v(2), [np.ones(2), np.ones(2)]),
        ValueError,
        "gradients: 2 grad_outputs for 1 outputs",
    ),
    (
        lambda: gradients(v(2), v(2), np.ones((1, 3))),
        ValueError,
        "gradients: grad_output 0 (3,) does not fit (2,)",
    ),
    (
        lambda: using_config("backprop", True),
        AttributeError,
        "using_config: 'backprop' is no setting; there are enable_backprop, train, debug",
    ),
    (
        lambda: float(v(2)),
        ValueError,
        "can only convert an array of size 1 to a Python scalar",
    ),
    (
        lambda: bool(v(2)),
        ValueError,
        "The truth value of an array with more than one element is ambiguous. Use a.any() or a.all()",
    ),
    (
        lambda: len(v()),
        TypeError,
        "len() of unsized object",
    ),
    (
        lambda: iter(v()),
        TypeError,
        "iteration: a 0-d Variable has no elements to go through",
    ),
    (
        lambda: v(2).item(),
        ValueError,
        "can only convert an array of size 1 to a Python scalar",
    ),
    (
        lambda: np.sum(v(2), out=np.zeros(())),
        TypeError,
        "numpy.sum: out= came, which a Variable cannot follow",
    ),
    (
        lambda: np.multiply(v(2), 2, out=np.zeros(2)),
        TypeError,
        "numpy.multiply: out= came, which a Variable cannot follow: leave it out",
    ),
    (
        lambda: np.add.reduce(v(2)),
        TypeError,
        "numpy.add.reduce: no such function for a Variable; use v.data",
    ),
    (
        lambda: np.lexsort(v(2)),
        TypeError,
        "numpy.lexsort: a Variable came, and there is no differentiable lexsort; v.data is the array",
    ),
    (
        lambda: np.partition(v(2), 1),
        TypeError,
        "numpy.partition: a Variable came, and there is no differentiable partition; v.data is the array",
    ),
    (
        lambda: np.spacing(v(2)),
        TypeError,
        "numpy.spacing: a Variable came, and there is no differentiable spacing; v.data is the array",
    ),
    (
        lambda: np.asarray(Variable(None)),
        TypeError,
        "np.asarray: the Variable holds None",
    ),
    (
        lambda: Three()(v(2), v(2), v(2)).backward(),
        NotImplementedError,
        "three: there is no derivative; detach() the input to treat it as a constant",
    ),
    (
        lambda: Three()(v(2)),
        TypeError,
        "three: a (2,): Three.forward() missing 2 required positional arguments: 'b' and 'c'",
    ),
    (
        lambda: setattr(v(2), "data", [1.0]),
        TypeError,
        "data: a list came, an array is needed",
    ),
    (
        lambda: F.maximum(v(2), v(3)),
        ValueError,
        "maximum: x0 (2,) and x1 (3,) do not broadcast: from the last axis on, lengths must be equal or 1",
    ),
    (
        lambda: F.index_add(v(3), 0, [0, 9], v(2)),
        IndexError,
        "scatter_to: x (2,): an index is out of bounds for axis 0 with size 3",
    ),
    (
        lambda: F.matmul(v(2), "a"),
        TypeError,
        "matmul: a str came for x1; a Variable, an array or a number is needed",
    ),
    (
        lambda: F.where(np.ones(2, bool), v(2), "a"),
        TypeError,
        "where: a str came for x1; a Variable, an array or a number is needed",
    ),
    (
        lambda: F.concatenate([v(2), "a"]),
        TypeError,
        "concatenate: a str came; a Variable, an array or a number is needed",
    ),
    (
        lambda: F.linear(v(2), None),
        TypeError,
        "linear: None came for weight; a Variable, an array or a number is needed",
    ),
    (
        lambda: F.sum(None),
        TypeError,
        "sum: None came for x; a Variable, an array or a number is needed",
    ),
    (
        lambda: F.mean(None),
        TypeError,
        "mean: None came; a Variable, an array or a number is needed",
    ),
    (
        lambda: F.sin([[1.0], [2.0, 3.0]]),
        TypeError,
        "sin: a list came for x; a Variable, an array or a number is needed",
    ),
    (
        lambda: F.conv2d(v(1, 1, 4, 4), "a"),
        TypeError,
        "conv2d: a str came; a Variable, an array or a number is needed",
    ),
]


@pytest.mark.parametrize(("call", "kind", "sentence"), TABLE, ids=range(len(TABLE)))
def test_wrong_call(call, kind, sentence):
    with pytest.raises(kind) as error:
        call()
    assert str(error.value) == sentence


def test_the_table_is_long_enough_and_names_the_operation():
    assert len(TABLE) >= 60
    assert sum(":" in sentence for _, _, sentence in TABLE) >= len(TABLE) - 8  # the rest is NumPy's

"""Large operations outside compiled functions: the same numbers as op by op, and when they are."""

import os
import subprocess
import sys
import threading

import numpy as np
import pytest

import descend
import descend.functions as F
from descend import Parameter, Variable, gradients, nn, optim
from descend.compile import is_available
from descend.compile.run.eager import EAGER, MOST_KINDS, Program, in_memory_order
from descend.core import acceleration
from descend.functions.registry import OPERATIONS
from descend.optim import optimizer as optimizers

pytestmark = pytest.mark.skipif(not is_available(), reason="nothing is compiled here")

NATIVE = sorted(
    name
    for name, operation in OPERATIONS.items()
    if operation.primitive is not None and operation.primitive.native_forward
)
COMPOSITES = (
    "gelu",
    "layer_norm",
    "batch_norm",
    "cross_entropy",
    "mse_loss",
    "binary_cross_entropy_with_logits",
    "dropout",
    "conv2d",
    "conv_transpose2d",
    "max_pool2d",
    "scaled_dot_product_attention",
    "rnn",
    "lstm",
    "gru",
)
CASES = [
    pytest.param(name, i, id=f"{name}-{i}")
    for name in (*NATIVE, *COMPOSITES)
    for i in range(len(OPERATIONS[name].samples))
]


@pytest.fixture
def native(monkeypatch):
    """Everything counts as large; the test begins without programs."""
    monkeypatch.setattr(acceleration, "LARGE", 1)
    monkeypatch.setattr(sys.modules["descend.functions.matrices.linear"], "THREADED", 0)
    monkeypatch.setattr(sys.modules["descend.functions.networks.recurrent"], "SHORT", 0)
    monkeypatch.setattr(optimizers, "MANY", 1)
    monkeypatch.setattr(EAGER, "programs", {})
    monkeypatch.setattr(EAGER, "counts", {})


@pytest.fixture
def plain(monkeypatch):
    """A function that does something op by op."""

    def run(function, *args):
        with monkeypatch.context() as context:
            context.setattr(acceleration.ACCELERATOR, "_find", None)
            context.setattr(acceleration.ACCELERATOR, "_found", None)
            return function(*args)

    return run


def made():
    """The programs that there are."""
    return [program for program in EAGER.programs.values() if program is not None]


def derivatives(name, sample):
    """The value, the gradients, and the gradients of the sum of their squares."""
    inputs = sample.arrays()
    differentiable = [
        type(given) is tuple and isinstance(x, np.ndarray)
        for given, x in zip(sample.inputs, inputs, strict=True)
    ]
    xs = [Variable(x) if own else x for own, x in zip(differentiable, inputs, strict=True)]
    leaves = [x for own, x in zip(differentiable, xs, strict=True) if own]
    answer = OPERATIONS[name].function(*xs, **sample.params)
    y = answer[0] if type(answer) is tuple else answer
    found = [y.data]
    seed = Variable(np.cos(np.arange(y.size)).reshape(y.shape), requires_grad=False)
    found += [x.data for x in descend.gradients(y, leaves, seed)]
    gxs = descend.gradients(y, leaves, seed, create_graph=True)
    found += [x.data for x in gxs]
    squares = sum(F.sum(F.square(gx) + F.sin(gx)) for gx in gxs)
    if isinstance(squares, Variable) and squares.requires_grad:
        second = descend.gradients(squares, leaves, allow_unused=True)
        found += [None if x is None else x.data for x in second]
    return found


@pytest.mark.parametrize("name, i", CASES)
def test_the_same_as_op_by_op(name, i, native, plain, same):
    sample = OPERATIONS[name].samples[i]
    expected = plain(derivatives, name, sample)
    assert not EAGER.programs
    same(derivatives(name, sample), expected)


@pytest.mark.parametrize("name", (*NATIVE, *COMPOSITES))
def test_programs_are_made(name, native):
    """What is declared as native is, for at least one of the samples."""
    for sample in OPERATIONS[name].samples:
        derivatives(name, sample)
    assert made()


def test_an_argument_computed_from_another(native, plain, same):
    def second():
        x = Variable(np.linspace(-1, 1, 12).reshape(3, 4))
        y = F.mse_loss(x, F.tanh(x)) + F.mse_loss(x, x)
        [gx] = descend.gradients(y, x, create_graph=True)
        return [gx.data, descend.gradients(F.sum(gx * gx), x)[0].data]

    same(second(), plain(second))


def test_running_statistics(native, plain, same):
    def moved():
        layer = nn.BatchNorm2d(3)
        x = np.random.default_rng(0).standard_normal((4, 3, 5, 5)).astype(np.float32)
        layer(Variable(x))
        layer(Variable(2 * x))
        return [*layer.state_dict().values()]

    same(moved(), plain(moved))


@pytest.mark.parametrize("axes", [(0, 1, 2), (2, 0, 1), (1, 2, 0)])
def test_layouts(axes, native, plain, same):
    """An array is read as it lies in memory, and needs no copy unless it lies in no order."""
    x = np.random.default_rng(0).standard_normal((3, 4, 5)).transpose(axes)
    y, order = in_memory_order(x)
    assert np.shares_memory(x, y)
    assert order is None or y.transpose(np.argsort(order)).strides == x.strides
    for view in (x, x[:, ::2], x[..., ::-1]):
        same(F.softmax(view), plain(F.softmax, view))


def test_small_arrays_stay_with_numpy(monkeypatch):
    monkeypatch.setattr(EAGER, "programs", {})
    F.exp(np.ones(acceleration.LARGE - 1, np.float32))
    assert not EAGER.programs
    F.exp(np.ones(acceleration.LARGE, np.float32))
    assert len(made()) == 1
    F.exp(np.ones(acceleration.LARGE, np.float32))
    assert len(made()) == 1


def test_products_that_blas_would_share_out(monkeypatch, plain, same):
    monkeypatch.setattr(EAGER, "programs", {})
    monkeypatch.setattr(EAGER, "counts", {})
    rng = np.random.default_rng(0)
    x, w = (Variable(rng.normal(size=(64, 64))) for _ in range(2))
    F.matmul(x, w)
    F.linear(x, w)
    assert made() == []  # as many multiplications as one thread of OpenBLAS does
    w = Variable(rng.normal(size=(64, 65)))
    y = F.matmul(x, w)
    assert len(made()) == 1
    same([y.data], [plain(F.matmul, x.data, w.data)])


@pytest.mark.parametrize("reverse", [False, True])
@pytest.mark.parametrize("steps", [5, 8, 29])
def test_sequences_of_every_length_take_few_programs(steps, reverse, monkeypatch, plain, same):
    monkeypatch.setattr(EAGER, "programs", {})
    monkeypatch.setattr(EAGER, "counts", {})
    rng = np.random.default_rng(0)
    lengths = np.array([steps, 3])
    shapes = (steps, 2, 3), (2, 4), (2, 4), (16, 3), (16, 4), (16,), (16,)
    arrays = [rng.normal(size=shape) for shape in shapes]

    def differentiate():
        xs = [Variable(x) for x in arrays]
        ys = F.lstm(*xs, lengths=lengths, reverse=reverse)
        loss = sum(F.sum(y * y) for y in ys)
        gxs = gradients(loss, xs, create_graph=True)
        second = gradients(sum(F.sum(g * g) for g in gxs), xs[:1])
        return [y.data for y in (*ys, *gxs, *second)]

    same(differentiate(), plain(differentiate))
    assert 0 < len(made()) <= 8  # 8, 4, 2 and 1 steps, forward and backward


@pytest.mark.parametrize("dtype", [np.float16, np.complex128, ">f4"])
def test_dtypes_that_stay_with_numpy(dtype, native, plain, same):
    x = np.ones(5, dtype)
    same(F.exp(x), plain(F.exp, x))
    assert not made()


def test_not_under_debug_and_not_while_recording(native):
    with descend.debug():
        F.exp(np.ones(3))
    assert not EAGER.programs
    descend.compile(lambda x: F.gelu(x))(np.ones(3))
    assert not EAGER.programs


def test_shapes_that_vary_are_left_to_numpy(native, monkeypatch):
    monkeypatch.setattr(sys.modules[Program.__module__], "MOST_KINDS", 3)
    for size in range(1, 8):
        np.testing.assert_allclose(F.exp(np.ones(size)), np.full(size, np.e))
    assert len(made()) == 3 < MOST_KINDS
    F.log(np.ones(2))
    assert len(made()) == 4


def test_errors_are_those_of_the_operations(native):
    with pytest.raises(ValueError, match=r"matmul: x0 \(2, 3\) and x1 \(2, 3\) do not meet"):
        F.matmul(np.ones((2, 3)), np.ones((2, 3)))
    with pytest.raises(ValueError, match="mse_loss: reduction='some'"):
        F.mse_loss(Variable(np.ones(3)), np.ones(3), reduction="some")
    with pytest.raises(ValueError, match="binary_cross_entropy_with_logits: weight"):
        F.binary_cross_entropy_with_logits(np.ones(3), np.ones(3), np.ones((2, 1)))


def test_a_program_writes_no_array_that_it_was_given(native):
    x = Variable(np.linspace(0, 1, 6).reshape(2, 3))
    x.data.flags.writeable = False
    F.sum(F.gelu(x)).backward()
    first = F.gelu(x).data
    kept = first.copy()
    F.gelu(Variable(np.zeros((2, 3))))
    np.testing.assert_array_equal(first, kept)


def test_threads(native, plain):
    x = np.random.default_rng(0).standard_normal((64, 64))
    expected = plain(F.softmax, x)
    wrong = []

    def work(shift):
        for _ in range(20):
            y = F.softmax(x + shift)
            if not np.allclose(y, expected, rtol=1e-9):
                wrong.append(shift)

    threads = [threading.Thread(target=work, args=(i,)) for i in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not wrong


# ---- optimizers ---------------------------------------------------------------------------------

OPTIMIZERS = [
    pytest.param(optim.SGD, {}, id="sgd"),
    pytest.param(
        optim.SGD, {"momentum": 0.9, "weight_decay": 0.1, "nesterov": True}, id="nesterov"
    ),
    pytest.param(optim.SGD, {"momentum": 0.9, "dampening": 0.5}, id="dampening"),
    pytest.param(optim.Adam, {"weight_decay": 0.1}, id="adam"),
    pytest.param(optim.AdamW, {"betas": (0.8, 0.99)}, id="adamw"),
]


def gradients_of_step(params, step, skip=None):
    for i, p in enumerate(params):
        p.grad = None if i == skip else Variable(np.sin(p.data * (i + 1) + step))


def trained(cls, options, dtype=np.float32, steps=4, skip=None, start=None):
    """Parameters and optimizer after some steps."""
    rng = np.random.default_rng(0)
    params = [Parameter(rng.standard_normal(s).astype(dtype)) for s in [(5, 4), (4,), (3, 2, 2)]]
    optimizer = cls(params, lr=0.1, **options)
    first = 0
    if start is not None:
        first, arrays, state = start
        for p, array in zip(params, arrays, strict=True):
            p.data[...] = array
        optimizer.load_state_dict(state)
    held = [p.data for p in params]
    for step in range(first, steps):
        optimizer.param_groups[0]["lr"] = 0.1 / (step + 1)
        gradients_of_step(params, step, skip if step == 1 else None)
        optimizer.step()
    assert all(p.data is array for p, array in zip(params, held, strict=True))
    return [p.data for p in params], optimizer.state_dict()


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("cls, options", OPTIMIZERS)
def test_steps_of_optimizers(cls, options, dtype, native, plain, same):
    got, state = trained(cls, options, dtype, skip=1)
    assert made()
    expected, plain_state = plain(trained, cls, options, dtype, 4, 1)
    same(got, expected)
    same(state, plain_state)


@pytest.mark.parametrize("cls, options", OPTIMIZERS)
def test_a_resumed_run_agrees_bit_for_bit(cls, options, native):
    expected, _ = trained(cls, options)
    arrays, state = trained(cls, options, steps=2)
    got, _ = trained(cls, options, start=(2, arrays, state))
    for a, b in zip(got, expected, strict=True):
        np.testing.assert_array_equal(a, b)


def test_a_gradient_in_the_memory_of_a_parameter(native, plain, same):
    def step():
        a, b = Parameter(np.arange(3.0)), Parameter(np.ones(3))
        a.grad, b.grad = Variable(b.data), Variable(a.data)
        optim.SGD([a, b], lr=0.5).step()
        return [a.data, b.data]

    a = np.arange(3.0)
    same(step(), [a - 0.5, 1 - 0.5 * a])


def test_a_step_that_does_not_fit_changes_nothing(native):
    a, b = Parameter(np.ones(3)), Parameter(np.ones(2))
    optimizer = optim.Adam([a, b])
    a.grad = Variable(np.ones(3))
    b._grad = Variable(np.ones(3))
    with pytest.raises(ValueError, match=r"grad \(3,\) does not fit the parameter \(2,\)"):
        optimizer.step()
    np.testing.assert_array_equal(a.data, 1)


def test_an_optimizer_that_cannot_be_recorded(native):
    class Odd(optim.SGD):
        @staticmethod
        def update(p, g, **scalars):
            if float(g.sum()) > 0:
                p -= 1
            return (p,)

    p = Parameter(np.zeros(3))
    p.grad = Variable(np.ones(3))
    Odd([p]).step()
    np.testing.assert_array_equal(p.data, -1)


# ---- turned off ---------------------------------------------------------------------------------


def test_turned_off():
    code = (
        "import sys, numpy as np, descend.functions as F\n"
        "from descend.core.acceleration import LARGE, accelerator\n"
        "F.exp(np.ones(LARGE))\n"
        "print(accelerator() is None, 'llvmlite' in sys.modules)"
    )
    for value, expected in (("0", "True False"), ("1", "False True")):
        environment = {**os.environ, "DESCEND_COMPILE": value}
        done = subprocess.run(
            [sys.executable, "-c", code], capture_output=True, text=True, env=environment
        )
        assert done.stdout.strip() == expected, done.stderr

"""Every operation compiled answers what it answers eagerly, and so do its derivatives."""

import numpy as np
import pytest

import descend
import descend.functions as F
from descend import Variable, gradients
from descend.compile.run import threads
from descend.functions.registry import OPERATIONS, Sample
from descend.testing.call import Call

CASES = [
    pytest.param(
        operation, sample, id=f"{operation.name}-{i}", marks=[pytest.mark.slow] if i > 0 else []
    )
    for operation in OPERATIONS.values()
    for i, sample in enumerate(operation.samples)
]
"""Every operation on every sample; the samples behind the first are run on demand."""

PRIMITIVES = [
    pytest.param(
        *case.values,
        id=case.id,
        marks=[*case.marks, *([pytest.mark.slow] if case.values[0].primitive is None else [])],
    )
    for case in CASES
]
"""The same; compositions are run on demand."""


def derivative(call, order, total_of=None):
    """A function of the call's inputs: its values, or the gradients of the order before."""

    def function(*inputs):
        F.random.seed(0)
        xs = [Variable(x) for x in inputs]
        ys = call(xs)
        if order == 0:
            return [y.data if isinstance(y, Variable) else y for y in ys]
        for k in range(order):
            ys = [y for y in ys if isinstance(y, Variable) and y.requires_grad]
            if not ys:
                return []
            total = (total_of or weighted)(ys)
            ys = gradients(total, xs, create_graph=k + 1 < order, allow_unused=True)
        return [y.data for y in ys if y is not None]

    return function


def weighted(ys):
    """A sum that no operation makes constant: the squares of normalized numbers would be.

    Of complex numbers both parts are taken: the sine of an imaginary number grows exponentially.
    """
    ys = [part for y in ys for part in ((y.real, y.imag) if y.dtype.kind == "c" else (y,))]
    return sum(
        (F.sin(y + 0.3) * F.reshape(np.arange(1.0, y.size + 1), y.shape).astype(y.dtype)).sum()
        / max(y.size, 1)
        for y in ys
    )


def linear(ys):
    """The outputs weighted and added up."""
    return sum(
        (y * F.sin(np.arange(1.0, y.size + 1)).reshape(y.shape).astype(y.dtype)).sum() for y in ys
    )


def in_dtype(call, dtype):
    """The call with inputs and constants of another dtype."""

    def cast(x):
        return x.astype(dtype) if x.dtype.kind == "f" else x

    twin = call.with_constants(cast)
    twin.inputs = [cast(x) for x in call.inputs]
    return twin


def check(same, function, inputs, scale=1.0):
    """Assert that two compiled calls answer what the function does."""
    with np.errstate(all="ignore"):
        expected = function(*inputs)
    expected = [np.asarray(y) for y in expected]
    compiled = descend.compile(function)
    same(compiled(*inputs), expected, "first call", scale)
    same(compiled(*inputs), expected, "second call", scale)
    return compiled


MAGNIFYING = {"polygamma": 1e4, "matrix_power": 1e2}
"""Where the last bit of a sine counts for more: it is asked for that of 1e8, near a pole."""


@pytest.mark.parametrize("operation, sample", CASES)
def test_values_and_gradients(same, operation, sample):
    check_orders(same, operation, sample, (0, 1))


@pytest.mark.parametrize("operation, sample", PRIMITIVES)
def test_three_derivatives_in_one_program(same, operation, sample):
    check_orders(same, operation, sample, (3,))


def check_orders(same, operation, sample, orders):
    """Assert that these derivatives are the same compiled, and call no Python but what is known."""
    call = Call(operation.function, (sample,), {})
    scale = MAGNIFYING.get(operation.name, 1)
    for order in orders:
        compiled = check(same, derivative(call, order), call.inputs, scale)
        if compiled.last:
            allowed = {"solve"} if "complex" in str(compiled.graph) else set()
            assert calls_of_python(compiled) <= allowed, operation.name


def calls_of_python(compiled):
    """The operations that need NumPy, but for those of which it is known."""
    kernels = compiled.last.executable.kernels
    return {k.title.removeprefix("host call ") for k in kernels if k.call is not None} - HOSTED


HOSTED = {
    *("matmul", "convolve", "convolve_input", "convolve_weight"),  # of no elements, of three axes
    *"argsort cumprod searchsorted segment_max".split(),
    "zeta",  # Riemann's
    *"cofactors cofactors_along eig eigvals expm logm lstsq pinv".split(),
    *"solve_sylvester sparse_matmul spsolve sqrtm".split(),
    *"dct dst overlap_add".split(),
}
"""The operations that call NumPy or SciPy while the program runs: there are no kernels for them."""


@pytest.mark.parametrize("operation, sample", PRIMITIVES)
def test_derivatives_of_a_compiled_operation(same, operation, sample):
    """A compiled function is a node: three walks over it in eager mode."""
    call = Call(operation.function, (sample,), {})

    def values(function):
        F.random.seed(0)
        xs = [Variable(x) for x in call.inputs]
        found = []
        ys = function(xs)
        for k in range(sample.order):
            ys = [y for y in ys if isinstance(y, Variable) and y.requires_grad]
            if not ys:
                break
            total = weighted(ys)
            ys = gradients(total, xs, create_graph=k + 1 < sample.order, allow_unused=True)
            ys = [y for y in ys if y is not None]
            found += [y.data for y in ys]
        return found

    with np.errstate(all="ignore"):
        expected = values(call)
        compiled = descend.compile(lambda xs: call(xs))
        scale = MAGNIFYING.get(operation.name, 1)
        same(values(compiled), expected, "first time", scale)
        same(values(compiled), expected, "second time", scale)


@pytest.mark.parametrize("operation, sample", PRIMITIVES)
def test_float32(same, operation, sample):
    call = in_dtype(Call(operation.function, (sample,), {}), np.float32)
    for order in range(2):
        check(same, derivative(call, order), call.inputs, scale=5)


# ---- arrays that several threads share --------------------------------------------------------

SHAPE = (96, 70, 33)

LARGE = {
    "elements": Sample(SHAPE, SHAPE),
    "row": Sample(SHAPE, (33,)),
    "column": Sample(SHAPE, (96, 1, 1)),
}

FUNCTIONS = {
    "gelu": (F.gelu, [Sample(SHAPE)]),
    "softmax": (F.softmax, [Sample(SHAPE, axis=a) for a in (0, 1, 2)]),
    "log_softmax": (F.log_softmax, [Sample(SHAPE, axis=1)]),
    "sum": (
        F.sum,
        [Sample(SHAPE, axis=a, low=0.5) for a in (None, 0, 1, 2, (0, 1), (0, 2), (1, 2))],
    ),
    "max": (F.max, [Sample(SHAPE, axis=a) for a in (None, 0, 1, 2, (0, 2))]),
    "mean": (F.mean, [Sample(SHAPE, axis=a) for a in (0, (1, 2))]),
    "var": (F.var, [Sample(SHAPE, axis=a) for a in (0, 2)]),
    "cumsum": (F.cumsum, [Sample(SHAPE, axis=a) for a in (0, 1, 2)]),
    "multiply": (F.multiply, [*LARGE.values()]),
    "divide": (F.divide, [Sample(SHAPE, (96, 1, 33), low=0.5, high=2)]),
    "where": (lambda x, y: F.where(x > y, x, y), [*LARGE.values()]),
    "transpose": (lambda x: F.exp(F.transpose(x)) * 2, [Sample(SHAPE)]),
    "slices": (lambda x: F.concatenate([x[::2], x[1::2, ::-1]], 0) * x, [Sample(SHAPE)]),
    "pieces": (lambda x: F.stack([x[:, 1:], x[:, :-1]], 1), [Sample(SHAPE)]),
    "reshape": (lambda x: F.reshape(x, (70, -1)) * F.reshape(x, (70, -1))[:1], [Sample(SHAPE)]),
    "matmul": (F.matmul, [Sample((200, 130), (130, 170)), Sample((96, 7, 33), (33, 50))]),
    "batched": (
        F.matmul,
        [Sample((12, 40, 33), (12, 33, 45)), Sample((3, 4, 40, 33), (4, 33, 20))],
    ),
    "vectors": (
        F.matmul,
        [Sample((400, 330), (330,)), Sample((330,), (330, 400)), Sample((5000,), (5000,))],
    ),
    "layer_norm": (lambda x, w, b: F.layer_norm(x, (33,), w, b), [Sample(SHAPE, (33,), (33,))]),
    "cross_entropy": (
        lambda x: F.cross_entropy(x, np.arange(600) % 65),
        [Sample((600, 65))],
    ),
    "gather": (lambda x: F.getitem(x, np.arange(500) * 7 % 96), [Sample(SHAPE)]),
    "take_along": (
        lambda x: F.take_along_axis(x, np.arange(96 * 70 * 4).reshape(96, 70, 4) % 33, 2),
        [Sample(SHAPE)],
    ),
    "conv2d": (F.conv2d, [Sample((6, 5, 17, 18), (7, 5, 3, 3), padding=1)]),
    "max_pool2d": (F.max_pool2d, [Sample((6, 16, 18, 22), kernel_size=2)]),
    "norm": (lambda x: x / F.sqrt(F.sum(x * x, axis=-1, keepdims=True) + 1), [Sample(SHAPE)]),
    "attention": (
        lambda q, k, v: F.matmul(F.softmax(F.matmul(q, F.swapaxes(k, -1, -2)) * 0.2), v),
        [Sample((4, 3, 40, 16), (4, 3, 40, 16), (4, 3, 40, 16))],
    ),
}

LARGE_CASES = [
    pytest.param(function, sample, id=f"{name}-{i}")
    for name, (function, samples) in FUNCTIONS.items()
    for i, sample in enumerate(samples)
]


@pytest.mark.parametrize("count", [pytest.param(1, marks=pytest.mark.slow), 2, 3])
@pytest.mark.parametrize("function, sample", LARGE_CASES)
def test_large_arrays(same, monkeypatch, function, sample, count):
    if count == 3 and threads.thread_count() < 2:
        pytest.skip("one core")
    monkeypatch.setattr(threads, "thread_count", lambda: count)
    for dtype in (np.float64, np.float32) if count == 2 else (np.float64,):
        call = Call(function, sample.arrays(0, dtype), dict(sample.params))
        scale = 1.0 if dtype == np.float64 else 20.0
        check(same, derivative(call, 0), call.inputs, scale)
        # Weights that do not depend on the outputs: the sine of a large sum is all rounding
        check(same, derivative(call, 1, linear), call.inputs, scale)


@pytest.mark.parametrize("function", [F.sum, F.mean, lambda x: F.sum(F.exp(x * 0) * x)])
def test_a_long_sum_keeps_its_digits(function):
    compiled = descend.compile(function)
    for x, error in (
        (np.random.default_rng(0).random(1_000_000), 1.3e-6),
        (np.full(1_000_000, 0.1), 1e-5),  # every rounding goes the same way
    ):
        x = x.astype(np.float32)
        expected = function(x.astype(np.float64))
        assert abs(compiled(x) / expected - 1) < error

"""What cannot be recorded is refused with the user's line, or called while the program runs."""

import concurrent.futures
import os
import subprocess
import sys
import threading

import numpy as np
import pytest

import descend
import descend.functions as F
from descend import Function, Parameter, TraceError, Variable, nn, optim


def hosted(compiled):
    """The calls of Python in what was compiled last."""
    return [kernel.title for kernel in compiled.last.executable.kernels if kernel.call is not None]


# ---- values asked too early -------------------------------------------------------------------


@pytest.mark.parametrize(
    "ask",
    [
        lambda x: float(x.sum()),
        lambda x: int(x.sum()),
        lambda x: bool(x.sum() > 1),
        lambda x: x.tolist(),
        lambda x: x.sum().item(),
        lambda x: 1 if x[0] > 0 else 2,
        lambda x: [1, 2, 3][x[0].astype(np.int64)],
        lambda x: f"{x.sum():.3f}",
        lambda x: np.asarray(x),
        lambda x: x[x > 0],
        lambda x: np.nonzero(x),
        lambda x: np.unique(x),
        lambda x: max(x),
        lambda x: np.zeros(x.sum().astype(int)),
        lambda x: range(x.astype(int)[0]),
    ],
)
def test_a_value_is_asked_for(ask):
    compiled = descend.compile(ask)
    for x in (np.ones(3), np.ones(3)):  # each time
        with pytest.raises(TraceError, match=r"`.*lambda x: .*` \(test_refusals.py:\d+\) "):
            compiled(x)


def test_a_value_of_a_variable_is_asked_for():
    w = Parameter(np.ones(3))

    @descend.compile
    def step(x):
        loss = (w * x).sum()
        if loss > 1:
            loss = loss * 2
        return loss

    with pytest.raises(TraceError, match=r"`if loss > 1` .*F.where"):
        step(np.ones(3))


def test_what_is_known_can_be_printed(capsys):
    @descend.compile
    def f(x):
        print(x, repr(x), f"{x}", Variable(x))
        return x * 2

    f(np.ones((2, 3)))
    assert capsys.readouterr().out.count("float64[2,3]") == 4


def test_shapes_are_known():
    @descend.compile
    def f(x):
        n, m = x.shape
        assert len(x) == n and x.ndim == 2 and x.size == n * m and x.dtype == np.float64
        return x.reshape(m, n) * (n if n > 1 else 2) + np.arange(n)

    np.testing.assert_array_equal(f(np.ones((3, 2))), np.ones((2, 3)) * 3 + np.arange(3))


def test_writing_into_an_argument():
    @descend.compile
    def f(x):
        x[0] = 1
        return x

    with pytest.raises(TraceError, match=r"`x\[0\] = 1` .* writes into an array that was given"):
        f(np.zeros(3))


def test_writing_into_an_array_of_its_own():
    def f(x):
        y = x * 2
        y[1:] += 5
        y[0] = x[2]
        z = np.zeros_like(x)
        z[::2] = y[::2]
        y *= 2
        return y, z

    for a, b in zip(descend.compile(f)(np.arange(5.0)), f(np.arange(5.0)), strict=True):
        np.testing.assert_array_equal(a, b)


# ---- what is kept outside ---------------------------------------------------------------------


def test_an_array_is_kept_outside():
    kept = []

    @descend.compile
    def f(x):
        kept.append(x * 2)
        return x

    with pytest.raises(TraceError, match=r"`kept.append\(x \* 2\)` .* is kept outside"):
        f(np.ones(3))


def test_a_variable_is_kept_outside():
    class Holder:
        pass

    holder = Holder()

    @descend.compile
    def f(x):
        holder.y = Variable(x) * 2
        return x

    with pytest.raises(TraceError, match=r"is kept outside .* return it instead"):
        f(np.ones(3))


def test_the_state_of_a_recurrent_module_is_kept_in_a_variable(alike):
    def make():
        state = Variable(np.zeros(3), "state", requires_grad=False)

        def f(x):
            state.data = np.tanh(state.data + x)
            return state.data * 1

        return f, [state]

    alike(make, (np.ones(3),), (np.ones(3),))


def test_a_loss_from_outside():
    w = Parameter(np.ones(3))
    loss = (w * 2).sum()

    @descend.compile
    def f():
        loss.backward()

    with pytest.raises(TraceError, match="computed outside"):
        f()


# ---- calls of Python --------------------------------------------------------------------------


class Cube(Function):
    """A rule of a user whose forward asks for values."""

    def forward(self, x):
        return np.array([v**3 for v in x.tolist()])

    def backward(self, gy, *, x):
        return 3 * x * x * gy


class Sorted(Function):
    """A rule of a user that keeps what it found."""

    def forward(self, x):
        order = np.array(sorted(range(len(x)), key=x.tolist().__getitem__))
        self.keep(order=order)
        return x[order]

    def backward(self, gy, *, order):
        return gy[np.argsort(order)]


@pytest.mark.parametrize("rule", [Cube, Sorted])
def test_a_rule_that_cannot_be_recorded(alike, rule):
    def make():
        w = Parameter(np.array([0.5, -1.0, 2.0, 0.1]), "w")

        def step(x):
            loss = (rule()(w * x) * np.arange(4.0)).sum()
            w.cleargrad()
            loss.backward()
            w.data = w.data - 0.1 * w.grad.data
            return loss.detach()

        return step, [w]

    x = np.array([1.0, 2.0, 0.5, -1.0])
    compiled = alike(make, (x,), (-x,), (x,))
    assert hosted(compiled)


@pytest.mark.parametrize(
    "function",
    [
        lambda x: np.linalg.svd(x, compute_uv=False),
        lambda x: np.linalg.svd(x),
        lambda x: np.linalg.inv(x @ x.T + np.eye(3)) * 2,
        lambda x: np.linalg.norm(x),
        lambda x: np.fft.fft(x).real,
        lambda x: np.sort(x * 2, axis=0) + 1,
        lambda x: np.percentile(x, 30),
        lambda x: np.interp(x, [0.0, 1.0], [2.0, 5.0]),
        lambda x: np.histogram(x, bins=4, range=(-2, 2)),
        lambda x: np.einsum("ij,kj->ik", x, x),
        lambda x: np.median(x, axis=1),
        lambda x: np.gradient(x),
    ],
)
def test_numpys_other_functions(same, function):
    x = np.random.default_rng(0).standard_normal((3, 5))
    compiled = descend.compile(lambda x: list(parts(function(x * 1.5))))

    def parts(y):
        return y if isinstance(y, (tuple, list)) else [y]

    for i in range(3):
        same(compiled(x + i), [np.asarray(y) for y in parts(function((x + i) * 1.5))])


def test_a_call_of_python_in_the_middle_of_a_step(alike):
    def make():
        model = nn.Linear(4, 3, dtype=np.float64)
        rng = np.random.default_rng(0)
        model.weight.data, model.bias.data = rng.standard_normal((3, 4)), np.ones(3)
        optimizer = optim.SGD(model.parameters(), lr=0.1, momentum=0.9)

        def step(x):
            y = F.tanh(model(x))
            singular = np.linalg.svd(model.weight.data, compute_uv=False)
            loss = F.mean(y * y) * singular[0]
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            return loss.detach(), np.linalg.norm(model.weight.data, 2)

        return step, list(model.parameters())

    x = np.random.default_rng(1).standard_normal((6, 4))
    compiled = alike(make, (x,), (2 * x,), (x,))
    assert len(hosted(compiled)) >= 2


def test_a_call_of_python_that_fails_leaves_everything_as_it_was():
    first, second = Parameter(np.ones(50)), Parameter(np.ones(50))

    @descend.compile
    def step(x):
        first.data = first.data + 1
        second.data = second.data + np.linalg.inv(x).sum()
        return first.data.sum()

    good, bad = np.eye(3), np.zeros((3, 3))
    step(good)
    before = first.data.copy(), second.data.copy()
    with pytest.raises(np.linalg.LinAlgError):
        step(bad)
    np.testing.assert_array_equal(first.data, before[0])
    np.testing.assert_array_equal(second.data, before[1])
    assert step(good) == 150
    np.testing.assert_array_equal(first.data, np.full(50, 3.0))


def test_a_call_of_python_that_fails_at_first_while_recording():
    compiled = descend.compile(lambda x: np.linalg.cholesky(x))  # asked with ones while recording
    with pytest.raises(np.linalg.LinAlgError):
        compiled(-np.eye(3))
    np.testing.assert_array_equal(compiled(np.eye(3) * 4), np.eye(3) * 2)


def test_a_call_of_python_that_calls_the_same_function():
    class Twice(Function):
        def forward(self, x):
            return np.asarray(compiled(np.array(x.tolist()), 0))

    @descend.compile
    def compiled(x, depth):
        return Twice()(x) + 1 if depth else x * 2

    np.testing.assert_array_equal(compiled(np.arange(3.0), 1), np.arange(3.0) * 2 + 1)


# ---- errors inside ----------------------------------------------------------------------------


def test_an_error_inside_leaves_everything_as_it_was():
    w = Parameter(np.ones(3))
    w.grad = Variable(np.full(3, 7.0))
    optimizer = optim.SGD([w], lr=0.1, momentum=0.9)
    fail = [True]

    def step(x):
        optimizer.zero_grad()
        (w * x).sum().backward()
        optimizer.step()
        descend.default_rng(0)
        if fail[0]:
            raise KeyError("mine")
        return w.data.sum()

    compiled = descend.compile(step)
    for _ in range(2):
        with pytest.raises(KeyError, match="mine"):
            compiled(np.ones(3))
        np.testing.assert_array_equal(w.data, np.ones(3))
        np.testing.assert_array_equal(w.grad.data, np.full(3, 7.0))
    assert descend.core.config.config().trace is None
    fail[0] = False
    assert compiled(np.ones(3)).round(6) == 2.7
    np.testing.assert_allclose(w.data, np.full(3, 0.9))


@pytest.mark.parametrize(
    "wrong, error",
    [
        (lambda x: F.matmul(x, np.ones((5, 6))), ValueError),
        (lambda x: x + np.ones(7), ValueError),
        (lambda x: F.reshape(x, (7,)), ValueError),
        (lambda x: x[10], IndexError),
        (lambda x: F.sum(x, axis=5), IndexError),
        (lambda x: F.cross_entropy(Variable(x), np.zeros(9, np.int64)), ValueError),
        (lambda x: F.concatenate([x, np.ones((2, 2))]), ValueError),
        (lambda x: x.no_such_thing, AttributeError),
    ],
)
def test_errors_are_those_of_eager_mode(wrong, error):
    x = np.ones((3, 4))
    with pytest.raises(error) as eager:
        wrong(x)
    with pytest.raises(error) as compiled:
        descend.compile(wrong)(x)
    if error is not AttributeError:
        assert str(compiled.value) == str(eager.value)


def test_an_index_beyond_the_end_is_an_error():
    table = np.arange(12.0).reshape(4, 3)
    compiled = descend.compile(lambda i: F.getitem(Variable(table), i) * 2)
    np.testing.assert_array_equal(compiled(np.array([0, 3, -1])).data, table[[0, 3, -1]] * 2)
    with pytest.raises(IndexError):
        compiled(np.array([0, 4, 1]))
    np.testing.assert_array_equal(compiled(np.array([1, 1, 1])).data, table[[1, 1, 1]] * 2)


def test_a_class_that_is_not_there_is_an_error():
    def loss(y, t):
        return F.cross_entropy(Variable(y), t)

    y = np.ones((3, 4))
    for t in (np.array([0, 4, 1]), np.array([0, -1, 1])):
        with pytest.raises((IndexError, ValueError)) as eager:
            loss(y, t)
        with pytest.raises(type(eager.value)):
            descend.compile(loss)(y, t)


def test_an_index_beyond_the_end_reads_and_writes_no_other_memory():
    table = np.arange(12.0).reshape(4, 3)
    # a running sum is no cheap operation: such an index is not looked at before
    index = np.array([0, 10**9, -2 * 10**9])
    chosen = descend.compile(lambda i: F.getitem(table, np.cumsum(i)))(index)
    assert np.isin(chosen, table).all()

    @descend.compile
    def gradient(i):
        w = Variable(table)
        F.getitem(w, np.cumsum(i)).sum().backward()
        return w.grad

    assert gradient(index).data.sum() <= 9


# ---- turned off -------------------------------------------------------------------------------


def test_the_environment_turns_it_off():
    program = """
import numpy as np, descend
calls = []
@descend.compile
def f(x):
    calls.append(float(x.sum()))
    return x * 2
for i in range(3):
    assert (f(np.full(2, i)) == 2 * i).all()
assert calls == [0, 2, 4], calls
import sys
assert not any(name.startswith(("llvmlite", "descend.compile.run.runtime")) for name in sys.modules)
"""
    environment = {**os.environ, "DESCEND_COMPILE": "0"}
    subprocess.run([sys.executable, "-c", program], env=environment, check=True)


def test_debug_runs_it_as_it_is_written():
    calls = []

    @descend.compile
    def f(x):
        calls.append(float(x.sum()))
        return F.log(Variable(x))

    with descend.debug():
        f(np.ones(3))
        with pytest.raises(FloatingPointError), np.errstate(all="ignore"):
            f(-np.ones(3))
    assert calls == [3, -3]


# ---- threads ----------------------------------------------------------------------------------


def test_inside_a_pool_of_threads():
    w = Parameter(np.arange(2000.0))
    compiled = descend.compile(lambda x: (F.sum(F.exp(-x) * w), x.T * 2))

    def work(i):
        x = np.full((3, 2000), float(i % 7))
        total, twice = compiled(x)
        np.testing.assert_allclose(total.data, 3 * np.exp(-float(i % 7)) * w.data.sum(), rtol=1e-9)
        return twice[0, 0]

    with concurrent.futures.ThreadPoolExecutor(4) as pool:
        assert list(pool.map(work, range(80))) == [2.0 * (i % 7) for i in range(80)]


def test_threads_that_record_at_once():
    w = Parameter(np.ones(5))
    compiled = [descend.compile(lambda x, i=i: (w * x).data + i) for i in range(8)]
    results = {}

    def work(i):
        results[i] = compiled[i](np.full(5, float(i)))

    threads = [threading.Thread(target=work, args=(i,)) for i in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    for i in range(8):
        np.testing.assert_array_equal(results[i], np.full(5, 2.0 * i))


def test_the_settings_of_a_thread_hold_there_only():
    compiled = descend.compile(lambda x: F.dropout(x, 0.5))
    x = np.ones(1000)
    with descend.test_mode(), concurrent.futures.ThreadPoolExecutor(1) as pool:
        np.testing.assert_array_equal(compiled(x), x)
        assert pool.submit(compiled, x).result().min() == 0

"""`step.explain()`: the table of kernels, and the limits of the machine."""

import re

import numpy as np
import pytest

import descend
import descend.functions as F
from descend import Parameter, Variable, nn, optim
from descend.compile import is_available
from descend.compile.run import explain, limits

pytestmark = pytest.mark.skipif(not is_available(), reason="nothing is compiled here")


def training_step():
    model = nn.Sequential(nn.Linear(20, 30), nn.GELU(), nn.Dropout(0.5), nn.Linear(30, 4))
    optimizer = optim.Adam(model.parameters(), lr=1e-3)

    @descend.compile
    def step(x, t):
        loss = F.cross_entropy(model(x), t)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        return loss

    rng = np.random.default_rng(0)
    return step, model, rng.standard_normal((64, 20), np.float32), rng.integers(0, 4, 64)


def test_the_table_names_each_kernel_with_its_operations():
    step, _, x, t = training_step()
    step(x, t)
    text = step.explain()
    (product,) = [line for line in text.splitlines() if "matmul 64x20x30" in line]
    assert re.search(rf"\b{2 * 64 * 20 * 30 / 1000:.1f}K\b", product)
    moved = 4 * (64 * 20 + 20 * 30 + 64 * 30)
    assert f"{moved / 1000:.1f} KB" in product
    assert text.startswith("step: ")
    assert "0 host calls" in text and "Advice" not in text
    assert "Answers 1 array." in text
    assert re.search(r"Written in place: \d+ Variables", text)
    assert max(map(len, text.splitlines())) <= explain.WIDTH


def test_nothing_of_the_user_changes():
    both = []
    for look in (False, True):
        descend.seed(3)
        step, model, x, t = training_step()
        losses = []
        for _ in range(3):
            losses.append(step(x, t).item())
            kept = step(x, t)
            before = kept.item()
            if look:
                step.explain()
            assert kept.item() == before
        both.append((losses, [p.data.copy() for p in model.parameters()]))
    (losses0, parameters0), (losses1, parameters1) = both
    assert losses0 == losses1
    for p0, p1 in zip(parameters0, parameters1, strict=True):
        np.testing.assert_array_equal(p0, p1)


def test_a_host_call_is_named_with_its_line():
    @descend.compile
    def smallest(x):
        return np.sort(np.exp(x), axis=0)[:2]

    x = np.random.default_rng(0).standard_normal((50, 7))
    smallest(x)
    text = smallest.explain()
    line = smallest.function.__code__.co_firstlineno + 2
    assert f"host call sort at test_explain.py:{line}" in text
    assert "1 host call" in text
    assert "Advice: all threads wait while Python does sort." in text
    np.testing.assert_allclose(smallest(x), np.sort(np.exp(x), axis=0)[:2])


def test_the_derivative_of_a_compiled_function_is_explained_too():
    w = Parameter(np.ones((6, 5)))

    @descend.compile
    def energy(x):
        return F.sum(F.tanh(x @ w))

    x = Variable(np.ones((8, 6)))
    y = energy(x)
    assert "its derivative" not in energy.explain()
    y.backward()
    text = energy.explain()
    assert text.count("matmul") == 3  # one forward, two behind "its derivative"
    gx = x.grad.data.copy()
    x.cleargrad()
    energy(x).backward()
    np.testing.assert_array_equal(x.grad.data, gx)


def test_before_the_first_call_there_is_nothing_to_explain():
    @descend.compile
    def double(x):
        return 2 * x

    with pytest.raises(RuntimeError, match=r"^double: nothing is compiled before the first call$"):
        double.explain()


def test_what_is_too_long_is_cut():
    assert explain.cut("multiply", 8) == "multiply"
    assert explain.cut("multiply", 7) == "multip…"


@pytest.mark.parametrize("threads", (1, 2))
def test_the_limits_are_those_of_a_computer(threads):
    most = limits.limits(threads)
    assert 1e8 < most.float64 < most.float32 * 1.5 < 1e14
    assert 1e8 < most.reading < 1e13 and 1e8 < most.writing < 1e13
    assert most.computing_seconds(int(most.float32)) == pytest.approx(1, rel=1e-6)
    assert most.computing_seconds(int(most.float64), 8) == pytest.approx(1, rel=1e-6)
    assert most.moving_seconds(int(most.reading), int(most.writing)) == pytest.approx(2, rel=1e-6)

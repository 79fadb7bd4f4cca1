"""Everything once more on a GPU, where there is one: CuPy's values and gradients equal NumPy's."""

import numpy as np
import pytest

import descend.functions as F
from descend import Variable, cuda, nn, optim
from descend.cuda import as_cupy, as_numpy
from descend.functions.registry import OPERATIONS
from descend.testing.call import Call

pytestmark = [
    pytest.mark.gpu,
    pytest.mark.skipif(not cuda.gpu_enable(), reason=str(cuda.gpu_problem())),
]

CASES = [
    pytest.param(operation, sample, id=f"{name}-{i}")
    for name, operation in OPERATIONS.items()
    for i, sample in enumerate(operation.samples)
]


@pytest.mark.parametrize(("operation", "sample"), CASES)
def test_values_and_two_derivatives(operation, sample):
    call = Call(operation.function, [sample], {})
    results = []
    for to in (np.asarray, as_cupy):
        moved = call.with_constants(to)
        xs, ys = moved.on_variables([to(x) for x in call.inputs])
        total = sum((F.sum(F.sin(y)) for y in ys), Variable(to(np.zeros(()))))
        total.backward(create_graph=True)
        first = [x.grad for x in xs]
        for x in xs:
            x.cleargrad()
        sum((F.sum(gx * gx) for gx in first if gx is not None), total * 0).backward()
        grads = [*first, *(x.grad for x in xs)]
        assert all(type(g.data) is type(to(np.zeros(1))) for g in grads if g is not None)
        results.append([as_numpy(a) for a in [*ys, *(g for g in grads if g is not None)]])
    for on_cpu, on_gpu in zip(*results, strict=True):
        np.testing.assert_allclose(on_gpu, on_cpu, rtol=1e-7, atol=1e-9)


def test_a_network_trains_as_on_the_cpu():
    losses = []
    for device in ("cpu", "gpu"):
        model = nn.Sequential(
            nn.Conv2d(1, 4, 3, padding=1, rng=1),
            nn.BatchNorm2d(4),
            nn.ReLU(),
            nn.MaxPool2d(2),
            nn.Flatten(),
            nn.Dropout(0.5, rng=2),
            nn.Linear(64, 3, rng=3),
        )
        rng = np.random.default_rng(0)
        x, t = rng.standard_normal((8, 1, 8, 8)).astype(np.float32), rng.integers(0, 3, 8)
        if device == "gpu":
            model.to_gpu()
            x, t = as_cupy(x), as_cupy(t)
        optimizer = optim.AdamW(model.parameters(), lr=0.01)
        for _ in range(5):
            loss = F.cross_entropy(model(x), t)
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            losses.append(float(as_numpy(loss)))
    np.testing.assert_allclose(losses[5:], losses[:5], rtol=1e-4)


def test_to_gpu_and_back():
    x = Variable(np.ones(3))
    x.to_gpu()
    assert type(x.data) is not np.ndarray
    (x * 2).sum().backward()
    x.to_cpu()
    assert type(x.data) is np.ndarray
    assert as_numpy(x.grad).tolist() == [2, 2, 2]

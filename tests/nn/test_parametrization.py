"""Layers whose weight is computed from what is trained."""

import copy
import re
import threading

import numpy as np
import pytest

import descend
import descend.functions as F
from descend import Variable, nn, optim

RNG = np.random.default_rng(0)
X = RNG.normal(size=(4, 6))
IMAGES = RNG.normal(size=(2, 4, 5, 5))


def linear(**settings):
    return nn.Linear(6, 3, dtype=np.float64, **settings)


WRAPPED = [
    (lambda: nn.SpectralNorm(linear()), X),
    (lambda: nn.SpectralNorm(nn.Conv2d(4, 3, 2, dtype=np.float64), n_power_iterations=2), IMAGES),
    (lambda: nn.SpectralNorm(nn.ConvTranspose2d(4, 3, 2, dtype=np.float64)), IMAGES),
    (lambda: nn.SpectralNorm(nn.LSTM(6, 3, dtype=np.float64), "weight_hh_l0"), X[:, None]),
    (lambda: nn.WeightNorm(linear()), X),
    (lambda: nn.WeightNorm(linear(), axis=None), X),
    (lambda: nn.WeightNorm(nn.Conv2d(4, 3, 2, dtype=np.float64), axis=1), IMAGES),
]


def answer(model, x):
    y = model(x)
    return y[0] if isinstance(y, tuple) else y


@pytest.mark.parametrize(("make", "x"), WRAPPED)
def test_every_parameter_is_trained(make, x):
    model = make()
    y = answer(model, Variable(x))
    (y * y).sum().backward()
    for name, parameter in model.named_parameters():
        assert parameter.grad is not None and parameter.grad.shape == parameter.shape, name
        assert np.any(parameter.grad.data), name


@pytest.mark.parametrize(("make", "x"), WRAPPED)
def test_a_stored_state_answers_the_same(make, x):
    first, second = make(), make()
    answer(first, x)
    second.load_state_dict(first.state_dict())
    np.testing.assert_array_equal(answer(first, x).data, answer(second, x).data)
    np.testing.assert_array_equal(answer(first.eval(), x).data, answer(second.eval(), x).data)


@pytest.mark.parametrize(("make", "x"), WRAPPED)
def test_compiled_steps_train_alike(make, x):
    def run(change):
        descend.seed(1)
        model = make()
        optimizer = optim.SGD(model.parameters(), lr=0.1, momentum=0.9)

        def step(x):
            loss = F.mean(F.square(answer(model, x)))
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            return loss

        step = change(step)
        losses = [step(x * (i + 1)).data for i in range(3)]
        model.eval()
        losses.append(change(lambda x: answer(model, x))(x).data)
        return [*losses, *model.state_dict().values()]

    for a, b in zip(run(descend.compile), run(lambda f: f), strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-9, atol=1e-12)


@pytest.mark.parametrize(
    ("module", "rows"),
    [
        (linear(), lambda weight: weight),
        (nn.Conv2d(4, 3, 2, dtype=np.float64), lambda weight: weight.reshape(3, -1)),
        (
            nn.ConvTranspose2d(4, 3, 2, dtype=np.float64),
            lambda weight: np.moveaxis(weight, 1, 0).reshape(3, -1),
        ),
    ],
)
def test_the_largest_singular_value_becomes_1(module, rows):
    model = nn.SpectralNorm(module)
    x = X if isinstance(module, nn.Linear) else IMAGES
    for _ in range(100):
        y = model(x)
    weight = module.weight.data
    largest = np.linalg.svd(rows(weight))[1][0]
    module.weight.data = weight / largest
    np.testing.assert_allclose(y.data, module(x).data, rtol=1e-6)


def test_the_vector_of_a_spectral_norm_moves_in_training_only():
    model = nn.SpectralNorm(linear())
    at_first = model.u.data
    with descend.test_mode():
        model(X)
    model.eval()
    model(X)
    assert model.u.data is at_first and not model.u.requires_grad
    model.train()
    model(X)
    assert np.any(model.u.data != at_first)
    np.testing.assert_allclose(np.linalg.norm(model.u.data), 1)
    [expected] = [F.spectral_norm(model.module.weight.data, at_first)[1]]
    np.testing.assert_array_equal(model.u.data, expected)


def test_a_call_that_fails_moves_nothing():
    model = nn.SpectralNorm(linear())
    at_first = model.u.data
    with pytest.raises(ValueError):
        model(X[:, :2])
    assert model.u.data is at_first and isinstance(model.module.weight, nn.Parameter)


def test_a_seed_gives_the_same_vector():
    seeds = [nn.SpectralNorm(linear(rng=1), rng=seed).u.data for seed in (0, 0)]
    np.testing.assert_array_equal(*seeds)


def test_a_weight_norm_changes_nothing_at_first():
    for module, x in ((linear(), X), (nn.Conv2d(4, 3, 2, dtype=np.float64), IMAGES)):
        for axis in (0, -1, None):
            model = nn.WeightNorm(module, axis=axis)
            np.testing.assert_allclose(model(x).data, module(x).data, rtol=1e-12)


def test_direction_and_length_are_trained_by_themselves():
    model = nn.WeightNorm(linear(bias=False))
    before = model(X).data
    model.module.weight.data = model.module.weight.data * 3
    np.testing.assert_allclose(model(X).data, before)
    model.magnitude.data = model.magnitude.data * 2
    np.testing.assert_allclose(model(X).data, 2 * before)
    model(X).sum().backward()
    along = (model.module.weight.grad * model.module.weight).sum(axis=1)
    np.testing.assert_allclose(along.data, 0, atol=1e-12)


def test_the_layer_inside_is_seen_and_stays_as_it_is():
    model = nn.Sequential(nn.WeightNorm(nn.Linear(6, 3)), nn.SpectralNorm(nn.Linear(3, 2)))
    assert [*model.state_dict()] == [
        "0.magnitude", "0.module.weight", "0.module.bias", "1.u", "1.module.weight",
        "1.module.bias",
    ]  # fmt: skip
    lines = model.summary((4, 6)).splitlines()
    assert any(re.match(r" +module: Linear +\(4, 3\) +21", line) for line in lines)
    twin = copy.deepcopy(model)
    assert twin[1].u is not model[1].u and repr(twin) == repr(model)
    assert "WeightNorm(\n    name='weight', axis=0\n    (module): Linear(" in repr(model)
    assert model.double()[1].u.dtype == np.float64


def test_two_threads_at_once():
    model = nn.WeightNorm(linear())
    expected, wrong = model(X).data, []

    def work():
        for _ in range(50):
            if not np.array_equal(model(X).data, expected):
                wrong.append(1)
            if not isinstance(model.module.weight, nn.Parameter):
                wrong.append(2)

    threads = [threading.Thread(target=work) for _ in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not wrong


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: nn.SpectralNorm(np.ones(3)), "SpectralNorm: module is .*, a Module is needed"),
        (
            lambda: nn.WeightNorm(nn.ReLU()),
            "WeightNorm: ReLU has no parameter 'weight', it has none: wrap the layer that has it",
        ),
        (lambda: nn.SpectralNorm(linear(), "w"), "SpectralNorm: Linear has no parameter 'w', it"),
        (lambda: nn.SpectralNorm(linear(), "bias"), r"SpectralNorm: bias \(3,\) came, a matrix is"),
        (
            lambda: nn.SpectralNorm(linear(), n_power_iterations=0),
            "SpectralNorm: n_power_iterations=0 came, at least 1 is needed",
        ),
        (lambda: nn.WeightNorm(linear(), axis=2), "WeightNorm: axis 2 does not fit an array of 2"),
        (lambda: nn.SpectralNorm(linear(), axis=5), "SpectralNorm: axis 5 does not fit an array"),
    ],
)
def test_refusals(call, message):
    with pytest.raises((ValueError, TypeError), match=f"^{message}"):
        call()

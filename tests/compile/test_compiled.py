"""A compiled function does what the function does: training steps and the state they change."""

import numpy as np
import pytest

import descend
import descend.functions as F
from descend import Parameter, Variable, nn, no_grad, optim
from descend.optim.clipping import clip_grad_norm_, clip_grad_value_
from descend.optim.schedule import CosineAnnealingLR

OPTIMIZERS = {
    "sgd": lambda ps: optim.SGD(ps, lr=0.1),
    "momentum": lambda ps: optim.SGD(ps, lr=0.1, momentum=0.9),
    "dampening": lambda ps: optim.SGD(ps, lr=0.1, momentum=0.9, dampening=0.5),
    "nesterov": lambda ps: optim.SGD(ps, lr=0.1, momentum=0.9, nesterov=True, weight_decay=0.01),
    "adam": lambda ps: optim.Adam(ps, lr=0.01),
    "adam-decay": lambda ps: optim.Adam(ps, lr=0.01, weight_decay=0.1, betas=(0.8, 0.9)),
    "adamw": lambda ps: optim.AdamW(ps, lr=0.01, weight_decay=0.1),
}


def batch(seed=0, n=6, dtype=np.float64):
    rng = np.random.default_rng(seed)
    return rng.standard_normal((n, 4)).astype(dtype), rng.integers(0, 3, n)


def network(*between, dtype=np.float64, seed=0):
    """Two linear layers with something between them; the same weights in every call."""
    model = nn.Sequential(
        nn.Linear(4, 5, dtype=dtype), nn.Tanh(), *between, nn.Linear(5, 3, dtype=dtype)
    )
    rng = np.random.default_rng(seed)
    for p in model.parameters():
        p.data = rng.standard_normal(p.shape).astype(p.dtype)
    return model


def state_of(model, optimizer=None):
    """All Variables that a step may change."""
    found = [*model.parameters(), *model.buffers()]
    if optimizer is not None:
        found += [slot for slots in optimizer.state.values() for slot in slots.values()]
    return found


def training(make_optimizer=OPTIMIZERS["momentum"], *between, change=None, dtype=np.float64):
    """What ``alike`` takes: a training step, and what it changes (the model first)."""

    def make():
        model = network(*(layer() for layer in between), dtype=dtype)
        optimizer = make_optimizer(model.parameters())

        def step(x, t):
            loss = F.cross_entropy(model(x), t)
            optimizer.zero_grad()
            loss.backward()
            if change is not None:
                change(model.parameters())
            optimizer.step()
            return loss.detach()

        made = state_of(model, optimizer)
        step.model, step.optimizer = model, optimizer
        return step, Found(made, model, optimizer)

    return make


class Found(list):
    """Variables to compare, with what they belong to."""

    def __init__(self, variables, model=None, optimizer=None):
        super().__init__(variables)
        self.model = model
        self.optimizer = optimizer


# ---- optimizers -------------------------------------------------------------------------------


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("name", OPTIMIZERS)
def test_training_steps(alike, name, dtype):
    calls = [batch(i, dtype=dtype) for i in range(4)]
    compiled = alike(training(OPTIMIZERS[name], dtype=dtype), *calls, scale=10)
    assert sum(map(len, compiled.recordings.values())) <= 2  # grads are None at first


def test_gradients_are_clipped_by_norm(alike):
    def change(ps):
        return clip_grad_norm_(list(ps), 0.1)

    alike(training(change=change), batch(0), batch(1), batch(2))


@pytest.mark.parametrize("norm_type", [1, 3.0, np.inf])
def test_other_norms(alike, norm_type):
    def change(ps):
        return clip_grad_norm_(list(ps), 0.1, norm_type)

    alike(training(change=change), batch(0), batch(1))


def test_gradients_are_clipped_by_value(alike):
    def change(ps):
        return clip_grad_value_(list(ps), 0.01)

    alike(training(change=change), batch(0), batch(1))


def test_the_learning_rate_changes_between_calls(alike):
    def slower(found):
        found.optimizer.param_groups[0]["lr"] = 0.01

    compiled = alike(training(), batch(0), batch(1), slower, batch(2), slower, batch(3))
    assert sum(map(len, compiled.recordings.values())) <= 2


def test_a_schedule_steps_between_calls(alike):
    schedules = {}

    def tick(found):
        if id(found) not in schedules:
            schedules[id(found)] = CosineAnnealingLR(found.optimizer, T_max=4)
        schedules[id(found)].step()

    calls = [batch(0), tick, batch(1), tick, batch(2), tick, batch(3)]
    compiled = alike(training(OPTIMIZERS["adamw"]), *calls)
    assert sum(map(len, compiled.recordings.values())) <= 2


def test_options_of_the_optimizer_change_between_calls(alike):
    def heavier(found):
        found.optimizer.param_groups[0]["weight_decay"] = 0.5

    alike(training(OPTIMIZERS["adam-decay"]), batch(0), batch(1), heavier, batch(2))


def test_two_groups(alike):
    def make():
        model = network()
        ps = list(model.parameters())
        groups = [{"params": ps[:2], "lr": 0.5}, {"params": ps[2:], "weight_decay": 0.1}]
        optimizer = optim.SGD(groups, lr=0.1, momentum=0.5)

        def step(x, t):
            optimizer.zero_grad()
            F.cross_entropy(model(x), t).backward()
            optimizer.step()

        return step, state_of(model, optimizer)

    alike(make, batch(0), batch(1))


def test_a_group_is_added_between_calls(alike):
    def make():
        model = network()
        ps = list(model.parameters())
        optimizer = optim.SGD(ps[:2], lr=0.1)

        def step(x, t):
            optimizer.zero_grad()
            F.cross_entropy(model(x), t).backward()
            optimizer.step()

        return step, Found(state_of(model), model, optimizer)

    def more(found):
        found.optimizer.add_param_group({"params": list(found.model.parameters())[2:]})

    alike(make, batch(0), batch(1), more, batch(2), batch(3))


def test_weights_are_loaded_between_calls(alike):
    def load(found):
        state = found.model.state_dict()
        found.model.load_state_dict(
            {k: np.cos(np.arange(v.size)).reshape(v.shape) for k, v in state.items()}
        )

    def write(found):
        for p in found.model.parameters():
            p.data[...] = np.sin(np.arange(p.size)).reshape(p.shape)  # into the array itself

    def optimizers_state(found):
        state = found.optimizer.state_dict()
        more = {k: v + 1 if k.startswith("params") else v for k, v in state.items()}
        found.optimizer.load_state_dict(more)

    between = [load, batch(1), write, batch(2), optimizers_state, batch(3)]
    compiled = alike(training(OPTIMIZERS["adam"]), batch(0), *between)
    assert sum(map(len, compiled.recordings.values())) <= 2


def test_weights_of_another_layout_are_loaded(alike):
    def transposed(found):
        for p in found.model.parameters():
            p.data = np.ascontiguousarray(p.data.T).T

    alike(training(), batch(0), transposed, batch(1), batch(2))


def test_a_parameter_is_frozen_and_thawed_between_calls(alike):
    def switch(on):
        def change(found):
            p = next(found.model.parameters())
            p.requires_grad = on
            p.cleargrad()

        return change

    alike(training(), batch(0), switch(False), batch(1), batch(2), switch(True), batch(3))


def test_weights_change_their_dtype_between_calls(alike):
    def make():
        w = Parameter(np.ones(3, np.float32), "w")

        def step(x):
            w.cleargrad()
            (w * x).sum().backward()
            w.data = w.data - w.grad.data

        return step, [w]

    def wider(found):
        found[0].data = found[0].data.astype(np.float64)

    x = np.arange(3.0)
    alike(make, (x.astype(np.float32),), wider, (x,), (x,))


def test_one_array_behind_two_parameters(alike):
    def make():
        shared = np.ones(3)
        a, b = Parameter(shared, "a"), Parameter(shared, "b")

        def step(x):
            (a * x).sum().backward()
            return a * 2 + b

        return step, [a, b]

    alike(make, (np.arange(3.0),))


# ---- gradients that stay ----------------------------------------------------------------------


def test_gradients_accumulate(alike):
    def make():
        model = network()

        def step(x, t):
            F.cross_entropy(model(x), t).backward()

        return step, Found(model.parameters(), model)

    def clear(found):
        for p in found:
            p.cleargrad()

    compiled = alike(make, batch(0), batch(1), batch(2), clear, batch(3), batch(4))
    assert sum(map(len, compiled.recordings.values())) == 2


def test_an_accumulated_gradient_is_applied_by_another_function(alike):
    def make():
        model = network()
        optimizer = optim.SGD(model.parameters(), lr=0.1)

        def accumulate(x, t):
            return F.cross_entropy(model(x), t).backward()

        if make.compiled:
            accumulate = descend.compile(accumulate)

        def step():
            optimizer.step()
            optimizer.zero_grad()

        def both(x, t, last):
            accumulate(x, t)
            if last:
                (descend.compile(step) if make.compiled else step)()

        make.compiled = True
        return both, list(model.parameters())

    make.compiled = False
    eager, left = make()
    function, right = make()
    for i, last in enumerate([False, False, True, False, True]):
        eager(*batch(i), last)
        function(*batch(i), last)
        for a, b in zip(right, left, strict=True):
            np.testing.assert_allclose(a.data, b.data, rtol=1e-9)
            assert (a.grad is None) == (b.grad is None)


def test_a_gradient_from_outside_goes_in(alike):
    def make():
        p = Parameter(np.arange(4.0), "p")
        p.grad = Variable(np.ones(4), requires_grad=False)

        def step(x):
            (p * x).sum().backward()
            p.data = p.data - 0.1 * p.grad.data

        return step, [p]

    alike(make, (np.arange(4.0),), (np.ones(4),))


def test_gradients_of_arguments(alike):
    def make():
        def step(x, t):
            F.cross_entropy(F.tanh(x), t).backward()

        return step, []

    x, t = batch()
    left, right = Variable(x[:, :3].copy()), Variable(x[:, :3].copy())
    step, _ = make()
    compiled = descend.compile(step)
    for _ in range(3):
        step(left, t)
        compiled(right, t)
        np.testing.assert_allclose(right.grad.data, left.grad.data, rtol=1e-9)


def test_an_argument_that_the_optimizer_has():
    def make(change):
        w = Parameter(np.ones(3), "w")
        optimizer = optim.SGD([w], lr=0.1)

        def step(v, x):
            optimizer.zero_grad()
            ((v * x) ** 2).sum().backward()
            optimizer.step()

        step = change(step)
        for _ in range(2):
            step(w, np.arange(3.0))
        return w

    expected, got = make(lambda f: f), make(descend.compile)
    np.testing.assert_allclose(got.data, expected.data)
    np.testing.assert_allclose(got.grad.data, expected.grad.data)


def test_an_argument_that_the_function_has_already():
    def make(change):
        w = Parameter(np.ones(3), "w")
        other = Parameter(np.full(3, 5.0), "other")

        @change
        def step(v):
            w.cleargrad()
            (w * v).sum().backward()
            w.data = w.data - 0.1 * w.grad.data
            return w.data + v.data

        return [step(w), step(other), step(w), w.data, w.grad.data]

    for a, b in zip(make(descend.compile), make(lambda f: f), strict=True):
        np.testing.assert_allclose(a, b)


def test_an_argument_in_the_memory_of_a_parameter():
    def make(change):
        w = Parameter(np.arange(1.0, 65.0), "w")

        @change
        def step(x):
            w.data = w.data * 2 + x[::-1]
            return x.sum()

        return [step(w.data.copy()), step(w.data), w.data]

    for a, b in zip(make(descend.compile), make(lambda f: f), strict=True):
        np.testing.assert_allclose(a, b)


# ---- writes -----------------------------------------------------------------------------------


def test_variables_swap_their_data(alike):
    def make():
        a, b = Variable(np.arange(100.0), "a"), Variable(-np.arange(100.0), "b")

        def swap():
            a.data, b.data = b.data, a.data

        return swap, [a, b]

    alike(make, (), (), ())


def test_variables_change_from_each_other(alike):
    def make():
        a, b = Variable(np.arange(100.0), "a"), Variable(np.ones(100), "b")

        def step(x):
            a.data, b.data = a.data + b.data * x, (a.data - b.data[::-1]) * x

        return step, [a, b]

    alike(make, (np.ones(100),), (np.full(100, 2.0),))


def test_a_matrix_is_replaced_by_its_transpose(alike):
    def make():
        a = Variable(np.random.default_rng(0).standard_normal((50, 50)), "a")

        def step(x):
            a.data = a.data.T + x

        return step, [a]

    alike(make, (np.ones((50, 50)),), (np.ones((50, 50)),))


def test_a_running_sum_of_a_shifted_self(alike):
    def make():
        a = Variable(np.arange(200.0), "a")

        def step():
            a.data = a.data + np.concatenate([a.data[1:], a.data[:1]])
            return a.data.sum()

        return step, [a]

    alike(make, (), ())


def test_data_is_rebound_to_another_shape(alike):
    def make():
        a = Variable(np.arange(12.0), "a")

        def step():
            a.data = a.data[:-1].astype(np.float32)

        return step, [a]

    alike(make, (), (), ())


def test_a_write_is_seen_through_the_array():
    w = Parameter(np.zeros(40), "w")
    array = w.data

    @descend.compile
    def step():
        w.data = w.data + 1

    step()
    step()
    assert w.data is array
    np.testing.assert_array_equal(array, np.full(40, 2.0))


def test_a_write_of_an_argument(alike):
    def step(v, x):
        v.data = v.data + x
        return v.data * 2

    left, right = Variable(np.zeros(5)), Variable(np.zeros(5))
    compiled = descend.compile(step)
    for _ in range(3):
        np.testing.assert_array_equal(compiled(right, np.ones(5)), step(left, np.ones(5)))
        np.testing.assert_array_equal(right.data, left.data)


def test_augmented_assignment_to_data(alike):
    def make():
        w = Parameter(np.arange(5.0), "w")

        def step(x):
            w.data += x
            w.data *= 2

        return step, [w]

    alike(make, (np.ones(5),), (np.ones(5),))


def test_state_that_is_read_before_and_after_it_changes(alike):
    def make():
        count = Variable(np.zeros(1, np.int64), "count")
        total = Variable(np.zeros(3), "total")

        def step(x):
            before = total.data * 1
            total.data = total.data + x
            count.data = count.data + 1
            return before, total.data / count.data

        return step, [count, total]

    alike(make, (np.ones(3),), (np.arange(3.0),), (np.ones(3),))


# ---- modes and layers with state --------------------------------------------------------------


def seeded(make):
    def begin():
        descend.seed(0)
        return make()

    return begin


def test_dropout_draws_the_same_bits():
    def run(change):
        descend.seed(3)
        drop = change(lambda x: F.dropout(x, 0.3))
        x = np.arange(1.0, 1001.0, dtype=np.float32).reshape(10, 100)
        return [drop(x) for _ in range(3)] + [F.dropout(x, 0.5)]

    for a, b in zip(run(descend.compile), run(lambda f: f), strict=True):
        np.testing.assert_array_equal(a, b)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_random_numbers_are_the_same_bits(dtype):
    def run(change):
        rng = descend.default_rng(5)

        @change
        def draw(x):
            return x + rng.uniform((7, 3), dtype=dtype), rng.normal((5,), dtype=dtype)

        return [y for _ in range(3) for y in draw(np.zeros((7, 3), dtype))]

    for i, (a, b) in enumerate(zip(run(descend.compile), run(lambda f: f), strict=True)):
        if i % 2:
            np.testing.assert_allclose(a, b, rtol=1e-5, atol=1e-6)
        else:
            np.testing.assert_array_equal(a, b)


def test_training_with_dropout(alike):
    def make():
        model = network(nn.Dropout(0.4))
        optimizer = optim.SGD(model.parameters(), lr=0.1)
        rng = descend.functions.random.DEFAULT
        make.drawn.append(rng)

        def step(x, t):
            loss = F.cross_entropy(model(x), t)
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            return loss.detach()

        return step, list(model.parameters())

    make.drawn = []

    def run(change):
        descend.seed(1)
        step, found = make()
        step = change(step)
        losses = [step(*batch(i)).data for i in range(3)]
        return losses + [p.data for p in found]

    for a, b in zip(run(descend.compile), run(lambda f: f), strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-9)


@pytest.mark.parametrize("momentum", [0.1, None])
def test_batch_norm_moves_its_statistics(alike, momentum):
    def norm():
        return nn.BatchNorm1d(5, momentum=momentum, dtype=np.float64)

    alike(training(OPTIMIZERS["sgd"], norm), batch(0), batch(1), batch(2))


def test_a_module_is_switched_between_calls(alike):
    def make():
        model = network(nn.BatchNorm1d(5, dtype=np.float64))

        def forward(x, t):
            return model(x)

        return forward, Found(state_of(model), model)

    def evaluate(found):
        found.model.eval()

    def train(found):
        found.model.train()

    calls = [
        batch(0),
        batch(1),
        evaluate,
        batch(2),
        batch(3),
        train,
        batch(4),
        evaluate,
        batch(5),
        train,
        batch(6),
    ]
    compiled = alike(make, *calls)
    assert sum(map(len, compiled.recordings.values())) <= 3


@pytest.mark.parametrize("setting", [descend.test_mode, no_grad])
def test_settings_hold_inside(alike, close, setting):
    model = network(nn.BatchNorm1d(5, dtype=np.float64), nn.Dropout(0.5))

    def forward(x):
        return model(x)

    compiled = descend.compile(forward)
    x, _ = batch()
    for context in (setting, descend.using_config, setting):
        arguments = ("train", True) if context is descend.using_config else ()
        descend.seed(0)
        before = [b.data.copy() for b in model.buffers()]
        with context(*arguments):
            expected = forward(x)
        after = [b.data.copy() for b in model.buffers()]
        for buffer, value in zip(model.buffers(), before, strict=True):
            buffer.data = value
        descend.seed(0)
        with context(*arguments):
            got = compiled(x)
        close(got.data, expected.data)
        assert got.requires_grad == expected.requires_grad
        for buffer, value in zip(model.buffers(), after, strict=True):
            close(buffer.data, value)


def test_evaluation(alike):
    def make():
        model = network()

        def evaluate(x, t):
            with no_grad(), descend.test_mode():
                y = model(x)
                return F.cross_entropy(y, t), (y.argmax(axis=1) == t).sum()

        return evaluate, list(model.parameters())

    alike(make, batch(0), batch(1))


def test_a_step_of_several_networks(alike):
    def make():
        a, b = network(seed=0), network(seed=1)
        opt_a, opt_b = optim.Adam(a.parameters(), lr=0.1), optim.SGD(b.parameters(), lr=0.1)

        def step(x, t):
            ya, yb = a(x), b(x)
            first = F.mean((ya - yb.detach()) ** 2)
            opt_a.zero_grad()
            first.backward()
            opt_a.step()
            second = F.cross_entropy(b(x), t) + F.mean((a(x).detach() - b(x)) ** 2)
            opt_b.zero_grad()
            second.backward()
            opt_b.step()
            return first.detach(), second.detach()

        return step, [*state_of(a, opt_a), *state_of(b, opt_b)]

    alike(make, batch(0), batch(1), batch(2))


def test_a_gradient_penalty_inside_a_step(alike):
    def make():
        model = network()
        optimizer = optim.SGD(model.parameters(), lr=0.1)

        def step(x, t):
            v = Variable(x)
            loss = F.cross_entropy(model(v), t)
            (gx,) = descend.gradients(loss, [v], create_graph=True)
            total = loss + (gx * gx).sum()
            optimizer.zero_grad()
            total.backward()
            optimizer.step()
            return total.detach()

        return step, state_of(model, optimizer)

    alike(make, batch(0), batch(1))


def test_a_small_convolutional_network(alike):
    def make():
        model = nn.Sequential(
            nn.Conv2d(2, 3, 3, padding=1, bias=False),  # its gradient would be 0 but for rounding
            nn.BatchNorm2d(3),
            nn.ReLU(),
            nn.MaxPool2d(2),
            nn.Conv2d(3, 4, 3),
            nn.Flatten(),
            nn.Linear(16, 3),
        )
        rng = np.random.default_rng(0)
        for p in model.parameters():
            p.data = (0.3 * rng.standard_normal(p.shape)).astype(p.dtype)
        optimizer = optim.SGD(model.parameters(), lr=0.05, momentum=0.9)

        def step(x, t):
            loss = F.cross_entropy(model(x), t)
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            return loss.detach()

        return step, state_of(model, optimizer)

    rng = np.random.default_rng(1)
    x = rng.standard_normal((5, 2, 8, 8)).astype(np.float32)
    alike(make, (x, rng.integers(0, 3, 5)), (x * 0.5, rng.integers(0, 3, 5)), scale=20)

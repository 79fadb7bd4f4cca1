"""Optimizers: PyTorch's numbers over 100 steps, groups, state, blocks, and what they refuse."""

import gc
import json
import pathlib
import re

import numpy as np
import pytest

import descend.functions as F
from descend import Parameter, Variable, debug, nn, optim
from descend.optim.optimizer import BLOCK

REFERENCES = json.loads(pathlib.Path(__file__).with_name("references.json").read_text())
KINDS = [
    lambda ps, **options: optim.SGD(ps, momentum=0.9, nesterov=True, **options),
    lambda ps, **options: optim.SGD(ps, momentum=0.9, dampening=0.5, **options),
    optim.Adam,
    optim.AdamW,
]


def parameters(dtype=np.float64):
    return [
        Parameter(np.linspace(-1, 1, 12, dtype=dtype).reshape(3, 4)),
        Parameter(np.linspace(-1, 1, 5, dtype=dtype)),
    ]


def walk(optimizer, ps, steps):
    """The steps of make_references.py: the second parameter skips every third."""
    for step in steps:
        for i, p in enumerate(ps):
            p.grad = None if i == 1 and step % 3 == 0 else Variable(np.sin(3 * p.data + step))
        optimizer.step()
        yield step


def refused(kind, sentence):
    return pytest.raises(kind, match=f"^{re.escape(sentence)}$")


# ---- what PyTorch computes --------------------------------------------------------------------


@pytest.mark.parametrize("dtype", [np.float64, np.float32])
@pytest.mark.parametrize(
    "case", REFERENCES["optimizers"], ids=lambda case: f"{case['name']}-{case['options']}"
)
def test_a_hundred_steps_are_pytorchs(case, dtype):
    ps = parameters(dtype)
    optimizer = getattr(optim, case["name"])(ps, **case["options"])
    tolerance = 1e-10 if dtype == np.float64 else 2e-5
    looked_at = 0
    for step in walk(optimizer, ps, range(1, 101)):
        if str(step) in case["values"]:
            for p, expected in zip(ps, case["values"][str(step)], strict=True):
                assert p.dtype == dtype
                np.testing.assert_allclose(p.data.ravel(), expected, rtol=0, atol=tolerance)
                looked_at += 1
    assert looked_at == 12


def test_adamw_decays_the_old_weights_decoupled():
    # huggingface/transformers#14539, keras-team/keras#19051
    p = Parameter(np.array([2.0]))
    p.grad = Variable(np.array([0.0]))
    optim.AdamW([p], lr=0.1, weight_decay=0.5).step()
    assert p.tolist() == [2 * (1 - 0.05)]


# ---- arrays -----------------------------------------------------------------------------------


@pytest.mark.parametrize("make", KINDS)
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_blocks_are_the_whole(make, dtype):
    size = 2 * BLOCK + 17
    whole = np.linspace(-1, 1, size, dtype=dtype)
    large = Parameter(whole.copy())
    small = Parameter(whole[::7919].copy())
    for p in (large, small):
        optimizer = make([p], lr=0.1, weight_decay=0.1)
        for step in range(3):
            p.grad = Variable(np.sin(3 * p.data + step))
            optimizer.step()
    assert large.dtype == dtype
    np.testing.assert_allclose(large.data[::7919], small.data, rtol=1e-5)


class Recorded:
    """An array that can do what recorded arrays can: compute new ones, and never be written."""

    def __init__(self, array):
        self.array = np.asarray(array)
        self.shape, self.dtype = self.array.shape, self.array.dtype

    def astype(self, dtype):
        return Recorded(self.array.astype(dtype))


def _operator(name):
    def compute(self, other):
        other = other.array if isinstance(other, Recorded) else other
        return Recorded(getattr(self.array, name)(other))

    return compute


for _name in ("add", "sub", "mul", "truediv", "pow"):
    setattr(Recorded, f"__{_name}__", _operator(f"__{_name}__"))
    setattr(Recorded, f"__r{_name}__", _operator(f"__r{_name}__"))


@pytest.mark.parametrize("make", KINDS)
def test_the_update_is_a_function_of_arrays_that_can_be_recorded(make):
    ps = [Parameter(np.linspace(-1, 1, 5))]
    optimizer = make(ps, lr=0.1, weight_decay=0.1)
    group = optimizer.param_groups[0]
    counter, *slots = optimizer.state[ps[0]].values()
    given = [ps[0].data.copy(), np.sin(ps[0].data), *[slot.data.copy() for slot in slots]]
    scalars = optimizer.scalars(group, 0.1, 1)
    recorded = optimizer.update(*[Recorded(array) for array in given], **scalars)

    ps[0].grad = Variable(given[1])
    optimizer.step()
    assert counter.item() == 1
    for new, variable in zip(recorded, (ps[0], *slots), strict=True):
        np.testing.assert_allclose(new.array, variable.data, rtol=1e-15)
    np.testing.assert_array_equal(given[0], np.linspace(-1, 1, 5))


def test_the_step_writes_into_the_parameters_array():
    p = Parameter(np.ones(3))
    array = p.data
    p.grad = Variable(np.ones(3))
    optim.SGD([p], lr=0.5).step()
    assert p.data is array and array.tolist() == [0.5] * 3


def test_a_graph_from_before_the_step_is_found_out_by_debug():
    net = nn.Linear(2, 1)
    with debug():
        loss = net(Variable(np.ones((3, 2), np.float32))).sum()
        loss.backward()
        optim.SGD(net.parameters()).step()
        with pytest.raises(RuntimeError, match="weight was changed in place after the forward"):
            loss.backward()


@pytest.mark.parametrize("make", KINDS)
def test_arrays_that_cannot_be_written_flat_are_replaced(make):
    readonly = np.ones((2, 3))
    readonly.flags.writeable = False
    for array in (np.asfortranarray(np.ones((2, 3))), np.ones((2, 6))[:, ::2], readonly):
        p, twin = Parameter(array), Parameter(np.ones((2, 3)))
        for q in (p, twin):
            q.grad = Variable(np.arange(6.0).reshape(3, 2).T)
            make([q], lr=0.1).step()
        np.testing.assert_array_equal(p.data, twin.data)
        np.testing.assert_array_equal(array, np.ones((2, 3)))


@pytest.mark.parametrize("make", KINDS)
def test_the_gradient_is_not_written(make):
    p = Parameter(np.ones(4))
    g = np.arange(4.0)
    p.grad = Variable(g)
    make([p], lr=0.1, weight_decay=0.5).step()
    np.testing.assert_array_equal(g, np.arange(4.0))


@pytest.mark.parametrize("make", KINDS)
@pytest.mark.parametrize("shape", [(), (0, 3), (1,)])
def test_odd_shapes(make, shape):
    p = Parameter(np.ones(shape, np.float32))
    p.grad = Variable(np.ones(shape, np.float32))
    make([p], lr=0.1).step()
    assert p.shape == shape and p.dtype == np.float32 and np.all(p.data < 1)


def test_parameters_without_a_gradient_are_skipped():
    ps = parameters()
    optimizer = optim.Adam(ps, weight_decay=1.0)
    before = ps[1].data.copy()
    ps[0].grad = Variable(np.ones((3, 4)))
    optimizer.step()
    np.testing.assert_array_equal(ps[1].data, before)
    assert [optimizer.state[p]["step"].item() for p in ps] == [1, 0]


def test_state_is_variables_without_gradient():
    ps = parameters(np.float32)
    optimizer = optim.Adam(ps)
    for p, slots in optimizer.state.items():
        assert list(slots) == ["step", "gradients", "squares"]
        assert all(type(v) is Variable and not v.requires_grad for v in slots.values())
        assert slots["squares"].shape == p.shape and slots["squares"].dtype == np.float32
    assert type(optimizer.param_groups[0]["lr"]) is Variable


def test_zero_grad():
    ps = parameters()
    optimizer = optim.SGD(ps)
    ps[0].grad = Variable(np.ones((3, 4)))
    optimizer.zero_grad()
    assert ps[0].grad is None


# ---- groups -----------------------------------------------------------------------------------


def test_groups_have_options_of_their_own():
    ps = parameters()
    groups = [{"params": ps[:1], "lr": 1.0}, {"params": ps[1], "weight_decay": 1.0}]
    optimizer = optim.SGD(groups, lr=0.1)
    before = [p.data.copy() for p in ps]
    for p in ps:
        p.grad = Variable(np.ones(p.shape))
    optimizer.step()
    np.testing.assert_allclose(ps[0].data, before[0] - 1)
    np.testing.assert_allclose(ps[1].data, before[1] - 0.1 * (1 + before[1]))
    optimizer.add_param_group({"params": [Parameter(np.ones(2))], "lr": 0.01})
    assert [group["lr"].item() for group in optimizer.param_groups] == [1.0, 0.1, 0.01]


def test_a_number_assigned_to_lr_goes_into_the_variable():
    optimizer = optim.SGD(parameters(), lr=0.1)
    group = optimizer.param_groups[0]
    rate = group["lr"]
    group["lr"] = 0.5
    assert group["lr"] is rate and rate.item() == 0.5
    with refused(ValueError, "lr is -1, a number from 0 on is needed"):
        group["lr"] = -1


def test_repr():
    text = repr(optim.SGD(parameters(), lr=0.1))
    assert text == (
        "SGD(\n  (0): 2 parameters, 17 numbers; lr=0.1, momentum=0.0, dampening=0.0, "
        "weight_decay=0.0, nesterov=False\n)"
    )


# ---- state ------------------------------------------------------------------------------------


@pytest.mark.parametrize("make", KINDS)
def test_a_restored_optimizer_goes_on_bit_for_bit(make):
    ps = parameters(np.float32)
    optimizer = make(ps, lr=0.05, weight_decay=0.1)
    list(walk(optimizer, ps, range(1, 8)))
    optimizer.param_groups[0]["lr"] = 0.03
    state, values = optimizer.state_dict(), [p.data.copy() for p in ps]

    others = [Parameter(value.copy()) for value in values]
    restored = make(others, lr=1.0)
    restored.load_state_dict(state)
    list(walk(optimizer, ps, range(8, 30)))
    list(walk(restored, others, range(8, 30)))
    for p, other in zip(ps, others, strict=True):
        np.testing.assert_array_equal(p.data, other.data)
    for name, array in restored.state_dict().items():
        np.testing.assert_array_equal(array, optimizer.state_dict()[name])
        assert array.dtype == optimizer.state_dict()[name].dtype


def test_a_state_is_a_dict_of_arrays_that_are_copies():
    ps = parameters()
    optimizer = optim.Adam(ps)
    state = optimizer.state_dict()
    assert list(state)[:7] == [
        "groups.0.lr", "groups.0.betas", "groups.0.eps", "groups.0.weight_decay", "params.0.step",
        "params.0.gradients", "params.0.squares",
    ]  # fmt: skip
    assert all(type(array) is np.ndarray for array in state.values())
    list(walk(optimizer, ps, [1]))
    assert not state["params.0.gradients"].any() and state["params.0.step"] == 0
    optimizer.load_state_dict(state)
    list(walk(optimizer, ps, [1]))
    assert not state["params.0.gradients"].any()


def test_a_state_that_does_not_fit_changes_nothing():
    ps = parameters()
    optimizer = optim.Adam(ps)
    list(walk(optimizer, ps, [1, 2]))
    before = optimizer.state_dict()
    state = optim.SGD(parameters(), lr=9.0).state_dict()
    state["params.0.squares"] = np.zeros(3)
    with pytest.raises(ValueError) as caught:
        optimizer.load_state_dict(state)
    lines = str(caught.value).splitlines()
    assert lines[0] == "Adam: the state does not fit, nothing was changed:"
    assert "  missing: params.1.gradients" in lines
    assert "  unexpected: groups.0.momentum" in lines
    assert "  not fitting: params.0.squares (3,) for (3, 4)" in lines
    for name, array in optimizer.state_dict().items():
        np.testing.assert_array_equal(array, before[name])
    with refused(TypeError, "Adam: the state is a list, a dict is needed"):
        optimizer.load_state_dict([])


def test_a_state_with_an_option_that_makes_no_sense_changes_nothing():
    groups = [{"params": [p]} for p in parameters()]
    optimizer = optim.Adam(groups)
    state = optimizer.state_dict()
    state["groups.0.lr"] = np.array(5.0)
    state["groups.1.eps"] = np.array(np.nan)
    with refused(ValueError, "Adam: eps is nan, a number from 0 on is needed"):
        optimizer.load_state_dict(state)
    assert optimizer.param_groups[0]["lr"].item() == 1e-3


# ---- what they refuse -------------------------------------------------------------------------

P = Parameter(np.ones(2))


@pytest.mark.parametrize(
    ("call", "kind", "sentence"),
    [
        (lambda: optim.SGD([]), ValueError,
         "SGD: there are no parameters; was the iterator used up?"),
        (lambda: optim.SGD(P), TypeError, "SGD: params is a Parameter, a list of them is needed"),
        (lambda: optim.SGD({"w": P}), TypeError, "SGD: params is a dict, a list of them is needed"),
        (lambda: optim.SGD([np.ones(2)]), TypeError,
         "SGD: parameter 0 is an ndarray, a Variable is needed"),
        (lambda: optim.SGD([("w", P)]), TypeError,
         "SGD: parameter 0 is a tuple, a Variable is needed"),
        (lambda: optim.SGD([Variable(np.ones(2, int))]), TypeError,
         "SGD: parameter 0 has int64, floating point is needed"),
        (lambda: optim.SGD([Variable(None)]), TypeError,
         "SGD: parameter 0 has no data, floating point is needed"),
        (lambda: optim.SGD([P * 2]), ValueError,
         "SGD: parameter 0 (2,) was computed from others; only leaves can be trained: detach() it, "
         "or train what it was computed from"),
        (lambda: optim.Adam([P, P]), ValueError, "Adam: parameter 1 (2,) came twice"),
        (lambda: optim.Adam([{"params": [P]}, {"params": [P]}]), ValueError,
         "Adam: parameter 0 (2,) came twice"),
        (lambda: optim.Adam([{"params": [P], "momentum": 1}]), TypeError,
         "Adam: there is no option 'momentum', only lr, betas, eps, weight_decay"),
        (lambda: optim.Adam([{"parameters": [P]}]), TypeError,
         'Adam: a group is a dict with "params", a dict came'),
        (lambda: optim.SGD([P], lr=-0.1), ValueError,
         "SGD: lr is -0.1, a number from 0 on is needed"),
        (lambda: optim.SGD([P], lr=float("nan")), ValueError,
         "SGD: lr is nan, a number from 0 on is needed"),
        (lambda: optim.SGD([P], lr="fast"), TypeError,
         "SGD: lr is 'fast', a number from 0 on is needed"),
        (lambda: optim.SGD([P], momentum=float("inf")), ValueError,
         "SGD: momentum is inf, a number from 0 on is needed"),
        (lambda: optim.SGD([P], nesterov=True), ValueError,
         "SGD: nesterov needs a momentum above 0 and no dampening"),
        (lambda: optim.Adam([P], betas=(0.9, 1.0)), ValueError,
         "Adam: beta is 1.0, a number from 0 to below 1 is needed"),
        (lambda: optim.Adam([P], betas=0.9), TypeError,
         "Adam: betas is 0.9, a pair of numbers is needed"),
        (lambda: optim.AdamW([P], weight_decay=-1), ValueError,
         "AdamW: weight_decay is -1, a number from 0 on is needed"),
    ],
)  # fmt: skip
def test_what_is_refused(call, kind, sentence):
    with refused(kind, sentence):
        call()


def test_a_gradient_that_does_not_fit():
    p = Parameter(np.ones(2))
    p.grad = Variable(np.ones(3))
    with refused(ValueError, "SGD: grad (3,) does not fit the parameter (2,)"):
        optim.SGD([p]).step()


def test_a_parameter_that_changed_its_dtype_after_the_optimizer_was_made():
    net = nn.Linear(2, 1)
    optimizer = optim.Adam(net.parameters())
    net.double()
    net(np.ones((1, 2))).backward()
    with pytest.raises(ValueError, match=r"^Adam: the parameter is float64 .* make the optimizer"):
        optimizer.step()


# ---- memory -----------------------------------------------------------------------------------


def test_many_steps_leave_nothing_behind():
    net = nn.Sequential(nn.Linear(4, 8), nn.BatchNorm1d(8), nn.ReLU(), nn.Linear(8, 2))
    optimizer = optim.Adam(net.parameters())
    x, t = np.random.default_rng(0).normal(size=(8, 4)).astype(np.float32), np.arange(8) % 2

    def step():
        loss = F.cross_entropy(net(x), t)
        optimizer.zero_grad()
        loss.backward()
        optim.clip_grad_norm_(net.parameters(), 1.0)
        optimizer.step()

    step()
    gc.collect()
    gc.disable()
    try:
        before = len(gc.get_objects())
        for _ in range(100):
            step()
        assert len(gc.get_objects()) - before < 50
    finally:
        gc.enable()

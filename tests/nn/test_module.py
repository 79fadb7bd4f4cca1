"""What a module is made of: order, sharing, modes, dtypes, and what it refuses."""

import copy
import gc
import os
import re
import subprocess
import sys
import threading

import numpy as np
import pytest

import descend.functions as F
from descend import Variable, nn, test_mode


class Net(nn.Module):
    def __init__(self):
        self.scale = nn.Parameter(np.ones(1, np.float32))
        self.first = nn.Linear(4, 3, rng=0)
        self.register_buffer("shift", np.zeros(3, np.float32))
        self.second = nn.Sequential(nn.BatchNorm1d(3), nn.Linear(3, 2, rng=1))

    def forward(self, x):
        return self.second(F.relu(self.first(x * self.scale) + self.shift))


def refused(kind, sentence):
    return pytest.raises(kind, match=f"^{re.escape(sentence)}$")


PARAMETERS = [
    "scale", "first.weight", "first.bias", "second.0.weight", "second.0.bias", "second.1.weight",
    "second.1.bias",
]  # fmt: skip
BUFFERS = ["shift", "second.0.running_mean", "second.0.running_var", "second.0.num_batches_tracked"]


# ---- what it finds ----------------------------------------------------------------------------


def test_parameters_buffers_and_modules_in_the_order_of_assignment():
    net = Net()
    assert [name for name, _ in net.named_parameters()] == PARAMETERS
    assert [name for name, _ in net.named_buffers()] == BUFFERS
    assert [name for name, _ in net.named_children()] == ["first", "second"]
    assert [name for name, _ in net.named_modules()] == [
        "", "first", "second", "second.0", "second.1",
    ]  # fmt: skip
    assert list(net.parameters()) == [p for _, p in net.named_parameters()]
    assert list(net.children()) == [net.first, net.second]
    assert next(net.buffers()) is net.shift
    assert [name for name, _ in net.named_parameters("net")][1] == "net.first.weight"


def test_the_order_does_not_depend_on_the_hash_seed():
    code = (
        "from descend import nn\n"
        "m = nn.Sequential(nn.Linear(2, 2), nn.BatchNorm1d(2), nn.Linear(2, 2))\n"
        "print(list(m.state_dict()), [n for n, _ in m.named_parameters()])"
    )
    answers = set()
    for seed in ("0", "1", "2"):
        environment = {**os.environ, "PYTHONHASHSEED": seed}
        answers.add(subprocess.check_output([sys.executable, "-c", code], env=environment))
    assert len(answers) == 1


def test_a_shared_parameter_is_counted_once_and_stored_twice():
    net = nn.Sequential(nn.Linear(3, 3), nn.Linear(3, 3))
    net[1].weight = net[0].weight
    assert [name for name, _ in net.named_parameters()] == ["0.weight", "0.bias", "1.bias"]
    assert list(net.state_dict()) == ["0.weight", "0.bias", "1.weight", "1.bias"]
    assert "21" not in net.summary((1, 3)) and "15 parameters" in net.summary((1, 3))


def test_a_shared_module_is_counted_once_and_stored_twice():
    layer = nn.Linear(3, 3)
    net = nn.Sequential(layer, nn.ReLU(), layer)
    assert len(list(net.parameters())) == 2
    assert list(net.state_dict()) == ["0.weight", "0.bias", "2.weight", "2.bias"]


@pytest.mark.parametrize("count", [1, 2, 64])
def test_one_weight_used_many_times_gets_the_sum_of_the_gradients(count):
    # apache/mxnet#17989, sony/nnabla#532
    layer = nn.Linear(1, 1, bias=False, dtype=np.float64)
    layer.weight.data = np.full((1, 1), 1.01)
    net = nn.Sequential(*[layer] * count)
    net(np.ones((1, 1))).backward()
    np.testing.assert_allclose(layer.weight.grad.data, [[count * 1.01 ** (count - 1)]])


def test_a_module_below_itself_ends():
    net = Net()
    net.first.parent = net
    assert len(list(net.modules())) == 5
    assert list(net.state_dict()) == list(Net().state_dict())


def test_attributes_before_super_init_are_found():
    class Early(nn.Module):
        def __init__(self):
            self.layer = nn.Linear(2, 2)
            self.register_buffer("count", 0)
            super().__init__()

    early = Early()
    assert [name for name, _ in early.named_parameters()] == ["layer.weight", "layer.bias"]
    assert list(early.state_dict()) == ["count", "layer.weight", "layer.bias"]
    assert early.training


def test_none_deletion_and_reassignment():
    net = Net()
    net.first.bias = None
    assert "first.bias" not in net.state_dict()
    del net.shift
    assert [name for name, _ in net.named_buffers()] == BUFFERS[1:]
    net.first = nn.Identity()
    assert [name for name, _ in net.named_children()] == ["first", "second"], "it keeps its place"
    del net.second
    net.second = "anything"
    assert [name for name, _ in net.named_parameters()] == ["scale"]


def test_what_is_trained_is_not_replaced_by_accident():
    net = Net()
    with refused(
        TypeError,
        "Linear: weight is a Parameter, an ndarray cannot replace it: assign to weight.data, or "
        "del weight first",
    ):
        net.first.weight = np.zeros((3, 4))
    with refused(
        TypeError,
        "Net: first is a Module, a function cannot replace it: assign to first.data, or del first "
        "first",
    ):
        net.first = lambda x: x
    with pytest.raises(TypeError, match="shift is a Variable, an ndarray cannot"):
        net.shift = np.zeros(3)


@pytest.mark.parametrize("hide", [list, tuple, lambda layers: dict(enumerate(layers))])
def test_modules_in_a_plain_container_are_an_error(hide):
    class Hidden(nn.Module):
        def __init__(self):
            self.layers = hide([nn.Linear(2, 2)])

    kind = type(Hidden().layers).__name__
    with refused(
        TypeError,
        f"Hidden: the Linear in the {kind} 'layers' would not be found: use an nn.ModuleList, or "
        f"an attribute for each",
    ):
        list(Hidden().parameters())


def test_buffers_are_constants_and_may_be_left_out_of_the_state():
    module = nn.Module()
    module.register_buffer("a", Variable(np.ones(2)))
    module.register_buffer("b", np.ones(2), persistent=False)
    module.register_buffer("c", None)
    assert not module.a.requires_grad
    assert [name for name, _ in module.named_buffers()] == ["a", "b"]
    assert list(module.state_dict()) == ["a"]
    assert not nn.Module._buffers, "the class is not written"


@pytest.mark.parametrize("name", ["forward", "a.b", ""])
def test_names_that_no_buffer_can_have(name):
    with pytest.raises(ValueError, match=f"^Module: '{name}' cannot be the name of a buffer"):
        nn.Module().register_buffer(name, np.ones(2))


# ---- modes, dtypes, devices -------------------------------------------------------------------


def test_train_and_eval_reach_every_module():
    net = Net()
    assert net.eval() is net
    assert not any(module.training for module in net.modules())
    assert net.train() is net
    assert all(module.training for module in net.modules())
    assert nn.Module.training


def test_test_mode_holds_for_layers_too():
    net = Net()
    x = np.random.default_rng(0).normal(size=(5, 4)).astype(np.float32)
    with test_mode():
        tested = net(x)
    assert net.second[0].num_batches_tracked.item() == 0
    np.testing.assert_array_equal(tested.data, net.eval()(x).data)


def test_zero_grad_and_requires_grad():
    net = Net()
    net(np.ones((2, 4), np.float32)).sum().backward()
    assert all(p.grad is not None for p in net.parameters())
    net.zero_grad()
    assert all(p.grad is None for p in net.parameters())
    assert net.requires_grad_(False) is net
    assert not net(np.ones((2, 4), np.float32)).requires_grad
    net.requires_grad_()
    assert net(np.ones((2, 4), np.float32)).requires_grad


def test_dtypes_of_floating_parameters_and_buffers_change():
    net = Net()
    net(np.ones((2, 4), np.float32)).sum().backward()
    assert net.double() is net
    assert {p.dtype for p in net.parameters()} == {np.dtype(np.float64)}
    assert net.second[0].running_var.dtype == np.float64
    assert net.second[0].num_batches_tracked.dtype == np.int64
    assert net.first.weight.grad is None
    assert net(np.ones((2, 4))).dtype == np.float64
    assert {p.dtype for p in net.float().parameters()} == {np.dtype(np.float32)}
    with refused(TypeError, "astype: dtype is int64, parameters need a floating one"):
        net.astype(np.int64)


def test_to_cpu_answers_the_module():
    net = Net()
    assert net.to_cpu() is net


def test_a_deep_copy_has_its_own_arrays_and_the_same_sharing():
    net = nn.Sequential(nn.Linear(3, 3), nn.Linear(3, 3))
    net[1].weight = net[0].weight
    twin = copy.deepcopy(net)
    assert twin[1].weight is twin[0].weight is not net[0].weight
    twin[0].weight.data[...] = 0
    assert net[0].weight.data.any()


def test_forward_is_what_a_call_computes():
    with refused(NotImplementedError, "Module: the class has no forward"):
        nn.Module()(1)


def test_modules_in_two_threads_at_once():
    net = Net().eval()
    x = np.ones((2, 4), np.float32)
    expected, found = net(x).data, []
    threads = [threading.Thread(target=lambda: found.append(net(x).data)) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(found) == 4 and all((y == expected).all() for y in found)


def test_nothing_is_left_behind_by_training():
    net, x = Net(), np.ones((2, 4), np.float32)

    def step():
        net.zero_grad()
        net(x).sum().backward()

    step()
    gc.collect()
    gc.disable()
    try:
        before = len(gc.get_objects())
        for _ in range(50):
            step()
        assert len(gc.get_objects()) - before < 50
    finally:
        gc.enable()


# ---- showing ----------------------------------------------------------------------------------


def test_repr_shows_the_tree():
    assert repr(Net()) == (
        "Net(\n"
        "  (first): Linear(in_features=4, out_features=3, bias=True)\n"
        "  (second): Sequential(\n"
        "    (0): BatchNorm1d(3, eps=1e-05, momentum=0.1, affine=True, track_running_stats=True)\n"
        "    (1): Linear(in_features=3, out_features=2, bias=True)\n"
        "  )\n"
        ")"
    )
    assert repr(nn.ReLU()) == "ReLU()"


def test_summary():
    net = Net()
    net.first.bias.requires_grad = False
    lines = net.summary((5, 4)).splitlines()
    rows = [line.split("  ") for line in lines]
    cells = [[cell.strip() for cell in row if cell.strip()] for row in rows]
    assert cells == [
        ["Layer", "Output shape", "Parameters"],
        [lines[1]],
        ["Net", "(5, 2)", "1"],
        ["first: Linear", "(5, 3)", "15"],
        ["second: Sequential", "(5, 2)", "-"],
        ["0: BatchNorm1d", "(5, 3)", "6"],
        ["1: Linear", "(5, 2)", "8"],
        [lines[7]],
        ["30 parameters, 27 of them trained; 0.00 MiB with buffers"],
    ]
    assert set(lines[1]) == set(lines[7]) == {"-"}


def test_summary_leaves_the_module_as_it_was():
    net = Net()
    state = net.state_dict()
    net.summary((5, 4))
    assert net.training
    for name, array in net.state_dict().items():
        np.testing.assert_array_equal(array, state[name])


def test_summary_of_a_model_that_fails_forgets_its_watcher():
    net = Net()
    with pytest.raises(ValueError, match="do not meet"):
        net.summary((5, 7))
    assert nn.module.watcher.get() is None

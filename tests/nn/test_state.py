"""state_dict and load_state_dict: PyTorch's names, one readable error, all or nothing."""

import numpy as np
import pytest

from descend import Parameter, Variable, nn


def small():
    return nn.Sequential(
        nn.Linear(2, 3, rng=0), nn.BatchNorm1d(3), nn.ReLU(), nn.Linear(3, 1, rng=1)
    )


def test_names_are_pytorchs():
    assert list(small().state_dict()) == [
        "0.weight", "0.bias", "1.weight", "1.bias", "1.running_mean", "1.running_var",
        "1.num_batches_tracked", "3.weight", "3.bias",
    ]  # fmt: skip
    state = small().state_dict()
    assert state["1.num_batches_tracked"].dtype == np.int64
    assert state["1.num_batches_tracked"].shape == ()


def test_a_state_is_a_copy():
    net = small()
    state = net.state_dict()
    state["0.weight"][...] = 7
    assert not (net[0].weight.data == 7).any()
    net.load_state_dict(state)
    state["0.weight"][...] = 8
    assert (net[0].weight.data == 7).all()


def test_load_takes_over_everything():
    source, target = small(), small()
    source(np.random.default_rng(0).normal(size=(9, 2)).astype(np.float32))
    source[0].weight.data = source[0].weight.data + 1
    answer = target.load_state_dict(source.state_dict())
    assert answer == ([], [])
    for name, array in target.state_dict().items():
        np.testing.assert_array_equal(array, source.state_dict()[name])
    assert isinstance(target[0].weight, Parameter) and target[0].weight.requires_grad


def test_everything_that_does_not_fit_is_listed_and_nothing_changed():
    net = small()
    before = net.state_dict()
    state = {name: array + 1 for name, array in before.items()}
    del state["0.bias"], state["1.running_var"]
    state["extra"] = np.zeros(1)
    state["3.weight"] = np.zeros((2, 3), np.float32)
    state["1.num_batches_tracked"] = np.array(1.5)
    with pytest.raises(ValueError) as caught:
        net.load_state_dict(state)
    assert str(caught.value) == (
        "load_state_dict: the state does not fit Sequential, nothing was changed:\n"
        "  missing: 0.bias, 1.running_var\n"
        "  unexpected: extra\n"
        "  not fitting: 1.num_batches_tracked of float64 for int64, 3.weight (2, 3) for (1, 3)"
    )
    for name, array in net.state_dict().items():
        np.testing.assert_array_equal(array, before[name])


def test_not_strict_passes_over_names_and_not_over_shapes():
    net = small()
    state = net.state_dict()
    state["0.bias"] = state["0.bias"] + 5
    state["extra"] = np.zeros(1)
    del state["3.bias"]
    answer = net.load_state_dict(state, strict=False)
    assert answer.missing_keys == ["3.bias"] and answer.unexpected_keys == ["extra"]
    np.testing.assert_array_equal(net[0].bias.data, state["0.bias"])
    with pytest.raises(ValueError, match=r"not fitting: 0\.weight \(1,\) for \(3, 2\)"):
        net.load_state_dict({"0.weight": np.zeros(1)}, strict=False)


def test_arrays_are_cast_to_the_modules_dtype():
    net = small()
    net.load_state_dict({name: a.astype("d") for name, a in net.state_dict().items()
                         if name != "1.num_batches_tracked"}, strict=False)  # fmt: skip
    assert net[0].weight.dtype == np.float32


def test_variables_and_lists_are_taken_too():
    net = nn.Linear(2, 1)
    net.load_state_dict({"weight": Variable(np.array([[1.0, 2.0]])), "bias": [3.0]})
    assert net(np.array([1.0, 1.0], np.float32)).tolist() == [6.0]


def test_a_state_that_is_no_dict():
    with pytest.raises(
        TypeError, match=r"^load_state_dict: the state is a list, a dict is needed$"
    ):
        small().load_state_dict([1])


def test_loading_is_seen_by_a_graph_as_a_new_value_not_a_wrong_gradient():
    net = nn.Linear(1, 1, bias=False, dtype=np.float64)
    net.weight.data = np.array([[3.0]])
    y = net(np.array([[2.0]])) ** 2
    net.load_state_dict({"weight": np.array([[5.0]])})
    y.backward()
    assert net.weight.grad.tolist() == [[24.0]]

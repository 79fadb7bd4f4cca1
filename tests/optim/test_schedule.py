"""Schedules: PyTorch's numbers, warm-up, state, and what they refuse."""

import json
import pathlib
import re

import numpy as np
import pytest

from descend import Parameter, optim

REFERENCES = json.loads(pathlib.Path(__file__).with_name("references.json").read_text())


def sgd(*rates):
    groups = [{"params": [Parameter(np.ones(1))], "lr": lr} for lr in rates]
    return optim.SGD(groups)


def rates(schedule, steps):
    found = [schedule.get_last_lr()[0]]
    for _ in range(steps):
        schedule.step()
        found += schedule.get_last_lr()[:1]
    return found


@pytest.mark.parametrize("case", REFERENCES["schedules"], ids=lambda case: case["name"])
def test_a_hundred_steps_are_pytorchs(case):
    schedule = getattr(optim, case["name"])(sgd(0.3), **case["options"])
    np.testing.assert_allclose(rates(schedule, 100), case["values"], rtol=1e-9)


def test_warm_up():
    found = rates(optim.LinearWarmup(sgd(0.4), 4), 5)
    np.testing.assert_allclose(found, [0.1, 0.2, 0.3, 0.4, 0.4, 0.4])


def test_warm_up_and_cosine():
    found = rates(optim.WarmupCosine(sgd(1.0), 2, 6, eta_min=0.2), 8)
    half = 0.4 * np.sqrt(0.5)
    np.testing.assert_allclose(found, [0.5, 1.0, 1.0, 0.6 + half, 0.6, 0.6 - half, 0.2, 0.2, 0.2])
    assert rates(optim.WarmupCosine(sgd(1.0), 0, 2), 2) == pytest.approx([1.0, 0.5, 0.0])


def test_every_group_has_its_own_rate_in_the_same_variable():
    optimizer = sgd(1.0, 0.1)
    variables = [group["lr"] for group in optimizer.param_groups]
    schedule = optim.StepLR(optimizer, 1, 0.5)
    schedule.step()
    assert schedule.get_last_lr() == [0.5, 0.05]
    assert [group["lr"] for group in optimizer.param_groups] == variables
    assert all(a is b["lr"] for a, b in zip(variables, optimizer.param_groups, strict=True))


def test_a_restored_schedule_goes_on():
    schedule = optim.CosineAnnealingLR(sgd(0.3), 10)
    rates(schedule, 4)
    state = schedule.state_dict()
    other = optim.CosineAnnealingLR(sgd(7.0), 10)
    other.load_state_dict(state)
    assert rates(other, 5) == rates(schedule, 5)
    assert all(type(array) is np.ndarray for array in state.values())


@pytest.mark.parametrize(
    ("call", "sentence"),
    [
        (lambda: optim.StepLR(sgd(1), 0),
         "StepLR: step_size is 0, a whole number from 1 on is needed"),
        (lambda: optim.StepLR(sgd(1), 2, -1), "StepLR: gamma is -1, a number from 0 on is needed"),
        (lambda: optim.CosineAnnealingLR(sgd(1), 2.5),
         "CosineAnnealingLR: T_max is 2.5, a whole number from 1 on is needed"),
        (lambda: optim.WarmupCosine(sgd(1), 5, 5),
         "WarmupCosine: total=5 must be larger than warmup=5"),
        (lambda: optim.StepLR(sgd(1), 1).load_state_dict({"count": 1}),
         "StepLR: the state does not fit: count and base_lrs (1,) are needed"),
        (lambda: optim.StepLR(sgd(1, 2), 1).load_state_dict({"count": 1, "base_lrs": [1.0]}),
         "StepLR: the state does not fit: count and base_lrs (2,) are needed"),
    ],
)  # fmt: skip
def test_what_is_refused(call, sentence):
    with pytest.raises(ValueError, match=f"^{re.escape(sentence)}$"):
        call()

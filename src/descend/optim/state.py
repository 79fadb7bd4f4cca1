"""The state of an optimizer as a dict of names and NumPy arrays, and back."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any

import numpy as np

from descend.core.arrays import get_array_module
from descend.core.variable import Variable, array_of
from descend.cuda import as_numpy
from descend.optim.checks import checked

if TYPE_CHECKING:
    from descend.optim.optimizer import Group, Optimizer


def state_dict(optimizer: Optimizer) -> dict[str, np.ndarray]:
    """Options and remembered arrays; Optimizer.state_dict."""
    arrays = {
        name: np.array(array_of(group[option])) for name, group, option in _options(optimizer)
    }
    for name, variable in _variables(optimizer):
        arrays[name] = np.array(as_numpy(variable.data))
    return arrays


def load_state_dict(optimizer: Optimizer, given: Mapping[str, Any]) -> None:
    """Take over a state; Optimizer.load_state_dict."""
    if not isinstance(given, Mapping):
        raise TypeError(
            f"{optimizer.name}: the state is a {type(given).__name__}, a dict is needed"
        )
    options, variables = list(_options(optimizer)), dict(_variables(optimizer))
    names = [name for name, _, _ in options] + list(variables)
    complaints = [f"missing: {name}" for name in names if name not in given]
    complaints += [f"unexpected: {name}" for name in given if name not in set(names)]
    complaints += [
        f"not fitting: {name} {np.shape(given[name])} for {shape}"
        for name, shape in _shapes(options, variables)
        if name in given and np.shape(given[name]) != shape
    ]
    if complaints:
        more = f"\n  and {len(complaints) - 20} more" if len(complaints) > 20 else ""
        raise ValueError(
            f"{optimizer.name}: the state does not fit, nothing was changed:\n  "
            + "\n  ".join(complaints[:20])
            + more
        )
    loaded = [_checked_options(optimizer, i, given) for i in range(len(optimizer.param_groups))]
    for group, values in zip(optimizer.param_groups, loaded, strict=True):
        for option, value in values.items():
            group[option] = value
    for name, variable in variables.items():
        xp: Any = get_array_module(variable.data)
        variable.data = xp.array(as_numpy(given[name]), dtype=variable.dtype)


def _checked_options(optimizer: Optimizer, i: int, given: Mapping[str, Any]) -> dict[str, Any]:
    """The options of a group in a state, after the checks that new options go through."""
    values = {}
    for option in optimizer.param_groups[i]:
        if option != "params":
            value = as_numpy(given[f"groups.{i}.{option}"]).tolist()
            values[option] = tuple(value) if isinstance(value, list) else value
    checked(f"{optimizer.name}: lr", values["lr"])
    optimizer.check(values)
    return values


def _options(optimizer: Optimizer) -> Iterator[tuple[str, Group, str]]:
    """The name of every option of every group."""
    for i, group in enumerate(optimizer.param_groups):
        for option in group:
            if option != "params":
                yield f"groups.{i}.{option}", group, option


def _variables(optimizer: Optimizer) -> Iterator[tuple[str, Variable]]:
    """What is remembered for every parameter."""
    params = [p for group in optimizer.param_groups for p in group["params"]]
    for i, p in enumerate(params):
        for slot, variable in optimizer.state[p].items():
            yield f"params.{i}.{slot}", variable


def _shapes(
    options: list[tuple[str, Group, str]], variables: dict[str, Variable]
) -> Iterator[tuple[str, tuple[int, ...]]]:
    """The shape that is needed under every name."""
    for name, group, option in options:
        yield name, np.shape(array_of(group[option]))
    for name, variable in variables.items():
        yield name, variable.shape

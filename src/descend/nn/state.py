"""The state of a module as a dict of dotted names and NumPy arrays, and back."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from descend.core.arrays import Array, get_array_module
from descend.core.variable import Variable
from descend.cuda import as_numpy

if TYPE_CHECKING:
    from descend.nn.module import Module


class LoadResult(NamedTuple):
    """The names that `load_state_dict` passed over."""

    missing_keys: list[str]
    unexpected_keys: list[str]


def walk(module: Module, prefix: str = "") -> Iterator[tuple[str, Module]]:
    """A module and all below it with dotted names, under every name they have.

    A module that lies below itself is not entered again.
    """
    stack: list[tuple[str, Module, tuple[Module, ...]]] = [(prefix, module, ())]
    while stack:
        path, module, above = stack.pop()
        yield path, module
        children = [
            (f"{path}.{name}" if path else name, child, (*above, module))
            for name, child in module.named_children()
            if child is not module and all(child is not other for other in above)
        ]
        stack.extend(reversed(children))


def variables(module: Module) -> Iterator[tuple[str, Variable]]:
    """Every parameter and stored buffer under every name it has."""
    for path, part in walk(module):
        for own in (part.own_parameters(), part.own_buffers(stored=True)):
            for name, variable in own:
                yield f"{path}.{name}" if path else name, variable


def state_dict(module: Module) -> dict[str, np.ndarray]:
    """Every parameter and stored buffer by its name, as a NumPy array of its own."""
    return {name: np.array(as_numpy(variable.data)) for name, variable in variables(module)}


def load_state_dict(module: Module, given: Mapping[str, Any], strict: bool) -> LoadResult:
    """Take over a state; Module.load_state_dict."""
    if not isinstance(given, Mapping):
        raise TypeError(f"load_state_dict: the state is a {type(given).__name__}, a dict is needed")
    own = dict(variables(module))
    arrays, wrong = _fitting(own, given)
    missing = [name for name in own if name not in given]
    unexpected = [name for name in given if name not in own]
    complaints = []
    if strict and missing:
        complaints.append(f"missing: {', '.join(missing)}")
    if strict and unexpected:
        complaints.append(f"unexpected: {', '.join(unexpected)}")
    if wrong:
        complaints.append(f"not fitting: {', '.join(wrong)}")
    if complaints:
        lines = "".join(f"\n  {line}" for line in complaints)
        raise ValueError(
            f"load_state_dict: the state does not fit {type(module).__name__}, nothing was "
            f"changed:{lines}"
        )
    for name, array in arrays.items():
        own[name].data = array
    return LoadResult(missing, unexpected)


def _fitting(
    own: dict[str, Variable], given: Mapping[str, Any]
) -> tuple[dict[str, Array], list[str]]:
    """The given arrays, cast and moved to where they belong; and what does not fit."""
    arrays: dict[str, Array] = {}
    wrong = []
    for name, variable in own.items():
        if name not in given:
            continue
        array = as_numpy(given[name])
        if array.shape != variable.shape:
            wrong.append(f"{name} {array.shape} for {variable.shape}")
        elif not np.can_cast(array.dtype, variable.dtype, "same_kind"):
            wrong.append(f"{name} of {array.dtype} for {variable.dtype}")
        else:
            xp: Any = get_array_module(variable.data)
            arrays[name] = xp.array(array, dtype=variable.dtype)
    return arrays, wrong

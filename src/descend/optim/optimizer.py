"""What all optimizers share: groups of parameters, their state, and the walk over them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

import numpy as np

from descend.core.acceleration import accelerator
from descend.core.arrays import Array, as_array, get_array_module, is_inexact
from descend.core.config import config
from descend.core.errors import kind_of
from descend.core.variable import Variable, array_of
from descend.optim import state
from descend.optim.checks import checked

BLOCK = 131072
"""Elements that are updated at a time, so that an update's intermediate arrays stay in the cache;
smaller blocks than this cost more in calls than they save."""

OWN = frozenset(("name", "_defaults", "param_groups", "state"))
"""The attributes that every optimizer has."""

MANY = 1 << 18
"""The numbers in a group from which on its step is one native program."""


class Group(dict[str, Any]):
    """Parameters that share options: ``params``, ``lr`` (a Variable), and those of the optimizer.

    Assigning a number to ``lr`` rebinds the Variable's data, so that a recorded step sees it.
    """

    def __setitem__(self, name: str, value: Any) -> None:
        if name == "lr" and "lr" in self and not isinstance(value, Variable):
            value = checked("lr", value)
            self["lr"].data = np.asarray(value, np.float64)
        else:
            super().__setitem__(name, value)


class Optimizer:
    """The base of the optimizers.

    ``params`` are the parameters, or dicts each with a list "params" and options of its own. What
    is remembered for a parameter (`state`: moments, number of steps) and the learning rates are
    Variables without gradient.

    A step writes into the arrays of the parameters. A graph that is kept from before the step
    sees the new values: call backward() first.
    """

    param_groups: list[Group]
    state: dict[Variable, dict[str, Variable]]
    """For each parameter its number of steps and the arrays of `slots`."""

    def __init__(self, params: Iterable[Any], **options: Any) -> None:
        self.name = type(self).__name__
        self._defaults = options
        self.param_groups = []
        self.state = {}
        if isinstance(params, (Variable, Mapping)):
            raise TypeError(f"{self.name}: params is {kind_of(params)}, a list of them is needed")
        given = list(params)
        if not given:
            raise ValueError(f"{self.name}: there are no parameters; was the iterator used up?")
        groups = given if isinstance(given[0], Mapping) else [{"params": given}]
        for group in groups:
            self.add_param_group(group)

    # ---- what an optimizer defines ----------------------------------------------------------

    def check(self, group: dict[str, Any]) -> None:
        """ValueError if an option makes no sense."""

    def slots(self, group: Group) -> tuple[str, ...]:
        """The names of the arrays that are remembered for each parameter of the group."""
        return ()

    def scalars(self, group: Group, lr: Any, step: Any) -> dict[str, Any]:
        """The numbers that `update` needs in this step: Python's, or 0-d recorded arrays."""
        raise NotImplementedError(f"{self.name}: the class has no scalars")

    @staticmethod
    def update(p: Any, g: Any, *slots: Any, **scalars: Any) -> tuple[Any, ...]:
        """The new parameter and the new slots, from the gradient and the old ones.

        A function of arrays alone, of any kind, element by element. It may use ``p -= ...``: real
        arrays are then written in place, and for recorded ones Python computes new ones. Only p
        and the slots may be written.
        """
        raise NotImplementedError("the class has no update")

    # ---- parameters -------------------------------------------------------------------------

    def add_param_group(self, group: Mapping[str, Any]) -> None:
        """Train more parameters: a dict with "params", and options that differ from the others'."""
        if not isinstance(group, Mapping) or "params" not in group:
            raise TypeError(f'{self.name}: a group is a dict with "params", {kind_of(group)} came')
        unknown = [name for name in group if name != "params" and name not in self._defaults]
        if unknown:
            raise TypeError(
                f"{self.name}: there is no option {unknown[0]!r}, only {', '.join(self._defaults)}"
            )
        params = group["params"]
        whole = Group(self._defaults)
        whole.update({**self._defaults, **group})
        whole["params"] = [params] if isinstance(params, Variable) else list(params)
        self._check_params(whole["params"])
        rate = checked(f"{self.name}: lr", array_of(whole["lr"]))
        dict.__setitem__(whole, "lr", Variable(np.asarray(rate, np.float64), "lr", False))
        self.check(whole)
        self.param_groups.append(whole)
        for p in whole["params"]:
            self._begin(p, whole)

    def _check_params(self, params: list[Any]) -> None:
        seen = set(self.state)
        for i, p in enumerate(params):
            if not isinstance(p, Variable):
                raise TypeError(f"{self.name}: parameter {i} is {kind_of(p)}, a Variable is needed")
            if p.data is None or not is_inexact(p.dtype):
                kind = "no data" if p.data is None else str(p.dtype)
                raise TypeError(f"{self.name}: parameter {i} has {kind}, floating point is needed")
            if p.creator is not None:
                raise ValueError(
                    f"{self.name}: parameter {i} {p.shape} was computed from others; only leaves "
                    f"can be trained: detach() it, or train what it was computed from"
                )
            if p in seen:
                raise ValueError(f"{self.name}: parameter {i} {p.shape} came twice")
            seen.add(p)

    def _begin(self, p: Variable, group: Group) -> None:
        """The state before the first step."""
        xp = get_array_module(p.data)
        slots = {"step": Variable(np.asarray(0, np.int64), "step", requires_grad=False)}
        for name in self.slots(group):
            slots[name] = Variable(xp.zeros(p.shape, p.dtype), name, requires_grad=False)
        self.state[p] = slots

    # ---- training ---------------------------------------------------------------------------

    def zero_grad(self) -> None:
        """Forget all gradients."""
        for group in self.param_groups:
            for p in group["params"]:
                p.cleargrad()

    def step(self) -> None:
        """Move every parameter that has a gradient."""
        trace = config().trace
        if trace is not None:
            trace.depends(self.param_groups)
        for group in self.param_groups:
            if trace is not None:  # a recording holds for these options only
                trace.depends(group)
            params = [p for p in group["params"] if p.grad is not None]
            if trace is None and sum(p.size for p in params) >= MANY:
                params = self._step_together(params, group)
            for p in params:
                self._step(p, group)

    def _step_together(self, params: list[Variable], group: Group) -> list[Variable]:
        """Move the parameters by native programs; answers those that are left."""
        native = accelerator()
        if native is None:
            return params
        left: list[Variable] = []
        alike: dict[int, list[Variable]] = {}
        for p in params:  # those that have come equally far have the same scalars
            arrays = [variable.data for variable in self.state[p].values()][1:]
            self._check_fit(p, array_of(p.grad), list(self.state[p].values())[1:])
            usable = all(type(x) is np.ndarray and _is_plain(x) for x in (p.data, *arrays))
            if usable:
                alike.setdefault(int(self.state[p]["step"].data), []).append(p)
            else:
                left.append(p)
        for taken, some in alike.items():
            if not self._update_together(native, some, group, taken + 1):
                left += some
        return left

    def _update_together(
        self, native: Any, params: list[Variable], group: Group, taken: int
    ) -> bool:
        """One step of parameters that have taken equally many; False if there is no program."""
        states = [list(self.state[p].values()) for p in params]
        width = len(states[0])  # a parameter, and its slots in the place of the counter

        def update(lr: Any, step: Any, *arrays: Any) -> list[Any]:
            new: list[Any] = []
            own, gs = arrays[: width * len(params)], arrays[width * len(params) :]
            for i, g in enumerate(gs):
                p, *slots = own[width * i : width * (i + 1)]
                scalars = _in_dtype(self.scalars(group, lr, step), p.dtype)
                new += self.update(p, g, *slots, **scalars)
            return new

        arrays = [x for p, s in zip(params, states, strict=True) for x in (p, *s[1:])]
        arrays = [x.data for x in arrays]
        owned = {_owner(x) for x in arrays}
        gs = [array_of(p.grad) for p in params]
        gs = [g.copy() if _owner(g) in owned else g for g in gs]
        step = np.asarray(taken, np.int64)
        options = [(name, x) for name, x in group.items() if name not in ("params", "lr")]
        others = [(name, x) for name, x in vars(self).items() if name not in OWN]
        key = (type(self), len(params), *options, *others)
        if not native.update(update, key, [group["lr"].data, step], arrays, gs):
            return False
        for slots in states:
            slots[0].data = step.copy()
        return True

    def _step(self, p: Variable, group: Group) -> None:
        """Move one parameter."""
        counter, *slots = self.state[p].values()
        g = array_of(p.grad)
        self._check_fit(p, g, slots)
        step = as_array(counter.data + 1)
        real = isinstance(p.data, np.ndarray)
        lr = group["lr"].data
        if real:
            scalars = self.scalars(group, float(lr), int(step))
        else:
            scalars = _in_dtype(self.scalars(group, lr, step), p.dtype)
        if real:
            if not (p.data.flags.c_contiguous and p.data.flags.writeable):
                p.data = np.array(p.data, order="C")
            in_blocks(self.update, [p.data, g, *[slot.data for slot in slots]], scalars)
        else:
            new = self.update(p.data, g, *[slot.data for slot in slots], **scalars)
            for variable, array in zip((p, *slots), new, strict=True):
                variable.data = array
        counter.data = step

    def _check_fit(self, p: Variable, g: Array, slots: list[Variable]) -> None:
        """ValueError if gradient or state are not of the parameter's shape and kind."""
        if g.shape != p.shape:
            raise ValueError(f"{self.name}: grad {g.shape} does not fit the parameter {p.shape}")
        for slot in slots:
            if (
                slot.shape != p.shape
                or slot.dtype != p.dtype
                or type(slot.data) is not type(p.data)
            ):
                raise ValueError(
                    f"{self.name}: the parameter is {p.dtype} {p.shape} in {kind_of(p.data)}, its "
                    f"{slot.name} {slot.dtype} {slot.shape} in {kind_of(slot.data)}: make the "
                    f"optimizer after astype() and to_gpu()"
                )

    # ---- state ------------------------------------------------------------------------------

    def state_dict(self) -> dict[str, np.ndarray]:
        """Everything that the next steps depend on, as NumPy arrays by name.

        ``groups.0.lr`` and so on are the options of a group, ``params.0.step`` and so on what is
        remembered for a parameter, counted through all groups.
        """
        return state.state_dict(self)

    def load_state_dict(self, state_dict: Any) -> None:
        """Go on where the optimizer of that `state_dict` was, bit for bit.

        Raises ValueError that lists what is missing, unexpected or of another shape; then nothing
        was changed.
        """
        state.load_state_dict(self, state_dict)

    def __repr__(self) -> str:
        lines = [f"{self.name}("]
        for i, group in enumerate(self.param_groups):
            count = sum(p.size for p in group["params"])
            options = ", ".join(
                f"{name}={value.item() if isinstance(value, Variable) else value}"
                for name, value in group.items()
                if name != "params"
            )
            lines.append(
                f"  ({i}): {len(group['params'])} parameters, {count:,} numbers; {options}"
            )
        return "\n".join([*lines, ")"])


def in_blocks(update: Any, arrays: list[np.ndarray], scalars: dict[str, Any]) -> None:
    """Apply an update to C-contiguous arrays of one shape, block by block, in place."""
    p, g, *slots = [array.reshape(-1) for array in arrays]
    for start in range(0, p.size, BLOCK):
        part = slice(start, start + BLOCK)
        old = [p[part], *[slot[part] for slot in slots]]
        new = update(old[0], g[part], *old[1:], **scalars)
        for array, value in zip(old, new, strict=True):
            if value is not array:
                array[...] = value


def _in_dtype(scalars: dict[str, Any], dtype: Any) -> dict[str, Any]:
    """The scalars with their 0-d arrays in a parameter's dtype.

    These are not weak as Python's numbers are: they would make float64 of float32.
    """
    return {
        name: value.astype(dtype) if hasattr(value, "astype") else value
        for name, value in scalars.items()
    }


def _is_plain(x: np.ndarray) -> bool:
    """Whether a native program may write into it."""
    return x.flags.c_contiguous and x.flags.writeable and x.flags.aligned and x.dtype.isnative


def _owner(x: Any) -> int:
    """What the memory of an array belongs to."""
    return id(x if x.base is None else x.base)

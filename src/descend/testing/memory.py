"""Whose memory is written, shared, or never freed."""

from __future__ import annotations

import gc
import weakref
from collections.abc import Callable, Iterable
from typing import Any

import numpy as np

from descend.core import Function, Variable
from descend.core.backward import gradients
from descend.testing.call import Call, random_like, refusals_told


def check_untouched(
    function: Callable[..., Any], *arrays: Any, seed: int = 0, **params: Any
) -> None:
    """Raise AssertionError if forward or backward write into an array of the caller.

    The caller's are the inputs, the constants and the gradients to start from. Read-only arrays
    must do as well.
    """
    call = Call(function, arrays, params, seed).with_constants(np.copy)
    rng = np.random.default_rng(seed)
    for read_only in (False, True):
        inputs = [x.copy() for x in call.inputs]
        named = dict(zip(call.labels, inputs, strict=True))
        named |= {f"constant {i}": x for i, x in enumerate(call.constants())}
        if read_only:
            _lock(named.values())
        with _Unchanged(f"{call.name}: forward", named, read_only):
            xs, ys = call.on_variables(inputs)
        gys = [random_like(y, rng) for y in ys]
        named |= {f"grad_outputs[{i}]": gy for i, gy in enumerate(gys)}
        if read_only:
            _lock(gys)
        with _Unchanged(f"{call.name}: backward", named, read_only):
            if xs and ys:
                gradients(ys, xs, gys, allow_unused=True)


def check_no_cycles(
    function: Callable[..., Any], *arrays: Any, seed: int = 0, **params: Any
) -> None:
    """Raise AssertionError if calls or outputs outlive their last use.

    After a backward() with create_graph and a second derivative, all that was made must go as soon
    as it is let go, without the garbage collector.
    """
    call = Call(function, arrays, params, seed)
    enabled = gc.isenabled()
    gc.disable()
    try:
        alive = [made for made in _made_and_dropped(call) if made() is not None]
    finally:
        if enabled:
            gc.enable()
    if alive:
        made = alive[0]()
        kind = f"the function {made.name}" if isinstance(made, Function) else "a Variable"
        raise AssertionError(
            f"{call.name}: {kind} is still there after its last use: a reference cycle "
            f"({len(alive)} objects)"
        )


def check_no_aliases(
    function: Callable[..., Any], *arrays: Any, seed: int = 0, **params: Any
) -> None:
    """Raise AssertionError if writing into one gradient changes anything else.

    Anything else: another gradient, an input, an output, or an array that the graph keeps.
    """
    call = Call(function, arrays, params, seed)
    for create_graph in (False, True):
        xs, ys = call.on_variables([x.copy() for x in call.inputs])
        if not ys:
            return
        for y in ys:
            refusals_told(call.name, lambda y=y, more=create_graph: y.backward(create_graph=more))
        named = zip(call.labels, xs, strict=True)
        grads = [(f"the gradient to {n}", x.grad.data) for n, x in named if x.grad is not None]
        others = [*zip(call.labels, (x.data for x in xs), strict=True)]
        others += [(f"output {i}", y.data) for i, y in enumerate(ys)]
        for f in functions_behind(ys):
            others += [(f"{f.name}'s {k}", v) for k, v in f.kept.items()]
        for what, gx in grads:
            _check_alone(call.name, what, gx, [*grads, *others])
        for x in xs:
            x.cleargrad()


def functions_behind(ys: Iterable[Variable]) -> set[Function]:
    """Every call that leads to these Variables."""
    stack = [y.creator for y in ys]
    found: set[Function] = set()
    while stack:
        function = stack.pop()
        if function is None or function in found:
            continue
        found.add(function)
        stack += [e[0] for e in function.edges if e and isinstance(e[0], Function)]
    return found


def _made_and_dropped(call: Call) -> list[weakref.ref[Any]]:
    """Weak references to all that two derivatives make, which is let go on return."""
    xs, ys = call.on_variables(call.inputs)
    for y in ys:
        refusals_told(call.name, lambda y=y: y.backward(create_graph=True))
    gxs = [x.grad for x in xs if x.grad is not None]
    for gx in gxs:
        if gx.requires_grad:
            refusals_told(call.name, lambda gx=gx: gradients(gx, xs, allow_unused=True))
    made = [*functions_behind([*ys, *gxs]), *xs, *ys, *gxs]
    for x in xs:  # a gradient made with create_graph knows its input: a cycle until it is cleared
        x.cleargrad()
    return [weakref.ref(one) for one in made]


def _check_alone(name: str, what: str, gx: np.ndarray, arrays: list[tuple[str, Any]]) -> None:
    """Write into a gradient, and see whether any other array changes."""
    if not gx.flags.writeable:
        raise AssertionError(f"{name}: {what} is read-only")
    rest = [(n, a) for n, a in arrays if isinstance(a, np.ndarray) and n != what]
    before = [a.copy() for _, a in rest]
    gx += 1
    for (other, a), old in zip(rest, before, strict=True):
        if not np.array_equal(a, old, equal_nan=a.dtype.kind in "fc"):
            raise AssertionError(f"{name}: {what} and {other} share memory")
    gx -= 1


def _lock(arrays: Iterable[np.ndarray]) -> None:
    for x in arrays:
        x.flags.writeable = False


class _Unchanged:
    """A block that must leave the named arrays as they are."""

    def __init__(self, what: str, arrays: dict[str, np.ndarray], read_only: bool) -> None:
        self.what = what
        self.arrays = arrays
        self.read_only = read_only
        self.before = [x.copy() for x in arrays.values()]

    def __enter__(self) -> None:
        pass

    def __exit__(self, kind: Any, error: BaseException | None, traceback: object) -> None:
        if error is not None:
            if self.read_only and isinstance(error, ValueError):
                raise AssertionError(f"{self.what} fails on read-only arrays: {error}") from error
            return
        for (name, x), old in zip(self.arrays.items(), self.before, strict=True):
            if not np.array_equal(x, old, equal_nan=x.dtype.kind in "fc"):
                raise AssertionError(f"{self.what} writes into {name}")

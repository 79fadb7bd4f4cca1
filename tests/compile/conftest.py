"""Runs the same calls eagerly and compiled, and compares what they answer and what they leave."""

import numpy as np
import pytest

import descend
from descend import Variable
from descend.compile import tree

TOLERANCES = {2: 2e-3, 4: 2e-5, 8: 1e-9}
"""By the bytes of an element: relative to the largest one."""


def _same(got, expected, what="answer", scale=1.0):
    """Assert that two structures are the same: containers, kinds, shapes, dtypes and values."""
    ours, theirs = [], []
    assert tree.leaves(got, ours) == tree.leaves(expected, theirs), (what, got, expected)
    for i, (a, b) in enumerate(zip(ours, theirs, strict=True)):
        assert isinstance(a, Variable) == isinstance(b, Variable), f"{what} {i}: {a!r}, {b!r}"
        if isinstance(a, Variable):
            a, b = a.data, b.data
        _close(a, b, f"{what} {i}", scale)


def _close(a, b, what="", scale=1.0):
    """Assert that two arrays have one shape and dtype, and the same elements but for rounding."""
    a, b = np.asarray(a), np.asarray(b)
    assert a.shape == b.shape, f"{what}: {a.shape} compiled, {b.shape} eagerly"
    assert a.dtype == b.dtype, f"{what}: {a.dtype} compiled, {b.dtype} eagerly"
    if a.dtype.kind not in "fc":
        np.testing.assert_array_equal(a, b, what)
        return
    finite = b[np.isfinite(b)]
    itemsize = b.dtype.itemsize // (2 if b.dtype.kind == "c" else 1)
    tolerance = scale * TOLERANCES[itemsize]
    largest = float(np.abs(finite).max(initial=0))
    np.testing.assert_allclose(a, b, tolerance, tolerance * largest, err_msg=what)


def _alike(make, *calls, scale=1.0):
    """Assert that a function does the same eagerly and compiled.

    ``make()`` answers a function and a list of Variables that it may change. Each of ``calls``
    is a tuple of arguments, or a function of the Variables that is called in between. Answers the
    compiled function.
    """
    eager, left = make()
    function, right = make()
    compiled = descend.compile(function)
    for i, call in enumerate(calls):
        if callable(call):
            call(left)
            call(right)
            continue
        expected = eager(*copied(call))
        got = compiled(*copied(call))
        _same(got, expected, f"call {i}: answer", scale)
        for k, (a, b) in enumerate(zip(right, left, strict=True)):
            what = f"call {i}: Variable {k} {a.name}"
            _close(a.data, b.data, what, scale)
            assert (a.grad is None) == (b.grad is None), f"{what}: grad {a.grad!r}, {b.grad!r}"
            if a.grad is not None:
                _close(a.grad.data, b.grad.data, f"{what}: grad", scale)
    return compiled


def copied(structure):
    """The structure with arrays and Variables of its own."""

    def copy(x):
        if isinstance(x, Variable):
            return Variable(x.data.copy(), x.name, x.requires_grad)
        return x.copy()

    return tree.mapped(structure, copy)


@pytest.fixture(scope="session")
def same():
    return _same


@pytest.fixture(scope="session")
def close():
    return _close


@pytest.fixture(scope="session")
def alike():
    return _alike

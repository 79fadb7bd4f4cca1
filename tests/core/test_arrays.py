"""Kinds of arrays, and the module that computes for each."""

import types

import numpy as np
import pytest

import descend.functions as F
from descend import Parameter, Variable, get_array_module, register
from descend.core import arrays
from descend.cuda import as_cupy, as_numpy, gpu_enable, gpu_problem


def test_the_module_of_each_kind():
    assert get_array_module(np.ones(1)) is np
    assert get_array_module(1.0, [2]) is np
    assert get_array_module(Variable(np.ones(1))) is F
    assert get_array_module(np.ones(1), Parameter(np.ones(1))) is F


def test_a_kind_joins_by_register_and_its_subclasses_follow():
    class Kind:
        pass

    class Derived(Kind):
        pass

    module = types.ModuleType("kind")
    assert get_array_module(Derived()) is np
    register(Kind, module)
    try:
        assert get_array_module(Kind()) is module
        assert get_array_module(Derived()) is module
        assert arrays.is_array(Derived())
    finally:
        arrays.ARRAY_TYPES.remove(Kind)
        for kind in (Kind, Derived):
            arrays.MODULES.pop(kind, None)


def test_sum_to_undoes_broadcasting():
    x = np.ones((2, 3, 4))
    assert arrays.sum_to(x, (2, 3, 4)) is x
    np.testing.assert_array_equal(arrays.sum_to(x, (3, 1)), np.full((3, 1), 8))
    np.testing.assert_array_equal(arrays.sum_to(x, ()), 24)


def test_as_numpy_of_everything():
    for x in (np.ones(2), Variable(np.ones(2)), [1.0, 1.0], np.float64(1)):
        assert type(as_numpy(x)) is np.ndarray


def test_no_gpu_is_said_in_a_sentence():
    if gpu_enable():
        pytest.skip("there is a GPU")
    assert "CuPy" in gpu_problem()
    with pytest.raises(RuntimeError, match="to_gpu: CuPy"):
        as_cupy(np.ones(1))


def test_a_broken_cupy_is_in_nobodys_way(monkeypatch):
    broken = types.ModuleType("cupy")
    monkeypatch.setitem(__import__("sys").modules, "cupy", broken)
    assert not gpu_enable()
    assert gpu_problem().startswith("CuPy is installed and does not work")
    assert (Variable(np.ones(2)) * 2).data.tolist() == [2, 2]

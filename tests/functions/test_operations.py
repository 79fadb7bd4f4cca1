"""Every operation on every sample: the value by another way, and all that check_function checks."""

import ast
import importlib.util
import inspect
import pathlib

import numpy as np
import pytest

import descend.functions as F
from descend.core import CONTRACT
from descend.functions.registry import OPERATIONS
from descend.testing import check_function

_spec = importlib.util.spec_from_file_location(
    "references", pathlib.Path(__file__).with_name("references.py")
)
references = importlib.util.module_from_spec(_spec)
_spec.loader.exec_module(references)

CASES = [
    pytest.param(operation, sample, id=f"{operation.name}-{i}")
    for operation in OPERATIONS.values()
    for i, sample in enumerate(operation.samples)
]

WITHOUT_VARIABLES = {
    "arange", "asarray", "bool", "empty", "empty_like", "float32", "float64", "full",
    "int64", "ones", "sort", "zeros",
}  # fmt: skip
"""Names of the contract that rules do not use on Variables: they make arrays out of nothing, name a
dtype, or wait for their operation."""


@pytest.mark.parametrize(("operation", "sample"), CASES)
def test_value(operation, sample):
    expected = references.reference(operation.name)(*sample.arrays(), **sample.params)
    got = operation.function(*sample.arrays(), **sample.params)
    several = isinstance(got, (tuple, list))
    for y, value in zip(got, expected, strict=True) if several else [(got, expected)]:
        assert type(y) is np.ndarray and y.shape == np.shape(value)
        np.testing.assert_allclose(y, value, rtol=1e-10, atol=1e-12)


@pytest.mark.parametrize(("operation", "sample"), CASES)
def test_function(operation, sample):
    check_function(operation.function, sample, order=sample.order)


@pytest.mark.parametrize("name", OPERATIONS)
def test_declaration(name):
    operation = OPERATIONS[name]
    assert getattr(F, name) is operation.function, f"{name} is not exported from descend.functions"
    assert operation.function.__name__ == name
    assert operation.samples, f"{name} has no sample"
    doc = operation.function.__doc__
    assert doc and doc.partition("\n")[0].strip(), f"{name} has no docstring"
    assert ">>> " in doc, f"{name} has no example"
    assert references.reference(name), f"{name} has no reference: write one in references.py"


def test_what_the_namespace_has_of_numpys_names_answers_like_numpy():
    for name in CONTRACT:
        assert hasattr(np, name), name
    missing = {name for name in CONTRACT if not hasattr(F, name)}
    assert missing <= WITHOUT_VARIABLES


# ---- the contract -----------------------------------------------------------------------------


def names_of_array_modules(tree):
    """The attributes that code asks of ``xp`` or ``get_array_module(...)``, with their lines."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Attribute):
            owner = node.value
            called = isinstance(owner, ast.Call) and isinstance(owner.func, ast.Name)
            if called and owner.func.id == "get_array_module":
                yield node.attr, node.lineno
            elif isinstance(owner, ast.Name) and owner.id == "xp":
                yield node.attr, node.lineno


SHARED_WITH_CUPY = {"fft", "lib", "linalg"}
"""Modules of NumPy and CuPy, beyond the contract: ``lib.stride_tricks`` views windows."""

SOURCES = sorted(pathlib.Path(inspect.getfile(F)).parent.rglob("*.py"))


@pytest.mark.parametrize("path", SOURCES, ids=[path.stem for path in SOURCES])
def test_array_modules_are_asked_for_names_of_the_contract_only(path):
    outside = {
        f"{path.name}:{line} {name}"
        for name, line in names_of_array_modules(ast.parse(path.read_text()))
        if name not in CONTRACT and name not in SHARED_WITH_CUPY
    }
    assert not outside


def test_the_reader_of_sources_sees_both_ways_of_asking():
    tree = ast.parse("xp.vdot(x)\nget_array_module(x, y).sinc(x)\nxp.add.at(y, i, x)\nF.norm(x)")
    assert dict(names_of_array_modules(tree)) == {"vdot": 1, "sinc": 2, "add": 3}


def test_methods_named_by_a_class_are_in_the_contract():
    """Rules that ask for ``getattr(xp, self.name)`` instead of writing the name."""
    asked = {
        operation.name
        for operation in OPERATIONS.values()
        if operation.primitive and "self.name)" in inspect.getsource(operation.primitive.forward)
    }
    assert asked
    assert asked <= set(CONTRACT)

"""Names that every doctest may use."""

import numpy as np
import pytest

import descend
import descend.functions as F


@pytest.fixture(autouse=True)
def _doctest_names(doctest_namespace):
    doctest_namespace.update(np=np, descend=descend, F=F, Variable=descend.Variable)
    doctest_namespace.update(gradients=descend.gradients, grad=descend.grad)

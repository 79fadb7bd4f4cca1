"""What has no derivative: comparisons, tests, positions, and arrays of one value.

Variables are taken for the arrays they hold. Comparisons, tests and positions answer arrays;
``zeros_like`` and its kin answer what they were given: for a Variable a constant one.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from descend.core.arrays import Overriding, as_array, get_array_module
from descend.core.errors import kind_of
from descend.core.variable import Variable, array_of


def _of_values(name: str) -> Callable[..., Any]:
    """The array module's function of that name, applied to the values."""

    def function(*xs: Any, **params: Any) -> Any:
        values = [array_of(x) for x in xs]
        params = {key: array_of(x) for key, x in params.items()}
        module = get_array_module(*values)
        found = getattr(module, name)
        if found is function:  # a kind of array that takes what it has not from here
            kind = next(kind_of(x) for x in values if get_array_module(x) is module)
            raise TypeError(f"{name}: {kind} came, for which there is none")
        return found(*values, **params)

    function.__name__ = function.__qualname__ = name
    function.__doc__ = f"NumPy's {name} of the values; it has no derivative."
    return function


greater = _of_values("greater")
greater_equal = _of_values("greater_equal")
less = _of_values("less")
less_equal = _of_values("less_equal")
equal = _of_values("equal")
not_equal = _of_values("not_equal")
logical_and = _of_values("logical_and")
logical_or = _of_values("logical_or")
logical_not = _of_values("logical_not")
isfinite = _of_values("isfinite")
isinf = _of_values("isinf")
isnan = _of_values("isnan")
argmax = _of_values("argmax")
argmin = _of_values("argmin")
argsort = _of_values("argsort")
any = _of_values("any")
all = _of_values("all")
nonzero = _of_values("nonzero")
argwhere = _of_values("argwhere")
flatnonzero = _of_values("flatnonzero")
count_nonzero = _of_values("count_nonzero")
unique = _of_values("unique")
isclose = _of_values("isclose")
allclose = _of_values("allclose")
array_equal = _of_values("array_equal")
isin = _of_values("isin")
searchsorted = _of_values("searchsorted")
digitize = _of_values("digitize")
histogram = _of_values("histogram")


def zeros_like(x: Any) -> Any:
    """Zeros in the shape and dtype of x."""
    return _filled(x, 0)


def ones_like(x: Any) -> Any:
    """Ones in the shape and dtype of x."""
    return _filled(x, 1)


def full_like(x: Any, fill_value: Any) -> Any:
    """``fill_value`` in the shape and dtype of x."""
    return _filled(x, fill_value)


def stop_gradient(x: Any) -> Any:
    """x as a constant: what is computed from it has no gradient to x."""
    return x.detach() if isinstance(x, Variable | Overriding) else x


def _filled(x: Any, value: Any) -> Any:
    array = as_array(array_of(x))
    y = get_array_module(array).full_like(array, value)
    return Variable(y, requires_grad=False) if isinstance(x, Variable) else y

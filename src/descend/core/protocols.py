"""NumPy's functions called with a Variable: the differentiable function of that name answers.

What has none refuses with a sentence; nothing turns into an object array.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from descend.core.arrays import MODULES
from descend.core.config import config
from descend.core.errors import kind_of

UFUNC_NAMES = {
    "_riemann_zeta": "zeta",
    "_zeta": "zeta",
    "absolute": "abs",
    "conjugate": "conj",
    "degrees": "rad2deg",
    "log_expit": "logsigmoid",
    "psi": "digamma",
    "radians": "deg2rad",
}
"""What NumPy's and SciPy's ufuncs call themselves where the function has another name here."""

OF_MODULES: dict[tuple[str | None, str], str] = {
    ("numpy", "around"): "round",
    ("numpy.linalg", "norm"): "linalg_norm",
    ("numpy.linalg", "diagonal"): "linalg_diagonal",
    ("numpy.linalg", "trace"): "linalg_trace",
}
"""NumPy's functions that have another name here, or mean something else than those of theirs."""


def array(self: Any, dtype: Any = None, copy: bool | None = None) -> np.ndarray:
    """The values as an ndarray: of a constant, or where nothing is remembered.

    Elsewhere whatever is computed with them would silently have no gradient.
    """
    if self.data is None:
        raise TypeError("np.asarray: the Variable holds None")
    if self.requires_grad and config().enable_backprop:
        raise TypeError(
            "np.asarray: a Variable came, whose gradient would be lost: leave the conversion out, "
            "or take v.data, the array, on purpose"
        )
    return np.array(self.data, dtype=dtype, copy=copy)


def array_ufunc(self: Any, ufunc: Any, method: str, *inputs: Any, **options: Any) -> Any:
    """``np.sin(v)``, ``array * v``, ``scipy.special.erf(v)``."""
    name = UFUNC_NAMES.get(ufunc.__name__) or str(ufunc.__name__)
    if method != "__call__":
        raise TypeError(f"numpy.{name}.{method}: no such function for a Variable; use v.data")
    given = [key for key, value in options.items() if value is not None]
    if given:
        came = " and ".join(f"{key}=" for key in given)
        raise TypeError(f"numpy.{name}: {came} came, which a Variable cannot follow: leave it out")
    return _function(self, name)(*inputs)


def array_function(self: Any, func: Any, types: Any, args: Any, kwargs: Any) -> Any:
    """``np.sum(v, axis=1)``, ``np.concatenate([v, w])``."""
    if kwargs.get("out") is not None:
        raise TypeError(f"numpy.{func.__name__}: out= came, which a Variable cannot follow")
    if func.__name__ in ("shape", "ndim", "size"):
        return getattr(args[0], func.__name__)
    name = str(func.__name__)
    name = OF_MODULES.get((func.__module__, name), name)
    return _function(self, name)(*args, **kwargs)


def _function(self: Any, name: str) -> Any:
    function = getattr(MODULES[type(self)], name, None)
    if not callable(function):
        raise TypeError(
            f"numpy.{name}: {kind_of(self)} came, and there is no differentiable {name}; "
            f"v.data is the array"
        )
    return function

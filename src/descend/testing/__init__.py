"""Checks of differentiable functions, for the tests of descend and of those who extend it.

    from descend.testing import check_function

    def test_softplus():
        check_function(softplus, np.linspace(-3, 3, 7))

`check_function` makes every check; each is there by itself too. They raise AssertionError with a
sentence that says what is wrong, and answer nothing when all is well.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from descend.functions.registry import Sample as Sample
from descend.testing.derivatives import check_constants as check_constants
from descend.testing.derivatives import check_derivatives as check_derivatives
from descend.testing.derivatives import numerical_gradient as numerical_gradient
from descend.testing.kinds import check_dtypes as check_dtypes
from descend.testing.kinds import check_strides as check_strides
from descend.testing.kinds import check_values as check_values
from descend.testing.memory import check_no_aliases as check_no_aliases
from descend.testing.memory import check_no_cycles as check_no_cycles
from descend.testing.memory import check_untouched as check_untouched


def check_function(
    function: Callable[..., Any],
    *arrays: Any,
    order: int = 3,
    rtol: float = 1e-6,
    atol: float = 1e-8,
    seed: int = 0,
    **params: Any,
) -> None:
    """Raise AssertionError unless ``function`` is a sound differentiable function at ``arrays``.

    ``arrays`` are its positional arguments, or one `Sample`; ``params`` go to it by name. Float64
    arrays, and lists of them, are differentiated. Numbers, integer arrays and all else are
    constants; ``as_variable(array)`` makes a float array one.

    Checked are the derivatives up to ``order`` against finite differences (`check_derivatives`)
    and with some inputs constant (`check_constants`), values on arrays and Variables
    (`check_values`), dtypes (`check_dtypes`), views of any strides (`check_strides`), and that no
    array of the caller is written (`check_untouched`), no two gradients share memory
    (`check_no_aliases`), and nothing is left behind (`check_no_cycles`).
    The arrays should keep away from kinks, where finite differences mean nothing.

    >>> check_function(F.tanh, np.array([-1.0, 0.0, 2.0]))
    >>> check_function(lambda x: F.stop_gradient(x) * x, np.array([1.0]))
    Traceback (most recent call last):
    AssertionError: <lambda>: the first derivative to argument 0 is wrong: at (0,) of (1,) the \
rule gives 1.13696169, finite differences give 2.27392337 (of the outputs weighted at random)
    """
    check_values(function, *arrays, seed=seed, **params)
    check_derivatives(function, *arrays, order=order, rtol=rtol, atol=atol, seed=seed, **params)
    check_constants(function, *arrays, order=order, seed=seed, **params)
    for check in (check_dtypes, check_strides, check_untouched, check_no_aliases, check_no_cycles):
        check(function, *arrays, seed=seed, **params)

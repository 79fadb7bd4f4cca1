"""The elementwise operations that are calls of C functions: SciPy's special functions.

They are named as SciPy names them. A kernel calls them element by element (`calls`), in float64.
"""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any

from descend.compile.machine import foreign

MODULE = "scipy.special.cython_special"
ARITIES: dict[str, int] = {
    **dict.fromkeys(
        """
        gammaln gamma rgamma psi loggamma erfc erfcx erfinv erfcinv erfi dawsn ndtr ndtri log_ndtr
        i0 i0e i1 i1e j0 j1 y0 y1 k0 k0e k1 k1e expi exp1 ellipk ellipe spence exprel
        """.split(),
        1,
    ),
    **dict.fromkeys(
        """
        beta betaln gammainc gammaincc gammaincinv gammainccinv zeta jv jve yv yve iv ive kv kve
        stdtr stdtrit chdtr chdtrc poch binom
        """.split(),
        2,
    ),
    **dict.fromkeys("betainc betaincinv".split(), 3),
}
"""The functions and how many operands they have."""


@functools.cache
def symbol(name: str) -> str | None:
    """The C function of float64 numbers behind an operation; None if this SciPy has none.

    >>> symbol("gammaln")
    'scipy.special.cython_special:gammaln'
    """
    if name == "zeta":
        return "hurwitz_zeta"  # our own: SciPy exports none
    numbers = ", ".join(["double"] * ARITIES[name])
    for variant in (name, f"__pyx_fuse_0{name}", f"__pyx_fuse_1{name}"):
        found = f"{MODULE}:{variant}"
        if foreign.signature(found) == f"double ({numbers}, int __pyx_skip_dispatch)":
            return found
    return None


def value(name: str) -> Callable[..., Any]:
    """SciPy's own function of arrays."""

    def function(*xs: Any) -> Any:
        import scipy.special  # pyright: ignore[reportMissingTypeStubs]

        return getattr(scipy.special, name)(*xs)

    return function

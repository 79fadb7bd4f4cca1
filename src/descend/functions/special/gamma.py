"""The gamma function and its kin: beta, incomplete gamma, and zeta functions.

Formulas are from the NIST Digital Library of Mathematical Functions (DLMF), chapters 5, 8 and 25.
"""

from __future__ import annotations

from math import log, nan, pi
from typing import Any

import numpy as np

from descend import functions as F
from descend.core.arrays import get_array_module
from descend.core.function import Function
from descend.functions.elementwise.arithmetic import POSITIVE, Broadcasting
from descend.functions.registry import Sample, composition, primitive
from descend.functions.special.errors import Special, scipys

BETWEEN_POLES = (*POSITIVE, Sample((3,), low=-0.8, high=-0.2))
PAIRS = (
    Sample((3, 4), (4,), low=0.5, high=3),
    Sample((), (3,), low=0.5, high=3),
    Sample((3,), 2.0, low=0.5, high=3),
    Sample(1.5, (3,), low=0.5, high=3),
    Sample((0, 3), (3,)),
)
ORDERS = (
    Sample(2.5, (3, 4), low=0.5, high=3),
    Sample(np.array([[0.5], [3.0]]), (3,), low=0.5, high=3),
    Sample(1, (0, 3)),
)


class Gammaln(Special):
    """log(abs(gamma(x))), infinite at 0, -1, -2, ...

    >>> F.gammaln(np.array([0.5, 4.0, 1000.0]))
    array([5.72364943e-01, 1.79175947e+00, 5.90522042e+03])
    """

    samples = BETWEEN_POLES

    def backward(self, gy, *, x):
        return gy * F.digamma(x)


class Digamma(Special):
    """The derivative of log(gamma(x)); SciPy's psi.

    >>> F.digamma(np.array([1.0, 10.0]))
    array([-0.57721566,  2.25175259])
    """

    samples = BETWEEN_POLES

    def backward(self, gy, *, x):
        return gy * F.polygamma(1, x)


class Polygamma(Function):
    """The n-th derivative of digamma, for whole n from 0 on.

    (-1)**(n + 1) n! zeta(n + 1, x) for n > 0 (DLMF 25.11.12). There is no derivative to n.

    >>> F.polygamma(1, np.array([1.0, 2.0]))
    array([1.64493407, 0.64493407])
    """

    elementwise = True
    samples = (
        Sample(0, (3,), low=0.5, high=3),
        Sample(1, (3, 4), low=0.5, high=3),
        Sample(np.array([[0], [1], [3]]), (2,), low=0.5, high=3),
        Sample(2, (3,), low=-0.8, high=-0.2),
        Sample(1, (0, 3)),
    )

    def forward(self, n, x):
        xp = get_array_module(n, x)
        n = 1.0 * n
        higher = (2 * (n % 2) - 1) * scipys("gamma", n + 1) * scipys("zeta", n + 1, x)
        if not _are_orders(n):
            raise ValueError("n is refused")  # in the words of complaint
        y = xp.where(n == 0, scipys("digamma", x), higher)
        dtype = getattr(x, "dtype", np.dtype(float))
        return y.astype(dtype if dtype.kind == "f" else np.float64, copy=False)

    def backward(self, gy, *, n, x):
        _refuse(self, 0, "n, which counts derivatives")
        return None, gy * F.polygamma(n + 1, x)

    def complaint(self, n: Any, x: Any) -> str | None:
        """Name the orders that are none."""
        return None if _are_orders(n) else f"n is {n}, whole numbers from 0 on are needed"


class Gamma(Special):
    """The gamma function: (x - 1)! at whole numbers above 0, infinite or NaN at the others.

    >>> F.gamma(np.array([0.5, 1.0, 5.0]))
    array([ 1.77245385,  1.        , 24.        ])
    """

    samples = BETWEEN_POLES

    def backward(self, gy, *, x, y):
        return gy * (y * F.digamma(x))


class Beta(Broadcasting):
    """gamma(x0) * gamma(x1) / gamma(x0 + x1).

    >>> F.beta(np.array([1.0, 2.0]), 3.0)
    array([0.33333333, 0.08333333])
    """

    elementwise = True
    samples = PAIRS

    def forward(self, x0, x1):
        return scipys("beta", x0, x1)

    def backward(self, gy, *, x0, x1, y):
        return _to_both(self, gy * y, x0, x1)


class Betaln(Broadcasting):
    """log(abs(beta(x0, x1))).

    >>> F.betaln(np.array([1.0, 200.0]), 300.0)
    array([  -5.70378247, -337.98011307])
    """

    elementwise = True
    samples = PAIRS

    def forward(self, x0, x1):
        return scipys("betaln", x0, x1)

    def backward(self, gy, *, x0, x1):
        return _to_both(self, gy, x0, x1)


class Gammainc(Broadcasting):
    """The regularized lower incomplete gamma function P(x0, x1), for x0 > 0 and x1 >= 0.

    The integral of t**(x0 - 1) exp(-t) from 0 to x1, over gamma(x0). Its derivative to x1 is
    x1**(x0 - 1) exp(-x1) / gamma(x0) (DLMF 8.8.13). There is none to x0 in closed form.

    >>> F.gammainc(2.0, np.array([0.0, 2.0, 100.0]))
    array([0.        , 0.59399415, 1.        ])
    """

    elementwise = True
    samples = ORDERS

    def forward(self, x0, x1):
        return scipys("gammainc", x0, x1)

    def backward(self, gy, *, x0, x1):
        _refuse(self, 0, "x0 in closed form")
        return None, gy * F.exp(F.xlogy(x0 - 1, x1) - x1 - F.gammaln(x0))


class Gammaincc(Broadcasting):
    """The regularized upper incomplete gamma function: 1 - gammainc(x0, x1), exact for large x1.

    >>> F.gammaincc(2.0, np.array([0.0, 2.0, 100.0]))
    array([1.00000000e+00, 4.06005850e-01, 3.75727674e-42])
    """

    elementwise = True
    samples = ORDERS

    def forward(self, x0, x1):
        return scipys("gammaincc", x0, x1)

    def backward(self, gy, *, x0, x1):
        _refuse(self, 0, "x0 in closed form")
        return None, -gy * F.exp(F.xlogy(x0 - 1, x1) - x1 - F.gammaln(x0))


class Zeta(Function):
    """The Hurwitz zeta function, the sum of (q + k)**(-s) over k = 0, 1, ..., for s > 1.

    Without ``q`` it is Riemann's zeta function, for s below 1 too. The derivative to q is
    -s zeta(s + 1, q) (DLMF 25.11.17). There is none to s in closed form.

    >>> F.zeta(2, np.array([1.0, 2.0]))
    array([1.64493407, 0.64493407])
    >>> F.zeta(np.array([2.0, -1.0]))
    array([ 1.64493407, -0.08333333])
    """

    elementwise = True
    samples = (
        Sample(2.5, (3, 4), low=0.5, high=3),
        Sample(np.array([[2.0], [3.5]]), (3,), low=0.5, high=3),
        Sample(np.array([2.0, 3.5, 0.5, -2.5])),
        Sample(2, (0, 3)),
    )

    def forward(self, s, q=None):
        return scipys("zeta", s) if q is None else scipys("zeta", s, q)

    def backward(self, gy, *, s, q):
        _refuse(self, 0, "s in closed form")
        return None, gy * (-s * F.zeta(s + 1, q))


def _are_orders(n: Any) -> bool:
    """Whether these are whole numbers from 0 on."""
    n = get_array_module(n).asarray(n)
    return bool(((n >= 0) & (n % 1 == 0)).all())


def _to_both(function: Function, gy: Any, x0: Any, x1: Any) -> tuple[Any, Any]:
    """The gradients of log(beta(x0, x1)), of which that of the output is ``gy``."""
    both = F.digamma(x0 + x1)
    gx0 = gy * (F.digamma(x0) - both) if function.edges[0] else None
    return gx0, gy * (F.digamma(x1) - both) if function.edges[1] else None


def _refuse(function: Function, index: int, what: str) -> None:
    """NotImplementedError if the gradient of this input is wanted."""
    if function.edges[index]:
        raise NotImplementedError(
            f"{function.name}: there is no derivative to {what}; detach() it to treat it as a "
            f"constant"
        )


gammaln = primitive(Gammaln)
digamma = primitive(Digamma)
polygamma = primitive(Polygamma)
gamma = primitive(Gamma)
beta = primitive(Beta)
betaln = primitive(Betaln)
gammainc = primitive(Gammainc)
gammaincc = primitive(Gammaincc)
zeta = primitive(Zeta)


@composition(
    Sample((3, 4), 2, low=1, high=3),
    Sample((), 3, low=1.5, high=3),
    Sample((0, 3), 1),
)
def multigammaln(a, d):
    """The logarithm of the multivariate gamma function of dimension ``d``; NaN for a <= (d-1) / 2.

    d (d - 1) / 4 log(pi) plus the sum of gammaln(a - j / 2) over j = 0, ..., d - 1 (DLMF 35.3.4).

    >>> F.multigammaln(np.array([2.5, 4.0]), 2)
    array([0.85704781, 3.56509801])
    """
    if d != int(d) or d < 1:
        raise ValueError(f"multigammaln: d is {d}, a whole number from 1 on is needed")
    a = F.where(F.greater(a, (d - 1) / 2), a, nan)
    terms = [gammaln(a - j / 2) for j in range(int(d))]
    return sum(terms, start=d * (d - 1) / 4 * log(pi))

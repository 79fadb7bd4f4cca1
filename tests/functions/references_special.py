"""Special functions with 50 digits, by mpmath."""

import mpmath
import numpy as np
from mpmath import mp


def of(function):
    """A function of mpmath's numbers for arrays; ``exact`` is what it was made of."""

    def rounded(*xs):
        with mpmath.workdps(50):
            return float(mp.re(function(*map(mp.mpf, xs))))

    elements = np.vectorize(rounded, otypes=[float])

    def reference(*xs):
        return elements(*xs)

    reference.exact = function
    return reference


# ---- exponentials, logarithms, roots ----------------------------------------------------------

rsqrt = of(lambda x: 1 / mp.sqrt(x))
xlogy = of(lambda x0, x1: x0 * mp.log(x1) if x0 else mp.mpf(0))
xlog1py = of(lambda x0, x1: x0 * mp.log(1 + x1) if x0 else mp.mpf(0))
entr = of(lambda x: -x * mp.log(x))
logit = of(lambda x: mp.log(x / (1 - x)))

# ---- error functions and the normal distribution ----------------------------------------------

erfc = of(mp.erfc)
erfcx = of(lambda x: mp.exp(x * x) * mp.erfc(x))
erfinv = of(mp.erfinv)
ndtr = of(mp.ncdf)
ndtri = of(lambda p: mp.sqrt(2) * mp.erfinv(2 * p - 1))
log_ndtr = of(lambda x: mp.log(mp.erfc(-x / mp.sqrt(2)) / 2))

# ---- gamma functions --------------------------------------------------------------------------

gammaln = of(lambda x: mp.log(abs(mp.gamma(x))))
digamma = of(mp.digamma)
polygamma = of(lambda n, x: mp.psi(int(n), x))
gamma = of(mp.gamma)
beta = of(mp.beta)
betaln = of(lambda x0, x1: mp.log(abs(mp.beta(x0, x1))))
gammainc = of(lambda a, x: mp.gammainc(a, 0, x, regularized=True))
gammaincc = of(lambda a, x: mp.gammainc(a, x, mp.inf, regularized=True))
zeta = of(lambda s, q=1: mp.zeta(s, q))


def multigammaln(a, d):
    terms = [gammaln(a - j / 2) for j in range(d)]
    return d * (d - 1) / 4 * np.log(np.pi) + sum(terms)


# ---- Bessel functions -------------------------------------------------------------------------

j0 = of(lambda x: mp.besselj(0, x))
j1 = of(lambda x: mp.besselj(1, x))
i0 = of(lambda x: mp.besseli(0, x))
i1 = of(lambda x: mp.besseli(1, x))
i0e = of(lambda x: mp.exp(-abs(x)) * mp.besseli(0, x))
i1e = of(lambda x: mp.exp(-abs(x)) * mp.besseli(1, x))

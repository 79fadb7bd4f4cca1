"""Logarithms and exponentials to other bases, and sums and products with logarithms in them."""

from __future__ import annotations

from math import log as natural

from descend import functions as F
from descend.core.arrays import conj, get_array_module
from descend.core.function import Function
from descend.functions.elementwise.arithmetic import BINARY, POSITIVE, UNARY, Broadcasting
from descend.functions.networks.activation import sigmoid
from descend.functions.registry import Sample, primitive
from descend.functions.special.errors import scipys

FACTORS = (
    Sample((3, 4), (4,), low=0.3, high=3),
    Sample((), (3,), low=0.3, high=3),
    Sample(0.0, (3,), low=0.3, high=3),
    Sample((3,), 2.0),
    Sample((0, 3), (3,)),
)


class Exp2(Function):
    """2 to the power x.

    >>> F.exp2(np.array([3.0, -1.0]))
    array([8. , 0.5])
    """

    elementwise = True
    samples = UNARY

    def forward(self, x):
        return get_array_module(x).exp2(x)

    def backward(self, gy, *, y):
        return gy * (natural(2) * conj(y))


class Log2(Function):
    """The logarithm to base 2.

    >>> F.log2(np.array([8.0, 0.5]))
    array([ 3., -1.])
    """

    elementwise = True
    samples = POSITIVE

    def forward(self, x):
        return get_array_module(x).log2(x)

    def backward(self, gy, *, x):
        return gy / (natural(2) * conj(x))


class Log10(Function):
    """The logarithm to base 10.

    >>> F.log10(np.array([1000.0, 0.1]))
    array([ 3., -1.])
    """

    elementwise = True
    samples = POSITIVE

    def forward(self, x):
        return get_array_module(x).log10(x)

    def backward(self, gy, *, x):
        return gy / (natural(10) * conj(x))


class LogAddExp(Broadcasting):
    """log(exp(x0) + exp(x1)), without overflow.

    Where both are the same infinity, the value is that and the derivatives are 0.

    >>> F.logaddexp(np.array([1000.0, -np.inf]), np.array([1000.0, -np.inf]))
    array([1000.69314718,          -inf])
    """

    name = "logaddexp"
    elementwise = True
    samples = (*BINARY, Sample((3,), (3,), low=-400, high=400))
    log_of_base = 1.0

    def forward(self, x0, x1):
        return get_array_module(x0, x1).logaddexp(x0, x1)

    def backward(self, gy, *, x0, x1):
        lost = F.isinf(x0) & (x0 == x1)  # infinity - infinity would be NaN
        difference = F.where(lost, 0, x0) - F.where(lost, 0, x1)
        difference = self.log_of_base * difference
        gy = F.where(lost, 0, gy)
        gx0 = gy * F.sigmoid(difference) if self.edges[0] else None
        return gx0, gy * F.sigmoid(-difference) if self.edges[1] else None


class LogAddExp2(LogAddExp):
    """log2(2**x0 + 2**x1), without overflow.

    Where both are the same infinity, the value is that and the derivatives are 0.

    >>> F.logaddexp2(np.array([2000.0, 3.0]), np.array([2000.0, 3.0]))
    array([2001.,    4.])
    """

    name = "logaddexp2"
    log_of_base = natural(2)

    def forward(self, x0, x1):
        return get_array_module(x0, x1).logaddexp2(x0, x1)


class XLogY(Broadcasting):
    """x0 * log(x1), which is 0 where x0 is 0, unless x1 is NaN.

    The derivatives are log(x1) and x0 / x1; both are 0 where x0 is 0 and x1 is not positive.

    >>> F.xlogy(np.array([0.0, 2.0]), np.array([0.0, 1.0]))
    array([0., 0.])
    """

    name = "xlogy"
    elementwise = True
    samples = FACTORS

    def forward(self, x0, x1):
        return scipys("xlogy", x0, x1)

    def backward(self, gy, *, x0, x1):
        lost = (x0 == 0) & (x1 <= 0)
        gy, x1 = F.where(lost, 0, gy), F.where(lost, 1, x1)
        return gy * F.log(x1) if self.edges[0] else None, gy * (x0 / x1) if self.edges[1] else None


class XLog1pY(Broadcasting):
    """x0 * log(1 + x1), exact for small x1, which is 0 where x0 is 0, unless x1 is NaN.

    The derivatives are log(1 + x1) and x0 / (1 + x1); both are 0 where x0 is 0 and x1 is not above
    -1.

    >>> F.xlog1py(np.array([0.0, 2.0]), np.array([-1.0, 1e-12]))
    array([0.e+00, 2.e-12])
    """

    name = "xlog1py"
    elementwise = True
    samples = FACTORS

    def forward(self, x0, x1):
        return scipys("xlog1py", x0, x1)

    def backward(self, gy, *, x0, x1):
        lost = (x0 == 0) & (x1 <= -1)
        gy, x1 = F.where(lost, 0, gy), F.where(lost, 0, x1)
        gx0 = gy * F.log1p(x1) if self.edges[0] else None
        return gx0, gy * (x0 / (1 + x1)) if self.edges[1] else None


class Entr(Function):
    """The entropy -x * log(x), 0 at 0 and -infinity below; its derivative at 0 is infinite.

    >>> F.entr(np.array([0.0, 0.5, -1.0]))
    array([0.        , 0.34657359,       -inf])
    """

    elementwise = True
    samples = POSITIVE

    def forward(self, x):
        return scipys("entr", x)

    def backward(self, gy, *, x):
        return -gy * (F.log(x) + 1)


class Logit(Function):
    """log(x / (1 - x)), the inverse of `sigmoid` (or `expit`): infinite at 0 and 1, NaN beyond.

    >>> F.logit(np.array([0.0, 0.5, 0.75]))
    array([      -inf, 0.        , 1.09861229])
    """

    elementwise = True
    samples = (Sample((3, 4), low=0.2, high=0.8), Sample((), low=0.2, high=0.8), Sample((0, 3)))

    def forward(self, x):
        return scipys("logit", x)

    def backward(self, gy, *, x):
        return gy / (x * (1 - x))


exp2 = primitive(Exp2)
log2 = primitive(Log2)
log10 = primitive(Log10)
logaddexp = primitive(LogAddExp)
logaddexp2 = primitive(LogAddExp2)
xlogy = primitive(XLogY)
xlog1py = primitive(XLog1pY)
entr = primitive(Entr)
logit = primitive(Logit)
expit = sigmoid

"""Exponentials, logarithms and trigonometry of each element."""

from __future__ import annotations

from descend.core.arrays import conj, get_array_module
from descend.core.function import Function
from descend.functions.elementwise.arithmetic import POSITIVE, UNARY
from descend.functions.registry import primitive


class Exp(Function):
    """e to the power x.

    >>> F.exp(np.array([0.0, 1.0]))
    array([1.        , 2.71828183])
    """

    elementwise = True
    samples = UNARY
    native_forward = True

    def forward(self, x):
        return get_array_module(x).exp(x)

    def backward(self, gy, *, y):
        return gy * conj(y)


class Expm1(Function):
    """exp(x) - 1, exact for small x.

    >>> F.expm1(np.array([0.0, 1e-12]))
    array([0.e+00, 1.e-12])
    """

    elementwise = True
    samples = UNARY
    native_forward = True

    def forward(self, x):
        return get_array_module(x).expm1(x)

    def backward(self, gy, *, y):
        return gy * conj(y + 1)


class Log(Function):
    """The natural logarithm.

    >>> x = Variable(np.array(4.0))
    >>> F.log(x).backward()
    >>> x.grad
    Variable(0.25)
    """

    elementwise = True
    samples = POSITIVE
    native_forward = True

    def forward(self, x):
        return get_array_module(x).log(x)

    def backward(self, gy, *, x):
        return gy / conj(x)


class Log1p(Function):
    """log(1 + x), exact for small x.

    >>> F.log1p(np.array([0.0, 1e-12]))
    array([0.e+00, 1.e-12])
    """

    elementwise = True
    samples = POSITIVE
    native_forward = True

    def forward(self, x):
        return get_array_module(x).log1p(x)

    def backward(self, gy, *, x):
        return gy / conj(x + 1)


class Sin(Function):
    """The sine of x in radians.

    >>> x = Variable(np.array(0.0))
    >>> F.sin(x).backward()
    >>> x.grad
    Variable(1.0)
    """

    elementwise = True
    samples = UNARY
    native_forward = True
    native_rule = True

    def forward(self, x):
        return get_array_module(x).sin(x)

    def backward(self, gy, *, x):
        return gy * conj(get_array_module(x).cos(x))


class Cos(Function):
    """The cosine of x in radians.

    >>> F.cos(np.array([0.0, np.pi]))
    array([ 1., -1.])
    """

    elementwise = True
    samples = UNARY
    native_forward = True
    native_rule = True

    def forward(self, x):
        return get_array_module(x).cos(x)

    def backward(self, gy, *, x):
        return -gy * conj(get_array_module(x).sin(x))


class Tan(Function):
    """The tangent of x in radians.

    >>> F.tan(np.array([0.0, 1.0]))
    array([0.        , 1.55740772])
    """

    elementwise = True
    samples = UNARY
    native_forward = True

    def forward(self, x):
        return get_array_module(x).tan(x)

    def backward(self, gy, *, y):
        return gy * conj(1 + y * y)


class Tanh(Function):
    """The hyperbolic tangent.

    >>> F.tanh(np.array([0.0, 1.0, 100.0]))
    array([0.        , 0.76159416, 1.        ])
    """

    elementwise = True
    samples = UNARY
    native_forward = True

    def forward(self, x):
        return get_array_module(x).tanh(x)

    def backward(self, gy, *, y):
        return gy * conj(1 - y * y)


class Sinh(Function):
    """The hyperbolic sine.

    >>> F.sinh(np.array([0.0, 1.0]))
    array([0.        , 1.17520119])
    """

    elementwise = True
    samples = UNARY
    native_forward = True
    native_rule = True

    def forward(self, x):
        return get_array_module(x).sinh(x)

    def backward(self, gy, *, x):
        return gy * conj(get_array_module(x).cosh(x))


class Cosh(Function):
    """The hyperbolic cosine.

    >>> F.cosh(np.array([0.0, 1.0]))
    array([1.        , 1.54308063])
    """

    elementwise = True
    samples = UNARY
    native_forward = True
    native_rule = True

    def forward(self, x):
        return get_array_module(x).cosh(x)

    def backward(self, gy, *, x):
        return gy * conj(get_array_module(x).sinh(x))


exp = primitive(Exp)
expm1 = primitive(Expm1)
log = primitive(Log)
log1p = primitive(Log1p)
sin = primitive(Sin)
cos = primitive(Cos)
tan = primitive(Tan)
tanh = primitive(Tanh)
sinh = primitive(Sinh)
cosh = primitive(Cosh)

"""The gradient of a function that answers a number, as a function."""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any

from descend import functions as F
from descend.core.errors import kind_of, shape_of
from descend.transforms.call import Call

Argnums = int | tuple[int, ...]


def grad(
    function: Callable[..., Any], argnums: Argnums = 0, has_aux: bool = False
) -> Callable[..., Any]:
    """The function that answers the gradient of ``function`` to the arguments ``argnums``.

    ``function`` answers one number. An argument is an array, a floating point number, a Variable,
    or a nested list, tuple or dict of these; its gradient has the same structure, shapes and
    dtypes. With several ``argnums`` a tuple is answered. With ``has_aux`` the function answers a
    pair, of which only the first is differentiated, and the gradient comes in a pair with the
    second. Keyword arguments are handed on.

    Arrays in, arrays out; where Variables come in, or the function uses Variables that need
    gradients, the answer can be differentiated again: by `grad` of `grad`, or by ``backward()``.

    >>> grad(lambda x: x**3)(2.0)
    array(12.)
    >>> grad(grad(lambda x: x**3))(2.0)
    array(12.)
    """
    differentiate = value_and_grad(function, argnums, has_aux)

    @functools.wraps(function)
    def gradient(*args: Any, **kwargs: Any) -> Any:
        y, gxs = differentiate(*args, **kwargs)
        return (gxs, y[1]) if has_aux else gxs

    return gradient


def value_and_grad(
    function: Callable[..., Any], argnums: Argnums = 0, has_aux: bool = False
) -> Callable[..., Any]:
    """The function that answers (value, gradient), of which `grad` answers the second.

    With ``has_aux`` it is ((value, aux), gradient).

    >>> value_and_grad(lambda x: F.sum(x * x))(np.array([1.0, 2.0]))
    (array(5.), array([2., 4.]))
    """

    @functools.wraps(function)
    def differentiate(*args: Any, **kwargs: Any) -> Any:
        call = Call("grad", function, argnums, args, kwargs, has_aux)
        y = call.answer
        if getattr(y, "shape", ()) != () or len(call.ys) != 1:
            came = shape_of(y) if hasattr(y, "shape") else kind_of(y)
            raise TypeError(
                f"grad: the function answered {came}, one number is needed; "
                f"jacobian differentiates arrays, elementwise_grad elements"
            )
        gxs = [call.finished(gx, i) for i, gx in enumerate(call.gradient())]
        call.close()
        value = call.value(y)
        return (value, call.value(call.aux)) if has_aux else value, call.structured(gxs)

    return differentiate


def elementwise_grad(function: Callable[..., Any], argnums: Argnums = 0) -> Callable[..., Any]:
    """The derivative of each element of what ``function`` answers, for elementwise functions.

    It is the gradient of the sum of all elements: right where an element of the answer depends on
    the elements in its own place only.

    >>> elementwise_grad(F.sin)(np.array([0.0, np.pi]))
    array([ 1., -1.])
    """
    gradient = grad(lambda *args, **kwargs: F.sum(function(*args, **kwargs)), argnums)
    return functools.wraps(function)(gradient)

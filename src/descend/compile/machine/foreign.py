"""C functions of SciPy and NumPy, called from machine code without Python between.

SciPy's Cython modules export the functions that its own ufuncs and LAPACK wrappers call. A kernel
declares one under a name like ``scipy.special.cython_special:gammaln``; `native` asks for its
address when the code is linked.

A ufunc of NumPy holds a loop for each kind of operands, in the order and layout that
numpy/ufuncobject.h makes public. One is named ``module:ufunc:types``, what it gets as its last
argument ``module:ufunc:types:data``.
"""

from __future__ import annotations

import ctypes
import functools
from importlib import import_module
from typing import Any

PREFIX = "scipy."
PREFIXES = (PREFIX, "numpy.")


@functools.cache
def address(name: str) -> int:
    """The address of the function ``module:function``, or of a ufunc's loop or its data.

    Raises RuntimeError if there is no such function.
    """
    if name.startswith(PREFIX):
        return _pointer(_capsule(name))
    ufunc, place = _loop(name.removesuffix(":data"))
    held = _UFunc.from_address(id(ufunc))
    table = held.data if name.endswith(":data") else held.functions
    return (table[place] or 0) if table else 0


@functools.cache
def signature(name: str) -> str | None:
    """The C signature of the function ``module:function``; None if this SciPy does not have it.

    >>> signature("scipy.special.cython_special:gammaln")
    'double (double, int __pyx_skip_dispatch)'
    """
    try:
        return _name(_capsule(name)).decode()
    except RuntimeError:
        return None


@functools.cache
def has_loop(name: str) -> bool:
    """Whether this NumPy has the ufunc's loop ``module:ufunc:types``.

    >>> has_loop("numpy.fft._pocketfft_umath:no_such_transform:dd->D")
    False
    """
    try:
        return address(name) != 0
    except RuntimeError:
        return False


def _loop(name: str) -> tuple[Any, int]:
    """The ufunc, and which of its loops has these types."""
    module, function, types = name.split(":")
    try:
        ufunc = getattr(import_module(module), function)
        return ufunc, ufunc.types.index(types)
    except (ImportError, AttributeError, ValueError):
        raise RuntimeError(f"NumPy has no loop {name}") from None


class _UFunc(ctypes.Structure):
    """The beginning of PyUFuncObject, as numpy/ufuncobject.h has it."""

    _fields_ = (
        ("head", ctypes.c_char * object.__basicsize__),
        ("counts", ctypes.c_int * 4),
        ("functions", ctypes.POINTER(ctypes.c_void_p)),
        ("data", ctypes.POINTER(ctypes.c_void_p)),
    )


def _capsule(name: str) -> Any:
    module, _, function = name.partition(":")
    try:
        return import_module(module).__pyx_capi__[function]
    except (ImportError, AttributeError, KeyError):
        raise RuntimeError(f"SciPy exports no C function {name}") from None


_name: Any = ctypes.PYFUNCTYPE(ctypes.c_char_p, ctypes.py_object)(
    ("PyCapsule_GetName", ctypes.pythonapi)
)


def _pointer(capsule: Any) -> int:
    kind = ctypes.PYFUNCTYPE(ctypes.c_void_p, ctypes.py_object, ctypes.c_char_p)
    return kind(("PyCapsule_GetPointer", ctypes.pythonapi))(capsule, _name(capsule))

"""C functions of SciPy, called from machine code without Python between.

SciPy's Cython modules export the functions that its own ufuncs and LAPACK wrappers call. A kernel
declares one under a name like ``scipy.special.cython_special:gammaln``; `native` asks for its
address when the code is linked.
"""

from __future__ import annotations

import ctypes
import functools
from importlib import import_module
from typing import Any

PREFIX = "scipy."


@functools.cache
def address(name: str) -> int:
    """The address of the function ``module:function``.

    Raises RuntimeError if SciPy has no such function.
    """
    return _pointer(_capsule(name))


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

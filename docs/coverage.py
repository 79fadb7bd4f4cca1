"""Writes docs/coverage.md from the registry: ``python docs/coverage.py``.

What each operation can do is found by trying it on its first sample; what there is of NumPy's
namespaces by looking names up, and why the rest is missing stands in `REFUSED`.
"""

from __future__ import annotations

import fnmatch
import types
import warnings
from pathlib import Path
from typing import Any

import numpy as np

import descend
import descend.functions as F
from descend import Variable, gradients
from descend.core import protocols
from descend.functions.registry import OPERATIONS, Operation
from descend.testing.call import Call
from descend.transforms import batching

PAGE = Path(__file__).with_name("coverage.md")
REALS = ("float16", "float32", "float64")
COMPLEX = ("complex64", "complex128")

REFUSED = {
    "it answers no number: types, printing, files, settings": """
        array2string array_repr array_str base_repr binary_repr can_cast common_type
        format_float_* fromfile fromregex genfromtxt load loadtxt save savetxt savez*
        get_include get_printoptions set_printoptions printoptions geterr seterr geterrcall
        seterrcall getbufsize setbufsize errstate info show_config show_runtime isdtype
        issubdtype min_scalar_type mintypecode promote_types result_type typename
        iscomplexobj isrealobj isfortran isscalar iterable may_share_memory shares_memory
        einsum_path broadcast_shapes test finfo iinfo dtype astype packbits unpackbits
        get_array_wrap ndim shape size from_dlpack frombuffer fromiter fromstring""",
    "it makes an array out of nothing: NumPy's own does": """
        arange array asarray asanyarray ascontiguousarray asfortranarray asarray_chkfinite
        asmatrix bmat empty* eye full geomspace identity linspace logspace ones zeros
        fromfunction indices ix_ mgrid ogrid r_ c_ s_ tri bartlett blackman hamming hanning
        kaiser diag_indices* tril_indices* triu_indices* mask_indices unravel_index
        ravel_multi_index require matrix recarray copy* nditer ndenumerate ndindex
        nested_iters broadcast memmap vectorize frompyfunc flatiter fftfreq rfftfreq""",
    "it writes into its arguments": "copyto fill_diagonal place put putmask resize",
    "it works on bits, sets, texts or dates": """
        bitwise_* invert left_shift right_shift gcd lcm intersect1d setdiff1d setxor1d
        union1d unique_* in1d isin busday* is_busday datetime* char* str*""",
    "it answers several kinds of things at once, or what has no derivative": """
        frexp spacing nextafter signbit lexsort partition argpartition apply_along_axis
        apply_over_axes piecewise histogram* bincount digitize searchsorted divmod
        matrix_rank iscomplex isreal isneginf isposinf isnat logical_* count_nonzero
        array_equiv array_equal allclose isclose less* greater* equal not_equal nonzero
        flatnonzero argwhere sign* unique nanargmax nanargmin argmax argmin argsort
        trim_zeros sort_complex real_if_close""",
    "an older name for what is there": """
        alltrue sometrue product cumproduct round_ row_stack trapz msort asfarray bitwise_*""",
    "polynomials by coefficients: only polyval is differentiated": "poly* roots poly1d",
}


def main() -> None:
    """Write the page."""
    PAGE.write_text(page(), encoding="utf-8")


def page() -> str:
    """The page's text."""
    parts = [
        "# What is covered",
        "",
        "Written by `python docs/coverage.py` from the registry of operations.",
        "",
        operations(),
        *[namespace(title, module) for title, module in NAMESPACES.items()],
    ]
    return "\n".join(parts)


# ---- the operations ---------------------------------------------------------------------------


def operations() -> str:
    """The tables of all operations, a section for each field."""
    fields: dict[str, list[str]] = {}
    for operation in sorted(OPERATIONS.values(), key=lambda o: (family_of(o), o.name)):
        fields.setdefault(family_of(operation)[0], []).append(row(operation))
    families = {family_of(operation) for operation in OPERATIONS.values()}
    head = (
        f"## Operations\n\n{len(OPERATIONS)} operations in {len(families)} families. The column of "
        "derivatives says up to which order the tests compare with finite differences; "
        "compositions and rules are written in differentiable operations, so there is no highest "
        "order unless it is said. *Dtypes* are those for which value and gradient come in the "
        "dtype that came in. *Compiled*: native, or as a call of Python within the program (host). "
        "*vmap*: all examples at once, or one by one (loop).\n"
    )
    lines = [head]
    for field in sorted(fields):
        lines += [
            f"### {field}",
            "",
            "| operation | family | kind | derivatives tested | dtypes | complex | compiled "
            "| vmap |",
            "|---" * 8 + "|",
            *fields[field],
            "",
        ]
    return "\n".join(lines)


def family_of(operation: Operation) -> tuple[str, str]:
    """The folder and the file of ``descend.functions`` that an operation stands in."""
    *_, field, family = operation.function.__module__.split(".")
    return field, family


def row(operation: Operation) -> str:
    """One operation's line."""
    with warnings.catch_warnings(), np.errstate(all="ignore"):
        warnings.simplefilter("ignore")
        compiled, looped = compiled_how(operation), vmapped_how(operation)
    return f"{start(operation)} {compiled} | {looped} |"


def start(operation: Operation) -> str:
    """What of an operation's line is found without compiling it."""
    order = max(sample.order for sample in operation.samples)
    with warnings.catch_warnings(), np.errstate(all="ignore"):
        warnings.simplefilter("ignore")
        reals = [name for name in REALS if works(operation, name)]
        complexes = all(works(operation, name) for name in COMPLEX)
    names = "all floats" if len(reals) == 3 else ", ".join(reals) or "-"
    kind = "composition" if operation.primitive is None else "primitive"
    family = family_of(operation)[1].replace("_", " ")
    cells = [f"`{operation.name}`", family, kind, str(order), names, "yes" if complexes else "-"]
    return "| " + " | ".join(cells) + " |"


def call_of(operation: Operation, dtype: Any = None) -> Call:
    """The operation on its first sample with inputs."""
    calls = [Call(operation.function, (sample,), {}) for sample in operation.samples]
    call = next((c for c in calls if c.inputs and all(x.size for x in c.inputs)), calls[0])
    if dtype is not None:
        call.inputs = [x.astype(dtype) for x in call.inputs]
    return call


def works(operation: Operation, dtype: str) -> bool:
    """Whether value and gradient of this dtype are of this dtype."""
    call = call_of(operation, dtype)
    if not call.inputs:
        return False
    try:
        xs = [Variable(x) for x in call.inputs]
        ys = [y for y in call(xs) if isinstance(y, Variable) and y.requires_grad]
        if not ys:
            return dtype in REALS
        if dtype in COMPLEX:
            ys = [F.sum(F.real(y * F.conj(y))) for y in ys]
        elif any(y.dtype != dtype for y in ys):
            return False
        gxs = gradients(ys, xs, allow_unused=True)
        return all(gx is None or gx.dtype == dtype for gx in gxs)
    except Exception:
        return False


def compiled_how(operation: Operation) -> str:
    """Whether value and gradient are computed natively."""
    call = call_of(operation)

    def function(*inputs: Any) -> Any:
        F.random.seed(0)
        xs = [Variable(x) for x in inputs]
        ys = call(xs)
        found = [y for y in ys if isinstance(y, Variable) and y.requires_grad]
        gxs = gradients(found, xs, allow_unused=True) if found else []
        return [getattr(y, "data", y) for y in ys], [gx.data for gx in gxs if gx is not None]

    try:
        compiled = descend.compile(function)
        compiled(*call.inputs)
        return "host" if " host(" in str(compiled.graph) else "native"
    except Exception:
        return "-"


def vmapped_how(operation: Operation) -> str:
    """Whether examples are computed all at once."""
    call = call_of(operation)
    if not call.inputs:
        return "-"
    looped: list[str] = []
    original = batching.one_by_one

    def spy(function: Any, xs: Any, level: Any) -> Any:
        looped.append(function.name)
        return original(function, xs, level)

    batching.one_by_one = spy
    try:
        descend.vmap(lambda *xs: tuple(call(list(xs))))(*[np.stack([x, x]) for x in call.inputs])
        return "loop" if looped else "at once"
    except Exception:
        return "-"
    finally:
        batching.one_by_one = original


# ---- NumPy's names ----------------------------------------------------------------------------

NAMESPACES = {"numpy": np, "numpy.linalg": np.linalg, "numpy.fft": np.fft}


def namespace(title: str, module: Any) -> str:
    """What there is of a namespace, and what is refused and why."""
    names = sorted(
        name
        for name in module.__all__
        if callable(getattr(module, name))
        and not isinstance(getattr(module, name), type | types.ModuleType)
    )
    there = [name for name in names if ours(name, module)]
    missing = [name for name in names if name not in there]
    reasons: dict[str, list[str]] = {}
    for name in missing:
        reasons.setdefault(reason(name), []).append(name)
    lines = [
        f"## {title}",
        "",
        f"{len(there)} of {len(names)} functions can be called with a Variable: "
        + ", ".join(f"`{name}`" for name in there)
        + ".",
        "",
        "The others refuse with a sentence:",
        "",
    ]
    for why in sorted(reasons):
        lines.append(f"- {why}: " + ", ".join(f"`{name}`" for name in reasons[why]) + ".")
    return "\n".join([*lines, ""])


def ours(name: str, module: Any) -> bool:
    """Whether NumPy's protocols find a function of ours."""
    function = getattr(module, name)
    name = getattr(function, "__name__", name)  # acos is arccos
    name = protocols.OF_MODULES.get((getattr(function, "__module__", None), name), name)
    return callable(getattr(F, protocols.UFUNC_NAMES.get(name, name), None))


def reason(name: str) -> str:
    """Why a function is missing."""
    for why, patterns in REFUSED.items():
        if any(fnmatch.fnmatch(name, pattern) for pattern in patterns.split()):
            return why
    return "not written yet"


if __name__ == "__main__":
    main()

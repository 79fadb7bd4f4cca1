"""From LLVM's text to machine code in this process.

`load` turns the text of a module into a `Code`, which has the address of each of its functions.
The same text is loaded once in a process, and compiled once on a machine: objects are kept by
`cache`, under the hash of all that they depend on. `load_named` does the same with short names in
place of the texts, which are made only where they are compiled.
"""

# llvmlite has no annotations.
# pyright: reportMissingTypeStubs=false, reportUnknownMemberType=false
# pyright: reportUnknownVariableType=false, reportUnknownArgumentType=false

from __future__ import annotations

import ctypes
import functools
import hashlib
import itertools
import json
import os
import re
import weakref
from collections.abc import Callable, Generator, Iterable, Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

import llvmlite
import llvmlite.binding as llvm

from descend.compile.machine import cache, foreign

FORMAT = 3
"""To be raised when the same text shall become other code than before."""

LEVEL = 1
"""How much LLVM does to a kernel, from 0 to 3, unless told.

2 and 3 are LLVM's own pipelines. They take three times as long as all the rest (25 ms of 35 for
a kernel of 30 operations, beside 9 ms at level 1) and find little to do: kernels are emitted as
vectors, unrolled, with their addresses computed outside the loops.
"""

_LINKS = 256
_DEFINITION = re.compile(
    r"define\s+(?!(?:internal|private)\b)[^@]*@(?:\"([^\"]+)\"|([\w.$-]+))\s*\("
)
_FOREIGN = re.compile(
    rf"declare\s[^@]*@\"((?:{'|'.join(map(re.escape, foreign.PREFIXES))})[^\"]+)\""
)


class Code:
    """Machine code in memory, as long as this object lives: ``code[name]`` is an address."""

    __slots__ = ("__weakref__", "_linked", "addresses")

    def __init__(self, object_code: bytes, names: Iterable[str], calls: Iterable[str] = ()) -> None:
        linker = _linker()
        builder = llvm.JITLibraryBuilder().add_object_img(object_code).add_current_process()
        for name in calls:
            builder.import_symbol(name, foreign.address(name))
        for name in names:
            builder.export_symbol(name)
        tracker: Any = builder.link(linker.jit, f"code{next(linker.numbers)}")
        self.addresses: dict[str, int] = {name: tracker[name] for name in names}
        self._linked = _Linked(linker.jit, tracker)

    def __getitem__(self, name: str) -> int:
        """The address of a function."""
        return self.addresses[name]


class _Linked:
    """What keeps code in memory. Nobody has weak references to it, so it is never found again
    while it goes: `Code` itself could be."""

    __slots__ = ("jit", "tracker")

    def __init__(self, jit: Any, tracker: Any) -> None:
        self.jit = jit
        self.tracker = tracker

    def __del__(self) -> None:
        # The code goes before the linker that made it, which may be the last one to hold on to it.
        self.tracker = None


def load(text: str, level: int = LEVEL) -> Code:
    """The machine code of a module given as LLVM's text.

    The text needs no target. It may declare and call functions of the C library (``sinf``), and
    those of SciPy and NumPy that are `foreign`.
    Raises RuntimeError with LLVM's words if the text is wrong.
    """
    (code,) = load_all([text], level)
    return code


def load_all(texts: Iterable[str], level: int = LEVEL) -> list[Code]:
    """The machine code of each of several texts.

    Those not known yet are compiled by several threads, from the moment that the iterable
    produces the first of them.
    """
    keys: list[str] = []

    def items() -> Iterable[tuple[str, Callable[[], str]]]:
        for text in texts:
            keys.append(_key(text, level))
            yield keys[-1], lambda text=text: text

    codes = _load(items(), level)
    return [codes[key] for key in keys]


def load_named(kernels: Mapping[str, Callable[[], str]], level: int = LEVEL) -> dict[str, Code]:
    """The machine code of kernels by names that say all that there is in their texts.

    A text is asked for only if no machine code is known by its name, from the same version of the
    compiler. Texts are compiled while the next ones are emitted.
    """
    keys = {name: _key(f"{_version()}\n{name}", level) for name in kernels}
    codes = _load(((keys[name], emit) for name, emit in kernels.items()), level)
    return {name: codes[key] for name, key in keys.items()}


def available_cores() -> int:
    """The number of cores that this process may use."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


compiled = 0
"""How many texts this process has compiled; those found in the cache do not count."""

_loaded: weakref.WeakValueDictionary[str, Code] = weakref.WeakValueDictionary()


def _key(text: str, level: int) -> str:
    parts = (_host(), f"level {level}", text)
    return "native " + hashlib.sha256("\n".join(parts).encode()).hexdigest()


@functools.cache
def _version() -> str:
    """The hash of all files of the compiler, among them those that emit texts."""
    digest = hashlib.sha256()
    for file in sorted(Path(__file__).parents[1].rglob("*.py")):
        digest.update(file.read_bytes())
    return f"version {digest.hexdigest()}"


def _load(items: Iterable[tuple[str, Callable[[], str]]], level: int) -> dict[str, Code]:
    """The machine code under each key, that of unknown ones from the text beside it."""
    global compiled
    codes: dict[str, Code] = {}
    waiting: dict[str, Future[bytes]] = {}
    with (
        ExitStack() as stack,
        ThreadPoolExecutor(available_cores(), "descend-compile") as executor,
    ):
        for key, emit in items:
            if key in codes or key in waiting:
                continue
            if code := _find(key):
                codes[key] = code
            else:
                if not waiting:
                    stack.enter_context(_plain_addresses())
                waiting[key] = executor.submit(_make, key, emit(), level)
        for key, data in waiting.items():
            codes[key] = _link(key, data.result())
    compiled += len(waiting)
    return codes


@contextmanager
def _plain_addresses() -> Generator[None, None, None]:
    """LLVM leaves addresses as they are: it would take half of the time to compile a product.

    Nothing is slower for it, since they are computed outside of the loops. The option is the
    process's: whoever else compiles with LLVM finds it as it was.
    """
    _host()
    llvm.set_option("", "-disable-lsr=true")
    try:
        yield
    finally:
        llvm.set_option("", "-disable-lsr=false")


def _find(key: str) -> Code | None:
    code = _loaded.get(key)
    if code is None and (data := cache.get(key)) is not None:
        code = _link(key, data)
    return code


def _make(key: str, text: str, level: int) -> bytes:
    """What is cached of a text: the names of its functions and of those of SciPy that it calls,
    and a line below the object code."""
    lines = text.splitlines()
    names = [found[1] or found[2] for found in map(_DEFINITION.match, lines) if found]
    calls = [found[1] for found in map(_FOREIGN.match, lines) if found]
    data = json.dumps([names, calls]).encode() + b"\n" + compile_object(text, level)
    cache.put(key, data)
    return data


def _link(key: str, data: bytes) -> Code:
    names, object_code = data.split(b"\n", 1)
    return _loaded.setdefault(key, Code(object_code, *json.loads(names)))


# ---------------------------------------------------------------------------------- compiling


_spare_machines: list[Any] = []


def compile_object(text: str, level: int = LEVEL) -> bytes:
    """The object file of a module given as LLVM's text, compiled whatever is cached."""
    # A machine takes 1 ms to make and is for one thread at a time.
    machine = _spare_machines.pop() if _spare_machines else _machine()
    # A context of its own: several threads compile at once, and what it holds goes with it.
    with llvm.create_context() as context, llvm.parse_assembly(text, context) as module:
        module.verify()  # LLVM's passes crash where the text is wrong
        module.triple = machine.triple
        module.data_layout = str(machine.target_data)
        _run_passes(machine, module, level)
        object_code = _emit(machine, module)
    _spare_machines.append(machine)
    return object_code


def _machine() -> Any:
    _host()
    target: Any = llvm.Target.from_triple(llvm.get_process_triple())
    return target.create_target_machine(
        cpu=llvm.get_host_cpu_name(),
        features=llvm.get_host_cpu_features().flatten(),
        opt=2,
        reloc="pic",
        codemodel="small",
    )


def _run_passes(machine: Any, module: Any, level: int) -> None:
    tuning: Any = llvm.create_pipeline_tuning_options(speed_level=max(level, 1))
    builder: Any = llvm.create_pass_builder(machine, tuning)
    passes: Any  # for one module: running them moves them out of the list
    if level > 1:
        passes = builder.getModulePassManager()
    else:
        passes = llvm.create_new_module_pass_manager()
    if level == 1:
        passes.add_sroa_pass()
        passes.add_instruction_combine_pass()
        passes.add_simplify_cfg_pass()
        passes.add_loop_rotate_pass()
    _unlocked("LLVMPY_RunNewModulePassManager")(passes, module, builder)


def _unlocked(name: str) -> Any:
    """LLVM's function without llvmlite's lock.

    llvmlite lets one thread at a time into LLVM, since modules usually share one global context.
    Ours have each their own, for which LLVM allows several. The two functions that take nearly
    all of the time are called through here, with the lock where llvmlite is made otherwise.
    """
    locked = getattr(llvm.ffi.lib, name)
    return getattr(locked, "_cfn", locked)


def _emit(machine: Any, module: Any) -> bytes:
    with llvm.ffi.OutputString() as error:
        buffer = _unlocked("LLVMPY_TargetMachineEmitToMemory")(machine, module, 1, error)
        if not buffer:
            raise RuntimeError(str(error))
    try:
        start = llvm.ffi.lib.LLVMPY_GetBufferStart(buffer)
        return ctypes.string_at(start, llvm.ffi.lib.LLVMPY_GetBufferSize(buffer))
    finally:
        llvm.ffi.lib.LLVMPY_DisposeMemoryBuffer(buffer)


@functools.cache
def _host() -> str:
    """What machine code depends on beside the text; and LLVM is ready after the first call."""
    llvm.initialize_native_target()
    llvm.initialize_native_asmprinter()
    return "\n".join(
        (
            f"format {FORMAT}, llvmlite {llvmlite.__version__}, LLVM {llvm.llvm_version_info}",
            llvm.get_process_triple(),
            llvm.get_host_cpu_name(),
            llvm.get_host_cpu_features().flatten(),
        )
    )


# ------------------------------------------------------------------------------------ linking


class _Linker:
    """LLVM's linker in memory. It frees the code it is told to, but 10 KB a time only at its end.

    So it is replaced after some use, and goes with the last Code that it linked.
    """

    def __init__(self) -> None:
        self.jit: Any = llvm.create_lljit_compiler(_machine())
        self.numbers = itertools.count()
        self.uses = 0


_current_linker: list[_Linker] = []


def _linker() -> _Linker:
    # No lock, which a fork could find held: two linkers where one would do are no harm.
    if not _current_linker or _current_linker[0].uses >= _LINKS:
        _current_linker[:] = [_Linker()]
    linker = _current_linker[0]
    linker.uses += 1
    return linker

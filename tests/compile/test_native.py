import ctypes
import math
import os
import shutil
import subprocess
import sys
import threading
from pathlib import Path

import numpy as np
import pytest

from descend.compile.kernels.products import MatmulSpec, matmul
from descend.compile.machine import cache, foreign, native


def call(code, x, name="f"):
    # The code lives as long as this frame: an address alone does not hold it.
    return ctypes.CFUNCTYPE(ctypes.c_float, ctypes.c_float)(code[name])(x)


def text_of(constant, name="f"):
    return (
        f"define float @{name}(float %x) {{\n"
        f"  %y = fadd float %x, {float(constant):e}\n"
        "  ret float %y\n"
        "}\n"
    )


@pytest.fixture(autouse=True)
def folder(tmp_path, monkeypatch):
    monkeypatch.setenv("DESCEND_CACHE", str(tmp_path))
    return tmp_path


@pytest.mark.parametrize("level", [0, 1, 2, 3])
def test_each_level_runs(level):
    for constant in (1, 2):  # a second module meets what the first one left
        code = native.load(text_of(constant), level)
        assert call(code, 3.0) == 3.0 + constant


def test_the_same_text_is_the_same_code_while_it_lives():
    code = native.load(text_of(1))
    assert native.load(text_of(1)) is code
    assert native.load(text_of(1), level=0) is not code
    assert native.load(text_of(2)) is not code


def test_functions_are_found_by_name_and_internal_ones_are_not():
    code = native.load(
        'define internal fastcc float @"hidden one"(float %x) {\n  ret float %x\n}\n'
        'define noundef float @"quoted name"(float %x) #0 {\n'
        '  %y = call fastcc float @"hidden one"(float %x)\n'
        "  ret float %y\n}\n"
        "define  i1 @.plain-2$() {\n  ret i1 1\n}\n"
        'attributes #0 = { "no-trapping-math"="true" }\n'
    )
    assert set(code.addresses) == {"quoted name", ".plain-2$"}
    assert call(code, 2.5, "quoted name") == 2.5


def test_functions_of_scipy_are_found_and_again_from_the_disk(folder):
    text = """
        declare double @"scipy.special.cython_special:gammaln"(double, i32)
        define double @log_gamma(double %x) {
          %y = call double @"scipy.special.cython_special:gammaln"(double %x, i32 0)
          ret double %y
        }
    """
    text = "\n".join(line.strip() for line in text.splitlines())
    for _ in range(2):
        code = native.load(text)
        log_gamma = ctypes.CFUNCTYPE(ctypes.c_double, ctypes.c_double)(code["log_gamma"])
        assert log_gamma(5.5) == pytest.approx(math.lgamma(5.5), rel=1e-15)
        del code, log_gamma


def test_a_function_that_scipy_does_not_have_is_named():
    assert foreign.signature("scipy.special.cython_special:absent") is None
    with pytest.raises(RuntimeError, match=r"no C function scipy\.special"):
        foreign.address("scipy.special.cython_special:absent")


def test_loops_of_numpys_ufuncs_are_found():
    square = foreign.address("numpy:square:d->d")
    assert square and square != foreign.address("numpy:square:f->f")
    loop = ctypes.CFUNCTYPE(None, *[ctypes.c_void_p] * 4)(square)
    x, y = np.array([3.0, -0.5]), np.zeros(2)
    arrays = np.array([x.ctypes.data, y.ctypes.data])
    count, steps = np.array([2]), np.array([8, 8])
    loop(arrays.ctypes.data, count.ctypes.data, steps.ctypes.data, None)
    np.testing.assert_array_equal(y, [9.0, 0.25])
    assert foreign.address("numpy.fft._pocketfft_umath:fft:Dd->D:data")


@pytest.mark.parametrize("name", ["square:dd->d", "absent:d->d"])
def test_a_loop_that_numpy_does_not_have_is_named(name):
    assert not foreign.has_loop(f"numpy:{name}")
    with pytest.raises(RuntimeError, match=f"NumPy has no loop numpy:{name}"):
        foreign.address(f"numpy:{name}")


def test_functions_of_the_c_library_are_found():
    code = native.load(
        "declare float @sinf(float)\n"
        "define float @f(float %x) {\n  %y = call float @sinf(float %x)\n  ret float %y\n}\n"
    )
    assert call(code, 1.0) == pytest.approx(math.sin(1.0))


@pytest.mark.parametrize(
    "text, message",
    [
        ("define void @f() {\n  call void @g()\n  ret void\n}\n", "undefined value '@g'"),
        (
            # LLVM crashes where a pass meets it.
            "declare float @llvm.fma.f32(float)\n"
            "define float @f(float %x) {\n"
            "  %y = call float @llvm.fma.f32(float %x)\n  ret float %y\n}\n",
            "llvm.fma.f32",
        ),
    ],
)
def test_a_wrong_text_is_an_error(text, message):
    with pytest.raises(RuntimeError, match=message):
        native.load(text)
    with pytest.raises(RuntimeError, match=message):
        native.load_all([text_of(1), text])
    assert call(native.load(text_of(1)), 1.0) == 2.0


STRESS = """
import ctypes, threading
from descend.compile.machine import native
native._LINKS = 4
def work(first):
    for n in [*range(first, first + 10)] * 20:
        body = f"%y = fadd float %x, {float(n):e}\\n ret float %y"
        code = native.load("define float @f(float %x) {\\n" + body + "\\n}\\n")
        function = ctypes.CFUNCTYPE(ctypes.c_float, ctypes.c_float)(code["f"])
        assert function(0.0) == n
threads = [threading.Thread(target=work, args=(k,)) for k in (0, 5, 10)]
for thread in threads: thread.start()
for thread in threads: thread.join()
"""


def test_no_thread_finds_code_that_another_one_lets_go():
    subprocess.run([sys.executable, "-c", STRESS], check=True)  # it crashed


def test_many_texts_come_in_their_order_and_the_same_ones_once():
    known = native.load(text_of(3))
    numbers = [1, 2, 3, 1, 4, 5, 6, 7, 8, 2]
    codes = native.load_all(text_of(number) for number in numbers)
    assert [call(code, 0.0) for code in codes] == numbers
    assert codes[0] is codes[3]
    assert codes[2] is known
    assert native.load_all([]) == []


def test_llvm_works_without_its_lock_where_it_can():
    # If this fails, llvmlite has changed, and kernels are compiled one at a time.
    name = "LLVMPY_TargetMachineEmitToMemory"
    assert native._unlocked(name) is not getattr(native.llvm.ffi.lib, name)


def test_threads_compile_at_once():
    results = {}

    def compile_some(first):
        for number in range(first, first + 10):
            code = native.load(text_of(number))
            results[number] = call(code, 0.0)

    threads = [threading.Thread(target=compile_some, args=(first,)) for first in (0, 5, 10)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert results == {number: number for number in range(20)}


def test_an_object_on_disk_is_not_compiled_again(folder, monkeypatch):
    native.load(text_of(11))  # and dropped
    assert len(list(folder.iterdir())) == 1
    monkeypatch.setattr(native, "compile_object", None)
    assert call(native.load(text_of(11)), 1.0) == 12.0
    with pytest.raises(TypeError):
        native.load(text_of(12))


def test_a_damaged_object_is_compiled_again(folder):
    native.load(text_of(13))
    (path,) = folder.iterdir()
    good = path.read_bytes()
    path.write_bytes(good[:200])
    assert call(native.load(text_of(13)), 1.0) == 14.0
    assert path.read_bytes() == good


def test_the_key_holds_the_host_and_the_level(monkeypatch):
    before = native._key("text", 1)
    assert native._key("text", 2) != before
    monkeypatch.setattr(native, "_host", lambda: "another processor")
    assert native._key("text", 1) != before


def test_the_options_of_llvm_are_left_as_they_were():
    """A product is compiled without strength reduction, which others in the process may want."""
    text = matmul(MatmulSpec("float32", 64, 64, 64, (64, 1), (64, 1), 64)).text
    before = native.compile_object(text)
    native.load_named({"text": lambda: text_of(36)})
    assert native.compile_object(text) == before
    with native._plain_addresses():
        assert native.compile_object(text) != before


def named(constants, emitted):
    """Kernels by name, which note when they are emitted."""

    def emit(constant):
        emitted.append(constant)
        return text_of(constant)

    return {f"add {c}": lambda c=c: emit(c) for c in constants}


def test_by_name_only_what_is_unknown_is_emitted():
    emitted = []
    codes = native.load_named(named([31, 32], emitted))
    assert emitted == [31, 32]
    assert {name: call(code, 1.0) for name, code in codes.items()} == {"add 31": 32, "add 32": 33}
    again = native.load_named(named([32, 33], emitted))
    assert emitted == [31, 32, 33]
    assert again["add 32"] is codes["add 32"]


def test_by_name_code_comes_from_the_cache():
    native.load_named(named([34], []))
    emitted = []
    codes = native.load_named(named([34], emitted))
    assert emitted == []
    assert call(codes["add 34"], 1.0) == 35


def test_by_name_another_version_of_the_compiler_emits_anew(monkeypatch):
    native.load_named(named([35], []))
    monkeypatch.setattr(native, "_version", lambda: "another version")
    emitted = []
    native.load_named(named([35], emitted))
    assert emitted == [35]


def test_the_version_changes_with_the_files_that_emit(monkeypatch, tmp_path):
    copy = shutil.copytree(Path(native.__file__).parents[1], tmp_path / "compile")
    versions = [native._version()]
    monkeypatch.setattr(native, "__file__", str(copy / "machine" / "native.py"))
    native._version.cache_clear()
    versions.append(native._version())
    with (copy / "kernels" / "tiles.py").open("a") as file:
        file.write("\n")
    native._version.cache_clear()
    versions.append(native._version())
    native._version.cache_clear()
    assert versions[0] == versions[1] != versions[2]


def test_it_runs_without_a_folder_for_the_cache(tmp_path, monkeypatch):
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("DESCEND_CACHE", str(tmp_path / "file"))
    assert call(native.load(text_of(21)), 1.0) == 22.0


LOADS = """
import sys
from descend.compile.machine import native
for number in range(30):
    native.load(f"define i64 @f() {{\\n  ret i64 {number}\\n}}\\n")
"""


def test_processes_compile_into_one_folder_at_once(folder):
    processes = [subprocess.Popen([sys.executable, "-c", LOADS]) for _ in range(2)]
    assert [process.wait(timeout=60) for process in processes] == [0, 0]
    assert len(list(folder.iterdir())) == 30
    assert cache.get("nothing") is None


@pytest.mark.skipif(not os.path.exists("/proc/self/statm"), reason="reads /proc")
def test_code_that_is_dropped_leaves_no_memory_behind():
    def resident():
        with open("/proc/self/statm") as file:
            return int(file.read().split()[1]) * os.sysconf("SC_PAGE_SIZE")

    def load_and_drop(times):
        object_code = native.compile_object(text_of(1))
        for _ in range(times):
            assert native.Code(object_code, ["f"])["f"]

    load_and_drop(2 * native._LINKS)
    before = resident()
    load_and_drop(3000)
    # LLVM leaves 10 KB at each link, 30 MB in all, if its linker is never replaced.
    assert resident() - before < 8 << 20


def test_code_outlives_the_linker_that_made_it():
    code = native.load(text_of(5))
    object_code = native.compile_object(text_of(6))
    for _ in range(native._LINKS + 1):
        native.Code(object_code, ["f"])
    assert native._linker().jit is not code._linked.jit
    assert call(code, 1.0) == 6.0
    del code

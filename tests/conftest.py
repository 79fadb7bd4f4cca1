"""What all tests share."""

from types import SimpleNamespace

import pytest


def pytest_addoption(parser):
    parser.addoption(
        "--update-golden",
        action="store_true",
        help="write what the compiler prints now into the texts that it is compared with",
    )


@pytest.fixture
def golden(request):
    """Assert that a text is what it was; with --update-golden, ``write`` it instead."""
    update = request.config.getoption("--update-golden")

    def compare(got, expected, what, write):
        if update:
            if got != expected:
                write()
            return
        assert got == expected, f"{what} says otherwise; if that is right: pytest --update-golden"

    return compare


@pytest.fixture
def haswell(monkeypatch):
    """What LLVM makes for AVX2, on any machine: ``llvm(text)`` and ``assembly(text)``.

    Skips with another LLVM than the one that the stored texts are of.
    """
    from llvmlite import binding

    from descend.compile.kernels import tiles
    from descend.compile.machine import native

    if binding.llvm_version_info[0] != 22:
        pytest.skip("the stored texts are of LLVM 22")
    monkeypatch.setattr(tiles, "vector_bytes", lambda: 32)
    monkeypatch.setattr(tiles, "registers", lambda: 16)
    binding.initialize_all_targets()
    binding.initialize_all_asmprinters()
    target = binding.Target.from_triple("x86_64-unknown-linux-gnu")
    machine = target.create_target_machine(cpu="haswell", opt=2, reloc="pic")

    def through_passes(text):
        with binding.create_context() as context, binding.parse_assembly(text, context) as module:
            module.triple = machine.triple
            module.data_layout = str(machine.target_data)
            native._run_passes(machine, module, native.LEVEL)
            return str(module), machine.emit_assembly(module)

    def llvm(text):
        lines = through_passes(text)[0].partition("define")
        return (lines[1] + lines[2]).partition("\nattributes ")[0].strip()

    return SimpleNamespace(llvm=llvm, assembly=lambda text: through_passes(text)[1].strip())

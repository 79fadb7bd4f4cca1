"""The texts in docs/compiler.md are what its examples print now.

Each stands in a block behind ``<!-- NAME -->``; ``pytest --update-golden`` writes them anew.
"""

import linecache
import re
from pathlib import Path

import pytest

from descend.compile import TraceError, is_available

if not is_available():
    pytest.skip("nothing is compiled here", allow_module_level=True)

from descend.compile.record import recording
from descend.compile.run import explain, threads

PAGE = Path(__file__).parents[2] / "docs" / "compiler.md"
BLOCK = re.compile(r"<!-- ([\w ]+) -->\n```(\w*)\n(.*?)\n```", re.DOTALL)


def blocks():
    return {name: text for name, _, text in BLOCK.findall(PAGE.read_text(encoding="utf-8"))}


def run(text, names, monkeypatch):
    """Run an example as if it were a file, so that messages find its lines."""
    lines = (len(text), None, text.splitlines(keepends=True), "example.py")
    monkeypatch.setitem(linecache.cache, "example.py", lines)
    exec(compile(text, "example.py", "exec"), names)
    return names


@pytest.fixture
def example(monkeypatch):
    """What the page's example defines, run on two threads, and its graph as it was recorded."""
    recorded = []

    def watched(graph, *args, **kwargs):
        recorded.append(str(graph))
        return passes(graph, *args, **kwargs)

    passes = recording.optimized
    monkeypatch.setattr(recording, "optimized", watched)
    monkeypatch.setattr(threads, "thread_count", lambda: 2)
    names = run(blocks()["example"], {}, monkeypatch)
    return {**names, "recorded": recorded[0]}


def update_of_w(executable):
    """LLVM's text of the loop that only subtracts a product."""
    (kernel,) = [k for k in executable.kernels if k.title == "multiply subtract"]
    return kernel.emit()


def first_block(text, instruction):
    """The first labelled block of a text that has such an instruction, without comments."""
    block = next(part for part in re.split(r"\n(?=[\w.]+:)", text) if instruction in part)
    lines = (re.sub(r"\s*[#;].*", "", line).replace("\t", "  ") for line in block.split("\n"))
    lines = (re.sub(r"(?<=\w)  (?=\S)", " ", line) for line in lines)  # one space, not a tab
    return "\n".join(line for line in lines if line.strip() and ".p2align" not in line)


def write(name, text):
    def changed(match):
        return f"<!-- {name} -->\n```{match[2]}\n{text}\n```" if match[1] == name else match[0]

    PAGE.write_text(BLOCK.sub(changed, PAGE.read_text(encoding="utf-8")), encoding="utf-8")


def check(name, text, golden):
    golden(text, blocks()[name], f"docs/compiler.md, {name}", lambda: write(name, text))


def test_the_stages_of_the_example(example, haswell, golden):
    step = example["step"]
    check("recorded", example["recorded"], golden)
    check("graph", step.graph, golden)
    check("kernels", step.kernels, golden)
    emitted = update_of_w(step._made().executable)
    check("llvm", first_block(haswell.llvm(emitted), "store <"), golden)
    check("assembly", first_block(haswell.assembly(emitted), "vmovups\t%ymm"), golden)


def test_the_table_has_the_kernels_of_the_example(example, request):
    """Its times are those of some machine, on some day."""
    step = example["step"]
    text = step.explain()
    assert text.startswith("step: ")
    names = [explain.summary(kernel) for kernel in step._made().executable.kernels]
    if request.config.getoption("--update-golden"):
        if not all(name in blocks()["explain"] for name in names):
            write("explain", text)
        return
    for name in names:
        assert name in blocks()["explain"], "docs/compiler.md, explain: pytest --update-golden"


def test_the_message_of_what_is_refused(example, golden, monkeypatch):
    names = run(blocks()["refused"], example, monkeypatch)
    with pytest.raises(TraceError) as error:
        names["clipped"](example["x"], example["w"])
    check("error", f"TraceError: {error.value}", golden)


def test_all_blocks_are_checked():
    texts = {"recorded", "graph", "kernels", "llvm", "assembly", "explain", "error"}
    assert set(blocks()) == {"example", "refused", *texts}

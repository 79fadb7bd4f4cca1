"""The texts in docs/compiler.md are what its example prints now.

Each stands in a block behind ``<!-- NAME -->``; ``pytest --update-golden`` writes them anew.
"""

import re
from pathlib import Path

import pytest

from descend.compile import is_available

if not is_available():
    pytest.skip("nothing is compiled here", allow_module_level=True)

from descend.compile import recording, threads
from descend.compile.runtime import text_of

PAGE = Path(__file__).parents[2] / "docs" / "compiler.md"
BLOCK = re.compile(r"<!-- ([\w ]+) -->\n```(\w*)\n(.*?)\n```", re.DOTALL)


def blocks():
    return {name: text for name, _, text in BLOCK.findall(PAGE.read_text())}


def example(monkeypatch):
    """What the page's example leaves, run on two threads; and its graph as it was recorded."""
    recorded = []

    def watched(graph, *args, **kwargs):
        recorded.append(str(graph))
        return passes(graph, *args, **kwargs)

    passes = recording.optimized
    monkeypatch.setattr(recording, "optimized", watched)
    monkeypatch.setattr(threads, "thread_count", lambda: 2)
    names = {}
    exec(compile(blocks()["example"], "example.py", "exec"), names)
    return names["step"], recorded[0]


def update_kernel(executable):
    """The loop that updates the weight: the one that subtracts from it, and is no sum."""
    (kernel,) = [k for k in executable.kernels if k.loop is not None and k.title.endswith("subtract")]
    return kernel


def vector_block(text, lines):
    """The first block of a text of labelled blocks whose instructions are on whole vectors."""
    found = re.split(r"\n(?=[\w.]+:)", text)
    block = next(part for part in found if lines.search(part) and "phi i64" in part + "phi i64")
    kept = [re.sub(r"\s*(#|;).*", "", line).replace("\t", " ").rstrip() for line in block.split("\n")]
    return "\n".join(line for line in kept if line.strip() and not line.strip().startswith(".p2"))


def test_the_texts_of_the_page(monkeypatch, haswell, golden):
    step, recorded = example(monkeypatch)
    executable = step._made().executable
    emitted = update_kernel(executable).emit()
    found = {
        "recorded": recorded,
        "graph": step.graph,
        "kernels": text_of(executable),
        "llvm": vector_block(haswell.llvm(emitted), re.compile("store <")),
        "assembly": vector_block(haswell.assembly(emitted), re.compile(r"ymm.*, .*\(")),
    }
    known = blocks()
    assert set(known) == {"example", *found}
    for name, text in found.items():
        golden(text, known[name], f"docs/compiler.md, {name}", lambda n=name, t=text: write(n, t))


def write(name, text):
    def changed(match):
        return f"<!-- {name} -->\n```{match[2]}\n{text}\n```" if match[1] == name else match[0]

    PAGE.write_text(BLOCK.sub(changed, PAGE.read_text()))

"""The gallery: each example runs, prints what the page says, and draws its picture."""

import re
import sys
from pathlib import Path

import numpy as np
import pytest

ROOT = Path(__file__).parents[1]
sys.path.insert(0, str(ROOT))

from examples.gallery import __main__ as gallery  # noqa: E402

NUMBER = re.compile(r"-?\d+\.?\d*(?:e[+-]\d+)?")


def page():
    return (ROOT / "docs" / "gallery.md").read_text(encoding="utf-8")


@pytest.mark.parametrize("name", gallery.NAMES)
def test_an_example_prints_and_draws_what_the_page_shows(name, tmp_path):
    printed = gallery.output(name)
    section = gallery.section(name, printed)
    text = page()
    said = text[text.index(section.partition("```text")[0]) :].split("```text\n")[1]
    said = said.partition("\n```")[0]
    # the words exactly, the numbers as far as another processor may round them
    assert NUMBER.sub("#", said) == NUMBER.sub("#", printed.rstrip())
    pairs = zip(NUMBER.findall(said), NUMBER.findall(printed), strict=True)
    for ours, theirs in pairs:
        assert np.isclose(float(ours), float(theirs), rtol=0.2, atol=0.1), (ours, theirs)
    assert section.partition("```python")[2] in text, "run python -m examples.gallery"
    matplotlib = pytest.importorskip("matplotlib")
    assert matplotlib
    gallery.draw(name, tmp_path / "picture.svg")
    assert (tmp_path / "picture.svg").stat().st_size > 5000
    assert (ROOT / "docs" / "gallery" / f"{name}.svg").exists()

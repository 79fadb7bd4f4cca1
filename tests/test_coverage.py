"""docs/coverage.md says what is so."""

import importlib.util
import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]

_spec = importlib.util.spec_from_file_location("coverage_page", ROOT / "docs" / "coverage.py")
coverage = importlib.util.module_from_spec(_spec)
_spec.loader.exec_module(coverage)

PAGE = (ROOT / "docs" / "coverage.md").read_text(encoding="utf-8")
STALE = "run python docs/coverage.py"


def test_every_operation_is_there_with_its_orders_and_dtypes():
    rows = [line for line in PAGE.splitlines() if line.startswith("| `")]
    operations = sorted(coverage.OPERATIONS.values(), key=lambda o: (coverage.family_of(o), o.name))
    for row, operation in zip(rows, operations, strict=True):
        assert row.startswith(coverage.start(operation)), STALE


def test_what_is_said_to_be_there_of_numpy_is():
    for title, module in coverage.NAMESPACES.items():
        section = PAGE.partition(f"## {title}\n")[2].partition("\n\nThe others")[0]
        names = re.findall(r"`(\w+)`", section)
        assert names
        assert all(coverage.ours(name, module) for name in names), STALE


@pytest.mark.slow
def test_the_page_is_what_its_program_writes():
    assert coverage.page() == PAGE, STALE

"""The history of a training run as a table that any program reads."""

from __future__ import annotations

import csv
import io
import os
from typing import Any

from descend.formats.atomic import write_atomically


def write_log(path: str | os.PathLike[str], history: list[dict[str, Any]]) -> None:
    """Write a row for each epoch as CSV, the names of the columns first."""
    text = io.StringIO()
    if history:
        table = csv.DictWriter(text, list(history[0]), lineterminator="\n")
        table.writeheader()
        table.writerows(history)
    write_atomically(path, text.getvalue())

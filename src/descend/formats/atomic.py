"""Replacing a file in one piece: whoever opens it finds the old content or the new one."""

from __future__ import annotations

import os
import secrets
from pathlib import Path

SUFFIX = ".partial"


def write_atomically(path: str | os.PathLike[str], content: bytes | str) -> None:
    """Write a file so that even a crash leaves the old content or the new, never a part.

    The content goes to a file of another name in the same folder and is forced to the disk before
    it takes the old file's place; then the folder is forced, too. An exception leaves no file
    behind; a killed process may leave the unfinished one, which `remove_leftovers` takes away.
    """
    path = Path(path)
    content = content.encode("utf-8") if isinstance(content, str) else content
    unfinished = path.with_name(f".{path.name}.{secrets.token_hex(4)}{SUFFIX}")
    try:
        with open(unfinished, "xb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        os.replace(unfinished, path)
    except BaseException:  # the second Ctrl-C arrives here as KeyboardInterrupt
        unfinished.unlink(missing_ok=True)
        raise
    _force_folder(path.parent)


def remove_leftovers(folder: str | os.PathLike[str]) -> None:
    """Remove the unfinished files that processes killed while writing into a folder left there."""
    for unfinished in Path(folder).glob(f".*{SUFFIX}"):
        unfinished.unlink(missing_ok=True)


def _force_folder(folder: Path) -> None:
    if os.name == "nt":  # Windows opens no folders, and writes their entries through
        return
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)

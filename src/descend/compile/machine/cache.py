"""Bytes kept on disk between processes, found by their key: compiled kernels above all.

The folder is ``DESCEND_CACHE`` if that is set (empty: nothing is kept), else ``descend`` in the
platform's folder for caches. A folder that cannot be written is no error: nothing is kept then.
Nor is one used that every user may write to, since what is kept here is run as machine code.

Each file is a mark, the SHA-256 of its content, and the content. A file that does not agree with
itself is as good as none: whoever asked computes the content anew and puts it again.
"""

from __future__ import annotations

import hashlib
import os
import secrets
import stat
import sys
import time
from pathlib import Path

MARK = b"descend\x01"
LIMIT = 256 << 20
"""Bytes that the files may have together."""
_DIGEST = hashlib.sha256().digest_size
_UNFINISHED = ".partial"
_DAY = 24 * 3600.0
_PUTS_BETWEEN_LOOKS = 256

_puts = 0


def folder() -> Path | None:
    """The folder that the files are in, or None where there is none to use."""
    chosen = os.environ.get("DESCEND_CACHE")
    if chosen is not None:
        return Path(chosen).absolute() if chosen else None
    if sys.platform == "darwin":
        parent = "~/Library/Caches"
    elif sys.platform == "win32":
        parent = os.environ.get("LOCALAPPDATA", "~/AppData/Local")
    else:
        parent = os.environ.get("XDG_CACHE_HOME") or "~/.cache"
    parent = os.path.expanduser(parent)
    # A process without a home folder is left with the "~", and relative paths are to be ignored.
    return Path(parent, "descend") if os.path.isabs(parent) else None


def get(key: str) -> bytes | None:
    """What was put under a key, or None."""
    place = folder()
    if place is None or not _is_ours(place):
        return None
    try:
        with open(place / _name(key), "rb") as file:
            content = file.read()
            age = time.time() - os.fstat(file.fileno()).st_mtime
    except OSError:
        return None
    data = content[len(MARK) + _DIGEST :]
    if content[: len(MARK) + _DIGEST] != MARK + hashlib.sha256(data).digest():
        return None
    if age > _DAY:  # so that what is in use is not among the oldest
        _touch(place / _name(key))
    return data


def put(key: str, data: bytes) -> None:
    """Keep bytes under a key, for this process and others, if that is possible."""
    global _puts
    place = folder()
    if place is None:
        return
    unfinished = place / f".{secrets.token_hex(8)}{_UNFINISHED}"
    try:
        place.mkdir(mode=0o700, parents=True, exist_ok=True)
        if not _is_ours(place):
            return
        # Not forced to the disk: after a crash the checksum tells what arrived there.
        with open(unfinished, "xb") as file:
            file.write(MARK + hashlib.sha256(data).digest() + data)
        os.replace(unfinished, place / _name(key))
    except OSError:
        _remove(unfinished)
        return
    except BaseException:
        _remove(unfinished)
        raise
    if _puts % _PUTS_BETWEEN_LOOKS == 0:
        trim(place)
    _puts += 1


def trim(place: Path, limit: int = LIMIT) -> None:
    """Remove the oldest files of a folder if all together are larger than the limit."""
    files: list[tuple[float, int, Path]] = []
    now = time.time()
    try:
        with os.scandir(place) as entries:
            for entry in entries:
                state = entry.stat(follow_symlinks=False)
                if entry.name.endswith(_UNFINISHED):
                    if now - state.st_mtime > _DAY:  # its writer was killed
                        _remove(Path(entry.path))
                elif stat.S_ISREG(state.st_mode):
                    files.append((state.st_mtime, state.st_size, Path(entry.path)))
    except OSError:
        return  # another process removes files at the same time
    total = sum(size for _, size, _ in files)
    if total <= limit:
        return
    for _, size, path in sorted(files):
        _remove(path)
        total -= size
        if total <= limit * 3 // 4:  # so that the next file is not a reason to look again
            return


def _name(key: str) -> str:
    return hashlib.sha256(key.encode()).hexdigest()


def _is_ours(place: Path) -> bool:
    try:
        return sys.platform == "win32" or not place.stat().st_mode & stat.S_IWOTH
    except OSError:
        return False


def _touch(path: Path) -> None:
    try:
        os.utime(path)
    except OSError:
        pass


def _remove(path: Path) -> None:
    try:
        path.unlink(missing_ok=True)
    except OSError:
        pass

import os
import subprocess
import sys
import time

import pytest

from descend.compile.machine import cache


@pytest.fixture
def folder(tmp_path, monkeypatch):
    place = tmp_path / "kept"
    monkeypatch.setenv("DESCEND_CACHE", str(place))
    return place


def files(folder):
    return [path for path in folder.iterdir() if path.is_file()]


def test_what_was_put_is_got_back(folder):
    assert cache.get("a") is None
    cache.put("a", b"first")
    cache.put("b/../\n", b"")
    assert cache.get("a") == b"first"
    assert cache.get("b/../\n") == b""
    cache.put("a", b"second")
    assert cache.get("a") == b"second"
    assert len(files(folder)) == 2


@pytest.mark.parametrize("damage", ["cut", "flip", "empty", "mark"])
def test_a_damaged_file_is_as_good_as_none_and_is_replaced(folder, damage):
    data = bytes(range(256))
    cache.put("key", data)
    (path,) = files(folder)
    content = bytearray(path.read_bytes())
    if damage == "cut":
        content = content[:-1]
    elif damage == "flip":
        content[-7] ^= 1
    elif damage == "empty":
        content.clear()
    else:
        content[0] ^= 1
    path.write_bytes(content)
    assert cache.get("key") is None
    cache.put("key", data)
    assert cache.get("key") == data


def test_a_folder_that_cannot_be_made_is_no_error(tmp_path, monkeypatch):
    (tmp_path / "file").write_text("in the way")
    monkeypatch.setenv("DESCEND_CACHE", str(tmp_path / "file" / "folder"))
    cache.put("key", b"data")
    assert cache.get("key") is None
    monkeypatch.setenv("DESCEND_CACHE", str(tmp_path / "file"))
    cache.put("key", b"data")
    assert cache.get("key") is None


def test_an_empty_variable_switches_the_cache_off(tmp_path, monkeypatch):
    monkeypatch.setenv("DESCEND_CACHE", "")
    monkeypatch.chdir(tmp_path)
    cache.put("key", b"data")
    assert cache.get("key") is None
    assert not list(tmp_path.iterdir())


def test_the_usual_folder_is_below_the_users(tmp_path, monkeypatch):
    monkeypatch.delenv("DESCEND_CACHE", raising=False)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    monkeypatch.setattr(sys, "platform", "linux")
    assert cache.folder() == tmp_path / "descend"
    monkeypatch.setenv("XDG_CACHE_HOME", "relative")
    assert cache.folder() is None
    monkeypatch.delenv("XDG_CACHE_HOME")
    monkeypatch.setenv("HOME", str(tmp_path))
    assert cache.folder() == tmp_path / ".cache" / "descend"
    monkeypatch.setattr(sys, "platform", "darwin")
    assert cache.folder() == tmp_path / "Library" / "Caches" / "descend"


@pytest.mark.skipif(sys.platform == "win32", reason="permissions of POSIX")
def test_a_folder_that_everybody_writes_to_is_not_used(folder):
    cache.put("key", b"data")
    assert folder.stat().st_mode & 0o777 == 0o700
    folder.chmod(0o777)
    assert cache.get("key") is None
    cache.put("other", b"data")
    assert len(files(folder)) == 1


def test_the_oldest_files_are_removed_when_all_are_too_large(folder):
    for number in range(8):
        cache.put(str(number), bytes(1000))
        (path,) = [p for p in files(folder) if p.name == cache._name(str(number))]
        os.utime(path, (number, number))
    cache.trim(folder, limit=100_000)
    assert len(files(folder)) == 8
    cache.trim(folder, limit=6000)
    left = [number for number in range(8) if cache.get(str(number)) is not None]
    assert left == [4, 5, 6, 7]


def test_what_is_read_again_is_not_old(folder):
    cache.put("key", b"data")
    (path,) = files(folder)
    os.utime(path, (1, 1))
    cache.get("key")
    assert time.time() - path.stat().st_mtime < 60


def test_what_a_killed_writer_left_is_removed_a_day_later(folder):
    cache.put("key", b"data")
    old, new = folder / ".1.partial", folder / ".2.partial"
    old.write_bytes(b"half")
    os.utime(old, (1, 1))
    new.write_bytes(b"half")
    cache.trim(folder)
    assert not old.exists()
    assert new.exists()
    assert cache.get("key") == b"data"


def test_an_exception_while_writing_leaves_no_file(folder, monkeypatch):
    def interrupt(*_):
        raise KeyboardInterrupt

    monkeypatch.setattr(os, "replace", interrupt)
    with pytest.raises(KeyboardInterrupt):
        cache.put("key", b"data")
    assert not list(folder.iterdir())


FILL = """
import sys
from descend.compile.machine import cache
for number in range(100):
    data = str(number).encode() * 1000
    cache.put(str(number), data)
    found = cache.get(str(number))
    assert found == data, number
"""


def test_processes_fill_the_same_folder_at_once(folder):
    processes = [subprocess.Popen([sys.executable, "-c", FILL]) for _ in range(2)]
    assert [process.wait(timeout=60) for process in processes] == [0, 0]
    assert len(list(folder.iterdir())) == 100

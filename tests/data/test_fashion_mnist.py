import hashlib
import sys
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest

from descend.data import fashion_mnist
from descend.data.idx import FILES

module = sys.modules["descend.data.fashion_mnist"]

ARRAYS = [
    np.full((3, 28, 28), 255, np.uint8),
    np.array([9, 0, 4], np.uint8),
    np.full((2, 28, 28), 51, np.uint8),
    np.array([1, 2], np.uint8),
]


@pytest.fixture
def home(tmp_path, monkeypatch):
    """A machine without any copy of the data set."""
    monkeypatch.delenv("DESCEND_DATA", raising=False)
    monkeypatch.setattr(module, "DEBIAN_FOLDER", tmp_path / "debian")
    monkeypatch.setattr(module, "cache_folder", lambda: tmp_path / "cache")
    return tmp_path


@pytest.fixture
def make(home, monkeypatch, write_idx):
    """A function that makes a small data set in a folder and has it accepted as the real one."""

    def write(folder, suffix=".gz"):
        folder.mkdir(parents=True)
        digests = {}
        for name, array in zip(FILES, ARRAYS, strict=True):
            data = write_idx(folder / f"{name}{suffix}", array)
            digests[name] = hashlib.md5(data, usedforsecurity=False).hexdigest()
        monkeypatch.setattr(module, "DIGESTS", digests)
        return folder

    return write


def check(parts):
    train, test = parts
    assert train.x.shape == (3, 1, 28, 28) and train.x.dtype == np.float32
    assert np.all(train.x == 1) and np.all(test.x == np.float32(0.2))
    assert train.t.tolist() == [9, 0, 4] and test.t.tolist() == [1, 2]
    assert train.classes is not None and train.classes[9] == "Ankle boot"
    assert test.name == "fashion_mnist test"


@pytest.mark.parametrize("suffix", ["", ".gz"])
@pytest.mark.parametrize("inner", ["", "fashion-mnist"])
def test_a_given_folder(home, make, suffix, inner):
    make(home / "mine" / inner, suffix)
    check(fashion_mnist(home / "mine", download=False))


@pytest.mark.parametrize("place", ["variable", "debian", "cache/fashion-mnist"])
def test_the_other_places(home, make, monkeypatch, place):
    make(home / place)
    monkeypatch.setenv("DESCEND_DATA", str(home / "variable"))
    check(fashion_mnist(download=False))
    check(fashion_mnist(home / "a folder without it", download=False))


def test_the_first_place_wins(home, make, monkeypatch):
    order = ["mine", "variable", "debian", "cache"]
    for place in order:
        make(home / place)
    monkeypatch.setenv("DESCEND_DATA", str(home / "variable"))
    for place in order:
        images = home / place / f"{FILES[0]}.gz"
        images.write_bytes(b"damaged")
        with pytest.raises(ValueError, match=f"{place}/{FILES[0]}"):
            fashion_mnist(home / "mine", download=False)
        images.unlink()


def test_mnist_beside_it_is_not_taken_for_it(home, make, write_idx):
    make(home / "mine" / "fashion-mnist")
    for name, array in zip(FILES, ARRAYS[2:] + ARRAYS[2:], strict=True):
        write_idx(home / "mine" / name, array)
    check(fashion_mnist(home / "mine", download=False))


def test_a_damaged_file_is_named_with_both_digests(home, make, write_idx):
    folder = make(home / "mine", "")
    expected = module.DIGESTS[FILES[3]]
    data = write_idx(folder / FILES[3], np.array([1, 3], np.uint8))
    actual = hashlib.md5(data, usedforsecurity=False).hexdigest()
    message = f"{FILES[3]} is damaged .* is {actual}, expected {expected}"
    with pytest.raises(ValueError, match=message):
        fashion_mnist(folder)


def test_without_a_copy_the_error_says_how_to_get_one(home):
    message = r"debian, .*cache holds the four files .*apt install dataset-fashion-mnist.*DESCEND_"
    with pytest.raises(FileNotFoundError, match=message):
        fashion_mnist(download=False)


def test_without_pooch_the_error_says_so(home, monkeypatch):
    monkeypatch.setitem(sys.modules, "pooch", None)
    with pytest.raises(FileNotFoundError, match="DESCEND_DATA, or pip install pooch"):
        fashion_mnist()


def test_download(home, make, monkeypatch):
    source = make(home / "server")
    calls = []

    def retrieve(url, known_hash, fname, path):
        calls.append((url, known_hash))
        Path(path).mkdir(parents=True, exist_ok=True)
        return str((source / fname).rename(Path(path) / fname))

    monkeypatch.setitem(sys.modules, "pooch", SimpleNamespace(retrieve=retrieve))
    check(fashion_mnist())
    assert [url.rsplit("/", 1) for url, _ in calls] == [
        ["http://fashion-mnist.s3-website.eu-central-1.amazonaws.com", f"{name}.gz"]
        for name in FILES
    ]
    assert calls[0][1] == "md5:8d4fb7e6c68d591d4c3dfef9ec88bf0d"
    check(fashion_mnist())
    assert len(calls) == 4, "the second time comes from the cache"


@pytest.mark.parametrize("error", [ConnectionError("no route"), ValueError("MD5 hash no route")])
def test_a_failed_download_is_an_error(home, monkeypatch, error):
    def retrieve(**_):
        raise error

    monkeypatch.setitem(sys.modules, "pooch", SimpleNamespace(retrieve=retrieve))
    with pytest.raises(FileNotFoundError, match=r"download failed \(.*no route\); none of the"):
        fashion_mnist()


def test_pooch_takes_the_arguments(home, make, monkeypatch):
    # The real pooch, which finds its file in the cache and so asks no server.
    pooch = pytest.importorskip("pooch")
    make(home / "cache" / "fashion-mnist")
    digests = {
        name: pooch.file_hash(home / "cache" / "fashion-mnist" / f"{name}.gz", alg="md5")
        for name in FILES
    }
    monkeypatch.setattr(module, "DOWNLOAD_DIGESTS", digests)
    assert [path.name for path in module._download(None)] == [f"{name}.gz" for name in FILES]


@pytest.mark.parametrize(
    ("platform", "variable", "expected"),
    [
        ("linux", "XDG_CACHE_HOME", "descend"),
        ("linux", None, ".cache/descend"),
        ("darwin", None, "Library/Caches/descend"),
        ("win32", "LOCALAPPDATA", "descend"),
        ("win32", None, "AppData/Local/descend"),
    ],
)
def test_cache_folder(tmp_path, monkeypatch, platform, variable, expected):
    for name in ("XDG_CACHE_HOME", "LOCALAPPDATA"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setattr(sys, "platform", platform)
    monkeypatch.setattr(Path, "home", lambda: tmp_path)
    if variable is not None:
        monkeypatch.setenv(variable, str(tmp_path))
    assert module.cache_folder() == tmp_path / expected


@pytest.mark.skipif(
    not (module.DEBIAN_FOLDER / f"{FILES[0]}.gz").is_file(),
    reason="Debian's package dataset-fashion-mnist is not installed",
)
def test_the_real_files():
    train, test = fashion_mnist(module.DEBIAN_FOLDER, download=False)
    assert train.x.shape == (60000, 1, 28, 28) and test.x.shape == (10000, 1, 28, 28)
    assert train.x.dtype == np.float32 and train.x.min() == 0 and train.x.max() == 1
    assert np.bincount(train.t).tolist() == [6000] * 10
    assert np.bincount(test.t).tolist() == [1000] * 10
    assert repr(test) == (
        "Dataset('fashion_mnist test', 10000 samples of (1, 28, 28) float32, 10 classes)"
    )

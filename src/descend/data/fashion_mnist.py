"""Fashion-MNIST: found on this machine, or downloaded once."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from pathlib import Path

from descend.data.dataset import Dataset
from descend.data.idx import FILES, find_files, read_datasets

CLASSES = (
    "T-shirt/top",
    "Trouser",
    "Pullover",
    "Dress",
    "Coat",
    "Sandal",
    "Shirt",
    "Sneaker",
    "Bag",
    "Ankle boot",
)

# Of the decompressed bytes: gzip files of the same content differ (Debian's from the original's).
DIGESTS = {
    "train-images-idx3-ubyte": "f4a8712d7a061bf5bd6d2ca38dc4d50a",
    "train-labels-idx1-ubyte": "9018921c3c673c538a1fc5bad174d6f9",
    "t10k-images-idx3-ubyte": "8181f5470baa50b63fa0f6fddb340f0a",
    "t10k-labels-idx1-ubyte": "15d484375f8d13e6eb1aabb0c3f46965",
}

# The address and the md5 of the gzip files that the data set's own page gives. The server speaks
# http only, so the digests are what makes the download trustworthy.
ADDRESS = "http://fashion-mnist.s3-website.eu-central-1.amazonaws.com/"
DOWNLOAD_DIGESTS = {
    "train-images-idx3-ubyte": "8d4fb7e6c68d591d4c3dfef9ec88bf0d",
    "train-labels-idx1-ubyte": "25c81989df183df01b3e8a0aad5dffbe",
    "t10k-images-idx3-ubyte": "bef4ecab320f06d8554ea6380940ec79",
    "t10k-labels-idx1-ubyte": "bb300cfdad3c16e7a12a480ee83cd310",
}

DEBIAN_FOLDER = Path("/usr/share/datasets/fashion-mnist")


def fashion_mnist(
    folder: str | os.PathLike[str] | None = None, download: bool = True
) -> tuple[Dataset, Dataset]:
    """The train and test Datasets of Fashion-MNIST: photographs of clothes in ten classes.

    `x` is (60000, 1, 28, 28) and (10000, 1, 28, 28) float32 in [0, 1], `t` is int64. The first
    place that has all four IDX files (gzipped or not) is taken: `folder`, the folder in the
    environment variable DESCEND_DATA, that of Debian's package dataset-fashion-mnist, the user's
    cache. Each can also hold them in a folder `fashion-mnist`. If there is none and `download` is
    true, they are downloaded to the cache (31 MB; needs pooch).

    The files are verified; a damaged one is a ValueError. A FileNotFoundError says how to get them.

    H. Xiao, K. Rasul, R. Vollgraf, "Fashion-MNIST: a novel image dataset for benchmarking machine
    learning algorithms", 2017, https://doi.org/10.48550/arXiv.1708.07747, MIT licence
    """
    paths = find_fashion_mnist(folder)
    if paths is None and not download:
        raise FileNotFoundError(f"fashion_mnist: {_advice(folder)}")
    return read_datasets(paths or _download(folder), "fashion_mnist", CLASSES, DIGESTS)


def find_fashion_mnist(folder: str | os.PathLike[str] | None = None) -> tuple[Path, ...] | None:
    """The four files, of the first place that has them all; None if no place has."""
    for place in _places(folder):
        # The inner folder first: beside it could lie MNIST, whose files have the same names.
        for inner in (place / "fashion-mnist", place):
            paths = find_files(inner)
            if paths is not None:
                return paths
    return None


def cache_folder() -> Path:
    """The folder that downloads of this user are kept in; it need not exist."""
    if sys.platform == "win32":
        base = os.environ.get("LOCALAPPDATA") or Path.home() / "AppData" / "Local"
    elif sys.platform == "darwin":
        base = Path.home() / "Library" / "Caches"
    else:
        base = os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
    return Path(base, "descend")


def _places(folder: str | os.PathLike[str] | None) -> Iterator[Path]:
    if folder is not None:
        yield Path(folder)
    if variable := os.environ.get("DESCEND_DATA"):
        yield Path(variable)
    yield DEBIAN_FOLDER
    yield cache_folder()


def _download(folder: str | os.PathLike[str] | None) -> tuple[Path, ...]:
    try:
        import pooch
    except ImportError as error:
        raise FileNotFoundError(
            f"fashion_mnist: {_advice(folder)}, or pip install pooch to have it downloaded"
        ) from error
    try:
        return tuple(
            Path(
                pooch.retrieve(
                    url=f"{ADDRESS}{name}.gz",
                    known_hash=f"md5:{DOWNLOAD_DIGESTS[name]}",
                    fname=f"{name}.gz",
                    path=cache_folder() / "fashion-mnist",
                )
            )
            for name in FILES
        )
    # A wrong digest is pooch's ValueError, every failure of the network an OSError.
    except (OSError, ValueError) as error:
        raise FileNotFoundError(
            f"fashion_mnist: the download failed ({error}); {_advice(folder)}"
        ) from error


def _advice(folder: str | os.PathLike[str] | None) -> str:
    looked = ", ".join(str(place) for place in _places(folder))
    return (
        f"none of the folders {looked} holds the four files of Fashion-MNIST: "
        "apt install dataset-fashion-mnist (Debian, Ubuntu), or name their folder by "
        "fashion_mnist(folder) or the environment variable DESCEND_DATA"
    )

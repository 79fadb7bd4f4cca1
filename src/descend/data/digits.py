"""The embedded data set: small enough to travel with the package."""

from __future__ import annotations

import gzip
from pathlib import Path

import numpy as np

from descend.data.dataset import Dataset


def digits() -> tuple[Dataset, Dataset]:
    """The train and test Datasets of 1,797 handwritten digits, 8 x 8 gray pixels; no download.

    `x` is (N, 1, 8, 8) float32 in [0, 1] (17 levels: the file's 0 to 16 divided by 16), `t` is
    (N,) int64, the digit. A fixed fifth is the test set: 1,438 and 359 samples, drawn once at
    random by `Dataset.split`, the same on every machine. Writers are not told apart in the file,
    so the same hand can occur in both parts; expect an accuracy above that for new writers.

    E. Alpaydin, C. Kaynak, "Optical Recognition of Handwritten Digits", UCI Machine Learning
    Repository, 1998, https://doi.org/10.24432/C50P49, CC BY 4.0. The file is scikit-learn's copy
    of its test part.

    >>> train, test = digits()
    >>> train
    Dataset('digits train', 1438 samples of (1, 8, 8) float32, 10 classes)
    """
    packed = (Path(__file__).parent / "files" / "digits.csv.gz").read_bytes()
    lines = gzip.decompress(packed).decode("ascii").splitlines()
    table = np.loadtxt(lines, delimiter=",", dtype=np.uint8)
    x = table[:, :64].reshape(-1, 1, 8, 8) / np.float32(16)
    t = table[:, 64].astype(np.int64)
    return Dataset(x, t, [str(digit) for digit in range(10)], "digits").split(0.2)

import hashlib
from importlib.resources import files

import numpy as np

from descend.data import digits


def test_the_file_is_the_one_the_readme_names():
    folder = files("descend.data") / "files"
    data = (folder / "digits.csv.gz").read_bytes()
    digest = hashlib.md5(data, usedforsecurity=False).hexdigest()
    assert digest in (folder / "README.md").read_text()


def test_shapes_and_values():
    train, test = digits()
    assert train.x.shape == (1438, 1, 8, 8) and test.x.shape == (359, 1, 8, 8)
    for part in (train, test):
        assert part.x.dtype == np.float32 and part.t.dtype == np.int64
        assert part.x.min() == 0 and part.x.max() == 1
        assert np.array_equal(part.x * 16, np.rint(part.x * 16))
        assert part.classes == tuple("0123456789")


def test_all_classes_with_the_published_counts():
    train, test = digits()
    counts = np.bincount(train.t, minlength=10) + np.bincount(test.t, minlength=10)
    assert counts.tolist() == [178, 182, 177, 183, 181, 182, 181, 179, 174, 180]
    assert np.bincount(test.t, minlength=10).min() >= 20


def test_the_test_set_is_always_the_same():
    # Stored once: a change here makes every published accuracy incomparable.
    test = digits()[1]
    content = (test.x * 16).astype(np.uint8).tobytes() + test.t.astype(np.uint8).tobytes()
    assert hashlib.md5(content, usedforsecurity=False).hexdigest() == TEST_SET


def test_pixels_belong_to_their_labels():
    # The mean image of each class recognizes most of the test set only if nothing is mixed up.
    train, test = digits()
    means = np.stack([train.x[train.t == digit].mean(axis=0) for digit in range(10)])
    distance = ((test.x[:, None] - means) ** 2).sum(axis=(2, 3, 4))
    assert (distance.argmin(axis=1) == test.t).mean() > 0.85


TEST_SET = "9487739c7b4df346f67043be7f2a29cf"

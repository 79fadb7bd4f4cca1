import numpy as np
import pytest

from descend.data import cifar10
from descend.data.cifar import TEST_FILES, TRAIN_FILES


def write(folder, count=2):
    folder.mkdir(exist_ok=True)
    rng = np.random.default_rng(0)
    rows = {}
    for name in TRAIN_FILES + TEST_FILES:
        rows[name] = rng.integers(0, 256, (count, 3073), dtype=np.uint8)
        rows[name][:, 0] %= 10
        (folder / name).write_bytes(rows[name].tobytes())
    return rows


@pytest.mark.parametrize("inner", ["", "cifar-10-batches-bin"])
def test_pixels_and_labels_are_where_they_belong(tmp_path, inner):
    rows = write(tmp_path / inner)
    train, test = cifar10(tmp_path)
    assert train.x.shape == (10, 3, 32, 32) and test.x.shape == (2, 3, 32, 32)
    assert train.x.dtype == np.float32 and train.t.dtype == np.int64
    # Image 7 is the second of the fourth file; green of row 5, column 6.
    row = rows["data_batch_4.bin"][1]
    assert train.t[7] == row[0]
    assert train.x[7, 1, 5, 6] == np.float32(row[1 + 1024 + 5 * 32 + 6]) / np.float32(255)
    assert np.array_equal(test.t, rows["test_batch.bin"][:, 0])
    assert train.classes is not None and train.classes[3] == "cat" and test.name == "cifar10 test"


def test_a_missing_file_is_an_error(tmp_path):
    write(tmp_path)
    (tmp_path / "data_batch_3.bin").unlink()
    with pytest.raises(FileNotFoundError, match=r"data_batch_3\.bin is missing"):
        cifar10(tmp_path)


@pytest.mark.parametrize("content", [b"", bytes(3072), bytes(3074)])
def test_a_wrong_size_is_an_error(tmp_path, content):
    write(tmp_path)
    (tmp_path / "test_batch.bin").write_bytes(content)
    message = rf"test_batch\.bin has {len(content)} bytes, a multiple of 3073"
    with pytest.raises(ValueError, match=message):
        cifar10(tmp_path)


def test_a_label_outside_is_an_error(tmp_path):
    write(tmp_path)
    (tmp_path / "test_batch.bin").write_bytes(bytes([10]) + bytes(3072))
    with pytest.raises(ValueError, match="labels hold 10, but there are only 10 classes"):
        cifar10(tmp_path)

import gzip

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import array_shapes, arrays

from descend.data import mnist, read_idx
from descend.data.idx import FILES

IMAGES = np.arange(3 * 28 * 28, dtype=np.uint16).astype(np.uint8).reshape(3, 28, 28)
LABELS = np.array([7, 0, 9], np.uint8)


@pytest.mark.parametrize("suffix", ["", ".gz"])
@given(data=st.data())
def test_what_was_written_is_read(tmp_path_factory, write_idx, suffix, data):
    dtype = data.draw(st.sampled_from(["u1", "i1", "i2", "i4", "f4", "f8"]))
    shape = data.draw(array_shapes(min_dims=0, max_dims=4, min_side=0, max_side=4))
    array = data.draw(arrays(dtype, shape))
    path = tmp_path_factory.mktemp("idx") / f"file{suffix}"
    write_idx(path, array)
    read = read_idx(path)
    assert read.dtype == np.dtype(dtype) and read.dtype.isnative
    assert np.array_equal(read, array, equal_nan=array.dtype.kind == "f")
    assert read.flags.writeable


def test_the_bytes_of_a_known_file(tmp_path):
    path = tmp_path / "known"
    path.write_bytes(bytes.fromhex("00000b02 00000002 00000001 0102 fffe"))
    assert read_idx(path).tolist() == [[258], [-2]]


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("", "is not an IDX file: it begins with nothing"),
        ("01000801 00000001 05", "is not an IDX file: it begins with 01 00 08 01"),
        ("00000a01 00000001 05", "is not an IDX file: it begins with 00 00 0a 01"),
        ("00000802 00000001", "is cut off in its header: 8 bytes, 12 needed"),
        ("00000801 00000003 0102", r"has 10 bytes, its header \(shape \(3,\), uint8\) says 11"),
        ("00000801 00000001 0102", "has 10 bytes, .* says 9"),
        ("00000802 ffffffff ffffffff", "has 12 bytes, .* says 18446744065119617037"),
        ("00000821" + "00000001" * 33 + "05", "has 33 axes, at most 32"),
        ("1f8b0800", "is damaged, gzip cannot decompress it"),
    ],
)
def test_a_wrong_file_is_an_error(tmp_path, content, message):
    path = tmp_path / "wrong"
    path.write_bytes(bytes.fromhex(content))
    with pytest.raises(ValueError, match=f"wrong {message}"):
        read_idx(path)


def test_damaged_compression_is_an_error(tmp_path):
    path = tmp_path / "cut.gz"
    packed = gzip.compress(bytes(1000), mtime=0)
    flipped = bytearray(packed)
    flipped[-8] ^= 1
    for data in (packed[:-10], flipped):
        path.write_bytes(data)
        with pytest.raises(ValueError, match=r"cut\.gz is damaged, gzip cannot decompress it"):
            read_idx(path)


def test_a_missing_file_is_an_error(tmp_path):
    with pytest.raises(FileNotFoundError, match="none is not a file"):
        read_idx(tmp_path / "none")


@pytest.mark.parametrize("suffix", ["", ".gz"])
@pytest.mark.parametrize("dotted", [False, True])
def test_mnist(tmp_path, write_idx, suffix, dotted):
    for name, array in zip(FILES, [IMAGES, LABELS, IMAGES[:2], LABELS[:2]], strict=True):
        write_idx(tmp_path / ((name.replace("-idx", ".idx") if dotted else name) + suffix), array)
    train, test = mnist(tmp_path)
    assert train.x.shape == (3, 1, 28, 28) and len(test) == 2
    assert np.array_equal(train.x[:, 0], IMAGES / np.float32(255))
    assert train.t.tolist() == [7, 0, 9] and train.t.dtype == np.int64
    assert test.name == "mnist test" and train.classes == tuple("0123456789")


def test_mnist_needs_all_four(tmp_path, write_idx):
    for name in FILES[:3]:
        write_idx(tmp_path / name, LABELS)
    with pytest.raises(FileNotFoundError, match="does not hold the four files train-images"):
        mnist(tmp_path)


@pytest.mark.parametrize(
    ("images", "labels", "message"),
    [
        (LABELS, LABELS, r"train-images-.*: holds uint8 of shape \(3,\), images must be uint8"),
        (IMAGES.astype("i2"), LABELS, "holds int16"),
        (IMAGES, LABELS[:2], r"train-labels-.* \(train\): 3 images and 2 labels"),
        (IMAGES, IMAGES, r"labels have shape \(3, 28, 28\)"),
        (IMAGES, LABELS + np.uint8(1), "labels hold 10, but there are only 10 classes"),
    ],
)
def test_mnist_of_a_wrong_content_is_an_error(tmp_path, write_idx, images, labels, message):
    for name, array in zip(FILES, [images, labels, IMAGES, LABELS], strict=True):
        write_idx(tmp_path / name, array)
    with pytest.raises(ValueError, match=message):
        mnist(tmp_path)

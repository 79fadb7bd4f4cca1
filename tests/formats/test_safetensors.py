import json
import struct

import numpy as np
import pytest

from descend.formats import load_safetensors, save_safetensors


def write_raw(path, header, content=b""):
    text = header if isinstance(header, bytes) else json.dumps(header).encode()
    path.write_bytes(struct.pack("<Q", len(text)) + text + content)


@pytest.mark.parametrize(
    "x",
    [
        np.float32(3.5),
        np.arange(6, dtype=np.float32).reshape(2, 3),
        np.arange(6.0).reshape(2, 3).T,
        np.arange(10, dtype=np.uint64)[::-2],
        np.zeros((0, 3), np.float16),
        np.array([True, False]),
        np.arange(4, dtype=">i4"),
        np.array(7, np.int64),
    ],
)
def test_what_was_saved_is_loaded(tmp_path, x):
    save_safetensors(tmp_path / "a.safetensors", {"x": x})
    arrays, metadata = load_safetensors(tmp_path / "a.safetensors")
    y = arrays["x"]
    assert y.dtype == np.asarray(x).dtype.newbyteorder("=") and y.shape == np.shape(x)
    np.testing.assert_array_equal(y, x)
    assert metadata == {}


def test_metadata_and_names(tmp_path):
    path = tmp_path / "a.safetensors"
    save_safetensors(path, {"0.weight": np.ones(2), "b": np.zeros(1)}, {"step": "3", "ä": "ü"})
    arrays, metadata = load_safetensors(path)
    assert sorted(arrays) == ["0.weight", "b"]
    assert metadata == {"step": "3", "ä": "ü"}


def test_the_file_is_a_length_a_header_and_the_bytes(tmp_path):
    path = tmp_path / "a.safetensors"
    save_safetensors(path, {"x": np.array([1.0, 2.0], np.float32)})
    content = path.read_bytes()
    (length,) = struct.unpack("<Q", content[:8])
    header = json.loads(content[8 : 8 + length])
    assert header["x"] == {"dtype": "F32", "shape": [2], "data_offsets": [0, 8]}
    assert content[8 + length :] == np.array([1.0, 2.0], "<f4").tobytes()


def test_objects_are_refused(tmp_path):
    path = tmp_path / "a.safetensors"
    with pytest.raises(TypeError, match=r"'x' for .* has dtype object, numbers are needed"):
        save_safetensors(path, {"x": np.array([None])})
    assert not path.exists()


def test_missing_file(tmp_path):
    with pytest.raises(FileNotFoundError, match="is not a file"):
        load_safetensors(tmp_path / "a.safetensors")


def f32(offsets, shape=(2,)):
    return {"x": {"dtype": "F32", "shape": list(shape), "data_offsets": list(offsets)}}


@pytest.mark.parametrize(
    ("header", "content"),
    [
        pytest.param(f32((0, 8)), b"\0" * 4, id="offsets behind the end"),  # mlx#3363
        pytest.param(f32((1 << 40, (1 << 40) + 8)), b"\0" * 8, id="offsets far outside"),
        pytest.param(f32((8, 0)), b"\0" * 8, id="offsets backwards"),
        pytest.param(f32((0, 8), (3,)), b"\0" * 8, id="shape does not fit"),
        pytest.param(f32((4, 12)), b"\0" * 12, id="a gap"),
        pytest.param(f32((0, 8)), b"\0" * 9, id="a rest"),
        pytest.param(b"{", b"", id="broken header"),
        pytest.param({"x": {"dtype": "F99", "shape": [], "data_offsets": [0, 0]}}, b"", id="dtype"),
        pytest.param(
            {"x": {"dtype": "BF16", "shape": [2], "data_offsets": [0, 4]}},
            b"\0" * 4,
            id="a dtype that NumPy lacks",
        ),
    ],
)
def test_damaged_files(tmp_path, header, content):
    path = tmp_path / "a.safetensors"
    write_raw(path, header, content)
    with pytest.raises(ValueError, match="is not a readable safetensors file") as caught:
        load_safetensors(path)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    "content", [b"", b"abc", struct.pack("<Q", 1 << 62), b"PK\3\4" + b"x" * 99]
)
def test_files_that_are_something_else(tmp_path, content):
    path = tmp_path / "a.safetensors"
    path.write_bytes(content)
    with pytest.raises(ValueError, match="is not a readable safetensors file"):
        load_safetensors(path)


def test_every_truncation_is_an_error(tmp_path):
    path = tmp_path / "a.safetensors"
    save_safetensors(path, {"x": np.arange(4.0)})
    content = path.read_bytes()
    for length in range(len(content)):
        path.write_bytes(content[:length])
        with pytest.raises(ValueError, match="is not a readable safetensors file"):
            load_safetensors(path)

import sys

import numpy as np
import pytest

from descend.data import read_image
from descend.data.image import resize


@pytest.fixture
def pillow():
    return pytest.importorskip("PIL.Image")


def gradient(*shape):
    return np.random.default_rng(0).integers(0, 256, shape, dtype=np.uint8)


def test_an_npy_of_the_right_size_keeps_its_pixels(tmp_path):
    pixels = gradient(5, 4)
    np.save(tmp_path / "x.npy", pixels)
    x = read_image(tmp_path / "x.npy", (1, 5, 4))
    assert x.shape == (1, 1, 5, 4) and x.dtype == np.float32
    np.testing.assert_allclose(x[0, 0], pixels / 255, rtol=1e-6)
    repeated = read_image(tmp_path / "x.npy", (3, 5, 4))
    assert np.array_equal(repeated, np.repeat(x, 3, axis=1))


@pytest.mark.parametrize("last", [False, True])
def test_colours_of_an_npy(tmp_path, last):
    pixels = gradient(3, 5, 4).astype(np.float32) / 255
    np.save(tmp_path / "x.npy", pixels.transpose(1, 2, 0) if last else pixels)
    np.testing.assert_allclose(read_image(tmp_path / "x.npy", (3, 5, 4))[0], pixels, rtol=1e-6)
    gray = 0.299 * pixels[0] + 0.587 * pixels[1] + 0.114 * pixels[2]
    np.testing.assert_allclose(read_image(tmp_path / "x.npy", (1, 5, 4))[0, 0], gray, rtol=1e-6)


@pytest.mark.parametrize(
    ("dtype", "largest"), [(np.uint8, 255), (np.uint16, 65535), (np.float64, 1), (np.bool_, 1)]
)
def test_the_largest_pixel_is_one(tmp_path, dtype, largest):
    np.save(tmp_path / "x.npy", np.array([[0, largest]], dtype))
    assert read_image(str(tmp_path / "x.npy"), (1, 1, 2)).ravel().tolist() == [0, 1]


@pytest.mark.parametrize("suffix", ["png", "bmp", "tiff"])
def test_gray_and_colour_files(tmp_path, pillow, suffix):
    path = tmp_path / f"x.{suffix}"
    gray, colour = gradient(6, 5), gradient(6, 5, 3)
    pillow.fromarray(gray).save(path)
    np.testing.assert_allclose(read_image(path, (1, 6, 5))[0, 0], gray / 255, atol=1e-6)
    pillow.fromarray(colour).save(path)
    expected = colour.transpose(2, 0, 1) / 255
    np.testing.assert_allclose(read_image(path, (3, 6, 5))[0], expected, rtol=1e-6)


def test_transparent_parts_are_seen_on_white(tmp_path, pillow):
    pixels = np.zeros((1, 2, 4), np.uint8)
    pixels[0, 1, 3] = 255
    pillow.fromarray(pixels).save(tmp_path / "x.png")
    assert read_image(tmp_path / "x.png", (3, 1, 2))[0, 0].tolist() == [[1, 0]]


def test_sixteen_bits_are_not_cut_off(tmp_path, pillow):
    pixels = np.array([[0, 13107, 65535]], np.uint16)
    pillow.fromarray(pixels).save(tmp_path / "x.png")
    np.testing.assert_allclose(read_image(tmp_path / "x.png", (1, 1, 3)).ravel(), [0, 0.2, 1])


def test_a_photograph_is_turned_as_its_camera_says(tmp_path, pillow):
    exif = pillow.Exif()
    exif[0x0112] = 6
    pixels = np.zeros((8, 16), np.uint8)
    pixels[:, :8] = 255
    pillow.fromarray(pixels).save(tmp_path / "x.png", exif=exif)
    x = read_image(tmp_path / "x.png", (1, 16, 8))[0, 0]
    assert np.all(x[:8] == 1) and np.all(x[8:] == 0)


@pytest.mark.parametrize("size", [(4, 3), (20, 31), (8, 30), (3, 5), (1, 1)])
def test_resize_is_pillows(pillow, size):
    x = np.random.default_rng(1).random((9, 13)).astype(np.float32)
    expected = pillow.fromarray(x).resize(size[::-1], pillow.Resampling.BILINEAR)
    np.testing.assert_allclose(resize(x, *size), np.asarray(expected), atol=1e-6)


def test_resize_keeps_constants_and_the_same_size():
    x = np.random.default_rng(2).random((2, 5, 6))
    assert np.array_equal(resize(x, 5, 6), x)
    np.testing.assert_allclose(resize(np.ones((2, 5, 6)), 11, 3), np.ones((2, 11, 3)))


def test_the_result_stays_in_its_range(tmp_path, pillow):
    path = tmp_path / "x.png"
    pillow.fromarray(np.full((7, 9), 255, np.uint8)).save(path)
    x = read_image(path, (3, 28, 28))
    assert x.shape == (1, 3, 28, 28) and np.all(x == 1)


@pytest.mark.parametrize("shape", [(2, 8, 8), (8, 8), (1, 0, 8), (1, 8, -1)])
def test_a_wrong_shape_is_an_error(shape):
    with pytest.raises(ValueError, match=r"shape is .*, \(C, H, W\) with 1 or 3 channels"):
        read_image("none.png", shape)


def test_a_missing_file_is_an_error(tmp_path):
    for path in (tmp_path / "none.png", tmp_path):
        with pytest.raises(FileNotFoundError, match="is not a file"):
            read_image(path, (1, 8, 8))


def test_a_file_that_is_no_image_is_an_error(tmp_path, pillow):
    good = tmp_path / "good.png"
    pillow.fromarray(gradient(30, 30)).save(good)
    data = good.read_bytes()
    path = tmp_path / "bad.png"
    for content in (b"", b"no image", data[:200], data[:40], data[:33] + b"\0" * 100):
        path.write_bytes(content)
        with pytest.raises(ValueError, match=r"read_image: .*bad\.png is not an image"):
            read_image(path, (1, 8, 8))


@pytest.mark.parametrize(
    ("pixels", "message"),
    [
        (np.zeros(4), r"has shape \(4,\), \(H, W\), \(C, H, W\) or \(H, W, C\)"),
        (np.zeros((5, 4, 2)), r"has shape \(5, 4, 2\)"),
        (np.zeros((0, 4)), "has no pixels"),
        (np.zeros((5, 4), int), "has dtype int64, uint8, uint16 or floating point"),
        (np.full((5, 4), 2.0), "has pixels from 2.0 to 2.0, .* must lie in"),
        (np.full((5, 4), np.nan), "has pixels from nan to nan"),
        (np.array([[{}]]), r"is not a \.npy file of numbers"),
    ],
)
def test_a_wrong_npy_is_an_error(tmp_path, pixels, message):
    np.save(tmp_path / "x.npy", pixels)
    with pytest.raises(ValueError, match=rf"read_image: .*x\.npy {message}"):
        read_image(tmp_path / "x.npy", (1, 8, 8))


def test_an_npy_of_text_is_an_error(tmp_path):
    (tmp_path / "x.npy").write_text("text")
    with pytest.raises(ValueError, match=r"is not a \.npy file of numbers"):
        read_image(tmp_path / "x.npy", (1, 8, 8))


def test_without_pillow_the_error_says_so(tmp_path, monkeypatch):
    (tmp_path / "x.png").write_bytes(b"")
    monkeypatch.setitem(sys.modules, "PIL", None)
    with pytest.raises(ImportError, match="needs Pillow: pip install pillow"):
        read_image(tmp_path / "x.png", (1, 8, 8))

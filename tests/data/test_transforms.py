import numpy as np
import pytest

from descend.data import (
    Compose,
    Normalize,
    RandomCrop,
    RandomErasing,
    RandomHorizontalFlip,
    RandomTranslate,
)

ALL = [
    Compose(RandomHorizontalFlip(), RandomTranslate(1)),
    Compose(),
    Normalize([0.1, 0.2, 0.3], [1, 2, 3]),
    RandomHorizontalFlip(),
    RandomHorizontalFlip(0),
    RandomCrop((3, 4), padding=1),
    RandomCrop((5, 6)),
    RandomTranslate(2),
    RandomErasing(1.0),
    RandomErasing(value=np.float64(0.5)),
]


def rng(seed=0):
    return np.random.default_rng(seed)


def images(N=8, C=3, H=5, W=6, dtype=np.float32):
    """Images whose pixels are all different, and none is 0."""
    return np.arange(1, N * C * H * W + 1, dtype=dtype).reshape(N, C, H, W)


@pytest.mark.parametrize("transform", ALL, ids=repr)
@pytest.mark.parametrize("dtype", [np.float16, np.float32, np.float64])
def test_the_dtype_stays_and_the_input_is_not_written(transform, dtype):
    x = images(2, dtype=dtype)
    before = x.copy()
    x.flags.writeable = False
    y = transform(x, rng())
    assert y.dtype == dtype and y.shape[:2] == x.shape[:2]
    assert np.array_equal(x, before)


@pytest.mark.parametrize("transform", ALL[1:], ids=repr)
def test_an_empty_batch(transform):
    assert len(transform(images(0), rng())) == 0


@pytest.mark.parametrize("transform", ALL, ids=repr)
def test_the_generator_alone_decides(transform):
    x = images(50)
    assert np.array_equal(transform(x, rng(1)), transform(x, rng(1)))


@pytest.mark.parametrize("transform", ALL[2:], ids=repr)
def test_a_wrong_input_is_an_error(transform):
    name = type(transform).__name__
    with pytest.raises(ValueError, match=rf"{name}: x is \(3, 5, 6\), images of shape \(N, C, H"):
        transform(images()[0], rng())
    with pytest.raises(TypeError, match=f"{name}: x has dtype uint8, floating point needed"):
        transform(np.zeros((1, 3, 5, 6), np.uint8), rng())


def test_compose_goes_from_left_to_right():
    x = np.ones((1, 1, 1, 1), np.float32)
    both = Compose(Normalize(0, 0.5), Normalize(1, 1))
    assert both(x, rng()).item() == 1
    assert Compose(Normalize(1, 1), Normalize(0, 0.5))(x, rng()).item() == 0


def test_normalize_by_channel():
    y = Normalize([1, 2, 3], [1, 2, 4])(np.full((2, 3, 2, 2), 5.0), rng())
    assert np.array_equal(y[1, :, 0, 0], [4, 1.5, 0.5])


def test_flip_mirrors_whole_images():
    x = images(400)
    y = RandomHorizontalFlip(0.25)(x, rng())
    flipped = np.array([not np.array_equal(a, b) for a, b in zip(x, y, strict=True)])
    assert np.array_equal(y[flipped], x[flipped][..., ::-1])
    # Five standard deviations of a binomial of 400 and 1/4.
    assert abs(flipped.sum() - 100) < 5 * 8.7
    assert np.array_equal(RandomHorizontalFlip(1)(x, rng()), x[..., ::-1])
    assert np.array_equal(RandomHorizontalFlip(0)(x, rng()), x)


def windows(x, size, padding):
    framed = np.pad(x, ((0, 0), (padding, padding), (padding, padding)))
    return {
        (top, left): framed[:, top : top + size[0], left : left + size[1]]
        for top in range(framed.shape[1] - size[0] + 1)
        for left in range(framed.shape[2] - size[1] + 1)
    }


@pytest.mark.parametrize(
    ("transform", "size", "padding"),
    [
        (RandomCrop((3, 4), padding=1), (3, 4), 1),
        (RandomCrop(5), (5, 5), 0),
        (RandomTranslate(2), (5, 6), 2),
    ],
    ids=repr,
)
def test_each_image_gets_one_of_all_windows(transform, size, padding):
    x = images(600)
    y = transform(x, rng())
    seen = set()
    for image, window in zip(x, y, strict=True):
        places = [
            place
            for place, expected in windows(image, size, padding).items()
            if np.array_equal(expected, window)
        ]
        assert len(places) == 1
        seen.add(places[0])
    assert seen == set(windows(x[0], size, padding))


def test_erasing_leaves_a_rectangle():
    x = images(500, 2, 16, 20)
    y = RandomErasing(0.5, area=(0.1, 0.2), ratio=(0.5, 2), value=-7)(x, rng())
    erased = 0
    for image, result in zip(x, y, strict=True):
        hole = np.any(image != result, axis=0)
        if not hole.any():
            continue
        erased += 1
        rows, columns = np.flatnonzero(hole.any(axis=1)), np.flatnonzero(hole.any(axis=0))
        box = (slice(rows[0], rows[-1] + 1), slice(columns[0], columns[-1] + 1))
        height, width = hole[box].shape
        assert hole[box].all() and np.all(result[:, hole] == -7)
        # Half a pixel of rounding on each side.
        assert (height - 0.5) * (width - 0.5) <= 0.2 * 320 and (height + 0.5) * (width + 0.5) >= 32
        assert (height - 0.5) / (width + 0.5) <= 2 and (height + 0.5) / (width - 0.5) >= 0.5
    # Five standard deviations of a binomial of 500 and 1/2.
    assert abs(erased - 250) < 5 * 11.2


def test_erasing_reaches_all_pixels():
    erased = RandomErasing(1.0)(np.ones((600, 1, 4, 4)), rng()) == 0
    assert np.all(erased.any(axis=0)) and np.all(erased.any(axis=(1, 2, 3)))


@pytest.mark.parametrize(
    ("make", "error", "message"),
    [
        (lambda: Compose([Normalize(0, 1)]), TypeError, "Compose: transform 0 is .* not in a list"),
        (lambda: Normalize(0, 0), ValueError, "Normalize: std is 0.0, it must be positive"),
        (lambda: Normalize([[0]], 1), ValueError, r"mean has shape \(1, 1\)"),
        (lambda: RandomHorizontalFlip(1.5), ValueError, "RandomHorizontalFlip: p is 1.5"),
        (lambda: RandomHorizontalFlip(np.nan), ValueError, "p is nan"),
        (lambda: RandomCrop(0), ValueError, "RandomCrop: size is 0"),
        (lambda: RandomCrop(2, padding=-1), ValueError, "RandomCrop: padding is -1"),
        (lambda: RandomTranslate(1.5), ValueError, "RandomTranslate: pixels is 1.5"),
        (lambda: RandomErasing(-1), ValueError, "RandomErasing: p is -1"),
        (lambda: RandomErasing(area=(0.5, 0.1)), ValueError, r"area is \(0.5, 0.1\)"),
        (lambda: RandomErasing(ratio=(0, 1)), ValueError, r"ratio is \(0, 1\)"),
        (
            lambda: Normalize([0, 0], 1)(images(), rng()),
            ValueError,
            "mean has 2 numbers, the images have 3 channels",
        ),
        (
            lambda: RandomCrop(8, padding=1)(images(), rng()),
            ValueError,
            r"a window of \(8, 8\) does not fit into images of \(5, 6\) with padding 1",
        ),
    ],
)
def test_wrong_arguments_are_errors(make, error, message):
    with pytest.raises(error, match=message):
        make()


def test_reprs_can_be_evaluated():
    for transform in ALL:
        assert repr(eval(repr(transform))) == repr(transform)

"""Spatial operations over one, two and three axes: edges, special values, refusals."""

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

import descend.functions as F
from descend import Variable, gradients, vmap
from descend.functions.images import columns
from descend.functions.images.blending import Blend, Chosen
from descend.functions.images.taps import Resample, Taps
from descend.testing import check_derivatives

rng = np.random.default_rng(0)


def random(*shape):
    return rng.standard_normal(shape)


def gradient(function, x):
    v = Variable(np.array(x, dtype=float))
    function(v).sum().backward()
    return v.grad.data


# ---- convolutions -------------------------------------------------------------------------------


@pytest.mark.parametrize("block", [1, 100, 2 << 20])
def test_a_signal_is_an_image_of_one_row(block, monkeypatch):
    monkeypatch.setattr(columns, "BLOCK", block)
    x, weight, bias = Variable(random(3, 4, 50)), Variable(random(6, 2, 3)), random(6)
    settings = {"stride": 2, "padding": 3, "dilation": 2, "groups": 2}
    y = F.conv1d(x, weight, bias, **settings)
    image, kernels = Variable(x.data[:, :, None]), Variable(weight.data[:, :, None])
    pairs = {"stride": (1, 2), "padding": (0, 3), "dilation": (1, 2), "groups": 2}
    expected = F.conv2d(image, kernels, bias, **pairs)
    np.testing.assert_allclose(y.data, expected.data[:, :, 0], atol=1e-12)
    g = random(*y.shape)
    (y * g).sum().backward()
    (expected * g[:, :, None]).sum().backward()
    np.testing.assert_allclose(x.grad.data, image.grad.data[:, :, 0], atol=1e-12)
    np.testing.assert_allclose(weight.grad.data, kernels.grad.data[:, :, 0], atol=1e-12)


def test_a_volume_of_one_slice_is_an_image():
    x, weight = random(2, 3, 5, 6), random(4, 3, 3, 2)
    y = F.conv3d(x[:, :, None], weight[:, :, None], padding=(0, 1, 1), stride=(1, 2, 1))
    np.testing.assert_allclose(y[:, :, 0], F.conv2d(x, weight, None, (2, 1), 1), atol=1e-12)


@pytest.mark.parametrize("axes", [1, 2, 3])
def test_same_keeps_the_lengths(axes):
    x, weight = random(2, 3, 7, 8, 9)[..., *[0] * (3 - axes)], random(4, 3, *[2, 3, 4][:axes])
    convolve = getattr(F, f"conv{axes}d")
    assert convolve(x, weight, padding="same", dilation=2).shape == (2, 4, *x.shape[2:])


@settings(max_examples=40, deadline=None)
@given(
    axes=st.sampled_from([1, 3]),
    numbers=st.lists(st.tuples(*[st.integers(1, 3)] * 2), min_size=3, max_size=3),
    lengths=st.lists(st.integers(1, 6), min_size=3, max_size=3),
    padding=st.integers(0, 2),
    dilation=st.integers(1, 2),
    groups=st.sampled_from([1, 2]),
)
def test_the_transpose_is_the_adjoint(axes, numbers, lengths, padding, dilation, groups):
    size, stride = zip(*numbers[:axes], strict=True)
    lengths = lengths[:axes]
    room = [n + 2 * padding - (k - 1) * dilation - 1 for n, k in zip(lengths, size, strict=True)]
    assume(min(room) >= 0)
    x, weight = random(2, 4, *lengths), random(6, 4 // groups, *size)
    params = {"stride": stride, "padding": padding, "dilation": dilation, "groups": groups}
    y = getattr(F, f"conv{axes}d")(x, weight, **params)
    g = random(*y.shape)
    over = tuple(r % s for r, s in zip(room, stride, strict=True))
    assume(all(o < max(s, dilation) for o, s in zip(over, stride, strict=True)))
    back = getattr(F, f"conv_transpose{axes}d")(g, weight, output_padding=over, **params)
    assert back.shape == x.shape
    assert np.sum(y * g) == pytest.approx(np.sum(x * back), rel=1e-9, abs=1e-9)


def test_complex_convolutions_have_pytorchs_gradients():
    """The gradient of a real L to x + iy is dL/dx + i dL/dy."""
    x, weight = random(1, 2, 5) + 1j * random(1, 2, 5), random(3, 2, 2) + 1j * random(3, 2, 2)
    w = random(1, 3, 4) + 1j * random(1, 3, 4)

    def total(x, weight):
        y = F.conv1d(x, weight) * w
        return np.sum(np.asarray(y).real)

    vx, vw = Variable(x), Variable(weight)
    gx, gw = gradients(F.conv1d(vx, vw), [vx, vw], [np.conj(w)])
    for array, found, place in ((x, gx, (0, 1, 2)), (weight, gw, (2, 0, 1))):
        for unit in (1, 1j):
            step = np.zeros_like(array)
            step[place] = 1e-6 * unit
            up, down = (
                total(x + s, weight) if array is x else total(x, weight + s) for s in (step, -step)
            )
            slope = (up - down) / 2e-6
            part = found.data[place].real if unit == 1 else found.data[place].imag
            assert part == pytest.approx(slope, rel=1e-6, abs=1e-8)


# ---- one image alone ----------------------------------------------------------------------------

ALONE = {
    "conv1d": lambda x: F.conv1d(x, np.ones((4, 2, 3))),
    "conv2d": lambda x: F.conv2d(x, np.ones((4, 2, 3, 2))),
    "conv3d": lambda x: F.conv3d(x, np.ones((4, 2, 3, 2, 2))),
    "conv_transpose1d": lambda x: F.conv_transpose1d(x, np.ones((2, 4, 3))),
    "conv_transpose2d": lambda x: F.conv_transpose2d(x, np.ones((2, 4, 3, 2)), np.ones(4)),
    "conv_transpose3d": lambda x: F.conv_transpose3d(x, np.ones((2, 4, 3, 2, 2))),
    **{
        f"{name}{axes}d": lambda x, name=f"{name}{axes}d", given=given: getattr(F, name)(x, *given)
        for name, given in {
            "max_pool": (2,),
            "avg_pool": (2,),
            "lp_pool": (2, 2),
            "adaptive_avg_pool": (3,),
            "adaptive_max_pool": (3,),
        }.items()
        for axes in (1, 2, 3)
    },
    "unfold2d": lambda x: F.unfold(x, 2),
    "fold2d": lambda x: F.fold(F.unfold(x, 2), x.shape[-2:], 2),
}


@pytest.mark.parametrize("name", ALONE)
def test_one_image_is_a_batch_of_one_without_its_axis(name):
    axes = int(name[-2])
    x = random(2, *[5, 4, 6][:axes])
    function = ALONE[name]
    assert np.array_equal(function(x), function(x[None])[0])
    assert np.array_equal(gradient(function, x), gradient(function, x[None])[0])


@pytest.mark.parametrize("name", ALONE)
def test_mapped_over_images(name):
    axes = int(name[-2])
    x = random(3, 2, *[5, 4, 6][:axes])
    function = ALONE[name]
    np.testing.assert_allclose(vmap(function)(x), function(x), atol=1e-12)


# ---- pooling ------------------------------------------------------------------------------------


@pytest.mark.parametrize("axes", [1, 2, 3])
def test_indices_are_those_of_the_first_largest(axes):
    x = rng.integers(0, 3, (2, 3, 5, 6, 4)).astype(float)[..., *[0] * (3 - axes)]
    pool = getattr(F, f"max_pool{axes}d")
    y, indices = pool(x, 3, 2, 1, ceil_mode=True, return_indices=True)
    assert np.array_equal(y, pool(x, 3, 2, 1, ceil_mode=True))
    flat = x.reshape(2, 3, -1)
    found = np.take_along_axis(flat, indices.reshape(2, 3, -1), axis=-1)
    assert np.array_equal(found.reshape(y.shape), y)
    assert indices[0, 0].ravel()[0] == np.argmax(
        np.where(np.isin(np.arange(flat.shape[-1]), window_of_origin(x.shape[2:])), flat[0, 0], -1)
    )


def window_of_origin(lengths):
    """The flattened places of the elements 0 and 1 of every axis."""
    return np.ravel_multi_index(np.indices([2] * len(lengths)).reshape(len(lengths), -1), lengths)


def test_indices_stay_inside_where_everything_is_minus_infinity():
    _, indices = F.max_pool1d(np.full((1, 1, 3), -np.inf), 2, 2, 1, return_indices=True)
    assert indices.tolist() == [[[0, 1]]]


def test_indices_of_variables_are_constants():
    y, indices = F.max_pool2d(Variable(random(1, 1, 4, 4)), 2, return_indices=True)
    assert y.requires_grad and not getattr(indices, "requires_grad", False)


def test_the_border_of_max_pooling_is_never_the_largest():
    x = np.full((1, 1, 3, 3, 3), -5.0)
    assert (F.max_pool3d(x, 3, 2, 1) == -5).all()
    assert (F.max_pool1d(x[0, 0], 3, 2, 1) == -5).all()


def test_ties_share_evenly_in_any_number_of_axes():
    assert gradient(lambda x: F.max_pool1d(x, 2), [[[1, 1, 2, 0]]]).tolist() == [[[0.5, 0.5, 1, 0]]]
    assert (gradient(lambda x: F.max_pool3d(x, 2), np.ones((1, 2, 2, 2))) == 1 / 8).all()
    uneven = gradient(lambda x: F.adaptive_max_pool1d(x, 2), [[[3.0, 3.0, 1.0]]])
    assert uneven.tolist() == [[[0.5, 1.5, 0]]]  # the windows are 0..1 and 1..2
    short = gradient(lambda x: F.adaptive_max_pool1d(x, 3), [[[3.0, 3.0, 1.0, 1.0, 2.0]]])
    assert short.tolist() == [[[0.5, 1.5, 0, 0, 1]]]  # 0..1, 1..3 and 3..4: of two sizes


def test_adaptive_windows_of_pytorchs_documentation():
    """Window i of n begins at floor(i L / n), ends before ceil((i + 1) L / n)."""
    x = np.arange(7.0)[None]
    assert F.adaptive_avg_pool1d(x, 3).tolist() == [[1, 3, 5]]  # 0..2, 2..4, 4..6
    assert F.adaptive_max_pool1d(x, 5).tolist() == [[1, 2, 4, 5, 6]]
    y, indices = F.adaptive_max_pool1d(x, 5, return_indices=True)
    assert np.array_equal(y, indices)


def test_adaptive_windows_may_be_more_than_elements():
    assert F.adaptive_avg_pool1d(np.array([[1.0, 2.0]]), 3).tolist() == [[1, 1.5, 2]]


def test_an_infinite_element_stays_in_its_windows():
    x = np.array([[1.0, np.inf, 2.0, 3.0, 4.0]])
    assert F.adaptive_avg_pool1d(x, 3).tolist() == [[np.inf, np.inf, 3.5]]
    assert F.interpolate(x[None], size=9, mode="linear", align_corners=True)[0, 0, 4:].tolist() == [
        2, 2.5, 3, 3.5, 4,
    ]  # fmt: skip


@pytest.mark.parametrize("dtype", [np.int32, np.uint8, bool])
def test_integers_are_pooled_like_numpys(dtype):
    x = np.array([[1, 0, 1, 1, 0]]).astype(dtype)
    assert F.adaptive_max_pool1d(x, 3).dtype == dtype
    assert F.adaptive_max_pool1d(x, 3).tolist() == [[1, 1, 1]]
    assert F.adaptive_avg_pool1d(x, 5).dtype == np.float64
    assert F.avg_pool1d(x, 2).tolist() == [[0.5, 1]]


def test_the_norm_of_a_window_of_zeros_has_gradient_zero():
    assert gradient(lambda x: F.lp_pool1d(x, 2, 2), np.zeros((1, 4))).tolist() == [[0, 0, 0, 0]]


def test_the_first_norm_is_the_sum_with_its_signs():
    assert F.lp_pool1d(np.array([[1.0, -3.0]]), 1, 2).tolist() == [[-2]]


def test_what_sticks_out_of_the_image_adds_nothing_to_the_norm():
    assert F.lp_pool1d(np.array([[3.0, 4.0, 5.0]]), 2, 2, ceil_mode=True).tolist() == [[5, 5]]


@pytest.mark.parametrize("axes", [1, 2, 3])
def test_unpooling_puts_the_largest_back(axes):
    x = random(2, 3, 5, 6, 7)[..., *[0] * (3 - axes)]
    pool, unpool = getattr(F, f"max_pool{axes}d"), getattr(F, f"max_unpool{axes}d")
    y, indices = pool(x, 2, return_indices=True)
    back = unpool(y, indices, 2, output_size=x.shape)
    assert back.shape == x.shape
    assert np.array_equal(np.sort(back[back != 0]), np.sort(y.ravel()))
    assert np.array_equal(back[back != 0], x[back != 0])
    assert np.array_equal(unpool(y[0], indices[0], 2, output_size=x.shape[2:]), back[0])


def test_an_element_that_was_the_largest_of_two_windows_comes_back_once():
    x = np.array([[1.0, 5.0, 2.0]])
    y, indices = F.max_pool1d(x, 2, 1, return_indices=True)
    assert y.tolist() == [[5, 5]]
    assert F.max_unpool1d(y, indices, 2, 1).tolist() == [[0, 5, 0]]


# ---- resampling ---------------------------------------------------------------------------------


@pytest.mark.parametrize("mode", ["nearest", "nearest-exact", "linear", "area"])
def test_the_same_size_is_the_same_image(mode):
    x = random(2, 3, 5)
    np.testing.assert_allclose(F.interpolate(x, size=5, mode=mode), x, rtol=1e-15)


@pytest.mark.parametrize("mode", ["bilinear", "bicubic"])
def test_aligned_corners_stay(mode):
    x = random(1, 1, 4, 3)
    y = F.interpolate(x, size=(7, 8), mode=mode, align_corners=True)
    np.testing.assert_allclose(
        y[..., [0, 0, -1, -1], [0, -1, 0, -1]], x[..., [0, 0, -1, -1], [0, -1, 0, -1]]
    )


@pytest.mark.parametrize("mode", ["linear", "bilinear", "bicubic", "trilinear"])
def test_aligned_corners_at_size_one(mode):
    """One new element is the first corner; one old element is all of them."""
    axes = {"linear": 1, "trilinear": 3}.get(mode, 2)
    x = random(1, 1, *[4] * axes)
    y = F.interpolate(x, size=1, mode=mode, align_corners=True)
    assert y.item() == pytest.approx(x[0, 0].ravel()[0])
    alone = np.full((1, 1, *[1] * axes), 3.0)
    np.testing.assert_allclose(F.interpolate(alone, size=3, mode=mode, align_corners=True), 3)


def test_nearest_rounds_nothing():
    """49 * (1 / 49) is less than 1."""
    x = np.arange(1.0, 4.0).reshape(1, 1, 3)
    assert np.array_equal(F.interpolate(x, scale_factor=49), np.repeat(x, 49, axis=2))
    assert np.array_equal(F.interpolate(x, size=147), np.repeat(x, 49, axis=2))


def test_the_factor_is_the_distance_unless_recomputed():
    x = np.array([[[0.0, 10.0, 20.0]]])
    kept = F.interpolate(x, scale_factor=1.5, mode="linear")
    again = F.interpolate(x, scale_factor=1.5, mode="linear", recompute_scale_factor=True)
    np.testing.assert_allclose(kept[0, 0], [0, 5, 35 / 3, 55 / 3])
    np.testing.assert_allclose(again[0, 0], [0, 6.25, 13.75, 20])


def test_antialiasing_sees_every_element():
    x = np.zeros((1, 1, 8, 1))
    x[0, 0, 3] = 8
    assert F.interpolate(x, size=(2, 1), mode="bilinear")[0, 0, 0, 0] == 0
    assert F.interpolate(x, size=(2, 1), mode="bilinear", antialias=True).sum() > 1


@settings(max_examples=30, deadline=None)
@given(
    length=st.integers(1, 7),
    taps=st.integers(1, 3),
    to=st.integers(1, 6),
    seed=st.integers(0, 100),
)
def test_a_resampling_and_its_rule_are_adjoint(length, taps, to, seed):
    rng = np.random.default_rng(seed)
    places = rng.integers(0, length, (taps, to))
    weights = rng.normal(size=(taps, to)) * (rng.random((taps, to)) > 0.2)
    x, g = rng.normal(size=(2, length, 3)), rng.normal(size=(2, to, 3))
    v = Variable(x)
    y = Resample(-2, Taps(length, places, weights))(v)
    (y * g).sum().backward()
    matrix = np.zeros((to, length))
    for t, i in np.ndindex(taps, to):
        matrix[i, places[t, i]] += weights[t, i]
    np.testing.assert_allclose(y.data, matrix @ x, atol=1e-12)
    np.testing.assert_allclose(v.grad.data, matrix.T @ g, atol=1e-12)


@pytest.mark.parametrize("length", [6, 400], ids=["by a matrix", "by taps"])
@pytest.mark.parametrize("mode", ["linear", "nearest", "area"])
def test_an_infinite_element_stays_where_it_counts(mode, length):
    x = np.zeros((1, 1, length))
    x[0, 0, 0], x[0, 0, 4] = np.inf, np.nan
    y = F.interpolate(x, size=length // 2, mode=mode)[0, 0]
    assert y[0] == np.inf and y[1] == 0 and np.isnan(y[2]) and np.all(y[3:] == 0)
    v = Variable(np.zeros((1, 1, length // 2)))
    [gv] = gradients(F.interpolate(v, size=length, mode=mode), v, [x])
    assert gv.data[0, 0, 0] == np.inf and np.isnan(gv.data[0, 0, 2])
    assert np.all(gv.data[0, 0, 3:] == 0)


@pytest.mark.parametrize("dtype", [np.float16, np.float32, np.complex128])
@pytest.mark.parametrize("length", [5, 300])
def test_resamplings_of_other_dtypes(length, dtype):
    x = random(2, 3, length).astype(dtype)
    y = F.interpolate(x, size=7, mode="linear")
    assert y.dtype == dtype
    wide = np.float32 if dtype == np.float16 else dtype
    np.testing.assert_allclose(y, F.interpolate(x.astype(wide), size=7, mode="linear"), rtol=2e-3)


def test_what_lies_outside_does_not_look_at_the_image():
    x = np.full((1, 1, 2, 2), np.inf)
    grid = np.array([[[[-3.0, 0.0], [0.1, 0.1], [9.0, 9.0]]]])
    for mode in ("bilinear", "nearest", "bicubic"):
        y = F.grid_sample(x, grid, mode)[0, 0, 0]
        assert y[0] == y[2] == 0 and not np.isfinite(y[1])


@settings(max_examples=20, deadline=None)
@given(
    shape=st.tuples(st.integers(1, 5), st.integers(1, 4)),
    count=st.integers(1, 6),
    seed=st.integers(0, 100),
)
def test_sums_of_chosen_rows_and_their_derivatives(shape, count, seed):
    rng = np.random.default_rng(seed)
    chosen = Chosen(rng.integers(0, count + 1, shape), count)
    x, weights = rng.normal(size=(count, 3)), rng.normal(size=shape)
    matrix = np.zeros((shape[0], count + 1))
    np.add.at(matrix, (np.arange(shape[0])[:, None], chosen.rows), weights)
    np.testing.assert_allclose(Blend(chosen)(x, weights), matrix[:, :-1] @ x, atol=1e-12)
    check_derivatives(lambda x, w: Blend(chosen)(x, w), x, weights, order=3)


@pytest.mark.parametrize("align_corners", [False, True])
@pytest.mark.parametrize("mode", ["bilinear", "nearest", "bicubic"])
def test_the_grid_of_no_change_gives_the_image(mode, align_corners):
    x = random(2, 3, 4, 5)
    same = np.broadcast_to([[1.0, 0, 0], [0, 1.0, 0]], (2, 2, 3))
    grid = F.affine_grid(same, x.shape, align_corners)
    np.testing.assert_allclose(F.grid_sample(x, grid, mode, "zeros", align_corners), x, atol=1e-12)


def test_the_first_number_of_a_place_goes_along_the_last_axis():
    x = np.arange(6.0).reshape(1, 1, 2, 3)
    grid = np.array([[[[1.0, -1.0]]]])
    assert F.grid_sample(x, grid, align_corners=True).item() == 2


@pytest.mark.parametrize(
    ("padding_mode", "align_corners", "expected"),
    [("zeros", True, 0), ("border", True, 3), ("reflection", True, 1), ("reflection", False, 2)],
)
def test_beyond_the_image(padding_mode, align_corners, expected):
    x = np.array([1.0, 2.0, 3.0]).reshape(1, 1, 1, 3)
    place = 3.0 if align_corners else 1 + 2 / 3 * 1.5  # element 4, or element 3.5's middle
    grid = np.array([[[[place, 0.0]]]])
    y = F.grid_sample(x, grid, "nearest", padding_mode, align_corners)
    assert y.item() == expected


def test_far_and_undefined_places():
    x = np.ones((1, 1, 2, 2))
    grid = np.array([[[[1e30, 0.0], [-np.inf, 0.0], [np.nan, np.nan]]]])
    assert F.grid_sample(x, grid)[0, 0, 0].tolist() == [0, 0, 0.25]  # NaN is the corner -1
    assert F.grid_sample(x, grid, padding_mode="border")[0, 0, 0].tolist() == [1, 1, 1]


def test_half_precision_samples_between_single_places():
    x = np.arange(400.0, dtype=np.float16).reshape(1, 1, 1, 400)
    y = F.grid_sample(x, np.array([[[[0.0, 0.0]]]], np.float16))
    assert y.dtype == np.float16 and y.item() == 199.5


# ---- padding ------------------------------------------------------------------------------------


@settings(max_examples=60, deadline=None)
@given(
    shape=st.tuples(st.integers(1, 4), st.integers(1, 4)),
    widths=st.tuples(*[st.tuples(st.integers(0, 9), st.integers(0, 9))] * 2),
    mode=st.sampled_from(["edge", "reflect", "symmetric", "wrap"]),
)
def test_padding_is_numpys_and_adds_up_what_it_repeats(shape, widths, mode):
    x = Variable(random(*shape))
    y = F.pad(x, widths, mode=mode)
    assert np.array_equal(y.data, np.pad(x.data, widths, mode))
    y.sum().backward()
    places = np.pad(np.arange(x.size).reshape(shape), widths, mode)
    assert np.array_equal(x.grad.data.ravel(), np.bincount(places.ravel(), minlength=x.size))


# ---- dtypes, memory, refusals -------------------------------------------------------------------

KEEPING = {
    "conv1d": lambda x: F.conv1d(x[0], np.ones((2, 4, 2), x.dtype)),
    "conv3d": lambda x: F.conv3d(x[None], np.ones((2, 2, 2, 2, 2), x.dtype)),
    "adaptive_avg": lambda x: F.adaptive_avg_pool2d(x, 3),
    "adaptive_max": lambda x: F.adaptive_max_pool2d(x, 3),
    "lp": lambda x: F.lp_pool2d(x, 2, 2),
    "bilinear": lambda x: F.interpolate(x, size=(3, 7), mode="bilinear"),
    "nearest": lambda x: F.interpolate(x, size=(3, 7)),
    "bicubic": lambda x: F.interpolate(x, size=(3, 7), mode="bicubic", antialias=True),
    "grid": lambda x: F.grid_sample(x, np.zeros((2, 1, 2, 2), x.dtype), mode="bicubic"),
    "reflect": lambda x: F.pad(x, 1, mode="reflect"),
}


@pytest.mark.parametrize("name", KEEPING)
@pytest.mark.parametrize("dtype", [np.float16, np.float32])
def test_the_dtype_stays_and_nothing_is_written(name, dtype):
    x = random(2, 3, 4, 5).astype(dtype)
    x.flags.writeable = False
    v = Variable(x)
    y = KEEPING[name](v)
    y.sum().backward()
    assert y.dtype == v.grad.dtype == dtype


X = (1, 2, 4, 5)

REFUSED = [
    (
        lambda x: F.conv1d(x, np.ones((1, 2, 3))),
        "conv1d: x (1, 2, 4, 5) came, (N, C, L) or (C, L) is needed",
    ),
    (
        lambda x: F.conv3d(x, np.ones((1, 2, 3))),
        "conv3d: weight (1, 2, 3) came, (out, in / groups, kd, kh, kw) is needed, none of it 0",
    ),
    (
        lambda x: F.max_pool1d(x[0], 2, stride=(1, 2)),
        "max_pool1d: stride=(1, 2) came, an integer at least 1, is needed",
    ),
    (
        lambda x: F.adaptive_avg_pool2d(x, (1, 2, 3)),
        "adaptive_avg_pool2d: output_size=(1, 2, 3) came, an integer or 2 of them, each at least "
        "1, is needed",
    ),
    (
        lambda x: F.adaptive_max_pool2d(x[:, :, :0], 1),
        "adaptive_max_pool2d: x (1, 2, 0, 5) came, whose images have no elements",
    ),
    (
        lambda x: F.lp_pool2d(x, np.inf, 2),
        "lp_pool2d: norm_type=inf came, a positive number is needed; max_pool2d is the one of "
        "infinity",
    ),
    (
        lambda x: F.max_unpool2d(x, np.zeros((1, 2, 4, 5)), 2),
        "max_unpool2d: indices (1, 2, 4, 5) of float64 came, integers in x's shape (1, 2, 4, 5) "
        "are needed",
    ),
    (
        lambda x: F.max_unpool2d(x, np.full(X, 80), 2),
        "max_unpool2d: indices from 80 to 80 came, those of a result of (8, 10) are below 80: use "
        "the output_size that was pooled",
    ),
    (
        lambda x: F.max_unpool2d(x, np.zeros(X, int), 2, output_size=(8, 12)),
        "max_unpool2d: output_size=(8, 12) came, lengths less than the stride (2, 2) from (8, 10) "
        "are needed",
    ),
    (
        lambda x: F.interpolate(x[0, 0], size=3),
        "interpolate: x (4, 5) came, one of (N, C, L), (N, C, H, W), (N, C, D, H, W) is needed, "
        "with elements",
    ),
    (
        lambda x: F.interpolate(x),
        "interpolate: size=None and scale_factor=None came, exactly one of them is needed",
    ),
    (
        lambda x: F.interpolate(x, scale_factor=0.1),
        "interpolate: scale_factor=0.1 came, a number or 2 of them are needed, which leave at "
        "least one element of (4, 5)",
    ),
    (
        lambda x: F.interpolate(x, size=3, mode="linear"),
        "interpolate: mode='linear' came, x has 2 spatial axes, for which there are \"nearest\", "
        '"nearest-exact", "area", "bilinear", "bicubic"',
    ),
    (
        lambda x: F.interpolate(x, size=3, align_corners=False),
        "interpolate: align_corners=False came, which mode='nearest' does not have: leave it out",
    ),
    (
        lambda x: F.interpolate(x, size=3, antialias=True),
        'interpolate: antialias=True came, which only "bilinear" and "bicubic" have, not '
        "mode='nearest'",
    ),
    (
        lambda x: F.affine_grid(x[0], (1, 1, 2, 2)),
        "affine_grid: theta (2, 4, 5) and size=(1, 1, 2, 2) came, (N, 2, 3) with (N, C, H, W) or "
        "(N, 3, 4) with (N, C, D, H, W) is needed",
    ),
    (
        lambda x: F.grid_sample(x, np.zeros((1, 3, 2))),
        "grid_sample: x (1, 2, 4, 5) and grid (1, 3, 2) came, (N, C, H, W) with (N, H', W', 2) or "
        "(N, C, D, H, W) with (N, D', H', W', 3) is needed, images with elements",
    ),
    (
        lambda x: F.grid_sample(x, np.zeros((1, 1, 3, 2)), "linear"),
        "grid_sample: mode='linear' came, one of \"bilinear\", \"nearest\", \"bicubic\" is needed",
    ),
    (
        lambda x: F.pixel_shuffle(x, 2),
        "pixel_shuffle: x (1, 2, 4, 5) and upscale_factor=2 came, (..., C, H, W) and an integer "
        "whose square divides C are needed",
    ),
    (
        lambda x: F.pixel_unshuffle(x, 2),
        "pixel_unshuffle: x (1, 2, 4, 5) and downscale_factor=2 came, (..., C, H, W) and an "
        "integer that divides H and W are needed",
    ),
    (
        lambda x: F.channel_shuffle(x, 3),
        "channel_shuffle: x (1, 2, 4, 5) and groups=3 came, (N, C, ...) and a divisor of C are "
        "needed",
    ),
    (
        lambda x: F.pad(x, 1, mode="mean"),
        "pad: mode='mean' came, one of \"constant\", \"edge\", \"reflect\", \"symmetric\", "
        '"wrap" is needed',
    ),
    (
        lambda x: F.pad(x, -1, mode="edge"),
        "pad: x (1, 2, 4, 5): index can't contain negative values",
    ),
]  # fmt: skip


@pytest.mark.parametrize("wrap", [np.asarray, Variable], ids=["arrays", "variables"])
@pytest.mark.parametrize(("call", "message"), REFUSED, ids=lambda part: str(part)[:20])
def test_refusals(call, message, wrap):
    with pytest.raises(ValueError) as caught:
        call(wrap(np.zeros(X)))
    assert str(caught.value) == message

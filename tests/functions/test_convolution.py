"""Convolutions: values, that the three operations are each other's adjoints, blocks, refusals."""

import numpy as np
import pytest
import scipy.signal
from hypothesis import assume, given, settings
from hypothesis import strategies as st

import descend.functions as F
from descend import Variable, gradients
from descend.functions.images import columns, convolution
from descend.testing import check_function

rng = np.random.default_rng(0)

BLOCKS = [1, 500, 3000, 2 << 20]
"""From one row of windows at a time to everything at once."""


@pytest.fixture(params=BLOCKS)
def block(request, monkeypatch):
    monkeypatch.setattr(columns, "BLOCK", request.param)


def random(*shape):
    return rng.standard_normal(shape)


def correlated(x, weight, mode="valid"):
    """The convolution with stride 1 in one group, channel by channel with SciPy."""
    return np.array(
        [
            [
                sum(
                    scipy.signal.correlate(image[c], kernel[c], mode=mode)
                    for c in range(len(image))
                )
                for kernel in weight
            ]
            for image in x
        ]
    )


# ---- values -------------------------------------------------------------------------------------


@pytest.mark.usefixtures("block")
@pytest.mark.parametrize("shape", [(3, 3), (2, 4), (1, 1), (5, 1), (6, 7)])
def test_the_value_is_scipys_correlation(shape):
    x, weight = random(5, 3, 6, 7), random(4, 3, *shape)
    np.testing.assert_allclose(F.conv2d(x, weight), correlated(x, weight), atol=1e-12)


@pytest.mark.parametrize("shape", [(3, 3), (3, 5), (1, 3)])
def test_same_keeps_the_shape(shape):
    x, weight = random(2, 3, 6, 7), random(4, 3, *shape)
    y = F.conv2d(x, weight, padding="same")
    np.testing.assert_allclose(y, correlated(x, weight, "same"), atol=1e-12)


def test_the_odd_element_of_same_lies_at_the_far_end():
    x = np.array([[[[1.0, 2.0, 3.0]]]])
    assert F.conv2d(x, np.ones((1, 1, 1, 2)), padding="same").tolist() == [[[[3, 5, 3]]]]


def test_valid_is_no_padding():
    x, weight = random(1, 2, 4, 5), random(3, 2, 2, 2)
    assert np.array_equal(F.conv2d(x, weight, padding="valid"), F.conv2d(x, weight))


@pytest.mark.usefixtures("block")
def test_stride_and_dilation_pick_from_the_dense_result():
    x, weight = random(3, 2, 9, 11), random(4, 2, 2, 3)
    dilated = np.zeros((4, 2, 3, 7))
    dilated[:, :, ::2, ::3] = weight
    dense = correlated(np.pad(x, ((0, 0), (0, 0), (2, 2), (1, 1))), dilated)
    y = F.conv2d(x, weight, stride=(2, 3), padding=(2, 1), dilation=(2, 3))
    np.testing.assert_allclose(y, dense[:, :, ::2, ::3], atol=1e-12)


@pytest.mark.usefixtures("block")
def test_groups_are_convolutions_of_their_own():
    x, weight, bias = random(3, 6, 5, 4), random(4, 3, 3, 2), random(4)
    halves = [
        F.conv2d(x[:, 3 * g : 3 * g + 3], weight[2 * g : 2 * g + 2], bias[2 * g : 2 * g + 2])
        for g in range(2)
    ]
    y = F.conv2d(x, weight, bias, groups=2)
    np.testing.assert_allclose(y, np.concatenate(halves, axis=1), atol=1e-12)


@pytest.mark.usefixtures("block")
@pytest.mark.parametrize("size", [1, 3])
def test_the_bias_is_added_to_its_channel(size):
    x, weight, bias = random(2, 3, 4, 5), random(4, 3, size, size), random(4)
    with_bias = F.conv2d(x, weight, bias, padding=size // 2)
    without = F.conv2d(x, weight, padding=size // 2)
    np.testing.assert_allclose(with_bias - without, np.ones_like(without) * bias[:, None, None])


def test_the_transpose_of_one_element_is_its_kernel():
    weight = random(1, 2, 2, 3)
    x = np.zeros((1, 1, 2, 2))
    x[0, 0, 1, 0] = 2.0
    y = F.conv_transpose2d(x, weight, stride=(3, 4))
    expected = np.zeros((1, 2, 5, 7))
    expected[:, :, 3:5, 0:3] = 2 * weight
    np.testing.assert_array_equal(y, expected)


@pytest.mark.parametrize("padding", [0, 1])
def test_output_padding_continues_the_transpose_at_its_far_end(padding):
    x, weight = random(1, 2, 3, 3), random(2, 2, 3, 3)
    whole = np.pad(F.conv_transpose2d(x, weight, stride=2), ((0, 0), (0, 0), (0, 1), (0, 1)))
    y = F.conv_transpose2d(x, weight, stride=2, padding=padding, output_padding=1)
    end = 8 - padding
    np.testing.assert_allclose(y, whole[:, :, padding:end, padding:end], atol=1e-12)


# ---- adjoints and derivatives -------------------------------------------------------------------

lengths = st.tuples(st.integers(1, 7), st.integers(1, 7))


@settings(max_examples=60, deadline=None)
@given(
    lengths=lengths,
    size=st.tuples(st.integers(1, 3), st.integers(1, 3)),
    stride=st.tuples(st.integers(1, 3), st.integers(1, 2)),
    padding=st.tuples(st.integers(0, 4), st.integers(0, 3)),
    dilation=st.tuples(st.integers(1, 2), st.integers(1, 3)),
    channels=st.sampled_from([(1, 1, 1), (2, 3, 1), (3, 2, 1), (2, 4, 2), (3, 3, 3)]),
    block=st.sampled_from(BLOCKS),
)
def test_all_three_are_adjoints(lengths, size, stride, padding, dilation, channels, block):
    """<conv(x, w), g> is linear in x and in w: it equals <x, its gx> and <w, its gw>."""
    C, K, groups = channels
    span = [(k - 1) * d + 1 for k, d in zip(size, dilation, strict=True)]
    assume(all(n + 2 * p >= s for n, p, s in zip(lengths, padding, span, strict=True)))
    x, weight = Variable(random(3, C, *lengths)), Variable(random(K, C // groups, *size))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(columns, "BLOCK", block)
        y = F.conv2d(x, weight, None, stride, padding, dilation, groups)
        g = random(*y.shape)
        gx, gw = gradients(y, [x, weight], Variable(g))
    product = np.sum(y.data * g)
    assert gx.shape == x.shape
    assert np.sum(gx.data * x.data) == pytest.approx(product, rel=1e-9, abs=1e-9)
    assert np.sum(gw.data * weight.data) == pytest.approx(product, rel=1e-9, abs=1e-9)


@pytest.mark.parametrize("stride", [1, 2])
def test_the_transpose_is_the_gradient_of_the_convolution(stride):
    x, weight = Variable(random(2, 3, 7, 5)), random(4, 3, 3, 3)
    y = F.conv2d(x, weight, stride=stride, padding=1)
    g = random(*y.shape)
    [gx] = gradients(y, x, Variable(g))
    transpose = F.conv_transpose2d(g, weight, stride=stride, padding=1)
    np.testing.assert_allclose(gx.data, transpose, atol=1e-12)


@pytest.mark.usefixtures("block")
@pytest.mark.parametrize("stride", [1, 2])
def test_derivatives_to_the_third_order_in_blocks(stride):
    def squared(x, weight, bias):
        return F.square(F.conv2d(x, weight, bias, stride=stride, padding=1))

    check_function(squared, random(2, 2, 3, 4), random(2, 2, 3, 2), random(2), order=3)


def test_a_weight_gradient_has_a_second_derivative():
    """DeZero's had none that works."""
    x, weight = Variable(random(1, 1, 3, 3)), Variable(random(1, 1, 2, 2))
    [gw] = gradients((F.conv2d(x, weight) ** 3).sum(), weight, create_graph=True)
    [gx] = gradients(gw.sum(), x)
    step = 1e-6
    for place in np.ndindex(x.shape):
        sums = []
        for sign in (1, -1):
            moved = x.data.copy()
            moved[place] += sign * step
            cubes = (F.conv2d(Variable(moved), weight) ** 3).sum()
            sums.append(gradients(cubes, weight)[0].data.sum())
        assert gx.data[place] == pytest.approx((sums[0] - sums[1]) / (2 * step), rel=1e-5, abs=1e-6)


@pytest.fixture
def calls(monkeypatch):
    """The names of the computations that were made, in their order."""
    made = []
    for name in ("correlate", "spread", "collect"):
        function = getattr(convolution, name)

        def counted(*args, name=name, function=function):
            made.append(name)
            return function(*args)

        monkeypatch.setattr(convolution, name, counted)
    return made


def test_a_constant_image_gets_no_gradient(calls):
    weight = Variable(random(2, 1, 3, 3))
    F.conv2d(random(1, 1, 4, 4), weight).sum().backward()
    assert calls == ["correlate", "collect"]
    assert weight.grad is not None


def test_a_frozen_weight_gets_no_gradient_and_keeps_no_image(calls):
    x = Variable(random(1, 1, 4, 4))
    y = F.conv2d(x, random(2, 1, 3, 3))
    assert y.creator.kept["x"] is None
    y.sum().backward()
    assert calls == ["correlate", "spread"]


def test_the_transpose_skips_the_gradients_of_constants(calls):
    x, weight = random(1, 2, 4, 4), random(2, 1, 3, 3)
    F.conv_transpose2d(Variable(x), weight).sum().backward()
    F.conv_transpose2d(x, Variable(weight)).sum().backward()
    assert calls == ["spread", "correlate", "spread", "collect"]


# ---- dtypes, shapes, memory ---------------------------------------------------------------------


@pytest.mark.parametrize("dtype", [np.float16, np.float32, np.float64])
def test_the_dtype_stays(dtype):
    xs = [Variable(random(*s).astype(dtype)) for s in ((2, 3, 5, 5), (4, 3, 3, 3), (4,))]
    y = F.conv2d(*xs, padding=1)
    y.sum().backward()
    assert {v.dtype for v in (y, *(x.grad for x in xs))} == {np.dtype(dtype)}


def test_float16_is_summed_in_float32():
    x = np.ones((1, 4096, 1, 1), np.float16)
    assert F.conv2d(x, np.ones((1, 4096, 1, 1), np.float16)).item() == 4096
    x[:, 0] = 0.5  # in float16, 2048 + 1 is 2048
    assert F.conv2d(x, np.ones((1, 4096, 1, 1), np.float16)).item() == 4096


@pytest.mark.parametrize("size", [1, 3])
def test_an_empty_batch_has_empty_results_and_zero_weight_gradients(size):
    x, weight = Variable(np.zeros((0, 3, 5, 4))), Variable(random(2, 3, size, size))
    y = F.conv2d(x, weight, stride=1)
    assert y.shape == (0, 2, 6 - size, 5 - size)
    y.sum().backward()
    assert x.grad.shape == x.shape
    assert not weight.grad.data.any()


@pytest.mark.parametrize("stride", [1, 2])
def test_nothing_of_the_caller_is_written(stride):
    arrays = [random(2, 3, 6, 6), random(3, 3, 3, 3), random(3)]
    for array in arrays:
        array.flags.writeable = False
    variables = [Variable(array) for array in arrays]
    F.conv2d(*variables, stride=stride, padding=1).sum().backward()
    F.conv_transpose2d(*variables, stride=stride, padding=1).sum().backward()


def test_results_of_two_calls_share_no_memory():
    x, weight = random(2, 3, 6, 6), random(3, 3, 3, 3)
    first = F.conv2d(x, weight)
    before = first.copy()
    second = F.conv2d(2 * x, weight)
    assert not np.shares_memory(first, second)
    assert np.array_equal(first, before)


def test_infinite_elements_stay_within_their_windows():
    """Windows across the end of a line read foreign elements; nothing of them may be seen."""
    x = np.zeros((2, 1, 4, 4))
    x[0, 0, 1, 3] = np.inf
    y = F.conv2d(x, np.ones((1, 1, 2, 2)))
    expected = np.zeros((2, 1, 3, 3))
    expected[0, 0, 0:2, 2] = np.inf
    assert np.array_equal(y, expected)


# ---- refusals -----------------------------------------------------------------------------------

X, W = (2, 3, 8, 8), (4, 3, 3, 3)

REFUSED = [
    (
        "conv2d",
        ((1, 1, 3, 8, 8), W),
        {},
        "conv2d: x (1, 1, 3, 8, 8) came, (N, C, H, W) or (C, H, W) is needed",
    ),
    ("conv2d", ((8, 8), W), {}, "conv2d: x (8, 8) came, (N, C, H, W) or (C, H, W) is needed"),
    (
        "conv2d",
        (X, (3, 3)),
        {},
        "conv2d: weight (3, 3) came, (out, in / groups, kh, kw) is needed, none of it 0",
    ),
    (
        "conv2d",
        (X, (4, 2, 3, 3)),
        {},
        "conv2d: x (2, 3, 8, 8) has 3 channels, weight (4, 2, 3, 3) in 1 groups takes 2: "
        "x.shape[1] must equal weight.shape[1] * groups",
    ),
    ("conv2d", (X, W, (3,)), {}, "conv2d: bias (3,) came, (4,) is needed"),
    (
        "conv2d",
        (X, (4, 3, 9, 9)),
        {},
        "conv2d: a window spans (9, 9), more than x's (8, 8) with padding, (8, 8): use more "
        "padding or a smaller window",
    ),
    (
        "conv2d",
        (X, W),
        {"dilation": 5, "padding": (2, 1)},
        "conv2d: a window spans (11, 11), more than x's (8, 8) with padding, (12, 10): use more "
        "padding or a smaller window",
    ),
    (
        "conv2d",
        (X, W),
        {"stride": 0},
        "conv2d: stride=0 came, an integer or 2 of them, each at least 1, is needed",
    ),
    (
        "conv2d",
        (X, W),
        {"stride": (1, 2, 3)},
        "conv2d: stride=(1, 2, 3) came, an integer or 2 of them, each at least 1, is needed",
    ),
    (
        "conv2d",
        (X, W),
        {"dilation": 1.5},
        "conv2d: dilation=1.5 came, an integer or 2 of them, each at least 1, is needed",
    ),
    (
        "conv2d",
        (X, W),
        {"padding": -1},
        "conv2d: padding=-1 came, an integer or 2 of them, each at least 0, is needed",
    ),
    (
        "conv2d",
        (X, W),
        {"padding": "full"},
        'conv2d: padding=\'full\' came, integers, "same" or "valid" are needed',
    ),
    (
        "conv2d",
        (X, W),
        {"padding": "same", "stride": 2},
        'conv2d: padding="same" needs stride 1, (2, 2) came: give numbers',
    ),
    (
        "conv2d",
        (X, W),
        {"groups": 3},
        "conv2d: groups=3 came, a divisor of the weight's 4 out channels is needed",
    ),
    (
        "conv2d",
        (X, W),
        {"groups": 0},
        "conv2d: groups=0 came, a divisor of the weight's 4 out channels is needed",
    ),
    (
        "conv_transpose2d",
        (X, W),
        {},
        "conv_transpose2d: x (2, 3, 8, 8) has 3 channels, weight (4, 3, 3, 3) takes 4: "
        "x.shape[1] must equal weight.shape[0]",
    ),
    (
        "conv_transpose2d",
        (X, (3, 2, 3, 3), (4,)),
        {},
        "conv_transpose2d: bias (4,) came, (2,) is needed",
    ),
    (
        "conv_transpose2d",
        (X, (3, 2, 3, 3)),
        {"stride": 2, "output_padding": 2},
        "conv_transpose2d: output_padding=2 must be smaller than the stride or the dilation, "
        "(2, 2) and (1, 1)",
    ),
    (
        "conv_transpose2d",
        ((2, 3, 1, 1), (3, 2, 3, 3)),
        {"padding": 2},
        "conv_transpose2d: padding=2 leaves (-1, -1) of the result: use less of it",
    ),
    (
        "conv_transpose2d",
        (X, (3, 2, 3, 3)),
        {"groups": 2},
        "conv_transpose2d: groups=2 came, a divisor of the weight's 3 in channels is needed",
    ),
]


@pytest.mark.parametrize("wrap", [np.asarray, Variable], ids=["arrays", "variables"])
@pytest.mark.parametrize(("name", "shapes", "params", "message"), REFUSED)
def test_refusals(name, shapes, params, message, wrap):
    with pytest.raises(ValueError) as caught:
        getattr(F, name)(*(wrap(np.zeros(shape)) for shape in shapes), **params)
    assert str(caught.value) == message

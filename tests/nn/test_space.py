"""Spatial layers: shapes, PyTorch's reprs and first values, borders, refusals."""

import re

import numpy as np
import pytest

import descend.functions as F
from descend import Variable, nn

rng = np.random.default_rng(0)
VOLUME = rng.normal(size=(2, 4, 6, 7, 5)).astype(np.float32)
IMAGE, SIGNAL = VOLUME[..., 0], VOLUME[..., 0, 0]

LAYERS = [
    (lambda: nn.Conv1d(4, 6, 3, 2, 1, groups=2), SIGNAL, (2, 6, 3)),
    (lambda: nn.Conv1d(4, 6, 2, padding="same", padding_mode="circular"), SIGNAL, (2, 6, 6)),
    (lambda: nn.Conv2d(4, 6, 3, padding=(2, 1), padding_mode="reflect"), IMAGE, (2, 6, 8, 7)),
    (lambda: nn.Conv2d(4, 6, 3), IMAGE[0], (6, 4, 5)),
    (lambda: nn.Conv3d(4, 2, (1, 2, 3), bias=False), VOLUME, (2, 2, 6, 6, 3)),
    (lambda: nn.ConvTranspose1d(4, 6, 3, 2, 1, 1), SIGNAL, (2, 6, 12)),
    (lambda: nn.ConvTranspose3d(4, 2, 2, 2, groups=2), VOLUME, (2, 2, 12, 14, 10)),
    (lambda: nn.MaxPool1d(2), SIGNAL, (2, 4, 3)),
    (lambda: nn.MaxPool3d(3, 2, 1), VOLUME, (2, 4, 3, 4, 3)),
    (lambda: nn.AvgPool1d(2, 1, 1), SIGNAL, (2, 4, 7)),
    (lambda: nn.AvgPool2d(2, divisor_override=3), IMAGE, (2, 4, 3, 3)),
    (lambda: nn.AvgPool3d(2, ceil_mode=True), VOLUME, (2, 4, 3, 4, 3)),
    (lambda: nn.LPPool1d(2, 2), SIGNAL, (2, 4, 3)),
    (lambda: nn.LPPool2d(2, 2), IMAGE, (2, 4, 3, 3)),
    (lambda: nn.LPPool3d(2, 2), VOLUME, (2, 4, 3, 3, 2)),
    (lambda: nn.AdaptiveAvgPool1d(4), SIGNAL, (2, 4, 4)),
    (lambda: nn.AdaptiveAvgPool2d((None, 3)), IMAGE, (2, 4, 6, 3)),
    (lambda: nn.AdaptiveAvgPool3d(1), VOLUME, (2, 4, 1, 1, 1)),
    (lambda: nn.AdaptiveMaxPool1d(4), SIGNAL, (2, 4, 4)),
    (lambda: nn.AdaptiveMaxPool2d((None, 3)), IMAGE, (2, 4, 6, 3)),
    (lambda: nn.AdaptiveMaxPool3d(2), VOLUME, (2, 4, 2, 2, 2)),
    (lambda: nn.Upsample(scale_factor=2), VOLUME, (2, 4, 12, 14, 10)),
    (lambda: nn.Upsample((3, 9), mode="bicubic"), IMAGE, (2, 4, 3, 9)),
    (lambda: nn.UpsamplingNearest2d(scale_factor=1.5), IMAGE, (2, 4, 9, 10)),
    (lambda: nn.UpsamplingBilinear2d(5), IMAGE, (2, 4, 5, 5)),
    (lambda: nn.PixelShuffle(2), IMAGE, (2, 1, 12, 14)),
    (lambda: nn.PixelUnshuffle(2), IMAGE[:, :, :, :6], (2, 16, 3, 3)),
    (lambda: nn.ChannelShuffle(2), IMAGE, IMAGE.shape),
    (lambda: nn.Unfold(3, padding=1), IMAGE, (2, 36, 42)),
    (lambda: nn.Fold((3, 4), (1, 2), stride=(1, 2)), VOLUME[:, :, :, 0, 0], (2, 2, 3, 4)),
]
BORDERS = ("Zero", "Reflection", "Replication", "Circular")


@pytest.mark.parametrize(("make", "x", "shape"), LAYERS)
def test_float32_in_float32_out_and_every_parameter_gets_a_gradient(make, x, shape):
    layer, v = make(), Variable(x)
    y = layer(v)
    assert y.shape == shape and y.dtype == np.float32
    (y * y).sum().backward()
    assert v.grad.shape == x.shape and v.grad.dtype == np.float32
    for name, parameter in layer.named_parameters():
        assert parameter.dtype == np.float32, name
        assert parameter.grad.shape == parameter.shape, name


@pytest.mark.parametrize(
    ("layer", "shape", "fan"),
    [
        (nn.Conv1d(8, 64, 5, groups=2, rng=0), (64, 4, 5), 20),
        (nn.Conv3d(8, 64, (3, 1, 2), rng=0), (64, 8, 3, 1, 2), 48),
        (nn.ConvTranspose1d(64, 16, 3, groups=2, rng=0), (64, 8, 3), 24),
        (nn.ConvTranspose3d(64, 16, 2, rng=0), (64, 16, 2, 2, 2), 128),
    ],
)
def test_first_values_fill_pytorchs_bounds(layer, shape, fan):
    assert layer.weight.shape == shape
    bound = 1 / np.sqrt(fan)
    for parameter in (layer.weight, layer.bias):
        assert np.abs(parameter.data).max() <= bound
        assert np.abs(parameter.data).max() > 0.8 * bound


REPRS = """
Conv1d(2, 4, kernel_size=(3,), stride=(1,))
Conv1d(2, 4, kernel_size=(3,), stride=(2,), padding=(1,), dilation=(2,), groups=2, bias=False)
Conv2d(2, 4, kernel_size=(3, 3), stride=(1, 1), padding=(1, 1), padding_mode=reflect)
Conv3d(2, 4, kernel_size=(1, 2, 3), stride=(1, 1, 1), padding=same)
ConvTranspose1d(2, 4, kernel_size=(3,), stride=(2,), padding=(1,), output_padding=(1,))
MaxPool2d(kernel_size=(2, 3), stride=1, padding=1, dilation=1, ceil_mode=True)
MaxPool3d(kernel_size=2, stride=(1, 2, 3), padding=0, dilation=1, ceil_mode=False)
AvgPool1d(kernel_size=(3,), stride=(3,), padding=(0,))
AvgPool3d(kernel_size=(1, 2, 3), stride=2, padding=0)
AdaptiveAvgPool2d(output_size=(3, None))
AdaptiveMaxPool3d(output_size=2)
LPPool2d(norm_type=2, kernel_size=(3, 2), stride=2, ceil_mode=True)
MaxUnpool2d(kernel_size=(2, 3), stride=(2, 2), padding=(1, 1))
Upsample(scale_factor=2.0, mode='nearest')
Upsample(size=(3, 4), mode='bilinear')
UpsamplingBilinear2d(size=(3, 4), mode='bilinear')
PixelShuffle(upscale_factor=2)
PixelUnshuffle(downscale_factor=3)
ChannelShuffle(groups=2)
Unfold(kernel_size=(2, 3), dilation=1, padding=1, stride=1)
Fold(output_size=(4, 5), kernel_size=(2, 2), dilation=1, padding=0, stride=1)
ZeroPad2d((1, 2, 3, 4))
ConstantPad1d(padding=(2, 2), value=3.5)
ReflectionPad3d((1, 1, 1, 1, 1, 1))
""".strip().splitlines()

MADE = [
    nn.Conv1d(2, 4, 3),
    nn.Conv1d(2, 4, 3, 2, 1, 2, 2, False),
    nn.Conv2d(2, 4, 3, padding=1, padding_mode="reflect"),
    nn.Conv3d(2, 4, (1, 2, 3), padding="same"),
    nn.ConvTranspose1d(2, 4, 3, 2, 1, 1),
    nn.MaxPool2d((2, 3), 1, padding=1, ceil_mode=True, return_indices=True),
    nn.MaxPool3d(2, (1, 2, 3)),
    nn.AvgPool1d(3),
    nn.AvgPool3d((1, 2, 3), 2),
    nn.AdaptiveAvgPool2d((3, None)),
    nn.AdaptiveMaxPool3d(2),
    nn.LPPool2d(2, (3, 2), stride=2, ceil_mode=True),
    nn.MaxUnpool2d((2, 3), 2, 1),
    nn.Upsample(scale_factor=2),
    nn.Upsample(size=(3, 4), mode="bilinear", align_corners=True),
    nn.UpsamplingBilinear2d((3, 4)),
    nn.PixelShuffle(2),
    nn.PixelUnshuffle(3),
    nn.ChannelShuffle(2),
    nn.Unfold((2, 3), padding=1),
    nn.Fold((4, 5), (2, 2)),
    nn.ZeroPad2d((1, 2, 3, 4)),
    nn.ConstantPad1d(2, 3.5),
    nn.ReflectionPad3d(1),
]


@pytest.mark.parametrize(("layer", "text"), [*zip(MADE, REPRS, strict=True)])
def test_reprs_are_pytorchs(layer, text):
    assert repr(layer) == text


@pytest.mark.parametrize("axes", [1, 2, 3])
@pytest.mark.parametrize("border", BORDERS)
def test_borders_begin_with_the_last_axis(border, axes):
    x = [SIGNAL, IMAGE, VOLUME][axes - 1]
    padding = (1, 2, 0, 1, 2, 1)[: 2 * axes]
    layer = getattr(nn, f"{border}Pad{axes}d")(padding)
    widths = [(0, 0), (0, 0), *[padding[i : i + 2] for i in range(0, 2 * axes, 2)][::-1]]
    mode = dict(zip(BORDERS, ("constant", "reflect", "edge", "wrap"), strict=True))[border]
    assert np.array_equal(layer(x), np.pad(x, widths, mode))
    assert np.array_equal(layer(x[0]), layer(x)[0])


def test_a_constant_border():
    assert nn.ConstantPad1d((1, 2), 7.0)(np.zeros((1, 1))).tolist() == [[7, 0, 7, 7]]
    assert nn.ConstantPad2d(1, 7.0)(np.zeros((1, 1, 1))).sum() == 56
    assert nn.ConstantPad3d(1, 1.0)(np.zeros((1, 1, 1, 1))).sum() == 26


@pytest.mark.parametrize("mode", ["reflect", "replicate", "circular"])
@pytest.mark.parametrize("padding", [(2, 1), "same"])
def test_a_convolution_with_a_border_is_one_of_a_padded_image(mode, padding):
    layer = nn.Conv2d(4, 3, (4, 3), padding=padding, padding_mode=mode, rng=0)
    widths = [(1, 2), (1, 1)] if padding == "same" else [(2, 2), (1, 1)]
    numpys = {"reflect": "reflect", "replicate": "edge", "circular": "wrap"}[mode]
    padded = np.pad(IMAGE, [(0, 0), (0, 0), *widths], numpys)
    y = layer(IMAGE)
    np.testing.assert_allclose(y.data, F.conv2d(padded, layer.weight, layer.bias).data, atol=1e-6)


def test_without_padding_there_is_no_border():
    layer = nn.Conv1d(4, 3, 3, padding="valid", padding_mode="circular")
    assert layer(SIGNAL).shape == (2, 3, 4)


@pytest.mark.parametrize("axes", [1, 2, 3])
def test_unpooling_undoes_pooling(axes):
    x = [SIGNAL, IMAGE, VOLUME][axes - 1]
    y, indices = getattr(nn, f"MaxPool{axes}d")(2, return_indices=True)(x)
    back = getattr(nn, f"MaxUnpool{axes}d")(2)(y, indices, x.shape)
    assert back.shape == x.shape and np.array_equal(back[back != 0], x[back != 0])
    y, indices = getattr(nn, f"AdaptiveMaxPool{axes}d")(2, return_indices=True)(x)
    found = np.take_along_axis(x.reshape(2, 4, -1), indices.reshape(2, 4, -1), -1)
    assert np.array_equal(found.reshape(y.shape), y)


@pytest.mark.parametrize(
    ("make", "sentence"),
    [
        (
            lambda: nn.ReflectionPad2d((1, 2)),
            "ReflectionPad2d: padding=(1, 2) came, an integer or 4 of them, (before, after) of the "
            "last axis first, are needed, each at least 0",
        ),
        (
            lambda: nn.ZeroPad1d(-1),
            "ZeroPad1d: padding=-1 came, an integer or 2 of them, (before, after) of the last axis "
            "first, are needed, each at least 0",
        ),
        (
            lambda: nn.Conv1d(2, 2, 3, padding_mode="mirror"),
            "Conv1d: padding_mode='mirror' came, one of \"zeros\", \"reflect\", \"replicate\", "
            '"circular" is needed',
        ),
        (
            lambda: nn.Conv3d(2, 2, (1, 2)),
            "Conv3d: kernel_size=(1, 2) came, an integer or 3 of them, each at least 1, is needed",
        ),
    ],
)  # fmt: skip
def test_refusals(make, sentence):
    with pytest.raises(ValueError, match=f"^{re.escape(sentence)}$"):
        make()

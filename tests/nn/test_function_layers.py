"""Layers that are a function with settings: PyTorch's names, defaults and reprs."""

import inspect
import re

import numpy as np
import pytest

import descend
import descend.functions as F
from descend import Variable, nn, using_config

RNG = np.random.default_rng(0)
X = RNG.normal(size=(4, 6)).astype(np.float32)
IMAGES = RNG.normal(size=(2, 4, 3, 5)).astype(np.float32)


def refused(kind, sentence):
    return pytest.raises(kind, match=f"^{re.escape(sentence)}$")


def name_of(x):
    return x if isinstance(x, str) else getattr(x, "__name__", "")


def layers_of(base):
    return [
        layer
        for layer in vars(nn).values()
        if inspect.isclass(layer) and issubclass(layer, base) and layer is not base
    ]


# ---- activations ------------------------------------------------------------------------------

ACTIVATIONS = [
    (nn.ELU(), F.elu, "ELU(alpha=1.0)"),
    (nn.SELU(), F.selu, "SELU()"),
    (nn.CELU(0.5), lambda x: F.celu(x, 0.5), "CELU(alpha=0.5)"),
    (nn.SiLU(), F.silu, "SiLU()"),
    (nn.Mish(), F.mish, "Mish()"),
    (nn.Softplus(2.0), lambda x: F.softplus(x, 2.0), "Softplus(beta=2.0, threshold=None)"),
    (nn.Softsign(), F.softsign, "Softsign()"),
    (nn.Tanhshrink(), F.tanhshrink, "Tanhshrink()"),
    (nn.LogSigmoid(), F.logsigmoid, "LogSigmoid()"),
    (nn.ReLU6(), F.relu6, "ReLU6()"),
    (nn.Hardtanh(), F.hardtanh, "Hardtanh(min_val=-1.0, max_val=1.0)"),
    (nn.Hardsigmoid(), F.hardsigmoid, "Hardsigmoid()"),
    (nn.Hardswish(), F.hardswish, "Hardswish()"),
    (nn.Softshrink(), F.softshrink, "Softshrink(lambd=0.5)"),
    (nn.Hardshrink(1.0), lambda x: F.hardshrink(x, 1.0), "Hardshrink(lambd=1.0)"),
    (
        nn.Threshold(0.1, 20),
        lambda x: F.threshold(x, 0.1, 20),
        "Threshold(threshold=0.1, value=20)",
    ),
    (nn.GLU(), F.glu, "GLU(axis=-1)"),
    (nn.GLU(0), lambda x: F.glu(x, 0), "GLU(axis=0)"),
    (nn.LogSoftmax(), F.log_softmax, "LogSoftmax(axis=-1)"),
    (nn.Softmin(0), lambda x: F.softmin(x, 0), "Softmin(axis=0)"),
]


@pytest.mark.parametrize(("layer", "function", "text"), ACTIVATIONS, ids=name_of)
def test_activations(layer, function, text):
    np.testing.assert_array_equal(layer(X), function(X))
    assert repr(layer) == text and layer(X).dtype == np.float32
    assert repr(layer.eval()) == text and not list(layer.state_dict())


def test_a_slope_is_trained():
    layer = nn.PReLU(6, 0.1)
    assert (
        repr(layer) == "PReLU(num_parameters=6)" and repr(nn.PReLU()) == "PReLU(num_parameters=1)"
    )
    assert layer.weight.tolist() == [np.float32(0.1)] * 6 and nn.PReLU().weight.tolist() == [0.25]
    layer(X).sum().backward()
    np.testing.assert_allclose(layer.weight.grad.data, np.minimum(X, 0).sum(axis=0), rtol=1e-5)


# ---- losses -----------------------------------------------------------------------------------

T = RNG.normal(size=(4, 6)).astype(np.float32)
P, Q = RNG.uniform(0.1, 0.9, (2, 4, 6)).astype(np.float32)
W = RNG.uniform(0.5, 2, 6).astype(np.float32)
SIGNS = np.where(T > 0, 1, -1)
CLASSES = np.array([0, 5, 2, 2])

LOSSES = [
    (nn.MSELoss, {}, F.mse_loss, (X, T)),
    (nn.L1Loss, {}, F.l1_loss, (X, T)),
    (nn.SmoothL1Loss, {"beta": 0.5}, F.smooth_l1_loss, (X, T)),
    (nn.HuberLoss, {"delta": 0.5}, F.huber_loss, (X, T)),
    (nn.KLDivLoss, {"log_target": True}, F.kl_div, (X, Q)),
    (nn.GaussianNLLLoss, {"full": True, "eps": 0.1}, F.gaussian_nll_loss, (X, T, P)),
    (nn.PoissonNLLLoss, {"log_input": False, "full": True}, F.poisson_nll_loss, (P, Q)),
    (nn.BCELoss, {"weight": W}, F.binary_cross_entropy, (P, Q)),
    (
        nn.BCEWithLogitsLoss,
        {"weight": W, "pos_weight": 2 * W},
        F.binary_cross_entropy_with_logits,
        (X, Q),
    ),
    (nn.NLLLoss, {"weight": W, "ignore_index": 2}, F.nll_loss, (X, CLASSES)),
    (nn.HingeEmbeddingLoss, {"margin": 0.5}, F.hinge_embedding_loss, (X, SIGNS)),
    (nn.MarginRankingLoss, {"margin": 0.5}, F.margin_ranking_loss, (X, T, SIGNS)),
    (nn.SoftMarginLoss, {}, F.soft_margin_loss, (X, SIGNS)),
    (nn.MultiMarginLoss, {"p": 2, "margin": 0.5, "weight": W}, F.multi_margin_loss, (X, CLASSES)),
    (nn.MultiLabelMarginLoss, {}, F.multilabel_margin_loss, (X, SIGNS)),
    (nn.MultiLabelSoftMarginLoss, {"weight": W}, F.multilabel_soft_margin_loss, (X, Q)),
    (nn.CosineEmbeddingLoss, {"margin": 0.1}, F.cosine_embedding_loss, (X, T, SIGNS[:, 0])),
    (nn.TripletMarginLoss, {"p": 1.0, "swap": True}, F.triplet_margin_loss, (X, T, P)),
    (
        nn.CTCLoss,
        {"blank": 3, "zero_infinity": True},
        F.ctc_loss,
        (X[:, None], np.array([[4, 1, 1]]), [4], [3]),
    ),
]


@pytest.mark.parametrize("reduction", ["mean", "sum", "none"])
@pytest.mark.parametrize(("kind", "settings", "function", "xs"), LOSSES, ids=name_of)
def test_losses(kind, settings, function, xs, reduction):
    layer = kind(**settings, reduction=reduction)
    np.testing.assert_array_equal(layer(*xs), function(*xs, **settings, reduction=reduction))
    np.testing.assert_array_equal(kind()(*xs), function(*xs))
    weights = {name for name in settings if name.endswith("weight")}
    assert set(layer.state_dict()) == weights and repr(layer) == f"{kind.__name__}()"
    assert set(kind().state_dict()) == set()


def test_every_loss_and_activation_is_tried():
    tried = {type(layer) for layer, _, _ in ACTIVATIONS} | {kind for kind, *_ in LOSSES}
    assert {*layers_of(nn.activation.Activation), *layers_of(nn.loss.Loss)} <= tried


# ---- normalization ----------------------------------------------------------------------------


def test_instance_norm_keeps_no_state_unless_asked():
    layer = nn.InstanceNorm2d(4)
    assert not layer.state_dict()
    np.testing.assert_array_equal(layer(IMAGES), F.instance_norm(IMAGES))
    np.testing.assert_array_equal(layer.eval()(IMAGES), F.instance_norm(IMAGES))
    np.testing.assert_array_equal(layer(IMAGES[0]), F.instance_norm(IMAGES[:1])[0])


def test_instance_norm_follows_and_uses_running_statistics():
    layer = nn.InstanceNorm2d(4, affine=True, track_running_stats=True)
    layer(IMAGES)
    assert layer.num_batches_tracked.item() == 1
    np.testing.assert_allclose(
        layer.running_mean.data, 0.1 * IMAGES.mean(axis=(0, 2, 3)), rtol=1e-4, atol=1e-6
    )
    mean, var = layer.running_mean.data, layer.running_var.data
    expected = (IMAGES - mean[:, None, None]) / np.sqrt(var + 1e-5)[:, None, None]
    np.testing.assert_allclose(layer.eval()(IMAGES).data, expected, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize(
    ("layer", "shape"),
    [
        (nn.InstanceNorm1d(4, affine=True), (2, 4, 5)),
        (nn.InstanceNorm3d(4, affine=True), (2, 4, 2, 2, 2)),
        (nn.BatchNorm3d(4), (2, 4, 2, 2, 2)),
        (nn.GroupNorm(2, 4), (2, 4, 3)),
        (nn.RMSNorm(4), (2, 3, 4)),
        (nn.LocalResponseNorm(2), (2, 4, 3)),
        (nn.Bilinear(4, 4, 3, rng=0), (2, 4)),
    ],
)
def test_float32_in_float32_out_and_every_parameter_gets_a_gradient(layer, shape):
    x = Variable(RNG.normal(size=shape).astype(np.float32))
    y = layer(x, x) if isinstance(layer, nn.Bilinear) else layer(x)
    assert y.dtype == np.float32
    (y * y * y).sum().backward()
    for name, parameter in layer.named_parameters():
        assert parameter.dtype == np.float32 and parameter.grad is not None, name
        assert parameter.grad.shape == parameter.shape, name


def test_bilinear_starts_as_pytorchs():
    layer = nn.Bilinear(50, 20, 30, rng=0)
    assert layer.weight.shape == (30, 50, 20) and layer.bias.shape == (30,)
    bound = 1 / np.sqrt(50)
    for parameter in (layer.weight, layer.bias):
        assert 0.8 * bound < np.abs(parameter.data).max() <= bound
    assert nn.Bilinear(2, 3, 4, bias=False)(X[:, :2], X[:, :3]).shape == (4, 4)


def test_similarities():
    np.testing.assert_array_equal(nn.CosineSimilarity()(X, T), F.cosine_similarity(X, T))
    layer = nn.PairwiseDistance(1.0, keepdims=True)
    np.testing.assert_array_equal(layer(X, T), F.pairwise_distance(X, T, 1.0, keepdims=True))


# ---- dropout ----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("kind", "function", "x"),
    [
        (nn.Dropout1d, F.dropout1d, IMAGES[0]),
        (nn.Dropout2d, F.dropout2d, IMAGES),
        (nn.Dropout3d, F.dropout3d, IMAGES),
        (nn.AlphaDropout, F.alpha_dropout, X),
        (nn.DropPath, F.drop_path, X),
    ],
)
def test_dropouts(kind, function, x):
    layer = kind(0.3, rng=1)
    np.testing.assert_array_equal(layer(x), function(x, 0.3, True, rng=1))
    assert layer.eval()(x) is x and repr(layer) == f"{kind.__name__}(p=0.3)"
    layer.train()
    with using_config("train", False):
        assert layer(x) is x
    descend.seed(3)
    first = kind()(x)
    descend.seed(3)
    np.testing.assert_array_equal(kind()(x), first)
    with refused(ValueError, f"{kind.__name__}: p is 2, a probability from 0 to 1 is needed"):
        kind(2)


# ---- repr and errors --------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("layer", "text"),
    [
        (
            nn.InstanceNorm1d(3),
            "InstanceNorm1d(3, eps=1e-05, momentum=0.1, affine=False, track_running_stats=False)",
        ),
        (nn.GroupNorm(2, 4), "GroupNorm(2, 4, eps=1e-05, affine=True)"),
        (nn.RMSNorm((2, 3)), "RMSNorm((2, 3), eps=None, elementwise_affine=True)"),
        (nn.LocalResponseNorm(2), "LocalResponseNorm(2, alpha=0.0001, beta=0.75, k=1.0)"),
        (
            nn.Bilinear(2, 3, 4),
            "Bilinear(in1_features=2, in2_features=3, out_features=4, bias=True)",
        ),
        (nn.CosineSimilarity(), "CosineSimilarity()"),
    ],
)
def test_repr(layer, text):
    assert repr(layer) == text


@pytest.mark.parametrize(
    ("call", "sentence"),
    [
        (lambda: nn.GroupNorm(3, 4), "GroupNorm: num_channels=4 does not divide into num_groups=3"),
        (
            lambda: nn.InstanceNorm2d(3)(IMAGES),
            "InstanceNorm2d: x (2, 4, 3, 5) came, (N, C, H, W) with C=3 is needed",
        ),
        (
            lambda: nn.InstanceNorm2d(3)(IMAGES[0]),
            "InstanceNorm2d: x (4, 3, 5) came, (N, C, H, W) or (C, H, W) with C=3 is needed",
        ),
        (
            lambda: nn.BatchNorm3d(3)(X),
            "BatchNorm3d: x (4, 6) came, (N, C, D, H, W) with C=3 is needed",
        ),
        (
            lambda: nn.CosineSimilarity()(X, X[:, :2]),
            "cosine_similarity: x0 (4, 6) and x1 (4, 2) do not broadcast",
        ),
    ],
)
def test_what_layers_refuse(call, sentence):
    with refused(ValueError, sentence):
        call()

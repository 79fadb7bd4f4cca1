"""What activations and losses are in the numbers of mpmath, as `exact` has it of all others."""

import importlib.util
import pathlib
from typing import Any

from mpmath import mp

_spec = importlib.util.spec_from_file_location(
    "exact", pathlib.Path(__file__).with_name("exact.py")
)
_exact = importlib.util.module_from_spec(_spec)
_spec.loader.exec_module(_exact)

Exact, normal, signs = _exact.Exact, _exact.normal, _exact.signs
LINE, MIDDLE, PAIRS = _exact.LINE, _exact.MIDDLE, _exact.PAIRS


def logistic(x: Any) -> Any:
    """1 / (1 + exp(-x))."""
    return 1 / (1 + mp.exp(-x))


def softplus(x: Any) -> Any:
    """log(1 + exp(x))."""
    return mp.log(1 + mp.exp(x))


def tanh_of_gelu(x: Any) -> Any:
    """The approximation's, in full."""
    return x / 2 * (1 + mp.tanh(mp.sqrt(2 / mp.pi) * (x + mp.mpf(0.044715) * x**3)))


SELU_SCALE = "1.0507009873554804934193349852946"
SELU_ALPHA = "1.6732632423543772848170429916717"

ACTIVATIONS = {
    "sigmoid": Exact(logistic, LINE),
    "logsigmoid": Exact(lambda x: mp.log(logistic(x)), LINE),
    "softplus": Exact(softplus, LINE),
    "softplus with beta": Exact(
        lambda x: softplus(x * mp.mpf(2.5)) / mp.mpf(2.5), LINE, params={"beta": 2.5}
    ),
    "softplus with threshold": Exact(
        lambda x: softplus(x) if x < 3 else x, LINE, params={"threshold": 3.0}
    ),
    "relu": Exact(lambda x: max(x, 0), LINE),
    "leaky_relu": Exact(lambda x: x if x > 0 else mp.mpf(0.01) * x, LINE),
    "prelu": Exact(
        lambda x, weight: x if x > 0 else weight * x, [(2.0, 0.25), (-1e-300, 0.25), (-7.0, 0.25)]
    ),
    "elu": Exact(
        lambda x: x if x > 0 else mp.mpf(1.5) * (mp.exp(x) - 1), LINE, params={"alpha": 1.5}
    ),
    "celu": Exact(
        lambda x: x if x > 0 else mp.mpf(1.5) * (mp.exp(x / mp.mpf(1.5)) - 1),
        LINE,
        params={"alpha": 1.5},
    ),
    "selu": Exact(
        lambda x: mp.mpf(SELU_SCALE) * (x if x > 0 else mp.mpf(SELU_ALPHA) * (mp.exp(x) - 1)), LINE
    ),
    "gelu": Exact(lambda x: x * normal(x), (-37.0, -9.0, *MIDDLE, 9.0, 37.0), digits=400),
    "gelu by tanh": Exact(
        tanh_of_gelu, (-20.0, -9.0, *MIDDLE, 9.0, 37.0, 800.0), params={"approximate": "tanh"}
    ),
    "silu": Exact(lambda x: x * logistic(x), LINE),
    "mish": Exact(lambda x: x * mp.tanh(softplus(x)), LINE),
    "softsign": Exact(lambda x: x / (1 + abs(x)), (*LINE, *signs(1e80))),
    "tanhshrink": Exact(lambda x: x - mp.tanh(x), LINE),
    "relu6": Exact(lambda x: min(max(x, 0), 6), signs(1e-300, 5.9999, 6.0001, 90.0)),
    "hardtanh": Exact(lambda x: min(max(x, -1), 1), signs(1e-300, 0.9999, 1.0001, 90.0)),
    "hardsigmoid": Exact(
        lambda x: min(max((x + 3) / 6, 0), 1), signs(1e-300, 2.9999, 3.0001, 90.0)
    ),
    "hardswish": Exact(
        lambda x: x * min(max((x + 3) / 6, 0), 1), signs(1e-300, 1.4, 2.9999, 3.0001, 90.0)
    ),
    "softshrink": Exact(
        lambda x: x - mp.sign(x) / 2 if abs(x) > 0.5 else 0 * x, signs(1e-300, 0.4999, 0.51, 90.0)
    ),
    "hardshrink": Exact(
        lambda x: x if abs(x) > 0.5 else 0 * x, signs(1e-300, 0.4999, 0.5001, 90.0)
    ),
    "threshold": Exact(
        lambda x: x if x > 1 else mp.mpf(20),
        [-3.0, 0.9999, 1.0001, 90.0],
        params={"threshold": 1.0, "value": 20.0},
    ),
}

# ---- losses -----------------------------------------------------------------------------------


def each(**params: Any) -> dict[str, Any]:
    """Settings of a loss that answers one number for each pair."""
    return {"reduction": "none", **params}


def cross_entropy(x: Any, t: Any) -> Any:
    """-t * log(x) - (1 - t) * log(1 - x)."""
    return -t * mp.log(x) - (1 - t) * mp.log(1 - x)


def focal(x: Any, t: Any) -> Any:
    """With alpha = 1/4 and gamma = 2."""
    right = t * logistic(x) + (1 - t) * (1 - logistic(x))
    return (t / 4 + 3 * (1 - t) / 4) * (1 - right) ** 2 * cross_entropy(logistic(x), t)


TARGETS = ((0.3, 1.0), (-2.5, 1.0), (4.0, -1.0), (1e-9, -1.0), (30.0, 1.0))
SHARES = ((0.3, 0.6), (1e-9, 0.25), (0.999999, 0.25), (1e-30, 0.999999), (0.5, 1e-9))
LOGITS = (
    (0.3, 0.6),
    (-2.0, 1.0),
    (2.0, 0.0),
    (-40.0, 1.0),
    (40.0, 0.25),
    (-800.0, 0.5),
    (1e-9, 0.75),
    (800.0, 0.0),
    (800.0, 1.0),
)

LOSSES = {
    "mse_loss": Exact(lambda x, t: (x - t) ** 2, PAIRS[:4], each()),
    "l1_loss": Exact(lambda x, t: abs(x - t), PAIRS, each()),
    "smooth_l1_loss": Exact(
        lambda x, t: (x - t) ** 2 / 4 if abs(x - t) < 2 else abs(x - t) - 1,
        [(0.3, 0.1), (1.0, 1.0), (1.5, -0.4), (3.0, -4.0), (1e200, 1.0)],
        each(beta=2.0),
    ),
    "huber_loss": Exact(
        lambda x, t: (x - t) ** 2 / 2 if abs(x - t) < 2 else 2 * (abs(x - t) - 1),
        [(0.3, 0.1), (1.0, 1.0), (1.5, -0.4), (3.0, -4.0), (1e200, 1.0)],
        each(delta=2.0),
    ),
    "binary_cross_entropy": Exact(cross_entropy, SHARES, each()),
    "binary_cross_entropy_with_logits": Exact(
        lambda x, t: t * softplus(-x) + (1 - t) * softplus(x), LOGITS, each(), wrt=(0,)
    ),
    "focal_loss": Exact(focal, LOGITS, each(), wrt=(0,)),
    "hinge_loss": Exact(lambda x, t: max(0, 1 - t * x), TARGETS, each()),
    "hinge_embedding_loss": Exact(
        lambda x, t: x if t == 1 else max(0, 1 - x), TARGETS, each(), wrt=(0,)
    ),
    "margin_ranking_loss": Exact(
        lambda x0, x1, t: max(0, -t * (x0 - x1)),
        [(1.0, 2.5, 1.0), (1.0, 2.5, -1.0), (1e-300, -1.0, -1.0)],
        each(),
        wrt=(0, 1),
    ),
    "soft_margin_loss": Exact(lambda x, t: softplus(-t * x), [(x, -1.0) for x in LINE], each()),
    "kl_div": Exact(
        lambda x, t: t * (mp.log(t) - x), [(-0.3, 0.6), (-800.0, 1e-9), (-1e-9, 0.999999)], each()
    ),
    "kl_div of logarithms": Exact(
        lambda x, t: mp.exp(t) * (t - x),
        [(-0.3, -0.6), (-3.0, -800.0), (-1e-9, -1.0)],
        each(log_target=True),
    ),
    "poisson_nll_loss": Exact(
        lambda x, t: mp.exp(x) - t * x, [(0.3, 2.0), (-30.0, 5.0), (5.0, 0.5)], each()
    ),
    "poisson_nll_loss of means": Exact(
        lambda x, t: (
            x
            - t * mp.log(x + mp.mpf(1e-8))
            + (t * mp.log(t) - t + mp.log(2 * mp.pi * t) / 2 if t > 1 else 0)
        ),
        [(0.3, 2.0), (1e-9, 5.0), (5.0, 0.5)],
        each(log_input=False, full=True),
    ),
    "gaussian_nll_loss": Exact(
        lambda x, t, var: (mp.log(var) + (x - t) ** 2 / var + mp.log(2 * mp.pi)) / 2,
        [(0.3, 0.1, 2.0), (1.0, -3.0, 1e-5), (0.0, 1e5, 1e8)],
        each(full=True),
    ),
}

TABLE = ACTIVATIONS | LOSSES

"""What each operation must answer, computed another way: NumPy, SciPy, or the formula in loops.

A NumPy function of an operation's name is its reference unless this file, or one of the files
``references_<family>.py`` beside it, has one.
"""

from __future__ import annotations

import importlib.util
import math
import pathlib

import numpy as np
import scipy.special


def families():
    """The modules of references beside this one."""
    for path in sorted(pathlib.Path(__file__).parent.glob("references_*.py")):
        spec = importlib.util.spec_from_file_location(path.stem, path)
        module = importlib.util.module_from_spec(spec)
        spec.loader.exec_module(module)
        yield module


def reference(name):
    """The oracle of an operation, None if there is none."""
    for module in (None, *FAMILIES):
        found = globals().get(name) if module is None else getattr(module, name, None)
        if callable(found):
            return found
    return getattr(np, name, None)


FAMILIES = [*families()]


def pairs(size):
    return (size, size) if isinstance(size, int) else tuple(size)


# ---- arithmetic, shape, indexing --------------------------------------------------------------


def clip(x, min=None, max=None):
    return np.clip(x, min, max)


def flatten(x, start_axis=0, end_axis=-1):
    if x.ndim == 0:
        return x.reshape(1)
    end = end_axis % x.ndim
    return x.reshape(*x.shape[:start_axis], -1, *x.shape[end + 1 :])


def astype(x, dtype):
    return np.array(x, dtype=dtype)


def sum_to(x, shape):
    y = np.zeros(shape)
    sources = np.broadcast_to(np.arange(y.size).reshape(shape), x.shape)
    np.add.at(y.reshape(-1), sources, x)
    return y


def getitem(x, index, distinct=False):
    return x[index]


def scatter_to(x, index, shape, distinct=False):
    y = np.zeros(shape)
    np.add.at(y, index, x)
    return y


def take_along_axis(x, indices, axis=-1):
    return np.take_along_axis(x, indices, axis)


def scatter_add(x, axis, index, src):
    y = x.copy()
    for place in np.ndindex(index.shape):
        target = list(place)
        target[axis] = index[place]
        y[tuple(target)] += src[place]
    return y


def index_add(x, axis, index, source):
    y = np.moveaxis(x, axis, 0).copy()
    for i, row in zip(index, np.moveaxis(source, axis, 0), strict=True):
        y[i] += row
    return np.moveaxis(y, 0, axis)


def embedding(indices, weight):
    rows = [weight[i] for i in indices.ravel()]
    return np.array(rows).reshape(*indices.shape, -1)


def concatenate(xs, axis=0):
    return np.concatenate(xs, axis)


def pad(x, pad_width, mode="constant", constant_values=0):
    filled = {"constant_values": constant_values} if mode == "constant" else {}
    return np.pad(x, pad_width, mode, **filled)


# ---- reductions -------------------------------------------------------------------------------


def logsumexp(x, axis=None, keepdims=False):
    return scipy.special.logsumexp(x, axis=axis, keepdims=keepdims)


# ---- networks ---------------------------------------------------------------------------------


def linear(x, weight, bias=None):
    y = np.einsum("...i,oi->...o", x, weight)
    return y if bias is None else y + bias


def erf(x):
    return np.vectorize(math.erf, otypes=[float])(x)


def sigmoid(x):
    return scipy.special.expit(x)


def logsigmoid(x):
    return scipy.special.log_expit(x)


def relu(x):
    return np.where(x < 0, 0, x)


def leaky_relu(x, negative_slope=0.01):
    return np.where(x < 0, negative_slope * x, x)


def gelu(x, approximate="none"):
    if approximate == "tanh":
        return x / (1 + np.exp(-2 * np.sqrt(2 / np.pi) * (x + 0.044715 * x * x * x)))
    return x * scipy.special.ndtr(x)


def softmax(x, axis=-1):
    return scipy.special.softmax(x, axis)


def log_softmax(x, axis=-1):
    return scipy.special.log_softmax(x, axis)


def dropout(x, p=0.5, training=None, rng=None):
    if p == 0 or training is False:
        return x
    if p == 1:
        return np.zeros_like(x)
    # documented: the half words of numpy's Philox, the lower half first
    words = np.random.Philox(rng).random_raw(x.size)
    halves = np.stack([words & 0xFFFFFFFF, words >> 32], axis=-1).reshape(-1)[: x.size]
    return np.where(halves.reshape(x.shape) / 2**32 >= p, x / (1 - p), 0)


def layer_norm(x, normalized_shape, weight=None, bias=None, eps=1e-5):
    rows = x.reshape(-1, np.prod(normalized_shape, dtype=int))
    y = np.array([(row - row.mean()) / np.sqrt(row.var() + eps) for row in rows]).reshape(x.shape)
    return y * (1 if weight is None else weight) + (0 if bias is None else bias)


def batch_norm(
    x, running_mean, running_var, weight=None, bias=None, training=False, momentum=0.1, eps=1e-5
):
    y = np.empty_like(x)
    for c in range(x.shape[1]):
        mean = x[:, c].mean() if training else running_mean[c]
        var = x[:, c].var() if training else running_var[c]
        y[:, c] = (x[:, c] - mean) / np.sqrt(var + eps)
        y[:, c] = y[:, c] * (1 if weight is None else weight[c]) + (0 if bias is None else bias[c])
    return y


# ---- losses -----------------------------------------------------------------------------------


def reduced(losses, reduction):
    return {"mean": np.mean, "sum": np.sum, "none": np.asarray}[reduction](losses)


def mse_loss(x, t, reduction="mean"):
    return reduced((x - t) ** 2, reduction)


def l1_loss(x, t, reduction="mean"):
    return reduced(np.abs(x - t), reduction)


def binary_cross_entropy_with_logits(x, t, weight=None, pos_weight=None, reduction="mean"):
    p = 1 / (1 + np.exp(-x))
    losses = -(1 if pos_weight is None else pos_weight) * t * np.log(p) - (1 - t) * np.log(1 - p)
    return reduced(losses * (1 if weight is None else weight), reduction)


def nll_loss(x, t, weight=None, ignore_index=-100, reduction="mean", axis=1):
    x = np.moveaxis(x, axis if x.ndim > 1 else 0, -1)
    weight = np.ones(x.shape[-1]) if weight is None else weight
    losses, total = np.zeros(t.shape), 0.0
    for place in np.ndindex(t.shape):
        if t[place] != ignore_index:
            losses[place] = -weight[t[place]] * x[place][t[place]]
            total += weight[t[place]]
    return losses.sum() / total if reduction == "mean" else reduced(losses, reduction)


def cross_entropy(
    x, t, weight=None, ignore_index=-100, reduction="mean", label_smoothing=0.0, axis=1
):
    logp = np.moveaxis(
        scipy.special.log_softmax(x, axis if x.ndim > 1 else 0), min(axis, x.ndim - 1), -1
    )
    C = logp.shape[-1]
    weight = np.ones(C) if weight is None else weight
    soft = t.dtype.kind == "f"
    t = np.moveaxis(t, min(axis, t.ndim - 1), -1) if soft else t
    places = list(np.ndindex(logp.shape[:-1]))
    losses, total = np.zeros(logp.shape[:-1]), 0.0
    for place in places:
        if not soft and t[place] == ignore_index:
            continue
        target = t[place] if soft else np.eye(C)[t[place]]
        target = (1 - label_smoothing) * target + label_smoothing / C
        losses[place] = -(target * weight * logp[place]).sum()
        total += 1 if soft else weight[t[place]]
    return losses.sum() / total if reduction == "mean" else reduced(losses, reduction)


# ---- convolution and pooling ------------------------------------------------------------------


def conv2d(x, weight, bias=None, stride=1, padding=0, dilation=1, groups=1):
    K, per_group, KH, KW = weight.shape
    (SH, SW), (DH, DW) = pairs(stride), pairs(dilation)
    if padding == "valid":
        padding = 0
    if padding == "same":  # what is odd goes behind
        total = [d * (k - 1) for d, k in ((DH, KH), (DW, KW))]
        width = [(t // 2, t - t // 2) for t in total]
    else:
        width = [(p, p) for p in pairs(padding)]
    x = np.pad(x, ((0, 0), (0, 0), *width))
    N, _, H, W = x.shape
    OH, OW = (H - DH * (KH - 1) - 1) // SH + 1, (W - DW * (KW - 1) - 1) // SW + 1
    y = np.zeros((N, K, OH, OW))
    for o, i, j in np.ndindex(K, OH, OW):
        first = o // (K // groups) * per_group
        rows, columns = i * SH + DH * np.arange(KH), j * SW + DW * np.arange(KW)
        window = x[:, first : first + per_group][:, :, rows[:, None], columns]
        y[:, o, i, j] = (window * weight[o]).sum((1, 2, 3)) + (0 if bias is None else bias[o])
    return y


def conv_transpose2d(
    x, weight, bias=None, stride=1, padding=0, output_padding=0, groups=1, dilation=1
):
    N, C, H, W = x.shape
    _, per_group, KH, KW = weight.shape
    (SH, SW), (DH, DW), (PH, PW) = pairs(stride), pairs(dilation), pairs(padding)
    EH, EW = pairs(output_padding)
    full = np.zeros(
        (
            N,
            per_group * groups,
            (H - 1) * SH + DH * (KH - 1) + 1 + EH,
            (W - 1) * SW + DW * (KW - 1) + 1 + EW,
        )
    )
    for c, i, j, k, m in np.ndindex(C, H, W, KH, KW):
        first = c // (C // groups) * per_group
        target = full[:, first : first + per_group, i * SH + k * DH, j * SW + m * DW]
        target += x[:, c, i, j, None] * weight[c, :, k, m]
    y = full[:, :, PH : full.shape[2] - PH, PW : full.shape[3] - PW]
    return y if bias is None else y + bias[:, None, None]


def windows(x, kernel_size, stride, padding, dilation, ceil_mode=False):
    """Where each window of (N, C, H, W) lies: {place: (rows, columns)}, in order."""
    KS, SS = pairs(kernel_size), pairs(kernel_size if stride is None else stride)
    PS, DS = pairs(padding), pairs(dilation)
    counts = []
    for size, k, s, p, d in zip(x.shape[-2:], KS, SS, PS, DS, strict=True):
        room = size + 2 * p - d * (k - 1) - 1
        count = (-(-room // s) if ceil_mode else room // s) + 1
        if ceil_mode and (count - 1) * s >= size + p:
            count -= 1
        counts.append(count)
    starts = [[i * s - p for i in range(n)] for n, s, p in zip(counts, SS, PS, strict=True)]
    rows, columns = (
        [start + d * np.arange(k) for start in along]
        for along, d, k in zip(starts, DS, KS, strict=True)
    )
    return {(i, j): (rows[i], columns[j]) for i, j in np.ndindex(*counts)}


def inside(positions, size):
    return positions[(positions >= 0) & (positions < size)]


def max_pool2d(x, kernel_size, stride=None, padding=0, dilation=1, ceil_mode=False):
    H, W = x.shape[-2:]
    found = {}
    where = windows(x, kernel_size, stride, padding, dilation, ceil_mode)
    for place, (rows, columns) in where.items():
        values = x[..., inside(rows, H)[:, None], inside(columns, W)]
        found[place] = values.max((-1, -2))
    return gathered(found)


def avg_pool2d(
    x,
    kernel_size,
    stride=None,
    padding=0,
    ceil_mode=False,
    count_include_pad=True,
    divisor_override=None,
):
    H, W = x.shape[-2:]
    PH, PW = pairs(padding)
    found = {}
    where = windows(x, kernel_size, stride, padding, 1, ceil_mode)
    for place, (rows, columns) in where.items():
        values = x[..., inside(rows, H)[:, None], inside(columns, W)]
        number = values.shape[-1] * values.shape[-2]
        if count_include_pad:
            number = (rows < H + PH).sum() * (columns < W + PW).sum()
        found[place] = values.sum((-1, -2)) / (divisor_override or number)
    return gathered(found)


def gathered(found):
    """An array with the value of each place along two last axes."""
    stacked = np.stack(list(found.values()), axis=-1)
    *_, (i, j) = found
    return stacked.reshape(*stacked.shape[:-1], i + 1, j + 1)


def unfold(x, kernel_size, dilation=1, padding=0, stride=1):
    N, C = x.shape[:2]
    KH, KW = pairs(kernel_size)
    PH, PW = pairs(padding)
    padded = np.pad(x, ((0, 0), (0, 0), (PH, PH), (PW, PW)))
    columns_of = [
        padded[:, :, (rows + PH)[:, None], columns + PW].reshape(N, C * KH * KW)
        for rows, columns in windows(x, kernel_size, stride, padding, dilation).values()
    ]
    return np.stack(columns_of, axis=-1)


def fold(x, output_size, kernel_size, dilation=1, padding=0, stride=1):
    KH, KW = pairs(kernel_size)
    PH, PW = pairs(padding)
    H, W = pairs(output_size)
    C = x.shape[1] // (KH * KW)
    padded = np.zeros((x.shape[0], C, H + 2 * PH, W + 2 * PW))
    like = np.zeros((1, 1, H, W))
    where = windows(like, kernel_size, stride, padding, dilation)
    for column, (rows, columns) in enumerate(where.values()):
        patch = x[:, :, column].reshape(-1, C, KH, KW)
        padded[:, :, (rows + PH)[:, None], columns + PW] += patch
    return padded[:, :, PH : PH + H, PW : PW + W]


# ---- recurrent networks, one number after the other -------------------------------------------


def logistic(x):
    return 1 / (1 + np.exp(-x))


def rnn_cell(x, h, w_ih, w_hh, b_ih=0, b_hh=0, nonlinearity="tanh"):
    y = np.einsum("...i,oi->...o", x, w_ih) + b_ih + np.einsum("...i,oi->...o", h, w_hh) + b_hh
    return np.tanh(y) if nonlinearity == "tanh" else np.where(y > 0, y, 0)


def lstm_cell(x, h, c, w_ih, w_hh, b_ih=0, b_hh=0):
    y = np.einsum("...i,oi->...o", x, w_ih) + b_ih + np.einsum("...i,oi->...o", h, w_hh) + b_hh
    n = h.shape[-1]
    i, f, g, o = (y[..., k * n : (k + 1) * n] for k in range(4))
    c = logistic(f) * c + logistic(i) * np.tanh(g)
    return logistic(o) * np.tanh(c), c


def gru_cell(x, h, w_ih, w_hh, b_ih=0, b_hh=0):
    n = h.shape[-1]
    gx = np.einsum("...i,oi->...o", x, w_ih) + b_ih
    gh = np.einsum("...i,oi->...o", h, w_hh) + b_hh
    r = logistic(gx[..., :n] + gh[..., :n])
    z = logistic(gx[..., n : 2 * n] + gh[..., n : 2 * n])
    new = np.tanh(gx[..., 2 * n :] + r * gh[..., 2 * n :])
    return (1 - z) * new + z * h


def sequence(step, x, state, lengths, reverse):
    """Each sequence of the batch for itself, to its own end."""
    steps, batch = x.shape[:2]
    ends = [steps] * batch if lengths is None else lengths
    y = np.zeros((steps, *state[0].shape))
    last = [part.copy() for part in state]
    for n in range(batch):
        own = tuple(part[n] for part in state)
        order = range(ends[n])
        for t in reversed(order) if reverse else order:
            own = step(x[t, n], *own)
            y[t, n] = own[0]
        for part, value in zip(last, own, strict=True):
            part[n] = value
    return y, *last


def rnn(x, h, *weights, nonlinearity="tanh", lengths=None, reverse=False):
    def step(x, h):
        return (rnn_cell(x, h, *weights, nonlinearity=nonlinearity),)

    return sequence(step, x, (h,), lengths, reverse)


def lstm(x, h, c, *weights, lengths=None, reverse=False):
    return sequence(lambda x, h, c: lstm_cell(x, h, c, *weights), x, (h, c), lengths, reverse)


def gru(x, h, *weights, lengths=None, reverse=False):
    return sequence(lambda x, h: (gru_cell(x, h, *weights),), x, (h,), lengths, reverse)


# ---- attention, query by query ----------------------------------------------------------------


def scaled_dot_product_attention(
    query, key, value, mask=None, dropout_p=0.0, is_causal=False, scale=None, training=True, rng=0
):
    length, width = query.shape[-2:]
    keys = key.shape[-2]
    lead = np.broadcast_shapes(query.shape[:-2], key.shape[:-2])
    query, key = (
        np.broadcast_to(query, (*lead, length, width)),
        np.broadcast_to(key, (*lead, keys, width)),
    )
    value = np.broadcast_to(value, (*lead, *value.shape[-2:]))
    if mask is not None:
        mask = np.broadcast_to(mask, (*lead, length, keys))
    weights = np.zeros((*lead, length, keys))
    for place in np.ndindex(*lead, length):
        scores = np.array([query[place] @ k for k in key[place[:-1]]])
        scores *= width**-0.5 if scale is None else scale
        seen = np.ones(keys, bool)
        if is_causal:
            seen = np.arange(keys) <= place[-1]
        elif mask is not None and mask.dtype == bool:
            seen = mask[place]
        elif mask is not None:
            scores = scores + mask[place]
        if seen.any():
            weights[place] = np.where(seen, np.exp(scores - scores.max()), 0)
            weights[place] /= weights[place].sum()
    if dropout_p:
        weights = weights * dropout(np.ones_like(weights), dropout_p, training, rng)
    return weights @ value


def multi_head_attention(
    query, key, value, num_heads, in_weight, in_bias, out_weight, out_bias=0, is_causal=False
):
    size = query.shape[-1] // num_heads
    biases = np.zeros(3 * query.shape[-1]) if in_bias is None else in_bias
    parts = [
        x @ w.T + b
        for x, w, b in zip(
            (query, key, value), np.split(in_weight, 3), np.split(biases, 3), strict=True
        )
    ]
    heads = []
    for i in range(num_heads):
        own = [part[..., i * size : (i + 1) * size] for part in parts]
        if query.ndim == 3:
            own = [part.swapaxes(0, 1) for part in own]
        head = scaled_dot_product_attention(*own, is_causal=is_causal)
        heads.append(head.swapaxes(0, 1) if query.ndim == 3 else head)
    return np.concatenate(heads, axis=-1) @ out_weight.T + out_bias

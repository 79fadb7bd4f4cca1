"""References for activations, losses, normalizations, distances and random variables.

Formulas as the papers have them, in loops, or probabilities summed over everything there is.
"""

from __future__ import annotations

import itertools
import math

import numpy as np


def each(function):
    """A function of one number, applied to each element of its first argument."""

    def of_array(x, *arguments, **params):
        y = [function(float(v), *arguments, **params) for v in np.ravel(x)]
        return np.array(y, dtype=float).reshape(np.shape(x))

    return of_array


def reduced(losses, reduction):
    return {"mean": np.mean, "sum": np.sum, "none": np.asarray}[reduction](np.asarray(losses))


def logistic(x):
    return 1 / (1 + np.exp(-x))


# ---- activations ------------------------------------------------------------------------------

elu = each(lambda v, alpha=1.0: v if v > 0 else alpha * math.expm1(v))
selu = each(lambda v: 1.0507009873554805 * (v if v > 0 else 1.6732632423543772 * math.expm1(v)))
celu = each(lambda v, alpha=1.0: max(0, v) + min(0, alpha * math.expm1(v / alpha)))
relu6 = each(lambda v: min(max(v, 0), 6))
hardtanh = each(lambda v, min_val=-1.0, max_val=1.0: min(max(v, min_val), max_val))
hardsigmoid = each(lambda v: min(max(v + 3, 0), 6) / 6)
hardswish = each(lambda v: v * min(max(v + 3, 0), 6) / 6)
softshrink = each(lambda v, lambd=0.5: math.copysign(max(abs(v) - lambd, 0), v))
hardshrink = each(lambda v, lambd=0.5: v if abs(v) > lambd else 0)
threshold = each(lambda v, threshold, value: v if v > threshold else value)
silu = each(lambda v: v / (1 + math.exp(-v)))
mish = each(lambda v: v * math.tanh(math.log(1 + math.exp(v))))
softsign = each(lambda v: v / (1 + abs(v)))
tanhshrink = each(lambda v: v - math.tanh(v))


@each
def softplus(v, beta=1.0, threshold=None):
    return math.log(1 + math.exp(beta * v)) / beta


def prelu(x, weight):
    y = x.copy()
    for place in np.ndindex(x.shape):
        slope = weight if weight.ndim == 0 else weight[place[1] if weight.size > 1 else 0]
        y[place] *= 1 if x[place] > 0 else slope
    return y


def glu(x, axis=-1):
    rows = np.moveaxis(x, axis, -1)
    half = rows.shape[-1] // 2
    return np.moveaxis(rows[..., :half] * logistic(rows[..., half:]), -1, axis)


def maxout(x, pool_size, axis=1):
    rows = np.moveaxis(x, axis, 0)
    groups = [rows[i : i + pool_size].max(axis=0) for i in range(0, len(rows), pool_size)]
    return np.moveaxis(np.array(groups), 0, axis)


def softmin(x, axis=-1):
    y = np.exp(-x + x.min(axis=axis, keepdims=True))
    return y / y.sum(axis=axis, keepdims=True)


# ---- losses -----------------------------------------------------------------------------------


def smooth_l1_loss(x, t, reduction="mean", beta=1.0):
    rule = each(lambda v: v * v / 2 / beta if v < beta else v - beta / 2)
    return reduced(rule(np.abs(x - t)), reduction)


def huber_loss(x, t, reduction="mean", delta=1.0):
    rule = each(lambda v: v * v / 2 if v < delta else delta * (v - delta / 2))
    return reduced(rule(np.abs(x - t)), reduction)


def kl_div(x, t, reduction="mean", log_target=False):
    p = np.exp(t) if log_target else t
    losses = np.zeros(x.shape)
    for place in np.ndindex(x.shape):
        if p[place] > 0:
            losses[place] = p[place] * (math.log(p[place]) - x[place])
    return losses.sum() / len(x) if reduction == "batchmean" else reduced(losses, reduction)


def gaussian_nll_loss(x, t, var, full=False, eps=1e-6, reduction="mean"):
    losses = np.zeros(x.shape)
    for place in np.ndindex(x.shape):
        if var.ndim == x.ndim:
            v = var[place] if var.shape == x.shape else var[(*place[:-1], 0)]
        else:
            v = var[place[:-1]] if var.ndim else var
        density = math.exp(-((t[place] - x[place]) ** 2) / (2 * v)) / math.sqrt(2 * math.pi * v)
        losses[place] = -math.log(density) - (0 if full else math.log(2 * math.pi) / 2)
    return reduced(losses, reduction)


def poisson_nll_loss(x, t, log_input=True, full=False, eps=1e-8, reduction="mean"):
    losses = np.exp(x) - t * x if log_input else x - t * np.log(x + eps)
    for place in np.ndindex(x.shape):
        if full and t[place] > 1:
            n = t[place]
            losses[place] += n * math.log(n) - n + math.log(2 * math.pi * n) / 2
    return reduced(losses, reduction)


def binary_cross_entropy(x, t, weight=None, reduction="mean"):
    losses = -(t * np.log(x) + (1 - t) * np.log(1 - x))
    return reduced(losses * (1 if weight is None else weight), reduction)


def focal_loss(x, t, alpha=0.25, gamma=2.0, reduction="mean"):
    p = logistic(x)
    losses = -(t * np.log(p) + (1 - t) * np.log(1 - p))
    losses *= (1 - (p * t + (1 - p) * (1 - t))) ** gamma
    return reduced(losses if alpha < 0 else losses * (alpha * t + (1 - alpha) * (1 - t)), reduction)


def dice_loss(x, t, axis=None, smooth=1.0, reduction="mean"):
    axes = tuple(range(1, x.ndim)) if axis is None else axis
    both, total = (x * t).sum(axis=axes), (x + t).sum(axis=axes)
    return reduced(1 - (2 * both + smooth) / (total + smooth), reduction)


def hinge_loss(x, t, margin=1.0, reduction="mean"):
    return reduced(np.maximum(0, margin - t * x), reduction)


def hinge_embedding_loss(x, t, margin=1.0, reduction="mean"):
    return reduced(np.where(t == 1, x, np.maximum(0, margin - x)), reduction)


def margin_ranking_loss(x0, x1, t, margin=0.0, reduction="mean"):
    return reduced(np.maximum(0, -t * (x0 - x1) + margin), reduction)


def soft_margin_loss(x, t, reduction="mean"):
    return reduced(np.log(1 + np.exp(-t * x)), reduction)


def multi_margin_loss(x, t, p=1, margin=1.0, weight=None, reduction="mean"):
    losses = np.zeros(t.shape)
    for place in np.ndindex(t.shape):
        row, right = x[place], t[place]
        for i, value in enumerate(row):
            if i != right:
                w = 1 if weight is None else weight[right]
                losses[place] += w * max(0, margin - row[right] + value) ** p / len(row)
    return reduced(losses, reduction)


def multilabel_margin_loss(x, t, reduction="mean"):
    losses = np.zeros(x.shape[:-1])
    for place in np.ndindex(losses.shape):
        row, named = x[place], [*itertools.takewhile(lambda k: k >= 0, t[place].tolist())]
        for j, i in itertools.product(named, range(len(row))):
            if i not in named:
                losses[place] += max(0, 1 - (row[j] - row[i])) / len(row)
    return reduced(losses, reduction)


def multilabel_soft_margin_loss(x, t, weight=None, reduction="mean"):
    p = logistic(x)
    losses = -(t * np.log(p) + (1 - t) * np.log(1 - p)) * (1 if weight is None else weight)
    return reduced(losses.mean(axis=-1), reduction)


def cosine_embedding_loss(x0, x1, t, margin=0.0, reduction="mean"):
    cos = cosine_similarity(x0, x1, -1)
    return reduced(np.where(t == 1, 1 - cos, np.maximum(0, cos - margin)), reduction)


def triplet_margin_loss(
    anchor, positive, negative, margin=1.0, p=2.0, eps=1e-6, swap=False, reduction="mean"
):
    near = pairwise_distance(anchor, positive, p, eps)
    far = pairwise_distance(anchor, negative, p, eps)
    far = np.minimum(far, pairwise_distance(positive, negative, p, eps)) if swap else far
    return reduced(np.maximum(0, near - far + margin), reduction)


def info_nce(x0, x1, negatives=None, temperature=0.1, reduction="mean"):
    losses = []
    for i, row in enumerate(x0):
        others = np.delete(x1, i, axis=0) if negatives is None else negatives
        cosines = [row @ k / np.linalg.norm(row) / np.linalg.norm(k) for k in (x1[i], *others)]
        shares = np.exp(np.array(cosines) / temperature)
        losses.append(-math.log(shares[0] / shares.sum()))
    return reduced(losses, reduction)


def spelled(alignment, blank):
    """What is left when repeated classes are one and blanks are removed."""
    return [label for label, _ in itertools.groupby(alignment) if label != blank]


def ctc_loss(
    log_probs, targets, input_lengths, target_lengths, blank=0, reduction="mean",
    zero_infinity=False,
):  # fmt: skip
    """Every alignment there is, and whether it spells the target."""
    single = log_probs.ndim == 2
    x = log_probs[:, None] if single else log_probs
    sizes, lengths = np.ravel(target_lengths), np.ravel(input_lengths)
    if targets.ndim == 1:
        rows = np.split(targets, np.cumsum(sizes)[:-1])
    else:
        rows = [row[:size] for row, size in zip(targets, sizes, strict=True)]
    losses = []
    for n, row in enumerate(rows):
        steps = np.exp(x[: lengths[n], n])
        total = sum(
            math.prod(steps[t, label] for t, label in enumerate(alignment))
            for alignment in itertools.product(range(x.shape[2]), repeat=len(steps))
            if spelled(alignment, blank) == list(row)
        )
        loss = -math.log(total) if total > 0 else (0 if zero_infinity else math.inf)
        losses.append(loss / max(len(row), 1) if reduction == "mean" else loss)
    return reduced(losses[0] if single else losses, reduction)


def path_score(x, path, transitions, start, end):
    score = sum(x[t, tag] for t, tag in enumerate(path))
    score += sum(transitions[i, j] for i, j in itertools.pairwise(path))
    score += 0 if start is None else start[path[0]]
    return score + (0 if end is None else end[path[-1]])


def crf1d(x, t, transitions, lengths=None, start=None, end=None, reduction="mean"):
    """Every sequence of tags there is."""
    single = x.ndim == 2
    x, t = (x[:, None], t[:, None]) if single else (x, t)
    losses = []
    for n in range(x.shape[1]):
        length = len(x) if lengths is None else lengths[n]
        scores = {
            path: path_score(x[:, n], path, transitions, start, end)
            for path in itertools.product(range(x.shape[2]), repeat=int(length))
        }
        total = sum(map(math.exp, scores.values()))
        losses.append(math.log(total) - scores[tuple(t[:length, n].tolist())])
    return reduced(losses[0] if single else losses, reduction)


# ---- normalization and distances --------------------------------------------------------------


def group_norm(x, num_groups, weight=None, bias=None, eps=1e-5):
    y = np.empty_like(x)
    size = x.shape[1] // num_groups
    for n, g in np.ndindex(len(x), num_groups):
        group = slice(g * size, (g + 1) * size)
        part = x[n, group]
        y[n, group] = (part - part.mean()) / math.sqrt(part.var() + eps)
    shape = (-1,) + (1,) * (x.ndim - 2)
    y = y if weight is None else y * weight.reshape(shape)
    return y if bias is None else y + bias.reshape(shape)


def instance_norm(
    x, running_mean=None, running_var=None, weight=None, bias=None, use_input_stats=True,
    momentum=0.1, eps=1e-5,
):  # fmt: skip
    if use_input_stats:
        return group_norm(x, x.shape[1], weight, bias, eps)
    rows = [
        (x[:, c] - running_mean[c]) / math.sqrt(running_var[c] + eps) for c in range(x.shape[1])
    ]
    return np.stack(rows, axis=1)


def rms_norm(x, normalized_shape, weight=None, eps=None):
    count = np.prod(normalized_shape, dtype=int)
    eps = 2.0**-52 if eps is None else eps
    rows = [row / math.sqrt((row @ row) / count + eps) for row in x.reshape(-1, count)]
    return np.array(rows).reshape(x.shape) * (1 if weight is None else weight)


def p_norm(x, p):
    x = np.abs(x)
    return x.max() if p == math.inf else (x**p).sum() ** (1 / p)


def along(x, axis, function):
    """``function`` of everything that lies along the axes."""
    axes = (axis,) if isinstance(axis, int) else axis
    last = tuple(range(-len(axes), 0))
    rows = np.moveaxis(x, axes, last)
    lead = rows.shape[: x.ndim - len(axes)]
    values = [function(rows[place].ravel()) for place in np.ndindex(lead)]
    return np.array(values, dtype=float).reshape(lead)


def normalize(x, p=2.0, axis=1, eps=1e-12):
    sizes = np.maximum(along(x, axis, lambda v: p_norm(v, p)), eps)
    return x / np.expand_dims(sizes, axis)


def local_response_norm(x, size, alpha=1e-4, beta=0.75, k=1.0):
    y = np.empty_like(x)
    for c in range(x.shape[1]):
        near = x[:, max(0, c - size // 2) : c + (size - 1) // 2 + 1]
        y[:, c] = x[:, c] / (k + alpha * (near**2).sum(axis=1) / size) ** beta
    return y


def spectral_norm(weight, u, n_power_iterations=1, axis=0, eps=1e-12):
    matrix = np.moveaxis(weight, axis, 0).reshape(weight.shape[axis], -1)
    for _ in range(n_power_iterations):
        u = matrix @ matrix.T @ u
        u = u / np.linalg.norm(u)
    return weight / np.linalg.norm(matrix.T @ u), u


def cosine_similarity(x0, x1, axis=1, eps=1e-8):
    x0, x1 = np.broadcast_arrays(x0, x1)
    x0, x1 = np.moveaxis(x0, axis, -1), np.moveaxis(x1, axis, -1)
    y = np.empty(x0.shape[:-1])
    for place in np.ndindex(y.shape):
        a, b = x0[place], x1[place]
        y[place] = a @ b / (max(np.linalg.norm(a), eps) * max(np.linalg.norm(b), eps))
    return y


def pairwise_distance(x0, x1, p=2.0, eps=1e-6, keepdims=False):
    y = along(x0 - x1 + eps, -1, lambda v: p_norm(v, p))
    return y[..., None] if keepdims else y


def cdist(x0, x1, p=2.0):
    lead = np.broadcast_shapes(x0.shape[:-2], x1.shape[:-2])
    x0 = np.broadcast_to(x0, (*lead, *x0.shape[-2:]))
    x1 = np.broadcast_to(x1, (*lead, *x1.shape[-2:]))
    y = np.empty((*lead, x0.shape[-2], x1.shape[-2]))
    for *place, i, j in np.ndindex(y.shape):
        y[(*place, i, j)] = p_norm(x0[(*place, i)] - x1[(*place, j)], p)
    return y


def bilinear(x0, x1, weight, bias=None):
    y = np.einsum("...i,kij,...j->...k", x0, weight, x1)
    return y if bias is None else y + bias


# ---- classes, positions, sequences ------------------------------------------------------------


def one_hot(t, num_classes=-1, dtype=np.int64):
    return np.eye(t.max() + 1 if num_classes == -1 else num_classes, dtype=dtype)[t]


def rotary(x, positions=None, base=10000.0, interleaved=True):
    """The pairs as complex numbers, turned."""
    steps, width = x.shape[-2:]
    positions = range(steps) if positions is None else positions
    y = x.copy()
    for t, place in enumerate(positions):
        for i in range(width // 2):
            one, two = (2 * i, 2 * i + 1) if interleaved else (i, i + width // 2)
            turned = x[..., t, one] + 1j * x[..., t, two]
            turned = turned * np.exp(1j * place * base ** (-2 * i / width))
            y[..., t, one], y[..., t, two] = turned.real, turned.imag
    return y


def pad_sequence(sequences, batch_first=False, padding_value=0.0, padding_side="right"):
    longest = max(map(len, sequences))
    y = np.full((len(sequences), longest, *sequences[0].shape[1:]), padding_value)
    for row, x in zip(y, sequences, strict=True):
        start = longest - len(x) if padding_side == "left" else 0
        row[start : start + len(x)] = x
    return y if batch_first else np.swapaxes(y, 0, 1)


# ---- passing through, and random variables ----------------------------------------------------


def straight_through(x, y):
    return y


def gradient_reversal(x, scale=1.0):
    return x


def halves(seed, count):
    """The half words of NumPy's Philox, as numbers from 0 to 1: the lower half comes first."""
    words = np.random.Philox(seed).random_raw(count)
    return np.stack([words & 0xFFFFFFFF, words >> 32], axis=-1).reshape(-1)[:count] / 2**32


def fractions(seed, shape):
    return np.random.Generator(np.random.Philox(seed)).random(shape)


def kept(x, shape, p, training, rng):
    if training is False or p == 0:
        return np.ones(shape, bool)
    return halves(rng, math.prod(shape)).reshape(shape) >= p


def dropout1d(x, p=0.5, training=None, rng=None):
    return channels_dropped(x, 1, p, training, rng)


def dropout2d(x, p=0.5, training=None, rng=None):
    return channels_dropped(x, 2, p, training, rng)


def dropout3d(x, p=0.5, training=None, rng=None):
    return channels_dropped(x, 3, p, training, rng)


def channels_dropped(x, axes, p, training, rng):
    if training is False:
        return x
    y = np.zeros_like(x)
    whole = kept(x, x.shape[:-axes], p, training, rng)
    y[whole] = x[whole] / (1 - p)
    return y


def drop_path(x, p=0.5, training=None, rng=None):
    return channels_dropped(x, x.ndim - 1, p, training, rng)


def alpha_dropout(x, p=0.5, training=None, rng=None):
    if training is False:
        return x
    if p == 1:
        return np.zeros_like(x)
    low = -1.0507009873554805 * 1.6732632423543772
    y = np.where(kept(x, x.shape, p, training, rng), x, low)
    a = 1 / math.sqrt((1 - p) * (1 + p * low**2))
    return a * y - a * p * low


def shape_of_all(shape, *xs):
    return np.broadcast_shapes(*map(np.shape, xs)) if shape is None else shape


def normal(mean=0.0, std=1.0, shape=None, rng=None, dtype=None):
    shape = shape_of_all(shape, mean, std)
    count = math.prod(shape)
    pairs = fractions(rng, (-(-count // 2), 2))
    noise = [
        math.sqrt(-2 * math.log(1 - u)) * turn(2 * math.pi * w)
        for u, w in pairs
        for turn in (math.cos, math.sin)
    ]
    return mean + std * np.array(noise[:count]).reshape(shape)


def uniform(low=0.0, high=1.0, shape=None, rng=None, dtype=None):
    u = fractions(rng, shape_of_all(shape, low, high))
    return (1 - u) * low + u * high


def exponential(scale=1.0, shape=None, rng=None, dtype=None):
    return -scale * np.log(1 - fractions(rng, shape_of_all(shape, scale)))


def bernoulli(p, shape=None, rng=None):
    return np.where(fractions(rng, shape_of_all(shape, p)) < p, 1.0, 0.0)


def gumbel(rng, shape):
    return -np.log(-np.log(1 - fractions(rng, shape)))


def categorical(logits, axis=-1, shape=(), rng=None):
    return np.argmax(logits + gumbel(rng, (*shape, *logits.shape)), axis % logits.ndim + len(shape))


def gumbel_softmax(logits, tau=1.0, hard=False, axis=-1, rng=None):
    y = softmin(-(logits + gumbel(rng, logits.shape)) / tau, axis)
    return (y == y.max(axis=axis, keepdims=True)).astype(float) if hard else y

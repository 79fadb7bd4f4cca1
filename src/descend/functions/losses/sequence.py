"""Losses of sequences, summed over every way in which a sequence may come about.

Both are recursions over time in logarithms of probabilities, written in differentiable operations:
every derivative follows. Sequences of a batch may have their own lengths.
"""

from __future__ import annotations

from math import inf
from typing import Any

import numpy as np

from descend import functions as F
from descend.core.arrays import as_array, get_array_module
from descend.core.errors import shape_of
from descend.core.function import as_operand
from descend.core.variable import array_of
from descend.functions.losses.common import reduced
from descend.functions.registry import Sample, composition

LABELS = np.array([[1, 1], [2, 1]])
TAGS = np.array([[0, 2], [1, 1], [2, 0]])


@composition(
    Sample((4, 2, 3), LABELS, np.array([4, 3]), np.array([2, 1])),
    Sample((3, 2, 3), np.array([1, 0, 1]), [3, 3], [1, 2], blank=2, reduction="none"),
    Sample((3, 3), np.array([1, 2]), np.array(3), np.array(2), reduction="sum"),
    Sample((3, 1, 2), np.zeros((1, 0), int), [3], [0]),
)
def ctc_loss(
    log_probs, targets, input_lengths, target_lengths, blank=0, reduction="mean",
    zero_infinity=False,
):  # fmt: skip
    """Minus the logarithm of the probability of all alignments that spell the target.

    ``log_probs`` (T, N, C), or (T, C) alone, are logarithms of the probabilities of each class at
    each step; ``input_lengths`` (N,) says how many steps count. An alignment has a class at each
    step and spells what is left when repeated classes are made one, then ``blank`` is removed.
    ``targets`` are class numbers, (N, S) of which ``target_lengths`` (N,) count, or all sequences
    one after the other in one axis.

    The mean divides each loss by the length of its target, 1 if it is empty, then by N. Where no
    alignment is short enough the loss is inf, with gradient 0; ``zero_infinity`` makes it 0.
    Graves, Fernández, Gomez and Schmidhuber, 2006, https://doi.org/10.1145/1143844.1143891.

    >>> logp = np.log(np.full((2, 1, 2), 0.5))
    >>> F.ctc_loss(logp, np.array([[1]]), [2], [1], reduction="sum").round(4).item()  # -log(3 / 4)
    0.2877
    """
    x, targets = as_operand(log_probs), as_array(array_of(targets))
    single = x.ndim == 2
    x = F.expand_dims(x, 1) if single else x
    if x.ndim != 3:
        raise ValueError(f"ctc_loss: log_probs {shape_of(x)} came, (T, N, C) or (T, C) is needed")
    steps, batch, classes = x.shape
    if not 0 <= blank < classes:
        raise ValueError(f"ctc_loss: blank is {blank}, log_probs has classes 0 to {classes - 1}")
    lengths = _lengths("ctc_loss", "input_lengths", input_lengths, batch, steps)
    targets, sizes = _targets(targets, target_lengths, batch, blank, classes, single)
    losses = -_alignments(x, targets, lengths, sizes, blank)
    if zero_infinity:
        losses = F.where(array_of(losses) == inf, 0, losses)
    if single:
        losses, sizes = F.squeeze(losses, 0), sizes[0]
    if reduction == "mean":
        losses = losses / get_array_module(sizes).maximum(sizes, 1).astype(losses.dtype)
    return reduced("ctc_loss", losses, reduction)


def _alignments(x: Any, targets: Any, lengths: Any, sizes: Any, blank: int) -> Any:
    """The logarithm of the sum of the probabilities of all alignments: (N,)."""
    xp = get_array_module(targets)
    steps, batch, _ = x.shape
    # A blank before, between and behind the targets: the states of the paper's section 4.1
    blanks = xp.full_like(targets, blank)
    states = xp.reshape(xp.stack([blanks, targets], axis=-1), (batch, -1))
    states = xp.concatenate([states, xp.full((batch, 1), blank, states.dtype)], axis=1)
    count = states.shape[1]
    # A blank may be left out between two targets that differ
    skips = xp.zeros((batch, count), bool)
    if count > 3:
        differ = (states[:, 2:] != blank) & (states[:, 2:] != states[:, :-2])
        skips = xp.concatenate([skips[:, :2], differ], axis=1)
    rows = xp.reshape(xp.arange(batch), (batch, 1))
    emitted = F.getitem(x, (slice(None), rows, states))  # (T, N, states)
    places = xp.arange(count)
    some = lengths[:, None] > 0
    # No steps have one alignment, with the empty target
    alpha = F.where(~some & (places == 0), xp.zeros((), x.dtype), -inf)
    if steps:
        alpha = F.where(some & (places < 2), emitted[0], alpha)
    before = get_array_module(array_of(x)).full((batch, 2), -inf, x.dtype)
    for t in range(1, steps):
        padded = F.concatenate([before, alpha], axis=1)
        skipped = F.where(skips, padded[:, :count], -inf)
        arriving = F.stack([alpha, padded[:, 1 : count + 1], skipped])
        moved = F.logsumexp(arriving, axis=0) + emitted[t]
        alpha = F.where((t < lengths)[:, None], moved, alpha)
    # An alignment ends with the last target or the blank behind it
    behind = places - 2 * sizes[:, None]
    last = F.where((behind == 0) | (behind == -1), alpha, -inf)
    return F.logsumexp(last, axis=1)


def _targets(
    targets: Any, sizes: Any, batch: int, blank: int, classes: int, single: bool
) -> tuple[Any, Any]:
    """The targets as (N, S) and how many of each count."""
    if targets.dtype.kind not in "iu":
        raise TypeError(f"ctc_loss: targets are {targets.dtype}, class numbers are integers")
    if targets.ndim == 1 and single:
        targets = targets[None]
    if targets.ndim == 2:
        if targets.shape[0] != batch:
            raise ValueError(f"ctc_loss: targets {targets.shape} came, ({batch}, S) is needed")
        sizes = _lengths("ctc_loss", "target_lengths", sizes, batch, targets.shape[1])
    elif targets.ndim == 1:
        sizes = _lengths("ctc_loss", "target_lengths", sizes, batch, targets.size)
        if not isinstance(sizes, np.ndarray) or sizes.sum() != targets.size:
            raise ValueError(
                f"ctc_loss: targets {targets.shape} one after the other need target_lengths that "
                f"add up to {targets.size}: {sizes} came"
            )
        parts = np.split(np.asarray(targets), np.cumsum(sizes)[:-1])
        targets = F.pad_sequence(parts, batch_first=True, padding_value=blank)
    else:
        raise ValueError(f"ctc_loss: targets {targets.shape} came, (N, S) or (S,) is needed")
    if isinstance(targets, np.ndarray) and isinstance(sizes, np.ndarray):
        counted = targets[np.arange(targets.shape[1]) < sizes[:, None]]
        for wrong in counted[(counted < 0) | (counted >= classes) | (counted == blank)][:1]:
            raise ValueError(
                f"ctc_loss: targets have the class {wrong}, 0 to {classes - 1} without the blank "
                f"{blank} are needed"
            )
        # What does not count may be any number
        targets = np.where(np.arange(targets.shape[1]) < sizes[:, None], targets, blank)
    return targets, sizes


@composition(
    Sample((3, 2, 3), TAGS, (3, 3)),
    Sample((3, 2, 3), TAGS, (3, 3), np.array([3, 1]), (3,), (3,), reduction="none"),
    Sample((3, 3), TAGS[:, 0], (3, 3), reduction="sum"),
)
def crf1d(x, t, transitions, lengths=None, start=None, end=None, reduction="mean"):
    """Minus the logarithm of the probability of the tags t in a linear-chain random field.

    x (T, N, C), or (T, C) alone, are the scores of each tag at each step, t (T, N) tag numbers,
    ``transitions`` (C, C) the scores of going from the row's tag to the column's; ``start`` and
    ``end`` (C,) are those of beginning and ending with a tag. The probability of tags is exp of the
    sum of their scores, divided by the same of all possible tags. ``lengths`` (N,) says how many
    steps count, at least 1. Lafferty, McCallum and Pereira, ICML 2001.

    >>> F.crf1d(np.zeros((2, 1, 3)), np.array([[0], [2]]), np.zeros((3, 3))).round(4).item()
    2.1972
    """
    x, t, transitions = as_operand(x), as_array(array_of(t)), as_operand(transitions)
    single = x.ndim == 2
    x, t = (F.expand_dims(x, 1), t[:, None]) if single else (x, t)
    lengths = _field("crf1d", x, transitions, lengths, start, end)
    steps, batch, classes = x.shape
    if t.shape != (steps, batch) or t.dtype.kind not in "iu":
        raise ValueError(
            f"crf1d: t is {t.dtype} {t.shape}, tag numbers, integers {(steps, batch)}, are needed"
        )
    xp = get_array_module(t)
    counted = xp.arange(steps)[:, None] < lengths
    t = xp.where(counted, t, 0)
    if isinstance(t, np.ndarray) and (t.min() < 0 or t.max() >= classes):
        wrong = t.min() if t.min() < 0 else t.max()
        raise ValueError(f"crf1d: t has the tag {wrong}, x has tags 0 to {classes - 1}")
    columns = xp.arange(batch)
    given = F.where(counted, F.take_along_axis(x, t[..., None], -1)[..., 0], 0)
    own = F.sum(given, axis=0)
    if steps > 1:
        moves = F.getitem(transitions, (t[:-1], t[1:]))
        own = own + F.sum(F.where(counted[1:], moves, 0), axis=0)
    own = own if start is None else own + F.take(start, t[0])
    own = own if end is None else own + F.take(end, t[lengths - 1, columns])
    every = _scores(x, transitions, lengths, start, end, F.logsumexp)[-1]
    losses = F.logsumexp(every, axis=1) - own
    return reduced("crf1d", F.squeeze(losses, 0) if single else losses, reduction)


def crf1d_decode(x, transitions, lengths=None, start=None, end=None):
    """The tags of the highest probability under `crf1d`, found by Viterbi's algorithm.

    The arguments are those of `crf1d`; the result is an array of integers, (T, N) or (T,), with -1
    behind a sequence's end. It has no derivative.

    >>> F.crf1d_decode(np.array([[2.0, 0.0], [0.0, 1.0]]), np.array([[3.0, 0.0], [0.0, 0.0]]))
    array([0, 0])
    """
    x, transitions = as_array(array_of(x)), as_array(array_of(transitions))
    start, end = array_of(start), array_of(end)
    single = x.ndim == 2
    x = x[:, None] if single else x
    lengths = _field("crf1d_decode", x, transitions, lengths, start, end)
    xp = get_array_module(x)
    steps = x.shape[0]
    scores = _scores(x, transitions, lengths, start, end, F.max)
    tags = xp.argmax(scores[-1], axis=1)
    path = [xp.where(steps - 1 < lengths, tags, -1)]
    for t in range(steps - 1, 0, -1):  # each tag's best tag before it
        before = xp.argmax(scores[t - 1] + xp.transpose(transitions)[tags], axis=1)
        tags = xp.where(t < lengths, before, tags)
        path.append(xp.where(t - 1 < lengths, tags, -1))
    y = xp.stack(path[::-1])
    return y[:, 0] if single else y


def _scores(x: Any, transitions: Any, lengths: Any, start: Any, end: Any, over: Any) -> list[Any]:
    """For each step the scores of all that ends there with a tag, put together by ``over``: (N, C).

    Behind a sequence's end they stay as they were. To the last ones ``end`` is added.
    """
    score = x[0] if start is None else x[0] + start
    scores = [score]
    for t in range(1, x.shape[0]):
        moved = over(F.expand_dims(score, 2) + transitions, 1) + x[t]
        score = F.where((t < lengths)[:, None], moved, score)
        scores.append(score)
    if end is not None:
        scores[-1] = score + end
    return scores


def _field(name: str, x: Any, transitions: Any, lengths: Any, start: Any, end: Any) -> Any:
    """The lengths, after a check of the shapes of a random field."""
    if x.ndim != 3 or 0 in x.shape:
        raise ValueError(f"{name}: x {shape_of(x)} came, (T, N, C) or (T, C) is needed")
    steps, batch, classes = x.shape
    if transitions.shape != (classes, classes):
        raise ValueError(
            f"{name}: transitions {shape_of(transitions)} came, {(classes, classes)} is needed"
        )
    for what, part in (("start", start), ("end", end)):
        if part is not None and np.shape(array_of(part)) != (classes,):
            raise ValueError(
                f"{name}: {what} {np.shape(array_of(part))} came, ({classes},) is needed"
            )
    if lengths is None:
        return get_array_module(array_of(x)).full((batch,), steps)
    lengths = _lengths(name, "lengths", lengths, batch, steps)
    if isinstance(lengths, np.ndarray) and lengths.min() < 1:
        raise ValueError(f"{name}: lengths have {lengths.min()}, at least 1 is needed")
    return lengths


def _lengths(name: str, what: str, lengths: Any, batch: int, most: int) -> Any:
    """How many steps of each sequence count: (N,) integers."""
    lengths = np.asarray(lengths) if isinstance(lengths, (list, tuple, int)) else lengths
    lengths = as_array(array_of(lengths))
    lengths = get_array_module(lengths).reshape(lengths, (-1,)) if batch == 1 else lengths
    if lengths.shape != (batch,) or (lengths.size and lengths.dtype.kind not in "iu"):
        raise ValueError(
            f"{name}: {what} are {lengths.dtype} {lengths.shape}, integers ({batch},) are needed"
        )
    if isinstance(lengths, np.ndarray) and lengths.size:
        if lengths.min() < 0 or lengths.max() > most:
            raise ValueError(
                f"{name}: {what} have {lengths.min()} to {lengths.max()}, 0 to {most} are needed"
            )
    return lengths

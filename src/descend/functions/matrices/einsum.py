"""Einstein's notation: sums of products over the axes that have a letter in common."""

from __future__ import annotations

from collections.abc import Sequence
from math import prod
from string import ascii_letters
from typing import Any

import numpy as np

from descend import functions as F
from descend.core.errors import shape_of
from descend.core.function import as_operand
from descend.functions.registry import Sample, composition

Label = str | int
"""The name of an axis: a letter, or a number below 0 for an axis of an ellipsis."""


@composition(
    Sample("ij,jk->ik", (2, 3), (3, 4)),
    Sample("bij,bkj,k->b", (2, 3, 2), (2, 4, 2), (4,)),
    Sample("...ij,jk", (2, 2, 3), (3, 2)),
    Sample("iij->ji", (3, 3, 2)),
    Sample("a...,...->...a", (3, 1, 2), (2, 2)),
    Sample("ii", (3, 3)),
)
def einsum(*operands, optimize=True):
    """The sums of products that ``subscripts`` describe, in all of NumPy's notation.

    ``einsum("ij,jk->ik", x0, x1)``: each operand has a letter for each of its axes, axes with the
    same letter run together, and those missing behind "->" are summed. A letter twice in one
    operand takes its diagonal; "..." stands for axes without letters, which broadcast. Without "->"
    the answer has the letters that occur once, in alphabetical order, after the ellipsis. Lists of
    numbers may name the axes instead: ``einsum(x0, [0, 1], x1, [1, 2], [0, 2])``.

    Two operands at a time are one `matmul`, in the order that numpy.einsum_path finds; ``optimize``
    is handed to it.

    >>> x, w = Variable(np.ones((2, 3))), np.arange(6.0).reshape(3, 2)
    >>> F.einsum("ij,jk->k", x, w)
    Variable([12. 18.])
    """
    inputs, output, xs = _parsed(operands)
    sizes = _sizes(inputs, xs)
    terms = [_diagonals(x, labels) for x, labels in zip(xs, inputs, strict=True)]
    for chosen in _path(terms, output, sizes, optimize):
        taken = [terms.pop(i) for i in sorted(chosen, reverse=True)]
        while len(taken) > 1:
            first, second = taken.pop(), taken.pop()
            needed = {*output}.union(*(labels for _, labels in (*terms, *taken)))
            taken.append(_contracted(*first, *second, needed))
        terms += taken
    [(y, labels)] = terms
    y, labels = _without(y, labels, {*output})
    y = F.transpose(y, tuple(labels.index(label) for label in output))
    shape = tuple(sizes[label] for label in output)
    return y if y.shape == shape else F.broadcast_to(y, shape)


# ---- notation -----------------------------------------------------------------------------------


def _parsed(operands: Sequence[Any]) -> tuple[list[list[Label]], list[Label], list[Any]]:
    """The labels of each operand's axes and of the answer's, and the operands."""
    if not operands:
        raise ValueError("einsum: nothing came, subscripts and operands are needed")
    if isinstance(operands[0], str):
        text, xs = operands[0].replace(" ", ""), [as_operand(x) for x in operands[1:]]
        left, arrow, right = text.partition("->")
        terms: list[Any] = [_letters(term, text) for term in left.split(",")]
        answer = _letters(right, text) if arrow else None
    else:
        text = ", ".join(str(part) for part in operands[1::2])
        count = len(operands) // 2
        xs = [as_operand(x) for x in operands[: 2 * count : 2]]
        terms = [_numbers(part) for part in operands[1 : 2 * count : 2]]
        answer = _numbers(operands[-1]) if len(operands) % 2 else None
    if len(terms) != len(xs):
        raise ValueError(f"einsum: {text!r} names {len(terms)} operands, {len(xs)} came")
    inputs = [_spread(term, x, text) for term, x in zip(terms, xs, strict=True)]
    dots = sorted({label for labels in inputs for label in labels if isinstance(label, int)})
    if answer is None:
        every = [label for labels in inputs for label in labels if isinstance(label, str)]
        return inputs, [*dots, *sorted(k for k in {*every} if every.count(k) == 1)], xs
    output = [*answer]
    if ... in output:
        place = output.index(...)
        output[place : place + 1] = dots
    elif dots and any(term.count(...) for term in terms):
        raise ValueError(f"einsum: {text!r}: the ellipsis is missing behind '->'")
    known = {label for labels in inputs for label in labels}
    if len({*output}) != len(output) or not known.issuperset(output):
        raise ValueError(
            f"einsum: {text!r}: each letter behind '->' must come once, and occur before it"
        )
    return inputs, output, xs


def _letters(term: str, text: str) -> list[Any]:
    """One operand's subscripts, an Ellipsis for the dots."""
    before, dots, after = term.partition("...")
    if not (before + after).isalpha() and before + after:
        raise ValueError(f"einsum: {text!r}: only letters, ',', '...' and one '->' are understood")
    return [*before, *([...] if dots else []), *after]


def _numbers(part: Any) -> list[Any]:
    """A list of numbers as letters that sort as they do."""
    return [label if label is ... else chr(int(label) + 0x100) for label in part]


def _spread(term: list[Any], x: Any, text: str) -> list[Label]:
    """The labels of one operand; the axes of an ellipsis are counted from the last: -1, -2, ..."""
    dots = x.ndim - len(term) + 1
    if dots < 0 or (... not in term and dots != 1):
        raise ValueError(f"einsum: {text!r}: an operand {shape_of(x)} does not fit its subscripts")
    if ... not in term:
        return term
    place = term.index(...)
    return [*term[:place], *range(-dots, 0), *term[place + 1 :]]


def _sizes(inputs: list[list[Label]], xs: list[Any]) -> dict[Label, int]:
    """The length of each label's axes; those of length 1 broadcast."""
    sizes: dict[Label, int] = {}
    for labels, x in zip(inputs, xs, strict=True):
        for label, size in zip(labels, x.shape, strict=True):
            known = sizes.setdefault(label, size)
            if known != size and 1 not in (known, size):
                shapes = ", ".join(str(x.shape) for x in xs)
                raise ValueError(f"einsum: {shapes}: axes of {known} and {size} run together")
            sizes[label] = size if known == 1 else known
    return sizes


# ---- computing ----------------------------------------------------------------------------------


def _diagonals(x: Any, labels: list[Label]) -> tuple[Any, list[Label]]:
    """x with each label once."""
    while len({*labels}) < len(labels):
        label = next(k for k in labels if labels.count(k) > 1)
        i = labels.index(label)
        j = labels.index(label, i + 1)
        rest = [k for k in range(x.ndim) if k not in (i, j)]
        size = max(x.shape[i], x.shape[j])
        lead = tuple(x.shape[k] for k in rest)
        if x.shape[i] != x.shape[j]:
            wide = [size if k in (i, j) else n for k, n in enumerate(x.shape)]
            x = F.broadcast_to(x, tuple(wide))
        x = F.reshape(F.transpose(x, (*rest, i, j)), (*lead, size * size))
        x = x[..., :: size + 1]  # a step through rows and columns at once
        labels = [*(labels[k] for k in rest), label]
    return x, labels


def _path(
    terms: list[tuple[Any, list[Label]]],
    output: list[Label],
    sizes: dict[Label, int],
    optimize: Any,
) -> list[tuple[int, ...]]:
    """Which operands to multiply next, until one is left."""
    if len(terms) <= 2 or len(sizes) > len(ascii_letters) or optimize is False:
        return [tuple(range(len(terms)))]  # from the left to the right
    letters = dict(zip(sizes, ascii_letters, strict=False))
    text = ",".join("".join(letters[k] for k in labels) for _, labels in terms)
    text += "->" + "".join(letters[k] for k in output)
    like = [np.broadcast_to(0.0, [sizes[k] for k in labels]) for _, labels in terms]
    path, _ = np.einsum_path(text, *like, optimize=optimize)
    return path[1:]


def _without(x: Any, labels: list[Label], kept: set[Label]) -> tuple[Any, list[Label]]:
    """x summed over the labels that are not kept."""
    axes = tuple(i for i, label in enumerate(labels) if label not in kept)
    if not axes:
        return x, labels
    return F.sum(x, axis=axes), [label for label in labels if label in kept]


def _contracted(
    x0: Any, labels0: list[Label], x1: Any, labels1: list[Label], needed: set[Label]
) -> tuple[Any, list[Label]]:
    """The product of two, summed over the labels that nothing else needs."""
    x0, labels0 = _without(x0, labels0, needed | {*labels1})
    x1, labels1 = _without(x1, labels1, needed | {*labels0})
    batch = [k for k in labels0 if k in labels1 and k in needed]
    inner = [k for k in labels0 if k in labels1 and k not in needed]
    rows = [k for k in labels0 if k not in labels1]
    columns = [k for k in labels1 if k not in labels0]
    for k in inner:  # matmul does not broadcast these
        size = max(x0.shape[labels0.index(k)], x1.shape[labels1.index(k)])
        x0, x1 = _widened(x0, labels0.index(k), size), _widened(x1, labels1.index(k), size)
    x0 = F.transpose(x0, tuple(labels0.index(k) for k in (*batch, *rows, *inner)))
    x1 = F.transpose(x1, tuple(labels1.index(k) for k in (*batch, *inner, *columns)))
    count, height = len(batch), len(rows)
    lead0, shape0 = x0.shape[:count], x0.shape[count : count + height]
    lead1, shape1 = x1.shape[:count], x1.shape[count + len(inner) :]
    if not inner:
        y = F.reshape(x0, (*lead0, *shape0, *(1,) * len(columns)))
        y = y * F.reshape(x1, (*lead1, *(1,) * height, *shape1))
        return y, [*batch, *rows, *columns]
    size = prod(x0.shape[count + height :])
    y = F.matmul(
        F.reshape(x0, (*lead0, prod(shape0), size)), F.reshape(x1, (*lead1, size, prod(shape1)))
    )
    return F.reshape(y, (*y.shape[:-2], *shape0, *shape1)), [*batch, *rows, *columns]


def _widened(x: Any, axis: int, size: int) -> Any:
    """x with an axis of length 1 repeated."""
    if x.shape[axis] == size:
        return x
    return F.broadcast_to(x, (*x.shape[:axis], size, *x.shape[axis + 1 :]))

"""Classes, positions and sequences of several lengths, written as arrays."""

from __future__ import annotations

from typing import Any

import numpy as np

from descend import functions as F
from descend.core.arrays import as_array, get_array_module
from descend.core.errors import shape_of
from descend.core.function import as_operand
from descend.core.variable import array_of
from descend.functions.registry import Sample, composition


@composition(
    Sample(np.array([[0, 2], [1, 1]])),
    Sample(np.array([1, 0]), 4, np.float64),
    Sample(np.array(1), 3),
)
def one_hot(t, num_classes=-1, dtype=np.int64):
    """1 at each class number and 0 elsewhere: (...) becomes (..., num_classes).

    There are one more classes than the largest number if ``num_classes`` is -1.

    >>> F.one_hot(np.array([1, 0]), 3)
    array([[0, 1, 0],
           [1, 0, 0]])
    """
    t = as_array(array_of(t))
    if t.dtype.kind not in "iu":
        raise TypeError(f"one_hot: t is {t.dtype}, class numbers are integers: t.astype(int)")
    if num_classes < 1 and num_classes != -1:
        raise ValueError(f"one_hot: num_classes is {num_classes}, at least 1 is needed, or -1")
    if num_classes == -1:
        if t.size == 0:
            raise ValueError(f"one_hot: t {t.shape} has no class to count: give num_classes")
        num_classes = int(t.max()) + 1
    # Only NumPy's arrays are looked at: asking a GPU would wait for it.
    if isinstance(t, np.ndarray) and t.size:
        for wrong in (t.min(), t.max()):
            if not 0 <= wrong < num_classes:
                raise ValueError(
                    f"one_hot: t has the class {wrong}, there are 0 to {num_classes - 1}"
                )
    classes = get_array_module(t).arange(num_classes)
    return (t[..., None] == classes).astype(np.dtype(dtype))


@composition(
    Sample((3, 4)),
    Sample((2, 2, 4), np.array([5, 0]), interleaved=False),
    Sample((2, 2), np.array([0.5, 2.0]), base=100.0),
)
def rotary(x, positions=None, base=10000.0, interleaved=True):
    """x with its features turned, pair by pair, by angles that grow with the position.

    x is (..., T, E) with an even E; pair i of position p turns by p * base**(-2 i / E), so that the
    product of two turned vectors depends on how far apart they are. ``positions`` (T,), or what
    broadcasts to (..., T), are 0 to T - 1 if None. A pair is features 2 i and 2 i + 1; with
    ``interleaved=False`` it is i and i + E / 2. Su et al., 2021,
    https://doi.org/10.48550/arXiv.2104.09864.

    >>> F.rotary(np.array([[1.0, 0.0], [1.0, 0.0]])).round(4)
    array([[1.    , 0.    ],
           [0.5403, 0.8415]])
    """
    x = as_operand(x)
    if x.ndim < 2 or x.shape[-1] % 2:
        raise ValueError(f"rotary: x {shape_of(x)} came, (..., T, E) with an even E is needed")
    steps, half = x.shape[-2], x.shape[-1] // 2
    xp = get_array_module(array_of(x))
    where = xp.arange(steps) if positions is None else as_array(array_of(positions))
    # In float64, as the angle of a far position would lose its digits in float32
    speeds = base ** (-np.arange(half, dtype=np.float64) / max(half, 1))
    angles = where.astype("float64")[..., None] * xp.asarray(speeds)
    wide = x.dtype if x.dtype.kind == "f" else np.dtype(np.float64)
    cos, sin = xp.cos(angles).astype(wide), xp.sin(angles).astype(wide)
    if interleaved:
        a, b = x[..., 0::2], x[..., 1::2]
    else:
        a, b = x[..., :half], x[..., half:]
    turned = [a * cos - b * sin, a * sin + b * cos]
    if not interleaved:
        return F.concatenate(turned, axis=-1)
    y = F.stack(turned, axis=-1)
    return F.reshape(y, (*y.shape[:-2], 2 * half))


@composition(
    Sample([(3, 2), (1, 2)]),
    Sample([(2,), (3,), (0,)], batch_first=True, padding_value=-1.0),
    Sample([(1,), (2,)], padding_side="left"),
)
def pad_sequence(sequences, batch_first=False, padding_value=0.0, padding_side="right"):
    """Sequences (L, ...) of several lengths as one array (T, N, ...), T the longest.

    ``batch_first`` makes it (N, T, ...). What is missing is ``padding_value``, behind each sequence
    or, with ``padding_side="left"``, before it.

    >>> F.pad_sequence([np.array([1.0, 2.0]), np.array([3.0])], batch_first=True)
    array([[1., 2.],
           [3., 0.]])
    """
    if padding_side not in ("left", "right"):
        raise ValueError(
            f'pad_sequence: padding_side={padding_side!r} came, "left" or "right" is needed'
        )
    xs = [as_operand(x) for x in sequences]
    if not xs or any(x.ndim == 0 or x.shape[1:] != xs[0].shape[1:] for x in xs):
        came = ", ".join(shape_of(x) for x in xs) or "no sequences"
        raise ValueError(f"pad_sequence: {came} came, (L, ...) alike but for L is needed")
    longest = max(x.shape[0] for x in xs)
    fill: Any = padding_value
    padded: list[Any] = []
    for x in xs:
        missing = longest - x.shape[0]
        width = (missing, 0) if padding_side == "left" else (0, missing)
        widths = (width, *[(0, 0)] * (x.ndim - 1))
        padded.append(F.pad(x, widths, constant_values=fill) if missing else x)
    return F.stack(padded, axis=0 if batch_first else 1)

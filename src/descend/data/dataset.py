"""`Dataset`: images (or rows) and their labels, index by index."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from descend.data.stream import permutation

Array = NDArray[Any]


class Dataset:
    """A pair of arrays of the same length: samples `x` and their targets `t`.

    An integer index gives the pair of that sample; a slice, an index array or a boolean mask gives
    a batch, a tuple of two arrays. Labels that have `classes` (their names) are integers that count
    from 0.

    >>> data = Dataset(np.zeros((4, 1, 2, 2), np.float32), [0, 1, 1, 0], classes=["cat", "dog"])
    >>> len(data), data.classes
    (4, ('cat', 'dog'))
    >>> x, t = data[1:3]
    >>> x.shape, t.tolist()
    ((2, 1, 2, 2), [1, 1])
    >>> data
    Dataset(4 samples of (1, 2, 2) float32, 2 classes)
    """

    def __init__(
        self,
        x: ArrayLike,
        t: ArrayLike,
        classes: Sequence[str] | None = None,
        name: str | None = None,
    ) -> None:
        self.x: Array = np.asarray(x)
        self.t: Array = np.asarray(t)
        self.classes: tuple[str, ...] | None = None if classes is None else tuple(classes)
        self.name = name
        for key, value in (("x", self.x), ("t", self.t)):
            if value.ndim == 0:
                raise ValueError(
                    f"Dataset: {key} is a single number, it must be an array with one entry a "
                    f"sample: pass {key}[None] for one sample"
                )
        if len(self.x) != len(self.t):
            raise ValueError(
                f"Dataset: x has {len(self.x)} samples and t has {len(self.t)}: "
                "their lengths must be equal"
            )
        if self.classes is not None:
            _check_labels(self.t, len(self.classes), "Dataset: t")

    def __len__(self) -> int:
        """How many samples there are."""
        return len(self.x)

    def __getitem__(self, index: int | slice | Sequence[int] | Array) -> tuple[Any, Any]:
        """The pair at an integer, or the batch (a tuple of arrays) at a slice, list or array.

        A slice gives views, an index array copies, as in NumPy.
        """
        if index is None or isinstance(index, tuple | bool | str):
            raise TypeError(
                f"Dataset: index {index!r} is not an integer, a slice or an array of integers: "
                "index .x or .t for single pixels or labels"
            )
        if isinstance(index, Sequence):
            # NumPy makes an empty list a float array, which cannot be an index.
            index = np.asarray(index) if len(index) else np.empty(0, np.int64)
        try:
            return self.x[index], self.t[index]
        except IndexError as error:
            raise IndexError(f"Dataset of {len(self)} samples: {error}") from error

    def __iter__(self) -> Iterator[tuple[Any, Any]]:
        """The pairs, one after the other."""
        return ((self.x[i], self.t[i]) for i in range(len(self)))

    def __repr__(self) -> str:
        """Name, number and shape of the samples, number of classes."""
        name = "" if self.name is None else f"{self.name!r}, "
        classes = "" if self.classes is None else f", {len(self.classes)} classes"
        return f"Dataset({name}{len(self)} samples of {self.x.shape[1:]} {self.x.dtype}{classes})"

    def split(self, fraction: float = 0.2, *, seed: int = 0) -> tuple[Dataset, Dataset]:
        """Two Datasets without a common sample: the rest, and the `fraction` that is held out.

        The samples are drawn at random by `seed` alone: the same split on every machine. Both
        parts keep the order of the whole.

        >>> rest, held_out = Dataset(np.arange(10), np.arange(10)).split(0.3)
        >>> len(rest), len(held_out)
        (7, 3)
        """
        count = round(len(self) * fraction)
        if not 0 < count < len(self):
            raise ValueError(
                f"Dataset.split: a fraction of {fraction} of {len(self)} samples is {count}, "
                "both parts need at least one"
            )
        order = permutation("split", len(self), seed)
        held_out, rest = np.sort(order[:count]), np.sort(order[count:])
        return self._part(rest, "train"), self._part(held_out, "test")

    def _part(self, index: Array, suffix: str) -> Dataset:
        name = None if self.name is None else f"{self.name} {suffix}"
        return Dataset(self.x[index], self.t[index], self.classes, name)


def as_image_dataset(
    x: Array,
    t: Array,
    *,
    where: str,
    classes: Sequence[str] | None = None,
    name: str | None = None,
) -> Dataset:
    """A Dataset from stored images and labels, in the form that networks want.

    uint8 images become float32 in [0, 1], other floating-point images float32 as they are;
    (N, H, W) becomes (N, 1, H, W); labels become int64. `where` begins each error's sentence.
    """
    if x.ndim < 2:
        raise ValueError(f"{where}: images have shape {x.shape}, (N, H, W) or (N, C, H, W) needed")
    if t.ndim != 1:
        raise ValueError(f"{where}: labels have shape {t.shape}, one integer a sample needed: (N,)")
    if len(x) != len(t):
        raise ValueError(
            f"{where}: {len(x)} images and {len(t)} labels, their numbers must be equal"
        )
    if not (x.dtype == np.uint8 or x.dtype == np.bool_ or np.issubdtype(x.dtype, np.floating)):
        raise ValueError(
            f"{where}: images have dtype {x.dtype}, uint8 (0 to 255) or floating point needed"
        )
    _check_labels(t, None if classes is None else len(classes), f"{where}: labels")
    if x.dtype == np.uint8:
        x = np.divide(x, np.float32(255), dtype=np.float32)
    if x.ndim == 3:
        x = x[:, None]
    return Dataset(x.astype(np.float32, copy=False), t.astype(np.int64), classes, name)


def _check_labels(t: Array, classes: int | None, where: str) -> None:
    if not np.issubdtype(t.dtype, np.integer):
        raise ValueError(f"{where} have dtype {t.dtype}, class labels must be integers")
    if t.size == 0:
        return
    low, high = int(t.min()), int(t.max())
    if low < 0:
        raise ValueError(f"{where} hold {low}, class labels count from 0")
    if classes is not None and high >= classes:
        raise ValueError(f"{where} hold {high}, but there are only {classes} classes (from 0)")

"""`DataLoader`: a data set, batch by batch, in an order that can be resumed anywhere."""

from __future__ import annotations

import operator
from collections.abc import Callable, Iterator, Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from descend.data.collate import collate
from descend.data.dataset import Dataset
from descend.data.stream import permutation, stream

Array = NDArray[Any]
Transform = Callable[[Array, np.random.Generator], Array]


class DataLoader:
    """An iterable over the batches of a data set, one epoch each time it is iterated.

    The data set is a Dataset or a tuple of arrays (batches are tuples of arrays), an array
    (batches are arrays), or any sequence of samples (arrays, numbers, tuples or dicts of them,
    stacked by `collate`). A batch is always a copy. The last batch of an epoch may be smaller;
    `drop_last` leaves it out.

    `shuffle` draws a new order each epoch from `seed` and the epoch's number alone, so neither
    NumPy's global state nor other loaders change it. `transform(x, rng)` is applied to the first
    array of each batch with a generator that depends on seed, epoch and batch number alone.

    `epoch` and `position` name the next batch, and all iterators of a loader share them: leave a
    loop by `break` and the next loop goes on with the batch after the last one handed out
    (`set_epoch(loader.epoch)` starts the epoch over). If that was the epoch's last batch, the
    next loop is the next epoch. After a whole epoch, `epoch` is one more and `position` is 0.

    >>> loader = DataLoader(np.arange(5), batch_size=2)
    >>> [batch.tolist() for batch in loader], len(loader), loader.epoch
    ([[0, 1], [2, 3], [4]], 3, 1)
    """

    def __init__(
        self,
        dataset: Any,
        batch_size: int = 32,
        *,
        shuffle: bool = False,
        drop_last: bool = False,
        seed: int = 0,
        transform: Transform | None = None,
    ) -> None:
        _check_dataset(dataset)
        if transform is not None and not callable(transform):
            raise TypeError(
                f"DataLoader: transform is {transform!r}, a function of (x, rng) is needed"
            )
        self.dataset = dataset
        self.batch_size = _whole("batch_size", batch_size, low=1)
        self.shuffle = shuffle
        self.drop_last = drop_last
        self.seed = _whole("seed", seed)
        self.transform = transform
        self.epoch = 0
        self.position = 0
        self._loaded = False

    def __len__(self) -> int:
        """The number of batches in an epoch."""
        samples = self._samples()
        return samples // self.batch_size if self.drop_last else -(-samples // self.batch_size)

    def __iter__(self) -> Iterator[Any]:
        """The batches from `position` to the end of the epoch."""
        # An epoch that was left after its last batch is over. Not so in a state that was saved
        # there: the loop that saved it had still to leave its epoch, and so has the resumed one.
        if 0 < len(self) <= self.position and not self._loaded:
            self._finish_epoch()
        self._loaded = False
        return self._rest_of_epoch()

    def __repr__(self) -> str:
        """The data set, the number of batches and the options that are not the default."""
        data = self.dataset if isinstance(self.dataset, Dataset) else f"{self._samples()} samples"
        options = f", batch_size={self.batch_size}"
        options += ", shuffle=True" if self.shuffle else ""
        options += ", drop_last=True" if self.drop_last else ""
        options += f", seed={self.seed}" if self.seed else ""
        options += f", transform={self.transform!r}" if self.transform is not None else ""
        return f"DataLoader({data}{options}: {len(self)} batches)"

    def set_epoch(self, epoch: int) -> None:
        """Go to the first batch of that epoch."""
        self.epoch = _whole("epoch", epoch)
        self.position = 0
        self._loaded = False

    def state_dict(self) -> dict[str, int]:
        """What `load_state_dict` needs to go on with the very next batch: three integers."""
        return {"seed": self.seed, "epoch": self.epoch, "position": self.position}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Go to the batch that was next when `state` was saved.

        The data set, batch_size, shuffle, drop_last and transform must be those of the loader that
        saved it. A state from the end of an epoch yields the empty rest of that epoch first, so a
        resumed training loop finishes the same epoch as the saved one.
        """
        missing = {"seed", "epoch", "position"} - set(state)
        if missing:
            raise ValueError(f"DataLoader: the state lacks {sorted(missing)}: use state_dict()")
        seed, epoch = _whole("seed", state["seed"]), _whole("epoch", state["epoch"])
        position = _whole("position", state["position"])
        if position > len(self):
            raise ValueError(
                f"DataLoader: the state is at batch {position}, but an epoch has {len(self)} "
                "batches: use the data set and batch_size it was saved with"
            )
        self.seed, self.epoch, self.position = seed, epoch, position
        self._loaded = True

    def _rest_of_epoch(self) -> Iterator[Any]:
        epoch, batches = self.epoch, len(self)
        order = self._order()
        # Asked before each batch: set_epoch or another iterator may have moved the loader on.
        while self.epoch == epoch and self.position < batches:
            batch = self._batch(order, self.position)
            self.position += 1
            yield batch
        if self.epoch == epoch:
            self._finish_epoch()

    def _finish_epoch(self) -> None:
        self.epoch += 1
        self.position = 0

    def _samples(self) -> int:
        return len(self.dataset[0]) if isinstance(self.dataset, tuple) else len(self.dataset)

    def _order(self) -> Array:
        if self.shuffle:
            return permutation("order", self._samples(), self.seed, self.epoch)
        return np.arange(self._samples())

    def _batch(self, order: Array, number: int) -> Any:
        index = order[number * self.batch_size : (number + 1) * self.batch_size]
        batch = _take(self.dataset, index)
        if self.transform is None:
            return batch
        rng = np.random.Generator(stream("augment", self.seed, self.epoch, number))
        if isinstance(batch, tuple):
            return self.transform(batch[0], rng), *batch[1:]
        if isinstance(batch, dict):
            first = next(iter(batch))
            return {**batch, first: self.transform(batch[first], rng)}
        return self.transform(batch, rng)


def _take(dataset: Any, index: Array) -> Any:
    # An index array, even of neighbours, makes NumPy copy: a view would let a change of the batch
    # in place reach the data set, and only in loaders that do not shuffle.
    if isinstance(dataset, Dataset):
        return dataset.x[index], dataset.t[index]
    if isinstance(dataset, tuple):
        return tuple(array[index] for array in dataset)
    if isinstance(dataset, np.ndarray):
        return dataset[index]
    return collate([dataset[int(i)] for i in index])


def _check_dataset(dataset: Any) -> None:
    if isinstance(dataset, tuple):
        for i, array in enumerate(dataset):
            if not isinstance(array, np.ndarray) or array.ndim == 0:
                raise TypeError(
                    f"DataLoader: element {i} of the tuple is {type(array).__name__}, all must be "
                    "arrays with one entry a sample: a list, not a tuple, holds samples"
                )
        if len({len(array) for array in dataset}) != 1:
            raise ValueError(
                f"DataLoader: the arrays have lengths {[len(array) for array in dataset]}, "
                "at least one array is needed and all must have the same length"
            )
    elif isinstance(dataset, np.ndarray):
        if dataset.ndim == 0:
            raise TypeError("DataLoader: the array is a single number, one entry a sample needed")
    elif isinstance(dataset, Mapping | str | bytes) or not (
        hasattr(dataset, "__len__") and hasattr(dataset, "__getitem__")
    ):
        raise TypeError(
            f"DataLoader: cannot load from {type(dataset).__name__}: a Dataset, an array, a tuple "
            "of arrays or a sequence of samples (with len and integer index) is needed"
        )


def _whole(name: str, value: Any, low: int = 0) -> int:
    try:
        number = operator.index(value)
    except TypeError:
        number = -1
    # Seed and epoch become 64-bit words of a key. True is an integer to Python, but no count.
    if isinstance(value, bool) or not low <= number < 2**64:
        raise ValueError(
            f"DataLoader: {name} is {value!r}, an integer of at least {low} and below 2**64 needed"
        )
    return number

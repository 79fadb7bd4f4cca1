"""Random streams that are found by their place, not by what was drawn before."""

from __future__ import annotations

from typing import Literal

import numpy as np

Purpose = Literal["order", "augment", "split"]


def stream(purpose: Purpose, seed: int, epoch: int = 0, index: int = 0) -> np.random.Philox:
    """The counter-based bit generator of one place: a purpose, a seed, an epoch and an index.

    Two places never share a word: seed and epoch are the two words of the key, purpose and index
    the two high words of the counter, which leaves each place 2**128 blocks of its own. A purpose
    is never 0, so none of these streams meets a Philox that counts from 0 under the same seed.

    Philox: Salmon, Moraes, Dror, Shaw, "Parallel random numbers: as easy as 1, 2, 3", SC 2011,
    https://doi.org/10.1145/2063384.2063405
    """
    word = int.from_bytes(purpose.encode(), "little")
    return np.random.Philox(
        key=np.array([seed, epoch], np.uint64),
        counter=np.array([0, 0, word, index], np.uint64),
    )


def permutation(purpose: Purpose, length: int, seed: int, epoch: int = 0) -> np.ndarray:
    """The numbers 0 to length - 1 in the random order of that place, as an int64 array.

    Sorting raw words instead of `Generator.permutation`: NumPy promises the words of a bit
    generator to stay the same in later versions, the methods of a Generator it does not (NEP 19).

    >>> permutation("order", 5, seed=0).tolist() == permutation("order", 5, seed=0).tolist()
    True
    """
    words = stream(purpose, seed, epoch).random_raw(length)
    return np.argsort(words, kind="stable").astype(np.int64)

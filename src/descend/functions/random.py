"""Random numbers from one counter-based stream.

The words of the stream are those of Philox4x64-10: block number n is a pure function of a key and
of n, so the same seed gives the same numbers on every device, recorded or not. Salmon, Moraes,
Dror and Shaw, "Parallel random numbers: as easy as 1, 2, 3", SC11, 2011,
https://doi.org/10.1145/2063384.2063405.
"""

from __future__ import annotations

import os
from math import pi, prod
from typing import Any

import numpy as np

from descend.core.arrays import Array, get_array_module
from descend.core.errors import kind_of
from descend.core.variable import Variable

# The constants of the paper: two multipliers, and what is added to the key in each round (the
# golden ratio and sqrt(3) - 1, times 2**64).
MULTIPLIERS = (0xD2E7470EE14C6C93, 0xCA5A826395121157)
WEYL = (0x9E3779B97F4A7C15, 0xBB67AE8584CAA73B)
ROUNDS = 10
LOW = 0xFFFFFFFF


class Generator:
    """A stream of random numbers: a key, and a counter of the blocks of four words drawn so far.

    Both are Variables of uint64, (2,) and (4,): they can be saved, and a recorded step moves them
    on. Every call draws whole blocks and drops the words it does not need, so that what it answers
    depends on the key and the counter alone.

    The words are those of ``numpy.random.Philox(key=..., counter=...)``.

    >>> default_rng(0).uniform((2,)) == default_rng(0).uniform((2,))
    array([ True,  True])
    """

    def __init__(self, key: Array, counter: Array | None = None) -> None:
        self.key = Variable(_state("key", key, 2), "key", requires_grad=False)
        start = np.zeros(4, np.uint64) if counter is None else counter
        self.counter = Variable(_state("counter", start, 4), "counter", requires_grad=False)

    def words(self, count: int) -> Array:
        """The next ``count`` words, uint64."""
        blocks = -(-count // 4)
        key, counter = self.key.data, self.counter.data
        self.counter.data = advanced(counter, blocks)
        return philox(key, counter, blocks)[:count]

    def halves(self, count: int) -> Array:
        """The next ``count`` half words, uint32: of each word the lower half comes first."""
        words = self.words(-(-count // 2))
        if isinstance(words, np.ndarray):
            return words.astype("<u8", copy=False).view("<u4")[:count]
        xp = get_array_module(words)
        halves = xp.stack([words & LOW, words >> 32], axis=-1)
        return xp.reshape(halves, (-1,))[:count].astype("uint32")

    def uniform(
        self, shape: Any = (), low: float = 0.0, high: float = 1.0, dtype: Any = np.float32
    ) -> Array:
        """Numbers spread evenly over low <= x < high.

        A float32 takes the upper 24 bits of a half word, a float64 the upper 53 bits of a word.
        """
        shape, dtype = _shape(shape), _floating("uniform", dtype)
        y = self._fractions(prod(shape), dtype)
        scaled = (low, high) != (0, 1)
        y = y * (high - low) + low if scaled else y
        if high > low and (scaled or dtype == np.float16):  # rounding may reach high
            largest = float(np.nextafter(dtype.type(high), dtype.type(low)))
            y = get_array_module(y).minimum(y, largest)
        return get_array_module(y).reshape(y, shape).astype(dtype, copy=False)

    def normal(
        self, shape: Any = (), mean: float = 0.0, std: float = 1.0, dtype: Any = np.float32
    ) -> Array:
        """Normally distributed numbers.

        Each two are made of two uniform numbers u and w: sqrt(-2 log(1 - u)) times the cosine and
        the sine of 2 pi w. Those of float32 lie within 5.8 standard deviations, those of float64
        within 8.6. Box and Muller, 1958, https://doi.org/10.1214/aoms/1177706645.
        """
        shape, dtype = _shape(shape), _floating("normal", dtype)
        count = prod(shape)
        pairs = -(-count // 2)
        fractions = self._fractions(2 * pairs, dtype)
        xp = get_array_module(fractions)
        radius = xp.sqrt(-2 * xp.log1p(-fractions[0::2]))
        angle = 2 * pi * fractions[1::2]
        y = xp.stack([radius * xp.cos(angle), radius * xp.sin(angle)], axis=-1)
        y = xp.reshape(y, (-1,))[:count]
        if (mean, std) != (0, 1):
            y = y * std + mean
        return xp.reshape(y, shape).astype(dtype, copy=False)

    def _fractions(self, count: int, dtype: np.dtype[Any]) -> Array:
        """Uniform numbers from 0 to below 1: float64, or float32 for that and what is shorter."""
        if dtype == np.float64:
            return (self.words(count) >> 11).astype(np.float64) * 2.0**-53
        return (self.halves(count) >> 8).astype(np.float32) * np.float32(2.0**-24)

    def seed(self, seed: int) -> None:
        """Start again, as `default_rng` with this seed would."""
        self.key.data = _key(seed)
        self.counter.data = np.zeros(4, np.uint64)

    def state_dict(self) -> dict[str, np.ndarray]:
        """Key and counter as NumPy arrays: where the stream is."""
        from descend.cuda import as_numpy

        return {v.name or "": as_numpy(v.data).copy() for v in (self.key, self.counter)}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Go on where the stream of that `state_dict` was."""
        missing = [name for name in ("key", "counter") if name not in state]
        if missing:
            raise ValueError(f"Generator: the state has no {' and no '.join(missing)}")
        key, counter = _state("key", state["key"], 2), _state("counter", state["counter"], 4)
        self.key.data, self.counter.data = key, counter

    def __repr__(self) -> str:
        return f"Generator(key={self.key.tolist()}, counter={self.counter.tolist()})"


def default_rng(seed: int | Generator | None = None) -> Generator:
    """A `Generator`: seeded with an integer, from the system's entropy, or the one given.

    Its words are those of ``numpy.random.Philox(seed)``.
    """
    if isinstance(seed, Generator):
        return seed
    return Generator(np.frombuffer(os.urandom(16), np.uint64) if seed is None else _key(seed))


def seed(seed: int) -> None:
    """Seed the generator that is drawn from where no ``rng`` is given."""
    DEFAULT.seed(seed)


def rng_or_default(name: str, rng: Any) -> Generator:
    """What an argument ``rng`` stands for: None for the default generator, a number for a seed."""
    if rng is None:
        return DEFAULT
    if isinstance(rng, (Generator, int, np.integer)) and not isinstance(rng, bool):
        return default_rng(rng)  # pyright: ignore[reportArgumentType]
    came = "NumPy's generator" if isinstance(rng, np.random.Generator) else kind_of(rng)
    raise TypeError(f"{name}: rng is {came}, a descend.Generator, a seed or None is needed")


# ---- the stream -------------------------------------------------------------------------------


def philox(key: Array, counter: Array, blocks: int) -> Array:
    """The four words of each of the ``blocks`` blocks after ``counter``: (4 * blocks,) uint64."""
    if isinstance(key, np.ndarray):
        return np.random.Philox(key=key, counter=counter).random_raw(4 * blocks)
    own = getattr(get_array_module(key), "philox", None)
    return own(key, counter, blocks) if own else philox_rounds(key, counter, blocks)


def philox_rounds(key: Array, counter: Array, blocks: int) -> Array:
    """What `philox` answers, written in operations that every kind of array has."""
    xp = get_array_module(key)
    steps = xp.arange(1, blocks + 1).astype("uint64")
    c = [*xp.stack(_carried(counter, steps))]
    keys = [key[0:1], key[1:2]]
    for i in range(ROUNDS):
        if i > 0:
            keys = [k + weyl for k, weyl in zip(keys, WEYL, strict=True)]
        high0, low0 = _product(c[0], MULTIPLIERS[0])
        high1, low1 = _product(c[2], MULTIPLIERS[1])
        c = [high1 ^ c[1] ^ keys[0], low1, high0 ^ c[3] ^ keys[1], low0]
    return xp.reshape(xp.stack(c, axis=-1), (-1,))


def advanced(counter: Array, blocks: int) -> Array:
    """The counter, a number of four words, the lowest first, after that many blocks."""
    xp = get_array_module(counter)
    return xp.concatenate(_carried(counter, xp.full((1,), blocks, counter.dtype)))


def _carried(counter: Array, steps: Array) -> list[Array]:
    """The four words of ``counter`` + ``steps``, each as long as ``steps``."""
    words, carry = [], steps
    for i in range(4):
        word = counter[i : i + 1] + carry
        carry = (word < carry).astype(counter.dtype)
        words.append(word)
    return words


def _product(x: Array, factor: int) -> tuple[Array, Array]:
    """The upper and the lower word of the product of two words, from products of halves."""
    x_low, x_high = x & LOW, x >> 32
    low, high = factor & LOW, factor >> 32
    crossed = x_high * low + (x_low * low >> 32)
    middle = x_low * high + (crossed & LOW)
    return x_high * high + (crossed >> 32) + (middle >> 32), x * factor


def _key(seed: int) -> np.ndarray:
    """The two words that NumPy makes of a seed."""
    if not isinstance(seed, (int, np.integer)) or isinstance(seed, bool) or seed < 0:
        raise ValueError(f"seed: {seed!r} came, a whole number from 0 on is needed")
    return np.random.SeedSequence(int(seed)).generate_state(2, np.uint64)


def _state(name: str, words: Any, count: int) -> Array:
    """The words of a key or a counter, in memory of their own."""
    words = np.array(words)
    if words.shape != (count,) or words.dtype.kind != "u":
        raise ValueError(
            f"Generator: {name} is {words.dtype} {words.shape}, uint64 ({count},) is needed"
        )
    return words.astype(np.uint64)


def _shape(shape: Any) -> tuple[int, ...]:
    """A shape given as a tuple or as one length."""
    return (int(shape),) if isinstance(shape, (int, np.integer)) else tuple(shape)


def _floating(name: str, dtype: Any) -> np.dtype[Any]:
    """The dtype, if it is a real floating one."""
    dtype = np.dtype(dtype)
    if dtype.kind != "f":
        raise TypeError(f"{name}: dtype is {dtype}, a floating one is needed")
    return dtype


DEFAULT = default_rng()
"""The generator that is drawn from where no ``rng`` is given."""

import json
import tracemalloc

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from descend.data import DataLoader, Dataset

X = np.arange(40, dtype=np.float32).reshape(10, 1, 2, 2)
T = np.arange(10)


def numbers(loader):
    return [batch.tolist() for batch in loader]


def noisy(x, rng):
    return x + rng.random(x.shape)


@given(st.integers(0, 30), st.integers(1, 40), st.booleans(), st.booleans())
def test_an_epoch_has_every_sample_once(length, batch_size, shuffle, drop_last):
    loader = DataLoader(np.arange(length), batch_size, shuffle=shuffle, drop_last=drop_last, seed=3)
    batches = numbers(loader)
    assert len(batches) == len(loader)
    assert all(len(batch) == batch_size for batch in batches[:-1])
    seen = [i for batch in batches for i in batch]
    assert len(seen) == (length - length % batch_size if drop_last else length)
    assert len(set(seen)) == len(seen)
    assert shuffle or seen == list(range(len(seen)))


@pytest.mark.parametrize(
    "dataset",
    [Dataset(X, T), (X, T), list(zip(X, T, strict=True)), list(Dataset(X, T))],
    ids=["Dataset", "tuple", "list", "list of pairs"],
)
@pytest.mark.parametrize("shuffle", [False, True])
def test_batches_of_pairs(dataset, shuffle):
    for x, t in DataLoader(dataset, 4, shuffle=shuffle):
        assert np.array_equal(x, X[t]) and x.dtype == np.float32
        assert len(t) in (4, 2)


def test_batches_of_arrays_and_dicts():
    assert numbers(DataLoader(T, 5)) == [[0, 1, 2, 3, 4], [5, 6, 7, 8, 9]]
    batches = list(DataLoader([{"x": x, "t": t} for x, t in zip(X, T, strict=True)], 8))
    assert np.array_equal(batches[1]["x"], X[8:]) and batches[0]["t"].tolist() == list(range(8))
    three = next(iter(DataLoader((X, T, T + 1), 2)))
    assert [part.shape for part in three] == [(2, 1, 2, 2), (2,), (2,)]


@pytest.mark.parametrize("dataset", [Dataset(X.copy(), T), (X.copy(), T), X.copy()])
def test_a_batch_is_a_copy(dataset):
    for batch in DataLoader(dataset, 4):
        (batch[0] if isinstance(batch, tuple) else batch)[:] = -1
    x = dataset.x if isinstance(dataset, Dataset) else dataset
    assert np.array_equal(x[0] if isinstance(dataset, tuple) else x, X)


def test_files_on_disk_give_plain_arrays(tmp_path):
    np.save(tmp_path / "x.npy", X)
    mapped = np.load(tmp_path / "x.npy", mmap_mode="r")
    for dataset in (mapped, (mapped,)):
        batch = next(iter(DataLoader(dataset, 4)))
        x = batch[0] if isinstance(batch, tuple) else batch
        assert type(x) is np.ndarray and x.flags.writeable and np.array_equal(x, X[:4])


def test_orders_depend_on_seed_and_epoch_alone():
    one, other = (DataLoader(T, 3, shuffle=True, seed=5) for _ in range(2))
    first, second = numbers(one), numbers(one)
    np.random.default_rng(0)
    list(DataLoader(T, shuffle=True))
    assert [numbers(other), numbers(other)] == [first, second] and first != second
    assert numbers(DataLoader(T, 3, shuffle=True, seed=6)) != first
    one.set_epoch(0)
    assert numbers(one) == first


def test_the_global_state_is_neither_read_nor_written():
    state = np.random.get_state(legacy=False)
    list(DataLoader(X, 3, shuffle=True, transform=noisy))
    after = np.random.get_state(legacy=False)
    assert repr(state) == repr(after)


@given(st.integers(0, 3), st.integers(0, 4), st.booleans())
def test_resuming_is_exact(epochs, batches, shuffle):
    def fresh():
        return DataLoader((X, T), 3, shuffle=shuffle, seed=9, transform=noisy)

    whole = fresh()
    expected = [[(x.tolist(), t.tolist()) for x, t in whole] for _ in range(6)]
    saved = fresh()
    for _ in range(epochs):
        list(saved)
    for _ in zip(range(batches), saved, strict=False):
        pass
    state = json.loads(json.dumps(saved.state_dict()))
    assert state == {"seed": 9, "epoch": epochs, "position": batches}
    resumed = DataLoader((X, T), 3, shuffle=shuffle, transform=noisy)
    resumed.load_state_dict(state)
    for epoch in range(epochs, 6):
        rest = expected[epoch][batches if epoch == epochs else 0 :]
        assert [(x.tolist(), t.tolist()) for x, t in resumed] == rest
    assert (resumed.epoch, resumed.position) == (6, 0)


def test_position_is_the_next_batch_inside_the_loop():
    loader = DataLoader(T, 4)
    positions = [loader.state_dict()["position"] for _ in loader]
    assert positions == [1, 2, 3]
    assert loader.state_dict() == {"seed": 0, "epoch": 1, "position": 0}


def test_after_a_break_the_next_loop_goes_on():
    loader = DataLoader(T, 4)
    for batch in loader:
        assert batch[0] == 0
        break
    assert numbers(loader) == [[4, 5, 6, 7], [8, 9]]
    assert (loader.epoch, numbers(loader)[0]) == (1, [0, 1, 2, 3])


def test_set_epoch_starts_over():
    loader = DataLoader(T, 4)
    next(iter(loader))
    loader.set_epoch(loader.epoch)
    assert numbers(loader)[0] == [0, 1, 2, 3]


def test_an_epoch_left_after_its_last_batch_is_over():
    loader = DataLoader(T, 4)
    for _ in range(3):
        taken = [batch.tolist() for _, batch in zip(range(3), loader, strict=False)]
        assert taken == [[0, 1, 2, 3], [4, 5, 6, 7], [8, 9]]
    assert (loader.epoch, loader.position) == (2, 3)


def test_a_state_of_the_end_yields_the_empty_rest():
    loader = DataLoader(T, 4)
    loader.load_state_dict({"seed": 0, "epoch": 2, "position": 3})
    assert numbers(loader) == [] and (loader.epoch, loader.position) == (3, 0)
    assert len(numbers(loader)) == 3


def test_a_resumed_epoch_left_after_its_last_batch_is_over_too():
    loader = DataLoader(T, 4)
    loader.load_state_dict({"seed": 0, "epoch": 2, "position": 2})
    assert next(iter(loader)).tolist() == [8, 9]
    assert len(numbers(loader)) == 3 and loader.epoch == 4


def test_two_iterators_share_one_epoch():
    loader = DataLoader(T, 4)
    one, other = iter(loader), iter(loader)
    assert [next(one)[0], next(other)[0], next(one)[0]] == [0, 4, 8]
    assert list(other) == [] and list(one) == [] and loader.epoch == 1


def test_an_error_in_the_transform_does_not_lose_the_batch():
    loader = DataLoader(T, 4, transform=lambda x, rng: 1 / 0)
    with pytest.raises(ZeroDivisionError):
        next(iter(loader))
    assert loader.position == 0


@pytest.mark.parametrize(
    "dataset", [X, (X, T), [{"x": x, "t": t} for x, t in zip(X, T, strict=True)]]
)
def test_the_transform_gets_the_first_array_and_its_own_generator(dataset):
    loader = DataLoader(dataset, 4, seed=1, transform=noisy)

    def images(batch):
        if isinstance(batch, tuple):
            assert np.array_equal(batch[1], T[batch[1]])
            return batch[0]
        return batch["x"] if isinstance(batch, dict) else batch

    epochs = [[images(batch) for batch in loader] for _ in range(2)]
    noise = [x - X[4 * i : 4 * i + 4] for epoch in epochs for i, x in enumerate(epoch)]
    assert all(n.min() >= 0 and n.max() < 1.001 and n.std() > 0.1 for n in noise)
    # No two batches, of one epoch or of two, get the same numbers.
    heads = {tuple(np.round(n.ravel()[:4], 3)) for n in noise}
    assert len(heads) == 6
    loader.load_state_dict({"seed": 1, "epoch": 1, "position": 2})
    assert np.array_equal(images(next(iter(loader))), epochs[1][2])


def test_a_sequence_of_the_users_own():
    class Squares:
        def __len__(self):
            return 5

        def __getitem__(self, i):
            assert type(i) is int
            return float(i), i * i

    x, t = next(iter(DataLoader(Squares(), 4)))
    assert x.dtype == np.float32 and t.tolist() == [0, 1, 4, 9]


@pytest.mark.parametrize("dataset", [[], X[:0], (X[:0], T[:0]), Dataset(X[:0], T[:0])])
def test_an_empty_data_set_has_no_batches(dataset):
    loader = DataLoader(dataset, shuffle=True)
    assert len(loader) == 0 and list(loader) == [] and loader.epoch == 1


def test_a_batch_larger_than_the_data_set():
    assert numbers(DataLoader(T, 100)) == [T.tolist()]
    assert numbers(DataLoader(T, 100, drop_last=True)) == []


def test_memory_does_not_grow():
    loader = DataLoader((np.zeros((2000, 50)), np.zeros(2000)), 10, shuffle=True)
    # CPython keeps up to 2000 freed pairs for reuse: 12 epochs of 200 batches fill that list.
    for _ in range(12):
        for _ in loader:
            pass
    tracemalloc.start()
    try:
        for _ in loader:
            pass
        before = tracemalloc.get_traced_memory()[0]
        for _ in range(3):
            for _ in loader:
                pass
        after = tracemalloc.get_traced_memory()[0]
    finally:
        tracemalloc.stop()
    # One batch is 4000 bytes: 600 kept batches would be 2.4 MB, kept indices 48 kB.
    assert after - before < 8000


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"batch_size": 0}, "batch_size is 0, an integer of at least 1"),
        ({"batch_size": 2.0}, "batch_size is 2.0"),
        ({"batch_size": True}, "batch_size is True"),
        ({"seed": -1}, "seed is -1, an integer of at least 0"),
        ({"seed": 2**64}, "seed is 18446744073709551616"),
        ({"seed": None}, "seed is None"),
    ],
)
def test_a_wrong_number_is_an_error(options, message):
    with pytest.raises(ValueError, match=f"DataLoader: {message}"):
        DataLoader(T, **options)


@pytest.mark.parametrize(
    ("dataset", "error", "message"),
    [
        ((X, T[:9]), ValueError, r"the arrays have lengths \[10, 9\]"),
        ((), ValueError, r"the arrays have lengths \[\]"),
        (([1, 2], [3, 4]), TypeError, "element 0 of the tuple is list"),
        ((X, np.float32(1)), TypeError, "element 1 of the tuple is float32"),
        (np.array(1), TypeError, "the array is a single number"),
        ({"x": X}, TypeError, "cannot load from dict"),
        ("text", TypeError, "cannot load from str"),
        ((x for x in X), TypeError, "cannot load from generator"),
        (None, TypeError, "cannot load from NoneType"),
    ],
)
def test_a_wrong_data_set_is_an_error(dataset, error, message):
    with pytest.raises(error, match=f"DataLoader: {message}"):
        DataLoader(dataset)


def test_a_wrong_transform_is_an_error():
    with pytest.raises(TypeError, match=r"transform is 3, a function of \(x, rng\)"):
        DataLoader(T, transform=3)


@pytest.mark.parametrize(
    ("state", "message"),
    [
        ({"seed": 0}, r"the state lacks \['epoch', 'position'\]"),
        ({"seed": 0, "epoch": 0, "position": 4}, "the state is at batch 4, .* has 3 batches"),
        ({"seed": 0, "epoch": -1, "position": 0}, "epoch is -1"),
        ({"seed": 0.5, "epoch": 0, "position": 0}, "seed is 0.5"),
    ],
)
def test_a_wrong_state_is_an_error_and_changes_nothing(state, message):
    loader = DataLoader(T, 4, seed=7)
    next(iter(loader))
    with pytest.raises(ValueError, match=f"DataLoader: {message}"):
        loader.load_state_dict(state)
    assert loader.state_dict() == {"seed": 7, "epoch": 0, "position": 1}


def test_a_state_read_back_from_arrays():
    loader = DataLoader(T, 4)
    loader.load_state_dict({"seed": np.array(1), "epoch": np.int64(2), "position": np.array(1)})
    assert loader.state_dict() == {"seed": 1, "epoch": 2, "position": 1}
    assert all(type(value) is int for value in loader.state_dict().values())


def test_repr():
    assert repr(DataLoader(T)) == "DataLoader(10 samples, batch_size=32: 1 batches)"
    loader = DataLoader(Dataset(X, T), 4, shuffle=True, drop_last=True, seed=2)
    assert repr(loader) == (
        "DataLoader(Dataset(10 samples of (1, 2, 2) float32), batch_size=4, shuffle=True, "
        "drop_last=True, seed=2: 2 batches)"
    )

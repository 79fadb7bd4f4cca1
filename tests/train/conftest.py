import numpy as np
import pytest

from descend import nn, optim
from descend.data import DataLoader, Dataset
from descend.functions import random
from descend.train import Trainer


def make_data(samples=50, seed=0):
    rng = np.random.default_rng(seed)
    x = rng.normal(size=(samples, 6)).astype(np.float32)
    return Dataset(x, (x[:, 0] > x[:, 1]).astype(np.int64), ["less", "more"])


@pytest.fixture
def data():
    """50 samples of 6 numbers in two classes."""
    return make_data()


@pytest.fixture
def compiled():
    """Whether `build` compiles; tests that are to hold both ways are parametrized with it."""
    return False


@pytest.fixture
def build(data, compiled):
    """A function that makes a trainer and its loader: dropout, shuffling, noise and a schedule."""

    def make(epochs=4, seed=3, callbacks=(), **options):
        random.seed(seed)
        model = nn.Sequential(
            nn.Linear(6, 8),
            nn.BatchNorm1d(8),
            nn.ReLU(),
            nn.Dropout(0.3),
            nn.Linear(8, 8),
            nn.Dropout(0.3, rng=5),
            nn.Linear(8, 2),
        )
        loader = DataLoader(
            data,
            8,
            shuffle=True,
            seed=seed,
            transform=lambda x, rng: x + rng.normal(0, 0.01, x.shape).astype(x.dtype),
        )
        optimizer = optim.AdamW(model.parameters(), lr=0.01)
        schedule = optim.WarmupCosine(optimizer, 3, epochs * len(loader))
        options = {"schedule": schedule, "callbacks": callbacks, "compile": compiled, **options}
        return Trainer(model, optimizer, **options), loader

    return make

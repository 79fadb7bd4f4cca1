"""From settings to what is trained: the data by name, the model, the optimizer, the schedule."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

from descend import cuda, data, nn, optim
from descend.data import DataLoader, Dataset, RandomHorizontalFlip
from descend.functions import random
from descend.train.config import Config, one_of
from descend.train.models import MODELS
from descend.train.trainer import Trainer

DATA: dict[str, Callable[[], tuple[Dataset, Dataset]]] = {
    "digits": data.digits,
    "fashion-mnist": data.fashion_mnist,
}

# A mirrored shoe is a shoe, a mirrored digit is none.
AUGMENTATION = {"fashion-mnist": RandomHorizontalFlip()}

TEST_BATCH = 256
WARMUP = 0.05


def load_data(name: str) -> tuple[Dataset, Dataset]:
    """The train and test Datasets of a name, or those in a .npz file.

    Raises ValueError for a name that is neither.
    """
    if name in DATA:
        return DATA[name]()
    if name.endswith(".npz") or Path(name).is_file():
        return data.load_npz(name)
    one_of("data", name, (*DATA, "PATH.npz"))
    raise FileNotFoundError(f"data: {name} is not a file")


def with_shapes(config: Config, train: Dataset, test: Dataset) -> Config:
    """The settings with the shape of the samples and the names of the classes."""
    for part, dataset in (("train", train), ("test", test)):
        if len(dataset) == 0:
            raise ValueError(f"{config.data} has no {part} samples, at least one is needed")
    count = 1 + int(max(train.t.max(), test.t.max()))
    classes = train.classes or tuple(str(label) for label in range(count))
    return replace(config, input_shape=tuple(train.x.shape[1:]), classes=classes)


def build_model(config: Config) -> nn.Module:
    """The untrained model, on its device; the default random generator gives its weights.

    Raises ValueError where the device is gpu and there is none.
    """
    problem = cuda.gpu_problem() if config.device == "gpu" else None
    if problem:
        raise ValueError(f"device gpu: {problem}")
    model = MODELS[config.model](config.input_shape, len(config.classes))
    if config.device == "gpu":
        model.to_gpu()
    return model


def build_trainer(config: Config, train: Dataset, **options: Any) -> tuple[Trainer, DataLoader]:
    """A trainer with AdamW and a cosine schedule after a warm-up, and its loader.

    Seeds the default random generator: the same settings give the same run.
    """
    random.seed(config.seed)
    model = build_model(config)
    loader = DataLoader(
        train,
        config.batch_size,
        shuffle=True,
        seed=config.seed,
        transform=AUGMENTATION.get(config.data),
    )
    updates = config.epochs * len(loader)
    optimizer = optim.AdamW(model.parameters(), lr=config.lr)
    schedule = optim.WarmupCosine(optimizer, min(round(WARMUP * updates), updates - 1), updates)
    options = {"schedule": schedule, "compile": config.compile, **options}
    return Trainer(model, optimizer, **options), loader


def test_loader(test: Dataset) -> DataLoader:
    """The test samples in large batches, in their order."""
    return DataLoader(test, TEST_BATCH)

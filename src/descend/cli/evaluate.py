"""``descend eval``."""

from __future__ import annotations

from pathlib import Path

from descend.data import Dataset
from descend.train.config import Config
from descend.train.evaluation import evaluate
from descend.train.progress import words
from descend.train.recipe import load_data, test_loader
from descend.train.run import Run


def evaluate_run(folder: Path | None, data: str | None) -> int:
    """Print loss and accuracy of a run's model on test samples."""
    run = Run.newest() if folder is None else Run.open(folder)
    model = run.load_model()
    data = run.config.data if data is None else data
    test = load_data(data)[1]
    _check(data, test, run.config)
    values = evaluate(model, test_loader(test))
    print(f"{run.folder} on {data}: {words(values)}  ({len(test):,} samples)")
    return 0


def _check(data: str, test: Dataset, config: Config) -> None:
    """ValueError if the model cannot take the samples, or knows fewer classes."""
    if test.x.shape[1:] != config.input_shape:
        raise ValueError(
            f"eval: samples of {data} are {test.x.shape[1:]}, the model was trained on "
            f"{config.input_shape}"
        )
    if len(test) and test.t.max() >= len(config.classes):
        raise ValueError(
            f"eval: {data} has the label {test.t.max()}, the model knows the classes 0 to "
            f"{len(config.classes) - 1}"
        )

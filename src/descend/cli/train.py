"""``descend train``."""

from __future__ import annotations

import shlex
import shutil
import sys
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np

from descend.data import DataLoader, Dataset
from descend.formats import remove_leftovers
from descend.train.checkpoint import LOG, MODEL, Checkpoint, load_checkpoint
from descend.train.config import Config
from descend.train.curve import draw_curve
from descend.train.interrupt import Interrupt
from descend.train.progress import Progress, words
from descend.train.recipe import build_trainer, load_data, test_loader, with_shapes
from descend.train.run import CURVE, Run
from descend.train.trainer import Trainer

EXAMPLE = "example.png"


def start_run(given: dict[str, Any], out: Path | None) -> int:
    """Train from the beginning, with defaults for the settings that are not given."""
    config = Config(**_absolute(given))
    train, test = load_data(config.data)
    config = with_shapes(config, train, test)
    trainer, loader = build_trainer(config, train)
    run = Run.create(config, out)
    _save_example(run.folder / EXAMPLE, test)
    sizes = f"{len(train):,} samples to train, {len(test):,} to test"
    print(f"{config.model} on {config.data}: {sizes}")
    return _train(run, trainer, loader, test)


def resume_run(folder: Path, given: dict[str, Any], out: Path | None) -> int:
    """Go on with the run in ``folder``, with its own settings."""
    run = Run.open(folder)
    config = run.config
    for name, value in _absolute(given).items():
        if value != asdict(config)[name]:
            raise ValueError(
                f"--resume: {folder} has {name} {asdict(config)[name]}, and {value} came: a run "
                f"goes on with its own settings"
            )
    if out is not None:
        raise ValueError("--resume: the run goes on in its own folder, leave out --out")
    train, test = load_data(config.data)
    if with_shapes(config, train, test) != config:
        raise ValueError(
            f"--resume: {config.data} is not what the run was started on: samples of "
            f"{config.input_shape} in {len(config.classes)} classes are needed"
        )
    trainer, loader = build_trainer(config, train)
    load_checkpoint(folder, trainer, loader)
    remove_leftovers(folder)
    if trainer.epoch >= config.epochs:
        print(f"{folder} is complete: {_count(config.epochs)}")
        _print_next(run)
        return 0
    print(f"going on with {folder} after step {trainer.step:,}")
    return _train(run, trainer, loader, test)


def _absolute(given: dict[str, Any]) -> dict[str, Any]:
    """The settings with a data file's whole path: a run may be resumed from anywhere."""
    is_file = Path(given.get("data", "")).is_file()
    return {**given, "data": str(Path(given["data"]).resolve())} if is_file else given


def _train(run: Run, trainer: Trainer, loader: DataLoader, test: Dataset) -> int:
    """Train to the last epoch or to the first Ctrl-C; the exit code."""
    epochs = run.config.epochs
    trainer.callbacks += [Checkpoint(run.folder), Progress()]
    # A loss that is not finite ends training with a sentence; NumPy's warnings would come first.
    with Interrupt(trainer.stop) as interrupt, np.errstate(all="ignore"):
        trainer.fit(loader, epochs, test_loader(test))
    if trainer.history:
        draw_curve(run.folder / CURVE, trainer.history, f"{run.config.model}, {_data(run)}")
    if trainer.epoch < epochs:
        place = f"epoch {trainer.epoch + 1} of {epochs}, after step {trainer.step:,}"
        print(f"stopped in {place}, and saved in {run.folder}")
        print(f"to go on: {_command('train', '--resume', run.folder)}")
        return 128 + (interrupt.signal or 0)
    row = trainer.history[-1]
    seconds = sum(row["seconds"] for row in trainer.history)
    tested = {name: row[f"test_{name}"] for name in ("loss", "accuracy")}
    print(f"test {words(tested)}  after {_count(epochs)}, {seconds:.0f} s")
    print(f"saved in {run.folder}: {MODEL}, {LOG}, {CURVE}")
    _print_next(run)
    return 0


def _print_next(run: Run) -> None:
    """What to try now."""
    example = run.folder / EXAMPLE
    if example.is_file():
        print(f"next: {_command('predict', example)}")
    else:
        print(f"next: {_command('eval', run.folder)}")


def _command(*words: object) -> str:
    """A command line that can be typed as it stands here."""
    program = "descend" if shutil.which("descend") else sys.argv[0]
    if program.endswith("__main__.py"):
        program = "python -m descend.cli"
    return " ".join([program, *(shlex.quote(str(word)) for word in words)])


def _count(epochs: int) -> str:
    return "1 epoch" if epochs == 1 else f"{epochs} epochs"


def _data(run: Run) -> str:
    return Path(run.config.data).stem


def _save_example(path: Path, test: Dataset) -> None:
    """Write the first test sample as a picture, if it is one."""
    from PIL import Image

    if test.x.ndim != 4 or test.x.shape[1] not in (1, 3):
        return
    pixels = np.rint(np.clip(test.x[0], 0, 1) * 255).astype(np.uint8).transpose(1, 2, 0)
    Image.fromarray(pixels.squeeze(2) if pixels.shape[2] == 1 else pixels).save(path)

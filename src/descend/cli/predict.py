"""``descend predict``."""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np

from descend.data import read_image
from descend.train.evaluation import probabilities
from descend.train.run import Run

SHOWN = 5
WIDTH = 40
BLOCKS = " ▏▎▍▌▋▊▉█"


def predict_image(image: Path, folder: Path | None) -> int:
    """Print the most probable classes of the picture in a file, with bars."""
    run = Run.newest() if folder is None else Run.open(folder)
    shape = run.config.input_shape
    if len(shape) != 3:
        raise ValueError(f"predict: {run.folder} was trained on samples {shape}, not on pictures")
    x = read_image(image, (shape[0], shape[1], shape[2]))
    found = probabilities(run.load_model(), x)[0]
    best = np.argsort(-found, kind="stable")[:SHOWN]
    names = [run.config.classes[i] for i in best]
    width = max(map(len, names))
    print(f"{image}: {names[0]} ({run.folder})")
    for name, share in zip(names, found[best], strict=True):
        print(f"{name:>{width}}  {100 * share:5.1f} %  {bar(float(share))}".rstrip())
    return 0


def bar(share: float) -> str:
    """A bar for a share of 1, in eighths of a character; of # where the terminal has no blocks."""
    eighths = round(share * WIDTH * 8)
    blocks = BLOCKS[-1] * (eighths // 8) + BLOCKS[eighths % 8].strip()
    try:
        blocks.encode(sys.stdout.encoding or "ascii")
    except UnicodeEncodeError:
        return "#" * round(share * WIDTH)
    return blocks

"""The commands and what they accept."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from descend import __version__
from descend.train.config import Config

app = typer.Typer(
    help="Train networks on the machine you have.",
    epilog="Start with: descend train",
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode="rich",
    context_settings={"help_option_names": ["-h", "--help"]},
)

DEFAULT = Config()


def _version(wanted: bool) -> None:
    if wanted:
        print(f"descend {__version__}")
        raise typer.Exit


@app.callback()
def _descend(
    version: Annotated[
        bool, typer.Option("--version", callback=_version, is_eager=True, help="Print the version.")
    ] = False,
) -> None: ...


@app.command(
    epilog="[bold]Examples[/]\n\n"
    "descend train\n\n"
    "descend train --data fashion-mnist --model cnn\n\n"
    "descend train --data my.npz --model mlp --lr 0.001 --out runs/mine\n\n"
    "descend train --resume runs/digits-cnn-1"
)
def train(
    data: Annotated[
        str | None,
        typer.Option(
            metavar="NAME",
            help="What to learn: digits, fashion-mnist, or a .npz file with x_train, t_train, "
            "x_test, t_test (or x and t: a fifth is held out).",
            show_default=DEFAULT.data,
        ),
    ] = None,
    model: Annotated[
        str | None,
        typer.Option(metavar="mlp|cnn", help="The network.", show_default=DEFAULT.model),
    ] = None,
    epochs: Annotated[
        int | None,
        typer.Option(help="Passes over the training samples.", show_default=str(DEFAULT.epochs)),
    ] = None,
    batch_size: Annotated[
        int | None,
        typer.Option(help="Samples per update.", show_default=str(DEFAULT.batch_size)),
    ] = None,
    lr: Annotated[
        float | None,
        typer.Option(
            help="The largest learning rate: a warm-up leads to it, a cosine away from it.",
            show_default=str(DEFAULT.lr),
        ),
    ] = None,
    seed: Annotated[
        int | None,
        typer.Option(
            help="The same seed and settings give the same run.", show_default=str(DEFAULT.seed)
        ),
    ] = None,
    device: Annotated[
        str | None,
        typer.Option(
            metavar="cpu|gpu", help="Where to compute; gpu needs CuPy.", show_default=DEFAULT.device
        ),
    ] = None,
    compile: Annotated[
        bool | None,
        typer.Option(
            "--compile/--no-compile",
            help="Train with native code, made for this network; or op by op, to compare.",
            show_default="compile",
        ),
    ] = None,
    out: Annotated[
        Path | None,
        typer.Option(
            help="A folder that is new or empty.", show_default="runs/<data>-<model>-<number>"
        ),
    ] = None,
    resume: Annotated[
        Path | None,
        typer.Option(
            metavar="RUN", help="Go on with an interrupted run, exactly as if it had not been."
        ),
    ] = None,
) -> int:
    """Train a network and keep it in a folder: weights, settings, log and curve.

    Ctrl-C finishes the step, saves, and says how to go on.
    """
    from descend.cli.train import resume_run, start_run

    given = {
        "data": data,
        "model": model,
        "epochs": epochs,
        "batch_size": batch_size,
        "lr": lr,
        "seed": seed,
        "device": device,
        "compile": compile,
    }
    given = {name: value for name, value in given.items() if value is not None}
    return start_run(given, out) if resume is None else resume_run(resume, given, out)


@app.command(
    "eval",
    epilog="[bold]Examples[/]\n\ndescend eval\n\n"
    "descend eval runs/fashion-mnist-cnn-1\n\ndescend eval runs/mine --data other.npz",
)
def evaluate(
    run: Annotated[
        Path | None,
        typer.Argument(help="The folder of a run.", show_default="the newest one in runs"),
    ] = None,
    data: Annotated[
        str | None,
        typer.Option(
            metavar="NAME",
            help="What to test on: digits, fashion-mnist, or a .npz file.",
            show_default="what it was trained on",
        ),
    ] = None,
) -> int:
    """Measure a trained network on test samples."""
    from descend.cli.evaluate import evaluate_run

    return evaluate_run(run, data)


@app.command(
    epilog="[bold]Examples[/]\n\ndescend predict shoe.png --run runs/fashion-mnist-cnn-1\n\n"
    "descend predict runs/digits-cnn-1/example.png"
)
def predict(
    image: Annotated[
        Path, typer.Argument(help="A picture: .png, .jpg, ..., or a .npy file of its pixels.")
    ],
    run: Annotated[
        Path | None,
        typer.Option(help="The folder of a run.", show_default="the newest one in runs"),
    ] = None,
) -> int:
    """Say what a picture shows, as the most probable classes.

    The picture is stretched to the size that the network was trained on, and turned gray if that
    was gray. It should look like the training samples: those of digits and fashion-mnist are
    light on black.
    """
    from descend.cli.predict import predict_image

    return predict_image(image, run)


@app.command()
def info() -> int:
    """Tell what descend runs on: versions, cores, GPU, and where the data is."""
    from descend.cli.info import print_info

    return print_info()

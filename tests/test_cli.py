import csv
import json
import os
import re
import signal
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from descend import cli
from descend.compile import is_available
from descend.formats import load_safetensors, save_safetensors

posix = pytest.mark.skipif(os.name == "nt", reason="needs signals and terminals")
COMMAND = [sys.executable, "-m", "descend.cli"]
# One thread: what is compared bit for bit must be computed with the same number of them, and small
# products are slow on two that others want as well.
ENVIRONMENT = {**os.environ, "OMP_NUM_THREADS": "1"}


def write_npz(path, samples=60, shape=(8, 8), classes=3, seed=0):
    """Images whose brightest row tells the class."""
    rng = np.random.default_rng(seed)
    t = rng.integers(0, classes, samples)
    t[:classes] = np.arange(classes)
    x = rng.random((samples, *shape)) * 0.3
    x[np.arange(samples), 2 * t] += 0.6
    np.savez(path, x=(x * 255).astype(np.uint8), t=t)


@pytest.fixture(autouse=True)
def _folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    write_npz("tiny.npz")


@pytest.fixture
def trained():
    """A run of one epoch, not compiled: nothing that it is used for depends on that."""
    arguments = ["train", "--data", "tiny.npz", "--epochs", "1", "--batch-size", "16"]
    assert cli.run([*arguments, "--no-compile"]) == 0
    return Path("runs/tiny-cnn-1")


def weights(folder):
    return load_safetensors(Path(folder) / "model.safetensors")[0]


def log(folder):
    return list(csv.DictReader((Path(folder) / "log.csv").read_text().splitlines()))


def assert_same_weights(one, other):
    one, other = weights(one), weights(other)
    assert one.keys() == other.keys()
    for name in one:
        np.testing.assert_array_equal(one[name], other[name], err_msg=name)


def execute(*arguments):
    """A command in a process of its own."""
    command = [*COMMAND, *arguments]
    return subprocess.run(command, capture_output=True, text=True, env=ENVIRONMENT)


# ---- training ---------------------------------------------------------------------------------


def test_train_in_a_process_of_its_own(tmp_path):
    arguments = ["train", "--data", "tiny.npz", "--epochs", "3", "--batch-size", "8", "--seed", "5"]
    done = execute(*arguments)
    assert (done.returncode, done.stderr) == (0, "")
    lines = done.stdout.splitlines()
    assert lines[0].endswith("tiny.npz: 48 samples to train, 12 to test")
    number = r"\d+\.\d+"
    epoch = rf"loss {number}  accuracy {number} %  test loss {number}  test accuracy {number} %"
    if is_available():
        assert re.fullmatch(rf"compiled in {number} s(, from the cache)?", lines.pop(1))
    for i in range(3):
        assert re.fullmatch(rf"epoch {i + 1}/3  {epoch}  {number} s", lines[1 + i])
    assert lines[-1].startswith("next: ") and "predict runs/tiny-cnn-1/example.png" in lines[-1]

    run = Path("runs/tiny-cnn-1")
    assert sorted(path.name for path in run.iterdir()) == [
        "config.json",
        "curve.svg",
        "example.png",
        "log.csv",
        "model.safetensors",
        "state.safetensors",
    ]
    config = json.loads((run / "config.json").read_text())
    assert config["data"] == str(tmp_path / "tiny.npz")
    assert config["input_shape"] == [1, 8, 8] and config["classes"] == ["0", "1", "2"]
    assert (config["epochs"], config["batch_size"], config["seed"]) == (3, 8, 5)
    assert config["compile"] is True
    assert [row["step"] for row in log(run)] == ["6", "12", "18"]
    assert "0.weight" in weights(run)


def test_without_the_compiler(capsys):
    arguments = ["train", "--data", "tiny.npz", "--model", "mlp", "--epochs", "2", "--out"]
    assert cli.run([*arguments, "eager", "--no-compile"]) == 0
    assert "compiled" not in capsys.readouterr().out
    assert json.loads(Path("eager/config.json").read_text())["compile"] is False
    assert cli.run([*arguments, "compiled"]) == 0
    assert ("compiled in " in capsys.readouterr().out) == is_available()
    for name, array in weights("eager").items():
        np.testing.assert_allclose(weights("compiled")[name], array, rtol=1e-3, atol=1e-4)


def test_the_same_seed_gives_the_same_run_and_another_another():
    for out, seed in (("a", "1"), ("b", "1"), ("c", "2")):
        arguments = ["--data", "tiny.npz", "--model", "mlp", "--epochs", "2", "--seed", seed]
        assert cli.run(["train", *arguments, "--out", out]) == 0
    assert_same_weights("a", "b")
    assert not np.array_equal(weights("a")["1.weight"], weights("c")["1.weight"])


@posix
def test_a_bar_on_a_terminal():
    import pty

    arguments = ["train", "--data", "tiny.npz", "--epochs", "2", "--model", "mlp"]
    ours, theirs = pty.openpty()
    environment = {**ENVIRONMENT, "TERM": "xterm", "COLUMNS": "100"}
    process = subprocess.Popen([*COMMAND, *arguments], stdout=theirs, env=environment)
    os.close(theirs)
    shown = b""
    try:
        while part := os.read(ours, 65536):
            shown += part
    except OSError:  # how Linux says that the other side has closed
        pass
    os.close(ours)
    assert process.wait() == 0
    text = shown.decode()
    for part in ("epoch 1/2", "loss", "accuracy", "samples/s", "left", "━"):
        assert part in text


def start(*arguments):
    """A process that trains, long enough to be interrupted."""
    return subprocess.Popen(
        [*COMMAND, "train", *arguments],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env=ENVIRONMENT,
    )


def wait_for(process, beginning):
    for line in process.stdout:
        if line.startswith(beginning):
            return
    raise AssertionError(f"it ended without {beginning}: {process.stderr.read()}")


LONG = ["--data", "long.npz", "--epochs", "60", "--batch-size", "8", "--seed", "3"]


@pytest.fixture(scope="module")
def whole(tmp_path_factory):
    """A run that was never interrupted."""
    folder = tmp_path_factory.mktemp("whole")
    write_npz(folder / "long.npz", 200)
    arguments = [str(folder / word) if word == "long.npz" else word for word in LONG]
    assert execute("train", *arguments, "--out", str(folder / "run")).returncode == 0
    return folder / "run"


@posix
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_interrupted_and_resumed_is_never_interrupted(whole, number):
    write_npz("long.npz", 200)
    process = start(*LONG)
    wait_for(process, "epoch  1/60")
    process.send_signal(number)
    output, errors = process.communicate()
    assert (process.returncode, errors) == (128 + number, "")
    assert "stopped in epoch " in output and "train --resume runs/long-cnn-1" in output
    assert (Path("runs/long-cnn-1") / "curve.svg").is_file()
    resumed = execute("train", "--resume", "runs/long-cnn-1")
    assert (resumed.returncode, resumed.stderr) == (0, "")
    assert resumed.stdout.startswith("going on with runs/long-cnn-1 after step ")
    assert_same_weights(whole, "runs/long-cnn-1")
    for one, other in zip(log(whole), log("runs/long-cnn-1"), strict=True):
        assert {**one, "seconds": ""} == {**other, "seconds": ""}


@posix
def test_killed_and_resumed_is_never_interrupted(whole):
    write_npz("long.npz", 200)
    process = start(*LONG)
    wait_for(process, "epoch  1/60")
    process.kill()
    process.communicate()
    run = Path("runs/long-cnn-1")
    weights(run)
    (run / ".state.safetensors.01234567.partial").write_text("what a kill while saving leaves")
    assert execute("train", "--resume", str(run)).returncode == 0
    assert_same_weights(whole, run)
    assert not list(run.glob(".*"))


# ---- using what was trained -------------------------------------------------------------------


def test_eval(trained, capsys):
    capsys.readouterr()
    expected = f"loss {float(log(trained)[-1]['test_loss']):.4f}"
    assert cli.run(["eval", str(trained)]) == 0
    output = capsys.readouterr().out
    assert expected in output and "(12 samples)" in output
    write_npz("other.npz", 200, seed=1)
    assert cli.run(["eval", "--data", "other.npz"]) == 0  # the newest run
    assert "on other.npz: loss" in capsys.readouterr().out


def test_predict(trained, capsys):
    capsys.readouterr()
    assert cli.run(["predict", str(trained / "example.png")]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert len(lines) == 4 and lines[0].endswith("(runs/tiny-cnn-1)")
    shares = [float(line.split()[1]) for line in lines[1:]]
    assert shares == sorted(shares, reverse=True) and sum(shares) == pytest.approx(100, abs=0.2)
    assert lines[0].split()[1] == lines[1].split()[0]
    assert cli.run(["predict", str(trained / "example.png"), "--run", str(trained)]) == 0
    assert capsys.readouterr().out.splitlines() == lines


def test_bars():
    from descend.cli.predict import WIDTH, bar

    assert bar(1.0) == "█" * WIDTH
    assert bar(0.0) == ""
    assert bar(0.5 + 0.5 / WIDTH) == "█" * (WIDTH // 2) + "▌"


def test_bars_where_the_terminal_has_no_blocks(monkeypatch):
    import io

    from descend.cli.predict import WIDTH, bar

    monkeypatch.setattr(sys, "stdout", io.TextIOWrapper(io.BytesIO(), encoding="ascii"))
    assert bar(0.5) == "#" * (WIDTH // 2)


def test_info(capsys):
    assert cli.run(["info"]) == 0
    output = capsys.readouterr().out
    for part in ("descend ", "NumPy", "core", "GPU", "fashion-mnist"):
        assert part in output


def test_info_about_the_compiler(capsys, monkeypatch, tmp_path):
    def lines():
        assert cli.run(["info"]) == 0
        found = [line.split("  ", 1) for line in capsys.readouterr().out.splitlines()]
        return {name: value.strip() for name, value in found}

    (tmp_path / "cache").mkdir()
    (tmp_path / "cache" / "kernel").write_bytes(bytes(1_500_000))
    monkeypatch.setenv("DESCEND_CACHE", str(tmp_path / "cache"))
    assert lines()["compiled code"] == f"in {tmp_path / 'cache'}, 1.5 MB"
    if is_available():
        assert re.fullmatch(
            r"LLVM \d+\.\d+\.\d+ \(llvmlite \S+\), \d+ threads?", lines()["compiler"]
        )
    monkeypatch.setenv("DESCEND_CACHE", "")
    assert lines()["compiled code"] == "not kept: DESCEND_CACHE is empty"
    monkeypatch.setenv("DESCEND_COMPILE", "0")
    assert lines()["compiler"] == "off: DESCEND_COMPILE is 0"
    monkeypatch.delenv("DESCEND_COMPILE")
    monkeypatch.setattr("descend.cli.info.find_spec", lambda name: None)
    assert lines()["compiler"] == "off: llvmlite is not installed"


def test_help_and_version(capsys):
    for arguments in ([], ["--help"], ["train", "--help"], ["predict", "-h"]):
        assert cli.run(arguments) == 0
        assert "Usage: descend" in capsys.readouterr().out
    assert cli.run(["--version"]) == 0
    assert re.fullmatch(r"descend \d+\.\d+\.\d+\n", capsys.readouterr().out)


# ---- mistakes ---------------------------------------------------------------------------------


def damaged_weights(run):
    path = run / "model.safetensors"
    path.write_bytes(path.read_bytes()[:-4])


def offsets_outside(run):
    path = run / "model.safetensors"
    content = path.read_bytes()
    header = json.loads(content[8 : 8 + int.from_bytes(content[:8], "little")])
    for entry in header.values():
        if "data_offsets" in entry:
            entry["data_offsets"] = [size + (1 << 30) for size in entry["data_offsets"]]
    text = json.dumps(header).encode()
    path.write_bytes(len(text).to_bytes(8, "little") + text + content[-100:])


def other_weights(run):
    save_safetensors(run / "model.safetensors", {"0.weight": np.ones(3)})


def damaged_state(run):
    (run / "state.safetensors").write_bytes(b"x" * 100)


MISTAKES = [
    (["trian"], "No such command 'trian'"),
    (["train", "--epoch", "x"], "--epoch"),
    (["train", "--epochs", "many"], "Invalid value for '--epochs'"),
    (["train", "--epochs", "0"], "epochs is 0, a whole number of at least 1 is needed"),
    (["train", "--batch-size", "-3"], "batch_size is -3"),
    (["train", "--lr", "-1"], "lr is -1.0, a positive number is needed"),
    (["train", "--lr", "nan"], "lr is nan, a positive number is needed"),
    (["train", "--seed", "-1"], "seed is -1"),
    (["train", "--model", "rnn"], "model is 'rnn': did you mean cnn? there are mlp, cnn"),
    (["train", "--device", "tpu"], "device is 'tpu': did you mean gpu? there are cpu, gpu"),
    (["train", "--data", "fashion"], "did you mean fashion-mnist? there are digits, fashion-mnist"),
    (["train", "--data", "no.npz"], "no.npz is not a file"),
    (["train", "--data", "text.txt"], "text.txt is not a .npz file"),
    (["train", "--data", "keys.npz"], "has the keys ['a'] but no x"),
    (["train", "--data", "rows.npz"], "cnn: samples have shape (6,), images (C, H, W)"),
    (["train", "--data", "tiny.npz", "--out", "full"], "full exists and is not empty"),
    (["train", "--data", "tiny.npz", "--out", "text.txt"], "text.txt exists and is not empty"),
    (["train", "--resume", "nowhere"], "nowhere is not the folder of a run"),
    (["train", "--resume", "full"], "full is not the folder of a run: it has no config.json"),
    (["eval", "nowhere"], "nowhere is not the folder of a run"),
    (["eval"], "no folder in runs has a trained model"),
    (["train", "--bogus"], "No such option: --bogus"),
    (["train", "--epochs", "x"], "(descend train --help)"),
    (["predict"], "Missing argument"),
    (["predict", "text.txt"], "no folder in runs has a trained model"),
]


@pytest.mark.parametrize(
    ("arguments", "message"), MISTAKES, ids=[" ".join(row[0]) for row in MISTAKES]
)
def test_a_mistake_is_one_line_and_leaves_no_trace(arguments, message, capsys, tmp_path):
    Path("text.txt").write_text("hello")
    np.savez("keys.npz", a=np.ones(3))
    np.savez("rows.npz", x=np.ones((20, 6), np.float32), t=np.arange(20) % 2)
    Path("full").mkdir()
    Path("full/mine.txt").write_text("hello")
    before = sorted(tmp_path.rglob("*"))
    assert cli.run(arguments) == 2
    captured = capsys.readouterr()
    assert captured.err.startswith("descend: ") and captured.err.count("\n") == 1
    assert message in captured.err
    assert captured.out == ""
    assert sorted(tmp_path.rglob("*")) == before


MISTAKES_WITH_A_RUN = [
    (["eval", "RUN", "--data", "wide.npz"], None, "are (1, 8, 9), the model was trained on (1, 8,"),
    (["eval", "RUN", "--data", "four.npz"], None, "has the label 3, the model knows the classes"),
    (["eval", "RUN"], damaged_weights, "is not a readable safetensors file"),
    (["eval", "RUN"], offsets_outside, "is not a readable safetensors file"),
    (["eval", "RUN"], other_weights, "the state does not fit"),
    (["eval", "RUN"], lambda run: (run / "model.safetensors").unlink(), "has no model.safetensors"),
    (["eval", "RUN"], lambda run: (run / "config.json").write_text("{"), "holds no settings of a"),
    (["eval", "RUN"], lambda run: Path("tiny.npz").unlink(), "tiny.npz is not a file"),
    (["predict", "no.png"], None, "no.png is not a file"),
    (["predict", "text.txt"], None, "text.txt is not an image that can be read"),
    (["predict", "text.txt", "--run", "no"], None, "no is not the folder of a run"),
    (["train", "--resume", "RUN", "--model", "mlp"], None, "has model cnn, and mlp came"),
    (["train", "--resume", "RUN", "--compile"], None, "has compile False, and True came"),
    (["train", "--resume", "RUN", "--epochs", "9"], None, "has epochs 1, and 9 came"),
    (["train", "--resume", "RUN", "--out", "new"], None, "leave out --out"),
    (["train", "--resume", "RUN"], damaged_state, "is not a readable safetensors file"),
    (
        ["train", "--resume", "RUN"],
        lambda run: (run / "state.safetensors").unlink(),
        "has no state",
    ),
    (["train", "--resume", "RUN"], lambda run: write_npz("tiny.npz", shape=(8, 9)), "is not what"),
]


@pytest.mark.parametrize(
    ("arguments", "damage", "message"),
    MISTAKES_WITH_A_RUN,
    ids=[" ".join(row[0]) + "-" + row[2][:20] for row in MISTAKES_WITH_A_RUN],
)
def test_a_mistake_with_a_run_is_one_line(arguments, damage, message, trained, capsys):
    write_npz("wide.npz", shape=(8, 9))
    write_npz("four.npz", classes=4)
    Path("text.txt").write_text("hello")
    if damage is not None:
        damage(trained)
    before = {path: path.read_bytes() for path in trained.iterdir()}
    capsys.readouterr()
    assert cli.run([str(trained) if word == "RUN" else word for word in arguments]) == 2
    captured = capsys.readouterr()
    assert captured.err.startswith("descend: ") and captured.err.count("\n") == 1
    assert message in captured.err
    assert {path: path.read_bytes() for path in trained.iterdir()} == before


def test_pictures_are_not_rows(capsys):
    np.savez("rows.npz", x=np.ones((20, 6), np.float32), t=np.arange(20) % 2)
    assert cli.run(["train", "--data", "rows.npz", "--model", "mlp", "--epochs", "1"]) == 0
    assert "next: " in capsys.readouterr().out
    assert not Path("runs/rows-mlp-1/example.png").exists()
    assert cli.run(["predict", "x.png"]) == 2
    assert "was trained on samples (6,), not on pictures" in capsys.readouterr().err


def test_settings_that_are_those_of_the_run_may_be_repeated(trained, capsys):
    arguments = ["--data", "tiny.npz", "--model", "cnn", "--epochs", "1"]
    assert cli.run(["train", "--resume", str(trained), *arguments]) == 0
    assert "is complete" in capsys.readouterr().out


def test_a_complete_run_is_left_as_it_is(trained, capsys):
    before = {path: path.read_bytes() for path in trained.iterdir()}
    assert cli.run(["train", "--resume", str(trained)]) == 0
    assert "runs/tiny-cnn-1 is complete: 1 epoch" in capsys.readouterr().out
    assert {path: path.read_bytes() for path in trained.iterdir()} == before


def test_a_loss_that_is_not_finite(capsys):
    assert cli.run(["train", "--data", "tiny.npz", "--lr", "1e30", "--batch-size", "8"]) == 1
    errors = capsys.readouterr().err
    assert errors.count("\n") == 1
    assert re.search(r"the loss is \S+ at step \d+ \(epoch 1\): try a smaller --lr", errors)
    assert "descend.debug()" in errors


def test_no_gpu(capsys, monkeypatch):
    monkeypatch.setattr("descend.cuda.gpu_problem", lambda: "CuPy is not installed")
    assert cli.run(["train", "--device", "gpu"]) == 2
    assert capsys.readouterr().err == "descend: device gpu: CuPy is not installed\n"
    assert not Path("runs").exists()


@pytest.mark.parametrize("missing", ["typer", "rich", "matplotlib", "safetensors", "PIL"])
def test_missing_packages(missing, capsys, monkeypatch):
    find_spec = cli.find_spec
    monkeypatch.setattr(cli, "find_spec", lambda n: None if n == missing else find_spec(n))
    assert cli.run(["info"]) == 2
    errors = capsys.readouterr().err
    assert errors == "descend: the commands need more packages: pip install 'descend[train]'\n"

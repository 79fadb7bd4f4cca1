import io
import re

import pytest

from descend import nn, optim
from descend.compile import is_available
from descend.data import DataLoader
from descend.train import Progress, Trainer
from descend.train.progress import row_words, words


class Terminal(io.StringIO):
    def isatty(self):
        return True


def test_words():
    assert words({"loss": 0.12345, "accuracy": 0.5}) == "loss 0.1235  accuracy 50.00 %"
    row = {"epoch": 1, "train_loss": 1.0, "test_loss": 2.0, "test_accuracy": 1.0, "lr": 0.1}
    assert row_words(row) == "loss 1.0000  test loss 2.0000  test accuracy 100.00 %"


def test_plain_lines_where_there_is_no_terminal(build, data):
    file = io.StringIO()
    trainer, loader = build(callbacks=[Progress(file)])
    trainer.fit(loader, 2, DataLoader(data, 50))
    lines = file.getvalue().splitlines()
    row = trainer.history[1]
    assert len(lines) == 2
    assert lines[1] == f"epoch 2/2  {row_words(row)}  {row['seconds']:.1f} s"
    assert "\x1b" not in file.getvalue()


@pytest.mark.skipif(not is_available(), reason="needs the compiler")
def test_compiling_has_its_line(data, tmp_path, monkeypatch):
    monkeypatch.setenv("DESCEND_CACHE", str(tmp_path))
    for source in ("", ", from the cache"):
        file = io.StringIO()
        model = nn.Linear(6, 2)
        trainer = Trainer(model, optim.SGD(model.parameters()), callbacks=[Progress(file)])
        trainer.fit([data[:]], 2)
        lines = file.getvalue().splitlines()
        # Kernels that this process has loaded before are as good as those in the cache.
        assert re.fullmatch(rf"compiled in \d+\.\d s({source or '(, from the cache)?'})", lines[0])
        assert [line[:9] for line in lines[1:]] == ["epoch 1/2", "epoch 2/2"]


def test_a_line_is_flushed_when_its_epoch_is_over(build):
    class File(io.StringIO):
        flushed = ""

        def flush(self):
            self.flushed = self.getvalue()

    file = File()
    trainer, loader = build(callbacks=[Progress(file)])
    trainer.fit(loader, 1)
    assert file.flushed.startswith("epoch 1/1") and file.flushed.endswith(" s\n")


def test_a_bar_on_a_terminal(build, monkeypatch):
    monkeypatch.setenv("COLUMNS", "100")
    monkeypatch.setenv("TERM", "xterm")
    file = Terminal()
    trainer, loader = build(callbacks=[Progress(file)])
    trainer.fit(loader, 2)
    text = file.getvalue()
    for part in ("epoch 1/2", "epoch 2/2", "loss", "accuracy", "samples/s", "left", "━"):
        assert part in text
    hide, show = "\x1b[?25l", "\x1b[?25h"
    assert text.rindex(show) > text.rindex(hide)


def test_the_bar_is_taken_away_where_training_fails(build, monkeypatch):
    monkeypatch.setenv("TERM", "xterm")
    file = Terminal()
    progress = Progress(file)
    trainer, _ = build(callbacks=[progress])
    with pytest.raises(ValueError, match="no batches"):
        trainer.fit([], 1)
    assert "\x1b[?25h" in file.getvalue()
    assert progress._bar is None

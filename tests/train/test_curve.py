import xml.etree.ElementTree as ET

import pytest

from descend.train import draw_curve


def history(epochs, test=True):
    rows = []
    for epoch in range(1, epochs + 1):
        row = {"epoch": epoch, "train_loss": 1 / epoch, "train_accuracy": 1 - 0.5 / epoch}
        if test:
            row |= {"test_loss": 1.1 / epoch, "test_accuracy": 1 - 0.6 / epoch}
        rows.append(row)
    return rows


def marks(path, colour):
    """How many points of a colour the picture has."""
    uses = ET.parse(path).iter("{http://www.w3.org/2000/svg}use")
    return sum(f"fill: {colour}" in use.get("style", "") for use in uses)


@pytest.mark.parametrize("epochs", [1, 2, 30])
def test_a_point_for_each_epoch(tmp_path, epochs):
    path = tmp_path / "curve.svg"
    draw_curve(path, history(epochs), "a title")
    assert marks(path, "#8a8f98") == marks(path, "#0b6bcb") == 2 * epochs


def test_without_test(tmp_path):
    path = tmp_path / "curve.svg"
    draw_curve(path, history(3, test=False))
    assert (marks(path, "#8a8f98"), marks(path, "#0b6bcb")) == (6, 0)


def test_the_same_history_gives_the_same_file(tmp_path):
    for name in ("a.svg", "b.svg"):
        draw_curve(tmp_path / name, history(3))
    assert (tmp_path / "a.svg").read_bytes() == (tmp_path / "b.svg").read_bytes()


def test_png(tmp_path):
    draw_curve(tmp_path / "curve.png", history(2))
    assert (tmp_path / "curve.png").read_bytes().startswith(b"\x89PNG")


def test_an_empty_history(tmp_path):
    with pytest.raises(ValueError, match="the history is empty"):
        draw_curve(tmp_path / "curve.svg", [])
    assert not list(tmp_path.iterdir())

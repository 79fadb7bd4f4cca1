"""Run all examples and write docs/gallery.md with what they print and draw."""

import contextlib
import importlib
import inspect
import io
from pathlib import Path

NAMES = (
    "curve_fit",
    "gaussian_process",
    "ode_parameters",
    "kalman_filter",
    "force_field",
    "optimal_control",
)
DOCS = Path(__file__).parents[2] / "docs"
STYLE = {
    "axes.spines.right": False,
    "axes.spines.top": False,
    "axes.grid": True,
    "axes.edgecolor": "#c9ced6",
    "grid.color": "#e5e8ec",
    "figure.figsize": (7, 3.6),
    "figure.constrained_layout.use": True,
    "font.family": "DejaVu Sans",  # comes with matplotlib: the same picture everywhere
    "font.size": 10,
    "svg.hashsalt": "descend",  # else the names inside the file are new each time
}
HEAD = """# Gallery

Six problems solved with exact derivatives. Each is a file of `examples/gallery/`; what stands below
its code is what it printed and drew. `python -m examples.gallery` runs them all and writes this
page anew (it needs matplotlib, `pip install descend[train]`).
"""


def module(name):
    """The example of that name."""
    return importlib.import_module(f"examples.gallery.{name}")


def output(name):
    """What the example prints."""
    text = io.StringIO()
    with contextlib.redirect_stdout(text):
        module(name).main()
    return text.getvalue()


def section(name, printed):
    """The example on the page."""
    example = module(name)
    title, _, rest = inspect.getdoc(example).partition("\n")
    code = inspect.getsource(example).split('"""\n', 1)[1].strip()
    return "\n".join(
        [
            f"## {title.rstrip('.')}",
            rest,
            "",
            f"![{title.rstrip('.')}](gallery/{name}.svg)",
            "",
            "```text",
            printed.rstrip(),
            "```",
            "",
            f"`examples/gallery/{name}.py`",
            "",
            "```python",
            code,
            "```",
            "",
        ]
    )


def draw(name, path):
    """Draw the example's picture."""
    import matplotlib
    from matplotlib.figure import Figure

    with matplotlib.rc_context(STYLE):
        figure = Figure()
        module(name).draw(figure.subplots())
        figure.savefig(
            path, format=path.suffix[1:], metadata={"Date": None} if path.suffix == ".svg" else None
        )


def main():
    """Write the page and its pictures."""
    (DOCS / "gallery").mkdir(exist_ok=True)
    parts = [HEAD]
    for name in NAMES:
        print(f"{name} ...", flush=True)
        printed = output(name)
        print(printed, flush=True)
        draw(name, DOCS / "gallery" / f"{name}.svg")
        parts.append(section(name, printed))
    (DOCS / "gallery.md").write_text("\n".join(parts), encoding="utf-8")


if __name__ == "__main__":
    main()

"""Who imports whom: only upwards, and nothing heavy at the start."""

import ast
import functools
import subprocess
import sys
from pathlib import Path

import descend

ROOT = Path(descend.__file__).parent
FLOORS = [
    {"core", "cuda"},
    {"functions"},
    {"transforms", "nn", "optim", "testing"},
    {"optimize"},
    {"formats", "parallel", "show"},
    {"train"},
    {"cli"},
]
ALONE = {"data"}
COMPILER = {"compile"}  # may import core and functions


def floor_of(room):
    return next(i for i, rooms in enumerate(FLOORS) if room in rooms)


def imports_of(path):
    """The rooms of descend that a file imports, and whether at module level."""
    tree = ast.parse(path.read_text())
    for node in ast.walk(tree):
        names = []
        if isinstance(node, ast.ImportFrom) and node.module:
            assert node.level == 0, f"{path}: relative import"
            names = [f"{node.module}.{alias.name}" for alias in node.names]
        elif isinstance(node, ast.Import):
            names = [alias.name for alias in node.names]
        for name in names:
            parts = name.split(".")
            if parts[0] == "descend" and len(parts) > 1:
                yield parts[1]


@functools.cache
def rooms():
    return sorted({p.relative_to(ROOT).parts[0].removesuffix(".py") for p in ROOT.rglob("*.py")})


def test_imports_go_up_only():
    for path in ROOT.rglob("*.py"):
        room = path.relative_to(ROOT).parts[0].removesuffix(".py")
        if room == "__init__":
            continue
        for imported in imports_of(path):
            if imported not in rooms() or imported == room:
                continue  # a name of the package's face
            assert room not in ALONE, f"{path} imports {imported}: {room} stands alone"
            if room in COMPILER:
                assert imported in {"core", "functions"}, f"{path} imports {imported}"
            elif imported not in ALONE:
                if imported in COMPILER:
                    assert room in {"train", "cli"}, f"{path} imports the compiler"
                else:
                    assert floor_of(imported) <= floor_of(room), f"{path} imports {imported}"


def test_every_room_has_its_floor():
    for room in rooms():
        assert room == "__init__" or room in ALONE | COMPILER or floor_of(room) >= 0


def test_nothing_heavy_is_imported_at_the_start():
    code = "import sys, descend; print([m for m in sys.modules])"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    loaded = {name.strip("[]',").split(".")[0] for name in done.stdout.split()}
    heavy = {"scipy", "llvmlite", "rich", "matplotlib", "typer", "safetensors", "cupy", "PIL"}
    assert not loaded & heavy

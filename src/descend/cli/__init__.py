"""The command line: ``descend train | eval | predict | info``.

A mistake of the user's (a flag, a file, a shape) is one line on stderr and exit code 2; training
that failed is exit code 1, training that was interrupted 128 and the signal's number.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence
from importlib.util import find_spec
from typing import Any

NEEDED = ("typer", "rich", "matplotlib", "safetensors", "PIL")


def main() -> None:
    """Run the command that the process was started with; exit with its code."""
    if hasattr(sys.stdout, "reconfigure"):
        sys.stdout.reconfigure(line_buffering=True)  # pyright: ignore  a pipe's reader waits, too
    sys.exit(run(sys.argv[1:]))


def run(arguments: Sequence[str]) -> int:
    """The exit code of a command, which has written what it has to say."""
    if any(find_spec(package) is None for package in NEEDED):
        return _fail("the commands need more packages: pip install 'descend[train]'", 2)
    import typer

    from descend.cli.app import app

    # The base of all that is wrong with flags is click's, or that of the copy in newer typers.
    usage_error: Any = typer.BadParameter.__base__
    try:
        code = app(list(arguments) or ["--help"], standalone_mode=False, prog_name="descend")
        return code if isinstance(code, int) else 0
    except usage_error as error:
        command = getattr(error.ctx, "command_path", "descend")
        return _fail(f"{error.format_message()} ({command} --help)", 2)
    except (typer.Abort, KeyboardInterrupt):
        return _fail("aborted", 130)
    except FloatingPointError as error:
        return _fail(str(error).replace("a smaller lr", "a smaller --lr"), 1)
    except (ValueError, OSError, ImportError) as error:
        return _fail(str(error) or type(error).__name__, 2)


def _fail(message: str, code: int) -> int:
    print(f"descend: {' '.join(message.split())}", file=sys.stderr)
    return code

"""What a recording refuses, in one sentence that names the user's line."""

from __future__ import annotations

import linecache
from os.path import basename

from descend.core.debugging import user_line


class NotRecorded(Exception):
    """This cannot be written as operations of the graph: a host call takes its place."""


class TraceError(RuntimeError):
    """The step asks for something that is known only when it runs.

    ``what`` says what the line asks for, ``remedy`` what to do instead. No TypeError, ValueError
    or IndexError: these an operation would put into words of its own.
    """

    def __init__(self, what: str, remedy: str, where: str = "") -> None:
        where = where or user_line()
        path, _, number = where.rpartition(":")
        source = linecache.getline(path, int(number)).strip().rstrip(":")
        line = f"`{source}`" if source else "a line"
        super().__init__(f"{line} ({basename(path)}:{number}) {what}: {remedy}")

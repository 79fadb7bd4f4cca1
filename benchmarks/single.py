"""One contender alone in a new process: how long its first call takes, what memory it needs."""

from __future__ import annotations

import argparse
import importlib
import json
import logging
import selectors
import sys
import time
from pathlib import Path
from typing import Any

from benchmarks import fresh
from benchmarks.contenders import Absent, contenders, excuse
from benchmarks.row import say

STEPS = 5


def first_call(work: str, column: str, threads: int, folder: str) -> dict:
    """Seconds of the first step, where everyone keeps compiled code below ``folder``."""
    environment = fresh.caches(folder)
    say(f"first call: {work}, {column}")
    try:
        return fresh.run(
            "benchmarks.single", work, column, threads=threads, environment=environment
        )
    except RuntimeError as error:
        return {"excuse": excuse(error)}


def peak_memory(work: str, column: str, threads: int, folder: str) -> dict:
    """Bytes that building and ``STEPS`` steps add at most to the process's own memory."""
    say(f"memory: {work}, {column}")
    process = fresh.start(
        "benchmarks.single",
        *(work, column, "--wait"),
        threads=threads,
        environment=fresh.caches(folder),
    )
    assert process.stdin is not None and process.stdout is not None
    status = Path(f"/proc/{process.pid}/status")
    try:
        process.stdout.readline()
        before = highest = resident(status)
        process.stdin.write("\n")
        process.stdin.flush()
        done = selectors.DefaultSelector()
        done.register(process.stdout, selectors.EVENT_READ)
        while not done.select(timeout=0.001):
            highest = max(highest, resident(status))
        answer = fresh.answer(process, process.communicate()[0])
    except (OSError, RuntimeError, ValueError) as error:
        process.kill()
        return {"excuse": excuse(error)}
    return answer if "excuse" in answer else {"bytes": highest - before}


def resident(status: Path) -> int:
    """Bytes of memory that a process has of its own: none of the pages of its libraries' files."""
    lines = [line for line in status.read_text().splitlines() if line.startswith("RssAnon")]
    if not lines:
        raise RuntimeError("the process has ended")
    return int(lines[0].split()[1]) * 1024


def absent() -> Any:
    raise Absent("-")


def main() -> None:
    """What runs in the new process."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("work")
    parser.add_argument("column")
    parser.add_argument("--wait", action="store_true", help="for a line before the work is built")
    options = parser.parse_args()
    logging.disable(logging.WARNING)
    work = importlib.import_module(f"benchmarks.works.{options.work}")
    makers = contenders(work, [options.column])
    maker = next(iter(makers.values()), absent)  # the first variant is what one gets unasked
    if options.column == "jax" and makers:
        sys.modules["jax"].numpy.zeros(1).block_until_ready()  # what it sets up once
    if options.wait:
        print("ready", flush=True)
        sys.stdin.readline()
    try:
        step, _ = maker()
        start = time.perf_counter()
        step()
        seconds = time.perf_counter() - start
        for _ in range(STEPS - 1 if options.wait else 0):
            step()
        result: dict = {"seconds": seconds}
    except Exception as error:
        result = {"excuse": excuse(error)}
    print(json.dumps(result), flush=True)


if __name__ == "__main__":
    main()

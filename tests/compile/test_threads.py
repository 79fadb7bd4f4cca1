import os
import signal
import subprocess
import sys
import threading
import time

import numpy as np
import pytest

from descend.compile.machine import native
from descend.compile.run import threads
from descend.compile.run.threads import Band, BandTime, Call, Local, Partial, Program, Scratch

COLUMNS = 5
ROW = 4 * COLUMNS


def kernel(name, operands, body, numbers=0):
    """The text of a kernel: %x0, %x1, ... are its operands, %a0, ... further numbers.

    The body is done for each float of its rows, at offset %i of the operands.
    """
    lines = [f"define void @{name}(ptr %b, ptr %a, i64 %begin, i64 %end, i64 %first) {{", "entry:"]
    for k in range(operands):
        lines += [
            f"  %n{k}.p = getelementptr i64, ptr %a, i64 {2 * k}",
            f"  %n{k} = load i64, ptr %n{k}.p",
            f"  %e{k} = getelementptr ptr, ptr %b, i64 %n{k}",
            f"  %s{k} = load ptr, ptr %e{k}",
            f"  %o{k}.p = getelementptr i64, ptr %a, i64 {2 * k + 1}",
            f"  %o{k} = load i64, ptr %o{k}.p",
            f"  %x{k} = getelementptr i8, ptr %s{k}, i64 %o{k}",
        ]
    for k in range(numbers):
        lines += [
            f"  %a{k}.p = getelementptr i64, ptr %a, i64 {2 * operands + k}",
            f"  %a{k} = load i64, ptr %a{k}.p",
        ]
    lines += [
        f"  %from = mul i64 %begin, {COLUMNS}",
        f"  %to = mul i64 %end, {COLUMNS}",
        "  br label %loop",
        "loop:",
        "  %i = phi i64 [ %from, %entry ], [ %i.next, %body ]",
        "  %more = icmp slt i64 %i, %to",
        "  br i1 %more, label %body, label %done",
        "body:",
        body.strip("\n"),
        "  %i.next = add i64 %i, 1",
        "  br label %loop",
        "done:",
        "  ret void",
        "}",
    ]
    return "\n".join(lines) + "\n"


def load_element(value, operand, index="%i"):
    return (
        f"  %{value}.p = getelementptr float, ptr %x{operand}, i64 {index}\n"
        f"  %{value} = load float, ptr %{value}.p\n"
    )


TEXTS = {
    "scale": kernel(  # x1 = a0 * x0
        "scale",
        2,
        load_element("x", 0)
        + """
  %factor = sitofp i64 %a0 to float
  %y = fmul float %factor, %x
  %y.p = getelementptr float, ptr %x1, i64 %i
  store float %y, ptr %y.p
""",
        numbers=1,
    ),
    "add": kernel(  # x2 = x0 + x1
        "add",
        3,
        load_element("x", 0)
        + load_element("z", 1)
        + """
  %y = fadd float %x, %z
  %y.p = getelementptr float, ptr %x2, i64 %i
  store float %y, ptr %y.p
""",
    ),
    "sum": kernel(  # x1[0] += x0; x1[1] counts the first calls
        "sum",
        2,
        load_element("x", 0)
        + load_element("t", 1, "0")
        + load_element("c", 1, "1")
        + """
  %y = fadd float %t, %x
  store float %y, ptr %t.p
  %start = icmp eq i64 %i, %from
  %start.i = zext i1 %start to i64
  %counts = and i64 %first, %start.i
  %count = sitofp i64 %counts to float
  %c.new = fadd float %c, %count
  store float %c.new, ptr %c.p
""",
    ),
    "backwards": kernel(  # x1[i] = x0[a0 - i]
        "backwards",
        2,
        "  %j = sub i64 %a0, %i\n"
        + load_element("x", 0, "%j")
        + """
  %y.p = getelementptr float, ptr %x1, i64 %i
  store float %x, ptr %y.p
""",
        numbers=1,
    ),
    "through": kernel(  # x1 = x2[0] = x0
        "through",
        3,
        load_element("x", 0)
        + """
  store volatile float %x, ptr %x2
  %y = load volatile float, ptr %x2
  %y.p = getelementptr float, ptr %x1, i64 %i
  store float %y, ptr %y.p
""",
    ),
}


@pytest.fixture(scope="module")
def codes():
    return dict(zip(TEXTS, native.load_all(TEXTS.values()), strict=True))


def array(rows, seed=0):
    return np.random.default_rng(seed).integers(-9, 9, (rows, COLUMNS)).astype(np.float32)


def point(program, *arrays):
    for number, x in enumerate(arrays):
        program.table[number] = x.ctypes.data


def scale_band(codes, units, block=3, *, source=0, target=1, factor=2, **options):
    call = Call(codes["scale"]["scale"], (source, 0, target, 0, factor), 1)
    return Band(units, block, (call,), **options)


THREADS = [1, 2, 3, 7]


@pytest.mark.parametrize("count", THREADS)
@pytest.mark.parametrize("units", [0, 1, 2, 6, 25])
@pytest.mark.parametrize("block", [1, 4, 100])
@pytest.mark.parametrize("rows", [1, 3])
def test_every_unit_is_computed_once_through_local_memory(codes, count, units, block, rows):
    x, y = array(units * rows), np.full((units * rows, COLUMNS), 9, np.float32)
    calls = (
        Call(codes["scale"]["scale"], (0, 0, 2, 0, 3), rows),
        Call(codes["add"]["add"], (0, 0, 2, 0, 3, 0), rows),
        Call(codes["add"]["add"], (1, 0, 3, 0, 1, 0), rows),
    )
    size = block * rows * ROW
    band = Band(units, block, calls, (Local(2, 0, rows * ROW), Local(3, size, rows * ROW)))
    program = Program([band], 4, count, thread_bytes=2 * size)
    point(program, x, y)
    program.run()
    np.testing.assert_array_equal(y, 9 + (x + 3 * x))


@pytest.mark.parametrize("count", THREADS)
def test_operands_begin_at_their_offset(codes, count):
    x, y = array(10), np.zeros((10, COLUMNS), np.float32)
    call = Call(codes["scale"]["scale"], (0, 3 * ROW, 1, 2 * ROW, 2), 1)
    program = Program([Band(7, 2, (call,))], 2, count)
    point(program, x, y)
    program.run()
    np.testing.assert_array_equal(y[2:9], 2 * x[3:10])
    assert not y[:2].any() and not y[9:].any()


@pytest.mark.parametrize("count", THREADS)
@pytest.mark.parametrize("units", [1, 2, 23])
def test_partial_sums_of_all_threads_begin_at_zero(codes, count, units):
    x = array(units)
    stride = 64
    copies = np.full((count, stride // 4), 5, np.float32)
    call = Call(codes["sum"]["sum"], (0, 0, 2, 0), 1)
    program = Program([Band(units, 2, (call,), partials=(Partial(2, 1, stride),))], 3, count)
    point(program, x, copies)
    for _ in range(3):
        program.run()
        assert copies[:, 0].sum() == x.sum()
        assert copies[:, 1].sum() == min(units, count), "first calls"
        assert not copies[:, 2:].any()


@pytest.mark.parametrize("count", [1, 4])
@pytest.mark.parametrize("shared_too", [False, True])
def test_a_band_for_one_thread_zeroes_the_copies_of_all(codes, count, shared_too):
    x, y = array(6), np.zeros((6, COLUMNS), np.float32)
    copies = np.full((count, 4), 5, np.float32)
    call = Call(codes["sum"]["sum"], (0, 0, 2, 0), 1)
    bands = [Band(6, 2, (call,), partials=(Partial(2, 1, 16),), threads=1)]
    if shared_too:
        bands.append(scale_band(codes, 6, target=3))
    program = Program(bands, 4, count)
    program.table[:] = x.ctypes.data, copies.ctypes.data, 0, y.ctypes.data
    program.run()
    assert copies[0, :2].tolist() == [x.sum(), 1]
    assert not copies[1:].any()
    assert y.any() == shared_too


@pytest.mark.parametrize("count", THREADS)
def test_threads_meet_at_a_barrier(codes, count):
    units = 40
    x, y, z = (np.zeros((units, COLUMNS), np.float32) for _ in range(3))
    backwards = Call(codes["backwards"]["backwards"], (1, 0, 2, 0, units * COLUMNS - 1), 1)
    again = Call(codes["backwards"]["backwards"], (2, 0, 1, 0, units * COLUMNS - 1), 1)
    bands = [
        scale_band(codes, units, 40),
        Band(units, 1, (backwards,), barrier=True),
        Band(units, 7, (again,), barrier=True),
        scale_band(codes, units, source=1, target=2, barrier=True, threads=1),
    ]
    program = Program(bands, 3, count)
    point(program, x, y, z)
    for seed in range(50):
        x[:] = array(units, seed)
        program.run()
        np.testing.assert_array_equal(y, 2 * x)
        np.testing.assert_array_equal(z, 4 * x)


@pytest.mark.parametrize("count", THREADS)
def test_scratch_is_each_threads_own(codes, count):
    x, y = array(2000), np.zeros((2000, COLUMNS), np.float32)
    call = Call(codes["through"]["through"], (0, 0, 1, 0, 2, 0), 1)
    program = Program([Band(2000, 8, (call,), scratch=(Scratch(2, 64),))], 3, count, 128)
    point(program, x, y)
    program.run()
    np.testing.assert_array_equal(y, x)


def test_a_table_written_anew_counts_from_the_next_run(codes):
    program = Program([scale_band(codes, 8)], 2, 2)
    for seed in range(3):
        x, y = array(8, seed), np.zeros((8, COLUMNS), np.float32)
        point(program, x, y)
        program.run()
        np.testing.assert_array_equal(y, 2 * x)


def test_a_program_without_bands_or_buffers_runs():
    Program([], 0, 1).run()
    Program([], 0, 4).run()


def test_a_program_for_one_thread_starts_no_other(codes, monkeypatch):
    pool = threads._Pool()
    monkeypatch.setattr(threads, "_pool", pool)
    x, y = array(8), np.zeros((8, COLUMNS), np.float32)
    for program in (
        Program([scale_band(codes, 8, threads=1)] * 2, 2, 4),
        Program([scale_band(codes, 8)], 2, 1),
    ):
        y[:] = 0
        point(program, x, y)
        program.run()
        np.testing.assert_array_equal(y, 2 * x)
        assert not pool.workers


@pytest.fixture
def pool(monkeypatch):
    """Workers of the test's own, which end with it."""
    pool = threads._Pool()
    monkeypatch.setattr(threads, "_pool", pool)
    yield pool
    workers = list(pool.workers.values())
    pool.close()
    assert not any(worker.is_alive() for worker in workers)


def test_workers_are_started_when_needed_and_stay(codes, pool):
    x, y = array(8), np.zeros((8, COLUMNS), np.float32)
    for count, workers in ((2, 1), (4, 3), (3, 3)):
        program = Program([scale_band(codes, 8)], 2, count)
        point(program, x, y)
        program.run()
        assert len(pool.workers) == workers
        assert all(worker.is_alive() and worker.daemon for worker in pool.workers.values())


def test_a_sleeping_worker_wakes(codes, pool, monkeypatch):
    monkeypatch.setattr(threads, "PATIENCE", 0)
    x, y = array(8), np.zeros((8, COLUMNS), np.float32)
    program = Program([scale_band(codes, 8)], 2, 2)
    for seed in range(200):
        x[:] = array(8, seed)
        point(program, x, y)
        program.run()
        np.testing.assert_array_equal(y, 2 * x)


@pytest.mark.parametrize("possible", [0, 1])
def test_one_thread_does_it_all_where_no_more_can_be_started(codes, pool, monkeypatch, possible):
    start = threading.Thread.start

    def refuse(thread):
        if len(pool.workers) >= possible:
            raise RuntimeError("can't start new thread")
        start(thread)

    monkeypatch.setattr(threading.Thread, "start", refuse)
    test_threads_meet_at_a_barrier(codes, 3)
    test_partial_sums_of_all_threads_begin_at_zero(codes, 3, 23)
    assert len(pool.workers) == possible


def test_a_worker_started_twice_by_an_interruption_serves_once(codes, pool, monkeypatch):
    start = threading.Thread.start
    started = []

    def start_and_interrupt(thread):
        start(thread)
        started.append(thread)
        if len(started) == 1:
            raise KeyboardInterrupt

    monkeypatch.setattr(threading.Thread, "start", start_and_interrupt)
    x, y = array(64), np.zeros((64, COLUMNS), np.float32)
    program = Program([scale_band(codes, 64)], 2, 2)
    point(program, x, y)
    with pytest.raises(KeyboardInterrupt):
        program.run()
    time.sleep(0.01)  # the worker sleeps by now
    for _ in range(20):
        y[:] = 0
        program.run()
        np.testing.assert_array_equal(y, 2 * x)
    first, second = started
    second.join(timeout=10)
    assert first.is_alive() and not second.is_alive()
    pool.close()
    first.join(timeout=10)
    assert not first.is_alive()


def test_after_the_workers_ended_programs_still_run(codes, pool):
    test_threads_meet_at_a_barrier(codes, 3)
    pool.close()
    test_threads_meet_at_a_barrier(codes, 3)
    assert not pool.workers


@pytest.mark.parametrize("count", [1, 3])
def test_several_python_threads_take_turns(codes, count):
    """In place, so that two runs at once would lose additions."""
    units, runs, callers = 20_000, 40, 3
    x, total = np.ones((units, COLUMNS), np.float32), np.zeros((units, COLUMNS), np.float32)
    local = Local(2, 0, ROW)
    calls = (
        Call(codes["add"]["add"], (0, 0, 1, 0, 2, 0), 1),
        Call(codes["scale"]["scale"], (2, 0, 1, 0, 1), 1),
    )
    program = Program([Band(units, 50, calls, (local,))], 3, count, 50 * ROW)
    point(program, x, total)
    others = []
    for seed in range(callers):
        a, b = array(units, seed), np.zeros((units, COLUMNS), np.float32)
        other = Program([scale_band(codes, units)], 2, count)
        point(other, a, b)
        others.append((other, a, b))

    def run(other, a, b):
        for _ in range(runs):
            program.run()
            b[:] = 0
            other.run()
            if not np.array_equal(b, 2 * a):
                wrong.append(b)

    wrong = []
    callers_threads = [threading.Thread(target=run, args=other) for other in others]
    for thread in callers_threads:
        thread.start()
    for thread in callers_threads:
        thread.join()
    assert not wrong
    assert (total == runs * callers).all()


@pytest.mark.parametrize("count", [1, 2])
def test_a_profile_has_the_time_of_each_call(codes, count):
    units = 20_000
    x, y = array(units), np.zeros((units, COLUMNS), np.float32)
    call = Call(codes["scale"]["scale"], (0, 0, 1, 0, 2), 1)
    program = Program([Band(units, 64, (call, call)), Band(0, 1, (call,), barrier=True)], 2, count)
    point(program, x, y)
    first, second = program.run_profiled()
    assert len(first.calls) == 2
    assert all(1_000 < spent < 10**10 for spent in first.calls)
    assert first.waited == 0
    assert second.calls == (0,)
    assert 0 <= second.waited < 10**10
    assert (second.waited > 0) == (count > 1)
    np.testing.assert_array_equal(y, 2 * x)
    assert program.run_profiled()[0].calls != first.calls
    before = program._times.copy()
    program.run()
    np.testing.assert_array_equal(program._times, before)
    assert Program([], 0, 1).run_profiled() == []
    assert BandTime(1, (2,)) == BandTime(1, (2,))


def test_shares_are_as_even_as_possible():
    for units in (0, 1, 5, 12):
        for count in (1, 2, 5, 7):
            words = threads._words(Band(units, 1, ()), count)
            share, more = words[3], words[4]
            assert share * count + more == units
            assert 0 <= more < count


def test_an_interruption_leaves_the_workers_usable(codes):
    x, y = array(4000), np.zeros((4000, COLUMNS), np.float32)
    program = Program([scale_band(codes, 4000, barrier=True)] * 20, 2, 2)
    point(program, x, y)
    for _ in range(5):
        timer = threading.Timer(0.01, os.kill, (os.getpid(), signal.SIGINT))
        timer.start()
        with pytest.raises(KeyboardInterrupt):
            while True:
                program.run()
        timer.join()
        y[:] = 0
        program.run()
        np.testing.assert_array_equal(y, 2 * x)


def test_a_signal_handler_may_run_a_program(codes):
    x, y = array(4000), np.zeros((4000, COLUMNS), np.float32)
    program = Program([scale_band(codes, 4000)], 2, 2)
    point(program, x, y)
    handled = []

    def handle(*_):
        program.run()
        handled.append(True)

    before = signal.signal(signal.SIGALRM, handle)
    signal.setitimer(signal.ITIMER_REAL, 0.001, 0.001)
    try:
        while len(handled) < 20:
            program.run()
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)
    np.testing.assert_array_equal(y, 2 * x)


@pytest.mark.parametrize(
    "own, others, count",
    [
        ("3", "5", 3),
        ("", "5", 5),
        ("", "6,2", 6),
        ("", "all", None),
        ("", "", None),
        ("", "0", None),
    ],
)
def test_the_environment_chooses_the_number_of_threads(monkeypatch, own, others, count):
    monkeypatch.setenv("DESCEND_THREADS", own)
    monkeypatch.setenv("OMP_NUM_THREADS", others)
    chosen = threads.thread_count.__wrapped__()
    assert chosen == (count or native.available_cores())


@pytest.mark.parametrize("own", ["0", "many", "-1", "1000000"])
def test_a_wrong_number_of_threads_is_an_error(monkeypatch, own):
    monkeypatch.setenv("DESCEND_THREADS", own)
    with pytest.raises(ValueError, match=f"DESCEND_THREADS is '{own}', but must be a number"):
        threads.thread_count.__wrapped__()


# ------------------------------------------------------------------------------- other processes

PRELUDE = f"""
import os, sys, threading, time
import numpy as np
from descend.compile.machine import native
from descend.compile.run import threads
code = native.load({TEXTS["scale"]!r})
x = np.ones((1000, {COLUMNS}), np.float32)
y = np.zeros_like(x)
call = threads.Call(code["scale"], (0, 0, 1, 0, 2), 1)
band = threads.Band(1000, 10, (call,), barrier=True)
program = threads.Program([band] * 3, 2, 3)
program.table[:] = x.ctypes.data, y.ctypes.data
def check(program=program):
    y[:] = 0
    program.run()
    assert (y == 2).all()
"""


def run_process(text, **environment):
    done = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", PRELUDE + text],
        capture_output=True,
        text=True,
        timeout=60,
        env={**os.environ, **environment},
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


@pytest.mark.parametrize(
    "text",
    [
        "check()",  # workers awake
        "check(); time.sleep(0.02)",  # workers asleep
        # A daemon thread that never stops running programs.
        """
def forever():
    while True:
        program.run()
threading.Thread(target=forever, daemon=True).start()
time.sleep(0.05)
""",
        "check(); import atexit; atexit._run_exitfuncs(); check()",
        "pass",  # no workers at all
    ],
)
def test_a_process_ends(text):
    run_process(text + "\nprint('done')")


def test_a_program_runs_in_a_handler_after_the_workers_ended():
    early = "import atexit; atexit.register(lambda: check() or print('ran'))\n"
    done = subprocess.run(
        [sys.executable, "-c", early + PRELUDE + "check()"],
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert (done.returncode, done.stdout) == (0, "ran\n"), done.stderr


@pytest.mark.skipif(not hasattr(os, "fork"), reason="no fork")
def test_a_forked_process_starts_workers_of_its_own():
    run_process("""
alone = threads.Program([band], 2, 1)
alone.table[:] = x.ctypes.data, y.ctypes.data
check()
def forever(program):
    while True:
        program.run()
for p in (program, alone):  # so that a fork finds them in the middle of a run
    threading.Thread(target=forever, args=(p,), daemon=True).start()
for _ in range(10):
    child = os.fork()
    if child == 0:
        check()
        check(alone)
        check()
        os._exit(7 if len(threads._pool.workers) == 2 else 1)
    _, status = os.waitpid(child, 0)
    assert os.waitstatus_to_exitcode(status) == 7, status
""")


def test_a_process_that_starts_by_fork_inside_multiprocessing_ends():
    output = run_process("""
import multiprocessing
check()
context = multiprocessing.get_context("fork")
children = [context.Process(target=check) for _ in range(3)]
for child in children:
    child.start()
for child in children:
    child.join()
print([child.exitcode for child in children])
check()
""")
    assert output == "[0, 0, 0]\n"

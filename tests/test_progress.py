from __future__ import annotations

import io
import itertools
import re
import subprocess
import sys
import threading

import pytest

from harness.errors import UsageError
from harness.progress import LOG_LONGEST, Progress, duration


class Clock:
    """A clock that the test moves."""

    def __init__(self) -> None:
        self.now = 100.0

    def __call__(self) -> float:
        return self.now


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


@pytest.fixture(autouse=True)
def capable_terminal(monkeypatch) -> None:
    monkeypatch.setenv("TERM", "xterm")
    monkeypatch.setenv("COLUMNS", "120")


def test_a_log_gets_lines_at_growing_intervals_and_a_last_one() -> None:
    clock, stream = Clock(), io.StringIO()
    times = []
    with Progress(1000, "grading", stream=stream, clock=clock) as progress:
        for unit in range(1000):
            clock.now += 1.0
            before = stream.tell()
            progress.done(1, f"unit {unit}", "pass")
            if stream.tell() != before:
                times.append(clock.now)
    gaps = [after - before for before, after in itertools.pairwise(times)]
    assert times[0] == 105.0
    assert gaps == sorted(gaps)
    assert max(gaps) == LOG_LONGEST
    lines = stream.getvalue().splitlines()
    assert len(lines) == len(times) + 1
    assert lines[0] == "grading: 0 %, 5 done, time left unknown  unit 4 pass"
    assert lines[-1] == "grading: 1000 done in 16 min 40 s"
    assert "\x1b" not in stream.getvalue()


def test_a_short_job_says_only_how_it_ended() -> None:
    clock, stream = Clock(), io.StringIO()
    with Progress(2, "grading", stream=stream, clock=clock) as progress:
        progress.done(1, "a", "pass")
        progress.done(1, "b", "fail")
    assert stream.getvalue() == "grading: 2 done, 1 not passed in 0 s\n"


def test_what_is_judged_later_is_counted_then() -> None:
    stream = io.StringIO()
    with Progress(2, "grading", stream=stream, clock=Clock()) as progress:
        progress.done(1, "a", "fail")
        progress.done(1, "b: 97.50 %")
        progress.judged_bad(1)
    assert stream.getvalue() == "grading: 2 done, 2 not passed in 0 s\n"


def test_time_left_goes_by_weight() -> None:
    clock = Clock()
    with Progress(101, stream=io.StringIO(), clock=clock) as progress:
        assert progress.seconds_left() is None
        clock.now += 10.0
        progress.done(1, "a check")
        assert progress.seconds_left() is None  # 1 % of the work: too little to go by
        progress.done(50, "a run")
        assert progress.seconds_left() == pytest.approx(10.0 * 50 / 51)
        progress.done(50, "a run")
        assert progress.seconds_left() == 0.0


def test_what_came_from_the_store_does_not_flatter_the_time_left() -> None:
    clock = Clock()
    with Progress(100, stream=io.StringIO(), clock=clock) as progress:
        for _ in range(50):
            progress.done(1, "restored", cached=True)
        clock.now += 10.0
        progress.done(10, "worked for")
        assert progress.seconds_left() == pytest.approx(40.0)


def test_work_that_turns_up_is_added() -> None:
    clock = Clock()
    with Progress(10, stream=io.StringIO(), clock=clock) as progress:
        clock.now += 10.0
        progress.done(10)
        progress.add(5)
        assert progress.seconds_left() == pytest.approx(5.0)


def test_a_terminal_gets_a_bar_that_is_wiped_and_then_a_line() -> None:
    stream = Terminal()
    with Progress(2, "grading", stream=stream) as progress:
        progress.done(1, "alice", "pass")
        progress.done(1, "bob", "pass")
    shown = stream.getvalue()
    assert "\x1b[" in shown
    assert "100%" in shown
    assert "[progress" not in shown  # no markup of the library's own is left unread
    assert "bob pass" in shown
    assert re.search(r"grading: 2 done in \d+ s\n$", shown)


@pytest.mark.parametrize("stream", [Terminal(), io.StringIO()])
def test_hostile_labels_print_as_text(stream) -> None:
    clock = Clock()
    with Progress(2, "grading", stream=stream, clock=clock) as progress:
        clock.now += 100.0
        progress.done(1, "\x1b]0;owned\x07[bold red]x[/]\r\nforged: 100 %", "pass")
    shown = stream.getvalue()
    assert "\x1b]0" not in shown
    assert "\x07" not in shown
    assert "\nforged" not in shown
    assert "[bold red]x[/]" in shown


def test_quiet_shows_nothing() -> None:
    stream = Terminal()
    with Progress(2, stream=stream, quiet=True) as progress:
        progress.done(1, "alice", "fail")
    assert stream.getvalue() == ""


def test_an_interruption_is_said() -> None:
    stream = io.StringIO()

    def interrupted() -> None:
        with Progress(2, "grading", stream=stream, clock=Clock()) as progress:
            progress.done(1)
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        interrupted()
    assert stream.getvalue() == "grading: stopped after 0 s, 1 done\n"


def test_a_reader_that_left_does_not_stop_the_work() -> None:
    clock, stream = Clock(), io.StringIO()
    with Progress(2, stream=stream, clock=clock) as progress:
        stream.close()
        clock.now += 100.0
        progress.done(1)
        progress.done(1)


def test_threads_may_share_it() -> None:
    stream = io.StringIO()
    with Progress(4000, stream=stream, clock=Clock()) as progress:
        threads = [threading.Thread(target=lambda: [progress.done(1) for _ in range(1000)]) for _ in range(4)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    assert stream.getvalue().startswith("working: 4000 done")


@pytest.mark.parametrize("total", [-1, float("nan")])
def test_a_total_that_is_none_is_refused(total) -> None:
    with pytest.raises(UsageError, match="expected a total of 0 or more"):
        Progress(total)


def test_nothing_to_do_is_fine() -> None:
    stream = io.StringIO()
    with Progress(0, stream=stream) as progress:
        assert progress.seconds_left() == 0.0
    assert stream.getvalue() == ""


@pytest.mark.parametrize(
    ("seconds", "said"),
    [
        (0, "0 s"),
        (59.4, "59 s"),
        (59.6, "1 min 00 s"),
        (185, "3 min 05 s"),
        (7800, "2 h 10 min"),
        (-1, "0 s"),
    ],
)
def test_durations(seconds, said) -> None:
    assert duration(seconds) == said


def test_a_log_does_not_load_rich() -> None:
    code = (
        "import io, sys; from harness.progress import Progress\n"
        "with Progress(1, stream=io.StringIO()) as p: p.done(1)\n"
        "assert 'rich' not in sys.modules"
    )
    subprocess.run([sys.executable, "-c", code], check=True, timeout=60)

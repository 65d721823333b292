"""A grading that is killed, interrupted or out of time goes on from where it was, to the same record."""

import os
import random
import signal
import sqlite3
import subprocess
import time

import psutil
import pytest

from tests.grading.conftest import Grader, write_class

GIVE_UP = 300.0  # seconds after which something hangs, however busy the machine is


def outcomes(path):
    """The labels of the stored units, and how often a finished one was run again."""
    if not path.exists():
        return [], 0
    try:
        with sqlite3.connect(f"file:{path}?mode=ro", uri=True) as connection:
            rows = connection.execute("SELECT label, repeats FROM outcomes").fetchall()
    except sqlite3.OperationalError:  # the tables are just being made
        return [], 0
    finally:
        if "connection" in locals():
            connection.close()
    return sorted(label for label, _ in rows), sum(repeats for _, repeats in rows)


def wait_for(condition):
    deadline = time.monotonic() + GIVE_UP
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.01)


def kill_at_random(backcheck, rng, *arguments):
    """Start a grading, kill it somewhere after the next stored unit or two, and see it leave nothing."""
    already = len(outcomes(backcheck.store)[0])
    process = backcheck.start(*arguments)
    wanted = already + rng.choice((0, 0, 1, 2))
    wait_for(lambda: process.poll() is not None or len(outcomes(backcheck.store)[0]) >= wanted)
    time.sleep(rng.uniform(0, 1.5))
    family = [] if process.poll() is not None else psutil.Process(process.pid).children(recursive=True)
    process.kill()
    process.wait()
    _, alive = psutil.wait_procs(family, timeout=GIVE_UP)
    assert not alive
    process.communicate()  # ends once nobody holds its pipes any more
    wait_for(lambda: not list(backcheck.temporary.glob("backcheck-*")))
    return process.returncode == -signal.SIGKILL


@pytest.fixture(scope="module")
def undisturbed(tmp_path_factory):
    """The record of the small class with seed 5, and the labels of its units, when nothing happens."""
    folder = tmp_path_factory.mktemp("undisturbed")
    write_class(folder / "submissions")
    grader = Grader(folder)
    grader.run("--seed", 5)
    return grader.record(), outcomes(grader.store)[0]


def killed_and_resumed(backcheck, kills, undisturbed):
    rng = random.Random(20)
    record, expected = undisturbed
    killed = 0
    while killed < kills:
        killed += kill_at_random(backcheck, rng, "--seed", 5)
        if (backcheck.folder / "record.json").exists():  # whole, or not there
            assert backcheck.record() == record
            (backcheck.folder / "record.json").unlink()
            backcheck.store.rename(backcheck.folder / f"finished-{killed}.sqlite")
    backcheck.run("--seed", 5)
    assert backcheck.record() == record
    for store in (backcheck.store, *backcheck.folder.glob("finished-*.sqlite")):
        labels, repeats = outcomes(store)
        assert labels == expected
        assert repeats == 0


def test_killed_a_few_times_it_ends_with_the_same_record(small_class, backcheck, undisturbed):
    killed_and_resumed(backcheck, 5, undisturbed)


@pytest.mark.slow
def test_killed_fifty_times_it_ends_with_the_same_record(small_class, backcheck, undisturbed):
    killed_and_resumed(backcheck, 50, undisturbed)


def test_an_unchanged_class_is_read_from_the_store_and_a_changed_submission_is_run(small_class, backcheck):
    backcheck.run()
    first, labels = backcheck.record(), outcomes(backcheck.store)[0]
    backcheck.run(json="again.json")
    assert backcheck.record("again.json") == first  # with the seed, which nobody named
    assert outcomes(backcheck.store) == (labels, 0)
    with (small_class / "kim.py").open("a") as file:
        file.write("# changed\n")
    backcheck.run(json="changed.json")
    later = outcomes(backcheck.store)[0]
    assert [label for label in later if labels.count(label) != later.count(label)]
    assert {label.split()[0] for label in later if labels.count(label) != later.count(label)} == {"kim"}


def test_two_graders_of_one_class_run_each_unit_once(small_class, backcheck, undisturbed):
    graders = [backcheck.start("--seed", 5, json=f"{number}.json") for number in range(2)]
    for grader in graders:
        _, err = grader.communicate()
        assert grader.returncode == 0, err
    assert backcheck.record("0.json") == backcheck.record("1.json") == undisturbed[0]
    assert outcomes(backcheck.store) == (undisturbed[1], 0)


def keys(path, table):
    """The keys in one of the store's tables, or none while there is no such table."""
    try:
        with sqlite3.connect(f"file:{path}?mode=ro", uri=True) as connection:
            return {row[0] for row in connection.execute(f"SELECT key FROM {table}")}
    except sqlite3.OperationalError:
        return set()
    finally:
        if "connection" in locals():
            connection.close()


def press_ctrl_c(process):
    os.killpg(process.pid, signal.SIGINT)  # the workers get it too


def test_interrupted_once_it_finishes_what_is_running_and_says_what_is_kept(
    small_class, backcheck, undisturbed
):
    process = backcheck.start("--seed", 5)
    wait_for(lambda: process.poll() is not None or keys(backcheck.store, "outcomes"))
    family = psutil.Process(process.pid).children(recursive=True)
    begun = keys(backcheck.store, "claims")
    press_ctrl_c(process)
    _, err = process.communicate(timeout=GIVE_UP)
    assert process.returncode == 130
    assert "finishing what is running" in err
    assert "what was finished is kept in .backcheck/store.sqlite: run the same command again to go on" in err
    assert not psutil.wait_procs(family, timeout=GIVE_UP)[1]
    assert not (backcheck.folder / "record.json").exists()
    assert begun <= keys(backcheck.store, "outcomes")
    assert keys(backcheck.store, "claims") == set()
    backcheck.run("--seed", 5)
    assert backcheck.record() == undisturbed[0]
    assert outcomes(backcheck.store) == (undisturbed[1], 0)


def test_interrupted_twice_it_stops_at_once(small_class, backcheck):
    sleeper = "import time\n\n\ndef build(layer_sizes, activation, seed):\n    time.sleep(1e9)\n"
    (small_class / "ada.py").write_text(sleeper)
    process = backcheck.start("--seed", 5)
    wait_for(lambda: process.poll() is not None or keys(backcheck.store, "claims"))
    family = psutil.Process(process.pid).children(recursive=True)
    press_ctrl_c(process)
    with pytest.raises(subprocess.TimeoutExpired):  # ada sleeps
        process.wait(timeout=1.0)
    press_ctrl_c(process)
    _, err = process.communicate(timeout=GIVE_UP)
    assert process.returncode == 130
    assert "is kept in" in err
    assert not psutil.wait_procs(family, timeout=GIVE_UP)[1]
    assert not list(backcheck.temporary.glob("backcheck-*"))
    assert keys(backcheck.store, "claims") == set()


def test_killed_with_all_its_workers_its_folder_is_removed_by_the_next(small_class, backcheck, undisturbed):
    process = backcheck.start("--seed", 5)
    wait_for(lambda: process.poll() is not None or list(backcheck.temporary.glob("backcheck-grading-*/*")))
    family = psutil.Process(process.pid).children(recursive=True)
    os.killpg(process.pid, signal.SIGKILL)  # nobody is left who could remove it
    process.communicate()
    assert process.returncode == -signal.SIGKILL
    assert not psutil.wait_procs(family, timeout=GIVE_UP)[1]
    assert list(backcheck.temporary.glob("backcheck-grading-*"))
    backcheck.run("--seed", 5)
    assert not list(backcheck.temporary.glob("backcheck-*"))
    assert backcheck.record() == undisturbed[0]
    assert outcomes(backcheck.store) == (undisturbed[1], 0)


@pytest.mark.parametrize("presses", [1, 2])
def test_killed_while_it_answers_ctrl_c_it_can_still_go_on(small_class, backcheck, undisturbed, presses):
    for wait in (0.0, 0.02):
        process = backcheck.start("--seed", 5)
        wait_for(lambda process=process: process.poll() is not None or keys(backcheck.store, "claims"))
        family = psutil.Process(process.pid).children(recursive=True)
        for _ in range(presses):
            press_ctrl_c(process)
        time.sleep(wait)
        process.kill()
        process.communicate()
        assert not psutil.wait_procs(family, timeout=GIVE_UP)[1]
    backcheck.run("--seed", 5)
    assert not list(backcheck.temporary.glob("backcheck-*"))
    assert backcheck.record() == undisturbed[0]
    assert outcomes(backcheck.store) == (undisturbed[1], 0)


def test_without_a_store_nothing_is_kept(small_class, backcheck):
    backcheck.run("--no-store", "--profile", "quick")
    assert not (backcheck.folder / ".backcheck").exists()


def test_a_spent_time_budget_skips_the_rest_and_resumes(small_class, backcheck, undisturbed):
    backcheck.run("--seed", 5, "--time-budget", "1e-9")
    spent = backcheck.record()
    for verdict in spent["submissions"]:
        assert verdict["score"] == 0
        assert {item["status"] for item in verdict["checks"] + verdict["experiments"]} == {"skipped"}
        assert "time budget of 1e-09 s was used up" in verdict["checks"][0]["message"]
        assert verdict["max_score"] == pytest.approx(100)
    assert outcomes(backcheck.store) == ([], 0)
    backcheck.run("--seed", 5)
    assert backcheck.record() == undisturbed[0]

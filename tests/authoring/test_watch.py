"""Watching: a save starts a grading, and what changed since the last one is shown."""

import io
import threading
from dataclasses import replace

from harness.authoring.watch import changes, watch
from harness.errors import UsageError
from harness.records import CheckResult, Status, Verdict


def verdict(score, **statuses):
    checks = tuple(
        CheckResult(id=key, group="g", status=Status(status), message=f"{key} {status} message")
        for key, status in statuses.items()
    )
    return Verdict(
        name="alice",
        path="alice.py",
        part="scratch",
        score=score,
        max_score=10.0,
        checks=checks,
        experiments=(),
    )


def test_the_first_time_all_failures_are_shown():
    text = changes(None, verdict(4.0, forward="pass", loss="fail", fit="not_provided"))
    assert "4.0 of 10.0 points, 1 of 3 checks pass" in text
    assert "loss  FAIL  loss fail message" in text
    assert "fit  NOT_PROVIDED" in text
    assert "forward" not in text


def test_later_only_what_changed_is_shown():
    before = verdict(4.0, forward="pass", loss="fail", fit="not_provided", steps="fail")
    now = verdict(5.5, forward="error", loss="pass", fit="fail", steps="fail")
    text = changes(before, now)
    assert "(+1.5)" in text
    assert "mended  loss  PASS" in text
    assert "broken  forward  ERROR  forward error message" in text
    assert "changed fit  FAIL  fit fail message" in text
    assert "steps" not in text


def resting(verdict_, *keys):
    """The same verdict with these checks not tried, since they rest on `builds`."""
    return replace(verdict_, checks=tuple(
        replace(check, evidence={"rests_on": ["builds"]}) if check.id in keys else check
        for check in verdict_.checks
    ))  # fmt: skip


def test_what_was_not_tried_is_neither_passed_nor_failed():
    aside = CheckResult(id="x", group="g", status=Status.SKIPPED, evidence={"not_applicable": True})
    for left in ("skipped", "not_provided"):
        now = resting(verdict(0.0, builds="error", forward=left, loss=left), "forward", "loss")
        now = replace(now, checks=(*now.checks, aside))
        head, *lines = changes(None, now).splitlines()
        assert head.endswith("0.0 of 10.0 points, 0 of 3 checks pass, 2 not tried")
        assert lines == ["  builds  ERROR  builds error message"]
    assert "not tried" not in changes(None, verdict(4.0, forward="pass", loss="fail"))


def test_a_check_that_is_no_longer_tried_is_not_mended():
    failing = verdict(2.0, builds="pass", forward="fail", loss="pass")
    unloaded = resting(verdict(0.0, builds="error", forward="skipped", loss="skipped"), "forward", "loss")
    _, *lines = changes(failing, unloaded).splitlines()
    assert lines == ["  broken  builds  ERROR  builds error message"]
    _, *lines = changes(unloaded, failing).splitlines()
    assert lines == ["  mended  builds  PASS", "  found   forward  FAIL  forward fail message"]
    skipped = verdict(2.0, builds="pass", forward="skipped", loss="pass")
    assert "no check changed" not in changes(failing, skipped)
    assert "no check changed; none fails" in changes(skipped, skipped)


def test_no_change_is_said():
    same = verdict(4.0, forward="pass", loss="fail")
    assert "no check changed; 1 still fail" in changes(same, same)
    good = verdict(4.0, forward="pass")
    assert "no check changed; all pass" in changes(good, good)


def test_messages_do_not_act_on_the_terminal():
    hostile = Verdict(
        name="x",
        path="x",
        part="scratch",
        score=0.0,
        max_score=1.0,
        checks=(CheckResult(id="a\x1b[2J", group="g", status=Status.FAIL, message="m\x1b]0;t\x07\nnext"),),
        experiments=(),
    )
    text = changes(None, hostile)
    assert "\x1b" not in text
    assert "\x07" not in text
    assert len(text.splitlines()) == 2


def test_a_save_starts_the_next_grading(tmp_path):
    path = tmp_path / "alice.py"
    path.write_text("a = 1\n")
    answers = [verdict(1.0, loss="fail"), verdict(2.0, loss="pass")]
    out = io.StringIO()

    def regrade():
        if len(answers) == 2:
            threading.Timer(0.2, path.write_text, ["a = 2  # longer\n"]).start()
        return answers.pop(0)

    assert watch(path, regrade, stream=out, poll_seconds=0.02, rounds=2) == 0
    assert "mended  loss  PASS" in out.getvalue()


def test_a_save_during_a_grading_is_not_missed(tmp_path):
    path = tmp_path / "alice.py"
    path.write_text("a = 1\n")
    answers = [verdict(1.0, loss="fail"), verdict(1.0, loss="fail")]

    def regrade():
        if len(answers) == 2:
            path.write_text("a = 22222\n")
        return answers.pop(0)

    out = io.StringIO()
    assert watch(path, regrade, stream=out, poll_seconds=0.01, rounds=2) == 1
    assert answers == []
    assert out.getvalue().count("of 10.0 points") == 1  # the first verdict is of no version


def test_a_half_saved_file_is_said_and_waited_for(tmp_path):
    path = tmp_path / "alice.py"
    path.write_text("")
    out = io.StringIO()

    def regrade():
        raise UsageError("alice.py is gone")

    assert watch(path, regrade, stream=out, rounds=1) == 1
    assert "alice.py is gone" in out.getvalue()

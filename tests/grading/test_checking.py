"""One submission's checks: what rests on what is decided as they run."""

import pytest

from harness.checks.context import Failed, NotApplicable, RestsOn
from harness.checks.registry import Check
from harness.grading.checking import Checker, run_checks
from harness.records import Status
from harness.sandbox.backend import choose
from harness.submission import discover


def check(name, run, **more):
    given = {"group": "forward", "activation": None, "needs": (), "explained_by": (), "weight": 1.0, **more}
    return Check(name=name, run=run, **given)


def raising(error):
    def run(ctx):
        raise error

    return run


@pytest.fixture
def submission(tmp_path):
    (tmp_path / "empty.py").write_text("")
    return discover([tmp_path / "empty.py"])[0]


def results(submission, *listed):
    checker = Checker(submission, listed, seed=0, backend=choose(trust=False))
    found = {each.id: checker.result(each) for each in reversed(listed)}
    checker.close()
    return found


LATER = check("later", raising(RestsOn("root")))


@pytest.mark.parametrize(
    ("root", "status"), [(Failed("wrong"), Status.FAIL), (NotApplicable("no"), Status.SKIPPED)]
)
def test_a_check_that_finds_itself_resting_on_another_is_skipped_with_it(submission, root, status):
    found = results(submission, check("root", raising(root)), LATER)
    assert found["root"].status is status
    assert found["later"].status is Status.SKIPPED


@pytest.mark.parametrize(
    "listed", [(check("root", lambda ctx: {}), LATER), (LATER,)], ids=["passed", "absent"]
)
def test_where_that_other_has_nothing_to_say_it_fails_by_itself(submission, listed):
    found = results(submission, *listed)
    assert found["later"].status is Status.FAIL
    assert found["later"].message == "what root proves does not hold on this batch"


def test_a_submission_that_is_saved_meanwhile_is_not_blamed(submission):
    def build(ctx):
        ctx.session.build([3, 2], "tanh", 0)

    submission.path.write_text("x = 1\n")
    found = results(submission, check("first", build))["first"]
    assert found.status is Status.HARNESS_ERROR
    assert found.message == "empty.py was changed while it was graded: grade it again"


def test_a_fault_of_the_checks_own_is_the_harness_fault_and_ends_nothing(submission):
    found = results(
        submission, check("first", raising(ZeroDivisionError("here"))), check("next", lambda ctx: {})
    )
    assert found["first"].status is Status.HARNESS_ERROR
    assert "ZeroDivisionError: here" in found["first"].message
    assert "test_checking.py" in found["first"].detail
    assert found["next"].status is Status.PASS


def test_only_what_is_asked_for_is_returned_and_what_it_rests_on_is_run(submission):
    ran = []
    listed = [
        check(name, lambda ctx, name=name: ran.append(name), needs=needs)
        for name, needs in (("a", ()), ("b", ()), ("c", ("a",)))
    ]
    found, _ = run_checks(submission, listed, only={"c"}, seed=0, backend=choose(trust=False))
    assert [result.id for result in found] == ["c"]
    assert ran == ["a", "c"]

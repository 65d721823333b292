"""``pytest submissions/``: the plan that ``backcheck grade`` walks, as test items.

Nothing of a submission is imported by pytest: no conftest, no ini file, no test file inside a folder of
submissions is executed. A folder of submissions is one named ``submissions``, or by the ini option
``submissions_folders``.
"""

from __future__ import annotations

import gc
import json
import os
from collections.abc import Generator, Iterator, Sequence
from dataclasses import asdict
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from harness.errors import SubmissionChangedError

if TYPE_CHECKING:
    from harness.checks.registry import Check
    from harness.grading.checking import Checker
    from harness.grading.plan import Plan
    from harness.grading.units import Settings
    from harness.records import CheckResult, ExperimentResult
    from harness.spec import Experiment, Spec

PROPERTY = "backcheck"
STATE = pytest.StashKey["_Grading"]()
DEFAULT_FOLDERS = ["submissions"]


def pytest_addoption(parser: pytest.Parser) -> None:
    """Add the options of a grading."""
    group = parser.getgroup("backcheck", "grading of submissions")
    group.addoption(
        "--profile", choices=("quick", "standard", "full"), default="standard", help="what is graded"
    )
    group.addoption(
        "--experiments", metavar="GLOB", help="run these accuracy experiments instead of the profile's"
    )
    group.addoption("--grading-seed", type=int, metavar="N", help="fixes every draw of a grading")
    group.addoption("--rubric", metavar="FILE", help="points by a rubric of your own")
    group.addoption("--spec", metavar="FILE", help="another report's specification")
    group.addoption("--sandbox", choices=("bubblewrap", "landlock", "none"), help="which walls")
    group.addoption(
        "--trust-submissions", action="store_true", help="run without walls where none can be had"
    )
    parser.addini("submissions_folders", "names of folders that hold submissions", "args", DEFAULT_FOLDERS)


@pytest.hookimpl(tryfirst=True)
def pytest_load_initial_conftests(early_config: pytest.Config, args: list[str]) -> None:
    """Refuse what a submission could bring to be executed here, before pytest looks for it."""
    given = [str(a) for a in early_config.known_args_namespace.file_or_dir]
    inside = [a for a in given if _root_of(Path(a.split("::")[0]), early_config)]
    if not inside:
        return
    inipath = early_config.inipath
    if inipath is not None and _root_of(inipath.parent, early_config):
        raise pytest.UsageError(
            f"{inipath} belongs to a submission and would configure pytest; "
            f"name the project's own: pytest -c pyproject.toml {' '.join(given)}"
        )
    if len(inside) < len(given):
        raise pytest.UsageError("grade submissions and run other tests separately: they share no conftest.py")
    early_config.known_args_namespace.noconftest = True


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config: pytest.Config, log: Any) -> Any:
    """Keep the checks of a submission in one xdist worker: they share a process and what they rest on.

    An accuracy experiment shares nothing, so each goes wherever a worker is free.
    """
    if not _graded(config) or config.getoption("dist") != "load":
        return None
    from xdist.scheduler import LoadScopeScheduling

    class BySubmission(LoadScopeScheduling):  # type: ignore[misc]
        def _split_scope(self, nodeid: str) -> str:
            submission, _, name = nodeid.partition("::")
            return nodeid if name.startswith("accuracy[") else submission

    return BySubmission(config, log)


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_setupnodes(config: pytest.Config) -> None:
    """Keep xdist's workers from looking for modules in the current folder, which may be the class's."""
    if _graded(config):
        os.environ["PYTHONSAFEPATH"] = "1"


@pytest.hookimpl(optionalhook=True)
def pytest_configure_node(node: Any) -> None:
    """Give every xdist worker the same seed."""
    node.workerinput["backcheck_seed"] = _grading(node.config).settings.seed


def pytest_collect_directory(path: Path, parent: pytest.Collector) -> pytest.Collector | None:
    """Collect a folder of submissions by its names alone."""
    if path.name in parent.config.getini("submissions_folders"):
        node: pytest.Collector = SubmissionsFolder.from_parent(parent, path=path)
        return node
    return None


@pytest.hookimpl(wrapper=True)
def pytest_collection() -> Generator[None, object, object]:
    """Collect garbage again after the nodes of a class, which all stay: looking through them is wasted."""
    enabled = gc.isenabled()
    try:
        return (yield)
    finally:
        if enabled:
            gc.enable()


def pytest_sessionfinish(session: pytest.Session) -> None:
    """End the submissions' processes."""
    state = session.config.stash.get(STATE, None)
    if state is not None:
        state.close()


def pytest_runtest_logreport(report: pytest.TestReport) -> None:
    """Gather results; under xdist they arrive from the workers with the reports."""
    if report.when == "call" or (report.when == "setup" and not report.passed):
        for name, value in report.user_properties:
            if name == PROPERTY and isinstance(value, str):
                _RESULTS.append(json.loads(value))


def pytest_terminal_summary(terminalreporter: Any, config: pytest.Config) -> None:
    """Print the table of what was graded."""
    if not _RESULTS:
        return
    from harness.views import render, wants_color

    record = _grading(config).record(_RESULTS)
    terminalreporter.section("backcheck")
    width = terminalreporter._tw.fullwidth
    color = wants_color(terminalreporter._tw._file)
    terminalreporter.write_line(render(record, "table", width=width, color=color))


_RESULTS: list[dict[str, Any]] = []


class _Apart:
    """A node whose hooks are its parent's: by its own path, pytest would consult what a submission brings."""

    parent: Any

    @cached_property
    def ihook(self) -> Any:
        """The hooks of the folder above all submissions; asked for with every item of a class."""
        return self.parent.ihook


class SubmissionsFolder(_Apart, pytest.File):
    """A folder of submissions; no ``pytest.Directory``, since pytest loads the conftest file of each of
    those.
    """

    def collect(self) -> Iterator[pytest.Collector]:
        """Yield a node for each submission, found by names and manifests."""
        from harness.submission import discover

        gc.disable()  # until pytest_collection ends
        grading = _grading(self.config)
        for submission in discover([self.path]):
            node: SubmissionNode = SubmissionNode.from_parent(self, path=submission.path.absolute())
            node.plan = grading.plan(submission)
            yield node


class SubmissionNode(_Apart, pytest.File):
    """One submission: a file or a folder."""

    plan: Plan

    def collect(self) -> Iterator[pytest.Item]:
        """Yield an item for each check and each accuracy experiment of the plan."""
        for check in self.plan.checks:
            item: CheckItem = CheckItem.from_parent(self, name=check.id)
            item.plan, item.check = self.plan, check
            yield item
        for experiment in self.plan.experiments:
            run: ExperimentItem = ExperimentItem.from_parent(self, name=f"accuracy[{experiment.id}]")
            run.plan, run.experiment = self.plan, experiment
            yield run


class NotPassed(Exception):
    """A check that did not pass: carries the text to show."""


class _Item(_Apart, pytest.Item):
    plan: Plan

    def settle(self, kind: str, result: CheckResult | ExperimentResult, detail: str) -> None:
        """Record the result with the report, and fail or skip as it says."""
        from harness.records import Status

        plain = asdict(result)
        plain["evidence"] = {}
        facts = {"kind": kind, "path": str(self.plan.submission.path), "result": plain}
        self.user_properties.append((PROPERTY, json.dumps(facts)))
        if result.status in (Status.SKIPPED, Status.NOT_PROVIDED):
            pytest.skip(f"{result.status}: {result.message}")
        if result.status is not Status.PASS:
            raise NotPassed(f"{result.status}: {result.message}" + (f"\n\n{detail}" if detail else ""))

    def repr_failure(self, excinfo: pytest.ExceptionInfo[BaseException], style: Any = None) -> Any:
        """Show what is wrong with the submission, without a frame of the harness."""
        if isinstance(excinfo.value, NotPassed | SubmissionChangedError):
            return str(excinfo.value)
        return super().repr_failure(excinfo, style)

    def reportinfo(self) -> tuple[Path, int | None, str]:
        """Say where the item comes from."""
        return self.path, None, self.name


class CheckItem(_Item):
    """One check of one submission."""

    check: Check

    def runtest(self) -> None:
        """Run the check, and before it what it rests on."""
        from harness.grading.score import score_check

        result = _grading(self.config).checker(self.plan).result(self.check)
        result = score_check(result, self.plan.points[self.check.id])
        self.settle("check", result, result.detail)


class ExperimentItem(_Item):
    """One accuracy experiment of one submission, with its re-runs on fresh seeds."""

    experiment: Experiment

    def runtest(self) -> None:
        """Train until the runs decide."""
        result = _grading(self.config).experiment(self.plan, self.experiment)
        details = result.evidence.get("details", [])
        self.settle("experiment", result, "\n".join(details))


class _Grading:
    """What one pytest run shares: specification, settings, and an open checker for the submission at hand."""

    def __init__(self, config: pytest.Config) -> None:
        from harness.grading.command import fresh_seed
        from harness.grading.units import Settings
        from harness.sandbox.backend import choose
        from harness.spec import load_rubric, load_spec

        option = config.option
        self.profile: str = option.profile
        self.experiments: str | None = option.experiments
        self.spec: Spec = load_spec(option.spec)
        self.rubric = load_rubric(option.rubric)
        self.backend = choose(trust=option.trust_submissions, prefer=option.sandbox)
        given = getattr(config, "workerinput", {}).get("backcheck_seed", option.grading_seed)
        self.settings: Settings = Settings(
            seed=fresh_seed() if given is None else given,
            trust_submissions=option.trust_submissions,
            sandbox=option.sandbox,
        )
        self._checker: tuple[str, Checker] | None = None
        self._plans: dict[str, Plan] = {}

    def plan(self, submission: Any) -> Plan:
        """Plan one submission."""
        from harness.grading.plan import plan

        made = plan(
            submission,
            spec=self.spec,
            rubric=self.rubric,
            profile=self.profile,
            experiments=self.experiments,
        )
        self._plans[str(submission.path)] = made
        return made

    def checker(self, plan: Plan) -> Checker:
        """Return the submission's checker; one is open at a time, items come submission by submission."""
        from harness.grading.checking import Checker
        from harness.grading.units import draw

        name = plan.submission.name
        if self._checker is not None and self._checker[0] != name:
            self.close()
        if self._checker is None:
            seed = draw(self.settings.seed, "checks", name)
            checker = Checker(plan.submission, plan.checks, seed=seed, backend=self.backend)
            self._checker = (name, checker)
        return self._checker[1]

    def experiment(self, plan: Plan, experiment: Experiment) -> ExperimentResult:
        """Run one experiment until its runs decide."""
        from harness.grading.grade import run_until_decided

        return run_until_decided(plan, experiment, spec=self.spec, settings=self.settings)

    def record(self, results: Sequence[dict[str, Any]]) -> Any:
        """Make a record of the results that were gathered."""
        from harness.grading.environment import environment
        from harness.grading.score import verdict
        from harness.records import CheckResult, ExperimentResult, Record, Status

        verdicts = []
        for path in dict.fromkeys(entry["path"] for entry in results):
            mine = [entry for entry in results if entry["path"] == path]
            checks = [
                CheckResult(**{**e["result"], "status": Status(e["result"]["status"])})
                for e in mine
                if e["kind"] == "check"
            ]
            experiments = [
                ExperimentResult(
                    **{
                        **e["result"],
                        "status": Status(e["result"]["status"]),
                        "accuracies": tuple(e["result"]["accuracies"]),
                    }
                )
                for e in mine
                if e["kind"] == "experiment"
            ]
            verdicts.append(verdict(self._known(path), checks, experiments))
        return Record(
            submissions=tuple(verdicts),
            profile=self.profile,
            seed=self.settings.seed,
            environment=environment(self.backend.name),
        )

    def close(self) -> None:
        """End the open checker."""
        if self._checker is not None:
            self._checker[1].close()
            self._checker = None

    def _known(self, path: str) -> Plan:
        if path not in self._plans:
            # The controller of xdist collects nothing itself.
            from harness.submission import discover

            self.plan(discover([Path(path)])[0])
        return self._plans[path]


def _grading(config: pytest.Config) -> _Grading:
    if STATE not in config.stash:
        config.stash[STATE] = _Grading(config)
    return config.stash[STATE]


def _graded(config: pytest.Config) -> bool:
    return any(_root_of(Path(arg.split("::")[0]), config) for arg in config.args)


def _root_of(path: Path, config: pytest.Config) -> Path | None:
    """The folder of submissions that a path is or lies in."""
    folders = set(config.getini("submissions_folders"))
    absolute = path.absolute()
    # A project may itself lie in a folder of that name: what is above where pytest was started does not
    # count.
    above = set(config.invocation_params.dir.parents)
    candidates = (p for p in (absolute, *absolute.parents) if p not in above)
    return next((p for p in candidates if p.name in folders), None)

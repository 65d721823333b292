"""What was measured, as text and as plain data, and whether each target is reached."""

from __future__ import annotations

import fnmatch
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

from tests.corpus.loader import RightCase, WrongCase
from tests.validate import rates
from tests.validate.gradings import BASELINES, Grading
from tests.validate.rates import Rate

QUICK_SENSITIVITY = 0.97
RIGHT_GRADINGS = 1000
NAMED = 0.90
OWN_SECONDS = 3.0
REFERENCE_LIKE = "classes"  # a right case as fast as the NumPy reference


@dataclass(frozen=True, kw_only=True)
class Target:
    """One target: what it asks, what was measured, and whether it is reached (None: not measured)."""

    what: str
    measured: str
    reached: bool | None

    def __str__(self) -> str:
        word = {True: "reached", False: "MISSED", None: "not measured"}[self.reached]
        return f"{word:>12}  {self.what}: {self.measured}"


@dataclass(frozen=True, kw_only=True)
class Measured:
    """Both corpora with all gradings of them."""

    right: Mapping[str, RightCase]
    wrong: Mapping[str, WrongCase]
    gradings: Sequence[Grading]

    def of(self, corpus: Mapping[str, Any], profile: str) -> list[Grading]:
        """The gradings of one corpus under one profile, in the corpus's order."""
        order = {name: number for number, name in enumerate(corpus)}
        found = [g for g in self.gradings if g.case in corpus and g.profile == profile]
        return sorted(found, key=lambda g: (order[g.case], g.seed))

    def caught(self, profile: str) -> dict[str, bool]:
        """Whether each wrong case was caught in every grading under a profile, or in ``quick`` before it."""
        bases = {case.source: case.id for case in self.right.values() if not case.edits}
        first = {g.case: g for g in reversed(self.of(self.right, "quick"))}
        outcomes: dict[str, bool] = {}
        for grading in self.of(self.wrong, profile):
            base = first.get(bases.get(self.wrong[grading.case].source, ""))
            found = rates.caught(grading, base)
            outcomes[grading.case] = outcomes.get(grading.case, True) and found
        return outcomes

    def missed_by_quick(self) -> list[WrongCase]:
        """The wrong cases that ``quick`` lets pass and that are not listed as invisible."""
        return [
            self.wrong[name]
            for name, found in self.caught("quick").items()
            if not found and self.wrong[name].profile != "invisible"
        ]


def targets(measured: Measured) -> list[Target]:
    """Every target with what was measured."""
    quick, standard = measured.caught("quick"), measured.caught("standard")
    visible = {
        n: quick[n] or standard.get(n, False) for n in quick if measured.wrong[n].profile != "invisible"
    }
    quick_gradings = measured.of(measured.wrong, "quick")
    alarm, _ = rates.false_alarms(measured.of(measured.right, "quick"))
    found = [g for g in quick_gradings if quick[g.case]]
    named = rates.diagnoses(measured.wrong, found)
    of_all = Rate(count=named.right.count, total=len(found))
    own = own_seconds(measured)
    promises = rates.broken_promises(measured.wrong, quick_gradings)
    whole = len(quick) == len(measured.wrong)
    return [
        Target(
            what=f"quick catches at least {QUICK_SENSITIVITY:.0%} of the wrong corpus",
            measured=str(rates.rate(quick.values())),
            reached=rates.rate(quick.values()).share >= QUICK_SENSITIVITY if whole else None,
        ),
        Target(
            what="standard catches all that is not listed as invisible",
            measured=str(rates.rate(visible.values())),
            reached=all(visible.values()) if whole else None,
        ),
        Target(
            what=f"no false alarm in at least {RIGHT_GRADINGS:,} gradings of right submissions",
            measured=str(alarm),
            reached=False if alarm.count else (True if alarm.total >= RIGHT_GRADINGS else None),
        ),
        Target(
            what=f"the mistake is named rightly in at least {NAMED:.0%} of what quick catches",
            measured=str(of_all),
            reached=of_all.share >= NAMED if whole else None,
        ),
        Target(
            what="no mistake is called by another's name",
            measured=str(named.wrong),
            reached=named.wrong.count == 0 if found else None,
        ),
        Target(
            what="each entry's groups of checks fail and pass as it says",
            measured=f"{len(promises)} disagree",
            reached=not promises if found else None,
        ),
        Target(
            what=f"quick takes at most {OWN_SECONDS:g} s of the harness's own time",
            measured="no grading" if own is None else f"{own:.2f} s on {REFERENCE_LIKE}",
            reached=None if own is None else own <= OWN_SECONDS,
        ),
    ]


def own_seconds(measured: Measured) -> float | None:
    """The least time that ``quick`` took beside the submission's own, over gradings: others slow the rest."""
    times = [
        g.seconds - g.seconds_in_submission
        for g in measured.of(measured.right, "quick")
        if g.case == REFERENCE_LIKE
    ]
    return min(times, default=None)


def baseline_table(measured: Measured) -> list[tuple[str, Rate, Rate]]:
    """For each thing in use today: its name, the share of defects it catches, and its false alarms."""
    wrong, right = measured.of(measured.wrong, BASELINES), measured.of(measured.right, BASELINES)
    names = list(dict.fromkeys(check.id for grading in [*wrong, *right] for check in grading.checks))

    def blamed(gradings: Sequence[Grading], name: str) -> Rate:
        return rates.rate(c.status != "pass" for g in gradings for c in g.checks if c.id == name)

    return [(name, blamed(wrong, name), blamed(right, name)) for name in names]


def text(measured: Measured) -> str:
    """The whole report for people."""
    quick = measured.caught("quick")
    gradings = measured.of(measured.wrong, "quick")
    alarm, problems = rates.false_alarms(measured.of(measured.right, "quick"))
    named = rates.diagnoses(measured.wrong, [g for g in gradings if quick[g.case]])
    promises = rates.broken_promises(measured.wrong, gradings)
    lines = [
        "TARGETS",
        *map(str, targets(measured)),
        "",
        "SENSITIVITY of quick, by chapter (95 % exact intervals)",
    ]
    for key, name in ((lambda c: c.chapter, "chapter"), (lambda c: c.part, "part")):
        lines += [f"  {name} {k}: {v}" for k, v in rates.by_key(measured.wrong, quick, key).items()]
    lines += ["", "FALSE ALARMS", f"  {alarm}"]
    lines += [f"  {p.case} (seed {p.seed}): {p.what}" for p in problems]
    lines += ["", "NOT CAUGHT BY QUICK"]
    standard = measured.caught("standard")
    for name, found in quick.items():
        if not found:
            case = measured.wrong[name]
            by = "caught by standard" if standard.get(name) else f"listed as {case.profile}"
            lines.append(f"  {name}: {case.defect} ({by}: {case.reason or 'no reason is given'})")
    lines += [
        "",
        "DIAGNOSES",
        f"  rightly named, of those with a name: {named.right}",
        f"  wrongly named: {named.wrong}",
    ]
    lines += [f"  {p.case} (seed {p.seed}): {p.what}" for p in named.problems]
    lines += [f"  not named: {', '.join(named.silent)}"] if named.silent else []
    lines += ["", "ENTRIES AND CHECKS"] + [f"  {p.case} (seed {p.seed}): {p.what}" for p in promises]
    lines += ["", "WHAT IS USED TODAY, on the same corpora", "  caught of the wrong | blamed of the right"]
    lines += [f"  {name}: {wrong} | {right}" for name, wrong, right in baseline_table(measured)]
    kills = Counter[str]()
    for counts in rates.killers(gradings).values():
        kills.update(counts.keys())
    lines += ["", "WHICH CHECK CAUGHT HOW MANY"] + [f"  {n:4d}  {check}" for check, n in kills.most_common()]
    return "\n".join(lines) + "\n"


def data(measured: Measured) -> dict[str, Any]:
    """The same as plain data, for the README's figures."""
    gradings = measured.of(measured.wrong, "quick")
    return {
        "targets": [asdict(target) for target in targets(measured)],
        "caught": {"quick": measured.caught("quick"), "standard": measured.caught("standard")},
        "false_alarms": asdict(rates.false_alarms(measured.of(measured.right, "quick"))[0]),
        "baselines": {
            name: {"caught": asdict(wrong), "blamed": asdict(right)}
            for name, wrong, right in baseline_table(measured)
        },
        "killers": {name: dict(counts) for name, counts in rates.killers(gradings).items()},
        "declared_missing": {
            name: sorted(ids)
            for name, ids in rates.declared_missing(
                measured.right, measured.of(measured.right, "quick")
            ).items()
        },
    }


def matching(names: Sequence[str], pattern: str) -> list[str]:
    """The names that a glob selects."""
    return [name for name in names if fnmatch.fnmatch(name, pattern)]

"""``backcheck explain RECORD SUBMISSION CHECK``: runs one check again and shows its numbers."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from harness.grading.explain import Explanation

DIFFERS = 1


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the command's arguments."""
    add = parser.add_argument
    add("record", type=Path, metavar="RECORD", help="what `backcheck grade --json FILE` wrote")
    add("submission", metavar="SUBMISSION", help="its name, as in the record")
    add("check", metavar="CHECK", help="a check's id, as in 'gradients[tanh]', or an experiment's")
    add("--path", type=Path, metavar="PATH", help="where the submission is now (default: where it was)")
    add("--spec", type=Path, metavar="FILE", help="the specification that it was graded by")
    add("--runs", type=Path, metavar="FILE", help="the calibration runs of that specification")
    add("--sandbox", choices=("bubblewrap", "landlock", "none"), help="which walls (default: the best)")
    add("--trust-submissions", action="store_true", help="run without walls where none can be had")


def run(args: argparse.Namespace) -> int:
    """Run it again and show both; the exit status is 0 if it ends as it did, 1 if not."""
    from harness.grading.explain import Sources, explain
    from harness.spec import load_rubric, load_spec
    from harness.views.command import read_record

    sources = Sources(
        spec=load_spec(args.spec),
        rubric=load_rubric(),
        runs=args.runs,
        path=args.path,
        sandbox=args.sandbox,
        trust_submissions=args.trust_submissions,
    )
    explanation = explain(read_record(args.record), args.submission, args.check, sources)
    encoding = sys.stdout.encoding or "utf-8"
    print(render(explanation).encode(encoding, "backslashreplace").decode(encoding))
    return 0 if explanation.same_verdict else DIFFERS


def render(explanation: Explanation) -> str:
    """Return the explanation as text: what it proves, both outcomes, observed beside expected figures."""
    from tabulate import tabulate

    from harness.grading.figures import figures
    from harness.views.facts import LABELS
    from harness.views.text import visible

    recorded, again = explanation.recorded, explanation.again
    lines = [
        f"{visible(explanation.submission)}  {recorded.id}",
        f"  proves    {explanation.proves}",
        f"  draws     {explanation.draws}",
        f"  recorded  {LABELS[recorded.status]}  {visible(recorded.message)}".rstrip(),
        f"  again     {LABELS[again.status]}  {visible(again.message)}".rstrip(),
        "",
    ]
    rows = figures(recorded, again)
    if rows:
        table = [(row.name, row.recorded, row.observed, row.expected, row.tolerance) for row in rows]
        heads = ("figure", "recorded", "observed", "expected", "tolerance")
        text = tabulate(table, headers=heads, disable_numparse=True)
        lines += [f"  {visible(line)}" for line in text.splitlines()] + [""]
    detail = getattr(again, "detail", "")
    lines += [f"  {visible(line)}" for line in detail.splitlines()] + [""] * bool(detail)
    lines += [f"  not as it was: {visible(change)}" for change in explanation.changes]
    return "\n".join([*lines, f"  {_conclusion(explanation)}"])


def _conclusion(explanation: Explanation) -> str:
    if explanation.same_figures:
        return "This agrees with the record, to the last digit."
    why = "see above what is not as it was" if explanation.changes else "nothing else has changed"
    if explanation.same_verdict:
        return f"This agrees with the record's verdict; the figures differ ({why})."
    return f"This does NOT agree with the record ({why})."

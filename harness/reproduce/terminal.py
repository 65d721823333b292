"""What ``backcheck reproduce`` prints: the verdicts, what each rests on, and how to read them."""

from __future__ import annotations

import textwrap

from harness.reproduce import prose
from harness.reproduce.model import Reproduction
from harness.reproduce.words import (
    claim_counts,
    claim_digits,
    comparison,
    counted,
    interval,
    number,
    other_protocols,
    p_or_dash,
    qualification,
)
from harness.statistics import MIN_RUNS, ClaimVerdict

WIDTH = 98


def summary(found: Reproduction) -> str:
    """The accuracies and the claims as two tables for a terminal of 100 columns."""
    spec = found.spec
    head = "\n".join((spec.title, ", ".join(text for text in (spec.author, spec.date) if text)))
    parts = [head, _wrapped(_runs(found)), _accuracies(found), _wrapped(_reading(found))]
    if found.claims:
        parts += [_claims(found), _wrapped(f"{claim_counts(found)}. {_under(found)}")]
    if found.findings:
        titles = [f"  {finding.quirk.title}" for finding in found.findings]
        parts.append("\n".join(["Findings, with the evidence in what is written:", *titles]))
    if found.panels:
        parts.append(_wrapped(prose.figures(found)))
    return "\n\n".join(parts)


def _runs(found: Reproduction) -> str:
    """What the verdicts rest on; where that is nothing, how to come by it."""
    said = prose.provenance(found)
    if found.provenance is None:
        said += " Train the reference with --fresh, or name the file of its runs with --runs."
    return said


def _accuracies(found: Reproduction) -> str:
    from tabulate import tabulate

    rows = [
        [
            row.experiment.id,
            row.experiment.reported_text or "–",
            len(row.accuracies),
            number(row.mean),
            number(row.sd),
            interval(row.low, row.high),
            p_or_dash(row.p),
            row.verdict,
        ]
        for row in found.rows
    ]
    heads = ["experiment", "reported", "seeds", "mean", "sd", "interval", "p", "verdict"]
    align = ("left", "right", "right", "right", "right", "right", "right", "left")
    table: str = tabulate(rows, heads, tablefmt="simple", colalign=align, disable_numparse=True)
    return table


def _reading(found: Reproduction) -> str:
    """The verdicts counted, and what the columns of the accuracies are."""
    return (
        f"{counted(row.verdict for row in found.rows)}. Test accuracies of the reference in per cent. A "
        "figure in the interval, which allows for rounding, is consistent; one outside has a p under "
        f"{found.level:.2g} and is not reproduced. At least {MIN_RUNS} seeds are needed."
    )


def _claims(found: Reproduction) -> str:
    from tabulate import tabulate

    lines = [[judged.claim.id, judged.verdict, _claim(found, judged)] for judged in found.claims]
    table: str = tabulate(
        lines,
        ["claim", "verdict", ""],
        tablefmt="simple",
        maxcolwidths=[8, 16, 70],
        disable_numparse=True,
    )
    return table


def _under(found: Reproduction) -> str:
    """What stands under each claim, and how its verdict follows."""
    return f"Under each claim stands the comparison that decides it. {prose.claims(found)}"


def _claim(found: Reproduction, judged: ClaimVerdict) -> str:
    """A claim; under it the comparison that decides it, and what the verdict rests on."""
    alike = [part for part in judged.comparisons if part.verdict == judged.verdict]
    decisive = min(alike, key=lambda part: part.estimate if part.estimate is not None else float("inf"))
    lines = [judged.claim.text, comparison(decisive, claim_digits(judged), verdict=False)]
    caveat = found.caveats.get(judged.claim.id)
    if caveat is not None:
        qualified = f"{judged.verdict} {qualification(caveat)}. {other_protocols(judged, caveat)}"
        lines.append(f"{qualified[0].upper()}{qualified[1:]}")
    return "\n".join(lines)


def _wrapped(text: str) -> str:
    return textwrap.fill(text, WIDTH, break_long_words=False, break_on_hyphens=False)

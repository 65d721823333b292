"""What stands above and below the tables: how to read them, the same on the page and in Markdown."""

from __future__ import annotations

from harness.reproduce.model import Finding, Reproduction
from harness.reproduce.words import number
from harness.statistics import MIN_RUNS, ClaimVerdict
from harness.statistics.claims import CLAIM_ALPHA
from harness.statistics.judging import FRESH_SEEDS, SCREEN_ALPHA, VERDICT_ALPHA
from harness.statistics.ranges import SD_FLOOR

PROTOCOL = (
    "What was run, and who says so: the report itself, the course's handout, the author's notebook, or "
    "nobody, in which case the choice is ours."
)

RANGES = (
    "Grading has every network shuffle and start Glorot-uniform. An experiment that does not is graded by "
    "the candidate protocol that does both and is otherwise the same, where there is one. A submission whose "
    f"first run is in the range passes; outside it up to {FRESH_SEEDS} fresh seeds are run, and the verdict "
    f"rests on all of them. A right submission is re-run in at most {100 * SCREEN_ALPHA:g} % of gradings and "
    f'fails in under {100 * VERDICT_ALPHA:g} %. "Checks" is the number of accuracy checks in one grading, '
    'over which these errors are shared out; "caught" is the smallest shift of the accuracy, in points, that '
    'fails in 90 % of gradings; "left out" counts the reference\'s own runs that lie outside the range of '
    "the others, where there are enough of them."
)


def accuracies(found: Reproduction) -> str:
    """How to read the table of accuracies."""
    figures = sum(row.experiment.reported is not None for row in found.rows)
    return (
        "Each reported test accuracy beside what an independent implementation reaches with the same "
        "protocol and different seeds, in per cent. A figure is consistent if it can be one more draw from "
        "that distribution: it lies in the prediction interval, which allows for rounding and is wrong for "
        f"any of the reported figures ({figures}) with probability "
        f"{number(found.level * max(1, figures))}. p is the probability of a figure at least as far from "
        f"the mean; a figure is not reproduced where p is under {found.level:.2g}. At least {MIN_RUNS} seeds "
        "are needed for a verdict. The sd is as measured; intervals take no sd to be under "
        f"{SD_FLOOR:g} point."
    )


def claims(found: Reproduction) -> str:
    """How the verdicts on the claims follow from the differences."""
    kinds = {judged.claim.kind for judged in found.claims}
    parts = [
        "Experiments are compared seed by seed. A claim is reproduced if the lower bound of every difference "
        "is over the margin that was fixed beforehand, not reproduced if an upper bound is under it, "
        "contradicted if an upper bound is under zero, and otherwise undecided."
    ]
    if "overall" in kinds:
        parts.append("A claim about the whole is decided by the mean of its differences.")
    if "chance" in kinds:
        parts.append(
            "A claim of chance is reproduced if the whole interval is within the margin of that level, and "
            "contradicted if none of it is."
        )
    if "measured_on" in kinds:
        parts.append(
            "A figure said to be measured on one set is held against the accuracies on both: reproduced if "
            "it can come from that set alone, contradicted if from the other alone."
        )
    parts.append(
        f"All intervals of this section hold together with {100 * (1 - CLAIM_ALPHA):g} % confidence."
    )
    return " ".join(parts)


def figures(found: Reproduction) -> str:
    """What a panel is, and what it is not."""
    drawn = sum(bool(panel.curve or panel.confusion) for panel in found.panels)
    return (
        f"Of the report's {len(found.panels)} panels {drawn} are redrawn from our runs, to be laid beside "
        "the report's. A panel has no verdict of its own: the specification holds no values of the report's "
        "curves. The verdict under it is on the test accuracy that the report gives for its experiment."
    )


def claim_terms(judged: ClaimVerdict) -> str:
    """What a claim is about, in which unit, and the margin that it is held to."""
    claim = judged.claim
    if claim.kind == "measured_on":
        return "the reported accuracy, per cent"
    unit = " in the last epoch" if claim.metric == "train_loss" else ", per cent"
    return f"{claim.metric.replace('_', ' ')}{unit}; margin {claim.margin:g}"


def where(finding: Finding) -> str:
    """Where in the report a finding belongs."""
    panels = finding.quirk.panels
    figures = f", figure{'s' if len(panels) > 1 else ''} {', '.join(panels)}" if panels else ""
    return f"Section {finding.quirk.section}{figures}."


def missing(finding: Finding) -> str:
    """Which experiments have no runs for a finding; nothing where all have."""
    return f"No runs yet of {', '.join(finding.missing)}." if finding.missing else ""


def provenance(found: Reproduction) -> str:
    """How many runs there are, and from when."""
    made = found.provenance
    if made is None:
        return "No runs: nothing is shown as measured that was not."
    aside = f"; {made.left_aside} runs of other experiments left aside" if made.left_aside else ""
    return f"{made.runs:,} runs, finished between {made.first} and {made.last}{aside}."


def concerned(found: Reproduction, experiments: tuple[str, ...]) -> str:
    """The experiments that something is about: all, a whole group as ``scratch/*``, or their names."""
    every = found.spec.experiments
    if len(experiments) == len(every):
        return "all"
    names = []
    for id in experiments:
        group = [other for other in every if other.split("/")[0] == id.split("/")[0]]
        whole = len(group) > 1 and set(group) <= set(experiments)
        names.append(f"{id.split('/')[0]}/*" if whole else id)
    return ", ".join(dict.fromkeys(names))

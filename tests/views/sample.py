"""Records for the tests of the views: an ordinary class, and one whose every string is hostile."""

from __future__ import annotations

from dataclasses import replace

from harness.records import CheckResult, ExperimentResult, Record, Status, Verdict

GROUPS = ("contract", "forward", "loss", "gradients", "updates", "properties", "initialisation", "training")
SUMMED = "dW and db are 64.00 x the mean gradient in every layer, cosine 1.000: divide by the batch size."

# One string that is dangerous in each place it may end up in.
NASTY = (
    "\x1b[2J\x1b]0;owned\x07=HYPERLINK(\"http://evil.example\")\n"
    "<script>alert('x')</script><img src=x onerror=alert(1)> | `code` [link](http://evil.example) "
    "![pic](http://evil.example/p.png) @teacher \\input{/etc/passwd} $x^2_{1}$ %c & ~ "
    "\x00\x08\x85\u2028\u202e\ufffe\ud800 ]]> -- '' {{ 7*7 }} </pre></td></table> ```"
)  # fmt: skip


def check(identifier: str, status: Status = Status.PASS, **changes: object) -> CheckResult:
    group = identifier.partition("[")[0]
    made = CheckResult(
        id=identifier,
        group=group,
        status=status,
        message="" if status is Status.PASS else SUMMED,
        points=2.5 if status is Status.PASS else 0.0,
        max_points=2.5,
        seconds=0.25,
    )
    return replace(made, **changes)  # type: ignore[arg-type]


def experiment(identifier: str, status: Status = Status.PASS, **changes: object) -> ExperimentResult:
    made = ExperimentResult(
        id=identifier,
        reported=94.3,
        low=93.875,
        high=94.625,
        accuracies=(94.31, 94.5),
        status=status,
        points=4.0 if status is Status.PASS else 0.0,
        max_points=4.0,
        seconds=20.0,
    )
    return replace(made, **changes)  # type: ignore[arg-type]


def verdict(
    name: str,
    checks: tuple[CheckResult, ...] = (),
    experiments: tuple[ExperimentResult, ...] = (),
    **changes: object,
) -> Verdict:
    parts = (*checks, *experiments)
    made = Verdict(
        name=name,
        path=f"/srv/grader/submissions/{name}.py",
        part="scratch",
        score=sum(part.points for part in parts),
        max_score=sum(part.max_points for part in parts),
        checks=checks,
        experiments=experiments,
        seconds=33.5,
    )
    return replace(made, **changes)  # type: ignore[arg-type]


def tensors(scale: float, cosine: float = 1.0) -> list[dict[str, object]]:
    names = [f"{kind}{layer}" for layer in range(1, 5) for kind in ("W", "b")]
    return [{"tensor": each, "scale": scale, "cosine": cosine, "error": abs(scale - 1)} for each in names]


def alice() -> Verdict:
    """A gradient summed over the batch; the sigmoid network then learns too well."""
    checks = [check(f"{group}[{act}]") for group in GROUPS for act in ("sigmoid", "tanh", "relu")]
    checks = [
        replace(each, status=Status.FAIL, message=SUMMED, points=0.0, diagnosis="summed",
                detail="expected 0.25\nmeasured 16.0", evidence={"per_tensor": tensors(64.0), "seed": 41})
        if each.group == "gradients" else each
        for each in checks
    ]  # fmt: skip
    sigmoid = experiment(
        "scratch/sigmoid/lr=0.01", Status.FAIL, reported=62.0, low=48.125, high=62.375, accuracies=(97.5,),
        message="97.5 % is above the range: too good is out of range too",
        evidence={
            "history": {"loss": [1.5, 0.5, 0.25], "accuracy": [60.0, 90.0, 97.0]},
            "band": {"accuracy": {"low": [10.0, 20.0, 40.0], "high": [20.0, 50.0, 60.0]}},
            "confusion": [[10 if row == column else 1 for column in range(10)] for row in range(10)],
            "seeds": [41, 42],
        },
    )  # fmt: skip
    return verdict("alice", tuple(checks), (sigmoid, experiment("scratch/tanh/lr=0.01")))


def bob() -> Verdict:
    """Right in everything."""
    checks = tuple(check(f"{group}[{act}]") for group in GROUPS for act in ("sigmoid", "tanh", "relu"))
    experiments = (experiment("scratch/sigmoid/lr=0.01"), experiment("scratch/tanh/lr=0.01"))
    return verdict("bob", checks, experiments)


def carol() -> Verdict:
    """Every way in which a planned check can end."""
    checks = tuple(
        check(
            f"training[{status.value}]",
            status,
            message="" if status is Status.PASS else f"because {status.value}",
        )
        for status in Status
    )
    return verdict("carol", checks, (), notes=("cell 7 was skipped: it trains",), part="both")


def record(*submissions: Verdict) -> Record:
    return Record(
        submissions=submissions or (alice(), bob(), carol()),
        profile="standard",
        seed=20220801,
        environment={"python": "3.13.0", "host": "grader-7", "threads": 1},
    )


def nasty_record(text: str = NASTY) -> Record:
    """Every string that a submission controls is ``text``."""
    hostile = check(
        "gradients[tanh]", Status.ERROR, message=text, detail=f"Traceback\n{text}\n  last", diagnosis=None,
        evidence={"per_tensor": [{"tensor": text, "scale": 2.0, "cosine": 0.5, "error": 1.0}]},
    )  # fmt: skip
    run = experiment(
        "scratch/tanh/lr=0.01", Status.FAIL, message=text,
        evidence={"history": {"accuracy": [text, 3.0], "loss": text}, "confusion": [[text]], "band": text},
    )  # fmt: skip
    return record(verdict(text, (check("contract[build]"), hostile), (run,), notes=(text,), path=text), bob())

"""``backcheck inspect FILE``: what a file holds, what it seems to be, and a proposed manifest for it.

The file is read here and run in the sandbox only.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

from harness.errors import SandboxError, UsageError
from harness.submission import CLASS_MANIFEST, MANIFEST_NAME, Submission, discover

if TYPE_CHECKING:
    from harness.sandbox.backend import Backend

SHOWN = 12


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the command's arguments."""
    parser.add_argument(
        "path", type=Path, metavar="FILE", help="a submission: a file, a notebook or a folder"
    )
    parser.add_argument("--write", action="store_true", help="write the proposed manifest beside the file")
    parser.add_argument(
        "--propose", action="store_true", help="propose a manifest anew, whatever manifest is there"
    )
    parser.add_argument("--no-trial", action="store_true", help="only read: propose without running anything")
    parser.add_argument(
        "--sandbox", choices=("bubblewrap", "landlock", "none"), help="default: the strongest"
    )
    parser.add_argument(
        "--trust-submissions",
        action="store_true",
        help="allow running without a sandbox (your own code only)",
    )


def run(args: argparse.Namespace) -> int:
    """Look, try, print; the exit status is 0 when the submission can be graded as proposed, else 1."""
    found = discover([args.path])
    if len(found) != 1:
        raise UsageError(f"{args.path} should be one submission, found {len(found)}")
    submission = found[0]
    for line in _lines(submission, args):
        print(line)
    return 0 if args.gradable else 1


def _lines(submission: Submission, args: argparse.Namespace) -> Iterator[str]:
    from harness.authoring.anatomy import dissect
    from harness.views.text import line, name

    args.gradable = False
    yield f"{name(str(args.path))}: {submission.part} part"
    if submission.problem:
        yield f"It cannot be graded: {line(submission.problem)}"
        if not submission.entry.is_file():
            return
    try:
        anatomy = dissect(submission.entry)
    except Exception as error:  # a notebook that is none; the words are the reader's
        yield f"It cannot be read: {line(str(error))}"
        return
    yield from map(line, _found(anatomy))
    existing = _existing(submission)
    if existing is not None and not args.propose and not args.write:
        yield from _tried_as_it_is(submission, anatomy, existing, args)
        return
    trial = _trial(submission, anatomy, args)
    if trial is None:
        yield from _by_hand(submission, anatomy)
        return
    yield ""
    yield f"It seems to be {line(trial.kind)}."
    yield from _proposal(submission, trial.manifest, args)
    yield from _outcome(trial)
    args.gradable = trial.stage in ("done", "fit")


def _outcome(trial: Any) -> Iterator[str]:
    from harness.views.text import line

    if trial.said:
        network = "-".join(map(str, trial.sizes))
        yield f"Tried in the sandbox on a {network} network:"
        yield from (f"  {line(said)}" for said in trial.said)
        yield f"Checks that could run: {', '.join(_groups(trial.stage, trial.said))}"
    for note in (*_cautions(trial.manifest), *trial.notes[:SHOWN]):
        yield f"  note: {line(note)}"


def _existing(submission: Submission) -> Path | None:
    """The manifest that was found with a submission, if it says more than which part it belongs to."""
    folder = submission.path.parent
    found = [path for path in (_manifest_path(submission), folder / CLASS_MANIFEST) if path.is_file()]
    return found[0] if found and submission.manifest.to_json().keys() - {"part"} else None


def _tried_as_it_is(
    submission: Submission, anatomy: Any, manifest: Path, args: argparse.Namespace
) -> Iterator[str]:
    """What works under the manifest that is there."""
    from harness.authoring.search import try_existing
    from harness.views.text import line

    yield ""
    yield f"It has a manifest, {line(manifest.name)}; `--propose` looks for another one."
    backend = None if submission.problem is not None else _backend(args)
    if backend is None:
        yield "It was read, not tried."
        return
    trial = try_existing(submission, anatomy, backend)
    yield from _outcome(trial)
    args.gradable = trial.stage in ("done", "fit")


def _backend(args: argparse.Namespace) -> Backend | None:
    """The walls to try it in, or None where nothing is to be run, or cannot."""
    from harness.sandbox.backend import choose

    if args.no_trial:
        return None
    try:
        return choose(trust=args.trust_submissions, prefer=args.sandbox)
    except SandboxError as error:
        print(f"nothing is run: {error}", file=sys.stderr)
        return None


def _trial(submission: Submission, anatomy: Any, args: argparse.Namespace) -> Any:
    """The best manifest after trying, or the likeliest one untried."""
    from harness.authoring.hints import forms
    from harness.authoring.proposal import guesses
    from harness.authoring.search import best_manifest
    from harness.authoring.trial import Trial

    backend = None if submission.problem is not None else _backend(args)
    if backend is not None:
        return best_manifest(submission, anatomy, backend)
    guess = next(guesses(anatomy), None)
    if guess is None:
        return None
    manifest = {**guess.keys, **(forms(anatomy)[0].keys() if guess.free else {})}
    if guess.functions:
        manifest["functions"] = guess.functions
    return Trial(manifest=manifest, kind=f"{guess.kind} (read only, not tried)", stage="untried")


def _cautions(manifest: dict[str, Any]) -> Iterator[str]:
    """What a manifest that fits may hide."""
    if manifest.get("one_example"):
        yield (
            "its functions are given one example at a time; if they are meant for whole batches, take "
            "one_example out: mistakes in averaging over a batch would not be seen"
        )
    if str(manifest.get("constructor", "")).startswith("MLPClassifier("):
        yield "this makes scikit-learn's own classifier: name the function that makes yours, if there is one"


def _found(anatomy: Any) -> Iterator[str]:
    where = f"{anatomy.cells} code cells" if anatomy.cells else "a Python file"
    yield f"{where}, {anatomy.lines} lines of code"
    if anatomy.problem:
        yield f"  {anatomy.problem}"
    if anatomy.frameworks:
        yield f"  uses {', '.join(anatomy.frameworks)}"
    for cls in anatomy.classes[:SHOWN]:
        methods = ", ".join(method.name for method in cls.methods if method.name != "__init__")
        init = cls.method("__init__")
        yield f"  class {cls.name}({', '.join(init.parameters) if init else ''}): {methods}"
    for function in anatomy.functions[:SHOWN]:
        yield f"  function {function.name}({', '.join(function.parameters)})"
    for left in anatomy.left_out[:SHOWN]:
        yield f"  not run when loaded: {left}"


def _by_hand(submission: Submission, anatomy: Any) -> Iterator[str]:
    """How to go on where nothing is proposed: a manifest to fill in, and where it is explained."""
    from harness.authoring.skeleton import finds_names, skeleton
    from harness.views.text import line

    name = _manifest_path(submission).name
    yield ""
    yield "No manifest is proposed: its names are not the usual ones. That says nothing against the program;"
    yield "most shapes need 5 to 10 lines written by hand."
    if finds_names(anatomy):
        yield "Here is a start, with the names that were found."
        yield f"Put it into {line(name)}, replace each `...`, take off the `#` where a line applies, and run"
    else:
        yield "Here is the form alone, with names as examples: which of yours are meant could not be told."
        yield f"Put it into {line(name)} with your names, take off the `#` where a line applies, and run"
    yield "`backcheck inspect` again: it then tries your manifest, and says what works. The keys and examples"
    yield 'are in docs/submissions.md ("The keys", "Snippets", "Examples").'
    yield ""
    yield from (f"  {line(row)}" for row in skeleton(anatomy))
    yield ""
    yield "What no manifest describes needs an adapter file (adapter = 'bridge.py'; \"Adapter files\")."


def _manifest_path(submission: Submission) -> Path:
    folder = submission.folder
    return folder / MANIFEST_NAME if folder else submission.entry.with_suffix(".toml")


def _proposal(submission: Submission, manifest: dict[str, Any], args: argparse.Namespace) -> Iterator[str]:
    if not manifest:
        yield "It needs no manifest."
        return
    text = to_toml(manifest)
    path = _manifest_path(submission)
    if not args.write:
        yield f"Proposed manifest ({len(text.splitlines())} lines; --write puts it into {path.name}):"
    else:
        try:
            with path.open("x", encoding="utf-8") as file:
                file.write(text)
        except FileExistsError:
            raise UsageError(f"{path} is there already: remove it first, or do without --write") from None
        yield f"Written to {path}:"
    yield from (f"  {row}" for row in text.splitlines())


def _groups(stage: str, said: tuple[str, ...]) -> list[str]:
    if stage == "build":
        return ["none yet"]
    groups = ["contract"]
    if any("forward pass" in words for words in said):
        groups += ["forward"]
    if any("gradients" in words and not words.startswith("gradients:") for words in said):
        groups += ["loss", "gradients", "properties"]
    if any(words.startswith("fit takes") or words.startswith("fit runs") for words in said):
        groups += ["updates", "training", "accuracy"]
    return groups


def to_toml(manifest: dict[str, Any]) -> str:
    """Write a manifest as TOML, tables last, with the shortest quoting that is right."""
    lines = []
    for key, value in manifest.items():
        if not isinstance(value, dict):
            lines.append(f"{key} = {_value(value)}")
    for key, value in manifest.items():
        if isinstance(value, dict) and key == "functions":
            lines += [f"[{key}]", *(f"{name} = {_value(text)}" for name, text in value.items())]
        elif isinstance(value, dict):
            pairs = ", ".join(f"{name} = {_value(text)}" for name, text in value.items())
            lines.insert(_tables_at(lines), f"{key} = {{ {pairs} }}")
    return "\n".join(lines) + "\n"


def _tables_at(lines: list[str]) -> int:
    return next((i for i, line in enumerate(lines) if line.startswith("[")), len(lines))


def _value(value: Any) -> str:
    if isinstance(value, list):
        return f"[{', '.join(_value(item) for item in value)}]"
    # JSON's texts, numbers and truth values are TOML's too.
    return json.dumps(value, ensure_ascii=False)

"""A recorded result is run again with its seeds: it agrees, or what has changed is said."""

import json
import shutil

import pytest

from harness.cli import main
from harness.errors import UsageError
from harness.grading.explain import _pick
from tests.grading.conftest import RUNS, SPEC, Grader, write_class


@pytest.fixture(scope="module")
def graded_once(tmp_path_factory):
    folder = tmp_path_factory.mktemp("explain")
    write_class(folder / "submissions", right=("ada",))
    Grader(folder).run("--no-store")
    return folder


@pytest.fixture
def graded(graded_once, tmp_path, monkeypatch):
    shutil.copytree(graded_once, tmp_path, dirs_exist_ok=True)
    monkeypatch.chdir(tmp_path)
    return tmp_path / "record.json"


@pytest.fixture
def explain(capsys, graded):
    def run(*arguments):
        status = main(["explain", "record.json", *arguments, "--spec", str(SPEC), "--runs", str(RUNS)])
        captured = capsys.readouterr()
        return status, captured.out + captured.err

    return run


def item_of(document, name, id):
    verdict = next(each for each in document["submissions"] if each["name"] == name)
    return next(each for each in verdict["checks"] + verdict["experiments"] if each["id"] == id)


def edit(path, name, id, **values):
    document = json.loads(path.read_text())
    item_of(document, name, id).update(values)
    path.write_text(json.dumps(document))


def test_a_check_and_an_experiment_agree_with_their_record(graded, explain):
    for id in ("builds[tanh]", "digits/relu"):
        recorded = item_of(json.loads(graded.read_text()), "ada", id)
        status, text = explain("ada", id)
        assert status == 0
        assert "agrees with the record, to the last digit" in text
        assert recorded["message"] in text
    accuracy, band = recorded["accuracies"][0], f"{recorded['low']:.2f} to {recorded['high']:.2f}"
    figures = next(line for line in text.splitlines() if "accuracy, run 1" in line)
    assert figures.split("run 1")[1].split() == [f"{accuracy:.2f}", f"{accuracy:.2f}", *band.split()]


def test_a_record_that_was_edited_is_not_agreed_with(graded, explain):
    edit(graded, "ada", "builds[tanh]", status="pass", message="")
    status, text = explain("ada", "builds[tanh]")
    assert status == 1
    assert "does NOT agree" in text


def test_another_accuracy_is_told_apart_from_another_verdict(graded, explain):
    recorded = item_of(json.loads(graded.read_text()), "ada", "digits/tanh")
    edit(graded, "ada", "digits/tanh", accuracies=[recorded["accuracies"][0] + 0.25])
    status, text = explain("ada", "digits/tanh")
    assert status == 0
    assert "agrees with the record's verdict; the figures differ" in text


def test_a_submission_that_was_changed_or_moved_is_named(graded, explain):
    source = graded.parent / "submissions" / "kim.py"
    source.write_text(source.read_text() + "# changed\n")
    assert "the submission itself was changed" in explain("kim", "builds[tanh]")[1]
    moved = source.rename(graded.parent / "elsewhere.py")
    status, text = explain("kim", "builds[tanh]")
    assert (status, "--path" in text) == (2, True)
    assert explain("kim", "builds[tanh]", "--path", str(moved))[0] == 0


def test_names_that_the_record_does_not_have_are_told_with_the_nearest(explain):
    assert explain("adda", "builds[tanh]") == (
        2,
        "backcheck: adda: the record has no such submission; ada is\n",
    )
    assert "; forward[tanh], " in explain("ada", "foward[tanh]")[1]


@pytest.mark.parametrize(
    ("wanted", "hint"),
    [
        ("bob", "Bob_smith, bobby, bom are"),
        ("gradient", "gradients[sigmoid], gradients[tanh], gradients[relu] are"),
        ("large", "large_gradient is"),
        ("bon", "bom is"),
        (
            "xyz",
            "there are bom, large_gradient, gradients[sigmoid], gradients[tanh], gradients[relu], gradients",
        ),
    ],
)
def test_names_that_go_on_as_was_typed_come_first(wanted, hint):
    gradients = [f"gradients[{each}]" for each in ("sigmoid", "tanh", "relu", "last")]
    names = ("bom", "large_gradient", *gradients, "Bob_smith", "bobby")
    with pytest.raises(UsageError) as error:
        _pick(names, wanted, str, "submission")
    assert str(error.value).startswith(f"{wanted}: the record has no such submission; {hint}")

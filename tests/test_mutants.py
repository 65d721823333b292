"""The sample of mutants, the copy they are made in, and what is told of them."""

import pytest

from tests import mutants
from tests.mutants import Mutant, Trial


def mutant(line, operator="core/AddNot", occurrence=0):
    return Mutant(
        file="harness/checks/loss.py",
        line=line,
        column=4,
        function="loss",
        operator=operator,
        occurrence=occurrence,
    )


def trial(line, *, killed):
    diff = "-    if a:\n+    if not a:"
    return Trial(mutant=mutant(line), killed=killed, killer="", tests=7, seconds=1.0, diff=diff)


def test_each_place_is_changed_once_and_the_seed_decides_how():
    found = [mutant(line, occurrence=each) for line in range(50) for each in range(4)]
    drawn = mutants.sample(iter(found), 3)
    assert sorted(m.line for m in drawn) == list(range(50))
    assert [m.line for m in drawn] != list(range(50))
    assert drawn == mutants.sample(iter(found), 3) != mutants.sample(iter(found), 4)
    assert len({m.occurrence for m in drawn}) == 4


def test_survivors_are_shown_with_their_change_and_the_killed_are_counted():
    text = mutants.report([trial(1, killed=True), trial(2, killed=False), trial(3, killed=True)], 9)
    assert "   2 of    3  harness/checks/loss.py" in text
    assert "killed 2/3 = 66.7% [9.4%, 99.2%]" in text  # Clopper and Pearson's table for 2 of 3
    assert text.endswith("survived 7 tests: harness/checks/loss.py:2 in loss\n-    if a:\n+    if not a:")


@pytest.mark.skipif(not (mutants.ROOT / ".git").exists(), reason="not a clone: git knows of no files")
def test_what_is_changed_is_a_copy_with_the_tests_beside_it(tmp_path):
    copy = mutants.copy_of_the_tree(tmp_path)
    for name in (*mutants.CHANGED, *mutants.TESTS, "pyproject.toml", "conftest.py"):
        assert (copy / name).exists(), name
    assert not (copy / ".git").exists()


def test_without_its_packages_it_says_what_to_install(monkeypatch, capsys, tmp_path):
    def missing(root):
        raise ModuleNotFoundError("", name="cosmic_ray")
        yield

    monkeypatch.setattr(mutants, "mutants", missing)
    monkeypatch.setattr("sys.argv", ["mutants", "--output", str(tmp_path)])
    with pytest.raises(SystemExit) as left:
        mutants.main()
    assert left.value.code == 2
    assert "cosmic_ray is not installed; run: pip install -e '.[mutants]'" in capsys.readouterr().err

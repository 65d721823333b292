"""``backcheck new``: what it writes runs, fails kindly, and is never written over anything."""

import json

import nbformat
import pytest

from harness.cli import main
from harness.submission import discover
from harness.worker.loading import load_submission


def test_a_new_submission_loads_and_says_what_is_to_do(tmp_path, capsys):
    assert main(["new", "alice", "--folder", str(tmp_path)]) == 0
    assert "backcheck check" in capsys.readouterr().out
    (submission,) = discover([tmp_path])
    model = load_submission(str(submission.entry), {}).build([4, 3], "relu", 0)
    for verb, arguments in (("get_weights", ()), ("predict_proba", ([],)), ("loss_and_gradients", ([], []))):
        with pytest.raises(NotImplementedError, match=verb):
            getattr(model, verb)(*arguments)
    with pytest.raises(NotImplementedError, match="fit"):
        model.fit([], [], epochs=1, batch_size=1, learning_rate=0.1)


def test_a_new_notebook_is_valid_and_loads(tmp_path):
    assert main(["new", "bob", "--notebook", "--folder", str(tmp_path)]) == 0
    path = tmp_path / "bob.ipynb"
    nbformat.validate(nbformat.from_dict(json.loads(path.read_text())))
    assert load_submission(str(path), {}).build([4, 3], "relu", 0).layer_sizes == [4, 3]


def test_nothing_is_overwritten(tmp_path, capsys):
    (tmp_path / "alice.py").write_text("mine")
    assert main(["new", "alice", "--folder", str(tmp_path)]) == 2
    assert (tmp_path / "alice.py").read_text() == "mine"
    assert "is there already" in capsys.readouterr().err


@pytest.mark.parametrize("name", ["../alice", "a b", "", "-x", ".hidden", "x" * 80, "a/b", "a\nb"])
def test_odd_names_are_refused(name, tmp_path, capsys):
    assert main(["new", "--folder", str(tmp_path), "--", name]) == 2
    assert list(tmp_path.iterdir()) == []

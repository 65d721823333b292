from __future__ import annotations

import re
import shutil
import subprocess

import pytest

from harness.views import render

from . import sample

PREAMBLE = "\\documentclass{article}\\usepackage{booktabs}\\usepackage[T1]{fontenc}\\begin{document}\n"


def rows_of(shown: str) -> list[list[str]]:
    return [
        line.removesuffix(r"\\").strip().split(" & ") for line in shown.splitlines() if line.endswith(r" \\")
    ]


def test_rows_hold_scores_and_experiments() -> None:
    rows = rows_of(render(sample.record(), "latex"))
    assert rows[0] == ["submission", "part", "score", *sample.GROUPS, "accuracy"]
    assert rows[1][:3] == ["alice", "scratch", "56.5/68"]
    assert ["alice", "scratch/tanh/lr=0.01", "94.3", "93.88 to 94.62", "94.31 94.50", "pass"] in rows


def commands(shown: str) -> set[str]:
    return set(re.findall(r"\\([a-zA-Z]+)", shown))


def test_a_hostile_name_adds_no_command_and_no_cell() -> None:
    shown = render(sample.nasty_record(), "latex")
    ours = {"usepackage", "begin", "end", "centering", "caption", "toprule", "midrule", "bottomrule"}
    symbols = {"textbackslash", "char", "textless", "textgreater", "ldots", "textbar", "textasciigrave"}
    assert commands(shown) <= ours | symbols
    for evil in ("\\input{/etc/passwd} & 100 \\\\ %", "[5cm]", "*[5cm]", "#1 $x^2$ _ ~ ^", "}\\end{tabular}"):
        shown = render(sample.nasty_record(evil), "latex")
        assert {len(row) for row in rows_of(shown)} == {12, 6}
        body = [line for line in shown.splitlines() if line.endswith(r" \\")]
        for line in body:
            assert not re.match(r"\s*[\[*(]", line)
            bare = re.sub(r"\\[\\{}$&#%_]|\\[a-zA-Z]+\{\}|\\char34", "", line)
            assert not re.search(r"[\\$#%_~^]", bare)
            assert bare.count("{") == bare.count("}")


@pytest.mark.skipif(shutil.which("pdflatex") is None, reason="pdflatex is not installed")
def test_it_compiles(tmp_path) -> None:
    for made in (sample.record(), sample.nasty_record(), sample.nasty_record("[5cm] 山 ë \\\\ %")):
        (tmp_path / "t.tex").write_text(PREAMBLE + render(made, "latex") + "\\end{document}\n")
        done = subprocess.run(
            ["pdflatex", "-halt-on-error", "-interaction=nonstopmode", "t.tex"],
            cwd=tmp_path,
            capture_output=True,
            timeout=60,
        )
        assert done.returncode == 0, done.stdout.decode(errors="replace")[-2000:]

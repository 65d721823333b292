"""The guide to manifests says what the reader reads: every key, every value, examples that are accepted."""

import ast
import re
from pathlib import Path

import pytest

from harness.manifest import ADAPTERS, CHOICES, FUNCTIONS, KEYS, parse_manifest

GUIDE = (Path(__file__).resolve().parents[1] / "docs" / "submissions.md").read_text(encoding="utf-8")
TOML = re.findall(r"```toml\n(.*?)```", GUIDE, re.DOTALL)


def rows(heading):
    """The first cells of the table after a heading."""
    section = GUIDE.split(heading, 1)[1].split("\n#", 1)[0]
    return {m.group(1): line for line in section.splitlines() if (m := re.match(r"\| `(\w+)`", line))}


def test_every_key_is_in_the_table_and_no_other():
    assert set(rows("## The keys")) == set(KEYS)


@pytest.mark.parametrize("key", CHOICES)
def test_every_value_of_a_choice_is_in_the_table(key):
    for value in CHOICES[key]:
        assert f"`{value}`" in rows("## The keys")[key]


def test_every_adapter_and_function_is_in_the_tables():
    assert all(f"`{adapter}`" in rows("## The keys")["adapter"] for adapter in ADAPTERS)
    assert set(rows("### Snippets")) == {"constructor", *FUNCTIONS}


@pytest.mark.parametrize("text", TOML)
def test_the_examples_are_accepted_and_short(text):
    assert len(text.strip().splitlines()) <= 10
    parse_manifest(text.encode())


def test_there_are_examples_and_the_python_one_is_python():
    assert len(TOML) >= 6
    (adapter,) = re.findall(r"```python\n(.*?)```", GUIDE, re.DOTALL)
    assert len(adapter.strip().splitlines()) <= 25
    ast.parse(adapter)

"""An outcome is read back as it was written, to the bit, and nothing else is taken for one."""

import json
import math

import numpy as np
import pytest

from harness.errors import StoreError
from harness.grading.outcomes import decode, encode
from harness.grading.units import Outcome
from harness.records import CheckResult, Status

EVIDENCE = {
    "losses": [0.1, math.inf, [-math.inf, 1e-320]],
    "deep": {"largest": math.nan, "inner": {"$float": "a word", "other": 1}},
    "counts": np.arange(3),
}


def outcome(evidence: dict) -> Outcome:
    check = CheckResult(id="loss[relu]", group="loss", status=Status.FAIL, message="é", evidence=evidence)
    return Outcome(checks=(check,), notes=("a note",), seconds=0.1)


def test_numbers_come_back_to_the_bit_the_infinite_ones_too() -> None:
    found = decode(encode(outcome(EVIDENCE)))
    evidence = dict(found.checks[0].evidence)
    assert evidence["losses"] == EVIDENCE["losses"]
    assert math.isnan(evidence["deep"].pop("largest"))
    assert evidence["deep"] == {"inner": {"$float": "a word", "other": 1}}
    assert evidence["counts"] == [0, 1, 2]
    assert found.checks[0].status is Status.FAIL
    assert (found.notes, found.seconds, found.run) == (("a note",), 0.1, None)


def test_what_was_read_is_written_the_same() -> None:
    text = encode(outcome(EVIDENCE))
    assert encode(decode(text)) == text


@pytest.mark.parametrize("text", ["", "[]", "{}", '{"$float": "nan"}', '{"checks": [], "run": null}', "NaN"])
def test_anything_else_is_refused(text: str) -> None:
    with pytest.raises(StoreError, match="expected the JSON of an outcome"):
        decode(text)


def test_a_number_in_words_is_refused() -> None:
    plain = json.loads(encode(outcome({"a": math.nan})))
    plain["checks"][0]["evidence"]["a"] = {"$float": "seven"}
    with pytest.raises(StoreError, match="seven"):
        decode(json.dumps(plain))

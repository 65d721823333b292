"""What the workers of a pool under test run: a worker process finds these by their names."""

import os
import signal
import time

from harness.grading.units import Outcome
from harness.records import CheckResult, Status


def die_or_pass(unit):
    if unit.submission.name == "ada":
        os.kill(os.getpid(), signal.SIGKILL)
    return Outcome(checks=(CheckResult(id="builds[tanh]", group="contract", status=Status.PASS),))


def sleep_for_ever(unit):
    while True:
        time.sleep(60)


def say_who(unit):
    return str(os.getpid())

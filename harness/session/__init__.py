"""The trusted side of the boundary: a submission's process, its limits, and the frames that come back."""

from harness.session.faults import SubmissionFault
from harness.session.process import Limits, Process
from harness.session.session import Model, Session

__all__ = ["Limits", "Model", "Process", "Session", "SubmissionFault"]

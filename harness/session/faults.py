"""What a submission did wrong, as a status and a message that its author understands."""

from __future__ import annotations

from harness.errors import BackcheckError
from harness.records import Status


class SubmissionFault(BackcheckError):
    """A submission did something wrong; becomes the status of the check that was under way.

    ``detail`` holds the author's trimmed traceback or the end of the output, when there is any.
    ``fatal`` says that the process is gone, so that the next check needs a new one; ``spent`` that nothing
    was asked, since the submission's whole time was used up before.
    """

    def __init__(
        self, status: Status, message: str, detail: str = "", *, fatal: bool = False, spent: bool = False
    ) -> None:
        super().__init__(message)
        self.status = status
        self.message = message
        self.detail = detail
        self.fatal = fatal
        self.spent = spent


def clean(text: object, limit: int = 2000) -> str:
    """Text that a submission controls, without control characters that would act on a terminal or a log."""
    kept = "".join(c if c == "\n" or (c.isprintable()) else "\N{REPLACEMENT CHARACTER}" for c in str(text))
    return kept if len(kept) <= limit else kept[: limit - 1] + "…"

"""The three fates of a message's failure, and what a client of the REST API did wrong.

Whatever fails in the pipeline says which fate is its own; nothing fails without one.
"""

from enum import StrEnum
from typing import ClassVar


class Disposition(StrEnum):
    """What becomes of a message that could not be finished."""

    RETRY = "retry"
    DEFER = "wait"
    REJECT = "reject"


class Fault(Exception):  # noqa: N818 - the word of the design; its subclasses say what happened
    """Raised when one message cannot be finished now; `reason` is a stable word, `detail` a sentence."""

    fate: ClassVar[Disposition]

    def __init__(self, reason: str, detail: str) -> None:
        super().__init__(f"{reason}: {detail}")
        self.reason = reason
        self.detail = detail


class Retryable(Fault):
    """Raised when the same message may succeed later: after a repair, such as of a missing permission, or by itself."""

    fate = Disposition.RETRY


class Unavailable(Retryable):
    """Raised when a service takes no more for now, or fails by itself: it needs time alone, so it has longer."""


class ModelNotRunning(Fault):
    """Raised when the model is stopped or starting: time is all that it takes."""

    fate = Disposition.DEFER


class Rejected(Fault):
    """Raised when the image, or the message, can never be analysed, however often it is tried."""

    fate = Disposition.REJECT


class BadRequest(Exception):  # noqa: N818 - the protocol's word
    """Raised when a request says what cannot be done; `code` is a stable word, `field` the part of it, if it is one."""

    def __init__(self, code: str, message: str, field: str | None = None) -> None:
        super().__init__(message)
        self.code = code
        self.message = message
        self.field = field


class BatchIncomplete(Exception):  # noqa: N818 - it is not an error of the code but a word to Lambda
    """Raised to Lambda so that it deletes nothing: what was finished is deleted already, the rest comes back."""


def fault_of(problem: Exception) -> Fault:
    """The fault that an exception is; one that nobody foresaw is retried, and its name is the reason in the end."""
    if isinstance(problem, Fault):
        return problem
    return Retryable("Unexpected", f"{type(problem).__name__}: {problem}")

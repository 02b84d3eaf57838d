"""The failures of a message, each with its disposition, and the errors of the REST API.

Each failure in the pipeline is a Fault with one of three dispositions: retry, defer, reject. queues/batch.py carries
them out. A reject reason is the first argument of a `Rejected(...)` in chalicelib, or AWS's own error code; `make docs`
lists them all.
"""

from enum import StrEnum
from typing import ClassVar


class Disposition(StrEnum):
    """What happens to a message that could not be finished: another try, a delay, or the dead-letter queue."""

    RETRY = "retry"
    DEFER = "defer"
    REJECT = "reject"


class Fault(Exception):  # noqa: N818 - the word of the design; its subclasses say what happened
    """Raised when one message cannot be finished now; `reason` is a stable word, `detail` a sentence."""

    disposition: ClassVar[Disposition]

    def __init__(self, reason: str, detail: str) -> None:
        super().__init__(f"{reason}: {detail}")
        self.reason = reason
        self.detail = detail


class Retryable(Fault):
    """Raised when the same message may succeed later: after a repair, such as of a missing permission, or by itself."""

    disposition = Disposition.RETRY


class Unavailable(Retryable):
    """Raised when a service throttles or fails by itself: the message is retried for longer than after other faults."""


class ModelNotRunning(Fault):
    """Raised when the model is stopped or starting: time is all that it takes."""

    disposition = Disposition.DEFER


class DayLimitReached(Fault):
    """Raised when the images of this day are used up (MaxImagesPerDay): the image waits for the next day."""

    disposition = Disposition.DEFER


class Rejected(Fault):
    """Raised when the image, or the message, can never be analysed, however often it is tried."""

    disposition = Disposition.REJECT


class BadRequest(Exception):  # noqa: N818 - the protocol's word
    """Raised when a request cannot be served as it is; `code` is a stable word, `field` its wrong part, if known."""

    def __init__(self, code: str, message: str, field: str | None = None) -> None:
        super().__init__(message)
        self.code = code
        self.message = message
        self.field = field


class LimitReached(Exception):  # noqa: N818 - it is no error of the code, but an answer
    """Raised when a client may have no more of something before this many seconds have passed."""

    def __init__(self, message: str, retry_after: int) -> None:
        super().__init__(message)
        self.message = message
        self.retry_after = retry_after


class BatchIncomplete(Exception):  # noqa: N818 - it is no error of the code, but a response to Lambda
    """Raised to Lambda so that it deletes nothing: finished messages are deleted already, the others come back."""


def fault_of(problem: Exception) -> Fault:
    """The fault that an exception is; an unexpected exception is retried, and its name is in the detail."""
    if isinstance(problem, Fault):
        return problem
    return Retryable("Unexpected", f"{type(problem).__name__}: {problem}")

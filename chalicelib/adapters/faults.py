"""What AWS refuses → the fault that it is. Whatever nobody named is retried: most of it is the set-up's fault."""

from collections.abc import Collection, Iterator
from contextlib import contextmanager

from botocore.exceptions import BotoCoreError, ClientError

from chalicelib.errors import ModelNotRunning, Rejected, Retryable, Throttled

# The words of Rekognition, S3 (a number where an answer has no body), SQS, SNS and DynamoDB for it.
THROTTLED = (
    "ProvisionedThroughputExceededException", "ThrottlingException", "LimitExceededException", "SlowDown", "503",
    "RequestThrottled", "Throttling", "Throttled", "RequestLimitExceeded", "TooManyRequestsException", "KmsThrottled",
    "KMSThrottling",
)  # fmt: skip


def retryable(code: str, detail: str) -> Retryable:
    """The fault of a refusal that time or a repair may undo."""
    return (Throttled if code in THROTTLED else Retryable)(code, detail)


@contextmanager
def told_as_faults(*, rejects: Collection[str] = (), waits: Collection[str] = ()) -> Iterator[None]:
    """Raises Rejected, ModelNotRunning or Retryable instead of what botocore raises, by AWS's own error codes."""
    try:
        yield
    except ClientError as refusal:
        error = refusal.response.get("Error", {})
        code = error.get("Code") or "Unknown"
        kind = Rejected if code in rejects else ModelNotRunning if code in waits else retryable
        raise kind(code, error.get("Message") or str(refusal)) from refusal
    except BotoCoreError as problem:
        raise Retryable(type(problem).__name__, str(problem)) from problem

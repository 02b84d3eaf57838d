"""AWS's refusals as faults. An error code that no adapter names is retried: most of them come from the set-up."""

from collections.abc import Collection, Iterator
from contextlib import contextmanager
from http import HTTPStatus

from botocore.exceptions import BotoCoreError, ClientError, HTTPClientError
from botocore.exceptions import ConnectionError as NotConnected

from chalicelib.domain.errors import ModelNotRunning, Rejected, Retryable, Unavailable

# The codes of Rekognition, S3 (a number where an answer has no body), SQS, SNS and DynamoDB.
THROTTLED = (
    "ProvisionedThroughputExceededException", "ThrottlingException", "LimitExceededException", "SlowDown", "503",
    "RequestThrottled", "Throttling", "Throttled", "RequestLimitExceeded", "TooManyRequestsException", "KmsThrottled",
    "KMSThrottling",
)  # fmt: skip


def retryable_fault(code: str, detail: str, *, by_service: bool) -> Retryable:
    """The fault of a refusal that time or a repair may undo; `by_service`: the service says that it failed itself."""
    return (Unavailable if by_service or code in THROTTLED else Retryable)(code, detail)


@contextmanager
def raising_faults(*, rejects: Collection[str] = (), defers: Collection[str] = ()) -> Iterator[None]:
    """Raises Rejected, ModelNotRunning or Retryable in place of botocore's exceptions, by AWS's own error codes."""
    try:
        yield
    except ClientError as refusal:
        error = refusal.response.get("Error", {})
        code = error.get("Code") or "Unknown"
        detail = error.get("Message") or str(refusal)
        if code in rejects or code in defers:
            raise (Rejected if code in rejects else ModelNotRunning)(code, detail) from refusal
        status = refusal.response.get("ResponseMetadata", {}).get("HTTPStatusCode", 0)
        raise retryable_fault(code, detail, by_service=status >= HTTPStatus.INTERNAL_SERVER_ERROR) from refusal
    except (NotConnected, HTTPClientError) as problem:
        raise Unavailable(type(problem).__name__, str(problem)) from problem
    except BotoCoreError as problem:
        raise Retryable(type(problem).__name__, str(problem)) from problem

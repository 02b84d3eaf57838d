"""QuickSight's errors as one sentence."""

from collections.abc import Iterator
from contextlib import contextmanager

from botocore.exceptions import ClientError

from labelwatch.shared.errors import UserError

NOT_SIGNED_UP = (
    "this account is not signed up for QuickSight; sign up once, for the Enterprise edition, on its page in the AWS "
    "console, and run this again."
)
STANDARD_EDITION = (
    "this account has QuickSight's Standard edition, in which nothing can be made from a definition or shared; upgrade "
    "to Enterprise under Manage QuickSight, and run this again."
)


@contextmanager
def user_errors(action: str) -> Iterator[None]:
    """Raises UserError with QuickSight's words where it refuses the action."""
    try:
        yield
    except ClientError as problem:
        code, message = problem.response["Error"]["Code"], problem.response["Error"]["Message"]
        if code == "UnsupportedUserEditionException":
            # The same code for both; only the message differs.
            raise UserError(NOT_SIGNED_UP if "not subscribed" in message else STANDARD_EDITION) from None
        status = problem.response["ResponseMetadata"]["HTTPStatusCode"]
        # A response of something else, such as a wrong endpoint, has no message.
        words = message or f"no words, code {code}, HTTP status {status}"
        raise UserError(f"QuickSight refuses {action}: {words}") from None

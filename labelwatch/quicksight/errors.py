"""QuickSight's errors as messages for people."""

from collections.abc import Iterator
from contextlib import contextmanager

from botocore.exceptions import ClientError

from labelwatch.shared.credentials import uses_local_aws
from labelwatch.shared.errors import UserError

NOT_SIGNED_UP = (
    "This account has no QuickSight subscription. Sign up for the Enterprise edition in the AWS console, then run the "
    "command again."
)
STANDARD_EDITION = (
    "This account has QuickSight's Standard edition, which cannot create or share dashboards by API. Upgrade to "
    "Enterprise under Manage QuickSight, then run the command again."
)


def check_endpoint() -> None:
    """Raises UserError where this shell uses the local AWS."""
    if uses_local_aws():
        raise UserError("The local AWS has no QuickSight. Use `labelwatch report`, or a shell for your AWS account.")


@contextmanager
def user_errors(action: str) -> Iterator[None]:
    """Raises UserError with QuickSight's reason where it rejects the action, such as `share the dashboard`."""
    try:
        yield
    except ClientError as problem:
        code, message = problem.response["Error"]["Code"], problem.response["Error"]["Message"]
        if code == "UnsupportedUserEditionException":
            # Both cases have this code; only the message differs.
            raise UserError(NOT_SIGNED_UP if "not subscribed" in message else STANDARD_EDITION) from None
        status = problem.response["ResponseMetadata"]["HTTPStatusCode"]
        # A response from a wrong endpoint has no message.
        reason = message or f"no reason given, code {code}, HTTP status {status}"
        raise UserError(f"QuickSight could not {action}: {reason}") from None

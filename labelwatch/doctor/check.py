"""A check: its name, its function, and what becomes of errors of AWS, which stop no other check."""

import re
from collections.abc import Callable, Iterator
from typing import NamedTuple

from botocore.exceptions import BotoCoreError, ClientError

from chalicelib.domain.errors import Fault
from labelwatch.doctor.deployment import REVERT_DRIFT, Deployment
from labelwatch.shared.errors import UserError
from labelwatch.shared.findings import Finding, Result

AWS_ERRORS = (BotoCoreError, ClientError, Fault, UserError)
MISSING = re.compile("NotFound|NoSuch|NonExistent|DoesNotExist")
_DENIED = re.compile("Denied|AuthorizationError|Unauthorized|Forbidden|^403$")
# Where AWS's message has no action. Only S3 has such messages, and some of its actions differ from their operations.
# https://docs.aws.amazon.com/service-authorization/latest/reference/list_amazons3.html
_S3_ACTIONS = {
    "GetBucketEncryption": "GetEncryptionConfiguration",
    "GetBucketNotificationConfiguration": "GetBucketNotification",
    "GetPublicAccessBlock": "GetBucketPublicAccessBlock",
    "ListObjectsV2": "ListBucket",
}


class Outcome(NamedTuple):
    """What a check found, and what to do."""

    result: Result
    found: str
    action: str = ""


class Check(NamedTuple):
    """A check with its name for people. Without `needs_stack` it also runs before the deployment."""

    name: str
    outcomes: Callable[[Deployment], Iterator[Outcome]]
    needs_stack: bool = True


def passed(found: str) -> Outcome:
    """All is well."""
    return Outcome(Result.PASS, found)


def warned(found: str, action: str = "") -> Outcome:
    """Worth a look, or not checked."""
    return Outcome(Result.WARN, found, action)


def failed(found: str, action: str) -> Outcome:
    """Something does not work, or is not safe."""
    return Outcome(Result.FAIL, found, action)


def run(check: Check, deployment: Deployment) -> list[Finding]:
    """The findings of one check; an error of AWS is a finding, too."""
    outcomes: list[Outcome] = []
    try:
        outcomes.extend(check.outcomes(deployment))
    except AWS_ERRORS as problem:
        outcomes.append(outcome_of(problem))
    return [
        Finding(check=check.name, result=outcome.result, found=outcome.found, action=outcome.action)
        for outcome in outcomes
    ]


def outcome_of(problem: BaseException) -> Outcome:
    """The outcome of a check that AWS refused: a missing right, a missing resource, or anything else."""
    refusal = _refusal_of(problem)
    if refusal and _DENIED.search(_code(refusal)):
        return warned(f"Skipped: needs {_action_of(refusal)}.", "Ask for the permission, then run the command again.")
    message = refusal.response["Error"].get("Message", "") if refusal else str(problem)
    text = (message or str(problem)).rstrip(".")
    if refusal and MISSING.search(_code(refusal)):
        return failed(f"Not found: {text}.", REVERT_DRIFT)
    return warned(f"Not checked: {text}.")


def _refusal_of(problem: BaseException | None) -> ClientError | None:
    """AWS's own refusal, which may be the cause of an error of ours."""
    if problem is None or isinstance(problem, ClientError):
        return problem
    return _refusal_of(problem.__cause__ or problem.__context__)


def _code(refusal: ClientError) -> str:
    return str(refusal.response["Error"].get("Code", ""))


def _action_of(refusal: ClientError) -> str:
    named = re.search(r"perform:? ([\w-]+:\w+)", refusal.response["Error"].get("Message", ""))
    operation = str(refusal.operation_name)
    return named[1] if named else f"s3:{_S3_ACTIONS.get(operation, operation)}"

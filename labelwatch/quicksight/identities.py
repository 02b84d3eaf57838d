"""Who there is in QuickSight. Only one Region knows: the one in which the account signed up."""

import re
from typing import Any, NamedTuple

from botocore.exceptions import ClientError

from labelwatch.quicksight.errors import NOT_SIGNED_UP, STANDARD_EDITION, told
from labelwatch.shared.account import Account
from labelwatch.shared.errors import UserError

DEFAULT_NAMESPACE = "default"
WHERE_TO_ASK = re.compile(r"use the ([a-z0-9-]+) endpoint")
ARN = re.compile(r"arn:[a-z-]+:quicksight:[a-z0-9-]+:(\d{12}):(user|group)/([^/]+)/(.+)")
# They may look and nothing else, whatever they are granted.
READERS = {"READER", "READER_PRO", "RESTRICTED_READER"}


class Principal(NamedTuple):
    """A user or group; `authors` where it can make and change things in QuickSight."""

    arn: str
    authors: bool


class Identities:
    """The users and groups of the account; `region` is where to ask first, and QuickSight says where else."""

    def __init__(self, account: Account, region: str | None = None) -> None:
        self._account = account
        self._region = region or account.region

    def check_subscription(self) -> None:
        """Raises UserError where the account has no QuickSight, or one without what is needed here."""
        with told("to tell of the account's subscription"):
            found = self._ask("describe_account_subscription")
        if not found or found["AccountInfo"].get("AccountSubscriptionStatus", "").startswith("UNSUBSCRIBE"):
            raise UserError(NOT_SIGNED_UP)
        if found["AccountInfo"].get("Edition") == "STANDARD":
            raise UserError(STANDARD_EDITION)

    def find(self, text: str) -> Principal:
        """The user or group of this ARN, or the user of this name; raises UserError where there is none."""
        if not text.strip():
            raise UserError("--principal is empty; it must be the name of a user of QuickSight, or an ARN.")
        parts = ARN.fullmatch(text)
        if not parts and text.startswith("arn:"):
            raise UserError(
                f"--principal {text} is no user or group of QuickSight; their ARNs end in "
                "quicksight:REGION:ACCOUNT:user/default/NAME, or group in place of user."
            )
        account, kind, namespace, name = (
            parts.groups() if parts else (self._account.id, "user", DEFAULT_NAMESPACE, text)
        )
        if account != self._account.id:
            raise UserError(f"--principal {text} is of the account {account}, and this is {self._account.id}.")
        with told(f"to look for the {kind} {name}"):
            found = self._ask(f"describe_{kind}", **{f"{kind.capitalize()}Name": name}, Namespace=namespace)
        if not found:
            raise UserError(
                f"there is no {kind} {name} in QuickSight's namespace {namespace}; `aws quicksight list-{kind}s "
                f"--aws-account-id {account} --namespace {namespace} --region {self._region}` shows who there is."
            )
        one = found[kind.capitalize()]
        # Who is in a group is not looked at, so that it gets no more than each of them could have.
        return Principal(one["Arn"], authors=kind == "user" and one["Role"] not in READERS)

    def _ask(self, operation: str, **arguments: str) -> dict[str, Any] | None:
        """The answer, from whichever Region has it; None where there is no such thing."""
        try:
            return self._answer(operation, arguments)
        except ClientError as problem:
            elsewhere = WHERE_TO_ASK.search(problem.response["Error"]["Message"])
            if not elsewhere or elsewhere[1] == self._region:
                raise
            self._region = elsewhere[1]
        return self._answer(operation, arguments)

    def _answer(self, operation: str, arguments: dict[str, str]) -> dict[str, Any] | None:
        client = self._account.client("quicksight", region_name=self._region)
        try:
            answer: dict[str, Any] = getattr(client, operation)(AwsAccountId=self._account.id, **arguments)
        except client.exceptions.ResourceNotFoundException:
            return None
        return answer

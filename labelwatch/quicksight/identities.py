"""The users and groups of QuickSight, which are in one Region: the identity Region, where the account signed up."""

import re
from typing import Any, NamedTuple

from botocore.exceptions import ClientError

from labelwatch.quicksight.errors import NOT_SIGNED_UP, STANDARD_EDITION, user_errors
from labelwatch.shared.account import Account
from labelwatch.shared.errors import UserError

DEFAULT_NAMESPACE = "default"
IDENTITY_REGION = re.compile(r"use the ([a-z0-9-]+) endpoint")
ARN = re.compile(r"arn:[a-z-]+:quicksight:[a-z0-9-]+:(\d{12}):(user|group)/([^/]+)/(.+)")
# These roles can only view, whatever their permissions.
READERS = {"READER", "READER_PRO", "RESTRICTED_READER"}


class Principal(NamedTuple):
    """A user or group; `authors` where it can create and edit in QuickSight."""

    arn: str
    authors: bool


class Identities:
    """The users and groups of the account; `region` is tried first, and QuickSight's error names the right Region."""

    def __init__(self, account: Account, region: str | None = None) -> None:
        self._account = account
        self._region = region or account.region

    def check_subscription(self) -> None:
        """Raises UserError where the account has no QuickSight, or the Standard edition."""
        with user_errors("describe the account's subscription"):
            response = self._call("describe_account_subscription")
        if not response or response["AccountInfo"].get("AccountSubscriptionStatus", "").startswith("UNSUBSCRIBE"):
            raise UserError(NOT_SIGNED_UP)
        if response["AccountInfo"].get("Edition") == "STANDARD":
            raise UserError(STANDARD_EDITION)

    def find(self, text: str) -> Principal:
        """The user or group with this ARN, or the user with this name; raises UserError where it does not exist."""
        if not text.strip():
            raise UserError("--principal '' is empty. Use the name of a QuickSight user, or an ARN.")
        parts = ARN.fullmatch(text)
        if not parts and text.startswith("arn:"):
            raise UserError(
                f"--principal {text!r} is not a QuickSight user or group. Use an ARN such as "
                "arn:aws:quicksight:REGION:ACCOUNT:user/default/NAME, or group/default/NAME."
            )
        account, kind, namespace, name = (
            parts.groups() if parts else (self._account.id, "user", DEFAULT_NAMESPACE, text)
        )
        if account != self._account.id:
            raise UserError(
                f"--principal {text!r} is in account {account}. Use a principal of account {self._account.id}."
            )
        with user_errors(f"find the {kind} {name}"):
            response = self._call(f"describe_{kind}", **{f"{kind.capitalize()}Name": name}, Namespace=namespace)
        if not response:
            raise UserError(
                f"No QuickSight {kind} named {name} in namespace {namespace}. To list all {kind}s, run `aws quicksight "
                f"list-{kind}s --aws-account-id {account} --namespace {namespace} --region {self._region}`."
            )
        identity = response[kind.capitalize()]
        # The members of a group are not read, so a group has only the permissions that every member may have.
        return Principal(identity["Arn"], authors=kind == "user" and identity["Role"] not in READERS)

    def _call(self, operation: str, **arguments: str) -> dict[str, Any] | None:
        """The response, from the identity Region; None where the resource does not exist."""
        try:
            return self._call_in_region(operation, arguments)
        except ClientError as problem:
            other = IDENTITY_REGION.search(problem.response["Error"]["Message"])
            if not other or other[1] == self._region:
                raise
            self._region = other[1]
        return self._call_in_region(operation, arguments)

    def _call_in_region(self, operation: str, arguments: dict[str, str]) -> dict[str, Any] | None:
        client = self._account.client("quicksight", region_name=self._region)
        try:
            response: dict[str, Any] = getattr(client, operation)(AwsAccountId=self._account.id, **arguments)
        except client.exceptions.ResourceNotFoundException:
            return None
        return response

"""The account and Region that a command acts in, from the standard AWS credential chain."""

from functools import cached_property
from typing import Any, Protocol

import boto3
from botocore.config import Config
from botocore.exceptions import ClientError, NoCredentialsError, ProfileNotFound

from labelwatch.shared import slow_calls
from labelwatch.shared.credentials import sign_in
from labelwatch.shared.errors import UserError

_CONFIG = Config(retries={"mode": "adaptive", "total_max_attempts": 8})


class Clients(Protocol):
    """An account and Region as far as reading needs them."""

    region: str

    def client(self, service: str) -> Any:  # noqa: ANN401 - boto3's clients have no common type
        """A client of this account and Region."""


class Account:
    """An account and Region. `profile` and `region` override the environment and the configuration files.

    Raises UserError where no Region is set, or where the settings are not valid.
    """

    def __init__(self, profile: str | None = None, region: str | None = None) -> None:
        try:
            self._session = boto3.Session(profile_name=profile, region_name=region)
        except ProfileNotFound as problem:
            raise UserError(f"{problem}. Run `aws configure list-profiles` to list the profiles.") from None
        if not self._session.region_name:
            raise UserError("No Region is set. Pass --region or set AWS_DEFAULT_REGION, such as eu-central-1.")
        self.region: str = self._session.region_name
        self.profile = profile
        slow_calls.announce(self._session.events)

    def client(self, service: str, **options: Any) -> Any:  # noqa: ANN401 - boto3's clients have no common type
        """A client of this account and Region."""
        try:
            return self._session.client(service, config=_CONFIG, **options)  # type: ignore[call-overload]
        except ValueError as problem:  # such as an endpoint that is not a URL
            raise UserError(f"The AWS settings of this shell or profile are not valid: {problem}") from None

    @cached_property
    def id(self) -> str:
        """The account's number; raises UserError where no credentials are found, or AWS rejects them."""
        try:
            number: str = self.client("sts").get_caller_identity()["Account"]
        except NoCredentialsError:
            raise UserError(
                "No AWS credentials found. Run `aws configure` or `aws sso login`, or pass --profile."
            ) from None
        except ClientError as problem:
            reason = problem.response["Error"]["Message"].rstrip(".")
            raise UserError(f"AWS rejected the credentials: {reason}. {sign_in()}") from None
        return number

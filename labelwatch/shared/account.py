"""The account and Region that a command acts in, found as the AWS tools find them."""

from functools import cached_property
from typing import Any

import boto3
from botocore.config import Config
from botocore.exceptions import ClientError, NoCredentialsError, ProfileNotFound

from labelwatch.shared.errors import UserError

_CONFIG = Config(retries={"mode": "adaptive", "total_max_attempts": 8})


class Account:
    """An account and Region. `profile` and `region` go before the environment and the configuration files.

    Raises UserError where there is no Region, or where the settings cannot be used.
    """

    def __init__(self, profile: str | None = None, region: str | None = None) -> None:
        try:
            self._session = boto3.Session(profile_name=profile, region_name=region)
        except ProfileNotFound as problem:
            raise UserError(f"{problem}; `aws configure list-profiles` shows which there are.") from None
        if not self._session.region_name:
            raise UserError("no Region is set; name one with --region, or in AWS_DEFAULT_REGION, such as eu-central-1.")
        self.region: str = self._session.region_name
        self.profile = profile

    def client(self, service: str, **options: Any) -> Any:  # noqa: ANN401 - boto3's clients have no common type
        """A client of this account and Region."""
        try:
            return self._session.client(service, config=_CONFIG, **options)  # type: ignore[call-overload]
        except ValueError as problem:  # such as an endpoint that is no URL
            raise UserError(f"the AWS settings of this shell or profile cannot be used: {problem}") from None

    @cached_property
    def id(self) -> str:
        """The account's number; raises UserError where there are no credentials, or AWS refuses them."""
        try:
            number: str = self.client("sts").get_caller_identity()["Account"]
        except NoCredentialsError:
            raise UserError(
                "no AWS credentials were found; `aws configure` or `aws sso login` sets them up, --profile names them."
            ) from None
        except ClientError as problem:
            raise UserError(f"AWS does not take these credentials: {problem.response['Error']['Message']}") from None
        return number

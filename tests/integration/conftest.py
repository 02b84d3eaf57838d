"""Shared by the integration tests: moto's account, its clients, and the package, made once."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from contextlib import closing
from typing import TYPE_CHECKING, Any, Final

import boto3
import pytest
from moto import mock_aws

from labelwatch.deploy import Package
from tests.support.package import made_once

if TYPE_CHECKING:
    from mypy_boto3_dynamodb import DynamoDBClient
    from mypy_boto3_s3 import S3Client
    from mypy_boto3_sns import SNSClient
    from mypy_boto3_sqs import SQSClient

# Not us-east-1, which has special cases.
REGION: Final = "eu-central-1"
TABLE = "labelwatch-table"
NOBODY = {
    "AWS_ACCESS_KEY_ID": "nobody",
    "AWS_SECRET_ACCESS_KEY": "nothing",
    "AWS_DEFAULT_REGION": REGION,
    "AWS_CONFIG_FILE": os.devnull,
    "AWS_SHARED_CREDENTIALS_FILE": os.devnull,
    "AWS_EC2_METADATA_DISABLED": "true",
}


@pytest.fixture(autouse=True)
def _nobody(monkeypatch: pytest.MonkeyPatch) -> None:
    """Removes the credentials, profile and endpoints of the user who runs the tests."""
    for name in [name for name in os.environ if name.startswith("AWS_")]:
        monkeypatch.delenv(name)
    for name, value in NOBODY.items():
        monkeypatch.setenv(name, value)
    monkeypatch.setattr(boto3, "DEFAULT_SESSION", None)


@pytest.fixture
def account(_nobody: None) -> Iterator[None]:
    """An empty account of moto's."""
    with mock_aws():
        yield


@pytest.fixture
def sqs(account: None) -> Iterator[SQSClient]:  # noqa: ARG001 - the account must exist first
    with closing(boto3.client("sqs")) as client:
        yield client


@pytest.fixture
def s3(account: None) -> Iterator[S3Client]:  # noqa: ARG001 - the same
    with closing(boto3.client("s3")) as client:
        yield client


@pytest.fixture
def sns(account: None) -> Iterator[SNSClient]:  # noqa: ARG001 - the same
    with closing(boto3.client("sns")) as client:
        yield client


@pytest.fixture
def dynamodb(account: None, template: dict[str, Any]) -> Iterator[DynamoDBClient]:  # noqa: ARG001 - the same
    """With the stack's table."""
    properties = template["Resources"]["Table"]["Properties"]
    names = ("BillingMode", "AttributeDefinitions", "KeySchema")
    with closing(boto3.client("dynamodb")) as client:
        client.create_table(TableName=TABLE, **{name: properties[name] for name in names})
        yield client


@pytest.fixture(scope="session")
def packaged(tmp_path_factory: pytest.TempPathFactory) -> Package:
    return made_once(tmp_path_factory)


@pytest.fixture(scope="session")
def template(packaged: Package) -> dict[str, Any]:
    """The merged template; a test that changes it makes a copy."""
    merged: dict[str, Any] = json.loads(packaged.template.read_text())
    return merged

"""The template and the zip in a bucket of moto's, and the link to them."""

from __future__ import annotations

import hashlib
import json
from contextlib import closing
from typing import TYPE_CHECKING, Literal
from urllib.parse import parse_qs, unquote, urlsplit

import boto3
import pytest

from chalicelib import __version__
from labelwatch.deploy import Package
from labelwatch.deploy.publish import publish
from labelwatch.shared.account import Account
from labelwatch.shared.errors import UserError
from tests.integration.conftest import REGION

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client


@pytest.fixture
def bucket(s3: S3Client) -> str:
    s3.create_bucket(Bucket="packages", CreateBucketConfiguration={"LocationConstraint": REGION})
    return "packages"


def parameters_of(link: str) -> dict[str, list[str]]:
    return parse_qs(urlsplit(link).fragment.partition("?")[2])


def test_the_link_launches_the_template_that_was_uploaded(s3: S3Client, bucket: str, packaged: Package) -> None:
    published = publish(Account(), packaged, f"s3://{bucket}/labelwatch")
    assert published.launch.startswith(
        f"https://{REGION}.console.aws.amazon.com/cloudformation/home?region={REGION}#/stacks/create/review?"
    )
    assert parameters_of(published.launch) == {"templateURL": [published.template], "stackName": ["labelwatch"]}
    key = unquote(urlsplit(published.template).path).removeprefix(f"/{bucket}/")
    assert key.startswith("labelwatch/")
    assert "Resources" in json.loads(s3.get_object(Bucket=bucket, Key=key)["Body"].read())


def test_every_function_of_the_template_has_its_code_in_the_bucket(
    s3: S3Client, bucket: str, packaged: Package
) -> None:
    published = publish(Account(), packaged, f"s3://{bucket}/tools/ours/")
    key = urlsplit(published.template).path.removeprefix(f"/{bucket}/")
    template = json.loads(s3.get_object(Bucket=bucket, Key=key)["Body"].read())
    locations = [
        resource["Properties"]["CodeUri"]
        for resource in template["Resources"].values()
        if resource["Type"].endswith("::Function")
    ]
    assert len(locations) == 6
    for location in locations:
        assert location["Bucket"] == bucket
        # Other code must have another key: CloudFormation compares the key, not the object's content.
        digest = hashlib.sha256(packaged.zip.read_bytes()).hexdigest()
        assert location["Key"] == f"tools/ours/{__version__}/{digest[:16]}.zip"
        assert s3.get_object(Bucket=bucket, Key=location["Key"])["Body"].read() == packaged.zip.read_bytes()


def test_every_parameter_has_a_group_and_a_description_in_the_console(packaged: Package) -> None:
    template = json.loads(packaged.template.read_text())
    grouped = {
        name
        for group in template["Metadata"]["AWS::CloudFormation::Interface"]["ParameterGroups"]
        for name in group["Parameters"]
    }
    assert grouped == set(template["Parameters"])
    assert all(parameter["Description"] for parameter in template["Parameters"].values())


@pytest.mark.parametrize(
    "target", ["packages", "s3:/packages", "s3://", "s3://Packages/x", "https://packages/x", "s3://packages/ä"]
)
@pytest.mark.usefixtures("bucket")
def test_an_invalid_target_is_refused(packaged: Package, target: str) -> None:
    with pytest.raises(UserError, match="--publish"):
        publish(Account(), packaged, target)


@pytest.mark.usefixtures("bucket")
def test_a_missing_bucket_is_refused(packaged: Package) -> None:
    with pytest.raises(UserError, match=f"missing in {REGION}"):
        publish(Account(), packaged, "s3://missing")


@pytest.mark.usefixtures("account")
def test_a_bucket_of_another_region_is_refused_since_lambda_takes_no_code_from_there(packaged: Package) -> None:
    make_bucket("far-away", "us-west-2")
    with pytest.raises(UserError, match="far-away is in us-west-2"):
        publish(Account(), packaged, "s3://far-away")


@pytest.mark.usefixtures("account")
def test_the_console_is_that_of_the_partition(packaged: Package) -> None:
    make_bucket("in-govcloud", "us-gov-west-1")
    published = publish(Account(region="us-gov-west-1"), packaged, "s3://in-govcloud")
    assert published.launch.startswith("https://console.amazonaws-us-gov.com/cloudformation/home?region=us-gov-west-1#")
    assert published.template.startswith("https://s3.us-gov-west-1.amazonaws.com/in-govcloud/")


@pytest.mark.usefixtures("account")
def test_a_region_without_rekognition_is_refused(packaged: Package) -> None:
    with pytest.raises(UserError, match="Rekognition does not exist"):
        publish(Account(region="eu-west-3"), packaged, "s3://packages")


def make_bucket(name: str, region: Literal["us-west-2", "us-gov-west-1"]) -> None:
    with closing(boto3.client("s3", region_name=region)) as s3:
        s3.create_bucket(Bucket=name, CreateBucketConfiguration={"LocationConstraint": region})

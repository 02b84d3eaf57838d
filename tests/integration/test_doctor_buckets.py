"""The checks of buckets on moto, which answers as S3 where a bucket lacks a configuration."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import pytest

from labelwatch.deploy import resources
from labelwatch.doctor.buckets import BUCKETS, check_access_logs, check_buckets
from labelwatch.doctor.check import Outcome
from labelwatch.doctor.deployment import Deployment
from labelwatch.shared.account import Account
from labelwatch.shared.findings import Result
from labelwatch.shared.stacks import Stack
from tests.integration.conftest import REGION

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client

NAMES = dict(zip(BUCKETS, ("images", "predictions", "predictions-workspace"), strict=True))
REFUSES_HTTP = {
    "Effect": "Deny",
    "Principal": "*",
    "Action": "s3:GetObject",
    "Resource": "*",
    "Condition": {"Bool": {"aws:SecureTransport": "false"}},
}


@pytest.fixture
def deployment(s3: S3Client) -> Deployment:
    """The three buckets as CloudFormation makes them."""
    template = resources()["Resources"]
    for logical_id, name in NAMES.items():
        properties = template[logical_id]["Properties"]
        s3.create_bucket(Bucket=name, CreateBucketConfiguration={"LocationConstraint": REGION})
        s3.put_public_access_block(
            Bucket=name, PublicAccessBlockConfiguration=properties["PublicAccessBlockConfiguration"]
        )
        s3.put_bucket_ownership_controls(Bucket=name, OwnershipControls=properties["OwnershipControls"])
        s3.put_bucket_encryption(
            Bucket=name,
            ServerSideEncryptionConfiguration={
                "Rules": [{"ApplyServerSideEncryptionByDefault": {"SSEAlgorithm": "AES256"}}]
            },
        )
        s3.put_bucket_policy(Bucket=name, Policy=json.dumps({"Version": "2012-10-17", "Statement": [REFUSES_HTTP]}))
    s3.put_bucket_versioning(Bucket="images", VersioningConfiguration={"Status": "Enabled"})
    return Deployment(Account(), "labelwatch", Stack("CREATE_COMPLETE", {}, NAMES))


def outcomes(check: Callable[[Deployment], Any], deployment: Deployment) -> list[Outcome]:
    return list(check(deployment))


def test_buckets_as_in_the_template_pass(deployment: Deployment) -> None:
    assert [outcome.result for outcome in outcomes(check_buckets, deployment)] == [Result.PASS]


@pytest.mark.parametrize(
    ("change", "phrase"),
    [
        (lambda s3: s3.delete_public_access_block(Bucket="images"), "public access"),
        (lambda s3: s3.delete_bucket_ownership_controls(Bucket="images"), "ACLs"),
        (lambda s3: s3.delete_bucket_policy(Bucket="images"), "plain HTTP"),
        (
            lambda s3: s3.put_bucket_versioning(Bucket="images", VersioningConfiguration={"Status": "Suspended"}),
            "versioning",
        ),
    ],
    ids=["public", "owners", "policy", "versions"],
)
def test_what_a_bucket_lacks_fails(deployment: Deployment, s3: S3Client, change: Any, phrase: str) -> None:
    change(s3)
    (outcome,) = outcomes(check_buckets, deployment)
    assert outcome.result == Result.FAIL
    assert "images" in outcome.found
    assert phrase in outcome.found


def test_access_logs_that_are_off_are_a_warning(deployment: Deployment) -> None:
    (outcome,) = outcomes(check_access_logs, deployment)
    assert outcome.result == Result.WARN

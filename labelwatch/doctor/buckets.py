"""Checks of the stack's buckets against their properties in the template."""

import json
from collections.abc import Iterator
from typing import Any

from botocore.exceptions import ClientError

from labelwatch.deploy import resources
from labelwatch.doctor.check import Outcome, failed, passed, warned
from labelwatch.doctor.deployment import Deployment
from labelwatch.doctor.policies import refuses_plain_http

BUCKETS = ("InputBucket", "OutputBucket", "WorkspaceBucket")
# S3 has no configuration of this kind for the bucket.
_UNSET = {
    "NoSuchBucketPolicy",
    "NoSuchPublicAccessBlockConfiguration",
    "OwnershipControlsNotFoundError",
    "ServerSideEncryptionConfigurationNotFoundError",
}
ACTION = "Restore the setting in the S3 console, as in infra/resources.yaml."


def check_buckets(deployment: Deployment) -> Iterator[Outcome]:
    """Whether each bucket is private, encrypted and versioned as in the template, and refuses plain HTTP."""
    properties = {name: resource["Properties"] for name, resource in resources()["Resources"].items()}
    problems = 0
    for logical_id in BUCKETS:
        bucket = deployment.values[logical_id]
        for problem in _problems(deployment, bucket, properties[logical_id]):
            problems += 1
            yield failed(f"Bucket {bucket} {problem}.", ACTION)
    if not problems:
        yield passed(f"{len(BUCKETS)} buckets are private, encrypted and refuse plain HTTP.")


def check_access_logs(deployment: Deployment) -> Iterator[Outcome]:
    """Whether S3 logs the requests to both buckets with data."""
    s3 = deployment.client("s3")
    names = [deployment.values[logical_id] for logical_id in BUCKETS[:2]]
    unlogged = [name for name in names if "LoggingEnabled" not in s3.get_bucket_logging(Bucket=name)]
    if unlogged:
        yield warned(f"No access logs of {' and '.join(unlogged)}.", ACTION)
    else:
        yield passed(f"In {deployment.values['WorkspaceBucket']}/access-logs/.")


def _problems(deployment: Deployment, bucket: str, properties: dict[str, Any]) -> Iterator[str]:
    s3 = deployment.client("s3")
    blocks = _read(s3.get_public_access_block, bucket).get("PublicAccessBlockConfiguration")
    if blocks != properties["PublicAccessBlockConfiguration"]:
        yield "does not block all public access"
    if _read(s3.get_bucket_ownership_controls, bucket).get("OwnershipControls") != properties["OwnershipControls"]:
        yield "lets uploaders own objects (ACLs)"
    if not _read(s3.get_bucket_encryption, bucket):
        yield "has no default encryption"
    versioning = properties.get("VersioningConfiguration", {}).get("Status")
    if versioning and s3.get_bucket_versioning(Bucket=bucket).get("Status") != versioning:
        yield "has no versioning, so that a picture page may show a later image"
    policy = json.loads(_read(s3.get_bucket_policy, bucket).get("Policy", "{}"))
    if not refuses_plain_http(policy):
        yield "accepts plain HTTP"


def _read(call: Any, bucket: str) -> dict[str, Any]:  # noqa: ANN401 - an operation of S3
    """S3's answer, empty where the bucket has no such configuration."""
    try:
        answer: dict[str, Any] = call(Bucket=bucket)
    except ClientError as problem:
        if problem.response["Error"]["Code"] not in _UNSET:
            raise
        return {}
    return answer

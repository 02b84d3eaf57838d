"""The buckets that stacks created, in an account of moto's with buckets of others."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from botocore.exceptions import ClientError

from labelwatch.deploy.buckets import StackBuckets, exists
from labelwatch.deploy.packaging import resources
from labelwatch.shared.account import Account
from labelwatch.shared.errors import UserError
from tests.integration.conftest import REGION

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client


def create_bucket(s3: S3Client, name: str, **tags: str) -> None:
    s3.create_bucket(Bucket=name, CreateBucketConfiguration={"LocationConstraint": REGION})
    if tags:
        s3.put_bucket_tagging(
            Bucket=name, Tagging={"TagSet": [{"Key": key, "Value": value} for key, value in tags.items()]}
        )


def test_only_the_buckets_that_the_stack_created_are_its_own(s3: S3Client) -> None:
    create_bucket(s3, "ours", application="labelwatch", stack="labelwatch-prod")
    create_bucket(s3, "of-another-stage", application="labelwatch", stack="labelwatch-test")
    create_bucket(s3, "of-another-application", application="other", stack="labelwatch-prod")
    create_bucket(s3, "without-tags")
    assert StackBuckets(Account()).created_by("labelwatch-prod") == (["ours"], [])


def test_a_bucket_whose_tags_may_not_be_read_does_not_hide_the_others(
    s3: S3Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    create_bucket(s3, "of-somebody-else", application="labelwatch", stack="labelwatch-prod")
    create_bucket(s3, "ours", application="labelwatch", stack="labelwatch-prod")
    buckets = StackBuckets(Account())
    stack_of = buckets.stack_of

    def denied(name: str) -> str | None:
        if name == "of-somebody-else":
            raise UserError("whose it is cannot be known")
        return stack_of(name)

    monkeypatch.setattr(buckets, "stack_of", denied)
    assert buckets.created_by("labelwatch-prod") == (["ours"], ["of-somebody-else"])


def test_a_bucket_is_deleted_with_every_version_of_every_object(s3: S3Client) -> None:
    create_bucket(s3, "images")
    s3.put_bucket_versioning(Bucket="images", VersioningConfiguration={"Status": "Enabled"})
    for body in (b"one", b"two"):
        s3.put_object(Bucket="images", Key="leaf.jpg", Body=body)
    s3.delete_object(Bucket="images", Key="leaf.jpg")
    deleted: list[int] = []
    StackBuckets(Account()).delete("images", deleted.append)
    assert sum(deleted) == 3
    assert not exists(Account(), "images")


def test_an_object_that_cannot_be_deleted_is_named_and_the_bucket_stays(
    s3: S3Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    create_bucket(s3, "images")
    s3.put_object(Bucket="images", Key="locked.jpg", Body=b"leaf")
    account = Account()
    client = account.client("s3")
    refusal = {"Errors": [{"Key": "locked.jpg", "Message": "Access Denied because object protected by object lock."}]}
    monkeypatch.setattr(client, "delete_objects", lambda **_: refusal)
    monkeypatch.setattr(account, "client", lambda _: client)
    with pytest.raises(UserError, match=r"locked\.jpg .*Access Denied"):
        StackBuckets(account).delete("images", lambda _: None)
    assert exists(Account(), "images")


def test_a_bucket_that_an_acl_made_public_is_private_once_it_is_protected(s3: S3Client) -> None:
    s3.create_bucket(
        Bucket="opened",
        CreateBucketConfiguration={"LocationConstraint": REGION},
        ObjectOwnership="ObjectWriter",
        ACL="public-read",
    )
    properties = resources()["Resources"]["OutputBucket"]["Properties"]
    StackBuckets(Account()).protect("opened", properties)
    assert [grant["Grantee"]["Type"] for grant in s3.get_bucket_acl(Bucket="opened")["Grants"]] == ["CanonicalUser"]
    assert s3.get_public_access_block(Bucket="opened")["PublicAccessBlockConfiguration"]["BlockPublicAcls"]


def test_the_policy_of_a_deleted_stack_makes_room_for_that_of_the_new_stack(s3: S3Client) -> None:
    """CloudFormation creates no policy for a bucket that has one."""
    create_bucket(s3, "images")
    s3.put_bucket_policy(Bucket="images", Policy='{"Version": "2012-10-17", "Statement": []}')
    StackBuckets(Account()).protect("images", resources()["Resources"]["OutputBucket"]["Properties"])
    with pytest.raises(ClientError, match="NoSuchBucketPolicy"):
        s3.get_bucket_policy(Bucket="images")


def test_no_stack_created_a_missing_bucket(s3: S3Client) -> None:
    assert s3
    assert StackBuckets(Account()).stack_of("missing") is None


def test_the_deletion_of_a_missing_bucket_fails_with_the_error_of_s3(s3: S3Client) -> None:
    assert s3
    with pytest.raises(ClientError, match="NoSuchBucket"):
        StackBuckets(Account()).delete("images", lambda _: None)

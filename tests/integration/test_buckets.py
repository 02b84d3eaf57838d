"""The buckets that stacks made, in an account of moto's where others have buckets too."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from botocore.exceptions import ClientError

from labelwatch.deploy.buckets import OwnBuckets, is_there
from labelwatch.deploy.package import resources
from labelwatch.shared.account import Account
from labelwatch.shared.errors import UserError
from tests.integration.conftest import REGION

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client


def make(s3: S3Client, name: str, **tags: str) -> None:
    s3.create_bucket(Bucket=name, CreateBucketConfiguration={"LocationConstraint": REGION})
    if tags:
        s3.put_bucket_tagging(
            Bucket=name, Tagging={"TagSet": [{"Key": key, "Value": value} for key, value in tags.items()]}
        )


def test_only_what_the_stack_made_is_its_own(s3: S3Client) -> None:
    make(s3, "ours", application="labelwatch", stack="labelwatch-prod")
    make(s3, "of-another-stage", application="labelwatch", stack="labelwatch-test")
    make(s3, "of-another-application", application="other", stack="labelwatch-prod")
    make(s3, "of-nobody")
    assert OwnBuckets(Account()).of("labelwatch-prod") == (["ours"], [])


def test_a_bucket_whose_tags_may_not_be_read_does_not_hide_the_others(
    s3: S3Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    make(s3, "of-somebody-else", application="labelwatch", stack="labelwatch-prod")
    make(s3, "ours", application="labelwatch", stack="labelwatch-prod")
    buckets = OwnBuckets(Account())
    stack_of = buckets.stack_of

    def refusing(name: str) -> str | None:
        if name == "of-somebody-else":
            raise UserError("whose it is cannot be known")
        return stack_of(name)

    monkeypatch.setattr(buckets, "stack_of", refusing)
    assert buckets.of("labelwatch-prod") == (["ours"], ["of-somebody-else"])


def test_a_bucket_goes_with_every_version_of_every_object(s3: S3Client) -> None:
    make(s3, "images")
    s3.put_bucket_versioning(Bucket="images", VersioningConfiguration={"Status": "Enabled"})
    for body in (b"one", b"two"):
        s3.put_object(Bucket="images", Key="leaf.jpg", Body=body)
    s3.delete_object(Bucket="images", Key="leaf.jpg")
    gone: list[int] = []
    OwnBuckets(Account()).remove("images", gone.append)
    assert sum(gone) == 3
    assert not is_there(Account(), "images")


def test_an_object_that_cannot_be_deleted_is_named_and_the_bucket_stays(
    s3: S3Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    make(s3, "images")
    s3.put_object(Bucket="images", Key="held.jpg", Body=b"leaf")
    account = Account()
    client = account.client("s3")
    refusal = {"Errors": [{"Key": "held.jpg", "Message": "Access Denied because object protected by object lock."}]}
    monkeypatch.setattr(client, "delete_objects", lambda **_: refusal)
    monkeypatch.setattr(account, "client", lambda _: client)
    with pytest.raises(UserError, match=r"^held\.jpg in images could not be deleted: Access Denied"):
        OwnBuckets(account).remove("images", lambda _: None)
    assert is_there(Account(), "images")


def test_a_bucket_that_lists_of_its_own_opened_to_all_is_closed_again(s3: S3Client) -> None:
    s3.create_bucket(
        Bucket="opened",
        CreateBucketConfiguration={"LocationConstraint": REGION},
        ObjectOwnership="ObjectWriter",
        ACL="public-read",
    )
    properties = resources()["Resources"]["OutputBucket"]["Properties"]
    OwnBuckets(Account()).guard("opened", properties)
    assert [one["Grantee"]["Type"] for one in s3.get_bucket_acl(Bucket="opened")["Grants"]] == ["CanonicalUser"]
    assert s3.get_public_access_block(Bucket="opened")["PublicAccessBlockConfiguration"]["BlockPublicAcls"]


def test_nobody_made_a_bucket_that_is_gone(s3: S3Client) -> None:
    assert s3
    assert OwnBuckets(Account()).stack_of("gone-meanwhile") is None


def test_a_bucket_that_is_gone_says_so_as_s3_does(s3: S3Client) -> None:
    assert s3
    with pytest.raises(ClientError, match="NoSuchBucket"):
        OwnBuckets(Account()).remove("images", lambda _: None)

"""Buckets: whether they exist, which stack created them, their protection, and their deletion."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from botocore.exceptions import ClientError

from labelwatch.shared.errors import UserError

if TYPE_CHECKING:
    from labelwatch.shared.account import Account

MISSING = {"404", "NoSuchBucket"}
UNTAGGED = {*MISSING, "NoSuchTagSet"}


def exists(account: Account, name: str) -> bool:
    """Whether the account has this bucket in this Region; raises UserError for another account or Region."""
    s3 = account.client("s3")
    try:
        head = s3.head_bucket(Bucket=name, ExpectedBucketOwner=account.id)
    except ClientError as problem:
        code = problem.response["Error"]["Code"]
        if code in MISSING:
            return False
        region = _region(problem.response)
        if code == "403":
            raise UserError(
                f"Bucket {name} belongs to another account, or these credentials have no access. Bucket names are "
                "unique across all accounts. Choose another name."
            ) from None
        if region and region != account.region:
            raise UserError(_in_other_region(name, region, account)) from None
        raise
    region = head.get("BucketRegion", account.region)
    if region != account.region:
        raise UserError(_in_other_region(name, region, account))
    return True


class StackBuckets:
    """The buckets that Labelwatch's stacks created, found by their tags."""

    def __init__(self, account: Account) -> None:
        self._s3 = account.client("s3")
        self._region = account.region

    def stack_of(self, name: str) -> str | None:
        """The Labelwatch stack that created this bucket, or None; raises UserError where its tags may not be read."""
        try:
            tags = {tag["Key"]: tag["Value"] for tag in self._s3.get_bucket_tagging(Bucket=name)["TagSet"]}
        except ClientError as problem:
            code = problem.response["Error"]["Code"]
            if code in UNTAGGED:
                return None
            if code == "AccessDenied":
                raise UserError(
                    f"Access denied: s3:GetBucketTagging on bucket {name}. Ask for the permission, then run the "
                    "command again."
                ) from None
            raise
        return tags.get("stack") if tags.get("application") == "labelwatch" else None

    def created_by(self, stack: str) -> tuple[list[str], list[str]]:
        """The existing buckets that this stack created, and the buckets whose tags may not be read."""
        pages = self._s3.get_paginator("list_buckets").paginate(BucketRegion=self._region)
        created: list[str] = []
        unreadable: list[str] = []
        for name in [bucket["Name"] for page in pages for bucket in page["Buckets"]]:
            try:
                created += [name] if self.stack_of(name) == stack else []
            except UserError:
                unreadable.append(name)
        return created, unreadable

    def protect(self, name: str, properties: dict[str, Any]) -> None:
        """Sets the bucket's protection from its properties in the template, and removes the access that ACLs gave.

        The bucket's policy is deleted: CloudFormation creates no policy where one exists.
        """
        encryption = [
            {"ApplyServerSideEncryptionByDefault": rule["ServerSideEncryptionByDefault"]}
            for rule in properties["BucketEncryption"]["ServerSideEncryptionConfiguration"]
        ]
        self._s3.put_public_access_block(
            Bucket=name, PublicAccessBlockConfiguration=properties["PublicAccessBlockConfiguration"]
        )
        try:  # S3 refuses BucketOwnerEnforced while ACLs give others access
            self._s3.put_bucket_acl(Bucket=name, ACL="private")
        except ClientError as problem:
            if problem.response["Error"]["Code"] != "AccessControlListNotSupported":
                raise
        self._s3.put_bucket_ownership_controls(Bucket=name, OwnershipControls=properties["OwnershipControls"])
        self._s3.put_bucket_encryption(Bucket=name, ServerSideEncryptionConfiguration={"Rules": encryption})
        self._s3.delete_bucket_policy(Bucket=name)
        if "VersioningConfiguration" in properties:
            self._s3.put_bucket_versioning(Bucket=name, VersioningConfiguration=properties["VersioningConfiguration"])

    def delete(self, name: str, on_deleted: Callable[[int], None]) -> None:
        """Deletes the bucket with every version of every object; calls `on_deleted` with the size of each chunk."""
        for page in self._s3.get_paginator("list_object_versions").paginate(Bucket=name):
            versions: list[dict[str, Any]] = page.get("Versions", []) + page.get("DeleteMarkers", [])
            if not versions:
                continue
            objects = [{"Key": version["Key"], "VersionId": version["VersionId"]} for version in versions]
            answer = self._s3.delete_objects(Bucket=name, Delete={"Objects": objects, "Quiet": True})
            for error in answer.get("Errors", []):
                raise UserError(
                    f"Could not delete {error['Key']} from bucket {name}: {error['Message'].rstrip('.')}. Remove the "
                    "cause, then run the command again."
                )
            on_deleted(len(objects))
        self._s3.delete_bucket(Bucket=name)


def _in_other_region(name: str, region: str, account: Account) -> str:
    return f"Bucket {name} is in {region}, not in {account.region}. Choose another bucket, or pass --region {region}."


def _region(response: Any) -> str | None:  # noqa: ANN401 - botocore's own type leaves the headers out
    region: str | None = response["ResponseMetadata"].get("HTTPHeaders", {}).get("x-amz-bucket-region")
    return region

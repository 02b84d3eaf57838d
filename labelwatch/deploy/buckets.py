"""Buckets: whose they are, and emptying them."""

from collections.abc import Callable
from typing import Any

from botocore.exceptions import ClientError

from labelwatch.shared.account import Account
from labelwatch.shared.errors import UserError

GONE = {"404", "NoSuchBucket"}
NOBODY_S = {*GONE, "NoSuchTagSet"}


def is_there(account: Account, name: str) -> bool:
    """Whether the account has this bucket in this Region; raises UserError where another, or another Region, does."""
    s3 = account.client("s3")
    try:
        head = s3.head_bucket(Bucket=name, ExpectedBucketOwner=account.id)
    except ClientError as problem:
        code = problem.response["Error"]["Code"]
        if code in GONE:
            return False
        region = _region(problem.response)
        if code == "403":
            raise UserError(
                f"the bucket name {name} is taken by somebody else (names of buckets are world-wide), or these "
                "credentials may not look at it; choose another."
            ) from None
        if region and region != account.region:
            raise UserError(f"the bucket {name} is in {region}, and this is {account.region}.") from None
        raise
    region = head.get("BucketRegion", account.region)
    if region != account.region:
        raise UserError(f"the bucket {name} is in {region}, and this is {account.region}.")
    return True


class OwnBuckets:
    """The buckets that stacks of Labelwatch made, by their tags."""

    def __init__(self, account: Account) -> None:
        self._s3 = account.client("s3")
        self._region = account.region

    def stack_of(self, name: str) -> str | None:
        """The stack that made this bucket; None where no Labelwatch did. Raises UserError where it may not be asked."""
        try:
            tags = {one["Key"]: one["Value"] for one in self._s3.get_bucket_tagging(Bucket=name)["TagSet"]}
        except ClientError as problem:
            code = problem.response["Error"]["Code"]
            if code in NOBODY_S:
                return None
            if code == "AccessDenied":
                raise UserError(
                    f"whose the bucket {name} is cannot be known: these credentials may not read its tags "
                    "(s3:GetBucketTagging)."
                ) from None
            raise
        return tags.get("stack") if tags.get("application") == "labelwatch" else None

    def of(self, stack: str) -> tuple[list[str], list[str]]:
        """The buckets that this stack made and that are still there; and those that may not be asked whose they are."""
        pages = self._s3.get_paginator("list_buckets").paginate(BucketRegion=self._region)
        own: list[str] = []
        unknown: list[str] = []
        for name in [one["Name"] for page in pages for one in page["Buckets"]]:
            try:
                own += [name] if self.stack_of(name) == stack else []
            except UserError:
                unknown.append(name)
        return own, unknown

    def guard(self, name: str, properties: dict[str, Any]) -> None:
        """Puts the bucket's guards as its properties in the template say, and closes what lists of its own opened."""
        encryption = [
            {"ApplyServerSideEncryptionByDefault": one["ServerSideEncryptionByDefault"]}
            for one in properties["BucketEncryption"]["ServerSideEncryptionConfiguration"]
        ]
        self._s3.put_public_access_block(
            Bucket=name, PublicAccessBlockConfiguration=properties["PublicAccessBlockConfiguration"]
        )
        try:  # S3 takes no ownership but these lists' own while they let others in
            self._s3.put_bucket_acl(Bucket=name, ACL="private")
        except ClientError as problem:
            if problem.response["Error"]["Code"] != "AccessControlListNotSupported":
                raise
        self._s3.put_bucket_ownership_controls(Bucket=name, OwnershipControls=properties["OwnershipControls"])
        self._s3.put_bucket_encryption(Bucket=name, ServerSideEncryptionConfiguration={"Rules": encryption})
        if "VersioningConfiguration" in properties:
            self._s3.put_bucket_versioning(Bucket=name, VersioningConfiguration=properties["VersioningConfiguration"])

    def remove(self, name: str, emptied: Callable[[int], None]) -> None:
        """Deletes the bucket with every version of every object; `emptied` hears how many more are gone."""
        for page in self._s3.get_paginator("list_object_versions").paginate(Bucket=name):
            found: list[dict[str, Any]] = page.get("Versions", []) + page.get("DeleteMarkers", [])
            if not found:
                continue
            which = [{"Key": one["Key"], "VersionId": one["VersionId"]} for one in found]
            answer = self._s3.delete_objects(Bucket=name, Delete={"Objects": which, "Quiet": True})
            for error in answer.get("Errors", []):
                raise UserError(f"{error['Key']} in {name} could not be deleted: {error['Message']}")
            emptied(len(which))
        self._s3.delete_bucket(Bucket=name)


def _region(response: Any) -> str | None:  # noqa: ANN401 - botocore's own type leaves the headers out
    region: str | None = response["ResponseMetadata"].get("HTTPHeaders", {}).get("x-amz-bucket-region")
    return region

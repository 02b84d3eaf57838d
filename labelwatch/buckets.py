"""Buckets: whose they are, and emptying them."""

from collections.abc import Callable
from typing import Any

from botocore.exceptions import ClientError

from labelwatch.aws import Account
from labelwatch.errors import UserError

GONE = {"404", "NoSuchBucket"}


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
        """The stack that made this bucket; None where no Labelwatch did."""
        try:
            tags = {one["Key"]: one["Value"] for one in self._s3.get_bucket_tagging(Bucket=name)["TagSet"]}
        except ClientError as problem:
            if problem.response["Error"]["Code"] in {*GONE, "NoSuchTagSet", "AccessDenied"}:
                return None
            raise
        return tags.get("stack") if tags.get("application") == "labelwatch" else None

    def of(self, stack: str) -> list[str]:
        """The buckets that this stack made and that are still there."""
        pages = self._s3.get_paginator("list_buckets").paginate(BucketRegion=self._region)
        return [one["Name"] for page in pages for one in page["Buckets"] if self.stack_of(one["Name"]) == stack]

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

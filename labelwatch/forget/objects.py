"""Objects of a bucket: every version and delete marker, and their deletion."""

from collections.abc import Callable, Iterator, Sequence
from itertools import batched
from typing import Any, NamedTuple

from labelwatch.shared.errors import UserError

# S3's limit: https://docs.aws.amazon.com/AmazonS3/latest/API/API_DeleteObjects.html
MAX_OBJECTS = 1000


class ObjectVersion(NamedTuple):
    """A version of an object, or a delete marker, which has no ETag."""

    bucket: str
    key: str
    version_id: str
    etag: str | None

    def __str__(self) -> str:
        kind = "version" if self.etag else "delete marker"
        return f"s3://{self.bucket}/{self.key} ({kind} {self.version_id})"


def versions(s3: Any, bucket: str, prefix: str) -> Iterator[ObjectVersion]:  # noqa: ANN401 - the client of any endpoint
    """Every version and delete marker under the prefix. Without versioning, each object has the version `null`."""
    for page in s3.get_paginator("list_object_versions").paginate(Bucket=bucket, Prefix=prefix):
        for version in [*page.get("Versions", []), *page.get("DeleteMarkers", [])]:
            etag = version.get("ETag")
            yield ObjectVersion(bucket, version["Key"], version["VersionId"], etag.strip('"') if etag else None)


def delete(s3: Any, objects: Sequence[ObjectVersion], on_deleted: Callable[[int], None]) -> None:  # noqa: ANN401 - the same
    """Deletes these versions of one bucket; raises UserError with S3's reason where it keeps some."""
    for chunk in batched(objects, MAX_OBJECTS):
        names = [{"Key": version.key, "VersionId": version.version_id} for version in chunk]
        answer = s3.delete_objects(Bucket=chunk[0].bucket, Delete={"Objects": names, "Quiet": True})
        for refusal in answer.get("Errors", []):
            reason = refusal.get("Message") or refusal["Code"]
            raise UserError(f"Could not delete s3://{chunk[0].bucket}/{refusal['Key']}: {reason.rstrip('.')}.")
        on_deleted(len(chunk))

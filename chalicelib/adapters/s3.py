"""S3: the metadata of images, presigned uploads, the rows in the output bucket, the pictures of pages."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

from botocore.exceptions import ClientError

from chalicelib.adapters.faults import raising_faults
from chalicelib.domain.errors import Rejected, Retryable
from chalicelib.domain.images import ImageReference, ObjectCreated
from chalicelib.domain.pages import SignedPicture
from chalicelib.domain.uploads import PresignedPut

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client

_PICTURE_LIFETIME = timedelta(minutes=5)
_PICTURE_TYPES = {b"\xff\xd8\xff": "image/jpeg", b"\x89PNG\r\n\x1a\n": "image/png"}
_SIGNATURE_BYTES = 8
# Deleted, empty or archived. Without s3:ListBucket, which a page needs for nothing else, a deleted object is "denied".
_MISSING = {
    "NoSuchKey", "NoSuchVersion", "NoSuchBucket", "AccessDenied", "MethodNotAllowed", "InvalidRange",
    "InvalidObjectState",
}  # fmt: skip
# The metadata of rows of which nobody may be notified.
SUPPRESSED = {"notify": "no"}
_CONSOLES = {
    "aws": "https://{region}.console.aws.amazon.com",
    "aws-cn": "https://console.amazonaws.cn",
    "aws-us-gov": "https://console.amazonaws-us-gov.com",
}


class ImageObjects:
    """The uploaded images."""

    def __init__(self, client: S3Client) -> None:
        self._client = client

    def head(self, created: ObjectCreated) -> ImageReference:
        """Raises Rejected where the object is missing; a 403 is a fault of the set-up and comes as Retryable."""
        try:
            with raising_faults():
                head = self._client.head_object(Bucket=created.bucket, Key=created.key, **_version(created.version_id))
        except Retryable as fault:
            # HeadObject's answer has no body, so the code is the status. Without s3:ListBucket it would be 403.
            if fault.reason == "404":
                raise Rejected("ImageNotFound", "The object, or this version of the object, does not exist") from fault
            raise
        return ImageReference(
            bucket=created.bucket,
            key=created.key,
            version_id=head.get("VersionId"),
            etag=head["ETag"].strip('"'),
            size=head["ContentLength"],
            content_type=head.get("ContentType", ""),
            metadata=head["Metadata"],
            uploaded_at=head["LastModified"],
        )


class SignedUploads:
    """Presigned PUTs, each for one image, with the rights of the role that signs them.

    S3 refuses the second: https://docs.aws.amazon.com/AmazonS3/latest/userguide/conditional-writes.html
    """

    def __init__(self, client: S3Client, bucket: str) -> None:
        self._client = client
        self._bucket = bucket

    def sign(self, key: str, content_type: str, size: int, seconds: int) -> PresignedPut:
        """The signature binds the bucket, the very key, the type, the size, the time, and that no object exists."""
        signed = {"ContentType": content_type, "ContentLength": size, "IfNoneMatch": "*"}
        with raising_faults():
            url = self._client.generate_presigned_url(
                "put_object", Params={"Bucket": self._bucket, "Key": key, **signed}, ExpiresIn=seconds
            )
        return PresignedPut(url, {"Content-Type": content_type, "If-None-Match": "*"})


class RowObjects:
    """The rows of predictions, in the output bucket."""

    def __init__(self, client: S3Client, bucket: str) -> None:
        self._client = client
        self._bucket = bucket

    def has(self, key: str, *, notify: bool) -> bool:
        """Whether there are rows under this key; with `notify`, rows of which people may be notified."""
        with raising_faults():
            try:
                head = self._client.head_object(Bucket=self._bucket, Key=key)
            except ClientError as problem:
                if problem.response["Error"]["Code"] != "404":
                    raise
                return False
        return not (notify and head["Metadata"].items() >= SUPPRESSED.items())

    def get(self, key: str) -> bytes | None:
        """The rows under this key; None where there are none."""
        with raising_faults():
            try:
                content: bytes = self._client.get_object(Bucket=self._bucket, Key=key)["Body"].read()
            except ClientError as refusal:
                if refusal.response["Error"]["Code"] not in _MISSING:
                    raise
                return None
        return content

    def put(self, key: str, content: bytes, *, notify: bool) -> None:
        """Writes or replaces one object.

        Its metadata says where nobody may be notified: an audit could not know it from the rows.
        """
        with raising_faults():
            self._client.put_object(
                Bucket=self._bucket,
                Key=key,
                Body=content,
                ContentType="application/x-ndjson",
                Metadata={} if notify else SUPPRESSED,
            )


class PictureObjects:
    """The pictures of images, as their pages show them."""

    def __init__(self, client: S3Client) -> None:
        self._client = client

    def sign(self, bucket: str, key: str, version_id: str | None, now: datetime) -> SignedPicture | None:
        """An address that works for five minutes, with the type of the picture's bytes; None where the object is gone.

        Not with the object's own content type, which its sender chose: text/html would be a web page.
        """
        picture: Any = {"Bucket": bucket, "Key": key, **_version(version_id)}
        with raising_faults():
            try:
                content = self._client.get_object(**picture, Range=f"bytes=0-{_SIGNATURE_BYTES - 1}")["Body"].read()
            except ClientError as refusal:
                if refusal.response["Error"]["Code"] not in _MISSING:
                    raise
                return None
            types = [name for start, name in _PICTURE_TYPES.items() if content.startswith(start)]
            content_type, disposition = (types[0], "inline") if types else ("application/octet-stream", "attachment")
            url = self._client.generate_presigned_url(
                "get_object",
                Params=picture | {"ResponseContentType": content_type, "ResponseContentDisposition": disposition},
                ExpiresIn=int(_PICTURE_LIFETIME.total_seconds()),
            )
        return SignedPicture(url, content_type, now + _PICTURE_LIFETIME)

    def console(self, bucket: str, key: str, version_id: str | None) -> str:
        """The object's address in the console, for people with access to the account."""
        meta = self._client.meta
        return object_address(meta.partition, meta.region_name, bucket, key, version_id)


def console_address(partition: str, region: str) -> str:
    """The address of a Region's console, without a slash at its end."""
    return _CONSOLES.get(partition, _CONSOLES["aws"]).format(region=region)


def object_address(partition: str, region: str, bucket: str, key: str, version_id: str | None) -> str:
    """The address of an object in the console, for those with access to the account."""
    version = f"&versionId={quote(version_id, safe='')}" if version_id else ""
    path = f"s3/object/{bucket}?region={region}&prefix={quote(key, safe='')}{version}"
    return f"{console_address(partition, region)}/{path}"


def _version(version_id: str | None) -> Any:  # noqa: ANN401 - the request types know no optional keys
    return {"VersionId": version_id} if version_id else {}

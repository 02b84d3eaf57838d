"""S3: the metadata of images, presigned POSTs, the rows in the output bucket, links to pictures."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any
from urllib.parse import quote

from botocore.exceptions import ClientError

from chalicelib.adapters.faults import raising_faults
from chalicelib.domain.alerts import Picture
from chalicelib.domain.errors import Rejected, Retryable
from chalicelib.domain.images import MAX_IMAGE_BYTES, ImageReference, ObjectCreated
from chalicelib.domain.uploads import PresignedPost

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client

# A link ends with the session of the role that signed it, some hours after the function started, if that is earlier.
LINK_HOURS = 6
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


class UploadForms:
    """Presigned POSTs, each for one image, with the rights of the role that signs them.

    https://docs.aws.amazon.com/AmazonS3/latest/API/sigv4-HTTPPOSTConstructPolicy.html
    """

    def __init__(self, client: S3Client, bucket: str) -> None:
        self._client = client
        self._bucket = bucket

    def sign(self, key: str, content_type: str, seconds: int) -> PresignedPost:
        """The policy binds the bucket, the very key, the type, 1 byte to 15 MB and the time."""
        with raising_faults():
            post = self._client.generate_presigned_post(
                self._bucket,
                key,
                Fields={"Content-Type": content_type},
                Conditions=[{"Content-Type": content_type}, ["content-length-range", 1, MAX_IMAGE_BYTES]],
                ExpiresIn=seconds,
            )
        return PresignedPost(post["url"], post["fields"])


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


class PictureLinks:
    """Where people see an image; `links=False` leaves only the console, for those with access to the account."""

    def __init__(self, client: S3Client, *, links: bool) -> None:
        self._client = client
        self._links = links

    def picture(self, image: ImageReference) -> Picture:
        """A link to the image, and its address in the console."""
        return Picture(self._link(image) if self._links else None, LINK_HOURS, self._console(image))

    def _link(self, image: ImageReference) -> str:
        with raising_faults():
            return self._client.generate_presigned_url(
                "get_object",
                Params={"Bucket": image.bucket, "Key": image.key, **_version(image.version_id)},
                ExpiresIn=LINK_HOURS * 3600,
            )

    def _console(self, image: ImageReference) -> str:
        meta = self._client.meta
        return object_address(meta.partition, meta.region_name, image.bucket, image.key, image.version_id)


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

"""The bucket or prefix of a backfill, and the stack's access to the bucket."""

from collections.abc import Mapping

from labelwatch.shared import s3_uri
from labelwatch.shared.errors import UserError
from labelwatch.shared.s3_uri import S3Location


def target_of(uri: str) -> S3Location:
    """The location of the URI; raises UserError for any other text."""
    target = s3_uri.parse(uri)
    if not target:
        raise UserError(f"{uri!r} is not an S3 location. Use s3://bucket or s3://bucket/prefix.")
    return target


def check(target: S3Location, stack_name: str, outputs: Mapping[str, str]) -> None:
    """Raises UserError where the stack with these outputs has no access to the bucket, or stores no images in it."""
    image_buckets = [outputs[name] for name in ("InputBucket", "ExistingBucketName") if outputs.get(name)]
    readable = " and ".join(image_buckets)
    for name, content in (("OutputBucket", "rows"), ("WorkspaceBucket", "Athena results and logs")):
        if target.bucket == outputs.get(name):
            raise UserError(
                f"{target.bucket} holds {content} of stack {stack_name}, not images. Buckets with images: {readable}."
            )
    if target.bucket not in image_buckets:
        raise UserError(
            f"Stack {stack_name} has no access to bucket {target.bucket}, only to {readable}. Copy the images into "
            f"{image_buckets[0]}, or run `labelwatch up --existing-bucket {target.bucket}`, then `chalice deploy`."
        )

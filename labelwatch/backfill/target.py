"""The bucket or prefix of a backfill, and whether the stack may read it."""

from collections.abc import Mapping

from labelwatch.shared import s3_uri
from labelwatch.shared.errors import UserError
from labelwatch.shared.s3_uri import S3Location


def target_of(uri: str) -> S3Location:
    """The location that the URI names; raises UserError where it is another text."""
    target = s3_uri.parse(uri)
    if not target:
        raise UserError(f"{uri!r} must be s3://bucket or s3://bucket/prefix.")
    return target


def check(target: S3Location, stack_name: str, outputs: Mapping[str, str]) -> None:
    """Raises UserError where the stack with these outputs may not read the bucket, or keeps no images in it."""
    for name, content in (("OutputBucket", "rows"), ("WorkspaceBucket", "Athena's results and logs")):
        if target.bucket == outputs.get(name):
            raise UserError(
                f"{target.bucket} is where the stack {stack_name} keeps {content}: there are no images in it."
            )
    image_buckets = [outputs[name] for name in ("InputBucket", "ExistingBucketName") if outputs.get(name)]
    if target.bucket not in image_buckets:
        raise UserError(
            f"the functions of the stack {stack_name} have rights to read {' and '.join(image_buckets)} only, not "
            f"{target.bucket}; copy the images into {image_buckets[0]}, or add their bucket as the existing bucket: "
            f"labelwatch up --existing-bucket {target.bucket}, then chalice deploy."
        )

"""Whose images are meant, and whether the stack may look at them."""

import re
from collections.abc import Mapping
from typing import NamedTuple

from labelwatch.shared.errors import UserError


class Place(NamedTuple):
    """A bucket, or what is in it under a prefix."""

    bucket: str
    prefix: str

    def __str__(self) -> str:
        return f"s3://{self.bucket}/{self.prefix}"


def place_of(text: str) -> Place:
    """The place that `s3://bucket` or `s3://bucket/prefix` names; raises UserError where it is another text."""
    match = re.fullmatch(r"s3://([a-z0-9][a-z0-9.-]{1,61}[a-z0-9])(?:/(.*))?", text, re.ASCII | re.DOTALL)
    if not match:
        raise UserError(f"{text!r} must be s3://bucket or s3://bucket/prefix.")
    return Place(match[1], match[2] or "")


def check(place: Place, stack_name: str, outputs: Mapping[str, str]) -> None:
    """Raises UserError where the stack with these outputs does not look at the bucket's images."""
    for name, holds in (("OutputBucket", "rows"), ("WorkspaceBucket", "Athena's results and logs")):
        if place.bucket == outputs.get(name):
            raise UserError(f"{place.bucket} is where the stack {stack_name} keeps {holds}: there are no images in it.")
    looked_at = [outputs[name] for name in ("InputBucket", "ExistingBucketName") if outputs.get(name)]
    if place.bucket not in looked_at:
        raise UserError(
            f"the functions of the stack {stack_name} have rights to read {' and '.join(looked_at)} only, not "
            f"{place.bucket}; copy the images into {looked_at[0]}, which looks at them, or adopt their bucket: "
            f"labelwatch up --existing-bucket {place.bucket}, then chalice deploy."
        )

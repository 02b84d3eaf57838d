"""S3 URIs, which name a bucket, or a prefix in it."""

import re
from typing import NamedTuple


class S3Location(NamedTuple):
    """A bucket, or the keys in it that begin with a prefix."""

    bucket: str
    prefix: str

    def __str__(self) -> str:
        return f"s3://{self.bucket}/{self.prefix}"


def parse(uri: str) -> S3Location | None:
    """The location that `s3://bucket` or `s3://bucket/prefix` names; None for another text."""
    match = re.fullmatch(r"s3://([a-z0-9][a-z0-9.-]{1,61}[a-z0-9])(?:/(.*))?", uri, re.ASCII | re.DOTALL)
    return S3Location(match[1], match[2] or "") if match else None

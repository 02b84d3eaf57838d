"""Template and zip in a bucket, and the link that launches a stack from them without any tool."""

import hashlib
import json
import re
from typing import Any, NamedTuple
from urllib.parse import quote, urlencode

from chalicelib import __version__
from chalicelib.adapters.s3 import console_address
from labelwatch.deploy.buckets import exists
from labelwatch.deploy.packaging import Package
from labelwatch.shared import regions, s3_uri, stacks
from labelwatch.shared.account import Account
from labelwatch.shared.errors import UserError


class Published(NamedTuple):
    """The template's URL, and the URL of the console page that launches a stack from it."""

    template: str
    launch: str


def publish(account: Account, package: Package, target: str) -> Published:
    """Uploads template and zip to `s3://bucket/prefix`; raises UserError where `target` is not of that form.

    Raises UserError also in a Region without Rekognition: Lambda reads code from its own Region only, so the stack is
    launched in the bucket's Region.
    """
    regions.require_rekognition(account.region)
    bucket, prefix = _parts(target)
    if not exists(account, bucket):
        raise UserError(
            f"No bucket named {bucket} in {account.region}. Create the bucket in the Region of the new stack."
        )
    s3 = account.client("s3")
    code = package.zip.read_bytes()
    # By its content: CloudFormation updates a function's code when the key changes.
    folder = f"{prefix}{__version__}"
    key = f"{folder}/{hashlib.sha256(code).hexdigest()[:16]}.zip"
    own: Any = {"Bucket": bucket, "ExpectedBucketOwner": account.id}
    s3.put_object(**own, Key=key, Body=code, ContentType="application/zip")
    template = stacks.pointing_at(json.loads(package.template.read_text()), bucket, key)
    template_key = f"{folder}/template.json"
    s3.put_object(**own, Key=template_key, Body=stacks.compact(template).encode(), ContentType="application/json")
    address = f"{s3.meta.endpoint_url}/{bucket}/{quote(template_key)}"
    query = urlencode({"templateURL": address, "stackName": "labelwatch"})
    console = console_address(s3.meta.partition, account.region)
    return Published(address, f"{console}/cloudformation/home?region={account.region}#/stacks/create/review?{query}")


def _parts(target: str) -> tuple[str, str]:
    location = s3_uri.parse(target)
    # The prefix becomes a part of URLs and is not encoded.
    if not location or not re.fullmatch(r"[\w!.*'()/-]*", location.prefix, re.ASCII):
        raise UserError(
            f"--publish {target!r} is not an S3 location. Use s3://bucket or s3://bucket/prefix, with letters A-Z and "
            "a-z, digits and !_.*'()-/."
        )
    prefix = location.prefix.strip("/")
    return location.bucket, f"{prefix}/" if prefix else ""

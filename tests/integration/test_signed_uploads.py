"""What a presigned PUT allows, and its signature, computed independently."""

from __future__ import annotations

import hashlib
import hmac
from contextlib import closing
from urllib.parse import parse_qs, quote, urlsplit

import boto3
import pytest

from chalicelib import wiring
from chalicelib.adapters.s3 import SignedUploads
from chalicelib.domain.uploads import PresignedPut

BUCKET, KEY, SIZE = "leaves-in", "uploads/camera-north/2026-11-27/abcdefghijklmnop-稲-1.jpg", 204_800
ID, SECRET, SESSION = "ASIAEXAMPLE", "secret/of+the+session", "token/of+the+session=="
HOSTS = {
    "us-east-1": "leaves-in.s3.us-east-1.amazonaws.com",
    "eu-west-1": "leaves-in.s3.eu-west-1.amazonaws.com",
    "eu-central-1": "leaves-in.s3.eu-central-1.amazonaws.com",
    "ap-southeast-3": "leaves-in.s3.ap-southeast-3.amazonaws.com",
    "cn-north-1": "leaves-in.s3.cn-north-1.amazonaws.com.cn",
    "us-gov-west-1": "leaves-in.s3.us-gov-west-1.amazonaws.com",
}
every_region = pytest.mark.parametrize("region", HOSTS)


def signed(region: str, seconds: int = 900) -> PresignedPut:
    client = boto3.client(
        "s3",
        region_name=region,
        aws_access_key_id=ID,
        aws_secret_access_key=SECRET,
        aws_session_token=SESSION,
        config=wiring._CONFIGS["s3"],
    )
    with closing(client):
        return SignedUploads(client, BUCKET).sign(KEY, "image/jpeg", SIZE, seconds)


def parameters_of(url: str) -> dict[str, str]:
    return {name: value for name, (value,) in parse_qs(urlsplit(url).query).items()}


def signature(method: str, url: str, headers: dict[str, str], secret: str) -> str:
    """Signature version 4 of a presigned request, by AWS's page on query parameters."""
    parameters = parameters_of(url)
    del parameters["X-Amz-Signature"]
    query = "&".join(f"{quote(name, safe='')}={quote(value, safe='')}" for name, value in sorted(parameters.items()))
    canonical = "".join(f"{name}:{value}\n" for name, value in sorted(headers.items()))
    lines = (method, urlsplit(url).path, query, canonical, ";".join(sorted(headers)), "UNSIGNED-PAYLOAD")
    scope = parameters["X-Amz-Credential"].partition("/")[2]
    digest = hashlib.sha256("\n".join(lines).encode()).hexdigest()
    key = f"AWS4{secret}".encode()
    for part in scope.split("/"):
        key = hmac.digest(key, part.encode(), hashlib.sha256)
    text = "\n".join(("AWS4-HMAC-SHA256", parameters["X-Amz-Date"], scope, digest))
    return hmac.new(key, text.encode(), hashlib.sha256).hexdigest()


@every_region
def test_a_presigned_upload_goes_to_the_bucket_s_host_in_its_region(region: str) -> None:
    url = urlsplit(signed(region).url)
    assert (url.scheme, url.netloc, url.path) == ("https", HOSTS[region], f"/{quote(KEY)}")


@every_region
def test_the_signature_binds_the_type_the_size_and_that_no_object_exists(region: str) -> None:
    put = signed(region)
    assert put.headers == {"Content-Type": "image/jpeg", "If-None-Match": "*"}
    sent = {name.lower(): value for name, value in put.headers.items()}
    headers = {"host": HOSTS[region], "content-length": str(SIZE), **sent}
    assert parameters_of(put.url)["X-Amz-Signature"] == signature("PUT", put.url, headers, SECRET)


def test_the_independent_computation_gives_aws_s_own_example() -> None:
    """From https://docs.aws.amazon.com/AmazonS3/latest/API/sigv4-query-string-auth.html."""
    expected = "aeeed9bbccd4d02ee5c0109b86d86835f995330da4c265957d157751f604d404"
    url = (
        "https://examplebucket.s3.amazonaws.com/test.txt?X-Amz-Algorithm=AWS4-HMAC-SHA256"
        "&X-Amz-Credential=AKIAIOSFODNN7EXAMPLE%2F20130524%2Fus-east-1%2Fs3%2Faws4_request&X-Amz-Date=20130524T000000Z"
        f"&X-Amz-Expires=86400&X-Amz-SignedHeaders=host&X-Amz-Signature={expected}"
    )
    secret = "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY"
    assert signature("GET", url, {"host": "examplebucket.s3.amazonaws.com"}, secret) == expected


@pytest.mark.parametrize("seconds", [1, 900])
def test_a_presigned_upload_has_the_given_seconds_and_no_other_parameters(seconds: int) -> None:
    parameters = parameters_of(signed("eu-central-1", seconds).url)
    assert (parameters.pop("X-Amz-Expires"), parameters.pop("X-Amz-Security-Token")) == (str(seconds), SESSION)
    assert parameters.pop("X-Amz-SignedHeaders") == "content-length;content-type;host;if-none-match"
    assert set(parameters) == {"X-Amz-Algorithm", "X-Amz-Credential", "X-Amz-Date", "X-Amz-Signature"}

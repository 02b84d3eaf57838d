"""What a signed form allows, and its signature, computed independently: no emulator notices a forged one."""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
from contextlib import closing
from datetime import UTC, datetime, timedelta
from typing import Any

import boto3
import pytest

from chalicelib import wiring
from chalicelib.adapters.s3 import UploadForms
from chalicelib.domain.uploads import PresignedPost

BUCKET, KEY = "leaves-in", "uploads/camera-north/2026-11-27/abcdefghijklmnop-leaf-1.jpg"
ID, SECRET, SESSION = "ASIAEXAMPLE", "secret/of+the+session", "token/of+the+session=="
HOSTS = {
    "us-east-1": "https://leaves-in.s3.us-east-1.amazonaws.com/",
    "eu-west-1": "https://leaves-in.s3.eu-west-1.amazonaws.com/",
    "eu-central-1": "https://leaves-in.s3.eu-central-1.amazonaws.com/",
    "ap-southeast-3": "https://leaves-in.s3.ap-southeast-3.amazonaws.com/",
    "cn-north-1": "https://leaves-in.s3.cn-north-1.amazonaws.com.cn/",
    "us-gov-west-1": "https://leaves-in.s3.us-gov-west-1.amazonaws.com/",
}
every_region = pytest.mark.parametrize("region", HOSTS)


def signed(region: str, seconds: int = 900) -> PresignedPost:
    client = boto3.client(
        "s3",
        region_name=region,
        aws_access_key_id=ID,
        aws_secret_access_key=SECRET,
        aws_session_token=SESSION,
        config=wiring._CONFIGS["s3"],
    )
    with closing(client):
        return UploadForms(client, BUCKET).sign(KEY, "image/jpeg", seconds)


def policy_of(post: PresignedPost) -> dict[str, Any]:
    policy: dict[str, Any] = json.loads(base64.b64decode(post.fields["policy"]))
    return policy


def signature(secret: str, day: str, region: str, policy: str) -> str:
    """Signature version 4 of a policy, by AWS's page on authenticating POST requests."""
    key = f"AWS4{secret}".encode()
    for part in (day, region, "s3", "aws4_request"):
        key = hmac.digest(key, part.encode(), hashlib.sha256)
    return hmac.new(key, policy.encode(), hashlib.sha256).hexdigest()


@every_region
def test_the_form_goes_to_the_bucket_s_host_in_its_region(region: str) -> None:
    assert signed(region).url == HOSTS[region]


@every_region
def test_the_signature_is_what_signature_version_4_makes_of_the_policy(region: str) -> None:
    fields = signed(region).fields
    day = fields["x-amz-date"][:8]
    assert fields["x-amz-algorithm"] == "AWS4-HMAC-SHA256"
    assert fields["x-amz-credential"] == f"{ID}/{day}/{region}/s3/aws4_request"
    assert fields["x-amz-signature"] == signature(SECRET, day, region, fields["policy"])


def test_the_independent_computation_gives_aws_s_own_example() -> None:
    """From https://docs.aws.amazon.com/AmazonS3/latest/API/sigv4-post-example.html."""
    policy = (
        "eyAiZXhwaXJhdGlvbiI6ICIyMDE1LTEyLTMwVDEyOjAwOjAwLjAwMFoiLA0KICAiY29uZGl0aW9ucyI6IFsNCiAgICB7ImJ1Y2tldCI6ICJz"
        "aWd2NGV4YW1wbGVidWNrZXQifSwNCiAgICBbInN0YXJ0cy13aXRoIiwgIiRrZXkiLCAidXNlci91c2VyMS8iXSwNCiAgICB7ImFjbCI6ICJw"
        "dWJsaWMtcmVhZCJ9LA0KICAgIHsic3VjY2Vzc19hY3Rpb25fcmVkaXJlY3QiOiAiaHR0cDovL3NpZ3Y0ZXhhbXBsZWJ1Y2tldC5zMy5hbWF6"
        "b25hd3MuY29tL3N1Y2Nlc3NmdWxfdXBsb2FkLmh0bWwifSwNCiAgICBbInN0YXJ0cy13aXRoIiwgIiRDb250ZW50LVR5cGUiLCAiaW1hZ2Uv"
        "Il0sDQogICAgeyJ4LWFtei1tZXRhLXV1aWQiOiAiMTQzNjUxMjM2NTEyNzQifSwNCiAgICB7IngtYW16LXNlcnZlci1zaWRlLWVuY3J5cHRp"
        "b24iOiAiQUVTMjU2In0sDQogICAgWyJzdGFydHMtd2l0aCIsICIkeC1hbXotbWV0YS10YWciLCAiIl0sDQoNCiAgICB7IngtYW16LWNyZWRl"
        "bnRpYWwiOiAiQUtJQUlPU0ZPRE5ON0VYQU1QTEUvMjAxNTEyMjkvdXMtZWFzdC0xL3MzL2F3czRfcmVxdWVzdCJ9LA0KICAgIHsieC1hbXot"
        "YWxnb3JpdGhtIjogIkFXUzQtSE1BQy1TSEEyNTYifSwNCiAgICB7IngtYW16LWRhdGUiOiAiMjAxNTEyMjlUMDAwMDAwWiIgfQ0KICBdDQp9"
    )
    secret = "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY"
    expected = "8afdbf4008c03f22c2cd3cdb72e4afbb1f6a588f3255ac628749a66d7f09699e"
    assert signature(secret, "20151229", "us-east-1", policy) == expected


@every_region
def test_the_policy_binds_all_that_the_form_may_do_and_leaves_nothing_open(region: str) -> None:
    post = signed(region)
    conditions = policy_of(post)["conditions"]
    exact = {
        name: value for condition in conditions if isinstance(condition, dict) for name, value in condition.items()
    }
    assert [condition for condition in conditions if isinstance(condition, list)] == [
        ["content-length-range", 1, 15_728_640]
    ]
    assert exact.pop("bucket") == BUCKET
    fields = {name: value for name, value in post.fields.items() if name not in {"policy", "x-amz-signature"}}
    assert exact == fields
    assert (fields["key"], fields["Content-Type"], fields["x-amz-security-token"]) == (KEY, "image/jpeg", SESSION)


@pytest.mark.parametrize("seconds", [1, 900])
def test_the_policy_expires_after_the_given_seconds(seconds: int) -> None:
    before = datetime.now(UTC)
    end = datetime.fromisoformat(policy_of(signed("eu-central-1", seconds))["expiration"])
    assert before - timedelta(seconds=1) <= end - timedelta(seconds=seconds) <= datetime.now(UTC)

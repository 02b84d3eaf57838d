"""The objects on moto, versions and all, and the signed pictures as each Region and partition wants them."""

from __future__ import annotations

import io
from contextlib import closing
from datetime import timedelta
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qs, quote, urlsplit

import boto3
import pytest
import requests
from botocore.awsrequest import AWSPreparedRequest
from botocore.response import StreamingBody
from botocore.stub import Stubber
from hypothesis import example, given
from hypothesis import strategies as st

from chalicelib import wiring
from chalicelib.adapters.s3 import ImageObjects, PictureObjects, RowObjects
from chalicelib.domain.errors import Rejected, Retryable, Unavailable
from chalicelib.domain.images import ImageReference, ObjectCreated
from chalicelib.domain.pages import SignedPicture
from tests.support import builders

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client

BUCKET = "leaves-in"
JPEG = b"\xff\xd8\xff\xe0"
KEY = "field 7/grün+1.jpg"
HOSTS = {
    "us-east-1": "leaves-in.s3.us-east-1.amazonaws.com",
    "eu-west-1": "leaves-in.s3.eu-west-1.amazonaws.com",
    "eu-central-1": "leaves-in.s3.eu-central-1.amazonaws.com",
    "cn-north-1": "leaves-in.s3.cn-north-1.amazonaws.com.cn",
    "us-gov-west-1": "leaves-in.s3.us-gov-west-1.amazonaws.com",
}
CONSOLES = {
    "eu-central-1": "https://eu-central-1.console.aws.amazon.com",
    "cn-north-1": "https://console.amazonaws.cn",
    "us-gov-west-1": "https://console.amazonaws-us-gov.com",
}
any_key = st.text(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=60)
every_region = pytest.mark.parametrize("region", HOSTS)


@pytest.fixture
def bucket(s3: S3Client) -> str:
    """A bucket without versions."""
    s3.create_bucket(Bucket=BUCKET, CreateBucketConfiguration={"LocationConstraint": "eu-central-1"})
    return BUCKET


@pytest.fixture
def versioned(s3: S3Client, bucket: str) -> str:
    s3.put_bucket_versioning(Bucket=bucket, VersioningConfiguration={"Status": "Enabled"})
    return bucket


def upload(s3: S3Client, content: bytes = b"leaf", key: str = KEY, **more: Any) -> str:
    """Uploads, and gives the version."""
    return s3.put_object(Bucket=BUCKET, Key=key, Body=content, **more).get("VersionId", "")


def head(s3: S3Client, version: str | None = None, bucket: str = BUCKET) -> ImageReference:
    return ImageObjects(s3).head(ObjectCreated(bucket, KEY, version))


def image(key: str = KEY, **changes: Any) -> ImageReference:
    """An image in the bucket whose links and console addresses are known above."""
    return builders.image(key, **{"bucket": BUCKET, "version_id": "v+1/x"} | changes)


def signed(of: ImageReference, region: str = "eu-central-1", content: bytes = JPEG) -> SignedPicture | None:
    """The picture with the client that the service itself makes in this Region, for an object of these bytes."""
    with (
        closing(boto3.client("s3", region_name=region, config=wiring._CONFIGS["s3"])) as client,
        Stubber(client) as stub,
    ):
        stub.add_response("get_object", {"Body": StreamingBody(io.BytesIO(content), len(content))})
        return PictureObjects(client).sign(of.bucket, of.key, of.version_id, builders.NOW)


def link(of: ImageReference, region: str = "eu-central-1") -> str:
    found = signed(of, region)
    assert found is not None
    return found.url


def console(of: ImageReference, region: str = "eu-central-1") -> str:
    with closing(boto3.client("s3", region_name=region)) as client:
        return PictureObjects(client).console(of.bucket, of.key, of.version_id)


@pytest.mark.usefixtures("versioned")
def test_the_reference_has_the_metadata_of_the_object(s3: S3Client) -> None:
    version = upload(s3, b"leaf", ContentType="image/png", Metadata={"field": "7"})
    seen = head(s3)
    assert seen == ImageReference(
        bucket=BUCKET,
        key=KEY,
        version_id=version,
        etag="bab4ff04cc14af66e4d42c85f888cfe6",  # of b"leaf", and without quotes
        size=4,
        content_type="image/png",
        metadata={"field": "7"},
        uploaded_at=seen.uploaded_at,
    )


@pytest.mark.usefixtures("bucket")
def test_the_time_of_the_upload_is_in_utc_and_says_so(s3: S3Client) -> None:
    upload(s3)
    assert head(s3).uploaded_at.utcoffset() == timedelta(0)


@pytest.mark.usefixtures("bucket")
def test_an_object_without_versions_has_none(s3: S3Client) -> None:
    upload(s3)
    assert head(s3).version_id is None


@pytest.mark.usefixtures("versioned")
def test_a_named_version_is_read_though_there_is_a_newer_one(s3: S3Client) -> None:
    older = upload(s3, b"older")
    upload(s3, b"the newer one")
    assert (head(s3, older).version_id, head(s3, older).size) == (older, 5)


@pytest.mark.usefixtures("versioned")
def test_the_newest_version_is_read_where_none_is_named(s3: S3Client) -> None:
    upload(s3, b"older")
    newer = upload(s3, b"the newer one")
    assert head(s3).version_id == newer


@pytest.mark.usefixtures("bucket")
def test_an_object_that_is_missing_is_rejected(s3: S3Client) -> None:
    with pytest.raises(Rejected, match=r"^ImageNotFound: "):
        head(s3)


@pytest.mark.usefixtures("versioned")
def test_a_version_that_was_deleted_is_rejected(s3: S3Client) -> None:
    removed = upload(s3)
    upload(s3)
    s3.delete_object(Bucket=BUCKET, Key=KEY, VersionId=removed)
    with pytest.raises(Rejected, match=r"^ImageNotFound: "):
        head(s3, removed)


@pytest.mark.usefixtures("versioned")
def test_a_deleted_object_is_rejected(s3: S3Client) -> None:
    upload(s3)
    s3.delete_object(Bucket=BUCKET, Key=KEY)
    with pytest.raises(Rejected, match=r"^ImageNotFound: "):
        head(s3)


@pytest.mark.usefixtures("versioned")
def test_a_version_outlives_the_deletion_of_its_object(s3: S3Client) -> None:
    version = upload(s3)
    s3.delete_object(Bucket=BUCKET, Key=KEY)
    assert head(s3, version).version_id == version


@pytest.mark.parametrize(
    ("status", "kind"), [(301, Retryable), (400, Retryable), (403, Retryable), (500, Unavailable), (503, Unavailable)]
)
def test_any_other_refusal_of_head_is_retryable_and_one_by_the_service_s_fault_for_longer(
    s3: S3Client, status: int, kind: type[Retryable]
) -> None:
    with Stubber(s3) as stub:
        # HeadObject has no body: all that botocore can say is the status.
        stub.add_client_error("head_object", str(status), http_status_code=status)
        with pytest.raises(Retryable, match=rf"^{status}: ") as raised:
            head(s3)
    assert type(raised.value) is kind


def test_a_request_that_cannot_be_made_is_retryable(s3: S3Client) -> None:
    with pytest.raises(Retryable, match=r"^ParamValidationError: "):
        head(s3, bucket="not a bucket")


class AboutToSendError(Exception):
    """Raised with the address in place of a call to it."""


@given(any_key)
@example("a/../b")
@example("..")
@example("//")
@example("line\nfeed")
@example("nul\0")
def test_any_key_is_the_key_of_the_request(key: str) -> None:
    def stop(request: AWSPreparedRequest, **_: object) -> None:
        raise AboutToSendError(request.url)

    with closing(boto3.client("s3", region_name="eu-central-1", config=wiring._CONFIGS["s3"])) as client:
        client.meta.events.register("before-send.s3", stop)
        with pytest.raises(AboutToSendError) as stopped:
            ImageObjects(client).head(ObjectCreated(BUCKET, key))
    assert str(stopped.value) == f"https://{HOSTS['eu-central-1']}/{quote(key, safe='/~')}"


def test_rows_are_stored_as_they_are(s3: S3Client, bucket: str) -> None:
    RowObjects(s3, bucket).put("predictions/dt=2026-11-22/0.json", b'{"image":"a"}\n', notify=True)
    assert s3.get_object(Bucket=bucket, Key="predictions/dt=2026-11-22/0.json")["Body"].read() == b'{"image":"a"}\n'


def test_existing_rows_are_overwritten(s3: S3Client, bucket: str) -> None:
    for content in (b"first\n", b"second\n"):
        RowObjects(s3, bucket).put("row", content, notify=True)
    assert s3.get_object(Bucket=bucket, Key="row")["Body"].read() == b"second\n"


def test_rows_have_the_content_type_of_newline_delimited_json(s3: S3Client, bucket: str) -> None:
    RowObjects(s3, bucket).put("row", b"{}\n", notify=True)
    assert s3.head_object(Bucket=bucket, Key="row")["ContentType"] == "application/x-ndjson"


def test_rows_that_cannot_be_stored_are_retryable(s3: S3Client) -> None:
    with pytest.raises(Retryable, match=r"^NoSuchBucket: "):
        RowObjects(s3, "no-such-bucket").put("row", b"{}\n", notify=True)


@every_region
def test_a_link_leads_to_the_bucket_in_its_region(region: str) -> None:
    assert urlsplit(link(image(), region)).hostname == HOSTS[region]


@every_region
def test_a_link_is_signed_as_every_region_takes_it(region: str) -> None:
    query = parse_qs(urlsplit(link(image(), region)).query)
    assert (query["X-Amz-Algorithm"], f"/{region}/s3/" in query["X-Amz-Credential"][0]) == (["AWS4-HMAC-SHA256"], True)


def test_a_link_works_for_five_minutes() -> None:
    assert parse_qs(urlsplit(link(image())).query)["X-Amz-Expires"] == ["300"]
    found = signed(image())
    assert found
    assert found.expires_at == builders.NOW + timedelta(minutes=5)


def test_a_link_is_to_the_version_that_was_analysed() -> None:
    assert parse_qs(urlsplit(link(image(version_id="v+1/x"))).query)["versionId"] == ["v+1/x"]


def test_a_link_to_an_object_without_versions_names_none() -> None:
    assert "versionId" not in parse_qs(urlsplit(link(image(version_id=None))).query)


def test_a_link_to_a_bucket_with_dots_fits_the_certificate() -> None:
    assert urlsplit(link(image(bucket="a.b.c"))).hostname == "s3.eu-central-1.amazonaws.com"


def test_the_key_of_a_link_is_percent_encoded() -> None:
    assert urlsplit(link(image("grün/a b+c?&#%'.jpg"))).path == "/gr%C3%BCn/a%20b%2Bc%3F%26%23%25%27.jpg"


@pytest.mark.parametrize("region", CONSOLES)
def test_the_console_is_the_one_of_the_partition(region: str) -> None:
    assert console(image(), region) == (
        f"{CONSOLES[region]}/s3/object/leaves-in?region={region}"
        "&prefix=field%207%2Fgr%C3%BCn%2B1.jpg&versionId=v%2B1%2Fx"
    )


@given(any_key)
def test_a_key_survives_the_console_address(key: str) -> None:
    assert parse_qs(urlsplit(console(image(key, version_id=None))).query)["prefix"] == [key]


@pytest.mark.parametrize(
    ("content", "content_type", "disposition"),
    [
        (JPEG, "image/jpeg", "inline"),
        (b"\x89PNG\r\n\x1a\n", "image/png", "inline"),
        (b"<html><script>", "application/octet-stream", "attachment"),
        (b"%PDF-1.7", "application/octet-stream", "attachment"),
        (b"\xff\xd8", "application/octet-stream", "attachment"),
    ],
)
@pytest.mark.usefixtures("versioned")
def test_a_picture_is_served_with_the_type_of_its_bytes_whatever_its_sender_said(
    s3: S3Client, content: bytes, content_type: str, disposition: str
) -> None:
    version = upload(s3, content + b"more", ContentType="text/html")
    found = PictureObjects(s3).sign(BUCKET, KEY, version, builders.NOW)
    assert found
    query = parse_qs(urlsplit(found.url).query)
    assert (found.content_type, query["response-content-type"]) == (content_type, [content_type])
    assert query["response-content-disposition"] == [disposition]
    served = requests.get(found.url, timeout=5)
    assert (served.content, served.headers["Content-Type"]) == (content + b"more", content_type)


@pytest.mark.usefixtures("versioned")
def test_the_type_is_that_of_the_version_that_was_analysed(s3: S3Client) -> None:
    version = upload(s3, JPEG)
    upload(s3, b"<html>")
    found = PictureObjects(s3).sign(BUCKET, KEY, version, builders.NOW)
    assert found
    assert found.content_type == "image/jpeg"


@pytest.mark.usefixtures("versioned")
def test_a_picture_that_is_deleted_or_empty_has_no_address(s3: S3Client) -> None:
    pictures = PictureObjects(s3)
    assert pictures.sign(BUCKET, "none.jpg", None, builders.NOW) is None
    version = upload(s3)
    s3.delete_object(Bucket=BUCKET, Key=KEY, VersionId=version)
    assert pictures.sign(BUCKET, KEY, version, builders.NOW) is None
    assert pictures.sign("no-such-bucket", KEY, None, builders.NOW) is None
    assert pictures.sign(BUCKET, KEY, upload(s3, b""), builders.NOW) is None


@pytest.mark.parametrize("code", ["AccessDenied", "InvalidObjectState", "MethodNotAllowed"])
def test_a_picture_that_may_not_be_read_has_no_address(s3: S3Client, code: str) -> None:
    with Stubber(s3) as stubber:
        stubber.add_client_error("get_object", code, http_status_code=403)
        assert PictureObjects(s3).sign(BUCKET, KEY, None, builders.NOW) is None


def test_a_picture_that_cannot_be_read_now_is_a_fault(s3: S3Client) -> None:
    with Stubber(s3) as stubber:
        stubber.add_client_error("get_object", "SlowDown", http_status_code=503)
        with pytest.raises(Unavailable):
            PictureObjects(s3).sign(BUCKET, KEY, None, builders.NOW)


def test_stored_rows_are_read_and_missing_rows_are_none(s3: S3Client, bucket: str) -> None:
    rows = RowObjects(s3, bucket)
    rows.put("row", b"{}\n", notify=True)
    assert (rows.get("row"), rows.get("no row")) == (b"{}\n", None)


def test_rows_that_cannot_be_read_now_are_a_fault(s3: S3Client) -> None:
    with Stubber(s3) as stubber:
        stubber.add_client_error("get_object", "SlowDown", http_status_code=503)
        with pytest.raises(Unavailable):
            RowObjects(s3, BUCKET).get("row")


def test_stored_rows_are_found(s3: S3Client, bucket: str) -> None:
    rows = RowObjects(s3, bucket)
    assert not rows.has("predictions/a+b.json", notify=True)
    rows.put("predictions/a+b.json", b"{}\n", notify=True)
    assert rows.has("predictions/a+b.json", notify=True)


def test_suppressed_rows_do_not_count_where_people_may_be_notified(s3: S3Client, bucket: str) -> None:
    rows = RowObjects(s3, bucket)
    rows.put("row", b"{}\n", notify=False)
    assert (rows.has("row", notify=True), rows.has("row", notify=False)) == (False, True)


def test_whether_rows_are_stored_is_not_guessed_where_s3_refuses_to_answer(s3: S3Client) -> None:
    with Stubber(s3) as stubber:
        stubber.add_client_error("head_object", "403", http_status_code=403)
        with pytest.raises(Retryable):
            RowObjects(s3, BUCKET).has("row", notify=True)

import re
import unicodedata
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chalicelib.domain.errors import BadRequest, LimitReached, Retryable
from chalicelib.domain.tokens import AuthorizedClient
from chalicelib.domain.uploads import LONGEST_FILENAME, UploadRecord, UploadRequest, cleaned, new_key, parse_request
from chalicelib.steps.presign_upload import PresignUpload
from tests.support.builders import NOW
from tests.support.fakes import FakeSigner, FakeTelemetry, FakeUploads

# As JSON in UTF-8 can bring it: no lone surrogates.
texts = st.text(st.characters(exclude_categories=["Cs"]))
filenames = texts.filter(lambda text: text.strip() and not set(text) & {"\0", "\ufffd"}).map(
    lambda text: text[:LONGEST_FILENAME]
)


CLIENT = AuthorizedClient("camera-north", uploads_per_day=2)
BODY = b'{"filename": "leaf 1.jpg", "size": 204800}'


@pytest.fixture
def uploads() -> FakeUploads:
    return FakeUploads()


@pytest.fixture
def signer() -> FakeSigner:
    return FakeSigner()


@pytest.fixture
def telemetry() -> FakeTelemetry:
    return FakeTelemetry()


def step(
    uploads: FakeUploads, signer: FakeSigner, telemetry: FakeTelemetry, seconds: int = 900, now: datetime = NOW
) -> PresignUpload:
    return PresignUpload(
        uploads=uploads, signer=signer, telemetry=telemetry, presigned_upload_seconds=seconds, now=lambda: now
    )


@pytest.fixture
def presign_upload(uploads: FakeUploads, signer: FakeSigner, telemetry: FakeTelemetry) -> PresignUpload:
    return step(uploads, signer, telemetry)


def test_a_presigned_upload_has_the_request_the_key_the_end_and_a_line_for_a_shell(
    presign_upload: PresignUpload, signer: FakeSigner
) -> None:
    presigned_upload = presign_upload(CLIENT, BODY)
    assert signer.signed == [(presigned_upload.key, "image/jpeg", 204_800, 900)]
    assert presigned_upload.url == f"https://images.s3/{presigned_upload.key}"
    assert (presigned_upload.method, presigned_upload.headers) == ("PUT", {"Content-Type": "image/jpeg"})
    assert re.fullmatch(r"uploads/camera-north/2026-11-22/[a-z2-7]{16}-leaf-1\.jpg", presigned_upload.key)
    assert presigned_upload.expires_at == "2026-11-22T10:15:00Z"
    assert presigned_upload.curl == (
        "curl -sS --fail-with-body --globoff -H 'Content-Type: image/jpeg' -T 'leaf 1.jpg' "
        f"https://images.s3/{presigned_upload.key}"
    )


def test_a_presigned_upload_is_for_the_requested_type_and_for_the_configured_time(
    uploads: FakeUploads, signer: FakeSigner, telemetry: FakeTelemetry
) -> None:
    short = step(uploads, signer, telemetry, seconds=60)
    presigned_upload = short(CLIENT, b'{"filename": "leaf.png", "size": 1}')
    assert signer.signed == [(presigned_upload.key, "image/png", 1, 60)]
    assert presigned_upload.expires_at == "2026-11-22T10:01:00Z"


def test_a_presigned_upload_is_counted_and_logged_with_its_key_and_no_more(
    presign_upload: PresignUpload, telemetry: FakeTelemetry
) -> None:
    presigned_upload = presign_upload(CLIENT, BODY)
    assert telemetry.counts == {"UploadsPresigned": 1}
    assert telemetry.log == [("upload presigned", {"client": "camera-north", "key": presigned_upload.key})]


def test_each_presigned_upload_has_a_record(presign_upload: PresignUpload, uploads: FakeUploads) -> None:
    key = presign_upload(CLIENT, BODY).key
    assert uploads.records == [
        UploadRecord(
            key=key,
            client="camera-north",
            content_type="image/jpeg",
            size=204_800,
            created_at=NOW,
            expires_at=NOW + timedelta(minutes=15),
        )
    ]


def test_a_client_at_its_limit_learns_when_its_day_ends_and_gets_nothing(
    presign_upload: PresignUpload, uploads: FakeUploads, signer: FakeSigner
) -> None:
    for _ in range(2):
        presign_upload(CLIENT, BODY)
    with pytest.raises(LimitReached) as caught:
        presign_upload(CLIENT, BODY)
    assert "2026-11-23T00:00:00Z" in caught.value.message
    assert caught.value.retry_after == 14 * 3600
    assert (len(uploads.records), len(signer.signed)) == (2, 2)


def test_the_limit_of_one_client_is_not_that_of_another(presign_upload: PresignUpload) -> None:
    for client in (CLIENT, AuthorizedClient("camera-south", uploads_per_day=2)):
        for _ in range(2):
            presign_upload(client, BODY)


def test_the_next_day_in_utc_begins_at_zero(uploads: FakeUploads, signer: FakeSigner, telemetry: FakeTelemetry) -> None:
    midnight = datetime(2026, 11, 23, tzinfo=UTC)
    for now in (midnight - timedelta(milliseconds=1), midnight):
        for _ in range(2):
            step(uploads, signer, telemetry, now=now)(CLIENT, BODY)
        with pytest.raises(LimitReached) as caught:
            step(uploads, signer, telemetry, now=now)(CLIENT, BODY)
        assert caught.value.retry_after in {1, 24 * 3600}


def test_a_bad_request_does_not_count(presign_upload: PresignUpload, uploads: FakeUploads) -> None:
    with pytest.raises(BadRequest):
        presign_upload(CLIENT, b"{}")
    assert not uploads.counts


def test_a_signer_that_cannot_sign_is_not_a_bad_request(presign_upload: PresignUpload, signer: FakeSigner) -> None:
    signer.fault = Retryable("NoCredentials", "there are none")
    with pytest.raises(Retryable):
        presign_upload(CLIENT, BODY)


def test_without_a_record_nothing_is_signed(
    presign_upload: PresignUpload, uploads: FakeUploads, signer: FakeSigner
) -> None:
    uploads.fault = Retryable("Throttled", "later")
    with pytest.raises(Retryable):
        presign_upload(CLIENT, BODY)
    assert signer.signed == []


@pytest.mark.parametrize(
    ("body", "content_type"),
    [
        (b'{"filename": "leaf.jpg", "size": 1}', "image/jpeg"),
        (b'{"filename": "LEAF.JPEG", "size": 1}', "image/jpeg"),
        (b'{"filename": "a.b/leaf.Png", "size": 1}', "image/png"),
        (b'{"filename": "0042", "content_type": "image/png", "size": 1}', "image/png"),
        (b'{"filename": "leaf.jpg", "content_type": "image/png", "size": 1}', "image/png"),
    ],
)
def test_the_content_type_is_the_given_one_or_follows_from_the_extension(body: bytes, content_type: str) -> None:
    assert parse_request(body).content_type == content_type


@pytest.mark.parametrize(
    ("body", "code", "field", "message"),
    [
        (b"", "InvalidJson", None, '{"filename": "leaf 1.jpg", "size": '),
        (b"filename=leaf.jpg", "InvalidJson", None, "JSON"),
        (b'{"filename": "leaf.jpg"', "InvalidJson", None, "JSON"),
        (b'{"filename": "\xff.jpg"}', "InvalidJson", None, "UTF-8"),
        (b'{"filename": "\\ud800.jpg"}', "InvalidJson", None, "surrogate"),
        ('{"filename": "\ufffd.jpg"}'.encode(), "InvalidJson", "filename", "UTF-8"),
        (b"[" * 100_000, "InvalidJson", None, "JSON"),
        (b'["leaf.jpg"]', "InvalidBody", None, "JSON object"),
        (b'"leaf.jpg"', "InvalidBody", None, "JSON object"),
        (b"null", "InvalidBody", None, "JSON object"),
        (b"{}", "MissingField", "filename", "leaf 1.jpg"),
        (b'{"content_type": "image/png"}', "MissingField", "filename", "leaf 1.jpg"),
        (b'{"filename": ""}', "InvalidField", "filename", "1 to 255 characters"),
        (b'{"filename": " \\n "}', "InvalidField", "filename", "1 to 255 characters"),
        (b'{"filename": null}', "InvalidField", "filename", "1 to 255 characters"),
        (b'{"filename": 7}', "InvalidField", "filename", "1 to 255 characters"),
        (b'{"filename": "a\\u0000.jpg"}', "InvalidField", "filename", "1 to 255 characters"),
        (b'{"filename": "%s"}' % (b"a" * 10_000), "InvalidField", "filename", "255"),
        (b'{"filename": "%s.jpg"}' % (b"a" * 252), "InvalidField", "filename", "255"),
        (b'{"filename": "a.jpg", "type": "image/png"}', "UnknownField", "type", "filename, size, content_type"),
        (b'{"filename": "leaf.gif"}', "UnsupportedType", "filename", ".jpg, .jpeg, .png"),
        (b'{"filename": "leaf"}', "UnsupportedType", "filename", "image/jpeg or image/png"),
        (b'{"filename": "a.jpg", "content_type": "image/gif"}', "UnsupportedType", "content_type", "image/jpeg"),
        (b'{"filename": "a.jpg", "content_type": null}', "UnsupportedType", "content_type", "image/jpeg"),
        (b'{"filename": "a.jpg", "content_type": ["image/png"]}', "UnsupportedType", "content_type", "image/jpeg"),
        (b'{"filename": "a.jpg"}', "MissingField", "size", '"size": '),
        (b'{"filename": "a.jpg", "size": 0}', "InvalidField", "size", "1 to 15,728,640"),
        (b'{"filename": "a.jpg", "size": 15728641}', "InvalidField", "size", "1 to 15,728,640"),
        (b'{"filename": "a.jpg", "size": -1}', "InvalidField", "size", "1 to 15,728,640"),
        (b'{"filename": "a.jpg", "size": 1.5}', "InvalidField", "size", "1 to 15,728,640"),
        (b'{"filename": "a.jpg", "size": "1"}', "InvalidField", "size", "1 to 15,728,640"),
        (b'{"filename": "a.jpg", "size": true}', "InvalidField", "size", "1 to 15,728,640"),
        (b'{"filename": "a.jpg", "size": null}', "InvalidField", "size", "1 to 15,728,640"),
    ],
)  # fmt: skip
def test_a_bad_request_is_refused_with_its_field_and_what_would_be_right(
    body: bytes, code: str, field: str | None, message: str
) -> None:
    with pytest.raises(BadRequest) as caught:
        parse_request(body)
    assert message in caught.value.message
    assert (caught.value.code, caught.value.field) == (code, field)


def test_a_name_of_the_greatest_length_is_accepted() -> None:
    name = "a" * 251 + ".jpg"
    body = b'{"filename": "%s", "size": 1}' % name.encode()
    assert parse_request(body) == UploadRequest(name, "image/jpeg", 1)


@pytest.mark.parametrize(("size", "parsed"), [("1", 1), ("15728640", 15_728_640), ("7.0", 7)])
def test_an_image_of_1_byte_to_15_mb_is_accepted(size: str, parsed: int) -> None:
    found = parse_request(f'{{"filename": "a.jpg", "size": {size}}}').size
    assert (found, type(found)) == (parsed, int)


@given(st.binary() | texts.map(str.encode))
def test_any_body_is_parsed_or_refused(body: bytes) -> None:
    try:
        request = parse_request(body)
    except BadRequest as refusal:
        assert refusal.message  # noqa: PT017 - either outcome is right
    else:
        assert request.content_type in {"image/jpeg", "image/png"}


def named(filename: str, content_type: str = "image/jpeg") -> UploadRequest:
    return UploadRequest(filename, content_type, 1)


@pytest.mark.parametrize(
    ("filename", "name"),
    [
        ("leaf 1.jpg", "leaf-1.jpg"),
        ("field 7/leaf.JPEG", "leaf.jpeg"),
        (r"C:\photos\leaf.jpg", "leaf.jpg"),
        ("../../etc/passwd", "passwd.jpg"),
        ("..", "image.jpg"),
        ("稲 葉 №3.jpg", "稲-葉-3.jpg"),
        ("हिन्दी.png.jpg", "हिन्दी-png.jpg"),
        ("Blattdürre (2)+b_c.jpg", "Blattdürre-(2)+b_c.jpg"),
        ("a\u202egpj.exe.jpg", "a-gpj-exe.jpg"),
        ("${filename}", "filename.jpg"),
        ("a'b\"c$d`e\nf.jpg", "a-b-c-d-e-f.jpg"),
        ("???", "image.jpg"),
        ("photos/", "image.jpg"),
        (".jpg", "image.jpg"),
        ("URGENT_account_suspended_(confirm.example.com)", "URGENT_account_suspended_(confirm-example-com).jpg"),
    ],
)  # fmt: skip
def test_a_cleaned_name_is_still_read_as_the_name(filename: str, name: str) -> None:
    assert cleaned(named(filename)) == name


@pytest.mark.parametrize(
    ("filename", "content_type", "name"),
    [
        ("0042", "image/png", "0042.png"),
        ("leaf.jpg", "image/png", "leaf-jpg.png"),
        ("leaf.png", "image/jpeg", "leaf-png.jpg"),
        ("leaf.html", "image/jpeg", "leaf-html.jpg"),
    ],
)
def test_the_ending_of_a_name_fits_the_content_type(filename: str, content_type: str, name: str) -> None:
    assert cleaned(named(filename, content_type)) == name


@given(filenames, st.sampled_from(["a", "camera-north", "c" * 63]), st.sampled_from(["image/jpeg", "image/png"]))
def test_any_filename_gives_a_key_that_s3_takes_under_the_client_s_own_prefix(
    filename: str, client: str, content_type: str
) -> None:
    key = new_key(client, NOW, named(filename, content_type))
    assert 0 < len(key.encode()) <= 1024
    head, slash, name = key.rpartition("/")
    assert (head, slash) == (f"uploads/{client}/2026-11-22", "/")
    assert re.fullmatch(r"[a-z2-7]{16}-[^.]+\.(jpe?g|png)", name)
    assert not [character for character in key if unicodedata.category(character)[0] in "CZ"]
    assert not set(key) & set("\\{}^%`[]\"'<>~#|$&?;:@=, ")


@given(filenames)
def test_two_keys_of_one_name_are_never_the_same(filename: str) -> None:
    assert len({new_key("a", NOW, named(filename)) for _ in range(5)}) == 5


@given(st.text(st.characters(categories=["Lu", "Ll", "Lo", "Nd"]), min_size=1, max_size=100))
def test_letters_and_digits_of_any_script_stay_as_they_are(name: str) -> None:
    assert cleaned(named(f"{name}.jpg")) == unicodedata.normalize("NFC", f"{name}.jpg")


def test_a_name_that_is_too_long_keeps_its_end() -> None:
    name = cleaned(named("葉" * 250 + "稲.jpg"))
    assert (len(name), name[-6:]) == (204, "葉稲.jpg")

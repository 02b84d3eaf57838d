"""The local model over HTTP on loopback, called by boto3: it answers as Rekognition's documentation says."""

from __future__ import annotations

import io
import json
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import closing
from random import Random
from typing import TYPE_CHECKING, Any

import boto3
import pytest
from botocore.config import Config
from botocore.exceptions import ClientError
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from labelwatch.local import image_limits
from labelwatch.local.model import LocalModel, RateLimit, model_arn
from labelwatch.local.rekognition_api import ServiceError, served
from tests.support.sample_images import (
    animated,
    noise,
    padded,
    plain,
    png_of_16_bits,
    rotated,
    truncated,
    with_header_size,
)

if TYPE_CHECKING:
    from mypy_boto3_rekognition import RekognitionClient

ARN = model_arn("eu-central-1")
PROJECT = "arn:aws:rekognition:eu-central-1:000000000000:project/leaves/1690000000000"
LABELS = [("leaf-smut", 99.0), ("rust", 50.0), ("mildew", 20.0)]
MIB = 1024 * 1024


class FixedLabels:
    """A classifier that predicts the same labels for every picture."""

    def classify(self, image: Image.Image) -> list[tuple[str, float]]:  # noqa: ARG002 - the port's
        return LABELS


class Clock:
    """A clock that stands still until it is moved on."""

    def __init__(self) -> None:
        self.seconds = 100.0

    def __call__(self) -> float:
        return self.seconds


Objects = dict[tuple[str, str, str | None], bytes]


@pytest.fixture
def objects() -> Objects:
    """The objects in S3: bucket, key, version → content."""
    return {("leaves", "leaf.jpg", None): picture()}


@pytest.fixture
def model(objects: Objects) -> LocalModel:
    def read(bucket: str, key: str, version: str | None) -> bytes:
        try:
            return objects[bucket, key, version]
        except KeyError:
            raise ClientError({"Error": {"Code": "NoSuchKey", "Message": "missing"}}, "GetObject") from None

    return LocalModel(FixedLabels(), ARN, read)


@pytest.fixture
def endpoint(model: LocalModel) -> Iterator[str]:
    with served(model.operations) as url:
        yield url


@pytest.fixture
def rekognition(endpoint: str) -> Iterator[RekognitionClient]:
    config = Config(retries={"total_max_attempts": 1}, parameter_validation=False)
    with closing(boto3.client("rekognition", endpoint_url=endpoint, config=config)) as client:
        yield client


def picture(width: int = 80, height: int = 64, form: str = "JPEG") -> bytes:
    content = io.BytesIO()
    Image.frombytes("L", (width, height), Random(0).randbytes(width * height)).save(content, form)
    return content.getvalue()


def stored(name: str = "leaf.jpg", **more: str) -> Any:
    return {"S3Object": {"Bucket": "leaves", "Name": name, **more}}


def detected(client: RekognitionClient, image: Any = None, **more: Any) -> list[tuple[str, float]]:
    request: Any = {"ProjectVersionArn": ARN, "Image": image or stored(), "MinConfidence": 0} | more
    answer = client.detect_custom_labels(**request)
    return [(label["Name"], label["Confidence"]) for label in answer["CustomLabels"]]


def refused(call: Callable[[], object]) -> tuple[str, int]:
    """The code and the HTTP status that the call is refused with."""
    with pytest.raises(ClientError) as raised:
        call()
    return raised.value.response["Error"]["Code"], raised.value.response["ResponseMetadata"]["HTTPStatusCode"]


def status(client: RekognitionClient) -> str:
    (version,) = client.describe_project_versions(ProjectArn=PROJECT)["ProjectVersionDescriptions"]
    return version["Status"]


def restart(client: RekognitionClient) -> str:
    client.stop_project_version(ProjectVersionArn=ARN)
    return client.start_project_version(ProjectVersionArn=ARN, MinInferenceUnits=1)["Status"]


def is_refused(model: LocalModel) -> bool:
    try:
        model.operations["DetectCustomLabels"]({"ProjectVersionArn": ARN, "Image": stored()})
    except ServiceError:
        return True
    return False


def posted(
    endpoint: str, body: bytes, target: str = "RekognitionService.DetectCustomLabels", **headers: str
) -> tuple[int, str]:
    """The status and the error's code, for a body or headers that no client would send."""
    given = {"X-Amz-Target": target} | headers
    request = urllib.request.Request(endpoint, body, given)  # noqa: S310 - http, on loopback
    with pytest.raises(urllib.error.HTTPError) as raised:
        urllib.request.urlopen(request)  # noqa: S310 - the same
    with raised.value as answer:
        return answer.code, json.load(answer)["__type"]


def test_an_object_gets_the_labels_of_the_classifier(rekognition: RekognitionClient) -> None:
    assert detected(rekognition) == LABELS


@pytest.mark.parametrize("form", ["JPEG", "PNG"])
def test_bytes_get_the_labels_of_the_classifier(rekognition: RekognitionClient, form: str) -> None:
    assert detected(rekognition, {"Bytes": picture(form=form)}) == LABELS


def test_the_requested_version_is_analysed(rekognition: RekognitionClient, objects: Objects) -> None:
    objects["leaves", "leaf.jpg", "v2"] = b"no image"
    assert refused(lambda: detected(rekognition, stored(Version="v2"))) == ("InvalidImageFormatException", 400)


def test_no_label_is_below_min_confidence(rekognition: RekognitionClient) -> None:
    assert detected(rekognition, MinConfidence=50) == LABELS[:2]


def test_no_more_labels_than_max_results_are_returned(rekognition: RekognitionClient) -> None:
    assert detected(rekognition, MaxResults=1) == LABELS[:1]


def test_general_labels_have_their_own_shape(rekognition: RekognitionClient) -> None:
    labels = rekognition.detect_labels(Image=stored(), MinConfidence=50, MaxLabels=1)["Labels"]
    assert [(label["Name"], label["Confidence"], label["Instances"]) for label in labels] == [("leaf-smut", 99.0, [])]


@pytest.mark.parametrize("min_confidence", [-0.5, 100.5])
def test_a_min_confidence_out_of_range_is_refused(rekognition: RekognitionClient, min_confidence: float) -> None:
    assert refused(lambda: detected(rekognition, MinConfidence=min_confidence)) == ("InvalidParameterException", 400)


@pytest.mark.parametrize(
    ("content", "code"),
    [
        (b"no image", "InvalidImageFormatException"),
        (b"", "InvalidImageFormatException"),
        (picture(form="GIF"), "InvalidImageFormatException"),
        (picture(400, 400)[:-2000], "InvalidImageFormatException"),
        (picture(400, 400, "PNG")[:-2000], "InvalidImageFormatException"),
        (bytes(15 * MIB + 1), "ImageTooLargeException"),
        (bytes(15 * MIB), "InvalidImageFormatException"),  # not too large, and no image
        (picture(4097, 300), "ImageTooLargeException"),
        (picture(300, 4097), "ImageTooLargeException"),
        (picture(63, 200), "InvalidParameterException"),
        (picture(200, 63), "InvalidParameterException"),
        (picture(21 * 64, 64), "InvalidParameterException"),
    ],
    ids=lambda value: value if isinstance(value, str) else f"{len(value)} bytes",
)
def test_an_object_that_rekognition_does_not_accept_is_refused(
    rekognition: RekognitionClient, objects: Objects, content: bytes, code: str
) -> None:
    objects["leaves", "bad.jpg", None] = content
    assert refused(lambda: detected(rekognition, stored("bad.jpg"))) == (code, 400)


# Every format and size, with the code that refuses it.
SAMPLES: dict[str, tuple[bytes, str | None]] = {
    "jpeg, progressive": (plain("JPEG", progressive=True), None),
    "jpeg, grey": (plain("JPEG", mode="L"), None),
    "jpeg, on its side": (rotated(), None),
    "jpeg, of two pictures": (animated("MPO"), None),
    "jpeg, with more after it": (plain("JPEG") + b"more", None),
    "png, of a palette": (plain("PNG", mode="P"), None),
    "png, black and white": (plain("PNG", mode="1"), None),
    "png, with transparency": (plain("PNG", mode="RGBA"), None),
    "png, animated": (animated("PNG"), None),
    "gif, animated": (animated("GIF"), "InvalidImageFormatException"),
    "bmp": (plain("BMP"), "InvalidImageFormatException"),
    "tiff": (plain("TIFF"), "InvalidImageFormatException"),
    "avif": (plain("AVIF"), "InvalidImageFormatException"),
    "jpeg 2000": (plain("JPEG2000"), "InvalidImageFormatException"),
    "svg": (b'<svg xmlns="http://www.w3.org/2000/svg" width="96" height="96"/>', "InvalidImageFormatException"),
    "pdf": (b"%PDF-1.7\n1 0 obj\n<<>>\nendobj\n", "InvalidImageFormatException"),
    "random": (Random(0).randbytes(5000), "InvalidImageFormatException"),
    "one byte": (b"\xff", "InvalidImageFormatException"),
    "gif named as a jpeg": (plain("GIF"), "InvalidImageFormatException"),
    "tenth of a jpeg": (truncated("JPEG", 0.1), "InvalidImageFormatException"),
    "most of a jpeg": (truncated("JPEG", 0.9), "InvalidImageFormatException"),
    "png's first bytes": (noise("PNG")[:8], "InvalidImageFormatException"),
    "tenth of a png": (truncated("PNG", 0.1), "InvalidImageFormatException"),
    "half a png": (truncated("PNG", 0.5), "InvalidImageFormatException"),
    "63 x 64": (plain("PNG", (63, 64)), "InvalidParameterException"),
    "64 x 64": (plain("PNG", (64, 64)), None),
    "1 x 1": (plain("PNG", (1, 1)), "InvalidParameterException"),
    "4096 x 4096": (plain("PNG", (4096, 4096)), None),
    "300 x 4097": (plain("PNG", (300, 4097)), "ImageTooLargeException"),
    "20 to 1": (plain("PNG", (1280, 64)), None),
    "1 to 20": (plain("PNG", (64, 1280)), None),
    "longer than 20 to 1": (plain("PNG", (1281, 64)), "InvalidParameterException"),
    "jpeg": (plain("JPEG"), None),
    "jpeg, CMYK": (plain("JPEG", mode="CMYK"), None),
    "png": (plain("PNG"), None),
    "png, of 16 bits": (png_of_16_bits(), None),
    "gif": (plain("GIF"), "InvalidImageFormatException"),
    "webp": (plain("WEBP"), "InvalidImageFormatException"),
    "heic": (b"\0\0\0\x18ftypheic\0\0\0\0mif1heic" + bytes(500), "InvalidImageFormatException"),
    "text": (b"Spray on Tuesday.", "InvalidImageFormatException"),
    "jpeg's first bytes": (noise("JPEG")[:3], "InvalidImageFormatException"),
    "half a jpeg": (truncated("JPEG", 0.5), "InvalidImageFormatException"),
    "most of a png": (truncated("PNG", 0.9), "InvalidImageFormatException"),
    "64 x 63": (plain("JPEG", (64, 63)), "InvalidParameterException"),
    "4097 x 300": (plain("JPEG", (4097, 300)), "ImageTooLargeException"),
    "30000 x 30000, by its header": (with_header_size(30_000, 30_000), "ImageTooLargeException"),
    "15 MiB": (padded(), None),
}


@pytest.mark.parametrize(("content", "code"), SAMPLES.values(), ids=SAMPLES)
def test_a_sample_is_analysed_or_refused_by_its_content(
    rekognition: RekognitionClient, objects: Objects, content: bytes, code: str | None
) -> None:
    objects["leaves", "sample", None] = content
    if code:
        assert refused(lambda: detected(rekognition, stored("sample"))) == (code, 400)
    else:
        assert detected(rekognition, stored("sample")) == LABELS


@pytest.mark.parametrize(("width", "height"), [(64, 64), (64, 20 * 64), (4096, 205)])
def test_an_image_at_the_limits_is_analysed(rekognition: RekognitionClient, width: int, height: int) -> None:
    assert detected(rekognition, {"Bytes": picture(width, height)}) == LABELS


@pytest.mark.parametrize(
    ("size", "code"), [(4 * MIB + 1, "ImageTooLargeException"), (4 * MIB, "InvalidImageFormatException")]
)
def test_bytes_in_a_call_may_be_four_mebibytes(rekognition: RekognitionClient, size: int, code: str) -> None:
    assert refused(lambda: detected(rekognition, {"Bytes": bytes(size)})) == (code, 400)


@given(st.sampled_from(["JPEG", "PNG"]), st.data())
def test_a_damaged_image_is_analysed_or_refused(form: str, data: st.DataObject) -> None:
    content = bytearray(picture(form=form))
    del content[data.draw(st.integers(0, len(content))) :]
    for index in data.draw(st.lists(st.integers(0, max(len(content) - 1, 0)), max_size=8)) if content else []:
        content[index] = data.draw(st.integers(0, 255))
    try:
        assert image_limits.open_image(bytes(content), MIB)
    except ServiceError as error:
        assert error.code.endswith("Exception")  # noqa: PT017 - an error is one of the two right answers


def test_a_missing_object_is_refused(rekognition: RekognitionClient) -> None:
    assert refused(lambda: detected(rekognition, stored("missing.jpg"))) == ("InvalidS3ObjectException", 400)


@pytest.mark.parametrize("image", [{"S3Object": {"Bucket": "leaves"}}, {"S3Object": {"Name": "leaf.jpg"}}])
def test_an_object_without_bucket_or_key_is_refused(rekognition: RekognitionClient, image: dict[str, Any]) -> None:
    assert refused(lambda: detected(rekognition, image)) == ("InvalidParameterException", 400)


@pytest.mark.parametrize(
    ("operation", "request_"),
    [
        ("detect_custom_labels", {"Image": stored()}),
        ("start_project_version", {"MinInferenceUnits": 1}),
        ("stop_project_version", {}),
    ],
)
def test_an_unknown_model_is_refused(rekognition: RekognitionClient, operation: str, request_: dict[str, Any]) -> None:
    call = getattr(rekognition, operation)
    assert refused(lambda: call(ProjectVersionArn=ARN + "1", **request_)) == ("ResourceNotFoundException", 400)


def test_the_model_is_described_by_its_project(rekognition: RekognitionClient) -> None:
    (version,) = rekognition.describe_project_versions(ProjectArn=PROJECT)["ProjectVersionDescriptions"]
    assert (version["ProjectVersionArn"], version["Status"]) == (ARN, "RUNNING")


@pytest.mark.parametrize(("names", "found"), [(["leaves.1"], 1), (["leaves.2"], 0)])
def test_versions_are_described_by_their_names(rekognition: RekognitionClient, names: list[str], found: int) -> None:
    answer = rekognition.describe_project_versions(ProjectArn=PROJECT, VersionNames=names)
    assert len(answer["ProjectVersionDescriptions"]) == found


def test_an_unknown_project_is_refused(rekognition: RekognitionClient) -> None:
    unknown = PROJECT.replace("leaves", "others")
    assert refused(lambda: rekognition.describe_project_versions(ProjectArn=unknown))[0] == "ResourceNotFoundException"


def test_a_stopped_model_is_not_ready(rekognition: RekognitionClient) -> None:
    rekognition.stop_project_version(ProjectVersionArn=ARN)
    assert refused(lambda: detected(rekognition)) == ("ResourceNotReadyException", 400)


def test_general_labels_need_no_running_model(rekognition: RekognitionClient) -> None:
    rekognition.stop_project_version(ProjectVersionArn=ARN)
    assert rekognition.detect_labels(Image=stored(), MinConfidence=0)["Labels"]


def test_a_model_that_is_starting_is_not_ready(rekognition: RekognitionClient, model: LocalModel) -> None:
    model.starting_seconds = 3600
    restart(rekognition)
    assert (status(rekognition), refused(lambda: detected(rekognition))[0]) == ("STARTING", "ResourceNotReadyException")


def test_a_model_that_has_started_answers(rekognition: RekognitionClient, model: LocalModel) -> None:
    model.starting_seconds = 0
    assert (restart(rekognition), status(rekognition), detected(rekognition)) == ("STARTING", "RUNNING", LABELS)


def test_a_running_model_cannot_be_started(rekognition: RekognitionClient) -> None:
    start = rekognition.start_project_version
    assert refused(lambda: start(ProjectVersionArn=ARN, MinInferenceUnits=1)) == ("ResourceInUseException", 400)


def test_a_stopped_model_cannot_be_stopped(rekognition: RekognitionClient) -> None:
    rekognition.stop_project_version(ProjectVersionArn=ARN)
    assert refused(lambda: rekognition.stop_project_version(ProjectVersionArn=ARN)) == ("ResourceInUseException", 400)


def test_calls_above_the_rate_are_refused(rekognition: RekognitionClient, model: LocalModel) -> None:
    model.rate = RateLimit(2, Clock())
    answers = [detected(rekognition), detected(rekognition)]
    assert answers == [LABELS, LABELS]
    assert refused(lambda: detected(rekognition)) == ("ProvisionedThroughputExceededException", 400)


def test_as_many_calls_pass_as_the_rate_allows_in_that_time() -> None:
    clock = Clock()
    rate = RateLimit(2, clock)
    passed = []
    for seconds in (0, 0.5, 1.0, 60.0):  # two at first, then one, two, and no more than two after a rest
        clock.seconds += seconds
        passed.append([rate.allows() for _ in range(4)].count(True))
    assert passed == [2, 1, 2, 2]


def test_control_calls_have_a_rate_of_their_own(rekognition: RekognitionClient, model: LocalModel) -> None:
    model.control_rate = RateLimit(1, Clock())
    assert status(rekognition) == "RUNNING"
    assert refused(lambda: status(rekognition)) == ("ThrottlingException", 400)


@pytest.mark.parametrize(
    ("code", "http"), [("AccessDeniedException", 400), ("InternalServerError", 500), ("ServiceUnavailable", 503)]
)
def test_an_error_has_its_http_status(rekognition: RekognitionClient, model: LocalModel, code: str, http: int) -> None:
    model.fail_next(code)
    assert refused(lambda: detected(rekognition)) == (code, http)


def test_an_exception_of_the_local_model_is_an_internal_server_error(
    rekognition: RekognitionClient, model: LocalModel
) -> None:
    model.rate.clock = lambda: 1 / 0
    assert refused(lambda: detected(rekognition)) == ("InternalServerError", 500)


def test_the_next_calls_fail_as_often_as_set(rekognition: RekognitionClient, model: LocalModel) -> None:
    model.fail_next("ThrottlingException", times=2)
    codes = [refused(lambda: detected(rekognition))[0] for _ in range(2)]
    assert (codes, detected(rekognition)) == (["ThrottlingException"] * 2, LABELS)


def test_an_error_rate_of_one_refuses_every_call(rekognition: RekognitionClient, model: LocalModel) -> None:
    model.error_rates = {"InternalServerError": 1.0}
    assert [refused(lambda: detected(rekognition)) for _ in range(5)] == [("InternalServerError", 500)] * 5


def test_an_error_rate_of_a_half_refuses_about_half_of_the_calls(model: LocalModel) -> None:
    model.rate, model.error_rates = RateLimit(1000, Clock()), {"ThrottlingException": 0.5}
    assert 400 <= sum(is_refused(model) for _ in range(1000)) <= 600


def test_every_detection_is_counted(rekognition: RekognitionClient, model: LocalModel) -> None:
    model.fail_next("ThrottlingException")
    refused(lambda: detected(rekognition))
    detected(rekognition)
    assert model.calls == 2


@pytest.mark.parametrize(
    "body",
    [
        b"{",
        b"[]",
        b"null",
        b"5",
        b"\xff\xfe",
        b'{"Image": null}',
        b'{"Image": "Bytes"}',
        b'{"Image": {"Bytes": "%%"}}',
        b'{"a":' * 100_000,
    ],
)
def test_a_malformed_body_is_refused(endpoint: str, body: bytes) -> None:
    assert posted(endpoint, body) == (400, "SerializationException")


@pytest.mark.parametrize(
    "body", [b"", b"{}", b'{"Image": []}', b'{"Image": {"S3Object": null}}', b'{"MinConfidence": "80"}']
)
def test_a_body_that_is_no_request_is_refused(endpoint: str, body: bytes) -> None:
    assert posted(endpoint, body) == (400, "InvalidParameterException")


@pytest.mark.parametrize("target", ["", "RekognitionService.", "RekognitionService.Nonsense", "Other.DetectLabels"])
def test_an_unknown_operation_is_refused(endpoint: str, target: str) -> None:
    assert posted(endpoint, b"{}", target) == (400, "UnknownOperationException")


@pytest.mark.parametrize(
    "headers", [{"Host": "attacker.example"}, {"Origin": "http://attacker.example"}, {"Origin": "null"}]
)
def test_a_web_page_cannot_stop_the_model(model: LocalModel, endpoint: str, headers: dict[str, str]) -> None:
    body = json.dumps({"ProjectVersionArn": ARN}).encode()
    refused = posted(endpoint, body, "RekognitionService.StopProjectVersion", **headers)
    assert refused == (403, "AccessDeniedException")
    assert model.status == "RUNNING"


def test_an_operation_that_the_local_model_lacks_is_refused(rekognition: RekognitionClient) -> None:
    assert refused(rekognition.list_collections) == ("UnknownOperationException", 400)


def test_nothing_listens_after_the_end(model: LocalModel) -> None:
    with served(model.operations) as url:
        pass
    with pytest.raises(urllib.error.URLError, match="refused"):
        urllib.request.urlopen(url)  # noqa: S310 - http, on loopback

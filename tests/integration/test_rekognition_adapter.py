"""The model behind botocore's Stubber, since moto's answers a constant; what fails below HTTP fails on real sockets."""

from __future__ import annotations

import socket
from collections.abc import Iterator
from contextlib import closing, contextmanager
from typing import TYPE_CHECKING, Any

import boto3
import pytest
from botocore.config import Config
from botocore.stub import Stubber

from chalicelib.adapters.rekognition import CustomLabels, GeneralLabels, ModelVersion
from chalicelib.domain.errors import Fault, ModelNotRunning, Rejected, Retryable, Unavailable
from chalicelib.domain.predictions import BoundingBox, Label
from tests.support.builders import image

if TYPE_CHECKING:
    from mypy_boto3_rekognition import RekognitionClient

ARN = "arn:aws:rekognition:eu-central-1:123456789012:project/leaves/version/leaves.1/1700000000000"
BOX = {"Left": 0.1, "Top": 0.2, "Width": 0.3, "Height": 0.4}
SEEN = BoundingBox(left=0.1, top=0.2, width=0.3, height=0.4)
KEY = "field 7/grün+1.jpg"
FATES: dict[str, type[Fault]] = {
    "ImageTooLargeException": Rejected,
    "InvalidImageFormatException": Rejected,
    "InvalidParameterException": Retryable,
    "ResourceNotReadyException": ModelNotRunning,
    "AccessDeniedException": Retryable,
    "InternalServerError": Unavailable,
    "InvalidS3ObjectException": Retryable,
    "LimitExceededException": Unavailable,
    "ProvisionedThroughputExceededException": Unavailable,
    "ResourceNotFoundException": Retryable,
    "ThrottlingException": Unavailable,
}
custom_and_general = pytest.mark.parametrize("operation", ["detect_custom_labels", "detect_labels"])


def fate(operation: str, code: str) -> type[Fault]:
    """General labels need no model that runs, and the service never says of them that it does not."""
    return FATES[code] if operation == "detect_custom_labels" or FATES[code] is not ModelNotRunning else Retryable


@contextmanager
def rekognition(endpoint: str | None = None) -> Iterator[RekognitionClient]:
    """A client that tries once and waits for a fifth of a second."""
    config = Config(retries={"total_max_attempts": 1}, connect_timeout=0.2, read_timeout=0.2)
    with closing(boto3.client("rekognition", endpoint_url=endpoint, config=config)) as client:
        yield client


def model(client: RekognitionClient, operation: str) -> CustomLabels | GeneralLabels:
    return CustomLabels(client, ARN) if operation == "detect_custom_labels" else GeneralLabels(client)


def custom(*labels: dict[str, Any]) -> tuple[Label, ...]:
    """What becomes of these labels of a Custom Labels model."""
    with rekognition() as client, Stubber(client) as stub:
        stub.add_response("detect_custom_labels", {"CustomLabels": list(labels)})
        return CustomLabels(client, ARN).labels(image(), 50)


def general(*labels: dict[str, Any]) -> tuple[Label, ...]:
    """What becomes of these labels of Rekognition's own."""
    with rekognition() as client, Stubber(client) as stub:
        stub.add_response("detect_labels", {"Labels": list(labels)})
        return GeneralLabels(client).labels(image(), 50)


def asked(operation: str, version: str | None = None, min_confidence: float = 50) -> dict[str, Any]:
    """The request that the adapter makes, as botocore is about to send it."""
    requests: list[dict[str, Any]] = []
    with rekognition() as client, Stubber(client) as stub:
        stub.add_response(operation, {"CustomLabels": []} if "custom" in operation else {"Labels": []})
        client.meta.events.register("provide-client-params", lambda params, **_: requests.append(params))
        model(client, operation).labels(image(KEY, version_id=version), min_confidence)
    (request,) = requests
    return request


def fault_at(endpoint: str) -> Fault:
    with rekognition(endpoint) as client, pytest.raises(Fault) as raised:
        CustomLabels(client, ARN).labels(image(), 50)
    return raised.value


def test_a_label_has_its_name_and_confidence() -> None:
    assert custom({"Name": "leaf-smut", "Confidence": 99.5}) == (Label("leaf-smut", 99.5),)


def test_labels_stay_in_the_order_of_the_model() -> None:
    labels = custom({"Name": "rust", "Confidence": 70.0}, {"Name": "leaf-smut", "Confidence": 99.5})
    assert [label.name for label in labels] == ["rust", "leaf-smut"]


def test_a_label_of_object_detection_has_its_bounding_box() -> None:
    (label,) = custom({"Name": "leaf-smut", "Confidence": 99.5, "Geometry": {"BoundingBox": BOX}})
    assert label.bounding_box == SEEN


def test_a_geometry_without_a_bounding_box_is_none() -> None:
    (label,) = custom({"Name": "leaf-smut", "Confidence": 99.5, "Geometry": {"Polygon": [{"X": 0.1, "Y": 0.2}]}})
    assert label.bounding_box is None


def test_a_label_that_is_seen_twice_is_two_labels() -> None:
    twice = custom(*[{"Name": "rust", "Confidence": sure, "Geometry": {"BoundingBox": BOX}} for sure in (90.0, 80.0)])
    assert twice == (Label("rust", 90.0, SEEN), Label("rust", 80.0, SEEN))


def test_an_image_without_custom_labels_has_none() -> None:
    assert custom() == ()


def test_a_general_label_without_instances_has_no_bounding_box() -> None:
    assert general({"Name": "Leaf", "Confidence": 98.0, "Instances": []}) == (Label("Leaf", 98.0),)


def test_a_general_label_that_says_nothing_of_instances_is_a_label() -> None:
    assert general({"Name": "Leaf", "Confidence": 98.0}) == (Label("Leaf", 98.0),)


def test_a_general_label_is_one_label_for_each_instance() -> None:
    instances = [{"BoundingBox": BOX, "Confidence": sure} for sure in (97.0, 96.0)]
    seen = general({"Name": "Leaf", "Confidence": 98.0, "Instances": instances})
    assert seen == (Label("Leaf", 97.0, SEEN), Label("Leaf", 96.0, SEEN))


def test_an_instance_without_a_confidence_has_that_of_its_label() -> None:
    assert general({"Name": "Leaf", "Confidence": 98.0, "Instances": [{"BoundingBox": BOX}]}) == (
        Label("Leaf", 98.0, SEEN),
    )


def test_an_image_without_general_labels_has_none() -> None:
    assert general() == ()


def test_the_custom_model_is_asked_by_its_arn() -> None:
    assert asked("detect_custom_labels")["ProjectVersionArn"] == ARN


def test_a_prediction_names_the_custom_model_by_its_arn() -> None:
    with rekognition() as client:
        assert CustomLabels(client, ARN).name == ARN


def test_a_prediction_names_the_general_labels_by_one_word() -> None:
    with rekognition() as client:
        assert GeneralLabels(client).name == "general"


@custom_and_general
def test_an_image_without_versions_is_asked_for_by_bucket_and_key(operation: str) -> None:
    assert asked(operation)["Image"] == {"S3Object": {"Bucket": "images", "Name": KEY}}


@custom_and_general
def test_an_image_with_a_version_is_asked_for_in_that_version(operation: str) -> None:
    assert asked(operation, version="v1")["Image"] == {"S3Object": {"Bucket": "images", "Name": KEY, "Version": "v1"}}


@custom_and_general
@pytest.mark.parametrize("min_confidence", [0, 62.5, 100])
def test_the_model_is_asked_for_this_confidence(operation: str, min_confidence: float) -> None:
    assert asked(operation, min_confidence=min_confidence)["MinConfidence"] == min_confidence


@custom_and_general
def test_every_exception_of_the_service_model_has_its_fate_below(operation: str) -> None:
    with rekognition() as client:
        shapes = client.meta.service_model.operation_model(client.meta.method_to_api_mapping[operation]).error_shapes
    assert {shape.name for shape in shapes} <= set(FATES)


@pytest.mark.parametrize("code", FATES)
@custom_and_general
def test_what_the_model_refuses_has_its_fate(operation: str, code: str) -> None:
    with rekognition() as client, Stubber(client) as stub:
        status = 500 if code == "InternalServerError" else 400
        stub.add_client_error(operation, code, "in its own words", http_status_code=status)
        with pytest.raises(Fault) as raised:
            model(client, operation).labels(image(), 50)
    fault = raised.value
    assert (type(fault), fault.reason, fault.detail) == (fate(operation, code), code, "in its own words")


@custom_and_general
def test_parameters_that_were_answered_before_are_the_picture_s_fault(operation: str) -> None:
    with rekognition() as client, Stubber(client) as stub:
        here = model(client, operation)
        stub.add_response(operation, {"CustomLabels": []} if "custom" in operation else {"Labels": []})
        stub.add_client_error(operation, "InvalidParameterException")
        stub.add_client_error(operation, "AccessDeniedException")
        here.labels(image(), 50)
        with pytest.raises(Rejected, match="InvalidParameterException"):
            here.labels(image(), 50)
        with pytest.raises(Retryable, match="AccessDeniedException"):
            here.labels(image(), 50)


def test_a_connection_that_is_refused_is_one_to_be_tried_for_long() -> None:
    with socket.socket() as nobody:  # bound, so that nobody else takes the port, and not listening
        nobody.bind(("127.0.0.1", 0))
        fault = fault_at(f"http://127.0.0.1:{nobody.getsockname()[1]}")
    assert (type(fault), fault.reason) == (Unavailable, "EndpointConnectionError")


def test_a_model_that_never_answers_is_one_to_be_tried_for_long() -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:  # the kernel accepts; nobody reads
        fault = fault_at(f"http://127.0.0.1:{silent.getsockname()[1]}")
    assert (type(fault), fault.reason) == (Unavailable, "ReadTimeoutError")


def test_an_image_that_cannot_be_asked_for_is_retryable() -> None:
    with rekognition() as client, pytest.raises(Retryable, match=r"^ParamValidationError: "):
        CustomLabels(client, "short").labels(image(), 50)


PROJECT = "arn:aws:rekognition:eu-central-1:123456789012:project/leaves/1600000000000"


def version(stub: Stubber, arn: str = ARN, status: str = "STOPPED") -> None:
    stub.add_response(
        "describe_project_versions",
        {"ProjectVersionDescriptions": [{"ProjectVersionArn": arn, "Status": status}]},
        {"ProjectArn": PROJECT, "VersionNames": ["leaves.1"]},
    )


def project(stub: Stubber, *arns: str) -> None:
    found = {"ProjectDescriptions": [{"ProjectArn": one} for one in arns]}
    stub.add_response("describe_projects", found, {"ProjectNames": ["leaves"]})


def test_the_status_of_a_version_is_asked_of_its_project_which_is_looked_for_once() -> None:
    with rekognition() as client, Stubber(client) as stub:
        project(stub, PROJECT)
        version(stub)
        version(stub, status="RUNNING")
        life = ModelVersion(client, ARN)
        assert [life.status(), life.status()] == ["STOPPED", "RUNNING"]


def test_a_version_or_a_project_that_is_gone_is_a_fault() -> None:
    with rekognition() as client, Stubber(client) as stub:
        project(stub, PROJECT)
        version(stub, arn=ARN.replace("1700000000000", "1800000000000"))
        with pytest.raises(Retryable, match="ResourceNotFoundException"):
            ModelVersion(client, ARN).status()
        project(stub)
        with pytest.raises(Retryable, match="ResourceNotFoundException"):
            ModelVersion(client, ARN).status()


def test_a_version_is_started_with_one_unit_and_stopped() -> None:
    with rekognition() as client, Stubber(client) as stub:
        stub.add_response("start_project_version", {}, {"ProjectVersionArn": ARN, "MinInferenceUnits": 1})
        stub.add_response("stop_project_version", {}, {"ProjectVersionArn": ARN})
        life = ModelVersion(client, ARN)
        assert [life.start(), life.stop()] == [True, True]


def test_who_comes_too_late_has_neither_started_nor_stopped_it() -> None:
    with rekognition() as client, Stubber(client) as stub:
        for operation in ("start_project_version", "stop_project_version"):
            stub.add_client_error(operation, "ResourceInUseException")
        life = ModelVersion(client, ARN)
        assert [life.start(), life.stop()] == [False, False]


@pytest.mark.parametrize("operation", ["start", "stop"])
def test_any_other_refusal_to_start_or_stop_is_a_fault(operation: str) -> None:
    with rekognition() as client, Stubber(client) as stub:
        stub.add_client_error(f"{operation}_project_version", "LimitExceededException")
        with pytest.raises(Retryable, match="LimitExceededException"):
            getattr(ModelVersion(client, ARN), operation)()

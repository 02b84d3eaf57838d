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
SIDES = {"Left": 0.1, "Top": 0.2, "Width": 0.3, "Height": 0.4}
BOUNDS = BoundingBox(left=0.1, top=0.2, width=0.3, height=0.4)
KEY = "field 7/grün+1.jpg"
FAULTS: dict[str, type[Fault]] = {
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


def expected_fault(operation: str, code: str) -> type[Fault]:
    """General labels need no running model: the service gives no such error for them."""
    return FAULTS[code] if operation == "detect_custom_labels" or FAULTS[code] is not ModelNotRunning else Retryable


@contextmanager
def rekognition(endpoint: str | None = None) -> Iterator[RekognitionClient]:
    """A client without retries, which times out after a fifth of a second."""
    config = Config(retries={"total_max_attempts": 1}, connect_timeout=0.2, read_timeout=0.2)
    with closing(boto3.client("rekognition", endpoint_url=endpoint, config=config)) as client:
        yield client


def model(client: RekognitionClient, operation: str) -> CustomLabels | GeneralLabels:
    return CustomLabels(client, ARN) if operation == "detect_custom_labels" else GeneralLabels(client)


def custom(*labels: dict[str, Any]) -> tuple[Label, ...]:
    """The labels of an image for which a Custom Labels model answers this."""
    with rekognition() as client, Stubber(client) as stub:
        stub.add_response("detect_custom_labels", {"CustomLabels": list(labels)})
        return CustomLabels(client, ARN).labels(image(), 50)


def general(*labels: dict[str, Any]) -> tuple[Label, ...]:
    """The labels of an image for which Rekognition's general labels are these."""
    with rekognition() as client, Stubber(client) as stub:
        stub.add_response("detect_labels", {"Labels": list(labels)})
        return GeneralLabels(client).labels(image(), 50)


def request_of(operation: str, version: str | None = None, min_confidence: float = 50) -> dict[str, Any]:
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


def test_a_label_of_object_detection_has_its_bounds() -> None:
    (label,) = custom({"Name": "leaf-smut", "Confidence": 99.5, "Geometry": {"BoundingBox": SIDES}})
    assert label.bounding_box == BOUNDS


def test_a_geometry_without_bounds_is_none() -> None:
    (label,) = custom({"Name": "leaf-smut", "Confidence": 99.5, "Geometry": {"Polygon": [{"X": 0.1, "Y": 0.2}]}})
    assert label.bounding_box is None


def test_two_instances_of_a_label_are_two_labels() -> None:
    labels = custom(
        *[{"Name": "rust", "Confidence": value, "Geometry": {"BoundingBox": SIDES}} for value in (90.0, 80.0)]
    )
    assert labels == (Label("rust", 90.0, BOUNDS), Label("rust", 80.0, BOUNDS))


def test_an_image_without_custom_labels_has_none() -> None:
    assert custom() == ()


def test_a_general_label_without_instances_has_no_bounds() -> None:
    assert general({"Name": "Leaf", "Confidence": 98.0, "Instances": []}) == (Label("Leaf", 98.0),)


def test_a_general_label_without_the_field_instances_is_a_label() -> None:
    assert general({"Name": "Leaf", "Confidence": 98.0}) == (Label("Leaf", 98.0),)


def test_a_general_label_is_one_label_for_each_instance() -> None:
    instances = [{"BoundingBox": SIDES, "Confidence": value} for value in (97.0, 96.0)]
    labels = general({"Name": "Leaf", "Confidence": 98.0, "Instances": instances})
    assert labels == (Label("Leaf", 97.0, BOUNDS), Label("Leaf", 96.0, BOUNDS))


def test_an_instance_without_a_confidence_has_that_of_its_label() -> None:
    assert general({"Name": "Leaf", "Confidence": 98.0, "Instances": [{"BoundingBox": SIDES}]}) == (
        Label("Leaf", 98.0, BOUNDS),
    )


def test_an_image_without_general_labels_has_none() -> None:
    assert general() == ()


def test_the_request_has_the_arn_of_the_custom_model() -> None:
    assert request_of("detect_custom_labels")["ProjectVersionArn"] == ARN


def test_a_prediction_names_the_custom_model_by_its_arn() -> None:
    with rekognition() as client:
        assert CustomLabels(client, ARN).name == ARN


def test_a_prediction_names_the_general_labels_by_one_word() -> None:
    with rekognition() as client:
        assert GeneralLabels(client).name == "general"


@custom_and_general
def test_the_request_has_the_bucket_and_key_of_an_image_without_versions(operation: str) -> None:
    assert request_of(operation)["Image"] == {"S3Object": {"Bucket": "images", "Name": KEY}}


@custom_and_general
def test_the_request_has_the_version_of_an_image(operation: str) -> None:
    assert request_of(operation, version="v1")["Image"] == {
        "S3Object": {"Bucket": "images", "Name": KEY, "Version": "v1"}
    }


@custom_and_general
@pytest.mark.parametrize("min_confidence", [0, 62.5, 100])
def test_the_request_has_the_minimum_confidence(operation: str, min_confidence: float) -> None:
    assert request_of(operation, min_confidence=min_confidence)["MinConfidence"] == min_confidence


@custom_and_general
def test_every_exception_of_the_service_model_is_in_the_table_of_faults(operation: str) -> None:
    with rekognition() as client:
        shapes = client.meta.service_model.operation_model(client.meta.method_to_api_mapping[operation]).error_shapes
    assert {shape.name for shape in shapes} <= set(FAULTS)


@pytest.mark.parametrize("code", FAULTS)
@custom_and_general
def test_a_refusal_is_the_fault_of_the_table(operation: str, code: str) -> None:
    with rekognition() as client, Stubber(client) as stub:
        status = 500 if code == "InternalServerError" else 400
        stub.add_client_error(operation, code, "in its own words", http_status_code=status)
        with pytest.raises(Fault) as raised:
            model(client, operation).labels(image(), 50)
    fault = raised.value
    assert (type(fault), fault.reason, fault.detail) == (expected_fault(operation, code), code, "in its own words")


@custom_and_general
def test_an_invalid_parameter_after_a_success_rejects_the_picture(operation: str) -> None:
    with rekognition() as client, Stubber(client) as stub:
        adapter = model(client, operation)
        stub.add_response(operation, {"CustomLabels": []} if "custom" in operation else {"Labels": []})
        stub.add_client_error(operation, "InvalidParameterException")
        stub.add_client_error(operation, "AccessDeniedException")
        adapter.labels(image(), 50)
        with pytest.raises(Rejected, match="InvalidParameterException"):
            adapter.labels(image(), 50)
        with pytest.raises(Retryable, match="AccessDeniedException"):
            adapter.labels(image(), 50)


def test_a_refused_connection_is_retried_for_long() -> None:
    with socket.socket() as unused:  # bound, so that no other process takes the port, and not listening
        unused.bind(("127.0.0.1", 0))
        fault = fault_at(f"http://127.0.0.1:{unused.getsockname()[1]}")
    assert (type(fault), fault.reason) == (Unavailable, "EndpointConnectionError")


def test_a_model_that_never_answers_is_retried_for_long() -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:  # the kernel accepts; nobody reads
        fault = fault_at(f"http://127.0.0.1:{silent.getsockname()[1]}")
    assert (type(fault), fault.reason) == (Unavailable, "ReadTimeoutError")


def test_an_invalid_request_is_retryable() -> None:
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
    found = {"ProjectDescriptions": [{"ProjectArn": arn} for arn in arns]}
    stub.add_response("describe_projects", found, {"ProjectNames": ["leaves"]})


def test_the_project_of_a_version_is_described_once_for_all_reads_of_the_status() -> None:
    with rekognition() as client, Stubber(client) as stub:
        project(stub, PROJECT)
        version(stub)
        version(stub, status="RUNNING")
        model_version = ModelVersion(client, ARN)
        assert [model_version.status(), model_version.status()] == ["STOPPED", "RUNNING"]


def test_a_missing_version_or_project_is_a_fault() -> None:
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
        model_version = ModelVersion(client, ARN)
        assert [model_version.start(), model_version.stop()] == [True, True]


def test_a_concurrent_start_or_stop_gives_false() -> None:
    with rekognition() as client, Stubber(client) as stub:
        for operation in ("start_project_version", "stop_project_version"):
            stub.add_client_error(operation, "ResourceInUseException")
        model_version = ModelVersion(client, ARN)
        assert [model_version.start(), model_version.stop()] == [False, False]


@pytest.mark.parametrize("operation", ["start", "stop"])
def test_any_other_refusal_to_start_or_stop_is_a_fault(operation: str) -> None:
    with rekognition() as client, Stubber(client) as stub:
        stub.add_client_error(f"{operation}_project_version", "LimitExceededException")
        with pytest.raises(Retryable, match="LimitExceededException"):
            getattr(ModelVersion(client, ARN), operation)()

"""Rekognition: Custom Labels, a Custom Labels model version, and Rekognition's own general labels."""

from __future__ import annotations

from functools import cached_property
from typing import TYPE_CHECKING

from chalicelib.adapters.faults import raising_faults
from chalicelib.domain.errors import Retryable
from chalicelib.domain.images import ImageReference
from chalicelib.domain.predictions import BoundingBox, Label

if TYPE_CHECKING:
    from mypy_boto3_rekognition import RekognitionClient
    from mypy_boto3_rekognition.type_defs import BoundingBoxTypeDef, ImageTypeDef

# https://docs.aws.amazon.com/rekognition/latest/APIReference/API_DetectCustomLabels.html#API_DetectCustomLabels_Errors
# Not InvalidS3ObjectException: a missing permission raises it too, and HeadObject has shown that the object exists.
_REJECTED = {"ImageTooLargeException", "InvalidImageFormatException"}
# A picture with too few pixels, or with too long a side, is refused with this. So are a wrong ARN of the model and a
# wrong threshold, but not after a call with the same two has succeeded.
_REJECTED_AFTER_SUCCESS = {"InvalidParameterException"}
_NOT_RUNNING = {"ResourceNotReadyException"}
NOT_FOUND = "ResourceNotFoundException"


class CustomLabels:
    """A version of a Custom Labels model, by its ARN."""

    def __init__(self, client: RekognitionClient, model_arn: str) -> None:
        self._client = client
        self._has_succeeded = False
        self.name = model_arn

    def labels(self, image: ImageReference, min_confidence: float) -> tuple[Label, ...]:
        """The labels of at least this confidence (0 to 100). Raises Rejected, ModelNotRunning or Retryable."""
        with raising_faults(
            rejects=_REJECTED | _REJECTED_AFTER_SUCCESS if self._has_succeeded else _REJECTED, defers=_NOT_RUNNING
        ):
            answer = self._client.detect_custom_labels(
                ProjectVersionArn=self.name, Image=_image(image), MinConfidence=min_confidence
            )
        self._has_succeeded = True
        return tuple(
            Label(label["Name"], label["Confidence"], _bounding_box(label.get("Geometry", {}).get("BoundingBox")))
            for label in answer["CustomLabels"]
        )


class ModelVersion:
    """Status, start and stop of a version of a Custom Labels model, by its ARN."""

    def __init__(self, client: RekognitionClient, arn: str) -> None:
        self._client = client
        self.name = arn

    def status(self) -> str:
        """AWS's word, such as RUNNING; raises Retryable where it cannot be read, or no version has this ARN."""
        with raising_faults():
            pages = self._client.get_paginator("describe_project_versions").paginate(
                ProjectArn=self._project_arn, VersionNames=[version_name(self.name)]
            )
            for page in pages:
                for version in page["ProjectVersionDescriptions"]:
                    if version["ProjectVersionArn"] == self.name:
                        return version["Status"]
        raise Retryable(NOT_FOUND, f"No model version {self.name}")

    def start(self, units: int = 1) -> bool:
        """Starts it with so many inference units; False where it is being started or stopped already."""
        with raising_faults():
            try:
                self._client.start_project_version(ProjectVersionArn=self.name, MinInferenceUnits=units)
            except self._client.exceptions.ResourceInUseException:
                return False
        return True

    def stop(self) -> bool:
        """Stops it; False where it does not run, or not any more."""
        with raising_faults():
            try:
                self._client.stop_project_version(ProjectVersionArn=self.name)
            except self._client.exceptions.ResourceInUseException:
                return False
        return True

    @cached_property
    def _project_arn(self) -> str:
        # It does not follow from the version's ARN: it ends with the time of the project's creation.
        projects = self._client.describe_projects(ProjectNames=[project_name(self.name)])["ProjectDescriptions"]
        if not projects:
            raise Retryable(NOT_FOUND, f"No project named {project_name(self.name)}")
        return projects[0]["ProjectArn"]


class GeneralLabels:
    """Rekognition's general labels, to try Labelwatch before a model is trained."""

    def __init__(self, client: RekognitionClient) -> None:
        self._client = client
        self._has_succeeded = False
        self.name = "general"

    def labels(self, image: ImageReference, min_confidence: float) -> tuple[Label, ...]:
        """The labels of at least this confidence (0 to 100), one for each instance of a thing in the image."""
        with raising_faults(rejects=_REJECTED | _REJECTED_AFTER_SUCCESS if self._has_succeeded else _REJECTED):
            answer = self._client.detect_labels(Image=_image(image), MinConfidence=min_confidence)
        self._has_succeeded = True
        return tuple(
            Label(
                label["Name"],
                instance.get("Confidence", label["Confidence"]),
                _bounding_box(instance.get("BoundingBox")),
            )
            for label in answer["Labels"]
            for instance in label.get("Instances") or [{}]
        )


def _image(image: ImageReference) -> ImageTypeDef:
    if image.version_id is None:
        return {"S3Object": {"Bucket": image.bucket, "Name": image.key}}
    return {"S3Object": {"Bucket": image.bucket, "Name": image.key, "Version": image.version_id}}


def _bounding_box(sides: BoundingBoxTypeDef | None) -> BoundingBox | None:
    return BoundingBox(sides["Left"], sides["Top"], sides["Width"], sides["Height"]) if sides else None


def project_name(arn: str) -> str:
    """The name of the project that a version is of."""
    return arn.split("/")[1]


def version_name(arn: str) -> str:
    """The version's own name."""
    return arn.split("/")[3]

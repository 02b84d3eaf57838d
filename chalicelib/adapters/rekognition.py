"""The model: Rekognition Custom Labels, or Rekognition's own general labels."""

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
# Not InvalidS3ObjectException: it tells of a missing permission too, and HeadObject has shown that the object is there.
_NEVER = {"ImageTooLargeException", "InvalidImageFormatException"}
# A picture of too few pixels, or too long a one, is known to be refused with this. The model's ARN and the threshold
# may be as well, but not once the same have been answered.
_NEVER_ONCE_ANSWERED = {"InvalidParameterException"}
_NOT_RUNNING = {"ResourceNotReadyException"}
GONE = "ResourceNotFoundException"


class CustomLabels:
    """A version of a Custom Labels model, by its ARN."""

    def __init__(self, client: RekognitionClient, model_arn: str) -> None:
        self._client = client
        self._answered = False
        self.name = model_arn

    def labels(self, image: ImageReference, min_confidence: float) -> tuple[Label, ...]:
        """The labels of at least this confidence (0 to 100); raises the Fault that Rekognition's refusal is."""
        with raising_faults(rejects=_NEVER | _NEVER_ONCE_ANSWERED if self._answered else _NEVER, defers=_NOT_RUNNING):
            answer = self._client.detect_custom_labels(
                ProjectVersionArn=self.name, Image=_image(image), MinConfidence=min_confidence
            )
        self._answered = True
        return tuple(
            Label(label["Name"], label["Confidence"], _box(label.get("Geometry", {}).get("BoundingBox")))
            for label in answer["CustomLabels"]
        )


class ModelVersion:
    """The life of a version of a Custom Labels model, by its ARN."""

    def __init__(self, client: RekognitionClient, arn: str) -> None:
        self._client = client
        self.name = arn

    def status(self) -> str:
        """AWS's word for it, such as RUNNING; raises Retryable where that cannot be had, or nothing has this ARN."""
        with raising_faults():
            pages = self._client.get_paginator("describe_project_versions").paginate(
                ProjectArn=self._project_arn, VersionNames=[version_name(self.name)]
            )
            for page in pages:
                for found in page["ProjectVersionDescriptions"]:
                    if found["ProjectVersionArn"] == self.name:
                        return found["Status"]
        raise Retryable(GONE, f"there is no {self.name}")

    def start(self, units: int = 1) -> bool:
        """Has it started, with so many inference units; False where somebody else has it started or stopped now."""
        with raising_faults():
            try:
                self._client.start_project_version(ProjectVersionArn=self.name, MinInferenceUnits=units)
            except self._client.exceptions.ResourceInUseException:
                return False
        return True

    def stop(self) -> bool:
        """Has it stopped; False where it does not run, or not any more."""
        with raising_faults():
            try:
                self._client.stop_project_version(ProjectVersionArn=self.name)
            except self._client.exceptions.ResourceInUseException:
                return False
        return True

    @cached_property
    def _project_arn(self) -> str:
        # The version's ARN does not have all of the project's: that ends with the time of its creation.
        projects = self._client.describe_projects(ProjectNames=[project_name(self.name)])["ProjectDescriptions"]
        if not projects:
            raise Retryable(GONE, f"there is no project of {self.name}")
        return projects[0]["ProjectArn"]


class GeneralLabels:
    """Rekognition's own labels: for trying the whole thing before a model is trained."""

    def __init__(self, client: RekognitionClient) -> None:
        self._client = client
        self._answered = False
        self.name = "general"

    def labels(self, image: ImageReference, min_confidence: float) -> tuple[Label, ...]:
        """The labels of at least this confidence (0 to 100), one for each place where a thing was seen."""
        with raising_faults(rejects=_NEVER | _NEVER_ONCE_ANSWERED if self._answered else _NEVER):
            answer = self._client.detect_labels(Image=_image(image), MinConfidence=min_confidence)
        self._answered = True
        return tuple(
            Label(label["Name"], seen.get("Confidence", label["Confidence"]), _box(seen.get("BoundingBox")))
            for label in answer["Labels"]
            for seen in label.get("Instances") or [{}]
        )


def _image(image: ImageReference) -> ImageTypeDef:
    if image.version_id is None:
        return {"S3Object": {"Bucket": image.bucket, "Name": image.key}}
    return {"S3Object": {"Bucket": image.bucket, "Name": image.key, "Version": image.version_id}}


def _box(box: BoundingBoxTypeDef | None) -> BoundingBox | None:
    return BoundingBox(box["Left"], box["Top"], box["Width"], box["Height"]) if box else None


def project_name(arn: str) -> str:
    """The name of the project that a version is of."""
    return arn.split("/")[1]


def version_name(arn: str) -> str:
    """The version's own name."""
    return arn.split("/")[3]

"""The model: Rekognition Custom Labels, or Rekognition's own general labels."""

from __future__ import annotations

from typing import TYPE_CHECKING

from chalicelib.adapters.faults import told_as_faults
from chalicelib.model import BoundingBox, ImageReference, Label

if TYPE_CHECKING:
    from mypy_boto3_rekognition import RekognitionClient
    from mypy_boto3_rekognition.type_defs import BoundingBoxTypeDef, ImageTypeDef

# https://docs.aws.amazon.com/rekognition/latest/APIReference/API_DetectCustomLabels.html#API_DetectCustomLabels_Errors
# Not InvalidS3ObjectException: it tells of a missing permission too, and HeadObject has shown that the object is there.
_NEVER = {"ImageTooLargeException", "InvalidImageFormatException"}
_NOT_RUNNING = {"ResourceNotReadyException"}


class CustomLabels:
    """A version of a Custom Labels model, by its ARN."""

    def __init__(self, client: RekognitionClient, model_arn: str) -> None:
        self._client = client
        self.name = model_arn

    def labels(self, image: ImageReference, min_confidence: float) -> tuple[Label, ...]:
        """The labels of at least this confidence (0 to 100); raises the Fault that Rekognition's refusal is."""
        with told_as_faults(rejects=_NEVER, waits=_NOT_RUNNING):
            answer = self._client.detect_custom_labels(
                ProjectVersionArn=self.name, Image=_image(image), MinConfidence=min_confidence
            )
        return tuple(
            Label(label["Name"], label["Confidence"], _box(label.get("Geometry", {}).get("BoundingBox")))
            for label in answer["CustomLabels"]
        )


class GeneralLabels:
    """Rekognition's own labels: for trying the whole thing before a model is trained."""

    def __init__(self, client: RekognitionClient) -> None:
        self._client = client
        self.name = "general"

    def labels(self, image: ImageReference, min_confidence: float) -> tuple[Label, ...]:
        """The labels of at least this confidence (0 to 100), one for each place where a thing was seen."""
        with told_as_faults(rejects=_NEVER):
            answer = self._client.detect_labels(Image=_image(image), MinConfidence=min_confidence)
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

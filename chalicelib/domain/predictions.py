"""What the model detected in an image."""

import hashlib
import json
from datetime import datetime

from msgspec import Struct

from chalicelib.domain.images import ImageReference


class BoundingBox(Struct, frozen=True):
    """Where a label was detected, in shares (0 to 1) of the image's width and height."""

    left: float
    top: float
    width: float
    height: float


class Label(Struct, frozen=True):
    """A name with a confidence, 0 to 100, and a bounding box where the model returns one."""

    name: str
    confidence: float
    bounding_box: BoundingBox | None = None


class Prediction(Struct, frozen=True, kw_only=True):
    """The labels of one image. `min_confidence` is the MinConfidence of the request: no label is below it.

    `notify` is whether people may be notified, `test` whether it is of no image and only for a test alert. The defaults
    read messages that were sent before there were these fields.
    """

    image: ImageReference
    model: str
    min_confidence: float
    labels: tuple[Label, ...]
    detected_at: datetime
    notify: bool = True
    test: bool = False

    @property
    def id(self) -> str:
        """The id of this image's prediction by this model."""
        return prediction_id(self.image.bucket, self.image.key, self.image.etag, self.model)


def prediction_id(bucket: str, key: str, etag: str, model: str) -> str:
    """32 hex digits, derived from the image and the model: a repeat overwrites its rows and never doubles them."""
    identity = json.dumps([bucket, key, etag, model])
    return hashlib.sha256(identity.encode()).hexdigest()[:32]

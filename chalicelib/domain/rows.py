"""The columns: a prediction as rows of newline-delimited JSON, one for each label, that Athena reads."""

from datetime import datetime

import msgspec
from msgspec import Struct

from chalicelib.domain.images import ImageReference
from chalicelib.domain.predictions import BoundingBox, Label, Prediction, prediction_id
from chalicelib.domain.rules import Rules


class Row(Struct, frozen=True, kw_only=True):
    """One row of the table `rekognition_customlabels_analytics`, a field for each column; README describes them."""

    image: str
    label: str | None
    confidence: float | None
    bucket: str
    version_id: str | None
    etag: str
    size: int
    content_type: str
    metadata: dict[str, str]
    uploaded_at: str
    detected_at: str
    model: str
    min_confidence: float
    of_interest: bool
    bounding_box: BoundingBox | None
    prediction_id: str


_encoder = msgspec.json.Encoder()


def row_key(prediction: Prediction) -> str:
    """The rows' object key."""
    return row_key_of(prediction.image, prediction.model)


def row_key_of(image: ImageReference, model: str) -> str:
    """The key before there is a prediction; its day is the object's LastModified (UTC), the same for every repeat."""
    identity = prediction_id(image.bucket, image.key, image.etag, model)
    return f"{day_prefix(image.uploaded_at)}{identity}.json"


def day_prefix(uploaded_at: datetime) -> str:
    """The prefix of the rows of one day."""
    return f"predictions/dt={uploaded_at:%Y-%m-%d}/"


def rows_of(prediction: Prediction, rules: Rules) -> list[Row]:
    """One row for each label; one with a null label for an image without any."""
    return [_row(prediction, label, rules) for label in prediction.labels or (None,)]


def encoded(rows: list[Row]) -> bytes:
    """The rows as newline-delimited JSON."""
    return _encoder.encode_lines(rows)


def _row(prediction: Prediction, label: Label | None, rules: Rules) -> Row:
    image = prediction.image
    return Row(
        image=image.key,
        label=label.name if label else None,
        confidence=label.confidence if label else None,
        bucket=image.bucket,
        version_id=image.version_id,
        etag=image.etag,
        size=image.size,
        content_type=image.content_type,
        metadata=image.metadata,
        uploaded_at=_timestamp(image.uploaded_at),
        detected_at=_timestamp(prediction.detected_at),
        model=prediction.model,
        min_confidence=prediction.min_confidence,
        of_interest=label is not None and rules.is_of_interest(label),
        bounding_box=label.bounding_box if label else None,
        prediction_id=prediction.id,
    )


def _timestamp(moment: datetime) -> str:
    """In the one form that the timestamp type of Athena's JSON SerDe reads: no T, no zone, milliseconds."""
    return moment.strftime("%Y-%m-%d %H:%M:%S.") + f"{moment.microsecond // 1000:03d}"

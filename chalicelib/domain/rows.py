"""The columns: a prediction as rows of newline-delimited JSON, one for each label, that Athena reads."""

from datetime import UTC, datetime
from typing import Annotated

import msgspec
from msgspec import Meta, Struct

from chalicelib.domain.images import ImageReference
from chalicelib.domain.predictions import BoundingBox, Label, Prediction, prediction_id
from chalicelib.domain.rules import Rules


class Row(Struct, frozen=True, kw_only=True):
    """One row of the table `rekognition_customlabels_analytics`, a field for each column."""

    image: Annotated[str, Meta(description="Key of the object.")]
    label: Annotated[str | None, Meta(description="Label, or null for an image without labels.")]
    confidence: Annotated[float | None, Meta(description="Confidence of the label, 0 to 100, or null.")]
    source: Annotated[
        str, Meta(description="Sender: client of the upload token, else first folder of the key, else bucket.")
    ]
    bucket: Annotated[str, Meta(description="Bucket of the object.")]
    version_id: Annotated[str | None, Meta(description="Version of the object, or null in a bucket without versions.")]
    etag: Annotated[str, Meta(description="ETag of the object.")]
    size: Annotated[int, Meta(description="Size of the object in bytes.")]
    content_type: Annotated[str, Meta(description="Content type of the object, as uploaded.")]
    metadata: Annotated[dict[str, str], Meta(description="User-defined metadata of the object.")]
    uploaded_at: Annotated[str, Meta(description="Time of the upload (UTC), such as 2026-11-22 10:00:00.123.")]
    detected_at: Annotated[str, Meta(description="Time of the detection (UTC), such as 2026-11-22 10:00:01.456.")]
    model: Annotated[str, Meta(description="ARN of the model version, or general.")]
    min_confidence: Annotated[float, Meta(description="Lowest confidence that the model was to return, 0 to 100.")]
    of_interest: Annotated[
        bool, Meta(description="Whether the label is in LabelsofInterest and at its threshold or above.")
    ]
    bounding_box: Annotated[
        BoundingBox | None,
        Meta(description="Position of the label as shares (0 to 1) of the image's width and height, or null."),
    ]
    prediction_id: Annotated[str, Meta(description="Hash of bucket, key, ETag and model. A repeat has the same id.")]


_encoder = msgspec.json.Encoder()
_decoder = msgspec.json.Decoder(Row)


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


def decoded(content: bytes) -> list[Row]:
    """The rows in this object; raises ValueError where these are no rows."""
    return _decoder.decode_lines(content)


def moment_of(timestamp: str) -> datetime:
    """The time (UTC) of a row's column."""
    return datetime.fromisoformat(timestamp).replace(tzinfo=UTC)


def _row(prediction: Prediction, label: Label | None, rules: Rules) -> Row:
    image = prediction.image
    return Row(
        image=image.key,
        label=label.name if label else None,
        confidence=label.confidence if label else None,
        source=image.source,
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

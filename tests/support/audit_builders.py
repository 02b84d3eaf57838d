"""What an audit may find, with a default for whatever a test leaves out."""

from datetime import date
from typing import Any

from labelwatch.audit.compare import DeadLetterImage, Found, StoredPrediction, Uploaded

DAY = date(2026, 11, 22)


def uploaded(name: str = "leaf", version: str | None = "v1") -> Uploaded:
    return Uploaded("images", f"{name}.jpg", version, f"etag of {name}", DAY)


def stored(image: Uploaded, **changes: Any) -> StoredPrediction:
    fields: dict[str, Any] = {
        "id": f"id of {image.key}",
        "row_key": f"predictions/dt={image.day}/id of {image.key}.json",
        "bucket": image.bucket,
        "key": image.key,
        "version_id": image.version_id,
        "etag": image.etag,
        "day": image.day,
        "of_interest": True,
    }
    return StoredPrediction(**fields | changes)


def dead_letter(image: Uploaded, reason: str = "EmptyImage") -> DeadLetterImage:
    return DeadLetterImage(image.bucket, image.key, image.version_id, reason, image.day)


def found(**parts: Any) -> Found:
    fields: dict[str, Any] = {
        "uploads": [], "predictions": [], "image_dead_letters": [], "prediction_dead_letters": [], "notified": [],
        "alerts_since": DAY, "in_progress": 0,
    }  # fmt: skip
    return Found(**fields | parts)

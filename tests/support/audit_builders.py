"""What an audit may find, with a default for whatever a test does not care about."""

from datetime import date
from typing import Any

from labelwatch.audit.compare import DeadLetterImage, Found, Stored, Uploaded

DAY = date(2026, 11, 22)


def uploaded(name: str = "leaf", version: str | None = "v1") -> Uploaded:
    return Uploaded("images", f"{name}.jpg", version, f"etag of {name}", DAY)


def stored(image: Uploaded, **changes: Any) -> Stored:
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
    return Stored(**fields | changes)


def aside(image: Uploaded, reason: str = "EmptyImage") -> DeadLetterImage:
    return DeadLetterImage(image.bucket, image.key, image.version_id, reason, image.day)


def found(**parts: Any) -> Found:
    fields: dict[str, Any] = {
        "uploads": [], "predictions": [], "image_dead_letters": [], "prediction_dead_letters": [], "told": [],
        "alerts_since": DAY, "on_the_way": 0,
    }  # fmt: skip
    return Found(**fields | parts)

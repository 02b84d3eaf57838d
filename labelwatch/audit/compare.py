"""Compares uploads with predictions, dead letters and alerts, without I/O."""

from collections import Counter
from collections.abc import Collection, Iterable, Sequence
from datetime import date

from msgspec import Struct


class Uploaded(Struct, frozen=True):
    """An image: one version of an object; `day` is the day of the upload, in UTC."""

    bucket: str
    key: str
    version_id: str | None
    etag: str
    day: date

    def __str__(self) -> str:
        version = f" (version {self.version_id})" if self.version_id else ""
        return f"s3://{self.bucket}/{self.key}{version}"


class StoredPrediction(Struct, frozen=True):
    """A prediction with rows under `row_key`, and its image.

    An alert is expected if the prediction is `of_interest`, unless a backfill `suppressed` its alerts.
    """

    id: str
    row_key: str
    bucket: str
    key: str
    version_id: str | None
    etag: str
    day: date
    of_interest: bool
    suppressed: bool = False

    def __str__(self) -> str:
        return f"{self.row_key}, of s3://{self.bucket}/{self.key}"


class DeadLetterImage(Struct, frozen=True):
    """An image in a dead letter; without a version, any version of that key.

    It matches no upload after the day on which the dead letter was sent or purged.
    """

    bucket: str
    key: str
    version_id: str | None
    reason: str
    sent_or_purged_on: date


class Found(Struct, frozen=True, kw_only=True):
    """Everything that was read. Purged dead letters count as dead letters.

    `notified` are the ids of the predictions whose alert is recorded as published; these records exist for uploads
    since `alerts_since` only. `in_progress` counts messages in the queues, and dead letters in flight with other
    consumers. `unreadable_rows` are the keys of objects under the rows' prefix that hold no rows.

    Rows of uploads before `rows_since` may have expired. `expired_images` are the row keys of predictions whose image
    may have expired.
    """

    uploads: Sequence[Uploaded]
    predictions: Sequence[StoredPrediction]
    image_dead_letters: Sequence[DeadLetterImage]
    prediction_dead_letters: Sequence[DeadLetterImage]
    images_purged: Sequence[DeadLetterImage] = ()
    predictions_purged: Sequence[DeadLetterImage] = ()
    notified: Collection[str]
    alerts_since: date
    in_progress: int
    unreadable_rows: Sequence[str] = ()
    rows_since: date = date.min
    expired_images: Collection[str] = ()


class Verdict(Struct, frozen=True, kw_only=True):
    """The counts, and the lists of images, alerts and rows that are not accounted for.

    Each image is `predicted`, one of the `dead_letters`, one of the `expired_predictions`, or `unaccounted_for`;
    `images_also_dead_letters` have a prediction as well. Each of the `expected_alerts` is `notified`, one of the
    `alert_dead_letters`, or `not_notified`; `suppressed` are predictions of interest from a backfill without alerts.
    """

    images: int
    predicted: int
    dead_letters: int
    reasons: dict[str, int]
    images_also_dead_letters: int
    expected_alerts: int
    notified: int
    alert_dead_letters: int
    suppressed: int
    in_progress: int
    predictions_of_deleted_images: int
    expired_predictions: int
    predictions_of_expired_images: int
    unaccounted_for: list[Uploaded]
    not_notified: list[StoredPrediction]
    rows_without_upload: list[StoredPrediction]
    unreadable_rows: list[str]

    @property
    def is_complete(self) -> bool:
        """Whether each image and each expected alert is accounted for."""
        return not self.unaccounted_for and not self.not_notified

    @property
    def is_explained(self) -> bool:
        """Whether messages in progress may explain what is incomplete; rows without an upload are never explained."""
        unsettled = len(self.unaccounted_for) + len(self.not_notified)
        return not self.rows_without_upload and not self.unreadable_rows and unsettled <= self.in_progress


def compare(found: Found) -> Verdict:
    """The verdict; images are compared by content, since a key holds many images over time."""
    comparison = _Comparison(found)
    reasons = comparison.dead_letter_reasons()
    return Verdict(
        images=len(found.uploads),
        predicted=len(comparison.predicted()),
        dead_letters=len(reasons),
        reasons=dict(sorted(Counter(reasons).items())),
        images_also_dead_letters=len(comparison.images_also_dead_letters()),
        expected_alerts=len(comparison.expected_alerts()),
        notified=len(comparison.notified()),
        alert_dead_letters=len(comparison.alert_dead_letters()),
        suppressed=len(comparison.suppressed()),
        in_progress=found.in_progress,
        predictions_of_deleted_images=len(comparison.predictions_of_deleted_images()),
        expired_predictions=len(comparison.expired_predictions()),
        predictions_of_expired_images=len(comparison.predictions_of_expired_images()),
        unaccounted_for=comparison.unaccounted_for(),
        not_notified=comparison.not_notified(),
        rows_without_upload=comparison.rows_without_upload(),
        unreadable_rows=list(found.unreadable_rows),
    )


class _DeadLetters:
    """Dead letters by image. A current dead letter counts before a purged one: a backfill may have brought it back."""

    def __init__(self, *, current: Iterable[DeadLetterImage], purged: Iterable[DeadLetterImage] = ()) -> None:
        self._by_image = [_last_by_image(current), _last_by_image(purged)]

    def reason(self, image: Uploaded | StoredPrediction) -> str | None:
        """The reason of this image's dead letter; None without a dead letter."""
        names = [(image.bucket, image.key, version_id) for version_id in (image.version_id, None)]
        named = [by_image[name] for by_image in self._by_image for name in names if name in by_image]
        return next((dead_letter.reason for dead_letter in named if image.day <= dead_letter.sent_or_purged_on), None)


def _last_by_image(dead_letters: Iterable[DeadLetterImage]) -> dict[tuple[str, str, str | None], DeadLetterImage]:
    """The last dead letter of each image: it matches every upload that an earlier dead letter matches."""
    by_day = sorted(dead_letters, key=lambda dead_letter: dead_letter.sent_or_purged_on)
    return {(dead_letter.bucket, dead_letter.key, dead_letter.version_id): dead_letter for dead_letter in by_day}


class _Comparison:
    """One method for each verdict."""

    def __init__(self, found: Found) -> None:
        self._found = found
        self._uploaded_contents = {_content(image) for image in found.uploads}
        self._predicted_contents = {_content(prediction) for prediction in found.predictions}
        self._current_image_dead_letters = _DeadLetters(current=found.image_dead_letters)
        self._prediction_dead_letters = _DeadLetters(
            current=found.prediction_dead_letters, purged=found.predictions_purged
        )
        self._all_dead_letters = _DeadLetters(
            current=[*found.prediction_dead_letters, *found.image_dead_letters],
            purged=[*found.images_purged, *found.predictions_purged],
        )

    def predicted(self) -> list[Uploaded]:
        return [image for image in self._found.uploads if _content(image) in self._predicted_contents]

    def images_also_dead_letters(self) -> list[Uploaded]:
        """Images with a prediction and a current dead letter; a purged dead letter does not count."""
        return [image for image in self.predicted() if self._current_image_dead_letters.reason(image)]

    def dead_letter_reasons(self) -> list[str]:
        """The reason of each image without a prediction and with a current or purged dead letter of either queue."""
        return [reason for image in self._unpredicted() if (reason := self._all_dead_letters.reason(image))]

    def unaccounted_for(self) -> list[Uploaded]:
        return [image for image in self._without_outcome() if image.day >= self._found.rows_since]

    def expired_predictions(self) -> list[Uploaded]:
        """Images so old that their rows may have expired."""
        return [image for image in self._without_outcome() if image.day < self._found.rows_since]

    def expected_alerts(self) -> list[StoredPrediction]:
        return [prediction for prediction in self._worth_an_alert() if not self._is_suppressed(prediction)]

    def suppressed(self) -> list[StoredPrediction]:
        return [prediction for prediction in self._worth_an_alert() if self._is_suppressed(prediction)]

    def notified(self) -> list[StoredPrediction]:
        return [prediction for prediction in self.expected_alerts() if self._is_notified(prediction)]

    def alert_dead_letters(self) -> list[StoredPrediction]:
        """Only dead letters of the predictions queue count: the dead letter of an image is not about an alert."""
        dead_letters = self._prediction_dead_letters
        return [prediction for prediction in self._without_alert() if dead_letters.reason(prediction)]

    def not_notified(self) -> list[StoredPrediction]:
        return [
            prediction for prediction in self._without_alert() if not self._prediction_dead_letters.reason(prediction)
        ]

    def predictions_of_expired_images(self) -> list[StoredPrediction]:
        expired = self._found.expired_images
        return [prediction for prediction in self._without_image() if prediction.row_key in expired]

    def predictions_of_deleted_images(self) -> list[StoredPrediction]:
        """Without versions, rows of a deleted image look like rows without an upload."""
        return [prediction for prediction in self._without_upload() if prediction.version_id is None]

    def rows_without_upload(self) -> list[StoredPrediction]:
        return [prediction for prediction in self._without_upload() if prediction.version_id is not None]

    def _unpredicted(self) -> list[Uploaded]:
        return [image for image in self._found.uploads if _content(image) not in self._predicted_contents]

    def _without_outcome(self) -> list[Uploaded]:
        return [image for image in self._unpredicted() if not self._all_dead_letters.reason(image)]

    def _without_upload(self) -> list[StoredPrediction]:
        expired = self._found.expired_images
        return [prediction for prediction in self._without_image() if prediction.row_key not in expired]

    def _without_image(self) -> list[StoredPrediction]:
        predictions = self._found.predictions
        return [prediction for prediction in predictions if _content(prediction) not in self._uploaded_contents]

    def _worth_an_alert(self) -> list[StoredPrediction]:
        recorded = (prediction for prediction in self._found.predictions if prediction.day >= self._found.alerts_since)
        return [prediction for prediction in recorded if prediction.of_interest]

    def _without_alert(self) -> list[StoredPrediction]:
        return [prediction for prediction in self.expected_alerts() if not self._is_notified(prediction)]

    def _is_notified(self, prediction: StoredPrediction) -> bool:
        return prediction.id in self._found.notified

    def _is_suppressed(self, prediction: StoredPrediction) -> bool:
        """An alert that was published before the backfill still counts."""
        return prediction.suppressed and not self._is_notified(prediction)


def _content(image: Uploaded | StoredPrediction) -> tuple[str, str, str, date]:
    """The identity of a prediction's image. With the day: the same content on another day has other rows."""
    return image.bucket, image.key, image.etag, image.day

"""What was uploaded against its predictions, dead letters and alerts: a comparison without I/O."""

from collections import Counter
from collections.abc import Collection, Sequence
from datetime import date
from itertools import chain

from msgspec import Struct


class Uploaded(Struct, frozen=True):
    """An image, which is one version of an object; `day` is the upload's, in UTC."""

    bucket: str
    key: str
    version_id: str | None
    etag: str
    day: date

    def __str__(self) -> str:
        version = f" (version {self.version_id})" if self.version_id else ""
        return f"s3://{self.bucket}/{self.key}{version}"


class StoredPrediction(Struct, frozen=True):
    """A prediction whose rows are stored under `row_key`, and the image that they are of.

    It is worth an alert if it is `of_interest`; one is expected unless alerts were `suppressed`, as a backfill does.
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
    """An image that a dead letter names; without a version it may be any of that key.

    It is of no upload after the day `until`, on which the dead letter was sent, or purged.
    """

    bucket: str
    key: str
    version_id: str | None
    reason: str
    sent_or_purged_on: date


class Found(Struct, frozen=True, kw_only=True):
    """All that was read. Dead letters are of images, or of predictions; those that were purged count as well.

    `notified` are the ids of the predictions whose alert is recorded as published. These records are kept for the
    uploads since `alerts_since` only. `in_progress` are messages that are not settled yet, or dead letters that another
    consumer hides now. `unreadable_rows` are the keys of objects among the rows that hold no rows.
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


class Verdict(Struct, frozen=True, kw_only=True):
    """The counts, and the lists of what they do not explain.

    Each image is `predicted`, one of the `dead_letters`, or `unaccounted_for`; `images_also_dead_letters`
    have a prediction as well. Each of the `expected_alerts` is `notified`, one of the `alert_dead_letters`, or
    `not_notified`; `suppressed` are predictions that are worth an alert, but of a backfill without alerts.
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
        """Whether messages in progress may explain what is incomplete; nothing explains rows without an upload."""
        unsettled = len(self.unaccounted_for) + len(self.not_notified)
        return not self.rows_without_upload and not self.unreadable_rows and unsettled <= self.in_progress


def compare(found: Found) -> Verdict:
    """The verdict on what was found; images are compared by content, since a key holds many of them over time."""
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
        unaccounted_for=comparison.unaccounted_for(),
        not_notified=comparison.not_notified(),
        rows_without_upload=comparison.rows_without_upload(),
        unreadable_rows=list(found.unreadable_rows),
    )


class _DeadLetters:
    """Dead letters by the image that they name."""

    def __init__(self, *groups: Sequence[DeadLetterImage]) -> None:
        # The last dead letter of an image counts: it is of every upload that an earlier one is of.
        by_day = sorted(chain(*groups), key=lambda dead_letter: dead_letter.sent_or_purged_on)
        self._by_image = {
            (dead_letter.bucket, dead_letter.key, dead_letter.version_id): dead_letter for dead_letter in by_day
        }

    def reason(self, image: Uploaded | StoredPrediction) -> str | None:
        """Why this image is a dead letter; None where it is none."""
        for version_id in (image.version_id, None):
            dead_letter = self._by_image.get((image.bucket, image.key, version_id))
            if dead_letter and image.day <= dead_letter.sent_or_purged_on:
                return dead_letter.reason
        return None


class _Comparison:
    """One method for each verdict."""

    def __init__(self, found: Found) -> None:
        self._found = found
        self._uploaded_contents = {_content(image) for image in found.uploads}
        self._predicted_contents = {_content(prediction) for prediction in found.predictions}
        self._current_image_dead_letters = _DeadLetters(found.image_dead_letters)
        self._prediction_dead_letters = _DeadLetters(found.predictions_purged, found.prediction_dead_letters)
        self._all_dead_letters = _DeadLetters(
            found.images_purged, found.predictions_purged, found.prediction_dead_letters, found.image_dead_letters
        )

    def predicted(self) -> list[Uploaded]:
        return [image for image in self._found.uploads if _content(image) in self._predicted_contents]

    def images_also_dead_letters(self) -> list[Uploaded]:
        """Images with a prediction that are dead letters now as well; a purged one has done no harm."""
        return [image for image in self.predicted() if self._current_image_dead_letters.reason(image)]

    def dead_letter_reasons(self) -> list[str]:
        """The reason of each image that has no prediction and is, or was, a dead letter of either queue."""
        return [reason for image in self._unpredicted() if (reason := self._all_dead_letters.reason(image))]

    def unaccounted_for(self) -> list[Uploaded]:
        return [image for image in self._unpredicted() if not self._all_dead_letters.reason(image)]

    def expected_alerts(self) -> list[StoredPrediction]:
        return [prediction for prediction in self._worth_an_alert() if not self._is_suppressed(prediction)]

    def suppressed(self) -> list[StoredPrediction]:
        return [prediction for prediction in self._worth_an_alert() if self._is_suppressed(prediction)]

    def notified(self) -> list[StoredPrediction]:
        return [prediction for prediction in self.expected_alerts() if self._is_notified(prediction)]

    def alert_dead_letters(self) -> list[StoredPrediction]:
        """Only dead letters of predictions count: one of an image says nothing of an alert."""
        dead_letters = self._prediction_dead_letters
        return [prediction for prediction in self._without_alert() if dead_letters.reason(prediction)]

    def not_notified(self) -> list[StoredPrediction]:
        return [
            prediction for prediction in self._without_alert() if not self._prediction_dead_letters.reason(prediction)
        ]

    def predictions_of_deleted_images(self) -> list[StoredPrediction]:
        """Without versions, rows of a deleted image cannot be told from rows of nothing uploaded."""
        return [prediction for prediction in self._without_upload() if prediction.version_id is None]

    def rows_without_upload(self) -> list[StoredPrediction]:
        return [prediction for prediction in self._without_upload() if prediction.version_id is not None]

    def _unpredicted(self) -> list[Uploaded]:
        return [image for image in self._found.uploads if _content(image) not in self._predicted_contents]

    def _without_upload(self) -> list[StoredPrediction]:
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
        """An alert that was published before a backfill came to the image counts all the same."""
        return prediction.suppressed and not self._is_notified(prediction)


def _content(image: Uploaded | StoredPrediction) -> tuple[str, str, str, date]:
    """What a prediction is of. Its day too: the same content on another day has rows of its own."""
    return image.bucket, image.key, image.etag, image.day

"""What was uploaded against what became of it: a comparison of what was found, which does no I/O."""

from collections import Counter
from collections.abc import Collection, Sequence
from datetime import date

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


class Stored(Struct, frozen=True):
    """A prediction whose rows are stored under `row_key`, and the image that they are of.

    It is worth an alert if it is `of_interest`; then one is due, but not where it is `quiet`, as a backfill is.
    """

    id: str
    row_key: str
    bucket: str
    key: str
    version_id: str | None
    etag: str
    day: date
    of_interest: bool
    quiet: bool = False

    def __str__(self) -> str:
        return f"{self.row_key}, of s3://{self.bucket}/{self.key}"


class DeadLetterImage(Struct, frozen=True):
    """A dead letter that names an image; without a version it is any of that key.

    It is of no upload after the day `until`, on which it was sent, or purged: its successors have fates of their own.
    """

    bucket: str
    key: str
    version_id: str | None
    reason: str
    until: date


class Found(Struct, frozen=True, kw_only=True):
    """All that was found. Dead letters are of images, or of predictions; `told` are the ids of predictions.

    Those that are `purged` are dead letters no longer, but were.
    Who was told of uploads before `alerts_since` is forgotten. `on_the_way` are messages that have no end yet, or
    whose end cannot be seen now. `unreadable` are objects among the rows that hold none.
    """

    uploads: Sequence[Uploaded]
    predictions: Sequence[Stored]
    image_dead_letters: Sequence[DeadLetterImage]
    prediction_dead_letters: Sequence[DeadLetterImage]
    images_purged: Sequence[DeadLetterImage] = ()
    predictions_purged: Sequence[DeadLetterImage] = ()
    told: Collection[str]
    alerts_since: date
    on_the_way: int
    unreadable: Sequence[str] = ()


class Verdict(Struct, frozen=True, kw_only=True):
    """The counts, and what each of them leaves over.

    Each image is `predicted`, `aside` or in `without_fate`; each prediction that is `due` an alert is `told`,
    `due_aside` or in `untold`; of `quiet` ones nobody is to be told. `twice` are dead letters of images that have a
    prediction as well.
    """

    images: int
    predicted: int
    aside: int
    reasons: dict[str, int]
    twice: int
    quiet: int
    due: int
    told: int
    due_aside: int
    on_the_way: int
    gone: int
    without_fate: list[Uploaded]
    untold: list[Stored]
    unknown: list[Stored]
    unreadable: list[str]

    @property
    def left_over(self) -> bool:
        """Whether something has not come to its end."""
        return bool(self.without_fate or self.untold)

    @property
    def adds_up(self) -> bool:
        """What has not come to its end may be on the way; rows of nothing that was uploaded are no arithmetic."""
        return not self.unknown and not self.unreadable and len(self.without_fate) + len(self.untold) <= self.on_the_way


def compare(found: Found) -> Verdict:
    """By what images are, and not by their names: a key holds many of them in the course of time."""
    image_dead_letters = _by_place(found.image_dead_letters)
    of_predictions = [*found.predictions_purged, *found.prediction_dead_letters]
    prediction_dead_letters = _by_place(of_predictions)
    ends = _by_place([*found.images_purged, *of_predictions, *found.image_dead_letters])
    stored = {_content(one) for one in found.predictions}
    unstored = [one for one in found.uploads if _content(one) not in stored]
    aside = [reason for one in unstored if (reason := _reason(one, ends))]
    worth = [one for one in found.predictions if one.of_interest and one.day >= found.alerts_since]
    # A backfill may have come to an image that was told of before.
    due = [one for one in worth if not one.quiet or one.id in found.told]
    not_told = [one for one in due if one.id not in found.told]
    untold = [one for one in not_told if not _reason(one, prediction_dead_letters)]
    uploaded = {_content(one) for one in found.uploads}
    strangers = [one for one in found.predictions if _content(one) not in uploaded]
    return Verdict(
        images=len(found.uploads),
        predicted=len(found.uploads) - len(unstored),
        aside=len(aside),
        reasons=dict(sorted(Counter(aside).items())),
        twice=sum(bool(_reason(one, image_dead_letters)) for one in found.uploads if _content(one) in stored),
        quiet=len(worth) - len(due),
        due=len(due),
        told=len(due) - len(not_told),
        due_aside=len(not_told) - len(untold),
        on_the_way=found.on_the_way,
        # In a bucket without versions nothing tells what was deleted from what never was.
        gone=sum(one.version_id is None for one in strangers),
        without_fate=[one for one in unstored if not _reason(one, ends)],
        untold=untold,
        unknown=[one for one in strangers if one.version_id is not None],
        unreadable=list(found.unreadable),
    )


type _Place = tuple[str, str, str | None]


def _content(one: Uploaded | Stored) -> tuple[str, str, str, date]:
    """What a prediction is of. Its day too: the same content again on another day has rows of its own."""
    return one.bucket, one.key, one.etag, one.day


def _by_place(letters: Sequence[DeadLetterImage]) -> dict[_Place, DeadLetterImage]:
    """The last of each place: it is of every upload that an earlier one is of."""
    return {(one.bucket, one.key, one.version_id): one for one in sorted(letters, key=lambda one: one.until)}


def _reason(one: Uploaded | Stored, letters: dict[_Place, DeadLetterImage]) -> str | None:
    """Why this image is a dead letter; None where it is none."""
    for version in (one.version_id, None):
        letter = letters.get((one.bucket, one.key, version))
        if letter and one.day <= letter.until:
            return letter.reason
    return None

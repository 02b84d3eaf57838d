from pathlib import Path

from labelwatch.local.fates import Predicted, SetAside
from labelwatch.local.mailbox import Mail
from labelwatch.local.result import Result

SEEN = Predicted("leaf.jpg", (("leaf-smut", 97.0),), alert_due=True, row_key="predictions/dt=2026-11-22/a.json")
UNASKED = Predicted("leaf.jpg", (("brown-spot", 97.0),), alert_due=False, row_key="predictions/dt=2026-11-22/a.json")
LETTER = SetAside("s3://labelwatch-images/leaf.jpg", "InvalidImageFormatException", "no image")


def result(predicted: Predicted | None = None, letter: SetAside | None = None, mails: tuple[Mail, ...] = ()) -> Result:
    return Result(
        uploaded=("leaf.jpg",),
        predictions={predicted.key: predicted} if predicted else {},
        dead_letters={letter.key: letter} if letter else {},
        mails=mails,
    )


def mail(*row_keys: str) -> Mail:
    return Mail("Labelwatch: leaf-smut", frozenset(row_keys), Path("001.eml"))


def test_an_image_that_nothing_was_heard_of_is_not_accounted_for() -> None:
    assert result().unaccounted == ["leaf.jpg"]


def test_an_image_whose_alert_has_not_come_is_not_accounted_for() -> None:
    assert result(SEEN, mails=(mail("predictions/dt=2026-11-22/other.json"),)).unaccounted == ["leaf.jpg"]


def test_an_image_that_an_alert_tells_of_is_accounted_for() -> None:
    assert result(SEEN, mails=(mail(SEEN.row_key),)).unaccounted == []


def test_an_image_that_nobody_asked_for_is_accounted_for_without_an_alert() -> None:
    assert result(UNASKED).unaccounted == []


def test_a_dead_letter_is_accounted_for() -> None:
    assert result(letter=LETTER).unaccounted == []


def test_a_dead_letter_is_known_by_its_decoded_key() -> None:
    assert SetAside("s3://labelwatch-images/a%20b%2Bc.jpg", "reason", "detail").key == "a b+c.jpg"

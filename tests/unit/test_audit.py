"""The audit's comparison: what adds up, and that it finds whatever is missing."""

import json
from datetime import date, timedelta

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from labelwatch.audit import output
from labelwatch.audit.compare import DeadLetterImage, Found, StoredPrediction, Uploaded, Verdict, compare
from tests.support.audit_builders import DAY, dead_letter, found, stored, uploaded

STORED = ("not of interest", "notified", "undeliverable")
OUTCOMES = (*STORED, "dead letter", "dead letter of a prediction", "purged")


def as_uploaded(prediction: StoredPrediction) -> Uploaded:
    return Uploaded(prediction.bucket, prediction.key, prediction.version_id, prediction.etag, prediction.day)


def found_with(outcomes: list[str]) -> Found:
    """An image for each outcome, and nothing in progress."""
    images = [uploaded(str(number)) for number in range(len(outcomes))]
    images_with = {
        outcome: [image for image, its_outcome in zip(images, outcomes, strict=True) if its_outcome == outcome]
        for outcome in OUTCOMES
    }
    undeliverable = images_with["undeliverable"]
    return found(
        uploads=images,
        predictions=[
            *(stored(image) for image in images_with["notified"] + undeliverable),
            *(stored(image, of_interest=False) for image in images_with["not of interest"]),
        ],
        image_dead_letters=[dead_letter(image) for image in images_with["dead letter"]],
        prediction_dead_letters=[
            dead_letter(image) for image in undeliverable + images_with["dead letter of a prediction"]
        ],
        images_purged=[dead_letter(image) for image in images_with["purged"]],
        notified=[f"id of {image.key}" for image in images_with["notified"]],
    )


@given(st.lists(st.sampled_from(OUTCOMES)))
def test_images_with_an_outcome_add_up(outcomes: list[str]) -> None:
    verdict = compare(found_with(outcomes))
    assert verdict.is_explained
    assert verdict.is_complete
    assert verdict.predicted + verdict.dead_letters == verdict.images == len(outcomes)
    assert verdict.notified + verdict.alert_dead_letters == verdict.expected_alerts


@given(st.lists(st.sampled_from(OUTCOMES), min_size=1), st.data())
def test_anything_that_is_removed_is_reported(outcomes: list[str], data: st.DataObject) -> None:
    whole = found_with(outcomes)
    parts = ("predictions", "image_dead_letters", "prediction_dead_letters", "images_purged", "notified")
    pieces = [(part, piece) for part in parts for piece in getattr(whole, part)]
    # Without its rows an image whose prediction is a dead letter is still accounted for.
    excused = [
        ("predictions", prediction)
        for prediction in whole.predictions
        if dead_letter(as_uploaded(prediction)) in whole.prediction_dead_letters
    ]
    part, removed = data.draw(st.sampled_from([piece for piece in pieces if piece not in excused]))
    left = [piece for piece in getattr(whole, part) if piece != removed]
    verdict = compare(msgspec.structs.replace(whole, **{part: left}))
    assert not verdict.is_explained
    assert len(verdict.unaccounted_for) + len(verdict.not_notified) == 1


@pytest.mark.parametrize(
    "part", ["image_dead_letters", "prediction_dead_letters", "images_purged", "predictions_purged"]
)
@pytest.mark.parametrize("version", ["v1", None])
def test_a_dead_letter_is_of_no_later_upload_purged_or_not(version: str | None, part: str) -> None:
    early, late = uploaded(version=version), msgspec.structs.replace(uploaded(version=version), day=DAY + timedelta(1))
    assert compare(found(uploads=[early, late], **{part: [dead_letter(early)]})).unaccounted_for == [late]


@pytest.mark.parametrize(
    ("first", "second"), [("image_dead_letters", "prediction_dead_letters"), ("images_purged", "image_dead_letters")]
)
def test_of_two_dead_letters_of_a_name_without_versions_each_upload_has_one(first: str, second: str) -> None:
    early, late = uploaded(version=None), msgspec.structs.replace(uploaded(version=None), day=DAY + timedelta(1))
    for of_first, of_second in ((early, late), (late, early)):
        dead_letters = {first: [dead_letter(of_first)], second: [dead_letter(of_second)]}
        assert compare(found(uploads=[early, late], **dead_letters)).unaccounted_for == []


def test_an_alert_is_expected_of_an_image_that_was_predicted_after_its_dead_letter_was_purged() -> None:
    image = uploaded()
    whole = found(uploads=[image], predictions=[stored(image)], images_purged=[dead_letter(image)])
    assert len(compare(whole).not_notified) == 1
    of_prediction = found(uploads=[image], predictions=[stored(image)], predictions_purged=[dead_letter(image)])
    assert compare(of_prediction).is_explained


@given(st.lists(st.sampled_from(STORED), min_size=1), st.data())
def test_an_upload_that_is_removed_leaves_unknown_rows(outcomes: list[str], data: st.DataObject) -> None:
    whole = found_with(outcomes)
    left = list(whole.uploads)
    removed = left.pop(data.draw(st.integers(0, len(left) - 1)))
    verdict = compare(msgspec.structs.replace(whole, uploads=left))
    assert [prediction.key for prediction in verdict.rows_without_upload] == [removed.key]
    assert not verdict.is_explained


def test_rows_of_an_image_that_a_bucket_without_versions_no_longer_has_are_only_counted() -> None:
    verdict = compare(found(predictions=[stored(uploaded(version=None), of_interest=False)]))
    assert (verdict.predictions_of_deleted_images, verdict.rows_without_upload, verdict.is_explained) == (1, [], True)


@pytest.mark.parametrize(("in_progress", "explained"), [(1, False), (2, True)])
def test_messages_in_progress_excuse_as_many_missing_results(in_progress: int, *, explained: bool) -> None:
    images = [uploaded("a"), uploaded("b")]
    verdict = compare(found(uploads=images, predictions=[stored(images[0])], in_progress=in_progress))
    assert not verdict.is_complete
    assert verdict.is_explained is explained


def test_messages_in_progress_do_not_excuse_unknown_rows() -> None:
    verdict = compare(found(predictions=[stored(uploaded(), of_interest=False)], in_progress=9))
    assert not verdict.is_explained


def test_two_uploads_of_the_same_content_under_one_name_are_two_images_with_one_prediction() -> None:
    uploads = [uploaded(version="v1"), uploaded(version="v2")]
    verdict = compare(found(uploads=uploads, predictions=[stored(uploads[1], of_interest=False)]))
    assert (verdict.images, verdict.predicted, verdict.is_explained) == (2, 2, True)


def test_the_same_content_on_another_day_has_rows_of_its_own() -> None:
    first = uploaded()
    second = msgspec.structs.replace(first, version_id="v2", day=date(2026, 11, 23))
    verdict = compare(found(uploads=[first, second], predictions=[stored(first, of_interest=False)]))
    assert verdict.unaccounted_for == [second]


def test_another_version_of_the_key_has_an_outcome_of_its_own() -> None:
    spoilt = msgspec.structs.replace(uploaded(), version_id="v2", etag="another")
    verdict = compare(found(uploads=[uploaded(), spoilt], image_dead_letters=[dead_letter(spoilt)]))
    assert verdict.unaccounted_for == [uploaded()]


def test_a_dead_letter_without_a_version_is_of_any_image_of_that_name() -> None:
    without_version = DeadLetterImage("images", "leaf.jpg", None, "ImageNotFound", DAY)
    verdict = compare(found(uploads=[uploaded()], image_dead_letters=[without_version]))
    assert (verdict.dead_letters, verdict.reasons, verdict.is_explained) == (1, {"ImageNotFound": 1}, True)


def test_an_image_that_is_a_dead_letter_beside_its_prediction_is_counted_as_a_duplicate() -> None:
    verdict = compare(
        found(
            uploads=[uploaded()],
            predictions=[stored(uploaded(), of_interest=False)],
            image_dead_letters=[dead_letter(uploaded())],
        )
    )
    assert (verdict.predicted, verdict.dead_letters, verdict.images_also_dead_letters) == (1, 0, 1)


def test_a_purged_dead_letter_beside_a_prediction_is_no_duplicate() -> None:
    verdict = compare(
        found(uploads=[uploaded()], predictions=[stored(uploaded())], images_purged=[dead_letter(uploaded())])
    )
    assert (verdict.predicted, verdict.images_also_dead_letters) == (1, 0)


@pytest.mark.parametrize("days", [-1, 0, 1])
def test_a_dead_letter_that_a_backfill_brought_back_is_not_listed_as_purged(days: int) -> None:
    image = uploaded()
    of_backfill = msgspec.structs.replace(dead_letter(image), version_id=None)
    purged = msgspec.structs.replace(
        dead_letter(image, "EmptyImage (purged)"), sent_or_purged_on=DAY + timedelta(1 + days)
    )
    current = msgspec.structs.replace(of_backfill, sent_or_purged_on=DAY + timedelta(1))
    verdict = compare(found(uploads=[image], image_dead_letters=[current], images_purged=[purged]))
    assert verdict.reasons == {"EmptyImage": 1}


def test_an_image_that_a_backfill_predicted_is_not_listed_as_purged() -> None:
    image = uploaded()
    purged = dead_letter(image, "EmptyImage (purged)")
    verdict = compare(found(uploads=[image], predictions=[stored(image, suppressed=True)], images_purged=[purged]))
    assert (verdict.reasons, verdict.predicted, verdict.is_explained) == ({}, 1, True)


def test_no_alert_is_expected_of_images_whose_records_have_expired() -> None:
    verdict = compare(found(uploads=[uploaded()], predictions=[stored(uploaded())], alerts_since=date(2026, 11, 23)))
    assert (verdict.expected_alerts, verdict.is_explained) == (0, True)


def test_an_alert_that_was_published_before_a_backfill_still_counts() -> None:
    suppressed = stored(uploaded(), suppressed=True)
    verdict = compare(found(uploads=[uploaded()], predictions=[suppressed], notified=[suppressed.id]))
    assert (verdict.expected_alerts, verdict.notified, verdict.suppressed) == (1, 1, 0)


def test_an_object_without_rows_is_named_and_does_not_add_up() -> None:
    verdict = compare(found(unreadable_rows=["predictions/dt=2026-11-22/x.json"]))
    assert not verdict.is_explained
    assert "predictions/dt=2026-11-22/x.json" in output.as_text("", verdict)


def result(verdict: Verdict) -> str:
    """The last line of the text."""
    return output.as_text("", verdict).splitlines()[-1]


def test_the_text_says_that_no_upload_matches() -> None:
    assert result(compare(found())).startswith("No uploads match")


def test_a_complete_audit_passes() -> None:
    verdict = compare(found(uploads=[uploaded()], predictions=[stored(uploaded(), of_interest=False)]))
    assert result(verdict).startswith("Audit passed: 1 image")


def test_a_program_does_not_take_messages_in_progress_for_success() -> None:
    verdict = compare(found(uploads=[uploaded()], in_progress=1))
    assert (verdict.is_explained, json.loads(output.as_json("", verdict))["complete"]) == (True, False)


def test_no_alert_is_expected_where_alerts_were_suppressed() -> None:
    verdict = compare(found(uploads=[uploaded()], predictions=[stored(uploaded(), suppressed=True)]))
    assert (verdict.expected_alerts, verdict.suppressed, verdict.is_explained) == (0, 1, True)
    assert "\n      1 alerts suppressed" in output.as_text("", verdict)


LOST = found(uploads=[uploaded("lost"), uploaded("silent")], predictions=[stored(uploaded("silent"))])


def test_the_text_has_the_counts_and_each_thing_that_is_missing() -> None:
    text = output.as_text("uploads of a day", compare(LOST))
    assert "2 images: uploads of a day\n" in text
    assert "\nUnaccounted for: s3://images/lost.jpg (version v1)\n" in text
    assert "\nAlert missing: predictions/" in text
    assert "s3://images/silent.jpg" in text


def test_a_key_forges_no_line_of_the_text() -> None:
    hostile = "a\x1b[2J\nAudit passed: 1 image"
    text = output.as_text("", compare(msgspec.structs.replace(LOST, unreadable_rows=[hostile])))
    assert "a\\x1b[2J\\nAudit passed" in text


def test_a_failed_audit_counts_each_kind_of_problem() -> None:
    extra = [stored(uploaded("nowhere"), of_interest=False)]
    whole = msgspec.structs.replace(LOST, predictions=[*LOST.predictions, *extra], unreadable_rows=["x", "y"])
    failed = result(compare(whole))
    assert failed.startswith("Audit failed: 1 image unaccounted for")
    for problem in ("1 alert ", "1 prediction ", "2 objects "):
        assert problem in failed


def test_the_text_says_that_messages_in_progress_may_be_what_is_missing() -> None:
    incomplete = result(compare(msgspec.structs.replace(LOST, in_progress=2)))
    assert incomplete.startswith("Audit incomplete: 1 image unaccounted for")
    assert "2 messages" in incomplete


def test_json_has_every_count_and_list_under_its_name() -> None:
    assert json.loads(output.as_json("uploads of a day", compare(LOST))) == {
        "scope": "uploads of a day",
        "images": 2,
        "predicted": 1,
        "dead_letters": 0,
        "reasons": {},
        "images_also_dead_letters": 0,
        "expected_alerts": 1,
        "notified": 0,
        "alert_dead_letters": 0,
        "suppressed": 0,
        "in_progress": 0,
        "predictions_of_deleted_images": 0,
        "expired_predictions": 0,
        "predictions_of_expired_images": 0,
        "unaccounted_for": ["s3://images/lost.jpg (version v1)"],
        "not_notified": [f"predictions/dt={DAY}/id of silent.jpg.json, of s3://images/silent.jpg"],
        "rows_without_upload": [],
        "unreadable_rows": [],
        "complete": False,
    }


def test_an_old_image_whose_rows_may_have_expired_is_not_unaccounted_for() -> None:
    old, new = uploaded("old"), msgspec.structs.replace(uploaded("new"), day=DAY + timedelta(days=1))
    verdict = compare(found(uploads=[old, new], rows_since=new.day))
    assert (verdict.expired_predictions, verdict.unaccounted_for) == (1, [new])
    assert "PredictionDays" in output.as_text("uploads", verdict)


def test_rows_of_an_expired_image_are_not_without_an_upload() -> None:
    expired, lost = stored(uploaded("expired"), of_interest=False), stored(uploaded("lost"), of_interest=False)
    verdict = compare(found(predictions=[expired, lost], expired_images=[expired.row_key]))
    assert (verdict.predictions_of_expired_images, verdict.rows_without_upload) == (1, [lost])
    assert "ImageDays" in output.as_text("uploads", verdict)


def test_without_expiry_a_verdict_does_not_mention_it() -> None:
    image = uploaded()
    assert "Days" not in output.as_text("uploads", compare(found(uploads=[image], predictions=[stored(image)])))

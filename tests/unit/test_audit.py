"""The audit's comparison: what adds up, and that it cries out over anything that is taken away."""

import json
from datetime import date, timedelta

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from labelwatch.audit import output
from labelwatch.audit.compare import DeadLetterImage, Found, Stored, Uploaded, compare
from tests.support.audit_builders import DAY, aside, found, stored, uploaded

FATES = ("quiet", "told", "untellable", "aside", "aside later", "purged")


def as_uploaded(prediction: Stored) -> Uploaded:
    return Uploaded(prediction.bucket, prediction.key, prediction.version_id, prediction.etag, prediction.day)


def world(fates: list[str]) -> Found:
    """So many images, each with its fate, and nothing on the way."""
    images = [uploaded(str(number)) for number in range(len(fates))]
    of = {fate: [image for image, its in zip(images, fates, strict=True) if its == fate] for fate in FATES}
    worth = [stored(image) for image in of["told"] + of["untellable"]]
    return found(
        uploads=images,
        predictions=[*worth, *(stored(image, of_interest=False) for image in of["quiet"])],
        image_dead_letters=[aside(image) for image in of["aside"]],
        prediction_dead_letters=[aside(image) for image in of["untellable"] + of["aside later"]],
        images_purged=[aside(image) for image in of["purged"]],
        told=[f"id of {image.key}" for image in of["told"]],
    )


@given(st.lists(st.sampled_from(FATES)))
def test_whatever_met_its_fate_adds_up(fates: list[str]) -> None:
    verdict = compare(world(fates))
    assert verdict.adds_up
    assert not verdict.left_over
    assert verdict.predicted + verdict.aside == verdict.images == len(fates)
    assert verdict.told + verdict.due_aside == verdict.due


@given(st.lists(st.sampled_from(FATES), min_size=1), st.data())
def test_whatever_is_taken_away_is_cried_out(fates: list[str], data: st.DataObject) -> None:
    whole = world(fates)
    parts = ("predictions", "image_dead_letters", "prediction_dead_letters", "images_purged", "told")
    pieces = [(part, piece) for part in parts for piece in getattr(whole, part)]
    # Without its rows an image whose prediction is a dead letter has that one fate still.
    excused = [
        ("predictions", one) for one in whole.predictions if aside(as_uploaded(one)) in whole.prediction_dead_letters
    ]
    part, piece = data.draw(st.sampled_from([one for one in pieces if one not in excused]))
    left = [one for one in getattr(whole, part) if one != piece]
    verdict = compare(msgspec.structs.replace(whole, **{part: left}))
    assert not verdict.adds_up
    assert len(verdict.without_fate) + len(verdict.untold) == 1


@pytest.mark.parametrize(
    "part", ["image_dead_letters", "prediction_dead_letters", "images_purged", "predictions_purged"]
)
@pytest.mark.parametrize("version", ["v1", None])
def test_a_dead_letter_is_of_no_later_upload_purged_or_not(version: str | None, part: str) -> None:
    early, late = uploaded(version=version), msgspec.structs.replace(uploaded(version=version), day=DAY + timedelta(1))
    assert compare(found(uploads=[early, late], **{part: [aside(early)]})).without_fate == [late]


@pytest.mark.parametrize(
    ("first", "second"), [("image_dead_letters", "prediction_dead_letters"), ("images_purged", "image_dead_letters")]
)
def test_of_two_dead_letters_of_a_name_without_versions_each_upload_has_one(first: str, second: str) -> None:
    early, late = uploaded(version=None), msgspec.structs.replace(uploaded(version=None), day=DAY + timedelta(1))
    for letters in ({first: [aside(early)], second: [aside(late)]}, {first: [aside(late)], second: [aside(early)]}):
        assert compare(found(uploads=[early, late], **letters)).without_fate == []


def test_an_image_whose_dead_letter_was_purged_and_that_was_predicted_since_is_to_be_told_of() -> None:
    image = uploaded()
    whole = found(uploads=[image], predictions=[stored(image)], images_purged=[aside(image)])
    assert len(compare(whole).untold) == 1
    assert compare(found(uploads=[image], predictions=[stored(image)], predictions_purged=[aside(image)])).adds_up


@given(
    st.lists(st.sampled_from([fate for fate in FATES if fate in {"quiet", "told", "untellable"}]), min_size=1),
    st.data(),
)
def test_an_upload_that_is_taken_away_leaves_rows_of_nothing(fates: list[str], data: st.DataObject) -> None:
    whole = world(fates)
    left = list(whole.uploads)
    lost = left.pop(data.draw(st.integers(0, len(left) - 1)))
    verdict = compare(msgspec.structs.replace(whole, uploads=left))
    assert [one.key for one in verdict.unknown] == [lost.key]
    assert not verdict.adds_up


def test_rows_of_what_a_bucket_without_versions_no_longer_has_are_counted_and_no_more() -> None:
    verdict = compare(found(predictions=[stored(uploaded(version=None), of_interest=False)]))
    assert (verdict.gone, verdict.unknown, verdict.adds_up) == (1, [], True)


@pytest.mark.parametrize(("on_the_way", "adds_up"), [(1, False), (2, True)])
def test_what_is_left_over_may_be_on_the_way_if_so_many_are(on_the_way: int, *, adds_up: bool) -> None:
    left = found(uploads=[uploaded("a"), uploaded("b")], predictions=[stored(uploaded("a"))], on_the_way=on_the_way)
    verdict = compare(left)
    assert verdict.left_over
    assert verdict.adds_up is adds_up


def test_rows_of_nothing_uploaded_are_not_excused_by_what_is_on_the_way() -> None:
    verdict = compare(found(predictions=[stored(uploaded(), of_interest=False)], on_the_way=9))
    assert not verdict.adds_up


def test_the_same_content_twice_under_one_name_is_two_images_with_one_prediction() -> None:
    twice = [uploaded(version="v1"), uploaded(version="v2")]
    verdict = compare(found(uploads=twice, predictions=[stored(twice[1], of_interest=False)]))
    assert (verdict.images, verdict.predicted, verdict.adds_up) == (2, 2, True)


def test_the_same_content_on_another_day_has_rows_of_its_own() -> None:
    first = uploaded()
    second = msgspec.structs.replace(first, version_id="v2", day=date(2026, 11, 23))
    verdict = compare(found(uploads=[first, second], predictions=[stored(first, of_interest=False)]))
    assert verdict.without_fate == [second]


def test_another_version_of_the_key_has_a_fate_of_its_own() -> None:
    spoilt = msgspec.structs.replace(uploaded(), version_id="v2", etag="another")
    verdict = compare(found(uploads=[uploaded(), spoilt], image_dead_letters=[aside(spoilt)]))
    assert verdict.without_fate == [uploaded()]


def test_a_dead_letter_without_a_version_is_of_any_image_of_that_name() -> None:
    verdict = compare(
        found(uploads=[uploaded()], image_dead_letters=[DeadLetterImage("images", "leaf.jpg", None, "ImageGone", DAY)])
    )
    assert (verdict.aside, verdict.reasons, verdict.adds_up) == (1, {"ImageGone": 1}, True)


def test_an_image_that_is_a_dead_letter_beside_its_prediction_is_counted_as_such() -> None:
    verdict = compare(
        found(
            uploads=[uploaded()],
            predictions=[stored(uploaded(), of_interest=False)],
            image_dead_letters=[aside(uploaded())],
        )
    )
    assert (verdict.predicted, verdict.aside, verdict.twice) == (1, 0, 1)


def test_who_was_told_of_what_is_older_than_the_memory_is_not_asked() -> None:
    verdict = compare(found(uploads=[uploaded()], predictions=[stored(uploaded())], alerts_since=date(2026, 11, 23)))
    assert (verdict.due, verdict.adds_up) == (0, True)


def test_who_was_told_before_a_backfill_is_not_forgotten() -> None:
    verdict = compare(
        found(uploads=[uploaded()], predictions=[stored(uploaded(), quiet=True)], told=["id of leaf.jpg"])
    )
    assert (verdict.due, verdict.told, verdict.quiet) == (1, 1, 0)


def test_what_holds_no_rows_is_named_and_does_not_add_up() -> None:
    verdict = compare(found(unreadable=["predictions/dt=2026-11-22/x.json"]))
    assert not verdict.adds_up
    assert "whose prediction is missing: predictions/dt=2026-11-22/x.json\n" in output.as_text("", verdict)


def test_where_nothing_was_uploaded_that_is_said() -> None:
    assert output.as_text("", compare(found())).splitlines()[-1] == "Nothing was uploaded there."


def test_a_program_does_not_take_what_is_on_the_way_for_done() -> None:
    verdict = compare(found(uploads=[uploaded()], on_the_way=1))
    assert (verdict.adds_up, json.loads(output.as_json("", verdict))["adds_up"]) == (True, False)


def test_nobody_is_missed_who_was_not_to_be_told() -> None:
    verdict = compare(found(uploads=[uploaded()], predictions=[stored(uploaded(), quiet=True)]))
    assert (verdict.due, verdict.quiet, verdict.adds_up) == (0, 1, True)
    assert "1 predictions are worth one too, and of a backfill that was to tell nobody\n" in output.as_text("", verdict)


LOST = found(uploads=[uploaded("lost"), uploaded("told")], predictions=[stored(uploaded("told"))])


def test_a_person_reads_what_was_counted_and_each_thing_that_is_left_over() -> None:
    text = output.as_text("uploads of a day", compare(LOST))
    assert "      2 images: uploads of a day\n" in text
    assert "no fate: s3://images/lost.jpg (version v1)\n" in text
    assert f"nobody was told of: predictions/dt={DAY}/id of told.jpg.json, of s3://images/told.jpg\n" in text
    assert text.endswith("\nIt does not add up.\n")


def test_a_person_reads_that_what_is_on_the_way_may_come() -> None:
    text = output.as_text("", compare(msgspec.structs.replace(LOST, on_the_way=2)))
    assert text.endswith(f"\nWhat is left over may be on the way. {output.LATER}\n")


def test_a_program_reads_the_same() -> None:
    told = json.loads(output.as_json("uploads of a day", compare(LOST)))
    assert (told["scope"], told["images"], told["adds_up"]) == ("uploads of a day", 2, False)
    assert told["without_fate"] == ["s3://images/lost.jpg (version v1)"]
    assert len(told["untold"]) == 1

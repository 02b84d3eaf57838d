import json
import time
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chalicelib.domain import events
from chalicelib.domain.errors import Fault, Retryable
from chalicelib.domain.images import ObjectCreated
from chalicelib.domain.predictions import prediction_id
from chalicelib.settings import GENERAL_MODEL
from labelwatch.backfill.bookmark import Bookmark
from labelwatch.backfill.estimate import expected
from labelwatch.backfill.listing import CALLS_AT_ONCE, Listed, Page
from labelwatch.backfill.send import PAUSES, Batch, Sender, batches, body_of
from labelwatch.backfill.target import Place, check, place_of
from labelwatch.shared.errors import UserError
from tests.support.builders import MODEL, NOW, prediction
from tests.support.fakes import FakeQueue

# S3 takes any of Unicode but half of a surrogate pair, 1,024 bytes of it.
keys = st.text(st.characters(exclude_categories=["Cs"]), min_size=1).filter(lambda key: len(key.encode()) <= 1024)
FAULT = Retryable("InternalError", "try again")


@given(keys, st.booleans())
def test_detect_reads_the_object_that_was_listed_whatever_its_key(key: str, notify: bool) -> None:  # noqa: FBT001 - drawn
    (record,) = events.records(body_of("images", key, NOW, notify=notify, force=False))
    assert events.object_created(record) == ObjectCreated("images", key, None, notify)


@given(keys)
def test_a_message_is_in_characters_that_sqs_takes(key: str) -> None:
    body = body_of("images", key, NOW, notify=False, force=False)
    assert body.isascii()
    assert body.isprintable()


def test_a_key_is_encoded_as_s3_encodes_it() -> None:
    record = json.loads(body_of("images", "field 7/a+b%ü.jpg", NOW, notify=False, force=False))["Records"][0]
    assert record["s3"]["object"]["key"] == "field+7/a%2Bb%25%C3%BC.jpg"


def test_another_backfill_of_the_same_image_is_no_repeat_of_the_first() -> None:
    first, second = (body_of("images", "a.jpg", NOW + timedelta(seconds=n), notify=False, force=False) for n in (0, 1))
    assert json.loads(first)["Records"][0]["eventTime"] == "2026-11-22T10:00:00.123456Z"
    assert first != second


def test_the_id_of_a_prediction_is_known_before_there_is_one() -> None:
    image = prediction().image
    assert prediction_id(image.bucket, image.key, image.etag, MODEL) == prediction().id


@pytest.mark.parametrize(
    ("text", "place"),
    [
        ("s3://images", Place("images", "")),
        ("s3://images/", Place("images", "")),
        ("s3://images/field 7/ü", Place("images", "field 7/ü")),
        ("s3://images//a\nb", Place("images", "/a\nb")),
    ],
)
def test_a_place_is_a_bucket_and_what_its_keys_begin_with(text: str, place: Place) -> None:
    assert place_of(text) == place


@pytest.mark.parametrize("text", ["images", "s3://", "s3:///x", "S3://images", "s3://Images/x", "https://images"])
def test_another_text_is_told_what_it_must_be(text: str) -> None:
    with pytest.raises(UserError, match=r"must be s3://bucket or s3://bucket/prefix\.$"):
        place_of(text)


@pytest.mark.parametrize("bucket", ["images", "adopted"])
def test_the_stack_s_own_bucket_and_the_adopted_one_are_looked_at(bucket: str) -> None:
    check(Place(bucket, ""), "labelwatch", {"InputBucket": "images", "ExistingBucketName": "adopted"})


@pytest.mark.parametrize("bucket", ["predictions", "adopted"])
def test_another_bucket_is_refused_with_why_and_what_to_do(bucket: str) -> None:
    why = f"only, not {bucket}; copy .* labelwatch up --existing-bucket {bucket}, then chalice deploy"
    with pytest.raises(UserError, match=why):
        check(Place(bucket, ""), "labelwatch", {"InputBucket": "images"})


@pytest.mark.parametrize(("bucket", "holds"), [("predictions", "rows"), ("workspace", "Athena's results and logs")])
def test_of_the_stack_s_other_buckets_it_is_said_what_they_hold(bucket: str, holds: str) -> None:
    outputs = {"InputBucket": "images", "OutputBucket": "predictions", "WorkspaceBucket": "workspace"}
    with pytest.raises(UserError, match=f"{bucket} is where the stack labelwatch keeps {holds}"):
        check(Place(bucket, ""), "labelwatch", outputs)


@pytest.mark.parametrize(
    ("images", "units", "hours", "said"),
    [
        (1, 1, 1 / 14_400, "About 1 minute on 1 inference unit, under 0.01 USD"),
        (14_400, 1, 1.0, "About 1.0 hours on 1 inference unit, 4.00 USD"),
        (14_400, 4, 0.25, "About 15 minutes on 4 inference units, 4.00 USD"),
    ],
)
def test_more_units_take_less_time_for_the_same_money(images: int, units: int, hours: float, said: str) -> None:
    found = expected(images, MODEL, units)
    assert found.hours == hours
    assert found.said == (
        f"{said} (price of us-east-1; it assumes 4 images a second for each unit: AWS gives no figure)."
    )


@pytest.mark.parametrize(("images", "usd"), [(2_000, "2.00 USD"), (10, "0.01 USD"), (9, "under 0.01 USD")])
def test_rekognition_s_own_labels_are_paid_by_the_image(images: int, usd: str) -> None:
    said = f"Rekognition's own labels cost {usd} by the price of us-east-1."
    assert expected(images, GENERAL_MODEL, 1) == (said, None)


def test_more_than_there_is_a_price_for_is_told() -> None:
    with pytest.raises(UserError, match="no price for so many images; send one prefix at a time"):
        expected(10**9, GENERAL_MODEL, 1)


def page(*names: str, to_send: tuple[str, ...] | None = None) -> Page:
    listed = {name: Listed(name, "e", datetime(2026, 11, 22, tzinfo=UTC)) for name in names}
    return Page(list(listed.values()), [listed[name] for name in (names if to_send is None else to_send)])


def test_ten_go_in_a_call_and_the_end_of_the_page_is_done_with_too() -> None:
    names = tuple(f"{number:02}" for number in range(14))
    assert list(batches(page(*names, to_send=names[:12]))) == [
        Batch(names[:10], "09"),
        Batch(names[10:12], "11"),
        Batch((), "13"),
    ]


def test_an_empty_page_has_no_batches() -> None:
    assert list(batches(page())) == []


class Bench:
    """A sender on a fake queue, and what it said is sent."""

    def __init__(self, queue: FakeQueue | None = None) -> None:
        self.queue = queue or FakeQueue()
        self.pauses: list[float] = []
        self.sent: list[Batch] = []
        self.sender = Sender(self.queue, "images", NOW, notify=False, force=False, pause=self.pauses.append)

    @property
    def on_the_queue(self) -> list[str]:
        created = [events.object_created(record) for body in self.queue.sent for record in events.records(body)]
        return sorted(one.key for one in created if one)


def singles(count: int) -> list[Batch]:
    return [Batch((f"{number:04}",), f"{number:04}") for number in range(count)]


def test_all_are_sent_and_told_of_in_their_order() -> None:
    bench, all_of_them = Bench(), singles(50 * CALLS_AT_ONCE)
    assert bench.sender.send(all_of_them, bench.sent.append) == {}
    assert bench.sent == all_of_them
    assert bench.on_the_queue == [one.until for one in all_of_them]


def test_an_interruption_leaves_nothing_sent_that_is_not_told_of_and_nothing_told_of_that_is_not_sent() -> None:
    bench = Bench()

    def interrupted() -> Iterator[Batch]:
        yield from singles(23 * CALLS_AT_ONCE)
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        bench.sender.send(interrupted(), bench.sent.append)
    assert bench.on_the_queue == [one.until for one in bench.sent]
    assert bench.sent == singles(len(bench.sent))
    assert len(bench.sent) >= CALLS_AT_ONCE


def test_an_interruption_waits_for_what_has_begun_and_begins_nothing_else() -> None:
    class SlowQueue(FakeQueue):
        def send(self, bodies: Sequence[str]) -> dict[int, Fault]:
            time.sleep(0.05)
            return super().send(bodies)

    def interrupted() -> Iterator[Batch]:
        yield from singles(15 * CALLS_AT_ONCE)
        raise KeyboardInterrupt

    bench = Bench(SlowQueue())
    with pytest.raises(KeyboardInterrupt):
        bench.sender.send(interrupted(), bench.sent.append)
    assert bench.on_the_queue == [one.until for one in bench.sent]
    assert CALLS_AT_ONCE <= len(bench.sent) < 15 * CALLS_AT_ONCE


def test_what_was_not_taken_is_tried_again_after_longer_and_longer_pauses_and_then_told() -> None:
    bench = Bench()
    bench.queue.unsendable["0003"] = FAULT
    failed = bench.sender.send([Batch(("0001", "0002"), "0002"), Batch(("0003", "0004"), "0004")], bench.sent.append)
    assert failed == {"0003": FAULT}
    assert tuple(bench.pauses) == PAUSES
    assert bench.on_the_queue == ["0001", "0002", "0004"]


def test_what_comes_after_a_failure_is_not_done_though_it_is_sent() -> None:
    bench = Bench()
    bench.queue.unsendable["0003"] = FAULT
    bench.sender.send(singles(8), bench.sent.append)
    assert bench.sent == singles(3)


def test_after_a_failure_nothing_new_begins_for_long() -> None:
    bench = Bench()
    bench.queue.unsendable["0003"] = FAULT
    bench.sender.send(singles(10_000), bench.sent.append)
    assert len(bench.queue.sent) < 1_000


def test_what_is_taken_at_the_second_try_is_no_failure_and_is_sent_once() -> None:
    bench = Bench()
    bench.queue.unsendable["0001"] = FAULT
    sender = bench.sender._replace(pause=lambda _: bench.queue.unsendable.clear())
    assert sender.send([Batch(("0001", "0002"), "0002")], bench.sent.append) == {}
    assert bench.on_the_queue == ["0001", "0002"]


def test_a_queue_that_cannot_be_reached_loses_no_key() -> None:
    bench = Bench()
    bench.queue.fault = Retryable("AccessDenied", "no")
    failed = bench.sender.send([Batch(("0001", "0002"), "0002")], bench.sent.append)
    assert {key: fault.reason for key, fault in failed.items()} == {"0001": "AccessDenied", "0002": "AccessDenied"}
    assert bench.sent == []


@given(keys)
def test_a_bookmark_keeps_any_key(tmp_path_factory: pytest.TempPathFactory, key: str) -> None:
    folder = tmp_path_factory.mktemp("bookmarks")
    Bookmark(folder, ["s3://images"]).write(key)
    assert Bookmark(folder, ["s3://images"]).read() == key


def test_a_bookmark_is_of_one_backfill_only(tmp_path: Path) -> None:
    Bookmark(tmp_path, ["queue", "s3://images", False]).write("leaf.jpg")
    others = [["other", "s3://images", False], ["queue", "s3://images/x", False], ["queue", "s3://images", True]]
    assert [Bookmark(tmp_path, same).read() for same in others] == ["", "", ""]


def test_a_bookmark_that_is_removed_is_gone_and_so_is_one_that_never_was(tmp_path: Path) -> None:
    bookmark = Bookmark(tmp_path, ["s3://images"])
    bookmark.remove()
    bookmark.write("leaf.jpg")
    bookmark.remove()
    assert (bookmark.read(), list(tmp_path.iterdir())) == ("", [])

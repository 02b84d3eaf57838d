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
from labelwatch.backfill.estimate import estimate
from labelwatch.backfill.listing import CALLS_AT_ONCE, Listed, Page
from labelwatch.backfill.send import MAX_UNCONFIRMED, PAUSES, Batch, Sender, batches, body_of
from labelwatch.backfill.target import check, target_of
from labelwatch.shared.errors import UserError
from labelwatch.shared.s3_uri import S3Location
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


def test_the_id_of_a_prediction_follows_from_a_listing() -> None:
    image = prediction().image
    assert prediction_id(image.bucket, image.key, image.etag, MODEL) == prediction().id


@pytest.mark.parametrize(
    ("uri", "target"),
    [
        ("s3://images", S3Location("images", "")),
        ("s3://images/", S3Location("images", "")),
        ("s3://images/field 7/ü", S3Location("images", "field 7/ü")),
        ("s3://images//a\nb", S3Location("images", "/a\nb")),
    ],
)
def test_a_target_is_a_bucket_or_a_prefix_in_it(uri: str, target: S3Location) -> None:
    assert target_of(uri) == target


@pytest.mark.parametrize("uri", ["images", "s3://", "s3:///x", "S3://images", "s3://Images/x", "https://images"])
def test_another_text_is_refused_with_the_form_of_a_target(uri: str) -> None:
    with pytest.raises(UserError) as mistake:
        target_of(uri)
    assert str(mistake.value).startswith(repr(uri))
    assert "s3://bucket/prefix" in str(mistake.value)


@pytest.mark.parametrize("bucket", ["images", "existing"])
def test_the_stack_s_own_bucket_and_the_existing_one_are_accepted(bucket: str) -> None:
    check(S3Location(bucket, ""), "labelwatch", {"InputBucket": "images", "ExistingBucketName": "existing"})


@pytest.mark.parametrize("bucket", ["predictions", "existing"])
def test_another_bucket_is_refused_with_the_reason_and_what_to_do(bucket: str) -> None:
    with pytest.raises(UserError, match=f"images.*`labelwatch up --existing-bucket {bucket}`"):
        check(S3Location(bucket, ""), "labelwatch", {"InputBucket": "images"})


@pytest.mark.parametrize(("bucket", "content"), [("predictions", "rows"), ("workspace", "Athena results")])
def test_the_stack_s_other_buckets_are_refused_with_their_content(bucket: str, content: str) -> None:
    outputs = {"InputBucket": "images", "OutputBucket": "predictions", "WorkspaceBucket": "workspace"}
    with pytest.raises(UserError, match=rf"{bucket} holds {content} .*: images\.$"):
        check(S3Location(bucket, ""), "labelwatch", outputs)


@pytest.mark.parametrize(
    ("images", "units", "hours", "duration", "usd"),
    [
        (1, 1, 1 / 14_400, "1 minute ", "under 0.01 USD"),
        (14_400, 1, 1.0, "1.0 hours", "4.00 USD"),
        (14_400, 4, 0.25, "15 minutes", "4.00 USD"),
    ],
)
def test_more_units_take_less_time_for_the_same_money(
    images: int, units: int, hours: float, duration: str, usd: str
) -> None:
    estimated = estimate(images, MODEL, units)
    assert estimated.hours == hours
    for part in (duration, usd, f"{units} inference unit", "us-east-1"):
        assert part in estimated.sentence


@pytest.mark.parametrize(("images", "usd"), [(2_000, "2.00 USD"), (10, "0.01 USD"), (9, "under 0.01 USD")])
def test_rekognition_s_own_labels_are_paid_by_the_image(images: int, usd: str) -> None:
    estimated = estimate(images, GENERAL_MODEL, 1)
    assert estimated.hours is None
    assert f" {usd} " in estimated.sentence


def test_more_images_than_there_is_a_price_for_are_refused() -> None:
    with pytest.raises(UserError, match="one prefix"):
        estimate(10**9, GENERAL_MODEL, 1)


def page(*names: str, to_send: tuple[str, ...] | None = None) -> Page:
    listed = {name: Listed(name, "e", datetime(2026, 11, 22, tzinfo=UTC)) for name in names}
    return Page(list(listed.values()), [listed[name] for name in (names if to_send is None else to_send)])


def test_a_call_has_ten_keys_and_the_end_of_the_page_is_a_batch_too() -> None:
    names = tuple(f"{number:02}" for number in range(14))
    assert list(batches(page(*names, to_send=names[:12]))) == [
        Batch(names[:10], "09"),
        Batch(names[10:12], "11"),
        Batch((), "13"),
    ]


def test_an_empty_page_has_no_batches() -> None:
    assert list(batches(page())) == []


class Bench:
    """A sender on a fake queue, and the batches that it confirmed."""

    def __init__(self, queue: FakeQueue | None = None) -> None:
        self.queue = queue or FakeQueue()
        self.pauses: list[float] = []
        self.confirmed: list[Batch] = []
        self.sender = Sender(self.queue, "images", NOW, notify=False, force=False, pause=self.pauses.append)

    @property
    def on_the_queue(self) -> list[str]:
        created = [events.object_created(record) for body in self.queue.sent for record in events.records(body)]
        return sorted(image.key for image in created if image)


def singles(count: int) -> list[Batch]:
    return [Batch((f"{number:04}",), f"{number:04}") for number in range(count)]


def test_all_batches_are_sent_and_confirmed_in_their_order() -> None:
    bench, to_send = Bench(), singles(50 * CALLS_AT_ONCE)
    assert bench.sender.send(to_send, bench.confirmed.append) == {}
    assert bench.confirmed == to_send
    assert bench.on_the_queue == [batch.until for batch in to_send]


def test_a_batch_that_is_faster_than_the_one_before_it_is_confirmed_after_it() -> None:
    class UnevenQueue(FakeQueue):
        def send(self, bodies: Sequence[str]) -> dict[int, Fault]:
            if "0000" in bodies[0]:
                time.sleep(0.2)
            return super().send(bodies)

    bench = Bench(UnevenQueue())
    to_send = singles(MAX_UNCONFIRMED + 2)
    bench.sender.send(to_send, bench.confirmed.append)
    assert bench.confirmed == to_send


def test_at_an_interruption_exactly_the_confirmed_batches_are_sent() -> None:
    bench = Bench()

    def interrupted() -> Iterator[Batch]:
        yield from singles(23 * CALLS_AT_ONCE)
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        bench.sender.send(interrupted(), bench.confirmed.append)
    assert bench.on_the_queue == [batch.until for batch in bench.confirmed]
    assert bench.confirmed == singles(len(bench.confirmed))
    assert len(bench.confirmed) >= CALLS_AT_ONCE


def test_an_interruption_waits_for_the_begun_calls_and_begins_no_other() -> None:
    class SlowQueue(FakeQueue):
        def send(self, bodies: Sequence[str]) -> dict[int, Fault]:
            time.sleep(0.05)
            return super().send(bodies)

    def interrupted() -> Iterator[Batch]:
        yield from singles(15 * CALLS_AT_ONCE)
        raise KeyboardInterrupt

    bench = Bench(SlowQueue())
    with pytest.raises(KeyboardInterrupt):
        bench.sender.send(interrupted(), bench.confirmed.append)
    assert bench.on_the_queue == [batch.until for batch in bench.confirmed]
    assert CALLS_AT_ONCE <= len(bench.confirmed) < 15 * CALLS_AT_ONCE


def test_a_refused_message_is_retried_after_longer_and_longer_pauses_and_then_reported() -> None:
    bench = Bench()
    bench.queue.unsendable["0003"] = FAULT
    failed = bench.sender.send(
        [Batch(("0001", "0002"), "0002"), Batch(("0003", "0004"), "0004")], bench.confirmed.append
    )
    assert failed == {"0003": FAULT}
    assert tuple(bench.pauses) == PAUSES
    assert bench.on_the_queue == ["0001", "0002", "0004"]


def test_a_batch_after_a_failure_is_not_confirmed_though_it_is_sent() -> None:
    bench = Bench()
    bench.queue.unsendable["0003"] = FAULT
    bench.sender.send(singles(8), bench.confirmed.append)
    assert bench.confirmed == singles(3)


def test_soon_after_a_failure_nothing_new_begins() -> None:
    bench = Bench()
    bench.queue.unsendable["0003"] = FAULT
    bench.sender.send(singles(10_000), bench.confirmed.append)
    assert len(bench.queue.sent) < 1_000


def test_a_message_that_is_accepted_at_the_first_retry_is_sent_once() -> None:
    bench = Bench()
    bench.queue.unsendable["0001"] = FAULT
    sender = bench.sender._replace(pause=lambda _: bench.queue.unsendable.clear())
    assert sender.send([Batch(("0001", "0002"), "0002")], bench.confirmed.append) == {}
    assert bench.on_the_queue == ["0001", "0002"]


def test_a_queue_that_cannot_be_reached_loses_no_key() -> None:
    bench = Bench()
    bench.queue.fault = Retryable("AccessDenied", "no")
    failed = bench.sender.send([Batch(("0001", "0002"), "0002")], bench.confirmed.append)
    assert {key: fault.reason for key, fault in failed.items()} == {"0001": "AccessDenied", "0002": "AccessDenied"}
    assert bench.confirmed == []


@given(keys)
def test_a_bookmark_keeps_any_key(tmp_path_factory: pytest.TempPathFactory, key: str) -> None:
    folder = tmp_path_factory.mktemp("bookmarks")
    Bookmark(folder, ["s3://images"]).write(key)
    assert Bookmark(folder, ["s3://images"]).read() == key


def test_a_bookmark_is_of_one_backfill_only(tmp_path: Path) -> None:
    Bookmark(tmp_path, ["queue", "s3://images", False]).write("leaf.jpg")
    others = [["other", "s3://images", False], ["queue", "s3://images/x", False], ["queue", "s3://images", True]]
    assert [Bookmark(tmp_path, identity).read() for identity in others] == ["", "", ""]


def test_a_bookmark_can_be_removed_even_where_there_is_none(tmp_path: Path) -> None:
    bookmark = Bookmark(tmp_path, ["s3://images"])
    bookmark.remove()
    bookmark.write("leaf.jpg")
    bookmark.remove()
    assert (bookmark.read(), list(tmp_path.iterdir())) == ("", [])

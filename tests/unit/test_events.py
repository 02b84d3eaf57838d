import json
from typing import Any
from urllib.parse import quote_plus

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from chalicelib.domain import events
from chalicelib.domain.errors import Rejected
from chalicelib.domain.events import MAX_RECORDS
from chalicelib.domain.images import ObjectCreated
from tests.support.builders import notification, s3_record

any_json = st.recursive(
    st.none() | st.booleans() | st.floats(allow_nan=False) | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
    max_leaves=10,
)


def created_by(record: dict[str, Any]) -> ObjectCreated | None:
    (raw,) = events.records(notification(record))
    return events.object_created(raw)


@pytest.mark.parametrize(
    ("encoded", "key"),
    [
        ("a+b%2Bc.jpg", "a b+c.jpg"),
        ("x%252Fy.jpg", "x%2Fy.jpg"),
        ("%E7%A8%B2/%E8%91%89.jpg", "稲/葉.jpg"),
        ("100%25.jpg", "100%.jpg"),
        ("plain/leaf.jpg", "plain/leaf.jpg"),
    ],
)
def test_a_key_is_decoded_exactly_once(encoded: str, key: str) -> None:
    created = created_by(s3_record(object={"key": encoded}))
    assert created is not None
    assert created.key == key


@given(st.text(alphabet=st.characters(exclude_categories=["Cs"]), min_size=1, max_size=256))
def test_any_key_comes_back_as_it_was_uploaded(key: str) -> None:
    created = created_by(s3_record(object={"key": quote_plus(key)}))
    assert created == ObjectCreated("images", key, "v1")


@pytest.mark.parametrize("key", ["k", "k" * 1024, "稲" * 341 + "k", "\0" * 1024])
def test_a_key_may_be_as_short_and_as_long_as_s3_has_them(key: str) -> None:
    created = created_by(s3_record(object={"key": quote_plus(key)}))
    assert created == ObjectCreated("images", key, "v1")


def test_as_many_records_as_a_body_may_have_are_read() -> None:
    assert len(events.records('{"Records":[' + "1," * (MAX_RECORDS - 1) + "1]}")) == MAX_RECORDS


def test_people_are_notified_unless_the_record_suppresses_it() -> None:
    alerts = [created_by(record).notify for record in (s3_record(), s3_record(labelwatch={"notify": False}))]  # type: ignore[union-attr]
    assert alerts == [True, False]


def test_a_record_keeps_its_choice_of_notify_where_its_body_is_split() -> None:
    suppressed = s3_record("a.jpg", labelwatch={"notify": False})
    parts = [events.body_of(raw) for raw in events.records(notification(suppressed, s3_record("b.jpg")))]
    created = [events.object_created(raw) for part in parts for raw in events.records(part)]
    assert created == [ObjectCreated("images", "a.jpg", "v1", notify=False), ObjectCreated("images", "b.jpg", "v1")]


def test_an_object_of_a_bucket_without_versions_has_none() -> None:
    record = s3_record()
    del record["s3"]["object"]["versionId"]
    assert created_by(record) == ObjectCreated("images", "leaf.jpg", None)


@pytest.mark.parametrize(
    "name", ["ObjectCreated:Put", "ObjectCreated:CompleteMultipartUpload", "s3:ObjectCreated:Copy"]
)
def test_every_way_of_creating_an_object_counts(name: str) -> None:
    assert created_by(s3_record(eventName=name)) is not None


@pytest.mark.parametrize("name", ["ObjectRemoved:Delete", "ObjectRemoved:DeleteMarkerCreated", "ObjectTagging:Put"])
def test_an_event_that_creates_nothing_is_skipped(name: str) -> None:
    assert created_by(s3_record(eventName=name)) is None


def test_the_folder_marker_of_the_console_is_skipped() -> None:
    assert created_by(s3_record("field 1/", object={"size": 0})) is None


def test_an_image_whose_key_ends_like_a_folder_s_is_not_skipped() -> None:
    assert created_by(s3_record("field 1/")) is not None


def test_an_empty_object_is_not_skipped_for_its_size_alone() -> None:
    assert created_by(s3_record("leaf.jpg", object={"size": 0})) is not None


def test_the_test_event_of_s3_has_no_records() -> None:
    assert events.records('{"Service":"Amazon S3","Event":"s3:TestEvent","Bucket":"images"}') == []


@pytest.mark.parametrize(
    "body",
    [
        "",
        "hello",
        "[]",
        "null",
        "{}",
        '{"Records":[]}',
        '{"Records":"none"}',
        '{"Event":"s3:OtherEvent"}',
        '{"detail-type":"Object Created","source":"aws.s3"}',
        '{"Type":"Notification","Message":"{}"}',
        '{"x":' + "[" * 100_000,
        "half a character: \ud800",
        '{"Records":[' + "1," * MAX_RECORDS + "1]}",
    ],
)
def test_a_body_that_is_no_notification_is_rejected_with_its_reason(body: str) -> None:
    with pytest.raises(Rejected, match=r"^NotAnS3Event: [A-Z]"):
        events.records(body)


@pytest.mark.parametrize(
    "record",
    [
        {},
        {"eventSource": "aws:s3"},
        s3_record(s3={}),
        s3_record(s3={"bucket": {"name": 7}, "object": {"key": "k"}}),
        7,
        s3_record(bucket=""),
        s3_record(bucket="no bucket"),
        s3_record(bucket="images\n"),
        s3_record(bucket="b" * 256),
        s3_record(object={"key": ""}),
        s3_record(object={"key": "%20" * 1024 + "k"}),
    ],
)
def test_a_record_of_another_shape_is_rejected_with_the_member_that_is_wrong(record: Any) -> None:
    with pytest.raises(Rejected, match=r"^NotAnS3Event: [A-Z]"):
        events.object_created(msgspec.Raw(json.dumps(record).encode()))


def test_a_record_that_is_nested_without_end_is_rejected() -> None:
    with pytest.raises(Rejected, match=r"^NotAnS3Event: [A-Z]"):
        events.object_created(msgspec.Raw(b'{"eventSource":"aws:s3","x":' + b"[" * 100_000))


def test_a_record_of_another_service_is_rejected_by_name() -> None:
    with pytest.raises(Rejected, match=r"^NotAnS3Event: .*'aws:ses'"):
        created_by(s3_record(eventSource="aws:ses"))


def test_a_record_of_its_own_stands_in_its_body_unchanged() -> None:
    records = [s3_record("a.jpg"), {"anything": ["at all", 1.50, "稲"]}]
    parts = [json.loads(events.body_of(raw)) for raw in events.records(notification(*records))]
    assert parts == [{"Records": [record]} for record in records]


@given(st.text() | any_json.map(json.dumps))
def test_any_body_is_read_or_rejected(body: str) -> None:
    try:
        for record in events.records(body):
            events.object_created(record)
    except Rejected as fault:
        assert fault.reason == "NotAnS3Event"  # noqa: PT017 - either outcome is right


@given(any_json)
def test_any_record_is_read_or_rejected(record: Any) -> None:
    try:
        events.object_created(msgspec.Raw(json.dumps(record).encode()))
    except Rejected as fault:
        assert fault.reason == "NotAnS3Event"  # noqa: PT017 - either outcome is right


FOLDER = s3_record("field 7/", object={"key": "field+7/", "size": 0})
FOREIGN = s3_record(eventSource="aws:sns")


@pytest.mark.parametrize("records", [[s3_record()], [FOLDER, s3_record()], [FOREIGN, s3_record()]])
def test_a_body_names_an_image_where_any_of_its_records_does(records: list[dict[str, Any]]) -> None:
    assert events.names_image(notification(*records))


@pytest.mark.parametrize("body", [notification(FOLDER, FOLDER), '{"Event": "s3:TestEvent"}'])
def test_a_folder_marker_and_a_test_event_name_no_image(body: str) -> None:
    assert not events.names_image(body)


@pytest.mark.parametrize("body", ["{}", "hello", notification(FOREIGN), notification(FOLDER, FOREIGN)])
def test_a_body_without_an_image_that_is_not_of_s3_is_rejected(body: str) -> None:
    with pytest.raises(Rejected):
        events.names_image(body)

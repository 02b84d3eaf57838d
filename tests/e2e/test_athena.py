"""The tables and the ready queries, on rows of any predictions, held against what plain Python counts."""

import datetime as dt
import math
from collections import Counter, defaultdict
from collections.abc import Iterator
from typing import Any, NamedTuple

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from chalicelib.domain.predictions import Label, Prediction
from chalicelib.domain.rows import encoded, row_key, rows_of
from labelwatch.analytics import queries
from labelwatch.analytics.athena import Answer, Athena
from labelwatch.analytics.output import value
from labelwatch.analytics.queries import Narrowing
from labelwatch.analytics.tables import ALL, PLAIN, Tables
from labelwatch.local.ministack import REGION, LocalAws
from labelwatch.shared.errors import UserError
from tests.support.builders import MODEL, image, prediction, rules
from tests.support.pipeline import Pipeline

DATABASE = "counted"
WANTED = rules(("leaf-smut", 90.0), min_confidence=50)
FIRST = dt.datetime(2026, 11, 1, tzinfo=dt.UTC)
TEXTS = st.text(st.characters(codec="utf-8", exclude_characters="\0"), min_size=1, max_size=9)
LABELS = st.one_of(st.sampled_from(["leaf-smut", "Leaf-Smut", "brown-spot", "it's", '稲 \\ "x"']), TEXTS)
EVERYTHING = Narrowing()


class Place(NamedTuple):
    """A database of the test's own, and how many buckets it has had."""

    local_aws: LocalAws
    athena: Athena
    buckets: list[str]

    def fill(self, predictions: list[Prediction]) -> None:
        """Makes the tables over a new bucket with the rows of these."""
        bucket = f"counted-{len(self.buckets)}"
        self.buckets.append(bucket)
        s3 = self.local_aws.client("s3")
        s3.create_bucket(Bucket=bucket, CreateBucketConfiguration={"LocationConstraint": REGION})
        for one in predictions:
            s3.put_object(Bucket=bucket, Key=row_key(one), Body=encoded(rows_of(one, WANTED)))
        for name in ALL:
            self.tables.make(name)

    @property
    def tables(self) -> Tables:
        return Tables(self.athena, self.local_aws.client("glue"), DATABASE, self.buckets[-1])

    def answer(self, name: str, to: Narrowing = EVERYTHING) -> list[tuple[Any, ...]]:
        """The rows of a ready query, with numbers as numbers."""
        return typed(self.athena.ask(queries.narrowed(queries.named(name), to)))


def typed(answer: Answer) -> list[tuple[Any, ...]]:
    return [tuple(value(cell, kind) for cell, kind in zip(row, answer.types, strict=True)) for row in answer.rows]


@pytest.fixture(scope="module")
def place(running: Pipeline) -> Iterator[Place]:
    local_aws = running.session.local_aws
    local_aws.client("glue").create_database(DatabaseInput={"Name": DATABASE})
    yield Place(local_aws, Athena(local_aws.client("athena"), DATABASE, running.outputs["WorkgroupName"]), [])
    local_aws.client("glue").delete_database(Name=DATABASE)


@st.composite
def sets_of_predictions(draw: st.DrawFn) -> list[Prediction]:
    found = []
    for number in range(draw(st.integers(1, 8))):
        uploaded = FIRST + dt.timedelta(days=draw(st.integers(0, 3)), milliseconds=draw(st.integers(0, 86_399_999)))
        labels = draw(st.lists(st.builds(Label, LABELS, st.floats(0, 100)), max_size=4))
        where = draw(st.sampled_from(["", "uploads/camera-north/", "field 1/uploads/x/"]))
        found.append(
            prediction(
                *labels,
                image=image(f"{where}{number}.jpg", uploaded_at=uploaded),
                model=draw(st.sampled_from([MODEL, MODEL.replace("rice.1", "rice.2")])),
                detected_at=uploaded + dt.timedelta(milliseconds=draw(st.integers(0, 10_000_000))),
            )
        )
    return found


def with_label(predictions: list[Prediction]) -> Iterator[tuple[Prediction, Label]]:
    return ((one, label) for one in predictions for label in one.labels)


def of_interest(predictions: list[Prediction]) -> list[tuple[Prediction, Label]]:
    return [
        (one, label)
        for one, label in with_label(predictions)
        if label.name.lower() == "leaf-smut" and label.confidence >= 90
    ]


def stamp(moment: dt.datetime) -> str:
    return f"{moment:%Y-%m-%d %H:%M:%S}.{moment.microsecond // 1000:03d}"


def images_by(pairs: list[tuple[Any, str]]) -> dict[Any, int]:
    """How many different ids each key has."""
    ids = defaultdict(set)
    for key, identity in pairs:
        ids[key].add(identity)
    return {key: len(found) for key, found in ids.items()}


@settings(max_examples=15, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(predictions=sets_of_predictions())
def test_every_query_counts_what_plain_python_counts(place: Place, predictions: list[Prediction]) -> None:
    place.fill(predictions)
    pairs = list(with_label(predictions))

    assert dict(place.answer("labels_by_count")) == images_by([(label.name, one.id) for one, label in pairs])

    by_day = images_by([((f"{one.image.uploaded_at:%Y-%m-%d}", label.name), one.id) for one, label in pairs])
    assert {(day, label): images for day, label, images in place.answer("labels_by_day")} == by_day

    steps = Counter((label.name, min(math.floor(label.confidence / 10) * 10, 90)) for _, label in pairs)
    assert {(label, step): count for label, step, count in place.answer("confidence_by_label")} == steps

    without = Counter(f"{one.image.uploaded_at:%Y-%m-%d}" for one in predictions if not one.labels)
    days = Counter(f"{one.image.uploaded_at:%Y-%m-%d}" for one in predictions)
    assert place.answer("images_without_label") == [
        (day, images, without[day], pytest.approx(100 * without[day] / images, abs=0.051))
        for day, images in sorted(days.items())
    ]

    hours = images_by(
        [
            ((f"{one.image.uploaded_at:%Y-%m-%d %H}:00:00", client_of(one), label.name), one.id)
            for one, label in of_interest(predictions)
        ]
    )
    asked = place.answer("labels_of_interest_by_hour")
    assert {(hour[:19], client, label): images for hour, client, label, images in asked} == hours

    models = Counter(one.model for one in predictions)
    seen = images_by([((one.model, label), one.id) for one in predictions for label in names_of(one)])
    assert {
        (model, label): (images, percent) for model, label, images, percent, _ in place.answer("models_compared")
    } == {
        (model, label): (images, pytest.approx(100 * images / models[model], abs=0.051))
        for (model, label), images in seen.items()
    }

    seen_last = place.answer("newest_of_interest")
    assert Counter((label, confidence, key) for _, label, confidence, _, key, _, _ in seen_last) == Counter(
        (label.name, label.confidence, one.image.key) for one, label in of_interest(predictions)
    )
    assert [row[0] for row in seen_last] == sorted((row[0] for row in seen_last), reverse=True)

    newest = place.answer("newest_predictions")
    assert Counter((row[1], row[2], row[4]) for row in newest) == Counter(
        (one.image.key, label.name if label else None, (one, label) in of_interest(predictions))
        for one in predictions
        for label in one.labels or (None,)
    )
    assert [row[0][:23] for row in newest] == sorted((row[0][:23] for row in newest), reverse=True)

    slowest = {image: seconds for _, _, image, _, _, seconds in place.answer("slowest_detections")}
    assert slowest == {
        one.image.key: pytest.approx((one.detected_at - one.image.uploaded_at).total_seconds(), abs=0.0011)
        for one in predictions
    }


def client_of(one: Prediction) -> str | None:
    parts = one.image.key.split("/")
    return parts[1] if parts[0] == "uploads" else None


def names_of(one: Prediction) -> set[str | None]:
    return {label.name for label in one.labels} or {None}


@settings(max_examples=10, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    predictions=sets_of_predictions(),
    first=st.integers(-1, 4),
    days=st.integers(0, 4),
    labels=st.lists(LABELS, max_size=2),
)
def test_a_narrowed_query_is_the_query_on_fewer_rows(
    place: Place, predictions: list[Prediction], first: int, days: int, labels: list[str]
) -> None:
    place.fill(predictions)
    start = (FIRST + dt.timedelta(days=first)).date()
    end = start + dt.timedelta(days=days)
    wanted = {label.lower() for label in labels}
    asked = [
        (label.name, one.id)
        for one, label in with_label(predictions)
        if start <= one.image.uploaded_at.date() <= end and (not wanted or label.name.lower() in wanted)
    ]
    assert dict(place.answer("labels_by_count", Narrowing(start, end, labels))) == images_by(asked)


def test_every_ready_query_is_asked_above_and_can_be_narrowed(place: Place) -> None:
    place.fill([prediction(Label("leaf-smut", 97.0))])
    for query in queries.ready().values():
        sql = queries.narrowed(query, Narrowing(dt.date(2026, 1, 1), dt.date(2026, 12, 31)))
        assert place.athena.ask(sql).rows == place.athena.ask(query.sql).rows


def test_the_plain_table_reads_the_same_bucket(place: Place) -> None:
    place.fill([prediction(Label("leaf-smut", 97.5), key="a.jpg"), prediction(key="b.jpg")])
    answer = place.athena.ask(f"SELECT Image, Label, Confidence FROM {PLAIN} ORDER BY Image")  # noqa: S608 - ours
    assert typed(answer) == [("a.jpg", "leaf-smut", 97.5), ("b.jpg", None, None)]


def test_tables_are_made_once_and_made_again_only_where_they_are_others(place: Place) -> None:
    place.fill([])
    assert [place.tables.make(name) for name in ALL] == ["as it should be"] * 2
    place.tables.drop(PLAIN)
    place.athena.ask(f"CREATE EXTERNAL TABLE {PLAIN} (Image string) LOCATION 's3://{place.buckets[-1]}/'")
    assert place.tables.make(PLAIN) == "made again, since it was another"
    assert place.tables.make(PLAIN) == "as it should be"
    assert [place.tables.drop(PLAIN), place.tables.drop(PLAIN)] == [True, False]
    assert place.tables.make(PLAIN) == "made"


@pytest.mark.parametrize(
    "other", [{"TableType": "VIRTUAL_VIEW"}, {"TableType": "EXTERNAL_TABLE", "Parameters": {"table_type": "ICEBERG"}}]
)
def test_what_is_no_table_of_ours_is_never_dropped(place: Place, other: dict[str, Any]) -> None:
    place.fill([])
    place.tables.drop(PLAIN)
    glue = place.local_aws.client("glue")
    glue.create_table(DatabaseName=DATABASE, TableInput={"Name": PLAIN, "StorageDescriptor": {"Columns": []}} | other)
    try:
        for act in (place.tables.make, place.tables.drop):
            with pytest.raises(UserError, match=rf"{DATABASE}\.{PLAIN} is no table that `labelwatch athena up` made"):
                act(PLAIN)
        assert glue.get_table(DatabaseName=DATABASE, Name=PLAIN)["Table"]["TableType"] == other["TableType"]
    finally:
        glue.delete_table(DatabaseName=DATABASE, Name=PLAIN)


def test_a_table_that_reads_rows_in_another_way_is_made_again(place: Place) -> None:
    place.fill([])
    glue = place.local_aws.client("glue")
    table = glue.get_table(DatabaseName=DATABASE, Name=PLAIN)["Table"]
    storage = table["StorageDescriptor"] | {"SerdeInfo": {"SerializationLibrary": "a.ParquetSerDe"}}
    known = {"Name": PLAIN, "TableType": "EXTERNAL_TABLE", "StorageDescriptor": storage}
    glue.update_table(DatabaseName=DATABASE, TableInput=known)
    assert place.tables.make(PLAIN) == "made again, since it was another"


def test_a_query_without_its_table_says_what_makes_it(place: Place) -> None:
    place.fill([])
    for name in ALL:
        place.tables.drop(name)
    with pytest.raises(UserError, match=r"^Athena did not answer: .*`labelwatch athena up` makes the tables\.$"):
        place.answer("labels_by_count")


def test_what_is_no_sql_is_told_in_athena_s_words(place: Place) -> None:
    with pytest.raises(UserError, match=r"^Athena does not take the query|^Athena did not answer: "):
        place.athena.ask("SELEC 1")


def test_the_rows_of_the_pipeline_are_what_the_queries_read(pipeline: Pipeline) -> None:
    pipeline.upload("queried-1.jpg", "queried-2.jpg")
    pipeline.wait_for("queried-1.jpg", "queried-2.jpg")
    sql = queries.narrowed(queries.named("newest_predictions"), Narrowing(labels=["LEAF-SMUT"]))
    seen = {row["image"]: row for row in pipeline.session.athena.ask(sql).records}
    for key in ("queried-1.jpg", "queried-2.jpg"):
        ((label, confidence),) = pipeline.predictions[key].labels
        row = seen[key]
        assert (row["label"], float(row["confidence"] or 0), row["of_interest"]) == (label, confidence, "true")

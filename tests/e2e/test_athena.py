"""The tables and the ready queries on rows of any predictions, compared with the same counts in plain Python."""

import datetime as dt
import math
from collections import Counter, defaultdict
from collections.abc import Callable, Hashable, Iterable, Iterator
from typing import Any, NamedTuple

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from chalicelib.domain.predictions import BoundingBox, Label, Prediction
from chalicelib.domain.rows import encoded, row_key, rows_of
from labelwatch.analytics import TABLES, Athena, Narrowing, Tables, load_query, narrow_query
from labelwatch.analytics.queries import load_queries
from labelwatch.analytics.tables import PLAIN_TABLE
from labelwatch.local.ministack import REGION, LocalAws
from labelwatch.shared.errors import UserError
from tests.support import builders
from tests.support.builders import MODEL, image, rules
from tests.support.pipeline import Pipeline

DATABASE = "counted"
RULES = rules(("leaf-smut", 90.0), min_confidence=50)
FIRST = dt.datetime(2026, 11, 1, tzinfo=dt.UTC)
TEXTS = st.text(st.characters(codec="utf-8", exclude_characters="\0"), min_size=1, max_size=9)
LABELS = st.one_of(st.sampled_from(["leaf-smut", "Leaf-Smut", "brown-spot", "it's", '稲 \\ "x"']), TEXTS)
SHARES = st.floats(0, 1)
BOXES = st.none() | st.builds(BoundingBox, SHARES, SHARES, SHARES, SHARES)
EVERYTHING = Narrowing()


class Database(NamedTuple):
    """A database of these tests' own, and the buckets that its tables have read."""

    local_aws: LocalAws
    athena: Athena
    buckets: list[str]

    def fill(self, predictions: list[Prediction]) -> None:
        """Creates the tables over a new bucket with the predictions' rows."""
        bucket = f"counted-{len(self.buckets)}"
        self.buckets.append(bucket)
        s3 = self.local_aws.client("s3")
        s3.create_bucket(Bucket=bucket, CreateBucketConfiguration={"LocationConstraint": REGION})
        for prediction in predictions:
            s3.put_object(Bucket=bucket, Key=row_key(prediction), Body=encoded(rows_of(prediction, RULES)))
        for name in TABLES:
            self.tables.create(name)

    @property
    def tables(self) -> Tables:
        return Tables(self.athena, self.local_aws.client("glue"), DATABASE, self.buckets[-1])

    def rows(self, sql: str) -> list[tuple[Any, ...]]:
        """The rows of a query, with numbers as numbers."""
        return [tuple(record.values()) for record in self.athena.query(sql).records]

    def rows_of_query(self, name: str, narrowing: Narrowing = EVERYTHING) -> list[tuple[Any, ...]]:
        return self.rows(narrow_query(load_query(name), narrowing))


@pytest.fixture(scope="module")
def database(running: Pipeline) -> Iterator[Database]:
    local_aws = running.session.local_aws
    local_aws.client("glue").create_database(DatabaseInput={"Name": DATABASE})
    athena = Athena(local_aws.client("athena"), DATABASE, running.outputs["WorkgroupName"], poll_seconds=0.005)
    yield Database(local_aws, athena, [])
    local_aws.client("glue").delete_database(Name=DATABASE)


@st.composite
def sets_of_predictions(draw: st.DrawFn) -> list[Prediction]:
    predictions = []
    for number in range(draw(st.integers(1, 14))):
        uploaded = FIRST + dt.timedelta(days=draw(st.integers(0, 3)), milliseconds=draw(st.integers(0, 86_399_999)))
        labels = draw(st.lists(st.builds(Label, LABELS, st.floats(0, 100), BOXES), max_size=4))
        folder = draw(st.sampled_from(["", "uploads/camera-north/", "field 1/uploads/x/"]))
        predictions.append(
            builders.prediction(
                *labels,
                image=image(f"{folder}{number}.jpg", uploaded_at=uploaded),
                model=draw(st.sampled_from([MODEL, MODEL.replace("rice.1", "rice.2")])),
                detected_at=uploaded + dt.timedelta(milliseconds=draw(st.integers(0, 10_000_000))),
            )
        )
    return predictions


def with_label(predictions: list[Prediction]) -> Iterator[tuple[Prediction, Label]]:
    return ((prediction, label) for prediction in predictions for label in prediction.labels)


def of_interest(predictions: list[Prediction]) -> list[tuple[Prediction, Label]]:
    return [
        (prediction, label)
        for prediction, label in with_label(predictions)
        if label.name.lower() == "leaf-smut" and label.confidence >= 90
    ]


def day_of(prediction: Prediction) -> str:
    return f"{prediction.image.uploaded_at:%Y-%m-%d}"


def hour_of(prediction: Prediction) -> str:
    return f"{prediction.image.uploaded_at:%Y-%m-%d %H}:00:00"


def names_of(prediction: Prediction) -> set[str | None]:
    return {label.name for label in prediction.labels} or {None}


def images_by[Key: Hashable](pairs: Iterable[tuple[Key, Prediction]]) -> dict[Key, int]:
    """The number of different predictions of each key."""
    ids = defaultdict(set)
    for key, prediction in pairs:
        ids[key].add(prediction.id)
    return {key: len(found) for key, found in ids.items()}


def percent(part: int, whole: int) -> Any:
    return pytest.approx(100 * part / whole, abs=0.051)


def check_images_by_source(database: Database, predictions: list[Prediction]) -> None:
    images = Counter(prediction.image.source for prediction in predictions)
    interesting = images_by((prediction.image.source, prediction) for prediction, _ in of_interest(predictions))
    rows = database.rows_of_query("images_by_source")
    assert {source: counts for source, *counts in rows} == {
        source: [count, interesting.get(source, 0)] for source, count in images.items()
    }


def check_labels_by_count(database: Database, predictions: list[Prediction]) -> None:
    counted = images_by((label.name, prediction) for prediction, label in with_label(predictions))
    assert dict(database.rows_of_query("labels_by_count")) == counted


def check_labels_by_day(database: Database, predictions: list[Prediction]) -> None:
    counted = images_by(((day_of(prediction), label.name), prediction) for prediction, label in with_label(predictions))
    rows = database.rows_of_query("labels_by_day")
    assert {(day, label): images for day, label, images in rows} == counted


def check_confidence_by_label(database: Database, predictions: list[Prediction]) -> None:
    steps = ((label.name, min(math.floor(label.confidence / 10) * 10, 90)) for _, label in with_label(predictions))
    rows = database.rows_of_query("confidence_by_label")
    assert {(label, step): labels for label, step, labels in rows} == Counter(steps)


def check_images_without_label(database: Database, predictions: list[Prediction]) -> None:
    images = Counter(map(day_of, predictions))
    without = Counter(day_of(prediction) for prediction in predictions if not prediction.labels)
    interesting = images_by((day_of(prediction), prediction) for prediction, _ in of_interest(predictions))
    assert database.rows_of_query("images_without_label") == [
        (day, images[day], interesting.get(day, 0), without[day], percent(without[day], images[day]))
        for day in sorted(images)
    ]


def check_labels_of_interest_by_hour(database: Database, predictions: list[Prediction]) -> None:
    counted = images_by(
        ((hour_of(prediction), prediction.image.source, label.name), prediction)
        for prediction, label in of_interest(predictions)
    )
    rows = database.rows_of_query("labels_of_interest_by_hour")
    assert {(hour[:19], source, label): images for hour, source, label, images in rows} == counted


def check_models_compared(database: Database, predictions: list[Prediction]) -> None:
    models = Counter(prediction.model for prediction in predictions)
    counted = images_by(
        ((prediction.model, name), prediction) for prediction in predictions for name in names_of(prediction)
    )
    rows = database.rows_of_query("models_compared")
    assert {(model, label): (images, share) for model, label, images, share, _ in rows} == {
        (model, label): (images, percent(images, models[model])) for (model, label), images in counted.items()
    }


def check_newest_of_interest(database: Database, predictions: list[Prediction]) -> None:
    rows = database.rows_of_query("newest_of_interest")
    assert Counter((label, confidence, key) for _, label, confidence, _, _, key, _, _ in rows) == Counter(
        (label.name, label.confidence, prediction.image.key) for prediction, label in of_interest(predictions)
    )
    assert [row[0] for row in rows] == sorted((row[0] for row in rows), reverse=True)


def check_boxes_of_interest(database: Database, predictions: list[Prediction]) -> None:
    rows = database.rows_of_query("boxes_of_interest")
    assert Counter((key, label, confidence, box) for *_, key, _, label, confidence, box in boxes_of(rows)) == Counter(
        (prediction.image.key, label.name, label.confidence, label.bounding_box)
        for prediction, label in of_interest(predictions)
    )
    assert [row[0] for row in rows] == sorted((row[0] for row in rows), reverse=True)


def boxes_of(rows: list[tuple[Any, ...]]) -> Iterator[tuple[Any, ...]]:
    """The rows with a bounding box in place of its four numbers and the id."""
    for *others, left, top, width, height, _ in rows:
        yield *others, None if left is None else BoundingBox(left, top, width, height)


def check_newest_predictions(database: Database, predictions: list[Prediction]) -> None:
    interesting = of_interest(predictions)
    rows = database.rows_of_query("newest_predictions")
    assert Counter((key, label, of_interest) for _, key, label, _, of_interest, _, _ in rows) == Counter(
        (prediction.image.key, label.name if label else None, (prediction, label) in interesting)
        for prediction in predictions
        for label in prediction.labels or (None,)
    )
    assert [row[0][:23] for row in rows] == sorted((row[0][:23] for row in rows), reverse=True)


def check_slowest_detections(database: Database, predictions: list[Prediction]) -> None:
    rows = database.rows_of_query("slowest_detections")
    assert {key: seconds for _, _, key, _, _, seconds in rows} == {
        prediction.image.key: pytest.approx(
            (prediction.detected_at - prediction.image.uploaded_at).total_seconds(), abs=0.0011
        )
        for prediction in predictions
    }


CHECKS: dict[str, Callable[[Database, list[Prediction]], None]] = {
    "boxes_of_interest": check_boxes_of_interest,
    "confidence_by_label": check_confidence_by_label,
    "images_by_source": check_images_by_source,
    "images_without_label": check_images_without_label,
    "labels_by_count": check_labels_by_count,
    "labels_by_day": check_labels_by_day,
    "labels_of_interest_by_hour": check_labels_of_interest_by_hour,
    "models_compared": check_models_compared,
    "newest_of_interest": check_newest_of_interest,
    "newest_predictions": check_newest_predictions,
    "slowest_detections": check_slowest_detections,
}


def test_the_boxes_are_of_the_newest_24_images_each_by_its_newest_prediction(database: Database) -> None:
    labels = [Label("leaf-smut", 97.0, BoundingBox(0.1, 0.2, 0.3, number / 10)) for number in range(3)]
    images = [image(f"{number}.jpg", uploaded_at=FIRST + dt.timedelta(minutes=number)) for number in range(30)]
    models = [MODEL, MODEL.replace("rice.1", "rice.2")]
    database.fill([
        builders.prediction(*labels, image=image, model=model, detected_at=FIRST + dt.timedelta(days=day))
        for image in images for day, model in enumerate(models)
    ])  # fmt: skip
    rows = database.rows_of_query("boxes_of_interest")
    assert list(dict.fromkeys(row[3] for row in rows)) == [f"{number}.jpg" for number in range(29, 5, -1)]
    newest = {builders.prediction(image=image, model=models[1]).id for image in images}
    assert len(rows) == 24 * len(labels)
    assert {row[-1] for row in rows} < newest


@settings(max_examples=8, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(predictions=sets_of_predictions())
def test_every_query_counts_what_plain_python_counts(database: Database, predictions: list[Prediction]) -> None:
    database.fill(predictions)
    for check in CHECKS.values():
        check(database, predictions)


@settings(max_examples=10, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    predictions=sets_of_predictions(),
    days=st.tuples(st.integers(-1, 4), st.integers(0, 4)),
    labels=st.lists(LABELS, max_size=2),
    sources=st.lists(st.sampled_from(["images", "camera-north", "field 1", "it's"]), max_size=2),
)
def test_a_narrowed_query_is_the_query_on_fewer_rows(
    database: Database, predictions: list[Prediction], days: tuple[int, int], labels: list[str], sources: list[str]
) -> None:
    database.fill(predictions)
    start = (FIRST + dt.timedelta(days=days[0])).date()
    end = start + dt.timedelta(days=days[1])
    chosen = {label.lower() for label in labels}
    counted = images_by(
        (label.name, prediction)
        for prediction, label in with_label(predictions)
        if start <= prediction.image.uploaded_at.date() <= end
        and (not chosen or label.name.lower() in chosen)
        and (not sources or prediction.image.source in sources)
    )
    assert dict(database.rows_of_query("labels_by_count", Narrowing(start, end, labels, sources))) == counted


def test_every_ready_query_has_a_check_above_and_can_be_narrowed(database: Database) -> None:
    assert load_queries().keys() == CHECKS.keys()
    database.fill([builders.prediction(Label("leaf-smut", 97.0))])
    for query in load_queries().values():
        sql = narrow_query(query, Narrowing(dt.date(2026, 1, 1), dt.date(2026, 12, 31)))
        assert database.rows(sql) == database.rows(query.sql)


def test_the_plain_table_reads_the_same_bucket(database: Database) -> None:
    database.fill([builders.prediction(Label("leaf-smut", 97.5), key="a.jpg"), builders.prediction(key="b.jpg")])
    rows = database.rows(f"SELECT Image, Label, Confidence FROM {PLAIN_TABLE} ORDER BY Image")  # noqa: S608 - ours
    assert rows == [("a.jpg", "leaf-smut", 97.5), ("b.jpg", None, None)]


def test_tables_are_created_once_and_replaced_only_where_they_have_another_shape(database: Database) -> None:
    database.fill([])
    assert [database.tables.create(name) for name in TABLES] == ["unchanged"] * 2
    database.tables.drop(PLAIN_TABLE)
    location = f"s3://{database.buckets[-1]}/"
    database.athena.query(f"CREATE EXTERNAL TABLE {PLAIN_TABLE} (Image string) LOCATION '{location}'")
    assert database.tables.create(PLAIN_TABLE) == "replaced"
    assert database.tables.create(PLAIN_TABLE) == "unchanged"
    assert [database.tables.drop(PLAIN_TABLE), database.tables.drop(PLAIN_TABLE)] == [True, False]
    assert database.tables.create(PLAIN_TABLE) == "created"


@pytest.mark.parametrize(
    "other", [{"TableType": "VIRTUAL_VIEW"}, {"TableType": "EXTERNAL_TABLE", "Parameters": {"table_type": "ICEBERG"}}]
)
def test_a_table_of_another_type_is_never_dropped(database: Database, other: dict[str, Any]) -> None:
    database.fill([])
    database.tables.drop(PLAIN_TABLE)
    glue = database.local_aws.client("glue")
    table = {"Name": PLAIN_TABLE, "StorageDescriptor": {"Columns": []}} | other
    glue.create_table(DatabaseName=DATABASE, TableInput=table)
    try:
        for act in (database.tables.create, database.tables.drop):
            with pytest.raises(UserError, match=rf"^{DATABASE}\.{PLAIN_TABLE} "):
                act(PLAIN_TABLE)
        assert glue.get_table(DatabaseName=DATABASE, Name=PLAIN_TABLE)["Table"]["TableType"] == other["TableType"]
    finally:
        glue.delete_table(DatabaseName=DATABASE, Name=PLAIN_TABLE)


def test_a_table_that_reads_rows_in_another_way_is_replaced(database: Database) -> None:
    database.fill([])
    glue = database.local_aws.client("glue")
    table = glue.get_table(DatabaseName=DATABASE, Name=PLAIN_TABLE)["Table"]
    storage = table["StorageDescriptor"] | {"SerdeInfo": {"SerializationLibrary": "a.ParquetSerDe"}}
    changed = {"Name": PLAIN_TABLE, "TableType": "EXTERNAL_TABLE", "StorageDescriptor": storage}
    glue.update_table(DatabaseName=DATABASE, TableInput=changed)
    assert database.tables.create(PLAIN_TABLE) == "replaced"


def test_a_query_without_its_table_says_what_makes_it(database: Database) -> None:
    database.fill([])
    for name in TABLES:
        database.tables.drop(name)
    with pytest.raises(UserError, match="`labelwatch athena up`"):
        database.rows_of_query("labels_by_count")


def test_invalid_sql_is_refused_in_athena_s_words(database: Database) -> None:
    with pytest.raises(UserError, match=r"^Athena .*SELEC"):
        database.athena.query("SELEC 1")


def test_the_queries_read_the_rows_of_the_pipeline(pipeline: Pipeline) -> None:
    pipeline.upload("queried-1.jpg", "queried-2.jpg")
    pipeline.wait_for("queried-1.jpg", "queried-2.jpg")
    sql = narrow_query(load_query("newest_predictions"), Narrowing(labels=["LEAF-SMUT"]))
    rows = {row["image"]: row for row in pipeline.session.athena.query(sql).records}
    for key in ("queried-1.jpg", "queried-2.jpg"):
        ((label, confidence),) = pipeline.predictions[key].labels
        row = rows[key]
        assert (row["label"], row["confidence"], row["of_interest"]) == (label, confidence, True)

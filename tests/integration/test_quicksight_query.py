"""The data set's SQL, on the table as its DDL makes it (in DuckDB, as in the embedded Athena)."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

import duckdb
import pytest

from labelwatch.analytics.queries import FOLDER, TABLE
from labelwatch.quicksight import document
from labelwatch.quicksight.document import Place
from labelwatch.quicksight.kinds import Home

PLACE = Place(Home("aws", "eu-central-1", "123456789012", "it"), "it", "role", "leaves", "https://console.example.com")
# What QuickSight makes of a type: https://docs.aws.amazon.com/quicksight/latest/user/supported-data-types-and-values.html
TYPES = {"VARCHAR": "STRING", "DOUBLE": "DECIMAL", "INTEGER": "INTEGER", "TIMESTAMP": "DATETIME"}
ROW = {
    "image": "field 1/leaf+é.jpg",
    "label": "leaf-smut",
    "confidence": 93.5,
    "bucket": "images",
    "uploaded_at": "2026-11-22 10:00:00.123",
    "of_interest": True,
    "prediction_id": "1",
    "version_id": "v+1",
    "dt": "2026-11-22",
}


@pytest.fixture
def table() -> Iterator[duckdb.DuckDBPyConnection]:
    """The table, with the columns of its DDL and nothing in it."""
    columns = re.findall(
        r"^  (\w+) (string|double|bigint|timestamp|boolean),?$", (FOLDER / f"{TABLE}.sql").read_text(), re.MULTILINE
    )
    listed = ", ".join(f"{name} {kind.upper()}" for name, kind in [*columns, ("dt", "string")])
    with duckdb.connect() as connection:
        connection.execute(f"CREATE SCHEMA leaves; CREATE TABLE leaves.rekognition_customlabels_analytics ({listed})")
        yield connection


def asked(table: duckdb.DuckDBPyConnection, **row: Any) -> dict[str, Any]:
    """The one row of the query where the table has this one."""
    whole = ROW | row
    names, marks = ", ".join(whole), ", ".join("?" * len(whole))
    into = f"INSERT INTO leaves.rekognition_customlabels_analytics ({names}) VALUES ({marks})"  # noqa: S608 - our names
    table.execute(into, list(whole.values()))
    answer = table.execute(document.query(PLACE))
    (found,) = answer.fetchall()
    return dict(zip([one[0] for one in answer.description or []], found, strict=True))


def test_the_columns_are_those_of_the_data_set_and_of_its_types(table: duckdb.DuckDBPyConnection) -> None:
    answer = table.execute(f"DESCRIBE {document.query(PLACE)}").fetchall()
    columns = document.read()["data_set"]["PhysicalTableMap"]["predictions"]["CustomSql"]["Columns"]
    assert [(name, TYPES[kind]) for name, kind, *_ in answer] == [(one["Name"], one["Type"]) for one in columns]


def test_a_row_has_its_day_its_step_of_ten_and_whether_it_is_of_interest_in_words(
    table: duckdb.DuckDBPyConnection,
) -> None:
    found = asked(table)
    assert (str(found["day"]), found["confidence_from"], found["of_interest"]) == ("2026-11-22 00:00:00", 90, "yes")


def test_the_link_leads_to_the_very_key_in_the_console(table: duckdb.DuckDBPyConnection) -> None:
    place = "https://console.example.com/s3/object/images?prefix=field%201%2Fleaf%2B%C3%A9.jpg"
    assert asked(table)["link"] == f"{place}&versionId=v%2B1"


def test_an_object_without_versions_has_a_link_without_one(table: duckdb.DuckDBPyConnection) -> None:
    assert "versionId" not in asked(table, version_id=None)["link"]


def test_the_query_is_sent_without_its_comment() -> None:
    assert document.query(PLACE).startswith("SELECT\n")


def test_an_image_without_a_label_says_so_and_has_no_confidence(table: duckdb.DuckDBPyConnection) -> None:
    found = asked(table, label=None, confidence=None, of_interest=False)
    assert (found["label"], found["confidence_from"], found["of_interest"]) == ("(no label)", None, "no")


@pytest.mark.parametrize(("confidence", "step"), [(0.0, 0), (9.99, 0), (10.0, 10), (99.9, 90), (100.0, 90)])
def test_a_hundred_is_in_the_last_step(table: duckdb.DuckDBPyConnection, confidence: float, step: int) -> None:
    assert asked(table, confidence=confidence)["confidence_from"] == step

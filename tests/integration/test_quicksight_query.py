"""The data set's SQL, on the table with the columns of its DDL (in DuckDB, as in the local AWS)."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

import duckdb
import pytest

from labelwatch.analytics import FOLDER, TABLE, load_definition
from labelwatch.quicksight import requests
from labelwatch.quicksight.asset_types import Location
from labelwatch.quicksight.requests import StackValues

LOCATION = Location("aws", "eu-central-1", "123456789012", "labelwatch")
VALUES = StackValues(LOCATION, "labelwatch", "role", "leaves", "https://console.example.com")
# QuickSight's type for each type of Athena: https://docs.aws.amazon.com/quicksight/latest/user/supported-data-types-and-values.html
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


def query(table: duckdb.DuckDBPyConnection, **row: Any) -> dict[str, Any]:
    """The only row of the query over a table with this row."""
    stored = ROW | row
    names, marks = ", ".join(stored), ", ".join("?" * len(stored))
    into = f"INSERT INTO leaves.rekognition_customlabels_analytics ({names}) VALUES ({marks})"  # noqa: S608 - our names
    table.execute(into, list(stored.values()))
    result = table.execute(requests.query(VALUES))
    (values,) = result.fetchall()
    return dict(zip([column[0] for column in result.description or []], values, strict=True))


def test_the_columns_are_the_columns_of_the_data_set_with_their_types(table: duckdb.DuckDBPyConnection) -> None:
    described = table.execute(f"DESCRIBE {requests.query(VALUES)}").fetchall()
    columns = load_definition()["data_set"]["PhysicalTableMap"]["predictions"]["CustomSql"]["Columns"]
    assert [(name, TYPES[kind]) for name, kind, *_ in described] == [
        (column["Name"], column["Type"]) for column in columns
    ]


def test_a_row_has_its_day_its_step_of_ten_and_its_interest_in_words(
    table: duckdb.DuckDBPyConnection,
) -> None:
    row = query(table)
    assert (str(row["day"]), row["confidence_from"], row["of_interest"]) == ("2026-11-22 00:00:00", 90, "yes")


def test_the_link_leads_to_the_key_in_the_console(table: duckdb.DuckDBPyConnection) -> None:
    address = "https://console.example.com/s3/object/images?prefix=field%201%2Fleaf%2B%C3%A9.jpg"
    assert query(table)["link"] == f"{address}&versionId=v%2B1"


def test_an_object_without_versions_has_a_link_without_a_version(table: duckdb.DuckDBPyConnection) -> None:
    assert "versionId" not in query(table, version_id=None)["link"]


def test_the_query_is_sent_without_its_comment() -> None:
    assert requests.query(VALUES).startswith("SELECT\n")


def test_an_image_without_a_label_has_a_row_that_says_so_and_no_confidence(table: duckdb.DuckDBPyConnection) -> None:
    row = query(table, label=None, confidence=None, of_interest=False)
    assert (row["label"], row["confidence_from"], row["of_interest"]) == ("(no label)", None, "no")


@pytest.mark.parametrize(("confidence", "step"), [(0.0, 0), (9.99, 0), (10.0, 10), (99.9, 90), (100.0, 90)])
def test_a_confidence_of_100_is_in_the_last_step(
    table: duckdb.DuckDBPyConnection, confidence: float, step: int
) -> None:
    assert query(table, confidence=confidence)["confidence_from"] == step

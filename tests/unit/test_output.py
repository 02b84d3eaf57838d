import csv
import io
import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from labelwatch.analytics import output
from labelwatch.analytics.athena import QueryResult

RESULT = QueryResult(
    ["label", "images", "confidence", "of_interest"],
    ["varchar", "bigint", "double", "boolean"],
    [["leaf-smut", "3", "97.5", "true"], [None, "1", None, "false"]],
    20_000_000,
)


def test_json_has_numbers_booleans_and_null_as_such() -> None:
    assert json.loads(output.as_json(RESULT)) == [
        {"label": "leaf-smut", "images": 3, "confidence": 97.5, "of_interest": True},
        {"label": None, "images": 1, "confidence": None, "of_interest": False},
    ]


def test_csv_has_a_line_of_names_and_nothing_for_no_value() -> None:
    assert output.as_csv(RESULT).splitlines() == [
        '"label","images","confidence","of_interest"',
        '"leaf-smut","3","97.5","true"',
        ',"1",,"false"',
    ]


@given(st.lists(st.text(st.characters(exclude_categories=["Cs"]), min_size=1), min_size=1))
def test_any_text_comes_back_from_csv(cells: list[str]) -> None:
    text = output.as_csv(QueryResult(["label"], ["varchar"], [[cell] for cell in cells], 0))
    assert list(csv.reader(io.StringIO(text, newline="")))[1:] == [[cell] for cell in cells]


def test_a_table_has_each_row() -> None:
    assert output.as_table(RESULT).row_count == 2


def test_control_characters_are_shown_as_escapes() -> None:
    hostile = QueryResult(["image"], ["varchar"], [["a\x1b[2Jb.jpg"]], 0)
    (column,) = output.as_table(hostile).columns
    assert list(column.cells) == ["a\\x1b[2Jb.jpg"]


@pytest.mark.parametrize(
    ("scanned", "sentence"),
    [
        (20_000_000, "20.000 MB scanned: 0.00010 USD by the price of us-east-1."),
        (1_000, "0.001 MB scanned (10 MB are paid at least): 0.00005 USD by the price of us-east-1."),
    ],
)
def test_a_query_costs_the_bytes_that_it_scans_or_the_minimum(scanned: int, sentence: str) -> None:
    assert output.price(scanned) == sentence

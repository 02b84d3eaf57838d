import datetime as dt
import json

import pytest

from labelwatch.analytics import Athena, Narrowing, output
from labelwatch.analytics.athena import QueryResult
from labelwatch.analytics.queries import load_queries
from tests.support import builders
from tests.support.terminal import printed

RESULT = QueryResult(
    ["label", "images", "confidence", "of_interest"],
    ["varchar", "bigint", "double", "boolean"],
    [["leaf-smut", "3", "97.5", "true"], [None, "1", None, "false"]],
    20_000_000,
)
RULES = builders.rules(("leaf-smut", 90.0))


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


def test_csv_is_safe_in_a_spreadsheet_and_raw_csv_is_as_athena_writes_it() -> None:
    result = QueryResult(["key", "change"], ["varchar", "double"], [["=1", "-1.50"]], 0)
    assert output.as_csv(result).splitlines()[1] == '"\'=1","-1.50"'
    assert output.as_csv(result, raw=True).splitlines()[1] == '"=1","-1.50"'


def test_a_result_for_people_has_rounded_numbers() -> None:
    exact = QueryResult(["confidence", "of_interest"], ["double", "boolean"], [["97.84691518265154", "true"]], 0)
    shown = printed(80, output.print_result, exact, RULES)
    assert "│       97.8 │ yes" in shown
    assert "97.84691518265154" in output.as_csv(exact)
    assert "97.84691518265154" in output.as_json(exact)


def test_a_result_for_people_has_words_for_no_label_and_for_no_interest() -> None:
    shown = printed(80, output.print_result, RESULT, RULES)
    assert "│ no label  │" in shown
    assert "│ not of interest │" in shown
    assert "no label" not in output.as_csv(RESULT) + output.as_json(RESULT)


def test_seven_columns_are_whole_at_80_columns() -> None:
    key = "uploads/camera-north/2026-11-22/leaf 1.jpg"
    row: list[str | None] = [
        "2026-11-22 10:00:00.123",
        "leaf-smut",
        "97.84691518265154",
        "labelwatch-images",
        key,
        "v1",
        "0f3c",
    ]
    columns = ["detected_at", "label", "confidence", "bucket", "image", "version_id", "prediction_id"]
    result = QueryResult(columns, ["timestamp", "varchar", "double", *["varchar"] * 4], [row], 0)
    lines = printed(80, output.print_result, result, RULES).splitlines()
    assert lines[0] == "detected_at:   2026-11-22 10:00:00"
    assert lines[2:5:2] == ["confidence:    97.8", f"image:         {key}"]
    assert [line.partition(":")[0] for line in lines] == [*columns, ""]


def test_control_characters_are_shown_as_escapes() -> None:
    hostile = QueryResult(["image"], ["varchar"], [["a\x1b[2Jb.jpg"]], 0)
    assert "a\\x1b[2Jb.jpg" in printed(80, output.print_result, hostile, RULES)


@pytest.mark.parametrize("width", [55, 80])
def test_the_list_of_queries_has_each_name_and_question_whole(width: int) -> None:
    shown = printed(width, output.print_queries, load_queries())
    rows = [[cell.strip() for cell in line.split("│")[1:-1]] for line in shown.splitlines() if line.startswith("│")]
    assert [name for name, _, _ in rows if name] == list(load_queries())
    assert " ".join(text for _, text, _ in rows) == " ".join(query.question for query in load_queries().values())
    assert {name for name, _, labels in rows if labels} == {
        name for name, query in load_queries().items() if query.takes_labels
    }
    assert "--from" in shown


@pytest.mark.parametrize("width", [20, 40])
def test_in_a_narrow_terminal_the_list_of_queries_is_lines(width: int) -> None:
    lines = printed(width, output.print_queries, load_queries()).splitlines()
    for name, query in load_queries().items():
        assert {f"query:    {name}", f"question: {query.question}"} <= set(lines)


SCANNED = 2_000


class FakeAthena(Athena):
    """An Athena whose results have these labels, and the queries that it ran."""

    def __init__(self, *labels: str) -> None:
        self.labels = labels
        self.queries: list[str] = []

    def query(self, sql: str) -> QueryResult:
        self.queries.append(sql)
        rows: list[list[str | None]] = [[label, "1"] for label in self.labels]
        return QueryResult(["label", "images"], ["varchar", "bigint"], rows, SCANNED)


def test_an_empty_result_for_a_label_names_the_labels_of_the_same_days() -> None:
    athena = FakeAthena("leaf-smut", "\x1b[2J")
    day = dt.date(2026, 11, 22)
    explained, scanned = output.explain_empty(athena, Narrowing(day, day, ["leafsmut"]))
    assert scanned == [SCANNED]
    assert "leaf-smut, \\x1b[2J." in explained
    (sql,) = athena.queries
    assert "'2026-11-22'" in sql
    assert "leafsmut" not in sql


def test_many_labels_are_not_all_named() -> None:
    explained, _ = output.explain_empty(FakeAthena(*map(str, range(25))), Narrowing(labels=["x"]))
    assert "18, 19 and 5 more" in explained


def test_without_any_label_there_is_none_to_name() -> None:
    assert "No labels found" in output.explain_empty(FakeAthena(), Narrowing(labels=["x"]))[0]


def test_an_empty_result_of_a_source_names_the_sources_that_exist() -> None:
    athena = FakeAthena("camera-north", "field 1")
    explained, _ = output.explain_empty(athena, Narrowing(sources=["fild 1"]))
    assert "Sources found: camera-north, field 1." in explained
    (sql,) = athena.queries
    assert "fild" not in sql


def test_an_empty_result_without_a_label_needs_no_other_query() -> None:
    athena = FakeAthena("leaf-smut")
    assert output.explain_empty(athena, Narrowing(dt.date(2026, 11, 22))) == ("No rows match.", [])
    assert athena.queries == []


@pytest.mark.parametrize(("scanned", "parts"), [(20_000_000, ["0.00010 USD"]), (1_000, ["0.00005 USD", "10 MB"])])
def test_a_query_costs_the_bytes_that_it_scans_or_the_minimum(scanned: int, parts: list[str]) -> None:
    price = output.price(scanned)
    assert price.startswith(f"{scanned / 1e6:.3f} MB")
    for part in [*parts, "us-east-1"]:
        assert part in price


def test_each_query_costs_at_least_the_minimum() -> None:
    assert "0.00015 USD" in output.price(20_000_000, 1_000)

import datetime as dt
import re

import pytest
import sqlglot
from hypothesis import given
from hypothesis import strategies as st
from sqlglot import exp

from labelwatch.analytics.queries import (
    TABLE,
    Narrowing,
    Query,
    load_queries,
    load_query,
    narrow_query,
    parse_narrowing,
)
from labelwatch.commands.athena import query_names
from labelwatch.shared.errors import UserError

DAY = dt.date(2026, 11, 22)


@pytest.mark.parametrize("query", load_queries().values(), ids=lambda query: query.name)
def test_every_ready_query_says_what_question_it_answers_and_how_it_is_narrowed(query: Query) -> None:
    assert "?" in query.question
    assert "Takes --from" in query.sql.replace("\n-- ", " ")


@pytest.mark.parametrize("query", load_queries().values(), ids=lambda query: query.name)
def test_no_query_says_who_was_notified_since_the_rows_do_not_know(query: Query) -> None:
    assert not re.search("alert|notified", f"{query.name} {query.question}")


def test_without_days_and_labels_a_query_runs_as_it_is_written() -> None:
    query = load_query("models_compared")
    assert narrow_query(query, Narrowing()) == query.sql


@pytest.mark.parametrize("query", load_queries().values(), ids=lambda query: query.name)
def test_every_use_of_the_table_is_narrowed(query: Query) -> None:
    tree = sqlglot.parse_one(narrow_query(query, Narrowing(DAY, DAY)), dialect="trino")
    tables = [table for table in tree.find_all(exp.Table) if table.name == TABLE]
    assert tables
    for table in tables:
        rows = table.find_ancestor(exp.Select)
        assert rows
        assert rows.args["where"].sql() == "WHERE dt >= '2026-11-22' AND dt <= '2026-11-22'"


@given(st.lists(st.text(min_size=1), min_size=1), st.lists(st.text(min_size=1), min_size=1))
def test_any_label_and_source_stay_string_literals(labels: list[str], sources: list[str]) -> None:
    narrowing = Narrowing(labels=labels, sources=sources)
    tree = sqlglot.parse_one(narrow_query(load_query("labels_by_count"), narrowing), dialect="trino")
    of_labels, of_sources = sorted(tree.find_all(exp.In), key=lambda condition: condition.sql())
    assert [label.this.this for label in of_labels.expressions] == labels
    assert [source.this for source in of_sources.expressions] == sources


@pytest.mark.parametrize("name", ["models_compared", "images_without_label", "slowest_detections"])
def test_a_query_whose_result_would_be_wrong_for_fewer_labels_takes_no_labels(name: str) -> None:
    with pytest.raises(UserError, match=f"{name}.*--label"):
        narrow_query(load_query(name), Narrowing(labels=["leaf-smut"]))


@pytest.mark.parametrize(
    "text", ["", "today", "2026-13-01", "2026-11-31", "20261101", "2026-W48-5", "٢٠٢٦-11-01", "2026-11-01' OR 1"]
)
@pytest.mark.parametrize("option", ["--from", "--to"])
def test_a_text_that_is_no_day_is_refused_with_its_option(option: str, text: str) -> None:
    with pytest.raises(UserError) as mistake:
        parse_narrowing(text if option == "--from" else None, text if option == "--to" else None, [])
    assert str(mistake.value).startswith(f"{option} {text!r}")


@pytest.mark.parametrize("text", ["a\x1bb", "\ud800", "a\nb"])
@pytest.mark.parametrize("option", ["--label", "--source"])
def test_a_text_with_control_characters_is_refused_with_its_option(option: str, text: str) -> None:
    with pytest.raises(UserError) as mistake:
        parse_narrowing(None, None, [text] if option == "--label" else [], [text] if option == "--source" else [])
    assert str(mistake.value).startswith(f"{option} {text!r}")


def test_a_first_day_after_the_last_is_refused() -> None:
    with pytest.raises(UserError, match=r"2026-11-02 is after --to 2026-11-01"):
        parse_narrowing("2026-11-02", "2026-11-01", [])


def test_the_first_day_may_be_the_last() -> None:
    assert parse_narrowing("2026-11-22", "2026-11-22", ["leaf-smut"]) == Narrowing(DAY, DAY, ["leaf-smut"])


def test_an_unknown_query_is_refused_with_the_names_of_all_queries() -> None:
    with pytest.raises(UserError, match=r"pie.*labels_by_count.*slowest_detections"):
        load_query("pie")


def test_the_shell_completes_the_names_of_the_queries() -> None:
    assert query_names("") == list(load_queries())
    assert query_names("labels_by") == ["labels_by_count", "labels_by_day"]
    assert query_names("rek") == []


def test_the_ddl_is_no_query() -> None:
    assert not [name for name in load_queries() if name.startswith("rekognition_")]

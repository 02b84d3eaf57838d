import datetime as dt
import re

import pytest
import sqlglot
from hypothesis import given
from hypothesis import strategies as st
from sqlglot import exp

from labelwatch.analytics import queries
from labelwatch.analytics.queries import TABLE, Narrowing, Query
from labelwatch.shared.errors import UserError

DAY = dt.date(2026, 11, 22)


@pytest.mark.parametrize("query", queries.ready().values(), ids=lambda one: one.name)
def test_every_ready_query_says_what_question_it_answers_and_how_it_is_narrowed(query: Query) -> None:
    assert query.question.startswith(("Which ", "How ", "In what ", "When", "What "))
    assert "?" in query.question
    assert "Takes --from" in query.sql.replace("\n-- ", " ")


@pytest.mark.parametrize("query", queries.ready().values(), ids=lambda one: one.name)
def test_no_query_claims_that_people_were_told_since_the_rows_do_not_know(query: Query) -> None:
    assert not re.search("alert|told(?! of or not)", f"{query.name} {query.question}")


def test_without_days_and_labels_a_query_is_asked_as_it_stands() -> None:
    query = queries.named("models_compared")
    assert queries.narrowed(query, Narrowing()) == query.sql


@pytest.mark.parametrize("query", queries.ready().values(), ids=lambda one: one.name)
def test_every_place_of_the_table_is_narrowed(query: Query) -> None:
    tree = sqlglot.parse_one(queries.narrowed(query, Narrowing(DAY, DAY)), dialect="trino")
    tables = [one for one in tree.find_all(exp.Table) if one.name == TABLE]
    assert tables
    for table in tables:
        rows = table.find_ancestor(exp.Select)
        assert rows
        assert rows.args["where"].sql() == "WHERE dt >= '2026-11-22' AND dt <= '2026-11-22'"


@given(st.lists(st.text(min_size=1), min_size=1))
def test_whatever_is_asked_for_stays_a_text(labels: list[str]) -> None:
    tree = sqlglot.parse_one(
        queries.narrowed(queries.named("labels_by_count"), Narrowing(labels=labels)), dialect="trino"
    )
    (within,) = tree.find_all(exp.In)
    assert [one.this.this for one in within.expressions] == labels


@pytest.mark.parametrize("name", ["models_compared", "images_without_label", "slowest_detections"])
def test_a_query_that_fewer_labels_would_make_wrong_takes_none(name: str) -> None:
    with pytest.raises(UserError, match=f"{name} is about all labels and takes no --label"):
        queries.narrowed(queries.named(name), Narrowing(labels=["leaf-smut"]))


@pytest.mark.parametrize(
    "text", ["", "today", "2026-13-01", "2026-11-31", "20261101", "2026-W48-5", "٢٠٢٦-11-01", "2026-11-01' OR 1"]
)
@pytest.mark.parametrize("option", ["--from", "--to"])
def test_what_is_no_day_is_told_by_its_option(option: str, text: str) -> None:
    with pytest.raises(UserError) as mistake:
        queries.narrowing(text if option == "--from" else None, text if option == "--to" else None, [])
    assert str(mistake.value) == f"{option} {text!r} must be a day, such as 2026-11-27."


@pytest.mark.parametrize("label", ["a\x1bb", "\ud800", "a\nb"])
def test_a_label_of_signs_that_are_no_letters_is_told(label: str) -> None:
    with pytest.raises(UserError, match="has signs that are no letters"):
        queries.narrowing(None, None, [label])


def test_days_the_wrong_way_round_are_told() -> None:
    with pytest.raises(UserError, match=r"--from 2026-11-02 is after --to 2026-11-01"):
        queries.narrowing("2026-11-02", "2026-11-01", [])


def test_one_day_may_be_asked_for() -> None:
    assert queries.narrowing("2026-11-22", "2026-11-22", ["leaf-smut"]) == Narrowing(DAY, DAY, ["leaf-smut"])


def test_a_query_that_there_is_not_is_told_with_those_that_there_are() -> None:
    with pytest.raises(UserError, match=r"there is no query 'pie'; there are .*labels_by_count"):
        queries.named("pie")


def test_the_ddl_is_no_query() -> None:
    assert not [name for name in queries.ready() if name.startswith("rekognition_")]

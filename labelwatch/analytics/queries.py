"""The ready queries of athena/, optionally limited to days and labels."""

import datetime as dt
from collections.abc import Sequence
from typing import NamedTuple

import sqlglot
from sqlglot import exp

from labelwatch.shared.days import parse_day
from labelwatch.shared.errors import UserError
from labelwatch.shared.project import PROJECT

FOLDER = PROJECT / "athena"
TABLE = "rekognition_customlabels_analytics"
# In the comment of a query that accepts labels.
_TAKES_LABELS = "--label"
# In the comment of each ready query: not in the DDL, and not in QuickSight's query.
_TAKES_DAYS = "Takes --from"


class Query(NamedTuple):
    """A file of athena/: its name without suffix, the question in its comment, and its SQL."""

    name: str
    question: str
    sql: str

    @property
    def takes_labels(self) -> bool:
        """Whether the query accepts labels; the result of others would be wrong for fewer labels."""
        return _TAKES_LABELS in self.sql


class Narrowing(NamedTuple):
    """The days of upload, both included, the labels and the sources; an empty value does not limit the query."""

    first: dt.date | None = None
    last: dt.date | None = None
    labels: Sequence[str] = ()
    sources: Sequence[str] = ()


def load_queries() -> dict[str, Query]:
    """Every query, by its name."""
    files = sorted(FOLDER.glob("*.sql"))
    texts = {file.stem: file.read_text() for file in files}
    return {name: Query(name, _question(text), text) for name, text in texts.items() if _TAKES_DAYS in _comment(text)}


def load_query(name: str) -> Query:
    """The query; raises UserError for an unknown name."""
    queries = load_queries()
    if name not in queries:
        raise UserError(f"No query named {name}. Queries: {', '.join(queries)}.")
    return queries[name]


def parse_narrowing(
    first: str | None, last: str | None, labels: Sequence[str], sources: Sequence[str] = ()
) -> Narrowing:
    """From options; raises UserError for an invalid value, or where the first day is after the last."""
    for option, texts in (("--label", labels), ("--source", sources)):
        for text in texts:
            if not text.isprintable():
                raise UserError(f"{option} {text!r} contains control characters. Use printable characters only.")
    narrowing = Narrowing(
        parse_day(first, "--from") if first is not None else None,
        parse_day(last, "--to") if last is not None else None,
        labels,
        sources,
    )
    if narrowing.first and narrowing.last and narrowing.first > narrowing.last:
        raise UserError(
            f"--from {narrowing.first} is after --to {narrowing.last}. Use an earlier --from or a later --to."
        )
    return narrowing


def narrow_query(query: Query, narrowing: Narrowing) -> str:
    """The query's SQL for rows of these days, labels and sources, so that Athena reads no other day's objects.

    The table is replaced by a sub-query, built and quoted by the SQL library: an option cannot become SQL. Raises
    UserError where the query does not accept labels.
    """
    if narrowing.labels and not query.takes_labels:
        raise UserError(f"{query.name} does not accept --label: the query needs all labels.")
    conditions = _conditions(narrowing)
    if not conditions:
        return query.sql
    tree = sqlglot.parse_one(query.sql, dialect="trino")
    for table in list(tree.find_all(exp.Table)):
        if table.name == TABLE:
            rows = exp.select("*").from_(TABLE).where(*conditions)
            table.replace(rows.subquery(table.alias or TABLE))
    return tree.sql(dialect="trino", pretty=True, comments=False)


def _conditions(narrowing: Narrowing) -> list[exp.Expression]:
    column = exp.column
    conditions: list[exp.Expression] = []
    if narrowing.first:
        conditions.append(exp.GTE(this=column("dt"), expression=exp.Literal.string(narrowing.first.isoformat())))
    if narrowing.last:
        conditions.append(exp.LTE(this=column("dt"), expression=exp.Literal.string(narrowing.last.isoformat())))
    if narrowing.labels:  # case-insensitive, as in LabelsofInterest
        labels = [exp.Lower(this=exp.Literal.string(label)) for label in narrowing.labels]
        conditions.append(exp.In(this=exp.Lower(this=column("label")), expressions=labels))
    if narrowing.sources:
        sources = [exp.Literal.string(source) for source in narrowing.sources]
        conditions.append(exp.In(this=column("source"), expressions=sources))
    return conditions


def _question(sql: str) -> str:
    return _comment(sql).partition(f" {_TAKES_DAYS}")[0]


def _comment(sql: str) -> str:
    return " ".join(line.removeprefix("--").strip() for line in sql.splitlines() if line.startswith("--"))

"""The ready queries of athena/, and narrowing them to days and labels."""

import datetime as dt
import re
from collections.abc import Sequence
from typing import NamedTuple

import sqlglot
from sqlglot import exp

from labelwatch.shared.errors import UserError
from labelwatch.shared.project import PROJECT

FOLDER = PROJECT / "athena"
TABLE = "rekognition_customlabels_analytics"
# In the comment of a query that can be asked of some labels only.
_TAKES_LABELS = "--label"
# In the comment of each that is asked by its name: not of the DDL, nor of what QuickSight is sent.
_NARROWED = "Takes --from"


class Query(NamedTuple):
    """A file of athena/: its name without suffix, the question that its comment asks, its SQL."""

    name: str
    question: str
    sql: str

    @property
    def takes_labels(self) -> bool:
        """Whether fewer labels make it another answer, and not a wrong one."""
        return _TAKES_LABELS in self.sql


class Narrowing(NamedTuple):
    """The days of upload, both included, and the labels that are asked for; what is empty narrows nothing."""

    first: dt.date | None = None
    last: dt.date | None = None
    labels: Sequence[str] = ()


def ready() -> dict[str, Query]:
    """Every query, by its name."""
    files = sorted(FOLDER.glob("*.sql"))
    texts = {file.stem: file.read_text() for file in files}
    return {name: Query(name, _question(text), text) for name, text in texts.items() if _NARROWED in _comment(text)}


def named(name: str) -> Query:
    """The query; raises UserError where there is none of this name."""
    queries = ready()
    if name not in queries:
        raise UserError(f"there is no query {name!r}; there are {', '.join(queries)}.")
    return queries[name]


def narrowing(first: str | None, last: str | None, labels: Sequence[str]) -> Narrowing:
    """From what is typed; raises UserError where that is no day, or the last is before the first."""
    for label in labels:
        if not label.isprintable():
            raise UserError(f"--label {label!r} has signs that are no letters.")
    to = Narrowing(
        day_of(first, "--from") if first is not None else None,
        day_of(last, "--to") if last is not None else None,
        labels,
    )
    if to.first and to.last and to.first > to.last:
        raise UserError(f"--from {to.first} is after --to {to.last}.")
    return to


def narrowed(query: Query, to: Narrowing) -> str:
    """The query's SQL over rows of these days and labels only, so that Athena reads no other day's objects.

    In place of the table stands a sub-query on it, built and quoted by the SQL library: what is asked for cannot become
    SQL. Raises UserError where the query cannot be narrowed so.
    """
    if to.labels and not query.takes_labels:
        raise UserError(f"{query.name} is about all labels and takes no --label.")
    wanted = _conditions(to)
    if not wanted:
        return query.sql
    tree = sqlglot.parse_one(query.sql, dialect="trino")
    for table in list(tree.find_all(exp.Table)):
        if table.name == TABLE:
            rows = exp.select("*").from_(TABLE).where(*wanted)
            table.replace(rows.subquery(table.alias or TABLE))
    return tree.sql(dialect="trino", pretty=True, comments=False)


def day_of(text: str, option: str) -> dt.date:
    """The day that an option names; raises UserError where it is none."""
    try:
        if re.fullmatch(r"\d{4}-\d\d-\d\d", text):
            return dt.date.fromisoformat(text)
    except ValueError:
        pass
    raise UserError(f"{option} {text!r} must be a day, such as 2026-11-27.")


def _conditions(to: Narrowing) -> list[exp.Expression]:
    column = exp.column
    found: list[exp.Expression] = []
    if to.first:
        found.append(exp.GTE(this=column("dt"), expression=exp.Literal.string(to.first.isoformat())))
    if to.last:
        found.append(exp.LTE(this=column("dt"), expression=exp.Literal.string(to.last.isoformat())))
    if to.labels:  # upper and lower case are the same, as in LabelsofInterest
        labels = [exp.Lower(this=exp.Literal.string(label)) for label in to.labels]
        found.append(exp.In(this=exp.Lower(this=column("label")), expressions=labels))
    return found


def _question(sql: str) -> str:
    return _comment(sql).partition(f" {_NARROWED}")[0]


def _comment(sql: str) -> str:
    return " ".join(line.removeprefix("--").strip() for line in sql.splitlines() if line.startswith("--"))

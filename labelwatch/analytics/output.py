"""Answers as people and programs read them, and what they cost."""

import csv
import io
import json
from collections.abc import Mapping

from rich.table import Table

from labelwatch.analytics.athena import Answer
from labelwatch.analytics.queries import Query
from labelwatch.shared import pricing
from labelwatch.shared.text import printable

# Athena asks for so much where a query scans less.
MIN_BYTES = 10_000_000
_WHOLE = {"tinyint", "smallint", "integer", "int", "bigint"}
_BROKEN = {"double", "float", "real"}


def listed(queries: Mapping[str, Query]) -> Table:
    """The queries, each with the question that it answers."""
    table = Table("query", "what it answers", "narrowed by")
    for name, query in queries.items():
        table.add_row(name, query.question, f"--from, --to{', --label' if query.takes_labels else ''}")
    return table


def as_table(answer: Answer) -> Table:
    """For a terminal; numbers to the right."""
    table = Table()
    for name, kind in zip(answer.columns, answer.types, strict=True):
        table.add_column(name, justify="right" if kind in _WHOLE | _BROKEN else "left", overflow="fold")
    for row in answer.rows:
        table.add_row(*("" if cell is None else printable(cell) for cell in row))
    return table


def as_csv(answer: Answer) -> str:
    """With a line of the columns' names, as Athena writes it itself: all in quotation marks but what has no value."""
    text = io.StringIO()
    csv.writer(text, lineterminator="\n", quoting=csv.QUOTE_NOTNULL).writerows([answer.columns, *answer.rows])
    return text.getvalue()


def as_json(answer: Answer) -> str:
    """A list of objects, with numbers, booleans and null as such."""
    rows = [
        {name: value(cell, kind) for name, cell, kind in zip(answer.columns, row, answer.types, strict=True)}
        for row in answer.rows
    ]
    return json.dumps(rows, ensure_ascii=False, indent=1) + "\n"


def value(cell: str | None, kind: str) -> str | float | bool | None:
    """What Athena's text of this type means."""
    if cell is None:
        return None
    if kind in _WHOLE:
        return int(cell)
    if kind in _BROKEN:
        return float(cell)
    return cell == "true" if kind == "boolean" else cell


def price(scanned_bytes: int) -> str:
    """What was scanned, and what that costs by labelwatch/shared/prices.yaml."""
    prices = pricing.load()
    usd = prices.cost({"athena GB scanned": max(scanned_bytes, MIN_BYTES) / 1e9})
    least = f" ({MIN_BYTES / 1e6:.0f} MB are paid at least)" if scanned_bytes < MIN_BYTES else ""
    return f"{scanned_bytes / 1e6:,.3f} MB scanned{least}: {usd:.5f} USD by the price of {prices.region}."

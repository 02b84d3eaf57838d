"""Query results as people and programs read them, and what they cost."""

import csv
import io
import json
from collections.abc import Mapping

from rich.table import Table

from labelwatch.analytics.athena import DECIMAL_TYPES, INTEGER_TYPES, QueryResult
from labelwatch.analytics.queries import Query
from labelwatch.shared import pricing
from labelwatch.shared.text import printable

# Athena bills as many bytes where a query scans less.
MIN_BYTES = 10_000_000


def list_of(queries: Mapping[str, Query]) -> Table:
    """The queries, each with the question that it answers."""
    table = Table("query", "what it answers", "narrowed by")
    for name, query in queries.items():
        table.add_row(name, query.question, f"--from, --to{', --label' if query.takes_labels else ''}")
    return table


def as_table(result: QueryResult) -> Table:
    """For a terminal; numbers to the right."""
    table = Table()
    for name, kind in zip(result.columns, result.types, strict=True):
        is_number = kind in INTEGER_TYPES | DECIMAL_TYPES
        table.add_column(name, justify="right" if is_number else "left", overflow="fold")
    for row in result.rows:
        table.add_row(*("" if cell is None else printable(cell) for cell in row))
    return table


def as_csv(result: QueryResult) -> str:
    """With a line of the columns' names, as Athena writes it itself: all in quotation marks but what has no value."""
    text = io.StringIO()
    csv.writer(text, lineterminator="\n", quoting=csv.QUOTE_NOTNULL).writerows([result.columns, *result.rows])
    return text.getvalue()


def as_json(result: QueryResult) -> str:
    """A list of objects, with numbers, booleans and null as such."""
    return json.dumps(result.records, ensure_ascii=False, indent=1) + "\n"


def price(scanned_bytes: int) -> str:
    """What was scanned, and what that costs by labelwatch/shared/prices.yaml."""
    prices = pricing.load()
    usd = prices.cost({"athena GB scanned": max(scanned_bytes, MIN_BYTES) / 1e9})
    minimum = f" ({MIN_BYTES / 1e6:.0f} MB are paid at least)" if scanned_bytes < MIN_BYTES else ""
    return f"{scanned_bytes / 1e6:,.3f} MB scanned{minimum}: {usd:.5f} USD by the price of {prices.region}."

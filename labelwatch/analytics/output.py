"""Query results for people and programs, and their cost."""

import csv
import io
import json
from collections.abc import Mapping

from rich.console import Console
from rich.table import Column, Table

from labelwatch.analytics.athena import DECIMAL_TYPES, INTEGER_TYPES, Athena, QueryResult
from labelwatch.analytics.queries import Narrowing, Query, load_query, narrow_query
from labelwatch.shared import pricing
from labelwatch.shared.records import print_records
from labelwatch.shared.text import printable, readable

# Athena's minimum for each query.
MIN_BYTES = 10_000_000
_MOST_LABELS = 20


def print_queries(console: Console, queries: Mapping[str, Query]) -> None:
    """Prints the queries with their questions."""
    table = Table(Column("query", no_wrap=True), "question", "--label")
    for name, query in queries.items():
        table.add_row(name, query.question, "yes" if query.takes_labels else "")
    console.print(table)
    console.print("All queries accept --from and --to.")


def print_result(console: Console, result: QueryResult) -> None:
    """Prints the rows with rounded numbers."""
    types = zip(result.columns, result.types, strict=True)
    numbers = [name for name, kind in types if kind in INTEGER_TYPES | DECIMAL_TYPES]
    records = [[readable(value) for value in record.values()] for record in result.records]
    print_records(console, result.columns, records, numbers)


def as_csv(result: QueryResult) -> str:
    """With a header line, as Athena writes it: all values in quotation marks, nothing for null."""
    text = io.StringIO()
    csv.writer(text, lineterminator="\n", quoting=csv.QUOTE_NOTNULL).writerows([result.columns, *result.rows])
    return text.getvalue()


def as_json(result: QueryResult) -> str:
    """A list of objects, with JSON's types."""
    return json.dumps(result.records, ensure_ascii=False, indent=1) + "\n"


def explain_empty(athena: Athena, narrowing: Narrowing) -> str:
    """What else exists, where a result is empty; with labels, one more query, of the same days."""
    if not narrowing.labels:
        return "No rows match."
    sql = narrow_query(load_query("labels_by_count"), narrowing._replace(labels=()))
    labels = [printable(str(record["label"])) for record in athena.query(sql).records]
    if not labels:
        return "No rows match. No labels found on these days."
    more = f" and {len(labels) - _MOST_LABELS:,} more" if len(labels) > _MOST_LABELS else ""
    return f"No rows match. Labels found: {', '.join(labels[:_MOST_LABELS])}{more}."


def price(scanned_bytes: int) -> str:
    """The scanned bytes, and their cost by labelwatch/shared/prices.yaml."""
    prices = pricing.load()
    usd = prices.cost({"athena GB scanned": max(scanned_bytes, MIN_BYTES) / 1e9})
    minimum = f", minimum of {MIN_BYTES / 1e6:.0f} MB" if scanned_bytes < MIN_BYTES else ""
    return f"{scanned_bytes / 1e6:,.3f} MB scanned: {usd:.5f} USD (price of {prices.region}{minimum})."

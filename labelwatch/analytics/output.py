"""Query results for people and programs, and their cost."""

from collections.abc import Mapping

from rich.console import Console
from rich.table import Column, Table

from chalicelib.domain.rules import Rules
from chalicelib.domain.text import printable
from labelwatch.analytics.athena import DECIMAL_TYPES, INTEGER_TYPES, Athena, QueryResult
from labelwatch.analytics.queries import Narrowing, Query, load_query, narrow_query
from labelwatch.shared import formats, pricing
from labelwatch.shared.interest import in_words
from labelwatch.shared.records import print_records
from labelwatch.shared.text import readable

# Athena's minimum for each query.
MIN_BYTES = 10_000_000
# Of the table of queries.
MIN_WIDTH = 55
_MOST_NAMES = 20


def print_queries(console: Console, queries: Mapping[str, Query]) -> None:
    """Prints the queries with their questions: a table where each word fits the terminal."""
    names = ("query", "question", "--label")
    records = [(name, query.question, "yes" if query.takes_labels else "") for name, query in queries.items()]
    table = Table(Column(names[0], no_wrap=True), *names[1:])
    for record in records:
        table.add_row(*record)
    if console.width < MIN_WIDTH:
        print_records(console, names, records)
    else:
        console.print(table)
    console.print("All queries accept --from and --to.")


def print_result(console: Console, result: QueryResult, rules: Rules) -> None:
    """Prints the rows with rounded numbers, and with words where a label is missing or not of interest."""
    records = [[readable(value) for value in in_words(record, rules).values()] for record in result.records]
    print_records(console, result.columns, records, _numbers(result))


def as_csv(result: QueryResult, *, raw: bool = False) -> str:
    """With a header line; safe in a spreadsheet, unless `raw`: then as Athena writes it."""
    return formats.as_csv(result.columns, result.rows, _numbers(result), raw=raw)


def as_json(result: QueryResult) -> str:
    """A list of objects, with JSON's types."""
    return formats.as_json(result.records)


def explain_empty(athena: Athena, narrowing: Narrowing) -> tuple[str, list[int]]:
    """What else exists on these days, where a result is empty: a query for each kind of limit, and what each scans."""
    days = narrowing._replace(labels=(), sources=())
    things = {"Labels": "labels_by_count"} if narrowing.labels else {}
    things |= {"Sources": "images_by_source"} if narrowing.sources else {}
    results = {thing: athena.query(narrow_query(load_query(name), days)) for thing, name in things.items()}
    found = [_found(thing, result) for thing, result in results.items()]
    return " ".join(["No rows match.", *found]), [result.scanned_bytes for result in results.values()]


def _numbers(result: QueryResult) -> list[str]:
    """The columns of numbers."""
    types = zip(result.columns, result.types, strict=True)
    return [name for name, kind in types if kind in INTEGER_TYPES | DECIMAL_TYPES]


def _found(things: str, result: QueryResult) -> str:
    """The names in the first column."""
    names = [printable(str(row[0])) for row in result.rows]
    if not names:
        return f"No {things.lower()} found on these days."
    more = f" and {len(names) - _MOST_NAMES:,} more" if len(names) > _MOST_NAMES else ""
    return f"{things} found: {', '.join(names[:_MOST_NAMES])}{more}."


def price(*scanned: int) -> str:
    """The bytes that each query scanned, and their cost by labelwatch/shared/prices.yaml."""
    prices = pricing.load()
    usd = prices.cost({"athena GB scanned": sum(max(count, MIN_BYTES) for count in scanned) / 1e9})
    each = " for each query" if len(scanned) > 1 else ""
    minimum = f", minimum of {MIN_BYTES / 1e6:.0f} MB{each}" if min(scanned) < MIN_BYTES else ""
    return f"{sum(scanned) / 1e6:,.3f} MB scanned: {usd:.5f} USD (price of {prices.region}{minimum})."

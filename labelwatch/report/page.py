"""One page that opens without a network: its charts are in it, and it may neither fetch nor run anything."""

import base64
import datetime as dt
import re
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from jinja2 import Environment, FileSystemLoader, StrictUndefined

from labelwatch.report import charts
from labelwatch.report.charts import Rows
from labelwatch.report.visuals import Field, Visual
from labelwatch.shared.text import printable

# The column of a table that is no column of its query: where the picture is.
LINK = "link"
OF_INTEREST = "of_interest"
# Of a timestamp, which a reader can do without.
_MILLISECONDS = re.compile(r"(?<=^\d{4}-\d\d-\d\d \d\d:\d\d:\d\d)\.\d+$")
type Address = Callable[[dict[str, Any]], str]


class Told(NamedTuple):
    """What the page says above its visuals."""

    title: str
    days: str
    labels_of_interest: str
    figures: dict[str, str]


class Pictures(NamedTuple):
    """A chart for day and night, as addresses that hold all of it."""

    light: str
    dark: str


class Column(NamedTuple):
    """The head of a table's column."""

    title: str
    is_number: bool


class Cell(NamedTuple):
    """What stands in a table, and where it leads."""

    text: str
    is_number: bool = False
    address: str | None = None


class Line(NamedTuple):
    """A row of a table; `name` is what its link is of."""

    cells: list[Cell]
    marked: bool
    name: str


class Card(NamedTuple):
    """A visual with its pictures, their words, and the table that is behind them."""

    visual: Visual
    pictures: Pictures | None
    alternative: str
    columns: list[Column]
    lines: list[Line]


def render(told: Told, answers: Sequence[tuple[Visual, Rows]], address: Address | None) -> str:
    """The page; `address` says where the picture of a row is, where that can be said."""
    labels = list(dict.fromkeys(row["label"] for _, rows in answers for row in rows if row.get("label") is not None))
    environment = Environment(
        loader=FileSystemLoader(Path(__file__).parent), autoescape=True, undefined=StrictUndefined, trim_blocks=True
    )
    return environment.get_template("page.html").render(
        **told._asdict(),
        made=f"{dt.datetime.now(dt.UTC):%Y-%m-%d %H:%M}",
        cards=[_card(visual, rows, labels, address) for visual, rows in answers],
    )


def _card(visual: Visual, rows: Rows, labels: Sequence[str], address: Address | None) -> Card:
    fields = [
        field
        for role in ("Category", "Colors", "Values")
        for field in visual.fields.get(role, [])
        if field.column != LINK or address
    ]
    numbers = {field.column for field in fields if any(_is_number(row.get(field.column)) for row in rows)}
    return Card(
        visual,
        None if visual.kind == "table" or not rows else _pictures(visual, rows, labels),
        f"{visual.title}. {visual.subtitle} The same figures are in the table that follows.",
        [Column(field.title, field.column in numbers) for field in fields],
        [
            Line(
                [_cell(row, field, address) for field in fields], bool(row.get(OF_INTEREST)), str(row.get("image", ""))
            )
            for row in rows
        ],
    )


def _pictures(visual: Visual, rows: Rows, labels: Sequence[str]) -> Pictures:
    drawn = (charts.svg(visual, rows, labels, look) for look in (charts.LIGHT, charts.DARK))
    return Pictures(*(f"data:image/svg+xml;base64,{base64.b64encode(one.encode()).decode()}" for one in drawn))


def _cell(row: Mapping[str, Any], field: Field, address: Address | None) -> Cell:
    if field.column == LINK and address:
        return Cell("Open", address=address(dict(row)))
    value = row[field.column]
    return Cell(_text(value), _is_number(value))


def _text(value: object) -> str:
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, float):
        return f"{value:.1f}"
    return "" if value is None else _MILLISECONDS.sub("", printable(str(value)))


def _is_number(value: object) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)

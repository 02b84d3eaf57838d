"""The page opens offline: it contains its charts, and may neither fetch nor run anything."""

import base64
import datetime as dt
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from jinja2 import Environment, FileSystemLoader, StrictUndefined

from labelwatch.report import charts
from labelwatch.report.charts import Rows
from labelwatch.report.visuals import Field, Visual
from labelwatch.shared.text import readable

# A column of the table without a column in the query: the address of the image.
LINK = "link"
OF_INTEREST = "of_interest"
type AddressOf = Callable[[dict[str, Any]], str]


class Summary(NamedTuple):
    """The text above the visuals."""

    title: str
    days: str
    labels_of_interest: str
    figures: dict[str, str]


class Pictures(NamedTuple):
    """A chart in light and dark colours, as data URLs."""

    light: str
    dark: str


class Column(NamedTuple):
    """The header of a table column."""

    title: str
    is_number: bool


class Cell(NamedTuple):
    """The text of a table cell, and the address of its link."""

    text: str
    is_number: bool = False
    address: str | None = None


class Line(NamedTuple):
    """A row of a table; its link opens the image `name`."""

    cells: list[Cell]
    marked: bool
    name: str


class Card(NamedTuple):
    """A visual with its pictures, their alternative text, and the table of the same numbers."""

    visual: Visual
    pictures: Pictures | None
    alternative: str
    columns: list[Column]
    lines: list[Line]


def render(summary: Summary, answers: Sequence[tuple[Visual, Rows]], address_of: AddressOf | None) -> str:
    """The page; `address_of` returns the address of a row's image, if images have addresses."""
    labels = list(dict.fromkeys(row["label"] for _, rows in answers for row in rows if row.get("label") is not None))
    environment = Environment(
        loader=FileSystemLoader(Path(__file__).parent), autoescape=True, undefined=StrictUndefined, trim_blocks=True
    )
    return environment.get_template("page.html").render(
        **summary._asdict(),
        made=f"{dt.datetime.now(dt.UTC):%Y-%m-%d %H:%M}",
        cards=[_card(visual, rows, labels, address_of) for visual, rows in answers],
    )


def _card(visual: Visual, rows: Rows, labels: Sequence[str], address_of: AddressOf | None) -> Card:
    fields = _fields(visual, with_link=address_of is not None)
    numbers = {field.column for field in fields if any(_is_number(row.get(field.column)) for row in rows)}
    return Card(
        visual,
        None if visual.kind == "table" or not rows else _pictures(visual, rows, labels),
        f"{visual.title}. {visual.subtitle} The table below has the same numbers.",
        [Column(field.title, field.column in numbers) for field in fields],
        [_line(row, fields, address_of) for row in rows],
    )


def _fields(visual: Visual, *, with_link: bool) -> list[Field]:
    fields = [field for role in ("Category", "Colors", "Values") for field in visual.fields.get(role, [])]
    return [field for field in fields if field.column != LINK or with_link]


def _line(row: Mapping[str, Any], fields: Sequence[Field], address_of: AddressOf | None) -> Line:
    cells = [_cell(row, field, address_of) for field in fields]
    return Line(cells, bool(row.get(OF_INTEREST)), str(row.get("image", "")))


def _pictures(visual: Visual, rows: Rows, labels: Sequence[str]) -> Pictures:
    drawn = (charts.svg(visual, rows, labels, palette) for palette in (charts.LIGHT, charts.DARK))
    return Pictures(*(f"data:image/svg+xml;base64,{base64.b64encode(svg.encode()).decode()}" for svg in drawn))


def _cell(row: Mapping[str, Any], field: Field, address_of: AddressOf | None) -> Cell:
    if field.column == LINK and address_of:
        return Cell("Open", address=address_of(dict(row)))
    value = row[field.column]
    return Cell(readable(value), _is_number(value))


def _is_number(value: object) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)

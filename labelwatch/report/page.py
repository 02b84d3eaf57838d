"""The page opens offline: it contains its charts, and may neither fetch nor run anything."""

import base64
import datetime as dt
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from jinja2 import Environment, FileSystemLoader, StrictUndefined

from chalicelib.domain.boxes import DrawnBox, drawn_boxes
from chalicelib.domain.colours import colour_numbers
from chalicelib.domain.images import file_name_of
from chalicelib.domain.predictions import Label
from chalicelib.domain.rules import Rules
from labelwatch.report import charts
from labelwatch.report.charts import ColourNumbers, Rows
from labelwatch.report.thumbnails import Thumbnail
from labelwatch.report.visuals import Field, Visual
from labelwatch.shared.interest import in_words
from labelwatch.shared.project import PROJECT
from labelwatch.shared.text import readable

# A column of the table without a column in the query: the address of the image.
LINK = "link"
OF_INTEREST = "of_interest"
# Of one picture, so that the size of the page is bounded.
MAX_BOXES = 100
_TEMPLATES = (Path(__file__).parent, PROJECT / "chalicelib" / "templates")
type AddressOf = Callable[[dict[str, Any]], str]


class Summary(NamedTuple):
    """The text above the visuals: a note explains the figures, and `problems` are what could not be read."""

    title: str
    days: str
    labels_of_interest: str
    figures: dict[str, str]
    note: str = ""
    problems: Sequence[str] = ()


class Contents(NamedTuple):
    """All that the page shows."""

    summary: Summary
    answers: Sequence[tuple[Visual, Rows]]
    thumbnails: Sequence[Thumbnail]
    rules: Rules

    @property
    def colours(self) -> ColourNumbers:
        """The colour number of each label on the page."""
        rows = (row for _, rows in self.answers for row in rows)
        labels = [row["label"] for row in rows if row.get("label") is not None]
        labels += [label.name for thumbnail in self.thumbnails for label in thumbnail.found.labels]
        return colour_numbers(labels, [label.name for label in self.rules.labels_of_interest])


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


class LabelText(NamedTuple):
    """A label of interest with its highest confidence, its number of boxes, and the number of its colour."""

    name: str
    confidence: float
    boxes: int
    colour: int


class Picture(NamedTuple):
    """A thumbnail as a data URL, or the reason why there is none, with its boxes, link and text."""

    name: str
    key: str
    address: str | None
    url: str | None
    problem: str
    boxes: list[DrawnBox]
    labels: list[LabelText]
    source: str
    uploaded_at: str


class Card(NamedTuple):
    """A visual with its pictures, their alternative text, and the table of the same numbers."""

    visual: Visual
    pictures: Pictures | None
    alternative: str
    columns: list[Column]
    lines: list[Line]


def render(contents: Contents, address_of: AddressOf | None) -> str:
    """The page; `address_of` returns the address of a row's image, if images have addresses."""
    environment = Environment(
        loader=FileSystemLoader(_TEMPLATES), autoescape=True, undefined=StrictUndefined, trim_blocks=True
    )
    return environment.get_template("page.html").render(
        **contents.summary._asdict(),
        made=f"{dt.datetime.now(dt.UTC):%Y-%m-%d %H:%M}",
        colours=charts.OKABE_ITO,
        thumbnails=[_picture(thumbnail, contents.colours, address_of) for thumbnail in contents.thumbnails],
        cards=[_card(contents, visual, rows, address_of) for visual, rows in contents.answers],
    )


def _card(contents: Contents, visual: Visual, rows: Rows, address_of: AddressOf | None) -> Card:
    fields = _fields(visual, with_link=address_of is not None)
    numbers = {field.column for field in fields if any(_is_number(row.get(field.column)) for row in rows)}
    return Card(
        visual,
        None if visual.kind == "table" or not rows else _pictures(visual, rows, contents.colours),
        f"{visual.title}. {visual.subtitle} The table below has the same numbers.",
        [Column(field.title, field.column in numbers) for field in fields],
        [_line(row, in_words(row, contents.rules), fields, address_of) for row in rows],
    )


def _picture(thumbnail: Thumbnail, colours: ColourNumbers, address_of: AddressOf | None) -> Picture:
    row, labels = thumbnail.found
    return Picture(
        name=readable(file_name_of(row["image"])),
        key=readable(row["image"]),
        address=address_of(row) if address_of else None,
        url=_data_url("image/jpeg", thumbnail.jpeg) if thumbnail.jpeg else None,
        problem=thumbnail.problem,
        boxes=drawn_boxes(labels[:MAX_BOXES], colours),
        labels=[_label_text(name, labels, colours[name]) for name in dict.fromkeys(label.name for label in labels)],
        source=readable(row["source"]),
        uploaded_at=readable(row["uploaded_at"]),
    )


def _label_text(name: str, labels: Sequence[Label], colour: int) -> LabelText:
    of_name = [label for label in labels if label.name == name]
    boxes = sum(label.bounding_box is not None for label in of_name)
    return LabelText(readable(name), of_name[0].confidence, boxes, colour)


def _fields(visual: Visual, *, with_link: bool) -> list[Field]:
    fields = [field for role in ("Category", "Colors", "Values") for field in visual.fields.get(role, [])]
    return [field for field in fields if field.column != LINK or with_link]


def _line(
    row: Mapping[str, Any], words: Mapping[str, Any], fields: Sequence[Field], address_of: AddressOf | None
) -> Line:
    cells = [_cell(words, field, address_of) for field in fields]
    return Line(cells, bool(row.get(OF_INTEREST)), str(row.get("image", "")))


def _pictures(visual: Visual, rows: Rows, colours: ColourNumbers) -> Pictures:
    drawn = (charts.svg(visual, rows, colours, palette) for palette in (charts.LIGHT, charts.DARK))
    return Pictures(*(_data_url("image/svg+xml", svg.encode()) for svg in drawn))


def _data_url(content_type: str, content: bytes) -> str:
    return f"data:{content_type};base64,{base64.b64encode(content).decode()}"


def _cell(row: Mapping[str, Any], field: Field, address_of: AddressOf | None) -> Cell:
    if field.column == LINK and address_of:
        return Cell("Open", address=address_of(dict(row)))
    value = row[field.column]
    return Cell(readable(value), _is_number(value))


def _is_number(value: object) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)

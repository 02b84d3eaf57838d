"""What is drawn: the visuals of athena/quicksight.json, each by the name of the query that its figures are from."""

import json
from collections.abc import Iterator
from typing import Any, Literal, NamedTuple

from labelwatch.analytics.queries import FOLDER
from labelwatch.shared.errors import UserError

DEFINITION = FOLDER / "quicksight.json"
type Kind = Literal["pie", "bar", "table"]
_KINDS: dict[str, Kind] = {
    "PieChartVisual": "pie",
    "BarChartVisual": "bar",
    "TableVisual": "table",
}


class Field(NamedTuple):
    """A column of the query, what people call it, and whether it is a day."""

    column: str
    title: str
    is_day: bool = False


class Visual(NamedTuple):
    """One picture; `fields` by what they are to it: Category, Values and Colors of a chart, Values of a table."""

    name: str
    kind: Kind
    title: str
    subtitle: str
    fields: dict[str, list[Field]]


def defined() -> list[Visual]:
    """The visuals in their order; raises UserError at one that cannot be drawn here."""
    sheets = json.loads(DEFINITION.read_text())["definition"]["Sheets"]
    visuals = [(kind, body) for sheet in sheets for visual in sheet["Visuals"] for kind, body in visual.items()]
    for kind, body in visuals:
        if kind not in _KINDS:
            raise UserError(
                f"{DEFINITION.name}: {body.get('VisualId')} is a {kind}; a report can draw {', '.join(_KINDS)}."
            )
    return [_visual(kind, body) for kind, body in visuals]


def _visual(kind: str, body: dict[str, Any]) -> Visual:
    configuration = body["ChartConfiguration"]
    titles = dict(_titles(configuration))
    (wells,) = configuration["FieldWells"].values()
    fields = {role: [_field(body["VisualId"], one, titles) for one in well] for role, well in wells.items()}
    # Both may be left out, or be formatted in a way of QuickSight's own.
    title, subtitle = (body.get(name, {}).get("FormatText", {}).get("PlainText", "") for name in ("Title", "Subtitle"))
    return Visual(body["VisualId"], _KINDS[kind], title or body["VisualId"], subtitle, fields)


def _field(visual: str, well: dict[str, Any], titles: dict[str, str]) -> Field:
    # A chart's well says of what type its field is, a table's does not.
    ((kind, field),) = [("", well)] if "FieldId" in well else well.items()
    column = field["FieldId"].removeprefix(f"{visual}.")
    title = titles.get(field["FieldId"], column.replace("_", " ").capitalize())
    return Field(column, title, kind == "DateDimensionField")


def _titles(configuration: dict[str, Any]) -> Iterator[tuple[str, str]]:
    for name, options in configuration.items():
        if name.endswith("LabelOptions"):
            for one in options.get("AxisLabelOptions", []):
                yield one["ApplyTo"]["FieldId"], one["CustomLabel"]
    for one in configuration.get("FieldOptions", {}).get("SelectedFieldOptions", []):
        yield one["FieldId"], one["CustomLabel"]

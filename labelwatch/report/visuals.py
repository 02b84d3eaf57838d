"""The visuals of the dashboard's definition. The name of a visual is the name of its query."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any, Literal, NamedTuple

from labelwatch.analytics import DEFINITION, load_definition
from labelwatch.shared.errors import UserError

type Kind = Literal["pie", "bar", "table"]
_KINDS: dict[str, Kind] = {
    "PieChartVisual": "pie",
    "BarChartVisual": "bar",
    "TableVisual": "table",
}


class Field(NamedTuple):
    """A column of the query, its title, and whether it is a day."""

    column: str
    title: str
    is_day: bool = False


class Visual(NamedTuple):
    """A chart or a table; `fields` by role: Category, Values and Colors of a chart, Values of a table."""

    name: str
    kind: Kind
    title: str
    subtitle: str
    fields: dict[str, list[Field]]


def load_visuals(file: Path = DEFINITION) -> list[Visual]:
    """The visuals in order; raises UserError for a visual that the report cannot draw."""
    sheets = load_definition(file)["definition"]["Sheets"]
    visuals = [(kind, body) for sheet in sheets for visual in sheet["Visuals"] for kind, body in visual.items()]
    for kind, body in visuals:
        if kind not in _KINDS:
            raise UserError(
                f"{file.name}: {body.get('VisualId')} is a {kind}. The report supports {', '.join(_KINDS)}."
            )
    return [_visual(kind, body) for kind, body in visuals]


def _visual(kind: str, body: dict[str, Any]) -> Visual:
    configuration = body["ChartConfiguration"]
    titles = dict(_titles(configuration))
    (wells,) = configuration["FieldWells"].values()
    fields = {role: [_field(body["VisualId"], entry, titles) for entry in well] for role, well in wells.items()}
    # Both may be missing, or be in QuickSight's rich text.
    title, subtitle = (body.get(name, {}).get("FormatText", {}).get("PlainText", "") for name in ("Title", "Subtitle"))
    return Visual(body["VisualId"], _KINDS[kind], title or body["VisualId"], subtitle, fields)


def _field(visual: str, entry: dict[str, Any], titles: dict[str, str]) -> Field:
    # An entry of a chart names the type of its field, an entry of a table does not.
    ((kind, field),) = [("", entry)] if "FieldId" in entry else entry.items()
    column = field["FieldId"].removeprefix(f"{visual}.")
    title = titles.get(field["FieldId"], column.replace("_", " ").capitalize())
    return Field(column, title, kind == "DateDimensionField")


def _titles(configuration: dict[str, Any]) -> Iterator[tuple[str, str]]:
    for name, options in configuration.items():
        if name.endswith("LabelOptions"):
            for label in options.get("AxisLabelOptions", []):
                yield label["ApplyTo"]["FieldId"], label["CustomLabel"]
    for column in configuration.get("FieldOptions", {}).get("SelectedFieldOptions", []):
        yield column["FieldId"], column["CustomLabel"]

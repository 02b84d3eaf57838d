"""Charts as pictures, drawn with Vega-Lite."""

import datetime as dt
from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple

import vl_convert

from chalicelib.domain.colours import OTHER
from chalicelib.domain.text import printable
from labelwatch.report.visuals import Field, Visual

# Okabe and Ito's colours, which colour-blind people can distinguish, without black, which a dark page hides. A label's
# number is the position of its colour. The last colour is grey, for the labels without a colour of their own.
OKABE_ITO = ("#0072B2", "#E69F00", "#009E73", "#CC79A7", "#56B4E9", "#D55E00", "#F0E442", "#999999")
# A chart with its legend is as wide as a phone's screen, so that its text keeps its size there.
_WIDTH, _HEIGHT, _FONT_SIZE = 320, 220, 14
_MAX_LABEL_WIDTH, _MAX_BAR_WIDTH, _DAYS_ON_AXIS = 224, 64, 2
_VEGA_LITE = "6.4"
OTHERS = "other labels"

type Rows = Sequence[dict[str, Any]]
type Spec = dict[str, Any]
type ColourNumbers = Mapping[str, int]


class Palette(NamedTuple):
    """The colours of text, lines and background."""

    text: str
    lines: str
    background: str = "transparent"


LIGHT = Palette("#1b2430", "#d5dae1")
DARK = Palette("#e8ecf1", "#3b4654")
PAPER = Palette("#1b2430", "#d5dae1", "#ffffff")


def svg(visual: Visual, rows: Rows, numbers: ColourNumbers, palette: Palette) -> str:
    """The chart; `numbers` has the labels of all charts, which a legend lists."""
    drawn: str = vl_convert.vegalite_to_svg(_spec(visual, rows, numbers, palette), vl_version=_VEGA_LITE)
    return drawn


def png(visual: Visual, rows: Rows, numbers: ColourNumbers) -> bytes:
    """The chart with its title on white, for slides and mails."""
    spec = _spec(visual, rows, numbers, PAPER) | {"title": visual.title, "padding": 16}
    drawn: bytes = vl_convert.vegalite_to_png(spec, vl_version=_VEGA_LITE, scale=2)
    return drawn


def _spec(visual: Visual, rows: Rows, numbers: ColourNumbers, palette: Palette) -> Spec:
    role = "Category" if visual.kind == "pie" else "Colors"
    label, value = _only_field(visual, role).column, _only_field(visual, "Values").column
    chart = _CHARTS[visual.kind](visual, *_with_colours(rows, label, value, numbers))
    size = {"width": _WIDTH, "height": _HEIGHT, "autosize": {"type": "fit-x", "contains": "padding"}}
    return size | {"background": palette.background, "config": _config(palette)} | chart


def _with_colours(
    rows: Rows, label_column: str, value_column: str, numbers: ColourNumbers
) -> tuple[Rows, dict[str, str]]:
    """The rows as they are drawn, and the colour of each name.

    Several labels without a colour of their own are drawn as one part, the last. The table has every label.
    """
    labels = sorted(numbers, key=lambda label: numbers[label] == OTHER)
    is_last_alone = list(numbers.values()).count(OTHER) == 1
    names = {label: OTHERS if numbers[label] == OTHER and not is_last_alone else printable(label) for label in labels}
    sums: dict[tuple[tuple[str, Any], ...], int] = {}
    for row in sorted(rows, key=lambda row: numbers[row[label_column]] == OTHER):
        key = tuple((row | {label_column: names[row[label_column]], value_column: None}).items())
        sums[key] = sums.get(key, 0) + row[value_column]
    colours = {names[label]: OKABE_ITO[numbers[label]] for label in labels}
    return [dict(key) | {value_column: total} for key, total in sums.items()], colours


def _config(palette: Palette) -> Spec:
    text = {"labelColor": palette.text, "titleColor": palette.text, "labelFontSize": _FONT_SIZE}
    lines = {"gridColor": palette.lines, "domainColor": palette.lines, "tickColor": palette.lines}
    return {
        "font": "system-ui, sans-serif",
        "axis": text | lines | {"titleFontSize": _FONT_SIZE, "titleFontWeight": "normal", "labelAngle": 0},
        "legend": text
        | {
            "orient": "bottom",
            "columns": 1,
            "rowPadding": 4,
            "title": None,
            "symbolSize": 120,
            "labelLimit": _MAX_LABEL_WIDTH,
        },
        "title": {"color": palette.text, "fontSize": 15},
        "view": {"stroke": None},
    }


def _pie(visual: Visual, rows: Rows, colours: dict[str, str]) -> Spec:
    label, value = _only_field(visual, "Category").column, _only_field(visual, "Values").column
    total = sum(row[value] for row in rows)
    # The legend has the share of each part, since a thin part has no room for text.
    parts = {row[label]: f"{row[value]} ({row[value] / total:.0%}): {row[label]}" for row in rows}
    ordered = [row | {"part": parts[row[label]], "position": position} for position, row in enumerate(rows)]
    scale = {"domain": list(parts.values()), "range": [colours[name] for name in parts]}
    return {
        "data": {"values": ordered},
        "mark": {"type": "arc", "padAngle": 0.015},
        "encoding": {
            "theta": {"field": value, "type": "quantitative", "stack": True},
            "color": {"field": "part", "type": "nominal", "scale": scale},
            "order": {"field": "position", "type": "quantitative"},
        },
    }


def _bar(visual: Visual, rows: Rows, colours: dict[str, str]) -> Spec:
    # Stacked, so that no label hides another label with the same count.
    x, y, label = (_only_field(visual, role) for role in ("Category", "Values", "Colors"))
    return {
        "data": {"values": list(rows)},
        "mark": {"type": "bar", "width": {"expr": f"clamp(bandwidth('x'), 1, {_MAX_BAR_WIDTH})"}},
        "encoding": {
            "x": {"field": x.column, "title": x.title, "type": "ordinal"} | (_days(x.column, rows) if x.is_day else {}),
            # At most as many steps as the largest count: counts are whole numbers.
            "y": {
                "field": y.column,
                "title": y.title,
                "type": "quantitative",
                "axis": {"tickCount": {"expr": "min(6, domain('y')[1])"}},
            },
            "color": {
                "field": label.column,
                "type": "nominal",
                "scale": {"domain": list(colours), "range": list(colours.values())},
            },
        },
    }


def _days(column: str, rows: Rows) -> Spec:
    """An axis with every day, including days without a row; only some days show their date."""
    first, last = (dt.date.fromisoformat(find(row[column] for row in rows)) for find in (min, max))
    days = [f"{first + dt.timedelta(days=number)}" for number in range((last - first).days + 1)]
    return {"scale": {"domain": days}, "axis": {"values": days[:: -(-len(days) // _DAYS_ON_AXIS)]}}


_CHARTS: dict[str, Callable[[Visual, Rows, dict[str, str]], Spec]] = {"pie": _pie, "bar": _bar}


def _only_field(visual: Visual, role: str) -> Field:
    (field,) = visual.fields[role]
    return field

"""Charts of figures, as pictures: Vega-Lite draws what is described here."""

import datetime as dt
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import vl_convert

from labelwatch.report.visuals import Field, Visual
from labelwatch.text import printable

# Okabe and Ito's colours: told apart by people who do not see red and green alike. Black would be lost in the dark.
_COLOURS = ("#0072B2", "#E69F00", "#009E73", "#CC79A7", "#56B4E9", "#D55E00", "#F0E442", "#999999")
# Wide enough for a desk, and with letters that can be read where a phone makes it smaller.
_WIDTH, _HEIGHT, _LETTERS = 380, 240, 13
_VEGA_LITE = "6.4"
OTHERS = "all others"

type Rows = Sequence[dict[str, Any]]
type Spec = dict[str, Any]


class Look(NamedTuple):
    """The colours of all that is no figure."""

    letters: str
    lines: str
    background: str = "transparent"


LIGHT = Look("#1b2430", "#d5dae1")
DARK = Look("#e8ecf1", "#3b4654")
PAPER = Look("#1b2430", "#d5dae1", "#ffffff")


def svg(visual: Visual, rows: Rows, labels: Sequence[str], look: Look) -> str:
    """The chart; `labels` are all that there are, so that each has the same colour in every chart."""
    drawn: str = vl_convert.vegalite_to_svg(_spec(visual, rows, labels, look), vl_version=_VEGA_LITE)
    return drawn


def png(visual: Visual, rows: Rows, labels: Sequence[str]) -> bytes:
    """The same with its title, on white, for slides and mails."""
    spec = _spec(visual, rows, labels, PAPER) | {"title": visual.title, "padding": 16}
    drawn: bytes = vl_convert.vegalite_to_png(spec, vl_version=_VEGA_LITE, scale=2)
    return drawn


def _spec(visual: Visual, rows: Rows, labels: Sequence[str], look: Look) -> Spec:
    role = "Category" if visual.kind == "pie" else "Colors"
    chart = _DRAWN[visual.kind](visual, *_shown(rows, _one(visual, role).column, _one(visual, "Values").column, labels))
    return {"width": _WIDTH, "height": _HEIGHT, "background": look.background, "config": _config(look)} | chart


def _shown(rows: Rows, label: str, value: str, labels: Sequence[str]) -> tuple[Rows, dict[str, str]]:
    """The rows as they are drawn, and the colour of each name in them: as many names as there are colours.

    What is more than that is taken together: nobody could tell the parts apart. The table has them all.
    """
    alone = labels if len(labels) <= len(_COLOURS) else labels[: len(_COLOURS) - 1]
    names = {one: printable(one) if one in alone else OTHERS for one in labels}
    sums: dict[tuple[tuple[str, Any], ...], int] = {}
    for row in rows:
        key = tuple((row | {label: names[row[label]]} | {value: None}).items())
        sums[key] = sums.get(key, 0) + row[value]
    colours = {name: _COLOURS[place] for place, name in enumerate(dict.fromkeys(names.values()))}
    return [dict(key) | {value: total} for key, total in sums.items()], colours


def _config(look: Look) -> Spec:
    letters = {"labelColor": look.letters, "titleColor": look.letters, "labelFontSize": _LETTERS}
    lines = {"gridColor": look.lines, "domainColor": look.lines, "tickColor": look.lines}
    return {
        "font": "system-ui, sans-serif",
        "axis": letters | lines | {"titleFontSize": _LETTERS, "titleFontWeight": "normal", "labelAngle": 0},
        "legend": letters | {"orient": "bottom", "columns": 1, "title": None, "symbolSize": 120, "labelLimit": _WIDTH},
        "title": {"color": look.letters, "fontSize": 15},
        "view": {"stroke": None},
    }


def _pie(visual: Visual, rows: Rows, colours: dict[str, str]) -> Spec:
    label, value = _one(visual, "Category").column, _one(visual, "Values").column
    total = sum(row[value] for row in rows)
    # How much a part is stands beside its colour: no part is too thin for its words, and no name hides them.
    parts = {row[label]: f"{row[value]} ({row[value] / total:.0%}): {row[label]}" for row in rows}
    shown = [row | {"part": parts[row[label]], "place": place} for place, row in enumerate(rows)]
    scale = {"domain": list(parts.values()), "range": [colours[one] for one in parts]}
    return {
        "data": {"values": shown},
        "mark": {"type": "arc", "padAngle": 0.015},
        "encoding": {
            "theta": {"field": value, "type": "quantitative", "stack": True},
            "color": {"field": "part", "type": "nominal", "scale": scale},
            "order": {"field": "place", "type": "quantitative"},
        },
    }


def _line(visual: Visual, rows: Rows, colours: dict[str, str]) -> Spec:
    x, y, label = (_one(visual, role).column for role in ("Category", "Values", "Colors"))
    first, last = (dt.date.fromisoformat(find(row[x] for row in rows)) for find in (min, max))
    days = [first + dt.timedelta(days=number) for number in range((last - first).days + 1)]
    # A day without a label has no row, and had none of it: a line from the day before to the day after would deny that.
    nothing = {(f"{day}", name): 0 for day in days for name in colours}
    counts = nothing | {(row[x], row[label]): row[y] for row in rows}
    shown = [{x: day, label: name, y: count} for (day, name), count in counts.items()]
    ticks = [
        {"year": day.year, "month": day.month, "date": day.day, "utc": True} for day in days[:: -(-len(days) // 4)]
    ]
    # A day is the same everywhere: in UTC, and not where the page is read.
    across = {"type": "temporal", "timeUnit": "utcyearmonthdate", "axis": {"format": "%Y-%m-%d", "values": ticks}}
    return _by_label(visual, shown, colours, {"type": "line", "point": True}, across)


def _bar(visual: Visual, rows: Rows, colours: dict[str, str]) -> Spec:
    return _by_label(visual, rows, colours, {"type": "bar"}, {"type": "ordinal"})


_DRAWN: dict[str, Callable[[Visual, Rows, dict[str, str]], Spec]] = {"pie": _pie, "line": _line, "bar": _bar}


def _by_label(visual: Visual, rows: Rows, colours: dict[str, str], mark: Spec, across: Spec) -> Spec:
    x, y = _one(visual, "Category"), _one(visual, "Values")
    scale = {"domain": list(colours), "range": list(colours.values())}
    return {
        "data": {"values": list(rows)},
        "mark": mark,
        "encoding": {
            "x": {"field": x.column, "title": x.title} | across,
            "y": {"field": y.column, "title": y.title, "type": "quantitative"},
            "color": {"field": _one(visual, "Colors").column, "type": "nominal", "scale": scale},
        },
    }


def _one(visual: Visual, role: str) -> Field:
    (field,) = visual.fields[role]
    return field

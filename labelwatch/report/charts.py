"""Charts of figures, as pictures: Vega-Lite draws what is described here."""

import datetime as dt
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import vl_convert

from labelwatch.report.visuals import Field, Visual
from labelwatch.shared.text import printable

# Okabe and Ito's colours: told apart by people who do not see red and green alike. Black would be lost in the dark.
_COLOURS = ("#0072B2", "#E69F00", "#009E73", "#CC79A7", "#56B4E9", "#D55E00", "#F0E442", "#999999")
# All of it, words and legend, is as wide as a phone's screen, where letters then keep their size.
_WIDTH, _HEIGHT, _LETTERS = 320, 220, 14
_LONGEST_NAME, _WIDEST_BAR, _DAYS_WRITTEN = 224, 64, 2
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
    size = {"width": _WIDTH, "height": _HEIGHT, "autosize": {"type": "fit-x", "contains": "padding"}}
    return size | {"background": look.background, "config": _config(look)} | chart


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
        "legend": letters
        | {
            "orient": "bottom",
            "columns": 1,
            "rowPadding": 4,
            "title": None,
            "symbolSize": 120,
            "labelLimit": _LONGEST_NAME,
        },
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


def _bar(visual: Visual, rows: Rows, colours: dict[str, str]) -> Spec:
    # One upon the other, so that each label is seen where others have the same count, on one day and on many.
    x, y, label = (_one(visual, role) for role in ("Category", "Values", "Colors"))
    return {
        "data": {"values": list(rows)},
        "mark": {"type": "bar", "width": {"expr": f"clamp(bandwidth('x'), 1, {_WIDEST_BAR})"}},
        "encoding": {
            "x": {"field": x.column, "title": x.title, "type": "ordinal"} | (_days(x.column, rows) if x.is_day else {}),
            # Never more steps than there are of what is counted: it is whole.
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
    """The axis has a place for each day, also for those without a label: they have no row. Only some are written."""
    first, last = (dt.date.fromisoformat(find(row[column] for row in rows)) for find in (min, max))
    days = [f"{first + dt.timedelta(days=number)}" for number in range((last - first).days + 1)]
    return {"scale": {"domain": days}, "axis": {"values": days[:: -(-len(days) // _DAYS_WRITTEN)]}}


_DRAWN: dict[str, Callable[[Visual, Rows, dict[str, str]], Spec]] = {"pie": _pie, "bar": _bar}


def _one(visual: Visual, role: str) -> Field:
    (field,) = visual.fields[role]
    return field

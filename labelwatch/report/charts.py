"""Charts of figures, as pictures: Vega-Lite draws what is described here."""

from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import vl_convert

from labelwatch.report.visuals import Field, Visual

# Okabe and Ito's colours: told apart by people who do not see red and green alike. Black would be lost in the dark.
_COLOURS = ("#0072B2", "#E69F00", "#009E73", "#CC79A7", "#56B4E9", "#D55E00", "#F0E442", "#999999")
# Wide enough for a desk, and with letters that can be read where a phone makes it smaller.
_WIDTH, _HEIGHT, _LETTERS = 380, 240, 13
_VEGA_LITE = "6.4"

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
    chart = _DRAWN[visual.kind](visual, rows, labels)
    return {"width": _WIDTH, "height": _HEIGHT, "background": look.background, "config": _config(look)} | chart


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


def _pie(visual: Visual, rows: Rows, labels: Sequence[str]) -> Spec:
    label, value = _one(visual, "Category").column, _one(visual, "Values").column
    total = sum(row[value] for row in rows)
    # How much a part is stands beside its colour: no part is too thin for its words.
    parts = {row[label]: f"{row[label]}: {row[value]} ({row[value] / total:.0%})" for row in rows}
    shown = [row | {"part": parts[row[label]], "place": place} for place, row in enumerate(rows)]
    colours = {"domain": list(parts.values()), "range": [_colour(labels, one) for one in parts]}
    return {
        "data": {"values": shown},
        "mark": {"type": "arc", "padAngle": 0.015},
        "encoding": {
            "theta": {"field": value, "type": "quantitative", "stack": True},
            "color": {"field": "part", "type": "nominal", "scale": colours},
            "order": {"field": "place", "type": "quantitative"},
        },
    }


def _line(visual: Visual, rows: Rows, labels: Sequence[str]) -> Spec:
    # A day is the same everywhere: in UTC, and not where the page is read.
    day = {"type": "temporal", "timeUnit": "utcyearmonthdate", "axis": {"format": "%d %b"}}
    return _by_label(visual, rows, labels, {"type": "line", "point": True}, day)


def _bar(visual: Visual, rows: Rows, labels: Sequence[str]) -> Spec:
    return _by_label(visual, rows, labels, {"type": "bar"}, {"type": "ordinal"})


_DRAWN: dict[str, Callable[[Visual, Rows, Sequence[str]], Spec]] = {"pie": _pie, "line": _line, "bar": _bar}


def _by_label(visual: Visual, rows: Rows, labels: Sequence[str], mark: Spec, across: Spec) -> Spec:
    x, y = _one(visual, "Category"), _one(visual, "Values")
    colours = {"domain": list(labels), "range": [_colour(labels, one) for one in labels]}
    return {
        "data": {"values": list(rows)},
        "mark": mark,
        "encoding": {
            "x": {"field": x.column, "title": x.title} | across,
            "y": {"field": y.column, "title": y.title, "type": "quantitative"},
            "color": {"field": _one(visual, "Colors").column, "type": "nominal", "scale": colours},
        },
    }


def _one(visual: Visual, role: str) -> Field:
    (field,) = visual.fields[role]
    return field


def _colour(labels: Sequence[str], label: str) -> str:
    return _COLOURS[labels.index(label) % len(_COLOURS)]

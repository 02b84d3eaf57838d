"""What stands in the report, and that what comes from outside can be no more than text in it."""

import base64
import json
import re
from html.parser import HTMLParser
from itertools import combinations
from pathlib import Path
from typing import Any, NamedTuple

import pytest
import sqlglot
from hypothesis import given
from hypothesis import strategies as st
from sqlglot import exp

from labelwatch.analytics import queries
from labelwatch.analytics.queries import Narrowing
from labelwatch.report import build, charts, page, visuals
from labelwatch.report.page import Told
from labelwatch.report.visuals import Visual
from labelwatch.shared.errors import UserError
from labelwatch.shared.text import printable

VISUALS = {one.name: one for one in visuals.defined()}
COMPLETED = Told(
    "Labelwatch report: stack labelwatch-prod", "Images of 2026-11-01 to 2026-11-02 (UTC).", "*", {"images": "3"}
)


def rows_of(visual: Visual, label: str = "leaf-smut") -> list[dict[str, Any]]:
    """Two rows as the visual's query would give them."""
    row = {
        "label": label, "images": 2, "labels": 2, "day": "2026-11-01", "confidence_from": 90, "confidence": 97.25,
        "uploaded_at": "2026-11-01 10:00:00.123", "image": "a b.jpg", "of_interest": True, "bucket": "images",
        "version_id": None,
    }  # fmt: skip
    return [row, row | {"label": "brown-spot", "of_interest": False, "day": "2026-11-02"}] if visual else []


def rendered(label: str = "leaf-smut", *, address: page.Address | None = None) -> str:
    return page.render(COMPLETED, [(one, rows_of(one, label)) for one in VISUALS.values()], address)


class Elements(HTMLParser):
    """Every element with its attributes, and the texts."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.found: list[tuple[str, dict[str, str | None]]] = []
        self.texts: list[str] = []
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.found.append((tag, dict(attrs)))

    def handle_data(self, data: str) -> None:
        self.texts.append(data)


class Bar(NamedTuple):
    """Where a part of a bar is drawn."""

    left: float
    top: float
    width: float
    height: float


def bars(rows: list[dict[str, Any]], labels: list[str]) -> list[Bar]:
    """The parts of the labels by day, in the rows' order."""
    drawn = charts.svg(VISUALS["labels_by_day"], rows, labels, charts.LIGHT)
    found = re.findall(r'aria-roledescription="bar" d="M([\d.]+),([\d.]+)h([\d.]+)v([\d.]+)h', drawn)
    return [Bar(*map(float, one)) for one in found]


def pictures(text: str) -> list[str]:
    return [base64.b64decode(one).decode() for one in re.findall(r"data:image/svg\+xml;base64,([\w+/=]+)", text)]


def test_there_are_a_pie_first_bars_and_a_table() -> None:
    assert [(one.name, one.kind) for one in VISUALS.values()] == [
        ("labels_by_count", "pie"),
        ("labels_by_day", "bar"),
        ("confidence_by_label", "bar"),
        ("newest_predictions", "table"),
    ]


@pytest.mark.parametrize("visual", VISUALS.values(), ids=lambda one: one.name)
def test_each_visual_shows_columns_that_its_query_gives(visual: Visual) -> None:
    query = sqlglot.parse_one(queries.named(visual.name).sql, dialect="trino")
    assert isinstance(query, exp.Query)
    given_ = {one.alias_or_name for one in query.selects}
    shown = {field.column for fields in visual.fields.values() for field in fields} - {page.LINK}
    assert shown
    assert shown <= given_


def test_each_chart_has_a_picture_for_day_and_night_words_and_its_table() -> None:
    text = rendered()
    elements = Elements(text).found
    images = [attributes for tag, attributes in elements if tag == "img"]
    assert len(images) == 3
    assert all(one["alt"] for one in images)
    assert len([tag for tag, _ in elements if tag == "table"]) == 4
    light, dark = pictures(text)[1::2], pictures(text)[::2]
    assert all(charts.LIGHT.letters in one for one in light)
    assert all(charts.DARK.letters in one for one in dark)


def test_the_page_fetches_nothing_and_runs_nothing() -> None:
    elements = Elements(rendered()).found
    assert not {tag for tag, _ in elements} & {"script", "link", "iframe", "object", "embed", "form", "base"}
    for _, attributes in elements:
        assert all((attributes.get(name) or "data:").startswith("data:") for name in ("src", "srcset", "href"))
        assert not [name for name in attributes if name.startswith("on")]


@given(st.text(min_size=1))
def test_any_label_is_text_and_nothing_else(label: str) -> None:
    visual = VISUALS["newest_predictions"]
    elements = Elements(page.render(COMPLETED, [(visual, rows_of(visual, label))], None))
    assert [tag for tag, _ in elements.found] == [
        tag for tag, _ in Elements(page.render(COMPLETED, [(visual, rows_of(visual))], None)).found
    ]
    assert printable(label) in "".join(elements.texts)


def test_a_label_in_a_chart_is_text_too() -> None:
    label = "</text><script>alert(1)</script>"
    for picture in pictures(rendered(label)):
        assert "<script" not in picture


def test_links_lead_where_the_picture_is_and_are_left_out_where_nobody_knows() -> None:
    there = Elements(rendered(address=lambda row: f"https://console.example/{row['image']}")).found
    assert {attributes["href"] for tag, attributes in there if tag == "a"} == {"https://console.example/a b.jpg"}
    assert not [tag for tag, _ in Elements(rendered()).found if tag == "a"]
    assert " link" not in "".join(Elements(rendered()).texts)


def test_labels_of_interest_are_marked_in_the_table_and_said_in_words() -> None:
    visual = VISUALS["newest_predictions"]
    elements = Elements(page.render(COMPLETED, [(visual, rows_of(visual))], None))
    rows = [attributes.get("class") for tag, attributes in elements.found if tag == "tr"]
    assert rows == [None, "marked", None]
    assert {"yes", "no"} <= set(elements.texts)


def test_times_are_told_without_their_milliseconds() -> None:
    assert "2026-11-01 10:00:00" in Elements(rendered()).texts


def test_where_nothing_was_predicted_the_page_says_so() -> None:
    text = page.render(COMPLETED, [(one, []) for one in VISUALS.values()], None)
    assert text.count("Nothing was predicted in these days.") == 4
    assert not pictures(text)


def test_a_label_has_the_same_colour_in_every_chart() -> None:
    labels = ["leaf-smut", "brown-spot"]
    for name in ("labels_by_count", "labels_by_day", "confidence_by_label"):
        drawn = charts.svg(VISUALS[name], rows_of(VISUALS[name])[1:], labels, charts.LIGHT).lower()
        assert "#e69f00" in drawn  # the second one's
        assert ": brown-spot" in drawn or name != "labels_by_count"
        assert name == "labels_by_count" or "#0072b2" in drawn  # in the legend, though it has no row


def test_labels_for_which_there_is_no_colour_are_taken_together() -> None:
    labels = [f"label {number}" for number in range(40)]
    visual = VISUALS["labels_by_count"]
    drawn = charts.svg(visual, [{"label": one, "images": 1} for one in labels], labels, charts.LIGHT)
    shown = re.findall(r">(\d+ \(\d+%\): [^<]+)<", drawn)
    assert shown == [*(f"1 (2%): label {number}" for number in range(7)), f"33 (82%): {charts.OTHERS}"]


def test_as_many_labels_as_colours_are_each_drawn() -> None:
    labels = [f"label {number}" for number in range(8)]
    visual = VISUALS["labels_by_count"]
    drawn = charts.svg(visual, [{"label": one, "images": 1} for one in labels], labels, charts.LIGHT)
    assert charts.OTHERS not in drawn


def test_a_day_without_a_label_is_a_day_with_none_of_it() -> None:
    rows = [{"day": f"2026-11-0{day}", "label": "leaf-smut", "images": 5} for day in (1, 2, 5)]
    (first, second, last) = (bar.left for bar in bars(rows, ["leaf-smut"]))
    assert last - second == pytest.approx(3 * (second - first))


def test_labels_with_the_same_count_are_each_seen_on_one_day_and_on_many() -> None:
    labels = ["leaf-smut", "brown-spot", "healthy"]
    for days in (1, 2, 28):
        rows = [{"day": f"2026-11-{day:02}", "label": one, "images": 8} for day in range(1, days + 1) for one in labels]
        drawn = bars(rows, labels)
        assert len({(bar.left, bar.top) for bar in drawn}) == len(rows)
        assert all(min(bar.width, bar.height) > 5 for bar in drawn)
        for one, other in combinations(drawn, 2):
            assert one.left != other.left or abs(one.top - other.top) >= one.height - 1e-6


@pytest.mark.parametrize("images", [1, 2, 3, 7, 8, 12000])
def test_what_is_whole_is_counted_in_whole_steps(images: int) -> None:
    row = {"day": "2026-11-01", "confidence_from": 90, "label": "leaf-smut", "images": images, "labels": images}
    for name in ("labels_by_day", "confidence_by_label"):
        drawn = charts.svg(VISUALS[name], [row], ["leaf-smut"], charts.LIGHT)
        steps = re.findall(r'text-anchor="end"[^>]*>([^<]+)<', drawn)
        assert len(steps) > 1
        assert all(step.replace(",", "").isdecimal() for step in steps)


@pytest.mark.parametrize("label", ["\x01", "\x1b[2J", "\ufffe", "\ud800", "a\nb", "\u202eabc"])
def test_signs_that_are_no_letters_are_drawn_as_escapes(label: str) -> None:
    visual = VISUALS["labels_by_count"]
    drawn = charts.svg(visual, [{"label": label, "images": 1}], [label], charts.LIGHT)
    assert f"1 (100%): {printable(label)}" in drawn
    assert printable(label).isascii()
    page.render(COMPLETED, [(one, rows_of(one, label)) for one in VISUALS.values()], None).encode()


def test_a_visual_that_cannot_be_drawn_here_is_told_by_its_name(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    definition = {"definition": {"Sheets": [{"Visuals": [{"KPIVisual": {"VisualId": "how_many"}}]}]}}
    monkeypatch.setattr(visuals, "DEFINITION", tmp_path / "quicksight.json")
    visuals.DEFINITION.write_text(json.dumps(definition))
    with pytest.raises(UserError, match=r"quicksight\.json: how_many is a KPIVisual; a report can draw PieChartVisual"):
        visuals.defined()


def test_the_figures_above_are_of_all_images_or_left_out() -> None:
    answers = [(VISUALS["labels_by_count"], rows_of(VISUALS["labels_by_count"]))]
    days = [
        {"day": "2026-11-01", "images": 8, "without_label": 2},
        {"day": "2026-11-02", "images": 2, "without_label": 0},
    ]
    asked = build.Asked("it", "*", Narrowing())
    assert build.told(asked, answers, days).title == "Labelwatch report: stack it"
    assert build.told(asked, answers, days).figures == {
        "images": "10", "different labels": "2", "images without a label": "2 (20%)",
    }  # fmt: skip
    only = build.told(asked._replace(to=Narrowing(labels=["leaf-smut"])), answers, days)
    assert (only.figures, only.days) == (
        {"different labels": "2"}, "Images of 2026-11-01 to 2026-11-02 (UTC). Only leaf-smut.",
    )  # fmt: skip
    assert build.told(asked, answers, days[:1]).days == "Images of 2026-11-01 (UTC)."


def test_the_pie_is_a_picture_of_its_own_too() -> None:
    visual = VISUALS["labels_by_count"]
    assert charts.png(visual, rows_of(visual), ["leaf-smut", "brown-spot"]).startswith(b"\x89PNG\r\n")

"""The contents of the report, and that labels and keys are never more than text in it."""

import base64
import json
import re
from collections.abc import Iterable, Sequence
from html.parser import HTMLParser
from itertools import combinations
from pathlib import Path
from typing import Any, NamedTuple

import pytest
import sqlglot
from hypothesis import given
from hypothesis import strategies as st
from sqlglot import exp

from chalicelib.domain.colours import colour_numbers
from chalicelib.domain.templates import load_template
from chalicelib.domain.text import printable
from labelwatch.analytics import Narrowing, load_query
from labelwatch.report import Scope, charts, page
from labelwatch.report.build import summarize
from labelwatch.report.page import Contents, Summary
from labelwatch.report.thumbnails import Thumbnail, images_of
from labelwatch.report.visuals import Visual, load_visuals
from labelwatch.shared.errors import UserError
from labelwatch.shared.interest import BELOW_THRESHOLD, NO_LABEL, NOT_OF_INTEREST
from tests.support.builders import rules

RULES = rules(("leaf-smut", 90.0), ("brown-spot", 98.0))
VISUALS = {visual.name: visual for visual in load_visuals()}
SUMMARY = Summary(
    "Labelwatch report: stack labelwatch-prod", "Images of 2026-11-01 to 2026-11-02 (UTC).", "*", {"images": "3"}
)


def rows_of(visual: Visual, label: str = "leaf-smut") -> list[dict[str, Any]]:
    """Two rows of the visual's query."""
    row = {
        "label": label, "images": 2, "labels": 2, "day": "2026-11-01", "confidence_from": 90, "confidence": 97.25,
        "uploaded_at": "2026-11-01 10:00:00.123", "image": "a b.jpg", "of_interest": True, "bucket": "images",
        "version_id": None,
    }  # fmt: skip
    return [row, row | {"label": "brown-spot", "of_interest": False, "day": "2026-11-02"}] if visual else []


def rendered(
    label: str = "leaf-smut",
    *,
    address_of: page.AddressOf | None = None,
    visuals: Iterable[Visual] = VISUALS.values(),
    thumbnails: Sequence[Thumbnail] = (),
) -> str:
    answers = [(visual, rows_of(visual, label)) for visual in visuals]
    return page.render(Contents(SUMMARY, answers, thumbnails, RULES), address_of)


def thumbnail(label: str = "leaf-smut", *, jpeg: bytes | None = b"JPEG", problem: str = "") -> Thumbnail:
    """A picture with two boxes of the label and one of another label."""
    row = {
        "prediction_id": "a", "image": "field 1/<b>.jpg", "bucket": "images", "version_id": None, "source": "field 1",
        "uploaded_at": "2026-11-01 10:00:00.123", "label": label, "confidence": 97.84,
        "box_left": 0.25, "box_top": 0.5, "box_width": 0.5, "box_height": 0.25,
    }  # fmt: skip
    rows = [row, row | {"confidence": 90.0, "box_left": 0.0}, row | {"label": "rust", "confidence": 95.0}]
    (found,) = images_of(rows)
    return Thumbnail(found, jpeg, problem)


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
    """The position and size of a part of a bar."""

    left: float
    top: float
    width: float
    height: float


def bars(rows: list[dict[str, Any]], labels: list[str]) -> list[Bar]:
    """The parts of the labels by day, in the rows' order."""
    drawn = charts.svg(VISUALS["labels_by_day"], rows, colour_numbers(labels, []), charts.LIGHT)
    found = re.findall(r'aria-roledescription="bar" d="M([\d.]+),([\d.]+)h([\d.]+)v([\d.]+)h', drawn)
    return [Bar(*map(float, numbers)) for numbers in found]


def pictures(text: str) -> list[str]:
    return [base64.b64decode(svg).decode() for svg in re.findall(r"data:image/svg\+xml;base64,([\w+/=]+)", text)]


def test_the_visuals_are_a_pie_then_bars_then_a_table() -> None:
    assert [(visual.name, visual.kind) for visual in VISUALS.values()] == [
        ("labels_by_count", "pie"),
        ("labels_by_day", "bar"),
        ("confidence_by_label", "bar"),
        ("newest_predictions", "table"),
    ]


@pytest.mark.parametrize("visual", VISUALS.values(), ids=lambda visual: visual.name)
def test_each_visual_shows_columns_that_its_query_selects(visual: Visual) -> None:
    query = sqlglot.parse_one(load_query(visual.name).sql, dialect="trino")
    assert isinstance(query, exp.Query)
    selected = {column.alias_or_name for column in query.selects}
    shown = {field.column for fields in visual.fields.values() for field in fields} - {page.LINK}
    assert shown
    assert shown <= selected


def test_each_chart_has_a_light_and_a_dark_picture_alternative_text_and_its_table() -> None:
    text = rendered()
    elements = Elements(text).found
    images = [attributes for tag, attributes in elements if tag == "img"]
    assert len(images) == 3
    assert all(attributes["alt"] for attributes in images)
    assert len([tag for tag, _ in elements if tag == "table"]) == 4
    light, dark = pictures(text)[1::2], pictures(text)[::2]
    assert all(charts.LIGHT.text in svg for svg in light)
    assert all(charts.DARK.text in svg for svg in dark)


def test_the_page_fetches_nothing_and_runs_nothing() -> None:
    elements = Elements(rendered()).found
    assert not {tag for tag, _ in elements} & {"script", "link", "iframe", "object", "embed", "form", "base"}
    for _, attributes in elements:
        assert all((attributes.get(name) or "data:").startswith("data:") for name in ("src", "srcset", "href"))
        assert not [name for name in attributes if name.startswith("on")]


@given(st.text(min_size=1))
def test_any_label_is_text_and_nothing_else(label: str) -> None:
    visual = VISUALS["newest_predictions"]
    elements = Elements(rendered(label, visuals=[visual], thumbnails=[thumbnail(label)]))
    assert [tag for tag, _ in elements.found] == [
        tag for tag, _ in Elements(rendered(visuals=[visual], thumbnails=[thumbnail()])).found
    ]
    assert "".join(elements.texts).count(printable(label)) >= 2


def test_a_label_in_a_chart_is_text_too() -> None:
    label = "</text><script>alert(1)</script>"
    for picture in pictures(rendered(label)):
        assert "<script" not in picture


def test_links_lead_to_the_picture_and_are_missing_where_pictures_have_no_address() -> None:
    linked = Elements(rendered(address_of=lambda row: f"https://console.example/{row['image']}")).found
    assert {attributes["href"] for tag, attributes in linked if tag == "a"} == {"https://console.example/a b.jpg"}
    assert not [tag for tag, _ in Elements(rendered()).found if tag == "a"]
    assert " link" not in "".join(Elements(rendered()).texts)


def test_labels_of_interest_are_marked_in_the_table_by_colour_and_by_words() -> None:
    visual = VISUALS["newest_predictions"]
    elements = Elements(rendered(visuals=[visual]))
    rows = [attributes.get("class") for tag, attributes in elements.found if tag == "tr"]
    assert rows == [None, "marked", None]
    assert {"yes", BELOW_THRESHOLD} <= set(elements.texts)


def test_times_are_shown_without_their_milliseconds() -> None:
    assert "2026-11-01 10:00:00" in Elements(rendered()).texts


def test_where_nothing_was_predicted_the_page_says_so() -> None:
    text = page.render(Contents(SUMMARY, [(visual, []) for visual in VISUALS.values()], [], RULES), None)
    assert text.count("No predictions") == 4
    assert "No images of interest" in text
    assert not pictures(text)


def test_a_label_has_the_same_colour_in_every_chart() -> None:
    labels = ["leaf-smut", "brown-spot"]
    for name in ("labels_by_count", "labels_by_day", "confidence_by_label"):
        numbers = colour_numbers(labels, labels)
        drawn = charts.svg(VISUALS[name], rows_of(VISUALS[name])[1:], numbers, charts.LIGHT).lower()
        assert "#e69f00" in drawn  # the second label's
        assert ": brown-spot" in drawn or name != "labels_by_count"
        assert name == "labels_by_count" or "#0072b2" in drawn  # in the legend, though it has no row


def test_labels_without_a_colour_of_their_own_are_drawn_together() -> None:
    labels = [f"label {number}" for number in range(40)]
    visual = VISUALS["labels_by_count"]
    drawn = charts.svg(
        visual, [{"label": label, "images": 1} for label in labels], colour_numbers(labels, []), charts.LIGHT
    )
    shown = re.findall(r">(\d+ \(\d+%\): [^<]+)<", drawn)
    assert shown == [*(f"1 (2%): label {number}" for number in range(7)), f"33 (82%): {charts.OTHERS}"]


def test_the_labels_drawn_together_are_the_last_part() -> None:
    labels = [f"label {number}" for number in range(40)]
    visual, numbers = VISUALS["labels_by_count"], colour_numbers(labels, labels[-1:])
    drawn = charts.svg(visual, [{"label": label, "images": 1} for label in labels], numbers, charts.LIGHT)
    assert re.findall(r"%\): ([^<]+)<", drawn)[-2:] == ["label 39", charts.OTHERS]


def test_as_many_labels_as_colours_are_each_drawn() -> None:
    labels = [f"label {number}" for number in range(8)]
    visual = VISUALS["labels_by_count"]
    drawn = charts.svg(
        visual, [{"label": label, "images": 1} for label in labels], colour_numbers(labels, []), charts.LIGHT
    )
    assert charts.OTHERS not in drawn


def test_a_day_without_a_label_has_its_room_on_the_axis() -> None:
    rows = [{"day": f"2026-11-0{day}", "label": "leaf-smut", "images": 5} for day in (1, 2, 5)]
    (first, second, last) = (bar.left for bar in bars(rows, ["leaf-smut"]))
    assert last - second == pytest.approx(3 * (second - first))


def test_labels_with_the_same_count_are_each_seen_on_one_day_and_on_many() -> None:
    labels = ["leaf-smut", "brown-spot", "healthy"]
    for days in (1, 2, 28):
        rows = [
            {"day": f"2026-11-{day:02}", "label": label, "images": 8} for day in range(1, days + 1) for label in labels
        ]
        drawn = bars(rows, labels)
        assert len({(bar.left, bar.top) for bar in drawn}) == len(rows)
        assert all(min(bar.width, bar.height) > 5 for bar in drawn)
        for first, second in combinations(drawn, 2):
            assert first.left != second.left or abs(first.top - second.top) >= first.height - 1e-6


@pytest.mark.parametrize("images", [1, 2, 3, 7, 8, 12000])
def test_the_axis_of_counts_has_whole_steps(images: int) -> None:
    row = {"day": "2026-11-01", "confidence_from": 90, "label": "leaf-smut", "images": images, "labels": images}
    for name in ("labels_by_day", "confidence_by_label"):
        drawn = charts.svg(VISUALS[name], [row], {"leaf-smut": 0}, charts.LIGHT)
        steps = re.findall(r'text-anchor="end"[^>]*>([^<]+)<', drawn)
        assert len(steps) > 1
        assert all(step.replace(",", "").isdecimal() for step in steps)


@pytest.mark.parametrize("label", ["\x01", "\x1b[2J", "\ufffe", "\ud800", "a\nb", "\u202eabc"])
def test_control_characters_are_drawn_as_escapes(label: str) -> None:
    visual = VISUALS["labels_by_count"]
    drawn = charts.svg(visual, [{"label": label, "images": 1}], {label: 0}, charts.LIGHT)
    assert f"1 (100%): {printable(label)}" in drawn
    assert printable(label).isascii()
    rendered(label, thumbnails=[thumbnail(label)]).encode()


def test_the_picture_page_of_an_alert_has_the_same_colours() -> None:
    colours = re.findall(r"\.c\d \{ color: (#\w+)", load_template("picture.css").render())
    assert colours == [colour.lower() for colour in charts.OKABE_ITO]


def test_a_visual_that_a_report_cannot_draw_is_refused_with_its_name(tmp_path: Path) -> None:
    definition = {"definition": {"Sheets": [{"Visuals": [{"KPIVisual": {"VisualId": "how_many"}}]}]}}
    file = tmp_path / "quicksight.json"
    file.write_text(json.dumps(definition))
    with pytest.raises(UserError, match=r"how_many.*KPIVisual.*PieChartVisual"):
        load_visuals(file)


def test_the_figures_of_the_summary_add_up_to_all_predictions_or_are_missing() -> None:
    answers = [(VISUALS["labels_by_count"], rows_of(VISUALS["labels_by_count"]))]
    days = [
        {"day": "2026-11-01", "images": 8, "of_interest": 5, "without_label": 2},
        {"day": "2026-11-02", "images": 2, "of_interest": 1, "without_label": 0},
    ]
    scope = Scope("leaves", {"LabelsofInterest": "*"}, Narrowing())
    assert "leaves" in summarize(scope, answers, days, {}).title
    assert list(summarize(scope, answers, days, {"alerted": "6"}).figures.values()) == ["10", "6", "2", "2 (20%)", "6"]
    only = summarize(scope._replace(narrowing=Narrowing(labels=["leaf-smut"])), answers, days, {})
    assert only.figures == {"labels": "2"}
    assert re.findall(r"2026-\S+|leaf-smut", only.days) == ["2026-11-01", "2026-11-02", "leaf-smut"]
    assert re.findall(r"2026-\S+|leaf-smut", summarize(scope, answers, days[:1], {}).days) == ["2026-11-01"]


def test_a_row_without_a_label_says_so() -> None:
    visual = VISUALS["newest_predictions"]
    row = rows_of(visual)[0] | {"label": None, "confidence": None, "of_interest": False}
    texts = Elements(page.render(Contents(SUMMARY, [(visual, [row])], [], RULES), None)).texts
    assert {NO_LABEL, NOT_OF_INTEREST} <= set(texts)


def test_what_could_not_be_read_is_on_the_page() -> None:
    contents = Contents(SUMMARY._replace(problems=["Access denied: s3:GetObject."]), [], [], RULES)
    assert "Access denied: s3:GetObject." in Elements(page.render(contents, None)).texts


def test_the_pie_can_be_drawn_as_a_png_too() -> None:
    visual = VISUALS["labels_by_count"]
    assert charts.png(visual, rows_of(visual), {"leaf-smut": 0, "brown-spot": 1}).startswith(b"\x89PNG\r\n")


def test_a_thumbnail_has_its_picture_labels_source_time_and_link() -> None:
    text = rendered(thumbnails=[thumbnail()], visuals=[], address_of=lambda row: f"https://x.example/{row['image']}")
    elements = Elements(text)
    (picture,) = [attributes for tag, attributes in elements.found if tag == "img"]
    assert base64.b64decode((picture["src"] or "").removeprefix("data:image/jpeg;base64,")) == b"JPEG"
    (link,) = [attributes["href"] for tag, attributes in elements.found if tag == "a"]
    assert link == "https://x.example/field 1/<b>.jpg"
    assert "field 1/<b>.jpg" in [attributes.get("title") for _, attributes in elements.found]
    shown = " ".join("".join(elements.texts).split())
    for part in ("leaf-smut 97.8 % in 2 boxes", "rust 95.0 %", "<b>.jpg", "field 1", "2026-11-01 10:00:00"):
        assert part in shown


def test_the_boxes_of_a_thumbnail_are_shares_of_its_picture() -> None:
    elements = Elements(rendered(thumbnails=[thumbnail()], visuals=[]))
    boxes = [attributes for tag, attributes in elements.found if tag == "rect"]
    assert [(box["x"], box["y"], box["width"], box["height"]) for box in boxes] == [
        ("25.0%", "50.0%", "50.0%", "25.0%"), ("0.0%", "50.0%", "50.0%", "25.0%"), ("25.0%", "50.0%", "50.0%", "25.0%"),
    ]  # fmt: skip


def test_a_thumbnail_that_is_missing_says_why_and_has_no_box() -> None:
    elements = Elements(rendered(thumbnails=[thumbnail(jpeg=None, problem="Gone <now>.")], visuals=[]))
    assert "Gone <now>." in elements.texts
    assert not {"img", "rect"} & {tag for tag, _ in elements.found}


@pytest.mark.parametrize(("label", "number"), [("leaf-smut", 0), ("brown-spot", 1)])
def test_a_label_has_the_colour_of_the_charts_in_a_thumbnail(label: str, number: int) -> None:
    text = rendered(thumbnails=[thumbnail(label)])
    classes = [attributes["class"] for tag, attributes in Elements(text).found if tag == "rect"]
    assert classes[:2] == [f"c{number}"] * 2
    assert f".c{number} {{ color: {charts.OKABE_ITO[number]}; }}" in text
    assert all(charts.OKABE_ITO[number].lower() in svg.lower() for svg in pictures(text))

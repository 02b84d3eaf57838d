"""The picture page, as a browser gets it: what it says, how large it is, and that strangers' text stays text."""

import base64
import hashlib
import json
import re
from datetime import UTC, datetime, timedelta
from html.parser import HTMLParser
from zoneinfo import ZoneInfo

import msgspec
import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from chalicelib.domain.boxes import MAX_CAPTIONS
from chalicelib.domain.pages import (
    AlertTestPage,
    Page,
    PageLabel,
    PicturePage,
    SignedPicture,
    as_html,
    as_json,
    content_security_policy,
)
from chalicelib.domain.predictions import BoundingBox
from labelwatch.shared.project import PROJECT
from tests.support.builders import MODEL, NOW

BOX = BoundingBox(0.1, 0.2, 0.3, 0.4)
PICTURE = SignedPicture("https://images.s3.eu-west-1.amazonaws.com/a%20b.jpg?x=1&y=2", "image/jpeg", NOW)
# The session token of a role has up to 1,200 characters.
LONGEST = SignedPicture(f"https://images.s3.amazonaws.com/{'%E5%86%99' * 338}?t={'%2B' * 400}", "image/jpeg", NOW)
HOSTILE = [
    "<script>alert(1)</script>", "\"'><img src=x onerror=alert(1)>", "\u202egpj.exe", '=HYPERLINK("http://a.de")',
    "</style><svg/onload=alert(1)>", "{{ 7 * 7 }}", "javascript:alert(1)", "confirm.example.com", "x" * 1000,
]  # fmt: skip
FORBIDDEN = {"script", "iframe", "object", "embed", "form", "input", "base", "link"}


class Reader(HTMLParser):
    """Reads the page as a browser does: its elements with their attributes, and its text without style."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.elements: list[tuple[str, dict[str, str | None]]] = []
        self.text = ""
        self._in_style = False
        self.feed(page)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append((tag, dict(attrs)))
        self._in_style = tag == "style"

    def handle_endtag(self, tag: str) -> None:
        self._in_style = self._in_style and tag != "style"

    def handle_data(self, data: str) -> None:
        if not self._in_style:
            self.text += data

    def of(self, tag: str) -> list[dict[str, str | None]]:
        return [attributes for name, attributes in self.elements if name == tag]


def label(name: str = "leaf-smut", confidence: float = 97.84, box: BoundingBox | None = BOX) -> PageLabel:
    return PageLabel(name, confidence, box, of_interest=True)


def page_of(*labels: PageLabel, **changes: object) -> PicturePage:
    page = PicturePage(
        image="field-3/IMG_0042.JPG",
        bucket="images",
        source="field-3",
        labels=labels or (label(),),
        model=MODEL,
        uploaded_at=NOW,
        detected_at=NOW + timedelta(minutes=1),
        picture=PICTURE,
        picture_path="a1/image",
        console="https://eu-west-1.console.aws.amazon.com/s3/object/images?region=eu-west-1&prefix=a",
        expires_at=NOW + timedelta(days=30),
    )
    return msgspec.structs.replace(page, **changes)


def read(page: Page | None, zone: str = "Europe/Berlin") -> Reader:
    return Reader(as_html(page, ZoneInfo(zone), ["leaf-smut"]))


def test_a_person_reads_label_confidence_source_times_model_and_end_of_the_link() -> None:
    text = read(page_of(label(), PageLabel("rust", 41.2, None, of_interest=False))).text
    for part in (
        "leaf-smut 98 % in field-3", "97.8 %", "IMG_0042.JPG", "2026-11-22 11:00 (Europe/Berlin)", MODEL,
        "2026-11-22 10:00 (UTC)", "2026-11-22 11:01 (Europe/Berlin)", "rust 41 %", "2026-12-22 11:00 (Europe/Berlin)",
    ):  # fmt: skip
        assert part in text


def test_a_time_in_utc_is_written_once() -> None:
    assert read(page_of(), "UTC").text.count("2026-11-22 10:00") == 1


def test_each_box_is_drawn_as_shares_of_the_picture() -> None:
    (box,) = read(page_of(label(box=BoundingBox(0.125, 0.5, 0.25, 0.3)))).of("rect")
    assert (box["x"], box["y"], box["width"], box["height"]) == ("12.5%", "50.0%", "25.0%", "30.0%")


@given(*[st.floats(-2, 3)] * 4)
def test_a_box_never_leaves_the_picture(left: float, top: float, width: float, height: float) -> None:
    for box in read(page_of(label(box=BoundingBox(left, top, width, height)))).of("rect"):
        x, y, across, down = (float(str(box[name]).rstrip("%")) for name in ("x", "y", "width", "height"))
        assert min(x, y) >= 0
        assert max(x + across, y + down) <= 100.2


@pytest.mark.parametrize(
    ("box", "end", "inside"),
    [
        (BoundingBox(0.1, 0.5, 0.1, 0.1), False, False),
        (BoundingBox(0.5, 0.5, 0.4, 0.1), True, False),
        (BoundingBox(0.1, 0.0, 0.1, 0.1), False, True),
    ],
    ids=["at the left", "at the right", "at the top"],
)
def test_a_caption_stays_in_the_picture(box: BoundingBox, end: bool, inside: bool) -> None:  # noqa: FBT001
    (caption,) = read(page_of(label(box=box))).of("text")
    assert (caption.get("class") == "e", caption["dy"] == "1.1em") == (end, inside)


def test_a_caption_in_a_script_from_right_to_left_keeps_its_number_behind_the_name() -> None:
    assert "\u2068بقع\u2069 98 %" in read(page_of(label("بقع"))).text


def test_a_label_without_a_box_is_in_the_list_alone() -> None:
    reader = read(page_of(label(box=None)))
    assert reader.of("svg") == []
    assert "97.8 %" in reader.text


def test_a_label_has_the_colour_of_its_position_among_the_labels_of_interest() -> None:
    reader = Reader(as_html(page_of(label("rust"), label("leaf-smut")), UTC, ["blight", "rust", "leaf-smut"]))
    assert [box["class"] for box in reader.of("rect")] == ["c1", "c2"]


def test_a_picture_that_was_deleted_is_named_and_the_labels_stay() -> None:
    reader = read(page_of(picture=None))
    assert reader.of("img") == []
    assert "no longer in its bucket" in reader.text
    assert "97.8 %" in reader.text


def test_bytes_that_are_no_picture_can_only_be_downloaded() -> None:
    page = page_of(picture=SignedPicture(PICTURE.url, "application/octet-stream", NOW))
    assert read(page).of("img") == []
    assert "a1/image" in [link["href"] for link in read(page).of("a")]


@pytest.mark.parametrize("text", HOSTILE)
def test_text_that_others_choose_stays_text(text: str) -> None:
    page = page_of(label(text), source=text, image=f"field/{text}", model=text)
    reader, plain = read(page), read(page_of())
    assert [name for name, _ in reader.elements] == [name for name, _ in plain.elements]
    assert not FORBIDDEN & {name for name, _ in reader.elements}
    names = {name for _, attributes in reader.elements for name in attributes}
    assert not [name for name in names if name.startswith("on") or name == "style"]
    assert {link["href"] for link in reader.of("a")} == {"a1/image", page.console}
    assert "\u202e" not in reader.text


def test_the_page_may_load_the_picture_and_nothing_else_and_run_nothing() -> None:
    page = page_of()
    policy = content_security_policy(page)
    style = re.search("<style>(.*)</style>", as_html(page, UTC, []), re.DOTALL)
    assert style
    digest = base64.b64encode(hashlib.sha256(style[1].encode()).digest()).decode()
    assert policy == (
        f"default-src 'none'; style-src 'sha256-{digest}'; img-src https://images.s3.eu-west-1.amazonaws.com; "
        "base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
    )
    assert "img-src" not in content_security_policy(None)


@pytest.mark.parametrize("boxes", [1, 100, 1000])
@pytest.mark.parametrize("name", ["leaf-smut", "写" * 1000, "&\"'<>" * 200])
def test_a_page_has_less_than_30_kb_beside_the_picture(boxes: int, name: str) -> None:
    labels = [label(f"{name[number % 7 :]}{number}", 99) for number in range(boxes)]
    page = page_of(*labels, source=name, image=f"field/{name}", model=name, picture=LONGEST)
    page = msgspec.structs.replace(page, console=f"https://console/{'%E5%86%99' * 338}")
    assert len(as_html(page, ZoneInfo("America/Argentina/Buenos_Aires"), []).encode()) < 30_000


def test_the_captions_of_many_boxes_are_limited_and_all_boxes_are_drawn() -> None:
    reader = read(page_of(*[label()] * 100))
    assert (len(reader.of("rect")), len(reader.of("text"))) == (100, MAX_CAPTIONS)


def test_a_link_that_does_not_work_has_a_page_that_tells_nothing() -> None:
    reader = read(None)
    assert reader.of("img") + reader.of("a") == []
    assert "does not work" in reader.text


TEST_PAGE = AlertTestPage(source="<script>", expires_at=NOW)


def test_the_link_of_a_test_alert_has_a_page_that_says_so_and_loads_nothing() -> None:
    reader = read(TEST_PAGE)
    assert reader.of("img") + reader.of("a") + reader.of("script") == []
    assert "is a test" in reader.text
    assert content_security_policy(TEST_PAGE) == content_security_policy(None)
    assert json.loads(as_json(TEST_PAGE))["test"] is True


@pytest.mark.parametrize("page", [PicturePage, AlertTestPage])
def test_the_contract_has_the_fields_of_each_page(page: type[msgspec.Struct]) -> None:
    schema = yaml.safe_load((PROJECT / "docs" / "openapi.yaml").read_text())["components"]["schemas"][page.__name__]
    assert (
        list(schema["properties"])
        == schema["required"]
        == [field.encode_name for field in msgspec.structs.fields(page)]
    )


def test_a_program_gets_every_label_with_its_box_and_times_with_their_zone() -> None:
    page = json.loads(as_json(page_of(label(), PageLabel("rust", 41.2, None, of_interest=False))))
    assert [(each["name"], each["of_interest"]) for each in page["labels"]] == [("leaf-smut", True), ("rust", False)]
    assert page["labels"][0]["bounding_box"] == {"left": 0.1, "top": 0.2, "width": 0.3, "height": 0.4}
    assert datetime.fromisoformat(page["uploaded_at"]) == NOW
    assert page["picture"]["url"] == PICTURE.url

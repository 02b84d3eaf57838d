import json
import re
import string
import unicodedata
from datetime import UTC, timedelta, timezone, tzinfo
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from linkify_it import LinkifyIt
from msgspec import structs

from chalicelib.domain.alerts import ATTRIBUTES, Alert, Finding, compose_alert
from chalicelib.domain.predictions import BoundingBox, Label
from tests.support.builders import NOW, image, prediction

SNS_TAKES = 262_144
MAIL_TAKES = 998
BOX = BoundingBox(0, 0, 0.5, 0.5)
# https://en.wikipedia.org/wiki/GSM_03.38: the basic alphabet, and what it writes in two.
GSM_7 = set(
    "@£$¥èéùìòÇ\nØø\rÅåΔ_ΦΓΛΩΠΨΣΘΞÆæßÉ !\"#¤%&'()*+,-./0123456789:;<=>?¡ABCDEFGHIJKLMNOPQRSTUVWXYZÄÖÑÜ§¿"
    "abcdefghijklmnopqrstuvwxyzäöñüà^{}\\[~]|€"
)
# A finder of links as mail programs have it, here with more top-level domains than it knows by itself.
LINKS = LinkifyIt(options={"fuzzy_ip": True}).tlds(["zip", "mov", "app", "dev", "farm", "online"], keep_old=True)

texts = st.text(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=300)
hosts = st.sampled_from([
    "confirm.example.com", "a.zip", "www.example.de", "user@example.org", "10.0.0.1", "x。com", "mailto:a@b.de",
    "a﹒com", "file:///etc", "\\\\host\\share", "[::1]", "xn--bcher-kva.de", "bücher.de",
    "http：／／a．de", "a＠b．de", "＼＼host",
])  # fmt: skip
tempting = st.lists(st.one_of(hosts, st.sampled_from(list(" /:@.\\-_()\"'<>")), st.text(max_size=5)), min_size=1).map(
    "".join
)


def finding(*labels: Label, key: str = "field 7/leaf.jpg", **changes: Any) -> Finding:
    found = labels or (Label("leaf-smut", 97.25),)
    return Finding(prediction(*found, image=image(key, **changes), detected_at=NOW + timedelta(seconds=2)), found)


def alert_of(*findings: Finding, links: bool = True, zone: str = "UTC") -> Alert:
    pages = {each.prediction.id: f"https://api/p/{number:032}" for number, each in enumerate(findings)}
    return compose_alert(findings, pages if links else {}, ZoneInfo(zone))


def first_line(alert: Alert) -> str:
    return alert.text.splitlines()[0]


def bytes_of(alert: Alert) -> int:
    attributes = sum(len(name) + len(json.dumps(value)) for name, value in alert.attributes.items())
    return len(alert.text.encode()) + attributes + len(alert.subject)


def without_own_links(text: str) -> str:
    return re.sub(r"(?m)^https://api/p/\d{32}$", "", text)


def test_the_subject_and_the_first_line_have_labels_confidence_and_source() -> None:
    alert = alert_of(finding(Label("leaf-smut", 97.6), Label("rust", 91), key="field-3/leaf.jpg"))
    assert alert.subject == first_line(alert) == "leaf-smut 98 %, rust 91 % in field-3"


def test_an_alert_of_several_pictures_counts_them_by_label() -> None:
    alert = alert_of(
        finding(Label("smut", 90), key="field-3/a"),
        finding(Label("rust", 95), key="field-3/b"),
        finding(Label("rust", 99), Label("rust", 92), key="field-3/c"),
    )
    assert alert.subject == first_line(alert) == "3 pictures from field-3: rust in 2, smut in 1"


def test_several_boxes_of_one_label_are_one_entry() -> None:
    boxes = [Label("leaf-smut", 99 - number, BOX) for number in range(6)]
    alert = alert_of(finding(*boxes, Label("bacterial-leaf-blight", 91.8, BOX)))
    assert first_line(alert) == "leaf-smut 99 % (6x), bacterial-leaf-blight 92 % in field 7"


def test_each_picture_has_its_labels_its_file_name_its_local_time_and_one_link() -> None:
    alert = alert_of(
        finding(Label("rust", 95), key="field-3/a.jpg"), finding(key="field-3/b.jpg"), zone="Asia/Ho_Chi_Minh"
    )
    assert "\n\nrust 95 %\na.jpg, 2026-11-22 17:00 (Asia/Ho_Chi_Minh)\nhttps://api/p/" in alert.text
    assert alert.text.count("https://") == 2
    assert "30 days" in alert.text


def test_the_file_name_of_a_presigned_upload_is_that_of_its_sender() -> None:
    alert = alert_of(finding(key="uploads/camera-north/2026-11-22/rrqqtelxcwxv42go-leaf-1.jpg"))
    assert alert.subject == "leaf-smut 97 % in camera-north"
    assert "\nleaf-1.jpg, " in alert.text
    assert "rrqqtelxcwxv42go" not in alert.text


def test_without_a_link_people_read_where_the_object_is() -> None:
    alert = alert_of(finding(), links=False)
    assert "Object: images/field 7/leaf.jpg\n" in alert.text
    assert "30 days" not in alert.text


def test_the_surest_picture_comes_first() -> None:
    text = alert_of(finding(Label("a", 90), key="less.jpg"), finding(Label("b", 99), key="more.jpg")).text
    assert text.index("more.jpg") < text.index("less.jpg")


def test_programs_get_the_attributes() -> None:
    less, more = (
        finding(Label("b", 91.5), key="field 7/a b+ü.jpg"),
        finding(Label("a", 99.9), Label("b", 93), etag="other"),
    )
    assert alert_of(less, more).attributes == {
        "source": "field 7",
        "labels": ["a", "b"],
        "confidence": 99.9,
        "bucket": "images",
        "images": ["field%207/leaf.jpg", "field%207/a%20b%2B%C3%BC.jpg"],
        "predictions": [
            f"predictions/dt=2026-11-22/{more.prediction.id}.json",
            f"predictions/dt=2026-11-22/{less.prediction.id}.json",
        ],
    }


def test_pictures_of_two_buckets_are_in_one_alert_with_both_names() -> None:
    assert alert_of(finding(bucket="old"), finding()).attributes["bucket"] == ["images", "old"]


def test_a_subject_in_another_script_is_written_in_ascii() -> None:
    assert alert_of(finding(key="Blätter 葉/a.jpg")).subject == "leaf-smut 97 % in Blatter ?"


@pytest.mark.parametrize("labels", [1, 2, 10, 300])
@pytest.mark.parametrize("pictures", [1, 100])
def test_a_subject_of_long_names_still_names_the_source(labels: int, pictures: int) -> None:
    names = [Label(f"{number} {'x' * 1000}", 99) for number in range(labels)]
    findings = [finding(*names, key=f"field-3/{number}.jpg") for number in range(pictures)]
    subject = alert_of(*findings).subject
    assert len(subject) < 100
    assert "field-3" in subject


@pytest.mark.parametrize("name", [" leaf-smut", "\u0301"])
def test_a_subject_never_begins_with_a_space(name: str) -> None:
    """https://docs.aws.amazon.com/sns/latest/api/API_Publish.html: with a letter, a number or punctuation."""
    assert alert_of(finding(Label(name, 95))).subject[0] != " "


def test_a_character_that_breaks_a_line_or_reverses_it_is_shown_as_an_escape() -> None:
    assert "a\\nb\\u202ec.jpg" in alert_of(finding(key="a\nb\u202ec.jpg")).text


def test_many_labels_are_counted_after_the_first_five_and_all_are_listed_below() -> None:
    labels = [Label(f"label-{number}", 99 - number) for number in range(8)]
    alert = alert_of(finding(*labels))
    assert first_line(alert).endswith("label-4 95 % and 3 more in field 7")
    assert "label-7 92 %" in alert.text


def test_a_hundred_labels_are_all_in_the_text() -> None:
    findings = [finding(Label(f"label-{number}.", 90), key=f"{number}.jpg") for number in range(100)]
    text = alert_of(*findings).text
    assert [number for number in range(100) if f"label-{number}. in 1" not in text.replace("\n", " ")] == []


@pytest.mark.parametrize("boxes", [1, 100])
def test_a_hundred_pictures_with_the_longest_keys_stay_under_the_limits(boxes: int) -> None:
    labels = [Label(f"{number}" + "写" * 250, 90, BOX) for number in range(boxes)]
    findings = [finding(*labels, key=f"{number:03}" + "写" * 338) for number in range(100)]
    alert = alert_of(*findings)
    assert bytes_of(alert) < SNS_TAKES
    assert max(len(line.encode()) for line in alert.text.splitlines()) <= MAIL_TAKES
    shown = alert.text.count("https://")
    assert shown == 100 or f"And {100 - shown} more" in alert.text
    assert shown > 50
    predictions = alert.attributes["predictions"]
    assert isinstance(predictions, list)
    assert len(predictions) == 100


@settings(max_examples=50)
@given(st.lists(st.tuples(texts, texts, st.floats(0, 100)), min_size=1, max_size=20))
def test_an_alert_with_any_names_is_accepted_by_sns_and_by_mail_servers(seen: list[tuple[str, str, float]]) -> None:
    alert = alert_of(*(finding(Label(name, sure), key=key) for key, name, sure in seen))
    assert len(alert.subject) < 100
    assert alert.subject.isascii()
    assert alert.subject.isprintable()
    assert alert.subject[0] != " "
    assert all(line.isprintable() for line in alert.text.split("\n"))
    assert all(len(line.encode()) <= MAIL_TAKES for line in alert.text.splitlines())
    assert bytes_of(alert) < SNS_TAKES


@given(st.lists(st.tuples(tempting, tempting, tempting), min_size=1, max_size=3))
def test_a_mail_program_finds_no_link_but_ours(seen: list[tuple[str, str, str]]) -> None:
    alert = alert_of(*(finding(Label(label, 95), key=f"{folder}/{name}"[:300]) for folder, name, label in seen))
    assert LINKS.match(alert.subject) is None
    assert LINKS.match(without_own_links(alert.text)) is None


LOOKALIKES = [
    "confirm﹒example﹒com", "confirm︒example。com", "confirm．example．com", "http：／／confirm", "a＠confirm．com",
    "a﹫confirm﹒com", "mailto﹕a", "＼＼host＼share", "／／confirm／a",
]  # fmt: skip


@pytest.mark.parametrize("name", LOOKALIKES)
def test_characters_that_browsers_read_as_those_of_an_address_are_kept_apart_too(name: str) -> None:
    text = without_own_links(alert_of(finding(Label(name, 95), key=f"{name}/{name}")).text)
    plain = unicodedata.normalize("NFKC", text)
    assert re.findall(r"[.:@]\w|//|\\\\", re.sub(r"\d\d:\d\d", "", plain)) == []


@pytest.mark.parametrize("links", [True, False])
def test_an_inviting_file_name_is_no_link_in_subject_or_text(links: bool) -> None:  # noqa: FBT001
    name = "URGENT_account_suspended_(confirm.example.com)"
    alert = alert_of(finding(Label("see www.example.de", 95), key=f"confirm.example.com/{name}.jpg"), links=links)
    assert "confirm. example. com" in alert.subject
    assert f"{name.replace('.', '. ')}.jpg" in alert.text
    assert LINKS.match(alert.subject + without_own_links(alert.text)) is None


plain_names = st.text(string.ascii_letters + string.digits + "-_ ", min_size=1, max_size=300)


@given(st.lists(st.tuples(plain_names, plain_names), min_size=1, max_size=10))
def test_letters_that_a_text_message_writes_in_two_bytes_come_from_the_data_alone(seen: list[tuple[str, str]]) -> None:
    alert = alert_of(*(finding(Label(name, 95), key=f"field/{key}") for key, name in seen))
    assert set(alert.text) <= GSM_7


@pytest.mark.parametrize("key", ["a/", "/", "field/leaf.jpg/"])
def test_a_key_that_ends_like_a_folder_still_has_a_name(key: str) -> None:
    assert "\n, " not in alert_of(finding(key=key)).text


def test_a_label_without_end_pushes_no_other_out_of_the_attributes() -> None:
    attributes = alert_of(finding(Label("a" * 100_000, 99), Label("leaf-smut", 97))).attributes
    assert attributes["labels"] == ["leaf-smut"]


def test_a_confidence_over_100_is_written_as_100() -> None:
    alert = alert_of(finding(Label("leaf-smut", 1e308)), finding(Label("leaf-smut", 97)))
    assert alert.attributes["confidence"] == 100
    assert "leaf-smut 100 %\n" in alert.text


@pytest.mark.parametrize("zone", [UTC, None, timezone(timedelta(hours=1))])
def test_a_time_at_the_end_of_the_calendar_is_written_as_it_is(zone: tzinfo | None) -> None:
    moment = NOW.min.replace(tzinfo=zone)
    assert "1-01-01 00:00 (UTC" in alert_of(finding(uploaded_at=moment), zone="America/Lima").text


def test_the_attributes_of_an_alert_are_the_declared_ones() -> None:
    assert alert_of(finding()).attributes.keys() == ATTRIBUTES.keys() - {"test"}
    assert alert_of(of_test()).attributes.keys() == ATTRIBUTES.keys()


def of_test(key: str = "field-3/test.jpg") -> Finding:
    real = finding(key=key)
    return Finding(structs.replace(real.prediction, test=True), real.labels)


def test_a_test_alert_is_marked_for_people_and_for_programs() -> None:
    alert = alert_of(of_test())
    assert alert.subject == first_line(alert) == "Test alert: leaf-smut 97 % in field-3"
    assert "a test" in alert.text.partition("\n")[2]
    assert "30 days" not in alert.text
    assert alert.attributes == alert_of(finding(key="field-3/test.jpg")).attributes | {"test": "yes"}


def test_a_test_alert_of_the_longest_source_is_still_marked_in_its_subject() -> None:
    alert = alert_of(of_test(f"{'x' * 1000}/test.jpg"))
    assert alert.subject.startswith("Test alert: ")
    assert len(alert.subject) < 100

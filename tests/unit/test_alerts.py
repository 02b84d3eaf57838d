import json
from datetime import timedelta
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from chalicelib.domain.alerts import ATTRIBUTES, Alert, Finding, Picture, compose_alert
from chalicelib.domain.predictions import Label
from tests.support.builders import NOW, image, prediction

SNS_TAKES = 262_144
LONGEST_KEY = 1024

texts = st.text(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=300)


def finding(
    *labels: Label, key: str = "field 7/leaf.jpg", link: str | None = "https://link", **changes: Any
) -> Finding:
    found = labels or (Label("leaf-smut", 97.25),)
    seen = prediction(*found, image=image(key, **changes), detected_at=NOW + timedelta(seconds=2))
    return Finding(seen, found, Picture(link, 6, "https://console/leaf"))


def bytes_of(alert: Alert) -> int:
    attributes = sum(len(name) + len(json.dumps(value)) for name, value in alert.attributes.items())
    return len(alert.text.encode()) + attributes + len(alert.subject)


def test_an_alert_of_one_picture_has_labels_and_file_name_in_its_first_line() -> None:
    alert = compose_alert([finding(Label("leaf-smut", 97.25), Label("rust", 91))])
    assert alert.text.splitlines()[0] == "leaf-smut 97.2 %, rust 91.0 % in leaf.jpg"
    assert alert.subject == "Labelwatch: leaf-smut 97.2 %, rust 91.0 % in leaf.jpg"


def test_an_alert_of_several_pictures_counts_them_by_label_in_its_first_line() -> None:
    alert = compose_alert(
        [finding(Label("smut", 90)), finding(Label("rust", 95)), finding(Label("rust", 99), Label("rust", 92))]
    )
    assert alert.text.splitlines()[0] == "3 pictures: rust in 2, smut in 1"


def test_people_read_which_labels_were_detected_where_and_when() -> None:
    text = compose_alert([finding()]).text
    assert "Labels:    leaf-smut 97.2 %\n" in text
    assert "Picture:   leaf.jpg\n" in text
    assert "Where:     s3://images/field 7/leaf.jpg\n" in text
    assert "When:      uploaded 2026-11-22 10:00:00, detected 2026-11-22 10:00:02 (UTC)\n" in text


def test_people_get_a_link_with_its_lifetime_and_the_console_s_address() -> None:
    text = compose_alert([finding()]).text
    assert "See it:    https://link\n" in text
    assert "works for 6 hours at most, and stops earlier when the session that signed it ends" in text
    assert "Console:   https://console/leaf (for those with access to the AWS account)" in text


def test_without_links_only_the_console_s_address_is_left() -> None:
    text = compose_alert([finding(link=None)]).text
    assert "See it" not in text
    assert "hours" not in text
    assert "Console:   https://console/leaf" in text


def test_the_surest_picture_comes_first() -> None:
    text = compose_alert([finding(Label("a", 90), key="less.jpg"), finding(Label("b", 99), key="more.jpg")]).text
    assert text.index("more.jpg") < text.index("less.jpg")


def test_programs_get_the_attributes() -> None:
    less, more = (
        finding(Label("b", 91.5), key="field 7/a b+ü.jpg"),
        finding(Label("a", 99.9), Label("b", 93), etag="other"),
    )
    assert compose_alert([less, more]).attributes == {
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
    assert compose_alert([finding(bucket="old"), finding()]).attributes["bucket"] == ["images", "old"]


def test_a_subject_in_another_script_is_written_in_ascii() -> None:
    assert (
        compose_alert([finding(key="blätter/Übersicht 葉.jpg")]).subject
        == "Labelwatch: leaf-smut 97.2 % in Ubersicht ?.jpg"
    )


def test_a_subject_that_is_too_long_ends_with_dots() -> None:
    subject = compose_alert([finding(key="x" * 200)]).subject
    assert len(subject) == 99
    assert subject.endswith("...")


def test_a_character_that_breaks_a_line_or_reverses_it_is_shown_as_an_escape() -> None:
    first, *_ = compose_alert([finding(key="a\nb\u202ec.jpg")]).text.splitlines()
    assert first == "leaf-smut 97.2 % in a\\nb\\u202ec.jpg"


def test_many_labels_are_counted_after_the_first_five() -> None:
    labels = [Label(f"label-{number}", 99 - number) for number in range(8)]
    assert compose_alert([finding(*labels)]).text.splitlines()[0].endswith("label-4 95.0 % and 3 more in leaf.jpg")


def test_a_hundred_pictures_with_the_longest_keys_stay_under_the_limit_and_count_the_omitted() -> None:
    findings = [finding(key=f"{number:03}" + "葉" * 340, link="https://" + "x" * 5000) for number in range(100)]
    alert = compose_alert(findings)
    assert bytes_of(alert) < SNS_TAKES
    assert "more: the attribute `predictions` names the rows of them all." in alert.text
    predictions = alert.attributes["predictions"]
    assert isinstance(predictions, list)
    assert len(predictions) == 100


@settings(max_examples=50)
@given(st.lists(st.tuples(texts, texts, st.floats(0, 100)), min_size=1, max_size=20))
def test_an_alert_with_any_names_is_accepted_by_sns(seen: list[tuple[str, str, float]]) -> None:
    alert = compose_alert([finding(Label(name, sure), key=key) for key, name, sure in seen])
    assert len(alert.subject) < 100
    assert alert.subject.isascii()
    assert alert.subject.isprintable()
    assert alert.subject.startswith("Labelwatch: ")
    assert all(line.isprintable() for line in alert.text.split("\n"))
    assert bytes_of(alert) < SNS_TAKES


@pytest.mark.parametrize("key", ["a/", "/", "field/leaf.jpg/"])
def test_a_key_that_ends_like_a_folder_still_has_a_name(key: str) -> None:
    assert not compose_alert([finding(key=key)]).text.splitlines()[0].endswith(" in ")


def test_a_label_without_end_pushes_no_other_out_of_the_attributes() -> None:
    attributes = compose_alert([finding(Label("a" * 100_000, 99), Label("leaf-smut", 97))]).attributes
    assert attributes["labels"] == ["leaf-smut"]


def test_a_confidence_over_100_is_written_as_100() -> None:
    assert (
        compose_alert([finding(Label("leaf-smut", 1e308)), finding(Label("leaf-smut", 97))]).attributes["confidence"]
        == 100
    )


def test_the_attributes_of_an_alert_are_the_declared_ones() -> None:
    assert compose_alert([finding()]).attributes.keys() == ATTRIBUTES.keys()

from __future__ import annotations

import json
import unicodedata
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from labelwatch.shared.errors import UserError
from labelwatch.subscriptions.filters import Filter, describe, from_policy, labels_without_alerts, parse_filter

names = st.text(st.characters(categories=["L", "N"]), min_size=1, max_size=20)
confidences = st.one_of(st.none(), st.just(0.0), st.floats(1, 100).map(lambda number: round(number, 2)))


def test_labels_pass_in_upper_and_in_lower_case_as_labels_of_interest_do() -> None:
    assert parse_filter(["Leaf-Smut"], None).policy == {"labels": [{"equals-ignore-case": "Leaf-Smut"}]}


def test_a_confidence_is_a_minimum() -> None:
    assert parse_filter([], 90).policy == {"confidence": [{"numeric": [">=", 90]}]}


def test_a_filter_without_conditions_has_no_policy() -> None:
    assert parse_filter([], None).policy == {}


def test_a_confidence_of_0_is_a_filter_too() -> None:
    assert parse_filter([], 0).policy == {"confidence": [{"numeric": [">=", 0]}]}


def test_an_accent_passes_in_both_of_its_forms_which_sns_takes_for_two() -> None:
    composed, decomposed = (unicodedata.normalize(form, "brûlure") for form in ("NFC", "NFD"))
    expected = {rule["equals-ignore-case"] for rule in parse_filter([composed], None).policy["labels"]}
    assert expected == {composed, decomposed}


def test_a_duplicate_label_counts_once() -> None:
    assert len(parse_filter(["leaf-smut", "LEAF-SMUT "], None).labels) == 1


def test_a_source_passes_exactly() -> None:
    assert parse_filter([], None, ["Field 3", "field-4", "field-4"]).policy == {"source": ["Field 3", "field-4"]}


@given(st.lists(names, max_size=5), confidences, st.lists(names, max_size=5))
def test_a_policy_is_read_as_the_filter_that_made_it(
    labels: list[str], confidence: float | None, sources: list[str]
) -> None:
    requested = parse_filter(labels, confidence, sources)
    read = from_policy(requested.policy)
    assert read is not None
    assert read.policy == requested.policy


@pytest.mark.parametrize(
    ("requested", "values"),
    [
        (Filter(), ["none"]),
        (Filter(("leaf-smut", "rust")), ["leaf-smut", "rust"]),
        (Filter((), 90), ["90 %"]),
        (Filter(("leaf-smut",), 97.5), ["leaf-smut", "97.5 %"]),
        (Filter(sources=("field-3", "north")), ["field-3", "north"]),
    ],
)
def test_a_description_has_the_labels_and_the_confidence(requested: Filter, values: list[str]) -> None:
    description = describe(requested.policy)
    assert [value for value in values if value not in description] == []


@pytest.mark.parametrize(
    "policy",
    [
        {"labels": ["rust"]},
        {"bucket": ["grün"]},
        {"confidence": [{"numeric": ["<", 50]}]},
        {"confidence": [{"numeric": []}]},
        {"confidence": ["high"]},
        {"source": [{"prefix": "field"}]},
        ["odd"],
    ],
)
def test_the_policy_of_another_tool_is_shown_unchanged(policy: Any) -> None:
    assert from_policy(policy) is None
    assert json.dumps(policy, ensure_ascii=False) in describe(policy)


def test_a_filter_gives_the_options_that_make_it() -> None:
    requested = Filter(("leaf-smut", "two words"), 90, ("field 3",))
    assert requested.options == "--label leaf-smut --label 'two words' --confidence 90 --source 'field 3'"


@pytest.mark.parametrize(
    ("labels", "confidence", "phrase"),
    [
        ([""], None, "Omit --label"),
        ([" * "], None, "Omit --label"),
        (["a,b"], None, "comma"),
        (['the "rust"'], None, "backslash"),
        (["a\\b"], None, "backslash"),
        (["a\nb"], None, "invisible"),
        ([], 100.1, "1 to 100"),
        ([], -1, "1 to 100"),
        ([], 0.9, "90, not 0.9"),
        ([], float("nan"), "1 to 100"),
        ([f"label {number}" for number in range(151)], None, "150 combinations"),
    ],
)
def test_options_that_sns_cannot_filter_by_are_refused(
    labels: list[str], confidence: float | None, phrase: str
) -> None:
    with pytest.raises(UserError) as refusal:
        parse_filter(labels, confidence)
    assert phrase in str(refusal.value)


@pytest.mark.parametrize("source", ["", " ", "a\nb"])
def test_a_text_that_no_source_has_is_refused(source: str) -> None:
    with pytest.raises(UserError, match="--source"):
        parse_filter([], None, [source])


def test_labels_and_sources_are_multiplied_as_sns_does() -> None:
    labels, sources = ([f"{name}{number}" for number in range(13)] for name in ("label", "source"))
    parse_filter(labels[:12], None, sources[:12])
    with pytest.raises(UserError, match="150 combinations"):
        parse_filter(labels, None, sources)


@pytest.mark.parametrize(
    ("labels", "labels_of_interest", "without_alerts"),
    [
        (["Leaf-Smut"], "leaf-smut:90, rust", []),
        (["leafsmut", "rust"], "leaf-smut:90, rust", ["leafsmut"]),
        (["anything"], "*", []),
        (["anything"], "rust:90, *:50", []),
        (["anything"], "rust, rust", []),  # a mistake that the functions report
    ],
)
def test_labels_that_no_alert_has_are_found(
    labels: list[str], labels_of_interest: str, without_alerts: list[str]
) -> None:
    assert labels_without_alerts(labels, labels_of_interest) == without_alerts

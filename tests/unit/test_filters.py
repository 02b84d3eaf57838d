from __future__ import annotations

import re
import unicodedata
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from labelwatch.shared.errors import UserError
from labelwatch.subscriptions.filters import Filter, describe, from_policy, labels_without_alerts, parse_filter

names = st.text(st.characters(categories=["L", "N"]), min_size=1, max_size=20)
confidences = st.one_of(st.none(), st.floats(0, 100).map(lambda number: round(number, 2)))


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


@given(st.lists(names, max_size=5), confidences)
def test_a_policy_is_read_as_the_filter_that_made_it(labels: list[str], confidence: float | None) -> None:
    requested = parse_filter(labels, confidence)
    read = from_policy(requested.policy)
    assert read is not None
    assert read.policy == requested.policy


@pytest.mark.parametrize(
    ("policy", "description"),
    [
        ({}, "everything"),
        (Filter(("leaf-smut", "rust")).policy, "leaf-smut or rust"),
        (Filter((), 90).policy, "from 90 %"),
        (Filter(("leaf-smut",), 97.5).policy, "leaf-smut, from 97.5 %"),
        ({"labels": ["rust"]}, 'what passes {"labels": ["rust"]}'),
        ({"bucket": ["grün"]}, 'what passes {"bucket": ["grün"]}'),
        ({"confidence": [{"numeric": ["<", 50]}]}, 'what passes {"confidence": [{"numeric": ["<", 50]}]}'),
        ({"confidence": [{"numeric": []}]}, 'what passes {"confidence": [{"numeric": []}]}'),
        ({"confidence": ["high"]}, 'what passes {"confidence": ["high"]}'),
        (["odd"], 'what passes ["odd"]'),
    ],
)
def test_a_policy_is_described_and_the_policy_of_another_tool_is_shown_as_it_is(policy: Any, description: str) -> None:
    assert describe(policy) == description


def test_a_filter_gives_the_options_that_make_it() -> None:
    assert Filter(("leaf-smut", "two words"), 90).options == "--label leaf-smut --label 'two words' --confidence 90"


@pytest.mark.parametrize(
    ("labels", "confidence", "message"),
    [
        ([""], None, "leave --label out to hear of all"),
        ([" * "], None, "leave --label out to hear of all"),
        (["a,b"], None, "give each one a --label of its own"),
        (['the "rust"'], None, "a quotation mark or a backslash"),
        (["a\\b"], None, "a quotation mark or a backslash"),
        (["a\nb"], None, "what no eye sees"),
        ([], 100.1, "must be a number from 0 to 100"),
        ([], -1, "must be a number from 0 to 100"),
        ([], float("nan"), "must be a number from 0 to 100"),
        ([f"label {number}" for number in range(151)], None, "151 labels are more than one filter of SNS takes"),
    ],
)
def test_options_that_sns_cannot_filter_by_are_refused(
    labels: list[str], confidence: float | None, message: str
) -> None:
    with pytest.raises(UserError, match=re.escape(message)):
        parse_filter(labels, confidence)


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

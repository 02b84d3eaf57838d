from __future__ import annotations

import re
import unicodedata
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from labelwatch.shared.errors import UserError
from labelwatch.subscriptions.filters import Filter, in_words, read, unheard_of, wanted

names = st.text(st.characters(categories=["L", "N"]), min_size=1, max_size=20)
confidences = st.one_of(st.none(), st.floats(0, 100).map(lambda one: round(one, 2)))


def test_labels_pass_in_upper_and_in_lower_case_as_labels_of_interest_do() -> None:
    assert wanted(["Leaf-Smut"], None).policy == {"labels": [{"equals-ignore-case": "Leaf-Smut"}]}


def test_a_confidence_passes_from_itself_on() -> None:
    assert wanted([], 90).policy == {"confidence": [{"numeric": [">=", 90]}]}


def test_nothing_asked_for_is_no_policy() -> None:
    assert wanted([], None).policy == {}


def test_a_confidence_of_0_is_a_filter_too() -> None:
    assert wanted([], 0).policy == {"confidence": [{"numeric": [">=", 0]}]}


def test_an_accent_passes_in_both_of_its_forms_which_sns_takes_for_two() -> None:
    composed, decomposed = (unicodedata.normalize(form, "brûlure") for form in ("NFC", "NFD"))
    expected = {(one["equals-ignore-case"]) for one in wanted([composed], None).policy["labels"]}
    assert expected == {composed, decomposed}


def test_a_label_that_is_named_twice_counts_once() -> None:
    assert len(wanted(["leaf-smut", "LEAF-SMUT "], None).labels) == 1


@given(st.lists(names, max_size=5), confidences)
def test_a_policy_is_read_as_the_filter_that_made_it(labels: list[str], confidence: float | None) -> None:
    asked = wanted(labels, confidence)
    again = read(asked.policy)
    assert again is not None
    assert again.policy == asked.policy


@pytest.mark.parametrize(
    ("policy", "words"),
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
def test_a_policy_is_told_in_words_and_another_hand_s_as_it_is(policy: Any, words: str) -> None:
    assert in_words(policy) == words


def test_a_filter_is_told_as_the_options_that_make_it() -> None:
    assert Filter(("leaf-smut", "two words"), 90).options == "--label leaf-smut --label 'two words' --confidence 90"


@pytest.mark.parametrize(
    ("labels", "confidence", "said"),
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
def test_what_cannot_be_a_filter_is_told_so(labels: list[str], confidence: float | None, said: str) -> None:
    with pytest.raises(UserError, match=re.escape(said)):
        wanted(labels, confidence)


@pytest.mark.parametrize(
    ("labels", "of_interest", "unheard"),
    [
        (["Leaf-Smut"], "leaf-smut:90, rust", []),
        (["leafsmut", "rust"], "leaf-smut:90, rust", ["leafsmut"]),
        (["anything"], "*", []),
        (["anything"], "rust:90, *:50", []),
        (["anything"], "rust, rust", []),  # a mistake that the functions tell
    ],
)
def test_a_label_that_no_alert_tells_of_is_noticed(labels: list[str], of_interest: str, unheard: list[str]) -> None:
    assert unheard_of(labels, of_interest) == unheard

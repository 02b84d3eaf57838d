"""The words for a label that is of interest, and for a label that is not."""

from typing import Any

import pytest

from chalicelib.domain.rules import LabelOfInterest, Rules
from labelwatch.shared.interest import BELOW_THRESHOLD, NO_LABEL, NOT_OF_INTEREST, OF_INTEREST, in_words, rules_of

RULES = rules_of({"LabelsofInterest": "leaf-smut:90, rust", "MinConfidence": "60"})


def interest(label: str | None, confidence: float | None, *, of_interest: bool = False, rules: Rules = RULES) -> Any:
    return in_words({"label": label, "confidence": confidence, "of_interest": of_interest}, rules)["of_interest"]


def test_the_rules_are_the_stacks_parameters() -> None:
    assert Rules((LabelOfInterest("leaf-smut", 90), LabelOfInterest("rust")), 60) == RULES


def test_a_label_of_interest_says_so() -> None:
    assert interest("leaf-smut", 97.0, of_interest=True) == OF_INTEREST


@pytest.mark.parametrize(("label", "confidence"), [("leaf-smut", 89.9), ("Leaf-Smut", 89.9), ("rust", 59.9)])
def test_a_label_of_interest_with_too_low_a_confidence_is_below_its_threshold(label: str, confidence: float) -> None:
    assert interest(label, confidence) == BELOW_THRESHOLD


def test_any_label_can_be_below_the_threshold_where_any_label_is_of_interest() -> None:
    assert interest("brown-spot", 59.9, rules=Rules((LabelOfInterest("*"),), 60)) == BELOW_THRESHOLD


def test_another_label_is_not_of_interest() -> None:
    assert interest("brown-spot", 10.0) == NOT_OF_INTEREST


def test_a_label_that_was_not_of_interest_at_the_time_was_not_below_a_threshold() -> None:
    assert interest("leaf-smut", 97.0) == NOT_OF_INTEREST


def test_a_missing_label_is_no_label_and_not_of_interest() -> None:
    row = in_words({"label": None, "confidence": None, "of_interest": False}, RULES)
    assert row == {"label": NO_LABEL, "confidence": None, "of_interest": NOT_OF_INTEREST}


def test_other_columns_and_counts_stay() -> None:
    row = {"source": "field-3", "images": 3, "of_interest": 0, "label": "leaf-smut"}
    assert in_words(row, RULES) == row
    assert "label" not in in_words({"day": None}, RULES)

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chalicelib.domain.predictions import Label
from tests.support.builders import prediction, rules

confidences = st.floats(0, 100)


def test_the_request_to_the_model_has_the_lowest_threshold() -> None:
    assert rules(("leaf-smut", 60), ("rust", 90)).lowest_threshold == 60


def test_a_threshold_above_the_general_one_does_not_raise_the_request_s() -> None:
    assert rules(("leaf-smut", 95)).lowest_threshold == 80


def test_a_label_counts_from_its_own_threshold_on() -> None:
    smut = rules(("leaf-smut", 60))
    assert smut.is_of_interest(Label("leaf-smut", 60))
    assert not smut.is_of_interest(Label("leaf-smut", 59.9))


def test_a_label_without_a_threshold_of_its_own_counts_from_the_general_one_on() -> None:
    assert rules(("rust", None)).is_of_interest(Label("rust", 80))
    assert not rules(("rust", None)).is_of_interest(Label("rust", 79.9))


def test_a_threshold_of_zero_is_a_threshold() -> None:
    assert rules(("rust", 0)).is_of_interest(Label("rust", 0))


@pytest.mark.parametrize(
    ("name", "detected"), [("Leaf-Smut", "leaf-smut"), ("leaf-smut", "LEAF-SMUT"), ("straße", "STRASSE")]
)
def test_labels_compare_without_regard_to_case(name: str, detected: str) -> None:
    assert rules((name, None)).is_of_interest(Label(detected, 99))


def test_an_accent_may_be_written_in_either_way() -> None:
    assert rules(("br\u00fblure", None)).is_of_interest(Label("bru\u0302lure", 99))


def test_a_label_that_is_not_listed_is_not_of_interest() -> None:
    assert not rules(("leaf-smut", None)).is_of_interest(Label("brown-spot", 100))


def test_a_star_is_any_label_and_the_label_s_own_name_goes_before_it() -> None:
    any_label = rules(("*", 50), ("leaf-smut", 90))
    assert any_label.is_of_interest(Label("brown-spot", 50))
    assert not any_label.is_of_interest(Label("leaf-smut", 89))


def test_the_labels_that_are_worth_an_alert_come_the_surest_first() -> None:
    found = prediction(Label("a", 85), Label("b", 99), Label("c", 70))
    assert [label.name for label in rules(("*", None)).labels_to_alert(found)] == ["b", "a"]


@given(st.lists(st.tuples(st.text(min_size=1), st.none() | confidences)), confidences, st.text(min_size=1), confidences)
def test_a_label_of_interest_is_never_below_the_request_s_min_confidence(
    labels: list[tuple[str, float | None]], min_confidence: float, name: str, confidence: float
) -> None:
    any_rules = rules(*labels, min_confidence=min_confidence)
    if any_rules.is_of_interest(Label(name, confidence)):
        assert confidence >= any_rules.lowest_threshold

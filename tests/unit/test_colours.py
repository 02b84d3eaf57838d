"""The colour numbers of labels."""

import subprocess
import sys

from hypothesis import given
from hypothesis import strategies as st

from chalicelib.domain.colours import COLOURS, OTHER, colour_numbers
from chalicelib.domain.rules import normalized_label

NAMES = st.lists(st.text(min_size=1).filter(lambda name: name != "*"), unique_by=normalized_label)


def alone(label: str) -> int:
    return colour_numbers([label], [])[label]


# Two labels with the same hash, in the order of the alphabet.
FIRST, SECOND = next(
    (first, second)
    for first in map("a{}".format, range(9))
    for second in map("b{}".format, range(9))
    if alone(first) == alone(second)
)


@given(NAMES, NAMES)
def test_a_label_of_interest_has_its_position_in_the_setting_whatever_else_is_shown(
    labels: list[str], first: list[str]
) -> None:
    numbers = colour_numbers([*labels, *first], first)
    assert [numbers[label] for label in first] == [min(position, OTHER) for position in range(len(first))]


@given(NAMES, NAMES)
def test_only_labels_without_a_colour_of_their_own_share_a_number(labels: list[str], first: list[str]) -> None:
    own = [number for number in colour_numbers(labels, first).values() if number != OTHER]
    assert len(own) == len(set(own))
    assert set(own) <= set(range(COLOURS))


@given(NAMES)
def test_any_label_has_a_colour_while_there_is_one(labels: list[str]) -> None:
    numbers = colour_numbers(labels, ["*"])
    assert [number == OTHER for number in numbers.values()] == [position >= COLOURS for position in range(len(labels))]


def test_no_other_label_has_the_colour_of_an_absent_label_of_interest() -> None:
    labels = [f"label {number}" for number in range(20)]
    first = ["leaf-smut", "rust", "blight"]
    assert not set(colour_numbers(labels, first).values()) & {0, 1, 2}


@given(NAMES)
def test_another_label_keeps_its_colour_unless_its_hash_is_taken(labels: list[str]) -> None:
    numbers = colour_numbers(labels[:COLOURS], [])
    moved = [label for label in numbers if numbers[label] != alone(label)]
    kept = [alone(label) for label in numbers if label not in moved]
    assert {alone(label) for label in moved} <= set(kept)


def test_of_two_labels_with_one_hash_the_first_in_the_alphabet_keeps_its_colour() -> None:
    for labels in ([FIRST, SECOND], [SECOND, FIRST]):
        numbers = colour_numbers(labels, [])
        assert numbers[FIRST] == alone(FIRST)
        assert numbers[SECOND] != alone(SECOND)


def test_a_label_of_interest_is_recognised_in_upper_and_lower_case() -> None:
    assert colour_numbers(["LEAF-smut", "leaf-smut"], ["rust", "Leaf-Smut"]) == {"LEAF-smut": 1, "leaf-smut": 1}


def test_another_process_gives_a_label_the_same_colour() -> None:
    program = "from chalicelib.domain.colours import colour_numbers; print(colour_numbers(['leaf-smut', 'rust'], []))"
    answer = subprocess.run([sys.executable, "-c", program], check=True, capture_output=True, text=True).stdout
    assert answer.strip() == str(colour_numbers(["leaf-smut", "rust"], []))

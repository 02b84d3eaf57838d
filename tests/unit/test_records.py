"""Records in a terminal: nothing that people copy is folded, however narrow the terminal is."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from labelwatch.shared.records import print_records
from labelwatch.shared.text import readable
from tests.support.terminal import printed

NAMES = ["id", "image", "confidence"]
KEY = "field 7/leaf 2026-11-22 after the rain.jpg"


def test_records_that_fit_are_a_table() -> None:
    shown = printed(80, print_records, NAMES, [("1", KEY, "97.8"), ("2", "b.jpg", "3.0")], ["confidence"])
    assert f"│ 1  │ {KEY} │       97.8 │" in shown
    assert f"│ 2  │ b.jpg{' ' * (len(KEY) - 5)} │        3.0 │" in shown


def test_a_table_that_just_fits_is_a_table_whose_records_of_several_lines_are_apart() -> None:
    records = [("1", "a.jpg\nb.jpg", "97.8"), ("2", "c.jpg", "3.0")]
    lines = printed(80, print_records, NAMES, records).splitlines()
    assert [line[0] for line in lines] == list("┏┃┡││├│└")
    assert printed(len(lines[0]), print_records, NAMES, records).splitlines() == lines


def test_a_table_that_does_not_fit_is_a_block_of_lines_for_each_record() -> None:
    shown = printed(40, print_records, NAMES, [("1", KEY, "97.8"), ("2", "b.jpg", "3.0")])
    assert shown.splitlines() == [
        "id:         1",
        f"image:      {KEY}",
        "confidence: 97.8",
        "",
        "id:         2",
        "image:      b.jpg",
        "confidence: 3.0",
        "",
    ]


def test_a_value_of_several_lines_stays_beside_its_name() -> None:
    shown = printed(40, print_records, NAMES, [("1", f"{KEY}\nb.jpg", "97.8")])
    assert shown.splitlines()[1:3] == [f"image:      {KEY}", "            b.jpg"]


def test_an_empty_value_has_no_line() -> None:
    assert "confidence" not in printed(40, print_records, NAMES, [("1", KEY, "")])


@given(st.integers(20, 200), st.lists(st.text("ab/.-", min_size=1, max_size=60), min_size=1, max_size=3))
def test_at_any_width_each_value_is_whole(width: int, keys: list[str]) -> None:
    shown = printed(width, print_records, NAMES, [("1", key, "97.8") for key in keys])
    for key in keys:
        assert key in shown


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (97.84691518265154, "97.8"),
        (3, "3"),
        (True, "yes"),
        (False, "no"),
        (None, ""),
        ("2026-11-22 10:00:00.123", "2026-11-22 10:00:00"),
        ("leaf.2026-11-22 10:00:00.123", "leaf.2026-11-22 10:00:00.123"),
        ("a\x1b[2Jb.jpg", "a\\x1b[2Jb.jpg"),
    ],
)
def test_a_value_is_rounded_and_printable(value: object, text: str) -> None:
    assert readable(value) == text

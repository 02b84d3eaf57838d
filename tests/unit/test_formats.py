"""Output that people open in a spreadsheet or a terminal, although it is for programs."""

import csv
import io
import json

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from labelwatch.shared.formats import as_csv, as_json

FORMULA = tuple("=+-@\uff1d\uff0b\uff0d\uff20")
# Every character that begins a formula, ends a cell or quotes it, and others.
TEXTS = st.text(st.one_of(st.sampled_from("=+-@\t\r\n;,\"' a1"), st.characters(exclude_categories=["Cs"])))


def cells_of(text: str, separator: str) -> list[list[str]]:
    return list(csv.reader(io.StringIO(text, newline=""), delimiter=separator))


@given(st.lists(st.tuples(TEXTS, TEXTS, TEXTS), min_size=1))
@example([("leaf", ';"=1', "")])
@example([("leaf", "a\n=1", "")])
@pytest.mark.parametrize("separator", [",", ";", "\t"])
def test_no_text_is_a_formula_in_a_spreadsheet_whatever_separator_it_expects(
    separator: str, rows: list[tuple[str, str, str]]
) -> None:
    cells = [cell for row in cells_of(as_csv(["key", "label", "source"], rows), separator) for cell in row]
    assert [cell for cell in cells if cell.startswith(FORMULA)] == []


@pytest.mark.parametrize("text", ["=1+1", "+1", "-1.5", "@SUM(1)", "\t=1", "\r=1"])
def test_a_formula_has_an_apostrophe_before_it(text: str) -> None:
    assert cells_of(as_csv(["key"], [[text]]), ",")[1][0].startswith(f"'{text[0]}")


@pytest.mark.parametrize("text", ["leaf-smut", "field 7/a=b.jpg", "2026-11-27 10:00:00.000", "a, b", "稲"])
def test_a_usual_text_is_unchanged_in_csv(text: str) -> None:
    assert cells_of(as_csv(["key"], [[text]]), ",") == [["key"], [text]]


def test_a_column_of_numbers_keeps_its_numbers() -> None:
    assert as_csv(["label", "change"], [["-1.5", "-1.5"]], numbers=["change"]) == '"label","change"\n"\'-1.5","-1.5"\n'


@given(st.lists(TEXTS.filter(bool), min_size=1))
def test_any_text_comes_back_from_raw_csv(cells: list[str]) -> None:
    assert cells_of(as_csv(["key"], [[cell] for cell in cells], raw=True), ",")[1:] == [[cell] for cell in cells]


@given(st.text())
def test_any_text_comes_back_from_json_which_is_printable(text: str) -> None:
    written = as_json([text])
    assert json.loads(written) == [text]
    assert written.replace("\n", "").isprintable()


def test_json_keeps_formulas_and_has_characters_of_any_script_as_such() -> None:
    assert '"=1 稲"' in as_json(["=1 稲"])

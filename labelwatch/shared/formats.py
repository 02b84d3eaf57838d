"""Values as text for programs: JSON and CSV, which people open in a terminal and in a spreadsheet."""

import csv
import io
import json
import re
from collections.abc import Collection, Iterable, Sequence

import msgspec

# In a terminal: C1 controls, and characters that reverse or hide a text. The line breaks are JSON's own.
_UNPRINTABLE = re.compile(r"[^\n\x20-\x7e]")
# Where a spreadsheet may begin a cell: at the beginning of the text, and where it splits lines at other characters than
# a comma, after the separator and the quotation marks of the text. https://owasp.org/www-community/attacks/CSV_Injection
_FORMULA = re.compile(r'((?:\A|[;\t\r\n])"*)(?=[=+\-@\t\r\n\uff1d\uff0b\uff0d\uff20])')

type Row = Sequence[str | None]


def as_json(value: object) -> str:
    """The value on indented lines. A character that is not printable is an escape, which stands for the same text."""
    text = json.dumps(msgspec.to_builtins(value), ensure_ascii=False, indent=1)
    return _UNPRINTABLE.sub(_escaped, text) + "\n"


def as_csv(names: Sequence[str], rows: Iterable[Row], numbers: Collection[str] = (), *, raw: bool = False) -> str:
    """A line of names and a line for each row: all values in quotation marks, nothing for None.

    Unless `raw`, a text that a spreadsheet would take for a formula gets an apostrophe before the formula; values of
    the columns in `numbers` do not.
    """
    text = io.StringIO()
    kept = [raw or name in numbers for name in names]
    safe = ([cell if keep else _safe(cell) for cell, keep in zip(row, kept, strict=True)] for row in rows)
    csv.writer(text, lineterminator="\n", quoting=csv.QUOTE_NOTNULL).writerows([names, *safe])
    return text.getvalue()


def _escaped(found: re.Match[str]) -> str:
    character = found[0]
    return character if character.isprintable() else json.dumps(character)[1:-1]


def _safe(cell: str | None) -> str | None:
    return None if cell is None else _FORMULA.sub(r"\1'", cell)

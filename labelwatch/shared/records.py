"""Records in a terminal: a table where it fits, else each record as lines of `name: value`.

A table that is too wide would fold ids, keys and numbers, which people copy.
"""

from collections.abc import Collection, Iterator, Sequence
from itertools import chain

from rich.console import Console
from rich.table import Column, Table

# Wider than any terminal: a table is measured as if nothing had to fold.
_UNLIMITED = 100_000

type Record = Sequence[str]


def print_records(
    console: Console, names: Sequence[str], records: Sequence[Record], numbers: Collection[str] = ()
) -> None:
    """Prints the records in the form that fits the console; `numbers` are the names that a table aligns to the right.

    A value may have several lines.
    """
    columns = (Column(name, justify="right" if name in numbers else "left") for name in names)
    table = Table(*columns, show_lines=any("\n" in value for record in records for value in record))
    for record in records:
        table.add_row(*record)
    if console.measure(table, options=console.options.update(width=_UNLIMITED)).maximum <= console.width:
        console.print(table)
    else:
        console.print("\n".join(_block(names, record) for record in records), soft_wrap=True)


def _block(names: Sequence[str], record: Record) -> str:
    """The lines of a record, and an empty line."""
    indent = max(map(len, names)) + 2
    lines = (_lines(name, value, indent) for name, value in zip(names, record, strict=True))
    return "\n".join([*chain.from_iterable(lines), ""])


def _lines(name: str, value: str, indent: int) -> Iterator[str]:
    """The value beside its name, further lines below; nothing for an empty value."""
    for number, line in enumerate(value.split("\n") if value else ()):
        yield f"{'' if number else f'{name}:':<{indent}}{line}"

"""Text for people: printable keys and labels, rounded numbers, and numbers with their noun."""

import re

from chalicelib.domain.text import printable

# Of a timestamp, which a reader can do without.
_MILLISECONDS = re.compile(r"(?<=^\d{4}-\d\d-\d\d \d\d:\d\d:\d\d)\.\d+$")


def readable(value: object) -> str:
    """A value of a query's result for people: yes or no, a number with one decimal, a time without milliseconds."""
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, float):
        return f"{value:.1f}"
    return "" if value is None else _MILLISECONDS.sub("", printable(str(value)))


def counted(number: int, thing: str) -> str:
    """The number with its noun, in the plural where it is not 1: `1 image`, `2,340 images`."""
    return f"{number:,} {thing}{'' if number == 1 else 's'}"

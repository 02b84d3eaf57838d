"""The settings that `labelwatch up` shows before it prompts for confirmation."""

from collections.abc import Iterator, Mapping

from rich.cells import cell_len

from chalicelib.domain.text import printable
from labelwatch.deploy.parameters import PARAMETERS

_NAME = max(map(len, PARAMETERS))
_ORIGIN = len("unchanged")


def lines(
    values: Mapping[str, str], previous: Mapping[str, str], defaults: Mapping[str, str | None], width: int
) -> Iterator[str]:
    """A line for each parameter: name, origin, value; a value that does not fit the width has its own line.

    `previous` are the values of the present stack.
    """
    for name, value in values.items():
        origin, shown = _origin(value, previous.get(name), defaults.get(name))
        start = f"  {name:{_NAME}}  {origin:{_ORIGIN}}  "
        yield start + shown if cell_len(start + shown) <= width else f"{start.rstrip()}\n    {shown}"


def _origin(value: str, previous: str | None, default: str | None) -> tuple[str, str]:
    """Where the value comes from, and the value as text."""
    text = printable(value) or '""'
    if previous is None:
        return ("default" if value == default else "given"), text
    return ("unchanged", text) if value == previous else ("changed", f"{text} (was {printable(previous) or '""'})")

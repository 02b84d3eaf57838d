"""Markdown of the reference: a page, its lists, and lines that are not too long."""

import textwrap
from collections.abc import Iterable, Iterator

MAX_LINE = 100
NOTICE = "<!-- Written by `make docs` from the code. Change the code, then run `make docs`. -->"


def page(title: str, *paragraphs: str) -> str:
    """A page of these paragraphs, which may be lists or headings as well."""
    return "\n\n".join([f"# {title}", NOTICE, *paragraphs]) + "\n"


def definitions(pairs: Iterable[tuple[str, str]]) -> str:
    """A list of terms, each with its meaning."""
    return "\n".join(f"- {term}: {meaning}" for term, meaning in pairs)


def codes(names: Iterable[str]) -> str:
    """The names as code, with commas between."""
    return ", ".join(f"`{name}`" for name in names)


def lines(text: str, width: int, hanging: str = "") -> list[str]:
    """The text in lines that break at blanks only."""
    return textwrap.wrap(text, width, subsequent_indent=hanging, break_long_words=False, break_on_hyphens=False)


def wrapped(text: str) -> str:
    """The text in lines of at most 100 characters. Code in fences stays as it is."""
    return "\n".join(_wrapped_lines(text)) + "\n"


def _wrapped_lines(text: str) -> Iterator[str]:
    is_code = False
    for line in text.splitlines():
        is_code ^= line.startswith("```")
        if is_code or len(line) <= MAX_LINE:
            yield line
            continue
        indent = len(line) - len(line.lstrip())
        hanging = " " * (indent + (2 if line.lstrip().startswith("- ") else 0))
        yield from lines(line, MAX_LINE, hanging)

"""Checks links, anchors and lengths of the Markdown pages; a part of `make lint`. Nothing is fetched.

It runs in .venv:
    .venv/bin/python -m checks.markdown
"""

import re
import sys
from collections.abc import Iterator
from functools import cache
from itertools import pairwise
from pathlib import Path
from urllib.parse import unquote

from markdown_it import MarkdownIt
from markdown_it.token import Token

from labelwatch.shared.project import PROJECT

MAX_LINE = 100
# Of pages that people read in a hurry.
MAX_LINES = {"README.md": 120, "docs/operations.md": 150}
MAX_WORDS = {"README.md": 900}
# The pages whose lines are short.
SHORT_LINES = re.compile(r"README\.md|CONTRIBUTING\.md|docs/.*")
# Folders that tools write, hidden folders, and texts that bench and tests/torture make pages of.
SKIPPED = re.compile(r"(^|/)(\.[^/]*|build|node_modules|[^/]*\.egg-info)/|^(bench/cost_page|tests/torture/page)\.md$")
_HTML_LINK = re.compile(r"""<(?:a|img)\s[^>]*?(?:href|src)=["']([^"']*)""")
_EXTERNAL = re.compile(r"[a-z][a-z0-9+.-]*:|//")


def main(folder: Path = PROJECT) -> int:
    """Prints a sentence for each finding; 1 where there is any."""
    files = pages(folder)
    found = [finding for file in files for finding in (*broken_links(file, folder), *too_long(file, folder))]
    sys.stdout.write("\n".join(found or [f"Markdown: {len(files)} pages checked, all links and lengths right."]) + "\n")
    return bool(found)


def pages(folder: Path) -> list[Path]:
    """Every Markdown file of the project."""
    return sorted(file for file in folder.rglob("*.md") if not SKIPPED.search(str(file.relative_to(folder))))


def broken_links(file: Path, folder: Path) -> Iterator[str]:
    """A sentence for each relative link to a missing file or anchor; images and reference links count."""
    for line, link in _links(file):
        if _EXTERNAL.match(link):
            continue
        path, _, anchor = link.partition("#")
        target = (file.parent / unquote(path)).resolve() if path else file
        where = f"{file.relative_to(folder)}:{line}"
        if not link:
            yield f"{where}: a link has no target."
        elif not target.is_relative_to(folder.resolve()):
            yield f"{where}: {path} is outside the project."
        elif not target.exists():
            yield f"{where}: {path} does not exist."
        elif anchor and unquote(anchor) not in anchors(target):
            yield f"{where}: {path or 'this page'} has no heading #{anchor}."


def too_long(file: Path, folder: Path) -> Iterator[str]:
    """A sentence for each long line, and for a long README. A line without a blank to break at may be longer."""
    name, text = str(file.relative_to(folder)), file.read_text()
    if SHORT_LINES.fullmatch(name):
        for number, line in enumerate(text.splitlines(), 1):
            if len(line) > MAX_LINE and re.search(r"\S\s+\S", line.lstrip(" -*>")):
                yield f"{name}:{number}: the line has {len(line)} characters. Use at most {MAX_LINE}."
    lines, words = len(text.splitlines()), len(text.split())
    if lines > MAX_LINES.get(name, lines):
        yield f"{name}:{lines}: the page has {lines} lines. Use at most {MAX_LINES[name]}."
    if words > MAX_WORDS.get(name, words):
        yield f"{name}:{lines}: the page has {words} words. Use at most {MAX_WORDS[name]}."


@cache
def anchors(file: Path) -> frozenset[str]:
    """The anchors that GitHub gives to the headings of a page; a repeated heading gets a number."""
    if file.suffix != ".md":
        return frozenset()
    found: dict[str, int] = {}
    tokens = _tokens(file)
    for heading, content in pairwise(tokens):
        if heading.type == "heading_open":
            text = "".join(part.content for part in content.children or [])
            slug = re.sub(r"[^\w\- ]", "", text.strip().lower()).replace(" ", "-")
            found[slug] = found.get(slug, 0) + 1
    repeated = {f"{slug}-{number}" for slug, count in found.items() for number in range(1, count)}
    return frozenset(found) | repeated


def _links(file: Path) -> Iterator[tuple[int, str]]:
    line = 0
    for token in _tokens(file):
        line = token.map[0] + 1 if token.map else line
        for part in token.children or [token]:
            line += part.type == "softbreak"
            if part.type in {"link_open", "image"}:
                yield line, str(part.attrGet("href") or part.attrGet("src") or "")
            elif part.type in {"html_block", "html_inline"}:
                yield from ((line, target) for target in _HTML_LINK.findall(part.content))


@cache
def _tokens(file: Path) -> list[Token]:
    return MarkdownIt("commonmark").enable("table").parse(file.read_text())


if __name__ == "__main__":
    sys.exit(main())

"""Compares docs/reference with the code, or writes it; a part of `make lint`, and `make docs`.

It runs in .venv:
    .venv/bin/python -m checks.reference [--write]
"""

import sys
from collections.abc import Callable
from pathlib import Path

from checks.reference import commands, markdown, pages, programs
from labelwatch.shared.project import PROJECT

FOLDER = PROJECT / "docs" / "reference"
PAGES: dict[str, Callable[[], str]] = {
    "settings.md": pages.settings,
    "rows.md": pages.rows,
    "alerts.md": pages.alerts,
    "metrics.md": pages.metrics,
    "dead-letter-reasons.md": pages.dead_letter_reasons,
    "commands.md": commands.commands,
    "exit-codes.md": programs.exit_codes,
}


def main(*arguments: str, folder: Path = FOLDER) -> int:
    """Prints which pages are not current; 1 where there is any. With --write, writes them instead."""
    written = {folder / name: markdown.wrapped(page()) for name, page in PAGES.items()}
    stale = [file for file, text in written.items() if not file.exists() or file.read_text() != text]
    unknown = [file for file in _pages_of_the_code(folder) if file not in written]
    if "--write" in arguments:
        folder.mkdir(parents=True, exist_ok=True)
        for file in stale:
            file.write_text(written[file])
        for file in unknown:
            file.unlink()
    elif stale := stale + unknown:
        sys.stdout.write(
            f"Pages of docs/reference not current: {', '.join(file.name for file in stale)}. Run make docs.\n"
        )
        return 1
    sys.stdout.write(f"Reference: {len(written)} pages current.\n")
    return 0


def _pages_of_the_code(folder: Path) -> list[Path]:
    """The pages that the code has written at some time; pages that people write have no notice."""
    return sorted(file for file in folder.glob("*.md") if markdown.NOTICE in file.read_text())


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))

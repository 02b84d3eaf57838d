"""Refuses functions that one sitting does not understand: no cyclomatic complexity over 12, counted by radon.

Ruff's C901 does not see comprehensions, and radon does. A part of `make lint`; it runs in .venv:
    .venv/bin/python -m checks.complexity
"""

import sys
from collections.abc import Iterator
from pathlib import Path

from radon.complexity import cc_visit

MAX_COMPLEXITY = 12
FOLDERS = ("app.py", "athena", "bench", "chalicelib", "checks", "labelwatch", "tests")


def problems(file: Path) -> Iterator[str]:
    """A line for each function or method of the file that is over the limit."""
    for block in cc_visit(file.read_text()):
        # Of a class radon gives the mean of its methods, which are listed beside it.
        if block.letter != "C" and block.complexity > MAX_COMPLEXITY:
            over = f"complexity {block.complexity}; the limit is {MAX_COMPLEXITY}"
            yield f"{file}:{block.lineno}: {block.fullname} has {over}."


def main() -> int:
    """Prints each function that is too complex; 1 where there is any."""
    files = [file for name in FOLDERS for file in ([Path(name)] if Path(name).is_file() else Path(name).rglob("*.py"))]
    found = [problem for file in sorted(files) for problem in problems(file)]
    sys.stdout.write(
        "\n".join(found or [f"Complexity: {len(files)} files checked, no function over {MAX_COMPLEXITY}."]) + "\n"
    )
    return bool(found)


if __name__ == "__main__":
    sys.exit(main())

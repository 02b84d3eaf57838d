"""Removes the rights of the roles, one at a time, and expects an end-to-end test to fail each time.

What the local AWS does not enforce is named with the static test that requires it; tests/integration/test_roles.py
shows that each of those tests fails without the right.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor, as_completed
from itertools import groupby
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from rich.console import Console
from rich.markup import escape
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn
from rich.table import Table

from labelwatch.deploy import package
from tests.least_privilege.required import required_by
from tests.least_privilege.rights import NOTHING, Right, rights
from tests.least_privilege.running import Outcome, run

# The tests that run the function of each role, those first that notice most.
FILES = {
    "DetectRole": [
        "tests/e2e/test_pipeline.py",
        "tests/e2e/test_roles.py",
        "tests/e2e/test_model.py",
        "tests/e2e/test_dead_letters.py",
    ],
    "NotifyRole": ["tests/e2e/test_roles.py", "tests/e2e/test_pipeline.py"],
    "IngestRole": ["tests/e2e/test_roles.py"],
    "AuthorizeRole": ["tests/e2e/test_tokens.py", "tests/e2e/test_uploads.py"],
    "ApiHandlerRole": ["tests/e2e/test_uploads.py", "tests/e2e/test_pipeline.py", "tests/e2e/test_roles.py"],
    "CheckSubscriptionsRole": ["tests/e2e/test_roles.py"],
    "ManageModelRole": ["tests/e2e/test_model.py", "tests/e2e/test_image_limit.py"],
}
WITH_ALL = sorted({file for files in FILES.values() for file in files})
WIDTH_OF_A_LOG = 200


def main() -> int:
    """The exit code: 0 where a test misses every right, and no test fails with all rights."""
    arguments = _arguments()
    console = Console(width=None if sys.stdout.isatty() else WIDTH_OF_A_LOG)
    with TemporaryDirectory() as folder:
        every = rights(json.loads(package(Path(folder)).template.read_text()))
        chosen = [right for right in every if str(right).startswith(arguments.beginning)]
        if not chosen:
            console.print(
                f"No right matches {arguments.beginning}. Names are ROLE/SID/ACTION, such as DetectRole/Read.",
                style="red",
                markup=False,
            )
            return 1
        tried = [right for right in chosen if not required_by(right)]
        options = ["--package", folder, "--wait-seconds", f"{arguments.wait_seconds:g}"]
        whole, outcomes = _all_tried(tried, options, arguments.at_once, console)
    if whole.failed or whole.broken:
        console.print(whole.output, markup=False, highlight=False)
        console.print(
            "These tests fail even with every right, so the results without a right prove nothing:", style="bold red"
        )
        console.print("\n".join(whole.failed + whole.broken), markup=False)
        return 1
    console.print(_removed(outcomes), _required([right for right in chosen if right not in outcomes]))
    return _unnoticed(outcomes, whole.seconds, console)


def _unnoticed(outcomes: dict[Right, Outcome], seconds: float, console: Console) -> int:
    """Prints the rights that no test misses; 1 where there is any."""
    unnoticed = {right: outcome for right, outcome in outcomes.items() if not outcome.failed}
    for right, outcome in unnoticed.items():
        console.print(
            f"No test failed without {right}: {_why(outcome)}. Add a test that needs this right, or delete the right.",
            style="red",
            markup=False,
        )
    with_all = f"With every right, all tests in {len(WITH_ALL)} files pass ({seconds:.0f} s)"
    console.print(f"{len(outcomes) - len(unnoticed)} of {len(outcomes)} removed rights made a test fail. {with_all}.")
    return 1 if unnoticed else 0


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m tests.least_privilege", description=__doc__)
    parser.add_argument(
        "beginning",
        nargs="?",
        default="",
        help="first part of the names of the rights to remove (example: DetectRole/Read)",
    )
    parser.add_argument("--wait-seconds", type=float, default=20, help="seconds that a test waits for a condition")
    parser.add_argument("--at-once", type=int, default=2, help="number of parallel runs")
    return parser.parse_args()


def _all_tried(
    tried: list[Right], options: list[str], at_once: int, console: Console
) -> tuple[Outcome, dict[Right, Outcome]]:
    """The outcome of all tests with every right, and of those without each right until the first failure."""
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
    with ThreadPoolExecutor(at_once) as pool, Progress(*columns, console=console) as progress:
        task = progress.add_task("Removed rights", total=len(tried) + 1)
        whole = pool.submit(run, WITH_ALL, *options)
        runs: dict[Future[Outcome], Right] = {
            pool.submit(run, FILES[right.role], *options, "-x", "--without", str(right)): right for right in tried
        }
        try:
            for done in as_completed([whole, *runs]):
                progress.advance(task)
                if done is whole and (whole.result().failed or whole.result().broken):
                    return whole.result(), {}
        finally:  # at Ctrl-C too: nothing more begins
            pool.shutdown(cancel_futures=True)
        return whole.result(), {right: future.result() for future, right in runs.items()}


def _removed(outcomes: dict[Right, Outcome]) -> Table:
    table = Table("role", "statement", "action", "resource", title="Rights removed, one per run")
    table.add_column("failed test", overflow="fold")
    table.add_column("seconds", justify="right")
    for right, outcome in outcomes.items():
        noticed_by = outcome.failed[0] if outcome.failed else "NONE"
        where = "\n".join(_resource(right.resource))
        table.add_row(right.role, right.sid, right.action, where, escape(noticed_by), f"{outcome.seconds:.0f}")
    return table


def _required(required: list[Right]) -> Table:
    """Those of one statement that the same test requires, in one line."""
    table = Table("role", "statement", "actions", title="Rights that the local AWS does not enforce")
    table.add_column("required by a static test", overflow="fold")
    for (role, sid, test), rights_of_it in groupby(
        required, key=lambda right: (right.role, right.sid, required_by(right))
    ):
        table.add_row(role, sid, "\n".join(dict.fromkeys(right.action for right in rights_of_it)), escape(str(test)))
    return table


def _why(outcome: Outcome) -> str:
    if not outcome.broken:
        return "all tests passed"
    return f"{outcome.broken[0]} ended with an error first\n{outcome.output}"


def _resource(resource: Any) -> Iterator[str]:
    """The names in it, of a choice those of each side."""
    if isinstance(resource, str):
        yield resource
        return
    ((function, value),) = resource.items()
    if function == "Fn::If":
        yield from (name for side in value[1:] if side != NOTHING for name in _resource(side))
    else:
        yield value[0] if isinstance(value, list) else value


if __name__ == "__main__":
    sys.exit(main())

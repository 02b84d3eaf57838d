"""Disrupts the packaged functions on the local AWS and shows the outcome of every image: `make torture`."""

import os
import platform
import sys
import time
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console

from labelwatch.deploy import package
from labelwatch.local.folder import exclusive
from labelwatch.local.host import check_lambda_zip
from labelwatch.shared.errors import UserError
from labelwatch.shared.project import PROJECT
from tests.torture import page, scenarios
from tests.torture.environment import WaitTimeoutError, running
from tests.torture.outcome import Outcome


def main(
    images: Annotated[
        int, typer.Option(min=10, help="Number of images in the scenario with all disruptions.")
    ] = 10_000,
    write: Annotated[bool, typer.Option("--write", help="Also write docs/reliability.md.")] = False,  # noqa: FBT002
) -> None:
    """Run each scenario and compare the uploaded images with their outcomes."""
    console = Console(markup=False, highlight=False)
    folder = PROJECT / "build" / "torture"
    outcomes: list[Outcome] = []
    started = time.monotonic()
    try:
        check_lambda_zip()
        with exclusive(folder), running(folder / "session", package(folder / "package")) as environment:
            for scenario in scenarios.all_scenarios(images):
                with console.status(scenario.name):
                    outcomes.append(scenarios.run(environment, scenario))
                console.print(page.line(outcomes[-1]), soft_wrap=True)
    except (UserError, WaitTimeoutError) as problem:
        console.print(f"Error: {problem}", style="red")
        raise typer.Exit(1) from None
    console.print(page.table(outcomes), soft_wrap=True)
    faults = [fault for outcome in outcomes for fault in outcome.faults]
    console.print(
        "\n".join(faults) or "No faults: every image has one outcome, and every duplicate is explained.", soft_wrap=True
    )
    if write:
        _write(PROJECT / "docs" / "reliability.md", outcomes, (time.monotonic() - started) / 60)
    if faults:
        raise typer.Exit(1)


def _write(file: Path, outcomes: list[Outcome], minutes: float) -> None:
    command = " ".join([".venv/bin/python -m tests.torture", *sys.argv[1:]])
    machine = f"{platform.system()} {platform.machine()}, {os.cpu_count()} cores"
    about = f"`{command}`, {datetime.now(UTC):%Y-%m-%d}, {machine}, {minutes:.1f} minutes"
    file.write_text(page.whole(outcomes, about))


if __name__ == "__main__":
    typer.run(main)

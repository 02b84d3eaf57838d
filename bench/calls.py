"""Counts the AWS calls of an image, by the packaged stack on the local AWS; bench/cost.py calculates their cost.

    .venv/bin/python -m bench.calls

Four runs: images in a burst and one by one, with AWS credentials and through presigned uploads. Then the picture pages
of alerts are opened. Each call of a function
goes through a counting proxy (tests/support/call_counter.py). What AWS does and the emulator does not is calculated.
"""

import json
import os
import platform
import sys
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import Annotated, Any

import typer
from PIL import Image
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn
from rich.table import Table

from bench.measuring import MODEL_SECONDS, Run, running
from bench.month import scheduled_functions
from labelwatch.deploy import package
from labelwatch.local import curl_uploads
from labelwatch.local.folder import exclusive
from labelwatch.local.host import check_lambda_zip
from labelwatch.shared.errors import UserError
from labelwatch.shared.pricing import MODEL_IMAGES_A_SECOND
from labelwatch.shared.project import PROJECT

RESULT = PROJECT / "bench" / "calls.json"
LABEL_OF_INTEREST = "leaf-smut"
# Every tenth image is worth an alert.
IMAGES_PER_ALERT = 10
IMAGES_TO_WARM_UP = 20
SCHEDULED_EVENTS = 10
PAGES_TO_OPEN = 40
# https://docs.aws.amazon.com/lambda/latest/dg/with-eventbridge-scheduler.html
SCHEDULED_EVENT = {
    "version": "0",
    "id": "00000000-0000-0000-0000-000000000000",
    "detail-type": "Scheduled Event",
    "source": "aws.events",
    "account": "000000000000",
    "time": "2026-01-01T00:00:00Z",
    "region": "eu-central-1",
    "resources": [],
    "detail": {},
}


class ByColour:
    """A classifier that distinguishes red from blue."""

    def classify(self, image: Image.Image) -> list[tuple[str, float]]:
        """The label of interest for red, another for blue."""
        red, _, blue = image.convert("RGB").resize((1, 1)).tobytes()
        return [(LABEL_OF_INTEREST if red > blue else "brown-spot", 97.0)]


def main(
    burst: Annotated[int, typer.Option(min=IMAGES_PER_ALERT, help="Number of images in a burst.")] = 200,
    slow: Annotated[int, typer.Option(min=IMAGES_PER_ALERT, help="Number of images uploaded one by one.")] = 40,
    out: Annotated[Path, typer.Option(help="File for the counts.")] = RESULT,
) -> None:
    """Counts the AWS calls of an image and writes them to a file."""
    console = Console()
    folder = PROJECT / "build" / "calls"
    runs = [
        Run("burst, direct", burst=True, presigned=False, images=burst),
        Run("burst, by presigned upload", burst=True, presigned=True, images=burst),
        Run("one by one, direct", burst=False, presigned=False, images=slow),
        Run("one by one, by presigned upload", burst=False, presigned=True, images=slow),
    ]
    try:
        check_lambda_zip()
        curl_uploads.check_curl()
        with exclusive(folder):
            measured = _measure(folder, runs, console)
    except UserError as problem:
        console.print(f"Error: {problem}", style="red")
        raise typer.Exit(1) from None
    about = {
        "command": " ".join([".venv/bin/python -m bench.calls", *sys.argv[1:]]),
        "date": f"{datetime.now(UTC):%Y-%m-%d}",
        "machine": f"{platform.system()} {platform.machine()}, {os.cpu_count()} processors",
        "share_worth_an_alert": 1 / IMAGES_PER_ALERT,
        "model_images_a_second": MODEL_IMAGES_A_SECOND,
        "model_seconds": MODEL_SECONDS,
    }
    out.write_text(json.dumps(about | measured, indent=2) + "\n")
    _show(console, measured["runs"])
    console.print(f"Written to {out}.")


def _measure(folder: Path, runs: list[Run], console: Console) -> dict[str, Any]:
    columns = (TextColumn("{task.description:<28}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
    warming_up = Run("warming up", burst=True, presigned=True, images=IMAGES_TO_WARM_UP)
    with Progress(*columns, console=console) as progress:
        task = progress.add_task("packaging, deploying", total=1)
        packaged = package(folder / "package")
        with running(folder, packaged, ByColour(), LABEL_OF_INTEREST) as bench:
            progress.advance(task)
            totals = {}
            for run in [warming_up, *runs]:
                task = progress.add_task(run.name, total=run.images)
                files = _pictures(folder / "pictures", run)
                totals[run.name] = bench.measure(run, files, partial(progress.advance, task))
            task = progress.add_task("opening picture pages", total=PAGES_TO_OPEN)
            views = bench.open_pages(PAGES_TO_OPEN, partial(progress.advance, task))
            scheduled = scheduled_functions(json.loads(packaged.template.read_text()))
            return {
                "runs": {run.name: totals[run.name] for run in runs},
                "views": views,
                "scheduled": {name: bench.invoke(name, SCHEDULED_EVENT, SCHEDULED_EVENTS) for name in scheduled},
                "row_bytes": bench.row_bytes(),
            }


def _pictures(folder: Path, run: Run) -> list[Path]:
    folder.mkdir(exist_ok=True)
    files = [folder / f"{run.name} {number:03d}.jpg" for number in range(run.images)]
    for number, file in enumerate(files):
        Image.new("RGB", (96, 96), (200, 0, 0) if number % IMAGES_PER_ALERT == 0 else (0, 0, 200)).save(file)
    return files


def _show(console: Console, runs: dict[str, Any]) -> None:
    """What an image took, a column for each run."""
    table = Table(title="Per image (* = calculated, not counted)", title_justify="left")
    table.add_column("", no_wrap=True)
    amounts: dict[str, dict[str, float]] = {}
    for run, totals in runs.items():
        table.add_column(run, justify="right")
        for line, count in _lines(totals):
            row = amounts.setdefault(line, {})
            row[run] = row.get(run, 0) + count / totals["times"]
    for line, row in amounts.items():
        table.add_row(line, *(f"{row.get(run, 0):.3f}" for run in runs))
    console.print(table)


def _lines(totals: dict[str, Any]) -> list[tuple[str, float]]:
    return [
        *(line for operations in totals["calls"].values() for line in operations.items()),
        *((f"{operation} *", count) for operation, count in totals["calculated"].items()),
        *((f"{name} {key}", total) for name, sums in totals["functions"].items() for key, total in sums.items()),
        ("alerts", totals["alerts"]),
    ]


if __name__ == "__main__":
    typer.run(main)

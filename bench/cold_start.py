"""What a cold start costs and what is in the zip; bench/README.md says how to read it.

    .venv/bin/python -m bench.cold_start

Each handler starts in a process of its own, under Lambda's runtime client, beside two others in the same run: one that
does nothing, and one that only makes the clients that this handler needs. One handler starts from compiled code too.
"""

import compileall
import os
import platform
import shutil
import tempfile
import time
import zipfile
from collections import Counter
from collections.abc import Iterable
from pathlib import Path
from py_compile import PycInvalidationMode
from statistics import median
from typing import Annotated, Any, NamedTuple

import typer
from rich.console import Console
from rich.progress import track
from rich.table import Table

from labelwatch.deploy.package import package
from labelwatch.local.ministack import check_machine
from labelwatch.shared.errors import UserError
from tests.support import handler_environment, lambda_runtime
from tests.support.lambda_runtime import CLIENT, Lambda

# What each handler makes of chalicelib/wiring.py's clients for its event.
CLIENTS = {
    "app.detect": ("rekognition", "s3", "sqs"),
    "app.notify": ("s3", "sns", "sqs"),
    "app.authorize": ("dynamodb",),
    "app.app": ("s3",),
    "app.check_subscriptions": ("sns",),
    "app.ingest": ("sqs",),
}
NOTHING = "def handler(event, context):\n    return None\n"
BARE = "nothing"
COMPILED = "app.detect"
LARGEST_PARTS = 8


class Subject(NamedTuple):
    """What is started: a handler, where its code is, the event that it gets, and what it is compared with."""

    handler: str
    where: Lambda
    event: object
    beside: str = BARE


class Start(NamedTuple):
    """One start, in milliseconds: until the first event is asked for, and how long the first two events take."""

    ready: float
    first: float
    second: float

    @property
    def cold(self) -> float:
        """What the start adds to an invocation: the second event shows what the work itself takes."""
        return self.ready + self.first - self.second


def subjects(where: Lambda, folder: Path, events: dict[str, dict[str, Any]]) -> dict[str, Subject]:
    """What is compared, by its name in the table."""
    found = {BARE: Subject("bare.handler", where._replace(task=_written(folder / "bare", NOTHING)), {})}
    for handler, clients in CLIENTS.items():
        beside = f"boto3: {', '.join(clients)}"
        code = f"import boto3\n\nclients = [boto3.client(name) for name in {clients!r}]\n\n\n{NOTHING}"
        task = _written(folder / "-".join(clients), code)
        found[beside] = Subject("bare.handler", where._replace(task=task), {})
        found[handler] = Subject(handler, where, events[handler], beside)
    compiled = where._replace(task=_compiled(where.task, folder / "compiled"))
    found[f"{COMPILED}, compiled"] = found[COMPILED]._replace(where=compiled)
    return found


def measured(subject: Subject, environment: dict[str, str]) -> Start:
    """Starts it once, for two events."""
    with lambda_runtime.started(subject.handler, subject.where, environment, CLIENT) as started:
        ready = started.next_news().at - started.started_at
        first, second = (_took(started, subject.event) for _ in range(2))
    return Start(ready * 1000, first * 1000, second * 1000)


def sizes(file: Path) -> Table:
    """What is in the zip."""
    unpacked: Counter[str] = Counter()
    packed: Counter[str] = Counter()
    with zipfile.ZipFile(file) as archive:
        for entry in archive.infolist():
            part = entry.filename.split("/")[0]
            unpacked[part] += entry.file_size
            packed[part] += entry.compress_size
    table = Table("part", "unpacked kB", "in the zip kB", title=f"The zip: {file.stat().st_size / 1000:.0f} kB")
    for part, size in unpacked.most_common(LARGEST_PARTS):
        table.add_row(part, f"{size / 1000:.0f}", f"{packed[part] / 1000:.0f}")
    table.add_row("all", f"{unpacked.total() / 1000:.0f}", f"{packed.total() / 1000:.0f}", style="bold")
    return table


def times(compared: dict[str, Subject], starts: dict[str, list[Start]]) -> Table:
    """What the starts took; a ratio is the median of the rounds' own."""
    table = Table(title="Cold starts, in ms: minimum / median / maximum")
    for column in ("", "ready", "first event", "second event", "cold", "by its clients", "by nothing"):
        table.add_column(column, justify="right" if column else "left")
    for name, of_one in starts.items():
        beside = compared[name].beside
        table.add_row(
            name,
            _spread(one.ready for one in of_one),
            _spread(one.first for one in of_one),
            _spread(one.second for one in of_one),
            _spread(one.cold for one in of_one),
            _ratio(of_one, starts[beside]) if beside != BARE else "",
            _ratio(of_one, starts[BARE]),
        )
    return table


def main(rounds: Annotated[int, typer.Option(min=1, help="How often each is started.")] = 10) -> None:
    """Measures the zip and its cold starts on this machine."""
    console = Console(width=150)
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary)
        try:
            check_machine()
            packaged = package(folder / "package")
            _show(console, packaged.zip, folder, rounds)
        except UserError as problem:
            console.print(f"Error: {problem}", style="red")
            raise typer.Exit(1) from None


def _show(console: Console, zipped: Path, folder: Path, rounds: int) -> None:
    console.print(sizes(zipped))
    with zipfile.ZipFile(zipped) as archive:
        archive.extractall(folder / "task")
    where = Lambda(folder / "task", lambda_runtime.runtime(), folder)
    with handler_environment.running(folder / "cloud") as aws:
        # The disk of the zip is read-only there, so each start compiles it anew.
        environment = aws.environment | {"EXISTING_BUCKET_NAME": "images", "PYTHONDONTWRITEBYTECODE": "1"}
        compared = subjects(where, folder, aws.events())
        starts: dict[str, list[Start]] = {name: [] for name in compared}
        for _ in track(range(rounds), "rounds", console=console):
            for name, subject in compared.items():
                starts[name].append(measured(subject, environment))
    console.print(times(compared, starts))
    console.print(
        f"{rounds} rounds, Python {platform.python_version()} on {platform.system()} {platform.machine()} with "
        f"{os.cpu_count()} processors."
    )


def _written(folder: Path, code: str) -> Path:
    folder.mkdir()
    (folder / "bare.py").write_text(code)
    return folder


def _compiled(task: Path, folder: Path) -> Path:
    """A copy with its code compiled, in a way that does not ask when the sources were written."""
    shutil.copytree(task, folder)
    compileall.compile_dir(folder, quiet=2, force=True, invalidation_mode=PycInvalidationMode.UNCHECKED_HASH)
    return folder


def _took(started: lambda_runtime.Function, event: object) -> float:
    since = time.perf_counter()
    return started.invoke(event).at - since


def _spread(values: Iterable[float]) -> str:
    ordered = sorted(values)
    return f"{ordered[0]:.0f} / {median(ordered):.0f} / {ordered[-1]:.0f}"


def _ratio(these: list[Start], those: list[Start]) -> str:
    return f"{median(one.cold / other.cold for one, other in zip(these, those, strict=True)):.2f}"


if __name__ == "__main__":
    typer.run(main)

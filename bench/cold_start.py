"""What a cold start costs and what is in the zip; bench/README.md explains the columns.

    .venv/bin/python -m bench.cold_start

Each handler starts in a process of its own, under Lambda's runtime client, beside two others in the same run: one that
does nothing, and one that only creates the clients that this handler creates. `app.detect` starts without the compiled
code of the zip too, and with `--against` from another zip.
"""

import os
import platform
import shutil
import tempfile
import time
import zipfile
from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from statistics import median
from typing import Annotated, NamedTuple

import typer
from rich.console import Console
from rich.progress import track
from rich.table import Table

from bench import recorded_clients
from labelwatch.deploy import package
from labelwatch.local.host import check_lambda_zip
from labelwatch.shared.errors import UserError
from tests.support import handler_environment, lambda_runtime
from tests.support.handler_environment import HandlerEnvironment
from tests.support.lambda_runtime import RUNTIME_CLIENT, ExecutionEnvironment

EMPTY_HANDLER = "def handler(event, context):\n    return None\n"
NOTHING = "nothing"
# The handler that each image waits for.
COMPARED = "app.detect"
FROM_SOURCE, OTHER_ZIP = f"{COMPARED}, not compiled", f"{COMPARED}, other zip"
LARGEST_PARTS = 8

Zip = Annotated[
    Path | None, typer.Option(help=f"Another deployment.zip whose {COMPARED} is started as well, for comparison.")
]


class Subject(NamedTuple):
    """A handler to start, its execution environment, its events, and the name of the subject to compare it with."""

    handler: str
    environment: ExecutionEnvironment
    new_event: Callable[[], object] = dict
    baseline: str = NOTHING


class Start(NamedTuple):
    """One start, in milliseconds: until the first event is requested, and how long the first two events take."""

    ready: float
    first: float
    second: float

    @property
    def cold(self) -> float:
        """What the start adds to an invocation: the second event shows how long the work itself takes."""
        return self.ready + self.first - self.second


class ColdStarts:
    """The handlers of one zip, to be started in turn."""

    def __init__(self, zipped: Path, folder: Path, aws: HandlerEnvironment) -> None:
        self._folder = folder
        self._aws = aws
        # Lambda cannot write beside the zip's code, so Python compiles nothing for the next start.
        self._variables = aws.variables | {"EXISTING_BUCKET_NAME": "images", "PYTHONDONTWRITEBYTECODE": "1"}
        self._environment = ExecutionEnvironment(_unpacked(zipped, folder / "task"), lambda_runtime.runtime(), folder)
        self.subjects = {NOTHING: self._bare_handler("nothing", EMPTY_HANDLER)}
        for handler in aws.events():
            self._add_handler(handler)
        self._add_variant(FROM_SOURCE, _without_compiled_code(self._environment.task, folder / "not-compiled"))

    def add_other_zip(self, zipped: Path) -> None:
        """Starts the same handler of another zip, too."""
        self._add_variant(OTHER_ZIP, _unpacked(zipped, self._folder / "other"))

    def measure(self, subject: Subject) -> Start:
        """Starts the subject once, for two events."""
        started = lambda_runtime.started(subject.handler, subject.environment, self._variables, RUNTIME_CLIENT)
        with started as function:
            ready = function.next_report().at - function.started_at
            first, second = (_seconds_for(function, subject.new_event()) for _ in range(2))
        return Start(ready * 1000, first * 1000, second * 1000)

    def _add_handler(self, handler: str) -> None:
        def new_event() -> object:
            return self._aws.events()[handler]

        clients = self._created_clients(handler, new_event())
        baseline = f"boto3: {', '.join(clients)}"
        code = f"import boto3\n\nclients = [boto3.client(name) for name in {clients!r}]\n\n\n{EMPTY_HANDLER}"
        if baseline not in self.subjects:
            self.subjects[baseline] = self._bare_handler("-".join(clients), code)
        self.subjects[handler] = Subject(handler, self._environment, new_event, baseline)

    def _add_variant(self, name: str, task: Path) -> None:
        subject = self.subjects[COMPARED]
        self.subjects[name] = subject._replace(environment=self._environment._replace(task=task))

    def _created_clients(self, handler: str, event: object) -> list[str]:
        """The services of the clients that the handler creates for its event."""
        command = [str(recorded_clients.__file__)]
        with lambda_runtime.started(handler, self._environment, self._variables, command) as function:
            function.answer(event)
            lines = function.log.splitlines()
        mark = recorded_clients.LINE
        return sorted(line.removeprefix(mark) for line in lines if line.startswith(mark))

    def _bare_handler(self, name: str, code: str) -> Subject:
        task = self._folder / "bare" / name
        task.mkdir(parents=True)
        (task / "bare.py").write_text(code)
        return Subject("bare.handler", self._environment._replace(task=task))


def size_table(file: Path) -> Table:
    """The parts of the zip, by their size."""
    unpacked: Counter[str] = Counter()
    packed: Counter[str] = Counter()
    with zipfile.ZipFile(file) as archive:
        for member in archive.infolist():
            name = member.filename
            part = "compiled code" if name.endswith(".pyc") else name.split("/")[0]
            unpacked[part] += member.file_size
            packed[part] += member.compress_size
    table = Table("part", "unpacked kB", "in the zip kB", title=f"The zip: {file.stat().st_size / 1000:.0f} kB")
    for part, size in unpacked.most_common(LARGEST_PARTS):
        table.add_row(part, f"{size / 1000:.0f}", f"{packed[part] / 1000:.0f}")
    table.add_row("all", f"{unpacked.total() / 1000:.0f}", f"{packed.total() / 1000:.0f}", style="bold")
    return table


def time_table(subjects: Mapping[str, Subject], starts: Mapping[str, list[Start]]) -> Table:
    """How long the starts took; a ratio is the median of the ratios of the rounds."""
    table = Table(title="Cold starts, in ms: minimum / median / maximum")
    for column in ("", "ready", "first event", "second event", "cold", "by its clients", "by nothing"):
        table.add_column(column, justify="right" if column else "left")
    for name, rounds in starts.items():
        baseline = subjects[name].baseline
        table.add_row(
            name,
            _spread(start.ready for start in rounds),
            _spread(start.first for start in rounds),
            _spread(start.second for start in rounds),
            _spread(start.cold for start in rounds),
            _ratio(rounds, starts[baseline]) if baseline != NOTHING else "",
            _ratio(rounds, starts[NOTHING]),
        )
    return table


def main(
    rounds: Annotated[int, typer.Option(min=1, help="Number of starts of each variant.")] = 10, against: Zip = None
) -> None:
    """Measures the zip and its cold starts on this machine."""
    console = Console(width=150)
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary)
        try:
            check_lambda_zip()
            zipped = package(folder / "package").zip
            console.print(size_table(zipped))
            with handler_environment.running(folder / "aws") as aws:
                cold_starts = ColdStarts(zipped, folder, aws)
                if against:
                    cold_starts.add_other_zip(against)
                _measure(console, cold_starts, rounds)
        except UserError as problem:
            console.print(f"Error: {problem}", style="red")
            raise typer.Exit(1) from None


def _measure(console: Console, cold_starts: ColdStarts, rounds: int) -> None:
    subjects = cold_starts.subjects
    starts: dict[str, list[Start]] = {name: [] for name in subjects}
    for _ in track(range(rounds), "rounds", console=console):
        for name, subject in subjects.items():
            starts[name].append(cold_starts.measure(subject))
    console.print(time_table(subjects, starts))
    for name in (FROM_SOURCE, OTHER_ZIP):
        if name in starts:
            console.print(f"{COMPARED} takes {_ratio(starts[COMPARED], starts[name])} times as long as {name}.")
    console.print(
        f"{rounds} rounds, Python {platform.python_version()} on {platform.system()} {platform.machine()} with "
        f"{os.cpu_count()} processors."
    )


def _unpacked(zipped: Path, folder: Path) -> Path:
    with zipfile.ZipFile(zipped) as archive:
        archive.extractall(folder)
    return folder


def _without_compiled_code(task: Path, folder: Path) -> Path:
    return Path(shutil.copytree(task, folder, ignore=shutil.ignore_patterns("__pycache__")))


def _seconds_for(function: lambda_runtime.Function, event: object) -> float:
    since = time.perf_counter()
    return function.invoke(event).at - since


def _spread(values: Iterable[float]) -> str:
    ordered = sorted(values)
    return f"{ordered[0]:.0f} / {median(ordered):.0f} / {ordered[-1]:.0f}"


def _ratio(starts: list[Start], baseline: list[Start]) -> str:
    return f"{median(start.cold / other.cold for start, other in zip(starts, baseline, strict=True)):.2f}"


if __name__ == "__main__":
    typer.run(main)

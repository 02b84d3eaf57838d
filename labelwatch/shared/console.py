"""Whoever runs a command: what is told, shown and asked."""

from collections.abc import Callable
from typing import Any, NamedTuple

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, SpinnerColumn, TextColumn

from labelwatch.shared.errors import UserError
from labelwatch.shared.stacks import Event


class Terminal(NamedTuple):
    """`agrees` gets a question; `answers` gets a parameter's name, description and default.

    It is None where nobody is there to answer.
    """

    console: Console
    accepts: Callable[[str], bool]
    ask: Callable[[str, str, str], str] | None = None

    def print(self, text: str) -> None:
        """One line, however long: addresses and commands are to be copied."""
        self.console.print(text, soft_wrap=True)

    def confirm(self, question: str) -> None:
        """Raises UserError where the operator does not."""
        if not self.accepts(question):
            raise UserError("nothing is created, changed or deleted.")

    def progress(self) -> Progress:
        """A bar with what is in work now."""
        return Progress(
            SpinnerColumn(),
            BarColumn(),
            MofNCompleteColumn(),
            TextColumn("{task.description}", markup=False),
            console=self.console,
            transient=True,
        )


def watching(bars: Progress, bar: Any, awaited: set[str]) -> Callable[[Event], None]:  # noqa: ANN401 - rich's own id
    """Moves the bar on for each of these resources that is done."""
    left = set(awaited)

    def watch(event: Event) -> None:
        bars.update(bar, description=f"{event.status} {event.name}")
        if event.name in left and event.status.endswith("_COMPLETE"):
            left.discard(event.name)
            bars.advance(bar)

    return watch

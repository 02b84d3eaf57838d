"""The terminal of the person who runs a command: lines, questions and progress."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import NamedTuple

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, SpinnerColumn, TextColumn

from labelwatch.shared.errors import UserError
from labelwatch.shared.stacks import Event, OnEvent


class Terminal(NamedTuple):
    """`accepts` answers a question with yes or no; `ask` gets a parameter's name, description and default.

    `ask` is None where nobody can answer, as in a script.
    """

    console: Console
    accepts: Callable[[str], bool]
    ask: Callable[[str, str, str], str] | None = None

    def print(self, text: str) -> None:
        """One line, however long: addresses and commands are to be copied."""
        self.console.print(text, soft_wrap=True)

    def confirm(self, question: str) -> None:
        """Raises UserError where the person does not agree."""
        if not self.accepts(question):
            raise UserError("Cancelled. Nothing was changed.")

    def progress(self) -> Progress:
        """A bar with the current work beside it."""
        return Progress(
            SpinnerColumn(),
            BarColumn(),
            MofNCompleteColumn(),
            TextColumn("{task.description}", markup=False),
            console=self.console,
            transient=True,
            disable=not self.console.is_terminal,
        )

    @contextmanager
    def stack_progress(self, logical_ids: set[str]) -> Iterator[OnEvent]:
        """A bar that moves when a resource of these is complete; returns the function that receives the events."""
        left = set(logical_ids)
        with self.progress() as bars:
            bar = bars.add_task("", total=len(left))

            def on_event(event: Event) -> None:
                bars.update(bar, description=f"{event.status} {event.logical_id}")
                if event.logical_id in left and event.status.endswith("_COMPLETE"):
                    left.discard(event.logical_id)
                    bars.advance(bar)

            yield on_event

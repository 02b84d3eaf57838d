"""Options and the terminal, which all commands share."""

import sys
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.console import Console

from labelwatch.shared.errors import UserError
from labelwatch.shared.project import PROJECT

if TYPE_CHECKING:
    from labelwatch.shared.console import Terminal

BUILD = PROJECT / "build"
CACHE = PROJECT / ".labelwatch" / "models"

Images = Annotated[
    Path | None,
    typer.Option(help="A folder with a sub-folder of images for each label; without it, leaves are drawn."),
]
Stack = Annotated[str, typer.Option(help="The CloudFormation stack; labelwatch-STAGE where chalice deploy is used.")]
Profile = Annotated[str | None, typer.Option(help="The AWS profile; without it, as the AWS tools choose.")]
Region = Annotated[str | None, typer.Option(help="The AWS Region; without it, as the AWS tools choose.")]
Yes = Annotated[bool, typer.Option("--yes", "-y", help="Go on without asking.")]


def console() -> Console:
    """A console without markup: names of files and labels may look like it."""
    return Console(markup=False, emoji=False, highlight=False)


def open_terminal(*, yes: bool, default: bool, ask: "Callable[[str, str, str], str] | None" = None) -> "Terminal":
    """The terminal; with `yes` it accepts every question, else a person answers, or a question raises UserError."""
    from labelwatch.shared.console import Terminal

    def accepts(question: str) -> bool:
        if not yes and not is_interactive():
            raise UserError("nobody is there to be asked; --yes goes on without.")
        return yes or typer.confirm(question, default=default)

    return Terminal(console(), accepts, ask if is_interactive() else None)


def is_interactive() -> bool:
    """Whether a person can answer. Standard input may be closed, or a file; standard output does not count."""
    return sys.stdin is not None and not sys.stdin.closed and sys.stdin.isatty()

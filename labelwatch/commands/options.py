"""Options and the terminal, which all commands share."""

import os
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

# Two runs in one folder would empty it for each other; tests name folders of their own.
BUILD = Path(os.environ.get("LABELWATCH_BUILD") or PROJECT / "build").absolute()
CACHE = PROJECT / ".labelwatch" / "models"

Images = Annotated[
    Path | None,
    typer.Option(help="A folder with one sub-folder of images per label. Default: drawn leaves."),
]
Stack = Annotated[
    str,
    typer.Option(envvar="LABELWATCH_STACK", help="The CloudFormation stack. With `chalice deploy`: labelwatch-STAGE."),
]
Profile = Annotated[str | None, typer.Option(help="The AWS profile. Default: the standard AWS credential chain.")]
Region = Annotated[str | None, typer.Option(help="The AWS Region. Default: that of the profile or environment.")]
Yes = Annotated[bool, typer.Option("--yes", "-y", help="Skip the confirmation prompt.")]


def console() -> Console:
    """A console without markup: names of files and labels may look like it."""
    return Console(markup=False, emoji=False, highlight=False)


def stderr() -> Console:
    """A console on standard error, for all that must not mix with output that programs read."""
    return Console(stderr=True, markup=False, emoji=False, highlight=False)


def open_terminal(*, yes: bool, default: bool, ask: "Callable[[str, str, str], str] | None" = None) -> "Terminal":
    """The terminal. With `yes` it accepts every question; without a person, a question raises UserError."""
    from labelwatch.shared.console import Terminal

    def accepts(question: str) -> bool:
        if not yes and not is_interactive():
            raise UserError("No terminal for confirmation. Use --yes to skip the prompt.")
        return yes or typer.confirm(question, default=default)

    return Terminal(console(), accepts, ask if is_interactive() and not yes else None)


def is_interactive() -> bool:
    """Whether a person can answer. Standard input may be closed, or a file; standard output does not count."""
    return sys.stdin is not None and not sys.stdin.closed and sys.stdin.isatty()

"""What the commands share."""

import sys
from collections.abc import Callable
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console

from labelwatch.shared.errors import UserError
from labelwatch.shared.project import PROJECT

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
    """What is printed is names of files and labels, which may look like markup and are none."""
    return Console(markup=False, emoji=False, highlight=False)


def agreement(*, yes: bool, default: bool) -> Callable[[str], bool]:
    """How a question is answered: with yes, or by whoever is there; raises UserError where nobody is."""

    def accepts(question: str) -> bool:
        if not yes and not at_a_terminal():
            raise UserError("nobody is there to be asked; --yes goes on without.")
        return yes or typer.confirm(question, default=default)

    return accepts


def at_a_terminal() -> bool:
    """Where answers come from; what is shown may go anywhere."""
    return sys.stdin.isatty()

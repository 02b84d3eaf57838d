"""What the commands share."""

from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console

from labelwatch.package import PROJECT

BUILD = PROJECT / "build"
CACHE = PROJECT / ".labelwatch" / "models"

Images = Annotated[
    Path | None,
    typer.Option(help="A folder with a sub-folder of images for each label; without it, leaves are drawn."),
]
Stack = Annotated[str, typer.Option(help="The CloudFormation stack; labelwatch-STAGE where chalice deploy is used.")]
Profile = Annotated[str | None, typer.Option(help="The AWS profile; without it, as the AWS tools choose.")]
Region = Annotated[str | None, typer.Option(help="The AWS Region; without it, as the AWS tools choose.")]


def console() -> Console:
    """What is printed is names of files and labels, which may look like markup and are none."""
    return Console(markup=False, emoji=False, highlight=False)

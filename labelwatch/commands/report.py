"""The command that draws the report."""

from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console

from labelwatch.commands.athena import From, Label, To
from labelwatch.commands.shared import BUILD, Profile, Region, Stack, console


def report(  # noqa: PLR0913 - a command's options, by name
    *,
    first: From = None,
    last: To = None,
    label: Label = None,
    folder: Annotated[Path, typer.Option("--out", help="The folder that takes report.html and labels.png.")] = BUILD
    / "report",
    stack: Stack = "labelwatch",
    profile: Profile = None,
    region: Region = None,
) -> None:
    """Draw what was predicted on one page that opens anywhere, without a network: build/report/report.html.

    The same visuals as in QuickSight, from the same definition (athena/quicksight.json), asked through Athena; the pie
    is a picture of its own too, for slides and mails. Links lead to the S3 console, for those who may look there.
    """
    from labelwatch import stack as stacks  # noqa: PLC0415 - a command loads what it needs, so that --help is quick
    from labelwatch.analytics import athena, queries  # noqa: PLC0415 - the same
    from labelwatch.aws import Account  # noqa: PLC0415 - the same
    from labelwatch.report import making  # noqa: PLC0415 - the same

    to = queries.narrowing(first, last, label or [])
    account = Account(profile, region)
    outputs = stacks.outputs(account.client("cloudformation"), stack, "LabelsofInterest")
    with Console(stderr=True).status("") as status:
        made = making.make(
            athena.of_stack(account, stack),
            making.Asked(stack, outputs["LabelsofInterest"], to),
            folder,
            making.in_the_console(account),
            status.update,
        )
    console().print(f"{made.page}\n{made.pie or 'No image has a label, so there is no pie.'}", soft_wrap=True)

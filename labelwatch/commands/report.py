"""The command that draws the report."""

from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console

from labelwatch.commands.athena import From, Label, To
from labelwatch.commands.options import BUILD, Profile, Region, Stack, console


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
    from labelwatch.analytics import Athena
    from labelwatch.analytics.queries import parse_narrowing
    from labelwatch.report import Scope, write_report
    from labelwatch.report.build import console_addresses
    from labelwatch.shared import stacks
    from labelwatch.shared.account import Account

    narrowing = parse_narrowing(first, last, label or [])
    account = Account(profile, region)
    outputs = stacks.outputs(account.client("cloudformation"), stack, "LabelsofInterest", "WorkgroupName")
    with Console(stderr=True).status("") as status:
        written = write_report(
            Athena.from_stack(account, stack),
            Scope(stack, outputs["LabelsofInterest"], narrowing),
            folder,
            console_addresses(account),
            status.update,
        )
    console().print(f"{written.page}\n{written.pie or 'No image has a label, so there is no pie.'}", soft_wrap=True)

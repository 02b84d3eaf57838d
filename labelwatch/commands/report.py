"""The report command."""

from pathlib import Path
from typing import Annotated

import typer

from labelwatch.commands.athena import From, Label, Source, To
from labelwatch.commands.options import BUILD, Profile, Region, Stack, console, stderr


def report(  # noqa: PLR0913 - a command's options, by name
    *,
    first: From = None,
    last: To = None,
    label: Label = None,
    source: Source = None,
    folder: Annotated[
        Path, typer.Option("--out", show_default="build/report", help="The folder for report.html and labels.png.")
    ] = BUILD / "report",
    stack: Stack = "labelwatch",
    profile: Profile = None,
    region: Region = None,
) -> None:
    """Write the predictions as one HTML page that opens offline.

    The page has the newest images of interest with their boxes, and the visuals of QuickSight (athena/quicksight.json),
    queried with Athena. The pie is also a PNG file for slides and e-mails. Links open images in the S3 console and need
    access to the account.
    """
    from labelwatch.analytics import Athena
    from labelwatch.analytics.queries import parse_narrowing
    from labelwatch.report import Scope, write_report
    from labelwatch.report.build import OUTPUTS, picture_addresses
    from labelwatch.shared import stacks
    from labelwatch.shared.account import Account

    narrowing = parse_narrowing(first, last, label or [], source or [])
    account = Account(profile, region)
    outputs = stacks.outputs(account.client("cloudformation"), stack, "WorkgroupName", *OUTPUTS)
    with stderr().status("Running queries…") as status:
        written = write_report(
            account.client,
            Athena.from_stack(account, stack),
            Scope(stack, outputs, narrowing),
            folder,
            address_of=picture_addresses(account),
            on_step=status.update,
        )
    for problem in written.problems:
        stderr().print(problem, soft_wrap=True)
    console().print(f"{written.page}\n{written.pie or 'No labels found: labels.png was not written.'}", soft_wrap=True)

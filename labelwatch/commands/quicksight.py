"""The commands on QuickSight."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Annotated

import typer

from labelwatch.commands.options import Profile, Region, Stack, console, stderr

app = typer.Typer(
    help="Create, share and delete a QuickSight dashboard of the predictions.",
    no_args_is_help=True,
)


@app.command()
def up(  # noqa: PLR0913 - a command's options, by name
    *,
    principal: Annotated[
        list[str],
        typer.Option(help="A QuickSight user (name or ARN) or group (ARN) to share with. Repeat for more."),
    ],
    spice: Annotated[
        bool | None,
        typer.Option(
            "--spice/--direct",
            help="Import rows into SPICE daily, or query Athena at each view. Default: unchanged; at first --direct.",
        ),
    ] = None,
    identity_region: Annotated[
        str | None,
        typer.Option(help="The Region in which the account signed up for QuickSight. Default: found automatically."),
    ] = None,
    stack: Stack = "labelwatch",
    profile: Profile = None,
    region: Region = None,
) -> None:
    """Create or update the QuickSight dashboard, and share the dashboard.

    Creates a data source, a data set, an analysis and a dashboard. Run the command again after a change or to share
    with more people; existing shares are kept. Authors and administrators can edit; readers and groups can view.
    """
    from labelwatch.quicksight import setup
    from labelwatch.shared.account import Account

    options = setup.Options(stack, principal, spice=spice, identity_region=identity_region)
    with _printing("Updating QuickSight…") as print_line:
        setup.up(Account(profile, region), options, print_line)


@app.command()
def down(stack: Stack = "labelwatch", profile: Profile = None, region: Region = None) -> None:
    """Delete the QuickSight dashboard, analysis, data set and data source.

    Edits that were made in QuickSight are deleted too. The predictions in S3 are kept.
    """
    from labelwatch.quicksight import setup
    from labelwatch.shared.account import Account

    with _printing("Deleting from QuickSight…") as print_line:
        setup.down(Account(profile, region), stack, print_line)


@contextmanager
def _printing(text: str) -> Iterator[Callable[[str], None]]:
    """The function that prints a line, beside a spinner with this text."""
    with stderr().status(text) as status:

        def print_line(line: str) -> None:
            status.stop()  # or both would write to the same line of the terminal
            console().print(line, soft_wrap=True)  # an address or an ARN that is copied must not be broken
            status.start()

        yield print_line

"""The commands on QuickSight."""

from typing import Annotated

import typer

from labelwatch.commands.options import Profile, Region, Stack, console

app = typer.Typer(
    help="The predictions as a dashboard in QuickSight. Region and credentials as the AWS tools take them.",
    no_args_is_help=True,
)


@app.command()
def up(  # noqa: PLR0913 - a command's options, by name
    *,
    principal: Annotated[
        list[str],
        typer.Option(
            help="Whom to share with: the name of a QuickSight user, or the ARN of one or of a group; may be given "
            "several times."
        ),
    ],
    spice: Annotated[
        bool | None,
        typer.Option(
            "--spice/--direct",
            help="Keep the rows in QuickSight, refreshed daily; or query Athena at each view, which is the default.",
        ),
    ] = None,
    identity_region: Annotated[
        str | None,
        typer.Option(help="The Region in which the account signed up for QuickSight; by default, QuickSight names it."),
    ] = None,
    stack: Stack = "labelwatch",
    profile: Profile = None,
    region: Region = None,
) -> None:
    """Make a data source, a data set, an analysis and a dashboard of a stack's predictions, and share them.

    Run it again after a change, or to share with more people: what is as it should be stays as it is. Whoever may make
    things in QuickSight (authors, administrators) can change them; readers and groups can look at the dashboard.
    """
    from labelwatch.quicksight import setup
    from labelwatch.shared.account import Account

    options = setup.Options(stack, principal, spice=spice, identity_region=identity_region)
    setup.up(Account(profile, region), options, _print_line)


@app.command()
def down(stack: Stack = "labelwatch", profile: Profile = None, region: Region = None) -> None:
    """Delete what labelwatch quicksight up made, with what was changed in it since. Predictions stay."""
    from labelwatch.quicksight import setup
    from labelwatch.shared.account import Account

    setup.down(Account(profile, region), stack, _print_line)


def _print_line(line: str) -> None:
    console().print(line, soft_wrap=True)  # an address or an ARN that is copied must not be broken

"""The command for images that were in a bucket before the stack."""

from typing import Annotated

import typer

from labelwatch.commands.options import Profile, Region, Stack, Yes, open_terminal
from labelwatch.shared.project import PROJECT

BOOKMARKS = PROJECT / ".labelwatch" / "backfill"


def backfill(  # noqa: PLR0913 - a command's options, by name
    target: Annotated[
        str, typer.Argument(metavar="s3://BUCKET[/PREFIX]", help="A bucket that the stack looks at, or a part of it.")
    ],
    *,
    force: Annotated[
        bool, typer.Option("--force", help="Also what this model has predicted; rows are overwritten, never doubled.")
    ] = False,
    notify: Annotated[
        bool, typer.Option("--notify", help="Tell the subscribers as of new images; without it nobody is told.")
    ] = False,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Send nothing; say how many there are, and what the model would cost.")
    ] = False,
    units: Annotated[int, typer.Option(min=1, help="How many inference units the model runs on.")] = 1,
    stack: Stack = "labelwatch",
    yes: Yes = False,
    profile: Profile = None,
    region: Region = None,
) -> None:
    """Have the model look at images that were in a bucket before the stack was, or once more at all of them.

    What is predicted already is left out, and no alert tells of the past. Stopped with Ctrl-C, the same command goes
    on where it was.
    """
    from labelwatch.backfill.run import Request, run
    from labelwatch.backfill.target import target_of
    from labelwatch.shared.account import Account

    run(
        Account(profile, region),
        Request(stack, target_of(target), force=force, notify=notify, units=units, dry_run=dry_run),
        open_terminal(yes=yes, default=False),
        BOOKMARKS,
    )

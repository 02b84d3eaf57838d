"""The backfill command."""

from typing import Annotated

import typer

from labelwatch.commands.options import Profile, Region, Stack, Yes, open_terminal
from labelwatch.shared.project import PROJECT

BOOKMARKS = PROJECT / ".labelwatch" / "backfill"


def backfill(  # noqa: PLR0913 - a command's options, by name
    target: Annotated[
        str,
        typer.Argument(metavar="s3://BUCKET[/PREFIX]", help="A bucket of the stack, or a prefix in the bucket."),
    ],
    *,
    force: Annotated[
        bool,
        typer.Option("--force", help="Include images with a prediction; their rows are overwritten."),
    ] = False,
    notify: Annotated[
        bool, typer.Option("--notify", help="Send alerts as for new images. Default: no alerts.")
    ] = False,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Show the number of images and the estimated cost, and send nothing.")
    ] = False,
    units: Annotated[int, typer.Option(min=1, help="The model's inference units, for the estimate.")] = 1,
    stack: Stack = "labelwatch",
    yes: Yes = False,
    profile: Profile = None,
    region: Region = None,
) -> None:
    """Send existing images of a bucket to the model.

    Images with a prediction are skipped, and no alerts are sent. After Ctrl-C, run the same command to continue.
    """
    from labelwatch.backfill.run import Request, run
    from labelwatch.backfill.target import target_of
    from labelwatch.shared.account import Account

    request = Request(stack, target_of(target), force=force, notify=notify, units=units, dry_run=dry_run)
    run(Account(profile, region), request, open_terminal(yes=yes, default=False), BOOKMARKS)

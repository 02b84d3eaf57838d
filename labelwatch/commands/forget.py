"""The forget command."""

import sys
from enum import StrEnum
from typing import Annotated

import typer

from labelwatch.commands.options import Profile, Region, Stack, Yes, open_terminal, stderr
from labelwatch.shared.errors import UserError


class Form(StrEnum):
    """The form of the output."""

    TEXT = "text"
    JSON = "json"


def forget(  # noqa: PLR0913 - a command's options, by name
    key: Annotated[str | None, typer.Argument(metavar="KEY", help="The key of an image, all versions.")] = None,
    *,
    client: Annotated[
        str | None, typer.Option(help="All images that this client uploaded with a token (example: camera-north).")
    ] = None,
    source: Annotated[str | None, typer.Option(help="All images of this source (example: field-3).")] = None,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Show what would be deleted, and delete nothing.")] = False,
    form: Annotated[Form, typer.Option("--format", help="Output format.")] = Form.TEXT,
    yes: Yes = False,
    stack: Stack = "labelwatch",
    profile: Profile = None,
    region: Region = None,
) -> None:
    """Delete images, and all that the stack stores about these images.

    Deletes every version, prediction, link, record and dead letter. Asks once more before it deletes in an existing
    bucket. Lists what cannot be called back, such as sent alerts. After Ctrl-C, run the same command to continue.

    First stop the uploads, for example with `labelwatch tokens revoke`: an image in progress may leave data behind.

    Example: `labelwatch forget --client camera-north --dry-run`
    """
    from labelwatch.forget.run import Request, run
    from labelwatch.forget.selection import selection_of
    from labelwatch.shared.account import Account

    request = Request(stack, selection_of(key, client, source), dry_run=dry_run)
    if form == Form.JSON and not (yes or dry_run):
        raise UserError("--format json cannot prompt for confirmation. Pass --yes or --dry-run too.")
    terminal = open_terminal(yes=yes, default=False)
    if form == Form.JSON:
        terminal = terminal._replace(console=stderr())
    with stderr().status("") as status:

        def show(step: str) -> None:
            status.update(step)
            if not step:  # before a question
                status.stop()

        content = run(Account(profile, region), request, terminal, show)
    if form == Form.JSON:
        sys.stdout.write(content)

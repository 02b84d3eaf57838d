"""The command for the links of alerts to picture pages."""

from datetime import UTC, datetime
from typing import TYPE_CHECKING, Annotated

import typer

from labelwatch.commands.options import Profile, Region, Stack, Yes, open_terminal, stderr
from labelwatch.shared.errors import UserError

if TYPE_CHECKING:
    from chalicelib.adapters.dynamodb import LinkTable
    from chalicelib.domain.links import PictureLink

app = typer.Typer(help="Manage the links of alerts to picture pages.", no_args_is_help=True)


@app.command()
def revoke(  # noqa: PLR0913 - a command's options, by name
    link: Annotated[
        str | None, typer.Argument(metavar="LINK", help="A link as in the alert, or its last 32 characters.")
    ] = None,
    *,
    source: Annotated[str | None, typer.Option(help="All links of this source (example: field-3).")] = None,
    everything: Annotated[bool, typer.Option("--all", help="All links of the stack.")] = False,
    yes: Yes = False,
    stack: Stack = "labelwatch",
    profile: Profile = None,
    region: Region = None,
) -> None:
    """Revoke links, so that their picture pages cannot be opened any more.

    Run this command if an alert reached the wrong people. Pass a link, --source or --all. Images and predictions are
    kept. With --source or --all, a link that is created while the command runs may stay valid.

    Example: `labelwatch links revoke --source field-3`
    """
    from labelwatch.links import revoking
    from labelwatch.shared.account import Account

    if [link is not None, source is not None, everything].count(True) != 1:
        raise UserError("Select links: pass either a link, --source or --all.")
    table = revoking.link_table(Account(profile, region), stack)
    links = [revoking.find(table, link, datetime.now(UTC))] if link is not None else _working(table, source)
    terminal = open_terminal(yes=yes, default=False)
    if not links:
        terminal.print("No links.")
        return
    selected = f"{revoking.describe(links)} in stack {stack}"
    if link is None:
        terminal.confirm(f"Revoke {selected}? This cannot be undone.")
    revoking.revoke(table, links, terminal)
    terminal.print(f"Revoked {selected}. {revoking.AFTERWARDS}")


def _working(table: "LinkTable", source: str | None) -> "list[PictureLink]":
    from labelwatch.links import revoking

    now = datetime.now(UTC)
    with stderr().status("Reading links…"):
        return revoking.select([link for link in table.all() if link.expires_at > now], source)

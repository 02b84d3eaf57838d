"""The commands for upload tokens."""

import sys
from typing import Annotated

import typer

from labelwatch.commands.options import Profile, Region, Stack, console

app = typer.Typer(help="Manage upload tokens.", no_args_is_help=True)

Client = Annotated[
    str, typer.Argument(help="Name of the client, which is also the folder of its uploads (example: camera-north).")
]


@app.command()
def create(
    client: Client,
    per_day: Annotated[
        int, typer.Option(min=1, help="Limit of presigned uploads per day (UTC) (example: 500).")
    ] = 10_000,
    stack: Stack = "labelwatch",
    profile: Profile = None,
    region: Region = None,
) -> None:
    """Create an upload token for a client, and print the token once.

    Labelwatch stores a hash, so the token cannot be shown again. Only the token is written to standard output:

    TOKEN=$(labelwatch tokens create camera-north)
    """
    from labelwatch.shared.account import Account
    from labelwatch.uploads import tokens

    name = tokens.checked_client(client)
    table = tokens.token_table(Account(profile, region), stack)
    token = tokens.create(table, name, per_day)
    try:
        print(token, flush=True)  # noqa: T201 - plain, for programs that read it
    except OSError:
        tokens.revoke(table, name)  # the token was not shown
        raise
    # With the stack: the default may not be the intended stack.
    print(f"Token for {name} in stack {stack} created. Store the token now: it cannot be shown again.", file=sys.stderr)  # noqa: T201


@app.command("list")
def list_(stack: Stack = "labelwatch", profile: Profile = None, region: Region = None) -> None:
    """List upload tokens, their last use, limit and state."""
    from labelwatch.shared.account import Account
    from labelwatch.uploads import tokens

    account = Account(profile, region)
    records = tokens.token_table(account, stack).all()
    console().print(tokens.as_text(records, tokens.uploads_today(account, stack)), soft_wrap=True)


@app.command()
def revoke(client: Client, stack: Stack = "labelwatch", profile: Profile = None, region: Region = None) -> None:
    """Revoke the upload token of a client.

    Its images stay. A new token for the same client has the same folder.
    """
    from labelwatch.shared.account import Account
    from labelwatch.uploads import tokens

    name = tokens.checked_client(client)
    tokens.revoke(tokens.token_table(Account(profile, region), stack), name)
    console().print(f"Token for {name} in stack {stack} revoked. {tokens.REVOCATION_DELAY}", soft_wrap=True)

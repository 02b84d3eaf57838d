"""The commands for upload tokens."""

import sys
from typing import Annotated

import typer

from labelwatch.commands.options import Profile, Region, Stack, console

app = typer.Typer(
    help="Upload tokens: who may ask for presigned uploads. Region and credentials as the AWS tools take them.",
    no_args_is_help=True,
)

Client = Annotated[
    str, typer.Argument(help="Whose token it is, such as camera-north; its uploads fall under this name.")
]


@app.command()
def create(client: Client, stack: Stack = "labelwatch", profile: Profile = None, region: Region = None) -> None:
    """Make an upload token for a client and print it: this once, since only its hash is kept.

    Nothing but the token goes to standard output: TOKEN=$(labelwatch tokens create camera-north)
    """
    from labelwatch.shared.account import Account
    from labelwatch.uploads import tokens

    name = tokens.checked_client(client)
    table = tokens.token_table(Account(profile, region), stack)
    token = tokens.create(table, name)
    try:
        print(token, flush=True)  # noqa: T201 - plain, for programs that read it
    except OSError:
        tokens.revoke(table, name)  # nobody has seen the token
        raise
    # With the stack's name: the default may not be the stack that was meant.
    print(f"A token of {stack}. Keep it now: it cannot be shown again.", file=sys.stderr)  # noqa: T201


@app.command("list")
def list_(stack: Stack = "labelwatch", profile: Profile = None, region: Region = None) -> None:
    """Show whose tokens there are, when they were made and last used, and which are revoked. Times are UTC."""
    from labelwatch.shared.account import Account
    from labelwatch.uploads import tokens

    console().print(tokens.as_table(tokens.records(tokens.token_table(Account(profile, region), stack))))


@app.command()
def revoke(client: Client, stack: Stack = "labelwatch", profile: Profile = None, region: Region = None) -> None:
    """Take a client's token out of force. Its images stay, and a new token of the same name has the same folder."""
    from labelwatch.shared.account import Account
    from labelwatch.uploads import tokens

    name = tokens.checked_client(client)
    tokens.revoke(tokens.token_table(Account(profile, region), stack), name)
    console().print(f"{client}'s token is revoked. {tokens.REVOCATION_DELAY}")

"""Upload tokens of a stack: create, list, revoke."""

import re
from datetime import UTC, datetime

from rich.table import Column, Table

from chalicelib.adapters.dynamodb import TokenTable
from chalicelib.domain.tokens import CLIENT, CLIENT_IN_WORDS, TokenRecord, new_token
from labelwatch.shared import stacks
from labelwatch.shared.account import Account
from labelwatch.shared.errors import UserError, user_error_on_fault

UNAVAILABLE = "the table of upload tokens does not answer"
# API Gateway caches an answer of the authorizer for 30 s; a presigned upload is valid for 15 minutes.
REVOCATION_DELAY = (
    "The token stops working within 30 seconds; a presigned upload that it got before, after 15 minutes at most."
)


def token_table(account: Account, stack_name: str) -> TokenTable:
    """The stack's table of tokens; raises UserError where there is no such stack, or it has no such table."""
    outputs = stacks.outputs(account.client("cloudformation"), stack_name, "TableName")
    return TokenTable(account.client("dynamodb"), outputs["TableName"])


def checked_client(client: str) -> str:
    """The client's name; raises UserError where it is not valid."""
    if not re.fullmatch(CLIENT, client):
        raise UserError(f"{client!r} is no name of a client: it must have {CLIENT_IN_WORDS}.")
    return client


def create(table: TokenTable, client: str) -> str:
    """The client's new token, which cannot be shown a second time; raises UserError where it has a valid token."""
    token, credential = new_token(client)
    with user_error_on_fault(UNAVAILABLE):
        added = table.add(credential, datetime.now(UTC))
    if not added:
        raise UserError(
            f"{client} has a token; revoke it first (labelwatch tokens revoke {client}, of the same stack)."
        )
    return token


def revoke(table: TokenTable, client: str) -> None:
    """Revokes the client's token; raises UserError where it has no valid token."""
    with user_error_on_fault(UNAVAILABLE):
        revoked = table.revoke(client, datetime.now(UTC))
    if not revoked:
        raise UserError(f"{client} has no token in force; labelwatch tokens list shows who has.")


def records(table: TokenTable) -> list[TokenRecord]:
    """The record of each client's token."""
    with user_error_on_fault(UNAVAILABLE):
        return table.all()


def as_table(tokens: list[TokenRecord]) -> Table:
    """The tokens as a table for the terminal; times in UTC."""
    table = Table(*(Column(name, overflow="fold") for name in ("client", "created", "last used", "state")))
    for token in tokens:
        state = f"revoked {_time(token.revoked_at)}" if token.revoked_at else "in force"
        table.add_row(token.client, _time(token.created_at), _time(token.last_used_at), state)
    return table


def _time(moment: datetime | None) -> str:
    return f"{moment:%Y-%m-%d %H:%M:%S}" if moment else "never"

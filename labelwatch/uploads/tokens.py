"""Upload tokens of a stack: make one, list them, take one out of force."""

import re
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime

from rich.table import Column, Table

from chalicelib.adapters.dynamodb import TokenTable
from chalicelib.domain.errors import Fault
from chalicelib.domain.tokens import CLIENT, CLIENT_IN_WORDS, TokenRecord, new_token
from labelwatch.shared import stacks
from labelwatch.shared.account import Account
from labelwatch.shared.errors import UserError

# API Gateway remembers an answer of the authorizer for 30 s; a presigned upload lives 15 minutes.
HOW_SOON = "The token stops working within 30 seconds; a presigned upload that it got before, after 15 minutes at most."


def token_table(account: Account, stack_name: str) -> TokenTable:
    """The table of the stack; raises UserError without one."""
    outputs = stacks.outputs(account.client("cloudformation"), stack_name, "TableName")
    return TokenTable(account.client("dynamodb"), outputs["TableName"])


def checked(client: str) -> str:
    """The client's name; raises UserError where it is unfit for one."""
    if not re.fullmatch(CLIENT, client):
        raise UserError(f"{client!r} is no name of a client: it must have {CLIENT_IN_WORDS}.")
    return client


def create(table: TokenTable, client: str) -> str:
    """The client's new token, which nobody can show again; raises UserError where it has one in force."""
    token, claim = new_token(client)
    with _faults_told():
        added = table.add(claim, datetime.now(UTC))
    if not added:
        raise UserError(
            f"{client} has a token; revoke it first (labelwatch tokens revoke {client}, of the same stack)."
        )
    return token


def revoke(table: TokenTable, client: str) -> None:
    """Takes the client's token out of force; raises UserError where there is none."""
    with _faults_told():
        revoked = table.revoke(client, datetime.now(UTC))
    if not revoked:
        raise UserError(f"{client} has no token in force; labelwatch tokens list shows who has.")


def records(table: TokenTable) -> list[TokenRecord]:
    """What is known of each client's token."""
    with _faults_told():
        return table.all()


def shown(tokens: list[TokenRecord]) -> Table:
    """The tokens as a table for the terminal; times in UTC."""
    table = Table(*(Column(name, overflow="fold") for name in ("client", "created", "last used", "state")))
    for one in tokens:
        state = f"revoked {_time(one.revoked_at)}" if one.revoked_at else "in force"
        table.add_row(one.client, _time(one.created_at), _time(one.last_used_at), state)
    return table


def _time(moment: datetime | None) -> str:
    return f"{moment:%Y-%m-%d %H:%M:%S}" if moment else "never"


@contextmanager
def _faults_told() -> Iterator[None]:
    try:
        yield
    except Fault as fault:
        raise UserError(f"the table of upload tokens does not answer: {fault.reason}: {fault.detail}") from None

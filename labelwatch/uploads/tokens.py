"""Upload tokens of a stack: create, list, revoke."""

import re
from datetime import UTC, datetime

from chalicelib.adapters.dynamodb import TokenTable
from chalicelib.domain.tokens import CLIENT, CLIENT_IN_WORDS, TokenRecord, new_token
from labelwatch.shared import stacks
from labelwatch.shared.account import Account
from labelwatch.shared.errors import UserError

# API Gateway caches an answer of the authorizer for 30 s; a presigned upload is valid for 15 minutes.
REVOCATION_DELAY = (
    "The token stops working within 30 seconds. Presigned uploads that were issued before expire within 15 minutes."
)


def token_table(account: Account, stack_name: str) -> TokenTable:
    """The token table of the stack; raises UserError without such a stack or table."""
    outputs = stacks.outputs(account.client("cloudformation"), stack_name, "TableName")
    return TokenTable(account.client("dynamodb"), outputs["TableName"])


def checked_client(client: str) -> str:
    """The name of the client; raises UserError where the name is not valid."""
    if not re.fullmatch(CLIENT, client):
        raise UserError(f"{client!r} is not a client name. Use {CLIENT_IN_WORDS}.")
    return client


def create(table: TokenTable, client: str) -> str:
    """A new token for the client, which cannot be shown again; raises UserError where the client has a valid token."""
    token, credential = new_token(client)
    if not table.add(credential, datetime.now(UTC)):
        raise UserError(
            f"{client} already has a token. Run `labelwatch tokens revoke {client}` for the same stack, then run the "
            "command again."
        )
    return token


def revoke(table: TokenTable, client: str) -> None:
    """Revokes the client's token; raises UserError where the client has no valid token."""
    if not table.revoke(client, datetime.now(UTC)):
        raise UserError(f"{client} has no valid token. Run `labelwatch tokens list` to list the tokens.")


def as_text(tokens: list[TokenRecord]) -> str:
    """The tokens for the terminal, a line each. The lines are never folded, so that names stay whole."""
    if not tokens:
        return "No tokens. Run `labelwatch tokens create NAME`."
    rows = [("Client", "Created (UTC)", "Last used (UTC)", "State"), *map(_row, tokens)]
    width = max(len(client) for client, *_ in rows)
    return "\n".join(f"{client:{width}}  {created:16}  {used:16}  {state}" for client, created, used, state in rows)


def _row(token: TokenRecord) -> tuple[str, str, str, str]:
    state = f"revoked {_time(token.revoked_at)}" if token.revoked_at else "valid"
    return token.client, _time(token.created_at), _time(token.last_used_at), state


def _time(moment: datetime | None) -> str:
    return f"{moment:%Y-%m-%d %H:%M}" if moment else "never"

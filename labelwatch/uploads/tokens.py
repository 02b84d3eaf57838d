"""Upload tokens of a stack: create, list, revoke; and how many uploads each client may have."""

import re
from datetime import UTC, datetime

from chalicelib.adapters.dynamodb import TokenTable, UploadTable
from chalicelib.domain.tokens import CLIENT, CLIENT_IN_WORDS, UPLOADS_PER_DAY, TokenRecord, new_token
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


def uploads_today(account: Account, stack_name: str) -> dict[str, int]:
    """How many uploads were presigned today (UTC), by client; raises UserError without such a stack or table."""
    outputs = stacks.outputs(account.client("cloudformation"), stack_name, "TableName")
    return UploadTable(account.client("dynamodb"), outputs["TableName"]).counts(datetime.now(UTC).date())


def checked_client(client: str) -> str:
    """The name of the client; raises UserError where the name is not valid."""
    if not re.fullmatch(CLIENT, client):
        raise UserError(f"{client!r} is not a client name. Use {CLIENT_IN_WORDS}.")
    return client


def create(table: TokenTable, client: str, uploads_per_day: int = UPLOADS_PER_DAY) -> str:
    """A new token for the client, which cannot be shown again; raises UserError where the client has a valid token."""
    token, credential = new_token(client)
    if not table.add(credential, datetime.now(UTC), uploads_per_day):
        raise UserError(
            f"{client} already has a token. Run `labelwatch tokens revoke {client}` for the same stack, then run the "
            "command again."
        )
    return token


def revoke(table: TokenTable, client: str) -> None:
    """Revokes the client's token; raises UserError where the client has no valid token."""
    if not table.revoke(client, datetime.now(UTC)):
        raise UserError(f"{client} has no valid token. Run `labelwatch tokens list` to list the tokens.")


def as_text(tokens: list[TokenRecord], uploads: dict[str, int]) -> str:
    """The tokens for the terminal, a line each. The lines are never folded, so that names stay whole."""
    if not tokens:
        return "No tokens. Run `labelwatch tokens create NAME`."
    heading = ("Client", "Created (UTC)", "Last used (UTC)", "Uploads today", "State")
    rows = [heading, *(_row(token, uploads.get(token.client, 0)) for token in tokens)]
    width = max(len(client) for client, *_ in rows)
    return "\n".join(
        f"{client:{width}}  {created:16}  {used:16}  {today:15}  {state}"
        for client, created, used, today, state in rows
    )


def _row(token: TokenRecord, uploads: int) -> tuple[str, str, str, str, str]:
    state = f"revoked {_time(token.revoked_at)}" if token.revoked_at else "valid"
    today = f"{uploads:,} of {token.uploads_per_day:,}"
    return token.client, _time(token.created_at), _time(token.last_used_at), today, state


def _time(moment: datetime | None) -> str:
    return f"{moment:%Y-%m-%d %H:%M}" if moment else "never"

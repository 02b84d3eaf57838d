"""Upload tokens: `labelwatch_<client>_<secret>`, sent as `Authorization: Bearer <token>`.

The secret has 256 random bits. Only its SHA-256 is kept: of so many bits no slower hash is needed.
"""

import hashlib
import re
import secrets
from datetime import datetime

from msgspec import Struct


class TokenCredential(Struct, frozen=True):
    """The client that a bearer token names, and the SHA-256 of its secret in hex. The secret itself is not kept."""

    client: str
    digest: str


# Of a client whose token has no limit of its own.
UPLOADS_PER_DAY = 10_000


class AuthorizedClient(Struct, frozen=True):
    """The client whose token is in force, and its limit of presigned uploads per day (UTC)."""

    name: str
    uploads_per_day: int = UPLOADS_PER_DAY


class TokenRecord(Struct, frozen=True):
    """What is known of a client's upload token; times are UTC, None for what has not happened."""

    client: str
    created_at: datetime
    last_used_at: datetime | None = None
    revoked_at: datetime | None = None
    uploads_per_day: int = UPLOADS_PER_DAY


SECRET_BYTES = 32
# The client's name is a part of its objects' keys.
CLIENT = r"[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?"
CLIENT_IN_WORDS = "1 to 63 lower-case letters, digits and hyphens, with a letter or digit at both ends"
# API Gateway checks the same expression (infra/functions.yaml), so it has no syntax of Python's alone.
BEARER = rf"^[Bb][Ee][Aa][Rr][Ee][Rr] +labelwatch_({CLIENT})_([A-Za-z0-9_-]{{43}}) *$"


def new_token(client: str) -> tuple[str, TokenCredential]:
    """A token, to be shown once, and the credential to store."""
    secret = secrets.token_urlsafe(SECRET_BYTES)
    return f"labelwatch_{client}_{secret}", TokenCredential(client, _digest(secret))


def credential_of(header: str) -> TokenCredential | None:
    """The credential in the Authorization header; None where the header is not of this form."""
    match = re.fullmatch(BEARER, header)
    return TokenCredential(match[1], _digest(match[2])) if match else None


def _digest(secret: str) -> str:
    return hashlib.sha256(secret.encode()).hexdigest()

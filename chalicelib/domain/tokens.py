"""Upload tokens: `labelwatch_<client>_<secret>`, sent as `Authorization: Bearer <token>`.

The secret has 256 random bits. Only its SHA-256 is kept: of so many bits no slower hash is needed.
"""

import hashlib
import re
import secrets
from collections.abc import Callable
from datetime import datetime
from typing import Protocol

from msgspec import Struct

from chalicelib.telemetry import Telemetry


class TokenCredential(Struct, frozen=True):
    """What a bearer token claims: whose it is, and the SHA-256 of its secret in hex. The secret itself is not kept."""

    client: str
    digest: str


class TokenRecord(Struct, frozen=True):
    """What is known of a client's upload token; times are UTC, None for what has not happened."""

    client: str
    created_at: datetime
    last_used_at: datetime | None = None
    revoked_at: datetime | None = None


SECRET_BYTES = 32
# The client's name is a part of its objects' keys.
CLIENT = r"[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?"
CLIENT_IN_WORDS = "1 to 63 lower-case letters, digits and hyphens, with a letter or digit at both ends"
_BEARER = re.compile(rf"(?i:bearer) +labelwatch_({CLIENT})_([A-Za-z0-9_-]{{43}}) *")


class Tokens(Protocol):
    """Where tokens are known. Raises a Fault where it cannot be asked now."""

    def use(self, claim: TokenCredential, now: datetime) -> bool:
        """Whether the claim holds and is not revoked; if so, notes the time."""


class Authorize(Struct, frozen=True, kw_only=True):
    """The authorize step; call it with the Authorization header."""

    tokens: Tokens
    telemetry: Telemetry
    now: Callable[[], datetime]

    def __call__(self, header: str) -> str | None:
        """The client whose token it is; None for whatever is no token in force."""
        claim = credential_of(header)
        if claim and self.tokens.use(claim, self.now()):
            return claim.client
        self.telemetry.count("TokensRejected")
        self.telemetry.warn("token rejected", client=claim.client if claim else None)
        return None


def new_token(client: str) -> tuple[str, TokenCredential]:
    """A token, to be shown once, and what to keep of it."""
    secret = secrets.token_urlsafe(SECRET_BYTES)
    return f"labelwatch_{client}_{secret}", TokenCredential(client, _digest(secret))


def credential_of(header: str) -> TokenCredential | None:
    """What the Authorization header claims; None where it is not of this form."""
    match = _BEARER.fullmatch(header)
    return TokenCredential(match[1], _digest(match[2])) if match else None


def _digest(secret: str) -> str:
    return hashlib.sha256(secret.encode()).hexdigest()

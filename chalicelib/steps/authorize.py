"""The authorize step: a bearer token → the client that it belongs to."""

from collections.abc import Callable
from datetime import datetime
from typing import Protocol

from msgspec import Struct

from chalicelib.domain.tokens import AuthorizedClient, TokenCredential, credential_of
from chalicelib.telemetry import Telemetry


class Tokens(Protocol):
    """The tokens in force. Raises a Fault where they cannot be read now."""

    def use(self, credential: TokenCredential, now: datetime) -> AuthorizedClient | None:
        """The client whose token this is, if it is not revoked; then notes the time."""


class Authorize(Struct, frozen=True, kw_only=True):
    """The step; call it with the Authorization header."""

    tokens: Tokens
    telemetry: Telemetry
    now: Callable[[], datetime]

    def __call__(self, header: str) -> AuthorizedClient | None:
        """The client whose token it is; None for anything but a token in force."""
        credential = credential_of(header)
        client = self.tokens.use(credential, self.now()) if credential else None
        if client:
            return client
        self.telemetry.count("TokensRejected")
        self.telemetry.warn("token rejected", client=credential.client if credential else None)
        return None

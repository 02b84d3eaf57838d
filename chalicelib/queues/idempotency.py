"""Who does what is to be done once: asked for, done, remembered (docs/decisions/0015, 0018)."""

from datetime import datetime
from typing import Protocol

from chalicelib.domain.idempotency import RecordState


class IdempotencyRecords(Protocol):
    """What has been told of, by id. Raises a Fault where that cannot be known, or noted."""

    def claim(
        self, what: str, owner: str, now: datetime, until: datetime, since: datetime | None = None
    ) -> RecordState:
        """Asks to tell of it; the same owner may ask again.

        What was told before `since`, or else longer ago than it is remembered, may be told once more.
        """

    def told(self, what: str, now: datetime) -> None:
        """Notes that it was told."""

    def release(self, what: str) -> None:
        """Gives up a claim of one's own."""

"""A message of a queue."""

from datetime import datetime

from msgspec import Struct


class Message(Struct, frozen=True):
    """One message of a queue, and when it was sent to it; `receives` counts this time too."""

    id: str
    body: str
    receipt_handle: str
    receives: int
    sent: datetime

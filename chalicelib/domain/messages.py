"""A message of a queue."""

from datetime import datetime

from msgspec import Struct


class Message(Struct, frozen=True):
    """One message of a queue; `sent` is when it was sent, `receives` how often it was received, this time included."""

    id: str
    body: str
    receipt_handle: str
    receives: int
    sent: datetime

"""How the Custom Labels model of a stack is run: the policy, and the state between two checks."""

from datetime import datetime

from msgspec import Struct


class ModelState(Struct, frozen=True, kw_only=True):
    """What `manage_model` remembers from one look to the next; times are UTC.

    `started_at` is there while a run lasts that Labelwatch itself started, counted until `counted_until`; `seconds` are
    all such runs in `month`, whichever model it was.
    """

    model: str = ""
    month: str = ""
    seconds: float = 0
    started_at: datetime | None = None
    counted_until: datetime | None = None
    idle_since: datetime | None = None


class ModelPolicy(Struct, frozen=True, kw_only=True):
    """What is wanted of the model's life; without any it is left to people. 0 minutes and 0 hours are no limit."""

    auto_start: bool = False
    idle_minutes: int = 0
    idle_stops_any: bool = False
    max_hours: int = 0

"""The state of an idempotency record."""

from enum import StrEnum


class RecordState(StrEnum):
    """How it stands with what is to be told once, an alert or a dead letter, when somebody asks to tell it."""

    ACQUIRED = "ours"
    IN_PROGRESS = "being told"
    COMPLETED = "told"

"""The state of an idempotency record."""

from enum import StrEnum


class Standing(StrEnum):
    """How it stands with what is to be told once, an alert or a dead letter, when somebody asks to tell it."""

    OURS = "ours"
    BEING_TOLD = "being told"
    TOLD = "told"

"""The state of an idempotency record."""

from enum import Enum, auto


class RecordState(Enum):
    """The answer to a delivery that acquires the record of an alert or a dead letter, which is to happen once."""

    ACQUIRED = auto()  # this delivery acts
    IN_PROGRESS = auto()  # another delivery acts at this moment
    COMPLETED = auto()  # an earlier delivery has acted

"""Dead letters: list them, redrive them to their source queue, or purge them."""

from labelwatch.dead_letters.dead_letter import OUTPUTS, DeadLetter, DeadLetterQueue, dead_letter_queues
from labelwatch.dead_letters.purged import PurgedImage, PurgedImages
from labelwatch.dead_letters.reader import DeadLetterReader, receiving

__all__ = [
    "OUTPUTS",
    "DeadLetter",
    "DeadLetterQueue",
    "DeadLetterReader",
    "PurgedImage",
    "PurgedImages",
    "dead_letter_queues",
    "receiving",
]

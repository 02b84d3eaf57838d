"""The ingest step: the event notification of a bucket that the stack does not own goes onto the images queue."""

import json
from typing import Any

from msgspec import Struct

from chalicelib.queues.batch import MessageSender


class Ingest(Struct, frozen=True):
    """The step; call it with the event as S3 sent it."""

    images_queue: MessageSender

    def __call__(self, event: dict[str, Any]) -> None:
        """Puts the very same notification on the queue; raises a Fault where it did not go, and Lambda tries again."""
        for fault in self.images_queue.send([json.dumps(event)]).values():
            raise fault

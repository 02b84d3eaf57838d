"""The ingest step: the event notification of a bucket that the stack does not own goes onto the images queue."""

import json
from typing import Any

from msgspec import Struct

from chalicelib.queues.batch import MessageSender


class Ingest(Struct, frozen=True):
    """The step; call it with S3's event."""

    images_queue: MessageSender

    def __call__(self, event: dict[str, Any]) -> None:
        """Sends the notification on, unchanged; raises a Fault where it was not sent, so that Lambda retries."""
        for fault in self.images_queue.send([json.dumps(event)]).values():
            raise fault

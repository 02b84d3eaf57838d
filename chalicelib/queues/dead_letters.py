"""One dead letter for a message, however often it is delivered (docs/decisions/0018)."""

import hashlib
from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Annotated, Protocol

import msgspec
from msgspec import Meta, Raw, Struct

from chalicelib.domain.errors import Fault
from chalicelib.domain.messages import Message
from chalicelib.queues.idempotency import Idempotency, IdempotencyRecords
from chalicelib.telemetry import Telemetry

# Longer than it takes to send one that fails slowly, and far shorter than until the message comes back.
LOCK = timedelta(seconds=25)
# A message that was sent so long after a dead letter is no repeat of the message behind that one, whatever its body.
DUPLICATE_WINDOW = timedelta(hours=1)
_decode_members = msgspec.json.Decoder(dict[str, Raw]).decode
_decode_count = msgspec.json.Decoder(Annotated[int, Meta(ge=0, lt=10**9)]).decode


class DeadLetterQueue(Protocol):
    """A dead-letter queue. Raises a Fault where the dead letter could not be sent."""

    def send(self, message: Message, fault: Fault, image: str) -> None:
        """Sends a copy of the message with the reason of the failure."""


class IdempotentDeadLetters(Struct, frozen=True, kw_only=True):
    """The dead letters of one queue, each with an idempotency record whose id comes from the message's body.

    S3 repeats an event notification character for character, and a repeat makes no second dead letter. A dead letter
    that is put back and fails once more is no repeat, whoever puts it back and however: so the body of a dead letter
    counts how often it was one.
    """

    queue_url: str
    queue: DeadLetterQueue
    records: IdempotencyRecords
    telemetry: Telemetry
    now: Callable[[], datetime]

    def send(self, message: Message, fault: Fault, image: str) -> bool:
        """Sends the dead letter; False where an earlier delivery has. Raises a Fault where it could not be sent."""
        body = counted_body(message.body)
        # A body that is no JSON object is of no event notification: then only the message itself can be repeated.
        identity = identity_of(body) if body else message.id
        record_id = record_id_of(self.queue_url, identity)
        dead_letter = msgspec.structs.replace(message, body=body or message.body)
        sent, faults = Idempotency(
            records=self.records, telemetry=self.telemetry, now=self.now, needs_record=False
        ).run(
            {record_id: image},
            lambda _: self.queue.send(dead_letter, fault, image),
            lock=LOCK,
            since=message.sent - DUPLICATE_WINDOW,
        )
        for problem in faults.values():
            raise problem
        return bool(sent)


def counted_body(body: str) -> str | None:
    """The body of the dead letter, whose member `dead_letter_count` says how often it was one by now.

        {"Records": [...]}                        ->  {"dead_letter_count":1,"Records": [...]}
        {"dead_letter_count":1,"Records":[...]}   ->  {"dead_letter_count":2,"Records":[...]}

    The first time the rest stays character for character, duplicate members and all: they may be the very reason of the
    failure. Later the JSON is written anew, since a script may have laid it out in another way. None where the body is
    no JSON object with members, or has a count that is no number.
    """
    try:
        members = _decode_members(body)
        count = 1 + _decode_count(members.get("dead_letter_count", b"0"))
    except (ValueError, RecursionError):
        return None
    if "dead_letter_count" in members:
        return msgspec.json.encode(members | {"dead_letter_count": count}).decode()
    return f'{{"dead_letter_count":{count},' + body.lstrip().removeprefix("{") if members else None


def record_id_of(queue_url: str, identity: str) -> str:
    """The id of the idempotency record of a dead letter of this queue."""
    return hashlib.sha256(f"{queue_url}\n{identity}".encode(errors="surrogatepass")).hexdigest()


def identity_of(body: str) -> str:
    """What repeats of a dead letter have in common, by its body, a JSON object.

    It is the body of a prediction without `detected_at`: two detections of one image are still one image.
    """
    members = _decode_members(body)
    return msgspec.json.encode(members).decode() if members.pop("detected_at", None) else body

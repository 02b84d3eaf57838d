"""One dead letter for a message, however often it is delivered (docs/decisions/0018)."""

import hashlib
from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Annotated, Protocol
from uuid import uuid4

import msgspec
from msgspec import Meta, Raw, Struct

from chalicelib.domain.errors import Fault, Retryable
from chalicelib.domain.idempotency import RecordState
from chalicelib.domain.messages import Message
from chalicelib.queues.idempotency import IdempotencyRecords
from chalicelib.telemetry import Telemetry

# Longer than it takes to write one that fails slowly, and far shorter than until the message comes back.
CLAIM = timedelta(seconds=25)
# A message that was sent so long after a dead letter is no repeat of what that was written for, whatever it says.
REPEATED_WITHIN = timedelta(hours=1)
_decode_members = msgspec.json.Decoder(dict[str, Raw]).decode
_decode_count = msgspec.json.Decoder(Annotated[int, Meta(ge=0, lt=10**9)]).decode


class Letters(Protocol):
    """Where dead letters are written. Raises a Fault where one could not be."""

    def put(self, message: Message, fault: Fault, image: str) -> None:
        """Writes the message with the reason why it is one."""


class OneDeadLetter(Struct, frozen=True, kw_only=True):
    """The dead letters of one queue, each claimed, written and remembered by what its message says.

    S3 repeats an event notification to the letter. What comes back from the dead must not count as such a repeat,
    whoever puts it back and however: so the body in a dead letter says how often it was one.
    """

    queue: str
    letters: Letters
    claims: IdempotencyRecords
    telemetry: Telemetry
    now: Callable[[], datetime]

    def put(self, message: Message, fault: Fault, image: str) -> bool:
        """Keeps a copy of the message; False where there is one already. Raises a Fault where it could not be done."""
        body = _counted(message.body)
        # What is no JSON object is of no event notification, and then only the message itself can be repeated.
        says = _undated(body) if body else message.id
        what = hashlib.sha256(f"{self.queue}\n{says}".encode(errors="surrogatepass")).hexdigest()
        standing = self._claim(what, message.sent - REPEATED_WITHIN, image)
        if standing is RecordState.COMPLETED:
            return False
        if standing is RecordState.IN_PROGRESS:
            raise Retryable("BeingSetAside", "another delivery of this message is about to set it aside")
        letter = msgspec.structs.replace(message, body=body or message.body)
        try:
            self.letters.put(letter, fault, image)
        except Fault:
            if standing:
                self._note(self.claims.release, what, image)
            raise
        if standing:
            self._note(lambda one: self.claims.told(one, self.now()), what, image)
        return True

    def _claim(self, what: str, since: datetime, image: str) -> RecordState | None:
        """How it stands with it; None where that cannot be known: better two dead letters than none."""
        now = self.now()
        try:
            return self.claims.claim(what, uuid4().hex, now, now + CLAIM, since)
        except Fault as problem:
            self.telemetry.warn(
                "idempotency record not acquired", image=image, reason=problem.reason, detail=problem.detail
            )
            return None

    def _note(self, note: Callable[[str], None], what: str, image: str) -> None:
        """What cannot be noted ends with the claim: the next delivery after that writes it, perhaps again."""
        try:
            note(what)
        except Fault as problem:
            self.telemetry.warn(
                "idempotency record not completed", image=image, reason=problem.reason, detail=problem.detail
            )


def _undated(body: str) -> str:
    """What it says, without when an image was looked at: an image that was looked at twice is one all the same."""
    members = _decode_members(body)
    return msgspec.json.encode(members).decode() if members.pop("detected_at", None) else body


def _counted(body: str) -> str | None:
    """The body with its count; None where it is no JSON object with members. A script may have laid it out anew."""
    try:
        members = _decode_members(body)
        before = _decode_count(members.get("dead_letter_count", b"0"))
    except (ValueError, RecursionError):
        return None
    if "dead_letter_count" in members:
        return msgspec.json.encode(members | {"dead_letter_count": before + 1}).decode()
    # As it stands: what is said twice in it, say, is a part of what is wrong with it.
    return '{"dead_letter_count":1,' + body.lstrip().removeprefix("{") if members else None

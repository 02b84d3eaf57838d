"""One dead letter for a message, however often it is delivered (docs/decisions/0018)."""

import hashlib
import re
from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Protocol
from uuid import uuid4

import msgspec
from msgspec import Struct

from chalicelib.claims import Claims
from chalicelib.errors import Fault, Retryable
from chalicelib.model import Message, Standing
from chalicelib.telemetry import Telemetry

# Longer than it takes to write one that fails slowly, and far shorter than until the message comes back.
CLAIM = timedelta(seconds=30)
# The start of a JSON object, and how often it was set aside before.
_START = re.compile(r'\s*\{(?:"set_aside":(\d{1,9}),)?(?=\s*")')


class Letters(Protocol):
    """Where dead letters are written. Raises a Fault where one could not be."""

    def put(self, message: Message, fault: Fault, image: str) -> None:
        """Writes the message with the reason why it is one."""


class OneDeadLetter(Struct, frozen=True, kw_only=True):
    """Dead letters that are claimed, written and remembered by what their messages say.

    S3 repeats an event notification to the letter. What comes back from the dead must not count as such a repeat,
    whoever puts it back and however: so the body in a dead letter says how often it was one.
    """

    letters: Letters
    claims: Claims
    telemetry: Telemetry
    now: Callable[[], datetime]

    def put(self, message: Message, fault: Fault, image: str) -> bool:
        """Keeps a copy of the message; False where there is one already. Raises a Fault where it could not be done."""
        body = _counted(message.body)
        # What is no JSON object is of no event notification, and then only the message itself can be repeated.
        what = hashlib.sha256((message.body if body else message.id).encode()).hexdigest()
        standing = self._claim(what, image)
        if standing is Standing.TOLD:
            return False
        if standing is Standing.BEING_TOLD:
            raise Retryable("BeingSetAside", "another delivery of this message is about to set it aside")
        letter = msgspec.structs.replace(message, body=body or message.body)
        try:
            self.letters.put(letter, fault, image)
        except Fault:
            self._note(self.claims.release, what, image)
            raise
        if standing:
            self._note(lambda one: self.claims.told(one, self.now()), what, image)
        return True

    def _claim(self, what: str, image: str) -> Standing | None:
        """How it stands with it; None where that cannot be known: better two dead letters than none."""
        now = self.now()
        try:
            return self.claims.claim(what, uuid4().hex, now, now + CLAIM)
        except Fault as problem:
            self.telemetry.warn("dead letter not claimed", image=image, reason=problem.reason, detail=problem.detail)
            return None

    def _note(self, note: Callable[[str], None], what: str, image: str) -> None:
        """What cannot be noted ends with the claim: the next delivery after that writes it, perhaps again."""
        try:
            note(what)
        except Fault as problem:
            self.telemetry.warn("dead letter not noted", image=image, reason=problem.reason, detail=problem.detail)


def _counted(body: str) -> str | None:
    """The body with its count, as its first member; None where it is no JSON object with members."""
    start = _START.match(body)
    return f'{{"set_aside":{int(start[1] or 0) + 1},{body[start.end() :]}' if start else None

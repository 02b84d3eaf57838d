"""Reading a queue without taking from it: each message is received once, and all are given back at the end."""

import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

from chalicelib.adapters.faults import raising_faults
from chalicelib.adapters.sqs import MAX_MESSAGES
from chalicelib.domain.errors import Fault
from labelwatch.dead_letters.dead_letter import Box, Letter, in_batches, letter, number_of
from labelwatch.shared.interrupts import uninterrupted

# For the reading, an answer to a question, and the moving. Killed, this command leaves them out of sight for as long.
SECONDS_HELD = 1800
# SQS lets 120,000 messages of a queue be out of sight at once.
MAX_HELD = 100_000
_COUNTS = ["ApproximateNumberOfMessages", "ApproximateNumberOfMessagesNotVisible", "ApproximateNumberOfMessagesDelayed"]


class Held:
    """The dead letters of these boxes, out of sight of everybody else until they are given back."""

    def __init__(
        self,
        sqs: Any,  # noqa: ANN401 - of any endpoint
        of: Sequence[Box],
        *,
        most: int = MAX_HELD,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self.sqs = sqs
        self._boxes = of
        self._most = most
        self._clock = clock
        self._until = clock() + SECONDS_HELD
        self._letters: dict[str, Letter] = {}
        self.elsewhere = 0

    @property
    def letters(self) -> list[Letter]:
        """What is held, the oldest first."""
        return sorted(self._letters.values(), key=lambda one: one.sent)

    @property
    def is_late(self) -> bool:
        """Whether others may see by now what was held first."""
        return self._clock() >= self._until

    def read(self, watch: Callable[[int], None] = lambda _: None) -> None:
        """Receives all that is in sight; `watch` hears how many there are so far.

        `elsewhere` is about how many more there are, by SQS's own count: out of sight, since somebody else has them.
        """
        for box in self._boxes:
            before = len(self._letters)
            self._receive(box, watch)
            counts = self.sqs.get_queue_attributes(QueueUrl=box.url, AttributeNames=_COUNTS)["Attributes"]
            self.elsewhere += max(0, sum(map(int, counts.values())) - (len(self._letters) - before))

    def delete(self, letters: Sequence[Letter]) -> dict[str, str]:
        """Deletes them; gives what SQS says of those that it did not delete, by their ids."""
        failed = self._settle(self.sqs.delete_message_batch, letters)
        for one in letters:
            if one.id not in failed:
                del self._letters[one.id]
        return failed

    def give_back(self) -> dict[str, str]:
        """Lets everybody see what is still held; gives what SQS says of those that it did not do so with."""
        return self._settle(self.sqs.change_message_visibility_batch, self.letters, VisibilityTimeout=0)

    def _receive(self, box: Box, watch: Callable[[int], None]) -> None:
        most = len(self._letters) + self._most
        idle = 0
        while idle < 2 and len(self._letters) < most:
            known = len(self._letters)
            with uninterrupted():  # or what SQS is about to answer is out of sight, and nobody could give it back
                answer = self.sqs.receive_message(
                    QueueUrl=box.url,
                    MaxNumberOfMessages=MAX_MESSAGES,
                    VisibilityTimeout=SECONDS_HELD,
                    # Without a wait SQS asks some of its servers only; the last look is at all of them.
                    WaitTimeSeconds=idle,
                    MessageAttributeNames=["All"],
                    MessageSystemAttributeNames=["All"],
                )
                # One may come twice, and then its newest receipt is the one that counts.
                self._letters |= {message["MessageId"]: letter(box, message) for message in answer.get("Messages", [])}
            idle = 0 if len(self._letters) > known else idle + 1
            watch(len(self._letters))

    def _settle(self, call: Callable[..., Any], letters: Sequence[Letter], **more: int) -> dict[str, str]:
        failed: dict[str, str] = {}
        for box, few in in_batches(letters):
            entries = [{"Id": str(place), "ReceiptHandle": one.receipt_handle, **more} for place, one in enumerate(few)]
            try:
                with raising_faults():
                    answer = call(QueueUrl=box.url, Entries=entries)
            except Fault as fault:
                failed |= {one.id: str(fault) for one in few}
            else:
                failed |= {
                    few[int(entry["Id"])].id: f"{entry['Code']}: {entry.get('Message', '')}"
                    for entry in answer.get("Failed", [])
                }
        return failed


@contextmanager
def held(sqs: Any, of: Sequence[Box], say: Callable[[str], None]) -> Iterator[Held]:  # noqa: ANN401 - of any endpoint
    """The dead letters of these boxes, still to be read; whatever is not deleted is given back at the end."""
    letters = Held(sqs, of)
    try:
        yield letters
    finally:  # also of a Ctrl-C, and of an error
        failed = letters.give_back()
        if failed:
            say(
                f"{number_of(failed)} could not be given back ({next(iter(failed.values()))}): in sight again within "
                f"{SECONDS_HELD // 60} minutes."
            )

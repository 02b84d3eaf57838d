"""Reading dead letters without consuming them: each is received once, and released at the end."""

import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

from labelwatch.dead_letters.dead_letter import DeadLetter, DeadLetterQueue, dead_letter_of, number_of
from labelwatch.shared.queues import QueueReader, ReceiveOptions

# Enough to read, to confirm and to redrive. A command that is killed leaves the messages hidden for this long.
OPTIONS = ReceiveOptions(hidden_seconds=1800)


class DeadLetterReader:
    """Receives the dead letters of these queues, which are hidden from other consumers until they are released."""

    def __init__(
        self,
        sqs: Any,  # noqa: ANN401 - the client of any endpoint
        queues: Sequence[DeadLetterQueue],
        options: ReceiveOptions = OPTIONS,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self.sqs = sqs
        self._readers = {queue: QueueReader(sqs, queue.url, options, clock) for queue in queues}

    @property
    def dead_letters(self) -> list[DeadLetter]:
        """The dead letters that were received and not deleted, the oldest first."""
        received = [
            dead_letter_of(queue, message)
            for queue, reader in self._readers.items()
            for message in reader.messages.values()
        ]
        return sorted(received, key=lambda dead_letter: dead_letter.sent_at)

    @property
    def hidden_by_others(self) -> int:
        """About how many more are in flight with other consumers, by SQS's own count."""
        return sum(reader.hidden_by_others for reader in self._readers.values())

    @property
    def is_expired(self) -> bool:
        """Whether other consumers may have received some of the dead letters by now."""
        return any(reader.is_expired for reader in self._readers.values())

    def receive_all(self, report: Callable[[int], None] = lambda _: None) -> None:
        """Receives all that are visible; `report` gets the count so far."""

        def report_total(_: int) -> None:
            report(sum(len(reader.messages) for reader in self._readers.values()))

        for reader in self._readers.values():
            reader.receive_all(report_total)

    def delete(self, dead_letters: Sequence[DeadLetter]) -> dict[str, str]:
        """Deletes them; returns SQS's reason for each that it did not delete, by id."""
        failed: dict[str, str] = {}
        for queue, reader in self._readers.items():
            failed |= reader.delete([dead_letter.id for dead_letter in dead_letters if dead_letter.queue == queue])
        return failed

    def release(self) -> dict[str, str]:
        """Makes all that were not deleted visible; returns SQS's reason for each that stays hidden, by id."""
        readers = self._readers.values()
        return {dead_letter_id: reason for reader in readers for dead_letter_id, reason in reader.release().items()}


@contextmanager
def receiving(
    sqs: Any,  # noqa: ANN401 - the client of any endpoint
    queues: Sequence[DeadLetterQueue],
    warn: Callable[[str], None],
    options: ReceiveOptions = OPTIONS,
) -> Iterator[DeadLetterReader]:
    """A reader of these queues, which has received nothing yet; whatever is not deleted is released at the end."""
    reader = DeadLetterReader(sqs, queues, options)
    try:
        yield reader
    finally:  # also of a Ctrl-C, and of an error
        failed = reader.release()
        if failed:
            warn(
                f"Could not release {number_of(failed)}: {next(iter(failed.values()))}. Other commands can read them "
                f"within {options.hidden_seconds // 60} minutes."
            )

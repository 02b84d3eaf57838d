"""Deletes what was found: links first and images last, so that a second run finds what an interrupted one has left."""

from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from typing import Any

from botocore.exceptions import BotoCoreError, ClientError
from msgspec import Raw

from chalicelib.domain import events
from chalicelib.domain.errors import Rejected
from labelwatch.dead_letters import DeadLetter, DeadLetterReader
from labelwatch.forget import objects
from labelwatch.forget.find import CALLS_AT_ONCE, Found
from labelwatch.forget.records import Record, Table
from labelwatch.forget.selection import Selection
from labelwatch.shared.console import Terminal
from labelwatch.shared.errors import CtrlCError, UserError

type OnDeleted = Callable[[int], None]


class Remover:
    """Deletes from the stores of a stack; `reader` has received the dead letters."""

    def __init__(self, s3: Any, table: Table, reader: DeadLetterReader, selection: Selection) -> None:  # noqa: ANN401 - of any endpoint
        self._s3 = s3
        self._table = table
        self._reader = reader
        self._selection = selection

    def remove(self, found: Found, terminal: Terminal) -> None:
        """Deletes all; raises UserError where a part is left, with the number of things that are deleted.

        The rows go after the links and records that are found by their keys, and a dead letter after its record.
        """
        deleted = 0

        def count(number: int) -> None:
            nonlocal deleted
            deleted += number
            bars.update(bar, completed=deleted)

        stopped = "Stopped after {:,} of {:,} items. Run the same command to continue."
        with terminal.progress() as bars:
            bar = bars.add_task("", total=found.total)
            steps: list[tuple[str, Callable[[], None]]] = [
                ("links", lambda: self._delete_records(found.links, count)),
                ("records", lambda: self._delete_records(found.records, count)),
                ("dead letters", lambda: self._delete_dead_letters(found.dead_letters, count)),
                ("predictions", lambda: objects.delete(self._s3, found.rows, count)),
                ("images", lambda: objects.delete(self._s3, found.images, count)),
                ("images of the existing bucket", lambda: objects.delete(self._s3, found.existing_images, count)),
            ]
            try:
                for name, delete in steps:
                    bars.update(bar, description=f"Deleting {name}…")
                    delete()
            except KeyboardInterrupt:
                raise CtrlCError(stopped.format(deleted, found.total)) from None
            except (ClientError, BotoCoreError) as problem:
                reason = str(problem).rstrip(".")
                raise UserError(f"AWS request failed: {reason}. {stopped.format(deleted, found.total)}") from None
            except UserError as problem:
                raise UserError(f"{problem} {stopped.format(deleted, found.total)}") from None

    def _delete_records(self, records: Sequence[Record], count: OnDeleted) -> None:
        with ThreadPoolExecutor(CALLS_AT_ONCE) as pool:
            for _ in pool.map(self._table.delete, records):
                count(1)

    def _delete_dead_letters(self, dead_letters: Sequence[DeadLetter], count: OnDeleted) -> None:
        for dead_letter in dead_letters:
            if body := self._body_of_others(dead_letter):
                self._send_others(dead_letter, body)
            for reason in self._reader.delete([dead_letter]).values():
                raise UserError(f"SQS did not delete dead letter {dead_letter.id}: {reason.rstrip('.')}.")
            count(1)

    def _body_of_others(self, dead_letter: DeadLetter) -> str | None:
        """The body with the records of images that are not selected; None where there are none."""
        if dead_letter.queue.name == "predictions":
            return None
        others = [record for record in events.records(dead_letter.body) if not self._is_selected(record)]
        return '{"Records":[' + ",".join(bytes(record).decode() for record in others) + "]}" if others else None

    def _is_selected(self, record: Raw) -> bool:
        with suppress(Rejected):
            image = events.object_created(record)
            return image is not None and self._selection.includes(image.bucket, image.key)
        return False

    def _send_others(self, dead_letter: DeadLetter, body: str) -> None:
        attributes = {
            name: {"DataType": "String", "StringValue": value} for name, value in dead_letter.attributes.items()
        }
        self._reader.sqs.send_message(QueueUrl=dead_letter.queue.url, MessageBody=body, MessageAttributes=attributes)

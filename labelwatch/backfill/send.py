"""Sends objects to the images queue as event notifications, in several threads, confirmed in order."""

import json
import time
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor, wait
from datetime import UTC, datetime
from itertools import batched
from typing import NamedTuple
from urllib.parse import quote_plus

from chalicelib.adapters.sqs import MAX_MESSAGES
from chalicelib.domain.errors import Fault, fault_of
from chalicelib.queues.batch import MessageSender
from labelwatch.backfill.listing import CALLS_AT_ONCE, Page

# Enough for all threads while the next page of the bucket is listed.
MAX_UNCONFIRMED = 20 * CALLS_AT_ONCE
# In seconds, before each retry of the messages that SQS refused.
PAUSES = (1, 2, 4)

# The faults of the keys that were not sent.
type Faults = dict[str, Fault]


class Batch(NamedTuple):
    """The keys of one call. Once this and all earlier batches are sent, the listing is sent up to the key `until`."""

    keys: tuple[str, ...]
    until: str


def batches(page: Page) -> Iterator[Batch]:
    """The batches of a page, and an empty batch for the objects at its end that need no message."""
    for keys in batched((listed.key for listed in page.to_send), MAX_MESSAGES):
        yield Batch(keys, keys[-1])
    if page.objects:
        yield Batch((), page.objects[-1].key)


def body_of(bucket: str, key: str, at: datetime, *, notify: bool, force: bool) -> str:
    """An event notification in S3's own form, with a member that S3 never sends: see ObjectCreated.

    Without a version: `detect` reads the current version. With the time of the backfill: `detect` treats an identical
    notification as a repeat, which has one dead letter.
    """
    record = {
        "eventVersion": "2.1",
        "eventSource": "aws:s3",
        "eventTime": f"{at.astimezone(UTC):%Y-%m-%dT%H:%M:%S.%fZ}",
        "eventName": "ObjectCreated:Put",
        "s3": {"bucket": {"name": bucket}, "object": {"key": quote_plus(key, safe="/")}},
        "labelwatch": {"notify": notify, "force": force},
    }
    return json.dumps({"Records": [record]}, separators=(",", ":"))


class Sender(NamedTuple):
    """Sends keys of a bucket to the images queue; `at` is when the backfill began."""

    message_sender: MessageSender
    bucket: str
    at: datetime
    notify: bool
    force: bool
    pause: Callable[[float], None] = time.sleep

    def send(self, to_send: Iterable[Batch], confirm: Callable[[Batch], None]) -> Faults:
        """Sends the batches; `confirm` receives each sent batch in order, up to the first failure.

        Ends at the first batch that SQS rejects, and returns the faults by key. After an interruption, no new call
        begins, and begun calls are finished and confirmed; a call that is interrupted as it begins is unconfirmed.
        """
        window = _OrderedWindow(self._send_with_retries, confirm)
        try:
            for batch in to_send:
                if not window.begin(batch):
                    break
            else:
                window.wait()
        finally:
            faults = window.close()
        return faults

    def _send_with_retries(self, keys: tuple[str, ...]) -> Faults:
        faults = self._send_once(keys)
        for seconds in PAUSES:
            if not faults:
                break
            self.pause(seconds)
            faults = self._send_once(tuple(faults))
        return faults

    def _send_once(self, keys: tuple[str, ...]) -> Faults:
        try:
            faults = self.message_sender.send(
                [body_of(self.bucket, key, self.at, notify=self.notify, force=self.force) for key in keys]
            )
        except Exception as problem:  # noqa: BLE001 - any error is the fault of these keys; the others continue
            faults = dict.fromkeys(range(len(keys)), fault_of(problem))
        return {keys[index]: fault for index, fault in faults.items()}


class _OrderedWindow:
    """Batches that have begun in several threads and are not confirmed yet: the oldest is confirmed first.

    The bookmark moves with each confirmation, so no confirmation may overtake a batch that can still fail. The window
    holds MAX_UNCONFIRMED batches; when full, it waits for its oldest batch.
    """

    def __init__(self, send: Callable[[tuple[str, ...]], Faults], confirm: Callable[[Batch], None]) -> None:
        self._send = send
        self._confirm = confirm
        self._pool = ThreadPoolExecutor(CALLS_AT_ONCE)
        self._begun: deque[tuple[Batch, Future[Faults]]] = deque()

    def begin(self, batch: Batch) -> bool:
        """Begins a batch; False where the oldest batch failed, so that no other may begin."""
        self._begun.append((batch, self._pool.submit(self._send, batch.keys)))
        return len(self._begun) <= MAX_UNCONFIRMED or self._confirm_oldest()

    def wait(self) -> None:
        """Waits for all batches that have begun."""
        wait([future for _, future in self._begun])

    def close(self) -> Faults:
        """Finishes the begun calls, cancels the others, and confirms the batches up to the first fault."""
        self._pool.shutdown(cancel_futures=True)
        faults: Faults = {}
        # The threads take the batches in order, so every cancelled batch comes after the batches that were sent.
        for batch, future in self._begun:
            if not future.cancelled():
                faults |= future.result()
                if not faults:
                    self._confirm(batch)
        return faults

    def _confirm_oldest(self) -> bool:
        batch, future = self._begun[0]
        if future.result():
            return False
        self._confirm(batch)
        self._begun.popleft()
        return True

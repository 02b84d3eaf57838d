"""Objects as the messages that `detect` reads, sent in order, several calls at once."""

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
MAX_BEGUN = 20 * CALLS_AT_ONCE
# Between the tries of what SQS did not take.
PAUSES = (1, 2, 4)


class Batch(NamedTuple):
    """What one call sends; once it and all before it are sent, all is done up to the key `until`."""

    keys: tuple[str, ...]
    until: str


def batches(page: Page) -> Iterator[Batch]:
    """The batches of a page, and an empty one at its end: what is not to be sent is done with, too."""
    for few in batched((one.key for one in page.to_send), MAX_MESSAGES):
        yield Batch(few, few[-1])
    if page.objects:
        yield Batch((), page.objects[-1].key)


def body_of(bucket: str, key: str, at: datetime, *, notify: bool, force: bool) -> str:
    """An event notification in S3's own form, with what S3 never says: `notify` and `force`, as ObjectCreated has them.

    Without a version: `detect` looks at the current one. With the time, which tells it from another backfill's: what is
    said in the very same words is a repeat to `detect`, and has one dead letter.
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

    def send(self, to_send: Iterable[Batch], sent: Callable[[Batch], None]) -> dict[str, Fault]:
        """Sends the batches; `sent` hears, in order, of each that is done and has none before it that is not.

        Ends at the first batch that SQS does not take, and gives the faults by keys. When it is interrupted, what has
        begun is finished and told of, and nothing else begins; a call that is caught as it begins is sent and not told.
        """
        begun: deque[tuple[Batch, Future[dict[str, Fault]]]] = deque()
        failed: dict[str, Fault] = {}
        pool = ThreadPoolExecutor(CALLS_AT_ONCE)
        try:
            for batch in to_send:
                begun.append((batch, pool.submit(self._try, batch.keys)))
                if len(begun) > MAX_BEGUN:
                    first, future = begun[0]
                    if future.result():
                        break
                    sent(first)
                    begun.popleft()
            else:
                wait([future for _, future in begun])
        finally:
            pool.shutdown(cancel_futures=True)
            # They begin in order, so all that were cancelled come after those that were not.
            for batch, future in begun:
                if not future.cancelled():
                    failed |= future.result()
                    if not failed:
                        sent(batch)
        return failed

    def _try(self, keys: tuple[str, ...]) -> dict[str, Fault]:
        """Sends these, and what was not taken again after a pause; gives the faults that are left, by keys."""
        failed = self._once(keys)
        for seconds in PAUSES:
            if not failed:
                break
            self.pause(seconds)
            failed = self._once(tuple(failed))
        return failed

    def _once(self, keys: tuple[str, ...]) -> dict[str, Fault]:
        try:
            faults = self.message_sender.send(
                [body_of(self.bucket, key, self.at, notify=self.notify, force=self.force) for key in keys]
            )
        except Exception as problem:  # noqa: BLE001 - whatever it is, these keys are told, and the others go on
            faults = dict.fromkeys(range(len(keys)), fault_of(problem))
        return {keys[place]: fault for place, fault in faults.items()}

"""A batch of messages: do the work in parallel, then finish, retry, defer or reject each message.

The constants below are the number of tries and how the retry delay grows (docs/decisions/0007); the first delay is the
setting RETRY_SECONDS. Lambda deletes a whole batch when the handler returns and nothing when it raises, unless the
mapping reports partial batch responses: docs/decisions/0001 has both ways, and why the safe one is the default.
"""

from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor, wait
from datetime import UTC, datetime
from typing import Any, Protocol, TypedDict

from msgspec import Struct

from chalicelib.domain.errors import BatchIncomplete, Disposition, Fault, Unavailable, fault_of
from chalicelib.domain.messages import Message
from chalicelib.telemetry import Telemetry

# A message that fails is retried after RETRY_SECONDS (30 s), then twice as long each time: 60 s, 120 s, ..., 10 min.
MAX_TRIES = 10
LONGEST_RETRY_DELAY = 20  # times the first delay
# The queue's own redrive moves a message after its 20th receive and gives no reason: the handler comes first.
LAST_RECEIVE = 19
MAX_CONCURRENT_CALLS = 20
# One call to SQS or SNS that fails slowly takes no longer than this, by the time-outs in the wiring.
SECONDS_TO_SETTLE = 20


class BatchResponse(TypedDict):
    """The response to Lambda, which reads it where the event source mapping reports batch item failures."""

    batchItemFailures: list[dict[str, str]]


class SourceQueue(Protocol):
    """The queue that the batch came from. Raises a Fault where a call could not be done."""

    def delete(self, messages: Sequence[Message]) -> None:
        """Deletes finished messages."""

    def delay(self, message: Message, seconds: int) -> None:
        """Hides the message for so long before it comes back."""


class MessageSender(Protocol):
    """A queue to send to. Raises a Fault where nothing could be sent."""

    def send(self, bodies: Sequence[str]) -> dict[int, Fault]:
        """Sends all bodies, in ASCII; returns the faults of those that were not sent, by their indexes."""


class DeadLetters(Protocol):
    """The dead-letter queue of the batch's queue. Raises a Fault where a dead letter could not be sent."""

    def send(self, message: Message, fault: Fault, image: str) -> bool:
        """Sends a copy of the message with the reason, False where there is one; the caller deletes the original."""


def messages_of(event: dict[str, Any]) -> list[Message]:
    """The messages in the event by which Lambda invokes a function with a batch of SQS."""
    return [
        Message(
            id=record["messageId"],
            body=record["body"],
            receipt_handle=record["receiptHandle"],
            receives=int(record["attributes"]["ApproximateReceiveCount"]),
            sent=datetime.fromtimestamp(int(record["attributes"]["SentTimestamp"]) / 1000, UTC),
        )
        for record in event["Records"]
    ]


class Batch(Struct, frozen=True, kw_only=True):
    """How one function works through its batches and settles their messages."""

    queue: SourceQueue
    dead_letters: DeadLetters
    telemetry: Telemetry
    partial_responses: bool
    retry_seconds: int
    defer_seconds: int

    def attempt[I, O](
        self, work: Callable[[I], O], items: Mapping[str, I], *, threads: int, seconds_left: float
    ) -> tuple[dict[str, O], dict[str, Fault]]:
        """Does `work` for all items in parallel; returns the results and the faults, both by the keys of the items.

        Returns in time to settle the batch before Lambda ends the function: an item that is not done by then gets
        the fault OutOfTime, which costs its message a repeat and spares its neighbours one.

        A thread that is late cannot be stopped. Lambda freezes it with the process and thaws it in a later
        invocation, where it goes on. That is harmless, because:
        - Items that have not begun are cancelled: a late thread finishes its one item and ends.
        - Its result is dropped: futures are read below, once, and nothing else refers to them.
        - `work` touches no telemetry. It returns what is to be counted and logged, and the caller does that with the
          results that came in time. So nothing late shows in the metrics or the log of another invocation.
        - `work` only reads, or its writes are right at any later time:
          HeadObject and the model (steps/detect.py) are read, and the repeat of the message reads them once more;
          that the model has answered, which its adapter remembers, is true from then on;
          a call that the day's limit allows (queues/day_limit.py) is counted before, and none is left after the batch;
          rows (steps/notify.py) have a key that comes from the image and the model: a repeat writes the same object;
          `acquire` carries the time of its own invocation: it takes no record that was acquired or completed since,
          and a lock that it gets ends seconds after that invocation, until when messages of that record come back;
          a link (steps/picture_links.py) that is in no alert is known to nobody, and expires;
          `complete` writes that an alert is out, and it is;
          `release` is conditional on the owner, who is new in each invocation: it frees no lock of another delivery.
        """
        pool = ThreadPoolExecutor(max_workers=threads)
        futures = {key: pool.submit(work, item) for key, item in items.items()}
        wait(futures.values(), timeout=max(1.0, seconds_left - SECONDS_TO_SETTLE))
        pool.shutdown(wait=False, cancel_futures=True)
        results: dict[str, O] = {}
        faults: dict[str, Fault] = {}
        for key, future in futures.items():
            try:
                results[key] = _result(future)
            except Exception as problem:  # noqa: BLE001 - one bad message must not take its neighbours with it
                faults[key] = fault_of(problem)
        return results, faults

    def settle(
        self, messages: Sequence[Message], faults: Mapping[str, Fault], images: Mapping[str, object]
    ) -> BatchResponse:
        """Finishes, retries, defers or rejects each message; `faults` and `images` are by message id.

        A message without a fault is finished. No thread outlives this call, so its threads may count and log.

        Raises BatchIncomplete where messages must come back and Lambda would not read a partial batch response.
        """
        unfinished = [message for message in messages if message.id in faults]
        # In parallel: where a service fails slowly, it does so once, and not once for each message.
        with ThreadPoolExecutor(MAX_CONCURRENT_CALLS) as pool:
            rejected = pool.map(
                lambda message: self._settle(message, faults[message.id], str(images.get(message.id, "unknown"))),
                unfinished,
            )
        returning = {message.id for message, final in zip(unfinished, rejected, strict=True) if not final}
        if returning and not self.partial_responses:
            self._delete([message for message in messages if message.id not in returning])
            raise BatchIncomplete(f"{len(returning)} of {len(messages)} messages return to the queue")
        return {"batchItemFailures": [{"itemIdentifier": key} for key in sorted(returning)]}

    def _settle(self, message: Message, fault: Fault, image: str) -> bool:
        """Whether the message is in the dead-letter queue now; otherwise it comes back after its delay."""
        if self._is_final(message, fault):
            try:
                new = self.dead_letters.send(message, fault, image)
            except Exception as problem:  # noqa: BLE001 - one bad message must not take its neighbours with it
                # The message stays on its queue, whose redrive is the last resort.
                self.telemetry.warn("dead letter not sent", image=image, reason=fault_of(problem).reason)
            else:
                if new:
                    self.telemetry.count("ImagesRejected")
                event = "moved to the dead-letter queue" if new else "already in the dead-letter queue"
                self.telemetry.warn(event, image=image, reason=fault.reason, detail=fault.detail)
                return True
        self._delay(message, fault, image)
        return False

    def _is_final(self, message: Message, fault: Fault) -> bool:
        # SQS counts tries and deferrals alike; a stopped model costs a receive or two (docs/decisions/0017).
        max_receives = {Disposition.REJECT: 0, Disposition.RETRY: MAX_TRIES, Disposition.DEFER: LAST_RECEIVE}
        # A service that throttles, or fails by itself, needs time and nothing else: as many tries as the queue allows.
        limit = LAST_RECEIVE if isinstance(fault, Unavailable) else max_receives[fault.disposition]
        return message.receives >= limit

    def _delay(self, message: Message, fault: Fault, image: str) -> None:
        deferred = fault.disposition is Disposition.DEFER
        seconds = self.defer_seconds if deferred else self._retry_delay(message)
        self.telemetry.count("ImagesDeferred" if deferred else "ImagesRetried")
        self.telemetry.warn(
            "message deferred" if deferred else "message retried", image=image, reason=fault.reason,
            detail=fault.detail, seconds=seconds, receives=message.receives,
        )  # fmt: skip
        try:
            self.queue.delay(message, seconds)
        except Fault as problem:
            # It comes back all the same, after the queue's own visibility timeout.
            self.telemetry.warn("visibility timeout not changed", image=image, reason=problem.reason)

    def _retry_delay(self, message: Message) -> int:
        doubled: int = 2 ** (message.receives - 1)
        return self.retry_seconds * min(doubled, LONGEST_RETRY_DELAY)

    def _delete(self, finished: Sequence[Message]) -> None:
        try:
            self.queue.delete(finished)
        except Fault as problem:
            # These messages come back, and the repeat writes the same rows.
            self.telemetry.warn("messages not deleted", reason=problem.reason, detail=problem.detail)


def _result[O](future: Future[O]) -> O:
    if future.done() and not future.cancelled():
        return future.result()
    # Most often a service throttles: the SDK retries for longer than the function may run.
    raise Unavailable("OutOfTime", "The function ran out of time before this message was finished")

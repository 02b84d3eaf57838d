"""Finish what can be finished, hand back the rest: what both queue-driven steps have in common.

Lambda deletes a whole batch when the handler returns and nothing when it raises, unless the mapping reports partial
batch responses. docs/decisions/0001 tells of the two ways and why the safe one is the default.
"""

from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor, wait
from datetime import UTC, datetime
from typing import Any, Protocol, TypedDict

from msgspec import Struct

from chalicelib.domain.errors import BatchIncomplete, Disposition, Fault, Unavailable, fault_of
from chalicelib.domain.messages import Message
from chalicelib.telemetry import Telemetry

MAX_TRIES = 10
# The queue's own redrive takes a message away after its 20th receive and gives no reason: the handler comes first.
LAST_RECEIVE = 19
LONGEST_RETRY_DELAY = 20  # times the first delay
SETTLED_AT_ONCE = 20
# One call to SQS or SNS that fails slowly takes no longer than this, by the time-outs in the wiring.
SECONDS_TO_SETTLE = 20


class BatchResponse(TypedDict):
    """What Lambda reads where the event source mapping reports batch item failures."""

    batchItemFailures: list[dict[str, str]]


class SourceQueue(Protocol):
    """The queue that the batch came from. Raises a Fault where a call could not be done."""

    def delete(self, messages: Sequence[Message]) -> None:
        """Takes finished messages away."""

    def delay(self, message: Message, seconds: int) -> None:
        """Hides the message for so long before it comes back."""


class MessageSender(Protocol):
    """A queue to send to. Raises a Fault where nothing could be sent."""

    def send(self, bodies: Sequence[str]) -> dict[int, Fault]:
        """Sends them all, in ASCII; gives the faults of those that did not go, by their places."""


class DeadLetters(Protocol):
    """Where a message is set aside with the reason why. Raises a Fault where it could not be done."""

    def put(self, message: Message, fault: Fault, image: str) -> bool:
        """Keeps a copy of the message, False where there is one; whoever calls takes the original off its queue."""


def messages_of(event: dict[str, Any]) -> list[Message]:
    """The messages of the event that Lambda hands to a function for a batch of SQS."""
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
    """How one function works through its batches and settles them."""

    queue: SourceQueue
    dead_letters: DeadLetters
    telemetry: Telemetry
    partial_responses: bool
    retry_seconds: int
    defer_seconds: int

    def attempt[I, O](
        self, work: Callable[[I], O], items: Mapping[str, I], *, threads: int, seconds_left: float
    ) -> tuple[dict[str, O], dict[str, Fault]]:
        """Does `work` for every item at once and gives the results and the faults, both by the items' message ids.

        Returns in time to settle the batch before Lambda ends the function: what is not done by then is to be
        retried, which costs those messages a repeat and spares their neighbours one.
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
        """Gives each message its fate; `faults` and `images` are by message id, and what has no fault is finished.

        Raises BatchIncomplete where messages must come back and Lambda would not read a partial batch response.
        """
        unfinished = [message for message in messages if message.id in faults]
        # Side by side: where a service fails slowly, it does so once, and not once for each.
        with ThreadPoolExecutor(SETTLED_AT_ONCE) as pool:
            aside = pool.map(
                lambda one: self._set_aside(one, faults[one.id], str(images.get(one.id, "unknown"))), unfinished
            )
        returning = {message.id for message, done in zip(unfinished, aside, strict=True) if not done}
        if returning and not self.partial_responses:
            self._delete([message for message in messages if message.id not in returning])
            raise BatchIncomplete(f"{len(returning)} of {len(messages)} messages come back later")
        return {"batchItemFailures": [{"itemIdentifier": key} for key in sorted(returning)]}

    def _set_aside(self, message: Message, fault: Fault, image: str) -> bool:
        """Whether the message is a dead letter now; otherwise it comes back after its delay."""
        if self._has_no_future(message, fault):
            try:
                new = self.dead_letters.put(message, fault, image)
            except Exception as problem:  # noqa: BLE001 - one bad message must not take its neighbours with it
                # Not set aside, so not finished: it stays on its queue, whose redrive is the last resort.
                self.telemetry.warn("dead letter not sent", image=image, reason=fault_of(problem).reason)
            else:
                if new:
                    self.telemetry.count("ImagesRejected")
                said = "dead letter" if new else "already in the dead-letter queue"
                self.telemetry.warn(said, image=image, reason=fault.reason, detail=fault.detail)
                return True
        self._delay(message, fault, image)
        return False

    def _has_no_future(self, message: Message, fault: Fault) -> bool:
        # SQS counts waits and retries alike; a stopped model costs a receive or two (docs/decisions/0017).
        most = {Disposition.REJECT: 0, Disposition.RETRY: MAX_TRIES, Disposition.DEFER: LAST_RECEIVE}
        return message.receives >= (LAST_RECEIVE if isinstance(fault, Unavailable) else most[fault.fate])

    def _delay(self, message: Message, fault: Fault, image: str) -> None:
        waiting = fault.fate is Disposition.DEFER
        seconds = self.defer_seconds if waiting else self._retry_delay(message)
        self.telemetry.count("ImagesDeferred" if waiting else "ImagesRetried")
        self.telemetry.warn(
            "message comes back", image=image, reason=fault.reason, detail=fault.detail, seconds=seconds,
            receives=message.receives,
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
            # They come back and are done again, onto the same rows.
            self.telemetry.warn("messages not deleted", reason=problem.reason, detail=problem.detail)


def _result[O](future: Future[O]) -> O:
    if future.done() and not future.cancelled():
        return future.result()
    # Most often it is a service that throttles: the SDK is patient, and the function's time ends first.
    raise Unavailable("OutOfTime", "the function's time was over before this message was done")

"""An action that happens once, however often its message is delivered: acquire, act, then complete or release.

Alerts (steps/notify.py) and dead letters (queues/dead_letters.py) both use it. docs/decisions/0015 and 0018 say what it
promises, and what it cannot.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import datetime, timedelta
from typing import Protocol
from uuid import uuid4

from msgspec import Struct

from chalicelib.domain.errors import Fault, Unavailable, fault_of
from chalicelib.domain.idempotency import RecordState
from chalicelib.telemetry import Telemetry


class IdempotencyRecords(Protocol):
    """The records of one kind of action, by id. Raises a Fault where a record could not be read or written."""

    def acquire(
        self, record_id: str, owner: str, now: datetime, until: datetime, since: datetime | None = None
    ) -> RecordState:
        """Locks the record until `until`; the same owner may repeat it.

        A record that was completed before `since`, or else longer ago than records are kept, is acquired once more.
        """

    def complete(self, record_id: str, now: datetime) -> None:
        """Writes that the action has happened."""

    def release(self, record_id: str, owner: str) -> None:
        """Ends the lock early, where this owner still has it."""


class ForEach(Protocol):
    """How work is done for several ids: in turn, or in parallel."""

    def __call__[O](self, work: Callable[[str], O], ids: Iterable[str]) -> tuple[dict[str, O], dict[str, Fault]]:
        """Does `work` for each id; returns the results and the faults, both by id."""


def in_turn[O](work: Callable[[str], O], ids: Iterable[str]) -> tuple[dict[str, O], dict[str, Fault]]:
    """Does `work` for one id after the other."""
    results: dict[str, O] = {}
    faults: dict[str, Fault] = {}
    for record_id in ids:
        try:
            results[record_id] = work(record_id)
        except Exception as problem:  # noqa: BLE001 - one bad record must not take its neighbours with it
            faults[record_id] = fault_of(problem)
    return results, faults


class Idempotency(Struct, frozen=True, kw_only=True):
    """The procedure, with what differs between its users.

    `needs_record`: an id whose record cannot be acquired gets that fault; otherwise the action happens all the same,
    since then twice is better than never. `write_attempts`: how often complete or release is tried.
    """

    records: IdempotencyRecords
    telemetry: Telemetry
    now: Callable[[], datetime]
    needs_record: bool
    write_attempts: int = 1
    for_each: ForEach = in_turn

    def run(
        self,
        images: Mapping[str, str],
        act: Callable[[list[str]], None],
        *,
        lock: timedelta,
        since: datetime | None = None,
    ) -> tuple[list[str], dict[str, Fault]]:
        """Calls `act` once, with each id that no other delivery has completed or has in progress.

        `images` has the image of each record, by record id, for the log. Returns the ids for which `act` was done, and
        the faults of the ids whose messages must come back; an id in neither was completed by an earlier delivery.
        """
        owner = uuid4().hex
        acquired, without_record, faults = self._acquire(images, owner, lock, since)
        ids = acquired + without_record
        if not ids:
            return [], faults
        try:
            act(ids)
        except Exception as problem:  # noqa: BLE001 - these messages come back, and the others are finished
            self._write("released", lambda record_id: self.records.release(record_id, owner), acquired, images)
            return [], faults | dict.fromkeys(ids, fault_of(problem))
        now = self.now()
        self._write("completed", lambda record_id: self.records.complete(record_id, now), acquired, images)
        return ids, faults

    def _acquire(
        self, images: Mapping[str, str], owner: str, lock: timedelta, since: datetime | None
    ) -> tuple[list[str], list[str], dict[str, Fault]]:
        """The ids that are acquired, those to act for without a record, and the faults of those that must come back."""
        now = self.now()
        states, unknown = self.for_each(
            lambda record_id: self.records.acquire(record_id, owner, now, now + lock, since), images
        )
        acquired = [record_id for record_id, state in states.items() if state is RecordState.ACQUIRED]
        in_progress: dict[str, Fault] = {
            record_id: Unavailable("InProgress", "Another delivery of this message is in progress")
            for record_id, state in states.items()
            if state is RecordState.IN_PROGRESS
        }
        if self.needs_record:
            return acquired, [], in_progress | unknown
        self._warn("acquired", unknown, images)
        return acquired, list(unknown), in_progress

    def _write(
        self, state: str, write: Callable[[str], None], acquired: Sequence[str], images: Mapping[str, str]
    ) -> None:
        """Completes or releases. Where that fails, the lock ends in time, and a later delivery may act once more."""
        faults: dict[str, Fault] = {}
        remaining: Iterable[str] = acquired
        for _ in range(self.write_attempts):
            _, faults = self.for_each(write, remaining)
            if not faults:
                return
            remaining = faults
        self._warn(state, faults, images)

    def _warn(self, state: str, faults: Mapping[str, Fault], images: Mapping[str, str]) -> None:
        if faults:
            self.telemetry.warn(
                f"idempotency records not {state}",
                ids=sorted(faults),
                images=sorted({images[record_id] for record_id in faults}),
                reasons=sorted({fault.reason for fault in faults.values()}),
            )

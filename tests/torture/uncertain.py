"""Which duplicates are permitted: those of alerts and dead letters whose sending a function could not be sure of.

SNS and SQS have no key by which they would recognise a message that they have received; docs/decisions/0015 and 0018
say why an uncertain alert or dead letter is sent twice rather than lost.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from threading import Lock


class UncertainOutcomes:
    """Follows each id from the service's success to the completion of its record; the proxies report the calls.

    `is_running` takes a process: one that has ended has not completed its records since.
    """

    def __init__(self, is_running: Callable[[int], bool]) -> None:
        self.unexplained: set[str] = set()
        self.explained: Counter[str] = Counter()
        self._is_running = is_running
        self._not_completed: dict[str, int | None] = {}
        self._response_lost: set[str] = set()
        self._acquisitions_lost: set[tuple[str, str]] = set()
        self._sent: set[str] = set()
        self._lock = Lock()

    def sent(self, ids: frozenset[str], process: int | None) -> None:
        """The service accepted these from this process; None for a process that has ended since."""
        with self._lock:
            duplicates = ids & self._sent
            not_acquired = ids & {id_ for id_, _ in self._acquisitions_lost}
            permitted = duplicates & (self._uncertain() | not_acquired)
            self.explained.update(permitted)
            self.unexplained |= duplicates - permitted
            self._sent |= ids
            self._response_lost = (self._response_lost - ids) | not_acquired
            self._not_completed |= dict.fromkeys(ids, process)

    def acquired(self, ids: frozenset[str], owner: str, *, known: bool) -> None:
        """The owner tried to acquire these; where the answer is not `known`, it sends the dead letter all the same."""
        acquisitions = {(id_, owner) for id_ in ids}
        with self._lock:
            self._acquisitions_lost = (
                self._acquisitions_lost - acquisitions if known else self._acquisitions_lost | acquisitions
            )

    def completed(self, ids: frozenset[str]) -> None:
        """The table has these as completed."""
        with self._lock:
            for id_ in ids:
                self._not_completed.pop(id_, None)
            self._response_lost -= ids

    def response_lost(self, ids: frozenset[str]) -> None:
        """The function did not get the response to its call about these."""
        with self._lock:
            self._response_lost |= ids & self._not_completed.keys()

    def not_completed(self) -> frozenset[str]:
        """Ids that were sent, and that no function could complete or send again."""
        with self._lock:
            return frozenset(self._uncertain())

    def _uncertain(self) -> set[str]:
        ended = {
            id_ for id_, process in self._not_completed.items() if process is None or not self._is_running(process)
        }
        return self._response_lost | ended

"""What may rightly be told twice: that of which the function could not know that it was taken, or could not note it.

SNS and SQS have no key by which they would know a message that they have had; docs/decisions/0015 and 0018 say why the
doubtful case is told twice and not lost.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from threading import Lock


class Doubts:
    """Follows each id from the service's yes to the note of it; whoever passes calls on tells of them.

    `lives` says whether a process does: one that has ended has noted nothing since, whoever ended it.
    """

    def __init__(self, lives: Callable[[int], bool]) -> None:
        self.unexplained: set[str] = set()
        self.explained: Counter[str] = Counter()
        self._lives = lives
        self._open: dict[str, int | None] = {}
        self._doubtful: set[str] = set()
        self._unclaimed: set[tuple[str, str]] = set()
        self._told: set[str] = set()
        self._lock = Lock()

    def told(self, ids: frozenset[str], process: int | None) -> None:
        """The service took it from this process; from none, where that has ended since."""
        with self._lock:
            again = ids & self._told
            unclaimed = ids & {one for one, _ in self._unclaimed}
            excused = again & (self._in_doubt() | unclaimed)
            self.explained.update(excused)
            self.unexplained |= again - excused
            self._told |= ids
            self._doubtful = (self._doubtful - ids) | unclaimed
            self._open |= dict.fromkeys(ids, process)

    def claimed(self, ids: frozenset[str], owner: str, *, known: bool) -> None:
        """Somebody asked for these, and knows how they stand, or not: then a dead letter is written all the same."""
        asked = {(one, owner) for one in ids}
        with self._lock:
            self._unclaimed = self._unclaimed - asked if known else self._unclaimed | asked

    def noted(self, ids: frozenset[str]) -> None:
        """The table knows that these were told."""
        with self._lock:
            for one in ids:
                self._open.pop(one, None)
            self._doubtful -= ids

    def disturbed(self, ids: frozenset[str]) -> None:
        """The function did not hear of what became of its call on these."""
        with self._lock:
            self._doubtful |= ids & self._open.keys()

    def unnoted(self) -> frozenset[str]:
        """What was told, and nobody could write down that it was, nor came again to tell it."""
        with self._lock:
            return frozenset(self._in_doubt())

    def _in_doubt(self) -> set[str]:
        ended = {one for one, process in self._open.items() if process is None or not self._lives(process)}
        return self._doubtful | ended

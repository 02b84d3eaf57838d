"""Which alerts may rightly be told twice: those of which the function could not know that SNS took them, or note it.

SNS has no key by which it would know a message that it has had; docs/decisions/0015 says why the doubtful case is told
twice and not lost.
"""

from __future__ import annotations

from collections import Counter
from threading import Lock


class Doubts:
    """Follows each prediction from SNS's yes to the note of it; whoever passes calls on tells of them."""

    def __init__(self) -> None:
        self.unexplained: set[str] = set()
        self.explained: Counter[str] = Counter()
        self._open: dict[str, int | None] = {}
        self._doubtful: set[str] = set()
        self._published: set[str] = set()
        self._lock = Lock()

    def published(self, predictions: frozenset[str], process: int | None) -> None:
        """SNS took a message on these."""
        with self._lock:
            again = predictions & self._published
            self.explained.update(again & self._doubtful)
            self.unexplained |= again - self._doubtful
            self._published |= predictions
            self._doubtful -= predictions
            self._open |= dict.fromkeys(predictions, process)

    def noted(self, predictions: frozenset[str]) -> None:
        """The table knows that these were told."""
        with self._lock:
            for one in predictions:
                self._open.pop(one, None)
            self._doubtful -= predictions

    def disturbed(self, predictions: frozenset[str]) -> None:
        """The function did not hear of what became of its call on these."""
        with self._lock:
            self._doubtful |= predictions & self._open.keys()

    def killed(self, process: int) -> None:
        """A function ended, and with it whatever it had published and not noted."""
        with self._lock:
            self._doubtful |= {one for one, owner in self._open.items() if owner == process}

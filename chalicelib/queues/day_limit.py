"""The limit of the stack: at most so many calls of the model in a day (UTC), whatever runs at the same moment.

docs/decisions/0026 says what it promises.
"""

from collections.abc import Callable
from datetime import date, datetime
from math import inf
from threading import Lock
from typing import Protocol

from msgspec import Struct

from chalicelib.domain.errors import DayLimitReached


class ImageCounts(Protocol):
    """The number of images of each day (UTC). Raises a Fault where it cannot be read or written now."""

    def of(self, day: date) -> int:
        """The number of this day."""

    def add(self, day: date, images: int) -> int:
        """Adds so many images to the day and returns the sum; fewer than 0 are given back."""


class Reservation:
    """The model calls that one batch may make; its threads share them."""

    def __init__(self, day: date, granted: float, refused: float) -> None:
        self.day = day
        self._left = granted
        self._refused = refused
        self._lock = Lock()

    def take(self) -> None:
        """Takes one call; raises DayLimitReached where none is left."""
        with self._lock:
            if self._left < 1:
                raise DayLimitReached("DayLimitReached", f"MaxImagesPerDay is reached for {self.day:%Y-%m-%d} (UTC)")
            self._left -= 1

    def put_back(self) -> None:
        """Puts back a call that the model did not accept."""
        with self._lock:
            self._left += 1

    def close(self) -> float:
        """Ends the reservation, so that a late thread makes no call; returns what was reserved and not used."""
        with self._lock:
            left, self._left = self._left, 0
        return self._refused + left


class DayLimit(Struct, frozen=True, kw_only=True):
    """At most `most` images a day; 0 is no limit, and counts nothing."""

    counts: ImageCounts
    most: int
    now: Callable[[], datetime]

    def images_today(self) -> int:
        """The images of this day that were sent to the model, or are about to be."""
        return self.counts.of(self._today) if self.most else 0

    def is_reached_by(self, images: int) -> bool:
        """Whether so many images are all of a day."""
        return 0 < self.most <= images

    def reserve(self, images: int) -> tuple[Reservation, bool]:
        """Reserves calls for so many images, and returns whether the day has none left after them.

        The count is raised first and grants what fits below the limit, so batches at the same moment never get more
        than the limit together. A batch that is killed gives nothing back, and the day has fewer images.
        """
        day = self._today
        if not (self.most and images):
            return Reservation(day, granted=inf, refused=0), False
        count = self.counts.add(day, images)
        refused = min(images, max(0, count - self.most))
        return Reservation(day, images - refused, refused), self.is_reached_by(count)

    def give_back(self, reservation: Reservation) -> None:
        """Ends the reservation and gives back what was not used."""
        unused = reservation.close()
        if 0 < unused < inf:  # infinite without a limit
            self.counts.add(reservation.day, -int(unused))

    @property
    def _today(self) -> date:
        return self.now().date()

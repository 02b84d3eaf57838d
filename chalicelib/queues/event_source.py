"""The event source of a function: whether Lambda polls its queue."""

from typing import Protocol


class EventSource(Protocol):
    """Polling of one queue by one function. Raises a Fault where it cannot be read or changed now."""

    def enable(self) -> bool:
        """Resumes polling; returns whether that changed anything."""

    def disable(self) -> bool:
        """Pauses polling, so that messages stay in their queue; returns whether that changed anything."""

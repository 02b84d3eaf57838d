"""Ctrl-C and other signals that end a command, where an end in the middle would leave something behind."""

import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager

_SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


@contextmanager
def uninterrupted() -> Iterator[None]:
    """Delays signals until the block ends; for a short call. Other threads than the main one receive no signals."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    received: list[int] = []
    before = {name: signal.signal(name, lambda number, _: received.append(number)) for name in _SIGNALS}
    try:
        yield
    finally:
        for name, handler in before.items():
            signal.signal(name, handler)
    for number in received:
        signal.raise_signal(number)

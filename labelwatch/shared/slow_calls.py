"""Says that a command waits for the network, where an AWS call takes long: the SDK retries for half a minute."""

import sys
import threading
from typing import Any

SECONDS = 3.0


def announce(events: Any, seconds: float = SECONDS) -> None:  # noqa: ANN401 - botocore's emitter has no type
    """Prints a line on standard error when a call of this session has no answer after so many seconds.

    https://docs.aws.amazon.com/boto3/latest/guide/events.html
    """
    timers: dict[int, threading.Timer] = {}

    def start(model: Any, **_: object) -> None:  # noqa: ANN401 - the same
        text = f"Waiting for {model.service_model.service_name} ({model.name})… Ctrl-C stops the command."
        timer = threading.Timer(seconds, print, (text,), {"file": sys.stderr, "flush": True})
        timer.daemon = True
        stop()
        timers[threading.get_ident()] = timer
        timer.start()

    def stop(**_: object) -> None:
        if timer := timers.pop(threading.get_ident(), None):
            timer.cancel()

    events.register("before-call", start)
    events.register("after-call", stop)
    events.register("after-call-error", stop)

"""Says that a command waits for the network, where an AWS call takes long: the SDK retries for half a minute."""

import sys
import threading
from collections import defaultdict
from typing import Any

SECONDS = 3.0


def announce(events: Any, seconds: float = SECONDS) -> None:  # noqa: ANN401 - botocore's emitter has no type
    """Prints a line on standard error when a call of this session has no answer after so many seconds.

    Many threads that wait for the same operation are one line.
    https://docs.aws.amazon.com/boto3/latest/guide/events.html
    """
    # By thread, the innermost call last: a call may need another one first, such as AssumeRole.
    timers: defaultdict[int, list[threading.Timer]] = defaultdict(list)
    announced: set[str] = set()
    lock = threading.Lock()

    def say(text: str, stream: Any) -> None:  # noqa: ANN401 - the terminal, or a progress bar on it
        with lock:
            if text not in announced:
                announced.add(text)
                print(text, file=stream, flush=True)

    def start(model: Any, **_: object) -> None:  # noqa: ANN401 - the same
        text = f"Waiting for {model.service_model.service_name} ({model.name})… Ctrl-C stops the command."
        timer = threading.Timer(seconds, say, (text, sys.stderr))
        timer.daemon = True
        timers[threading.get_ident()].append(timer)
        timer.start()

    def stop(**_: object) -> None:
        if started := timers[threading.get_ident()]:
            started.pop().cancel()

    events.register("before-call", start)
    events.register("after-call", stop)
    events.register("after-call-error", stop)

"""What goes wrong between a function and AWS: its process is killed at a call, or the call fails in many ways."""

from __future__ import annotations

import json
import random
import time
from collections import Counter
from threading import Lock
from typing import NamedTuple

from tests.support.proxy import Forward, Interceptor, Request, Response
from tests.torture import processes
from tests.torture.calls import CLAIMING, NOTING, TELLING, name_of, owner_of, told_of
from tests.torture.uncertain import Doubts

KILLED, REFUSED, NO_ANSWER, CLOSED = "killed", "refused", "no answer", "connection closed"
COME_AGAIN = "come again"
# What the local model of the model refuses when it is stopped, or request too often.
NOT_RUNNING = "model not running"
_OF_THE_MODEL = {
    b"ResourceNotReadyException": NOT_RUNNING,
    b"ProvisionedThroughputExceededException": "model throttled",
}
_STATUS = {"500": ("InternalError", 500), "503": ("SlowDown", 503), REFUSED: ("AuthorizationError", 403)}
# How often each comes: what costs seconds is rarer, so that many images fit the time.
WAYS_TO_FAIL = {"500": 3, "503": 3, CLOSED: 3, NO_ANSWER: 1}
# Over the wiring's read time-out of these; for other services it waits longer, and their connections are closed.
_SECONDS_WITHOUT_ANSWER = 3.5
_SOON_GIVEN_UP = {"sqs", "sns", "dynamodb"}


class Kill(NamedTuple):
    """The function's process ends right before its call, or when AWS has done it and the function has not heard."""

    function: str
    call: str
    after: bool

    def __str__(self) -> str:
        return f"{self.function} {'after' if self.after else 'before'} {self.call}"


class _Trick(NamedTuple):
    kind: str
    after: bool


class Mischief:
    """Decides at each call; `shares` are how many of all calls are killed at, or fail."""

    def __init__(self, doubts: Doubts) -> None:
        self.failing_share = 0.0
        self.killing_share = 0.0
        self.armed: Kill | None = None
        self.done: Counter[str] = Counter()
        self._doubts = doubts
        self._refused: list[str] = []
        self._dice = random.Random(0)
        self._lock = Lock()

    def refuse_next(self, call: str) -> None:
        """The next call of this name is refused, once."""
        self._refused.append(call)

    def count(self, kind: str, times: int) -> None:
        """What is done elsewhere."""
        with self._lock:
            self.done[kind] += times

    def around(self, function: str) -> Interceptor:
        """What the proxy of this function does with its calls."""

        def meddle(request: Request, forward: Forward) -> Response | None:
            name = name_of(request)
            trick = self._chosen(function, name)
            answer = None if trick and not trick.after else self._done(request, name, forward)
            if trick or request.closed():  # a machine that is busy is late without a trick
                self._unheard(request, name, ended=bool(trick and trick.kind == KILLED))
            return self._play(trick, request, name) if trick else answer

        return meddle

    def _unheard(self, request: Request, name: str, *, ended: bool) -> None:
        if name in CLAIMING:
            # Of one that is killed there is nothing to come.
            self._doubts.claimed(told_of(request, name), owner_of(request), known=ended)
        else:
            self._doubts.disturbed(told_of(request, name))

    def _chosen(self, function: str, name: str) -> _Trick | None:
        with self._lock:
            trick = self._next(function, name)
            if trick:
                self.done[trick.kind] += 1
            return trick

    def _next(self, function: str, name: str) -> _Trick | None:
        if self.armed and (self.armed.function, self.armed.call) == (function, name):
            trick = _Trick(KILLED, self.armed.after)
            self.armed = None
            return trick
        if name in self._refused:
            self._refused.remove(name)
            return _Trick(REFUSED, after=False)
        after = self._dice.random() < 0.5
        if self._dice.random() < self.killing_share:
            return _Trick(KILLED, after)
        if self._dice.random() < self.failing_share:
            return _Trick(self._dice.choices(list(WAYS_TO_FAIL), list(WAYS_TO_FAIL.values()))[0], after)
        return None

    def _done(self, request: Request, name: str, forward: Forward) -> Response:
        answer = forward()
        if answer.status < 400 and name in TELLING:
            self._doubts.told(told_of(request, name), processes.owner_of(request.port))
        if name in CLAIMING:
            self._doubts.claimed(told_of(request, name), owner_of(request), known=True)
        if answer.status < 400 and name in NOTING:
            self._doubts.noted(told_of(request, name))
        with self._lock:
            self.done.update(
                kind for code, kind in _OF_THE_MODEL.items() if answer.status == 400 and code in answer.content
            )
        return answer

    def _play(self, trick: _Trick, request: Request, name: str) -> Response | None:
        if trick.kind == KILLED:
            process = processes.owner_of(request.port)
            if process:
                processes.kill(process)
        if trick.kind == NO_ANSWER and name.partition(" ")[0] in _SOON_GIVEN_UP:
            time.sleep(_SECONDS_WITHOUT_ANSWER)
        return _error(request, name, *_STATUS[trick.kind]) if trick.kind in _STATUS else None


def _error(request: Request, name: str, code: str, status: int) -> Response:
    """As the services write it: https://smithy.io/2.0/aws/protocols/."""
    said = "The torture says so."
    match name.partition(" ")[0]:
        case "s3":
            text = f"<Error><Code>{code}</Code><Message>{said}</Message></Error>"
        case "sns":
            text = f"<ErrorResponse><Error><Code>{code}</Code><Message>{said}</Message></Error></ErrorResponse>"
        case _:
            text = json.dumps({"__type": code, "message": said})
    return Response(status, {}, b"" if request.method == "HEAD" else text.encode())

"""Disruptions between a function and AWS: its process is killed at a call, or the call fails in many ways."""

from __future__ import annotations

import json
import random
import time
from collections import Counter
from threading import Lock
from typing import NamedTuple

from tests.support.proxy import Forward, Interceptor, Request, Response
from tests.torture import processes
from tests.torture.calls import ACQUIRING, COMPLETING, SENDING, call_of, ids_of, owner_of
from tests.torture.uncertain import UncertainOutcomes

KILLED, REFUSED, NO_ANSWER, CLOSED = "killed", "refused", "no answer", "connection closed"
REPEATED = "repeated"
# The local model's errors when it is stopped, or called too often.
NOT_RUNNING = "model not running"
_MODEL_ERRORS = {
    b"ResourceNotReadyException": NOT_RUNNING,
    b"ProvisionedThroughputExceededException": "model throttled",
}
_STATUS = {"500": ("InternalError", 500), "503": ("SlowDown", 503), REFUSED: ("AuthorizationError", 403)}
# How often each comes; the failure that costs seconds is rarer, so that many images fit the time.
FAILURE_WEIGHTS = {"500": 3, "503": 3, CLOSED: 3, NO_ANSWER: 1}
# Longer than the wiring's read time-out of these services; that of others is longer, and their connections are closed.
_SECONDS_WITHOUT_ANSWER = 3.5
_SHORT_TIMEOUTS = {"sqs", "sns", "dynamodb"}


class Kill(NamedTuple):
    """The function's process ends right before its call, or after AWS has answered it and before the function knows."""

    function: str
    call: str
    after: bool

    def __str__(self) -> str:
        return f"{self.function} {'after' if self.after else 'before'} {self.call}"


class _Disruption(NamedTuple):
    kind: str
    after: bool


class Disruptions:
    """Chooses a disruption for each call; the rates are shares of all calls that kill a process, or fail."""

    def __init__(self, uncertain: UncertainOutcomes) -> None:
        self.failure_rate = 0.0
        self.kill_rate = 0.0
        self.next_kill: Kill | None = None
        self.counts: Counter[str] = Counter()
        self._uncertain = uncertain
        self._refused: list[str] = []
        self._random = random.Random(0)
        self._lock = Lock()

    def refuse_next(self, call: str) -> None:
        """The next such call is refused, once."""
        self._refused.append(call)

    def count(self, kind: str, times: int) -> None:
        """Counts disruptions that happen elsewhere."""
        with self._lock:
            self.counts[kind] += times

    def interceptor(self, function: str) -> Interceptor:
        """The interceptor for the proxy of this function."""

        def intercept(request: Request, forward: Forward) -> Response | None:
            call = call_of(request)
            disruption = self._choose(function, call)
            response = None if disruption and not disruption.after else self._forward(request, call, forward)
            if disruption or request.closed():  # a busy machine is late without a disruption
                self._report_lost_response(request, call, killed=bool(disruption and disruption.kind == KILLED))
            return self._apply(disruption, request, call) if disruption else response

        return intercept

    def _report_lost_response(self, request: Request, call: str, *, killed: bool) -> None:
        if call in ACQUIRING:
            # A killed process sends nothing afterwards.
            self._uncertain.acquired(ids_of(request, call), owner_of(request), known=killed)
        else:
            self._uncertain.response_lost(ids_of(request, call))

    def _choose(self, function: str, call: str) -> _Disruption | None:
        with self._lock:
            disruption = self._next(function, call)
            if disruption:
                self.counts[disruption.kind] += 1
            return disruption

    def _next(self, function: str, call: str) -> _Disruption | None:
        if self.next_kill and (self.next_kill.function, self.next_kill.call) == (function, call):
            disruption = _Disruption(KILLED, self.next_kill.after)
            self.next_kill = None
            return disruption
        if call in self._refused:
            self._refused.remove(call)
            return _Disruption(REFUSED, after=False)
        after = self._random.random() < 0.5
        if self._random.random() < self.kill_rate:
            return _Disruption(KILLED, after)
        if self._random.random() < self.failure_rate:
            return _Disruption(self._random.choices(list(FAILURE_WEIGHTS), list(FAILURE_WEIGHTS.values()))[0], after)
        return None

    def _forward(self, request: Request, call: str, forward: Forward) -> Response:
        response = forward()
        if response.status < 400 and call in SENDING:
            self._uncertain.sent(ids_of(request, call), processes.client_of(request.ports))
        if call in ACQUIRING:
            self._uncertain.acquired(ids_of(request, call), owner_of(request), known=True)
        if response.status < 400 and call in COMPLETING:
            self._uncertain.completed(ids_of(request, call))
        with self._lock:
            self.counts.update(
                kind for code, kind in _MODEL_ERRORS.items() if response.status == 400 and code in response.content
            )
        return response

    def _apply(self, disruption: _Disruption, request: Request, call: str) -> Response | None:
        if disruption.kind == KILLED:
            process = processes.client_of(request.ports)
            if process:
                processes.kill(process)
        if disruption.kind == NO_ANSWER and call.partition(" ")[0] in _SHORT_TIMEOUTS:
            time.sleep(_SECONDS_WITHOUT_ANSWER)
        return _error(request, call, *_STATUS[disruption.kind]) if disruption.kind in _STATUS else None


def _error(request: Request, call: str, code: str, status: int) -> Response:
    """As the services write it: https://smithy.io/2.0/aws/protocols/."""
    message = "A disruption of the torture."
    match call.partition(" ")[0]:
        case "s3":
            text = f"<Error><Code>{code}</Code><Message>{message}</Message></Error>"
        case "sns":
            text = f"<ErrorResponse><Error><Code>{code}</Code><Message>{message}</Message></Error></ErrorResponse>"
        case _:
            text = json.dumps({"__type": code, "message": message})
    return Response(status, {}, b"" if request.method == "HEAD" else text.encode())

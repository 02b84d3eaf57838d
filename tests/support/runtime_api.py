"""Lambda's Runtime API for one runtime, on loopback: it hands out events and receives the answers.

https://docs.aws.amazon.com/lambda/latest/dg/runtimes-api.html
"""

from __future__ import annotations

import json
import sys
import time
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from queue import Empty, SimpleQueue
from typing import Any, Literal, NamedTuple

from labelwatch.local.server import serving

FUNCTION_ARN = "arn:aws:lambda:eu-central-1:000000000000:function:labelwatch"
SECONDS_FOR_AN_INVOCATION = 60
_VERSION = "/2018-06-01/runtime"
# Ready: the runtime requests its first event.
_Kind = Literal["ready", "response", "error", "init error"]


class Report(NamedTuple):
    """What the runtime sent, and when (`time.perf_counter`)."""

    kind: _Kind
    content: Any
    at: float


class RuntimeApi:
    """The server's side of one runtime."""

    def __init__(self) -> None:
        self.address = ""
        self._events: SimpleQueue[bytes | None] = SimpleQueue()
        self._reports: SimpleQueue[Report] = SimpleQueue()
        self._invocation = ""

    def put(self, event: object) -> None:
        """Gives the runtime this event as its next one."""
        self._events.put(json.dumps(event).encode())

    def report(self, timeout: float) -> Report | None:
        """The runtime's next report; None where there is none in time."""
        try:
            return self._reports.get(timeout=timeout)
        except Empty:
            return None

    def next_event(self) -> bytes | None:
        """Waits for an event; None when there will be none."""
        if not self._invocation:
            self._add("ready", None)
        self._invocation = str(uuid.uuid4())
        return self._events.get()

    def headers(self) -> dict[str, str]:
        """The headers of the event."""
        deadline = time.time() + SECONDS_FOR_AN_INVOCATION
        return {
            "Lambda-Runtime-Aws-Request-Id": self._invocation,
            "Lambda-Runtime-Deadline-Ms": str(int(deadline * 1000)),
            "Lambda-Runtime-Invoked-Function-Arn": FUNCTION_ARN,
            "Content-Type": "application/json",
        }

    def receive(self, path: str, body: bytes) -> bool:
        """Keeps what the runtime posts to this path; False where nothing of the kind is expected."""
        kinds: dict[str, _Kind] = {
            f"{_VERSION}/invocation/{self._invocation}/response": "response",
            f"{_VERSION}/invocation/{self._invocation}/error": "error",
            f"{_VERSION}/init/error": "init error",
        }
        if path not in kinds:
            return False
        self._add(kinds[path], json.loads(body))
        return True

    def close(self) -> None:
        """Ends the wait of a runtime for its next event."""
        self._events.put(None)

    def _add(self, kind: _Kind, content: object) -> None:
        self._reports.put(Report(kind, content, time.perf_counter()))


@contextmanager
def served() -> Iterator[RuntimeApi]:
    """A Runtime API until the block ends, by which time its runtime must have ended."""
    api = RuntimeApi()
    server = _Server(("127.0.0.1", 0), _handler(api))
    with serving(server) as api.address:
        try:
            yield api
        finally:
            api.close()


class _Server(ThreadingHTTPServer):
    daemon_threads = True

    def handle_error(self, request: Any, client_address: Any) -> None:
        # A runtime that was stopped closes its connection; anything else is a bug.
        if not isinstance(sys.exception(), ConnectionError):
            super().handle_error(request, client_address)


def _handler(api: RuntimeApi) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"
        disable_nagle_algorithm = True  # head and body are two writes, and the second would wait for a late ACK

        def do_GET(self) -> None:
            if self.path != f"{_VERSION}/invocation/next":
                self._answer(404, b"{}")
                return
            event = api.next_event()
            if event is None:
                self.close_connection = True
            else:
                self._answer(200, event, api.headers())

        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
            self._answer(202 if api.receive(self.path, body) else 400, b'{"status":"OK"}')

        def log_message(self, *_: object) -> None:
            """Prints nothing: the terminal is for the tests."""

        def _answer(self, status: int, content: bytes, headers: dict[str, str] | None = None) -> None:
            self.send_response(status)
            for name, value in ({"Content-Type": "application/json"} | (headers or {})).items():
                self.send_header(name, value)
            self.send_header("Content-Length", str(len(content)))
            self.end_headers()
            self.wfile.write(content)

    return Handler

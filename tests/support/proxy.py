"""A proxy on loopback that hands each request to a function of ours, which may pass it on, and look at the answer."""

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from http.client import HTTPConnection
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from select import POLLIN, poll
from socket import socket
from typing import Any, NamedTuple
from urllib.parse import urlsplit

from labelwatch.local.server import serving

# Of one connection only, or set anew by whoever passes the message on.
_HOP_BY_HOP = {"connection", "keep-alive", "transfer-encoding", "content-length", "expect"}


class Request(NamedTuple):
    """A request, with its headers' names in lower case, and the port that it came from.

    `hung_up` says whether whoever request has by now, as after a time-out.
    """

    method: str
    path: str
    headers: dict[str, str]
    body: bytes
    port: int
    hung_up: Callable[[], bool] = lambda: False


class Response(NamedTuple):
    """What is answered; of a HEAD the length of what is not sent."""

    status: int
    headers: dict[str, str]
    content: bytes


type Forward = Callable[[], Response]
type Interceptor = Callable[[Request, Forward], Response | None]


@contextmanager
def running_proxy(upstream: str, around: Interceptor) -> Iterator[str]:
    """Serves until the block ends, and gives the URL to call instead of `upstream`.

    `around` gets each request and what passes it on; where it gives None, the connection is closed without an answer.
    """
    with serving(_Server(("127.0.0.1", 0), _handler(urlsplit(upstream).netloc, around))) as place:
        yield f"http://{place}"


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    request_queue_size = 256

    def handle_error(self, request: Any, client_address: Any) -> None:
        # A function that was killed hangs up; anything else is a mistake of ours.
        if not isinstance(sys.exception(), ConnectionError):
            super().handle_error(request, client_address)


def _handler(upstream: str, around: Interceptor) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"
        disable_nagle_algorithm = True

        def setup(self) -> None:
            super().setup()
            self._upstream = _Upstream(upstream)

        def finish(self) -> None:
            self._upstream.close()
            super().finish()

        def _pass_on(self) -> None:
            headers = {name.lower(): value for name, value in self.headers.items()}
            body = self.rfile.read(int(headers.get("content-length", 0)))
            hung_up = partial(_has_ended, self.connection)
            request = Request(self.command, self.path, headers, body, self.client_address[1], hung_up)
            try:
                answer = around(request, lambda: self._upstream.answer(request))
            except OSError:  # nobody is there any more: the run has ended before the function has
                self.send_error(502)
                return
            if answer is None:
                self.close_connection = True
                return
            self.send_response_only(answer.status)
            # HeadObject tells the object's length and sends nothing.
            length = answer.headers.get("content-length") if self.command == "HEAD" else None
            kept = {name: value for name, value in answer.headers.items() if name not in _HOP_BY_HOP}
            for name, value in (kept | {"content-length": length or str(len(answer.content))}).items():
                self.send_header(name, value)
            self.end_headers()
            self.wfile.write(answer.content)

        do_GET = do_HEAD = do_PUT = do_POST = do_DELETE = _pass_on  # noqa: N815 - the names that http.server looks for

        def log_message(self, *_: object) -> None:
            """Says nothing: the terminal is for the user."""

    return Handler


class _Upstream:
    """The connection that goes on where one of a caller's ends; it is kept for as long as that one is."""

    def __init__(self, place: str) -> None:
        self._connection = HTTPConnection(place)

    def close(self) -> None:
        self._connection.close()

    def answer(self, request: Request) -> Response:
        passed = {name: value for name, value in request.headers.items() if name not in _HOP_BY_HOP}
        if self._connection.sock and _has_ended(self._connection.sock):
            self._connection.close()
        try:
            self._connection.request(request.method, request.path, request.body or None, passed)
            answer = self._connection.getresponse()
            headers = {name.lower(): value for name, value in answer.getheaders()}
            return Response(answer.status, headers, answer.read())
        except BaseException:  # it is in the middle of something
            self._connection.close()
            raise


def _has_ended(connection: socket) -> bool:
    """Whether the other side has closed it: what can be read before anything is request is its end."""
    looking = poll()
    looking.register(connection, POLLIN)
    return bool(looking.poll(0))

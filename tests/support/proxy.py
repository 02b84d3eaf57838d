"""A proxy on loopback, whose interceptor gets each request and may forward it, and read or replace the response."""

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

# These are of one connection, or are set anew for the forwarded message.
_HOP_BY_HOP = {"connection", "keep-alive", "transfer-encoding", "content-length", "expect"}


class Request(NamedTuple):
    """A request, with its headers' names in lower case, and the ports of its connection: the client's, the proxy's.

    `closed` returns whether the client has closed the connection by now, as after a time-out.
    """

    method: str
    path: str
    headers: dict[str, str]
    body: bytes
    ports: tuple[int, int]
    closed: Callable[[], bool] = lambda: False


class Response(NamedTuple):
    """A response; to HEAD, its content-length is the length of the object."""

    status: int
    headers: dict[str, str]
    content: bytes


type Forward = Callable[[], Response]
type Interceptor = Callable[[Request, Forward], Response | None]


@contextmanager
def running_proxy(upstream: str, intercept: Interceptor) -> Iterator[str]:
    """Serves until the block ends, at a URL to call instead of `upstream`.

    `intercept` gets each request and a function that forwards it. Where it returns None, the connection is closed
    without a response.
    """
    with serving(_Server(("127.0.0.1", 0), _handler(urlsplit(upstream).netloc, intercept))) as address:
        yield f"http://{address}"


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    request_queue_size = 256

    def handle_error(self, request: Any, client_address: Any) -> None:
        # A killed function closes its connection; any other error is a bug.
        if not isinstance(sys.exception(), ConnectionError):
            super().handle_error(request, client_address)


def _handler(upstream: str, intercept: Interceptor) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"
        disable_nagle_algorithm = True

        def setup(self) -> None:
            super().setup()
            self._upstream = _Upstream(upstream)

        def finish(self) -> None:
            self._upstream.close()
            super().finish()

        def _intercept(self) -> None:
            headers = {name.lower(): value for name, value in self.headers.items()}
            body = self.rfile.read(int(headers.get("content-length", 0)))
            closed = partial(_has_ended, self.connection)
            ports = (self.client_address[1], self.connection.getsockname()[1])
            request = Request(self.command, self.path, headers, body, ports, closed)
            try:
                response = intercept(request, lambda: self._upstream.send(request))
            except OSError:  # the run has ended before the function
                self.send_error(502)
                return
            if response is None:
                self.close_connection = True
                return
            self.send_response_only(response.status)
            # The length of the object, although HEAD sends no content.
            length = response.headers.get("content-length") if self.command == "HEAD" else None
            headers = {name: value for name, value in response.headers.items() if name not in _HOP_BY_HOP}
            for name, value in (headers | {"content-length": length or str(len(response.content))}).items():
                self.send_header(name, value)
            self.end_headers()
            self.wfile.write(response.content)

        do_GET = do_HEAD = do_PUT = do_POST = do_PATCH = do_DELETE = _intercept  # noqa: N815 - the names that http.server looks for

        def log_message(self, *_: object) -> None:
            """Logs nothing: the terminal is for the user."""

    return Handler


class _Upstream:
    """The connection to the service that belongs to one connection of a client, and lives as long."""

    def __init__(self, address: str) -> None:
        self._connection = HTTPConnection(address)

    def close(self) -> None:
        self._connection.close()

    def send(self, request: Request) -> Response:
        headers = {name: value for name, value in request.headers.items() if name not in _HOP_BY_HOP}
        if self._connection.sock and _has_ended(self._connection.sock):
            self._connection.close()
        try:
            self._connection.request(request.method, request.path, request.body or None, headers)
            response = self._connection.getresponse()
            response_headers = {name.lower(): value for name, value in response.getheaders()}
            return Response(response.status, response_headers, response.read())
        except BaseException:  # the connection is in the middle of an exchange
            self._connection.close()
            raise


def _has_ended(connection: socket) -> bool:
    """Whether the other side has closed it: before a request, the only thing to read is the end of the connection."""
    readable = poll()
    readable.register(connection, POLLIN)
    return bool(readable.poll(0))

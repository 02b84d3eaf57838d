"""The local AWS's API Gateway with the one operation that it lacks: PutRestApi, by which chalice changes an API.

Of ImportRestApi, by which chalice makes one, the emulator ignores the definition; so here the change is
only kept, for tests to look at.
"""

import json
import re
from collections.abc import Iterator
from contextlib import contextmanager
from http.client import HTTPConnection
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import urlsplit

from labelwatch.local.server import serving

PUT_REST_API = re.compile(r"/restapis/(\w+)\?mode=overwrite.*")


class Gateway:
    """Where it answers, and the definitions that were put so far, by the id of the API."""

    def __init__(self, endpoint: str) -> None:
        self.endpoint = endpoint
        self.put: list[tuple[str, dict[str, Any]]] = []


@contextmanager
def in_front_of(endpoint: str) -> Iterator[Gateway]:
    """Answers on loopback until the block ends; all but PutRestApi is handed on."""
    server = ThreadingHTTPServer(("127.0.0.1", 0), BaseHTTPRequestHandler)
    gateway = Gateway(f"http://127.0.0.1:{server.server_address[1]}")
    server.RequestHandlerClass = _handler(gateway, urlsplit(endpoint).netloc)
    with serving(server):
        yield gateway


def _handler(gateway: Gateway, behind: str) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def _answer(self) -> None:
            body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
            api = PUT_REST_API.fullmatch(self.path)
            if self.command == "PUT" and api:
                gateway.put.append((api[1], json.loads(body)))
                self._send(200, {"Content-Type": "application/json"}, json.dumps({"id": api[1]}).encode())
                return
            connection = HTTPConnection(behind)
            try:
                connection.request(self.command, self.path, body, dict(self.headers))
                answer = connection.getresponse()
                self._send(answer.status, dict(answer.getheaders()), answer.read())
            finally:
                connection.close()

        do_GET = do_POST = do_PUT = do_PATCH = do_DELETE = _answer  # noqa: N815 - the library's names

        def _send(self, status: int, headers: dict[str, str], body: bytes) -> None:
            self.send_response(status)
            for name, value in headers.items():
                if name.lower() not in {"content-length", "transfer-encoding", "connection", "date", "server"}:
                    self.send_header(name, value)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: object) -> None:
            """Says nothing: tests have their own words."""

    return Handler

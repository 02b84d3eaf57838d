"""A proxy of the local AWS's API Gateway with the operation that it lacks: PutRestApi, by which chalice changes an API.

The emulator ignores the definition in ImportRestApi, by which chalice creates an API; so the proxy only stores the
changed definition, for tests to compare.
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
    """The URL of the proxy, and the definitions of PutRestApi so far, each with the id of its API."""

    def __init__(self, endpoint: str) -> None:
        self.endpoint = endpoint
        self.put: list[tuple[str, dict[str, Any]]] = []


@contextmanager
def proxy(endpoint: str) -> Iterator[Gateway]:
    """Answers on loopback until the block ends; forwards all requests but PutRestApi."""
    server = ThreadingHTTPServer(("127.0.0.1", 0), BaseHTTPRequestHandler)
    gateway = Gateway(f"http://127.0.0.1:{server.server_address[1]}")
    server.RequestHandlerClass = _handler(gateway, urlsplit(endpoint).netloc)
    with serving(server):
        yield gateway


def _handler(gateway: Gateway, target: str) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def _answer(self) -> None:
            body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
            api = PUT_REST_API.fullmatch(self.path)
            if self.command == "PUT" and api:
                gateway.put.append((api[1], json.loads(body)))
                self._send(200, {"Content-Type": "application/json"}, json.dumps({"id": api[1]}).encode())
                return
            connection = HTTPConnection(target)
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
            """Logs nothing: the output of tests stays readable."""

    return Handler

"""The proxy on loopback: requests of one connection are forwarded on one connection."""

from __future__ import annotations

import time
from collections.abc import Iterator
from http.client import HTTPConnection
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

from labelwatch.local.server import serving
from tests.support.proxy import running_proxy


class Service:
    """Answers, and records the client's ports; it may close the connection after each response."""

    def __init__(self) -> None:
        self.ports: list[int] = []
        self.closes = False
        self.url = ""


@pytest.fixture
def service() -> Iterator[Service]:
    service = Service()

    class Answering(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_GET(self) -> None:
            service.ports.append(self.client_address[1])
            self.send_response(200)
            self.send_header("Content-Length", "0")
            self.end_headers()
            self.close_connection = service.closes

        def log_message(self, *_: object) -> None:
            pass

    with serving(ThreadingHTTPServer(("127.0.0.1", 0), Answering)) as address:
        service.url = f"http://{address}"
        yield service


@pytest.fixture
def client(service: Service) -> Iterator[HTTPConnection]:
    with running_proxy(service.url, lambda _, forward: forward()) as url:
        connection = HTTPConnection(url.removeprefix("http://"))
        yield connection
        connection.close()


def status(client: HTTPConnection) -> int:
    client.request("GET", "/")
    response = client.getresponse()
    response.read()
    return response.status


def test_requests_of_one_connection_are_forwarded_on_one(service: Service, client: HTTPConnection) -> None:
    assert [status(client) for _ in range(3)] == [200] * 3
    assert len(set(service.ports)) == 1


def test_a_new_connection_replaces_the_one_that_the_service_has_closed(
    service: Service, client: HTTPConnection
) -> None:
    service.closes = True
    assert status(client) == 200
    time.sleep(0.2)  # until the connection is closed
    assert status(client) == 200
    assert len(set(service.ports)) == 2

"""The proxy on loopback: what a caller sends on one connection goes on by one connection."""

from __future__ import annotations

import time
from collections.abc import Iterator
from http.client import HTTPConnection
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

from labelwatch.local.server import serving
from tests.support.proxy import running_proxy


class Service:
    """Answers, and says from which ports it was asked; it may hang up without a word after each answer."""

    def __init__(self) -> None:
        self.ports: list[int] = []
        self.hangs_up = False
        self.url = ""


@pytest.fixture
def service() -> Iterator[Service]:
    one = Service()

    class Answering(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_GET(self) -> None:
            one.ports.append(self.client_address[1])
            self.send_response(200)
            self.send_header("Content-Length", "0")
            self.end_headers()
            self.close_connection = one.hangs_up

        def log_message(self, *_: object) -> None:
            pass

    with serving(ThreadingHTTPServer(("127.0.0.1", 0), Answering)) as place:
        one.url = f"http://{place}"
        yield one


@pytest.fixture
def caller(service: Service) -> Iterator[HTTPConnection]:
    with running_proxy(service.url, lambda _, forward: forward()) as url:
        connection = HTTPConnection(url.removeprefix("http://"))
        yield connection
        connection.close()


def status(caller: HTTPConnection) -> int:
    caller.request("GET", "/")
    answer = caller.getresponse()
    answer.read()
    return answer.status


def test_calls_on_one_connection_go_on_by_one(service: Service, caller: HTTPConnection) -> None:
    assert [status(caller) for _ in range(3)] == [200] * 3
    assert len(set(service.ports)) == 1


def test_where_the_service_has_hung_up_meanwhile_the_next_call_goes_by_a_new_one(
    service: Service, caller: HTTPConnection
) -> None:
    service.hangs_up = True
    assert status(caller) == 200
    time.sleep(0.2)  # until it has
    assert status(caller) == 200
    assert len(set(service.ports)) == 2

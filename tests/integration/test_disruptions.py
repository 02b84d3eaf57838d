"""The proxy that disrupts calls, between a real process and a service that records the requests that reach it."""

from __future__ import annotations

import json
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from http.client import HTTPConnection
from http.server import BaseHTTPRequestHandler, HTTPServer
from threading import Thread
from typing import Any
from urllib.parse import urlsplit

import boto3
import pytest
from botocore.config import Config
from botocore.exceptions import BotoCoreError, ClientError

from chalicelib.domain.errors import Fault, Rejected
from chalicelib.domain.messages import Message
from chalicelib.queues.dead_letters import IdempotentDeadLetters
from labelwatch.local.session import INPUT_BUCKET, OUTPUT_BUCKET
from tests.support.builders import NOW, message, notification, s3_record
from tests.support.fakes import FakeIdempotencyRecords, FakeTelemetry
from tests.support.proxy import Forward, Request, Response, running_proxy
from tests.torture import processes
from tests.torture.calls import (
    ACQUIRE_ALERT,
    ACQUIRE_DEAD_LETTER,
    COMPLETE_ALERT,
    COMPLETE_DEAD_LETTER,
    DEAD_LETTER,
    HEAD_ROWS,
    PUBLISH,
    RELEASE_ALERT,
    SEND_DEAD_LETTER,
    SEND_PARTS,
    call_of,
    ids_of,
)
from tests.torture.disruptions import CLOSED, KILLED, REFUSED, Disruptions, Kill
from tests.torture.uncertain import UncertainOutcomes

PUT_SCRIPT = "import boto3, sys; boto3.client('s3', endpoint_url=sys.argv[1]).put_object(Bucket='bucket', Key='row')"
PUT_OBJECT = "s3 PutObject"
QUEUE_URL = "http://127.0.0.1:1/0/dead"


class Service:
    """Accepts every request; `received` has their paths."""

    def __init__(self, url: str, received: list[str]) -> None:
        self.url = url
        self.received = received


@pytest.fixture
def service() -> Iterator[Service]:
    received: list[str] = []

    class Accepting(BaseHTTPRequestHandler):
        def do_PUT(self) -> None:
            self.rfile.read(int(self.headers.get("Content-Length", 0)))
            received.append(self.path)
            self.send_response(200)
            self.send_header("Content-Length", "0")
            self.end_headers()

        do_HEAD = do_PUT  # noqa: N815 - the name that http.server looks for

        def log_message(self, *_: object) -> None:
            pass

    server = HTTPServer(("127.0.0.1", 0), Accepting)
    thread = Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05})
    thread.start()
    yield Service(f"http://127.0.0.1:{server.server_address[1]}", received)
    server.shutdown()
    thread.join()
    server.server_close()


@pytest.fixture
def disruptions() -> Disruptions:
    return Disruptions(UncertainOutcomes(processes.is_running))


@pytest.fixture
def url(service: Service, disruptions: Disruptions) -> Iterator[str]:
    with running_proxy(service.url, disruptions.interceptor("Notify")) as proxy_url:
        yield proxy_url


def client(service: str, url: str) -> Any:
    once = Config(retries={"total_max_attempts": 1, "mode": "standard"})
    return boto3.client(service, endpoint_url=url, config=once)  # type: ignore[call-overload] # any service


@pytest.mark.parametrize(("after", "received"), [(False, 0), (True, 1)])
def test_a_process_is_killed_before_or_after_its_call(
    service: Service, disruptions: Disruptions, url: str, *, after: bool, received: int
) -> None:
    disruptions.next_kill = Kill("Notify", PUT_OBJECT, after)
    completed = subprocess.run([sys.executable, "-c", PUT_SCRIPT, url], timeout=60, check=False)
    assert completed.returncode == -9
    assert len(service.received) == received
    assert disruptions.counts == {KILLED: 1}


@pytest.mark.parametrize(
    "kill", [Kill("Detect", PUT_OBJECT, after=False), Kill("Notify", "s3 HeadObject", after=False)]
)
def test_a_process_without_that_call_is_not_killed(disruptions: Disruptions, url: str, kill: Kill) -> None:
    disruptions.next_kill = kill
    completed = subprocess.run([sys.executable, "-c", PUT_SCRIPT, url], timeout=60, check=False)
    assert (completed.returncode, disruptions.next_kill) == (0, kill)


def test_a_call_is_refused_once(disruptions: Disruptions, url: str) -> None:
    disruptions.refuse_next(PUT_OBJECT)
    with pytest.raises(ClientError, match="AuthorizationError"):
        client("s3", url).put_object(Bucket="bucket", Key="row")
    client("s3", url).put_object(Bucket="bucket", Key="row")
    assert disruptions.counts == {REFUSED: 1}


def test_calls_fail_in_every_way_and_some_after_the_service_has_done_them(
    service: Service, disruptions: Disruptions, url: str
) -> None:
    disruptions.failure_rate = 1
    s3, errors = client("s3", url), set()
    for _ in range(40):
        try:
            s3.put_object(Bucket="bucket", Key="row")
        except ClientError as refusal:
            errors.add(refusal.response["Error"]["Code"])
        except BotoCoreError as problem:
            errors.add(type(problem).__name__)
    assert errors == {"InternalError", "SlowDown", "ConnectionClosedError"}
    assert sum(disruptions.counts.values()) == 40
    assert 0 < len(service.received) < 40
    assert disruptions.counts[CLOSED] > 0


def test_a_closed_connection_is_known(service: Service) -> None:
    seen: list[bool] = []

    def intercept(request: Request, forward: Forward) -> Response:
        seen.append(request.closed())
        until = time.monotonic() + 10
        while not request.closed() and time.monotonic() < until:
            time.sleep(0.01)
        seen.append(request.closed())
        return forward()

    with running_proxy(service.url, intercept) as url:
        connection = HTTPConnection(urlsplit(url).netloc)
        connection.request("PUT", "/row", b"")
        until = time.monotonic() + 10
        while not seen and time.monotonic() < until:
            time.sleep(0.01)
        connection.close()
        while len(seen) < 2 and time.monotonic() < until:
            time.sleep(0.01)
    assert seen == [False, True]


def test_a_head_that_fails_has_no_body(disruptions: Disruptions, url: str) -> None:
    disruptions.refuse_next("s3 HeadObject")
    s3 = client("s3", url)
    with pytest.raises(ClientError, match="403"):
        s3.head_object(Bucket="bucket", Key="leaf.jpg")
    s3.put_object(Bucket="bucket", Key="row")  # the connection is still usable


def aws_request(service: str, operation: str, **parameters: Any) -> Request:
    """The request that the SDK sends for this operation."""
    seen: list[Request] = []

    def before_send(request: Any, **_: object) -> None:
        headers = {
            name.lower(): value.decode() if isinstance(value, bytes) else value
            for name, value in request.headers.items()
        }
        body = request.body if isinstance(request.body, bytes) else (request.body or "").encode()
        seen.append(Request(request.method, urlsplit(request.url).path, headers, body, (0, 0)))
        raise ConnectionError

    sender = client(service, "http://127.0.0.1:1")
    sender.meta.events.register("before-send", before_send)
    with pytest.raises(ConnectionError):
        getattr(sender, operation)(**parameters)
    return seen[0]


@pytest.mark.parametrize(
    ("change", "name"),
    [
        ("SET owner_id = :a, in_progress_until = :b", ACQUIRE_ALERT),
        ("SET completed_at = :a", COMPLETE_ALERT),
        ("SET in_progress_until = :a", RELEASE_ALERT),
    ],
)
def test_the_calls_to_the_table_are_distinguished(change: str, name: str) -> None:
    key = {"kind": {"S": "alert"}, "id": {"S": "leaf"}}
    request = aws_request("dynamodb", "update_item", TableName="t", Key=key, UpdateExpression=change)
    assert call_of(request) == name
    assert ids_of(request, name) == (frozenset({"leaf"}) if name == COMPLETE_ALERT else frozenset())


@pytest.mark.parametrize(
    ("queue", "name"),
    [("labelwatch-ImagesQueue-1", SEND_PARTS), ("labelwatch-PredictionsQueue-1", "sqs SendMessageBatch")],
)
def test_parts_of_a_message_are_distinguished_from_predictions(queue: str, name: str) -> None:
    entries = [{"Id": "0", "MessageBody": "x"}]
    request = aws_request("sqs", "send_message_batch", QueueUrl=f"http://127.0.0.1:1/0/{queue}", Entries=entries)
    assert call_of(request) == name


def test_a_dead_letter_has_the_id_of_the_record_that_the_function_acquires() -> None:
    body = notification(s3_record())
    for _ in range(3):  # the second and third as redriven dead letters
        sent, records = FakeDeadLetters(), FakeIdempotencyRecords()
        once = IdempotentDeadLetters(
            queue_url=QUEUE_URL, queue=sent, records=records, telemetry=FakeTelemetry(), now=lambda: NOW
        )
        once.send(message(body), Rejected("EmptyImage", "no bytes"), "unknown")
        (record_id,), (body,) = records.locks, sent.bodies
        sending = aws_request("sqs", "send_message", QueueUrl=QUEUE_URL, MessageBody=body)
        key = {"kind": {"S": "dead-letter"}, "id": {"S": record_id}}
        for change, name in (
            ("SET owner_id = :a", ACQUIRE_DEAD_LETTER),
            ("SET completed_at = :a", COMPLETE_DEAD_LETTER),
        ):
            request = aws_request("dynamodb", "update_item", TableName="t", Key=key, UpdateExpression=change)
            assert call_of(request) == name
            assert ids_of(request, name) == ids_of(sending, SEND_DEAD_LETTER) == {DEAD_LETTER + record_id}
    assert ids_of(aws_request("sqs", "send_message", QueueUrl=QUEUE_URL, MessageBody="x"), SEND_DEAD_LETTER) == set()


class FakeDeadLetters:
    def __init__(self) -> None:
        self.bodies: list[str] = []

    def send(self, message: Message, fault: Fault, image: str) -> None:  # noqa: ARG002 - the port's parameters
        self.bodies.append(message.body)


@pytest.mark.parametrize(("bucket", "name"), [(INPUT_BUCKET, "s3 HeadObject"), (OUTPUT_BUCKET, HEAD_ROWS)])
def test_a_head_of_rows_is_distinguished_from_that_of_an_image(bucket: str, name: str) -> None:
    assert call_of(aws_request("s3", "head_object", Bucket=bucket, Key="predictions/leaf.json")) == name


CONNECT_SCRIPT = """
import socket, sys
ports = [int(port) for port in sys.argv[1:]]
connection = socket.socket()
connection.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
connection.bind(("127.0.0.1", ports[0]))
connection.connect(("127.0.0.1", ports[1]))
print(connection.getsockname()[1], flush=True)
sys.stdin.read()
"""


@contextmanager
def connected(client_port: int, server_port: int) -> Iterator[tuple[int, int]]:
    """A process with a connection between these ports, 0 being any: its id, and its port."""
    command = [sys.executable, "-c", CONNECT_SCRIPT, str(client_port), str(server_port)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as process:
        assert process.stdout
        yield process.pid, int(process.stdout.readline())
        process.communicate()


@pytest.fixture
def servers() -> Iterator[tuple[int, int]]:
    """The ports of two servers that accept connections."""
    with socket.create_server(("127.0.0.1", 0)) as first, socket.create_server(("127.0.0.1", 0)) as second:
        yield first.getsockname()[1], second.getsockname()[1]


def test_of_two_connections_with_one_port_each_is_found_by_its_server(servers: tuple[int, int]) -> None:
    with connected(0, servers[0]) as (first, port), connected(port, servers[1]) as (second, same_port):
        assert port == same_port
        clients = [processes.client_of((port, server)) for server in servers]
        assert clients == [first, second]


def test_a_client_that_this_process_has_not_started_is_nobody_s(servers: tuple[int, int]) -> None:
    """As a program of the user's would be: here the harness itself is the client."""
    with socket.create_connection(("127.0.0.1", servers[0])) as connection:
        assert processes.client_of((connection.getsockname()[1], servers[0])) is None


def test_an_ended_process_is_not_running_even_as_a_zombie() -> None:
    process = subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE)
    assert processes.is_running(process.pid)
    processes.kill(process.pid)
    until = time.monotonic() + 10
    while processes.is_running(process.pid) and time.monotonic() < until:  # a zombie by now
        time.sleep(0.01)
    assert not processes.is_running(process.pid)
    process.communicate()
    assert not processes.is_running(process.pid)


def test_a_publication_has_the_ids_of_the_predictions_in_its_attribute() -> None:
    keys = ["predictions/dt=2026-11-22/one.json", "predictions/dt=2026-11-22/two.json"]
    attributes = {
        "labels": {"DataType": "String.Array", "StringValue": '["leaf-smut"]'},
        "predictions": {"DataType": "String.Array", "StringValue": json.dumps(keys)},
    }
    request = aws_request("sns", "publish", TopicArn="arn:of:alerts", Message="x", MessageAttributes=attributes)
    assert ids_of(request, call_of(request)) == {"one", "two"}
    assert call_of(request) == PUBLISH

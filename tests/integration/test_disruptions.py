"""The proxy that does the mischief, between a real process and a service that counts what reaches it."""

from __future__ import annotations

import json
import subprocess
import sys
import time
from collections.abc import Iterator
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
from tests.support.proxy import Answered, Asked, PassOn, passing
from tests.torture import processes
from tests.torture.calls import (
    ASIDE,
    CLAIM,
    CLAIM_ASIDE,
    HEAD_OF_ROWS,
    NOTE,
    NOTE_ASIDE,
    PUBLISH,
    RELEASE,
    SET_ASIDE,
    SPLIT,
    name_of,
    told_of,
)
from tests.torture.disruptions import CLOSED, KILLED, REFUSED, Kill, Mischief
from tests.torture.uncertain import Doubts

CALLING = "import boto3, sys; boto3.client('s3', endpoint_url=sys.argv[1]).put_object(Bucket='bucket', Key='row')"
PUT = "s3 PutObject"
DEAD = "http://127.0.0.1:1/0/dead"


class Service:
    """Takes everything, and says what reached it."""

    def __init__(self, url: str, taken: list[str]) -> None:
        self.url = url
        self.taken = taken


@pytest.fixture
def service() -> Iterator[Service]:
    taken: list[str] = []

    class Taking(BaseHTTPRequestHandler):
        def do_PUT(self) -> None:
            self.rfile.read(int(self.headers.get("Content-Length", 0)))
            taken.append(self.path)
            self.send_response(200)
            self.send_header("Content-Length", "0")
            self.end_headers()

        do_HEAD = do_PUT  # noqa: N815 - the name that http.server looks for

        def log_message(self, *_: object) -> None:
            pass

    server = HTTPServer(("127.0.0.1", 0), Taking)
    thread = Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05})
    thread.start()
    yield Service(f"http://127.0.0.1:{server.server_address[1]}", taken)
    server.shutdown()
    thread.join()
    server.server_close()


@pytest.fixture
def mischief() -> Mischief:
    return Mischief(Doubts(processes.lives))


@pytest.fixture
def url(service: Service, mischief: Mischief) -> Iterator[str]:
    with passing(service.url, mischief.around("Notify")) as place:
        yield place


def client(service: str, url: str) -> Any:
    once = Config(retries={"total_max_attempts": 1, "mode": "standard"})
    return boto3.client(service, endpoint_url=url, config=once)  # type: ignore[call-overload] # any service


@pytest.mark.parametrize(("after", "taken"), [(False, 0), (True, 1)])
def test_a_process_is_killed_before_or_after_its_call_is_done(
    service: Service, mischief: Mischief, url: str, *, after: bool, taken: int
) -> None:
    mischief.armed = Kill("Notify", PUT, after)
    done = subprocess.run([sys.executable, "-c", CALLING, url], timeout=60, check=False)
    assert done.returncode == -9
    assert len(service.taken) == taken
    assert mischief.done == {KILLED: 1}


@pytest.mark.parametrize("kill", [Kill("Detect", PUT, after=False), Kill("Notify", "s3 HeadObject", after=False)])
def test_a_process_that_does_not_come_by_there_lives_on(mischief: Mischief, url: str, kill: Kill) -> None:
    mischief.armed = kill
    done = subprocess.run([sys.executable, "-c", CALLING, url], timeout=60, check=False)
    assert (done.returncode, mischief.armed) == (0, kill)


def test_what_is_to_be_refused_is_refused_once(mischief: Mischief, url: str) -> None:
    mischief.refuse_next(PUT)
    with pytest.raises(ClientError, match="AuthorizationError"):
        client("s3", url).put_object(Bucket="bucket", Key="row")
    client("s3", url).put_object(Bucket="bucket", Key="row")
    assert mischief.done == {REFUSED: 1}


def test_calls_fail_in_every_way_and_the_service_has_done_some_of_them(
    service: Service, mischief: Mischief, url: str
) -> None:
    mischief.failing_share = 1
    s3, said = client("s3", url), set()
    for _ in range(40):
        try:
            s3.put_object(Bucket="bucket", Key="row")
        except ClientError as refusal:
            said.add(refusal.response["Error"]["Code"])
        except BotoCoreError as problem:
            said.add(type(problem).__name__)
    assert said == {"InternalError", "SlowDown", "ConnectionClosedError"}
    assert sum(mischief.done.values()) == 40
    assert 0 < len(service.taken) < 40
    assert mischief.done[CLOSED] > 0


def test_who_has_hung_up_is_known(service: Service) -> None:
    seen: list[bool] = []

    def around(asked: Asked, pass_on: PassOn) -> Answered:
        seen.append(asked.hung_up())
        until = time.monotonic() + 10
        while not asked.hung_up() and time.monotonic() < until:
            time.sleep(0.01)
        seen.append(asked.hung_up())
        return pass_on()

    with passing(service.url, around) as url:
        caller = HTTPConnection(urlsplit(url).netloc)
        caller.request("PUT", "/row", b"")
        until = time.monotonic() + 10
        while not seen and time.monotonic() < until:
            time.sleep(0.01)
        caller.close()
        while len(seen) < 2 and time.monotonic() < until:
            time.sleep(0.01)
    assert seen == [False, True]


def test_a_head_that_fails_has_no_body(mischief: Mischief, url: str) -> None:
    mischief.refuse_next("s3 HeadObject")
    s3 = client("s3", url)
    with pytest.raises(ClientError, match="403"):
        s3.head_object(Bucket="bucket", Key="leaf.jpg")
    s3.put_object(Bucket="bucket", Key="row")  # the connection is good still


def asked(service: str, operation: str, **parameters: Any) -> Asked:
    """The request as the SDK makes it."""
    seen: list[Asked] = []

    def before_it_is_sent(request: Any, **_: object) -> None:
        headers = {
            name.lower(): value.decode() if isinstance(value, bytes) else value
            for name, value in request.headers.items()
        }
        body = request.body if isinstance(request.body, bytes) else (request.body or "").encode()
        seen.append(Asked(request.method, urlsplit(request.url).path, headers, body, 0))
        raise ConnectionError

    one = client(service, "http://127.0.0.1:1")
    one.meta.events.register("before-send", before_it_is_sent)
    with pytest.raises(ConnectionError):
        getattr(one, operation)(**parameters)
    return seen[0]


@pytest.mark.parametrize(
    ("change", "name"),
    [
        ("SET owner_id = :a, in_progress_until = :b", CLAIM),
        ("SET completed_at = :a", NOTE),
        ("SET in_progress_until = :a", RELEASE),
    ],
)
def test_the_writes_to_the_table_are_told_apart(change: str, name: str) -> None:
    key = {"kind": {"S": "alert"}, "id": {"S": "leaf"}}
    request = asked("dynamodb", "update_item", TableName="t", Key=key, UpdateExpression=change)
    assert name_of(request) == name
    assert told_of(request, name) == (frozenset({"leaf"}) if name == NOTE else frozenset())


@pytest.mark.parametrize(
    ("queue", "name"), [("labelwatch-ImagesQueue-1", SPLIT), ("labelwatch-PredictionsQueue-1", "sqs SendMessageBatch")]
)
def test_parts_of_a_message_are_told_from_predictions(queue: str, name: str) -> None:
    entries = [{"Id": "0", "MessageBody": "x"}]
    request = asked("sqs", "send_message_batch", QueueUrl=f"http://127.0.0.1:1/0/{queue}", Entries=entries)
    assert name_of(request) == name


def test_a_dead_letter_is_known_by_what_the_function_claims_it_by() -> None:
    body = notification(s3_record())
    for _ in range(3):  # and when it comes back from the dead
        letters, claims = FakeLetters(), FakeIdempotencyRecords()
        once = IdempotentDeadLetters(
            queue_url=DEAD, queue=letters, records=claims, telemetry=FakeTelemetry(), now=lambda: NOW
        )
        once.send(message(body), Rejected("EmptyImage", "no bytes"), "unknown")
        (claimed,), (body,) = claims.locks, letters.bodies
        written = asked("sqs", "send_message", QueueUrl=DEAD, MessageBody=body)
        key = {"kind": {"S": "dead-letter"}, "id": {"S": claimed}}
        for change, name in (("SET owner_id = :a", CLAIM_ASIDE), ("SET completed_at = :a", NOTE_ASIDE)):
            request = asked("dynamodb", "update_item", TableName="t", Key=key, UpdateExpression=change)
            assert name_of(request) == name
            assert told_of(request, name) == told_of(written, SET_ASIDE) == {ASIDE + claimed}
    assert told_of(asked("sqs", "send_message", QueueUrl=DEAD, MessageBody="x"), SET_ASIDE) == set()


class FakeLetters:
    def __init__(self) -> None:
        self.bodies: list[str] = []

    def send(self, message: Message, fault: Fault, image: str) -> None:  # noqa: ARG002 - as the port has it
        self.bodies.append(message.body)


@pytest.mark.parametrize(("bucket", "name"), [(INPUT_BUCKET, "s3 HeadObject"), (OUTPUT_BUCKET, HEAD_OF_ROWS)])
def test_a_look_for_rows_is_told_from_one_for_an_image(bucket: str, name: str) -> None:
    assert name_of(asked("s3", "head_object", Bucket=bucket, Key="predictions/leaf.json")) == name


def test_a_process_lives_until_it_has_ended_whether_anybody_asked_after_it_or_not() -> None:
    process = subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE)
    assert processes.lives(process.pid)
    processes.kill(process.pid)
    until = time.monotonic() + 10
    while processes.lives(process.pid) and time.monotonic() < until:  # a zombie by now
        time.sleep(0.01)
    assert not processes.lives(process.pid)
    process.communicate()
    assert not processes.lives(process.pid)


def test_a_publication_is_of_the_predictions_in_its_attribute() -> None:
    keys = ["predictions/dt=2026-11-22/one.json", "predictions/dt=2026-11-22/two.json"]
    attributes = {
        "labels": {"DataType": "String.Array", "StringValue": '["leaf-smut"]'},
        "predictions": {"DataType": "String.Array", "StringValue": json.dumps(keys)},
    }
    request = asked("sns", "publish", TopicArn="arn:of:alerts", Message="x", MessageAttributes=attributes)
    assert told_of(request, name_of(request)) == {"one", "two"}
    assert name_of(request) == PUBLISH

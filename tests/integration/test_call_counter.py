"""The counting proxy: the call that a request of the SDK is, and that each counted request is passed on."""

from __future__ import annotations

import http.client
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from threading import Thread
from typing import Any
from urllib.parse import urlsplit

import boto3
import pytest
from botocore.exceptions import ClientError

from tests.support.call_counter import UPLOADER, Call, Calls, counting_proxy, operation_name

MAPPING = "14e0db71-0000-4000-8000-000000000000"
NO_ENDPOINT = "http://127.0.0.1:1"
Send = Callable[[Any], object]


class NotSent(Exception):  # noqa: N818 - not an error: the request, before it is sent
    """Raised instead of sending."""

    def __init__(self, method: str, url: str, headers: dict[str, str], body: bytes) -> None:
        super().__init__()
        self.request = method, urlsplit(url)._replace(scheme="", netloc="").geturl(), headers, body


def raise_request(request: Any, **_: object) -> None:
    headers = {
        name.lower(): value.decode() if isinstance(value, bytes) else value for name, value in request.headers.items()
    }
    body = request.body.encode() if isinstance(request.body, str) else b""
    raise NotSent(request.method, request.url, headers, body)


@pytest.mark.parametrize(
    ("service", "name", "send"),
    [
        ("dynamodb", "UpdateItem", lambda client: client.update_item(TableName="table", Key={"id": {"S": "x"}})),
        (
            "rekognition",
            "DetectCustomLabels",
            lambda client: client.detect_custom_labels(ProjectVersionArn="arn:aws:rekognition:::project/x", Image={}),
        ),
        ("lambda", "ListEventSourceMappings", lambda client: client.list_event_source_mappings(FunctionName="detect")),
        (
            "lambda",
            "UpdateEventSourceMapping",
            lambda client: client.update_event_source_mapping(UUID=MAPPING, Enabled=True),
        ),
        ("s3", "GetObject", lambda client: client.get_object(Bucket="bucket", Key="a/b")),
        ("s3", "HeadObject", lambda client: client.head_object(Bucket="bucket", Key="a b", VersionId="1")),
        ("s3", "PutObject", lambda client: client.put_object(Bucket="bucket", Key="a", Body=b"x")),
        ("sns", "Publish", lambda client: client.publish(TopicArn="arn", Message="text")),
        ("sqs", "SendMessage", lambda client: client.send_message(QueueUrl=f"{NO_ENDPOINT}/queue", MessageBody="x")),
    ],
)
def test_a_call_is_known_by_its_request(service: str, name: str, send: Send) -> None:
    client = boto3.client(service, endpoint_url=NO_ENDPOINT)  # type: ignore[call-overload] # any service
    client.meta.events.register("before-send", raise_request)
    with pytest.raises(NotSent) as not_sent:
        send(client)
    assert operation_name(*not_sent.value.request) == f"{service} {name}"


def test_a_presigned_upload_is_an_upload() -> None:
    path = "/bucket/uploads/a/leaf.jpg?X-Amz-Expires=900&X-Amz-Signature=0af"
    assert operation_name("PUT", path, {"content-type": "image/jpeg"}, b"") == "s3 PutObject"


def test_a_request_to_the_api_is_named_by_its_route() -> None:
    path = "/restapis/1a2b/api/_user_request_/uploads"
    assert operation_name("POST", path, {"authorization": "Bearer x"}, b"{}") == "apigateway POST /uploads"


@pytest.mark.parametrize("path", ["/bucket", "/bucket/key?acl"])
def test_an_unknown_call_keeps_its_request_line(path: str) -> None:
    assert operation_name("PUT", path, {}, b"") == f"s3 PUT {path}"


class Upstream(BaseHTTPRequestHandler):
    """Has one object of three bytes, and nothing else."""

    protocol_version = "HTTP/1.1"

    def _respond(self, content: bytes) -> None:
        exists = self.path.startswith("/bucket/existing")
        self.send_response(200 if exists else 404)
        self.send_header("Content-Length", str(len(content) if exists else 0))
        self.send_header("ETag", '"tag"')
        self.end_headers()
        if exists and self.command != "HEAD":
            self.wfile.write(content)

    def do_GET(self) -> None:
        self._respond(b"abc")

    do_HEAD = do_GET  # noqa: N815 - the name that http.server looks for

    def do_PUT(self) -> None:
        self._respond(self.rfile.read(int(self.headers["Content-Length"])))

    def log_message(self, *_: object) -> None:
        pass


@pytest.fixture
def calls() -> Calls:
    return Calls()


@pytest.fixture
def endpoint(calls: Calls) -> Iterator[str]:
    server = HTTPServer(("127.0.0.1", 0), Upstream)
    thread = Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05})
    thread.start()
    try:
        with counting_proxy("Detect", f"http://127.0.0.1:{server.server_address[1]}", calls) as url:
            yield url
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


def test_a_response_is_passed_on_unchanged(endpoint: str) -> None:
    assert (
        boto3.client("s3", endpoint_url=endpoint).get_object(Bucket="bucket", Key="existing")["Body"].read() == b"abc"
    )


def test_the_length_of_an_object_is_passed_on_without_the_object(endpoint: str) -> None:
    assert boto3.client("s3", endpoint_url=endpoint).head_object(Bucket="bucket", Key="existing")["ContentLength"] == 3


def test_an_error_counts_as_a_refused_call_of_the_function(endpoint: str, calls: Calls) -> None:
    with pytest.raises(ClientError):
        boto3.client("s3", endpoint_url=endpoint).head_object(Bucket="bucket", Key="missing")
    assert calls.now() == {Call("Detect", "s3 HeadObject", refused=True): 1}


def test_an_unsigned_request_counts_for_the_uploader(endpoint: str, calls: Calls) -> None:
    connection = http.client.HTTPConnection(urlsplit(endpoint).netloc)
    connection.request("PUT", "/bucket/existing", b"x")
    connection.getresponse().read()
    connection.close()
    assert calls.now() == {Call(UPLOADER, "s3 PutObject", refused=False): 1}


def test_a_request_without_an_upstream_is_an_error_and_no_call(calls: Calls) -> None:
    with counting_proxy("Detect", NO_ENDPOINT, calls) as url:
        connection = http.client.HTTPConnection(urlsplit(url).netloc)
        connection.request("GET", "/bucket/existing")
        status = connection.getresponse().status
        connection.close()
    assert (status, calls.now()) == (502, {})

"""Counts AWS calls: proxies on loopback between a caller and the local AWS.

Each function gets a proxy of its own as its endpoint, so that a call counts for the function that made it. Calls are
counted as they arrive, so each retry of the SDK counts, as it does on AWS.
"""

import re
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from threading import Lock
from typing import NamedTuple
from urllib.parse import parse_qs, urlsplit

from tests.support.proxy import Forward, Request, Response, running_proxy

UPLOADER = "uploader"
_OBJECT_OPERATIONS = {"GET": "GetObject", "HEAD": "HeadObject", "PUT": "PutObject", "DELETE": "DeleteObject"}
_MAPPINGS_PATH = "/2015-03-31/event-source-mappings"
_MAPPING_OPERATIONS = {"GET": "ListEventSourceMappings", "PUT": "UpdateEventSourceMapping"}


class Call(NamedTuple):
    """The caller, `service Operation`, and whether the response was an error."""

    caller: str
    operation: str
    refused: bool


class Calls:
    """The calls so far."""

    def __init__(self) -> None:
        self._counts: Counter[Call] = Counter()
        self._lock = Lock()

    def add(self, call: Call) -> None:
        """Counts this call."""
        with self._lock:
            self._counts[call] += 1

    def now(self) -> Counter[Call]:
        """A copy; the difference of two copies is the calls between them."""
        with self._lock:
            return self._counts.copy()


@contextmanager
def counting_proxy(caller: str, upstream: str, calls: Calls) -> Iterator[str]:
    """Forwards requests to `upstream` until the block ends, at a URL to call instead of it."""

    def count(request: Request, forward: Forward) -> Response:
        response = forward()
        signed = request.headers.get("authorization", "").startswith("AWS4")
        # A request without this header is a presigned upload, which goes to the endpoint of its signer.
        operation = operation_name(request.method, request.path, request.headers, request.body)
        calls.add(Call(caller if signed else UPLOADER, operation, refused=response.status >= 400))
        return response

    with running_proxy(upstream, count) as url:
        yield url


def operation_name(method: str, path: str, headers: dict[str, str], body: bytes) -> str:
    """`sqs SendMessageBatch` and the like, from the request alone; header names in lower case."""
    if path.startswith("/restapis/"):
        route = re.sub("^p/[^/]+", "p/{link_id}", path.partition("/_user_request_/")[2])
        return f"apigateway {method} /{route}"
    # Credential=KEY/DAY/REGION/SERVICE/aws4_request, which a presigned request has in its address.
    scope = headers.get("authorization", "").partition("Credential=")[2].split("/")
    service = scope[3] if len(scope) > 3 else "s3"
    return f"{service} {_name(method, path, headers, body)}"


def _name(method: str, path: str, headers: dict[str, str], body: bytes) -> str:
    if path.startswith(_MAPPINGS_PATH):
        return _MAPPING_OPERATIONS[method]
    if target := headers.get("x-amz-target"):
        return target.rpartition(".")[2]
    if "/operation/" in path:
        return path.rpartition("/operation/")[2]
    if headers.get("content-type", "").startswith("application/x-www-form-urlencoded"):
        return parse_qs(body.decode())["Action"][0]
    url = urlsplit(path)
    parameters = {name for name in parse_qs(url.query, keep_blank_values=True) if not name.startswith("X-Amz-")}
    of_an_object = "/" in url.path.strip("/") and parameters <= {"versionId"}
    return _OBJECT_OPERATIONS[method] if of_an_object and method in _OBJECT_OPERATIONS else f"{method} {path}"

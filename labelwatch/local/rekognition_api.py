"""Rekognition's JSON protocol over HTTP, on loopback, for any implementation of its operations.

https://smithy.io/2.0/aws/protocols/aws-json-1_1-protocol.html
"""

import base64
import binascii
import json
import uuid
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from email.message import Message
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from botocore.loaders import Loader
from botocore.model import ServiceModel
from botocore.validate import ParamValidator

from labelwatch.local.guard import refusal
from labelwatch.local.server import serving

Operations = dict[str, Callable[[dict[str, Any]], dict[str, Any]]]
TARGET_PREFIX = "RekognitionService."


class ServiceError(Exception):
    """Raised to answer with one of Rekognition's documented exceptions."""

    def __init__(self, code: str, message: str, status: int = 400) -> None:
        super().__init__(message)
        self.code = code
        self.status = status


@contextmanager
def served(operations: Operations) -> Iterator[str]:
    """Serves the operations until the block ends, at this URL."""
    with serving(_Server(("127.0.0.1", 0), _handler(operations))) as address:
        yield f"http://{address}"


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    request_queue_size = 256


def _handler(operations: Operations) -> type[BaseHTTPRequestHandler]:
    service = ServiceModel(Loader().load_service_model("rekognition", "service-2"), "rekognition")

    def answer(headers: Message, body: bytes) -> tuple[int, dict[str, Any]]:
        name = headers.get("X-Amz-Target", "").removeprefix(TARGET_PREFIX)
        try:
            _check_sender(headers)
            request = _valid(_parsed(body), name)
            return 200, operations[name](request)
        except ServiceError as error:
            return error.status, {"__type": error.code, "Message": str(error)}
        except Exception as problem:  # noqa: BLE001 - a service answers 500 to any error of its own
            return 500, {"__type": "InternalServerError", "Message": f"{type(problem).__name__}: {problem}"}

    def _valid(request: dict[str, Any], name: str) -> dict[str, Any]:
        if name not in operations:
            raise ServiceError(
                "UnknownOperationException", f"{name or 'No operation'} is not supported by the local model."
            )
        shape: Any = service.operation_model(name).input_shape
        problems = ParamValidator().validate(request, shape)
        if problems.has_errors():
            raise ServiceError("InvalidParameterException", problems.generate_report())
        return request

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"
        disable_nagle_algorithm = True  # head and body are two writes; the second would wait for a delayed ACK

        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
            status, content = answer(self.headers, body)
            payload = json.dumps(content).encode()
            self.send_response(status)
            self.send_header("Content-Type", "application/x-amz-json-1.1")
            self.send_header("Content-Length", str(len(payload)))
            self.send_header("x-amzn-RequestId", str(uuid.uuid4()))
            self.end_headers()
            self.wfile.write(payload)

        def log_message(self, *_: object) -> None:
            """Logs nothing: the terminal is for the user."""

    return Handler


def _check_sender(headers: Message) -> None:
    if reason := refusal("POST", {name.lower(): value for name, value in headers.items()}):
        raise ServiceError("AccessDeniedException", reason, 403)


def _parsed(body: bytes) -> dict[str, Any]:
    try:
        request: dict[str, Any] = json.loads(body or b"{}")
        image = request.get("Image", {})
        if "Bytes" in image:
            image["Bytes"] = base64.b64decode(image["Bytes"], validate=True)
    except (ValueError, TypeError, AttributeError, RecursionError, binascii.Error):
        raise ServiceError("SerializationException", "The body is not valid JSON for this operation.") from None
    return request

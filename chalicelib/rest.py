"""The answers of the REST API; docs/openapi.yaml is the contract."""

import msgspec
from chalice.app import Response
from msgspec import Struct

from chalicelib import __version__
from chalicelib.domain.errors import BadRequest
from chalicelib.domain.uploads import PresignedUpload

type Headers = dict[str, str | list[str]]

# What Chalice itself refuses, before a view is called or after it broke: our code and message instead of its own.
_CHALICE_ERRORS = {
    405: ("MethodNotAllowed", "There is POST /uploads and GET /health."),
    415: (
        "UnsupportedMediaType",
        "Send JSON, and say so (curl: -H 'Content-Type: application/json'); the image goes to S3.",
    ),
    500: ("InternalError", "Something went wrong here, not with the request; try it again."),
}


class _Error(Struct, frozen=True):
    code: str
    message: str
    field: str | None


def created(presigned_upload: PresignedUpload) -> Response:
    """201, with the presigned upload; nobody on the way may keep it."""
    return _answer(201, presigned_upload, {"Cache-Control": "no-store"})


def health() -> Response:
    """200, with the version and nothing else."""
    return _answer(200, {"version": __version__})


def refused(problem: BadRequest) -> Response:
    """400, with what would be right."""
    return error(400, problem.code, problem.message, problem.field)


def preflight(origin: str) -> Response:
    """What a browser asks before it sends a page's request; 403 where no page may send one."""
    if not origin:
        return error(403, "NoOrigin", "No web page may call this API, since no UploadOrigin is set.")
    allowed: Headers = {
        "Access-Control-Allow-Methods": "POST",
        "Access-Control-Allow-Headers": "Authorization,Content-Type",
        "Access-Control-Max-Age": "7200",
    }
    return Response("", allowed, 204)


def error(status: int, code: str, message: str, field: str | None = None, headers: Headers | None = None) -> Response:
    """The one shape of every error."""
    return _answer(status, {"error": _Error(code, message, field)}, headers)


def formatted(response: Response, origin: str) -> Response:
    """The response, or Chalice's own error in the one shape; open to the page of the origin, if there is one."""
    if isinstance(response.body, dict) and response.status_code in _CHALICE_ERRORS:
        code, message = _CHALICE_ERRORS[response.status_code]
        allow = {name: value for name, value in response.headers.items() if name == "Allow"}
        response = error(response.status_code, code, message, headers=allow)
    if origin:
        response.headers["Access-Control-Allow-Origin"] = origin
    return response


def _answer(status: int, content: object, headers: Headers | None = None) -> Response:
    # Not as ASCII, which json.dumps would give: a curl line is read, and copied, by people.
    body = msgspec.json.encode(content).decode()
    own: Headers = {"Content-Type": "application/json"}
    return Response(body, own | (headers or {}), status)

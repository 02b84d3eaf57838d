"""The answers of the REST API; docs/openapi.yaml is the contract."""

from collections.abc import Callable
from typing import Any

import msgspec
from chalice.app import AuthResponse, AuthRoute, Chalice, Request, Response
from msgspec import Struct

from chalicelib import __version__
from chalicelib.domain import pages
from chalicelib.domain.errors import BadRequest, LimitReached
from chalicelib.domain.pages import Page, PicturePage
from chalicelib.domain.tokens import UPLOADS_PER_DAY, AuthorizedClient
from chalicelib.domain.uploads import PresignedUpload

type Headers = dict[str, str | list[str]]

# Chalice answers these itself, before a view is called or after it failed: here are the code and message instead.
_CHALICE_ERRORS = {
    405: ("MethodNotAllowed", "This method is not allowed. Use POST /uploads or GET /health."),
    415: (
        "UnsupportedMediaType",
        "The content type must be application/json. With curl, add -H 'Content-Type: application/json'.",
    ),
    500: ("InternalError", "The service failed. Send the request again."),
}


# A picture page is for one person, once: no cache, no search engine and no other site may have it.
_PAGE_HEADERS: Headers = {
    "Cache-Control": "private, no-store",
    "Referrer-Policy": "no-referrer",
    "Vary": "Accept",
    "X-Content-Type-Options": "nosniff",
    "X-Robots-Tag": "noindex, nofollow, noarchive",
}


class _Error(Struct, frozen=True):
    code: str
    message: str
    field: str | None


# The authorizer's answer has the limit beside the client's name; an answer cached before an update may lack it.
_LIMIT = "uploads_per_day"


def authorization(client: AuthorizedClient | None) -> AuthResponse | dict[str, Any]:
    """Allows a client to presign uploads and nothing else; denies everything without a client."""
    if not client:
        # Chalice's answer without routes would allow an empty list, on which reports differ: 403 or 200.
        denied = {"Effect": "Deny", "Action": "execute-api:Invoke", "Resource": "*"}
        return {"principalId": "nobody", "policyDocument": {"Version": "2012-10-17", "Statement": [denied]}}
    # API Gateway takes the path with a slash at its end, too.
    routes: list[str | AuthRoute] = [AuthRoute(path, ["POST"]) for path in ("/uploads", "/uploads/")]
    return AuthResponse(routes, principal_id=client.name, context={_LIMIT: str(client.uploads_per_day)})


def presign_upload(app: Chalice, step: Callable[[AuthorizedClient, str | bytes], PresignedUpload]) -> Response:
    """201 with a presigned upload for the client of the current request; 400 where its body is not right.

    429 where the client has had all its uploads of the day.
    """
    request: Any = app.current_request  # which is None only outside of a route
    authorizer = request.context["authorizer"]
    client = AuthorizedClient(authorizer["principalId"], int(authorizer.get(_LIMIT, UPLOADS_PER_DAY)))
    try:
        presigned = step(client, request.raw_body)
    except BadRequest as problem:
        return error(400, problem.code, problem.message, problem.field)
    except LimitReached as limit:
        return error(429, "DailyLimitReached", limit.message, headers={"Retry-After": str(limit.retry_after)})
    return _answer(201, presigned, {"Cache-Control": "no-store"})


def picture_page(app: Chalice, page: Page | None, as_html: Callable[[Page | None], str]) -> Response:
    """200 with the page, as HTML or, where the request accepts JSON alone, as JSON; 404 without one."""
    request: Any = app.current_request
    accepted = request.headers.get("accept", "")
    as_json = "application/json" in accepted and "text/html" not in accepted
    if as_json and page is None:
        return _no_page()
    return Response(
        body=pages.as_json(page).decode() if as_json and page else as_html(page),
        headers=_PAGE_HEADERS
        | {
            "Content-Type": "application/json" if as_json else "text/html; charset=utf-8",
            "Content-Security-Policy": pages.content_security_policy(page),
        },
        status_code=200 if page else 404,
    )


def picture_image(page: Page | None) -> Response:
    """302 to the freshly signed picture; 404 without one."""
    if not isinstance(page, PicturePage) or page.picture is None:
        return _no_page()
    return Response("", _PAGE_HEADERS | {"Location": page.picture.url}, 302)


def health() -> Response:
    """200 with the version and nothing else."""
    return _answer(200, {"version": __version__})


def preflight(origin: str) -> Response:
    """The answer to a browser's preflight request; 403 where no web page may call the API."""
    if not origin:
        return error(403, "NoOrigin", "UploadOrigin is not set, so no web page may call this API.")
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
    """The response, or Chalice's own error in the one shape; with the CORS header, if there is an origin."""
    if isinstance(response.body, dict) and response.status_code in _CHALICE_ERRORS:
        code, message = _CHALICE_ERRORS[response.status_code]
        allow = {name: value for name, value in response.headers.items() if name == "Allow"}
        response = error(response.status_code, code, message, headers=allow)
    if origin:
        response.headers["Access-Control-Allow-Origin"] = origin
    return response


def logged(request: Request, response: Response) -> dict[str, object]:
    """What the log has of a request: no header, no body and no id of a link, since the log's readers could use them.

    `client` is None on the routes that are open without a token.
    """
    context = request.context
    return {
        "client": context.get("authorizer", {}).get("principalId"),
        "method": request.method,
        "route": context.get("resourcePath"),
        "status": response.status_code,
        "source_ip": context.get("identity", {}).get("sourceIp"),
        "request_id": context.get("requestId"),
    }


def _no_page() -> Response:
    message = "This link does not work. It may have expired after 30 days, been revoked, or been copied incompletely."
    return error(404, "LinkNotFound", message, headers=_PAGE_HEADERS)


def _answer(status: int, content: object, headers: Headers | None = None) -> Response:
    # Not as ASCII, which json.dumps would give: a curl line is read, and copied, by people.
    body = msgspec.json.encode(content).decode()
    content_type: Headers = {"Content-Type": "application/json"}
    return Response(body, content_type | (headers or {}), status)

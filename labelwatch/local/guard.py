"""The guard of every server on this machine: no web page of another origin, no other host name, no unknown key.

A web page that is open in a browser can send requests to loopback, and a function that it creates runs as the user.
"""

import re
from collections.abc import Awaitable, Callable, Mapping
from typing import Any
from urllib.parse import parse_qs, urlsplit

type Scope = dict[str, Any]
type Receive = Callable[[], Awaitable[dict[str, Any]]]
type Send = Callable[[dict[str, Any]], Awaitable[None]]
type Application = Callable[[Scope, Receive, Send], Awaitable[None]]

HEALTH = "/_localstack/health"
_LOOPBACK = {"127.0.0.1", "localhost"}
_REST_API = re.compile(r"/restapis/[a-z0-9]+/[^/]+/_user_request_(/.*)?", re.DOTALL)


def refusal(method: str, headers: Mapping[str, str], origin: str = "") -> str:
    """Why a web page may have sent this request, or nothing; the headers' names are in lower case.

    `origin` is that of the one web page that may send requests. Browsers set these headers, and no page can change
    them: https://www.w3.org/TR/fetch-metadata/ and https://fetch.spec.whatwg.org/#origin-header
    """
    host = headers.get("host", "")
    # With any port: a proxy or a forwarded port has its own. A page that rebinds its name to loopback has its own name.
    if not _is_loopback(host):
        return f"Host {host!r} is not this machine. Use 127.0.0.1."
    sender = headers.get("origin")
    if sender is not None:
        allowed = sender in {origin, f"http://{host}"} - {""}
        return "" if allowed else f"Origin {sender!r} is not allowed. Use --origin (make: ORIGIN=) for your web page."
    # A link that is clicked. The page that has the link cannot read the answer.
    is_click = (method, headers.get("sec-fetch-mode"), headers.get("sec-fetch-dest")) == ("GET", "navigate", "document")
    if headers.get("sec-fetch-site", "none") not in {"none", "same-origin"} and not is_click:
        return "A web page of another origin sent this request."
    return ""


def _is_loopback(host: str) -> bool:
    try:
        return urlsplit(f"//{host}").hostname in _LOOPBACK
    except ValueError:
        return False


def guarded(application: Application, origin: str) -> Application:
    """The application of ministack, for requests that no foreign web page sent, and that need no key or have one.

    ministack itself checks the signature of a request that has a key.
    """

    async def respond(scope: Scope, receive: Receive, send: Send) -> None:
        reason = _refusal(scope, origin)
        if not reason:
            await application(scope, receive, send)
        elif scope["type"] == "websocket":
            await send({"type": "websocket.close"})
        else:
            content = f"{reason}\n".encode()
            headers = [(b"content-type", b"text/plain; charset=utf-8"), (b"content-length", b"%d" % len(content))]
            await send({"type": "http.response.start", "status": 403, "headers": headers})
            await send({"type": "http.response.body", "body": content})

    return respond


def _refusal(scope: Scope, origin: str) -> str:
    if scope["type"] == "lifespan":
        return ""
    if scope["type"] == "websocket":
        return "Labelwatch uses no WebSocket."
    headers = {name.decode("latin-1").lower(): value.decode("latin-1") for name, value in scope["headers"]}
    reason = refusal(scope["method"], headers, origin)
    if reason or _needs_no_key(scope) or _has_key(scope, headers):
        return reason
    return "The request has no signature. Paste the export line of labelwatch local up."


def _needs_no_key(scope: Scope) -> bool:
    """Whether the request is a health check, a preflight, or one for the REST API."""
    return bool(scope["method"] == "OPTIONS" or scope["path"] == HEALTH or _REST_API.fullmatch(scope["path"]))


def _has_key(scope: Scope, headers: Mapping[str, str]) -> bool:
    """Whether the header or the query has a signature. ministack's own paths would not check the signature."""
    if scope["path"].startswith("/_"):
        return False
    authorization = headers.get("authorization")
    if authorization is not None:
        return authorization.startswith("AWS4-HMAC-SHA256 ")
    query = parse_qs(scope["query_string"].decode("latin-1"), keep_blank_values=True)
    return bool(query.get("X-Amz-Credential", [""])[0].partition("/")[0])

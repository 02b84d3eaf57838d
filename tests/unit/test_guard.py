"""Which requests the servers of this machine refuse, as pages of other origins send them."""

import asyncio
from typing import Any

import pytest

from labelwatch.local.guard import guarded, refusal

HOST, ORIGIN = "127.0.0.1:4566", "https://leaves.example.com"
SIGNED = {"authorization": "AWS4-HMAC-SHA256 Credential=KEY/20261127/eu-central-1/iam/aws4_request, Signature=0"}
FORM = {"content-type": "multipart/form-data; boundary=x"}
PRESIGNED = "X-Amz-Credential=KEY%2F20261127%2Feu-central-1%2Fs3%2Faws4_request&X-Amz-Signature=0"
API = "/restapis/a1b2c3/api/_user_request_"
CLICK = {"sec-fetch-site": "cross-site", "sec-fetch-mode": "navigate", "sec-fetch-dest": "document"}


@pytest.mark.parametrize(
    "headers",
    [
        pytest.param({}, id="a command"),
        pytest.param({"host": "localhost:4566"}, id="localhost"),
        pytest.param({"host": "127.0.0.1:9999"}, id="a forwarded port"),
        pytest.param({"origin": ORIGIN, "sec-fetch-site": "cross-site"}, id="the page that may upload"),
        pytest.param({"origin": f"http://{HOST}", "sec-fetch-site": "same-origin"}, id="a page of the API"),
        pytest.param({"sec-fetch-site": "same-origin"}, id="the picture of a page of the API"),
        pytest.param({"sec-fetch-site": "none"}, id="an address that is typed"),
        pytest.param(CLICK, id="a link that is clicked"),
    ],
)
def test_what_the_user_does_is_not_refused(headers: dict[str, str]) -> None:
    assert not refusal("GET", {"host": HOST} | headers, ORIGIN)


@pytest.mark.parametrize("method", ["GET", "POST", "PUT", "OPTIONS"])
@pytest.mark.parametrize(
    "headers",
    [
        pytest.param({"host": "attacker.example:4566"}, id="a name that rebinds to loopback"),
        pytest.param({"host": "127.0.0.1.attacker.example"}, id="a name that begins like loopback"),
        pytest.param({"host": "x@attacker.example"}, id="a user and a name"),
        pytest.param({"host": "[::1"}, id="a malformed host"),
        pytest.param({"host": ""}, id="no host"),
        pytest.param({"origin": "http://attacker.example"}, id="another origin"),
        pytest.param({"origin": "null"}, id="a sandbox or a file"),
        pytest.param({"origin": ""}, id="an empty origin"),
        pytest.param({"origin": "http://127.0.0.1:3000"}, id="another port"),
        pytest.param({"origin": f"https://{HOST}"}, id="another scheme"),
        pytest.param({"origin": "https://leaves.example.com.attacker.example"}, id="an origin that begins like ours"),
        pytest.param({"sec-fetch-site": "cross-site"}, id="an image or a script"),
        pytest.param({"sec-fetch-site": "same-site"}, id="an image of a page on another port"),
        pytest.param(CLICK | {"sec-fetch-dest": "iframe"}, id="a frame"),
    ],
)
def test_what_a_foreign_page_does_is_refused(headers: dict[str, str], method: str) -> None:
    assert refusal(method, {"host": HOST} | headers, ORIGIN)


def test_a_form_that_a_foreign_page_submits_is_no_click() -> None:
    assert refusal("POST", {"host": HOST} | CLICK, ORIGIN)


def test_without_an_origin_that_may_upload_no_empty_origin_is_accepted() -> None:
    assert refusal("POST", {"host": HOST, "origin": ""})


def answer(path: str, headers: dict[str, str], method: str = "POST", query: str = "", kind: str = "http") -> Any:
    """The status, 200 where the application got the request; None for a closed WebSocket."""
    sent: list[dict[str, Any]] = []

    async def application(*_: Any) -> None:
        sent.append({"status": 200})

    async def receive() -> dict[str, Any]:
        return {}

    async def send(message: dict[str, Any]) -> None:
        sent.append(message)

    encoded = [(name.encode(), value.encode()) for name, value in ({"host": HOST} | headers).items()]
    scope = {"type": kind, "method": method, "path": path, "query_string": query.encode(), "headers": encoded}

    async def run() -> None:
        await guarded(application, ORIGIN)(scope, receive, send)

    asyncio.run(run())
    return sent[0].get("status")


@pytest.mark.parametrize(
    ("method", "path", "headers", "query"),
    [
        pytest.param("POST", "/2015-03-31/functions", SIGNED, "", id="signed in the header"),
        pytest.param("GET", "/images/leaf.jpg", {}, PRESIGNED, id="a presigned address"),
        pytest.param("PUT", "/images/leaf.jpg", {}, PRESIGNED, id="a presigned upload by PUT"),
        pytest.param("POST", f"{API}/uploads", {"authorization": "Bearer token"}, "", id="the REST API"),
        pytest.param("GET", f"{API}/p/abc", {}, "", id="a picture page"),
        pytest.param("GET", f"{API}/p/abc\n", {}, "", id="a picture page with a line break"),
        pytest.param("OPTIONS", f"{API}/uploads", {"origin": ORIGIN}, "", id="a preflight"),
        pytest.param("GET", "/_localstack/health", {}, "", id="the health check"),
    ],
)
def test_a_request_with_a_signature_or_for_everybody_reaches_the_local_aws(
    method: str, path: str, headers: dict[str, str], query: str
) -> None:
    assert answer(path, headers, method, query) == 200


@pytest.mark.parametrize(
    ("path", "headers", "query"),
    [
        pytest.param("/2015-03-31/functions", {}, "", id="no signature"),
        pytest.param("/2015-03-31/functions", {"authorization": "Bearer x"}, "", id="a token"),
        pytest.param("/2015-03-31/functions", {"authorization": "Bearer x"}, PRESIGNED, id="a token and a query"),
        pytest.param("/", {"authorization": "AWS KEY:signature"}, "", id="a signature of version 2"),
        pytest.param("/", {}, "X-Amz-Credential=&X-Amz-Signature=0", id="an empty credential"),
        pytest.param("/", {}, "X-Amz-Credential=%2F20261127&X-Amz-Signature=0", id="a credential without a key"),
        pytest.param("/", {}, "Action=CreateRole&RoleName=x", id="an action"),
        pytest.param("/images", FORM, "", id="a form for a bucket"),
        pytest.param("/2015-03-31/functions", FORM, "", id="a form for another path"),
        pytest.param("/_ministack/reset", SIGNED, "", id="ministack's own path"),
        pytest.param("/_ministack/lambda-code/detect", {}, PRESIGNED, id="ministack's own path, presigned"),
        pytest.param(f"/x{API}", {}, "", id="a path that ends like the API"),
    ],
)
def test_a_request_without_a_signature_is_refused(path: str, headers: dict[str, str], query: str) -> None:
    assert answer(path, headers, query=query) == 403


@pytest.mark.parametrize("path", ["/images", f"{API}/uploads", "/_localstack/health"])
def test_a_foreign_page_is_refused_on_each_path(path: str) -> None:
    assert answer(path, FORM | {"origin": "http://attacker.example"}) == 403


def test_a_web_socket_is_refused() -> None:
    assert answer(API, {}, kind="websocket") is None


def test_the_start_and_the_end_of_the_server_are_no_requests() -> None:
    assert answer("", {}, kind="lifespan") == 200

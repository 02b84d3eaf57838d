import json
from typing import Any

import msgspec
import pytest
from chalice.app import AuthRequest, AuthResponse, Chalice, Request, Response

from chalicelib import __version__, rest
from chalicelib.domain.errors import BadRequest, LimitReached
from chalicelib.domain.pages import AlertTestPage, Page, PicturePage, SignedPicture
from chalicelib.domain.tokens import AuthorizedClient
from chalicelib.domain.uploads import PresignedUpload
from tests.support.builders import MODEL, NOW

UPLOAD = PresignedUpload(
    url="https://b.s3/k?signed",
    headers={"If-None-Match": "*"},
    key="k",
    expires_at="2026-11-22T10:15:00Z",
    curl="curl -T '葉 1.jpg'",
)


def body(response: Response) -> Any:
    assert response.headers["Content-Type"] == "application/json"
    return json.loads(response.body)


class FakeStep:
    """Presigns UPLOAD for every request, unless there is a refusal."""

    def __init__(self, refusal: Exception | None = None) -> None:
        self.requests: list[tuple[AuthorizedClient, str | bytes]] = []
        self._refusal = refusal

    def __call__(self, client: AuthorizedClient, body: str | bytes) -> PresignedUpload:
        self.requests.append((client, body))
        if self._refusal:
            raise self._refusal
        return UPLOAD


def presign(step: FakeStep, **context: str) -> Response:
    """The answer to a request of camera-north, which sends `{}`."""
    app = Chalice("labelwatch")
    event = {
        "multiValueQueryStringParameters": None,
        "headers": {"content-type": "application/json"},
        "pathParameters": None,
        "requestContext": {
            "httpMethod": "POST",
            "resourcePath": "/uploads",
            "authorizer": {"principalId": "camera-north", **context},
        },
        "body": "{}",
        "stageVariables": None,
        "isBase64Encoded": False,
    }
    app.current_request = Request(event)
    return rest.presign_upload(app, step)


def test_a_presigned_upload_is_201_and_may_not_be_cached() -> None:
    response = presign(FakeStep())
    assert (response.status_code, response.headers["Cache-Control"]) == (201, "no-store")
    assert body(response) == {
        "url": "https://b.s3/k?signed",
        "method": "PUT",
        "headers": {"If-None-Match": "*"},
        "key": "k",
        "expires_at": "2026-11-22T10:15:00Z",
        "curl": "curl -T '葉 1.jpg'",
    }


@pytest.mark.parametrize(("context", "limit"), [({"uploads_per_day": "7"}, 7), ({}, 10_000)])
def test_an_upload_is_presigned_for_the_client_of_the_token_and_its_limit(context: dict[str, str], limit: int) -> None:
    step = FakeStep()
    presign(step, **context)
    assert step.requests == [(AuthorizedClient("camera-north", limit), b"{}")]


def test_the_curl_line_of_a_plain_name_can_be_copied_out_of_the_answer_as_it_stands() -> None:
    assert UPLOAD.curl in presign(FakeStep()).body


def test_a_bad_request_is_400_with_the_field() -> None:
    response = presign(FakeStep(BadRequest("MissingField", "filename is missing", "filename")))
    assert response.status_code == 400
    assert body(response) == {"error": {"code": "MissingField", "message": "filename is missing", "field": "filename"}}


def test_a_client_at_its_limit_is_429_with_the_seconds_to_wait() -> None:
    response = presign(FakeStep(LimitReached("until midnight", 60)))
    assert (response.status_code, response.headers["Retry-After"]) == (429, "60")
    assert body(response) == {"error": {"code": "DailyLimitReached", "message": "until midnight", "field": None}}


AUTHORIZATION = AuthRequest("TOKEN", "Bearer x", "arn:aws:execute-api:eu-west-1:123456789012:abc/api/POST/uploads")


def test_a_client_is_allowed_to_presign_uploads_and_nothing_else() -> None:
    response = rest.authorization(AuthorizedClient("camera-north", uploads_per_day=7))
    assert isinstance(response, AuthResponse)
    policy = response.to_dict(AUTHORIZATION)
    assert (policy["principalId"], policy["context"]) == ("camera-north", {"uploads_per_day": "7"})
    (statement,) = policy["policyDocument"]["Statement"]
    arn = AUTHORIZATION.method_arn
    assert (statement["Effect"], statement["Resource"]) == ("Allow", [arn, f"{arn}/"])


def test_without_a_client_every_request_is_denied() -> None:
    response = rest.authorization(None)
    assert isinstance(response, dict)
    (statement,) = response["policyDocument"]["Statement"]
    assert statement == {"Effect": "Deny", "Action": "execute-api:Invoke", "Resource": "*"}


def test_health_has_the_version_and_nothing_else() -> None:
    assert body(rest.health()) == {"version": __version__}


@pytest.mark.parametrize(
    ("status", "code", "message"),
    [
        (405, "MethodNotAllowed", "GET /health"),
        (415, "UnsupportedMediaType", "application/json"),
        (500, "InternalError", "again"),
    ],
)
def test_chalice_s_own_errors_get_the_shape_of_all_others(status: int, code: str, message: str) -> None:
    from_chalice = Response({"Code": "Theirs", "Message": "theirs"}, {"Allow": "POST"}, status)
    response = rest.formatted(from_chalice, origin="")
    assert (response.status_code, response.headers["Allow"]) == (status, "POST")
    assert body(response)["error"] | {"message": ""} == {"code": code, "message": "", "field": None}
    assert message in body(response)["error"]["message"]


def test_an_answer_of_our_own_stays_as_it_is() -> None:
    response = rest.error(500, "Ours", "ours")
    before = response.body
    assert rest.formatted(response, origin="").body == before


def test_without_an_origin_no_answer_is_open_to_a_page() -> None:
    assert "Access-Control-Allow-Origin" not in rest.formatted(rest.health(), origin="").headers
    refusal = rest.preflight(origin="")
    assert (refusal.status_code, body(refusal)["error"]["code"]) == (403, "NoOrigin")


def test_with_an_origin_every_answer_is_open_to_its_page_errors_too() -> None:
    for response in (rest.health(), rest.error(400, "a", "b"), Response({"Code": "x"}, {}, 415)):
        headers = rest.formatted(response, origin="https://example.com").headers
        assert headers["Access-Control-Allow-Origin"] == "https://example.com"


def test_a_preflight_allows_the_method_and_the_headers_of_an_upload() -> None:
    response = rest.preflight("https://example.com")
    assert response.status_code == 204
    assert response.headers["Access-Control-Allow-Methods"] == "POST"
    assert response.headers["Access-Control-Allow-Headers"] == "Authorization,Content-Type"


def test_a_header_that_is_added_to_an_answer_is_not_in_the_next_answer() -> None:
    rest.formatted(rest.health(), origin="https://example.com")
    assert "Access-Control-Allow-Origin" not in rest.health().headers


PAGE = PicturePage(
    image="field-3/leaf.jpg",
    bucket="images",
    source="field-3",
    labels=(),
    model=MODEL,
    uploaded_at=NOW,
    detected_at=NOW,
    picture=SignedPicture("https://images.s3/leaf.jpg?signed", "image/jpeg", NOW),
    picture_path="a/image",
    console="https://console",
    expires_at=NOW,
)


def shown(page: Page | None, accept: str | None = None) -> Response:
    app = Chalice("labelwatch")
    headers = {} if accept is None else {"accept": accept}
    context = {"httpMethod": "GET", "resourcePath": "/p/{link_id}"}
    event: dict[str, Any] = {"multiValueQueryStringParameters": None, "headers": headers, "pathParameters": None}
    event |= {"requestContext": context, "body": None, "stageVariables": None, "isBase64Encoded": False}
    app.current_request = Request(event)
    return rest.picture_page(app, page, lambda page: f"<html>{page.source if page else 'none'}")


@pytest.mark.parametrize(
    "accept", [None, "*/*", "text/html,application/xhtml+xml,*/*;q=0.8", "application/json, text/html"]
)
def test_a_picture_page_is_html_for_people(accept: str | None) -> None:
    response = shown(PAGE, accept)
    assert (response.status_code, response.body) == (200, "<html>field-3")
    assert response.headers["Content-Type"] == "text/html; charset=utf-8"


def test_a_picture_page_is_json_for_programs() -> None:
    response = shown(PAGE, "application/json")
    assert response.status_code == 200
    assert body(response)["source"] == "field-3"


TEST_PAGE = AlertTestPage(source="field-3", expires_at=NOW)


@pytest.mark.parametrize("page", [PAGE, TEST_PAGE, None], ids=["page", "test page", "no page"])
@pytest.mark.parametrize("accept", ["text/html", "application/json"])
def test_nobody_may_cache_list_frame_or_embed_an_answer(page: Page | None, accept: str) -> None:
    headers = shown(page, accept).headers
    assert headers["Cache-Control"] == "private, no-store"
    assert headers["X-Content-Type-Options"] == "nosniff"
    assert headers["Referrer-Policy"] == "no-referrer"
    assert "noindex" in headers["X-Robots-Tag"]
    if accept == "text/html":
        assert "default-src 'none'" in headers["Content-Security-Policy"]
        assert "frame-ancestors 'none'" in headers["Content-Security-Policy"]


def test_a_link_that_does_not_work_is_404_for_people_and_for_programs() -> None:
    assert (shown(None).status_code, shown(None).body) == (404, "<html>none")
    response = shown(None, "application/json")
    assert (response.status_code, body(response)["error"]["code"]) == (404, "LinkNotFound")


def test_the_picture_is_a_redirect_that_nobody_may_cache() -> None:
    response = rest.picture_image(PAGE)
    assert (response.status_code, response.headers["Location"]) == (302, "https://images.s3/leaf.jpg?signed")
    assert response.headers["Cache-Control"] == "private, no-store"


@pytest.mark.parametrize(
    "page", [None, msgspec.structs.replace(PAGE, picture=None), TEST_PAGE], ids=["no link", "no object", "a test"]
)
def test_without_a_link_or_an_object_there_is_no_redirect(page: Page | None) -> None:
    assert rest.picture_image(page).status_code == 404

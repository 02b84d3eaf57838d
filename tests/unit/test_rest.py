import json
from typing import Any

import pytest
from chalice.app import Response

from chalicelib import __version__, rest
from chalicelib.domain.errors import BadRequest
from chalicelib.domain.uploads import PresignedUpload

TICKET = PresignedUpload("https://b.s3/", {"key": "k"}, "k", "2026-11-22T10:15:00Z", "curl 'file=@葉 1.jpg'")


def body(response: Response) -> Any:
    assert response.headers["Content-Type"] == "application/json"
    return json.loads(response.body)


def test_a_ticket_is_201_and_nobody_may_keep_it() -> None:
    response = rest.created(TICKET)
    assert (response.status_code, response.headers["Cache-Control"]) == (201, "no-store")
    assert body(response) == {
        "url": "https://b.s3/",
        "fields": {"key": "k"},
        "key": "k",
        "expires_at": "2026-11-22T10:15:00Z",
        "curl": "curl 'file=@葉 1.jpg'",
    }


def test_the_curl_line_of_a_plain_name_can_be_copied_out_of_the_answer_as_it_stands() -> None:
    assert TICKET.curl in rest.created(TICKET).body


def test_health_tells_the_version_and_nothing_else() -> None:
    assert body(rest.health()) == {"version": __version__}


def test_a_bad_request_is_400_with_the_field() -> None:
    response = rest.refused(BadRequest("MissingField", "filename is missing", "filename"))
    assert response.status_code == 400
    assert body(response) == {"error": {"code": "MissingField", "message": "filename is missing", "field": "filename"}}


@pytest.mark.parametrize(
    ("status", "code", "message"),
    [
        (405, "MethodNotAllowed", "POST /uploads and GET /health"),
        (415, "UnsupportedMediaType", "-H 'Content-Type: application/json'"),
        (500, "InternalError", "try it again"),
    ],
)
def test_chalice_s_own_errors_take_our_shape(status: int, code: str, message: str) -> None:
    own = Response({"Code": "Theirs", "Message": "theirs"}, {"Allow": "POST"}, status)
    response = rest.formatted(own, origin="")
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


def test_a_preflight_allows_what_a_ticket_needs() -> None:
    response = rest.preflight("https://example.com")
    assert response.status_code == 204
    assert response.headers["Access-Control-Allow-Methods"] == "POST"
    assert response.headers["Access-Control-Allow-Headers"] == "Authorization,Content-Type"


def test_what_one_answer_was_given_does_not_show_in_the_next() -> None:
    rest.formatted(rest.health(), origin="https://example.com")
    assert "Access-Control-Allow-Origin" not in rest.health().headers

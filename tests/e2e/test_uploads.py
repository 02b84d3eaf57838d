"""From a token to a prediction, through the REST API of the deployed package, with IAM enforced."""

from __future__ import annotations

import json
import re
import subprocess
import sys
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, NamedTuple
from urllib.parse import quote

import pytest
import requests

from chalicelib.domain.tokens import new_token
from chalicelib.domain.uploads import end_of_day
from labelwatch.local import curl_uploads
from labelwatch.shared.project import PROJECT
from labelwatch.uploads import tokens
from tests.support.inventory import limits_of
from tests.support.pipeline import ORIGIN, Pipeline, functions, picture, set_environment

CLIENT = "camera-north"
JSON = {"Content-Type": "application/json"}


@pytest.fixture(scope="module")
def api(running: Pipeline) -> str:
    return running.session.api


@pytest.fixture(scope="module")
def token(running: Pipeline) -> str:
    return tokens.create(running.session.tokens, CLIENT)


class RevokedToken(NamedTuple):
    """A token that was valid, whether its use was recorded, and when it was revoked (monotonic seconds)."""

    token: str
    used: bool
    since: float


@pytest.fixture(scope="module", autouse=True)
def revoked(running: Pipeline, api: str) -> RevokedToken:
    """Made when the module begins, so that the other tests run while it expires."""
    table = running.session.tokens
    token = tokens.create(table, "camera-west")
    request(api, token)  # what it answers is a matter of the tests: a failure here would break them all
    used = any(record.last_used_at for record in table.all() if record.client == "camera-west")
    tokens.revoke(table, "camera-west")
    return RevokedToken(token, used, time.monotonic())


def request(api: str, token: str, filename: str = "leaf 1.jpg", **fields: Any) -> requests.Response:
    """Requests a presigned upload, of the size of `picture()` unless `fields` says otherwise."""
    headers = {"Authorization": f"Bearer {token}", "Origin": ORIGIN}
    body = {"filename": filename, "size": len(picture()), **fields}
    return requests.post(f"{api}/uploads", headers=headers, json=body, timeout=60)


def presign(api: str, token: str, **fields: Any) -> dict[str, Any]:
    answer = request(api, token, **fields)
    assert answer.status_code == 201, answer.text
    content: dict[str, Any] = answer.json()
    return content


def send(
    presigned_upload: dict[str, Any], content: bytes | Iterator[bytes] | None = None, **changed: str | None
) -> requests.Response:
    """Sends the presigned upload, with these headers changed, added or, with None, left out."""
    headers = presigned_upload["headers"] | {name.replace("_", "-"): value for name, value in changed.items()}
    return requests.request(
        presigned_upload["method"],
        presigned_upload["url"],
        data=picture() if content is None else content,
        headers={"Origin": ORIGIN, **headers},
        timeout=60,
    )


def versions_of(pipeline: Pipeline, prefix: str) -> list[dict[str, Any]]:
    s3 = pipeline.session.local_aws.client("s3")
    listed = s3.list_object_versions(Bucket=pipeline.outputs["InputBucket"], Prefix=prefix)
    found: list[dict[str, Any]] = listed.get("Versions", [])
    return found


def unknown_token(token: str) -> str:
    """A well-formed token with another secret: the last of its 43 characters is never `_`."""
    return f"{token[:-1]}_"


def error_of(answer: requests.Response) -> tuple[int, str, str | None]:
    error = answer.json()["error"]
    assert set(answer.json()) == {"error"}
    assert set(error) == {"code", "message", "field"}
    return answer.status_code, error["code"], error["field"]


def test_a_presigned_upload_and_curl_make_a_prediction_under_the_client_s_prefix(
    pipeline: Pipeline, api: str, token: str, tmp_path: Path
) -> None:
    file = tmp_path / 'it\'s a "leaf", $HOME; `id`\n稲.jpg'
    file.write_bytes(picture())
    key = curl_uploads.upload(api, token, file)
    assert re.fullmatch(rf"uploads/{CLIENT}/\d{{4}}-\d\d-\d\d/[a-z2-7]{{16}}-it-s-a-leaf-HOME-id-稲\.jpg", key)
    pipeline.wait_for_alert(key)
    assert pipeline.predictions[key].labels == (("leaf-smut", 97.0),)


def test_a_presigned_upload_of_a_png_makes_a_prediction_too(pipeline: Pipeline, api: str, token: str) -> None:
    content = picture(form="PNG")
    upload = presign(api, token, filename="0042", content_type="image/png", size=len(content))
    assert send(upload, content).ok
    pipeline.wait_for(upload["key"])
    (row,) = pipeline.session.athena.query(
        f"SELECT content_type FROM rekognition_customlabels_analytics WHERE image = '{upload['key']}'"  # noqa: S608
    ).records
    assert row["content_type"] == "image/png"


@pytest.mark.parametrize(
    ("changed", "content"),
    [
        pytest.param({"Content_Type": "text/html"}, None, id="another type"),
        pytest.param({"If_None_Match": None}, None, id="no condition"),
        pytest.param({"If_None_Match": '"abc"'}, None, id="another condition"),
        pytest.param({"x_amz_acl": "public-read"}, None, id="an ACL"),
        pytest.param({"x_amz_meta_note": "x"}, None, id="metadata"),
        pytest.param({}, b"", id="zero bytes"),
        pytest.param({}, picture()[:-1], id="a byte less"),
        pytest.param({}, picture() + b"x", id="a byte more"),
        pytest.param({}, b"x" * (15 * 1024 * 1024 + 1), id="15 MB and 1 byte"),
        pytest.param({}, iter([picture()]), id="an unknown size"),
    ],
)
def test_a_changed_upload_is_refused_and_stores_nothing(
    pipeline: Pipeline, api: str, token: str, changed: dict[str, str | None], content: bytes | Iterator[bytes] | None
) -> None:
    upload = presign(api, token)
    answer = send(upload, content, **changed)
    assert 400 <= answer.status_code < 500, answer.text
    assert versions_of(pipeline, upload["key"]) == []


@pytest.mark.parametrize(
    "key",
    [
        "field 1/leaf.jpg",
        "uploads/camera-south/2026-11-27/aaaaaaaaaaaaaaaa-leaf.jpg",
        f"uploads/{CLIENT}/2026-11-27/aaaaaaaaaaaaaaaa-leaf.jpg",
    ],
    ids=["another folder", "another client's", "another of the client"],
)
def test_an_upload_to_another_key_is_refused_and_stores_nothing(
    pipeline: Pipeline, api: str, token: str, key: str
) -> None:
    upload = presign(api, token)
    url = upload["url"].replace(quote(upload["key"]), quote(key))
    assert url != upload["url"]
    assert send(upload | {"url": url}).status_code == 403
    assert versions_of(pipeline, key) == []


@pytest.mark.parametrize("more", ["acl", "tagging", "partNumber=1&uploadId=x", "x-amz-meta-note=x"])
def test_an_upload_with_another_parameter_is_refused(pipeline: Pipeline, api: str, token: str, more: str) -> None:
    upload = presign(api, token)
    assert send(upload | {"url": f"{upload['url']}&{more}"}).status_code == 403
    assert versions_of(pipeline, upload["key"]) == []


@pytest.mark.parametrize("method", ["GET", "DELETE", "HEAD"])
def test_an_upload_can_neither_be_read_nor_deleted(pipeline: Pipeline, api: str, token: str, method: str) -> None:
    upload = presign(api, token)
    assert send(upload).ok
    pipeline.wait_for_alert(upload["key"])
    assert send(upload | {"method": method}).status_code == 403
    assert len(versions_of(pipeline, upload["key"])) == 1


def pictures(count: int) -> list[bytes]:
    """Pictures of one size with different bytes, each with a label of interest."""
    return [picture().ljust(2000, b"\0")[:-4] + number.to_bytes(4) for number in range(count)]


@pytest.mark.parametrize("at_once", [True, False], ids=["at once", "one after another"])
def test_one_presigned_upload_that_is_used_40_times_is_one_version_one_image_and_one_alert(
    pipeline: Pipeline, api: str, token: str, *, at_once: bool
) -> None:
    upload = presign(api, token, size=2000)
    with ThreadPoolExecutor(40 if at_once else 1) as pool:
        statuses = list(pool.map(lambda content: send(upload, content).status_code, pictures(40)))
    assert sorted(statuses) == [200, *[412] * 39]
    pipeline.wait_for_alert(upload["key"])
    pipeline.wait_until_empty()
    assert len(versions_of(pipeline, upload["key"])) == 1
    assert len(pipeline.alerts_of(upload["key"])) == 1
    rows = pipeline.session.athena.query(
        f"SELECT image FROM rekognition_customlabels_analytics WHERE image = '{upload['key']}'"  # noqa: S608
    ).records
    assert len(rows) == 1


def test_a_presigned_upload_has_one_record_under_its_key(pipeline: Pipeline, api: str, token: str) -> None:
    key = presign(api, token)["key"]
    records = UploadRecords(pipeline)
    record = records.all("upload")[key]
    assert (record["client"], record["size"]) == ({"S": CLIENT}, {"N": str(len(picture()))})
    assert float(record["expires_at"]["N"]) == pytest.approx(time.time() + 900, abs=60)


class UploadRecords:
    """The items of the stack's table."""

    def __init__(self, pipeline: Pipeline) -> None:
        self._client = pipeline.session.local_aws.client("dynamodb")
        self._table = pipeline.outputs["TableName"]

    def all(self, kind: str) -> dict[str, dict[str, Any]]:
        """The items of this kind, by id."""
        pages = self._client.get_paginator("scan").paginate(TableName=self._table)
        items = [item for page in pages for item in page["Items"]]
        return {item["id"]["S"]: item for item in items if item["kind"]["S"] == kind}


def test_a_client_at_its_limit_is_429_with_the_end_of_the_day_and_others_are_served(
    pipeline: Pipeline, api: str, token: str
) -> None:
    limited_token = tokens.create(pipeline.session.tokens, "camera-limited", uploads_per_day=2)
    before = datetime.now(UTC)
    assert [request(api, limited_token).status_code for _ in range(2)] == [201, 201]
    refused = request(api, limited_token)
    if datetime.now(UTC).date() != before.date():
        pytest.skip("the day ended in the meantime")
    assert error_of(refused) == (429, "DailyLimitReached", None)
    assert f"{end_of_day(before):%Y-%m-%dT%H:%M:%SZ}" in refused.json()["error"]["message"]
    waiting = timedelta(seconds=int(refused.headers["Retry-After"]))
    assert before + waiting == pytest.approx(end_of_day(before), abs=timedelta(seconds=60))
    assert refused.headers["Access-Control-Allow-Origin"] == ORIGIN
    assert request(api, token).status_code == 201


def test_of_requests_at_the_same_moment_at_the_limit_exactly_one_gets_through(pipeline: Pipeline, api: str) -> None:
    limited_token = tokens.create(pipeline.session.tokens, "camera-at-once", uploads_per_day=3)
    assert [request(api, limited_token).status_code for _ in range(2)] == [201, 201]
    with ThreadPoolExecutor(8) as pool:
        statuses = list(pool.map(lambda _: request(api, limited_token).status_code, range(8)))
    assert sorted(statuses) == [201, *[429] * 7]
    uploads = [key for key in UploadRecords(pipeline).all("upload") if key.startswith("uploads/camera-at-once/")]
    assert len(uploads) == 3


def test_an_image_of_exactly_15_mb_is_accepted(pipeline: Pipeline, api: str, token: str) -> None:
    upload = presign(api, token, size=15 * 1024 * 1024)
    assert send(upload, picture().ljust(15 * 1024 * 1024, b"\0")).ok
    pipeline.wait_for(upload["key"])


@pytest.fixture
def short_presigned_uploads(pipeline: Pipeline) -> Iterator[None]:
    handler = functions(pipeline.session)["APIHandler"]
    set_environment(pipeline.session, handler, PRESIGNED_UPLOAD_SECONDS="1")
    yield
    set_environment(pipeline.session, handler, PRESIGNED_UPLOAD_SECONDS="900")


@pytest.mark.usefixtures("short_presigned_uploads")
def test_an_expired_presigned_upload_is_refused(pipeline: Pipeline, api: str, token: str) -> None:
    upload = presign(api, token)
    time.sleep(2.5)
    assert send(upload).status_code == 403
    assert versions_of(pipeline, upload["key"]) == []


def test_every_client_writes_under_its_own_name(pipeline: Pipeline, api: str) -> None:
    south = tokens.create(pipeline.session.tokens, "camera-south")
    assert presign(api, south)["key"].startswith("uploads/camera-south/")


def test_a_bad_request_is_refused_with_its_field(api: str, token: str) -> None:
    """tests/unit/test_presign_upload.py has every bad request."""
    headers = JSON | {"Authorization": f"Bearer {token}"}
    answer = requests.post(f"{api}/uploads", headers=headers, data=b'{"filename": "leaf.gif", "size": 1}', timeout=60)
    assert error_of(answer) == (400, "UnsupportedType", "filename")


def test_a_request_without_a_well_formed_token_is_401(api: str, token: str) -> None:
    refusal = (401, "MissingOrMalformedToken", "Authorization")
    assert error_of(requests.post(f"{api}/uploads", json={"filename": "leaf.jpg"}, timeout=60)) == refusal
    for malformed in ("x", token[:-1], f"{token}x", f"{token} {token}"):
        assert error_of(request(api, malformed)) == refusal


def test_a_request_with_an_unknown_token_is_403(api: str, token: str) -> None:
    for unknown in (unknown_token(token), token.replace(CLIENT, "camera-south")):
        assert error_of(request(api, unknown)) == (403, "WrongToken", "Authorization")


def test_of_a_thousand_malformed_tokens_and_an_unknown_token_only_the_unknown_token_invokes_the_authorizer(
    pipeline: Pipeline, api: str
) -> None:
    before = len(rejections(pipeline))
    with requests.Session() as session:
        for number in range(1000):
            malformed = {"Authorization": f"Bearer labelwatch_{CLIENT}_{number:042}"}  # a character is missing
            assert session.post(f"{api}/uploads", headers=malformed, timeout=60).status_code == 401
    assert request(api, new_token(CLIENT)[0]).status_code == 403
    assert len(rejections(pipeline)) == before + 1


def test_the_stage_of_the_api_has_the_limits_of_the_template(pipeline: Pipeline) -> None:
    assert limits_of(pipeline.session.local_aws, pipeline.outputs["RestAPIId"]) == {
        "*/*": (50, 100), "/p/{link_id}/GET": (10, 20), "/p/{link_id}/image/GET": (10, 20),
    }  # fmt: skip


class limited:  # noqa: N801 - a context manager
    """Limits the requests to a route of the stage's API until the block ends."""

    def __init__(self, pipeline: Pipeline, path: str, rate: float, burst: int) -> None:
        self._client = pipeline.session.local_aws.client("apigateway")
        self._stage = {"restApiId": pipeline.outputs["RestAPIId"], "stageName": "api"}
        self._method = f"/{path.replace('/', '~1')}/GET"
        self._before = limits_of(pipeline.session.local_aws, pipeline.outputs["RestAPIId"]).get(f"{path}/GET")
        self._limit = (rate, burst)

    def __enter__(self) -> None:
        self._set(*self._limit)

    def __exit__(self, *_: object) -> None:
        if self._before:
            self._set(*self._before)
        else:
            self._client.update_stage(**self._stage, patchOperations=[{"op": "remove", "path": self._method}])

    def _set(self, rate: float, burst: int) -> None:
        limits = {"rateLimit": str(rate), "burstLimit": str(burst)}
        operations = [
            {"op": "replace", "path": f"{self._method}/throttling/{name}", "value": value}
            for name, value in limits.items()
        ]
        self._client.update_stage(**self._stage, patchOperations=operations)


@pytest.mark.parametrize(
    ("route", "path", "status"),
    [("/health", "/health", 200), ("/p/{link_id}", f"/p/{'a' * 32}", 404)],
    ids=["health", "picture page"],
)
def test_a_request_over_the_limit_of_a_route_is_429_in_the_shape_of_all_errors(
    pipeline: Pipeline, api: str, route: str, path: str, status: int
) -> None:
    with limited(pipeline, route, 0.001, 1):
        answers = [requests.get(f"{api}{path}", timeout=60) for _ in range(2)]
    assert answers[0].status_code == status
    assert error_of(answers[1]) == (429, "TooManyRequests", None)


def test_the_answer_to_curl_without_a_content_type_names_the_missing_header(api: str, token: str) -> None:
    command = ["curl", "-sS", f"{api}/uploads", "-H", f"Authorization: Bearer {token}", "-d", '{"filename": "a.jpg"}']
    answer = json.loads(subprocess.run(command, capture_output=True, check=True, timeout=60).stdout)
    assert answer["error"]["code"] == "UnsupportedMediaType"
    assert "Content-Type: application/json" in answer["error"]["message"]


@pytest.mark.parametrize(("method", "path"), [("GET", "/"), ("GET", "/uploads"), ("PUT", "/health"), ("POST", "/nope")])
@pytest.mark.parametrize("headers", [{}, {"Authorization": "Bearer x"}])
def test_an_unknown_path_is_404_and_names_the_known_ones(
    api: str, method: str, path: str, headers: dict[str, str]
) -> None:
    answer = requests.request(method, f"{api}{path}", headers=headers, timeout=60)
    assert error_of(answer) == (404, "NotFound", None)
    assert "GET /health" in answer.json()["error"]["message"]


def test_health_needs_no_token_and_has_the_version_only(api: str) -> None:
    answer = requests.get(f"{api}/health", timeout=60)
    assert (answer.status_code, list(answer.json())) == (200, ["version"])


def test_a_page_of_the_origin_may_upload_and_no_other_page(api: str, token: str, pipeline: Pipeline) -> None:
    preflight = requests.options(f"{api}/uploads", headers={"Origin": ORIGIN}, timeout=60)
    assert (preflight.status_code, preflight.headers["Access-Control-Allow-Headers"]) == (
        204,
        "Authorization,Content-Type",
    )
    upload = request(api, token)
    refused = request(api, unknown_token(token))
    assert [answer.status_code for answer in (upload, refused)] == [201, 403]
    assert {answer.headers["Access-Control-Allow-Origin"] for answer in (preflight, upload, refused)} == {ORIGIN}
    preflight_headers = {"Origin": ORIGIN, "Access-Control-Request-Method": "PUT"}
    for names, status in (("content-type,if-none-match", 200), ("content-type,x-amz-acl", 403)):
        preflight_headers["Access-Control-Request-Headers"] = names
        assert requests.options(upload.json()["url"], headers=preflight_headers, timeout=60).status_code == status
    sent = send(upload.json())
    assert sent.headers["Access-Control-Allow-Origin"] == ORIGIN
    assert "ETag" in sent.headers["Access-Control-Expose-Headers"]
    elsewhere = send(upload.json(), Origin="https://elsewhere.example.com")
    assert "Access-Control-Allow-Origin" not in elsewhere.headers
    pipeline.wait_for(upload.json()["key"])


def test_an_upload_has_no_more_rights_than_the_role_that_signed_it(pipeline: Pipeline, api: str, token: str) -> None:
    with without(pipeline, "ApiHandlerRoleArn", "api_handler", "SignUploads"):
        assert send(presign(api, token)).status_code == 403


def test_a_table_that_cannot_be_read_is_500_and_authorizes_nobody(pipeline: Pipeline, api: str) -> None:
    new = tokens.create(pipeline.session.tokens, "camera-east")
    with without(pipeline, "AuthorizeRoleArn", "authorize", "UpdateTokens"):
        assert error_of(request(api, new)) == (500, "InternalError", None)


class without:  # noqa: N801 - a context manager
    """Removes a statement from a role's policy until the block ends."""

    def __init__(self, pipeline: Pipeline, role_output: str, policy: str, sid: str) -> None:
        self._iam = pipeline.session.local_aws.client("iam")
        self._names = {"RoleName": pipeline.outputs[role_output].rpartition("/")[2], "PolicyName": policy}
        self._sid = sid

    def __enter__(self) -> None:
        self._document = self._iam.get_role_policy(**self._names)["PolicyDocument"]
        statements = [statement for statement in self._document["Statement"] if statement["Sid"] != self._sid]
        assert len(statements) == len(self._document["Statement"]) - 1
        self._put(self._document | {"Statement": statements})

    def __exit__(self, *_: object) -> None:
        self._put(self._document)

    def _put(self, document: dict[str, Any]) -> None:
        self._iam.put_role_policy(**self._names, PolicyDocument=json.dumps(document))


def messages_of(pipeline: Pipeline, group: str) -> list[str]:
    pages = pipeline.session.local_aws.client("logs").get_paginator("filter_log_events").paginate(logGroupName=group)
    return [event["message"] for page in pages for event in page["events"]]


def rejections(pipeline: Pipeline) -> list[str]:
    """The log lines of the authorizer on tokens that it rejected: a line for each."""
    messages = messages_of(pipeline, "/aws/lambda/labelwatch-authorize")
    return [message for message in messages if "token rejected" in message]


def test_each_function_writes_to_the_group_that_the_stack_keeps_for_it(
    pipeline: Pipeline, api: str, token: str
) -> None:
    assert [request(api, token).status_code, request(api, unknown_token(token)).status_code] == [201, 403]
    assert [message for message in messages_of(pipeline, "/aws/lambda/labelwatch") if "upload presigned" in message]
    assert rejections(pipeline)


def test_the_log_names_client_route_status_and_source_of_each_request(pipeline: Pipeline, api: str, token: str) -> None:
    assert [request(api, token).status_code, requests.get(f"{api}/p/{'a' * 32}", timeout=60).status_code] == [201, 404]
    lines = [
        json.loads(message) for message in messages_of(pipeline, "/aws/lambda/labelwatch") if '"request"' in message
    ]
    found = {(line.get("client"), line["method"], line["route"], line["status"]) for line in lines}
    assert {(CLIENT, "POST", "/uploads", 201), (None, "GET", "/p/{link_id}", 404)} <= found
    assert {line["source_ip"] for line in lines} == {"127.0.0.1"}


def test_no_token_is_in_any_log(pipeline: Pipeline, api: str, token: str) -> None:
    wrong = unknown_token(token)
    assert [request(api, token).status_code, request(api, wrong).status_code] == [201, 403]
    groups = pipeline.session.local_aws.client("logs").describe_log_groups()["logGroups"]
    messages = [message for group in groups for message in messages_of(pipeline, group["logGroupName"])]
    assert [message for message in messages if "upload presigned" in message]
    assert [message for message in messages if "token rejected" in message]
    secrets = [token.removeprefix("labelwatch_camera-north_"), wrong.removeprefix("labelwatch_camera-north_")]
    assert [len(secret) for secret in secrets] == [43, 43]
    assert not [message for message in messages for secret in secrets if secret in message]


def fuzz(pipeline: Pipeline, token: str, folder: Path, *options: str) -> str:
    """The output of schemathesis, which compares the API with its contract, and must find no difference."""
    command = [str(Path(sys.executable).with_name("schemathesis")), "run", str(PROJECT / "docs" / "openapi.yaml")]
    general = ["--url", pipeline.session.api, "-H", f"Authorization: Bearer {token}", "--generation-deterministic"]
    # API Gateway has no 405: a method that a path does not have is a 404 (docs/reference/rest-api.md).
    checks = ["--checks", "all", "--exclude-checks", "unsupported_method", "--continue-on-failure"]
    with limited(pipeline, "/p/{link_id}", 1000, 1000), limited(pipeline, "/p/{link_id}/image", 1000, 1000):
        done = subprocess.run(
            [*command, *general, *checks, *options],
            cwd=folder, capture_output=True, text=True, check=False, timeout=240,
        )  # fmt: skip
    assert done.returncode == 0, done.stdout[-6000:]
    assert "429" not in done.stdout
    return done.stdout


def test_the_deployed_api_keeps_its_contract(pipeline: Pipeline, token: str, tmp_path: Path) -> None:
    assert re.search(r"Tested: 5\b", fuzz(pipeline, token, tmp_path, "--max-examples", "60"))


def test_the_use_of_a_token_is_recorded(revoked: RevokedToken) -> None:
    assert revoked.used


def test_a_revoked_token_stops_within_a_minute(api: str, revoked: RevokedToken) -> None:
    while request(api, revoked.token).status_code != 403:
        assert time.monotonic() < revoked.since + 60
        time.sleep(0.2)

"""A web page of another origin attacks the local AWS, which would run its code as the user."""

from __future__ import annotations

import base64
import hashlib
import io
import json
import re
import zipfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any, NamedTuple
from urllib.parse import urlsplit

import pytest
import requests
from botocore.auth import S3SigV4QueryAuth, SigV4QueryAuth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials
from botocore.exceptions import ClientError
from playwright.sync_api import Browser, Page

from labelwatch.local.ministack import REGION, LocalAws
from labelwatch.local.server import serving
from labelwatch.local.session import INPUT_BUCKET
from labelwatch.uploads import tokens
from tests.e2e.test_uploads import presign
from tests.support.pipeline import ORIGIN, Pipeline, functions, picture, run_labelwatch

FUNCTIONS = "/2015-03-31/functions"
TRUST = {"Version": "2012-10-17", "Statement": {"Effect": "Allow", "Principal": "*", "Action": "sts:AssumeRole"}}
# The last is a presigned upload, which the function signs.
ATTACKS = ["CreateRole", "CreateFunction", "Invoke", "PutObject", "upload"]
# In the page: a request that a browser sends without a preflight, and one that it sends after a preflight.
SEND = """async ([method, url, body, headers, mode]) => {
    const options = {method, mode, headers: mode === "cors" ? {...headers, "X-Preflight": "yes"} : headers};
    if (body) options.body = Uint8Array.from(atob(body), c => c.charCodeAt(0));
    try { return (await fetch(url, options)).status } catch { return "blocked" }
}"""
UPLOAD = """async ([api, token, image]) => {
    const picture = new Blob([Uint8Array.from(atob(image), c => c.charCodeAt(0))]);
    const body = JSON.stringify({filename: "page.jpg", size: picture.size});
    const request = async token => {
        const headers = {"Authorization": `Bearer ${token}`, "Content-Type": "application/json"};
        return await (await fetch(`${api}/uploads`, {method: "POST", headers, body})).json();
    };
    const refused = await request("x"), upload = await request(token);
    const {url, method, headers} = upload;
    return [refused.error.code, (await fetch(url, {method, headers, body: picture})).ok, upload.key];
}"""


class Attack(NamedTuple):
    """A request with a valid signature, and whether it has had its effect."""

    method: str
    url: str
    body: bytes
    headers: dict[str, str]
    happened: Callable[[], bool]

    def send(self, **headers: str) -> requests.Response:
        return requests.request(self.method, self.url, data=self.body, headers=self.headers | headers, timeout=60)


@pytest.fixture(scope="module")
def local_aws(running: Pipeline) -> LocalAws:
    return running.session.local_aws


@pytest.fixture
def attacks(running: Pipeline, local_aws: LocalAws, request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Any]:
    """A function that makes the attack of a name."""
    name = f"attack-{abs(hash(request.node.name)):x}"
    evidence = tmp_path / "ran"

    def attack(kind: str, credentials: Credentials | None = None) -> Attack:
        sign = Signer(local_aws, credentials or Credentials(local_aws.access_key, local_aws.secret_key))
        match kind:
            case "CreateRole":
                parameters = {"Action": kind, "RoleName": name, "AssumeRolePolicyDocument": json.dumps(TRUST)}
                url = sign("iam", "POST", "/", parameters | {"Version": "2010-05-08"})
                return Attack("POST", url, b"", {}, exists(local_aws, "iam", "get_role", RoleName=name))
            case "CreateFunction":
                body = json.dumps(function(running, name, evidence)).encode()
                url = sign("lambda", "POST", FUNCTIONS, body=body)
                happened = exists(local_aws, "lambda", "get_function", FunctionName=name)
                return Attack("POST", url, body, {}, happened)
            case "Invoke":
                if not exists(local_aws, "lambda", "get_function", FunctionName=name)():
                    given = function(running, name, evidence)
                    given["Code"] = {"ZipFile": base64.b64decode(given["Code"]["ZipFile"])}
                    local_aws.client("lambda").create_function(**given)
                url = sign("lambda", "POST", f"{FUNCTIONS}/{name}/invocations", body=b"{}")
                return Attack("POST", url, b"{}", {}, evidence.exists)
            case "PutObject":
                url = sign("s3", "PUT", f"/{INPUT_BUCKET}/{name}/", body=b"")
                return Attack("PUT", url, b"", {}, exists(local_aws, "s3", "head_object", **of_bucket(f"{name}/")))
            case _:
                token = tokens.create(running.session.tokens, name)
                upload = presign(running.session.api, token, filename="leaf.jpg", size=len(picture()))
                happened = exists(local_aws, "s3", "head_object", **of_bucket(upload["key"]))
                return Attack(upload["method"], upload["url"], picture(), upload["headers"], happened)

    yield attack
    if exists(local_aws, "lambda", "get_function", FunctionName=name)():
        local_aws.client("lambda").delete_function(FunctionName=name)
    if exists(local_aws, "iam", "get_role", RoleName=name)():
        local_aws.client("iam").delete_role(RoleName=name)


class Signer(NamedTuple):
    """Presigns requests: a page can send these without a header of its own."""

    local_aws: LocalAws
    credentials: Credentials

    def __call__(
        self, service: str, method: str, path: str, parameters: dict[str, str] | None = None, body: bytes = b""
    ) -> str:
        request = AWSRequest(method, f"{self.local_aws.endpoint}{path}", params=parameters or {})
        request.context["body"] = body
        signer = S3SigV4QueryAuth if service == "s3" else QueryAuth
        signer(self.credentials, service, REGION, expires=300).add_auth(request)
        return str(request.prepare().url)


class QueryAuth(SigV4QueryAuth):
    """Signs the body too, where botocore would move it into the query."""

    def payload(self, request: AWSRequest) -> str:
        return hashlib.sha256(request.context["body"]).hexdigest()


def of_bucket(key: str) -> dict[str, str]:
    return {"Bucket": INPUT_BUCKET, "Key": key}


def exists(local_aws: LocalAws, service: str, operation: str, **of: str) -> Callable[[], bool]:
    def found() -> bool:
        try:
            getattr(local_aws.client(service), operation)(**of)
        except ClientError as problem:
            if problem.response["ResponseMetadata"]["HTTPStatusCode"] == 404:
                return False
            raise
        return True

    return found


def function(running: Pipeline, name: str, evidence: Path) -> dict[str, Any]:
    """A function that leaves a file behind, under a role of the stack."""
    code = io.BytesIO()
    with zipfile.ZipFile(code, "w") as archive:
        archive.writestr("app.py", f"def run(*_):\n    open({str(evidence)!r}, 'w').close()\n")
    client = running.session.local_aws.client("lambda")
    role = client.get_function_configuration(FunctionName=functions(running.session)["Detect"])["Role"]
    zipped = base64.b64encode(code.getvalue()).decode()
    return {
        "FunctionName": name, "Role": role, "Runtime": "python3.12", "Handler": "app.run", "Code": {"ZipFile": zipped},
    }  # fmt: skip


@contextmanager
def page_of_an_attacker(browser: Browser) -> Iterator[Page]:
    """A page of another server on loopback, whose requests no browser holds back."""

    class Attacker(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(200)
            self.send_header("Content-Type", "text/html")
            self.end_headers()
            self.wfile.write(b"<title>Leaves</title>")

        def log_message(self, *_: object) -> None:
            pass

    with serving(ThreadingHTTPServer(("127.0.0.1", 0), Attacker)) as address:
        page = browser.new_page()
        page.goto(f"http://{address}/")
        yield page
        page.close()


@pytest.mark.parametrize("mode", ["no-cors", "cors"])
@pytest.mark.parametrize("kind", ATTACKS)
def test_a_page_of_another_origin_changes_nothing_even_with_a_valid_signature(
    attacks: Callable[[str], Attack], browser: Browser, kind: str, mode: str
) -> None:
    attack = attacks(kind)
    with page_of_an_attacker(browser) as page:
        page.evaluate(SEND, [attack.method, attack.url, base64.b64encode(attack.body).decode(), attack.headers, mode])
    assert not attack.happened()
    assert attack.send().ok
    assert attack.happened()


HEADERS = {
    "a name that rebinds to loopback": {"Host": "attacker.example"},
    "another origin": {"Origin": "http://attacker.example"},
    "a sandbox": {"Origin": "null"},
    "a script of another site": {"Sec-Fetch-Site": "cross-site"},
}


@pytest.mark.parametrize("headers", HEADERS.values(), ids=HEADERS)
@pytest.mark.parametrize("kind", ATTACKS)
def test_a_request_with_the_headers_of_a_foreign_page_is_refused(
    attacks: Callable[[str], Attack], kind: str, headers: dict[str, str]
) -> None:
    attack = attacks(kind)
    assert attack.send(**headers).status_code == 403
    assert not attack.happened()


@pytest.mark.parametrize("key", ["test", "000000000000", "root's", ""])
@pytest.mark.parametrize("kind", ATTACKS[:4])
def test_a_request_with_an_unknown_key_or_a_forged_signature_is_refused(
    attacks: Callable[[str, Credentials], Attack], local_aws: LocalAws, kind: str, key: str
) -> None:
    known = local_aws.access_key if key == "root's" else key
    attack = attacks(kind, Credentials(known, "test"))
    assert 400 <= attack.send().status_code < 500
    assert not attack.happened()


@pytest.mark.parametrize("authorization", [None, "Bearer x", "Basic dGVzdDp0ZXN0", "AWS test:c2lnbmF0dXJl"])
@pytest.mark.parametrize("kind", ATTACKS[:4])
def test_a_request_without_a_signature_changes_nothing(
    attacks: Callable[[str], Attack], kind: str, authorization: str | None
) -> None:
    attack = attacks(kind)
    query = "&".join(part for part in urlsplit(attack.url).query.split("&") if not part.startswith("X-Amz-"))
    unsigned = attack._replace(url=f"{attack.url.partition('?')[0]}?{query}")
    assert unsigned.send(**({"Authorization": authorization} if authorization else {})).status_code == 403
    assert not attack.happened()


def test_a_presigned_upload_with_a_forged_signature_stores_nothing(attacks: Callable[[str], Attack]) -> None:
    attack = attacks("upload")
    forged = attack._replace(url=re.sub(r"X-Amz-Signature=[0-9a-f]{64}", f"X-Amz-Signature={'0' * 64}", attack.url))
    assert forged.url != attack.url
    assert forged.send().status_code == 403
    assert not attack.happened()


def test_the_functions_do_not_get_the_keys_of_root(running: Pipeline, local_aws: LocalAws, tmp_path: Path) -> None:
    given = function(running, "prints-its-environment", tmp_path)
    code = io.BytesIO()
    with zipfile.ZipFile(code, "w") as archive:
        archive.writestr("app.py", "import os\ndef run(*_):\n    return dict(os.environ)\n")
    client = local_aws.client("lambda")
    client.create_function(**given | {"Code": {"ZipFile": code.getvalue()}})
    environment = json.load(client.invoke(FunctionName=given["FunctionName"])["Payload"])
    client.delete_function(FunctionName=given["FunctionName"])
    assert environment["AWS_ACCESS_KEY_ID"].startswith("ASIA")
    assert not {local_aws.access_key, local_aws.secret_key} & set(environment.values())


def test_the_page_that_may_upload_uploads_and_reads_errors_in_a_browser(pipeline: Pipeline, browser: Browser) -> None:
    token = tokens.create(pipeline.session.tokens, "web-page")
    page = browser.new_page(permissions=["local-network-access"])  # which a person is asked for
    page.route(f"{ORIGIN}/**", lambda route: route.fulfill(body="<title>Leaves</title>", content_type="text/html"))
    page.goto(f"{ORIGIN}/")
    error, stored, key = page.evaluate(UPLOAD, [pipeline.session.api, token, base64.b64encode(picture()).decode()])
    page.close()
    assert error == "MissingOrMalformedToken"
    assert stored
    pipeline.wait_for(key)


def test_a_link_of_a_foreign_page_opens_the_api(running: Pipeline, browser: Browser) -> None:
    with page_of_an_attacker(browser) as page:
        page.set_content(f'<a href="{running.session.api}/health">health</a>')
        with page.expect_navigation() as navigation:
            page.click("a")
        assert navigation.value
        assert navigation.value.status == 200


@pytest.mark.parametrize("words", ["tokens list", "doctor"])
def test_after_a_new_run_a_command_with_old_keys_says_what_to_do(running: Pipeline, words: str) -> None:
    refused = run_labelwatch(running.session, *words.split(), AWS_ACCESS_KEY_ID="LOCAL0123456789ABCDEF")
    assert refused.returncode == 1
    assert "make up" in refused.stderr + refused.stdout


def test_a_new_run_has_new_keys(local_aws: LocalAws) -> None:
    another = LocalAws(local_aws.endpoint, local_aws.log)
    assert another.access_key != local_aws.access_key
    assert another.secret_key != local_aws.secret_key

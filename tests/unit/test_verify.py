"""`labelwatch verify`: each check fails for its own reason, and nothing is left behind, wherever the run ends."""

import json
import signal
from collections.abc import Callable, Iterator, Mapping
from contextlib import suppress
from functools import partial
from pathlib import Path
from typing import Any

import pytest
import requests
from botocore.exceptions import ClientError

from chalicelib.domain import rows
from chalicelib.domain.images import MAX_IMAGE_BYTES, ImageReference
from chalicelib.domain.predictions import Label, Prediction
from chalicelib.domain.tokens import credential_of
from labelwatch.dead_letters import DeadLetter, DeadLetterQueue
from labelwatch.shared.errors import UserError
from labelwatch.shared.findings import Finding, Result, as_json, as_line
from labelwatch.shared.image_limit import ImagesToday
from labelwatch.verify import CHECKS, CLIENT, Run, read_picture, verify
from labelwatch.verify.alert_queue import AlertQueue, ReceivedAlert
from labelwatch.verify.deployment import NO_MODEL, PREFIX, Deployment, Expected
from tests.support.builders import ENVIRONMENT, MODEL, NOW, image, notification, rules, s3_record
from tests.support.fake_account import client_error

API = "https://api.example.com/api"
S3 = f"https://images.s3.example.com/{PREFIX}2026-11-22/{'a' * 16}-leaf.jpg?signed"
HEADERS = {"Content-Type": "image/jpeg", "If-None-Match": "*"}
LINK_ID = "a" * 32
TOKEN = f"labelwatch_{CLIENT}_{'x' * 43}"
OUTPUTS = {
    "CustomModelARN": MODEL,
    "InputBucket": "images",
    "OutputBucket": "predictions",
    "LabelsofInterest": ENVIRONMENT["LabelsofInterest"],
    "PictureLinks": "yes",
    "RestAPIId": "a1b2c3",
}


def key_in(url: str) -> str:
    return url.partition(".com/")[2].partition("?")[0]


class FakeDeployment(Deployment):
    """A deployment in memory; `broken` names what does not work, and `interrupted_call` the call that gets Ctrl-C."""

    def __init__(self, *broken: str, labels: tuple[Label, ...] = (Label("leaf-smut", 97),), **outputs: str) -> None:
        self.name, self.api, self.outputs = "labelwatch", API, OUTPUTS | outputs
        self.http: Any = FakeHttp(self)
        self.broken = set(broken)
        self.labels = labels
        self.status = "RUNNING"
        self.today = ImagesToday(0, 0, limit_reached=False)
        self.token: str | None = None
        self.stored: dict[str, ImageReference] = {}
        self.stored_rows: dict[str, list[rows.Row]] = {}
        self.records: set[str] = set()
        self.links: set[str] = set()
        self.presigned: list[str] = []
        self.dead_letters: list[DeadLetter] = []
        self.queue: FakeAlertQueue | None = None
        self.alerts: list[ReceivedAlert] = []
        self.work: list[Callable[[], None]] = []
        self.seconds = 0.0
        self.calls = 0
        self.interrupted_call: int | None = None

    def pause(self, seconds: float) -> None:
        """Time passes, in which S3 and the functions do their work."""
        self.seconds += seconds
        while self.work:
            self.work.pop(0)()

    def left_over(self) -> list[object]:
        self.pause(600)
        queues = [self.queue] if self.queue and self.queue.exists else []
        parts = (self.stored, self.stored_rows, self.records, self.links, self.dead_letters, queues, self.token)
        return [part for part in (*parts, self.presigned) if part]

    def count(self) -> None:
        self.calls += 1
        if self.calls == self.interrupted_call:
            signal.raise_signal(signal.SIGINT)

    def create_token(self) -> str:
        if self.token:
            raise UserError("has a token")
        self.count()
        self.token = TOKEN
        self.count()
        return TOKEN

    def revoke_token(self) -> None:
        self.count()
        if "revocation" not in self.broken:
            self.token = "revoked"

    def delete_token(self) -> None:
        self.count()
        if "right to delete tokens" in self.broken:
            raise client_error("AccessDeniedException")
        self.token = None

    def delete_upload_records(self) -> None:
        self.count()
        self.presigned.clear()

    def images(self) -> list[ImageReference]:
        self.count()
        return list(self.stored.values())

    def delete_image(self, image: ImageReference) -> None:
        self.count()
        del self.stored[image.key]

    def model_status(self) -> str:
        self.count()
        return self.status

    def images_today(self) -> ImagesToday:
        self.count()
        return self.today

    def store(self, key: str) -> None:
        """Stores an image, as S3 does, which notifies detect."""
        self.stored[key] = image(key)
        self.work.append(lambda: self._detect(self.stored.get(key), key))

    def _detect(self, reference: ImageReference | None, key: str) -> None:
        if "detect" in self.broken:
            return
        if "image" in self.broken or not reference:
            queue = DeadLetterQueue("images", "url", "source")
            attributes = {"reason": "ImageNotFound", "detail": "The object does not exist", "disposition": "reject"}
            body = notification(s3_record(key))
            self.dead_letters.append(
                DeadLetter(queue=queue, id="1", body=body, attributes=attributes, system_attributes={})
            )
            return
        self._notify(Prediction(image=reference, model=MODEL, min_confidence=80, labels=self.labels, detected_at=NOW))

    def send(self, prediction: Prediction) -> None:
        self.work.append(lambda: self._notify(prediction))
        self.count()

    def _notify(self, prediction: Prediction) -> None:
        if "notify" in self.broken:
            return
        of = rules(("leaf-smut", 90.0), ("bacterial-leaf-blight", None))
        row_key = rows.row_key(prediction)
        self.stored_rows[row_key] = rows.rows_of(prediction, of)
        if not of.labels_to_alert(prediction) or "topic" in self.broken:
            return
        link = "" if "links" in self.broken else f"{API}/p/{LINK_ID}"
        if link:
            self.links.add(row_key)
        long = "x" * 999 if "lines" in self.broken else ""
        self.records.add(prediction.id)
        if "subscription" not in self.broken:
            self.alerts.append(ReceivedAlert("A subject", f"A text\n{long}\n{link}\n", frozenset({row_key})))

    def rows_of(self, expected: Expected) -> list[rows.Row]:
        self.count()
        return self.stored_rows.get(expected.row_key, [])

    def is_alerted(self, expected: Expected) -> bool:
        self.count()
        return expected.id in self.records

    def subscribe(self) -> AlertQueue:
        self.queue = FakeAlertQueue(self)
        return self.queue

    def delete_prediction(self, row_key: str) -> None:
        self.count()
        self.stored_rows.pop(row_key, None)
        self.records.discard(Path(row_key).stem)

    def delete_links(self) -> None:
        self.count()
        self.links.clear()

    def remove_dead_letters(self) -> list[DeadLetter]:
        self.count()
        found, self.dead_letters = self.dead_letters, []
        self.count()
        return found


class FakeAlertQueue(AlertQueue):
    def __init__(self, deployment: FakeDeployment) -> None:
        self.exists = False
        self._deployment = deployment

    def create(self) -> None:
        self._deployment.count()
        self.exists = True
        if "right to subscribe" in self._deployment.broken:
            raise client_error("AuthorizationError")

    def receive(self) -> list[ReceivedAlert]:
        self._deployment.count()
        alerts, self._deployment.alerts = self._deployment.alerts, []
        return [ReceivedAlert("Of others", "x" * 2000, frozenset({"other"})), *alerts]

    def delete(self) -> None:
        self._deployment.count()
        self.exists = False


class FakeHttp:
    """The API and S3, as the deployment answers them."""

    def __init__(self, deployment: FakeDeployment) -> None:
        self._deployment = deployment

    def post(self, url: str, timeout: float, **request: Any) -> requests.Response:
        assert timeout
        self._deployment.count()
        if "network" in self._deployment.broken:
            raise requests.ConnectTimeout(url)
        answer = self._presign(request["headers"].get("Authorization"), request["json"])
        self._deployment.count()
        return answer

    def put(self, url: str, timeout: float, data: bytes, headers: Mapping[str, str | None]) -> requests.Response:
        assert timeout
        try:
            self._deployment.count()
        except KeyboardInterrupt:  # S3 may have the whole upload, and store it later
            self._deployment.work.append(partial(self._upload_unheard, url, data, headers))
            raise
        answer = answer_of(self._upload(url, data, headers))
        self._deployment.count()
        return answer

    def get(self, url: str, timeout: float, headers: Mapping[str, str] | None = None) -> requests.Response:
        assert timeout
        self._deployment.count()
        path = url.removeprefix(API)
        if path.startswith(f"/p/{LINK_ID}"):
            return self._page(path)
        broken = self._deployment.broken
        if path.startswith("/p/"):
            return answer_of(200 if "unknown link" in broken else 404)
        repeated = str(headers).encode() if "gateway responses" in broken else b"{}"
        answer = answer_of(200 if "path" in broken else 404, repeated)
        answer.headers.update((headers or {}) if "headers" in broken else {})
        return answer

    def _page(self, path: str) -> requests.Response:
        broken = self._deployment.broken
        if not path.endswith("/image"):
            return answer_of(500 if "page" in broken else 200)
        content = b"other" if "picture" in broken else read_picture(None).content
        return answer_of(403 if "role" in broken else 200, content)

    def _presign(self, header: str | None, body: dict[str, Any]) -> requests.Response:
        is_chalice, broken = self._deployment.is_chalice, self._deployment.broken
        if not header:
            return answer_of(201 if "no token" in broken else 401)
        if not credential_of(header):
            return answer_of(200 if "malformed token" in broken else 403 if is_chalice else 401)
        if header != f"Bearer {self._deployment.token}":
            return answer_of(201 if "wrong token" in broken and header != f"Bearer {TOKEN}" else 403)
        if "api" in broken:
            return answer_of(500)
        assert body["size"] == len(read_picture(None).content)
        key = key_in(S3)
        self._deployment.presigned.append(key)
        return answer_of(201, {"url": S3, "method": "PUT", "headers": dict(HEADERS), "key": key})

    def _upload_unheard(self, url: str, content: bytes, headers: Mapping[str, str | None]) -> None:
        with suppress(requests.ConnectionError):
            self._upload(url, content, headers)

    def _upload(self, url: str, content: bytes, headers: Mapping[str, str | None]) -> int:
        key = key_in(url)
        changed = {
            "another key": url != S3,
            "another type": headers["Content-Type"] != "image/jpeg",
            "another header": bool(set(headers) - set(HEADERS)),
            "another size": len(content) != len(read_picture(None).content),
            "no condition": headers["If-None-Match"] is None,
            "second upload": key in self._deployment.stored,
        }
        if "late refusal" in self._deployment.broken and changed["another key"]:
            self._deployment.store(key)
        if "s3" in self._deployment.broken and changed["another type"]:
            return 500
        if any(is_changed and name not in self._deployment.broken for name, is_changed in changed.items()):
            if changed["another size"]:
                raise requests.ConnectionError
            return 403
        if "bucket" in self._deployment.broken:
            return 403
        self._deployment.store(key)
        return 200


def answer_of(status: int, content: bytes | dict[str, Any] = b"") -> requests.Response:
    answer = requests.Response()
    answer.status_code = status
    answer._content = content if isinstance(content, bytes) else json.dumps(content).encode()
    return answer


def run_of(deployment: FakeDeployment, expected_label: str | None = None) -> Run:
    picture = read_picture(None)
    return Run(deployment, picture, expected_label, 2, pause=deployment.pause, clock=lambda: deployment.seconds)


def findings_of(deployment: FakeDeployment, expected_label: str | None = None) -> dict[str, Finding]:
    found: list[Finding] = []
    assert verify(run_of(deployment, expected_label), CHECKS, found.append) == found
    return {finding.check: finding for finding in found}


def failed(findings: Mapping[str, Finding]) -> set[str]:
    return {name for name, finding in findings.items() if finding.result is Result.FAIL}


def test_all_checks_of_a_deployment_that_works_pass_and_nothing_is_left() -> None:
    deployment = FakeDeployment()
    findings = findings_of(deployment, "leaf-smut")
    assert {finding.result for finding in findings.values()} == {Result.PASS}
    assert set(findings) == {*CHECKS, "Removal"} - {"Test prediction"}
    assert deployment.left_over() == []


FAILURES = {
    "no token": "API without a token",
    "malformed token": "API with a malformed token",
    "wrong token": "API with a wrong token",
    "gateway responses": "API with an unknown path",
    "headers": "API with an unknown path",
    "path": "API with an unknown path",
    "unknown link": "API with an unknown link",
    "api": "API with a valid token",
    "another key": "Upload with another key",
    "late refusal": "Upload with another key",
    "another type": "Upload with another type",
    "s3": "Upload with another type",
    "another header": "Upload with another header",
    "another size": "Upload of another size",
    "no condition": "Upload without a condition",
    "second upload": "Second upload",
    "bucket": "Upload",
    "topic": "Alert published",
    "subscription": "Alert received",
    "lines": "Lines of the alert",
    "links": "Link of the alert",
    "page": "Link of the alert",
    "picture": "Picture of the alert",
    "role": "Picture of the alert",
    "revocation": "API with a revoked token",
}


@pytest.mark.parametrize(("broken", "check"), FAILURES.items())
def test_what_is_broken_fails_its_own_check_with_the_next_step_and_nothing_is_left(broken: str, check: str) -> None:
    deployment = FakeDeployment(broken)
    findings = findings_of(deployment)
    # An alert that is not published may still be: the image is kept, and the removal says so.
    assert failed(findings) == {check} | ({"Removal"} if broken == "topic" else set())
    assert findings[check].action
    assert deployment.left_over() == [] or broken == "topic"


def test_an_image_that_is_a_dead_letter_fails_with_the_reason_and_is_removed() -> None:
    deployment = FakeDeployment("image")
    findings = findings_of(deployment)
    assert failed(findings) == {"Detection", "Dead letters"}
    assert "ImageNotFound" in findings["Dead letters"].found
    assert deployment.left_over() == []


def test_an_image_that_is_not_analysed_is_kept_and_named_and_the_next_run_removes_it() -> None:
    deployment = FakeDeployment("detect")
    findings = findings_of(deployment)
    assert failed(findings) == {"Detection", "Removal"}
    (kept,) = deployment.stored
    assert kept in findings["Removal"].found
    deployment.broken.clear()
    deployment.store(kept)  # as detect, which works once more
    assert failed(findings_of(deployment)) == set()
    assert deployment.left_over() == []


def test_a_label_that_is_not_detected_fails() -> None:
    assert failed(findings_of(FakeDeployment(), "rust")) == {"Expected label"}


def test_with_chalice_a_malformed_token_is_403_and_a_repeated_header_is_a_warning() -> None:
    deployment = FakeDeployment("gateway responses")
    del deployment.outputs["RestAPIId"]
    findings = findings_of(deployment)
    assert failed(findings) == set()
    assert findings["API with an unknown path"].result is Result.WARN


@pytest.mark.parametrize("labels", [(), (Label("leaf-smut", 50),)], ids=["no label", "below the threshold"])
def test_where_the_image_is_worth_no_alert_a_test_prediction_of_the_image_is(labels: tuple[Label, ...]) -> None:
    deployment = FakeDeployment(labels=labels)
    findings = findings_of(deployment)
    assert {finding.result for finding in findings.values()} == {Result.PASS}
    assert "bacterial-leaf-blight" in findings["Test prediction"].found
    assert "Picture of the alert" in findings
    assert deployment.left_over() == []


def test_while_the_model_is_stopped_nothing_is_uploaded_and_a_test_prediction_takes_the_rest_of_the_way() -> None:
    deployment = FakeDeployment()
    deployment.status = "STOPPED"
    findings = findings_of(deployment, "leaf-smut")
    assert failed(findings) == set()
    warnings = {name for name, finding in findings.items() if finding.result is Result.WARN}
    assert warnings == {"Model", "Expected label"}
    assert findings["Link of the alert"].result is Result.PASS
    assert not {"Upload", "Second upload", "Detection", "Picture of the alert"} & set(findings)
    assert deployment.left_over() == []


def test_at_the_limit_of_images_nothing_is_uploaded_which_would_wait_until_the_next_day() -> None:
    deployment = FakeDeployment()
    deployment.today = ImagesToday(500, 500, limit_reached=True)
    findings = findings_of(deployment)
    assert failed(findings) == set()
    assert (findings["Model"].result, "500 of 500" in findings["Model"].found) == (Result.WARN, True)
    assert "Upload" not in findings
    assert deployment.left_over() == []


def test_a_test_prediction_without_rows_fails_and_is_named() -> None:
    deployment = FakeDeployment("notify")
    deployment.status = "STOPPED"
    findings = findings_of(deployment)
    assert failed(findings) == {"Test prediction", "Removal"}
    assert PREFIX in findings["Removal"].found


def test_without_picture_links_the_link_is_a_warning() -> None:
    findings = findings_of(FakeDeployment("links", PictureLinks="no"))
    assert failed(findings) == set()
    assert findings["Link of the alert"].result is Result.WARN


@pytest.mark.parametrize(
    ("broken", "check", "word"),
    [
        ("right to subscribe", "Subscription", "permission"),
        ("right to delete tokens", "Removal", "token"),
        ("network", "API without a token", "--api-url"),
    ],
)
def test_a_refusal_or_a_lost_connection_is_a_failure_and_not_the_end(broken: str, check: str, word: str) -> None:
    finding = findings_of(FakeDeployment(broken))[check]
    assert finding.result is Result.FAIL
    assert word in f"{finding.found} {finding.action}"


def test_a_second_run_at_the_same_time_is_refused_and_removes_nothing_of_the_first() -> None:
    deployment = FakeDeployment()
    deployment.create_token()
    deployment.store(f"{PREFIX}first.jpg")
    before = deployment.left_over()
    with pytest.raises(UserError):
        findings_of(deployment)
    assert deployment.left_over() == before


def test_the_rows_that_a_killed_run_has_left_with_its_image_are_removed_by_the_next_run() -> None:
    deployment = FakeDeployment()
    deployment.store(f"{PREFIX}2026-11-22/{'b' * 16}-this-is-a-test.jpg")
    (left,) = deployment.stored.values()
    deployment.stored_rows[Expected(left, NO_MODEL).row_key] = []
    findings_of(deployment)
    assert deployment.left_over() == []


def deployments() -> Iterator[FakeDeployment]:
    """The way with an alert of the image, those with a test prediction and without the model, and a dead letter."""
    yield FakeDeployment()
    yield FakeDeployment(labels=())
    stopped = FakeDeployment()
    stopped.status = "STOPPED"
    yield stopped
    yield FakeDeployment("image")


@pytest.mark.parametrize("way", range(4))
def test_ctrl_c_at_any_call_leaves_nothing(way: int) -> None:
    complete = list(deployments())[way]
    failed_without_interruption = failed(findings_of(complete))
    assert complete.calls > 30
    for call in range(1, complete.calls + 1):
        deployment = list(deployments())[way]
        deployment.interrupted_call = call
        found: list[Finding] = []
        with suppress(KeyboardInterrupt):
            verify(run_of(deployment), CHECKS, found.append)
        assert deployment.left_over() == [], call
        assert failed({finding.check: finding for finding in found}) == failed_without_interruption & {
            finding.check for finding in found
        }


@pytest.mark.parametrize("check", [*CHECKS])
def test_an_unexpected_error_in_any_check_leaves_nothing(check: str) -> None:
    def fail(_: Run) -> str:
        raise ZeroDivisionError

    deployment = FakeDeployment()
    found: list[Finding] = []
    with suppress(ZeroDivisionError):
        verify(run_of(deployment), {**CHECKS, check: fail}, found.append)
    assert found[-1].check == "Removal"
    assert deployment.left_over() == []


def test_a_finding_is_one_line_and_one_object() -> None:
    finding = Finding(check="Upload", result=Result.FAIL, found="403.", action="Check.", seconds=0.5)
    assert as_line(finding) == "fail  Upload: 403. (0.5 s) Check."
    report = json.loads(as_json([finding], version="1"))
    assert (report["version"], report["findings"][0]["result"]) == ("1", "fail")


def test_a_finding_stays_on_its_line() -> None:
    finding = Finding(check="Detection", result=Result.FAIL, found="a\x1b[2J\npass  Upload: 204.")
    assert as_line(finding) == "fail  Detection: a\\x1b[2J\\npass  Upload: 204."


@pytest.mark.parametrize(("name", "content"), [("leaf.gif", b"x"), ("leaf.jpg", b""), ("leaf.png", None)])
def test_what_is_no_image_to_upload_is_refused(tmp_path: Path, name: str, content: bytes | None) -> None:
    file = tmp_path / name
    file.write_bytes(bytes(MAX_IMAGE_BYTES + 1) if content is None else content)
    with pytest.raises(UserError, match="--image"):
        read_picture(file)


def test_the_client_error_of_a_check_names_the_code() -> None:
    def deny(_: Run) -> str:
        raise ClientError({"Error": {"Code": "Throttling", "Message": "slow"}}, "Get")

    found: list[Finding] = []
    verify(run_of(FakeDeployment()), {"Denied": deny}, found.append)
    assert "Throttling" in found[0].found

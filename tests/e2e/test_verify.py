"""`labelwatch verify` on the local AWS: all checks pass, each fails for its own reason, and nothing is left behind."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path
from typing import Any
from unittest import mock

import pytest

from labelwatch import verify as verification
from labelwatch.shared.account import Account
from labelwatch.shared.findings import Finding, Result
from tests.e2e.test_pictures import everything_in
from tests.e2e.test_uploads import without
from tests.support.command import invoke_labelwatch
from tests.support.pipeline import (
    Pipeline,
    functions,
    picture,
    run_manage_model,
    set_environment,
    set_mapping,
    user_environment,
)

# It waits half a minute, for an answer that API Gateway caches.
SLOW = "API with a revoked token"
type Report = Callable[[Finding], None]


@pytest.fixture(scope="module")
def leaf(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An image with a label of interest."""
    file = tmp_path_factory.mktemp("leaf") / "leaf.jpg"
    file.write_bytes(picture("leaf-smut"))
    return file


@pytest.fixture
def before(pipeline: Pipeline) -> dict[str, Any]:
    return account_of(pipeline)


def account_of(pipeline: Pipeline) -> dict[str, Any]:
    """Items, object versions, queues with their messages, and subscriptions."""
    pipeline.wait_until_empty()
    sqs, sns = (pipeline.session.local_aws.client(name) for name in ("sqs", "sns"))
    items, versions = everything_in(pipeline)
    return {
        "items": items,
        "versions": versions,
        "queues": sorted(sqs.list_queues()["QueueUrls"]),
        "dead letters": [pipeline.depth(f"{name}DeadLettersUrl") for name in ("Images", "Predictions")],
        "subscriptions": sorted(each["SubscriptionArn"] for each in sns.list_subscriptions()["Subscriptions"]),
    }


def results_of(
    pipeline: Pipeline, image: Path | None, report: Report = lambda _: None, wait_seconds: float = 30
) -> dict[str, Result]:
    """The results of all checks but the slow one."""
    with mock.patch.dict(os.environ, user_environment(pipeline.session)):
        deployment = verification.from_stack(Account(), "labelwatch", pipeline.session.api)
        run = verification.Run(deployment, verification.read_picture(image), wait_seconds=wait_seconds)
        checks = {name: check for name, check in verification.CHECKS.items() if name != SLOW}
        return {finding.check: finding.result for finding in verification.verify(run, checks, report)}


def failed(results: dict[str, Result]) -> set[str]:
    return {check for check, result in results.items() if result is Result.FAIL}


def words(leaf: Path) -> list[str]:
    return ["verify", "--yes", "--image", str(leaf)]


def test_a_token_is_sent_to_no_plain_http_address(pipeline: Pipeline) -> None:
    done = invoke_labelwatch(pipeline.session, "verify", "--yes", "--api-url", "http://api.example.com/api")
    assert done.returncode == 1
    assert "--api-url" in done.stderr


def test_all_checks_pass_and_the_account_is_as_before(pipeline: Pipeline, leaf: Path, before: dict[str, Any]) -> None:
    done = invoke_labelwatch(pipeline.session, *words(leaf), "--expect", "leaf-smut", "--format", "json")
    assert done.returncode == 0, done.stderr
    report = json.loads(done.stdout)
    assert {finding["result"] for finding in report["findings"]} == {"pass"}
    assert {finding["check"] for finding in report["findings"]} == {*verification.CHECKS, "Removal"} - {
        "Test prediction"
    }
    assert (report["deployment"], report["model"]) == ("CloudFormation", "custom")
    assert account_of(pipeline) == before
    subjects = [mail.subject for mail in pipeline.session.mailbox.mails]
    assert [subject for subject in subjects if verification.CLIENT in subject] == [
        f"leaf-smut 97 % in {verification.CLIENT}"
    ]


def test_without_an_image_a_test_prediction_takes_the_way_behind_the_model(
    pipeline: Pipeline, before: dict[str, Any]
) -> None:
    results = results_of(pipeline, None)
    assert set(results.values()) == {Result.PASS}
    assert {"Upload", "Detection", "Test prediction", "Picture of the alert"} <= set(results)
    assert account_of(pipeline) == before


def test_a_stopped_model_is_not_started_and_no_image_waits_for_it(pipeline: Pipeline, leaf: Path) -> None:
    pipeline.local_model.status = "STOPPED"
    run_manage_model(pipeline.session)
    before = account_of(pipeline)
    results = results_of(pipeline, leaf)
    assert pipeline.local_model.status == "STOPPED"
    assert failed(results) == set()
    assert (results["Model"], results["Link of the alert"]) == (Result.WARN, Result.PASS)
    assert account_of(pipeline) == before


@contextmanager
def without_picture_links(pipeline: Pipeline) -> Iterator[None]:
    notify = functions(pipeline.session)["Notify"]
    set_environment(pipeline.session, notify, PICTURE_LINKS="no")
    yield
    set_environment(pipeline.session, notify, PICTURE_LINKS="yes")


@contextmanager
def without_polling(pipeline: Pipeline) -> Iterator[None]:
    detect = functions(pipeline.session)["Detect"]
    set_mapping(pipeline.session, detect, Enabled=False)
    yield
    set_mapping(pipeline.session, detect, Enabled=True)


def without_right(output: str, policy: str, sid: str) -> Callable[[Pipeline], AbstractContextManager[None]]:
    return lambda pipeline: without(pipeline, output, policy, sid)


FAILURES = {
    "Upload": without_right("ApiHandlerRoleArn", "api_handler", "SignUploads"),
    "Picture of the alert": without_right("ApiHandlerRoleArn", "api_handler", "SignPictures"),
    "Link of the alert": without_picture_links,
}


@pytest.mark.parametrize("check", FAILURES)
def test_what_is_broken_fails_its_own_check_and_nothing_is_left(
    pipeline: Pipeline, leaf: Path, before: dict[str, Any], check: str
) -> None:
    with FAILURES[check](pipeline):
        assert failed(results_of(pipeline, leaf)) == {check}
    assert account_of(pipeline) == before


def test_a_queue_to_which_the_topic_may_not_send_fails_as_not_received(
    pipeline: Pipeline, leaf: Path, before: dict[str, Any]
) -> None:
    sqs = pipeline.session.local_aws.client("sqs")

    def drop_policy(finding: Finding) -> None:
        if finding.check == "Subscription":
            (url,) = sqs.list_queues(QueueNamePrefix="labelwatch-verify-")["QueueUrls"]
            sqs.set_queue_attributes(QueueUrl=url, Attributes={"Policy": ""})

    assert failed(results_of(pipeline, leaf, drop_policy, wait_seconds=5)) == {"Alert received"}
    assert account_of(pipeline) == before


def test_an_image_that_becomes_a_dead_letter_fails_with_its_reason_and_is_removed(
    pipeline: Pipeline, tmp_path: Path, before: dict[str, Any]
) -> None:
    (tmp_path / "leaf.jpg").write_text("no image")
    found: dict[str, str] = {}
    results = results_of(
        pipeline, tmp_path / "leaf.jpg", lambda finding: found.update({finding.check: finding.found}), wait_seconds=4
    )
    assert failed(results) == {"Detection", "Dead letters"}
    assert "InvalidImageFormatException" in found["Dead letters"]
    assert account_of(pipeline) == before


@pytest.mark.parametrize("option", ["--stack=labelwatch", "--format=json"])
def test_without_a_person_who_agrees_nothing_is_created(
    pipeline: Pipeline, leaf: Path, before: dict[str, Any], option: str
) -> None:
    refused = invoke_labelwatch(pipeline.session, *[word for word in words(leaf) if word != "--yes"], option)
    assert refused.returncode == 1
    assert "--yes" in refused.stderr
    assert account_of(pipeline) == before


REPAIRED = {
    "Detection": without_polling,
    "Alert published": without_right("NotifyRoleArn", "notify", "PublishAlerts"),
}


@pytest.mark.parametrize("check", REPAIRED)
def test_what_the_functions_have_not_finished_is_named_and_the_next_run_removes_it(
    pipeline: Pipeline, leaf: Path, before: dict[str, Any], check: str
) -> None:
    with REPAIRED[check](pipeline):
        assert failed(results_of(pipeline, leaf, wait_seconds=3)) == {check, "Removal"}
    pipeline.wait_until_empty()
    assert failed(results_of(pipeline, leaf)) == set()
    assert account_of(pipeline) == before


@pytest.mark.parametrize(
    "check", [check for check in verification.CHECKS if check.startswith(("Upl", "Sub", "D", "Al"))]
)
def test_ctrl_c_after_a_check_leaves_the_account_as_before(
    pipeline: Pipeline, leaf: Path, before: dict[str, Any], check: str
) -> None:
    def interrupt(finding: Finding) -> None:
        if finding.check == check:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        results_of(pipeline, leaf, interrupt)
    assert account_of(pipeline) == before


def test_a_signal_while_the_command_waits_leaves_the_account_as_before(
    pipeline: Pipeline, leaf: Path, before: dict[str, Any]
) -> None:
    command = [sys.executable, "-u", "-m", "labelwatch", *words(leaf)]
    environment = user_environment(pipeline.session)
    with subprocess.Popen(command, env=environment, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout
        for line in process.stdout:
            if "Upload:" in line:
                process.send_signal(signal.SIGINT)
    assert process.returncode == 130
    assert account_of(pipeline) == before

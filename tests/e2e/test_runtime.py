"""The zip alone, under Lambda's own runtime client: nothing but the standard library and boto3 beside it."""

from __future__ import annotations

import json
import re
import subprocess
import zipfile
from collections.abc import Iterator
from importlib.metadata import packages_distributions
from pathlib import Path
from typing import Any

import pytest

from chalicelib import __version__
from labelwatch.deploy import Package
from labelwatch.shared.project import PROJECT
from tests.support import handler_environment, lambda_runtime
from tests.support.handler_environment import KEY, HandlerEnvironment, request
from tests.support.lambda_runtime import PYTHON, REQUIREMENTS, ExecutionEnvironment, RuntimeEnded

EXISTING_BUCKET = {"EXISTING_BUCKET_NAME": "images"}
REFUSED = "refused: "  # printed by read_only_disk.py for each write
HANDLERS = [
    "app.app",
    "app.authorize",
    "app.detect",
    "app.ingest",
    "app.manage_model",
    "app.notify",
    "app.check_subscriptions",
]
# Of the packages that are given by name, those that can be imported, each with the folder that it would come from.
FIND_FOLDERS = """
import importlib.util, json, pathlib, sys
specs = {name: importlib.util.find_spec(name) for name in sys.argv[1:]}
files = {name: spec.origin or spec.submodule_search_locations[0] for name, spec in specs.items() if spec}
print(json.dumps({
    name: str(pathlib.Path(file).parents[1 if specs[name].submodule_search_locations and specs[name].origin else 0])
    for name, file in files.items()
}))
"""


@pytest.fixture(scope="module")
def environment(tmp_path_factory: pytest.TempPathFactory, packaged: Package) -> ExecutionEnvironment:
    task = tmp_path_factory.mktemp("task")
    with zipfile.ZipFile(packaged.zip) as archive:
        archive.extractall(task)
    return ExecutionEnvironment(task, lambda_runtime.runtime(), tmp_path_factory.mktemp("scratch"))


@pytest.fixture(scope="module")
def aws(tmp_path_factory: pytest.TempPathFactory) -> Iterator[HandlerEnvironment]:
    with handler_environment.running(tmp_path_factory.mktemp("aws")) as running:
        yield running


def answer(
    environment: ExecutionEnvironment, aws: HandlerEnvironment, handler: str, event: object = None, **changes: str
) -> Any:
    """What a new process of this function returns, for its own event where none is given."""
    with lambda_runtime.started(handler, environment, aws.variables | changes) as started:
        return started.answer(event or aws.events()[handler])


def files_of(folder: Path) -> dict[Path, int]:
    """All files, and when each was written last."""
    return {file: file.stat().st_mtime_ns for file in folder.rglob("*")}


def pins(requirements: Path) -> dict[str, str]:
    return dict(re.findall(r"^([\w.-]+)==([^ ]+)", requirements.read_text(), re.MULTILINE))


def test_every_handler_of_the_template_is_tried_here(packaged: Package, aws: HandlerEnvironment) -> None:
    resources = json.loads(packaged.template.read_text())["Resources"].values()
    handlers = {
        resource["Properties"]["Handler"] for resource in resources if resource["Type"] == "AWS::Serverless::Function"
    }
    assert handlers | {"app.ingest"} == set(HANDLERS) == aws.events().keys()


def test_detect_sends_the_prediction_on(environment: ExecutionEnvironment, aws: HandlerEnvironment) -> None:
    assert answer(environment, aws, "app.detect") == {"batchItemFailures": []}
    (prediction,) = aws.received("PREDICTIONS_QUEUE")
    assert (prediction["image"]["key"], [label["name"] for label in prediction["labels"]]) == (KEY, ["leaf-smut"])


def test_notify_stores_the_row(environment: ExecutionEnvironment, aws: HandlerEnvironment) -> None:
    assert answer(environment, aws, "app.notify") == {"batchItemFailures": []}
    assert [row["label"] for row in aws.rows()] == ["leaf-smut"]


def test_authorize_allows_the_client_of_a_token_to_presign_an_upload(
    environment: ExecutionEnvironment, aws: HandlerEnvironment
) -> None:
    policy = answer(environment, aws, "app.authorize")
    (statement,) = policy["policyDocument"]["Statement"]
    assert policy["principalId"] == "camera-north"
    assert aws.events()["app.authorize"]["methodArn"] in statement["Resource"]


def test_the_api_gives_its_version(environment: ExecutionEnvironment, aws: HandlerEnvironment) -> None:
    health = answer(environment, aws, "app.app", request("GET", "/health"))
    assert (health["statusCode"], json.loads(health["body"])) == (200, {"version": __version__})


def test_the_api_presigns_an_upload(environment: ExecutionEnvironment, aws: HandlerEnvironment) -> None:
    presigned_upload = answer(environment, aws, "app.app")
    assert presigned_upload["statusCode"] == 201, presigned_upload
    assert json.loads(presigned_upload["body"])["key"].startswith("uploads/camera-north/")


def test_check_subscriptions_counts_the_two_topics_without_a_subscription(
    environment: ExecutionEnvironment, aws: HandlerEnvironment
) -> None:
    with lambda_runtime.started("app.check_subscriptions", environment, aws.variables) as started:
        assert started.answer(aws.events()["app.check_subscriptions"]) is None
        lines = [json.loads(line) for line in started.log.splitlines() if line.startswith("{")]
    assert [line["SubscriptionsInactive"] for line in lines if "SubscriptionsInactive" in line] == [[2.0]]


def test_ingest_sends_the_notification_of_an_existing_bucket_to_the_queue(
    environment: ExecutionEnvironment, aws: HandlerEnvironment
) -> None:
    answer(environment, aws, "app.ingest", **EXISTING_BUCKET)
    assert aws.received("IMAGES_QUEUE") == [aws.events()["app.ingest"]]


def test_without_an_existing_bucket_there_is_no_ingest(
    environment: ExecutionEnvironment, aws: HandlerEnvironment
) -> None:
    with lambda_runtime.started("app.ingest", environment, aws.variables) as started:
        report = started.next_report()
    assert (report.kind, report.content["errorType"]) == ("init error", "Runtime.HandlerNotFound")


@pytest.mark.parametrize("handler", ["app.detect", "app.app"])
def test_a_wrong_setting_ends_the_start_with_one_sentence_that_names_it(
    environment: ExecutionEnvironment, aws: HandlerEnvironment, handler: str
) -> None:
    with (
        lambda_runtime.started(handler, environment, aws.variables | {"MinConfidence": "high"}) as started,
        pytest.raises(RuntimeEnded) as ended,
    ):
        started.next_report()
    (sentence,) = ended.value.log.splitlines()
    assert sentence.startswith("labelwatch: MinConfidence 'high' ")
    assert ended.value.code == 1


@pytest.mark.parametrize("handler", HANDLERS)
def test_nothing_is_written_outside_tmp_and_no_code_is_compiled(
    environment: ExecutionEnvironment, aws: HandlerEnvironment, handler: str
) -> None:
    before = files_of(environment.task)
    with lambda_runtime.started(handler, environment, aws.variables | EXISTING_BUCKET) as started:
        started.answer(aws.events()[handler])
        refused = [line for line in started.log.splitlines() if line.startswith(REFUSED)]
    assert refused == []
    assert files_of(environment.task) == before


def test_nothing_but_the_zip_and_the_runtime_can_be_imported(environment: ExecutionEnvironment) -> None:
    names = sorted({"app", "labelwatch", "tests", "bench", *packages_distributions()})
    found = subprocess.run(
        [*PYTHON, "-c", FIND_FOLDERS, *names],
        cwd=environment.task,
        env=environment.variables("", ""),
        capture_output=True,
        text=True,
        check=True,
    )
    folders = json.loads(found.stdout)
    roots = {str(environment.task), str(environment.runtime)}
    assert {name: folder for name, folder in folders.items() if folder not in roots} == {}
    assert (folders["app"], folders["boto3"]) == (str(environment.task), str(environment.runtime))


def test_the_runtime_has_the_boto3_of_all_other_tests() -> None:
    runtime, tests = pins(REQUIREMENTS), pins(PROJECT / "requirements-dev.txt")
    differing = {name: tests[name] for name, version in runtime.items() if tests.get(name, version) != version}
    assert differing == {}

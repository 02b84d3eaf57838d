"""The zip alone, under Lambda's own runtime client: nothing but the standard library and boto3 beside it."""

from __future__ import annotations

import json
import subprocess
import zipfile
from collections.abc import Iterator
from importlib.metadata import packages_distributions
from pathlib import Path
from typing import Any

import pytest

from chalicelib import __version__
from labelwatch.deploy.package import Package
from labelwatch.shared.project import PROJECT
from tests.support import handler_environment, lambda_runtime
from tests.support.handler_environment import KEY, Place, request
from tests.support.lambda_runtime import PYTHON, REQUIREMENTS, Ended, Lambda

ADOPTED = {"EXISTING_BUCKET_NAME": "images"}
REFUSED = "refused: "  # what only_tmp.py says of each write
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
WHERE_FOUND = """
import importlib.util, json, pathlib, sys
specs = {name: importlib.util.find_spec(name) for name in sys.argv[1:]}
files = {name: spec.origin or spec.submodule_search_locations[0] for name, spec in specs.items() if spec}
print(json.dumps({
    name: str(pathlib.Path(file).parents[1 if specs[name].submodule_search_locations and specs[name].origin else 0])
    for name, file in files.items()
}))
"""


@pytest.fixture(scope="module")
def where(tmp_path_factory: pytest.TempPathFactory, packaged: Package) -> Lambda:
    task = tmp_path_factory.mktemp("task")
    with zipfile.ZipFile(packaged.zip) as archive:
        archive.extractall(task)
    return Lambda(task, lambda_runtime.runtime(), tmp_path_factory.mktemp("scratch"))


@pytest.fixture(scope="module")
def aws(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Place]:
    with handler_environment.running(tmp_path_factory.mktemp("cloud")) as running:
        yield running


def answer(where: Lambda, aws: Place, handler: str, event: object = None, **changes: str) -> Any:
    """What a new process of this function returns, for the event of the place where none is given."""
    with lambda_runtime.started(handler, where, aws.environment | changes) as started:
        return started.answer(event or aws.events()[handler])


def files_of(folder: Path) -> dict[Path, int]:
    """All files, and when each was written last."""
    return {file: file.stat().st_mtime_ns for file in folder.rglob("*")}


def pins(requirements: Path) -> dict[str, str]:
    lines = requirements.read_text().splitlines()
    return dict(line.split(" ;")[0].split("==") for line in lines if line and not line.startswith("#"))


def test_every_handler_of_the_template_is_tried_here(packaged: Package, aws: Place) -> None:
    resources = json.loads(packaged.template.read_text())["Resources"].values()
    handlers = {one["Properties"]["Handler"] for one in resources if one["Type"] == "AWS::Serverless::Function"}
    assert handlers | {"app.ingest"} == set(HANDLERS) == aws.events().keys()


def test_detect_sends_the_prediction_on(where: Lambda, aws: Place) -> None:
    assert answer(where, aws, "app.detect") == {"batchItemFailures": []}
    (prediction,) = aws.taken_from("PREDICTIONS_QUEUE")
    assert (prediction["image"]["key"], [label["name"] for label in prediction["labels"]]) == (KEY, ["leaf-smut"])


def test_notify_stores_the_row(where: Lambda, aws: Place) -> None:
    assert answer(where, aws, "app.notify") == {"batchItemFailures": []}
    assert [(row["image"], row["label"]) for row in aws.rows()] == [(KEY, "leaf-smut")]


def test_authorize_lets_the_token_s_client_ask_for_a_ticket(where: Lambda, aws: Place) -> None:
    policy = answer(where, aws, "app.authorize")
    (statement,) = policy["policyDocument"]["Statement"]
    assert policy["principalId"] == "camera-north"
    assert aws.events()["app.authorize"]["methodArn"] in statement["Resource"]


def test_the_api_tells_its_version(where: Lambda, aws: Place) -> None:
    health = answer(where, aws, "app.app", request("GET", "/health"))
    assert (health["statusCode"], json.loads(health["body"])) == (200, {"version": __version__})


def test_the_api_gives_a_ticket(where: Lambda, aws: Place) -> None:
    presigned_upload = answer(where, aws, "app.app")
    assert presigned_upload["statusCode"] == 201, presigned_upload
    assert json.loads(presigned_upload["body"])["key"].startswith("uploads/camera-north/")


def test_watch_counts_the_two_topics_that_tell_nobody(where: Lambda, aws: Place) -> None:
    with lambda_runtime.started("app.check_subscriptions", where, aws.environment) as started:
        assert started.answer(aws.events()["app.check_subscriptions"]) is None
        lines = [json.loads(line) for line in started.log.splitlines() if line.startswith("{")]
    assert [line["SubscriptionsInactive"] for line in lines if "SubscriptionsInactive" in line] == [[2.0]]


def test_ingest_puts_the_event_of_an_adopted_bucket_on_the_queue(where: Lambda, aws: Place) -> None:
    answer(where, aws, "app.ingest", **ADOPTED)
    assert aws.taken_from("IMAGES_QUEUE") == [aws.events()["app.ingest"]]


def test_ingest_is_not_there_without_an_adopted_bucket(where: Lambda, aws: Place) -> None:
    with lambda_runtime.started("app.ingest", where, aws.environment) as started:
        news = started.next_news()
    assert (news.kind, news.content["errorType"]) == ("init error", "Runtime.HandlerNotFound")


@pytest.mark.parametrize("handler", ["app.detect", "app.app"])
def test_a_wrong_setting_ends_the_start_with_one_sentence_that_names_it(
    where: Lambda, aws: Place, handler: str
) -> None:
    with (
        lambda_runtime.started(handler, where, aws.environment | {"MinConfidence": "high"}) as started,
        pytest.raises(Ended) as ended,
    ):
        started.next_news()
    said = [line for line in ended.value.log.splitlines() if not line.startswith(REFUSED)]
    assert said == ["labelwatch: MinConfidence is 'high', but it must be a number from 0 to 100"]
    assert ended.value.code == 1


@pytest.mark.parametrize("handler", HANDLERS)
def test_nothing_of_the_zip_is_written_to_and_nothing_outside_tmp(where: Lambda, aws: Place, handler: str) -> None:
    before = files_of(where.task)
    with lambda_runtime.started(handler, where, aws.environment | ADOPTED) as started:
        started.answer(aws.events()[handler])
        refused = [line for line in started.log.splitlines() if line.startswith(REFUSED)]
    assert refused  # Python itself tries to keep what it compiled, here as on Lambda, and goes on without
    assert [line for line in refused if "/__pycache__" not in line] == []
    assert files_of(where.task) == before


def test_nothing_but_the_zip_and_the_runtime_can_be_imported(where: Lambda) -> None:
    names = sorted({"app", "labelwatch", "tests", "bench", *packages_distributions()})
    found = subprocess.run(
        [*PYTHON, "-c", WHERE_FOUND, *names],
        cwd=where.task,
        env=where.environment("", ""),
        capture_output=True,
        text=True,
        check=True,
    )
    places = json.loads(found.stdout)
    roots = {str(where.task), str(where.runtime)}
    assert {name: place for name, place in places.items() if place not in roots} == {}
    assert (places["app"], places["boto3"]) == (str(where.task), str(where.runtime))


def test_the_runtime_has_the_boto3_of_all_other_tests() -> None:
    ours, others = pins(REQUIREMENTS), pins(PROJECT / "requirements-dev.txt")
    differing = {name: others[name] for name, version in ours.items() if others.get(name, version) != version}
    assert differing == {}

"""The life of the model in a stack of its own, whose clock is the test."""

from __future__ import annotations

import json
import re
import subprocess
import time
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from chalicelib.adapters.dynamodb import ModelStateTable
from chalicelib.domain.model import ModelState
from labelwatch.deploy.package import Package
from labelwatch.local.deployment import PACKAGES_BUCKET, deploy_template
from labelwatch.local.model import CONTROL_CALLS_PER_SECOND, RateLimit
from labelwatch.shared import stacks
from tests.support.pipeline import (  # fmt: skip
    Pipeline,
    functions,
    picture,
    run_labelwatch,
    run_manage_model,
    set_environment,
    set_mapping,
)

STACK = "labelwatch-model"
SECONDS_TO_BE_SURE = 4


class Kept:
    """A stack that starts the model, stops it when it is idle, and lets it run for 20 hours a month."""

    def __init__(self, running: Pipeline, packaged: Package) -> None:
        template = stacks.pointing_at(json.loads(packaged.template.read_text()), PACKAGES_BUCKET, packaged.zip.name)
        parameters = {
            "CustomModelARN": running.local_model.arn,
            "EmailNotification": "grower@example.com",
            "InputBucketName": "images-model",
            "OutputBucketName": "predictions-model",
            "DatabaseName": "labelwatch_model",
            "ModelAutoStart": "yes",
            "ModelIdleMinutes": "30",
            "ModelMaxHoursPerMonth": "20",
        }
        self.outputs = deploy_template(running.session.local_aws, STACK, template, parameters)
        self.session = replace(running.session, outputs=self.outputs)
        self.pipeline = Pipeline(self.session, running.wait_seconds)
        self.local_model = running.local_model
        self.local_model.starting_seconds = 0  # it runs when it is looked at next
        self.model_states = ModelStateTable(self.session.local_aws.client("dynamodb"), self.outputs["TableName"])
        self.session.local_aws.disable_schedules()
        self.pipeline.wait_until_empty()
        for function in functions(self.session, STACK).values():
            set_environment(self.session, function, RETRY_SECONDS="1", DEFER_SECONDS="1")

    def look(self) -> str:
        return run_manage_model(self.session, STACK)

    def upload(self, key: str) -> None:
        self.session.local_aws.client("s3").put_object(Bucket=self.outputs["InputBucket"], Key=key, Body=picture())

    def mapping(self) -> str:
        client = self.session.local_aws.client("lambda")
        (mapping,) = client.list_event_source_mappings(FunctionName=f"{STACK}-detect")["EventSourceMappings"]
        state: str = mapping["State"]
        return state

    def has_run_since(self, began: datetime, *, seconds: float = 0, idle_since: datetime | None = None) -> None:
        """Winds the clock: this is what is remembered of a run that Labelwatch started."""
        now = datetime.now(UTC)
        self.model_states.keep(
            ModelState(
                model=self.local_model.arn,
                month=f"{now:%Y-%m}",
                seconds=seconds,
                started_at=began,
                counted_until=now,
                idle_since=idle_since,
            ),
            self.model_states.load(),
        )

    def wants(self, **model_policy: str) -> None:
        """What is wanted of the model is changed in the function; its rights stay."""
        set_environment(self.session, functions(self.session, STACK)["ManageModel"], **model_policy)


@pytest.fixture(scope="module")
def stack_of_its_own(running: Pipeline, packaged: Package) -> Kept:
    return Kept(running, packaged)


@pytest.fixture
def kept(stack_of_its_own: Kept) -> Iterator[Kept]:
    """With a model that is stopped, of which nothing is remembered."""
    kept = stack_of_its_own
    kept.local_model.status = "STOPPED"
    kept.local_model.control_rate = RateLimit(100)  # a test looks more often than once a minute
    kept.model_states.keep(ModelState(), kept.model_states.load())
    kept.model_states.used(datetime.now(UTC) - timedelta(days=1))
    set_mapping(kept.session, f"{STACK}-detect", Enabled=False)
    yield kept
    kept.local_model.status = "RUNNING"
    set_mapping(kept.session, f"{STACK}-detect", Enabled=True)
    kept.pipeline.wait_until_empty()
    kept.local_model.control_rate = RateLimit(CONTROL_CALLS_PER_SECOND)


def test_a_stop_costs_an_image_two_receives_at_most_and_all_are_predicted_after_the_start(kept: Kept) -> None:
    kept.wants(MODEL_AUTO_START="no")
    set_mapping(kept.session, f"{STACK}-detect", Enabled=True)  # as it is in the minute after a stop
    keys = [f"stopped/{number}.jpg" for number in range(15)]
    for key in keys:
        kept.upload(key)
    kept.pipeline.wait_until(lambda: kept.mapping() == "Disabled", "an open circuit")
    for _ in range(3):
        kept.look()
        time.sleep(SECONDS_TO_BE_SURE / 3)  # longer than an image is put away for
    assert all(receives <= 1 for receives in receives_by_message(kept).values())
    kept.local_model.operations["StartProjectVersion"](
        {"ProjectVersionArn": kept.local_model.arn, "MinInferenceUnits": 1}
    )
    kept.look()
    kept.pipeline.wait_for(*keys)
    assert set(keys) <= set(kept.pipeline.predictions)
    kept.wants(MODEL_AUTO_START="yes")


def receives_by_message(kept: Kept) -> dict[str, int]:
    """How often each image has been received, this look not counted."""
    sqs, url = kept.session.local_aws.client("sqs"), kept.outputs["ImagesQueueUrl"]
    found: dict[str, int] = {}
    while True:
        answer = sqs.receive_message(
            QueueUrl=url, MaxNumberOfMessages=10, VisibilityTimeout=3, AttributeNames=["ApproximateReceiveCount"]
        )
        if not answer.get("Messages"):
            assert len(found) == 15
            return found
        for one in answer["Messages"]:
            found[one["MessageId"]] = int(one["Attributes"]["ApproximateReceiveCount"]) - 1


def test_images_that_wait_start_the_model_and_are_predicted_when_it_runs(kept: Kept) -> None:
    kept.look()
    assert kept.local_model.status == "STOPPED"
    kept.upload("starts.jpg")
    kept.pipeline.wait_until(lambda: kept.pipeline.depth("ImagesQueueUrl") == 1, "an image that waits")
    kept.look()
    assert kept.local_model.status == "STARTING"
    assert kept.model_states.load().started_at
    kept.look()
    kept.pipeline.wait_for("starts.jpg")
    assert "starts.jpg" in kept.pipeline.predictions


def half_an_hour_ago() -> datetime:
    return datetime.now(UTC) - timedelta(minutes=31)


def test_a_model_that_has_nothing_to_do_is_stopped(kept: Kept) -> None:
    kept.local_model.status = "RUNNING"
    kept.has_run_since(half_an_hour_ago(), idle_since=half_an_hour_ago())
    assert '"model stopped"' in kept.look()
    assert kept.local_model.status == "STOPPED"
    kept.look()
    assert kept.mapping() == "Disabled"


def test_a_model_that_was_asked_meanwhile_is_not_stopped(kept: Kept) -> None:
    kept.local_model.status = "RUNNING"
    kept.look()
    kept.upload("between.jpg")
    kept.pipeline.wait_for("between.jpg")
    kept.pipeline.wait_until_empty()
    kept.has_run_since(half_an_hour_ago(), idle_since=half_an_hour_ago())
    kept.look()
    assert kept.local_model.status == "RUNNING"


def test_at_the_ceiling_the_model_is_stopped_and_not_started_again(kept: Kept) -> None:
    kept.local_model.status = "RUNNING"
    kept.has_run_since(half_an_hour_ago(), seconds=20 * 3600)
    assert '"ModelHoursThisMonth":[20.0]' in kept.look().replace(" ", "")
    assert kept.local_model.status == "STOPPED"
    kept.upload("next month.jpg")
    kept.pipeline.wait_until(lambda: kept.pipeline.depth("ImagesQueueUrl") == 1, "an image that waits")
    kept.look()
    assert kept.local_model.status == "STOPPED"


def labelwatch(kept: Kept, *words: str) -> subprocess.CompletedProcess[str]:
    """One command of the operator's."""
    changes = {"AWS_ENDPOINT_URL_REKOGNITION": kept.session.rekognition, "COLUMNS": "160"}
    return run_labelwatch(kept.session, "model", *words, "--stack", STACK, **changes)


def test_a_person_may_look_at_the_model_and_start_and_stop_it(kept: Kept) -> None:
    refused = labelwatch(kept, "start")
    assert refused.stderr == "labelwatch: nobody is there to be asked; --yes goes on without.\n"
    done = labelwatch(kept, "start", "--yes")
    assert (done.returncode, kept.local_model.status) == (0, "RUNNING"), done.stderr
    said = labelwatch(kept, "status").stdout
    assert "RUNNING" in said
    assert "a person or another tool" in said
    assert "no; manage_model has them taken within a minute of the model's running (Disabled)" in said
    kept.look()
    assert re.search(r"(yes|in a moment) \(Enabl(ed|ing)\)", labelwatch(kept, "status").stdout)
    again = labelwatch(kept, "start", "--yes")
    assert again.returncode == 0, again.stderr
    assert again.stdout.startswith("The model runs already")
    done = labelwatch(kept, "stop", "--yes")
    assert (done.returncode, kept.local_model.status) == (0, "STOPPED"), done.stderr
    again = labelwatch(kept, "stop")
    assert again.returncode == 0, again.stderr
    assert again.stdout.startswith("The model is stopped already.")
    assert "started again when images wait" in done.stdout

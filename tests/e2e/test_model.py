"""manage_model in a stack of its own, which the tests call in place of the schedule."""

from __future__ import annotations

import io
import json
import sys
import time
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from chalicelib.adapters.dynamodb import ModelStateTable
from chalicelib.domain.model import ModelState
from labelwatch.commands import model
from labelwatch.deploy import Package
from labelwatch.local.deployment import PACKAGES_BUCKET, deploy_template
from labelwatch.local.model import CONTROL_CALLS_PER_SECOND, RateLimit
from labelwatch.shared import stacks
from labelwatch.shared.errors import UserError
from tests.support.command import invoke_labelwatch
from tests.support.pipeline import (  # fmt: skip
    Pipeline,
    functions,
    mapping_state,
    picture,
    run_labelwatch,
    run_manage_model,
    set_environment,
    set_mapping,
    user_environment,
)

STACK = "labelwatch-model"
SECONDS_FOR_A_REDELIVERY = 4


class ModelStack:
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
        self.local_model.starting_seconds = 0  # it runs at the next check
        self.model_states = ModelStateTable(self.session.local_aws.client("dynamodb"), self.outputs["TableName"])
        self.session.local_aws.disable_schedules()
        self.pipeline.wait_until_empty()
        for function in functions(self.session, STACK).values():
            set_environment(self.session, function, RETRY_SECONDS="1", DEFER_SECONDS="1")

    def check(self) -> str:
        return run_manage_model(self.session, STACK)

    def upload(self, key: str) -> None:
        self.session.local_aws.client("s3").put_object(Bucket=self.outputs["InputBucket"], Key=key, Body=picture())

    def mapping(self) -> str:
        return mapping_state(self.session, f"{STACK}-detect")

    def save_run(self, started_at: datetime, *, seconds: float = 0, idle_since: datetime | None = None) -> None:
        """Saves the state of a run that Labelwatch started."""
        now = datetime.now(UTC)
        self.model_states.save(
            ModelState(
                model=self.local_model.arn,
                month=f"{now:%Y-%m}",
                seconds=seconds,
                started_at=started_at,
                counted_until=now,
                idle_since=idle_since,
            ),
            self.model_states.load(),
        )

    def set_policy(self, **model_policy: str) -> None:
        """Changes the policy in the function's environment; its IAM role stays."""
        set_environment(self.session, functions(self.session, STACK)["ManageModel"], **model_policy)


@pytest.fixture(scope="module")
def shared_stack(running: Pipeline, packaged: Package) -> ModelStack:
    return ModelStack(running, packaged)


@pytest.fixture
def stack(shared_stack: ModelStack) -> Iterator[ModelStack]:
    """With a stopped model and an empty state."""
    stack = shared_stack
    stack.local_model.status = "STOPPED"
    stack.local_model.control_rate = RateLimit(100)  # a test checks more often than once a minute
    stack.model_states.save(ModelState(), stack.model_states.load())
    stack.model_states.record(datetime.now(UTC) - timedelta(days=1))
    set_mapping(stack.session, f"{STACK}-detect", Enabled=False)
    yield stack
    stack.local_model.status = "RUNNING"
    set_mapping(stack.session, f"{STACK}-detect", Enabled=True)
    stack.pipeline.wait_until_empty()
    stack.local_model.control_rate = RateLimit(CONTROL_CALLS_PER_SECOND)


def test_a_stop_costs_an_image_two_receives_at_most_and_all_are_predicted_after_the_start(stack: ModelStack) -> None:
    stack.set_policy(MODEL_AUTO_START="no")
    set_mapping(stack.session, f"{STACK}-detect", Enabled=True)  # as it is in the minute after a stop
    keys = [f"stopped/{number}.jpg" for number in range(15)]
    for key in keys:
        stack.upload(key)
    stack.pipeline.wait_until(lambda: stack.mapping() == "Disabled", "a paused polling")
    for _ in range(3):
        stack.check()
        time.sleep(SECONDS_FOR_A_REDELIVERY / 3)  # longer than an image is deferred
    assert all(receives <= 1 for receives in receives_by_message(stack).values())
    stack.local_model.operations["StartProjectVersion"](
        {"ProjectVersionArn": stack.local_model.arn, "MinInferenceUnits": 1}
    )
    stack.check()
    stack.pipeline.wait_for(*keys)
    assert set(keys) <= set(stack.pipeline.predictions)
    stack.set_policy(MODEL_AUTO_START="yes")


def receives_by_message(stack: ModelStack) -> dict[str, int]:
    """How often each image has been received, the receive of this function not counted."""
    sqs, url = stack.session.local_aws.client("sqs"), stack.outputs["ImagesQueueUrl"]
    found: dict[str, int] = {}
    while True:
        answer = sqs.receive_message(
            QueueUrl=url, MaxNumberOfMessages=10, VisibilityTimeout=3, AttributeNames=["ApproximateReceiveCount"]
        )
        if not answer.get("Messages"):
            assert len(found) == 15
            return found
        for message in answer["Messages"]:
            found[message["MessageId"]] = int(message["Attributes"]["ApproximateReceiveCount"]) - 1


def test_images_that_wait_start_the_model_and_are_predicted_when_it_runs(stack: ModelStack) -> None:
    stack.check()
    assert stack.local_model.status == "STOPPED"
    stack.upload("starts.jpg")
    stack.pipeline.wait_until(lambda: stack.pipeline.depth("ImagesQueueUrl") == 1, "an image that waits")
    stack.check()
    assert stack.local_model.status == "STARTING"
    assert stack.model_states.load().started_at
    assert visible(stack) == 1
    stack.check()
    stack.pipeline.wait_for("starts.jpg")
    assert "starts.jpg" in stack.pipeline.predictions


def visible(stack: ModelStack) -> int:
    """How many messages the images queue gives to the next receiver."""
    attributes = stack.session.local_aws.client("sqs").get_queue_attributes(
        QueueUrl=stack.outputs["ImagesQueueUrl"], AttributeNames=["ApproximateNumberOfMessages"]
    )
    return int(attributes["Attributes"]["ApproximateNumberOfMessages"])


def test_a_test_event_and_a_folder_start_no_model_and_are_deleted(stack: ModelStack) -> None:
    client = stack.session.local_aws.client
    client("sqs").send_message(QueueUrl=stack.outputs["ImagesQueueUrl"], MessageBody='{"Event": "s3:TestEvent"}')
    client("s3").put_object(Bucket=stack.outputs["InputBucket"], Key="field 7/", Body=b"")
    stack.pipeline.wait_until(lambda: stack.pipeline.depth("ImagesQueueUrl") == 2, "two messages")
    log = stack.check()
    assert (stack.local_model.status, stack.pipeline.depth("ImagesQueueUrl")) == ("STOPPED", 0), log


def test_a_foreign_message_stays_and_starts_no_model_and_an_image_behind_it_does(stack: ModelStack) -> None:
    sqs, url = stack.session.local_aws.client("sqs"), stack.outputs["ImagesQueueUrl"]
    sqs.send_message(QueueUrl=url, MessageBody='{"hello": "queue"}')
    log = stack.check()
    assert "NotAnS3Event" in log
    assert (stack.local_model.status, stack.pipeline.depth("ImagesQueueUrl"), visible(stack)) == ("STOPPED", 1, 0)
    stack.upload("behind.jpg")
    stack.pipeline.wait_until(lambda: visible(stack) == 1, "an image that waits")
    stack.check()
    assert stack.local_model.status == "STARTING"
    stack.check()
    stack.pipeline.wait_for("behind.jpg")
    sqs.purge_queue(QueueUrl=url)  # the foreign message is hidden for longer than a test lasts


def half_an_hour_ago() -> datetime:
    return datetime.now(UTC) - timedelta(minutes=31)


def test_an_idle_model_is_stopped(stack: ModelStack) -> None:
    stack.local_model.status = "RUNNING"
    stack.save_run(half_an_hour_ago(), idle_since=half_an_hour_ago())
    assert '"model stopped"' in stack.check()
    assert stack.local_model.status == "STOPPED"
    stack.check()
    assert stack.mapping() == "Disabled"


def test_a_model_that_was_used_between_two_checks_is_not_stopped(stack: ModelStack) -> None:
    stack.local_model.status = "RUNNING"
    stack.check()
    stack.upload("between.jpg")
    stack.pipeline.wait_for("between.jpg")
    stack.pipeline.wait_until_empty()
    stack.save_run(half_an_hour_ago(), idle_since=half_an_hour_ago())
    stack.check()
    assert stack.local_model.status == "RUNNING"


def test_at_its_maximum_of_hours_the_model_is_stopped_and_not_restarted(stack: ModelStack) -> None:
    stack.local_model.status = "RUNNING"
    stack.save_run(half_an_hour_ago(), seconds=20 * 3600)
    assert '"ModelHoursThisMonth":[20.0]' in stack.check().replace(" ", "")
    assert stack.local_model.status == "STOPPED"
    stack.upload("next month.jpg")
    stack.pipeline.wait_until(lambda: stack.pipeline.depth("ImagesQueueUrl") == 1, "an image that waits")
    stack.check()
    assert stack.local_model.status == "STOPPED"


def output_of(stack: ModelStack, *words: str) -> str:
    """The output of `labelwatch model` on the stack, which must succeed."""
    result = invoke_labelwatch(stack.session, "model", *words, "--stack", STACK)
    assert result.returncode == 0, result.stderr
    return result.stdout


def status(stack: ModelStack) -> dict[str, str]:
    """The values of `labelwatch model status` by their names."""
    lines = output_of(stack, "status").splitlines()
    return dict(line.split(": ", 1) for line in lines)


def test_a_person_may_start_the_model_and_read_its_status(stack: ModelStack) -> None:
    done = run_labelwatch(stack.session, "model", "start", "--yes", "--stack", STACK)
    assert (done.returncode, stack.local_model.status) == (0, "RUNNING"), done.stderr
    before = status(stack)
    assert (before["Model"], before["Started by"]) == ("RUNNING", "a person or another tool")
    assert before["Polling"].startswith("paused")
    stack.check()
    assert status(stack)["Polling"] in {"on", "resuming"}


def test_a_person_may_stop_the_model(stack: ModelStack) -> None:
    stack.local_model.status = "RUNNING"
    assert "ModelAutoStart" in output_of(stack, "stop", "--yes")
    assert stack.local_model.status == "STOPPED"


def test_by_default_the_question_starts_no_model(stack: ModelStack, monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in user_environment(stack.session).items():
        monkeypatch.setenv(name, value)
    monkeypatch.setattr(sys, "stdin", TerminalInput("\n"))
    with pytest.raises(UserError, match="Cancelled"):
        model.start(stack=STACK)
    assert stack.local_model.status == "STOPPED"


class TerminalInput(io.StringIO):
    """What a person types at a terminal."""

    def isatty(self) -> bool:
        return True


def test_a_refusal_by_aws_is_one_line_with_its_reason(stack: ModelStack, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(stack.local_model, "arn", f"{stack.local_model.arn}0")  # the stack's version is deleted
    done = run_labelwatch(stack.session, "model", "status", "--stack", STACK)
    (line,) = done.stderr.splitlines()
    assert done.returncode == 1
    assert "ResourceNotFoundException" in line

"""labelwatch dead-letters on the running pipeline, with messages that failed as they do on AWS."""

import json
import os
import pty
import re
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from typing import Any
from uuid import uuid4

import pytest

from chalicelib.queues.batch import LAST_RECEIVE
from labelwatch.local.session import INPUT_BUCKET
from tests.e2e.test_uploads import without
from tests.support.builders import notification, s3_record
from tests.support.pipeline import (
    Pipeline,
    functions,
    picture,
    run_labelwatch,
    run_manage_model,
    set_mapping,
    user_environment,
)

QUEUES = ("ImagesDeadLettersUrl", "PredictionsDeadLettersUrl")
# After so many receives SQS itself moves a message (infra/resources.yaml).
MAX_RECEIVES = 20
COMMAND = [sys.executable, "-m", "labelwatch", "dead-letters"]


class Stack:
    """The shared pipeline with empty dead-letter queues, and a key that no other test has."""

    def __init__(self, pipeline: Pipeline) -> None:
        self.pipeline = pipeline
        self.key = f"{uuid4().hex[:8]}/葉 1.jpg"
        self.environment = user_environment(pipeline.session) | {"COLUMNS": "250"}
        self._sqs = pipeline.session.local_aws.client("sqs")

    def run(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        return run_labelwatch(self.pipeline.session, "dead-letters", *arguments, COLUMNS="250")

    def output(self, *arguments: str) -> str:
        """What the command prints, standard error too; it must succeed."""
        done = self.run(*arguments)
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout + done.stderr

    def listed(self) -> list[dict[str, Any]]:
        found: list[dict[str, Any]] = json.loads(self.run("list", "--format", "json").stdout)
        return found

    def visible(self) -> int:
        """How many dead letters are visible now."""
        name = "ApproximateNumberOfMessages"
        answers = [
            self._sqs.get_queue_attributes(QueueUrl=self.pipeline.outputs[queue], AttributeNames=[name])
            for queue in QUEUES
        ]
        return sum(int(answer["Attributes"][name]) for answer in answers)

    def wait_for_dead_letter(self) -> None:
        """Without `Pipeline.refresh`, which hides dead letters for a while."""
        until = time.monotonic() + self.pipeline.wait_seconds
        while self.visible() != 1:
            assert time.monotonic() < until, "no dead letter"
            time.sleep(0.1)

    def send(self, *bodies: str) -> None:
        """Up to ten messages onto the images queue."""
        entries = [{"Id": str(number), "MessageBody": body} for number, body in enumerate(bodies)]
        answer = self._sqs.send_message_batch(QueueUrl=self.pipeline.outputs["ImagesQueueUrl"], Entries=entries)
        assert not answer.get("Failed")

    def wait_until_settled(self) -> None:
        """Likewise without `Pipeline.refresh`."""
        until = time.monotonic() + self.pipeline.wait_seconds
        while self.pipeline.depth("ImagesQueueUrl"):
            assert time.monotonic() < until, "images wait"
            time.sleep(0.1)

    def reject(self) -> None:
        """Uploads an object that is no image, which becomes a dead letter."""
        self.pipeline.upload(self.key, content=b"Spray on Tuesday.")
        self.wait_for_dead_letter()

    def receive_often(self, queue: str, times: int) -> None:
        """Receives the only message of a queue so often, as a function does that fails each time."""
        url = self.pipeline.outputs[queue]
        for _ in range(times):
            answer = self._sqs.receive_message(QueueUrl=url, VisibilityTimeout=0, WaitTimeSeconds=10)
            assert len(answer.get("Messages", [])) == 1

    def receive(self, queue: str) -> None:
        self._sqs.receive_message(QueueUrl=self.pipeline.outputs[queue], VisibilityTimeout=0)

    def empty(self) -> None:
        for queue in QUEUES:
            self._sqs.purge_queue(QueueUrl=self.pipeline.outputs[queue])


@pytest.fixture
def stack(pipeline: Pipeline) -> Iterator[Stack]:
    stack = Stack(pipeline)
    stack.empty()
    yield stack
    stack.empty()


@pytest.fixture
def enable_detect(stack: Stack) -> Iterator[Callable[[], None]]:
    """The event source mapping of detect is disabled until this is called."""
    yield from disabled(stack.pipeline, "Detect")


@pytest.fixture
def enable_notify(stack: Stack) -> Iterator[Callable[[], None]]:
    """The event source mapping of notify is disabled until this is called."""
    yield from disabled(stack.pipeline, "Notify")


def disabled(pipeline: Pipeline, name: str) -> Iterator[Callable[[], None]]:
    function = functions(pipeline.session)[name]
    set_mapping(pipeline.session, function, Enabled=False)
    yield lambda: set_mapping(pipeline.session, function, Enabled=True)
    set_mapping(pipeline.session, function, Enabled=True)


def test_an_object_that_is_no_image_is_listed_with_its_reason_each_time(stack: Stack) -> None:
    stack.reject()
    (dead_letter,) = stack.listed()
    assert (dead_letter["queue"], dead_letter["reason"], dead_letter["rejected"]) == (
        "images",
        "InvalidImageFormatException",
        True,
    )
    assert [image["key"] for image in dead_letter["images"]] == [stack.key]
    (repeated,) = stack.listed()
    assert (repeated["id"], repeated["receive_count"]) == (dead_letter["id"], dead_letter["receive_count"] + 1)
    shown = stack.output("list", "--key", f"{stack.key[:8]}/*", "--reason", "Invalid*")
    assert re.search(rf"{dead_letter['id'][:8]} +│ {stack.key} +│ InvalidImageFormatException +│", shown)
    assert "1 dead letter; all were seen." in shown


def test_the_details_are_shown_by_image_or_id(stack: Stack) -> None:
    stack.reject()
    (dead_letter,) = stack.listed()
    for name in (stack.key, dead_letter["id"], dead_letter["id"][:8]):
        shown = stack.output("show", name).splitlines()
        assert "to do: nothing, or upload it in another form" in shown
        assert "attribute disposition: reject" in shown
        assert '   "eventSource": "aws:s3",' in shown


def test_a_repeated_event_is_one_dead_letter_that_counts_how_often_it_became_one(stack: Stack) -> None:
    removed = notification(s3_record(stack.key, bucket=INPUT_BUCKET))
    stack.send(*[removed] * 10)
    stack.send(*[removed] * 10)
    stack.wait_until_settled()
    assert [dead_letter["reason"] for dead_letter in stack.listed()] == ["ImageNotFound"]
    assert '"dead_letter_count": 1' in stack.output("show", stack.key)
    stack.output("redrive", "--all", "--force", "--yes")
    stack.wait_until_settled()
    assert '"dead_letter_count": 2' in stack.output("show", stack.key)


def test_a_rejected_image_is_left_out_and_with_force_it_is_a_dead_letter_once_more(stack: Stack) -> None:
    stack.reject()
    left_out = stack.output("redrive", "--all", "--yes")
    assert (
        "1 dead letter left out, rejected for good and dead again if moved: InvalidImageFormatException (1)."
        in left_out
    )
    (before,) = stack.listed()
    assert "Put back: 1 of 1 dead letter." in stack.output("redrive", "--key", stack.key, "--yes", "--force")
    stack.wait_for_dead_letter()
    (after,) = stack.listed()
    assert after["reason"] == before["reason"]
    assert after["id"] != before["id"]


def test_a_purged_dead_letter_is_deleted_and_the_object_stays(stack: Stack) -> None:
    stack.reject()
    assert "Deleted: 1 of 1 dead letter." in stack.output("purge", "--reason", "InvalidImageFormatException", "--yes")
    assert "There are no dead letters." in stack.output("list")
    stack.pipeline.session.local_aws.client("s3").head_object(
        Bucket=stack.pipeline.outputs["InputBucket"], Key=stack.key
    )
    audited = run_labelwatch(stack.pipeline.session, "audit", "--prefix", stack.key)
    assert (audited.returncode, "1   are dead letters: 1 InvalidImageFormatException (purged)" in audited.stdout) == (
        0, True,
    )  # fmt: skip


@pytest.mark.parametrize("command", [("redrive", "--force"), ("purge",)])
def test_without_a_terminal_nothing_is_moved_or_deleted(stack: Stack, command: tuple[str, ...]) -> None:
    stack.reject()
    done = stack.run(*command, "--all")
    assert (done.returncode, done.stderr.splitlines()[-1]) == (
        1, "labelwatch: nobody is there to be asked; --yes goes on without.",
    )  # fmt: skip
    assert stack.visible() == 1


def test_ctrl_c_at_the_question_releases_all(stack: Stack) -> None:
    stack.reject()
    ours, theirs = pty.openpty()
    process = subprocess.Popen(
        [*COMMAND, "purge", "--all"], env=stack.environment, stdin=theirs, stdout=theirs, stderr=theirs
    )
    os.close(theirs)
    shown = ""
    while "[y/N]" not in shown:
        shown += os.read(ours, 1000).decode(errors="replace")
    visible = stack.visible()
    process.send_signal(signal.SIGINT)
    process.wait(60)
    os.close(ours)
    assert "Delete 1 dead letter for good? The images stay." in shown
    assert (visible, stack.visible()) == (0, 1)


def test_a_dead_letter_of_sqs_s_own_redrive_policy_has_no_reason_and_can_be_redriven(
    stack: Stack, enable_detect: Callable[[], None]
) -> None:
    stack.pipeline.upload(stack.key)
    stack.receive_often("ImagesQueueUrl", MAX_RECEIVES)
    stack.receive("ImagesQueueUrl")  # SQS moves it at the next receive
    stack.wait_for_dead_letter()
    (dead_letter,) = stack.listed()
    assert (dead_letter["reason"], dead_letter["detail"], dead_letter["images"][0]["key"]) == (
        "not recorded",
        None,
        stack.key,
    )
    assert "to do: mend it, then redrive" in stack.output("show", stack.key)
    enable_detect()
    stack.output("redrive", "--reason", "not recorded", "--yes")
    stack.pipeline.wait_for(stack.key)
    assert stack.key in stack.pipeline.predictions


def test_a_dead_letter_of_a_missing_permission_becomes_a_prediction_once_it_is_granted(
    stack: Stack, enable_detect: Callable[[], None]
) -> None:
    stack.pipeline.upload(stack.key)
    stack.receive_often("ImagesQueueUrl", LAST_RECEIVE - 1)
    with without(stack.pipeline, "DetectRoleArn", "detect", "ReadImages"):
        enable_detect()
        stack.wait_for_dead_letter()
    (dead_letter,) = stack.listed()
    assert (dead_letter["reason"], dead_letter["rejected"]) == ("403", False)
    assert "Nothing is moved: 1 dead letter would be." in stack.output("redrive", "--all", "--dry-run")
    assert stack.visible() == 1
    stack.output("redrive", "--all", "--yes")
    stack.pipeline.wait_for(stack.key)
    assert stack.key in stack.pipeline.predictions
    assert stack.listed() == []


def test_a_dead_letter_of_a_wrong_model_becomes_a_prediction_once_it_is_corrected(
    stack: Stack, enable_detect: Callable[[], None]
) -> None:
    stack.pipeline.upload(stack.key)
    stack.receive_often("ImagesQueueUrl", LAST_RECEIVE - 1)
    stack.pipeline.local_model.fail_next("ResourceNotFoundException")
    enable_detect()
    stack.wait_for_dead_letter()
    assert [(dead_letter["reason"], dead_letter["rejected"]) for dead_letter in stack.listed()] == [
        ("ResourceNotFoundException", False)
    ]
    stack.output("redrive", "--all", "--yes")
    stack.pipeline.wait_for(stack.key)
    assert stack.key in stack.pipeline.predictions


def test_a_dead_letter_of_a_stopped_model_becomes_a_prediction_once_the_model_runs(
    stack: Stack, enable_detect: Callable[[], None]
) -> None:
    stack.pipeline.upload(stack.key)
    stack.receive_often("ImagesQueueUrl", LAST_RECEIVE - 1)
    stack.pipeline.local_model.status = "STOPPED"
    enable_detect()
    stack.wait_for_dead_letter()
    stack.pipeline.local_model.status = "RUNNING"
    run_manage_model(stack.pipeline.session)
    assert "to do: mend it, start the model, then redrive" in stack.output("show", stack.key)
    stack.output("redrive", "--reason", "ResourceNotReadyException", "--yes")
    stack.pipeline.wait_for(stack.key)
    assert stack.key in stack.pipeline.predictions


def test_a_prediction_without_an_alert_is_redriven_to_the_predictions_queue_and_has_one(
    stack: Stack, enable_notify: Callable[[], None]
) -> None:
    stack.pipeline.upload(stack.key, content=picture("leaf-smut"))
    stack.receive_often("PredictionsQueueUrl", LAST_RECEIVE - 1)
    with without(stack.pipeline, "NotifyRoleArn", "notify", "PublishAlerts"):
        enable_notify()
        stack.wait_for_dead_letter()
    (dead_letter,) = stack.listed()
    assert (dead_letter["queue"], dead_letter["images"][0]["key"], dead_letter["rejected"]) == (
        "predictions",
        stack.key,
        False,
    )
    stack.output("redrive", "--key", stack.key, "--yes")
    stack.pipeline.wait_for_alert(stack.key)


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (("redrive",), "say which dead letters: either --all, or --reason or --key"),
        (("purge",), "say which dead letters: either --all, or --reason or --key"),
        (("purge", "--all", "--key", "*"), "say which dead letters: either --all, or --reason or --key"),
        (("list", "--stack", "none"), "there is no stack none"),
        (("redrive", "--all", "--stack", "none"), "there is no stack none"),
        (("show", "nothing.jpg"), "there is no dead letter nothing.jpg"),
    ],
)
def test_a_mistake_is_one_sentence(running: Pipeline, arguments: tuple[str, ...], sentence: str) -> None:
    done = Stack(running).run(*arguments)
    assert (done.returncode, len(done.stderr.splitlines())) == (1, 1), done.stderr
    assert sentence in done.stderr


def test_a_stack_of_something_else_is_one_sentence(running: Pipeline) -> None:
    cloudformation = running.session.local_aws.client("cloudformation")
    template = {"Resources": {"Queue": {"Type": "AWS::SQS::Queue"}}}
    cloudformation.create_stack(StackName="something-else", TemplateBody=json.dumps(template))
    done = Stack(running).run("list", "--stack", "something-else")
    cloudformation.delete_stack(StackName="something-else")
    assert (done.returncode, len(done.stderr.splitlines())) == (1, 1), done.stderr
    assert "has no ImagesDeadLettersUrl, ImagesQueueUrl, PredictionsDeadLettersUrl" in done.stderr


def test_an_unknown_reason_is_refused_with_the_existing_ones(stack: Stack) -> None:
    stack.reject()
    for command in ("list", "redrive", "purge"):
        done = stack.run(command, "--reason", "EmptyImages")
        assert done.returncode == 1
        assert done.stderr.splitlines()[-1] == (
            "labelwatch: no dead letter matches (1 in all); the reasons are InvalidImageFormatException (1)."
        )
    assert stack.visible() == 1

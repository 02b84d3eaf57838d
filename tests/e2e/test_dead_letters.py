"""labelwatch dead-letters on the running pipeline, with messages that failed as they do on AWS."""

import json
import os
import pty
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from typing import Any
from uuid import uuid4

import pytest

from chalicelib.queues.batch import LAST_RECEIVE
from labelwatch.dead_letters import DeadLetter, dead_letter_queues, receiving
from labelwatch.dead_letters.advice import for_reason
from labelwatch.local.session import INPUT_BUCKET
from labelwatch.shared.queues import ReceiveOptions
from tests.e2e.test_uploads import without
from tests.support.builders import notification, s3_record
from tests.support.command import invoke_labelwatch
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
QUICKLY = ReceiveOptions(hidden_seconds=60, long_poll_seconds=0)


class Stack:
    """The shared pipeline with empty dead-letter queues, and a key that no other test has."""

    def __init__(self, pipeline: Pipeline) -> None:
        self.pipeline = pipeline
        self.key = f"{uuid4().hex[:8]}/葉 1.jpg"
        self._sqs = pipeline.session.local_aws.client("sqs")

    def run(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        return invoke_labelwatch(self.pipeline.session, "dead-letters", *arguments)

    def output(self, *arguments: str) -> str:
        """What the command prints, standard error too; it must succeed."""
        done = self.run(*arguments)
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout + done.stderr

    def listed(self) -> list[dict[str, Any]]:
        found: list[dict[str, Any]] = json.loads(self.run("list", "--format", "json").stdout)
        return found

    @property
    def dead_letters(self) -> list[DeadLetter]:
        """The visible dead letters, without the command's long polls: the local AWS has one server."""
        queues = dead_letter_queues(self.pipeline.outputs)
        with receiving(self._sqs, queues, pytest.fail, QUICKLY) as reader:
            reader.receive_all()
            return reader.dead_letters

    def visible(self) -> int:
        """How many dead letters are visible now."""
        name = "ApproximateNumberOfMessages"
        answers = [
            self._sqs.get_queue_attributes(QueueUrl=self.pipeline.outputs[queue], AttributeNames=[name])
            for queue in QUEUES
        ]
        return sum(int(answer["Attributes"][name]) for answer in answers)

    def wait_for_dead_letter(self) -> None:
        """Waits without `Pipeline.refresh`, which hides dead letters for a while."""
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
        """Waits without `Pipeline.refresh`, as above."""
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


@pytest.fixture(scope="module")
def shared(running: Pipeline) -> Stack:
    return Stack(running)


@pytest.fixture
def rejected(shared: Stack, pipeline: Pipeline) -> Stack:  # noqa: ARG001 - the pipeline is reset
    """A dead letter of an object that is no image; the same for all tests that change nothing."""
    if [shared.key] != [image.key for dead_letter in shared.dead_letters for image in dead_letter.images]:
        shared.empty()
        shared.reject()
    return shared


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


def test_an_object_that_is_no_image_is_listed_with_its_reason_each_time(rejected: Stack) -> None:
    (dead_letter,) = rejected.listed()
    assert (dead_letter["queue"], dead_letter["reason"], dead_letter["rejected"]) == (
        "images",
        "InvalidImageFormatException",
        True,
    )
    assert [image["key"] for image in dead_letter["images"]] == [rejected.key]
    (repeated,) = rejected.listed()
    assert (repeated["id"], repeated["receive_count"]) == (dead_letter["id"], dead_letter["receive_count"] + 1)


def test_the_list_has_what_matches_for_people(rejected: Stack) -> None:
    shown = rejected.output("list", "--key", f"{rejected.key[:8]}/*", "--reason", "Invalid*")
    (dead_letter,) = rejected.dead_letters
    for part in (dead_letter.id[:8], rejected.key, "InvalidImageFormatException", "1 dead letter."):
        assert part in shown


def test_the_details_have_the_advice_the_attributes_and_the_body(rejected: Stack) -> None:
    shown = rejected.output("show", rejected.key)
    for part in (for_reason("InvalidImageFormatException").action, "disposition: reject", '"eventSource": "aws:s3"'):
        assert part in shown


@pytest.mark.parametrize(
    ("arguments", "part"),
    [
        (("redrive", "--all", "--force"), "--yes"),
        (("purge", "--all"), "--yes"),
        (("purge", "--yes", "--reason", "EmptyImages"), "InvalidImageFormatException (1)"),
        (("show", "nothing.jpg"), "nothing.jpg"),
    ],
)
def test_a_command_that_is_refused_changes_nothing(rejected: Stack, arguments: tuple[str, ...], part: str) -> None:
    done = rejected.run(*arguments)
    assert done.returncode == 1
    assert done.stderr.splitlines()[-1].startswith("labelwatch: ")
    assert part in done.stderr.splitlines()[-1]
    assert rejected.visible() == 1


def test_ctrl_c_at_the_question_releases_all(rejected: Stack) -> None:
    ours, theirs = pty.openpty()
    process = subprocess.Popen(
        [sys.executable, "-m", "labelwatch", "dead-letters", "purge", "--all"],
        env=user_environment(rejected.pipeline.session), stdin=theirs, stdout=theirs, stderr=theirs,
    )  # fmt: skip
    os.close(theirs)
    shown = ""
    while "[y/N]" not in shown:
        shown += os.read(ours, 1000).decode(errors="replace")
    visible = rejected.visible()
    process.send_signal(signal.SIGINT)
    process.wait(60)
    os.close(ours)
    assert "Reading dead letters…" in shown
    assert "1 dead letter" in shown
    assert (visible, rejected.visible()) == (0, 1)


def test_a_repeated_event_is_one_dead_letter_that_counts_how_often_it_became_one(stack: Stack) -> None:
    removed = notification(s3_record(stack.key, bucket=INPUT_BUCKET))
    stack.send(*[removed] * 10)
    stack.send(*[removed] * 10)
    stack.wait_until_settled()
    (dead_letter,) = stack.dead_letters
    assert (dead_letter.reason, json.loads(dead_letter.body)["dead_letter_count"]) == ("ImageNotFound", 1)
    stack.output("redrive", "--all", "--force", "--yes")
    stack.wait_until_settled()
    (dead_letter,) = stack.dead_letters
    assert json.loads(dead_letter.body)["dead_letter_count"] == 2


def test_a_rejected_image_is_skipped_and_with_force_it_is_a_dead_letter_once_more(stack: Stack) -> None:
    stack.reject()
    (before,) = stack.dead_letters
    assert "Skipped 1 dead letter: " in stack.output("redrive", "--all", "--yes")
    assert [dead_letter.id for dead_letter in stack.dead_letters] == [before.id]
    stack.output("redrive", "--key", stack.key, "--yes", "--force")
    stack.wait_for_dead_letter()
    (after,) = stack.dead_letters
    assert after.reason == before.reason
    assert after.id != before.id


def test_a_purged_dead_letter_is_deleted_and_the_object_stays(stack: Stack) -> None:
    stack.reject()
    done = run_labelwatch(
        stack.pipeline.session, "dead-letters", "purge", "--reason", "InvalidImageFormatException", "--yes"
    )
    assert done.returncode == 0, done.stderr
    assert stack.dead_letters == []
    stack.pipeline.session.local_aws.client("s3").head_object(
        Bucket=stack.pipeline.outputs["InputBucket"], Key=stack.key
    )
    audited = invoke_labelwatch(stack.pipeline.session, "audit", "--prefix", stack.key, "--format", "json")
    assert (audited.returncode, json.loads(audited.stdout)["reasons"]) == (
        0, {"InvalidImageFormatException (purged)": 1},
    )  # fmt: skip


def test_a_dead_letter_of_sqs_s_own_redrive_policy_has_no_reason_and_can_be_redriven(
    stack: Stack, enable_detect: Callable[[], None]
) -> None:
    stack.pipeline.upload(stack.key)
    stack.receive_often("ImagesQueueUrl", MAX_RECEIVES)
    stack.receive("ImagesQueueUrl")  # SQS moves it at the next receive
    stack.wait_for_dead_letter()
    (dead_letter,) = stack.dead_letters
    assert (dead_letter.reason, dead_letter.images[0].key) == ("not recorded", stack.key)
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
    (dead_letter,) = stack.dead_letters
    assert (dead_letter.reason, dead_letter.is_rejected) == ("403", False)
    stack.output("redrive", "--all", "--dry-run")
    assert stack.visible() == 1
    stack.output("redrive", "--all", "--yes")
    stack.pipeline.wait_for(stack.key)
    assert stack.key in stack.pipeline.predictions
    assert stack.dead_letters == []


def test_a_dead_letter_of_a_wrong_model_becomes_a_prediction_once_it_is_corrected(
    stack: Stack, enable_detect: Callable[[], None]
) -> None:
    stack.pipeline.upload(stack.key)
    stack.receive_often("ImagesQueueUrl", LAST_RECEIVE - 1)
    stack.pipeline.local_model.fail_next("ResourceNotFoundException")
    enable_detect()
    stack.wait_for_dead_letter()
    assert [(dead_letter.reason, dead_letter.is_rejected) for dead_letter in stack.dead_letters] == [
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
    (dead_letter,) = stack.dead_letters
    assert (dead_letter.queue.name, dead_letter.images[0].key, dead_letter.is_rejected) == (
        "predictions",
        stack.key,
        False,
    )
    stack.output("redrive", "--key", stack.key, "--yes")
    stack.pipeline.wait_for_alert(stack.key)


@pytest.mark.parametrize("command", ["list", "redrive --all"])
def test_a_stack_that_does_not_exist_is_named_in_one_line(running: Pipeline, command: str) -> None:
    done = Stack(running).run(*command.split(), "--stack", "none")
    assert (done.returncode, len(done.stderr.splitlines())) == (1, 1), done.stderr
    assert "named none" in done.stderr


def test_a_stack_of_something_else_is_named_with_its_missing_outputs(running: Pipeline) -> None:
    cloudformation = running.session.local_aws.client("cloudformation")
    template = {"Resources": {"Queue": {"Type": "AWS::SQS::Queue"}}}
    cloudformation.create_stack(StackName="something-else", TemplateBody=json.dumps(template))
    done = Stack(running).run("list", "--stack", "something-else")
    cloudformation.delete_stack(StackName="something-else")
    assert (done.returncode, len(done.stderr.splitlines())) == (1, 1), done.stderr
    assert "ImagesDeadLettersUrl, ImagesQueueUrl, PredictionsDeadLettersUrl" in done.stderr

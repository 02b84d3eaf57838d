"""labelwatch dead-letters, as an operator meets it, on messages that died of what they die of on AWS."""

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
    look_at_the_model,
    picture,
    run_labelwatch,
    set_mapping,
    user_environment,
)

BOXES = ("ImagesDeadLettersUrl", "PredictionsDeadLettersUrl")
# After so many receives SQS itself takes a message away (infra/resources.yaml).
MAX_RECEIVES = 20
COMMAND = [sys.executable, "-m", "labelwatch", "dead-letters"]


class Place:
    """The shared pipeline with empty dead-letter queues, and a key that no other test has."""

    def __init__(self, pipeline: Pipeline) -> None:
        self.pipeline = pipeline
        self.key = f"{uuid4().hex[:8]}/葉 1.jpg"
        self.environment = user_environment(pipeline.session) | {"COLUMNS": "250"}
        self._sqs = pipeline.session.local_aws.client("sqs")

    def run(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        return run_labelwatch(self.pipeline.session, "dead-letters", *arguments, COLUMNS="250")

    def said(self, *arguments: str) -> str:
        """What the command prints, standard error too; it must succeed."""
        done = self.run(*arguments)
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout + done.stderr

    def listed(self) -> list[dict[str, Any]]:
        found: list[dict[str, Any]] = json.loads(self.run("list", "--format", "json").stdout)
        return found

    def in_sight(self) -> int:
        """How many dead letters anybody can receive now."""
        name = "ApproximateNumberOfMessages"
        answers = [
            self._sqs.get_queue_attributes(QueueUrl=self.pipeline.outputs[box], AttributeNames=[name]) for box in BOXES
        ]
        return sum(int(answer["Attributes"][name]) for answer in answers)

    def wait_for_one(self) -> None:
        """Not by the pipeline's own looks, which keep dead letters out of sight for a while."""
        until = time.monotonic() + self.pipeline.patience
        while self.in_sight() != 1:
            assert time.monotonic() < until, "no dead letter"
            time.sleep(0.1)

    def send(self, *bodies: str) -> None:
        """Up to ten messages onto the images queue."""
        entries = [{"Id": str(number), "MessageBody": body} for number, body in enumerate(bodies)]
        answer = self._sqs.send_message_batch(QueueUrl=self.pipeline.outputs["ImagesQueueUrl"], Entries=entries)
        assert not answer.get("Failed")

    def wait_until_taken(self) -> None:
        """Likewise without those looks."""
        until = time.monotonic() + self.pipeline.patience
        while self.pipeline.waiting("ImagesQueueUrl"):
            assert time.monotonic() < until, "images wait"
            time.sleep(0.1)

    def reject(self) -> None:
        """An object that is no image becomes a dead letter."""
        self.pipeline.upload(self.key, content=b"Spray on Tuesday.")
        self.wait_for_one()

    def try_often(self, queue: str, times: int) -> None:
        """The one message of a queue is received so often, as by a function that fails each time."""
        url = self.pipeline.outputs[queue]
        for _ in range(times):
            answer = self._sqs.receive_message(QueueUrl=url, VisibilityTimeout=0, WaitTimeSeconds=10)
            assert len(answer.get("Messages", [])) == 1

    def receive(self, queue: str) -> None:
        self._sqs.receive_message(QueueUrl=self.pipeline.outputs[queue], VisibilityTimeout=0)

    def empty(self) -> None:
        for box in BOXES:
            self._sqs.purge_queue(QueueUrl=self.pipeline.outputs[box])


@pytest.fixture
def place(pipeline: Pipeline) -> Iterator[Place]:
    place = Place(pipeline)
    place.empty()
    yield place
    place.empty()


@pytest.fixture
def detect_sleeps(place: Place) -> Iterator[Callable[[], None]]:
    """The function detect takes no message until this is called."""
    yield from asleep(place.pipeline, "Detect")


@pytest.fixture
def notify_sleeps(place: Place) -> Iterator[Callable[[], None]]:
    """The function notify takes no message until this is called."""
    yield from asleep(place.pipeline, "Notify")


def asleep(pipeline: Pipeline, name: str) -> Iterator[Callable[[], None]]:
    function = functions(pipeline.session)[name]
    set_mapping(pipeline.session, function, Enabled=False)
    yield lambda: set_mapping(pipeline.session, function, Enabled=True)
    set_mapping(pipeline.session, function, Enabled=True)


def test_what_is_no_image_is_listed_with_its_reason_as_often_as_one_looks(place: Place) -> None:
    place.reject()
    (one,) = place.listed()
    assert (one["queue"], one["reason"], one["rejected"]) == ("images", "InvalidImageFormatException", True)
    assert [image["key"] for image in one["images"]] == [place.key]
    (again,) = place.listed()
    assert (again["id"], again["received"]) == (one["id"], one["received"] + 1)
    shown = place.said("list", "--key", f"{place.key[:8]}/*", "--reason", "Invalid*")
    assert re.search(rf"{one['id'][:8]} +│ {place.key} +│ InvalidImageFormatException +│", shown)
    assert "1 dead letter; all were seen." in shown


def test_one_is_shown_whole_by_its_image_or_its_id(place: Place) -> None:
    place.reject()
    (one,) = place.listed()
    for name in (place.key, one["id"], one["id"][:8]):
        shown = place.said("show", name).splitlines()
        assert "to do: nothing, or upload it in another form" in shown
        assert "attribute fate: reject" in shown
        assert '   "eventSource": "aws:s3",' in shown


def test_an_event_that_comes_many_times_is_one_dead_letter_that_says_how_often_it_was_one(place: Place) -> None:
    gone = notification(s3_record(place.key, bucket=INPUT_BUCKET))
    place.send(*[gone] * 10)
    place.send(*[gone] * 10)
    place.wait_until_taken()
    assert [one["reason"] for one in place.listed()] == ["ImageGone"]
    assert '"dead_letter_count": 1' in place.said("show", place.key)
    place.said("redrive", "--all", "--force", "--yes")
    place.wait_until_taken()
    assert '"dead_letter_count": 2' in place.said("show", place.key)


def test_what_can_never_be_analysed_is_left_out_and_forced_it_is_dead_again(place: Place) -> None:
    place.reject()
    left_out = place.said("redrive", "--all", "--yes")
    assert (
        "1 dead letter left out, rejected for good and dead again if moved: InvalidImageFormatException (1)."
        in left_out
    )
    (before,) = place.listed()
    assert "Put back: 1 of 1 dead letter." in place.said("redrive", "--key", place.key, "--yes", "--force")
    place.wait_for_one()
    (after,) = place.listed()
    assert after["reason"] == before["reason"]
    assert after["id"] != before["id"]


def test_purged_they_are_gone_and_the_object_stays(place: Place) -> None:
    place.reject()
    assert "Deleted: 1 of 1 dead letter." in place.said("purge", "--reason", "InvalidImageFormatException", "--yes")
    assert "There are no dead letters." in place.said("list")
    place.pipeline.session.local_aws.client("s3").head_object(
        Bucket=place.pipeline.outputs["InputBucket"], Key=place.key
    )
    audited = run_labelwatch(place.pipeline.session, "audit", "--prefix", place.key)
    assert (audited.returncode, "1   are dead letters: 1 InvalidImageFormatException (purged)" in audited.stdout) == (
        0, True,
    )  # fmt: skip


@pytest.mark.parametrize("command", [("redrive", "--force"), ("purge",)])
def test_where_nobody_can_be_asked_nothing_is_moved_or_deleted(place: Place, command: tuple[str, ...]) -> None:
    place.reject()
    done = place.run(*command, "--all")
    assert (done.returncode, done.stderr.splitlines()[-1]) == (
        1, "labelwatch: nobody is there to be asked; --yes goes on without.",
    )  # fmt: skip
    assert place.in_sight() == 1


def test_a_ctrl_c_at_the_question_gives_all_back(place: Place) -> None:
    place.reject()
    ours, theirs = pty.openpty()
    process = subprocess.Popen(
        [*COMMAND, "purge", "--all"], env=place.environment, stdin=theirs, stdout=theirs, stderr=theirs
    )
    os.close(theirs)
    seen = ""
    while "[y/N]" not in seen:
        seen += os.read(ours, 1000).decode(errors="replace")
    held = place.in_sight()
    process.send_signal(signal.SIGINT)
    process.wait(60)
    os.close(ours)
    assert "Delete 1 dead letter for good? The images stay." in seen
    assert (held, place.in_sight()) == (0, 1)


def test_what_sqs_itself_gave_up_is_not_recorded_and_comes_back(
    place: Place, detect_sleeps: Callable[[], None]
) -> None:
    place.pipeline.upload(place.key)
    place.try_often("ImagesQueueUrl", MAX_RECEIVES)
    place.receive("ImagesQueueUrl")  # SQS moves it when it is asked once more
    place.wait_for_one()
    (one,) = place.listed()
    assert (one["reason"], one["detail"], one["images"][0]["key"]) == ("not recorded", None, place.key)
    assert "to do: mend it, then redrive" in place.said("show", place.key)
    detect_sleeps()
    place.said("redrive", "--reason", "not recorded", "--yes")
    place.pipeline.wait_for(place.key)
    assert place.key in place.pipeline.predictions


def test_what_died_of_a_missing_permission_becomes_a_prediction_once_it_is_there(
    place: Place, detect_sleeps: Callable[[], None]
) -> None:
    place.pipeline.upload(place.key)
    place.try_often("ImagesQueueUrl", LAST_RECEIVE - 1)
    with without(place.pipeline, "DetectRoleArn", "detect", "ReadImages"):
        detect_sleeps()
        place.wait_for_one()
    (one,) = place.listed()
    assert (one["reason"], one["rejected"]) == ("403", False)
    assert "Nothing is moved: 1 dead letter would be." in place.said("redrive", "--all", "--dry-run")
    assert place.in_sight() == 1
    place.said("redrive", "--all", "--yes")
    place.pipeline.wait_for(place.key)
    assert place.key in place.pipeline.predictions
    assert place.listed() == []


def test_what_died_of_a_wrong_model_becomes_a_prediction_once_it_is_right(
    place: Place, detect_sleeps: Callable[[], None]
) -> None:
    place.pipeline.upload(place.key)
    place.try_often("ImagesQueueUrl", LAST_RECEIVE - 1)
    place.pipeline.local_model.answer_with("ResourceNotFoundException")
    detect_sleeps()
    place.wait_for_one()
    assert [(one["reason"], one["rejected"]) for one in place.listed()] == [("ResourceNotFoundException", False)]
    place.said("redrive", "--all", "--yes")
    place.pipeline.wait_for(place.key)
    assert place.key in place.pipeline.predictions


def test_what_waited_too_long_for_a_stopped_model_becomes_a_prediction_once_it_runs(
    place: Place, detect_sleeps: Callable[[], None]
) -> None:
    place.pipeline.upload(place.key)
    place.try_often("ImagesQueueUrl", LAST_RECEIVE - 1)
    place.pipeline.local_model.status = "STOPPED"
    detect_sleeps()
    place.wait_for_one()
    place.pipeline.local_model.status = "RUNNING"
    look_at_the_model(place.pipeline.session)
    assert "to do: mend it, start the model, then redrive" in place.said("show", place.key)
    place.said("redrive", "--reason", "ResourceNotReadyException", "--yes")
    place.pipeline.wait_for(place.key)
    assert place.key in place.pipeline.predictions


def test_a_prediction_that_could_not_be_told_goes_back_on_the_predictions_queue_and_is_told(
    place: Place, notify_sleeps: Callable[[], None]
) -> None:
    place.pipeline.upload(place.key, content=picture("leaf-smut"))
    place.try_often("PredictionsQueueUrl", LAST_RECEIVE - 1)
    with without(place.pipeline, "NotifyRoleArn", "notify", "PublishAlerts"):
        notify_sleeps()
        place.wait_for_one()
    (one,) = place.listed()
    assert (one["queue"], one["images"][0]["key"], one["rejected"]) == ("predictions", place.key, False)
    place.said("redrive", "--key", place.key, "--yes")
    place.pipeline.wait_for_alert(place.key)


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
    done = Place(running).run(*arguments)
    assert (done.returncode, len(done.stderr.splitlines())) == (1, 1), done.stderr
    assert sentence in done.stderr


def test_a_stack_of_something_else_is_one_sentence(running: Pipeline) -> None:
    cloudformation = running.session.local_aws.client("cloudformation")
    template = {"Resources": {"Queue": {"Type": "AWS::SQS::Queue"}}}
    cloudformation.create_stack(StackName="something-else", TemplateBody=json.dumps(template))
    done = Place(running).run("list", "--stack", "something-else")
    cloudformation.delete_stack(StackName="something-else")
    assert (done.returncode, len(done.stderr.splitlines())) == (1, 1), done.stderr
    assert "has no ImagesDeadLettersUrl, ImagesQueueUrl, PredictionsDeadLettersUrl" in done.stderr


def test_a_reason_that_none_has_is_told_those_that_there_are(place: Place) -> None:
    place.reject()
    for command in ("list", "redrive", "purge"):
        done = place.run(command, "--reason", "EmptyImages")
        assert done.returncode == 1
        assert done.stderr.splitlines()[-1] == (
            "labelwatch: no dead letter matches (1 in all); the reasons are InvalidImageFormatException (1)."
        )
    assert place.in_sight() == 1

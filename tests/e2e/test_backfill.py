"""`labelwatch backfill` against the deployed package: images that were in the bucket before its notifications."""

import itertools
import re
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import pytest

from labelwatch.local.session import INPUT_BUCKET, OUTPUT_BUCKET
from tests.support.command import invoke, invoke_labelwatch
from tests.support.pipeline import Pipeline, functions, run_labelwatch, set_mapping, user_environment
from tests.support.proxy import Forward, Request, Response, running_proxy

MAX_SECONDS = 120
# So many that Ctrl-C is pressed before all are sent.
IMAGES_TO_STOP = 600


@pytest.fixture
def unnotified(pipeline: Pipeline) -> Iterator[Pipeline]:
    """The pipeline without event notifications of its input bucket, as before the stack."""
    s3 = pipeline.session.local_aws.client("s3")
    s3.put_bucket_notification_configuration(Bucket=INPUT_BUCKET, NotificationConfiguration={})
    yield pipeline
    queue = {"QueueArn": pipeline.outputs["ImagesQueueArn"], "Events": ["s3:ObjectCreated:*"]}
    s3.put_bucket_notification_configuration(
        Bucket=INPUT_BUCKET, NotificationConfiguration={"QueueConfigurations": [queue]}
    )


def output(pipeline: Pipeline, *arguments: str) -> str:
    done = invoke_labelwatch(pipeline.session, "backfill", *arguments)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def target(prefix: str) -> str:
    return f"s3://{INPUT_BUCKET}/{prefix}"


def names(prefix: str, count: int) -> list[str]:
    return [f"{prefix}{number:04}.jpg" for number in range(count)]


def rows_of(pipeline: Pipeline, prefix: str) -> int:
    (row,) = pipeline.session.athena.query(
        f"SELECT count(*) AS rows FROM rekognition_customlabels_analytics WHERE image LIKE '{prefix}%'"  # noqa: S608 - ours
    ).records
    return int(row["rows"] or 0)


def test_earlier_images_are_predicted_without_alerts(unnotified: Pipeline) -> None:
    keys = ["before/a b+c.jpg", "before/稲 100%25.jpg", "before/plain.jpg"]
    unnotified.upload(*keys, "before/")
    unnotified.upload("before/notes.jpg", content=b"Spray on Tuesday.")
    unnotified.upload("before/folder/", content=b"")
    done = run_labelwatch(unnotified.session, "backfill", target("before/"), "--yes")
    assert done.returncode == 0, done.stdout + done.stderr
    assert f"{target('before/')}: 5 objects" in done.stdout
    unnotified.wait_for(*keys, "before/", "before/notes.jpg")
    unnotified.wait_until_empty()
    assert all(unnotified.predictions[key].alert_expected for key in keys)
    assert [unnotified.alerts_of(key) for key in keys] == [[], [], []]
    assert unnotified.dead_letters["before/notes.jpg"].reason == "InvalidImageFormatException"
    audit = invoke_labelwatch(unnotified.session, "audit", "--prefix", "before/")
    assert audit.returncode == 0, audit.stdout


def test_notify_publishes_alerts(unnotified: Pipeline) -> None:
    unnotified.upload("alerts/leaf.jpg")
    output(unnotified, target("alerts/"), "--yes", "--notify")
    assert unnotified.wait_for_alert("alerts/leaf.jpg")


def test_predicted_images_are_left_out_and_force_doubles_no_rows(unnotified: Pipeline) -> None:
    keys = names("forced/", 12)
    unnotified.upload(*keys)
    output(unnotified, target("forced/"), "--yes")
    unnotified.wait_for(*keys)
    unnotified.wait_until_empty()
    calls = unnotified.local_model.calls
    assert "12 already predicted, 0 to send" in output(unnotified, target("forced/"))
    assert "12 objects, 12 to send" in output(unnotified, target("forced/"), "--force", "--yes")
    unnotified.wait_until(lambda: unnotified.local_model.calls == calls + 12, "another call of the model for each")
    unnotified.wait_until_empty()
    assert rows_of(unnotified, "forced/") == 12


def test_a_dry_run_sends_nothing_and_prints_the_cost(unnotified: Pipeline) -> None:
    unnotified.upload(*names("dry/", 3))
    shown = output(unnotified, target("dry/"), "--dry-run", "--units", "2")
    assert "3 to send, without alerts" in shown
    assert "2 inference units, under 0.01 USD" in shown
    assert unnotified.depth("ImagesQueueUrl") == 0


def test_a_fault_of_the_queue_is_named_in_one_line(unnotified: Pipeline) -> None:
    unnotified.upload("fault/leaf.jpg")
    environment = user_environment(unnotified.session) | {"AWS_ENDPOINT_URL_SQS": unnotified.session.rekognition}
    done = invoke(environment, "backfill", target("fault/"), "--force", "--yes")
    assert (done.returncode, len(done.stderr.splitlines())) == (1, 1), done.stderr
    assert done.stderr.startswith("labelwatch: AWS request failed: ")


def test_after_ctrl_c_the_same_command_sends_the_rest(unnotified: Pipeline) -> None:
    keys = names("stopped/", IMAGES_TO_STOP)
    s3 = unnotified.session.local_aws.client("s3")
    with ThreadPoolExecutor(10) as pool:  # no images: only counted on the queue
        list(pool.map(lambda key: s3.put_object(Bucket=INPUT_BUCKET, Key=key, Body=b""), keys))
    detect = functions(unnotified.session)["Detect"]
    unnotified.wait_until_empty()
    set_mapping(unnotified.session, detect, Enabled=False)
    try:
        stop_after_some(unnotified, target("stopped/"))
        sent = unnotified.depth("ImagesQueueUrl")
        assert 0 < sent < IMAGES_TO_STOP
        shown = output(unnotified, target("stopped/"), "--yes")
        found = re.search("after '(stopped/.*)'", shown)
        done = keys.index(found[1]) + 1 if found else 0
        # Ctrl-C may catch one call of ten as it begins: that one is sent again.
        assert done in {sent, sent - 10}
        assert f"{IMAGES_TO_STOP - done:,} to send" in shown
        assert unnotified.depth("ImagesQueueUrl") == IMAGES_TO_STOP + sent - done
    finally:
        unnotified.session.local_aws.client("sqs").purge_queue(QueueUrl=unnotified.outputs["ImagesQueueUrl"])
        set_mapping(unnotified.session, detect, Enabled=True)


def stop_after_some(pipeline: Pipeline, uri: str) -> None:
    """Starts it, and presses Ctrl-C when three calls of ten images each have been sent and the next ones wait."""
    sends, three_sent, stopped = itertools.count(1), threading.Event(), threading.Event()

    def hold_back(request: Request, forward: Forward) -> Response:
        if request.headers.get("x-amz-target") == "AmazonSQS.SendMessageBatch" and next(sends) > 3:
            three_sent.set()
            stopped.wait(MAX_SECONDS)
        return forward()

    with running_proxy(pipeline.session.local_aws.endpoint, hold_back) as sqs:
        environment = user_environment(pipeline.session) | {"COLUMNS": "200", "AWS_ENDPOINT_URL_SQS": sqs}
        with subprocess.Popen(
            [sys.executable, "-m", "labelwatch", "backfill", uri, "--yes"], env=environment,
            stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
        ) as process:  # fmt: skip
            assert three_sent.wait(MAX_SECONDS), "nothing was sent"
            process.send_signal(signal.SIGINT)
            stopped.set()
            shown, errors = process.communicate(timeout=MAX_SECONDS)
    assert process.returncode == 130, shown
    assert re.search(rf"^labelwatch: Stopped after [\d,]+ of {IMAGES_TO_STOP:,} images", errors)


@pytest.mark.parametrize(
    ("arguments", "part"),
    [
        ((f"s3://{OUTPUT_BUCKET}",), INPUT_BUCKET),
        ((f"s3://{INPUT_BUCKET}", "--stack", "none"), "named none"),
        ((f"s3://{INPUT_BUCKET}", "--force"), "--yes"),
    ],
)
def test_a_mistake_is_refused_in_one_line(pipeline: Pipeline, arguments: tuple[str, ...], part: str) -> None:
    pipeline.upload("mistaken.jpg")
    done = invoke_labelwatch(pipeline.session, "backfill", *arguments)
    assert (done.returncode, len(done.stderr.splitlines())) == (1, 1), done.stderr
    assert part in done.stderr

"""`labelwatch alert test` on the local AWS: the mail arrives, marked, and nothing else remains of it."""

from __future__ import annotations

import email
import email.policy
import json
import re
from email.message import EmailMessage
from uuid import uuid4

import pytest
import requests

from labelwatch.local.mailbox import QUEUE as MAILBOX
from labelwatch.local.session import OUTPUT_BUCKET
from tests.e2e.test_subscribers import SubscriberQueue, removing_subscriptions
from tests.support.command import invoke_labelwatch
from tests.support.pipeline import Pipeline, functions, set_mapping


@pytest.fixture
def source() -> str:
    """Of no other test: the pipeline is shared."""
    return f"field-{uuid4()}"


def mail_about(pipeline: Pipeline, source: str) -> EmailMessage:
    """The only mail with this source in its subject."""

    def files() -> list[bytes]:
        return [mail.file.read_bytes() for mail in pipeline.session.mailbox.mails if source[:20] in mail.subject]

    pipeline.wait_until(lambda: bool(files()), "a mail")
    (content,) = files()
    mail = email.message_from_bytes(content, policy=email.policy.default)
    assert isinstance(mail, EmailMessage)
    return mail


def rows_and_records(pipeline: Pipeline) -> tuple[set[str], set[str]]:
    """The keys of the rows, and the ids of the records of real alerts."""
    pages = pipeline.session.local_aws.client("s3").get_paginator("list_objects_v2").paginate(Bucket=OUTPUT_BUCKET)
    query = pipeline.session.local_aws.client("dynamodb").query(
        TableName=pipeline.outputs["TableName"],
        KeyConditionExpression="kind = :kind",
        ExpressionAttributeValues={":kind": {"S": "alert"}},
    )
    rows = {row["Key"] for page in pages for row in page.get("Contents", [])}
    return rows, {item["id"]["S"] for item in query["Items"]}


def test_a_test_alert_arrives_marked_and_its_link_works_and_nothing_is_stored(pipeline: Pipeline, source: str) -> None:
    before = rows_and_records(pipeline)
    done = invoke_labelwatch(
        pipeline.session,
        "alert",
        "test",
        "--source",
        source,
        "--label",
        "rust",
        "--confidence",
        "85",
        "--format",
        "json",
    )
    assert done.returncode == 0, done.stderr
    report = json.loads(done.stdout)
    assert (report["attributes"]["source"], report["attributes"]["labels"]) == (source, ["rust"])
    deliveries = {each["endpoint"].rpartition(":")[2]: each["delivery"] for each in report["subscriptions"]}
    assert deliveries[MAILBOX] == "sent"
    mail = mail_about(pipeline, source)
    assert mail["Subject"] == report["subject"]
    assert mail["Subject"].startswith("Test alert: rust 85 %")
    (link,) = re.findall(r"https?://\S+/p/[a-z2-7]{32}", mail.get_content())
    page = requests.get(link, timeout=60)
    assert (page.status_code, "is a test" in page.text) == (200, True)
    as_json = requests.get(link, headers={"Accept": "application/json"}, timeout=60).json()
    assert (as_json["test"], as_json["source"]) == (True, source)
    pipeline.wait_until_empty()
    assert rows_and_records(pipeline) == before
    audit = invoke_labelwatch(pipeline.session, "audit", "--prefix", source, "--format", "json")
    assert audit.returncode == 0, audit.stdout
    assert json.loads(audit.stdout)["expected_alerts"] == 0


def test_the_deliveries_are_those_that_sns_makes(pipeline: Pipeline, source: str) -> None:
    passing, filtered = SubscriberQueue(pipeline), SubscriberQueue(pipeline)
    with removing_subscriptions(pipeline):
        for queue, of_source in ((passing, source), (filtered, "another")):
            invoke_labelwatch(pipeline.session, "subscribe", queue.arn, "--source", of_source)
        done = invoke_labelwatch(pipeline.session, "alert", "test", "--source", source)
        assert done.returncode == 0, done.stderr
        (body,) = passing.wait()
    assert json.loads(body)["MessageAttributes"]["test"]["Value"] == "yes"
    assert filtered.receive() == []
    blocks = dict(re.findall(r"Endpoint: (.*)\nProtocol: .*\nDelivery: (.*)", done.stdout))
    assert blocks[passing.arn] == "sent"
    assert blocks[filtered.arn] == "filtered out: source another"


def test_while_notify_is_not_polled_the_command_fails_and_says_what_to_check(pipeline: Pipeline, source: str) -> None:
    notify = functions(pipeline.session)["Notify"]
    set_mapping(pipeline.session, notify, Enabled=False)
    try:
        done = invoke_labelwatch(pipeline.session, "alert", "test", "--source", source, "--wait-seconds", "2")
    finally:
        set_mapping(pipeline.session, notify, Enabled=True)
    assert done.returncode == 1
    assert pipeline.outputs["PredictionsQueueArn"] in done.stderr
    assert "dead-letters list" in done.stderr
    mail_about(pipeline, source)

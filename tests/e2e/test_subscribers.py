"""`labelwatch subscribe` and `labelwatch subscribers`, as commands on the local AWS."""

from __future__ import annotations

import io
import json
import subprocess
import sys
import threading
import zipfile
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from queue import Queue
from typing import Any
from uuid import uuid4

import pytest

from labelwatch.local.ministack import REGION
from labelwatch.local.session import ADDRESS
from tests.support.pipeline import Pipeline, picture, run_labelwatch

LABELWATCH = str(Path(sys.executable).with_name("labelwatch"))
# A function that subscribes: it sends the subject of each alert to a queue.
FUNCTION = """
import os, boto3
def handler(event, context):
    for record in event["Records"]:
        boto3.client("sqs").send_message(QueueUrl=os.environ["OUT"], MessageBody=record["Sns"]["Subject"])
"""
TRUST = {
    "Version": "2012-10-17",
    "Statement": [{"Effect": "Allow", "Principal": {"Service": "lambda.amazonaws.com"}, "Action": "sts:AssumeRole"}],
}


def run(pipeline: Pipeline, *arguments: str) -> subprocess.CompletedProcess[str]:
    """Runs the command on the local AWS, in a wide terminal."""
    return run_labelwatch(pipeline.session, *arguments, COLUMNS="300")


def output_of(pipeline: Pipeline, *arguments: str) -> str:
    """Runs the command and gives its output; it must succeed."""
    result = run(pipeline, *arguments)
    assert result.returncode == 0, result.stderr
    return result.stdout


def line_of(pipeline: Pipeline, endpoint: str) -> list[str]:
    """The cells of the endpoint's line of the list."""
    listed = output_of(pipeline, "subscribers", "list")
    line = next(line for line in listed.splitlines() if endpoint in line)
    return [cell.strip() for cell in line.strip("│").split("│")]


class SubscriberQueue:
    """A queue outside of Labelwatch."""

    def __init__(self, pipeline: Pipeline, **attributes: str) -> None:
        self._pipeline = pipeline
        self._sqs = pipeline.session.local_aws.client("sqs")
        self.url = self._sqs.create_queue(QueueName=f"subscriber-{uuid4().hex[:8]}", Attributes=attributes)["QueueUrl"]
        self.arn = self.attribute("QueueArn")
        self.bodies: list[str] = []

    def attribute(self, name: str) -> str:
        answer = self._sqs.get_queue_attributes(QueueUrl=self.url, AttributeNames=[name])
        return str(answer.get("Attributes", {}).get(name, ""))

    def set_policy(self, *statements: dict[str, Any]) -> None:
        policy = {"Version": "2012-10-17", "Statement": list(statements)}
        self._sqs.set_queue_attributes(QueueUrl=self.url, Attributes={"Policy": json.dumps(policy)})

    def statements(self) -> list[dict[str, Any]]:
        policy = self.attribute("Policy")
        return list(json.loads(policy)["Statement"]) if policy else []

    def receive(self) -> list[str]:
        """The bodies of all messages so far."""
        answer = self._sqs.receive_message(QueueUrl=self.url, MaxNumberOfMessages=10)
        for message in answer.get("Messages", []):
            self.bodies.append(message["Body"])
            self._sqs.delete_message(QueueUrl=self.url, ReceiptHandle=message["ReceiptHandle"])
        return self.bodies

    def wait(self, count: int = 1) -> list[str]:
        self._pipeline.wait_until(lambda: len(self.receive()) >= count, f"{count} messages")
        return self.bodies


@pytest.fixture(autouse=True)
def _remove_subscriptions(pipeline: Pipeline) -> Iterator[None]:
    """Removes the subscriptions of a test after it: the pipeline is shared."""
    sns = pipeline.session.local_aws.client("sns")
    before = {subscription["SubscriptionArn"] for subscription in sns.list_subscriptions()["Subscriptions"]}
    yield
    after = {subscription["SubscriptionArn"] for subscription in sns.list_subscriptions()["Subscriptions"]}
    for arn in after - before:
        sns.unsubscribe(SubscriptionArn=arn)


def new_keys() -> tuple[str, str]:
    """Keys of two images that no other test has."""
    prefix = uuid4().hex[:8]
    return f"{prefix}/blight.jpg", f"{prefix}/smut.jpg"


def send_alerts(pipeline: Pipeline, blight: str, smut: str) -> None:
    """Sends two alerts, one after the other: bacterial-leaf-blight at 97 %, and leaf-smut at 97 %."""
    pipeline.upload(blight, content=picture("bacterial-leaf-blight"))
    pipeline.wait_for_alert(blight)
    pipeline.upload(smut, content=picture("leaf-smut"))
    pipeline.wait_for_alert(smut)


def test_a_queue_with_a_filter_on_a_label_gets_only_alerts_of_that_label(pipeline: Pipeline) -> None:
    queue = SubscriberQueue(pipeline)
    output_of(pipeline, "subscribe", queue.arn, "--label", "LEAF-smut", "--confidence", "97")
    send_alerts(pipeline, *new_keys())
    (body,) = queue.wait()
    assert json.loads(json.loads(body)["MessageAttributes"]["labels"]["Value"]) == ["leaf-smut"]


def test_a_queue_whose_confidence_no_alert_reaches_gets_nothing(pipeline: Pipeline) -> None:
    queue, everything = SubscriberQueue(pipeline), SubscriberQueue(pipeline)
    output_of(pipeline, "subscribe", queue.arn, "--confidence", "97.5")
    output_of(pipeline, "subscribe", everything.arn)
    send_alerts(pipeline, *new_keys())
    everything.wait(2)
    assert queue.receive() == []


def test_a_second_subscribe_changes_the_filter_and_reports_it(pipeline: Pipeline) -> None:
    queue = SubscriberQueue(pipeline)
    output_of(pipeline, "subscribe", queue.arn, "--label", "leaf-smut")
    output = output_of(pipeline, "subscribe", queue.arn, "--label", "bacterial-leaf-blight", "--confidence", "90")
    assert "already: leaf-smut. That is changed to: bacterial-leaf-blight, from 90 %." in output
    send_alerts(pipeline, *new_keys())
    (body,) = queue.wait()
    assert "bacterial-leaf-blight" in json.loads(body)["Subject"]


def test_a_second_subscribe_without_a_filter_removes_it_and_gives_the_command_to_have_it_back(
    pipeline: Pipeline,
) -> None:
    queue = SubscriberQueue(pipeline)
    output_of(pipeline, "subscribe", queue.arn, "--confidence", "99")
    output = output_of(pipeline, "subscribe", queue.arn)
    assert "already: from 99 %. That filter is taken away, since none was asked for." in output
    assert f"To have it back: labelwatch subscribe {queue.arn} --confidence 99\n" in output
    send_alerts(pipeline, *new_keys())
    assert len(queue.wait(2)) == 2


def test_a_second_subscribe_with_the_same_filter_changes_nothing(pipeline: Pipeline) -> None:
    queue = SubscriberQueue(pipeline)
    output_of(pipeline, "subscribe", queue.arn, "--label", "leaf-smut", "--confidence", "99")
    output = output_of(pipeline, "subscribe", queue.arn, "--label", "leaf-smut", "--confidence", "99")
    assert "already: leaf-smut, from 99 %. Nothing was changed." in output


def test_the_grant_to_a_queue_keeps_its_other_statements_and_is_revoked_with_the_subscription(
    pipeline: Pipeline,
) -> None:
    queue = SubscriberQueue(pipeline)
    theirs = {
        "Sid": "theirs",
        "Effect": "Allow",
        "Principal": {"Service": "events.amazonaws.com"},
        "Action": "sqs:SendMessage",
        "Resource": queue.arn,
    }
    queue.set_policy(theirs)
    assert "which lets the topic in" in output_of(pipeline, "subscribe", queue.arn)
    assert [statement["Sid"] for statement in queue.statements()][:1] == ["theirs"]
    assert queue.statements()[1]["Condition"] == {"ArnEquals": {"aws:SourceArn": pipeline.outputs["AlertsTopicArn"]}}
    assert "which lets the topic in" not in output_of(pipeline, "subscribe", queue.arn)
    assert "is taken out of the queue's policy" in output_of(pipeline, "subscribers", "remove", queue.arn)
    assert queue.statements() == [theirs]


def test_a_queue_without_other_statements_has_no_policy_after_the_revocation(pipeline: Pipeline) -> None:
    queue = SubscriberQueue(pipeline)
    output_of(pipeline, "subscribe", queue.arn)
    output_of(pipeline, "subscribers", "remove", queue.arn)
    assert queue.attribute("Policy") == ""


def test_a_removed_queue_gets_no_alerts(pipeline: Pipeline) -> None:
    queue, everything = SubscriberQueue(pipeline), SubscriberQueue(pipeline)
    output_of(pipeline, "subscribe", queue.arn)
    output_of(pipeline, "subscribe", everything.arn)
    assert f"{queue.arn} is taken off the alerts." in output_of(pipeline, "subscribers", "remove", queue.arn)
    # Granted by hand, so that only the subscription is missing.
    statement = {
        "Effect": "Allow",
        "Principal": {"Service": "sns.amazonaws.com"},
        "Action": "sqs:SendMessage",
        "Resource": queue.arn,
    }
    queue.set_policy(statement)
    send_alerts(pipeline, *new_keys())
    everything.wait(2)
    assert queue.receive() == []


def test_a_function_gets_alerts_and_its_policy_allows_the_topic(pipeline: Pipeline) -> None:
    out = SubscriberQueue(pipeline)
    function = deployed_function(pipeline, out)
    output = output_of(pipeline, "subscribe", function, "--label", "leaf-smut")
    assert "which lets the topic invoke it" in output
    policy = json.loads(pipeline.session.local_aws.client("lambda").get_policy(FunctionName=function)["Policy"])
    (statement,) = policy["Statement"]
    assert "which lets the topic invoke it" not in output_of(pipeline, "subscribe", function, "--label", "leaf-smut")
    assert statement["Condition"] == {"ArnLike": {"AWS:SourceArn": pipeline.outputs["AlertsTopicArn"]}}
    blight, smut = new_keys()
    send_alerts(pipeline, blight, smut)
    (subject,) = out.wait()
    assert subject == "Labelwatch: leaf-smut 97.0 % in smut.jpg"
    assert "is taken out of the function's policy" in output_of(pipeline, "subscribers", "remove", function)


def deployed_function(pipeline: Pipeline, out: SubscriberQueue) -> str:
    """The ARN of a function that sends the subjects of its alerts to `out`."""
    name = f"subscriber-{uuid4().hex[:8]}"
    iam, functions = pipeline.session.local_aws.client("iam"), pipeline.session.local_aws.client("lambda")
    role = iam.create_role(RoleName=name, AssumeRolePolicyDocument=json.dumps(TRUST))["Role"]["Arn"]
    statement = {"Effect": "Allow", "Action": "sqs:SendMessage", "Resource": out.arn}
    policy = {"Version": "2012-10-17", "Statement": [statement]}
    iam.put_role_policy(RoleName=name, PolicyName="out", PolicyDocument=json.dumps(policy))
    code = io.BytesIO()
    with zipfile.ZipFile(code, "w") as file:
        file.writestr("index.py", FUNCTION)
    made = functions.create_function(
        FunctionName=name,
        Runtime="python3.12",
        Handler="index.handler",
        Role=role,
        Code={"ZipFile": code.getvalue()},
        Environment={"Variables": {"OUT": out.url}},
        Timeout=30,
    )
    return str(made["FunctionArn"])


def test_an_unconfirmed_https_endpoint_is_listed_and_cannot_be_removed(pipeline: Pipeline) -> None:
    url = f"https://127.0.0.1:9/{uuid4().hex[:8]}"  # nobody listens there
    output = output_of(pipeline, "subscribe", url)
    assert f"Unconfirmed: {url}. AWS has sent a POST of Type SubscriptionConfirmation." in output
    assert line_of(pipeline, url) == ["alerts", "https", url, "everything", "unconfirmed"]
    removed = run(pipeline, "subscribers", "remove", url)
    assert removed.returncode == 1
    assert "which AWS lets nobody take back: it hears of nothing, and is gone after 48 hours" in removed.stderr


def test_the_link_that_an_endpoint_receives_confirms_it(pipeline: Pipeline) -> None:
    with listening() as (url, posts):
        # By hand, since the command subscribes no http:// and the local AWS trusts no certificate of a test.
        sns = pipeline.session.local_aws.client("sns")
        sns.subscribe(TopicArn=pipeline.outputs["OperationsTopicArn"], Protocol="http", Endpoint=url)
        link = json.loads(posts.get(timeout=30))["SubscribeURL"]
        assert line_of(pipeline, url)[-1] == "unconfirmed"
        output = output_of(pipeline, "subscribers", "confirm", link)
        assert f"{url} is subscribed to the operations, and only who has rights in this account can undo it." in output
        assert line_of(pipeline, url)[-1] == "confirmed; only you can undo it"
        sns.publish(TopicArn=pipeline.outputs["OperationsTopicArn"], Message="a test")
        assert json.loads(posts.get(timeout=30))["Message"] == "a test"


@contextmanager
def listening() -> Iterator[tuple[str, Queue[bytes]]]:
    """A server on loopback: its URL, and the bodies of what is posted there."""
    posts: Queue[bytes] = Queue()

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            posts.put(self.rfile.read(int(self.headers["Content-Length"])))
            self.send_response(200)
            self.end_headers()

        def log_message(self, *_: object) -> None:
            pass

    with HTTPServer(("127.0.0.1", 0), Handler) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield f"http://127.0.0.1:{server.server_port}/alarms", posts
        server.shutdown()
        thread.join()


def test_an_address_may_get_only_alarms(pipeline: Pipeline) -> None:
    output_of(pipeline, "subscribe", "night-shift@example.com", "--operations")
    assert line_of(pipeline, "night-shift@example.com")[:4] == [
        "operations",
        "email",
        "night-shift@example.com",
        "everything",
    ]


def test_removing_from_one_topic_leaves_the_other(pipeline: Pipeline) -> None:
    output_of(pipeline, "subscribe", "both@example.com")
    output_of(pipeline, "subscribe", "both@example.com", "--operations")
    output = output_of(pipeline, "subscribers", "remove", "both@example.com", "--alerts")
    assert output == "both@example.com is taken off the alerts.\n"
    assert line_of(pipeline, "both@example.com")[0] == "operations"


def test_removing_without_a_topic_is_from_both(pipeline: Pipeline) -> None:
    output_of(pipeline, "subscribe", "both@example.com")
    output_of(pipeline, "subscribe", "both@example.com", "--operations")
    output_of(pipeline, "subscribers", "remove", "both@example.com")
    assert "both@example.com" not in output_of(pipeline, "subscribers", "list")


def test_a_phone_number_gets_a_note_on_the_sandbox(pipeline: Pipeline) -> None:
    assert "sandbox for SMS" in output_of(pipeline, "subscribe", "+4917012345678", "--operations")


def test_a_label_that_no_alert_has_gets_a_warning(pipeline: Pipeline) -> None:
    output = output_of(pipeline, "subscribe", "you@example.com", "--label", "Leaf-Smut", "--label", "leafsmut")
    assert (
        "No alert tells of leafsmut now: the stack's LabelsofInterest are bacterial-leaf-blight, leaf-smut:90."
        in output
    )


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("subscribe", "http://example.com/alerts"), "give an https:// URL"),
        (("subscribe", "somebody"), "'somebody' can be told of nothing: it must be an e-mail address"),
        (("subscribe", f"arn:aws:sqs:{REGION}:000000000000:in.fifo"), "give the ARN of a standard queue"),
        (("subscribe", f"arn:aws:sqs:{REGION}:000000000000:nowhere"), f"there is no queue nowhere in {REGION}"),
        (("subscribe", f"arn:aws:lambda:{REGION}:000000000000:function:no"), "there is no function arn:aws:lambda:"),
        (("subscribe", f"arn:aws:lambda:{REGION}:123456789012:function:no"), "only the account 123456789012 can"),
        (("subscribe", "you@example.com", "--confidence", "101"), "must be a number from 0 to 100"),
        (("subscribe", "you@example.com", "--confidence", "nan"), "must be a number from 0 to 100"),
        (("subscribe", "you@example.com", "--label", "*"), "leave --label out to hear of all"),
        (("subscribe", "you@example.com", "--operations", "--label", "rust"), "alarms have neither labels nor"),
        (("subscribe", "you@example.com", "--stack", "no-such-stack"), "there is no stack no-such-stack"),
        (
            ("subscribers", "remove", ADDRESS),
            "is the stack's own, which CloudFormation subscribes as EmailNotification",
        ),
        (("subscribers", "remove", "nobody@example.com"), "nobody@example.com is not subscribed"),
        (("subscribers", "confirm", "https://example.com/unsubscribe"), "this is no link that confirms"),
        (("subscribers", "confirm", "0123456789abcdef" * 4), "AWS does not take this link (Invalid token)"),
        (
            ("subscribers", "confirm", f"https://x/?TopicArn=arn:aws:sns:{REGION}:000000000000:other&Token=12"),
            f"is of the topic arn:aws:sns:{REGION}:000000000000:other, which is none of the stack labelwatch",
        ),
    ],
)
def test_a_mistake_is_one_sentence_with_a_failure(pipeline: Pipeline, arguments: tuple[str, ...], message: str) -> None:
    result = run(pipeline, *arguments)
    assert (result.returncode, len(result.stderr.splitlines())) == (1, 1), result.stderr
    assert result.stderr.startswith("labelwatch: ")
    assert message in result.stderr


def test_a_queue_with_the_key_that_aws_manages_is_refused_since_sns_cannot_reach_it(pipeline: Pipeline) -> None:
    queue = SubscriberQueue(pipeline, KmsMasterKeyId="alias/aws/sqs")
    refused = run(pipeline, "subscribe", queue.arn)
    assert refused.returncode == 1
    assert "encrypted with alias/aws/sqs, whose policy nobody can change" in refused.stderr
    assert queue.arn not in output_of(pipeline, "subscribers", "list")


def test_the_owner_of_a_queue_of_another_account_gets_the_statement(pipeline: Pipeline) -> None:
    output = output_of(pipeline, "subscribe", f"arn:aws:sqs:{REGION}:123456789012:theirs")
    statement = json.loads(output.splitlines()[0].partition("this statement: ")[2])
    assert statement["Condition"] == {"ArnEquals": {"aws:SourceArn": pipeline.outputs["AlertsTopicArn"]}}

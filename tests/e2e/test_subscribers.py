"""`labelwatch subscribe` and `labelwatch subscribers`, as commands on the local AWS."""

from __future__ import annotations

import io
import json
import threading
import zipfile
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, HTTPServer
from queue import Queue
from typing import Any, NamedTuple
from uuid import uuid4

import pytest

from labelwatch.subscriptions.subscription import State
from tests.support.command import invoke_labelwatch
from tests.support.pipeline import Pipeline, picture, run_labelwatch

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


def output_of(pipeline: Pipeline, *words: str) -> str:
    """The output of the command, which must succeed."""
    result = invoke_labelwatch(pipeline.session, *words)
    assert result.returncode == 0, result.stderr
    return result.stdout


def listed(pipeline: Pipeline) -> dict[str, list[dict[str, str]]]:
    """The subscriptions of each endpoint, as `labelwatch subscribers list` shows them."""
    found: dict[str, list[dict[str, str]]] = {}
    for paragraph in output_of(pipeline, "subscribers", "list").split("\n\n"):
        endpoint, *lines = paragraph.splitlines()
        if lines and lines[0].startswith("  Topic:"):
            values = {name.strip(): value.strip() for name, _, value in (line.partition(":") for line in lines)}
            found.setdefault(endpoint, []).append(values)
    return found


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


@contextmanager
def removing_subscriptions(pipeline: Pipeline) -> Iterator[None]:
    """Removes the subscriptions that the block adds: the pipeline is shared."""
    sns = pipeline.session.local_aws.client("sns")
    before = {subscription["SubscriptionArn"] for subscription in sns.list_subscriptions()["Subscriptions"]}
    yield
    after = {subscription["SubscriptionArn"] for subscription in sns.list_subscriptions()["Subscriptions"]}
    for arn in after - before:
        sns.unsubscribe(SubscriptionArn=arn)


@pytest.fixture(autouse=True)
def _removed_subscriptions(pipeline: Pipeline) -> Iterator[None]:
    with removing_subscriptions(pipeline):
        yield


# Of no other test: the pipeline is shared.
SOURCE = f"field {uuid4()}"


class Subscribed(NamedTuple):
    """Subscribers with different filters, after two alerts: bacterial-leaf-blight at 97 %, then leaf-smut at 97 %."""

    everything: SubscriberQueue
    filtered: SubscriberQueue
    unreachable: SubscriberQueue
    changed: SubscriberQueue
    cleared: SubscriberQueue
    removed: SubscriberQueue
    function: SubscriberQueue
    of_source: SubscriberQueue


@pytest.fixture(scope="module")
def subscribed(running: Pipeline) -> Iterator[Subscribed]:
    everything, filtered, unreachable, changed, cleared, removed, out, of_source = queues = [
        SubscriberQueue(running) for _ in range(8)
    ]
    with removing_subscriptions(running):
        output_of(running, "subscribe", everything.arn)
        done = run_labelwatch(running.session, "subscribe", filtered.arn, "--label", "LEAF-smut", "--confidence", "97")
        assert done.returncode == 0, done.stderr
        output_of(running, "subscribe", unreachable.arn, "--confidence", "97.5")
        output_of(running, "subscribe", changed.arn, "--label", "leaf-smut")
        output_of(running, "subscribe", changed.arn, "--label", "bacterial-leaf-blight", "--confidence", "90")
        output_of(running, "subscribe", cleared.arn, "--confidence", "99")
        output_of(running, "subscribe", cleared.arn)
        output_of(running, "subscribe", removed.arn)
        output_of(running, "subscribers", "remove", removed.arn)
        # Granted by hand, so that only the subscription is missing.
        removed.set_policy(
            {
                "Effect": "Allow",
                "Principal": {"Service": "sns.amazonaws.com"},
                "Action": "sqs:SendMessage",
                "Resource": removed.arn,
            }
        )
        output_of(running, "subscribe", deployed_function(running, out), "--label", "leaf-smut")
        output_of(running, "subscribe", of_source.arn, "--source", SOURCE)
        send_alerts(running)
        everything.wait(2)
        yield Subscribed(*queues)


def send_alerts(pipeline: Pipeline) -> None:
    for key, label in ((f"{uuid4()}/blight.jpg", "bacterial-leaf-blight"), (f"{SOURCE}/smut.jpg", "leaf-smut")):
        pipeline.upload(key, content=picture(label))
        pipeline.wait_for_alert(key)


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


def labels_of(body: str) -> list[str]:
    """The labels of an alert in a queue."""
    labels: list[str] = json.loads(json.loads(body)["MessageAttributes"]["labels"]["Value"])
    return labels


def test_a_queue_with_a_filter_on_a_label_gets_only_alerts_of_that_label(subscribed: Subscribed) -> None:
    (body,) = subscribed.filtered.wait()
    assert labels_of(body) == ["leaf-smut"]


def test_a_queue_whose_confidence_no_alert_reaches_gets_nothing(subscribed: Subscribed) -> None:
    assert subscribed.unreachable.receive() == []


def test_a_second_subscribe_changes_the_filter(subscribed: Subscribed) -> None:
    (body,) = subscribed.changed.wait()
    assert labels_of(body) == ["bacterial-leaf-blight"]


def test_a_second_subscribe_without_a_filter_removes_the_filter(subscribed: Subscribed) -> None:
    assert len(subscribed.cleared.wait(2)) == 2


def test_a_removed_queue_gets_no_alerts(subscribed: Subscribed) -> None:
    assert subscribed.removed.receive() == []


def test_a_function_gets_the_alerts_that_pass_its_filter(subscribed: Subscribed) -> None:
    assert subscribed.function.wait() == [f"leaf-smut 97 % in {SOURCE}"]


def test_a_source_passes_its_alerts_alone(subscribed: Subscribed) -> None:
    (body,) = subscribed.of_source.wait()
    assert json.loads(body)["MessageAttributes"]["source"]["Value"] == SOURCE


def test_the_policy_of_a_function_allows_the_topic_until_the_function_is_removed(pipeline: Pipeline) -> None:
    function = deployed_function(pipeline, SubscriberQueue(pipeline))

    def statements() -> list[dict[str, Any]]:
        policy = pipeline.session.local_aws.client("lambda").get_policy(FunctionName=function)["Policy"]
        return list(json.loads(policy)["Statement"])

    for _ in range(2):  # the second grant changes nothing
        output_of(pipeline, "subscribe", function)
        (statement,) = statements()
        assert statement["Condition"] == {"ArnLike": {"AWS:SourceArn": pipeline.outputs["AlertsTopicArn"]}}
    output_of(pipeline, "subscribers", "remove", function)
    assert statements() == []


def test_a_second_subscribe_with_the_same_filter_changes_nothing(pipeline: Pipeline) -> None:
    words = ("subscribe", "you@example.com", "--label", "leaf-smut", "--confidence", "99")
    output_of(pipeline, *words)
    before = listed(pipeline)
    assert "unchanged" in output_of(pipeline, *words)
    assert listed(pipeline) == before


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
    for _ in range(2):  # the second grant changes nothing
        output_of(pipeline, "subscribe", queue.arn)
        first, second = queue.statements()
        assert first == theirs
        assert second["Condition"] == {"ArnEquals": {"aws:SourceArn": pipeline.outputs["AlertsTopicArn"]}}
    output_of(pipeline, "subscribers", "remove", queue.arn)
    assert queue.statements() == [theirs]


def test_a_queue_without_other_statements_has_no_policy_after_the_revocation(pipeline: Pipeline) -> None:
    queue = SubscriberQueue(pipeline)
    output_of(pipeline, "subscribe", queue.arn)
    output_of(pipeline, "subscribers", "remove", queue.arn)
    assert queue.attribute("Policy") == ""


def test_an_unconfirmed_https_endpoint_is_listed_and_cannot_be_removed(pipeline: Pipeline) -> None:
    url = f"https://127.0.0.1:9/{uuid4().hex[:8]}"  # nobody listens there
    assert "labelwatch subscribers confirm" in output_of(pipeline, "subscribe", url)
    before = listed(pipeline)
    assert before[url] == [{"Topic": "alerts (https)", "Filter": "none", "State": State.UNCONFIRMED}]
    removed = invoke_labelwatch(pipeline.session, "subscribers", "remove", url)
    assert removed.returncode == 1
    assert listed(pipeline) == before


def test_the_link_that_an_endpoint_receives_confirms_it(pipeline: Pipeline) -> None:
    with listening() as (url, posts):
        # By hand, since the command subscribes no http:// and the local AWS trusts no certificate of a test.
        sns = pipeline.session.local_aws.client("sns")
        sns.subscribe(TopicArn=pipeline.outputs["OperationsTopicArn"], Protocol="http", Endpoint=url)
        link = json.loads(posts.get(timeout=30))["SubscribeURL"]
        assert [item["State"] for item in listed(pipeline)[url]] == [State.UNCONFIRMED]
        assert State.CONFIRMED_AUTHENTICATED in output_of(pipeline, "subscribers", "confirm", link)
        assert [item["State"] for item in listed(pipeline)[url]] == [State.CONFIRMED_AUTHENTICATED]
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
        try:
            yield f"http://127.0.0.1:{server.server_port}/alarms", posts
        finally:  # else pytest would not end after a failure
            server.shutdown()
            thread.join()


def topics_of(pipeline: Pipeline, endpoint: str) -> list[str]:
    return [item["Topic"].split()[0] for item in listed(pipeline).get(endpoint, [])]


def test_an_address_may_get_only_alarms(pipeline: Pipeline) -> None:
    output_of(pipeline, "subscribe", "night-shift@example.com", "--operations")
    assert topics_of(pipeline, "night-shift@example.com") == ["operations"]


@pytest.mark.parametrize(
    ("options", "left"), [([], []), (["--alerts"], ["operations"]), (["--operations"], ["alerts"])], ids=str
)
def test_an_endpoint_is_removed_from_both_topics_or_from_one(
    pipeline: Pipeline, options: list[str], left: list[str]
) -> None:
    output_of(pipeline, "subscribe", "both@example.com")
    output_of(pipeline, "subscribe", "both@example.com", "--operations")
    output_of(pipeline, "subscribers", "remove", "both@example.com", *options)
    assert topics_of(pipeline, "both@example.com") == left


def test_a_phone_number_gets_a_note_on_the_sandbox(pipeline: Pipeline) -> None:
    assert "sms-sandbox" in output_of(pipeline, "subscribe", "+4917012345678", "--operations")


def test_a_label_that_no_alert_has_gets_a_warning(pipeline: Pipeline) -> None:
    output = output_of(pipeline, "subscribe", "you@example.com", "--label", "Leaf-Smut", "--label", "leafsmut")
    assert "LabelsofInterest is bacterial-leaf-blight, leaf-smut:90" in output


def test_a_queue_with_the_key_that_aws_manages_is_refused_since_sns_cannot_reach_it(pipeline: Pipeline) -> None:
    queue = SubscriberQueue(pipeline, KmsMasterKeyId="alias/aws/sqs")
    refused = invoke_labelwatch(pipeline.session, "subscribe", queue.arn)
    assert refused.returncode == 1
    assert "alias/aws/sqs" in refused.stderr
    assert queue.arn not in listed(pipeline)


def test_a_wrong_token_is_refused_with_the_reason_of_aws(pipeline: Pipeline) -> None:
    refused = invoke_labelwatch(pipeline.session, "subscribers", "confirm", "0123456789abcdef" * 4)
    assert refused.returncode == 1
    assert "Invalid token" in refused.stderr

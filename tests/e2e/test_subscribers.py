"""labelwatch subscribe and subscribers, as an operator meets them."""

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
# What a function of a subscriber may look like: it hands the subject on to a queue.
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
    """The command, by an operator whose AWS is the local AWS, in a terminal that is wide enough."""
    return run_labelwatch(pipeline.session, *arguments, COLUMNS="300")


def done(pipeline: Pipeline, *arguments: str) -> str:
    """What the command prints; it must succeed."""
    result = run(pipeline, *arguments)
    assert result.returncode == 0, result.stderr
    return result.stdout


def line_of(pipeline: Pipeline, endpoint: str) -> list[str]:
    """The cells of the endpoint's line of the list."""
    listed = done(pipeline, "subscribers", "list")
    line = next(line for line in listed.splitlines() if endpoint in line)
    return [cell.strip() for cell in line.strip("│").split("│")]


class Mailbox:
    """A queue that somebody has beside Labelwatch."""

    def __init__(self, pipeline: Pipeline, **attributes: str) -> None:
        self._pipeline = pipeline
        self._sqs = pipeline.session.local_aws.client("sqs")
        self.url = self._sqs.create_queue(QueueName=f"somebody-{uuid4().hex[:8]}", Attributes=attributes)["QueueUrl"]
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

    def look(self) -> list[str]:
        """All bodies that ever came."""
        answer = self._sqs.receive_message(QueueUrl=self.url, MaxNumberOfMessages=10)
        for message in answer.get("Messages", []):
            self.bodies.append(message["Body"])
            self._sqs.delete_message(QueueUrl=self.url, ReceiptHandle=message["ReceiptHandle"])
        return self.bodies

    def wait(self, count: int = 1) -> list[str]:
        self._pipeline.wait_until(lambda: len(self.look()) >= count, f"{count} messages")
        return self.bodies


@pytest.fixture
def place(pipeline: Pipeline) -> Iterator[Pipeline]:
    """The shared pipeline; who was subscribed in the test is taken off after it."""
    sns = pipeline.session.local_aws.client("sns")
    before = {one["SubscriptionArn"] for one in sns.list_subscriptions()["Subscriptions"]}
    yield pipeline
    for one in sns.list_subscriptions()["Subscriptions"]:
        if one["SubscriptionArn"] not in before:
            sns.unsubscribe(SubscriptionArn=one["SubscriptionArn"])


def names() -> tuple[str, str]:
    """Keys of two images, which no other test has."""
    mark = uuid4().hex[:8]
    return f"{mark}/blight.jpg", f"{mark}/smut.jpg"


def tell(pipeline: Pipeline, blight: str, smut: str) -> None:
    """Two alerts, one after the other: of a bacterial-leaf-blight at 97 %, and of a leaf-smut at 97 %."""
    pipeline.upload(blight, content=picture("bacterial-leaf-blight"))
    pipeline.wait_for_alert(blight)
    pipeline.upload(smut, content=picture("leaf-smut"))
    pipeline.wait_for_alert(smut)


def test_a_queue_with_a_filter_on_a_label_gets_only_the_alerts_that_tell_of_it(place: Pipeline) -> None:
    queue = Mailbox(place)
    done(place, "subscribe", queue.arn, "--label", "LEAF-smut", "--confidence", "97")
    tell(place, *names())
    (body,) = queue.wait()
    assert json.loads(json.loads(body)["MessageAttributes"]["labels"]["Value"]) == ["leaf-smut"]


def test_a_queue_whose_confidence_no_alert_reaches_gets_nothing(place: Pipeline) -> None:
    queue, everything = Mailbox(place), Mailbox(place)
    done(place, "subscribe", queue.arn, "--confidence", "97.5")
    done(place, "subscribe", everything.arn)
    tell(place, *names())
    everything.wait(2)
    assert queue.look() == []


def test_subscribing_again_changes_the_filter_and_says_so(place: Pipeline) -> None:
    queue = Mailbox(place)
    done(place, "subscribe", queue.arn, "--label", "leaf-smut")
    told = done(place, "subscribe", queue.arn, "--label", "bacterial-leaf-blight", "--confidence", "90")
    assert "already: leaf-smut. That is changed to: bacterial-leaf-blight, from 90 %." in told
    tell(place, *names())
    (body,) = queue.wait()
    assert "bacterial-leaf-blight" in json.loads(body)["Subject"]


def test_subscribing_again_without_a_filter_takes_it_away_and_says_how_to_have_it_back(place: Pipeline) -> None:
    queue = Mailbox(place)
    done(place, "subscribe", queue.arn, "--confidence", "99")
    told = done(place, "subscribe", queue.arn)
    assert "already: from 99 %. That filter is taken away, since none was asked for." in told
    assert f"To have it back: labelwatch subscribe {queue.arn} --confidence 99\n" in told
    tell(place, *names())
    assert len(queue.wait(2)) == 2


def test_subscribing_again_with_the_same_filter_changes_nothing(place: Pipeline) -> None:
    queue = Mailbox(place)
    done(place, "subscribe", queue.arn, "--label", "leaf-smut", "--confidence", "99")
    again = done(place, "subscribe", queue.arn, "--label", "leaf-smut", "--confidence", "99")
    assert "already: leaf-smut, from 99 %. Nothing was changed." in again


def test_the_topic_is_let_into_a_queue_beside_whom_it_let_in_before_and_out_again(place: Pipeline) -> None:
    queue = Mailbox(place)
    theirs = {
        "Sid": "theirs",
        "Effect": "Allow",
        "Principal": {"Service": "events.amazonaws.com"},
        "Action": "sqs:SendMessage",
        "Resource": queue.arn,
    }
    queue.set_policy(theirs)
    assert "which lets the topic in" in done(place, "subscribe", queue.arn)
    assert [one["Sid"] for one in queue.statements()][:1] == ["theirs"]
    assert queue.statements()[1]["Condition"] == {"ArnEquals": {"aws:SourceArn": place.outputs["AlertsTopicArn"]}}
    assert "which lets the topic in" not in done(place, "subscribe", queue.arn)
    assert "is taken out of the queue's policy" in done(place, "subscribers", "remove", queue.arn)
    assert queue.statements() == [theirs]


def test_a_queue_that_let_nobody_else_in_has_no_policy_any_more_when_the_topic_is_out(place: Pipeline) -> None:
    queue = Mailbox(place)
    done(place, "subscribe", queue.arn)
    done(place, "subscribers", "remove", queue.arn)
    assert queue.attribute("Policy") == ""


def test_who_is_removed_is_told_of_nothing_any_more(place: Pipeline) -> None:
    queue, everything = Mailbox(place), Mailbox(place)
    done(place, "subscribe", queue.arn)
    done(place, "subscribe", everything.arn)
    assert f"{queue.arn} is taken off the alerts." in done(place, "subscribers", "remove", queue.arn)
    # Let in once more by hand, so that it is the subscription alone that is missing.
    statement = {
        "Effect": "Allow",
        "Principal": {"Service": "sns.amazonaws.com"},
        "Action": "sqs:SendMessage",
        "Resource": queue.arn,
    }
    queue.set_policy(statement)
    tell(place, *names())
    everything.wait(2)
    assert queue.look() == []


def test_a_function_is_told_and_its_policy_lets_the_topic_in(place: Pipeline) -> None:
    out = Mailbox(place)
    function = deployed_function(place, out)
    told = done(place, "subscribe", function, "--label", "leaf-smut")
    assert "which lets the topic invoke it" in told
    policy = json.loads(place.session.local_aws.client("lambda").get_policy(FunctionName=function)["Policy"])
    (statement,) = policy["Statement"]
    assert "which lets the topic invoke it" not in done(place, "subscribe", function, "--label", "leaf-smut")
    assert statement["Condition"] == {"ArnLike": {"AWS:SourceArn": place.outputs["AlertsTopicArn"]}}
    blight, smut = names()
    tell(place, blight, smut)
    (subject,) = out.wait()
    assert subject == "Labelwatch: leaf-smut 97.0 % in smut.jpg"
    assert "is taken out of the function's policy" in done(place, "subscribers", "remove", function)


def deployed_function(pipeline: Pipeline, out: Mailbox) -> str:
    """The ARN of a function that tells `out` of what it is told."""
    name = f"somebody-{uuid4().hex[:8]}"
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


def test_an_https_endpoint_is_unconfirmed_at_first_and_cannot_be_removed_until_it_is(place: Pipeline) -> None:
    url = f"https://127.0.0.1:9/{uuid4().hex[:8]}"  # nobody listens there
    told = done(place, "subscribe", url)
    assert f"Unconfirmed: {url}. AWS has sent a POST of Type SubscriptionConfirmation." in told
    assert line_of(place, url) == ["alerts", "https", url, "everything", "unconfirmed"]
    removed = run(place, "subscribers", "remove", url)
    assert removed.returncode == 1
    assert "which AWS lets nobody take back: it hears of nothing, and is gone after 48 hours" in removed.stderr


def test_the_link_that_comes_to_an_endpoint_confirms_it(place: Pipeline) -> None:
    with listening() as (url, posts):
        # By hand, since the command subscribes no http:// and the local AWS trusts no certificate of a test.
        sns = place.session.local_aws.client("sns")
        sns.subscribe(TopicArn=place.outputs["OperationsTopicArn"], Protocol="http", Endpoint=url)
        link = json.loads(posts.get(timeout=30))["SubscribeURL"]
        assert line_of(place, url)[-1] == "unconfirmed"
        told = done(place, "subscribers", "confirm", link)
        assert f"{url} is subscribed to the operations, and only who has rights in this account can undo it." in told
        assert line_of(place, url)[-1] == "confirmed; only you can undo it"
        sns.publish(TopicArn=place.outputs["OperationsTopicArn"], Message="a test")
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


def test_an_address_may_hear_of_alarms_alone(place: Pipeline) -> None:
    done(place, "subscribe", "night-shift@example.com", "--operations")
    assert line_of(place, "night-shift@example.com")[:4] == [
        "operations",
        "email",
        "night-shift@example.com",
        "everything",
    ]


def test_removing_from_one_topic_leaves_the_other(place: Pipeline) -> None:
    done(place, "subscribe", "both@example.com")
    done(place, "subscribe", "both@example.com", "--operations")
    told = done(place, "subscribers", "remove", "both@example.com", "--alerts")
    assert told == "both@example.com is taken off the alerts.\n"
    assert line_of(place, "both@example.com")[0] == "operations"


def test_removing_without_saying_from_which_topic_is_from_both(place: Pipeline) -> None:
    done(place, "subscribe", "both@example.com")
    done(place, "subscribe", "both@example.com", "--operations")
    done(place, "subscribers", "remove", "both@example.com")
    assert "both@example.com" not in done(place, "subscribers", "list")


def test_a_phone_number_is_told_of_the_sandbox(place: Pipeline) -> None:
    assert "sandbox for SMS" in done(place, "subscribe", "+4917012345678", "--operations")


def test_a_label_that_no_alert_tells_of_is_pointed_at(place: Pipeline) -> None:
    told = done(place, "subscribe", "you@example.com", "--label", "Leaf-Smut", "--label", "leafsmut")
    assert (
        "No alert tells of leafsmut now: the stack's LabelsofInterest are bacterial-leaf-blight, leaf-smut:90." in told
    )


@pytest.mark.parametrize(
    ("arguments", "said"),
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
def test_a_mistake_is_one_sentence_with_a_failure(place: Pipeline, arguments: tuple[str, ...], said: str) -> None:
    result = run(place, *arguments)
    assert (result.returncode, len(result.stderr.splitlines())) == (1, 1), result.stderr
    assert result.stderr.startswith("labelwatch: ")
    assert said in result.stderr


def test_a_queue_under_the_key_of_aws_is_refused_since_sns_cannot_reach_it(place: Pipeline) -> None:
    queue = Mailbox(place, KmsMasterKeyId="alias/aws/sqs")
    refused = run(place, "subscribe", queue.arn)
    assert refused.returncode == 1
    assert "encrypted with alias/aws/sqs, whose policy nobody can change" in refused.stderr
    assert queue.arn not in done(place, "subscribers", "list")


def test_a_queue_of_another_account_is_left_to_its_owner(place: Pipeline) -> None:
    told = done(place, "subscribe", f"arn:aws:sqs:{REGION}:123456789012:theirs")
    statement = json.loads(told.splitlines()[0].partition("this statement: ")[2])
    assert statement["Condition"] == {"ArnEquals": {"aws:SourceArn": place.outputs["AlertsTopicArn"]}}

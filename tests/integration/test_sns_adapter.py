"""The topic on moto: what arrives at a queue that subscribes, and what a filter policy keeps from it."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import boto3
import pytest
from botocore.stub import Stubber

from chalicelib.adapters.sns import AlertTopic, TopicSubscriptions
from chalicelib.domain.alerts import Alert
from chalicelib.domain.errors import Retryable

if TYPE_CHECKING:
    from mypy_boto3_sns import SNSClient
    from mypy_boto3_sqs import SQSClient


@pytest.fixture
def topic(sns: SNSClient) -> str:
    return sns.create_topic(Name="alerts")["TopicArn"]


def alert(subject: str = "Labelwatch: leaf-smut", text: str = "leaf-smut 99.5 %\n", **attributes: Any) -> Alert:
    usual: dict[str, Any] = {"labels": ["leaf-smut", "rust"], "confidence": 99.5, "bucket": "leaves-in"}
    return Alert(subject, text, usual | attributes)


def subscribe(sns: SNSClient, sqs: SQSClient, topic: str, **policy: Any) -> str:
    """A queue that is subscribed to the topic, with this filter policy if there is one; returns its URL."""
    url = sqs.create_queue(QueueName="subscriber")["QueueUrl"]
    arn = sqs.get_queue_attributes(QueueUrl=url, AttributeNames=["QueueArn"])["Attributes"]["QueueArn"]
    attributes = {"FilterPolicy": json.dumps(policy)} if policy else {}
    sns.subscribe(TopicArn=topic, Protocol="sqs", Endpoint=arn, Attributes=attributes)
    return url


def envelopes(sqs: SQSClient, url: str) -> list[dict[str, Any]]:
    answer = sqs.receive_message(QueueUrl=url, MaxNumberOfMessages=10)
    return [json.loads(message["Body"]) for message in answer.get("Messages", [])]


def arrived(sns: SNSClient, sqs: SQSClient, topic: str, published: Alert) -> dict[str, Any]:
    """The envelope that a subscriber without a filter gets."""
    url = subscribe(sns, sqs, topic)
    AlertTopic(sns, topic).publish(published)
    (envelope,) = envelopes(sqs, url)
    return envelope


def receives(sns: SNSClient, sqs: SQSClient, topic: str, published: Alert, **policy: Any) -> bool:
    """Whether a subscriber with this filter policy gets the alert."""
    url = subscribe(sns, sqs, topic, **policy)
    AlertTopic(sns, topic).publish(published)
    return bool(envelopes(sqs, url))


def test_the_text_arrives_as_it_is(sns: SNSClient, sqs: SQSClient, topic: str) -> None:
    text = 'leaf-smut 99.5 % in grün 葉.jpg\n\n{"default": "no structure"}\n'
    assert arrived(sns, sqs, topic, alert(text=text))["Message"] == text


def test_the_subject_arrives(sns: SNSClient, sqs: SQSClient, topic: str) -> None:
    assert arrived(sns, sqs, topic, alert(subject="Labelwatch: rust"))["Subject"] == "Labelwatch: rust"


@pytest.mark.parametrize(
    ("value", "attribute"),
    [
        ("leaves-in", {"Type": "String", "Value": "leaves-in"}),
        (["leaf-smut", "grün"], {"Type": "String.Array", "Value": '["leaf-smut", "gr\\u00fcn"]'}),
        ([], {"Type": "String.Array", "Value": "[]"}),
        (99.5, {"Type": "Number", "Value": "99.5"}),
        (100.0, {"Type": "Number", "Value": "100.0"}),
        (0.0, {"Type": "Number", "Value": "0.0"}),
    ],
)
def test_an_attribute_has_the_type_of_its_value(
    sns: SNSClient, sqs: SQSClient, topic: str, value: str | float | list[str], attribute: dict[str, str]
) -> None:
    assert arrived(sns, sqs, topic, alert(attribute=value))["MessageAttributes"]["attribute"] == attribute


def test_a_subscriber_to_one_of_the_labels_receives_it(sns: SNSClient, sqs: SQSClient, topic: str) -> None:
    assert receives(sns, sqs, topic, alert(labels=["rust", "leaf-smut"]), labels=["leaf-smut"])


def test_a_subscriber_to_another_label_receives_nothing(sns: SNSClient, sqs: SQSClient, topic: str) -> None:
    assert not receives(sns, sqs, topic, alert(labels=["rust", "leaf-smut"]), labels=["mildew"])


def test_a_part_of_a_label_is_another_label(sns: SNSClient, sqs: SQSClient, topic: str) -> None:
    assert not receives(sns, sqs, topic, alert(labels=["leaf-smut"]), labels=["leaf"])


@pytest.mark.parametrize("confidence", [90.0, 99.99, 100.0])
def test_a_subscriber_receives_an_alert_that_reaches_its_confidence(
    sns: SNSClient, sqs: SQSClient, topic: str, confidence: float
) -> None:
    assert receives(sns, sqs, topic, alert(confidence=confidence), confidence=[{"numeric": [">=", 90]}])


@pytest.mark.parametrize("confidence", [89.99, 9.5, 0.0])
def test_a_subscriber_receives_nothing_under_its_confidence(
    sns: SNSClient, sqs: SQSClient, topic: str, confidence: float
) -> None:
    assert not receives(sns, sqs, topic, alert(confidence=confidence), confidence=[{"numeric": [">=", 90]}])


@pytest.mark.parametrize("buckets", ["leaves-in", ["leaves-in", "existing"]])
def test_one_bucket_and_several_are_filtered_alike(
    sns: SNSClient, sqs: SQSClient, topic: str, buckets: str | list[str]
) -> None:
    assert receives(sns, sqs, topic, alert(bucket=buckets), bucket=["leaves-in"])


def test_a_topic_that_does_not_exist_is_retryable(sns: SNSClient, topic: str) -> None:
    with pytest.raises(Retryable, match=r"^NotFound: "):
        AlertTopic(sns, topic + "-missing").publish(alert())


def test_a_subject_that_sns_refuses_is_retryable(sns: SNSClient, topic: str) -> None:
    with pytest.raises(Retryable, match=r"^InvalidParameter: "):
        AlertTopic(sns, topic).publish(alert(subject="x" * 101))


def test_a_subscribed_address_is_found_by_its_whole_name(sns: SNSClient, topic: str) -> None:
    sns.subscribe(TopicArn=topic, Protocol="email", Endpoint="grower@example.com")
    subscriptions = TopicSubscriptions(sns, topic)
    assert [subscriptions.has_email(address) for address in ("grower@example.com", "grower@example.co")] == [
        True,
        False,
    ]


def test_an_address_is_found_on_a_later_page(sns: SNSClient, topic: str) -> None:
    for number in range(150):
        sns.subscribe(TopicArn=topic, Protocol="email", Endpoint=f"grower-{number:03}@example.com")
    assert TopicSubscriptions(sns, topic).has_email("grower-149@example.com")


def test_a_deleted_subscription_that_is_still_listed_does_not_count(topic: str) -> None:
    sns = boto3.client("sns")
    listed = {"TopicArn": topic, "Protocol": "email", "Endpoint": "grower@example.com", "SubscriptionArn": "Deleted"}
    with Stubber(sns) as stub:
        stub.add_response("list_subscriptions_by_topic", {"Subscriptions": [listed]}, {"TopicArn": topic})
        assert not TopicSubscriptions(sns, topic).has_email("grower@example.com")


def test_subscriptions_that_wait_for_a_confirmation_are_counted(topic: str) -> None:
    sns = boto3.client("sns")
    with Stubber(sns) as stub:
        stub.add_response("get_topic_attributes", {"Attributes": {"SubscriptionsPending": "2"}}, {"TopicArn": topic})
        assert TopicSubscriptions(sns, topic).unconfirmed() == 2


def test_a_topic_that_cannot_be_read_is_a_fault(sns: SNSClient) -> None:
    subscriptions = TopicSubscriptions(sns, "arn:aws:sns:eu-central-1:123456789012:missing")
    with pytest.raises(Retryable):
        subscriptions.unconfirmed()

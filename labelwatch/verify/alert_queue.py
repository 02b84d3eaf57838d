"""A temporary queue that is subscribed to the topic of alerts."""

import json
import secrets
from collections.abc import Mapping
from typing import Any, NamedTuple

from labelwatch import subscriptions
from labelwatch.shared.account import Account
from labelwatch.shared.interrupts import uninterrupted


class ReceivedAlert(NamedTuple):
    """An alert as a subscriber receives it; `predictions` are the keys of the rows."""

    subject: str
    text: str
    predictions: frozenset[str]


class AlertQueue:
    """The queue. Others' alerts arrive in it too: a filter of SNS would take up to 15 minutes to be in force."""

    def __init__(self, account: Account, stack: str) -> None:
        self._account = account
        self._stack = stack
        self._sqs, self._sns = account.client("sqs"), account.client("sns")
        self._url = self._subscription = ""

    def create(self) -> None:
        """Creates the queue, lets the topic send to it, and subscribes it."""
        topic = subscriptions.from_stack(self._account, self._stack).alerts.arn
        with uninterrupted():
            name = f"labelwatch-verify-{secrets.token_hex(6)}"
            self._url = self._sqs.create_queue(QueueName=name)["QueueUrl"]
            attributes = self._sqs.get_queue_attributes(QueueUrl=self._url, AttributeNames=["QueueArn"])["Attributes"]
            endpoint = subscriptions.parse_endpoint(attributes["QueueArn"])
            subscriptions.grant(self._account, endpoint, topic)
            self._subscription = self._sns.subscribe(
                TopicArn=str(topic), Protocol=endpoint.protocol, Endpoint=endpoint.address, ReturnSubscriptionArn=True
            )["SubscriptionArn"]

    def receive(self) -> list[ReceivedAlert]:
        """The alerts that have arrived since the last call, after a second at most."""
        answer = self._sqs.receive_message(QueueUrl=self._url, MaxNumberOfMessages=10, WaitTimeSeconds=1)
        return [_alert(json.loads(message["Body"])) for message in answer.get("Messages", [])]

    def delete(self) -> None:
        """Deletes the subscription and the queue, as far as they exist."""
        if self._subscription:
            self._sns.unsubscribe(SubscriptionArn=self._subscription)
        if self._url:
            self._sqs.delete_queue(QueueUrl=self._url)


def _alert(envelope: Mapping[str, Any]) -> ReceivedAlert:
    keys = envelope.get("MessageAttributes", {}).get("predictions", {}).get("Value", "[]")
    return ReceivedAlert(envelope.get("Subject") or "", envelope["Message"], frozenset(json.loads(keys)))

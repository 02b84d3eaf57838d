"""SNS: the topic of alerts, and the subscriptions of a topic."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

from chalicelib.adapters.faults import raising_faults

if TYPE_CHECKING:
    from mypy_boto3_sns import SNSClient
    from mypy_boto3_sns.type_defs import MessageAttributeValueTypeDef

    from chalicelib.domain.alerts import Alert


class AlertTopic:
    """One topic, by its ARN."""

    def __init__(self, client: SNSClient, arn: str) -> None:
        self._client = client
        self._arn = arn

    def publish(self, alert: Alert) -> None:
        """Publishes the alert to every subscriber; raises the Fault that SNS's refusal is."""
        with raising_faults():
            self._client.publish(
                TopicArn=self._arn,
                Subject=alert.subject,
                # Plain, not MessageStructure=json: SNS sends attributes only with plain messages.
                Message=alert.text,
                MessageAttributes={name: _attribute(value) for name, value in alert.attributes.items()},
            )


class TopicSubscriptions:
    """The subscriptions of one topic, by its ARN."""

    def __init__(self, client: SNSClient, topic: str) -> None:
        self._client = client
        self.topic = topic

    def unconfirmed(self) -> int:
        """How many subscriptions wait for a confirmation; raises the Fault that SNS's refusal is."""
        with raising_faults():
            attributes = self._client.get_topic_attributes(TopicArn=self.topic)["Attributes"]
        return int(attributes["SubscriptionsPending"])

    def has_email(self, address: str) -> bool:
        """Whether this address is subscribed, confirmed or not; raises the Fault that SNS's refusal is."""
        with raising_faults():
            pages = self._client.get_paginator("list_subscriptions_by_topic").paginate(TopicArn=self.topic)
            return any(
                (subscription["Protocol"], subscription["Endpoint"]) == ("email", address)
                and subscription["SubscriptionArn"] != "Deleted"
                for page in pages
                for subscription in page["Subscriptions"]
            )


def _attribute(value: str | float | list[str]) -> MessageAttributeValueTypeDef:
    match value:
        case str():
            return {"DataType": "String", "StringValue": value}
        case list():
            return {"DataType": "String.Array", "StringValue": json.dumps(value)}
        case _:
            return {"DataType": "Number", "StringValue": str(round(value, 4))}

"""To which subscriptions SNS delivers an alert, as far as their states and filters tell."""

from collections.abc import Iterable, Sequence
from enum import StrEnum
from typing import NamedTuple

from rich.console import Console

from chalicelib.domain.alerts import Alert
from labelwatch.shared import formats
from labelwatch.shared.records import print_records
from labelwatch.subscriptions import filters
from labelwatch.subscriptions.subscription import State, Subscription, Topic


class Outcome(StrEnum):
    """What SNS does with an alert for a subscription."""

    SENT = "sent"
    FILTERED_OUT = "filtered out"
    UNCONFIRMED = "not sent, unconfirmed"
    OWN_FILTER = "unknown, own filter"
    UNREADABLE = "unknown, AWS shows no details"


class Delivery(NamedTuple):
    """A subscription, and what SNS does with the alert."""

    subscription: Subscription
    outcome: Outcome


def deliveries_of(alert: Alert, subscriptions: Iterable[Subscription]) -> list[Delivery]:
    """The deliveries of the alert; a deleted subscription has none."""
    return [
        Delivery(subscription, _outcome(alert, subscription))
        for subscription in subscriptions
        if subscription.state != State.REMOVED
    ]


def print_deliveries(console: Console, deliveries: Sequence[Delivery]) -> None:
    """A record for each subscription."""
    records = [
        (delivery.subscription.endpoint.address, delivery.subscription.endpoint.protocol, _text(delivery))
        for delivery in deliveries
    ]
    print_records(console, ("Endpoint", "Protocol", "Delivery"), records)


def as_json(alert: Alert, deliveries: Iterable[Delivery]) -> str:
    """The alert and its deliveries."""
    subscriptions = [
        {
            "endpoint": subscription.endpoint.address,
            "protocol": subscription.endpoint.protocol,
            "filter": subscription.policy,
            "delivery": outcome,
        }
        for subscription, outcome in deliveries
    ]
    content = {"subject": alert.subject, "attributes": alert.attributes, "subscriptions": subscriptions}
    return formats.as_json(content)


def limits(topic: Topic) -> str:
    """How far the outcomes are known."""
    return (
        "`sent` means that SNS accepted the alert, and that the alert passes the filter. SNS does not confirm that an "
        "e-mail arrives: check the inbox and the spam folder. A changed filter takes effect within 15 minutes. "
        "CloudWatch counts deliveries some minutes later: NumberOfNotificationsDelivered and "
        f"NumberOfNotificationsFailed (AWS/SNS, topic {topic.arn.resource})."
    )


def _outcome(alert: Alert, subscription: Subscription) -> Outcome:
    if subscription.state == State.UNCONFIRMED:
        return Outcome.UNCONFIRMED
    if subscription.policy is None:
        return Outcome.UNREADABLE
    known = filters.from_policy(subscription.policy)
    if not known:
        return Outcome.OWN_FILTER
    return Outcome.SENT if known.passes(alert.attributes) else Outcome.FILTERED_OUT


def _text(delivery: Delivery) -> str:
    """The outcome for people, with the filter where it is the reason."""
    subscription, outcome = delivery
    if outcome is not Outcome.FILTERED_OUT:
        return outcome
    return f"{outcome}: {filters.describe(subscription.policy or {})}"

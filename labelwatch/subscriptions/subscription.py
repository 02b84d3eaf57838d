"""A subscription: its state and filter policy from the attributes of SNS, and its text for people."""

import json
from collections.abc import Iterable
from enum import StrEnum
from typing import NamedTuple

from labelwatch.subscriptions import filters
from labelwatch.subscriptions.endpoints import Arn, Endpoint
from labelwatch.subscriptions.filters import Policy


class Topic(NamedTuple):
    """A topic of the stack: `alerts` or `operations`, and its ARN."""

    name: str
    arn: Arn


class State(StrEnum):
    """The state of a subscription, for people."""

    UNCONFIRMED = "unconfirmed"
    CONFIRMED = "confirmed; anyone with the link can unsubscribe"
    CONFIRMED_AUTHENTICATED = "confirmed; unsubscribing requires AWS credentials"
    UNREADABLE = "confirmed; AWS shows no details"
    REMOVED = "deleted; AWS lists the subscription for some days"


class Subscription(NamedTuple):
    """The subscription of an endpoint to a topic. `arn` and `policy` are None where AWS does not give them."""

    topic: Topic
    endpoint: Endpoint
    state: State
    arn: str | None = None
    policy: Policy | None = None


def as_text(subscriptions: Iterable[Subscription]) -> str:
    """The subscriptions for the terminal. Each endpoint has a line of its own, so that long ARNs stay whole."""
    return "\n\n".join(map(_as_text, subscriptions))


def _as_text(subscription: Subscription) -> str:
    topic, endpoint, state, _, policy = subscription
    description = "not shown by AWS" if policy is None else filters.describe(policy)
    return (
        f"{endpoint.address}\n  Topic:  {topic.name} ({endpoint.protocol})\n  Filter: {description}\n  State:  {state}"
    )


def state_of(attributes: dict[str, str]) -> State:
    """The state of a subscription with these attributes of SNS."""
    if attributes.get("PendingConfirmation", "").lower() == "true":
        return State.UNCONFIRMED
    authenticated = attributes.get("ConfirmationWasAuthenticated", "").lower() == "true"
    return State.CONFIRMED_AUTHENTICATED if authenticated else State.CONFIRMED


def policy_of(attributes: dict[str, str]) -> Policy:
    """The filter policy of these attributes; empty without a filter."""
    policy: Policy = json.loads(attributes.get("FilterPolicy") or "{}")
    return policy

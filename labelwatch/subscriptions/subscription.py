"""A subscription as AWS tells it, and as people see it."""

import json
from collections.abc import Iterable
from enum import StrEnum
from typing import NamedTuple

from rich.table import Column, Table

from labelwatch.subscriptions import filters
from labelwatch.subscriptions.endpoints import Arn, Endpoint
from labelwatch.subscriptions.filters import Policy


class Topic(NamedTuple):
    """One of the stack's topics: what it tells, and its ARN."""

    name: str
    arn: Arn


class State(StrEnum):
    """How far a subscription is."""

    UNCONFIRMED = "unconfirmed"
    OPEN = "confirmed; its unsubscribe link undoes it"
    KEPT = "confirmed; only you can undo it"
    HIDDEN = "confirmed; AWS does not show you more"
    REMOVED = "removed; AWS lists it for some days"


class Subscription(NamedTuple):
    """One endpoint's subscription of one topic. `arn` is None where AWS does not tell it, `policy` likewise."""

    topic: Topic
    endpoint: Endpoint
    state: State
    arn: str | None = None
    policy: Policy | None = None


def shown(subscriptions: Iterable[Subscription]) -> Table:
    """The subscriptions as a table for the terminal."""
    table = Table(*(Column(name, overflow="fold") for name in ("topic", "by", "endpoint", "hears of", "state")))
    for one in subscriptions:
        table.add_row(one.topic.name, one.endpoint.protocol, one.endpoint.address, _hears_of(one), one.state)
    return table


def state_of(attributes: dict[str, str]) -> State:
    """How far a subscription with these attributes of AWS is."""
    if attributes.get("PendingConfirmation", "").lower() == "true":
        return State.UNCONFIRMED
    return State.KEPT if attributes.get("ConfirmationWasAuthenticated", "").lower() == "true" else State.OPEN


def policy_of(attributes: dict[str, str]) -> Policy:
    """The filter policy among these attributes of AWS, which leaves it out where there is none."""
    policy: Policy = json.loads(attributes.get("FilterPolicy") or "{}")
    return policy


def _hears_of(subscription: Subscription) -> str:
    return "?" if subscription.policy is None else filters.in_words(subscription.policy)

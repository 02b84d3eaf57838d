"""A subscription: its state and filter policy from AWS's attributes, and its line in the table for people."""

import json
from collections.abc import Iterable
from enum import StrEnum
from typing import NamedTuple

from rich.table import Column, Table

from labelwatch.subscriptions import filters
from labelwatch.subscriptions.endpoints import Arn, Endpoint
from labelwatch.subscriptions.filters import Policy


class Topic(NamedTuple):
    """A topic of the stack: `alerts` or `operations`, and its ARN."""

    name: str
    arn: Arn


class State(StrEnum):
    """The state of a subscription, as the table shows it."""

    UNCONFIRMED = "unconfirmed"
    CONFIRMED = "confirmed; its unsubscribe link undoes it"
    CONFIRMED_AUTHENTICATED = "confirmed; only you can undo it"
    UNREADABLE = "confirmed; AWS does not show you more"
    REMOVED = "removed; AWS lists it for some days"


class Subscription(NamedTuple):
    """The subscription of an endpoint to a topic. `arn` and `policy` are None where AWS does not give them."""

    topic: Topic
    endpoint: Endpoint
    state: State
    arn: str | None = None
    policy: Policy | None = None


def as_table(subscriptions: Iterable[Subscription]) -> Table:
    """The subscriptions as a table for the terminal."""
    table = Table(*(Column(name, overflow="fold") for name in ("topic", "by", "endpoint", "hears of", "state")))
    for topic, endpoint, state, _, policy in subscriptions:
        description = "?" if policy is None else filters.describe(policy)
        table.add_row(topic.name, endpoint.protocol, endpoint.address, description, state)
    return table


def state_of(attributes: dict[str, str]) -> State:
    """The state of a subscription with these attributes of AWS."""
    if attributes.get("PendingConfirmation", "").lower() == "true":
        return State.UNCONFIRMED
    authenticated = attributes.get("ConfirmationWasAuthenticated", "").lower() == "true"
    return State.CONFIRMED_AUTHENTICATED if authenticated else State.CONFIRMED


def policy_of(attributes: dict[str, str]) -> Policy:
    """The filter policy among these attributes, which AWS leaves out where there is none."""
    policy: Policy = json.loads(attributes.get("FilterPolicy") or "{}")
    return policy

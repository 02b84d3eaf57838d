"""Subscriptions to the alerts and alarms of a stack."""

from labelwatch.subscriptions.endpoints import parse_endpoint
from labelwatch.subscriptions.filters import parse_filter
from labelwatch.subscriptions.grants import grant, revoke
from labelwatch.subscriptions.messages import (
    confirm_message,
    filter_warnings,
    remaining_actions,
    remove_messages,
    sms_note,
    subscribe_message,
)
from labelwatch.subscriptions.subscribers import Subscribers, from_stack
from labelwatch.subscriptions.subscription import State, Subscription, Topic, as_text

__all__ = [
    "State",
    "Subscribers",
    "Subscription",
    "Topic",
    "as_text",
    "confirm_message",
    "filter_warnings",
    "from_stack",
    "grant",
    "parse_endpoint",
    "parse_filter",
    "remaining_actions",
    "remove_messages",
    "revoke",
    "sms_note",
    "subscribe_message",
]

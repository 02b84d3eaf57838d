"""Subscriptions: who gets the alerts and the alarms of a stack."""

from labelwatch.subscriptions.endpoints import parse_endpoint
from labelwatch.subscriptions.filters import parse_filter
from labelwatch.subscriptions.grants import grant, revoke
from labelwatch.subscriptions.messages import (
    SMS_SANDBOX,
    confirm_message,
    filter_warnings,
    remaining_actions,
    remove_messages,
    subscribe_message,
)
from labelwatch.subscriptions.subscribers import from_stack
from labelwatch.subscriptions.subscription import as_table

__all__ = [
    "SMS_SANDBOX",
    "as_table",
    "confirm_message",
    "filter_warnings",
    "from_stack",
    "grant",
    "parse_endpoint",
    "parse_filter",
    "remaining_actions",
    "remove_messages",
    "revoke",
    "subscribe_message",
]

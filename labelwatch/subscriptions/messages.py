"""Messages for the terminal: the result of a change to a subscription, and the next steps."""

import shlex
from collections.abc import Iterable, Sequence

from labelwatch.subscriptions import filters
from labelwatch.subscriptions.endpoints import Endpoint
from labelwatch.subscriptions.filters import Filter, Policy
from labelwatch.subscriptions.subscribers import RemoveResult, SubscribeResult
from labelwatch.subscriptions.subscription import State, Subscription, Topic

# https://docs.aws.amazon.com/sns/latest/dg/sns-subscription-filter-policies.html
FILTER_DELAY = "The change takes effect within 15 minutes."
HOW_TO_CONFIRM = {
    "email": "AWS sent an e-mail with a link, `Confirm subscription`. Copy the link without opening it, then run",
    "https": "AWS sent a POST of type SubscriptionConfirmation. The server opens its SubscribeURL, or you run",
    "sqs": "AWS sent a message of type SubscriptionConfirmation to the queue. Copy its SubscribeURL, then run",
}
WHY_BY_COMMAND = (
    "Confirm with the command, not in a browser. Otherwise anyone with the unsubscribe link of a message can "
    "unsubscribe the endpoint."
)
# The topic for people, and its option of `labelwatch subscribe`.
_TOPICS = {"alerts": ("alerts", ""), "operations": ("alarms (operations topic)", " --operations")}


def subscribe_message(topic: Topic, endpoint: Endpoint, result: SubscribeResult, options: str) -> str:
    """The result of `labelwatch subscribe`. `options` are the command line's options that name the stack."""
    subscribed = f"subscribed to {_title(topic)}"
    previous, policy = filters.describe(result.previous_policy), filters.describe(result.policy)
    if result.is_new:
        return f"{endpoint.address} {subscribed}. Filter: {policy}."
    if result.previous_policy == result.policy:
        return f"{endpoint.address} is already {subscribed}, unchanged. Filter: {policy}."
    updated = (
        f"{endpoint.address} is already {subscribed}. Filter updated: {policy}. Previous filter: {previous}. "
        f"{FILTER_DELAY}"
    )
    if result.policy or not filters.from_policy(result.previous_policy):
        return updated
    command = _subscribe_command(topic, endpoint.address, options, result.previous_policy)
    return f"{updated} To restore the previous filter, run:\n{command}"


def sms_note(topic: Topic, endpoint: Endpoint) -> str:
    """The limits of SMS, and the commands for an account in the SMS sandbox."""
    region = f"--region {topic.arn.region}"
    return (
        "AWS charges for each part of an SMS, and sends no SMS of more than 1,600 characters. A new account is in the "
        "SMS sandbox and sends to verified numbers only. Check the account, then verify the number:\n"
        f"  aws sns get-sms-sandbox-account-status {region}\n"
        f"  aws sns create-sms-sandbox-phone-number {region} --phone-number {endpoint.address}"
    )


def filter_warnings(requested: Filter, labels_of_interest: str) -> list[str]:
    """A warning where the filter has labels that no alert has."""
    labels = filters.labels_without_alerts(requested.labels, labels_of_interest)
    if not labels:
        return []
    return [f"No alerts for label {' or '.join(labels)}: LabelsofInterest is {labels_of_interest}. Check --label."]


def confirm_message(subscription: Subscription, options: str) -> str:
    """The state of the subscription after the confirmation, and the steps to protect the subscription."""
    topic, endpoint, state, _, policy = subscription
    confirmed = f"{endpoint.address} subscribed to {_title(topic)}: {state}."
    if state != State.CONFIRMED:
        return confirmed
    return (
        f"{confirmed} The link was opened before. To require AWS credentials, run these commands with the new link:\n"
        f"  labelwatch subscribers remove {shlex.quote(endpoint.address)}{options}\n"
        f"{_subscribe_command(topic, endpoint.address, options, policy)}\n"
        f"{_confirm_command(options)}\n"
        "For EmailNotification of the stack, run `labelwatch up --email-notification` with another address, then with "
        "this address."
    )


def remove_messages(address: str, result: RemoveResult) -> list[str]:
    """The subscriptions that were removed, and the unconfirmed ones that cannot be."""
    removed = [f"{address} unsubscribed from {_title(subscription.topic)}." for subscription in result.removed]
    unconfirmed = [
        f"The subscription of {address} to {_title(subscription.topic)} is unconfirmed and cannot be deleted. The "
        "endpoint receives no messages. AWS deletes the subscription after 48 hours."
        for subscription in result.unconfirmed
    ]
    return removed + unconfirmed


def remaining_actions(topics: Iterable[Topic], subscriptions: Sequence[Subscription], options: str) -> list[str]:
    """The next commands to run: for topics without a subscriber, and for unconfirmed subscriptions."""
    subscribed = {subscription.topic for subscription in subscriptions if subscription.state != State.REMOVED}
    without = [
        f"No subscribers of {_title(topic)}. Run:\n{_subscribe_command(topic, 'you@example.com', options)}"
        for topic in topics
        if topic not in subscribed
    ]
    return without + _confirmations(subscriptions, options)


def _confirmations(subscriptions: Iterable[Subscription], options: str) -> list[str]:
    endpoints = [subscription.endpoint for subscription in subscriptions if subscription.state == State.UNCONFIRMED]
    sentences = []
    for protocol, advice in HOW_TO_CONFIRM.items():
        addresses = ", ".join(dict.fromkeys(item.address for item in endpoints if item.protocol == protocol))
        if addresses:
            sentences.append(f"Unconfirmed: {addresses}. {advice}:\n{_confirm_command(options)}")
    return [WHY_BY_COMMAND, *sentences] if sentences else []


def _title(topic: Topic) -> str:
    return _TOPICS[topic.name][0]


def _subscribe_command(topic: Topic, address: str, options: str, policy: Policy | None = None) -> str:
    filter_ = filters.from_policy(policy or {})
    filter_options = f" {filter_.options}" if filter_ and filter_.options else ""
    return f"  labelwatch subscribe {shlex.quote(address)}{_TOPICS[topic.name][1]}{filter_options}{options}"


def _confirm_command(options: str) -> str:
    return f"  labelwatch subscribers confirm 'LINK'{options}"

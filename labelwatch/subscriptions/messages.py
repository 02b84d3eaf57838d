"""Messages to the person at the terminal: the result of a change to a subscription, and the actions that are left."""

from collections.abc import Iterable, Sequence

from labelwatch.subscriptions import filters
from labelwatch.subscriptions.endpoints import Endpoint
from labelwatch.subscriptions.filters import Filter
from labelwatch.subscriptions.subscribers import RemoveResult, SubscribeResult
from labelwatch.subscriptions.subscription import State, Subscription, Topic

# https://docs.aws.amazon.com/sns/latest/dg/sns-subscription-filter-policies.html
FILTER_DELAY = "It can take 15 minutes until SNS goes by it."
HOW_TO_CONFIRM = {
    "email": "AWS has sent a mail. Copy where its words `Confirm subscription` lead to, do not follow it, and run",
    "https": "AWS has sent a POST of Type SubscriptionConfirmation. Its server opens its SubscribeURL, or you run",
    "sqs": "AWS has put a message of Type SubscriptionConfirmation into the queue. With its SubscribeURL run",
}
# The option of `labelwatch subscribe` for a topic of this name.
_TOPIC_OPTION = {"alerts": "", "operations": " --operations"}
WHY_BY_COMMAND = (
    "Whoever follows a link of AWS confirms too, but then the unsubscribe link in every message undoes it for anybody."
)
SMS_SANDBOX = (
    "An account is in the sandbox for SMS until AWS lets it out, and sends to verified numbers only: `aws sns "
    "get-sms-sandbox-account-status` says whether, `aws sns create-sms-sandbox-phone-number` begins to verify one. AWS "
    "sends 1,600 characters at most, in parts that are paid one by one."
)


def subscribe_message(topic: Topic, endpoint: Endpoint, result: SubscribeResult, options: str) -> str:
    """The result of `labelwatch subscribe`. `options` are the command line's options that name the stack."""
    address = endpoint.address
    previous, policy = filters.describe(result.previous_policy), filters.describe(result.policy)
    if result.is_new:
        return f"{address} is subscribed to the {topic.name}: {policy}."
    if result.previous_policy == result.policy:
        return f"{address} was subscribed to the {topic.name} already: {policy}. Nothing was changed."
    if result.policy:
        return (
            f"{address} was subscribed to the {topic.name} already: {previous}. That is changed to: {policy}. "
            f"{FILTER_DELAY}"
        )
    known = filters.from_policy(result.previous_policy)
    undo = f" To have it back: labelwatch subscribe {address} {known.options}{options}" if known else ""
    return (
        f"{address} was subscribed to the {topic.name} already: {previous}. That filter is taken away, since none was "
        f"asked for. {FILTER_DELAY}{undo}"
    )


def filter_warnings(requested: Filter, labels_of_interest: str) -> list[str]:
    """A warning where the filter has labels that no alert has."""
    labels = filters.labels_without_alerts(requested.labels, labels_of_interest)
    if not labels:
        return []
    return [f"No alert tells of {' or '.join(labels)} now: the stack's LabelsofInterest are {labels_of_interest}."]


def confirm_message(subscription: Subscription) -> str:
    """The state of the subscription after AWS has accepted the link."""
    subscribed = f"{subscription.endpoint.address} is subscribed to the {subscription.topic.name}"
    if subscription.state == State.CONFIRMED_AUTHENTICATED:
        return f"{subscribed}, and only who has rights in this account can undo it."
    if subscription.state != State.CONFIRMED:
        return f"{subscribed}: {subscription.state}."
    return (
        f"{subscribed}, but its unsubscribe link undoes it: somebody had followed the link of AWS before. `labelwatch "
        "subscribers remove`, `labelwatch subscribe` and this command with the new link make it right (for the stack's "
        "own address: labelwatch up --email-notification with another)."
    )


def remove_messages(address: str, result: RemoveResult) -> list[str]:
    """The subscriptions that were removed, and the unconfirmed ones that cannot be."""
    removed = [f"{address} is taken off the {subscription.topic.name}." for subscription in result.removed]
    unconfirmed = [
        f"{address} is unconfirmed on the {subscription.topic.name}, which AWS lets nobody take back: it hears of "
        "nothing, and is gone after 48 hours unless somebody confirms it."
        for subscription in result.unconfirmed
    ]
    return removed + unconfirmed


def remaining_actions(topics: Iterable[Topic], subscriptions: Sequence[Subscription], options: str) -> list[str]:
    """The commands that are left to run: for topics without a subscriber, and for unconfirmed subscriptions."""
    subscribed = {subscription.topic for subscription in subscriptions if subscription.state != State.REMOVED}
    without = [
        f"Nobody is subscribed to the {topic.name}: labelwatch subscribe you@example.com"
        f"{_TOPIC_OPTION[topic.name]}{options}"
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
            command = f"labelwatch subscribers confirm 'LINK'{options}"
            sentences.append(f"Unconfirmed: {addresses}. {advice}: {command}")
    return [*sentences, WHY_BY_COMMAND] if sentences else []

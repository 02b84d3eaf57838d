"""What became of a subscription, and what to do next, in words."""

from collections.abc import Iterable, Sequence

from labelwatch.subscriptions import filters
from labelwatch.subscriptions.endpoints import Endpoint
from labelwatch.subscriptions.filters import Filter
from labelwatch.subscriptions.subscribers import Removed, Subscribed
from labelwatch.subscriptions.subscription import State, Subscription, Topic

# https://docs.aws.amazon.com/sns/latest/dg/sns-subscription-filter-policies.html
HOW_SOON = "It can take 15 minutes until SNS goes by it."
UNCONFIRMED = {
    "email": "AWS has sent a mail. Copy where its words `Confirm subscription` lead to, do not follow it, and run",
    "https": "AWS has sent a POST of Type SubscriptionConfirmation. Its server opens its SubscribeURL, or you run",
    "sqs": "AWS has put a message of Type SubscriptionConfirmation into the queue. With its SubscribeURL run",
}
# By the topic's name: what the command that subscribes to it takes.
_OPTION = {"alerts": "", "operations": " --operations"}
WHY = (
    "Whoever follows a link of AWS confirms too, but then the unsubscribe link in every message undoes it for anybody."
)
SMS = (
    "An account is in the sandbox for SMS until AWS lets it out, and sends to verified numbers only: `aws sns "
    "get-sms-sandbox-account-status` says whether, `aws sns create-sms-sandbox-phone-number` begins to verify one. AWS "
    "sends 1,600 characters at most, in parts that are paid one by one."
)


def of_subscribing(topic: Topic, endpoint: Endpoint, done: Subscribed, options: str) -> str:
    """What became of the endpoint. `options` are those of this command line that name the stack."""
    who, before, now = endpoint.address, filters.in_words(done.before), filters.in_words(done.policy)
    if done.new:
        return f"{who} is subscribed to the {topic.name}: {now}."
    if done.before == done.policy:
        return f"{who} was subscribed to the {topic.name} already: {now}. Nothing was changed."
    if done.policy:
        return f"{who} was subscribed to the {topic.name} already: {before}. That is changed to: {now}. {HOW_SOON}"
    known = filters.read(done.before)
    back = f" To have it back: labelwatch subscribe {who} {known.options}{options}" if known else ""
    return (
        f"{who} was subscribed to the {topic.name} already: {before}. That filter is taken away, since none was asked "
        f"for. {HOW_SOON}{back}"
    )


def of_filtering(asked: Filter, labels_of_interest: str) -> list[str]:
    """A warning where the filter waits for what no alert tells of."""
    unheard = filters.unheard_of(asked.labels, labels_of_interest)
    if not unheard:
        return []
    return [f"No alert tells of {' or '.join(unheard)} now: the stack's LabelsofInterest are {labels_of_interest}."]


def of_confirming(subscription: Subscription) -> str:
    """How far the subscription is, now that AWS has taken the link."""
    who = f"{subscription.endpoint.address} is subscribed to the {subscription.topic.name}"
    if subscription.state == State.KEPT:
        return f"{who}, and only who has rights in this account can undo it."
    if subscription.state != State.OPEN:
        return f"{who}: {subscription.state}."
    return (
        f"{who}, but its unsubscribe link undoes it: somebody had followed the link of AWS before. `labelwatch "
        "subscribers remove`, `labelwatch subscribe` and this command with the new link make it right (for the stack's "
        "own address: labelwatch up --email-notification with another)."
    )


def of_removing(address: str, removed: Removed) -> list[str]:
    """What became of the endpoint, and of what cannot be taken back."""
    gone = [f"{address} is taken off the {one.topic.name}." for one in removed.subscriptions]
    left = [
        f"{address} is unconfirmed on the {one.topic.name}, which AWS lets nobody take back: it hears of nothing, and "
        "is gone after 48 hours unless somebody confirms it."
        for one in removed.unconfirmed
    ]
    return gone + left


def of_all(topics: Iterable[Topic], subscriptions: Sequence[Subscription], options: str) -> list[str]:
    """What there is to do about the topics that nobody is subscribed to, and about who is unconfirmed on the others."""
    heard = {one.topic for one in subscriptions if one.state != State.REMOVED}
    nobody = [
        f"Nobody is subscribed to the {one.name}: labelwatch subscribe you@example.com{_OPTION[one.name]}{options}"
        for one in topics
        if one not in heard
    ]
    return nobody + _of_unconfirmed(subscriptions, options)


def _of_unconfirmed(subscriptions: Iterable[Subscription], options: str) -> list[str]:
    waiting = [one for one in subscriptions if one.state == State.UNCONFIRMED]
    told = []
    for protocol, what in UNCONFIRMED.items():
        who = ", ".join(dict.fromkeys(one.endpoint.address for one in waiting if one.endpoint.protocol == protocol))
        told += [f"Unconfirmed: {who}. {what}: labelwatch subscribers confirm 'LINK'{options}"] if who else []
    return [*told, WHY] if told else []

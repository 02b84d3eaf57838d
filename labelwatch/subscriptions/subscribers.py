"""Who is told: the subscribers of a stack's two topics."""

import json
import re
from collections.abc import Iterable, Iterator
from typing import Any, NamedTuple
from urllib.parse import unquote

from botocore.exceptions import ClientError

from labelwatch.shared import stacks
from labelwatch.shared.account import Account
from labelwatch.shared.errors import UserError
from labelwatch.subscriptions.endpoints import Arn, Endpoint, arn_of
from labelwatch.subscriptions.filters import Policy
from labelwatch.subscriptions.subscription import State, Subscription, Topic, policy_of, state_of

# What stands in an ARN's place in AWS's lists.
NO_ARN_YET = "PendingConfirmation"
NO_ARN_ANY_MORE = "Deleted"


class Subscribed(NamedTuple):
    """What became of an endpoint: whether it is new, and the policies from before and from now on."""

    new: bool
    before: Policy
    policy: Policy


class Removed(NamedTuple):
    """What was taken away of an endpoint's subscriptions, and what is unconfirmed, which nobody can take away."""

    subscriptions: list[Subscription]
    unconfirmed: list[Subscription]


class Subscribers:
    """The subscribers of a stack, whose outputs are given; raises UserError where it has no such topics."""

    def __init__(self, sns: Any, stack_name: str, outputs: dict[str, str]) -> None:  # noqa: ANN401 - of any endpoint
        self._sns = sns
        self.stack_name = stack_name
        self.labels_of_interest = outputs.get("LabelsofInterest", "*")
        self._own_address = outputs.get("EmailNotification", "")
        self.alerts = Topic("alerts", self._topic(outputs, "AlertsTopicArn"))
        self.operations = Topic("operations", self._topic(outputs, "OperationsTopicArn"))

    def of(self, *topics: Topic) -> list[Subscription]:
        """The subscriptions of these topics."""
        return list(self._all(topics))

    def subscribe(self, topic: Topic, endpoint: Endpoint, policy: Policy) -> Subscribed:
        """Subscribes the endpoint under this policy, also where it is subscribed already under another.

        One that is unconfirmed gets the message of AWS once more. Raises UserError where AWS does not let the policy
        of an unconfirmed one be changed.
        """
        known = [one for one in self.of(topic) if one.endpoint == endpoint and one.state != State.REMOVED]
        if not known:
            # Under its policy from the first moment: it must not hear of what it did not ask for.
            scoped = {"FilterPolicyScope": "MessageAttributes", "FilterPolicy": _text(policy)} if policy else {}
            self._ask(topic, endpoint, scoped)
            return Subscribed(new=True, before={}, policy=policy)
        subscription = known[0]
        arn = subscription.arn
        if subscription.state == State.UNCONFIRMED or not arn:
            # Without attributes: SNS refuses those that differ, and compares none that are left out.
            arn = self._ask(topic, endpoint, {})
        attributes = self._attributes(arn) or {}
        before = policy_of(attributes)
        if before != policy:
            self._set_policy(arn, policy, attributes, subscription)
        return Subscribed(new=False, before=before, policy=policy)

    def confirm(self, link: str) -> Subscription:
        """Confirms what the link, or its token, is of, so that only who has rights in the account can undo it.

        Raises UserError where it is of another topic, and with AWS's words where it does not take it.
        """
        arn, token = _parts_of(link)
        topics = [one for one in (self.alerts, self.operations) if arn in {None, str(one.arn)}]
        if not topics:
            raise UserError(
                f"this link is of the topic {arn}, which is none of the stack {self.stack_name}; --stack and --region "
                "name another stack."
            )
        refusals = []
        for topic in topics:
            try:
                answer = self._sns.confirm_subscription(
                    TopicArn=str(topic.arn), Token=token, AuthenticateOnUnsubscribe="true"
                )
            except ClientError as problem:
                if not problem.response["Error"]["Code"].startswith("InvalidParameter"):
                    raise
                refusals.append(problem.response["Error"]["Message"])
            else:
                return self._known(topic, answer["SubscriptionArn"])
        raise UserError(
            f"AWS does not take this link ({refusals[0]}): it is good for two days, and once; `labelwatch subscribe` "
            "with the same address makes AWS send another."
        )

    def remove(self, address: str, topics: Iterable[Topic]) -> Removed:
        """Takes the endpoint off these topics; raises UserError where it is on none, or where the stack has put it."""
        if address == self._own_address:
            raise UserError(
                f"{address} is the stack's own, which CloudFormation subscribes as EmailNotification; deploy the stack "
                "with another there (labelwatch up --email-notification), and this one hears of nothing any more."
            )
        found = [one for one in self._all(topics) if one.endpoint.address == address and one.state != State.REMOVED]
        if not found:
            raise UserError(f"{address} is not subscribed; labelwatch subscribers list shows who is.")
        removable = [one for one in found if one.arn and one.state != State.UNCONFIRMED]
        for one in removable:
            self._sns.unsubscribe(SubscriptionArn=one.arn)
        return Removed(removable, [one for one in found if one not in removable])

    def _topic(self, outputs: dict[str, str], name: str) -> Arn:
        arn = arn_of(outputs.get(name, ""))
        if not arn:
            raise UserError(
                f"the stack {self.stack_name} has no output {name}; deploy this version of Labelwatch first."
            )
        return arn

    def _all(self, topics: Iterable[Topic]) -> Iterator[Subscription]:
        pages = self._sns.get_paginator("list_subscriptions_by_topic")
        for topic in topics:
            for page in pages.paginate(TopicArn=str(topic.arn)):
                for one in page["Subscriptions"]:
                    yield self._listed(topic, Endpoint(one["Protocol"], one["Endpoint"]), one["SubscriptionArn"])

    def _listed(self, topic: Topic, endpoint: Endpoint, arn: str) -> Subscription:
        """The subscription that AWS lists with this ARN, or with a word in its place."""
        if arn == NO_ARN_YET:
            return Subscription(topic, endpoint, State.UNCONFIRMED)
        if arn == NO_ARN_ANY_MORE:
            return Subscription(topic, endpoint, State.REMOVED)
        return self._known(topic, arn, endpoint)

    def _known(self, topic: Topic, arn: str, listed: Endpoint | None = None) -> Subscription:
        """The subscription that has this ARN."""
        nobody = listed or Endpoint("", arn)
        try:
            attributes = self._attributes(arn)
        except self._sns.exceptions.AuthorizationErrorException:  # of another account, or of rights that are few
            return Subscription(topic, nobody, State.HIDDEN, arn)
        if attributes is None:
            return Subscription(topic, nobody, State.REMOVED)
        endpoint = listed or Endpoint(attributes.get("Protocol", ""), attributes.get("Endpoint", arn))
        return Subscription(topic, endpoint, state_of(attributes), arn, policy_of(attributes))

    def _attributes(self, arn: str) -> dict[str, str] | None:
        """What is known of the subscription; None where it went in the meantime."""
        try:
            found: dict[str, str] = self._sns.get_subscription_attributes(SubscriptionArn=arn)["Attributes"]
        except self._sns.exceptions.NotFoundException:
            return None
        return found

    def _ask(self, topic: Topic, endpoint: Endpoint, attributes: dict[str, str]) -> str:
        arn: str = self._sns.subscribe(
            TopicArn=str(topic.arn),
            Protocol=endpoint.protocol,
            Endpoint=endpoint.address,
            Attributes=attributes,
            ReturnSubscriptionArn=True,
        )["SubscriptionArn"]
        return arn

    def _set_policy(self, arn: str, policy: Policy, attributes: dict[str, str], subscription: Subscription) -> None:
        changes = {"FilterPolicy": _text(policy)}
        if attributes.get("FilterPolicyScope", "MessageAttributes") != "MessageAttributes":
            # After the policy: one for bodies may be nested, and as a policy for attributes SNS refuses it.
            changes["FilterPolicyScope"] = "MessageAttributes"
        try:
            for name, value in changes.items():
                self._sns.set_subscription_attributes(SubscriptionArn=arn, AttributeName=name, AttributeValue=value)
        except ClientError as problem:
            if subscription.state != State.UNCONFIRMED:
                raise
            raise UserError(
                f"{subscription.endpoint.address} is unconfirmed, and AWS does not change its filter until it is "
                f"confirmed ({problem.response['Error']['Message']}); confirm it, then run this again."
            ) from None


def from_stack(account: Account, stack_name: str) -> Subscribers:
    """The subscribers of this stack; raises UserError without one."""
    outputs = stacks.outputs(account.client("cloudformation"), stack_name)
    return Subscribers(account.client("sns"), stack_name, outputs)


def _text(policy: Policy) -> str:
    return json.dumps(policy, ensure_ascii=False)


def _parts_of(link: str) -> tuple[str | None, str]:
    """The topic's ARN, None where only a token is given, and the token."""
    # Twice: a mail program may have put the link into one of its own.
    text = unquote(unquote(link.strip()))
    if re.fullmatch(r"[\w-]{32,}", text, re.ASCII):
        return None, text
    arn = re.search(r"[?&]TopicArn=(arn:[\w:.-]+)", text, re.ASCII)
    token = re.search(r"[?&]Token=([\w-]+)", text, re.ASCII)
    if not arn or not token:
        raise UserError(
            "this is no link that confirms: it must be what the words `Confirm subscription` in the mail of AWS, or "
            "SubscribeURL in its message, lead to, or the Token in it; put it between quotation marks."
        )
    return arn[1], token[1]

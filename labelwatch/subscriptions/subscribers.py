"""The subscribers of a stack's two topics, `alerts` and `operations`."""

import json
import re
from collections.abc import Iterable, Iterator
from typing import Any, NamedTuple
from urllib.parse import unquote

from botocore.exceptions import ClientError

from labelwatch.shared import stacks
from labelwatch.shared.account import Account
from labelwatch.shared.errors import UserError
from labelwatch.subscriptions.endpoints import Arn, Endpoint
from labelwatch.subscriptions.filters import Policy
from labelwatch.subscriptions.subscription import State, Subscription, Topic, policy_of, state_of

# AWS lists these words instead of an ARN.
PENDING_CONFIRMATION = "PendingConfirmation"
DELETED = "Deleted"


class SubscribeResult(NamedTuple):
    """Whether the subscription is new, and its filter policies before and now."""

    is_new: bool
    previous_policy: Policy
    policy: Policy


class RemoveResult(NamedTuple):
    """The subscriptions that were removed, and the unconfirmed ones, which nobody can remove."""

    removed: list[Subscription]
    unconfirmed: list[Subscription]


class Subscribers:
    """The subscribers of the stack with these outputs."""

    def __init__(self, sns: Any, stack_name: str, outputs: dict[str, str]) -> None:  # noqa: ANN401 - of any endpoint
        self._sns = sns
        self.stack_name = stack_name
        self.labels_of_interest = outputs.get("LabelsofInterest", "*")
        self._own_address = outputs.get("EmailNotification", "")
        self.alerts = _topic("alerts", outputs["AlertsTopicArn"])
        self.operations = _topic("operations", outputs["OperationsTopicArn"])

    def subscriptions(self, *topics: Topic) -> list[Subscription]:
        """The subscriptions of these topics."""
        return list(self._listed(topics))

    def subscribe(self, topic: Topic, endpoint: Endpoint, policy: Policy) -> SubscribeResult:
        """Subscribes the endpoint under this policy, also where it is subscribed already under another.

        AWS sends its message to an unconfirmed endpoint once more. Raises UserError where AWS does not let the policy
        of an unconfirmed subscription be changed.
        """
        subscription = next((item for item in self._active([topic]) if item.endpoint == endpoint), None)
        if not subscription:
            # Under its policy from the first moment: the endpoint must not get alerts that its filter excludes.
            scoped = {"FilterPolicyScope": "MessageAttributes", "FilterPolicy": _as_json(policy)} if policy else {}
            self._call_subscribe(topic, endpoint, scoped)
            return SubscribeResult(is_new=True, previous_policy={}, policy=policy)
        arn = subscription.arn
        if subscription.state == State.UNCONFIRMED or not arn:
            # Without attributes: SNS refuses attributes that differ, and compares none that are left out.
            arn = self._call_subscribe(topic, endpoint, {})
        attributes = self._attributes(arn) or {}
        previous = policy_of(attributes)
        if previous != policy:
            self._set_policy(arn, policy, attributes, subscription)
        return SubscribeResult(is_new=False, previous_policy=previous, policy=policy)

    def confirm(self, link: str) -> Subscription:
        """Confirms the subscription of the link, or of its token, so that only people with rights here can undo it.

        Raises UserError where the link is of another topic, and with AWS's reason where AWS refuses it.
        """
        arn, token = _parse_link(link)
        topics = [topic for topic in (self.alerts, self.operations) if arn in {None, str(topic.arn)}]
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
                return self._described(topic, answer["SubscriptionArn"])
        raise UserError(
            f"AWS does not take this link ({refusals[0]}): it is good for two days, and once; `labelwatch subscribe` "
            "with the same address makes AWS send another."
        )

    def remove(self, address: str, topics: Iterable[Topic]) -> RemoveResult:
        """Removes the endpoint from these topics; raises UserError where it is on none, or is the stack's own."""
        if address == self._own_address:
            raise UserError(
                f"{address} is the stack's own, which CloudFormation subscribes as EmailNotification; deploy the stack "
                "with another there (labelwatch up --email-notification), and this one hears of nothing any more."
            )
        found = [subscription for subscription in self._active(topics) if subscription.endpoint.address == address]
        if not found:
            raise UserError(f"{address} is not subscribed; labelwatch subscribers list shows who is.")
        removable = [item for item in found if item.arn and item.state != State.UNCONFIRMED]
        for subscription in removable:
            self._sns.unsubscribe(SubscriptionArn=subscription.arn)
        return RemoveResult(removable, [subscription for subscription in found if subscription not in removable])

    def _active(self, topics: Iterable[Topic]) -> Iterator[Subscription]:
        return (subscription for subscription in self._listed(topics) if subscription.state != State.REMOVED)

    def _listed(self, topics: Iterable[Topic]) -> Iterator[Subscription]:
        pages = self._sns.get_paginator("list_subscriptions_by_topic")
        for topic in topics:
            for page in pages.paginate(TopicArn=str(topic.arn)):
                for item in page["Subscriptions"]:
                    yield self._from_list(topic, Endpoint(item["Protocol"], item["Endpoint"]), item["SubscriptionArn"])

    def _from_list(self, topic: Topic, endpoint: Endpoint, arn: str) -> Subscription:
        """The subscription that AWS lists with this ARN, or with a word instead of an ARN."""
        if arn == PENDING_CONFIRMATION:
            return Subscription(topic, endpoint, State.UNCONFIRMED)
        if arn == DELETED:
            return Subscription(topic, endpoint, State.REMOVED)
        return self._described(topic, arn, endpoint)

    def _described(self, topic: Topic, arn: str, listed: Endpoint | None = None) -> Subscription:
        """The subscription that has this ARN."""
        unknown = listed or Endpoint("", arn)
        try:
            attributes = self._attributes(arn)
        except self._sns.exceptions.AuthorizationErrorException:  # of another account, or without the right to read it
            return Subscription(topic, unknown, State.UNREADABLE, arn)
        if attributes is None:
            return Subscription(topic, unknown, State.REMOVED)
        endpoint = listed or Endpoint(attributes.get("Protocol", ""), attributes.get("Endpoint", arn))
        return Subscription(topic, endpoint, state_of(attributes), arn, policy_of(attributes))

    def _attributes(self, arn: str) -> dict[str, str] | None:
        """The subscription's attributes; None where it was deleted in the meantime."""
        try:
            attributes: dict[str, str] = self._sns.get_subscription_attributes(SubscriptionArn=arn)["Attributes"]
        except self._sns.exceptions.NotFoundException:
            return None
        return attributes

    def _call_subscribe(self, topic: Topic, endpoint: Endpoint, attributes: dict[str, str]) -> str:
        arn: str = self._sns.subscribe(
            TopicArn=str(topic.arn),
            Protocol=endpoint.protocol,
            Endpoint=endpoint.address,
            Attributes=attributes,
            ReturnSubscriptionArn=True,
        )["SubscriptionArn"]
        return arn

    def _set_policy(self, arn: str, policy: Policy, attributes: dict[str, str], subscription: Subscription) -> None:
        changes = {"FilterPolicy": _as_json(policy)}
        if attributes.get("FilterPolicyScope", "MessageAttributes") != "MessageAttributes":
            # After the policy: a policy for bodies may be nested, and SNS refuses that as a policy for attributes.
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
    """The subscribers of this stack; raises UserError where there is no such stack, or it has no such topics."""
    outputs = stacks.outputs(account.client("cloudformation"), stack_name, "AlertsTopicArn", "OperationsTopicArn")
    return Subscribers(account.client("sns"), stack_name, outputs)


def _topic(name: str, arn: str) -> Topic:
    return Topic(name, Arn(*arn.split(":")[1:]))


def _as_json(policy: Policy) -> str:
    return json.dumps(policy, ensure_ascii=False)


def _parse_link(link: str) -> tuple[str | None, str]:
    """The topic's ARN, None where only a token is given, and the token."""
    # Decoded twice: a mail program may have put the link into a link of its own.
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

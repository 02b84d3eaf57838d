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
    """Whether the subscription is new, and its previous and current filter policy."""

    is_new: bool
    previous_policy: Policy
    policy: Policy


class RemoveResult(NamedTuple):
    """The removed subscriptions, and the unconfirmed subscriptions, which SNS cannot delete."""

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
        """Subscribes the endpoint with this policy, or changes the policy of its subscription.

        AWS sends the confirmation message again to an unconfirmed endpoint. Raises UserError where AWS rejects a change
        of the policy of an unconfirmed subscription.
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
        """Confirms the subscription of the link or token, so that unsubscribing requires AWS credentials.

        Raises UserError where the link is for another topic, and with AWS's reason where AWS rejects the link.
        """
        arn, token = _parse_link(link)
        topics = [topic for topic in (self.alerts, self.operations) if arn in {None, str(topic.arn)}]
        if not topics:
            raise UserError(
                f"The link is for topic {arn}, which does not belong to stack {self.stack_name}. Pass --stack or "
                "--region."
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
            f"AWS rejected the link: {refusals[0].rstrip('.')}. A link works once and expires after 2 days. Run "
            "`labelwatch subscribe` with the same address to get a new link."
        )

    def remove(self, address: str, topics: Iterable[Topic]) -> RemoveResult:
        """Unsubscribes the endpoint; raises UserError where it is not subscribed, or is the stack's own address."""
        if address == self._own_address:
            raise UserError(
                f"{address} is the EmailNotification of stack {self.stack_name} and cannot be removed. Run `labelwatch "
                "up --email-notification ADDRESS` to replace the address."
            )
        found = [subscription for subscription in self._active(topics) if subscription.endpoint.address == address]
        if not found:
            raise UserError(f"{address} is not subscribed. Run `labelwatch subscribers list` to list the subscribers.")
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
                f"{subscription.endpoint.address} is unconfirmed, and AWS rejected the new filter: "
                f"{problem.response['Error']['Message'].rstrip('.')}. Confirm the subscription, then run the command "
                "again."
            ) from None


def from_stack(account: Account, stack_name: str) -> Subscribers:
    """The subscribers of this stack; raises UserError without such a stack, or without its topics."""
    outputs = stacks.outputs(account.client("cloudformation"), stack_name, "AlertsTopicArn", "OperationsTopicArn")
    return Subscribers(account.client("sns"), stack_name, outputs)


def _topic(name: str, arn: str) -> Topic:
    return Topic(name, Arn(*arn.split(":")[1:]))


def _as_json(policy: Policy) -> str:
    return json.dumps(policy, ensure_ascii=False)


def _parse_link(link: str) -> tuple[str | None, str]:
    """The topic's ARN and the token; the ARN is None for a token without a link."""
    # Decoded repeatedly: a mail program may wrap the link in another link.
    text = unquote(unquote(link.strip()))
    if re.fullmatch(r"[\w-]{32,}", text, re.ASCII):
        return None, text
    arn = re.search(r"[?&]TopicArn=(arn:[\w:.-]+)", text, re.ASCII)
    token = re.search(r"[?&]Token=([\w-]+)", text, re.ASCII)
    if not arn or not token:
        raise UserError(
            "The link is not a confirmation link. Use the link `Confirm subscription` from the e-mail, or SubscribeURL "
            "from the message, or its Token. Put the link in quotation marks."
        )
    return arn[1], token[1]

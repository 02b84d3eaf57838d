"""Subscribers against answers of AWS that the local AWS does not give: words instead of ARNs, refusals."""

from __future__ import annotations

import json
from collections.abc import Iterator
from types import SimpleNamespace
from typing import Any, NamedTuple
from urllib.parse import quote

import boto3
import pytest
from botocore.exceptions import ClientError
from botocore.stub import Stubber

from labelwatch.shared.errors import UserError
from labelwatch.subscriptions import subscription
from labelwatch.subscriptions.endpoints import Endpoint
from labelwatch.subscriptions.filters import Filter
from labelwatch.subscriptions.subscribers import SubscribeResult, Subscribers, from_stack
from labelwatch.subscriptions.subscription import State
from tests.integration.conftest import REGION

ACCOUNT = "123456789012"
ALERTS = f"arn:aws:sns:{REGION}:{ACCOUNT}:labelwatch-AlertsTopic-1"
OPERATIONS = f"arn:aws:sns:{REGION}:{ACCOUNT}:labelwatch-OperationsTopic-2"
OUTPUTS = {
    "AlertsTopicArn": ALERTS,
    "OperationsTopicArn": OPERATIONS,
    "EmailNotification": "grower@example.com",
    "LabelsofInterest": "*",
}
YOU = Endpoint("email", "you@example.com")
ARN = f"{ALERTS}:6b0e71bd-7e97-4d97-80ce-4a0994e55286"
TOKEN = "2336412f37fb687f5d51e6e2425c464de257e9a829aa2d84c5a7249b36788ba56c869181c0ce8709"
LINK = f"https://sns.{REGION}.amazonaws.com/confirmation.html?TopicArn={ALERTS}&Token={TOKEN}&Endpoint=you@example.com"
SMUT = Filter(("leaf-smut",), 90).policy


class Stub(NamedTuple):
    """A stack's subscribers, and SNS, which expects the calls that a test adds and fails on every other call."""

    subscribers: Subscribers
    aws: Stubber

    def list(self, *subscriptions: dict[str, str], topic: str = ALERTS) -> None:
        self.aws.add_response("list_subscriptions_by_topic", {"Subscriptions": [*subscriptions]}, {"TopicArn": topic})

    def attributes(self, arn: str = ARN, **attributes: str) -> None:
        self.aws.add_response("get_subscription_attributes", {"Attributes": attributes}, {"SubscriptionArn": arn})

    def error(self, call: str, code: str, message: str = "") -> None:
        self.aws.add_client_error(call, code, message)

    def subscribe(self, **attributes: str) -> None:
        """Answers a Subscribe of YOU with these attributes."""
        request = {
            "TopicArn": ALERTS,
            "Protocol": "email",
            "Endpoint": YOU.address,
            "Attributes": attributes,
            "ReturnSubscriptionArn": True,
        }
        self.aws.add_response("subscribe", {"SubscriptionArn": ARN}, request)

    def set_attribute(self, **attribute: str) -> None:
        ((name, value),) = attribute.items()
        request = {"SubscriptionArn": ARN, "AttributeName": name, "AttributeValue": value}
        self.aws.add_response("set_subscription_attributes", {}, request)

    def confirm(self, topic: str = ALERTS) -> None:
        request = {"TopicArn": topic, "Token": TOKEN, "AuthenticateOnUnsubscribe": "true"}
        self.aws.add_response("confirm_subscription", {"SubscriptionArn": ARN}, request)


@pytest.fixture
def stub() -> Iterator[Stub]:
    sns = boto3.client("sns")
    with Stubber(sns) as aws:
        yield Stub(Subscribers(sns, "labelwatch", OUTPUTS), aws)
        aws.assert_no_pending_responses()
    sns.close()


def listed(arn: str = ARN, endpoint: str = YOU.address) -> dict[str, str]:
    """A subscription as AWS lists it."""
    return {
        "SubscriptionArn": arn,
        "Owner": ACCOUNT,
        "Protocol": "email",
        "Endpoint": endpoint,
        "TopicArn": ALERTS,
    }


def text(policy: dict[str, Any]) -> str:
    return json.dumps(policy)


def subscribe(stub: Stub, policy: dict[str, Any]) -> SubscribeResult:
    return stub.subscribers.subscribe(stub.subscribers.alerts, YOU, policy)


def state(stub: Stub) -> State:
    """The state of the only subscription to the alerts."""
    (only,) = stub.subscribers.subscriptions(stub.subscribers.alerts)
    return only.state


@pytest.mark.parametrize(
    ("attributes", "expected"),
    [
        ({"PendingConfirmation": "false", "ConfirmationWasAuthenticated": "true"}, State.CONFIRMED_AUTHENTICATED),
        ({"PendingConfirmation": "false", "ConfirmationWasAuthenticated": "false"}, State.CONFIRMED),
        ({"PendingConfirmation": "true", "ConfirmationWasAuthenticated": "false"}, State.UNCONFIRMED),
    ],
)
def test_the_state_of_a_subscription_follows_from_its_attributes(
    stub: Stub, attributes: dict[str, str], expected: State
) -> None:
    stub.list(listed())
    stub.attributes(**attributes)
    assert state(stub) == expected


@pytest.mark.parametrize(("word", "expected"), [("PendingConfirmation", State.UNCONFIRMED), ("Deleted", State.REMOVED)])
def test_the_state_follows_from_a_word_instead_of_an_arn(stub: Stub, word: str, expected: State) -> None:
    stub.list(listed(word))
    assert state(stub) == expected


def test_a_subscription_that_is_deleted_meanwhile_is_removed(stub: Stub) -> None:
    stub.list(listed())
    stub.error("get_subscription_attributes", "NotFound")
    assert state(stub) == State.REMOVED


def test_a_subscription_that_aws_does_not_show_does_not_hide_the_others(stub: Stub) -> None:
    stub.list(listed(), listed("PendingConfirmation", "me@example.com"))
    stub.error("get_subscription_attributes", "AuthorizationError")
    states = [item.state for item in stub.subscribers.subscriptions(stub.subscribers.alerts)]
    assert states == [State.UNREADABLE, State.UNCONFIRMED]


def test_all_pages_are_listed(stub: Stub) -> None:
    stub.aws.add_response(
        "list_subscriptions_by_topic",
        {"Subscriptions": [listed("PendingConfirmation")], "NextToken": "2"},
        {"TopicArn": ALERTS},
    )
    stub.aws.add_response(
        "list_subscriptions_by_topic",
        {"Subscriptions": [listed("PendingConfirmation", "me@example.com")]},
        {"TopicArn": ALERTS, "NextToken": "2"},
    )
    subscriptions = stub.subscribers.subscriptions(stub.subscribers.alerts)
    assert [item.endpoint.address for item in subscriptions] == ["you@example.com", "me@example.com"]


def test_a_new_subscription_has_its_filter_from_the_first_moment(stub: Stub) -> None:
    stub.list()
    stub.subscribe(FilterPolicyScope="MessageAttributes", FilterPolicy=text(SMUT))
    assert subscribe(stub, SMUT) == (True, {}, SMUT)


def test_a_subscription_that_was_removed_is_created_as_new(stub: Stub) -> None:
    stub.list(listed("Deleted"))
    stub.subscribe()
    assert subscribe(stub, {}).is_new


def test_an_unconfirmed_endpoint_gets_another_mail_and_the_new_filter(stub: Stub) -> None:
    stub.list(listed("PendingConfirmation"))
    stub.subscribe()  # without attributes: those that differ are refused
    stub.attributes(PendingConfirmation="true")
    stub.set_attribute(FilterPolicy=text(SMUT))
    assert subscribe(stub, SMUT) == (False, {}, SMUT)


def test_a_filter_that_aws_does_not_change_before_the_confirmation_is_reported(stub: Stub) -> None:
    stub.list(listed("PendingConfirmation"))
    stub.subscribe()
    stub.attributes(PendingConfirmation="true")
    stub.error("set_subscription_attributes", "InvalidParameter", "it is pending")
    with pytest.raises(UserError, match="it is pending"):
        subscribe(stub, SMUT)


def test_an_empty_policy_removes_the_filter(stub: Stub) -> None:
    stub.list(listed())
    stub.attributes(ConfirmationWasAuthenticated="true", FilterPolicy=text(SMUT))
    stub.attributes(ConfirmationWasAuthenticated="true", FilterPolicy=text(SMUT))
    stub.set_attribute(FilterPolicy="{}")
    assert subscribe(stub, {}) == (False, SMUT, {})


def test_a_filter_on_attributes_replaces_a_filter_on_bodies_and_is_set_before_its_scope(stub: Stub) -> None:
    nested = {"FilterPolicy": '{"detail": {"kind": ["x"]}}', "FilterPolicyScope": "MessageBody"}
    stub.list(listed())
    stub.attributes(**nested)
    stub.attributes(**nested)
    stub.set_attribute(FilterPolicy=text(SMUT))
    stub.set_attribute(FilterPolicyScope="MessageAttributes")
    assert subscribe(stub, SMUT) == (False, {"detail": {"kind": ["x"]}}, SMUT)


@pytest.mark.parametrize(
    "link",
    [
        LINK,
        f"  {LINK}\n",
        LINK.replace(ALERTS, quote(ALERTS, safe="")),
        f"https://sns.{REGION}.amazonaws.com/?Action=ConfirmSubscription&TopicArn={ALERTS}&Token={TOKEN}",
        f"https://eur01.safelinks.protection.outlook.com/?url={quote(LINK, safe='')}&data=05%7C02",
        f"https://mail.example.com/?to={quote(LINK.replace(ALERTS, quote(ALERTS, safe='')), safe='')}",
        f" {TOKEN}\n",
    ],
    ids=["mail", "blanks", "encoded", "SubscribeURL", "in another link", "encoded in another link", "token"],
)
def test_every_form_of_the_link_confirms_and_no_link_undoes_it(stub: Stub, link: str) -> None:
    stub.confirm()
    stub.attributes(ConfirmationWasAuthenticated="true", Protocol="email", Endpoint=YOU.address)
    confirmed = stub.subscribers.confirm(link)
    assert (confirmed.endpoint, confirmed.topic) == (YOU, stub.subscribers.alerts)
    assert confirmed.state == State.CONFIRMED_AUTHENTICATED


def test_a_token_alone_is_tried_with_both_topics(stub: Stub) -> None:
    stub.error("confirm_subscription", "InvalidParameter", "Invalid token")
    stub.confirm(OPERATIONS)
    stub.attributes(ConfirmationWasAuthenticated="true", Protocol="email", Endpoint=YOU.address)
    assert stub.subscribers.confirm(TOKEN).topic == stub.subscribers.operations


def test_a_confirmation_after_a_click_on_the_link_is_reported_as_not_protected(stub: Stub) -> None:
    stub.confirm()
    stub.attributes(ConfirmationWasAuthenticated="false", Protocol="email", Endpoint=YOU.address)
    assert stub.subscribers.confirm(LINK).state == State.CONFIRMED


def test_a_confirmation_that_aws_does_not_show_is_reported_as_not_protected(stub: Stub) -> None:
    stub.confirm()
    stub.error("get_subscription_attributes", "AuthorizationError")
    assert stub.subscribers.confirm(LINK).state == State.UNREADABLE


def test_a_link_that_aws_refuses_is_reported_with_the_reason_of_aws(stub: Stub) -> None:
    stub.error("confirm_subscription", "InvalidParameter", "Invalid token")
    with pytest.raises(UserError, match="Invalid token"):
        stub.subscribers.confirm(LINK)


def test_missing_rights_are_not_reported_as_an_expired_link(stub: Stub) -> None:
    stub.error("confirm_subscription", "AuthorizationError", "not authorized")
    with pytest.raises(ClientError, match="not authorized"):
        stub.subscribers.confirm(LINK)


@pytest.mark.parametrize(
    "link",
    [
        LINK.replace("AlertsTopic", "OtherTopic"),
        LINK.replace(f":{REGION}:", ":eu-west-3:"),
        f"https://sns.{REGION}.amazonaws.com/?TopicArn={ALERTS}X&Token={TOKEN}",
    ],
)
def test_a_link_of_another_topic_is_refused_without_a_call(stub: Stub, link: str) -> None:
    with pytest.raises(UserError, match="--stack"):
        stub.subscribers.confirm(link)


@pytest.mark.parametrize(
    "link",
    [
        "",
        "x",
        f"https://sns.{REGION}.amazonaws.com/unsubscribe.html?SubscriptionArn={ARN}",
        f"https://sns.{REGION}.amazonaws.com/confirmation.html?Token={TOKEN}",
        f"https://sns.{REGION}.amazonaws.com/confirmation.html?TopicArn={ALERTS}",  # the shell cut it at its &
    ],
)
def test_another_link_is_refused_with_the_valid_form(stub: Stub, link: str) -> None:
    with pytest.raises(UserError, match="Confirm subscription"):
        stub.subscribers.confirm(link)


def both(stub: Stub) -> tuple[subscription.Topic, subscription.Topic]:
    return stub.subscribers.alerts, stub.subscribers.operations


def test_confirmed_subscriptions_are_removed_and_unconfirmed_ones_are_reported(stub: Stub) -> None:
    stub.list(listed())
    stub.attributes(ConfirmationWasAuthenticated="true")
    stub.list(listed("PendingConfirmation"), topic=OPERATIONS)
    stub.aws.add_response("unsubscribe", {}, {"SubscriptionArn": ARN})
    result = stub.subscribers.remove(YOU.address, both(stub))
    assert [item.topic for item in result.removed] == [stub.subscribers.alerts]
    assert [item.topic for item in result.unconfirmed] == [stub.subscribers.operations]


def test_a_removed_subscription_cannot_be_removed_a_second_time(stub: Stub) -> None:
    stub.list(listed("Deleted"))
    stub.list(topic=OPERATIONS)
    with pytest.raises(UserError, match="not subscribed"):
        stub.subscribers.remove(YOU.address, both(stub))


def test_the_stack_s_own_address_is_not_removed(stub: Stub) -> None:
    with pytest.raises(UserError, match="EmailNotification"):
        stub.subscribers.remove("grower@example.com", both(stub))


def test_an_older_stack_without_a_topic_for_alarms_is_refused() -> None:
    outputs = [{"OutputKey": "AlertsTopicArn", "OutputValue": ALERTS}]
    stack = {"StackName": "labelwatch", "StackStatus": "UPDATE_COMPLETE", "Outputs": outputs}
    account: Any = SimpleNamespace(client=lambda _: SimpleNamespace(describe_stacks=lambda **_: {"Stacks": [stack]}))
    with pytest.raises(UserError, match="OperationsTopicArn"):
        from_stack(account, "labelwatch")

"""The subscribers as AWS itself answers, which the local AWS does otherwise: words in place of ARNs, refusals."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any, NamedTuple
from urllib.parse import quote

import boto3
import pytest
from botocore.exceptions import ClientError
from botocore.stub import Stubber

from labelwatch.shared.errors import UserError
from labelwatch.subscriptions import guidance, subscription
from labelwatch.subscriptions.endpoints import Endpoint
from labelwatch.subscriptions.filters import Filter
from labelwatch.subscriptions.subscribers import Subscribers
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


class Place(NamedTuple):
    """A stack's subscribers, and SNS, which answers what it is told to and refuses every other call."""

    subscribers: Subscribers
    aws: Stubber

    def lists(self, *subscriptions: dict[str, str], topic: str = ALERTS) -> None:
        self.aws.add_response(
            "list_subscriptions_by_topic", {"Subscriptions": list(subscriptions)}, {"TopicArn": topic}
        )

    def knows(self, arn: str = ARN, **attributes: str) -> None:
        self.aws.add_response("get_subscription_attributes", {"Attributes": attributes}, {"SubscriptionArn": arn})

    def refuses(self, call: str, code: str, message: str = "") -> None:
        self.aws.add_client_error(call, code, message)

    def subscribes(self, **attributes: str) -> None:
        """Answers a Subscribe of YOU with these attributes, and no other."""
        asked = {
            "TopicArn": ALERTS,
            "Protocol": "email",
            "Endpoint": YOU.address,
            "Attributes": attributes,
            "ReturnSubscriptionArn": True,
        }
        self.aws.add_response("subscribe", {"SubscriptionArn": ARN}, asked)

    def sets(self, **attribute: str) -> None:
        ((name, value),) = attribute.items()
        asked = {"SubscriptionArn": ARN, "AttributeName": name, "AttributeValue": value}
        self.aws.add_response("set_subscription_attributes", {}, asked)

    def confirms(self, topic: str = ALERTS) -> None:
        asked = {"TopicArn": topic, "Token": TOKEN, "AuthenticateOnUnsubscribe": "true"}
        self.aws.add_response("confirm_subscription", {"SubscriptionArn": ARN}, asked)


@pytest.fixture
def place() -> Iterator[Place]:
    sns = boto3.client("sns")
    with Stubber(sns) as aws:
        yield Place(Subscribers(sns, "labelwatch", OUTPUTS), aws)
        aws.assert_no_pending_responses()
    sns.close()


def entry(arn: str = ARN, endpoint: str = YOU.address) -> dict[str, str]:
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


def subscribe(place: Place, policy: dict[str, Any]) -> str:
    """What the command says of it."""
    topic = place.subscribers.alerts
    return guidance.of_subscribing(topic, YOU, place.subscribers.subscribe(topic, YOU, policy), "")


def only(place: Place) -> subscription.Subscription:
    (one,) = place.subscribers.of(place.subscribers.alerts)
    return one


@pytest.mark.parametrize(
    ("attributes", "state"),
    [
        ({"PendingConfirmation": "false", "ConfirmationWasAuthenticated": "true"}, State.KEPT),
        ({"PendingConfirmation": "false", "ConfirmationWasAuthenticated": "false"}, State.OPEN),
        ({"PendingConfirmation": "true", "ConfirmationWasAuthenticated": "false"}, State.UNCONFIRMED),
    ],
)
def test_a_subscription_s_state_is_told_by_its_attributes(
    place: Place, attributes: dict[str, str], state: State
) -> None:
    place.lists(entry())
    place.knows(**attributes)
    assert only(place).state == state


@pytest.mark.parametrize(("word", "state"), [("PendingConfirmation", State.UNCONFIRMED), ("Deleted", State.REMOVED)])
def test_a_word_in_place_of_an_arn_tells_the_state(place: Place, word: str, state: State) -> None:
    place.lists(entry(word))
    assert only(place).state == state


def test_a_subscription_that_goes_while_it_is_looked_at_is_removed(place: Place) -> None:
    place.lists(entry())
    place.refuses("get_subscription_attributes", "NotFound")
    assert only(place).state == State.REMOVED


def test_a_subscription_that_aws_does_not_show_does_not_hide_the_others(place: Place) -> None:
    place.lists(entry(), entry("PendingConfirmation", "me@example.com"))
    place.refuses("get_subscription_attributes", "AuthorizationError")
    states = [one.state for one in place.subscribers.of(place.subscribers.alerts)]
    assert states == [State.HIDDEN, State.UNCONFIRMED]


def test_all_pages_are_listed(place: Place) -> None:
    place.aws.add_response(
        "list_subscriptions_by_topic",
        {"Subscriptions": [entry("PendingConfirmation")], "NextToken": "2"},
        {"TopicArn": ALERTS},
    )
    place.aws.add_response(
        "list_subscriptions_by_topic",
        {"Subscriptions": [entry("PendingConfirmation", "me@example.com")]},
        {"TopicArn": ALERTS, "NextToken": "2"},
    )
    listed = place.subscribers.of(place.subscribers.alerts)
    assert [one.endpoint.address for one in listed] == ["you@example.com", "me@example.com"]


def test_who_is_new_has_its_filter_from_the_first_moment(place: Place) -> None:
    place.lists()
    place.subscribes(FilterPolicyScope="MessageAttributes", FilterPolicy=text(SMUT))
    assert subscribe(place, SMUT) == "you@example.com is subscribed to the alerts: leaf-smut, from 90 %."


def test_who_was_removed_is_new_again(place: Place) -> None:
    place.lists(entry("Deleted"))
    place.subscribes()
    assert "is subscribed to the alerts: everything." in subscribe(place, {})


def test_who_is_unconfirmed_gets_another_mail_and_the_new_filter(place: Place) -> None:
    place.lists(entry("PendingConfirmation"))
    place.subscribes()  # without attributes: those that differ are refused
    place.knows(PendingConfirmation="true")
    place.sets(FilterPolicy=text(SMUT))
    assert "already: everything. That is changed to: leaf-smut, from 90 %." in subscribe(place, SMUT)


def test_an_unconfirmed_filter_that_aws_does_not_change_is_told_with_what_to_do(place: Place) -> None:
    place.lists(entry("PendingConfirmation"))
    place.subscribes()
    place.knows(PendingConfirmation="true")
    place.refuses("set_subscription_attributes", "InvalidParameter", "it is pending")
    with pytest.raises(UserError, match=r"does not change its filter until it is confirmed \(it is pending\)"):
        subscribe(place, SMUT)


def test_a_filter_is_taken_away_by_an_empty_one(place: Place) -> None:
    place.lists(entry())
    place.knows(ConfirmationWasAuthenticated="true", FilterPolicy=text(SMUT))
    place.knows(ConfirmationWasAuthenticated="true", FilterPolicy=text(SMUT))
    place.sets(FilterPolicy="{}")
    assert "That filter is taken away" in subscribe(place, {})


def test_a_filter_for_bodies_makes_room_for_one_for_attributes_which_comes_before_its_scope(place: Place) -> None:
    nested = {"FilterPolicy": '{"detail": {"kind": ["x"]}}', "FilterPolicyScope": "MessageBody"}
    place.lists(entry())
    place.knows(**nested)
    place.knows(**nested)
    place.sets(FilterPolicy=text(SMUT))
    place.sets(FilterPolicyScope="MessageAttributes")
    told = subscribe(place, SMUT)
    assert 'already: what passes {"detail": {"kind": ["x"]}}. That is changed to: leaf-smut, from 90 %.' in told


def test_a_filter_of_another_hand_that_is_taken_away_has_no_options_to_have_it_back(place: Place) -> None:
    place.lists(entry())
    place.knows(FilterPolicy='{"bucket": ["images"]}')
    place.knows(FilterPolicy='{"bucket": ["images"]}')
    place.sets(FilterPolicy="{}")
    assert "To have it back" not in subscribe(place, {})


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
def test_a_link_confirms_however_it_came_and_so_that_no_link_undoes_it(place: Place, link: str) -> None:
    place.confirms()
    place.knows(ConfirmationWasAuthenticated="true", Protocol="email", Endpoint=YOU.address)
    told = guidance.of_confirming(place.subscribers.confirm(link))
    assert told == "you@example.com is subscribed to the alerts, and only who has rights in this account can undo it."


def test_a_token_alone_is_tried_with_both_topics(place: Place) -> None:
    place.refuses("confirm_subscription", "InvalidParameter", "Invalid token")
    place.confirms(OPERATIONS)
    place.knows(ConfirmationWasAuthenticated="true", Protocol="email", Endpoint=YOU.address)
    assert place.subscribers.confirm(TOKEN).topic == place.subscribers.operations


def test_a_confirmation_that_somebody_had_clicked_before_is_not_called_safe(place: Place) -> None:
    place.confirms()
    place.knows(ConfirmationWasAuthenticated="false", Protocol="email", Endpoint=YOU.address)
    told = guidance.of_confirming(place.subscribers.confirm(LINK))
    assert "you@example.com is subscribed to the alerts, but its unsubscribe link undoes it" in told


def test_what_aws_does_not_show_after_a_confirmation_is_not_called_safe(place: Place) -> None:
    place.confirms()
    place.refuses("get_subscription_attributes", "AuthorizationError")
    told = guidance.of_confirming(place.subscribers.confirm(LINK))
    assert told.endswith(": confirmed; AWS does not show you more.")


def test_a_link_that_aws_refuses_is_told_in_its_words(place: Place) -> None:
    place.refuses("confirm_subscription", "InvalidParameter", "Invalid token")
    with pytest.raises(UserError, match=r"AWS does not take this link \(Invalid token\): it is good for two days"):
        place.subscribers.confirm(LINK)


def test_rights_that_are_missing_are_not_taken_for_a_link_that_is_too_old(place: Place) -> None:
    place.refuses("confirm_subscription", "AuthorizationError", "not authorized")
    with pytest.raises(ClientError, match="not authorized"):
        place.subscribers.confirm(LINK)


@pytest.mark.parametrize(
    "link",
    [
        LINK.replace("AlertsTopic", "OtherTopic"),
        LINK.replace(f":{REGION}:", ":eu-west-3:"),
        f"https://sns.{REGION}.amazonaws.com/?TopicArn={ALERTS}X&Token={TOKEN}",
    ],
)
def test_a_link_of_another_topic_is_not_even_tried(place: Place, link: str) -> None:
    with pytest.raises(UserError, match="which is none of the stack labelwatch"):
        place.subscribers.confirm(link)


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
def test_what_confirms_nothing_is_told_what_would(place: Place, link: str) -> None:
    with pytest.raises(UserError, match=r"this is no link that confirms.* put it between quotation marks"):
        place.subscribers.confirm(link)


def both(place: Place) -> tuple[subscription.Topic, subscription.Topic]:
    return place.subscribers.alerts, place.subscribers.operations


def test_what_is_confirmed_is_removed_and_what_is_not_is_told(place: Place) -> None:
    place.lists(entry())
    place.knows(ConfirmationWasAuthenticated="true")
    place.lists(entry("PendingConfirmation"), topic=OPERATIONS)
    place.aws.add_response("unsubscribe", {}, {"SubscriptionArn": ARN})
    removed = place.subscribers.remove(YOU.address, both(place))
    first, second = guidance.of_removing(YOU.address, removed)
    assert first == "you@example.com is taken off the alerts."
    assert second.startswith("you@example.com is unconfirmed on the operations, which AWS lets nobody take back")


def test_what_was_removed_before_is_not_there_to_be_removed(place: Place) -> None:
    place.lists(entry("Deleted"))
    place.lists(topic=OPERATIONS)
    with pytest.raises(UserError, match=r"you@example\.com is not subscribed"):
        place.subscribers.remove(YOU.address, both(place))


def test_the_stack_s_own_address_is_left_to_the_stack(place: Place) -> None:
    with pytest.raises(UserError, match="which CloudFormation subscribes as EmailNotification"):
        place.subscribers.remove("grower@example.com", both(place))


def test_an_older_stack_without_a_topic_for_alarms_is_told_so() -> None:
    outputs = {name: value for name, value in OUTPUTS.items() if name != "OperationsTopicArn"}
    with pytest.raises(UserError, match="has no output OperationsTopicArn; deploy this version of Labelwatch first"):
        Subscribers(None, "labelwatch", outputs)


def test_who_is_unconfirmed_is_told_what_to_do_with_the_stack_s_own_options(place: Place) -> None:
    place.lists(entry("PendingConfirmation"), entry("PendingConfirmation", "me@example.com"))
    listed = place.subscribers.of(place.subscribers.alerts)
    what, why = guidance.of_all([place.subscribers.alerts], listed, " --stack labelwatch-prod")
    assert what.startswith("Unconfirmed: you@example.com, me@example.com. AWS has sent a mail.")
    assert what.endswith(": labelwatch subscribers confirm 'LINK' --stack labelwatch-prod")
    assert "undoes it for anybody" in why


def test_where_all_are_confirmed_there_is_nothing_to_do(place: Place) -> None:
    place.lists(entry())
    place.knows(ConfirmationWasAuthenticated="false")
    alerts = place.subscribers.alerts
    assert guidance.of_all([alerts], place.subscribers.of(alerts), "") == []


def test_of_each_topic_that_nobody_is_subscribed_to_it_is_said_how_to_change_that(place: Place) -> None:
    place.lists(entry("Deleted"))
    place.lists(topic=OPERATIONS)
    topics = both(place)
    alerts, operations = guidance.of_all(topics, place.subscribers.of(*topics), " --stack labelwatch-prod")
    command = "labelwatch subscribe you@example.com"
    assert alerts == f"Nobody is subscribed to the alerts: {command} --stack labelwatch-prod"
    assert operations == f"Nobody is subscribed to the operations: {command} --operations --stack labelwatch-prod"

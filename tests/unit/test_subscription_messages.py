"""What `labelwatch subscribe` and `labelwatch subscribers` print, by its commands and values."""

import shlex

import pytest

from labelwatch.commands.subscribers import stack_options
from labelwatch.subscriptions import messages
from labelwatch.subscriptions.endpoints import Arn, Endpoint
from labelwatch.subscriptions.filters import Filter
from labelwatch.subscriptions.subscribers import RemoveResult, SubscribeResult
from labelwatch.subscriptions.subscription import State, Subscription, Topic, as_text

ALERTS = Topic("alerts", Arn("aws", "sns", "eu-central-1", "123456789012", "AlertsTopic"))
OPERATIONS = Topic("operations", ALERTS.arn._replace(resource="OperationsTopic"))
YOU = Endpoint("email", "you@example.com")
FUNCTION = Endpoint("lambda", f"arn:aws:lambda:eu-central-1:123456789012:function:{'north-' * 10}:live")
SMUT = Filter(("leaf-smut", "two words"), 90)
OPTIONS = " --stack labelwatch-prod"


def commands(*texts: str) -> list[list[str]]:
    """The commands in these texts, each of which stands on a line of its own."""
    lines = [line.strip() for text in texts for line in text.splitlines()]
    return [shlex.split(line) for line in lines if line.startswith(("labelwatch ", "aws "))]


def subscribed(previous: Filter, requested: Filter, *, is_new: bool = False, endpoint: Endpoint = YOU) -> str:
    result = SubscribeResult(is_new, previous.policy, requested.policy)
    return messages.subscribe_message(ALERTS, endpoint, result, OPTIONS)


@pytest.mark.parametrize(("topic", "name"), [(ALERTS, "alerts"), (OPERATIONS, "operations")])
def test_a_new_subscription_has_the_endpoint_and_the_topic(topic: Topic, name: str) -> None:
    result = SubscribeResult(is_new=True, previous_policy={}, policy={})
    message = messages.subscribe_message(topic, YOU, result, "")
    assert YOU.address in message
    assert name in message


def test_the_same_filter_is_unchanged() -> None:
    assert "unchanged" in subscribed(SMUT, SMUT)


def test_a_changed_filter_is_shown_with_the_previous_filter() -> None:
    message = subscribed(SMUT, Filter(("rust",)))
    assert message.index("rust") < message.index("leaf-smut")
    assert commands(message) == []


def test_a_deleted_filter_can_be_restored_by_a_command() -> None:
    options = ["--label", "leaf-smut", "--label", "two words", "--confidence", "90", "--stack", "labelwatch-prod"]
    assert commands(subscribed(SMUT, Filter())) == [["labelwatch", "subscribe", YOU.address, *options]]


def test_an_endpoint_is_quoted_for_the_shell() -> None:
    url = "https://example.com/alerts?for=leaves&of=rice"
    message = subscribed(Filter((), 90), Filter(), endpoint=Endpoint("https", url))
    assert f"labelwatch subscribe '{url}' " in message


def test_a_deleted_filter_of_another_tool_has_no_command() -> None:
    result = SubscribeResult(is_new=False, previous_policy={"bucket": ["images"]}, policy={})
    assert commands(messages.subscribe_message(ALERTS, YOU, result, "")) == []


@pytest.mark.parametrize("state", [State.CONFIRMED_AUTHENTICATED, State.UNREADABLE])
def test_a_confirmed_subscription_has_its_state_and_no_next_step(state: State) -> None:
    message = messages.confirm_message(Subscription(ALERTS, YOU, state), OPTIONS)
    assert state in message
    assert commands(message) == []


def test_a_subscription_that_a_link_ends_gets_the_commands_that_replace_it() -> None:
    subscription = Subscription(OPERATIONS, YOU, State.CONFIRMED, "arn", {})
    assert commands(messages.confirm_message(subscription, OPTIONS)) == [
        ["labelwatch", "subscribers", "remove", YOU.address, "--stack", "labelwatch-prod"],
        ["labelwatch", "subscribe", YOU.address, "--operations", "--stack", "labelwatch-prod"],
        ["labelwatch", "subscribers", "confirm", "LINK", "--stack", "labelwatch-prod"],
    ]


def test_removed_subscriptions_are_reported_before_those_that_aws_cannot_delete() -> None:
    removed = Subscription(OPERATIONS, YOU, State.CONFIRMED, "arn")
    unconfirmed = Subscription(ALERTS, YOU, State.UNCONFIRMED)
    first, second = messages.remove_messages(YOU.address, RemoveResult([removed], [unconfirmed]))
    assert "operations" in first
    assert "48 hours" in second


@pytest.mark.parametrize("protocol", messages.HOW_TO_CONFIRM)
def test_unconfirmed_endpoints_end_with_the_command_that_confirms(protocol: str) -> None:
    endpoints = Endpoint(protocol, "first"), Endpoint(protocol, "second")
    subscriptions = [Subscription(ALERTS, endpoint, State.UNCONFIRMED) for endpoint in endpoints]
    *_, last = messages.remaining_actions([ALERTS], subscriptions, OPTIONS)
    assert "first, second" in last
    assert commands(last) == [["labelwatch", "subscribers", "confirm", "LINK", "--stack", "labelwatch-prod"]]


def test_confirmed_subscriptions_need_no_action() -> None:
    assert messages.remaining_actions([ALERTS], [Subscription(ALERTS, YOU, State.CONFIRMED, "arn")], "") == []


def test_a_topic_without_subscribers_gets_the_command_that_subscribes() -> None:
    removed = Subscription(ALERTS, YOU, State.REMOVED)
    assert commands(*messages.remaining_actions([ALERTS, OPERATIONS], [removed], OPTIONS)) == [
        ["labelwatch", "subscribe", "you@example.com", "--stack", "labelwatch-prod"],
        ["labelwatch", "subscribe", "you@example.com", "--operations", "--stack", "labelwatch-prod"],
    ]


def test_a_phone_number_gets_the_commands_that_verify_it_in_the_topic_s_region() -> None:
    note = messages.sms_note(ALERTS, Endpoint("sms", "+4917012345678"))
    assert [command[:5] for command in commands(note)] == [
        ["aws", "sns", "get-sms-sandbox-account-status", "--region", "eu-central-1"],
        ["aws", "sns", "create-sms-sandbox-phone-number", "--region", "eu-central-1"],
    ]
    assert commands(note)[1][-1] == "+4917012345678"


def test_only_labels_without_alerts_get_a_warning() -> None:
    (warning,) = messages.filter_warnings(Filter(("Leaf-Smut", "leafsmut")), "leaf-smut:90")
    assert "leafsmut" in warning
    assert "Leaf-Smut" not in warning
    assert messages.filter_warnings(Filter(("Leaf-Smut",)), "leaf-smut:90") == []


def test_the_list_has_each_endpoint_whole_on_a_line_of_its_own() -> None:
    listed = as_text(
        [
            Subscription(ALERTS, FUNCTION, State.CONFIRMED, "arn", SMUT.policy),
            Subscription(OPERATIONS, YOU, State.UNCONFIRMED),
        ]
    )
    first, second = listed.split("\n\n")
    assert first.splitlines()[0] == FUNCTION.address
    assert second.splitlines()[0] == YOU.address
    assert State.CONFIRMED in first
    assert SMUT.description in first
    assert State.UNCONFIRMED in second


@pytest.mark.parametrize(
    ("variable", "stack", "options"),
    [
        ("", "labelwatch", ""),
        ("", "labelwatch-prod", " --stack labelwatch-prod"),
        ("labelwatch-prod", "labelwatch", " --stack labelwatch"),
        ("labelwatch-prod", "labelwatch-prod", " --stack labelwatch-prod"),
    ],
)
def test_a_command_to_copy_names_the_stack_where_another_one_is_the_default(
    variable: str, stack: str, options: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("LABELWATCH_STACK", variable)
    assert stack_options(stack, None, None) == options

import pytest

from chalicelib.domain.errors import Retryable
from chalicelib.steps.check_subscriptions import CheckSubscriptions
from tests.support.fakes import FakeSubscriptions, FakeTelemetry

ADDRESS = "grower@example.com"


def check(*topics: FakeSubscriptions) -> FakeTelemetry:
    telemetry = FakeTelemetry()
    CheckSubscriptions(topics, ADDRESS, telemetry)()
    return telemetry


def test_without_an_inactive_subscription_the_count_is_zero_and_not_missing() -> None:
    telemetry = check(FakeSubscriptions({ADDRESS}), FakeSubscriptions({ADDRESS}))
    assert dict(telemetry.counts) == {"SubscriptionsInactive": 0}
    assert telemetry.log == []


def test_unconfirmed_subscriptions_of_every_topic_are_counted() -> None:
    telemetry = check(FakeSubscriptions({ADDRESS}, pending=2), FakeSubscriptions({ADDRESS}, pending=1))
    assert telemetry.counts["SubscriptionsInactive"] == 3


def test_a_missing_address_is_counted_although_nothing_is_unconfirmed() -> None:
    assert check(FakeSubscriptions({"other@example.com"})).counts["SubscriptionsInactive"] == 1


def test_the_log_has_the_topic_and_no_address() -> None:
    telemetry = check(FakeSubscriptions({ADDRESS}), FakeSubscriptions(set(), topic="arn:of:operations"))
    ((event, fields),) = telemetry.log
    assert (event, fields["topic"]) == ("subscriptions inactive", "arn:of:operations")
    assert ADDRESS not in str(fields)


def test_subscriptions_that_cannot_be_read_are_not_counted_as_active() -> None:
    topic = FakeSubscriptions({ADDRESS})
    topic.fault = Retryable("AuthorizationError", "no")
    telemetry = FakeTelemetry()
    with pytest.raises(Retryable):
        CheckSubscriptions((topic,), ADDRESS, telemetry)()
    assert telemetry.counts == {}

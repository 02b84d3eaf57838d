import pytest

from chalicelib.domain.errors import Retryable
from chalicelib.steps.check_subscriptions import CheckSubscriptions
from tests.support.fakes import FakeSubscriptions, FakeTelemetry

ADDRESS = "grower@example.com"


def look(*topics: FakeSubscriptions) -> FakeTelemetry:
    telemetry = FakeTelemetry()
    CheckSubscriptions(topics, ADDRESS, telemetry)()
    return telemetry


def test_where_everybody_is_told_the_count_is_nought_and_not_missing() -> None:
    telemetry = look(FakeSubscriptions({ADDRESS}), FakeSubscriptions({ADDRESS}))
    assert dict(telemetry.counts) == {"SubscriptionsInactive": 0}
    assert telemetry.log == []


def test_what_is_unconfirmed_is_counted_in_every_topic() -> None:
    telemetry = look(FakeSubscriptions({ADDRESS}, pending=2), FakeSubscriptions({ADDRESS}, pending=1))
    assert telemetry.counts["SubscriptionsInactive"] == 3


def test_an_address_that_is_gone_is_counted_although_nothing_waits() -> None:
    assert look(FakeSubscriptions({"other@example.com"})).counts["SubscriptionsInactive"] == 1


def test_the_log_says_which_topic_and_names_no_person() -> None:
    telemetry = look(FakeSubscriptions({ADDRESS}), FakeSubscriptions(set(), topic="arn:of:operations"))
    ((event, fields),) = telemetry.log
    assert (event, fields["topic"]) == ("subscriptions inactive", "arn:of:operations")
    assert ADDRESS not in str(fields)


def test_what_cannot_be_known_is_not_counted_as_good() -> None:
    topic = FakeSubscriptions({ADDRESS})
    topic.fault = Retryable("AuthorizationError", "no")
    telemetry = FakeTelemetry()
    with pytest.raises(Retryable):
        CheckSubscriptions((topic,), ADDRESS, telemetry)()
    assert telemetry.counts == {}

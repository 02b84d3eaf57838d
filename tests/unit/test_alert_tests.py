"""`labelwatch alert test`: the prediction that it sends, how it waits, and which deliveries it reports."""

import io
import json
from collections.abc import Sequence
from typing import Any

import msgspec
import pytest
from rich.console import Console

from chalicelib.domain.errors import Fault, Retryable
from chalicelib.domain.predictions import Label, Prediction
from labelwatch.shared.errors import UserError
from labelwatch.subscriptions.deliveries import Outcome, as_json, deliveries_of, print_deliveries
from labelwatch.subscriptions.endpoints import Arn, Endpoint
from labelwatch.subscriptions.filters import Filter, Policy
from labelwatch.subscriptions.subscription import State, Subscription, Topic
from labelwatch.subscriptions.testing import AlertTests, alert_of
from tests.support.fakes import FakeQueue

QUEUE_ARN = "arn:aws:sqs:eu-west-1:123456789012:predictions"
TOPIC = Topic("alerts", Arn("aws", "sns", "eu-west-1", "123456789012", "labelwatch-alerts"))


class FakeRecords:
    """Completed after so many checks; never for None."""

    def __init__(self, checks: int | None) -> None:
        self.checks = checks
        self.requests: list[str] = []

    def is_completed(self, record_id: str) -> bool:
        self.requests.append(record_id)
        return self.checks is not None and len(self.requests) > self.checks


class Bench:
    def __init__(self, checks: int | None = 0, labels_of_interest: str = "leaf-smut:90, rust") -> None:
        self.queue, self.records, self.pauses = FakeQueue(), FakeRecords(checks), list[float]()
        self.alerts = AlertTests(self.queue, QUEUE_ARN, self.records, "images", labels_of_interest, self.pauses.append)

    def prediction(self, source: str = "field-3", label: str | None = None, confidence: float = 100) -> Prediction:
        return self.alerts.prediction(source, label, confidence)


@pytest.mark.parametrize(
    ("labels_of_interest", "label"),
    [("leaf-smut:90, rust", "leaf-smut"), ("*, rust", "rust"), ("*", "test"), ("a:b:c", "test")],
)
def test_the_label_is_the_first_one_of_interest(labels_of_interest: str, label: str) -> None:
    (found,) = Bench(labels_of_interest=labels_of_interest).prediction().labels
    assert found == Label(label, 100)


@pytest.mark.parametrize("source", ["test", "field 3", "uploads", "images", "稲 田"])
def test_the_prediction_is_a_test_of_this_source_each_time_with_another_id(source: str) -> None:
    first, second = (Bench().prediction(source, "rust", 85) for _ in range(2))
    assert (first.test, first.image.source, first.labels) == (True, source, (Label("rust", 85),))
    assert first.id != second.id


@pytest.mark.parametrize("source", ["", "a/b", "/", "a\nb", "x" * 1001])
def test_what_is_no_source_is_refused(source: str) -> None:
    with pytest.raises(UserError, match="--source"):
        Bench().prediction(source)


@pytest.mark.parametrize("confidence", [-1, 100.1, float("nan")])
def test_what_is_no_confidence_is_refused(confidence: float) -> None:
    with pytest.raises(UserError, match="--confidence"):
        Bench().prediction(confidence=confidence)


def test_an_empty_label_is_refused() -> None:
    with pytest.raises(UserError, match="--label"):
        Bench().prediction(label=" ")


def test_one_message_is_sent_that_notify_can_read_and_its_record_is_awaited() -> None:
    bench = Bench(checks=3)
    prediction = bench.prediction("稲 田")
    assert bench.alerts.send(prediction, 60)
    (body,) = bench.queue.sent
    assert body.isascii()
    assert msgspec.json.decode(body, type=Prediction) == prediction
    assert bench.records.requests == [prediction.id] * 4
    assert len(bench.pauses) == 3


def test_an_alert_that_sns_does_not_accept_in_time_is_reported() -> None:
    bench = Bench(checks=None)
    assert not bench.alerts.send(bench.prediction(), 0)


def test_the_checks_name_the_queue_the_log_and_the_command_for_the_same_stack() -> None:
    checks = Bench().alerts.checks("labelwatch-prod", " --stack labelwatch-prod")
    for part in (QUEUE_ARN, "dead-letters list --stack labelwatch-prod`", "/aws/lambda/labelwatch-prod-notify"):
        assert part in checks


class RefusingQueue(FakeQueue):
    def send(self, bodies: Sequence[str]) -> dict[int, Fault]:
        return {index: Retryable("AccessDenied", "no") for index in range(len(bodies))}


def test_a_message_that_sqs_refuses_is_not_awaited() -> None:
    bench = Bench(checks=None)
    with pytest.raises(Fault, match="AccessDenied"):
        bench.alerts._replace(queue=RefusingQueue()).send(bench.prediction(), 60)
    assert bench.records.requests == []


def subscription(policy: Policy | None = None, state: State = State.CONFIRMED, address: str = "a@b.de") -> Subscription:
    return Subscription(TOPIC, Endpoint("email", address), state, "arn", policy)


def outcome(each: Subscription) -> Outcome:
    (delivery,) = deliveries_of(alert_of(Bench().prediction("field-3", "Leaf-Smut", 85)), [each])
    return delivery.outcome


@pytest.mark.parametrize(
    ("requested", "expected"),
    [
        (Filter(), Outcome.SENT),
        (Filter(("rust", "leaf-smut"), 85, ("field-3", "north")), Outcome.SENT),
        (Filter(("rust",)), Outcome.FILTERED_OUT),
        (Filter((), 85.1), Outcome.FILTERED_OUT),
        (Filter(sources=("Field-3",)), Outcome.FILTERED_OUT),
        (Filter(("leaf-smut",), 90, ("field-3",)), Outcome.FILTERED_OUT),
    ],
)
def test_a_filter_passes_the_alert_or_not(requested: Filter, expected: Outcome) -> None:
    assert outcome(subscription(requested.policy)) is expected


def test_the_filter_of_another_tool_and_a_subscription_without_details_are_unknown() -> None:
    assert outcome(subscription({"labels": ["rust"]})) is Outcome.OWN_FILTER
    assert outcome(subscription(None, State.UNREADABLE)) is Outcome.UNREADABLE


def test_an_unconfirmed_subscription_gets_nothing_whatever_its_filter() -> None:
    assert outcome(subscription({}, State.UNCONFIRMED)) is Outcome.UNCONFIRMED


def test_a_deleted_subscription_has_no_delivery() -> None:
    assert deliveries_of(alert_of(Bench().prediction()), [subscription(state=State.REMOVED)]) == []


def printed(*subscriptions: Subscription) -> str:
    out = io.StringIO()
    console = Console(file=out, width=80, markup=False, highlight=False)
    print_deliveries(console, deliveries_of(alert_of(Bench().prediction()), subscriptions))
    return out.getvalue()


def test_the_filter_that_keeps_the_alert_back_is_shown() -> None:
    assert "filtered out: rust" in printed(subscription(Filter(("rust",)).policy))


def test_a_long_endpoint_stays_whole_at_80_columns() -> None:
    url = f"https://example.com/{'x' * 100}?token=abc"
    assert url in printed(subscription({}, address=url)).splitlines()[0]


def test_programs_get_subject_attributes_and_deliveries() -> None:
    alert = alert_of(Bench().prediction("field-3", "rust", 85))
    own: Policy = {"labels": ["x"]}
    content: dict[str, Any] = json.loads(as_json(alert, deliveries_of(alert, [subscription(own)])))
    assert content["subject"] == "Test alert: rust 85 % in field-3"
    assert (content["attributes"]["source"], content["attributes"]["test"]) == ("field-3", "yes")
    assert content["subscriptions"] == [
        {"endpoint": "a@b.de", "protocol": "email", "filter": own, "delivery": "unknown, own filter"}
    ]

"""docs/cost.md and what it is made of: counts, prices and the merged template."""

from __future__ import annotations

import copy
from typing import Any

import pytest

from bench import cost, month
from bench.month import Calls
from labelwatch.shared.pricing import Prices

ALARM = {"Type": "AWS::CloudWatch::Alarm", "Properties": {"MetricName": "Errors"}}


@pytest.fixture(scope="module")
def calls() -> Calls:
    return cost.load()[0]


@pytest.fixture(scope="module")
def prices() -> Prices:
    return cost.load()[1]


@pytest.fixture(scope="module")
def operations() -> str:
    return cost.load()[2]


def with_one_more(template: dict[str, Any], resource: dict[str, Any]) -> dict[str, Any]:
    changed = copy.deepcopy(template)
    changed["Resources"]["OneMore"] = resource
    return changed


def test_the_page_is_what_counts_prices_and_template_give(
    calls: Calls, prices: Prices, template: dict[str, Any], operations: str
) -> None:
    page = cost.render(calls, prices, template, operations)
    assert cost.PAGE.read_text() == page, f"docs/cost.md is no longer what is true; run {cost.COMMAND}"


def test_one_more_alarm_is_another_page(
    calls: Calls, prices: Prices, template: dict[str, Any], operations: str
) -> None:
    page = cost.render(calls, prices, with_one_more(template, ALARM), operations)
    assert page != cost.render(calls, prices, template, operations)


@pytest.mark.parametrize(
    ("alarm", "more"),
    [
        (ALARM, 1),
        (ALARM | {"Condition": "HasExistingBucket"}, 0),
        (
            {"Type": ALARM["Type"], "Properties": {"Metrics": [{"MetricStat": {}}, {"MetricStat": {}}, {"Id": "sum"}]}},
            2,
        ),
    ],
    ids=["on one metric", "that is not there by default", "on the sum of two metrics"],
)
def test_an_alarm_costs_as_many_metrics_as_it_looks_at(
    template: dict[str, Any], operations: str, alarm: dict[str, Any], more: int
) -> None:
    before = month.stack_of(template, operations).alarm_metrics
    assert month.stack_of(with_one_more(template, alarm), operations).alarm_metrics == before + more


def test_a_metric_of_two_services_is_two_metrics(template: dict[str, Any]) -> None:
    table = "\n## Metrics\n\n| `Seen` | things | detect, notify |\n\n## Alarms\n\n| `NotOne` | means | nothing |\n"
    assert month.stack_of(template, table).metrics == {"detect Seen", "notify Seen"}


def test_every_metric_that_was_seen_is_in_the_table(calls: Calls, template: dict[str, Any], operations: str) -> None:
    seen = {metric for run in [*calls.runs.values(), *calls.scheduled.values()] for metric in run.metrics}
    assert seen <= month.stack_of(template, operations).metrics


def test_each_image_that_was_counted_met_the_model_and_has_rows(calls: Calls) -> None:
    for run in calls.runs.values():
        asked = run.calls["Detect"]["rekognition DetectCustomLabels"] - run.refused.get(
            "rekognition DetectCustomLabels", 0
        )
        assert (asked, run.calls["Notify"]["s3 PutObject"]) == (run.times, run.times)


def test_a_schedule_that_was_not_counted_is_asked_for(calls: Calls, template: dict[str, Any], operations: str) -> None:
    every = {"Type": "Schedule", "Properties": {"Schedule": "rate(2 hours)"}}
    function = {"Type": "AWS::Serverless::Function", "Properties": {"MemorySize": 512, "Events": {"Clock": every}}}
    stack = month.stack_of(with_one_more(template, function), operations)
    with pytest.raises(ValueError, match="OneMore was not there when calls were counted"):
        month.fixed(calls, stack)


def test_a_call_without_a_price_is_refused(prices: Prices) -> None:
    with pytest.raises(ValueError, match="which price `s3 SelectObjectContent` has"):
        prices.costs_by_group({"s3 SelectObjectContent": 1})


def test_a_cost_without_a_line_is_refused(
    calls: Calls, prices: Prices, template: dict[str, Any], operations: str
) -> None:
    changed = copy.deepcopy(calls)
    changed.runs["burst, direct"].calls["Detect"]["model hours"] = 1
    with pytest.raises(ValueError, match="no line for model"):
        cost.render(changed, prices, template, operations)


def test_every_price_is_one_that_is_asked_for(prices: Prices) -> None:
    assert {price for price in prices.amounts.values() if price} == prices.prices.keys()


def test_a_price_is_for_so_many_of_its_unit(prices: Prices) -> None:
    assert prices.cost({"s3 PutObject": 2000, "s3 HeadObject": 10_000}) == pytest.approx(0.010 + 0.004)


@pytest.mark.parametrize(("images", "usd"), [(1000, 1.0), (1_000_000, 1000.0), (5_000_001, 4200.0006)])
def test_general_labels_are_cheaper_the_more_there_are(prices: Prices, images: int, usd: float) -> None:
    assert prices.general_labels.cost(images) == pytest.approx(usd)


def test_ten_times_the_images_take_ten_times_as_much(calls: Calls, template: dict[str, Any], operations: str) -> None:
    stack = month.stack_of(template, operations)
    few, many = (month.growing(images, "burst", calls, stack) for images in (1_000, 10_000))
    assert many == pytest.approx({name: 10 * amount for name, amount in few.items()})

"""docs/cost.md and what it is made of: counts, prices and the merged template."""

from __future__ import annotations

import copy
from typing import Any

import pytest

from bench import cost, month
from bench.month import CallCounts, RunTotals
from labelwatch.shared.pricing import MODEL_IMAGES_A_SECOND, Prices

DETECT = "rekognition DetectCustomLabels"
ALARM = {"Type": "AWS::CloudWatch::Alarm", "Properties": {"MetricName": "Errors"}}


@pytest.fixture(scope="module")
def counts() -> CallCounts:
    return cost.load()[0]


@pytest.fixture(scope="module")
def prices() -> Prices:
    return cost.load()[1]


def all_runs(counts: CallCounts) -> list[RunTotals]:
    return [*counts.runs.values(), *counts.scheduled.values()]


def with_resource(template: dict[str, Any], resource: dict[str, Any]) -> dict[str, Any]:
    changed = copy.deepcopy(template)
    changed["Resources"]["AddedResource"] = resource
    return changed


def test_the_page_is_what_counts_prices_and_template_give(
    counts: CallCounts, prices: Prices, template: dict[str, Any]
) -> None:
    page = cost.render(counts, prices, template)
    assert cost.PAGE.read_text() == page, f"docs/cost.md is out of date; run {cost.COMMAND}"


def test_another_alarm_changes_the_page(counts: CallCounts, prices: Prices, template: dict[str, Any]) -> None:
    page = cost.render(counts, prices, with_resource(template, ALARM))
    assert page != cost.render(counts, prices, template)


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
    ids=["on one metric", "that does not exist by default", "on the sum of two metrics"],
)
def test_an_alarm_costs_as_many_metrics_as_it_evaluates(
    template: dict[str, Any], alarm: dict[str, Any], more: int
) -> None:
    before = month.stack_of(template).alarm_metrics
    assert month.stack_of(with_resource(template, alarm)).alarm_metrics == before + more


def test_a_metric_of_two_services_is_two_metrics() -> None:
    assert month.custom_metrics() >= {"detect ImagesRejected", "notify ImagesRejected"}


def test_every_metric_that_was_recorded_is_declared(counts: CallCounts) -> None:
    recorded = {metric for run in all_runs(counts) for metric in run.metrics}
    assert recorded <= month.custom_metrics()


def test_every_function_that_was_recorded_is_in_the_template(counts: CallCounts, template: dict[str, Any]) -> None:
    recorded = {name for run in all_runs(counts) for name in run.functions}
    assert recorded <= month.stack_of(template).memory_gb.keys()


def test_each_image_that_was_counted_was_detected_and_has_rows(counts: CallCounts) -> None:
    for run in counts.runs.values():
        detected = run.calls["Detect"][DETECT] - run.refused.get(DETECT, 0)
        assert (detected, run.calls["Notify"]["s3 PutObject"]) == (run.times, run.times)


def test_a_schedule_that_was_not_counted_is_refused(counts: CallCounts, template: dict[str, Any]) -> None:
    schedule = {"Type": "Schedule", "Properties": {"Schedule": "rate(2 hours)"}}
    function = {
        "Type": "AWS::Serverless::Function",
        "Properties": {"MemorySize": 512, "Events": {"Schedule": schedule}},
    }
    stack = month.stack_of(with_resource(template, function))
    with pytest.raises(ValueError, match="AddedResource"):
        month.fixed_amounts(counts, stack)


def test_a_call_without_a_price_is_refused(prices: Prices) -> None:
    with pytest.raises(ValueError, match="which price `s3 SelectObjectContent` has"):
        prices.costs_by_group({"s3 SelectObjectContent": 1})


def test_a_cost_without_a_line_is_refused(counts: CallCounts, prices: Prices, template: dict[str, Any]) -> None:
    changed = copy.deepcopy(counts)
    changed.runs["burst, direct"].calls["Detect"]["model hours"] = 1
    with pytest.raises(ValueError, match="for model"):
        cost.render(changed, prices, template)


def test_the_counts_are_of_the_rate_that_a_backfill_is_estimated_by(counts: CallCounts) -> None:
    assert counts.model_images_a_second == MODEL_IMAGES_A_SECOND


def test_every_price_is_the_price_of_an_amount(prices: Prices) -> None:
    assert {price for price in prices.amounts.values() if price} == prices.prices.keys()


def test_a_price_is_for_a_number_of_its_unit(prices: Prices) -> None:
    assert prices.cost({"s3 PutObject": 2000, "s3 HeadObject": 10_000}) == pytest.approx(0.010 + 0.004)


@pytest.mark.parametrize(("images", "usd"), [(1000, 1.0), (1_000_000, 1000.0), (5_000_001, 4200.0006)])
def test_the_price_of_general_labels_falls_with_the_number_of_images(prices: Prices, images: int, usd: float) -> None:
    assert prices.general_labels.cost(images) == pytest.approx(usd)


def test_ten_times_the_images_take_ten_times_the_amounts(counts: CallCounts, template: dict[str, Any]) -> None:
    stack = month.stack_of(template)
    fewer, more = (month.image_amounts(images, "burst", counts, stack) for images in (1_000, 10_000))
    assert more == pytest.approx({name: 10 * amount for name, amount in fewer.items()})

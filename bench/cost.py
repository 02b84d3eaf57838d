"""Makes docs/cost.md, what a month costs, of bench/calls.json, the price list, the template and the declared metrics.

.venv/bin/python -m bench.cost
"""

import json
import tempfile
from pathlib import Path
from typing import NamedTuple

import msgspec
from rich.console import Console

from bench import month
from bench.month import CallCounts, Stack, Template
from labelwatch.deploy import package
from labelwatch.deploy.parameters import PROPOSED_IMAGE_LIMIT
from labelwatch.shared import pricing
from labelwatch.shared.pricing import Amounts, Prices
from labelwatch.shared.project import PROJECT

COMMAND = ".venv/bin/python -m bench.cost"
PAGE = PROJECT / "docs" / "cost.md"
TEXT = PROJECT / "bench" / "cost_page.md"
COUNTS = PROJECT / "bench" / "calls.json"
VOLUMES = (1_000, 100_000, 10_000_000)
DEAREST_ARRIVAL, CHEAPEST_ARRIVAL = "one by one", "burst"
RUNNING = {"always": month.HOURS, "8 hours a day": 8 * month.DAYS, "an hour a day": month.DAYS}
# ModelUnusedAlarm begins after so many; a line of the log for each request of the REST API has about so many bytes.
UNUSED_HOURS = 4
REQUEST_LOG_GB = 250e-9
# The lines of the table, by the groups of amounts that they sum up.
LINES = {
    "kept": "Images and rows kept, in S3",
    "out": "Pictures opened over the internet",
    "apigateway": "Presigned uploads and picture pages: API Gateway",
    "dynamodb": "Tokens, uploads, alerts and links in DynamoDB",
    "s3": "S3 requests",
    "lambda": "Lambda",
    "sqs": "SQS requests",
    "sns": "Alerts by e-mail, SNS",
    "logs": "CloudWatch Logs",
    "athena": "Each row read once by Athena",
}

# USD by the lines of the table.
type Costs = dict[str, float]


class Month(NamedTuple):
    """A month's costs without the model: the fixed ones, and those of the images for each volume, by their arrival."""

    fixed: Costs
    dearest: list[Costs]
    cheapest: list[Costs]

    def totals(self, costs_by_volume: list[Costs]) -> list[float]:
        """What all lines cost together, for each volume."""
        return [_total(self.fixed) + _total(costs) for costs in costs_by_volume]

    def table(self) -> str:
        """The rows of the page's table, a column for each volume."""
        rows = [
            *((line, [cost] * len(VOLUMES)) for line, cost in self.fixed.items()),
            *((line, [costs[line] for costs in self.dearest]) for line in LINES.values()),
            ("**All of these**", self.totals(self.dearest)),
            ("All, where images come in a burst", self.totals(self.cheapest)),
        ]
        return "\n".join(f"| {line} | {' | '.join(map(_usd, costs))} |" for line, costs in rows)

    def largest(self) -> str:
        """The three largest lines at the largest volume, as a list."""
        lines = sorted(self.dearest[-1].items(), key=lambda line: -line[1])[:3]
        return "\n".join(f"  - {line}: {_usd(cost)} USD" for line, cost in lines)


def render(counts: CallCounts, prices: Prices, template: Template) -> str:
    """The page."""
    stack = month.stack_of(template)
    costs = _month(counts, prices, stack)
    hours = [images / counts.model_images_a_second / 3600 for images in VOLUMES]
    return TEXT.read_text().format(
        command=COMMAND,
        counts=counts,
        prices=prices,
        images_per_alert=1 / counts.share_worth_an_alert,
        emails=month.EMAIL_SUBSCRIBERS,
        megabytes=month.IMAGE_GB * 1000,
        share_presigned=month.SHARE_PRESIGNED,
        volumes=" | ".join(map(_images, VOLUMES)),
        columns="--:|" * len(VOLUMES),
        table=costs.table(),
        log_days=stack.log_days,
        model_table=_model_table(counts, prices),
        general_labels=_general_labels(prices),
        break_even=f"{_break_even(prices):,.0f}",
        smallest_volume=_images(VOLUMES[0]),
        middle_volume=_images(VOLUMES[1]),
        largest_volume=_images(VOLUMES[-1]),
        middle_hours=hours[1],
        largest_hours=hours[-1],
        largest_lines=costs.largest(),
        metrics_share=prices.cost(month.metric_amounts()) / _total(costs.fixed),
        fixed_share=_total(costs.fixed) / costs.totals(costs.dearest)[0],
        alert_usd=f"{1e6 * prices.cost(month.alert_amounts(counts)):,.0f}",
        view_usd=f"{1e6 * prices.cost(month.view_amounts(counts, stack)):,.0f}",
        page_usd=f"{1e6 * prices.cost(month.page_amounts(counts, stack)):,.1f}",
        pages_a_second=stack.pages_a_second,
        most_pages=f"{month.most_pages_a_month(stack) / 1e6:,.0f} million",
        most_pages_usd=_usd(month.most_pages_a_month(stack) * prices.cost(month.page_amounts(counts, stack))),
        route_a_second=stack.route_a_second,
        most_requests=f"{month.most_requests_a_month(stack) / 1e6:,.0f} million",
        most_requests_usd=_usd(month.most_requests_a_month(stack) * prices.cost(month.REQUEST_AMOUNTS)),
        out_usd=_usd(prices.cost({"out GB": 1})),
        worst_table=_worst_table(counts, prices, stack),
        uploads_per_day=month.UPLOADS_PER_CLIENT_AND_DAY,
        proposed_limit=PROPOSED_IMAGE_LIMIT,
        images_a_second=f"{stack.images_at_once / counts.model_seconds:.0f}",
        largest_megabytes=month.LARGEST_IMAGE_GB * 1000,
        alerts_a_second=month.ALERTS_A_SECOND,
        alarm_usd=_usd(prices.cost({"cloudwatch alarm metrics": 1})),
        limit_usd=_usd(prices.cost(month.limit_amounts(0))),
        limit_writes_usd=_usd(prices.cost({"dynamodb UpdateItem": 2e6})),
        log_usd=_usd(prices.cost({"logs GB written": REQUEST_LOG_GB * 1e6})),
        forgotten_usd=_usd(prices.cost({"model hours": month.HOURS})),
        unused_usd=_usd(prices.cost({"model hours": UNUSED_HOURS})),
        log_bytes=month.ACCESS_LOG_GB_PER_REQUEST * 1e9,
    )


def load() -> tuple[CallCounts, Prices]:
    """The counts and the prices."""
    return msgspec.json.decode(COUNTS.read_bytes(), type=CallCounts), pricing.load()


def main() -> None:
    """Writes the page."""
    counts, prices = load()
    with tempfile.TemporaryDirectory() as folder:
        template = json.loads(package(Path(folder)).template.read_text())
    PAGE.write_text(render(counts, prices, template))
    Console().print(f"Written to {PAGE.relative_to(PROJECT)}.")


def _month(counts: CallCounts, prices: Prices, stack: Stack) -> Month:
    fixed = {line: prices.cost(amounts) for line, amounts in month.fixed_amounts(counts, stack).items()}
    dearest, cheapest = (
        [_costs_by_line(prices, month.image_amounts(images, arrival, counts, stack)) for images in VOLUMES]
        for arrival in (DEAREST_ARRIVAL, CHEAPEST_ARRIVAL)
    )
    return Month(fixed, dearest, cheapest)


def _costs_by_line(prices: Prices, amounts: Amounts) -> Costs:
    costs = {group: cost for group, cost in prices.costs_by_group(amounts).items() if cost}
    if unknown := costs.keys() - LINES.keys():
        raise ValueError(f"bench/cost.py has no cost line for {', '.join(unknown)}")
    return {line: costs.get(group, 0) for group, line in LINES.items()}


def _total(costs: Costs) -> float:
    return sum(costs.values())


def _model_table(counts: CallCounts, prices: Prices) -> str:
    images_an_hour = 3600 * counts.model_images_a_second
    return "\n".join(
        f"| {name} | {hours:,.0f} | {_usd(prices.cost({'model hours': hours}))} | {hours * images_an_hour:,.0f} |"
        for name, hours in RUNNING.items()
    )


def _worst_table(counts: CallCounts, prices: Prices, stack: Stack) -> str:
    """The worst case of a month: images that one client uploads, and those of them that the model analyses."""
    pages = month.most_pages_a_month(stack) * prices.cost(month.page_amounts(counts, stack))
    unlimited = month.most_images_a_month(counts, stack)
    uploads = round(month.UPLOADS_PER_CLIENT_AND_DAY * month.DAYS)
    rows = {
        "without guards": (unlimited, unlimited),
        "default settings": (uploads, uploads),
        f"and `MaxImagesPerDay` {PROPOSED_IMAGE_LIMIT:,}": (uploads, round(PROPOSED_IMAGE_LIMIT * month.DAYS)),
    }
    lines = []
    for name, (images, analysed) in rows.items():
        model = _general_labels_at_most(prices, analysed)
        others = prices.cost(month.worst_amounts(images, counts, stack))
        costs = [model, others, pages, model + others + pages]
        lines.append(f"| {name} | {images:,} | {analysed:,} | {' | '.join(map(_usd, costs))} |")
    return "\n".join(lines)


def _general_labels_at_most(prices: Prices, images: int) -> float:
    """As the price list says; images beyond its last step have the price of that step."""
    listed = min(images, sum(step.images for step in prices.general_labels.steps))
    return prices.general_labels.cost(listed) + (images - listed) * prices.general_labels.steps[-1].usd


def _general_labels(prices: Prices) -> str:
    return ", ".join(f"{_usd(prices.general_labels.cost(images))} USD for {_images(images)}" for images in VOLUMES)


def _break_even(prices: Prices) -> float:
    """At how many images the general labels cost as much as a model for an hour a day."""
    return prices.cost({"model hours": month.DAYS}) / prices.general_labels.steps[0].usd


def _images(number: int) -> str:
    return f"{number // 1_000_000} million" if number >= 1_000_000 else f"{number:,}"


def _usd(cost: float) -> str:
    return f"{cost:,.0f}" if cost >= 1000 else f"{cost:,.2f}"


if __name__ == "__main__":
    main()

"""Makes docs/cost.md, what a month costs, of bench/calls.json, prices.yaml, the template and docs/operations.md.

.venv/bin/python -m bench.cost
"""

import json
import tempfile
from pathlib import Path
from typing import Any

import msgspec
from rich.console import Console

from bench import month
from bench.month import Calls
from labelwatch.deploy.package import package
from labelwatch.shared import pricing
from labelwatch.shared.pricing import Amounts, Prices
from labelwatch.shared.project import PROJECT

COMMAND = ".venv/bin/python -m bench.cost"
PAGE = PROJECT / "docs" / "cost.md"
TEXT = PROJECT / "bench" / "cost_page.md"
VOLUMES = (1_000, 100_000, 10_000_000)
DEAREST_WAY, CHEAPEST_WAY = "one by one", "burst"
RUNNING = {"always": month.HOURS, "8 hours a day": 8 * month.DAYS, "an hour a day": month.DAYS}
# The lines of the table, by the groups of amounts that they sum up.
LINES = {
    "kept": "Images and rows kept, in S3",
    "out": "Pictures opened over the internet",
    "apigateway": "Presigned uploads: API Gateway",
    "dynamodb": "Tokens and alerts in DynamoDB",
    "s3": "S3 requests",
    "lambda": "Lambda",
    "sqs": "SQS requests",
    "sns": "Alerts by e-mail, SNS",
    "logs": "CloudWatch Logs",
    "athena": "Each row read once by Athena",
}


def render(calls: Calls, prices: Prices, template: dict[str, Any], operations: str) -> str:
    """The page."""
    stack = month.stack_of(template, operations)
    fixed = {line: prices.cost(amounts) for line, amounts in month.fixed(calls, stack).items()}
    slow, burst = (
        [_lines(prices, month.growing(images, way, calls, stack)) for images in VOLUMES]
        for way in (DEAREST_WAY, CHEAPEST_WAY)
    )
    totals = [sum(fixed.values()) + sum(costs.values()) for costs in slow]
    table = [
        *((line, [cost] * len(VOLUMES)) for line, cost in fixed.items()),
        *((line, [costs[line] for costs in slow]) for line in slow[-1]),
        ("**All of these**", totals),
        ("All, where images come in a burst", [sum(fixed.values()) + sum(costs.values()) for costs in burst]),
    ]
    largest = sorted(slow[-1].items(), key=lambda line: -line[1])[:3]
    hours = [images / calls.model_images_a_second / 3600 for images in VOLUMES]
    return TEXT.read_text().format(
        command=COMMAND,
        calls=calls,
        prices=prices,
        one_in=1 / calls.share_worth_an_alert,
        emails=month.EMAIL_SUBSCRIBERS,
        megabytes=month.IMAGE_GB * 1000,
        presigned=month.SHARE_BY_TICKET,
        volumes=" | ".join(map(_images, VOLUMES)),
        columns="--:|" * len(VOLUMES),
        table="\n".join(f"| {line} | {' | '.join(map(_usd, costs))} |" for line, costs in table),
        log_days=stack.log_days,
        model="\n".join(_model_line(calls, prices, name, hours) for name, hours in RUNNING.items()),
        general=", ".join(
            f"{_usd(prices.general_labels.cost(images))} USD for {_images(images)}" for images in VOLUMES
        ),
        even=f"{_even(prices):,.0f}",
        least=_images(VOLUMES[0]),
        fewer=_images(VOLUMES[1]),
        most=_images(VOLUMES[-1]),
        busy=hours[-1],
        fewer_busy=hours[1],
        largest=", ".join(f"{line} ({_usd(cost)} USD)" for line, cost in largest),
        metrics_share=prices.cost(month.metrics(stack)) / sum(fixed.values()),
        fixed_share=sum(fixed.values()) / totals[0],
        log_bytes=month.ACCESS_LOG_GB_A_REQUEST * 1e9,
    )


def load() -> tuple[Calls, Prices, str]:
    """The counts, the prices, and the text of docs/operations.md."""
    return (
        msgspec.json.decode((PROJECT / "bench" / "calls.json").read_bytes(), type=Calls),
        pricing.load(),
        (PROJECT / "docs" / "operations.md").read_text(),
    )


def main() -> None:
    """Writes the page."""
    calls, prices, operations = load()
    with tempfile.TemporaryDirectory() as folder:
        template = json.loads(package(Path(folder)).template.read_text())
    PAGE.write_text(render(calls, prices, template, operations))
    Console().print(f"Written to {PAGE.relative_to(PROJECT)}.")


def _lines(prices: Prices, amounts: Amounts) -> dict[str, float]:
    costs = {group: cost for group, cost in prices.costs_by_group(amounts).items() if cost}
    if unknown := costs.keys() - LINES.keys():
        raise ValueError(f"bench/cost.py has no line for {', '.join(unknown)}")
    lines = dict.fromkeys(LINES.values(), 0.0)
    for group, cost in costs.items():
        lines[LINES[group]] += cost
    return lines


def _model_line(calls: Calls, prices: Prices, name: str, hours: float) -> str:
    images = hours * 3600 * calls.model_images_a_second
    return f"| {name} | {hours:,.0f} | {_usd(prices.cost({'model hours': hours}))} | {images:,.0f} |"


def _even(prices: Prices) -> float:
    """At how many images the general labels cost as much as a model for an hour a day."""
    return prices.cost({"model hours": month.DAYS}) / prices.general_labels.steps[0].usd


def _images(number: int) -> str:
    return f"{number // 1_000_000} million" if number >= 1_000_000 else f"{number:,}"


def _usd(cost: float) -> str:
    return f"{cost:,.0f}" if cost >= 1000 else f"{cost:,.2f}"


if __name__ == "__main__":
    main()

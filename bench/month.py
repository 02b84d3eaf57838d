"""What a month takes: the counts of bench/calls.json, the template's parts, and what is assumed or calculated."""

import re
from collections.abc import Mapping
from typing import Any

from msgspec import Struct

from bench.calls import scheduled_functions
from labelwatch.shared.pricing import Amounts

COUNTING = ".venv/bin/python -m bench.calls"
# What nobody can count beforehand. A GB is 10^9 bytes.
IMAGE_GB = 0.002
EMAIL_SUBSCRIBERS = 3
SHARE_BY_TICKET = 0.5
OPENED_FOR_A_PICTURE_TOLD_OF = 1
ACCESS_LOG_GB_A_REQUEST = 500e-9
QUERIES = 30

HOURS = 730
DAYS = HOURS / 24
# Lambda polls a queue with five pollers at least, and a poll waits 20 s for a message:
# https://docs.aws.amazon.com/lambda/latest/dg/services-sqs-scaling.html
IDLE_POLLS_A_QUEUE = 5 * HOURS * 3600 / 20
# https://aws.amazon.com/athena/pricing/
MIN_GB_A_QUERY = 0.01
# https://docs.aws.amazon.com/AmazonS3/latest/API/API_ListObjectsV2.html
KEYS_IN_A_LISTING = 1000
_METRIC = re.compile(r"^\| `(\w+)` \|.*\| ([a-z_, ]+) \|$", re.MULTILINE)
_RATE = re.compile(r"rate\((\d+) (minute|hour|day)s?\)")
_TIMES_A_MONTH = {"minute": HOURS * 60, "hour": HOURS, "day": DAYS}

type Template = dict[str, Any]


class FunctionTotals(Struct, frozen=True):
    """What a function did in a run."""

    invocations: int
    billed_ms: int
    log_lines: int
    log_bytes: int


class Counted(Struct, frozen=True):
    """A run of bench/calls.py: so many images, or calls of the clock, and what they took in all."""

    times: int
    calls: dict[str, dict[str, int]]
    refused: dict[str, int]
    calculated: dict[str, int]
    functions: dict[str, FunctionTotals]
    alerts: int
    metrics: list[str]


class Calls(Struct, frozen=True):
    """bench/calls.json."""

    command: str
    date: str
    machine: str
    share_worth_an_alert: float
    model_images_a_second: float
    model_seconds: float
    runs: dict[str, Counted]
    scheduled: dict[str, Counted]
    row_bytes: float


class Stack(Struct, frozen=True):
    """What costs by the template and docs/operations.md, where the parameters have their defaults."""

    memory_gb: dict[str, float]
    schedules: dict[str, float]
    queues_polled: int
    alarm_metrics: int
    dashboards: int
    metrics: frozenset[str]
    log_days: int
    access_log_days: int


def stack_of(template: Template, operations: str) -> Stack:
    """Reads the merged template and the text of docs/operations.md."""
    by_kind: dict[str, dict[str, Template]] = {}
    for name, resource in template["Resources"].items():
        if "Condition" not in resource:  # no condition holds by default
            by_kind.setdefault(resource["Type"], {})[name] = resource.get("Properties", {})
    functions = by_kind["AWS::Serverless::Function"]
    events = [event for function in functions.values() for event in function.get("Events", {}).values()]
    kept_for = by_kind["AWS::S3::Bucket"]["WorkspaceBucket"]["LifecycleConfiguration"]["Rules"]
    return Stack(
        memory_gb={name: function["MemorySize"] / 1024 for name, function in functions.items()},
        schedules={name: _times_a_month(schedule) for name, schedule in scheduled_functions(template).items()},
        queues_polled=sum(event["Type"] == "SQS" for event in events),
        alarm_metrics=sum(map(_metrics_of, by_kind.get("AWS::CloudWatch::Alarm", {}).values())),
        dashboards=len(by_kind.get("AWS::CloudWatch::Dashboard", {})),
        metrics=_metrics_in(operations),
        log_days=max(group["RetentionInDays"] for group in by_kind["AWS::Logs::LogGroup"].values()),
        access_log_days=next(rule["ExpirationInDays"] for rule in kept_for if rule["Id"] == "access-logs"),
    )


def fixed(calls: Calls, stack: Stack) -> dict[str, Amounts]:
    """What a month takes without an image, by the lines of the table."""
    if new := stack.schedules.keys() - calls.scheduled.keys():
        raise ValueError(f"{', '.join(new)} was not there when calls were counted: run {COUNTING}")
    clock = _sum(*((times, _of_one(calls.scheduled[name], stack)) for name, times in stack.schedules.items()))
    return {
        f"{stack.alarm_metrics} alarms": {"cloudwatch alarm metrics": stack.alarm_metrics},
        f"{len(stack.metrics)} custom metrics": metrics(stack),
        "The dashboard": {"cloudwatch dashboards": stack.dashboards},
        f"Lambda's polls of {stack.queues_polled} idle queues": {
            "sqs ReceiveMessage": stack.queues_polled * IDLE_POLLS_A_QUEUE
        },
        f"{', '.join(f'`{_as_in_app(name)}`' for name in stack.schedules)}, by the clock": clock,
        f"{QUERIES} Athena queries": {"athena GB scanned": QUERIES * MIN_GB_A_QUERY},
    }


def metrics(stack: Stack) -> Amounts:
    """The custom metrics, as if each had data in every hour."""
    return {"cloudwatch custom metrics": len(stack.metrics)}


def growing(images: int, way: str, calls: Calls, stack: Stack) -> Amounts:
    """What so many images a month take that come this way, all but the model."""
    runs = [
        (SHARE_BY_TICKET, calls.runs[f"{way}, by presigned upload"]),
        (1 - SHARE_BY_TICKET, calls.runs[f"{way}, direct"]),
    ]
    counted = _sum(*((images * share, _of_one(run, stack)) for share, run in runs))
    alerts = sum(images * share * run.alerts / run.times for share, run in runs)
    opened = images * calls.share_worth_an_alert * OPENED_FOR_A_PICTURE_TOLD_OF
    requests = opened + sum(amount for name, amount in counted.items() if name.startswith("s3 "))
    rows_gb = images * calls.row_bytes / 1e9
    access_logs_gb = requests * ACCESS_LOG_GB_A_REQUEST * stack.access_log_days / DAYS
    return _sum(
        (1, counted),
        (1, {"s3 GetObject": opened, "out GB": opened * IMAGE_GB, "sns e-mails": alerts * EMAIL_SUBSCRIBERS}),
        (1, {"kept GB": images * IMAGE_GB + rows_gb + access_logs_gb}),
        # Each day's query reads that day's rows, an object for each image.
        (1, {"athena GB scanned": rows_gb, "athena GetObject": images}),
        (1, {"athena ListObjectsV2": images / KEYS_IN_A_LISTING}),
    )


def _of_one(counted: Counted, stack: Stack) -> Amounts:
    """What a run took, by the image."""
    functions = counted.functions
    logs_gb = sum(one.log_bytes for one in functions.values()) / 1e9
    totals: Amounts = {
        "lambda requests": sum(one.invocations for one in functions.values()),
        "lambda GB-seconds": sum(one.billed_ms / 1000 * stack.memory_gb[name] for name, one in functions.items()),
        "logs GB written": logs_gb,
        "logs GB kept": logs_gb * stack.log_days / DAYS,
    }
    parts: list[Mapping[str, float]] = [totals, counted.calculated, *counted.calls.values()]
    return _sum(*((1 / counted.times, part) for part in parts))


def _sum(*parts: tuple[float, Mapping[str, float]]) -> Amounts:
    """The amounts, each so many times, in one."""
    total: Amounts = {}
    for times, amounts in parts:
        for name, amount in amounts.items():
            total[name] = total.get(name, 0) + amount * times
    return total


def _metrics_in(operations: str) -> frozenset[str]:
    """`service Name` for each, by the table under Metrics: the same name of two services is two metrics."""
    section = operations.partition("\n## Metrics\n")[2].partition("\n## ")[0]
    return frozenset(
        f"{service} {name}" for name, services in _METRIC.findall(section) for service in services.split(", ")
    )


def _as_in_app(name: str) -> str:
    """A function's name in app.py, by that in the template."""
    return re.sub(r"(?<!^)(?=[A-Z])", "_", name).lower()


def _times_a_month(schedule: str) -> float:
    found = _RATE.fullmatch(schedule)
    if not found:
        raise ValueError(f"bench/month.py does not know how often {schedule} is")
    return _TIMES_A_MONTH[found[2]] / int(found[1])


def _metrics_of(alarm: Template) -> int:
    """AWS asks for each metric that an alarm looks at."""
    return sum("MetricStat" in metric for metric in alarm.get("Metrics", [])) or 1

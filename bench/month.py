"""What a month takes: the counts of bench/calls.json, the template's parts, and what is assumed or calculated."""

import re
from collections.abc import Mapping
from typing import Any

from msgspec import Struct

from chalicelib.telemetry import METRICS
from labelwatch.shared.pricing import Amounts

COUNT_COMMAND = ".venv/bin/python -m bench.calls"
# What cannot be counted beforehand. A GB is 10^9 bytes.
IMAGE_GB = 0.002
EMAIL_SUBSCRIBERS = 3
SHARE_PRESIGNED = 0.5
OPENINGS_PER_ALERTED_IMAGE = 1
ACCESS_LOG_GB_PER_REQUEST = 500e-9
# The worst case: the largest image that a presigned upload takes, and the uploads of a client a day by default.
LARGEST_IMAGE_GB = 0.015
UPLOADS_PER_CLIENT_AND_DAY = 10_000
# app.py: two batches of `notify` at once, each with three alerts a second.
ALERTS_A_SECOND = 6
QUERIES = 30

HOURS = 730
DAYS = HOURS / 24
# Lambda polls a queue with five pollers at least, and a poll waits 20 s for a message:
# https://docs.aws.amazon.com/lambda/latest/dg/services-sqs-scaling.html
IDLE_POLLS_PER_QUEUE = 5 * HOURS * 3600 / 20
# https://aws.amazon.com/athena/pricing/
MIN_GB_PER_QUERY = 0.01
# https://docs.aws.amazon.com/AmazonS3/latest/API/API_ListObjectsV2.html
KEYS_PER_LISTING = 1000
# The least of a request that a function answers.
REQUEST_AMOUNTS = {"apigateway POST /uploads": 1, "lambda requests": 1}
_RATE = re.compile(r"rate\((\d+) (minute|hour|day)s?\)")
_TIMES_A_MONTH = {"minute": HOURS * 60, "hour": HOURS, "day": DAYS}

type Template = dict[str, Any]


class FunctionTotals(Struct, frozen=True):
    """What a function did in a run."""

    invocations: int
    billed_ms: int
    log_lines: int
    log_bytes: int


class RunTotals(Struct, frozen=True):
    """A run of bench/calls.py: so many images, or scheduled events, and what they took in all."""

    times: int
    calls: dict[str, dict[str, int]]
    refused: dict[str, int]
    calculated: dict[str, int]
    functions: dict[str, FunctionTotals]
    alerts: int
    metrics: list[str]


class CallCounts(Struct, frozen=True):
    """bench/calls.json."""

    command: str
    date: str
    machine: str
    share_worth_an_alert: float
    model_images_a_second: float
    model_seconds: float
    runs: dict[str, RunTotals]
    views: RunTotals
    scheduled: dict[str, RunTotals]
    row_bytes: float


class Stack(Struct, frozen=True):
    """What costs by the template, where the parameters have their defaults.

    `limits` are requests a second by path; `/*` is every other path.
    """

    memory_gb: dict[str, float]
    schedules: dict[str, float]
    queues_polled: int
    alarm_metrics: int
    dashboards: int
    log_days: int
    access_log_days: int
    images_at_once: int
    limits: dict[str, float]

    @property
    def pages_a_second(self) -> float:
        """The limit of both routes of the picture page."""
        return sum(limit for path, limit in self.limits.items() if path.startswith("/~1p~1"))

    @property
    def route_a_second(self) -> float:
        """The limit of each other route."""
        return self.limits["/*"]


def stack_of(template: Template) -> Stack:
    """Reads the merged template."""
    by_type: dict[str, dict[str, Template]] = {}
    for name, resource in template["Resources"].items():
        if "Condition" not in resource:  # no condition holds by default
            by_type.setdefault(resource["Type"], {})[name] = resource.get("Properties", {})
    functions = by_type["AWS::Serverless::Function"]
    events = [event for function in functions.values() for event in function.get("Events", {}).values()]
    lifecycle_rules = by_type["AWS::S3::Bucket"]["WorkspaceBucket"]["LifecycleConfiguration"]["Rules"]
    return Stack(
        memory_gb={name: function["MemorySize"] / 1024 for name, function in functions.items()},
        schedules={name: _times_a_month(schedule) for name, schedule in scheduled_functions(template).items()},
        queues_polled=sum(event["Type"] == "SQS" for event in events),
        alarm_metrics=sum(map(_metrics_of, by_type.get("AWS::CloudWatch::Alarm", {}).values())),
        dashboards=len(by_type.get("AWS::CloudWatch::Dashboard", {})),
        log_days=max(group["RetentionInDays"] for group in by_type["AWS::Logs::LogGroup"].values()),
        access_log_days=next(rule["ExpirationInDays"] for rule in lifecycle_rules if rule["Id"] == "access-logs"),
        images_at_once=_images_at_once(functions["Detect"]),
        limits=_limits(by_type["AWS::Serverless::Api"]),
    )


def _limits(apis: dict[str, Template]) -> dict[str, float]:
    settings = [setting for api in apis.values() for setting in api["MethodSettings"]]
    return {setting["ResourcePath"]: float(setting["ThrottlingRateLimit"]) for setting in settings}


def _images_at_once(detect: Template) -> int:
    """How many images all batches of `detect` have at the model."""
    return sum(
        int(event["Properties"]["ScalingConfig"]["MaximumConcurrency"]) * int(event["Properties"]["BatchSize"])
        for event in detect["Events"].values()
    )


def scheduled_functions(template: Template) -> dict[str, str]:
    """The schedules of the scheduled functions, by the functions' names in the template."""
    return {
        name: event["Properties"]["Schedule"]
        for name, resource in template["Resources"].items()
        for event in resource.get("Properties", {}).get("Events", {}).values()
        if event["Type"] == "Schedule"
    }


def custom_metrics() -> frozenset[str]:
    """`service Name` for each custom metric: the same name of two services is two metrics."""
    return frozenset(f"{service} {name}" for name, metric in METRICS.items() for service in metric.services)


def fixed_amounts(counts: CallCounts, stack: Stack) -> dict[str, Amounts]:
    """What a month takes without an image, by the lines of the table."""
    if missing := stack.schedules.keys() - counts.scheduled.keys():
        raise ValueError(f"{', '.join(missing)} has no counted calls. Run {COUNT_COMMAND}")
    scheduled = _sum(
        *((times, _amounts_each_time(counts.scheduled[name], stack)) for name, times in stack.schedules.items())
    )
    return {
        f"{stack.alarm_metrics} alarms": {"cloudwatch alarm metrics": stack.alarm_metrics},
        f"{len(custom_metrics())} custom metrics": metric_amounts(),
        "The dashboard": {"cloudwatch dashboards": stack.dashboards},
        f"Lambda's polls of {stack.queues_polled} idle queues": {
            "sqs ReceiveMessage": stack.queues_polled * IDLE_POLLS_PER_QUEUE
        },
        f"{', '.join(f'`{_name_in_app(name)}`' for name in sorted(stack.schedules))}, on their schedules": scheduled,
        f"{QUERIES} Athena queries": {"athena GB scanned": QUERIES * MIN_GB_PER_QUERY},
    }


def metric_amounts() -> Amounts:
    """The custom metrics, as if each had data in every hour."""
    return {"cloudwatch custom metrics": len(custom_metrics())}


def image_amounts(images: int, arrival: str, counts: CallCounts, stack: Stack) -> Amounts:
    """What so many images a month take that arrive in this way, all but the model."""
    runs = [
        (SHARE_PRESIGNED, counts.runs[f"{arrival}, by presigned upload"]),
        (1 - SHARE_PRESIGNED, counts.runs[f"{arrival}, direct"]),
    ]
    counted = _sum(*((images * share, _amounts_each_time(run, stack)) for share, run in runs))
    alerts = sum(images * share * run.alerts / run.times for share, run in runs)
    opened = images * counts.share_worth_an_alert * OPENINGS_PER_ALERTED_IMAGE
    requests = opened + sum(amount for name, amount in counted.items() if name.startswith("s3 "))
    rows_gb = images * counts.row_bytes / 1e9
    access_logs_gb = requests * ACCESS_LOG_GB_PER_REQUEST * stack.access_log_days / DAYS
    return _sum(
        (1, counted),
        (opened, view_amounts(counts, stack)),
        (1, {"sns e-mails": alerts * EMAIL_SUBSCRIBERS}),
        (1, {"kept GB": images * IMAGE_GB + rows_gb + access_logs_gb}),
        # Each day's query reads that day's rows, an object for each image.
        (1, {"athena GB scanned": rows_gb, "athena GetObject": images}),
        (1, {"athena ListObjectsV2": images / KEYS_PER_LISTING}),
    )


def view_amounts(counts: CallCounts, stack: Stack) -> Amounts:
    """What one view of a picture page takes, with the picture."""
    return _sum((1, page_amounts(counts, stack)), (1, {"s3 GetObject": 1, "out GB": IMAGE_GB}))


def page_amounts(counts: CallCounts, stack: Stack) -> Amounts:
    """What one view of a picture page takes without the picture, which a browser gets from S3."""
    return _amounts_each_time(counts.views, stack)


def alert_amounts(counts: CallCounts) -> Amounts:
    """What an alert of one picture takes beyond the rows: records, link and topic, and the e-mails."""
    run = counts.runs["one by one, direct"]
    calls = {name: count for name, count in run.calls["Notify"].items() if not name.startswith("s3 ")}
    return _sum((1 / run.alerts, calls), (1, {"sns e-mails": EMAIL_SUBSCRIBERS}))


def most_images_a_month(counts: CallCounts, stack: Stack) -> int:
    """How many images `detect` can analyse in a month, without any limit."""
    return round(stack.images_at_once / counts.model_seconds * HOURS * 3600)


def worst_amounts(images: int, counts: CallCounts, stack: Stack) -> Amounts:
    """What so many images take at most, all but the model: of the largest size, and all of interest."""
    alerts = min(images, ALERTS_A_SECOND * HOURS * 3600)
    return _sum(
        (1, image_amounts(images, "one by one", counts, stack)),
        (alerts, alert_amounts(counts)),
        (images, {"kept GB": LARGEST_IMAGE_GB - IMAGE_GB}),
    )


def limit_amounts(images: int) -> Amounts:
    """What MaxImagesPerDay takes at most for so many images that come one by one: two writes each."""
    return {
        "cloudwatch alarm metrics": 1,
        "cloudwatch custom metrics": 1,
        "dynamodb UpdateItem": 2 * images,
        "dynamodb GetItem": _TIMES_A_MONTH["minute"],
    }


def most_pages_a_month(stack: Stack) -> float:
    """How many requests the limits of the picture page's routes allow in a month."""
    return stack.pages_a_second * HOURS * 3600


def most_requests_a_month(stack: Stack) -> float:
    """How many requests the limit of another route allows in a month."""
    return stack.route_a_second * HOURS * 3600


def _amounts_each_time(run: RunTotals, stack: Stack) -> Amounts:
    """What a run took for each of its images, or of its scheduled events."""
    functions = run.functions
    logs_gb = sum(totals.log_bytes for totals in functions.values()) / 1e9
    amounts: Amounts = {
        "lambda requests": sum(totals.invocations for totals in functions.values()),
        "lambda GB-seconds": sum(totals.billed_ms / 1000 * stack.memory_gb[name] for name, totals in functions.items()),
        "logs GB written": logs_gb,
        "logs GB kept": logs_gb * stack.log_days / DAYS,
    }
    parts: list[Mapping[str, float]] = [amounts, run.calculated, *run.calls.values()]
    return _sum(*((1 / run.times, part) for part in parts))


def _sum(*parts: tuple[float, Mapping[str, float]]) -> Amounts:
    """All amounts together, each multiplied by its factor."""
    total: Amounts = {}
    for factor, amounts in parts:
        for name, amount in amounts.items():
            total[name] = total.get(name, 0) + amount * factor
    return total


def _name_in_app(name: str) -> str:
    """A function's name in app.py, from its name in the template."""
    return re.sub(r"(?<!^)(?=[A-Z])", "_", name).lower()


def _times_a_month(schedule: str) -> float:
    rate = _RATE.fullmatch(schedule)
    if not rate:
        raise ValueError(f"bench/month.py has no frequency for the schedule {schedule}")
    return _TIMES_A_MONTH[rate[2]] / int(rate[1])


def _metrics_of(alarm: Template) -> int:
    """AWS bills each metric that an alarm evaluates."""
    return sum("MetricStat" in metric for metric in alarm.get("Metrics", [])) or 1

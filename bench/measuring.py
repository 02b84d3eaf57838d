"""Runs images through the packaged stack on the local AWS and counts calls, invocations, log lines and alerts."""

import email
import email.policy
import json
import re
import time
from collections import Counter
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import requests

from chalicelib.adapters.sqs import MAX_MESSAGES
from labelwatch.deploy import Package
from labelwatch.local import curl_uploads, deployment, rekognition_api
from labelwatch.local import session as local
from labelwatch.local.adaptation import api_url
from labelwatch.local.ministack import LocalAws
from labelwatch.local.model import CALLS_PER_SECOND, Classifier, RateLimit
from labelwatch.local.outcomes import OutcomeReader
from labelwatch.local.session import Session
from labelwatch.shared.errors import UserError
from labelwatch.shared.pricing import MODEL_IMAGES_A_SECOND
from labelwatch.shared.queues import queue_depth
from labelwatch.uploads import tokens
from tests.support.call_counter import UPLOADER, Call, Calls, counting_proxy

SECONDS_TO_WAIT = 180
UPLOADS_AT_ONCE = 4
# An assumption: AWS gives no figure, it depends on the model and the images.
MODEL_SECONDS = 0.5
# https://docs.aws.amazon.com/AmazonCloudWatchLogs/latest/APIReference/API_PutLogEvents.html
BYTES_AROUND_A_LOG_LINE = 26
# Below the limit of the route.
PAGES_A_SECOND = 8
_LINK = re.compile(r"^http\S+/p/\w+$", re.MULTILINE)
_BATCH = re.compile(r"ESM: Lambda (\S+) processed (\d+) SQS messages from \S+(?: \((\d+) partial failures\))?")
_BILLED = re.compile(r"^REPORT .*Billed Duration: (\d+) ms")
_QUEUES = ("ImagesQueueUrl", "PredictionsQueueUrl")


@dataclass(frozen=True)
class Run:
    """So many images that arrive in the same way."""

    name: str
    burst: bool
    presigned: bool
    images: int


@dataclass(frozen=True)
class Mark:
    """The state of all counts at the start of a run."""

    calls: Counter[Call]
    mails: int
    log: int
    milliseconds: int


class Bench:
    """The running stack, whose functions, by their names in the template, have a counting proxy each."""

    def __init__(self, session: Session, functions: dict[str, str], calls: Calls, uploader: LocalAws) -> None:
        self._session = session
        self._functions = functions
        self._calls = calls
        self._uploader = uploader
        self._s3 = uploader.client("s3")
        self._lambda = session.local_aws.client("lambda")
        self._logs = session.local_aws.client("logs")
        self._watch = OutcomeReader(session)
        self._predicted: set[str] = set()

    def measure(self, run: Run, files: list[Path], on_image: Callable[[], None]) -> dict[str, Any]:
        """Uploads as the run defines and gives its totals; raises UserError where an image is not accounted for."""
        self._session.local_model.rate = RateLimit(MODEL_IMAGES_A_SECOND)
        # A camera that sends slowly never gets an answer of `authorize` from API Gateway's cache.
        cameras = [self._camera(run, number) for number in range(1 if run.burst else run.images)]
        mark = self._mark()
        keys: list[str] = []
        if run.burst:
            with ThreadPoolExecutor(UPLOADS_AT_ONCE) as pool:
                keys += pool.map(lambda file: self._upload(run, cameras[0], file), files)
            self._settle(mark, keys, on_image)
        else:
            for camera, file in zip(cameras, files, strict=True):
                keys.append(self._upload(run, camera, file))
                self._settle(mark, keys, on_image)
        return self._totals(mark, run.images)

    def invoke(self, function: str, event: dict[str, Any], times: int) -> dict[str, Any]:
        """Invokes a function so many times and gives the totals; raises UserError where it fails."""
        mark = self._mark()
        for _ in range(times):
            answer = self._lambda.invoke(FunctionName=self._functions[function], Payload=json.dumps(event))
            if "FunctionError" in answer:
                raise UserError(f"{function} failed: {answer['Payload'].read().decode()}")
        return self._totals(mark, times)

    def open_pages(self, times: int, on_page: Callable[[], None]) -> dict[str, Any]:
        """Opens so many picture pages from alerts, as slowly as the API allows, and gives the totals."""
        links = [link for mail in self._session.mailbox.mails for link in _LINK.findall(text_of(mail.file))]
        mark = self._mark()
        for link in links[:times]:
            own = link.replace(self._session.local_aws.endpoint, self._uploader.endpoint)
            answer = requests.get(own, timeout=SECONDS_TO_WAIT)
            if answer.status_code != requests.codes.ok:
                raise UserError(f"A picture page answered {answer.status_code}: {answer.text[:200]}")
            on_page()
            time.sleep(1 / PAGES_A_SECOND)
        return self._totals(mark, len(links[:times]))

    def row_bytes(self) -> float:
        """The mean size of an image's rows."""
        pages = self._session.local_aws.client("s3").get_paginator("list_objects_v2")
        listed = pages.paginate(Bucket=self._session.outputs["OutputBucket"], Prefix="predictions/")
        sizes: list[int] = [row["Size"] for page in listed for row in page.get("Contents", [])]
        return round(sum(sizes) / len(sizes), 1)

    def _camera(self, run: Run, number: int) -> str:
        """A camera's token, where it needs one."""
        client = re.sub(r"\W+", "-", f"{run.name} {number}")
        return tokens.create(self._session.tokens, client) if run.presigned else ""

    def _upload(self, run: Run, token: str, file: Path) -> str:
        if run.presigned:
            return curl_uploads.upload(
                api_url(self._uploader.endpoint, self._session.outputs["RestAPIId"]), token, file
            )
        key = f"field 1/{file.name}"
        self._s3.put_object(Bucket=local.INPUT_BUCKET, Key=key, Body=file.read_bytes())
        return key

    def _settle(self, mark: Mark, keys: list[str], on_image: Callable[[], None]) -> None:
        """Waits until each image has its rows, both queues are empty and each alert has arrived."""
        until = time.monotonic() + SECONDS_TO_WAIT
        while True:
            for prediction in self._watch.new_predictions():
                self._predicted.add(prediction.key)
                on_image()
                until = time.monotonic() + SECONDS_TO_WAIT
            missing = [key for key in keys if key not in self._predicted]
            if not missing and self._is_idle(mark, len(keys)):
                return
            if time.monotonic() > until:
                dead_letters = self._watch.new_dead_letters()
                raise UserError(
                    f"{len(missing)} images are unaccounted for ({missing[:1]}) {SECONDS_TO_WAIT} s after the "
                    f"last prediction: {waiting(self._session)} messages wait, {len(dead_letters)} are dead letters "
                    f"{dead_letters[:1]}."
                )
            time.sleep(0.1)

    def _is_idle(self, mark: Mark, images: int) -> bool:
        batches = self._batches(mark)
        published = self._calls_since(mark)[Call("Notify", "sns Publish", refused=False)]
        return (
            all(sum(batches[name]) >= images for name in ("Detect", "Notify"))
            and len(self._session.mailbox.mails) - mark.mails == published
            and waiting(self._session) == 0
        )

    def _mark(self) -> Mark:
        time.sleep(1)  # so that no log line of an earlier run has a later millisecond
        return Mark(
            calls=self._calls.now(),
            mails=len(self._session.mailbox.mails),
            log=len(self._session.local_aws.log.read_text()),
            milliseconds=int(time.time() * 1000),
        )

    def _calls_since(self, mark: Mark) -> Counter[Call]:
        return self._calls.now() - mark.calls

    def _batches(self, mark: Mark) -> dict[str, list[int]]:
        """How many messages each batch had, by function, from the emulator's log."""
        logical = {physical: name for name, physical in self._functions.items()}
        sizes: dict[str, list[int]] = {name: [] for name in self._functions}
        for function, done, failed in _BATCH.findall(self._session.local_aws.log.read_text()[mark.log :]):
            sizes[logical[function]].append(int(done) + int(failed or 0))
        return sizes

    def _totals(self, mark: Mark, times: int) -> dict[str, Any]:
        calls = self._calls_since(mark)
        logs = {name: self._log_lines(name, mark) for name in self._functions}
        return {
            "times": times,
            "calls": _by_caller(calls),
            "refused": _sums(call for call in calls.elements() if call.refused),
            "calculated": _calculated(calls, [size for sizes in self._batches(mark).values() for size in sizes]),
            "functions": {name: _summary(lines) for name, lines in logs.items() if lines},
            "alerts": len(self._session.mailbox.mails) - mark.mails,
            "metrics": sorted({metric for lines in logs.values() for metric in _metrics(lines)}),
        }

    def _log_lines(self, function: str, mark: Mark) -> list[str]:
        configuration = self._lambda.get_function_configuration(FunctionName=self._functions[function])
        group = configuration["LoggingConfig"]["LogGroup"]
        answer = self._logs.filter_log_events(logGroupName=group, startTime=mark.milliseconds)
        return [event["message"] for event in answer["events"]]


@contextmanager
def running(folder: Path, packaged: Package, classifier: Classifier, label_of_interest: str) -> Iterator[Bench]:
    """The stack with its proxies until the block ends."""
    calls = Calls()
    with ExitStack() as stack:
        session = stack.enter_context(
            local.running(folder, packaged, classifier, labels_of_interest=label_of_interest, min_confidence=50)
        )
        session.local_aws.disable_schedules()
        session.local_model.latency_seconds = MODEL_SECONDS
        session.local_model.control_rate = RateLimit(CALLS_PER_SECOND)  # checks of the model are a minute apart
        # S3's test event: a function that is updated while it runs would receive it again later.
        while waiting(session):
            time.sleep(0.1)
        model = stack.enter_context(rekognition_api.served(session.local_model.operations))
        functions = _functions(session)
        for name, physical in functions.items():
            endpoints = {
                "AWS_ENDPOINT_URL": stack.enter_context(counting_proxy(name, session.local_aws.endpoint, calls)),
                "AWS_ENDPOINT_URL_REKOGNITION": stack.enter_context(counting_proxy(name, model, calls)),
            }
            _set_environment(session, physical, endpoints)
        endpoint = stack.enter_context(counting_proxy(UPLOADER, session.local_aws.endpoint, calls))
        yield Bench(session, functions, calls, replace(session.local_aws, endpoint=endpoint))


def text_of(mail: Path) -> str:
    """The text of an alert."""
    message = email.message_from_bytes(mail.read_bytes(), policy=email.policy.default)
    return str(message.get_content())


def waiting(session: Session) -> int:
    """How many messages both queues hold, in sight or not."""
    client = session.local_aws.client("sqs")
    return sum(queue_depth(client, session.outputs[url]) for url in _QUEUES)


def _functions(session: Session) -> dict[str, str]:
    resources = session.local_aws.client("cloudformation").describe_stack_resources(StackName=deployment.STACK)
    return {
        resource["LogicalResourceId"]: resource["PhysicalResourceId"]
        for resource in resources["StackResources"]
        if resource["ResourceType"] == "AWS::Lambda::Function"
    }


def _set_environment(session: Session, function: str, changes: dict[str, str]) -> None:
    client = session.local_aws.client("lambda")
    variables = client.get_function_configuration(FunctionName=function)["Environment"]["Variables"]
    client.update_function_configuration(FunctionName=function, Environment={"Variables": variables | changes})


def _by_caller(calls: Counter[Call]) -> dict[str, dict[str, int]]:
    callers = sorted({call.caller for call in calls})
    return {caller: _sums(call for call in calls.elements() if call.caller == caller) for caller in callers}


def _sums(calls: Iterator[Call]) -> dict[str, int]:
    return dict(sorted(Counter(call.operation for call in calls).items()))


def _calculated(calls: Counter[Call], batches: list[int]) -> dict[str, int]:
    """What AWS does and bills, and the emulator does within itself.

    S3 writes each event notification to the queue, Lambda's pollers take at most ten messages a call and delete them as
    many at a time (https://docs.aws.amazon.com/AWSSimpleQueueService/latest/APIReference/API_ReceiveMessage.html), and
    the model reads the object from the bucket.
    """
    polls = sum(-(-size // MAX_MESSAGES) for size in batches)
    uploads = calls[Call(UPLOADER, "s3 PutObject", refused=False)]
    amounts = {
        "s3 GetObject": calls[Call("Detect", "rekognition DetectCustomLabels", refused=False)],
        "sqs DeleteMessageBatch": polls,
        "sqs ReceiveMessage": polls,
        "sqs SendMessage": uploads,
    }
    return {name: amount for name, amount in amounts.items() if amount}


def _summary(lines: list[str]) -> dict[str, int]:
    billed = [int(match[1]) for line in lines if (match := _BILLED.match(line))]
    return {
        "invocations": len(billed),
        "billed_ms": sum(billed),
        "log_lines": len(lines),
        "log_bytes": sum(len(line.encode()) + BYTES_AROUND_A_LOG_LINE for line in lines),
    }


def _metrics(lines: list[str]) -> Iterator[str]:
    """`service Name` for each metric of the lines in CloudWatch's embedded metric format."""
    for record in (json.loads(line) for line in lines if '"_aws"' in line):
        for metric in record["_aws"]["CloudWatchMetrics"][0]["Metrics"]:
            yield f"{record['service']} {metric['Name']}"

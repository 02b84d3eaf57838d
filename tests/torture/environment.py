"""The packaged functions on the local AWS, each behind a proxy that disrupts its calls, and with short times."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractContextManager, ExitStack, contextmanager
from functools import partial
from pathlib import Path
from typing import Any

from labelwatch.audit.read import Reader
from labelwatch.deploy import Package
from labelwatch.local import rekognition_api
from labelwatch.local import session as local
from labelwatch.local.model import CALLS_PER_SECOND, LocalModel, RateLimit
from labelwatch.local.session import INPUT_BUCKET, Session
from labelwatch.shared.queues import queue_depth
from tests.support.builders import notification, s3_record, scheduled_event
from tests.support.pipeline import ColourClassifier, functions, picture, set_environment, set_mapping
from tests.support.proxy import running_proxy
from tests.torture import processes, repeating
from tests.torture.disruptions import REPEATED, Disruptions, Kill
from tests.torture.uncertain import UncertainOutcomes

DETECT, NOTIFY, MANAGE_MODEL = "Detect", "Notify", "ManageModel"
QUEUES = {DETECT: "ImagesQueueUrl", NOTIFY: "PredictionsQueueUrl"}
UPLOAD_THREADS = 8
# Between two runs of `manage_model`, while a scenario waits.
MANAGE_MODEL_SECONDS = 10
# One in ten uploads is no image; half of the others have a label of interest.
_NOT_AN_IMAGE, _OF_INTEREST, _NOT_OF_INTEREST = b"Spray on Tuesday.", picture("leaf-smut"), picture("brown-spot")


class WaitTimeoutError(Exception):
    """Raised where a condition is not met in time."""


class Environment:
    """The deployed functions and the disruptions, for the scenarios."""

    def __init__(self, session: Session, names: dict[str, str]) -> None:
        self.session = session
        # A model that has the pictures in memory: reading them from S3 would take as long as all else.
        self.local_model = LocalModel(
            ColourClassifier(), session.local_model.arn, lambda _bucket, key, _version: self._uploaded[key]
        )
        self._uploaded: dict[str, bytes] = {}
        self.uncertain = UncertainOutcomes(processes.is_running)
        self.disruptions = Disruptions(self.uncertain)
        self._functions = names
        self._manage_model_ran_at = time.monotonic()
        self._s3 = session.local_aws.client("s3")
        self._sqs = session.local_aws.client("sqs")
        self._lambda = session.local_aws.client("lambda")
        self.reader = Reader(self._s3, self._sqs, session.local_aws.client("dynamodb"), session.outputs)

    def end_disruptions(self) -> None:
        """From now on no call is disrupted, and the model runs."""
        self.disruptions.failure_rate = self.disruptions.kill_rate = 0
        self.local_model.rate = RateLimit(CALLS_PER_SECOND)
        self.local_model.status = "RUNNING"

    def configure(self, function_seconds: int, visibility_seconds: int, concurrency: int) -> None:
        """Sets the functions' time-out, the visibility timeout of their queues, and how many run at once."""
        for name, queue in QUEUES.items():
            self._lambda.update_function_configuration(FunctionName=self._functions[name], Timeout=function_seconds)
            self._sqs.set_queue_attributes(
                QueueUrl=self.session.outputs[queue], Attributes={"VisibilityTimeout": str(visibility_seconds)}
            )
            self._set_mapping(name, ScalingConfig={"MaximumConcurrency": concurrency})

    @contextmanager
    def without_partial_batch_responses(self) -> Iterator[None]:
        """The functions delete finished messages and raise, as with `chalice deploy` (docs/decisions/0001)."""
        for name in QUEUES:
            set_environment(self.session, self._functions[name], PARTIAL_BATCH_RESPONSES="no")
            self._set_mapping(name, FunctionResponseTypes=[])
        yield
        self.wait_until_empty(60)  # a running function would lose messages by a response that its mapping ignores
        for name in QUEUES:
            self._set_mapping(name, FunctionResponseTypes=["ReportBatchItemFailures"])
            set_environment(self.session, self._functions[name], PARTIAL_BATCH_RESPONSES="yes")

    @contextmanager
    def auto_start(self) -> Iterator[None]:
        """`manage_model` starts the model when images wait."""
        set_environment(self.session, self._functions[MANAGE_MODEL], MODEL_AUTO_START="yes")
        yield
        set_environment(self.session, self._functions[MANAGE_MODEL], MODEL_AUTO_START="no")

    def run_manage_model(self) -> None:
        """Invokes `manage_model`, as its schedule does once a minute; it may be killed meanwhile."""
        self._manage_model_ran_at = time.monotonic()
        self._lambda.invoke(FunctionName=self._functions[MANAGE_MODEL], Payload=json.dumps(scheduled_event()))

    def run_manage_model_until(self, *, polling: bool) -> None:
        """Invokes `manage_model` without the minutes of its schedule until polling is resumed, or paused."""

        def is_polling_as_expected() -> bool:
            self.run_manage_model()
            return self.is_polling() is polling

        self.wait_until(is_polling_as_expected, f"polling {'resumed' if polling else 'paused'}", 60)

    def is_polling(self) -> bool:
        """Whether `detect` polls the images queue."""
        mappings = self._lambda.list_event_source_mappings(FunctionName=self._functions[DETECT])
        return bool(mappings["EventSourceMappings"][0]["State"] == "Enabled")

    def stop_model(self) -> None:
        """Stops the model, and waits until `manage_model` has paused polling."""
        self.local_model.status = "STOPPED"
        self.run_manage_model_until(polling=False)

    def start_model(self) -> None:
        """Starts the model, and waits until `manage_model` has resumed polling."""
        self.local_model.status = "RUNNING"
        self.run_manage_model_until(polling=True)

    def repeated_events(self, copies: Callable[[str], int]) -> AbstractContextManager[None]:
        """While the block lasts, so many copies of each event notification reach the images queue."""
        return repeating.repeated_events(self.session, copies, partial(self.disruptions.count, REPEATED))

    def upload(self, prefix: str, count: int) -> None:
        """Uploads so many, in a burst."""
        with ThreadPoolExecutor(UPLOAD_THREADS) as pool:
            list(pool.map(lambda number: self.upload_object(f"{prefix}{number:05}.jpg", number), range(count)))

    def upload_object(self, key: str, number: int) -> None:
        """The number decides whether it is an image, and whether it has a label of interest."""
        content = _NOT_AN_IMAGE if number % 10 == 9 else _NOT_OF_INTEREST if number % 2 else _OF_INTEREST
        self._uploaded[key] = content
        self._s3.put_object(Bucket=INPUT_BUCKET, Key=key, Body=content)

    def send_combined_notification(self, prefix: str) -> None:
        """Sends one event notification of all images under the prefix, as S3 may send it."""
        pages = self._s3.get_paginator("list_object_versions").paginate(Bucket=INPUT_BUCKET, Prefix=prefix)
        self.send(DETECT, notification(*(_record(version) for page in pages for version in page["Versions"])))

    def send(self, function: str, *bodies: str) -> None:
        """Sends up to ten messages to the queue of this function."""
        entries = [{"Id": str(index), "MessageBody": body} for index, body in enumerate(bodies)]
        self._sqs.send_message_batch(QueueUrl=self.session.outputs[QUEUES[function]], Entries=entries)

    def kill_at(self, kill: Kill, cause: Callable[[], object]) -> None:
        """Waits until `cause` has made the function call, and the kill has happened."""
        self.disruptions.next_kill = kill
        cause()
        self.wait_until(lambda: self.disruptions.next_kill is None, f"killing {kill}", 60)

    @contextmanager
    def one_batch(self, function: str, messages: int) -> Iterator[None]:
        """So many messages that the block causes reach this function in one batch."""
        self._set_mapping(function, Enabled=False)
        yield
        self.wait_until(
            lambda: queue_depth(self._sqs, self.session.outputs[QUEUES[function]]) >= messages,
            f"{messages} messages",
            30,
        )
        self._set_mapping(function, Enabled=True)

    def _set_mapping(self, function: str, **changes: Any) -> None:
        set_mapping(self.session, self._functions[function], **changes)

    def depth(self) -> int:
        """How many messages both queues have, visible or in flight."""
        return sum(queue_depth(self._sqs, self.session.outputs[queue]) for queue in QUEUES.values())

    def wait_until_empty(self, seconds: float) -> None:
        """Raises WaitTimeoutError where a queue has messages after so long; `manage_model` runs meanwhile."""

        def is_empty() -> bool:
            if time.monotonic() > self._manage_model_ran_at + MANAGE_MODEL_SECONDS:
                self.run_manage_model()
            return self.depth() == 0

        self.wait_until(is_empty, "empty queues", seconds)

    def wait_until(self, condition: Callable[[], bool], description: str, seconds: float) -> None:
        """Raises WaitTimeoutError."""
        until = time.monotonic() + seconds
        while not condition():
            if time.monotonic() > until:
                raise WaitTimeoutError(
                    f"Timeout after {seconds:g} s: {description}. {self.depth()} messages are in the queues."
                )
            time.sleep(0.3)


@contextmanager
def running(folder: Path, packaged: Package) -> Iterator[Environment]:
    """The environment until the block ends."""
    with ExitStack() as stack:
        package = _that_may_start_the_model(packaged)
        session = stack.enter_context(
            local.running(folder, package, ColourClassifier(), labels_of_interest="leaf-smut", min_confidence=50)
        )
        names = functions(session)
        environment = Environment(session, names)
        session.local_aws.disable_schedules()  # a scheduled run could come between two steps of a scenario
        environment.wait_until_empty(60)  # of S3's test event: a function that is changed while it runs defers it
        model = stack.enter_context(rekognition_api.served(environment.local_model.operations))
        for name in (*QUEUES, MANAGE_MODEL):
            intercept = environment.disruptions.interceptor(name)
            changes = {
                "AWS_ENDPOINT_URL": stack.enter_context(running_proxy(session.local_aws.endpoint, intercept)),
                "AWS_ENDPOINT_URL_REKOGNITION": stack.enter_context(running_proxy(model, intercept)),
                # Minutes and hours on AWS.
                "RETRY_SECONDS": "1",
                "DEFER_SECONDS": "3",
            }
            set_environment(session, names[name], **changes)
        set_environment(session, names[MANAGE_MODEL], MODEL_AUTO_START="no")  # until a scenario wants it
        yield environment


def _that_may_start_the_model(packaged: Package) -> Package:
    """The package, with the rights of ModelAutoStart; the environment of `manage_model` decides whether it does."""
    template = json.loads(packaged.template.read_text())
    template["Parameters"]["ModelAutoStart"]["Default"] = "yes"
    template["Parameters"]["ModelMaxHoursPerMonth"]["Default"] = "744"
    file = packaged.template.with_name("auto-start.json")
    file.write_text(json.dumps(template))
    return Package(file, packaged.zip)


def _record(version: dict[str, Any]) -> dict[str, Any]:
    attributes = {"size": version["Size"], "eTag": version["ETag"].strip('"'), "versionId": version["VersionId"]}
    return s3_record(version["Key"], bucket=INPUT_BUCKET, object=attributes)

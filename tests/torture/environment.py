"""The packaged functions on the local AWS, each behind a proxy that does the mischief, and with short times."""

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
from labelwatch.deploy.package import Package
from labelwatch.local import rekognition_api
from labelwatch.local import session as local
from labelwatch.local.model import CALLS_PER_SECOND, LocalModel, RateLimit
from labelwatch.local.session import INPUT_BUCKET, Session
from labelwatch.shared.queues import queue_depth
from tests.support.builders import notification, s3_record, scheduled_event
from tests.support.pipeline import ByColour, functions, picture, set_environment, set_mapping
from tests.support.proxy import passing
from tests.torture import processes, repeating
from tests.torture.disruptions import COME_AGAIN, Kill, Mischief
from tests.torture.uncertain import Doubts

DETECT, NOTIFY, KEEP_MODEL = "Detect", "Notify", "ManageModel"
QUEUES = {DETECT: "ImagesQueueUrl", NOTIFY: "PredictionsQueueUrl"}
UPLOADS_AT_ONCE = 8
# From one tick of the clock to the next, where nobody turns it on purpose.
SECONDS_OF_A_MINUTE = 10
# One in ten is no image; of the others half are worth an alert.
_NO_IMAGE, _WORTH_AN_ALERT, _QUIET = b"Spray on Tuesday.", picture("leaf-smut"), picture("brown-spot")


class NeverCame(Exception):  # noqa: N818 - what was waited for
    """Raised where something that must come did not come in time."""


class Place:
    """What the scenarios act on."""

    def __init__(self, session: Session, names: dict[str, str]) -> None:
        self.session = session
        # One of its own, that has the pictures at hand: reading them from the cloud would cost as much as all else.
        self.local_model = LocalModel(
            ByColour(), session.local_model.arn, lambda _bucket, key, _version: self._uploaded[key]
        )
        self._uploaded: dict[str, bytes] = {}
        self.doubts = Doubts(processes.lives)
        self.mischief = Mischief(self.doubts)
        self._functions = names
        self._ticked = time.monotonic()
        self._s3 = session.local_aws.client("s3")
        self._sqs = session.local_aws.client("sqs")
        self._lambda = session.local_aws.client("lambda")
        self.reader = Reader(self._s3, self._sqs, session.local_aws.client("dynamodb"), session.outputs)

    def calm(self) -> None:
        """Nothing goes wrong any more."""
        self.mischief.failing_share = self.mischief.killing_share = 0
        self.local_model.rate = RateLimit(CALLS_PER_SECOND)
        self.local_model.status = "RUNNING"

    def pace(self, function_seconds: int, visibility_seconds: int, at_once: int) -> None:
        """How long a function may run, when a message of one that was killed comes back, how many run at once."""
        for name, queue in QUEUES.items():
            self._lambda.update_function_configuration(FunctionName=self._functions[name], Timeout=function_seconds)
            self._sqs.set_queue_attributes(
                QueueUrl=self.session.outputs[queue], Attributes={"VisibilityTimeout": str(visibility_seconds)}
            )
            self._set_mapping(name, ScalingConfig={"MaximumConcurrency": at_once})

    @contextmanager
    def deleting_themselves(self) -> Iterator[None]:
        """The functions delete what is finished and raise, as `chalice deploy` has them do (docs/decisions/0001)."""
        for name in QUEUES:
            set_environment(self.session, self._functions[name], PARTIAL_BATCH_RESPONSES="no")
            self._set_mapping(name, FunctionResponseTypes=[])
        yield
        self.wait_until_quiet(60)  # what runs would lose, if it gave back in a way that nobody reads
        for name in QUEUES:
            self._set_mapping(name, FunctionResponseTypes=["ReportBatchItemFailures"])
            set_environment(self.session, self._functions[name], PARTIAL_BATCH_RESPONSES="yes")

    @contextmanager
    def starting_the_model(self) -> Iterator[None]:
        """`manage_model` starts the model when images wait."""
        set_environment(self.session, self._functions[KEEP_MODEL], MODEL_AUTO_START="yes")
        yield
        set_environment(self.session, self._functions[KEEP_MODEL], MODEL_AUTO_START="no")

    def tick(self) -> None:
        """What the clock does once a minute: `manage_model` looks, and lives through that or not."""
        self._ticked = time.monotonic()
        self._lambda.invoke(FunctionName=self._functions[KEEP_MODEL], Payload=json.dumps(scheduled_event()))

    def tick_until(self, *, images_are_taken: bool) -> None:
        """As often as it takes: else that would be minutes."""

        def ticked() -> bool:
            self.tick()
            return self.takes_images() is images_are_taken

        self.wait_until(ticked, f"images that are {'taken' if images_are_taken else 'left'}", 60)

    def takes_images(self) -> bool:
        """Whether images are taken from their queue."""
        mappings = self._lambda.list_event_source_mappings(FunctionName=self._functions[DETECT])
        return bool(mappings["EventSourceMappings"][0]["State"] == "Enabled")

    def stop_the_model(self) -> None:
        """It is stopped, and `manage_model` sees it."""
        self.local_model.status = "STOPPED"
        self.tick_until(images_are_taken=False)

    def start_the_model(self) -> None:
        """It runs, and `manage_model` sees it."""
        self.local_model.status = "RUNNING"
        self.tick_until(images_are_taken=True)

    def repeated(self, times: Callable[[str], int]) -> AbstractContextManager[None]:
        """What is uploaded meanwhile is told to the images queue so many times, by its event notification."""
        return repeating.repeated(self.session, times, partial(self.mischief.count, COME_AGAIN))

    def upload(self, prefix: str, count: int) -> None:
        """So many, in a burst."""
        with ThreadPoolExecutor(UPLOADS_AT_ONCE) as pool:
            list(pool.map(lambda number: self.upload_one(f"{prefix}{number:05}.jpg", number), range(count)))

    def upload_one(self, key: str, number: int) -> None:
        """The number says whether it is an image, and whether it is worth an alert."""
        content = _NO_IMAGE if number % 10 == 9 else _QUIET if number % 2 else _WORTH_AN_ALERT
        self._uploaded[key] = content
        self._s3.put_object(Bucket=INPUT_BUCKET, Key=key, Body=content)

    def split(self, prefix: str) -> None:
        """One event notification of all images under the prefix, as S3 may send it."""
        pages = self._s3.get_paginator("list_object_versions").paginate(Bucket=INPUT_BUCKET, Prefix=prefix)
        self.send(DETECT, notification(*(_record(one) for page in pages for one in page["Versions"])))

    def send(self, function: str, *bodies: str) -> None:
        """Up to ten messages to the queue of this function."""
        entries = [{"Id": str(place), "MessageBody": body} for place, body in enumerate(bodies)]
        self._sqs.send_message_batch(QueueUrl=self.session.outputs[QUEUES[function]], Entries=entries)

    def kill_at(self, kill: Kill, cause: Callable[[], object]) -> None:
        """Arms it, and waits until `cause` has made the function come by."""
        self.mischief.armed = kill
        cause()
        self.wait_until(lambda: self.mischief.armed is None, f"killing {kill}", 60)

    @contextmanager
    def gathered(self, function: str, messages: int) -> Iterator[None]:
        """So many messages that the block causes come to this function in one batch."""
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

    def on_the_way(self) -> int:
        """How many messages both queues hold, in sight or not."""
        return sum(queue_depth(self._sqs, self.session.outputs[queue]) for queue in QUEUES.values())

    def wait_until_quiet(self, seconds: float) -> None:
        """Raises NeverCame where messages are on the way after so long; the clock ticks meanwhile."""

        def quiet() -> bool:
            if time.monotonic() > self._ticked + SECONDS_OF_A_MINUTE:
                self.tick()
            return self.on_the_way() == 0

        self.wait_until(quiet, "empty queues", seconds)

    def wait_until(self, ready: Callable[[], bool], what: str, seconds: float) -> None:
        """Raises NeverCame."""
        until = time.monotonic() + seconds
        while not ready():
            if time.monotonic() > until:
                raise NeverCame(f"{what}: not in {seconds:g} s, with {self.on_the_way()} messages on the way")
            time.sleep(0.3)


@contextmanager
def running(folder: Path, packaged: Package) -> Iterator[Place]:
    """The place until the block ends."""
    with ExitStack() as stack:
        session = stack.enter_context(
            local.running(folder, packaged, ByColour(), labels_of_interest="leaf-smut", min_confidence=50)
        )
        names = functions(session)
        place = Place(session, names)
        session.local_aws.disable_schedules()  # the place is the clock: a tick of another's might come in between
        place.wait_until_quiet(60)  # S3's test event: a function that is changed while it runs leaves it for later
        model = stack.enter_context(rekognition_api.served(place.local_model.operations))
        for name in (*QUEUES, KEEP_MODEL):
            around = place.mischief.around(name)
            changes = {
                "AWS_ENDPOINT_URL": stack.enter_context(passing(session.local_aws.endpoint, around)),
                "AWS_ENDPOINT_URL_REKOGNITION": stack.enter_context(passing(model, around)),
                # On AWS they are of minutes and hours.
                "RETRY_SECONDS": "1",
                "DEFER_SECONDS": "3",
            }
            set_environment(session, names[name], **changes)
        yield place


def _record(version: dict[str, Any]) -> dict[str, Any]:
    told = {"size": version["Size"], "eTag": version["ETag"].strip('"'), "versionId": version["VersionId"]}
    return s3_record(version["Key"], bucket=INPUT_BUCKET, object=told)

"""The running pipeline as the end-to-end tests handle it."""

import base64
import io
import json
import os
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from labelwatch.local.ministack import ACCESS_KEY, REGION, SECRET_KEY
from labelwatch.local.outcomes import DeadLetterImage, Predicted, Watch
from labelwatch.local.session import INPUT_BUCKET, Session
from labelwatch.shared.queues import queue_depth
from tests.support.builders import scheduled_event

SECONDS_TO_WAIT = 60
# The one page that may upload.
ORIGIN = "https://leaves.example.com"
COLOURS = {"leaf-smut": (200, 0, 0), "brown-spot": (0, 0, 200), "bacterial-leaf-blight": (0, 200, 0)}


class ByColour:
    """A classifier that a test can foresee: pure colours are labels, all else is none."""

    def classify(self, image: Image.Image) -> list[tuple[str, float]]:
        seen = np.asarray(image.convert("RGB")).mean(axis=(0, 1))
        near = [name for name, colour in COLOURS.items() if np.abs(seen - colour).max() < 20]
        return [(name, 97.0) for name in near]


def picture(label: str = "leaf-smut", form: str = "JPEG") -> bytes:
    """An image in which the local model sees this label; any other word gives one in which it sees none."""
    content = io.BytesIO()
    Image.new("RGB", (96, 96), COLOURS.get(label, (128, 128, 128))).save(content, form)
    return content.getvalue()


class Pipeline:
    """The running pipeline, and what has become of the uploads so far."""

    def __init__(self, session: Session, patience: float = SECONDS_TO_WAIT) -> None:
        self.session = session
        self.patience = patience
        self.local_model = session.local_model
        self.outputs = session.outputs
        self.predictions: dict[str, Predicted] = {}
        self.dead_letters: dict[str, DeadLetterImage] = {}
        self._s3 = session.local_aws.client("s3")
        self._watch = Watch(session)

    def upload(self, *keys: str, content: bytes | None = None, **more: Any) -> None:
        for key in keys:
            body = picture() if content is None else content
            self._s3.put_object(Bucket=INPUT_BUCKET, Key=key, Body=body, **more)

    def wait_until(self, ready: Callable[[], bool], what: str) -> None:
        until = time.monotonic() + self.patience
        while not ready():
            assert time.monotonic() < until, f"{what} did not happen in {self.patience:g} s"
            time.sleep(0.1)
            self.look()

    def look(self) -> None:
        self.predictions |= {one.key: one for one in self._watch.new_predictions()}
        self.dead_letters |= {one.key: one for one in self._watch.new_dead_letters()}

    def wait_for(self, *keys: str) -> None:
        """Waits until each of these is a prediction or a dead letter."""
        self.wait_until(lambda: all(key in self.predictions or key in self.dead_letters for key in keys), "a fate")

    def alerts_of(self, key: str) -> list[Path]:
        return [mail.file for mail in self.session.mailbox.mails if self.predictions[key].row_key in mail.predictions]

    def wait_for_alert(self, key: str) -> Path:
        self.wait_for(key)
        self.wait_until(lambda: bool(self.alerts_of(key)), "an alert")
        return self.alerts_of(key)[0]

    def waiting(self, queue: str) -> int:
        """How many messages a queue holds, in sight or not."""
        return queue_depth(self.session.local_aws.client("sqs"), self.outputs[queue])

    def wait_until_empty(self) -> None:
        self.wait_until(
            lambda: self.waiting("ImagesQueueUrl") + self.waiting("PredictionsQueueUrl") == 0, "empty queues"
        )


def user_environment(session: Session) -> dict[str, str]:
    """The variables of somebody whose AWS is the local AWS, and who has no set-up of his own."""
    return {
        "PATH": os.environ["PATH"],
        "AWS_ENDPOINT_URL": session.local_aws.endpoint,
        "AWS_ENDPOINT_URL_REKOGNITION": session.rekognition,
        "AWS_ACCESS_KEY_ID": ACCESS_KEY,
        "AWS_SECRET_ACCESS_KEY": SECRET_KEY,
        "AWS_DEFAULT_REGION": REGION,
        "AWS_CONFIG_FILE": os.devnull,
        "AWS_SHARED_CREDENTIALS_FILE": os.devnull,
        "AWS_EC2_METADATA_DISABLED": "true",
    }


def run_labelwatch(session: Session, *words: str, **changes: str) -> subprocess.CompletedProcess[str]:
    """A command of that operator's, which may fail; nobody is there to answer."""
    return subprocess.run(
        [sys.executable, "-m", "labelwatch", *words],
        env=user_environment(session) | changes,
        capture_output=True, text=True, check=False, timeout=120, stdin=subprocess.DEVNULL,
    )  # fmt: skip


def functions(session: Session, stack: str = "labelwatch") -> dict[str, str]:
    """The names of the deployed functions, by what they are called in the template."""
    resources = session.local_aws.client("cloudformation").describe_stack_resources(StackName=stack)
    return {
        one["LogicalResourceId"]: one["PhysicalResourceId"]
        for one in resources["StackResources"]
        if one["ResourceType"] == "AWS::Lambda::Function"
    }


def set_environment(session: Session, function: str, **changes: str) -> None:
    client = session.local_aws.client("lambda")
    variables = client.get_function_configuration(FunctionName=function)["Environment"]["Variables"]
    client.update_function_configuration(FunctionName=function, Environment={"Variables": variables | changes})


def look_at_the_model(session: Session, stack: str = "labelwatch") -> str:
    """What the clock does once a minute on AWS; gives the log of it."""
    answer = session.local_aws.client("lambda").invoke(
        FunctionName=functions(session, stack)["ManageModel"], LogType="Tail", Payload=json.dumps(scheduled_event())
    )
    assert "FunctionError" not in answer, answer["Payload"].read()
    return base64.b64decode(answer["LogResult"]).decode()


def set_mapping(session: Session, function: str, **changes: Any) -> None:
    """Changes the event source mapping of a function."""
    client = session.local_aws.client("lambda")
    (mapping,) = client.list_event_source_mappings(FunctionName=function)["EventSourceMappings"]
    client.update_event_source_mapping(UUID=mapping["UUID"], **changes)


def set_way(session: Session, *, partial: bool) -> None:
    """How failed messages are given back: as deployed, or as by a mapping that reads no partial batch responses."""
    for name in ("Detect", "Notify"):
        function = functions(session)[name]
        set_environment(session, function, PARTIAL_BATCH_RESPONSES="yes" if partial else "no")
        set_mapping(session, function, FunctionResponseTypes=["ReportBatchItemFailures"] if partial else [])

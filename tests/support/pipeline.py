"""The running pipeline for end-to-end tests."""

import base64
import io
import json
import os
import re
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from labelwatch.local.outcomes import DeadLetterOutcome, OutcomeReader, PredictionOutcome
from labelwatch.local.session import INPUT_BUCKET, Session
from labelwatch.shared.queues import queue_depth
from tests.support.builders import scheduled_event

SECONDS_TO_WAIT = 60
# The only web page that may upload.
ORIGIN = "https://leaves.example.com"
COLOURS = {"leaf-smut": (200, 0, 0), "brown-spot": (0, 0, 200), "bacterial-leaf-blight": (0, 200, 0)}


class ColourClassifier:
    """A predictable classifier: pure colours are labels, anything else has no label."""

    def classify(self, image: Image.Image) -> list[tuple[str, float]]:
        mean = np.asarray(image.convert("RGB")).mean(axis=(0, 1))
        names = [name for name, colour in COLOURS.items() if np.abs(mean - colour).max() < 20]
        return [(name, 97.0) for name in names]


def picture(label: str = "leaf-smut", form: str = "JPEG") -> bytes:
    """An image for which the local model predicts this label; for any other word, one without a label."""
    content = io.BytesIO()
    Image.new("RGB", (96, 96), COLOURS.get(label, (128, 128, 128))).save(content, form)
    return content.getvalue()


class Pipeline:
    """The running pipeline, and the outcomes of the uploads so far."""

    def __init__(self, session: Session, wait_seconds: float = SECONDS_TO_WAIT) -> None:
        self.session = session
        self.wait_seconds = wait_seconds
        self.local_model = session.local_model
        self.outputs = session.outputs
        self.predictions: dict[str, PredictionOutcome] = {}
        self.dead_letters: dict[str, DeadLetterOutcome] = {}
        self._s3 = session.local_aws.client("s3")
        self._reader = OutcomeReader(session)

    def upload(self, *keys: str, content: bytes | None = None, **more: Any) -> None:
        for key in keys:
            body = picture() if content is None else content
            self._s3.put_object(Bucket=INPUT_BUCKET, Key=key, Body=body, **more)

    def wait_until(self, condition: Callable[[], bool], description: str) -> None:
        until = time.monotonic() + self.wait_seconds
        while not condition():
            assert time.monotonic() < until, f"{description}: not in {self.wait_seconds:g} s"
            time.sleep(0.1)
            self.refresh()

    def refresh(self) -> None:
        self.predictions |= {prediction.key: prediction for prediction in self._reader.new_predictions()}
        self.dead_letters |= {dead_letter.key: dead_letter for dead_letter in self._reader.new_dead_letters()}

    def wait_for(self, *keys: str) -> None:
        """Waits until each of these keys has a prediction or a dead letter."""
        self.wait_until(lambda: all(key in self.predictions or key in self.dead_letters for key in keys), "outcomes")

    def alerts_of(self, key: str) -> list[Path]:
        return [mail.file for mail in self.session.mailbox.mails if self.predictions[key].row_key in mail.predictions]

    def wait_for_alert(self, key: str) -> Path:
        self.wait_for(key)
        self.wait_until(lambda: bool(self.alerts_of(key)), "an alert")
        return self.alerts_of(key)[0]

    def depth(self, queue: str) -> int:
        """How many messages a queue has, visible or in flight."""
        return queue_depth(self.session.local_aws.client("sqs"), self.outputs[queue])

    def wait_until_empty(self) -> None:
        self.wait_until(lambda: self.depth("ImagesQueueUrl") + self.depth("PredictionsQueueUrl") == 0, "empty queues")


def link_in(text: str) -> str:
    """The first link to a picture page in an alert's text."""
    found = re.search(r"^http\S+/p/[a-z2-7]{32}$", text, re.MULTILINE)
    assert found, text
    return found[0]


def user_environment(session: Session) -> dict[str, str]:
    """The environment of a user of the local AWS, without AWS configuration files."""
    return session.local_aws.environment | {
        "PATH": os.environ["PATH"],
        "AWS_ENDPOINT_URL_REKOGNITION": session.rekognition,
        "AWS_EC2_METADATA_DISABLED": "true",
    }


def run_labelwatch(session: Session, *words: str, **changes: str) -> subprocess.CompletedProcess[str]:
    """Runs a command as that user, without a terminal; it may fail."""
    return subprocess.run(
        [sys.executable, "-m", "labelwatch", *words],
        env=user_environment(session) | changes,
        capture_output=True, text=True, check=False, timeout=120, stdin=subprocess.DEVNULL,
    )  # fmt: skip


def functions(session: Session, stack: str = "labelwatch") -> dict[str, str]:
    """The names of the deployed functions by their logical ids in the template."""
    resources = session.local_aws.client("cloudformation").describe_stack_resources(StackName=stack)
    return {
        resource["LogicalResourceId"]: resource["PhysicalResourceId"]
        for resource in resources["StackResources"]
        if resource["ResourceType"] == "AWS::Lambda::Function"
    }


def set_environment(session: Session, function: str, **changes: str) -> None:
    client = session.local_aws.client("lambda")
    variables = client.get_function_configuration(FunctionName=function)["Environment"]["Variables"]
    client.update_function_configuration(FunctionName=function, Environment={"Variables": variables | changes})


def run_manage_model(session: Session, stack: str = "labelwatch") -> str:
    """Invokes manage_model, as its schedule does once a minute on AWS; returns its log."""
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


def mapping_state(session: Session, function: str) -> str:
    """The state of a function's event source mapping, such as Enabled."""
    client = session.local_aws.client("lambda")
    (mapping,) = client.list_event_source_mappings(FunctionName=function)["EventSourceMappings"]
    return str(mapping["State"])


def set_partial_batch_responses(session: Session, *, enabled: bool) -> None:
    """Enables partial batch responses, as deployed by CloudFormation, or disables them, as with `chalice deploy`."""
    for name in ("Detect", "Notify"):
        function = functions(session)[name]
        set_environment(session, function, PARTIAL_BATCH_RESPONSES="yes" if enabled else "no")
        set_mapping(session, function, FunctionResponseTypes=["ReportBatchItemFailures"] if enabled else [])

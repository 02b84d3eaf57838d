"""The local model in place of a Custom Labels model: real answers of a real classifier, within Rekognition's limits.

What it can be told (a rate, a latency, to be stopped, errors) is for the tests: nothing else makes a model misbehave
on demand.
"""

import random
import time
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from threading import Lock
from typing import Any, Protocol

from botocore.exceptions import BotoCoreError, ClientError
from PIL import Image

from labelwatch.local import image_limits
from labelwatch.local.rekognition_api import Operations, Refusal

ACCOUNT = "000000000000"
CALLS_PER_SECOND = 50
CONTROL_CALLS_PER_SECOND = 5
_STATUS_OF_SERVER_ERRORS = {"InternalServerError": 500, "ServiceUnavailable": 503}


class Classifier(Protocol):
    """Whatever sees labels in a picture."""

    def classify(self, image: Image.Image) -> list[tuple[str, float]]:
        """Labels with their confidence, 0 to 100, the surest first."""


def model_arn(region: str) -> str:
    """The ARN of the one model version that the local model has."""
    return f"arn:aws:rekognition:{region}:{ACCOUNT}:project/leaves/version/leaves.1/1700000000000"


@dataclass
class RateLimit:
    """A token bucket: so many calls a second, and as many at once after a rest."""

    per_second: float
    clock: Callable[[], float] = time.monotonic
    _tokens: float = field(init=False)
    _since: float = field(init=False)
    _lock: Lock = field(default_factory=Lock, init=False)

    def __post_init__(self) -> None:
        self._tokens, self._since = self.per_second, self.clock()

    def allows(self) -> bool:
        """Whether one more call may pass now."""
        with self._lock:
            now = self.clock()
            self._tokens = min(self.per_second, self._tokens + (now - self._since) * self.per_second)
            self._since = now
            if self._tokens < 1:
                return False
            self._tokens -= 1
            return True


class LocalModel:
    """One model version, RUNNING at first. `read` gets an object of S3: bucket, key, version or None → bytes."""

    def __init__(self, classifier: Classifier, arn: str, read: Callable[[str, str, str | None], bytes]) -> None:
        self.arn = arn
        self.status = "RUNNING"
        self.rate = RateLimit(CALLS_PER_SECOND)
        self.control_rate = RateLimit(CONTROL_CALLS_PER_SECOND)
        self.latency_seconds = 0.0
        self.starting_seconds = 2.0
        self.error_rates: dict[str, float] = {}
        self.calls = 0
        self._classifier = classifier
        self._read = read
        self._next_errors: deque[str] = deque()
        self._running_at = 0.0
        self._dice = random.Random(0)

    @property
    def operations(self) -> Operations:
        """What it answers, by the names of Rekognition's operations."""
        return {
            "DetectCustomLabels": self._detect_custom_labels,
            "DetectLabels": self._detect_labels,
            "DescribeProjects": self._describe_projects,
            "DescribeProjectVersions": self._describe,
            "StartProjectVersion": self._start,
            "StopProjectVersion": self._stop,
        }

    def fail_next(self, code: str, times: int = 1) -> None:
        """The next detections get this error, such as InternalServerError or AccessDeniedException."""
        self._next_errors.extend([code] * times)

    def _detect_custom_labels(self, request: dict[str, Any]) -> dict[str, Any]:
        self._let_pass()
        self._known(request["ProjectVersionArn"])
        if self._current_status() != "RUNNING":
            raise Refusal("ResourceNotReadyException", f"The model is {self.status}; it must be RUNNING.")
        least = _confidence(request, default=50)
        labels = [{"Name": name, "Confidence": sure} for name, sure in self._labels(request["Image"]) if sure >= least]
        return {"CustomLabels": labels[: request.get("MaxResults")]}

    def _detect_labels(self, request: dict[str, Any]) -> dict[str, Any]:
        """Rekognition's general labels are out of reach here: the same classifier answers, in the other shape."""
        self._let_pass()
        least = _confidence(request, default=55)
        labels = [
            {"Name": name, "Confidence": sure, "Instances": [], "Parents": [], "Aliases": [], "Categories": []}
            for name, sure in self._labels(request["Image"])
            if sure >= least
        ]
        return {"Labels": labels[: request.get("MaxLabels")], "LabelModelVersion": "3.0"}

    def _describe_projects(self, request: dict[str, Any]) -> dict[str, Any]:
        self._let_control_pass()
        project = {"ProjectArn": f"{self.arn.split('/version/')[0]}/1600000000000", "Status": "CREATED"}
        wanted = request.get("ProjectNames")
        return {"ProjectDescriptions": [project] if not wanted or self.arn.split("/")[1] in wanted else []}

    def _describe(self, request: dict[str, Any]) -> dict[str, Any]:
        self._let_control_pass()
        project = self.arn.split("/version/")[0]
        if request["ProjectArn"].rpartition("/")[0] != project and request["ProjectArn"] != project:
            raise Refusal("ResourceNotFoundException", "The project is not known here.")
        version = {
            "ProjectVersionArn": self.arn,
            "Status": self._current_status(),
            "MinInferenceUnits": 1,
            "CreationTimestamp": datetime(2026, 1, 1, tzinfo=UTC).timestamp(),
        }
        wanted = request.get("VersionNames")
        return {"ProjectVersionDescriptions": [version] if not wanted or self.arn.split("/")[3] in wanted else []}

    def _start(self, request: dict[str, Any]) -> dict[str, Any]:
        self._let_control_pass()
        self._known(request["ProjectVersionArn"])
        if self._current_status() not in {"STOPPED", "TRAINING_COMPLETED"}:
            raise Refusal("ResourceInUseException", f"The model is {self.status}.")
        self.status, self._running_at = "STARTING", time.monotonic() + self.starting_seconds
        return {"Status": self.status}

    def _stop(self, request: dict[str, Any]) -> dict[str, Any]:
        self._let_control_pass()
        self._known(request["ProjectVersionArn"])
        if self._current_status() != "RUNNING":
            raise Refusal("ResourceInUseException", f"The model is {self.status}.")
        self.status = "STOPPED"
        return {"Status": "STOPPING"}

    def _labels(self, image: dict[str, Any]) -> list[tuple[str, float]]:
        if "Bytes" in image:
            return self._classifier.classify(image_limits.opened(image["Bytes"], image_limits.MAX_BYTES_IN_A_CALL))
        place = image.get("S3Object", {})
        if "Bucket" not in place or "Name" not in place:
            raise Refusal("InvalidParameterException", "Image wants Bytes, or an S3Object with Bucket and Name.")
        try:
            content = self._read(place["Bucket"], place["Name"], place.get("Version"))
        except (ClientError, BotoCoreError):
            raise Refusal(
                "InvalidS3ObjectException",
                "Unable to get object metadata from S3. Check object key, region and/or access permissions.",
            ) from None
        return self._classifier.classify(image_limits.opened(content, image_limits.MAX_BYTES_IN_S3))

    def _let_pass(self) -> None:
        self.calls += 1
        if not self.rate.allows():
            raise Refusal("ProvisionedThroughputExceededException", "Provisioned rate exceeded.")
        time.sleep(self.latency_seconds)
        chance = (code for code, share in self.error_rates.items() if self._dice.random() < share)
        code = self._next_errors.popleft() if self._next_errors else next(chance, None)
        if code:
            raise Refusal(code, "the local model was told to answer so.", _STATUS_OF_SERVER_ERRORS.get(code, 400))

    def _let_control_pass(self) -> None:
        if not self.control_rate.allows():
            raise Refusal("ThrottlingException", "Rate exceeded.")

    def _current_status(self) -> str:
        if self.status == "STARTING" and time.monotonic() >= self._running_at:
            self.status = "RUNNING"
        return self.status

    def _known(self, arn: str) -> None:
        if arn != self.arn:
            raise Refusal("ResourceNotFoundException", f"{arn} is not known here.")


def _confidence(request: dict[str, Any], default: float) -> float:
    least = float(request.get("MinConfidence", default))
    if not 0 <= least <= 100:
        raise Refusal("InvalidParameterException", "MinConfidence must be from 0 to 100.")
    return least

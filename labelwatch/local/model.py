"""A local model instead of a Custom Labels model: predictions of a real classifier, within Rekognition's limits.

Tests set its rate, latency, status and errors: nothing else makes a model fail on demand.
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
from labelwatch.local.rekognition_api import Operations, ServiceError

ACCOUNT = "000000000000"
CALLS_PER_SECOND = 50
CONTROL_CALLS_PER_SECOND = 5
_STATUS_OF_SERVER_ERRORS = {"InternalServerError": 500, "ServiceUnavailable": 503}


class Classifier(Protocol):
    """Predicts labels of a picture."""

    def classify(self, image: Image.Image) -> list[tuple[str, float]]:
        """Labels with their confidence, 0 to 100, the highest first."""


def model_arn(region: str) -> str:
    """The ARN of the one model version that the local model has."""
    return f"arn:aws:rekognition:{region}:{ACCOUNT}:project/leaves/version/leaves.1/1700000000000"


@dataclass
class RateLimit:
    """A token bucket: `per_second` calls a second, and as many at once after a pause."""

    per_second: float
    clock: Callable[[], float] = time.monotonic
    _tokens: float = field(init=False)
    _refilled_at: float = field(init=False)
    _lock: Lock = field(default_factory=Lock, init=False)

    def __post_init__(self) -> None:
        self._tokens, self._refilled_at = self.per_second, self.clock()

    def allows(self) -> bool:
        """Whether one more call may pass now."""
        with self._lock:
            now = self.clock()
            self._tokens = min(self.per_second, self._tokens + (now - self._refilled_at) * self.per_second)
            self._refilled_at = now
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
        self._running_from = 0.0
        self._random = random.Random(0)

    @property
    def operations(self) -> Operations:
        """The methods by the names of Rekognition's operations."""
        return {
            "DetectCustomLabels": self._detect_custom_labels,
            "DetectLabels": self._detect_labels,
            "DescribeProjects": self._describe_projects,
            "DescribeProjectVersions": self._describe,
            "StartProjectVersion": self._start,
            "StopProjectVersion": self._stop,
        }

    def fail_next(self, code: str, times: int = 1) -> None:
        """The next detections fail with this error, such as InternalServerError or AccessDeniedException."""
        self._next_errors.extend([code] * times)

    def _detect_custom_labels(self, request: dict[str, Any]) -> dict[str, Any]:
        self._check_rate_and_errors()
        self._check_arn(request["ProjectVersionArn"])
        if self._current_status() != "RUNNING":
            raise ServiceError("ResourceNotReadyException", f"The model is {self.status}; it must be RUNNING.")
        min_confidence = _min_confidence(request, default=50)
        labels = [
            {"Name": name, "Confidence": confidence}
            for name, confidence in self._labels(request["Image"])
            if confidence >= min_confidence
        ]
        return {"CustomLabels": labels[: request.get("MaxResults")]}

    def _detect_labels(self, request: dict[str, Any]) -> dict[str, Any]:
        """The same classifier in the shape of general labels, since Rekognition's own are not available locally."""
        self._check_rate_and_errors()
        min_confidence = _min_confidence(request, default=55)
        labels = [
            {"Name": name, "Confidence": confidence, "Instances": [], "Parents": [], "Aliases": [], "Categories": []}
            for name, confidence in self._labels(request["Image"])
            if confidence >= min_confidence
        ]
        return {"Labels": labels[: request.get("MaxLabels")], "LabelModelVersion": "3.0"}

    def _describe_projects(self, request: dict[str, Any]) -> dict[str, Any]:
        self._check_control_rate()
        project = {"ProjectArn": f"{self.arn.split('/version/')[0]}/1600000000000", "Status": "CREATED"}
        names = request.get("ProjectNames")
        return {"ProjectDescriptions": [project] if not names or self.arn.split("/")[1] in names else []}

    def _describe(self, request: dict[str, Any]) -> dict[str, Any]:
        self._check_control_rate()
        project = self.arn.split("/version/")[0]
        if request["ProjectArn"].rpartition("/")[0] != project and request["ProjectArn"] != project:
            raise ServiceError("ResourceNotFoundException", "The project is unknown.")
        version = {
            "ProjectVersionArn": self.arn,
            "Status": self._current_status(),
            "MinInferenceUnits": 1,
            "CreationTimestamp": datetime(2026, 1, 1, tzinfo=UTC).timestamp(),
        }
        names = request.get("VersionNames")
        return {"ProjectVersionDescriptions": [version] if not names or self.arn.split("/")[3] in names else []}

    def _start(self, request: dict[str, Any]) -> dict[str, Any]:
        self._check_control_rate()
        self._check_arn(request["ProjectVersionArn"])
        if self._current_status() not in {"STOPPED", "TRAINING_COMPLETED"}:
            raise ServiceError("ResourceInUseException", f"The model is {self.status}.")
        self.status, self._running_from = "STARTING", time.monotonic() + self.starting_seconds
        return {"Status": self.status}

    def _stop(self, request: dict[str, Any]) -> dict[str, Any]:
        self._check_control_rate()
        self._check_arn(request["ProjectVersionArn"])
        if self._current_status() != "RUNNING":
            raise ServiceError("ResourceInUseException", f"The model is {self.status}.")
        self.status = "STOPPED"
        return {"Status": "STOPPING"}

    def _labels(self, image: dict[str, Any]) -> list[tuple[str, float]]:
        if "Bytes" in image:
            return self._classifier.classify(image_limits.open_image(image["Bytes"], image_limits.MAX_BYTES_IN_REQUEST))
        s3_object = image.get("S3Object", {})
        if "Bucket" not in s3_object or "Name" not in s3_object:
            raise ServiceError(
                "InvalidParameterException", "Image must have Bytes, or an S3Object with Bucket and Name."
            )
        try:
            content = self._read(s3_object["Bucket"], s3_object["Name"], s3_object.get("Version"))
        except (ClientError, BotoCoreError):
            raise ServiceError(
                "InvalidS3ObjectException",
                "Unable to get object metadata from S3. Check object key, region and/or access permissions.",
            ) from None
        return self._classifier.classify(image_limits.open_image(content, image_limits.MAX_BYTES_IN_S3))

    def _check_rate_and_errors(self) -> None:
        self.calls += 1
        if not self.rate.allows():
            raise ServiceError("ProvisionedThroughputExceededException", "Provisioned rate exceeded.")
        time.sleep(self.latency_seconds)
        random_errors = (code for code, rate in self.error_rates.items() if self._random.random() < rate)
        code = self._next_errors.popleft() if self._next_errors else next(random_errors, None)
        if code:
            raise ServiceError(code, "The local model is set to fail.", _STATUS_OF_SERVER_ERRORS.get(code, 400))

    def _check_control_rate(self) -> None:
        if not self.control_rate.allows():
            raise ServiceError("ThrottlingException", "Rate exceeded.")

    def _current_status(self) -> str:
        if self.status == "STARTING" and time.monotonic() >= self._running_from:
            self.status = "RUNNING"
        return self.status

    def _check_arn(self, arn: str) -> None:
        if arn != self.arn:
            raise ServiceError("ResourceNotFoundException", f"{arn} is unknown.")


def _min_confidence(request: dict[str, Any], default: float) -> float:
    confidence = float(request.get("MinConfidence", default))
    if not 0 <= confidence <= 100:
        raise ServiceError("InvalidParameterException", "MinConfidence must be from 0 to 100.")
    return confidence

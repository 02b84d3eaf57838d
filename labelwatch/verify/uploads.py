"""Checks of the presigned upload: what S3 refuses, and that it accepts the image itself."""

from collections.abc import Mapping
from typing import Any

import requests
from requests import Response

from labelwatch.shared.interrupts import uninterrupted
from labelwatch.verify import api
from labelwatch.verify.deployment import Expected
from labelwatch.verify.outcome import FailedError, WarningError
from labelwatch.verify.state import Run

type Headers = Mapping[str, str | None]

_HTTP_SECONDS = 300


def another_key(run: Run) -> str:
    """The presigned upload is for one key."""
    return _refused(run, url=_of(run)["url"].replace("?", ".png?", 1))


def another_type(run: Run) -> str:
    """The presigned upload is for one content type."""
    return _refused(run, {"Content-Type": "text/html"})


def another_header(run: Run) -> str:
    """The presigned upload has no room for metadata."""
    return _refused(run, {"x-amz-meta-note": "x"})


def another_size(run: Run) -> str:
    """The presigned upload is for one number of bytes."""
    return _refused(run, content=run.picture.content + b"\0")


def no_condition(run: Run) -> str:
    """The presigned upload creates an object, and never replaces an object."""
    return _refused(run, {"If-None-Match": None})


def model(run: Run) -> str:
    """Whether images are analysed now; a stopped model is not started."""
    if (today := run.deployment.images_today()).limit_reached:
        raise WarningError(
            f"MaxImagesPerDay: {today}. Upload, detection and picture are not verified.",
            "Run the command again tomorrow (UTC), or raise the limit.",
        )
    status = run.deployment.model_status()
    run.model_runs = status == "RUNNING"
    if run.model_runs:
        return f"{status}."
    raise WarningError(
        f"{status}, and not started. Upload, detection and picture are not verified.",
        "Run `labelwatch model start`, then run the command again.",
    )


def upload(run: Run) -> str | None:
    """S3 accepts the image."""
    if not run.model_runs:
        return None  # the image would wait in the queue, and start the model where ModelAutoStart is yes
    _of(run)
    api.valid_token(run)  # once more: the checks before may have taken longer than their presigned upload is valid
    key = _of(run)["key"]
    with uninterrupted():  # S3 may store an image whose upload was cut off
        answer = _send(run)
    images = [image for image in run.deployment.images() if image.key == key]
    if not images:
        action = "Check that the role of api_handler may put the object."
        raise FailedError(f"S3 answers {answer.status_code}, and the object does not exist.", action)
    run.uploaded = Expected(images[0], run.deployment.outputs["CustomModelARN"])
    return f"S3 answers {answer.status_code}, {len(run.picture.content):,} bytes."


def second_upload(run: Run) -> str | None:
    """The presigned upload is for one image: S3 stores no second version."""
    return _refused(run) if run.uploaded else None


def _refused(run: Run, headers: Headers | None = None, *, url: str = "", content: bytes = b"") -> str:
    _of(run)
    before = len(run.deployment.images())
    try:
        answer = f"{_send(run, headers, url=url, content=content).status_code}"
    except requests.ConnectionError:  # S3 does not read an upload to its end that it refuses
        answer = "connection closed"
    stored = len(run.deployment.images()) > before
    if stored or not answer.startswith(("4", "connection")):
        action = "Deploy this version again: a presigned upload must bind the object."
        raise FailedError(f"S3 answers {answer}{', and stores the object' if stored else ''}.", action)
    return f"Refused: {answer}."


def _of(run: Run) -> dict[str, Any]:
    """The presigned upload of the run."""
    if not run.presigned:
        raise WarningError("Not verified: the API gave no presigned upload.")
    return run.presigned


def _send(run: Run, headers: Headers | None = None, *, url: str = "", content: bytes = b"") -> Response:
    """Sends the presigned upload, or with these changes; a header with None is left out."""
    sent: Any = {**run.presigned["headers"], **(headers or {})}
    data = content or run.picture.content
    return run.deployment.http.put(url or run.presigned["url"], data=data, headers=sent, timeout=_HTTP_SECONDS)

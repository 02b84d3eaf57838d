"""Checks of the presigned upload: what S3 refuses, and that it accepts the image itself."""

from collections.abc import Mapping

import requests
from requests import Response

from chalicelib.domain.images import MAX_IMAGE_BYTES
from labelwatch.shared.interrupts import uninterrupted
from labelwatch.verify import api
from labelwatch.verify.deployment import Expected
from labelwatch.verify.outcome import FailedError, WarningError
from labelwatch.verify.state import Run

_HTTP_SECONDS = 300


def another_key(run: Run) -> str:
    """The form is for one key."""
    return _refused(run, {"key": f"{_key(run)}.png"}, run.picture.content)


def another_type(run: Run) -> str:
    """The form is for one content type."""
    return _refused(run, {"Content-Type": "text/html"}, run.picture.content)


def another_field(run: Run) -> str:
    """The form has no room for a field more."""
    return _refused(run, {"x-amz-meta-note": "x"}, run.picture.content)


def no_bytes(run: Run) -> str:
    """The form is for at least a byte."""
    return _refused(run, {}, b"")


def too_many_bytes(run: Run) -> str:
    """The form is for at most 15 MB: only the whole upload of a byte more shows that S3 enforces it."""
    return _refused(run, {}, bytes(MAX_IMAGE_BYTES + 1))


def model(run: Run) -> str:
    """Whether images are analysed now; a stopped model is not started."""
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
    _key(run)
    api.valid_token(run)  # once more: the checks before may have taken longer than their form is valid
    key = _key(run)
    with uninterrupted():  # S3 may store an image whose upload was cut off
        answer = _send(run, {}, run.picture.content)
    images = [image for image in run.deployment.images() if image.key == key]
    if not images:
        action = "Check that the role of api_handler may put the object."
        raise FailedError(f"S3 answers {answer.status_code}, and the object does not exist.", action)
    run.uploaded = Expected(images[0], run.deployment.outputs["CustomModelARN"])
    return f"S3 answers {answer.status_code}, {len(run.picture.content):,} bytes."


def _refused(run: Run, fields: Mapping[str, str], content: bytes) -> str:
    _key(run)
    before = len(run.deployment.images())
    try:
        answer = f"{_send(run, fields, content).status_code}"
    except requests.ConnectionError:  # S3 does not read an upload to its end that it refuses
        answer = "connection closed"
    stored = len(run.deployment.images()) > before
    if stored or not answer.startswith(("4", "connection")):
        action = "Deploy this version again: a presigned upload must bind the object."
        raise FailedError(f"S3 answers {answer}{', and stores the object' if stored else ''}.", action)
    return f"Refused: {answer}."


def _key(run: Run) -> str:
    """The key that the form is for."""
    if not run.form:
        raise WarningError("Not verified: the API gave no presigned upload.")
    return str(run.form["fields"]["key"])


def _send(run: Run, fields: Mapping[str, str], content: bytes) -> Response:
    return run.deployment.http.post(
        run.form["url"],
        data={**run.form["fields"], **fields},
        files={"file": (run.picture.name, content)},
        timeout=_HTTP_SECONDS,
    )

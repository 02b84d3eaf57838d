"""Checks of the pipeline: from the stored image to the alert, its link and its picture."""

import re
from datetime import UTC, datetime

from chalicelib import settings
from chalicelib.domain.alerts import MAX_BYTES_OF_A_LINE
from chalicelib.domain.predictions import Label, Prediction
from chalicelib.domain.rules import ANY_LABEL
from labelwatch.shared.interrupts import uninterrupted
from labelwatch.verify.api import HTTP_SECONDS
from labelwatch.verify.deployment import NO_MODEL, Expected, invented_image
from labelwatch.verify.outcome import FailedError, WarningError
from labelwatch.verify.state import Run

_LINK = re.compile(r"https?://\S+/p/[a-z2-7]{32}")
_NO_ALERT = "Not verified: no alert was received."


def subscribe(run: Run) -> str:
    """A temporary queue receives the alerts."""
    run.alert_queue.create()
    return "A temporary queue is subscribed to the alerts."


def detection(run: Run) -> str | None:
    """The image has rows in the output bucket."""
    expected = run.uploaded
    if not expected:
        return None
    if not run.wait(lambda: run.deployment.rows_of(expected)):
        raise FailedError(
            f"No rows after {run.wait_seconds:g} s.",
            f"Run `labelwatch dead-letters list`, and read the log group /aws/lambda/{run.deployment.name}-detect.",
        )
    run.rows = run.deployment.rows_of(expected)
    labels = [f"{row.label} {row.confidence:.1f} %" for row in run.rows if row.label and row.confidence is not None]
    return f"Rows stored: {', '.join(labels) or 'no label'}."


def expected_label(run: Run) -> str | None:
    """The label of --expect is among the rows."""
    label = run.expected_label
    if label is None:
        return None
    if not run.rows:
        raise WarningError(f"Not verified: {label} is expected, and the image was not analysed.")
    if label not in {row.label for row in run.rows}:
        raise FailedError(f"No label {label} in the image.", "Check --image, --expect and the model.")
    return f"{label} is detected."


def prediction(run: Run) -> str | None:
    """Where no model has found a label of interest, a prediction of this command takes the way behind the model."""
    if any(row.of_interest for row in run.rows):
        run.alerted = run.uploaded
        return None
    if run.uploaded and not run.rows:
        raise WarningError("Not verified: the image was not analysed.")
    bucket = run.deployment.outputs["InputBucket"]
    image = run.uploaded.image if run.uploaded else invented_image(bucket, run.picture.name, run.picture.content_type)
    sent = Expected(image, NO_MODEL)
    label = Label(_label_of_interest(run.deployment.outputs["LabelsofInterest"]), 100)
    with uninterrupted():
        run.deployment.send(
            Prediction(image=image, model=NO_MODEL, min_confidence=0, labels=(label,), detected_at=datetime.now(UTC))
        )
        run.alerted = sent
    if not run.wait(lambda: run.deployment.rows_of(sent)):
        raise FailedError(f"No rows of a test prediction after {run.wait_seconds:g} s.", _read_log(run))
    reason = "no label of interest was detected" if run.uploaded else "no image was uploaded"
    return f"Rows stored: a test prediction of {label.name}, because {reason}."


def alert_record(run: Run) -> str:
    """Notify has published the alert."""
    expected = run.alerted
    if not expected or not run.deployment.rows_of(expected):
        raise WarningError("Not verified: no rows of a label of interest are stored.")
    run.is_published = run.wait(lambda: run.deployment.is_alerted(expected))
    if not run.is_published:
        raise FailedError(f"The alert was not published after {run.wait_seconds:g} s.", _read_log(run))
    return "SNS has accepted the alert."


def received_alert(run: Run) -> str:
    """The temporary queue has received the alert."""
    expected = run.alerted
    if not expected or not run.is_published:
        raise WarningError("Not verified: no alert was published.")

    def receive() -> bool:
        alerts = run.alert_queue.receive()
        run.alert = next((alert for alert in alerts if expected.row_key in alert.predictions), None)
        return run.alert is not None

    if not run.wait(receive):
        raise FailedError(
            f"No alert in the temporary queue after {run.wait_seconds:g} s.",
            "Check the policy of the alerts topic, and its metric NumberOfNotificationsFailed.",
        )
    return f"Subject: {run.alert.subject if run.alert else ''}."


def alert_lines(run: Run) -> str:
    """Mail servers break no line of the alert."""
    longest = max(len(line.encode()) for line in _text(run).splitlines())
    if longest > MAX_BYTES_OF_A_LINE:
        raise FailedError(f"A line has {longest:,} bytes, over {MAX_BYTES_OF_A_LINE}.", "Deploy this version again.")
    return f"The longest line has {longest} bytes."


def alert_link(run: Run) -> str:
    """The alert's link opens a page."""
    _text(run)
    if run.deployment.outputs.get("PictureLinks") == "no":
        raise WarningError("Not verified: the setting PictureLinks is no, so alerts have no link.")
    link = _link(run)
    if not link:
        raise FailedError("The alert has no link.", f"{_read_log(run)} The metric PicturesWithoutLink counts them.")
    answer = run.deployment.http.get(link, timeout=HTTP_SECONDS)
    if answer.status_code != 200:
        raise FailedError(f"{answer.status_code} instead of 200.", "Read the log group of the function api_handler.")
    return "200, as expected."


def picture(run: Run) -> str | None:
    """The link leads to the very bytes that were uploaded."""
    if not run.uploaded:
        return None
    link = _link(run) if run.alert else None
    if not link:
        raise WarningError("Not verified: no link was received.")
    answer = run.deployment.http.get(f"{link}/image", timeout=HTTP_SECONDS)
    if answer.status_code != 200:
        raise FailedError(
            f"{answer.status_code} instead of 200.", "Check that the role of api_handler may get versions of the image."
        )
    if answer.content != run.picture.content:
        raise FailedError(f"Other {len(answer.content):,} bytes than were uploaded.", "Check the input bucket.")
    return f"The same {len(answer.content):,} bytes."


def dead_letters(run: Run) -> str:
    """The image and its prediction are in no dead-letter queue."""
    found = run.remove_dead_letters()
    if found:
        raise FailedError(
            "; ".join(f"{each.reason} in {each.queue.name}: {each.detail}" for each in found) + ".",
            "docs/reference/dead-letter-reasons.md lists the reasons.",
        )
    return "No dead letter."


def _label_of_interest(text: str) -> str:
    names = [label.name for label in settings.labels_of_interest(text) if label.name != ANY_LABEL]
    return names[0] if names else "test"


def _text(run: Run) -> str:
    if not run.alert:
        raise WarningError(_NO_ALERT)
    return run.alert.text


def _link(run: Run) -> str | None:
    found = _LINK.search(_text(run))
    return found[0] if found else None


def _read_log(run: Run) -> str:
    return f"Run `labelwatch dead-letters list`, and read the log group /aws/lambda/{run.deployment.name}-notify."

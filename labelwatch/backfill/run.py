"""`labelwatch backfill`: lists and counts the images, and sends them after a confirmation."""

import time
from collections.abc import Callable, Iterator, Mapping
from datetime import UTC, date, datetime
from math import ceil
from pathlib import Path
from typing import NamedTuple

from chalicelib.adapters.rekognition import ModelVersion
from chalicelib.adapters.sqs import Queue
from chalicelib.domain.errors import Fault
from chalicelib.domain.model import RUNNING, STARTABLE, STARTING, STOPPING
from chalicelib.settings import GENERAL_MODEL
from labelwatch.backfill.bookmark import Bookmark
from labelwatch.backfill.estimate import estimate
from labelwatch.backfill.listing import Listing, Predictions
from labelwatch.backfill.send import Batch, Sender, batches
from labelwatch.backfill.target import check
from labelwatch.shared import image_limit, stacks
from labelwatch.shared.account import Account
from labelwatch.shared.console import Terminal
from labelwatch.shared.errors import CtrlCError, UserError
from labelwatch.shared.lifetimes import expired_before
from labelwatch.shared.queues import queue_depth
from labelwatch.shared.s3_uri import S3Location
from labelwatch.shared.text import counted

_OUTPUTS = (
    "InputBucket",
    "OutputBucket",
    "ImagesQueueUrl",
    "CustomModelARN",
    "ModelAutoStart",
    "ModelMaxHoursPerMonth",
    image_limit.PARAMETER,
    "DashboardUrl",
)
_RETENTION = "MessageRetentionPeriod"


class Request(NamedTuple):
    """The options. `force` sends predicted images too; `units` is the number of inference units for the estimate."""

    stack: str
    target: S3Location
    force: bool = False
    notify: bool = False
    units: int = 1
    dry_run: bool = False


class Counts(NamedTuple):
    """The number of objects, and of objects to send."""

    objects: int
    to_send: int


def run(
    account: Account, request: Request, terminal: Terminal, folder: Path, pause: Callable[[float], None] = time.sleep
) -> None:
    """Runs a backfill with its bookmark in the folder; raises UserError where it cannot begin or finish."""
    outputs = stacks.outputs(account.client("cloudformation"), request.stack, *_OUTPUTS)
    check(request.target, request.stack, outputs)
    url, model = outputs["ImagesQueueUrl"], outputs["CustomModelARN"]
    bookmark = Bookmark(folder, (url, model, request.target, request.force, request.notify))
    after = bookmark.read()
    if after:
        terminal.print(f"Continuing after {after!r}. To start over, delete {bookmark.file}.")
    s3 = account.client("s3")
    since = expired_before(outputs, "PredictionDays", datetime.now(UTC).date())
    predictions = None if request.force else Predictions(s3, outputs["OutputBucket"], model, since)
    listing = Listing(s3, request.target, predictions)
    counts = _count(listing, after, terminal)
    if not counts.objects and not after:
        raise UserError(f"No objects at {request.target}. Check the bucket and the prefix.")
    terminal.print(_counts_sentence(counts, request))
    if predictions and since > date.min:
        terminal.print(
            f"Images uploaded before {since} (UTC) count as predicted: their predictions may have expired "
            "(PredictionDays). Use --force to include these images."
        )
    if counts.to_send:
        for sentence in _forecast(account, outputs, counts.to_send, request.units):
            terminal.print(sentence)
    images = counted(counts.to_send, "image")
    if request.dry_run:
        terminal.print(f"Dry run: {images} would be sent. Nothing was changed.")
        return
    if counts.to_send:
        terminal.confirm(f"Send {images}?")
        queue = Queue(account.client("sqs"), url)
        sender = Sender(queue, request.target.bucket, datetime.now(UTC), request.notify, request.force, pause)
        _send(listing, sender, bookmark, counts.to_send, terminal)
        terminal.print(f"Sent {images} to the images queue. Dashboard: {outputs['DashboardUrl']}")
    bookmark.remove()


def _count(listing: Listing, after: str, terminal: Terminal) -> Counts:
    objects = to_send = 0
    with terminal.progress() as bars:
        bar = bars.add_task("Listing images…", total=None)
        for page in listing.after(after):
            objects, to_send = objects + len(page.objects), to_send + len(page.to_send)
            bars.update(bar, completed=objects)
    return Counts(objects, to_send)


def _counts_sentence(counts: Counts, request: Request) -> str:
    predicted = "" if request.force else f", {counts.objects - counts.to_send:,} already predicted"
    alerts = "with" if request.notify else "without"
    prefix = request.target.prefix
    # A prefix that looks like a folder's name matches more than that folder.
    beginning = f" (all keys that begin with {prefix!r})" if prefix and not prefix.endswith("/") else ""
    objects = f"{counted(counts.objects, 'object')}{predicted}"
    return f"{request.target}{beginning}: {objects}, {counts.to_send:,} to send, {alerts} alerts."


def _forecast(account: Account, outputs: Mapping[str, str], images: int, units: int) -> Iterator[str]:
    """Sentences on time and cost; raises UserError where images would expire in the queue."""
    sqs, url, model = account.client("sqs"), outputs["ImagesQueueUrl"], outputs["CustomModelARN"]
    sentence, hours = estimate(images, model, units)
    yield sentence
    if model != GENERAL_MODEL:
        yield _model_sentence(account, model, auto_start=outputs["ModelAutoStart"] == "yes")
    if limit := _monthly_limit_sentence(outputs, hours, units):
        yield limit
    days = _days(int(outputs[image_limit.PARAMETER]), images)
    if days > 1:
        hours = max(hours or 0, (days - 1) * 24)
        yield f"{image_limit.PARAMETER} is {outputs[image_limit.PARAMETER]}: the backfill takes {days:,} days."
    if waiting := queue_depth(sqs, url):
        yield f"{counted(waiting, 'message')} already queued; waiting images will be sent again."
    # SQS deletes messages after the retention period without a notice.
    attributes = sqs.get_queue_attributes(QueueUrl=url, AttributeNames=[_RETENTION])["Attributes"]
    retention_hours = int(attributes[_RETENTION]) / 3600
    if hours and hours > retention_hours:
        raise UserError(
            f"The estimate of {hours:,.1f} hours exceeds the queue's retention period of {retention_hours:,.1f} hours. "
            "Backfill one prefix at a time, raise MaxImagesPerDay, or run the model on more inference units and pass "
            "--units."
        )


def _days(most: int, images: int) -> int:
    """The days (UTC) that the limit of images a day spreads the backfill over."""
    return ceil(images / most) if most else 1


def _model_sentence(account: Account, model: str, *, auto_start: bool) -> str:
    """The status of the model; the backfill goes on without the permission to read the status."""
    try:
        status = ModelVersion(account.client("rekognition"), model).status()
    except Fault as fault:
        return f"Model: unknown ({fault.reason}). Images wait in the queue until the model runs."
    if status == RUNNING:
        return f"Model: {status}."
    if status == STARTING:
        return f"Model: {status}. Images wait in the queue until the model runs."
    if auto_start and status in STARTABLE | {STOPPING}:
        return f"Model: {status}. Labelwatch starts it when images wait (ModelAutoStart)."
    return f"Model: {status}. Images wait in the queue until you run `labelwatch model start`."


def _monthly_limit_sentence(outputs: Mapping[str, str], hours: float | None, units: int) -> str | None:
    """The limit at which Labelwatch stops the model before the last image; None below the limit."""
    most = int(outputs["ModelMaxHoursPerMonth"])
    # `hours` are on these units; a model that Labelwatch starts has one.
    if outputs["ModelAutoStart"] != "yes" or not 0 < most < (hours or 0) * units:
        return None
    return (
        f"Labelwatch starts the model with 1 inference unit and stops it after {counted(most, 'hour')} per month "
        "(ModelMaxHoursPerMonth). The remaining images wait in the queue, for 14 days at most. To avoid the limit, run "
        f"`labelwatch model start --units {units}`."
    )


def _send(listing: Listing, sender: Sender, bookmark: Bookmark, total: int, terminal: Terminal) -> None:
    """Sends the listing from the bookmark on, and moves the bookmark."""
    sent, until = 0, bookmark.read()

    def confirm(batch: Batch) -> None:
        nonlocal sent, until
        sent, until = sent + len(batch.keys), batch.until
        bars.update(bar, completed=sent)
        if not batch.keys:  # the end of a page; a write for each call would be too many
            bookmark.write(until)

    with terminal.progress() as bars:
        bar = bars.add_task("Sending images…", total=total)
        to_send = (batch for page in listing.after(until) for batch in batches(page))
        try:
            faults = sender.send(to_send, confirm)
        except KeyboardInterrupt:
            raise CtrlCError(
                f"Stopped after {sent:,} of {counted(total, 'image')}. Run the same command to continue."
            ) from None
        finally:
            bookmark.write(until)
    for key, fault in faults.items():
        terminal.print(f"Not sent: {key!r}: {fault}")
    if faults:
        raise UserError(
            f"SQS rejected {counted(len(faults), 'image')}, listed above. Later images were not sent. Run the same "
            "command to continue."
        )

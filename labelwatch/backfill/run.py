"""`labelwatch backfill`: lists and counts the images, asks for a confirmation, and sends them."""

from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
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
from labelwatch.shared import stacks
from labelwatch.shared.account import Account
from labelwatch.shared.console import Terminal
from labelwatch.shared.errors import CtrlCError, UserError
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
    "DashboardUrl",
)
_RETENTION = "MessageRetentionPeriod"


class Request(NamedTuple):
    """The options. `force` sends predicted images too; `units` are the inference units of the estimate."""

    stack: str
    target: S3Location
    force: bool = False
    notify: bool = False
    units: int = 1
    dry_run: bool = False


class Counts(NamedTuple):
    """The number of objects, and of those to send."""

    objects: int
    to_send: int


def run(account: Account, request: Request, terminal: Terminal, folder: Path) -> None:
    """Runs a backfill whose bookmark is in the folder; raises UserError where it cannot begin, or not finish."""
    outputs = stacks.outputs(account.client("cloudformation"), request.stack, *_OUTPUTS)
    check(request.target, request.stack, outputs)
    url, model = outputs["ImagesQueueUrl"], outputs["CustomModelARN"]
    bookmark = Bookmark(folder, (url, model, request.target, request.force, request.notify))
    after = bookmark.read()
    if after:
        terminal.print(f"This goes on after {after!r}, where it was stopped; without {bookmark.file} it begins anew.")
    s3 = account.client("s3")
    predictions = None if request.force else Predictions(s3, outputs["OutputBucket"], model)
    listing = Listing(s3, request.target, predictions)
    counts = _count(listing, after, terminal)
    if not counts.objects and not after:
        raise UserError(f"there is nothing at {request.target}.")
    terminal.print(_counts_sentence(counts, request))
    if counts.to_send:
        for sentence in _forecast(account, outputs, counts.to_send, request.units):
            terminal.print(sentence)
    if request.dry_run:
        return
    if counts.to_send:
        terminal.confirm("Send them?")
        queue = Queue(account.client("sqs"), url)
        sender = Sender(queue, request.target.bucket, datetime.now(UTC), request.notify, request.force)
        _send(listing, sender, bookmark, counts.to_send, terminal)
        images = counted(counts.to_send, "image")
        terminal.print(f"On the images queue: {images}; where they are: {outputs['DashboardUrl']}")
    bookmark.remove()


def _count(listing: Listing, after: str, terminal: Terminal) -> Counts:
    objects = to_send = 0
    with terminal.progress() as bars:
        bar = bars.add_task("listed", total=None)
        for page in listing.after(after):
            objects, to_send = objects + len(page.objects), to_send + len(page.to_send)
            bars.update(bar, completed=objects)
    return Counts(objects, to_send)


def _counts_sentence(counts: Counts, request: Request) -> str:
    predicted = "" if request.force else f", {counts.objects - counts.to_send:,} of them predicted already"
    alerts = "with" if request.notify else "without"
    prefix = request.target.prefix
    # A prefix that looks like a folder's name matches more than that folder.
    beginning = f" (keys that begin with {prefix!r})" if prefix and not prefix.endswith("/") else ""
    return (
        f"{request.target}{beginning}: {counted(counts.objects, 'object')}{predicted}; {counts.to_send:,} to send, "
        f"{alerts} alerts."
    )


def _forecast(account: Account, outputs: Mapping[str, str], images: int, units: int) -> Iterator[str]:
    """When the images are analysed and what that costs; raises UserError where they would expire before."""
    sqs, url, model = account.client("sqs"), outputs["ImagesQueueUrl"], outputs["CustomModelARN"]
    sentence, hours = estimate(images, model, units)
    yield sentence
    if model != GENERAL_MODEL:
        yield _model_sentence(account, model, auto_start=outputs["ModelAutoStart"] == "yes")
    if limit := _monthly_limit_sentence(outputs, hours, units):
        yield limit
    if waiting := queue_depth(sqs, url):
        yield (
            f"On that queue already: {counted(waiting, 'message')}. Images that wait there, of an earlier run say, are "
            "not predicted yet and are sent once more: wait until that is done to leave them out."
        )
    # SQS drops messages that have waited too long without a word.
    attributes = sqs.get_queue_attributes(QueueUrl=url, AttributeNames=[_RETENTION])["Attributes"]
    retention_hours = int(attributes[_RETENTION]) / 3600
    if hours and hours > retention_hours:
        raise UserError(
            f"that is more than the {retention_hours:,.0f} hours for which the queue keeps a message; send one prefix "
            "at a time, or run the model on more inference units and say how many: --units."
        )


def _model_sentence(account: Account, model: str, *, auto_start: bool) -> str:
    """Whether the model runs; a person without the right to read its status may send images all the same."""
    try:
        status = ModelVersion(account.client("rekognition"), model).status()
    except Fault as fault:
        return f"Whether the model runs is not known ({fault.reason}); where it does not, they wait on their queue."
    if status == RUNNING:
        return "The model runs: they are looked at as they come."
    starts_itself = auto_start and status in STARTABLE | {STOPPING}
    start = "ModelAutoStart has it started for them" if starts_itself else "`labelwatch model start` starts it"
    return f"The model is {status}: they wait on their queue until it runs" + (
        "." if status == STARTING else f"; {start}."
    )


def _monthly_limit_sentence(outputs: Mapping[str, str], hours: float | None, units: int) -> str | None:
    """Where Labelwatch stops the model that it started before all images are analysed; None where it does not."""
    most = int(outputs["ModelMaxHoursPerMonth"])
    # `hours` are on these units; a model that Labelwatch starts has one.
    if outputs["ModelAutoStart"] != "yes" or not 0 < most < (hours or 0) * units:
        return None
    return (
        f"A run that Labelwatch starts is on 1 inference unit and ends after {counted(most, 'hour')} a month "
        "(ModelMaxHoursPerMonth): what is left then waits, for 14 days at most. A run by hand is not held by that: "
        f"`labelwatch model start --units {units}`."
    )


def _send(listing: Listing, sender: Sender, bookmark: Bookmark, total: int, terminal: Terminal) -> None:
    """Sends the listing from the bookmark on, which moves with it."""
    sent, until = 0, bookmark.read()

    def confirm(batch: Batch) -> None:
        nonlocal sent, until
        sent, until = sent + len(batch.keys), batch.until
        bars.update(bar, completed=sent)
        if not batch.keys:  # the end of a page; a write for each call would be too many
            bookmark.write(until)

    with terminal.progress() as bars:
        bar = bars.add_task("sent", total=total)
        to_send = (batch for page in listing.after(until) for batch in batches(page))
        try:
            faults = sender.send(to_send, confirm)
        except KeyboardInterrupt:
            raise CtrlCError(
                f"stopped: {sent:,} of {counted(total, 'image')} sent; the same command goes on from there."
            ) from None
        finally:
            bookmark.write(until)
    for key, fault in faults.items():
        terminal.print(f"not sent: {key!r}: {fault}")
    if faults:
        raise UserError(
            f"SQS did not take {counted(len(faults), 'image')}, named above; what comes after is not sent. The same "
            "command goes on from there."
        )

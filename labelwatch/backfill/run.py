"""`labelwatch backfill`: what is there is listed and counted, then asked about, then sent."""

from datetime import UTC, datetime
from pathlib import Path
from typing import Any, NamedTuple

from chalicelib.adapters.rekognition import ModelVersion
from chalicelib.adapters.sqs import Queue
from chalicelib.domain.errors import Fault
from chalicelib.domain.model import RUNNING, STARTABLE, STARTING, STOPPING
from chalicelib.settings import GENERAL_MODEL
from labelwatch.backfill.bookmark import Bookmark
from labelwatch.backfill.estimate import expected
from labelwatch.backfill.listing import Listing, Predictions
from labelwatch.backfill.send import Batch, Sender, batches
from labelwatch.backfill.target import Place, check
from labelwatch.shared import stacks
from labelwatch.shared.account import Account
from labelwatch.shared.console import Terminal
from labelwatch.shared.errors import CtrlCError, UserError
from labelwatch.shared.text import counted

NEEDED = (
    "InputBucket",
    "OutputBucket",
    "ImagesQueueUrl",
    "CustomModelARN",
    "ModelAutoStart",
    "ModelMaxHoursPerMonth",
    "DashboardUrl",
)
RETENTION = "MessageRetentionPeriod"


class Wanted(NamedTuple):
    """What is asked for. `force`: what is predicted already, too; `units`: the inference units to reckon with."""

    stack: str
    place: Place
    force: bool = False
    notify: bool = False
    units: int = 1
    dry_run: bool = False


class Counted(NamedTuple):
    """So many objects, and so many of them to send."""

    objects: int
    to_send: int


def run(account: Account, wanted: Wanted, terminal: Terminal, folder: Path) -> None:
    """Does it; `folder` keeps where it was stopped. Raises UserError where it cannot be done, or not to its end."""
    outputs = stacks.outputs(account.client("cloudformation"), wanted.stack, *NEEDED)
    check(wanted.place, wanted.stack, outputs)
    s3, sqs = account.client("s3"), account.client("sqs")
    url, model = outputs["ImagesQueueUrl"], outputs["CustomModelARN"]
    bookmark = Bookmark(folder, (url, model, wanted.place, wanted.force, wanted.notify))
    after = bookmark.read()
    if after:
        terminal.print(f"This goes on after {after!r}, where it was stopped; without {bookmark.file} it begins anew.")
    listing = Listing(s3, wanted.place, None if wanted.force else Predictions(s3, outputs["OutputBucket"], model))
    found = _count(listing, after, terminal)
    if not found.objects and not after:
        raise UserError(f"there is nothing at {wanted.place}.")
    _tell(found, wanted, terminal)
    if not found.to_send:
        if not wanted.dry_run:
            bookmark.remove()
        return
    expects = expected(found.to_send, model, wanted.units)
    terminal.print(expects.said)
    if model != GENERAL_MODEL:
        terminal.print(_model_s_part(account, model, auto_start=outputs["ModelAutoStart"] == "yes"))
    if ends := _month_s_end(outputs, expects.hours, wanted.units):
        terminal.print(ends)
    if waiting := Queue(sqs, url).waiting():
        terminal.print(
            f"On that queue already: {counted(waiting, 'message')}. Images that wait there, of an earlier run say, are "
            "not predicted yet and are sent once more: wait until that is done to leave them out."
        )
    _refuse_what_would_expire(sqs, url, expects.hours)
    if wanted.dry_run:
        return
    terminal.confirm("Send them?")
    sender = Sender(Queue(sqs, url), wanted.place.bucket, datetime.now(UTC), wanted.notify, wanted.force)
    _send(listing, sender, bookmark, found.to_send, terminal)
    terminal.print(f"On the images queue: {counted(found.to_send, 'image')}; where they are: {outputs['DashboardUrl']}")
    bookmark.remove()


def _count(listing: Listing, after: str, terminal: Terminal) -> Counted:
    objects = to_send = 0
    with terminal.progress() as bars:
        bar = bars.add_task("listed", total=None)
        for page in listing.after(after):
            objects, to_send = objects + len(page.objects), to_send + len(page.to_send)
            bars.update(bar, completed=objects)
    return Counted(objects, to_send)


def _tell(found: Counted, wanted: Wanted, terminal: Terminal) -> None:
    predicted = "" if wanted.force else f", {found.objects - found.to_send:,} of them predicted already"
    alerts = "with" if wanted.notify else "without"
    prefix = wanted.place.prefix
    # It looks like a folder's name, and takes more than that folder.
    begin = f" (keys that begin with {prefix!r})" if prefix and not prefix.endswith("/") else ""
    terminal.print(
        f"{wanted.place}{begin}: {counted(found.objects, 'object')}{predicted}; {found.to_send:,} to send, {alerts} "
        "alerts."
    )


def _model_s_part(account: Account, model: str, *, auto_start: bool) -> str:
    """When they are looked at; whoever may not ask for the model's status may send them all the same."""
    try:
        status = ModelVersion(account.client("rekognition"), model).status()
    except Fault as fault:
        return f"Whether the model runs is not known ({fault.reason}); where it does not, they wait on their queue."
    if status == RUNNING:
        return "The model runs: they are looked at as they come."
    by_itself = auto_start and status in STARTABLE | {STOPPING}
    starts = "ModelAutoStart has it started for them" if by_itself else "`labelwatch model start` starts it"
    return f"The model is {status}: they wait on their queue until it runs" + (
        "." if status == STARTING else f"; {starts}."
    )


def _month_s_end(outputs: dict[str, str], hours: float | None, units: int) -> str | None:
    """That Labelwatch ends its run of the model before all are looked at; None where it does not, or starts none."""
    most = int(outputs["ModelMaxHoursPerMonth"])
    # On these units; what Labelwatch starts has one.
    if outputs["ModelAutoStart"] != "yes" or not 0 < most < (hours or 0) * units:
        return None
    return (
        f"A run that Labelwatch starts is on 1 inference unit and ends after {counted(most, 'hour')} a month "
        "(ModelMaxHoursPerMonth): what is left then waits, for 14 days at most. A run by hand is not held by that: "
        f"`labelwatch model start --units {units}`."
    )


def _refuse_what_would_expire(sqs: Any, url: str, hours: float | None) -> None:  # noqa: ANN401 - of any endpoint
    """SQS drops what has waited for too long, and says nothing."""
    answer = sqs.get_queue_attributes(QueueUrl=url, AttributeNames=[RETENTION])
    kept = int(answer["Attributes"][RETENTION]) / 3600
    if hours and hours > kept:
        raise UserError(
            f"that is more than the {kept:,.0f} hours for which the queue keeps a message; send one prefix at a time, "
            "or run the model on more inference units and say how many: --units."
        )


def _send(listing: Listing, sender: Sender, bookmark: Bookmark, total: int, terminal: Terminal) -> None:
    """Sends all of the listing after the bookmark, which is moved on with it."""
    done, until = 0, bookmark.read()

    def sent(batch: Batch) -> None:
        nonlocal done, until
        done, until = done + len(batch.keys), batch.until
        bars.update(bar, completed=done)
        if not batch.keys:  # the end of a page; for each call would be often
            bookmark.write(until)

    with terminal.progress() as bars:
        bar = bars.add_task("sent", total=total)
        to_send = (batch for page in listing.after(until) for batch in batches(page))
        try:
            failed = sender.send(to_send, sent)
        except KeyboardInterrupt:
            raise CtrlCError(
                f"stopped: {done:,} of {counted(total, 'image')} sent; the same command goes on from there."
            ) from None
        finally:
            bookmark.write(until)
    for key, fault in failed.items():
        terminal.print(f"not sent: {key!r}: {fault}")
    if failed:
        raise UserError(
            f"SQS did not take {counted(len(failed), 'image')}, named above; what comes after is not sent. The same "
            "command goes on from there."
        )

"""`labelwatch backfill`: what is there is listed and counted, then asked about, then sent."""

from datetime import UTC, datetime
from pathlib import Path
from typing import Any, NamedTuple

from chalicelib.adapters.sqs import Queue
from chalicelib.settings import GENERAL_MODEL
from labelwatch import stack
from labelwatch.aws import Account
from labelwatch.backfill.bookmark import Bookmark
from labelwatch.backfill.expecting import expected
from labelwatch.backfill.listing import Listing, Predictions
from labelwatch.backfill.place import Place, check
from labelwatch.backfill.sending import Batch, Sender, batches
from labelwatch.errors import UserError
from labelwatch.operator import Operator

NEEDED = ("InputBucket", "OutputBucket", "ImagesQueueUrl", "CustomModelARN", "DashboardUrl")
RETENTION = "MessageRetentionPeriod"


class Wanted(NamedTuple):
    """What is asked for. `again`: what is predicted already, too; `units`: the inference units to reckon with."""

    stack: str
    place: Place
    again: bool = False
    alert: bool = False
    units: int = 1
    dry_run: bool = False


class Counted(NamedTuple):
    """So many objects, and so many of them to send."""

    objects: int
    to_send: int


def run(account: Account, wanted: Wanted, operator: Operator, folder: Path) -> None:
    """Does it; `folder` keeps where it was stopped. Raises UserError where it cannot be done, or not to its end."""
    outputs = stack.outputs(account.client("cloudformation"), wanted.stack, *NEEDED)
    check(wanted.place, wanted.stack, outputs)
    s3, sqs = account.client("s3"), account.client("sqs")
    url, model = outputs["ImagesQueueUrl"], outputs["CustomModelARN"]
    bookmark = Bookmark(folder, (url, model, wanted.place, wanted.again, wanted.alert))
    after = bookmark.read()
    if after:
        operator.tell(f"This goes on after {after!r}, where it was stopped; without {bookmark.file} it begins anew.")
    listing = Listing(s3, wanted.place, None if wanted.again else Predictions(s3, outputs["OutputBucket"], model))
    counted = _count(listing, after, operator)
    if not counted.objects and not after:
        raise UserError(f"there is nothing at {wanted.place}.")
    _tell(counted, wanted, operator)
    if not counted.to_send:
        if not wanted.dry_run:
            bookmark.remove()
        return
    expects = expected(counted.to_send, model, wanted.units)
    operator.tell(expects.said)
    if model != GENERAL_MODEL:
        operator.tell("Where the model is not running, they wait on their queue until it is: `labelwatch model start`.")
    if waiting := Queue(sqs, url).waiting():
        operator.tell(f"{waiting:,} messages are on that queue already; images of an earlier run may be among them.")
    _refuse_what_would_expire(sqs, url, expects.hours)
    if wanted.dry_run:
        return
    operator.must_agree("Send them?")
    sender = Sender(Queue(sqs, url), wanted.place.bucket, datetime.now(UTC), wanted.alert, wanted.again)
    _send(listing, sender, bookmark, counted.to_send, operator)
    operator.tell(f"{counted.to_send:,} images are on the images queue; where they are: {outputs['DashboardUrl']}")
    bookmark.remove()


def _count(listing: Listing, after: str, operator: Operator) -> Counted:
    objects = to_send = 0
    with operator.progress() as bars:
        bar = bars.add_task("listed", total=None)
        for page in listing.after(after):
            objects, to_send = objects + len(page.objects), to_send + len(page.to_send)
            bars.update(bar, completed=objects)
    return Counted(objects, to_send)


def _tell(counted: Counted, wanted: Wanted, operator: Operator) -> None:
    predicted = "" if wanted.again else f", {counted.objects - counted.to_send:,} of them predicted already"
    alerts = "with" if wanted.alert else "without"
    operator.tell(
        f"{wanted.place}: {counted.objects:,} objects{predicted}; {counted.to_send:,} to send, {alerts} alerts."
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


def _send(listing: Listing, sender: Sender, bookmark: Bookmark, total: int, operator: Operator) -> None:
    """Sends all of the listing after the bookmark, which is moved on with it."""
    done, until = 0, bookmark.read()

    def sent(batch: Batch) -> None:
        nonlocal done, until
        done, until = done + len(batch.keys), batch.until
        bars.update(bar, completed=done)
        if not batch.keys:  # the end of a page; for each call would be often
            bookmark.write(until)

    with operator.progress() as bars:
        bar = bars.add_task("sent", total=total)
        to_send = (batch for page in listing.after(until) for batch in batches(page))
        try:
            failed = sender.send(to_send, sent)
        except KeyboardInterrupt:
            raise UserError(
                f"stopped: {done:,} of {total:,} images are sent; the same command goes on from there."
            ) from None
        finally:
            bookmark.write(until)
    for key, fault in failed.items():
        operator.tell(f"not sent: {key!r}: {fault}")
    if failed:
        raise UserError(
            f"SQS did not take {len(failed)} images, named above, and what comes after them is not sent; the same "
            "command goes on from there."
        )

"""The removal of all that a verification creates, also after Ctrl-C and after a failure."""

from collections.abc import Callable, Iterator
from contextlib import suppress
from functools import partial

from botocore.exceptions import BotoCoreError, ClientError

from chalicelib.domain.errors import Fault
from labelwatch.shared.errors import UserError
from labelwatch.shared.interrupts import uninterrupted
from labelwatch.verify.deployment import NO_MODEL, Expected
from labelwatch.verify.outcome import FailedError
from labelwatch.verify.state import Run

_ERRORS = (Fault, ClientError, BotoCoreError, UserError)
# A part of the removal, by the name of what it deletes.
type Part = tuple[str, Callable[[], object]]


def remove(run: Run) -> str:
    """Deletes everything that the run created; raises FailedError with what is left.

    It first waits until each image has an outcome: of an image that is deleted earlier, detect makes a dead letter. A
    second Ctrl-C ends the wait.
    """
    if not run.has_waited:
        with suppress(KeyboardInterrupt, SystemExit, *_ERRORS):
            run.wait(lambda: not _unfinished(run))
    with uninterrupted():
        left = list(_left_over(run))
    if left:
        action = "Run the command again once the other checks pass: it removes this too."
        raise FailedError(f"Not removed: {'; '.join(left)}.", action)
    return "Token, queue, subscription, image, rows, records, links and dead letters of this run are deleted."


def _unfinished(run: Run) -> list[Expected]:
    """The predictions that are not yet made, or not yet alerted of."""
    images = run.deployment.images()
    expected = [Expected(image, run.deployment.outputs["CustomModelARN"]) for image in images]
    sent = [run.sent] if run.sent else []
    return [each for each in [*expected, *sent] if each.image.key not in run.dead and not _is_finished(run, each)]


def _is_finished(run: Run, expected: Expected) -> bool:
    rows = run.deployment.rows_of(expected)
    needs_alert = any(row.of_interest for row in rows)
    return bool(rows) and (not needs_alert or run.deployment.is_alerted(expected))


def _left_over(run: Run) -> Iterator[str]:
    """What could not be removed, each with the reason."""
    deployment = run.deployment
    yield from _failed(("token", deployment.delete_token))
    yield from _failed(("upload records", deployment.delete_upload_records))
    yield from _failed(("temporary queue", run.alert_queue.delete))
    unfinished: set[str] = set()
    yield from _failed(("dead letters, images and rows", partial(_remove_images, run, unfinished)))
    yield from (f"{key}, which the functions have not finished" for key in sorted(unfinished))
    yield from _failed(("links", deployment.delete_links))


def _remove_images(run: Run, unfinished: set[str]) -> None:
    """Deletes the images that have an outcome, with what follows from them; adds the keys of the others."""
    if _unfinished(run):
        run.remove_dead_letters()
    unfinished.update(each.image.key for each in _unfinished(run))
    deployment = run.deployment
    images = [image for image in deployment.images() if image.key not in unfinished]
    model = deployment.outputs["CustomModelARN"]
    expected = [Expected(image, name) for image in images for name in (model, NO_MODEL)]
    for each in [*expected, *([run.sent] if run.sent and run.sent.image.key not in unfinished else [])]:
        deployment.delete_prediction(each.row_key)
    for image in images:
        deployment.delete_image(image)


def _failed(*parts: Part) -> Iterator[str]:
    for name, delete in parts:
        try:
            delete()
        except _ERRORS as problem:
            yield f"{name} ({str(problem).rstrip('.')})"

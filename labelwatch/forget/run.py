"""`labelwatch forget`: finds what is stored about the selected images, and deletes it after a confirmation."""

from collections.abc import Callable
from typing import NamedTuple

from labelwatch.dead_letters import OUTPUTS, dead_letter_queues, receiving
from labelwatch.forget import output
from labelwatch.forget.find import Finder, Found
from labelwatch.forget.records import Table
from labelwatch.forget.remove import Remover
from labelwatch.forget.selection import Selection
from labelwatch.shared import stacks
from labelwatch.shared.account import Account
from labelwatch.shared.console import Terminal
from labelwatch.shared.queues import queue_depth
from labelwatch.shared.text import counted

_OUTPUTS = ("InputBucket", "OutputBucket", "WorkspaceBucket", "TableName", "CustomModelARN", *OUTPUTS)


class Request(NamedTuple):
    """The options."""

    stack: str
    selection: Selection
    dry_run: bool = False


def run(account: Account, request: Request, terminal: Terminal, on_step: Callable[[str], None]) -> str:
    """Deletes what is found, and returns it as JSON; raises UserError where a part is left, or nobody agrees.

    `terminal` gets the text for people; `on_step` is called with the current work while nothing is deleted.
    """
    outputs = stacks.outputs(account.client("cloudformation"), request.stack, *_OUTPUTS)
    sqs, s3 = account.client("sqs"), account.client("s3")
    table = Table(account.client("dynamodb"), outputs["TableName"])
    queues = dead_letter_queues(outputs)
    with receiving(sqs, queues, terminal.print) as reader:
        waiting = sum(queue_depth(sqs, queue.source_url) for queue in queues)
        found = Finder(s3, table, outputs, on_step).find(request.selection, reader)
        waiting += reader.hidden_by_others
        on_step("")
        for line in output.lines(found):
            terminal.print(line)
        to_delete = _confirmed(found, request, outputs, terminal)
        if to_delete.total:
            Remover(s3, table, reader, request.selection).remove(to_delete, terminal)
            terminal.print(f"Deleted {counted(to_delete.total, 'item')} of {request.selection}.")
    if sentence := output.waiting_sentence(waiting):
        terminal.print(sentence)
    terminal.print("Not deleted, because Labelwatch cannot call it back:")
    for line in output.not_recallable(outputs):
        terminal.print(f"- {line}")
    return output.as_json(
        request.selection,
        found,
        outputs,
        waiting=waiting,
        deleted=bool(to_delete.total),
        kept=bool(found.existing_images and not to_delete.existing_images),
    )


def _confirmed(found: Found, request: Request, outputs: dict[str, str], terminal: Terminal) -> Found:
    """What to delete: nothing in a dry run; without the existing bucket where the user refuses."""
    if not found.total:
        terminal.print(f"Nothing found of {request.selection} in stack {request.stack}.")
        return found
    if request.dry_run:
        items = counted(found.total, "item")
        terminal.print(f"Dry run: {items} of {request.selection} would be deleted. Nothing was changed.")
        return Found([], [], [], [], [], [])
    own = found._replace(existing_images=[])
    if own.total:
        terminal.confirm(f"Delete {counted(own.total, 'item')} of {request.selection}? This cannot be undone.")
    if not found.existing_images:
        return own
    bucket, number = outputs["ExistingBucketName"], counted(len(found.existing_images), "version")
    if terminal.accepts(f"Bucket {bucket} is not part of the stack. Delete {number} in that bucket too?"):
        return found
    terminal.print(f"Kept {number} in bucket {bucket}.")
    return own

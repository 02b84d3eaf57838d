"""Redriving dead letters to their source queue, or deleting them, after a confirmation."""

from collections.abc import Callable, Sequence
from typing import NamedTuple

from chalicelib.adapters.sqs import Queue
from labelwatch.dead_letters import output
from labelwatch.dead_letters.dead_letter import DeadLetter, in_batches, number_of
from labelwatch.dead_letters.purged import PurgedImages
from labelwatch.dead_letters.reader import DeadLetterReader
from labelwatch.dead_letters.selection import reasons
from labelwatch.shared.console import Terminal
from labelwatch.shared.errors import UserError
from labelwatch.shared.text import counted


class Outcome(NamedTuple):
    """How many were finished, and SQS's reason for each that was not, by id.

    `duplicated` are on their source queue, and were not deleted from the dead-letter queue.
    """

    finished: int
    unchanged: dict[str, str]
    duplicated: dict[str, str]


class Change(NamedTuple):
    """A change of dead letters, a batch of one queue at a time, with its question and its verb."""

    apply: Callable[[DeadLetterReader, Sequence[DeadLetter]], Outcome]
    question: str
    progress: str
    done: str


def redrive(
    reader: DeadLetterReader,
    dead_letters: Sequence[DeadLetter],
    rejected: Sequence[DeadLetter],
    terminal: Terminal,
    *,
    dry_run: bool,
) -> None:
    """Sends each body to its source queue with new retries; raises UserError where a part fails.

    A dead letter is deleted only after its source queue has accepted it. The `rejected` ones are reported only.
    """
    if rejected:
        terminal.print(f"Skipped {number_of(rejected)}: permanently rejected. Use --force to include them.")
        terminal.print(f"Reasons: {reasons(rejected)}.{'' if dead_letters else ' Nothing was changed.'}")
    question = f"Redrive {number_of(dead_letters)} to the source queue?"
    change = Change(_send_back, question, "Redriving", "redriven")
    _confirm_and_apply(change, reader, dead_letters, terminal, dry_run=dry_run)


def purge(
    reader: DeadLetterReader,
    dead_letters: Sequence[DeadLetter],
    purged: PurgedImages,
    terminal: Terminal,
    *,
    dry_run: bool,
) -> None:
    """Deletes dead letters, and records their images as purged; raises UserError where a part fails."""

    def delete(reader: DeadLetterReader, batch: Sequence[DeadLetter]) -> Outcome:
        purged.record(batch)  # first: an image whose dead letter is deleted and not recorded would look lost
        unchanged = reader.delete(batch)
        return Outcome(len(batch) - len(unchanged), unchanged, {})

    question = f"Delete {number_of(dead_letters)}? This cannot be undone. The images in S3 are kept."
    change = Change(delete, question, "Deleting", "deleted")
    _confirm_and_apply(change, reader, dead_letters, terminal, dry_run=dry_run)


def _confirm_and_apply(
    change: Change, reader: DeadLetterReader, dead_letters: Sequence[DeadLetter], terminal: Terminal, *, dry_run: bool
) -> None:
    if not dead_letters:
        return
    output.print_summary(terminal.console, dead_letters)
    if dry_run:
        terminal.print(f"Dry run: {number_of(dead_letters)} would be {change.done}. Nothing was changed.")
        return
    terminal.confirm(change.question)
    outcomes: list[Outcome] = []
    with terminal.progress() as bars:
        bar = bars.add_task(f"{change.progress} dead letters…", total=len(dead_letters))
        for batch in in_batches(dead_letters):
            if reader.is_expired:
                break
            outcomes.append(change.apply(reader, batch))
            bars.advance(bar, len(batch))
    _report(outcomes, len(dead_letters), terminal, change.done)


def _report(outcomes: Sequence[Outcome], total: int, terminal: Terminal, done: str) -> None:
    finished = sum(outcome.finished for outcome in outcomes)
    terminal.print(f"{done.capitalize()}: {finished:,} of {counted(total, 'dead letter')}.")
    unchanged = [reason for outcome in outcomes for reason in outcome.unchanged.values()]
    duplicated = [reason for outcome in outcomes for reason in outcome.duplicated.values()]
    untried = total - finished - len(unchanged) - len(duplicated)
    problems = [
        f"{len(unchanged):,} unchanged ({unchanged[0]})" if unchanged else "",
        f"{len(duplicated):,} sent to the source queue, but not deleted ({duplicated[0]})" if duplicated else "",
        f"{untried:,} not attempted, because the visibility timeout of 30 minutes expired" if untried else "",
    ]
    if any(problems):
        raise UserError(
            f"Not all dead letters were {done}: {'; '.join(filter(None, problems))}. Run the same command to continue."
        )


def _send_back(reader: DeadLetterReader, batch: Sequence[DeadLetter]) -> Outcome:
    source = Queue(reader.sqs, batch[0].queue.source_url)
    faults = source.send([dead_letter.body for dead_letter in batch])
    unchanged = {batch[index].id: str(fault) for index, fault in faults.items()}
    sent = [dead_letter for dead_letter in batch if dead_letter.id not in unchanged]
    duplicated = reader.delete(sent)
    return Outcome(len(sent) - len(duplicated), unchanged, duplicated)

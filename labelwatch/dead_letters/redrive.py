"""Sending dead letters back to their source queue, or deleting them, after a confirmation."""

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

    `unchanged` stayed as they were; `duplicated` are on their source queue, and dead letters still.
    """

    finished: int
    unchanged: dict[str, str]
    duplicated: dict[str, str]


class Change(NamedTuple):
    """What happens to dead letters, a batch of one queue at a time, and how that is put into words."""

    apply: Callable[[DeadLetterReader, Sequence[DeadLetter]], Outcome]
    question: str
    done: str
    if_dry_run: str


def redrive(
    reader: DeadLetterReader,
    dead_letters: Sequence[DeadLetter],
    rejected: Sequence[DeadLetter],
    terminal: Terminal,
    *,
    dry_run: bool,
) -> None:
    """Sends each body back to its source queue, so that its tries start anew; raises UserError where a part fails.

    A dead letter is deleted only after its source queue has accepted it. The `rejected` ones are reported only.
    """
    if rejected:
        terminal.print(
            f"{number_of(rejected)} left out, rejected for good and dead again if moved: {reasons(rejected)}. "
            "--force moves them too."
        )
        if not dead_letters:
            terminal.print("Nothing is moved.")
    change = Change(
        _send_back,
        f"Put {number_of(dead_letters)} back where {'it' if len(dead_letters) == 1 else 'they'} came from?",
        "Put back",
        f"Nothing is moved: {number_of(dead_letters)} would be.",
    )
    _confirm_and_apply(change, reader, dead_letters, terminal, dry_run=dry_run)


def purge(
    reader: DeadLetterReader,
    dead_letters: Sequence[DeadLetter],
    purged: PurgedImages,
    terminal: Terminal,
    *,
    dry_run: bool,
) -> None:
    """Deletes them for good, and records their images as purged; raises UserError where a part fails."""

    def delete(reader: DeadLetterReader, batch: Sequence[DeadLetter]) -> Outcome:
        purged.record(batch)  # first: an image whose dead letter is deleted and not recorded would look lost
        unchanged = reader.delete(batch)
        return Outcome(len(batch) - len(unchanged), unchanged, {})

    change = Change(
        delete,
        f"Delete {number_of(dead_letters)} for good? The images stay.",
        "Deleted",
        f"Nothing is deleted: {number_of(dead_letters)} would be. The images stay.",
    )
    _confirm_and_apply(change, reader, dead_letters, terminal, dry_run=dry_run)


def _confirm_and_apply(
    change: Change, reader: DeadLetterReader, dead_letters: Sequence[DeadLetter], terminal: Terminal, *, dry_run: bool
) -> None:
    if not dead_letters:
        return
    terminal.console.print(output.summary_table(dead_letters))
    if dry_run:
        terminal.print(change.if_dry_run)
        return
    terminal.confirm(change.question)
    outcomes: list[Outcome] = []
    with terminal.progress() as bars:
        bar = bars.add_task("", total=len(dead_letters))
        for queue, batch in in_batches(dead_letters):
            if reader.is_expired:
                break
            bars.update(bar, description=queue.name)
            outcomes.append(change.apply(reader, batch))
            bars.advance(bar, len(batch))
    _report(outcomes, len(dead_letters), terminal, change.done)


def _report(outcomes: Sequence[Outcome], total: int, terminal: Terminal, done: str) -> None:
    finished = sum(outcome.finished for outcome in outcomes)
    terminal.print(f"{done}: {finished} of {counted(total, 'dead letter')}.")
    unchanged = [reason for outcome in outcomes for reason in outcome.unchanged.values()]
    duplicated = [reason for outcome in outcomes for reason in outcome.duplicated.values()]
    untried = total - finished - len(unchanged) - len(duplicated)
    problems = [
        f"left as they were: {len(unchanged)} ({unchanged[0]})" if unchanged else "",
        f"on their queue again, but not deleted here: {len(duplicated)} ({duplicated[0]})" if duplicated else "",
        f"not tried, since half an hour is over and others may see them: {untried}" if untried else "",
    ]
    if any(problems):
        raise UserError(f"{'; '.join(filter(None, problems))}. Run it again to go on.")


def _send_back(reader: DeadLetterReader, batch: Sequence[DeadLetter]) -> Outcome:
    source = Queue(reader.sqs, batch[0].queue.source_url)
    faults = source.send([dead_letter.body for dead_letter in batch])
    unchanged = {batch[index].id: str(fault) for index, fault in faults.items()}
    sent = [dead_letter for dead_letter in batch if dead_letter.id not in unchanged]
    duplicated = reader.delete(sent)
    return Outcome(len(sent) - len(duplicated), unchanged, duplicated)

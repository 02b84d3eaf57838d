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


class Outcome(NamedTuple):
    """How many were finished, and SQS's reason for each that was not, by id.

    `unchanged` stayed as they were; `duplicated` are on their source queue, and dead letters still.
    """

    finished: int
    unchanged: dict[str, str]
    duplicated: dict[str, str]


type Action = Callable[[DeadLetterReader, Sequence[DeadLetter]], Outcome]


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
    if not dead_letters:
        return
    terminal.console.print(output.summary_table(dead_letters))
    if dry_run:
        terminal.print(f"Nothing is moved: {number_of(dead_letters)} would be.")
        return
    pronoun = "it" if len(dead_letters) == 1 else "they"
    terminal.confirm(f"Put {number_of(dead_letters)} back where {pronoun} came from?")
    _apply(_send_back, reader, dead_letters, terminal, "Put back")


def purge(
    reader: DeadLetterReader,
    dead_letters: Sequence[DeadLetter],
    purged: PurgedImages,
    terminal: Terminal,
    *,
    dry_run: bool,
) -> None:
    """Deletes them for good, and records their images as purged; raises UserError where a part fails."""
    if not dead_letters:
        return
    terminal.console.print(output.summary_table(dead_letters))
    if dry_run:
        terminal.print(f"Nothing is deleted: {number_of(dead_letters)} would be. The images stay.")
        return
    terminal.confirm(f"Delete {number_of(dead_letters)} for good? The images stay.")

    def delete(reader: DeadLetterReader, batch: Sequence[DeadLetter]) -> Outcome:
        purged.record(batch)  # first: an image whose dead letter is deleted and not recorded would look lost
        unchanged = reader.delete(batch)
        return Outcome(len(batch) - len(unchanged), unchanged, {})

    _apply(delete, reader, dead_letters, terminal, "Deleted")


def _apply(
    action: Action, reader: DeadLetterReader, dead_letters: Sequence[DeadLetter], terminal: Terminal, verb: str
) -> None:
    unchanged: dict[str, str] = {}
    duplicated: dict[str, str] = {}
    finished = 0
    with terminal.progress() as bars:
        bar = bars.add_task("", total=len(dead_letters))
        for queue, batch in in_batches(dead_letters):
            if reader.is_expired:
                break
            bars.update(bar, description=queue.name)
            outcome = action(reader, batch)
            finished += outcome.finished
            unchanged |= outcome.unchanged
            duplicated |= outcome.duplicated
            bars.advance(bar, len(batch))
    terminal.print(f"{verb}: {finished} of {number_of(dead_letters)}.")
    untried = len(dead_letters) - finished - len(unchanged) - len(duplicated)
    problems = [
        f"left as they were: {len(unchanged)} ({_first(unchanged)})" if unchanged else "",
        f"on their queue again, but not deleted here: {len(duplicated)} ({_first(duplicated)})" if duplicated else "",
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


def _first(failed: dict[str, str]) -> str:
    return next(iter(failed.values()))

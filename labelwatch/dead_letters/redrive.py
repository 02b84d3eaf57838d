"""Putting dead letters back on the queue that they came from, or deleting them, after a question."""

from collections.abc import Callable, Sequence
from typing import NamedTuple

from chalicelib.adapters.sqs import Queue
from labelwatch.dead_letters import output
from labelwatch.dead_letters.dead_letter import Letter, in_batches, number_of
from labelwatch.dead_letters.purged import Purged
from labelwatch.dead_letters.reader import Held
from labelwatch.dead_letters.selection import reasons
from labelwatch.shared.console import Terminal
from labelwatch.shared.errors import UserError


class Outcome(NamedTuple):
    """How many were finished; what SQS said of those that were not, by their ids. The rest was not tried in time.

    `refused` stayed as they were; `doubled` are on their queue again, and dead letters still.
    """

    finished: int
    refused: dict[str, str]
    doubled: dict[str, str]


type Step = Callable[[Held, Sequence[Letter]], Outcome]


def redrive(
    held: Held, letters: Sequence[Letter], left_out: Sequence[Letter], terminal: Terminal, *, dry: bool
) -> None:
    """Puts them back, each with its body alone, so that it starts with fresh tries; raises UserError for a part.

    None is deleted here before its queue has taken it. `left_out` is only told of.
    """
    if left_out:
        terminal.print(
            f"{number_of(left_out)} left out, rejected for good and dead again if moved: {reasons(left_out)}. "
            "--force moves them too."
        )
        if not letters:
            terminal.print("Nothing is moved.")
    if not letters:
        return
    terminal.console.print(output.summed(letters))
    if dry:
        terminal.print(f"Nothing is moved: {number_of(letters)} would be.")
        return
    terminal.confirm(f"Put {number_of(letters)} back where {'it' if len(letters) == 1 else 'they'} came from?")
    _work(held, letters, terminal, _put_back, "Put back")


def purge(held: Held, letters: Sequence[Letter], purged: Purged, terminal: Terminal, *, dry: bool) -> None:
    """Deletes them for good, and remembers of which images they were; raises UserError for a part."""
    if not letters:
        return
    terminal.console.print(output.summed(letters))
    if dry:
        terminal.print(f"Nothing is deleted: {number_of(letters)} would be. The images stay.")
        return
    terminal.confirm(f"Delete {number_of(letters)} for good? The images stay.")

    def delete(held: Held, few: Sequence[Letter]) -> Outcome:
        purged.note(few)  # first: what is deleted and not remembered would look lost
        refused = held.delete(few)
        return Outcome(len(few) - len(refused), refused, {})

    _work(held, letters, terminal, delete, "Deleted")


def _work(held: Held, letters: Sequence[Letter], terminal: Terminal, step: Step, done: str) -> None:
    refused: dict[str, str] = {}
    doubled: dict[str, str] = {}
    finished = 0
    with terminal.progress() as bars:
        bar = bars.add_task("", total=len(letters))
        for box, few in in_batches(letters):
            if held.is_late:
                break
            bars.update(bar, description=box.name)
            outcome = step(held, few)
            finished += outcome.finished
            refused |= outcome.refused
            doubled |= outcome.doubled
            bars.advance(bar, len(few))
    terminal.print(f"{done}: {finished} of {number_of(letters)}.")
    untried = len(letters) - finished - len(refused) - len(doubled)
    left = [
        f"left as they were: {len(refused)} ({_first(refused)})" if refused else "",
        f"on their queue again, but not deleted here: {len(doubled)} ({_first(doubled)})" if doubled else "",
        f"not tried, since half an hour is over and others may see them: {untried}" if untried else "",
    ]
    if any(left):
        raise UserError(f"{'; '.join(filter(None, left))}. Run it again to go on.")


def _put_back(held: Held, few: Sequence[Letter]) -> Outcome:
    faults = Queue(held.sqs, few[0].box.source).send([one.body for one in few])
    taken = [one for place, one in enumerate(few) if place not in faults]
    doubled = held.delete(taken)
    return Outcome(len(taken) - len(doubled), {few[place].id: str(fault) for place, fault in faults.items()}, doubled)


def _first(failed: dict[str, str]) -> str:
    return next(iter(failed.values()))

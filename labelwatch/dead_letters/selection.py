"""Selection of dead letters by reason, key or id."""

from collections import Counter
from collections.abc import Iterable, Sequence
from fnmatch import fnmatchcase
from typing import NamedTuple

from chalicelib.domain.text import printable
from labelwatch.dead_letters.dead_letter import DeadLetter, number_of
from labelwatch.shared.errors import UserError

# The characters of an id that are shown, and that are enough to select a dead letter.
SHORTEST_ID = 8


class Filter(NamedTuple):
    """Shell patterns on the reason and on an image's key; None matches everything."""

    reason: str | None = None
    key: str | None = None

    def passes(self, dead_letter: DeadLetter) -> bool:
        """Whether the dead letter has this reason and, of several images, one with this key."""
        return (self.reason is None or fnmatchcase(dead_letter.reason, self.reason)) and (
            self.key is None or any(fnmatchcase(image.key, self.key) for image in dead_letter.images)
        )


def filter_of(reason: str | None, key: str | None, *, everything: bool) -> Filter:
    """The filter of these options; raises UserError for no option, or for `--all` with a filter."""
    by_name = Filter(reason, key)
    if everything and by_name != Filter():
        raise UserError("--all cannot be combined with --reason or --key. Pass either --all or the filters.")
    if not everything and by_name == Filter():
        raise UserError("Select dead letters: pass --all, --reason or --key.")
    return by_name


def matching(dead_letters: Sequence[DeadLetter], filter_: Filter) -> list[DeadLetter]:
    """The dead letters that pass; raises UserError where there are dead letters, and none of them does."""
    passing = [dead_letter for dead_letter in dead_letters if filter_.passes(dead_letter)]
    if dead_letters and not passing:
        raise UserError(
            f"No dead letters match the filter ({len(dead_letters):,} in all). Reasons found: {reasons(dead_letters)}."
        )
    return passing


def split_rejected(dead_letters: Sequence[DeadLetter], *, force: bool) -> tuple[list[DeadLetter], list[DeadLetter]]:
    """The dead letters to redrive, and the permanently rejected ones to skip: none with `force`."""
    redrivable = [dead_letter for dead_letter in dead_letters if force or not dead_letter.is_rejected]
    return redrivable, [dead_letter for dead_letter in dead_letters if not force and dead_letter.is_rejected]


def find(dead_letters: Sequence[DeadLetter], name: str, hidden_by_others: int = 0) -> DeadLetter:
    """The only dead letter with this id or beginning of an id, or of this image; else raises UserError.

    `hidden_by_others` is how many more are in flight with other consumers.
    """
    found = [dead_letter for dead_letter in dead_letters if _is_named(dead_letter, name)]
    if not found and hidden_by_others:
        raise UserError(
            f"No visible dead letter matches {name}. About {hidden_by_others:,} more are in flight with another "
            "consumer. Run the command again in a few minutes."
        )
    if not found:
        raise UserError(f"No dead letter matches {name}. Run `labelwatch dead-letters list` to list all.")
    if len(found) > 1:
        ids = ", ".join(dead_letter.id for dead_letter in found)
        raise UserError(f"{name} matches {number_of(found)}. Pass an id: {ids}.")
    return found[0]


def reasons(dead_letters: Iterable[DeadLetter]) -> str:
    """The reasons with their counts, the most frequent first."""
    counts = Counter(printable(dead_letter.reason) for dead_letter in dead_letters).most_common()
    return ", ".join(f"{reason} ({count})" for reason, count in counts)


def _is_named(dead_letter: DeadLetter, name: str) -> bool:
    by_id = len(name) >= SHORTEST_ID and dead_letter.id.startswith(name)
    return by_id or any(name in {image.key, str(image)} for image in dead_letter.images)

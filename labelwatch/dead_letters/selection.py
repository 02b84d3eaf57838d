"""Which dead letters a command is about."""

from collections import Counter
from collections.abc import Iterable, Sequence
from fnmatch import fnmatchcase
from typing import NamedTuple

from labelwatch.dead_letters.dead_letter import DeadLetter, number_of
from labelwatch.shared.errors import UserError
from labelwatch.shared.text import printable

# So much of an id is shown, and is enough to name a dead letter by.
SHORTEST_ID = 8


class Filter(NamedTuple):
    """Shell patterns on the reason and on an image's key; None lets everything pass."""

    reason: str | None = None
    key: str | None = None

    def passes(self, dead_letter: DeadLetter) -> bool:
        """Whether the dead letter has this reason and, of several images, one with this key."""
        return (self.reason is None or fnmatchcase(dead_letter.reason, self.reason)) and (
            self.key is None or any(fnmatchcase(image.key, self.key) for image in dead_letter.images)
        )


def filter_of(reason: str | None, key: str | None, *, everything: bool) -> Filter:
    """The filter that these options name; raises UserError where they name none, or two."""
    by_name = Filter(reason, key)
    if everything == (by_name != Filter()):
        raise UserError("say which dead letters: either --all, or --reason or --key, or both of these.")
    return by_name


def matching(dead_letters: Sequence[DeadLetter], filter_: Filter) -> list[DeadLetter]:
    """The dead letters that pass; raises UserError where there are dead letters, and none of them does."""
    passing = [dead_letter for dead_letter in dead_letters if filter_.passes(dead_letter)]
    if dead_letters and not passing:
        raise UserError(
            f"no dead letter matches ({len(dead_letters):,} in all); the reasons are {reasons(dead_letters)}."
        )
    return passing


def split_rejected(dead_letters: Sequence[DeadLetter], *, force: bool) -> tuple[list[DeadLetter], list[DeadLetter]]:
    """The dead letters to redrive, and the rejected ones, which would be dead again: none of these with `force`."""
    redrivable = [dead_letter for dead_letter in dead_letters if force or not dead_letter.is_rejected]
    return redrivable, [dead_letter for dead_letter in dead_letters if not force and dead_letter.is_rejected]


def find(dead_letters: Sequence[DeadLetter], name: str, hidden_by_others: int = 0) -> DeadLetter:
    """The only one with this id, or its beginning, or of this image; raises UserError for none and for several.

    `hidden_by_others` is how many there are beside these.
    """
    found = [dead_letter for dead_letter in dead_letters if _is_named(dead_letter, name)]
    if not found and hidden_by_others:
        raise UserError(
            f"no dead letter in sight is {name}; about {hidden_by_others} more are in the hands of somebody else. Run "
            "it again in a while."
        )
    if not found:
        raise UserError(f"there is no dead letter {name}; `labelwatch dead-letters list` shows which there are.")
    if len(found) > 1:
        ids = ", ".join(dead_letter.id for dead_letter in found)
        raise UserError(f"{name} means {number_of(found)}; name one by its id: {ids}.")
    return found[0]


def reasons(dead_letters: Iterable[DeadLetter]) -> str:
    """The reasons, the commonest first, each with how many have it."""
    counts = Counter(printable(dead_letter.reason) for dead_letter in dead_letters).most_common()
    return ", ".join(f"{reason} ({count})" for reason, count in counts)


def _is_named(dead_letter: DeadLetter, name: str) -> bool:
    by_id = len(name) >= SHORTEST_ID and dead_letter.id.startswith(name)
    return by_id or any(name in {image.key, str(image)} for image in dead_letter.images)

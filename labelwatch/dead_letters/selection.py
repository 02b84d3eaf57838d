"""Which dead letters are meant."""

from collections import Counter
from collections.abc import Iterable, Sequence
from fnmatch import fnmatchcase
from typing import NamedTuple

from labelwatch.dead_letters.dead_letter import Letter, number_of
from labelwatch.shared.errors import UserError
from labelwatch.shared.text import printable

# So much of an id is shown, and is enough to name one by.
SHORTEST_ID = 8


class Filter(NamedTuple):
    """Shell patterns on the reason and on an image's key; None lets everything pass."""

    reason: str | None = None
    key: str | None = None

    def passes(self, letter: Letter) -> bool:
        """Whether the letter has this reason and, of several images, one with this key."""
        return (self.reason is None or fnmatchcase(letter.reason, self.reason)) and (
            self.key is None or any(fnmatchcase(image.key, self.key) for image in letter.images)
        )


def wanted(reason: str | None, key: str | None, *, everything: bool) -> Filter:
    """What is to be moved or deleted; raises UserError where nobody said so, or said two things."""
    asked = Filter(reason, key)
    if everything == (asked != Filter()):
        raise UserError("say which dead letters: either --all, or --reason or --key, or both of these.")
    return asked


def chosen(letters: Sequence[Letter], asked: Filter) -> list[Letter]:
    """Those that pass; raises UserError where there are letters, and none of them does."""
    passing = [one for one in letters if asked.passes(one)]
    if letters and not passing:
        raise UserError(f"no dead letter matches ({len(letters):,} in all); the reasons are {reasons(letters)}.")
    return passing


def parted(letters: Sequence[Letter], *, force: bool) -> tuple[list[Letter], list[Letter]]:
    """Those to be moved back, and those that are left out, since they would be dead again."""
    good = [one for one in letters if force or not one.is_rejected]
    return good, [] if force else [one for one in letters if one.is_rejected]


def the_one(letters: Sequence[Letter], name: str, elsewhere: int = 0) -> Letter:
    """The one with this id, or its beginning, or of this image; raises UserError where that is not one.

    `elsewhere` is how many there are beside these.
    """
    found = [one for one in letters if name in _names(one) or (len(name) >= SHORTEST_ID and one.id.startswith(name))]
    if not found and elsewhere:
        raise UserError(
            f"no dead letter in sight is {name}; about {elsewhere} more are in the hands of somebody else. Run it "
            "again in a while."
        )
    if not found:
        raise UserError(f"there is no dead letter {name}; `labelwatch dead-letters list` shows which there are.")
    if len(found) > 1:
        ids = ", ".join(one.id for one in found)
        raise UserError(f"{name} means {number_of(found)}; name one by its id: {ids}.")
    return found[0]


def reasons(letters: Iterable[Letter]) -> str:
    """The reasons, the commonest first, each with how many have it."""
    counts = Counter(printable(one.reason) for one in letters).most_common()
    return ", ".join(f"{reason} ({count})" for reason, count in counts)


def _names(letter: Letter) -> set[str]:
    return {name for image in letter.images for name in (image.key, str(image))}

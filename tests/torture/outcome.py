"""What became of a scenario, by the audit's comparison and by the mails that arrived."""

from __future__ import annotations

import time
from collections import Counter

from msgspec import Struct

from labelwatch.audit import compare
from labelwatch.audit.compare import Found, Verdict
from labelwatch.audit.read import Scope
from tests.torture.calls import ASIDE
from tests.torture.environment import Place

SECONDS_FOR_MAIL = 20


class Outcome(Struct, frozen=True):
    """`told_twice` are alerts beyond the first of a prediction, `letters_twice` dead letters beyond the first of one.

    `unnoted` are told and not remembered as such. All three have their reasons in Doubts; `faults` must be none.
    """

    name: str
    seconds: float
    verdict: Verdict
    letters_twice: int
    told_twice: int
    unnoted: int
    mischief: dict[str, int]
    faults: list[str]


def outcome_of(
    place: Place, name: str, prefix: str, seconds: float, *, mischief: Counter[str], explained: Counter[str]
) -> Outcome:
    """Of what was uploaded under the prefix; what was done meanwhile, and what it explains. The queues are empty."""
    found = place.reader.read(Scope(prefix=prefix))
    verdict = compare.compare(found)
    due = {one.id for one in found.predictions if one.of_interest}
    _wait_for_mail(place, due)
    mails = mails_of(place)
    unnoted = place.doubts.unnoted() & mails.keys()
    letters = [one for one in found.image_dead_letters if one.key.startswith(prefix)]
    letters_twice = len(letters) - len({(one.key, one.version_id) for one in letters})
    return Outcome(
        name=name,
        seconds=seconds,
        verdict=verdict,
        letters_twice=letters_twice,
        told_twice=sum(mails[one] - 1 for one in due if mails[one] > 1),
        unnoted=sum(one.id in unnoted for one in verdict.not_notified),
        mischief=dict(sorted(mischief.items())),
        faults=[
            *faults_of(found, verdict, mails, explained, place.doubts.unexplained, unnoted),
            *faults_of_letters(letters_twice, explained, place.doubts.unexplained),
        ],
    )


def faults_of(  # noqa: PLR0917 - all that there is to say of it
    found: Found,
    verdict: Verdict,
    mails: Counter[str],
    explained: Counter[str],
    unexplained: set[str],
    unnoted: frozenset[str],
) -> list[str]:
    """What must not be; `mails` counts the mails that tell of a prediction, by its id."""
    due = {one.id: str(one) for one in found.predictions if one.of_interest}
    return [
        *(f"unaccounted for: {one}" for one in verdict.unaccounted_for),
        *(f"not remembered as told: {one}" for one in verdict.not_notified if one.id not in unnoted),
        *(f"rows of nothing uploaded: {one}" for one in verdict.unknown_rows),
        *(f"no mail: {due[one]}" for one in due if not mails[one]),
        *(f"told twice without a reason: {due[one]}" for one in sorted(due.keys() & unexplained)),
        *(f"{mails[one]} mails: {due[one]}" for one in due if mails[one] > 1 + explained[one]),
        *([f"{verdict.duplicates} images have a prediction and are dead letters too"] if verdict.duplicates else []),
        *([f"{verdict.in_progress} messages are in progress still"] if verdict.in_progress else []),
    ]


def faults_of_letters(twice: int, explained: Counter[str], unexplained: set[str]) -> list[str]:
    """Each dead letter beyond the first of an image must have its reason."""
    reasons = sum(count for one, count in explained.items() if one.startswith(ASIDE))
    return [
        *(f"twice without a reason: {one}" for one in sorted(unexplained) if one.startswith(ASIDE)),
        *([f"{twice} dead letters twice, {reasons} with a reason"] if twice > reasons else []),
    ]


def mails_of(place: Place) -> Counter[str]:
    """How many mails told of each prediction, by its id."""
    return Counter(
        row.rpartition("/")[2].removesuffix(".json") for mail in place.session.mailbox.mails for row in mail.predictions
    )


def _wait_for_mail(place: Place, due: set[str]) -> None:
    """Mail arrives a little later than the queues are empty; what does not arrive is a fault."""
    until = time.monotonic() + SECONDS_FOR_MAIL
    while not due <= mails_of(place).keys() and time.monotonic() < until:
        time.sleep(0.2)
    time.sleep(1.5)  # and one that must not come would come by now

"""What is done to the pipeline, one evil at a time, and at last all of them at once."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Sequence
from functools import partial
from typing import NamedTuple

from labelwatch.local.standin import RateLimit
from tests.torture.calls import CLAIM, NOTE, PUBLISH, RELEASE, SPLIT
from tests.torture.mischief import Kill
from tests.torture.outcome import Outcome, outcome_of
from tests.torture.place import DETECT, NOTIFY, Place

# Shares of the calls. Where all comes at once, the errors are fewer, so that many images fit the time.
FAILING = 0.1
FAILING_OF_MANY = 0.02
KILLING_OF_MANY = 0.0005
TIMES_AGAIN = 2
SECONDS_STOPPED = 8

# A good image makes the functions come by these calls.
GOOD = [
    (DETECT, "s3 HeadObject"), (DETECT, "rekognition DetectCustomLabels"), (DETECT, "sqs SendMessageBatch"),
    (NOTIFY, "s3 PutObject"), (NOTIFY, CLAIM), (NOTIFY, PUBLISH), (NOTIFY, NOTE),
]  # fmt: skip


class Scenario(NamedTuple):
    """`do` gets the place and the prefix of what it uploads, and returns while messages are on the way still."""

    name: str
    do: Callable[[Place, str], None]
    # Of a function, and of a message that a function took. Short, where functions are killed: a claim lives as long.
    function_seconds: int = 30
    visibility_seconds: int = 35
    patience: float = 240


def run(place: Place, scenario: Scenario) -> Outcome:
    """Does it, waits until the queues are empty, and holds what was uploaded against what became of it."""
    prefix = f"{scenario.name}/"
    place.calm()
    place.pace(scenario.function_seconds, scenario.visibility_seconds)
    before, started = place.mischief.done.copy(), time.monotonic()
    scenario.do(place, prefix)
    place.wait_until_quiet(scenario.patience)
    seconds = time.monotonic() - started
    place.calm()
    return outcome_of(place, scenario.name, prefix, seconds, place.mischief.done - before)


def killed_at(kills: Sequence[Kill]) -> Callable[[Place, str], None]:
    """A good image for each, while those of the kills before are on their way again."""

    def do(place: Place, prefix: str) -> None:
        for kill in kills:
            place.kill_at(kill, partial(place.upload_one, f"{prefix}{kill}.jpg", 0))

    return do


def kills_of_the_rest(place: Place, prefix: str) -> None:
    """Before and after each call that something out of the ordinary causes."""

    def upload(kind: str, number: int = 0) -> str:
        place.upload_one(f"{prefix}{kind}.jpg", number)
        return prefix

    def delayed(kind: str) -> None:
        place.standin.answer_with("AccessDeniedException")
        upload(kind)

    def unpublished(kind: str) -> None:
        place.mischief.refuse_next(PUBLISH)
        upload(kind)

    def in_parts(kind: str) -> None:
        upload(f"{kind} a")
        upload(f"{kind} b")
        place.split(f"{prefix}{kind}")

    causes: dict[tuple[str, str], Callable[[str], object]] = {
        (DETECT, "sqs SendMessage"): lambda kind: upload(kind, number=9),
        (DETECT, "sqs ChangeMessageVisibility"): delayed,
        (DETECT, SPLIT): in_parts,
        (NOTIFY, RELEASE): unpublished,
        (NOTIFY, "sqs ChangeMessageVisibility"): unpublished,
        (NOTIFY, "sqs SendMessage"): lambda _: place.send(NOTIFY, "no prediction"),
    }
    for kill in _both_sides(causes):
        place.kill_at(kill, partial(causes[kill.function, kill.call], str(kill)))


def _both_sides(calls: Iterable[tuple[str, str]]) -> list[Kill]:
    return [Kill(function, call, after) for function, call in calls for after in (False, True)]


def delivered_again(count: int) -> Callable[[Place, str], None]:
    """Everything three times, shuffled and at once."""

    def do(place: Place, prefix: str) -> None:
        place.upload(prefix, count)
        place.deliver_again(prefix, TIMES_AGAIN)

    return do


def throttled(count: int, per_second: float) -> Callable[[Place, str], None]:
    """A burst on a model that takes so many calls a second."""

    def do(place: Place, prefix: str) -> None:
        place.standin.rate = RateLimit(per_second)
        place.upload(prefix, count)

    return do


def stopped(count: int, seconds: float = SECONDS_STOPPED) -> Callable[[Place, str], None]:
    """The model stops in the middle, and comes back."""

    def do(place: Place, prefix: str) -> None:
        place.upload(prefix, count // 2)
        place.standin.status = "STOPPED"
        calls = place.standin.calls
        place.upload(prefix + "later ", count - count // 2)
        # The first that is refused opens the circuit: how many more are is a matter of luck.
        place.wait_until(lambda: place.standin.calls > calls, "a call to a stopped model", 60)
        time.sleep(seconds)
        place.start_the_model()

    return do


def failing(count: int) -> Callable[[Place, str], None]:
    """Calls fail at random, each function's to every service, also when the service has done what was asked."""

    def do(place: Place, prefix: str) -> None:
        place.mischief.failing_share = FAILING
        place.upload(prefix, count)

    return do


def all_at_once(count: int) -> Callable[[Place, str], None]:
    """Half of it twice, calls that fail, functions that are killed, and a model that stops in the middle."""

    def do(place: Place, prefix: str) -> None:
        place.mischief.failing_share, place.mischief.killing_share = FAILING_OF_MANY, KILLING_OF_MANY
        place.upload(prefix, count // 2)
        # Not all of it: a second delivery would make up for a first one that was lost.
        place.deliver_again(prefix, 1)
        place.standin.status = "STOPPED"
        place.upload(prefix + "later ", count - count // 2)
        place.start_the_model()

    return do


def everything(images: int) -> list[Scenario]:
    """All scenarios; the last has so many images."""
    return [
        Scenario("killed at each call of a good image", killed_at(_both_sides(GOOD)), 10, 6),
        Scenario("killed at each other call", kills_of_the_rest, 10, 6),
        Scenario("everything three times, shuffled, at once", delivered_again(150)),
        Scenario("300 on a model of 5 calls a second", throttled(300, 5)),
        Scenario("the model stops and comes back", stopped(150)),
        Scenario("10 % of all calls fail", failing(150)),
        Scenario("all at once", all_at_once(images), patience=images),
    ]

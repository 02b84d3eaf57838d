"""What is done to the pipeline, one evil at a time, and at last all of them at once."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterable, Sequence
from functools import partial
from typing import NamedTuple
from zlib import crc32

from labelwatch.local.model import RateLimit
from tests.torture.calls import (
    CLAIM,
    CLAIM_ASIDE,
    HEAD_OF_ROWS,
    NOTE,
    NOTE_ASIDE,
    PUBLISH,
    RELEASE,
    RELEASE_ASIDE,
    SET_ASIDE,
    SPLIT,
)
from tests.torture.disruptions import Kill
from tests.torture.environment import DETECT, KEEP_MODEL, NOTIFY, Place
from tests.torture.outcome import Outcome, outcome_of

# Shares of the calls; where all comes at once fewer fail, so that it ends in time.
FAILING = 0.1
FAILING_OF_MANY = 0.05
KILLING = 1 / 6000
TIMES = 3
SECONDS_STOPPED = 8
# Where all comes at once: the calls a second that the model takes, and how many of each function run at once.
RATE_OF_MANY = 50
AT_ONCE_OF_MANY = 14
# One in so many comes once there: elsewhere a second delivery makes up for a first one that is lost.
ONE_COMES_ONCE_IN = 2

# A good image makes the functions come by these calls.
GOOD = [
    (DETECT, "s3 HeadObject"), (DETECT, HEAD_OF_ROWS), (DETECT, "rekognition DetectCustomLabels"),
    (DETECT, "sqs SendMessageBatch"), (NOTIFY, "s3 PutObject"), (NOTIFY, CLAIM), (NOTIFY, PUBLISH), (NOTIFY, NOTE),
]  # fmt: skip
# By these `detect` leaves the images of a stopped model in their queue, and `manage_model` has them taken again.
LEAVING = [(DETECT, "lambda ListEventSourceMappings"), (DETECT, "lambda UpdateEventSourceMapping")]
TAKING = [
    (KEEP_MODEL, "rekognition DescribeProjectVersions"), (KEEP_MODEL, "lambda ListEventSourceMappings"),
    (KEEP_MODEL, "lambda UpdateEventSourceMapping"), (KEEP_MODEL, "sqs GetQueueAttributes"),
    (KEEP_MODEL, "dynamodb GetItem"),
]  # fmt: skip
OF_A_BATCH_IN_PART = [
    (DETECT, "sqs ChangeMessageVisibility"), (DETECT, "sqs DeleteMessageBatch"),
    (NOTIFY, "sqs ChangeMessageVisibility"), (NOTIFY, "sqs DeleteMessageBatch"),
]  # fmt: skip
STARTING = [(KEEP_MODEL, "dynamodb PutItem"), (KEEP_MODEL, "rekognition StartProjectVersion")]


class Scenario(NamedTuple):
    """`do` gets the place and the prefix of what it uploads, and returns while messages are on the way still."""

    name: str
    do: Callable[[Place, str], None]
    # Of a function, and of a message that a function took. Short, where functions are killed: a claim lives as long.
    function_seconds: int = 30
    visibility_seconds: int = 35
    at_once: int = 2
    wait_seconds: float = 240


def run(place: Place, scenario: Scenario) -> Outcome:
    """Does it, waits until the queues are empty, and holds what was uploaded against what became of it."""
    prefix = f"{scenario.name}/"
    place.calm()
    place.pace(scenario.function_seconds, scenario.visibility_seconds, scenario.at_once)
    done, explained, started = place.mischief.done.copy(), place.doubts.explained.copy(), time.monotonic()
    scenario.do(place, prefix)
    place.wait_until_quiet(scenario.wait_seconds)
    seconds = time.monotonic() - started
    place.calm()
    return outcome_of(
        place,
        scenario.name,
        prefix,
        seconds,
        mischief=place.mischief.done - done,
        explained=place.doubts.explained - explained,
    )


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

    def no_image(kind: str) -> None:
        upload(kind, number=9)

    def not_set_aside(kind: str) -> None:
        place.mischief.refuse_next(SET_ASIDE)
        no_image(kind)

    def no_prediction(kind: str) -> None:
        place.send(NOTIFY, json.dumps({"image": kind}))

    def delayed(kind: str) -> None:
        place.local_model.fail_next("AccessDeniedException")
        upload(kind)

    def unpublished(kind: str) -> None:
        place.mischief.refuse_next(PUBLISH)
        upload(kind)

    def in_parts(kind: str) -> None:
        upload(f"{kind} a")
        upload(f"{kind} b")
        place.split(f"{prefix}{kind}")

    causes: dict[tuple[str, str], Callable[[str], object]] = {
        (DETECT, CLAIM_ASIDE): no_image,
        (DETECT, SET_ASIDE): no_image,
        (DETECT, NOTE_ASIDE): no_image,
        (DETECT, RELEASE_ASIDE): not_set_aside,
        (DETECT, "sqs ChangeMessageVisibility"): delayed,
        (DETECT, SPLIT): in_parts,
        (NOTIFY, RELEASE): unpublished,
        (NOTIFY, "sqs ChangeMessageVisibility"): unpublished,
        (NOTIFY, CLAIM_ASIDE): no_prediction,
        (NOTIFY, SET_ASIDE): no_prediction,
        (NOTIFY, NOTE_ASIDE): no_prediction,
    }
    for kill in _both_sides(causes):
        place.kill_at(kill, partial(causes[kill.function, kill.call], str(kill)))


def _both_sides(calls: Iterable[tuple[str, str]]) -> list[Kill]:
    return [Kill(function, call, after) for function, call in calls for after in (False, True)]


def kills_of_the_circuit(place: Place, prefix: str) -> None:
    """At each call by which images are left or taken, and a model is started; the next look makes up for it."""
    for kill in _both_sides(LEAVING):
        place.local_model.status = "STOPPED"
        place.kill_at(kill, partial(place.upload_one, f"{prefix}{kill}.jpg", 0))
        place.local_model.status = "RUNNING"
        _healed_by_one_look(place)
    for kill in _both_sides(TAKING):
        place.stop_the_model()
        place.upload_one(f"{prefix}{kill}.jpg", 0)
        place.local_model.status = "RUNNING"
        place.kill_at(kill, place.tick)
        _healed_by_one_look(place)
    with place.starting_the_model():
        for kill in _both_sides(STARTING):
            place.stop_the_model()
            place.upload_one(f"{prefix}{kill}.jpg", 0)
            place.kill_at(kill, place.tick)
            place.tick_until(images_are_taken=True)
            place.wait_until_quiet(30)


def _healed_by_one_look(place: Place) -> None:
    place.tick()
    place.wait_until(place.takes_images, "images that are taken after one look", 1)
    place.wait_until_quiet(30)


def kills_of_those_that_delete(kills: Sequence[Kill]) -> Callable[[Place, str], None]:
    """Functions that delete what is finished and raise, killed at the calls of a batch of which a part fails."""

    def do(place: Place, prefix: str) -> None:
        def a_part_fails(kind: str) -> None:
            """In one batch: an image that the model refuses, one that is none, and one that is finished."""
            place.local_model.fail_next("AccessDeniedException")
            with place.gathered(DETECT, 3):
                for number in (8, 9, 10):
                    place.upload_one(f"{prefix}{kind} {number}.jpg", number)

        def a_part_is_stored(kind: str) -> None:
            place.mischief.refuse_next("s3 PutObject")
            with place.gathered(NOTIFY, 2):
                for number in (0, 2):
                    place.upload_one(f"{prefix}{kind} {number}.jpg", number)

        with place.deleting_themselves():
            for kill in kills:
                cause = a_part_fails if kill.function == DETECT else a_part_is_stored
                place.kill_at(kill, partial(cause, str(kill)))
                place.wait_until_quiet(60)  # else the next refusal would meet an image that comes back

    return do


def failing_of_those_that_delete(count: int) -> Callable[[Place, str], None]:
    """The same functions, when calls fail at random and most event notifications come twice."""

    def do(place: Place, prefix: str) -> None:
        with place.deleting_themselves():
            place.mischief.failing_share = FAILING
            with place.repeated(once_or_twice):
                place.upload(prefix, count)

    return do


def delivered_again(count: int) -> Callable[[Place, str], None]:
    """Everything three times, shuffled and at once."""

    def do(place: Place, prefix: str) -> None:
        with place.repeated(lambda _: TIMES):
            place.upload(prefix, count)

    return do


def throttled(count: int, per_second: float) -> Callable[[Place, str], None]:
    """A burst on a model that takes so many calls a second."""

    def do(place: Place, prefix: str) -> None:
        place.local_model.rate = RateLimit(per_second)
        place.upload(prefix, count)

    return do


def stopped(count: int, seconds: float = SECONDS_STOPPED) -> Callable[[Place, str], None]:
    """The model stops in the middle, and comes back."""

    def do(place: Place, prefix: str) -> None:
        place.upload(prefix, count // 2)
        place.local_model.status = "STOPPED"
        place.upload(prefix + "later ", count - count // 2)
        place.wait_until(lambda: not place.takes_images(), "images that `detect` leaves in their queue", 60)
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
    """Most of it twice, calls that fail, functions that are killed, a throttled model that stops in the middle."""

    def do(place: Place, prefix: str) -> None:
        place.mischief.failing_share, place.mischief.killing_share = FAILING_OF_MANY, KILLING
        place.local_model.rate = RateLimit(RATE_OF_MANY)
        with place.repeated(once_or_twice):
            stopped(count)(place, prefix)

    return do


def once_or_twice(body: str) -> int:
    """How often this event notification comes."""
    return 2 if crc32(body.encode()) % ONE_COMES_ONCE_IN else 1


def everything(images: int) -> list[Scenario]:
    """All scenarios; the last has so many images."""
    return [
        Scenario("killed at each call of a good image", killed_at(_both_sides(GOOD)), 10, 6),
        Scenario("killed at each other call", kills_of_the_rest, 10, 6),
        Scenario("killed at each call of the circuit", kills_of_the_circuit, 10, 6),
        Scenario(
            "deleting and raising, killed at each call",
            kills_of_those_that_delete(_both_sides(OF_A_BATCH_IN_PART)),
            6,
            4,
        ),
        Scenario("deleting and raising, 10 % of all calls fail", failing_of_those_that_delete(100)),
        Scenario("everything three times, shuffled, at once", delivered_again(150)),
        Scenario("300 on a model of 5 calls a second", throttled(300, 5)),
        Scenario("the model stops and comes back", stopped(150)),
        Scenario("10 % of all calls fail", failing(150)),
        Scenario("all at once", all_at_once(images), at_once=AT_ONCE_OF_MANY, wait_seconds=900),
    ]

"""The short form of `make torture`: what is killed, repeated, refused and put off ends as it must."""

from collections.abc import Iterator

import pytest

from labelwatch.deploy.package import Package
from tests.torture import scenarios
from tests.torture.calls import CLAIM, HEAD_OF_ROWS, NOTE, PUBLISH
from tests.torture.disruptions import COME_AGAIN, KILLED, NOT_RUNNING, WAYS_TO_FAIL, Kill
from tests.torture.environment import DETECT, NOTIFY, Place, running
from tests.torture.scenarios import Scenario

KILLS = [
    # The one gap: SNS took the message, and nobody could write that down. These two first: their claims last a while.
    Kill(NOTIFY, PUBLISH, after=True),
    Kill(NOTIFY, CLAIM, after=True),
    Kill(DETECT, HEAD_OF_ROWS, after=True),
    Kill(DETECT, "rekognition DetectCustomLabels", after=True),
    Kill(DETECT, "sqs SendMessageBatch", after=True),
    Kill(NOTIFY, NOTE, after=True),
]


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory, packaged: Package) -> Iterator[Place]:
    with running(tmp_path_factory.mktemp("torture"), packaged) as here:
        yield here


def test_a_function_that_is_killed_loses_nothing_and_tells_twice_only_what_it_could_not_note(place: Place) -> None:
    outcome = scenarios.run(place, Scenario("killed", scenarios.killed_at(KILLS), 6, 4))
    assert outcome.faults == []
    assert outcome.mischief[KILLED] == len(KILLS)
    assert (outcome.verdict.predicted, outcome.verdict.notified) == (len(KILLS), len(KILLS))
    assert outcome.told_twice >= 1


def test_repeats_refusals_and_a_model_that_stops_cost_time_and_nothing_else(place: Place) -> None:
    outcome = scenarios.run(place, Scenario("all", all_of_it, 10, 6))
    assert outcome.faults == []
    assert (outcome.verdict.predicted, outcome.verdict.dead_letters, outcome.verdict.expected_alerts) == (18, 2, 10)
    assert outcome.mischief[NOT_RUNNING] > 0
    assert outcome.mischief[COME_AGAIN] > 0
    assert outcome.mischief.keys() & set(WAYS_TO_FAIL)


def all_of_it(place: Place, prefix: str) -> None:
    scenarios.throttled(0, 20)(place, prefix)
    scenarios.failing(0)(place, prefix)
    with place.repeated(scenarios.once_or_twice):
        scenarios.stopped(20, seconds=1)(place, prefix)
    place.calm()  # each failure from here on would cost a delay more


def test_functions_that_delete_what_is_finished_themselves_lose_nothing_when_they_are_killed_at_it(
    place: Place,
) -> None:
    outcome = scenarios.run(place, Scenario("deleting", deleting, 6, 4))
    assert outcome.faults == []
    assert outcome.mischief[KILLED] == 1
    assert (outcome.verdict.predicted, outcome.verdict.dead_letters) == (2, 1)


def deleting(place: Place, prefix: str) -> None:
    scenarios.kills_of_those_that_delete([Kill(DETECT, "sqs DeleteMessageBatch", after=True)])(place, prefix)

"""The short form of `make torture`: what is killed, repeated, refused and put off ends as it must."""

from collections.abc import Iterator

import pytest

from labelwatch.package import Package
from tests.torture import scenarios
from tests.torture.calls import CLAIM, NOTE, PUBLISH
from tests.torture.mischief import KILLED, Kill
from tests.torture.place import DETECT, NOTIFY, Place, running
from tests.torture.scenarios import Scenario

KILLS = [
    # The one gap: SNS took the message, and nobody could write that down.
    Kill(NOTIFY, PUBLISH, after=True),
    Kill(DETECT, "rekognition DetectCustomLabels", after=True),
    Kill(DETECT, "sqs SendMessageBatch", after=True),
    Kill(NOTIFY, "s3 PutObject", after=True),
    Kill(NOTIFY, CLAIM, after=True),
    Kill(NOTIFY, PUBLISH, after=False),
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
    assert (outcome.verdict.predicted, outcome.verdict.told) == (len(KILLS), len(KILLS))
    assert outcome.told_twice >= 1

"""The short form of `make torture`: kills, repeated events, refused calls and a stopped model lose nothing."""

from collections.abc import Iterator

import pytest

from labelwatch.deploy import Package
from tests.torture import scenarios
from tests.torture.calls import ACQUIRE_ALERT, COMPLETE_ALERT, HEAD_ROWS, PUBLISH
from tests.torture.disruptions import FAILURE_WEIGHTS, KILLED, NOT_RUNNING, REPEATED, Kill
from tests.torture.environment import DETECT, NOTIFY, Environment, running
from tests.torture.scenarios import Scenario

KILLS = [
    # The only gap: SNS accepted the alert, and its record could not be completed. These two come first, since their
    # records block a second try for a while.
    Kill(NOTIFY, PUBLISH, after=True),
    Kill(NOTIFY, ACQUIRE_ALERT, after=True),
    Kill(DETECT, HEAD_ROWS, after=True),
    Kill(DETECT, "rekognition DetectCustomLabels", after=True),
    Kill(DETECT, "sqs SendMessageBatch", after=True),
    Kill(NOTIFY, COMPLETE_ALERT, after=True),
]


@pytest.fixture(scope="module")
def environment(tmp_path_factory: pytest.TempPathFactory, packaged: Package) -> Iterator[Environment]:
    with running(tmp_path_factory.mktemp("torture"), packaged) as environment:
        yield environment


def test_a_killed_function_loses_nothing_and_repeats_only_alerts_that_it_could_not_complete(
    environment: Environment,
) -> None:
    outcome = scenarios.run(environment, Scenario("killed", scenarios.killing(KILLS), 6, 4))
    assert outcome.faults == []
    assert outcome.disruptions[KILLED] == len(KILLS)
    assert (outcome.verdict.predicted, outcome.verdict.notified) == (len(KILLS), len(KILLS))
    assert outcome.duplicate_alerts >= 1


def test_repeated_events_failed_calls_and_a_stopped_model_cost_time_and_nothing_else(environment: Environment) -> None:
    outcome = scenarios.run(environment, Scenario("all", all_without_kills, 10, 6))
    assert outcome.faults == []
    assert (outcome.verdict.predicted, outcome.verdict.dead_letters, outcome.verdict.expected_alerts) == (18, 2, 10)
    assert outcome.disruptions[NOT_RUNNING] > 0
    assert outcome.disruptions[REPEATED] > 0
    assert outcome.disruptions.keys() & set(FAILURE_WEIGHTS)


def all_without_kills(environment: Environment, prefix: str) -> None:
    scenarios.throttling(0, 20)(environment, prefix)
    scenarios.failing(0)(environment, prefix)
    with environment.repeated_events(scenarios.deliveries):
        scenarios.stopping(20, seconds=1)(environment, prefix)
    environment.end_disruptions()  # each later failure would cost another delay


def test_functions_that_delete_finished_messages_themselves_lose_nothing_when_killed_there(
    environment: Environment,
) -> None:
    kill = Kill(DETECT, "sqs DeleteMessageBatch", after=True)
    outcome = scenarios.run(
        environment, Scenario("deleting", scenarios.killing_without_partial_batch_responses([kill]), 6, 4)
    )
    assert outcome.faults == []
    assert outcome.disruptions[KILLED] == 1
    assert (outcome.verdict.predicted, outcome.verdict.dead_letters) == (2, 1)

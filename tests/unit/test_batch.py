import threading

import pytest

from chalicelib.domain.errors import BatchIncomplete, Fault, ModelNotRunning, Rejected, Retryable, Unavailable
from chalicelib.queues.batch import LAST_RECEIVE, MAX_TRIES, messages_of
from tests.support.builders import message, sqs_event
from tests.support.fakes import FakeDeadLetters, FakeQueue, FakeTelemetry, batch_of

RETRY = Retryable("AccessDenied", "no")
DEFER = ModelNotRunning("ResourceNotReadyException", "stopped")
REJECT = Rejected("InvalidImageFormatException", "no image")


class Settled:
    """A batch of three, of which the one in the middle met a fault."""

    def __init__(self, fault: Fault, receives: int = 1, *, partial: bool = True) -> None:
        self.queue, self.dead_letters, self.telemetry = FakeQueue(), FakeDeadLetters(), FakeTelemetry()
        self.batch = batch_of(self.queue, self.dead_letters, self.telemetry, partial_responses=partial)
        self.messages = [message(message_id=name) for name in ("good", "bad", "fine")]
        self.messages[1] = message(message_id="bad", receives=receives)
        self.fault = fault

    def __call__(self) -> list[str]:
        answer = self.batch.settle(self.messages, {"bad": self.fault}, {"bad": "s3://images/leaf.jpg"})
        return [item["itemIdentifier"] for item in answer["batchItemFailures"]]


def test_the_messages_of_an_event_are_read_with_what_counts_for_their_fate() -> None:
    given = [message("one", "m1", receives=3), message("two", "m2")]
    read = messages_of(sqs_event(*given))
    assert [(one.id, one.body, one.receives) for one in read] == [("m1", "one", 3), ("m2", "two", 1)]


def test_a_batch_without_faults_is_finished_whichever_way_the_mapping_reads_it() -> None:
    for partial in (True, False):
        settled = Settled(RETRY, partial=partial)
        assert settled.batch.settle(settled.messages, {}, {}) == {"batchItemFailures": []}
        assert settled.queue.deleted == []


def test_with_partial_responses_only_what_must_come_back_is_named_and_nothing_is_deleted_by_hand() -> None:
    settled = Settled(RETRY)
    assert settled() == ["bad"]
    assert settled.queue.deleted == []
    assert settled.queue.delays == {"bad": 30}


def test_without_partial_responses_the_finished_are_deleted_and_the_rest_raised() -> None:
    settled = Settled(RETRY, partial=False)
    with pytest.raises(BatchIncomplete, match="1 of 3 messages come back later"):
        settled()
    assert settled.queue.deleted == ["good", "fine"]
    assert settled.queue.delays == {"bad": 30}


def test_what_was_set_aside_is_finished_and_raises_nothing() -> None:
    settled = Settled(REJECT, partial=False)
    assert settled() == []
    assert settled.dead_letters.letters == {"bad": ("InvalidImageFormatException", "s3://images/leaf.jpg")}
    assert settled.queue.delays == {}


@pytest.mark.parametrize(("receives", "seconds"), [(1, 30), (2, 60), (3, 120), (5, 480), (6, 600), (9, 600)])
def test_a_retry_comes_back_after_a_growing_delay(receives: int, seconds: int) -> None:
    settled = Settled(RETRY, receives)
    settled()
    assert settled.queue.delays == {"bad": seconds}


def test_a_message_that_was_tried_ten_times_is_set_aside_with_its_last_reason() -> None:
    settled = Settled(RETRY, MAX_TRIES)
    assert settled() == []
    assert settled.dead_letters.letters["bad"][0] == "AccessDenied"


def test_where_a_service_takes_no_more_or_fails_a_message_is_tried_for_over_two_hours() -> None:
    seconds = 0
    for receives in range(1, LAST_RECEIVE):
        settled = Settled(Unavailable("ThrottlingException", "slow down"), receives)
        assert settled() == ["bad"]
        seconds += settled.queue.delays["bad"]
    assert seconds > 2 * 3600


def test_a_message_that_was_tried_nine_times_is_tried_once_more() -> None:
    assert Settled(RETRY, MAX_TRIES - 1)() == ["bad"]


def test_a_stopped_model_has_a_message_put_away_for_minutes_even_after_ten_tries() -> None:
    settled = Settled(DEFER, MAX_TRIES)
    assert settled() == ["bad"]
    assert settled.queue.delays == {"bad": 300}


@pytest.mark.parametrize("fault", [RETRY, DEFER])
def test_before_the_queue_s_own_redrive_the_handler_sets_aside_with_a_reason(fault: Fault) -> None:
    settled = Settled(fault, LAST_RECEIVE)
    assert settled() == []
    assert settled.dead_letters.letters["bad"][0] == fault.reason


@pytest.mark.parametrize("problem", [Retryable("AccessDenied", "no"), ZeroDivisionError()], ids=["fault", "mistake"])
def test_a_dead_letter_that_could_not_be_written_comes_back(problem: Exception) -> None:
    settled = Settled(REJECT)
    settled.dead_letters.fault = problem
    assert settled() == ["bad"]


def test_a_dead_letter_that_is_there_already_finishes_its_message_and_is_not_counted_again() -> None:
    settled = Settled(REJECT)
    for _ in range(2):
        assert settled() == []
    assert settled.telemetry.counts == {"ImagesRejected": 1}


def test_dead_letters_of_a_batch_are_written_at_the_same_time() -> None:
    settled = Settled(REJECT)
    together = threading.Barrier(3, timeout=30)
    settled.dead_letters.before = together.wait
    settled.batch.settle(settled.messages, {one.id: REJECT for one in settled.messages}, {})
    assert len(settled.dead_letters.letters) == 3


def test_a_delay_that_could_not_be_set_leaves_the_message_to_the_visibility_timeout() -> None:
    settled = Settled(RETRY)
    settled.queue.fault = Retryable("AccessDenied", "no")
    assert settled() == ["bad"]
    assert [event for event, _ in settled.telemetry.log] == ["message comes back", "visibility timeout not changed"]


def test_finished_messages_that_could_not_be_deleted_do_not_hide_that_others_must_come_back() -> None:
    settled = Settled(RETRY, partial=False)
    settled.queue.fault = Retryable("AccessDenied", "no")
    with pytest.raises(BatchIncomplete):
        settled()
    assert settled.telemetry.log[-1][0] == "messages not deleted"


@pytest.mark.parametrize(
    ("fault", "metric"), [(RETRY, "ImagesRetried"), (DEFER, "ImagesDeferred"), (REJECT, "ImagesRejected")]
)
def test_each_fate_is_counted(fault: Fault, metric: str) -> None:
    settled = Settled(fault)
    settled()
    assert settled.telemetry.counts == {metric: 1}


def test_a_dead_letter_of_an_unknown_image_says_so() -> None:
    settled = Settled(REJECT)
    settled.batch.settle(settled.messages, {"bad": REJECT}, {})
    assert settled.dead_letters.letters["bad"][1] == "unknown"


def attempt_all(work: dict[str, object], seconds_left: float = 60) -> tuple[dict[str, object], dict[str, Fault]]:
    def do(item: object) -> object:
        return item() if callable(item) else item

    return Settled(RETRY).batch.attempt(do, work, threads=10, seconds_left=seconds_left)


def fails(problem: Exception) -> object:
    def fail() -> None:
        raise problem

    return fail


def test_one_failure_does_not_take_its_neighbours_with_it() -> None:
    results, faults = attempt_all({"a": 1, "b": fails(REJECT), "c": 3})
    assert results == {"a": 1, "c": 3}
    assert faults == {"b": REJECT}


def test_what_nobody_foresaw_is_retried_and_named() -> None:
    _, faults = attempt_all({"a": fails(ZeroDivisionError("by zero"))})
    assert isinstance(faults["a"], Retryable)
    assert faults["a"].detail == "ZeroDivisionError: by zero"


def test_the_items_of_a_batch_are_worked_on_at_the_same_time() -> None:
    together = threading.Barrier(10, timeout=30)
    results, faults = attempt_all({str(number): together.wait for number in range(10)})
    assert len(results) == 10
    assert not faults


def test_what_is_not_done_when_the_time_is_over_is_retried_and_its_neighbours_are_kept() -> None:
    released = threading.Event()
    results, faults = attempt_all({"quick": 1, "slow": lambda: released.wait(5)}, seconds_left=0)
    released.set()
    assert results == {"quick": 1}
    assert (type(faults["slow"]), faults["slow"].reason) == (Unavailable, "OutOfTime")

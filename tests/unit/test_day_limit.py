"""MaxImagesPerDay: batches of detect and checks of manage_model with one count of images, and a clock."""

from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from threading import Barrier, Lock

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chalicelib.domain.errors import DayLimitReached, ModelNotRunning, Rejected, Retryable
from chalicelib.domain.images import ImageReference
from chalicelib.domain.model import ModelPolicy
from chalicelib.domain.predictions import Label
from chalicelib.domain.rows import row_key_of
from chalicelib.queues.day_limit import DayLimit
from chalicelib.steps.detect import Detect
from chalicelib.steps.manage_model import ManageModel
from tests.support.builders import MODEL, image, message, notification, rules, s3_record
from tests.support.fakes import (
    FakeBacklog,
    FakeDeadLetters,
    FakeEventSource,
    FakeImageCounts,
    FakeImages,
    FakeModel,
    FakeModelStates,
    FakeModelVersion,
    FakeQueue,
    FakeStore,
    FakeTelemetry,
    batch_of,
    day_limit,
)

EVENING = datetime(2026, 11, 22, 23, 59, tzinfo=UTC)
OUT = Retryable("InternalServerError", "later")


class Stack:
    """detect and manage_model with one table, one mapping and one clock."""

    def __init__(self, most: int, model_version: FakeModelVersion | None = None) -> None:
        self.now = EVENING
        self.counts, self.event_source = FakeImageCounts(), FakeEventSource()
        self.images, self.model, self.stored = FakeImages(), FakeModel(), FakeStore()
        self.source, self.dead_letters, self.telemetry = FakeQueue(), FakeDeadLetters(), FakeTelemetry()
        self.predictions_queue, self.backlog = FakeQueue(), FakeBacklog()
        self.model_states = FakeModelStates()
        self.model_version = model_version
        self.model_policy = ModelPolicy()
        self.set_limit(most)

    def set_limit(self, most: int) -> None:
        self.limit = day_limit(self.counts, most, lambda: self.now)

    def detect(self, *keys: str, seconds_left: float = 60) -> list[str]:
        """The keys of the images of a batch that come back."""
        step = Detect(
            images=self.images,
            model=self.model,
            stored_rows=self.stored,
            images_queue=FakeQueue(),
            predictions_queue=self.predictions_queue,
            event_source=self.event_source,
            model_use=None,
            day_limit=self.limit,
            rules=rules(("*", 60)),
            own_buckets=frozenset(),
            batch=batch_of(self.source, self.dead_letters, self.telemetry),
            telemetry=self.telemetry,
            now=lambda: self.now,
        )
        messages = [message(notification(s3_record(key)), key) for key in keys]
        return [item["itemIdentifier"] for item in step(messages, seconds_left)["batchItemFailures"]]

    def check(self, *, waiting: int = 0) -> bool:
        """Whether Lambda polls the images queue after a check of manage_model."""
        self.telemetry = FakeTelemetry()
        self.backlog.images = waiting
        ManageModel(
            model=self.model_version,
            event_source=self.event_source,
            backlog=self.backlog,
            model_states=self.model_states,
            model_policy=self.model_policy,
            day_limit=self.limit,
            telemetry=self.telemetry,
            now=lambda: self.now,
        )()
        return self.event_source.enabled


def keys(count: int, name: str = "leaf") -> list[str]:
    return [f"{name}-{number}.jpg" for number in range(count)]


def test_without_a_limit_nothing_is_counted() -> None:
    stack = Stack(0)
    assert stack.detect(*keys(10)) == []
    assert (stack.counts.writes, len(stack.model.requests)) == ([], 10)


def test_at_the_limit_images_come_back_without_a_call_of_the_model_and_none_is_rejected() -> None:
    stack = Stack(4)
    returned = stack.detect(*keys(10))
    assert (len(returned), len(stack.model.requests), stack.dead_letters.sent) == (6, 4, {})
    assert {stack.source.delays[key] for key in returned} == {300}
    assert stack.telemetry.counts["ImagesDeferred"] == 6
    assert stack.limit.images_today() == 4


def test_the_batch_that_takes_the_last_image_pauses_polling_before_it_calls_the_model() -> None:
    stack = Stack(2)
    polled: list[bool] = []
    stack.model.labels = lambda *_: polled.append(stack.event_source.enabled) or ()  # type: ignore[method-assign, func-returns-value]
    assert stack.detect(*keys(2)) == []
    assert polled == [False, False]


def test_below_the_limit_polling_stays_on() -> None:
    stack = Stack(11)
    stack.detect(*keys(10))
    assert stack.event_source.enabled
    assert stack.counts.writes == [10]  # one write for the batch


def test_images_are_analysed_even_if_polling_cannot_be_paused() -> None:
    stack = Stack(1)
    stack.event_source.fault = Retryable("AccessDeniedException", "no")
    assert stack.detect("leaf.jpg") == []
    assert "polling not paused" in [event for event, _ in stack.telemetry.log]


class SlowModel(FakeModel):
    """Answers only when both batches have reserved their calls and are at the model, or the time is over."""

    def __init__(self, parties: int) -> None:
        super().__init__()
        self._barrier = Barrier(parties)
        self._lock = Lock()

    def labels(self, image: ImageReference, min_confidence: float) -> tuple[Label, ...]:
        self._barrier.wait(10)
        with self._lock:
            return super().labels(image, min_confidence)


def test_two_batches_at_the_same_moment_have_the_limit_together() -> None:
    stack = Stack(13)
    stack.model = SlowModel(13)
    with ThreadPoolExecutor(2) as pool:
        returned = list(pool.map(lambda name: stack.detect(*keys(10, name)), ["a", "b"]))
    assert (len(stack.model.requests), len(returned[0]) + len(returned[1])) == (13, 7)
    assert stack.limit.images_today() == 13


@given(most=st.integers(1, 12), sizes=st.lists(st.integers(1, 5), max_size=6), data=st.data())
def test_batches_never_have_more_calls_than_the_limit_in_any_order_of_their_writes(
    most: int, sizes: list[int], data: st.DataObject
) -> None:
    limit, calls = day_limit(FakeImageCounts(), most), [0]
    batches = [batch(limit, size, data.draw(st.integers(0, size)), calls) for size in sizes]
    while batches:
        chosen = data.draw(st.sampled_from(batches))
        if next(chosen, None) is None:
            batches.remove(chosen)
    assert calls[0] <= most
    assert calls[0] <= limit.images_today() <= most


def batch(limit: DayLimit, size: int, needed: int, calls: list[int]) -> Iterator[str]:
    """Reserves, calls the model for as many images as are needed, and gives back the others."""
    reservation, _ = limit.reserve(size)
    yield "reserved"
    for _ in range(needed):
        try:
            reservation.take()
        except DayLimitReached:
            break
        calls[0] += 1
        yield "called"
    limit.give_back(reservation)


def has_row(stack: Stack, key: str) -> None:
    stack.stored.objects[row_key_of(image(key), MODEL)] = b"rows"


def is_rejected(stack: Stack, key: str) -> None:
    stack.images.objects[key] = Rejected("ImageNotFound", "deleted")


def has_no_model(stack: Stack, key: str) -> None:
    stack.model.answers[key] = ModelNotRunning("ResourceNotReadyException", "stopped")


@pytest.mark.parametrize("make", [has_row, is_rejected, has_no_model])
def test_an_image_that_the_model_did_not_analyse_is_given_back(make: Callable[[Stack, str], None]) -> None:
    stack = Stack(10)
    make(stack, "leaf-0.jpg")
    stack.detect(*keys(3))
    assert (stack.limit.images_today(), stack.counts.writes) == (2, [3, -1])


def test_a_call_that_failed_is_counted() -> None:
    """Nobody knows whether AWS bills it."""
    stack = Stack(10)
    stack.model.answers["leaf-0.jpg"] = Retryable("ReadTimeoutError", "no answer")
    stack.detect(*keys(3))
    assert stack.limit.images_today() == 3


def test_without_the_count_no_image_is_analysed_and_all_come_back() -> None:
    stack = Stack(10)
    stack.counts.fault = OUT
    assert stack.detect(*keys(2)) == keys(2)
    assert (stack.model.requests, stack.dead_letters.sent) == ([], {})
    assert stack.event_source.enabled


def test_images_that_cannot_be_given_back_leave_fewer_for_the_day_and_fail_nothing() -> None:
    stack = Stack(10)
    stack.counts.give_back_fault = OUT
    has_row(stack, "leaf-0.jpg")
    assert stack.detect(*keys(3)) == []
    assert stack.limit.images_today() == 3


def test_a_late_thread_takes_no_call_of_a_reservation_that_is_given_back() -> None:
    limit = day_limit(FakeImageCounts(), 5)
    reservation, _ = limit.reserve(3)
    limit.give_back(reservation)
    with pytest.raises(DayLimitReached):
        reservation.take()


def test_images_that_were_reserved_before_midnight_are_given_back_to_that_day() -> None:
    stack = Stack(10)
    reservation, _ = stack.limit.reserve(3)
    stack.now += timedelta(minutes=2)
    stack.limit.give_back(reservation)
    assert dict(stack.counts.days) == {EVENING.date(): 0}


def with_general_labels() -> None:
    return None


def with_a_model() -> FakeModelVersion:
    return FakeModelVersion("RUNNING")


MODES = [with_general_labels, with_a_model]


@pytest.mark.parametrize("mode", MODES)
def test_polling_stays_paused_at_the_limit_and_resumes_at_midnight_utc(
    mode: Callable[[], FakeModelVersion | None],
) -> None:
    stack = Stack(3, mode())
    returned = stack.detect(*keys(5))
    assert not stack.check(waiting=2)
    assert stack.telemetry.counts["ImagesToday"] == 3
    stack.now += timedelta(seconds=59)
    assert not stack.check(waiting=2)
    stack.now += timedelta(seconds=1)
    assert stack.check(waiting=2)
    assert stack.telemetry.counts["ImagesToday"] == 0
    assert stack.detect(*returned) == []
    assert sorted(key for key, _ in stack.model.requests) == keys(5)
    assert stack.dead_letters.sent == {}


@pytest.mark.parametrize("mode", MODES)
def test_polling_resumes_when_the_limit_is_raised(mode: Callable[[], FakeModelVersion | None]) -> None:
    stack = Stack(3, mode())
    stack.detect(*keys(3))
    assert not stack.check()
    stack.set_limit(4)
    assert stack.check()
    assert stack.detect(*keys(2, "more")) == ["more-1.jpg"]


@pytest.mark.parametrize("mode", MODES)
def test_a_check_pauses_polling_that_detect_could_not_pause(mode: Callable[[], FakeModelVersion | None]) -> None:
    stack = Stack(3, mode())
    stack.detect(*keys(3))
    stack.event_source.enabled = True
    assert not stack.check()


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("polled", [True, False])
def test_a_count_that_cannot_be_read_changes_no_polling(
    mode: Callable[[], FakeModelVersion | None], *, polled: bool
) -> None:
    stack = Stack(3, mode())
    stack.event_source.enabled = polled
    stack.counts.fault = OUT
    assert stack.check() is polled
    assert stack.telemetry.counts["ModelCheckErrors"] == 1


def test_at_the_limit_waiting_images_keep_no_idle_model_running() -> None:
    stack = Stack(3, FakeModelVersion("RUNNING"))
    stack.now -= timedelta(hours=1)
    stack.model_policy = ModelPolicy(idle_minutes=30, idle_stops_any=True)
    stack.detect(*keys(3))
    stack.check(waiting=7)
    stack.now += timedelta(minutes=30)
    stack.check(waiting=7)
    assert stack.model_version
    assert stack.model_version.calls == ["stop"]


def test_at_the_limit_waiting_images_start_no_model_until_the_next_day() -> None:
    stack = Stack(3, FakeModelVersion("STOPPED"))
    stack.model_policy = ModelPolicy(auto_start=True)
    stack.detect(*keys(3))
    stack.check(waiting=7)
    assert stack.model_version
    assert stack.model_version.calls == []
    assert stack.telemetry.counts["ImagesWaiting"] == 7
    stack.now += timedelta(minutes=1)
    stack.check(waiting=7)
    assert stack.model_version.calls == ["start"]

from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta

import pytest

from chalicelib.domain.errors import Retryable
from chalicelib.domain.model import ModelPolicy, ModelState
from chalicelib.steps.manage_model import ManageModel
from tests.support.builders import MODEL
from tests.support.fakes import FakeBacklog, FakeEventSource, FakeModelStates, FakeModelVersion, FakeTelemetry

MORNING = datetime(2026, 11, 22, 8, tzinfo=UTC)
REFUSED = Retryable("ThrottlingException", "slow down")


@dataclass
class Place:
    """The step with a fake in each port, and a clock."""

    model_policy: ModelPolicy = field(default_factory=ModelPolicy)
    now: datetime = MORNING
    model: FakeModelVersion = field(default_factory=FakeModelVersion)
    event_source: FakeEventSource = field(default_factory=FakeEventSource)
    backlog: FakeBacklog = field(default_factory=FakeBacklog)
    model_states: FakeModelStates = field(default_factory=FakeModelStates)
    telemetry: FakeTelemetry = field(default_factory=FakeTelemetry)

    def look(self, state: str | None = None, *, images: int = 0, after: timedelta = timedelta(minutes=1)) -> None:
        """One look, a minute after the one before, at a model in this state."""
        self.now += after
        self.model.state = state or self.model.state
        self.backlog.images = images
        self.telemetry = FakeTelemetry()
        ManageModel(
            model=self.model,
            event_source=self.event_source,
            backlog=self.backlog,
            model_states=self.model_states,
            model_policy=self.model_policy,
            telemetry=self.telemetry,
            now=lambda: self.now,
        )()

    def run_by_labelwatch(self, hours: float = 0) -> None:
        """The model is started, and then runs for so long."""
        self.look("STOPPED", images=1)
        assert self.model.calls == ["start"]
        self.look("RUNNING", images=1, after=timedelta(hours=hours))
        self.model.calls.clear()


STARTS = ModelPolicy(auto_start=True)


@pytest.mark.parametrize("state", ["STOPPED", "STARTING", "STOPPING", "FAILED", "TRAINING_COMPLETED", "a new word"])
def test_images_are_left_in_their_queue_while_the_model_does_not_run(state: str) -> None:
    place = Place()
    place.look(state)
    assert not place.event_source.enabled


def test_images_are_taken_again_when_the_model_runs() -> None:
    place = Place()
    place.look("STOPPED")
    place.look("RUNNING")
    assert place.event_source.enabled


@pytest.mark.parametrize("on", [True, False])
def test_what_cannot_be_known_changes_nothing_and_is_an_error(*, on: bool) -> None:
    place = Place(STARTS)
    place.event_source.enabled = on
    place.model.fault = REFUSED
    with pytest.raises(Retryable):
        place.look(images=1)
    assert (place.event_source.enabled, place.model.calls, dict(place.telemetry.counts)) == (on, [], {})


def test_a_model_is_left_to_people_where_nothing_else_is_wanted() -> None:
    place = Place()
    place.look("STOPPED", images=7)
    for _ in range(100):
        place.look("RUNNING", after=timedelta(hours=1))
    assert place.model.calls == []


@pytest.mark.parametrize("state", ["STOPPED", "TRAINING_COMPLETED"])
def test_a_model_is_started_when_images_wait_where_that_is_wanted(state: str) -> None:
    place = Place(STARTS)
    place.look(state)
    assert place.model.calls == []
    place.look(images=1)
    assert place.model.calls == ["start"]


@pytest.mark.parametrize("state", ["FAILED", "TRAINING_FAILED", "STARTING", "STOPPING", "DELETING", "RUNNING"])
def test_what_cannot_be_started_is_not(state: str) -> None:
    place = Place(STARTS)
    place.look(state, images=1)
    assert place.model.calls == []


def test_a_start_is_remembered_before_it_is_made_so_that_no_run_is_nobody_s() -> None:
    place = Place(STARTS)
    place.model.unstartable = Retryable("ReadTimeoutError", "who knows")
    with pytest.raises(Retryable):
        place.look(images=1)
    place.model.unstartable = None
    place.look("STARTING")
    assert place.model_states.memory.started_at == MORNING + timedelta(minutes=1)


def test_a_start_that_came_to_nothing_is_forgotten() -> None:
    place = Place(STARTS)
    place.model.unstartable = Retryable("LimitExceededException", "no")
    with pytest.raises(Retryable):
        place.look(images=1)
    place.look("STOPPED")
    assert place.model_states.memory.started_at is None


class SeenBefore(FakeModelVersion):
    """To this look the model is as it was before another look of the same minute, which has started it since."""

    def __init__(self, other: Place) -> None:
        super().__init__()
        self._other = other

    def status(self) -> str:
        status = self._other.model.status()
        self._other.look(images=1, after=timedelta())
        return status

    def start(self) -> bool:
        return self._other.model.start()


@pytest.mark.parametrize("images", [1, 0])
def test_a_run_belongs_to_labelwatch_whichever_of_two_looks_at_once_started_it(images: int) -> None:
    place = Place(IDLE)
    late = Place(IDLE, model=SeenBefore(place), model_states=place.model_states, now=place.now + timedelta(seconds=5))
    late.look(images=images, after=timedelta())
    assert place.model.calls == ["start"]
    place.look("RUNNING")
    idle(place, 10)
    assert place.model.calls == ["start", "stop"]


class RecalledBefore(FakeModelStates):
    """This look recalls what was so before another look of the same minute, which notes a run of its own since."""

    def __init__(self, other: Place) -> None:
        super().__init__()
        self._other = other

    def load(self) -> ModelState:
        memory = self._other.model_states.load()
        self._other.look("STOPPED", images=1, after=timedelta(seconds=1))
        return memory

    def keep(self, memory: ModelState, instead_of: ModelState) -> bool:
        return self._other.model_states.keep(memory, instead_of)


@pytest.mark.parametrize("images", [1, 0])
def test_a_look_that_was_overtaken_does_not_strike_out_the_run_that_another_started(images: int) -> None:
    place = Place(IDLE)
    place.run_by_labelwatch()
    late = Place(IDLE, model_states=RecalledBefore(place), now=place.now + timedelta(seconds=5))
    late.look("STOPPED", images=images, after=timedelta())
    assert (place.model.calls, late.model.calls) == (["start"], [])
    place.look("RUNNING")
    idle(place, 10)
    assert place.model.calls == ["start", "stop"]


IDLE = ModelPolicy(auto_start=True, idle_minutes=10)


def idle(place: Place, minutes: int) -> None:
    for _ in range(minutes):
        place.look("RUNNING" if not place.model.calls else None)


def test_a_model_that_has_had_nothing_to_do_is_stopped() -> None:
    place = Place(IDLE)
    place.run_by_labelwatch()
    idle(place, 10)
    assert place.model.calls == []
    idle(place, 1)
    assert place.model.calls == ["stop"]


def test_an_image_that_waits_makes_the_minutes_begin_anew() -> None:
    place = Place(IDLE)
    place.run_by_labelwatch()
    idle(place, 10)
    place.look(images=1)
    idle(place, 10)
    assert place.model.calls == []


def test_images_that_came_and_went_between_two_looks_count_as_something_to_do() -> None:
    place = Place(IDLE)
    place.run_by_labelwatch()
    idle(place, 9)
    place.model_states.used(place.now)
    idle(place, 9)
    assert place.model.calls == []
    idle(place, 1)
    assert place.model.calls == ["stop"]


def test_the_last_use_of_an_earlier_run_stops_no_model_that_has_just_started() -> None:
    place = Place(IDLE)
    place.model_states.used(MORNING - timedelta(days=1))
    place.run_by_labelwatch()
    idle(place, 5)
    assert place.model.calls == []


def test_a_model_that_a_person_started_is_not_stopped() -> None:
    place = Place(IDLE)
    idle(place, 60)
    assert place.model.calls == []


def test_unless_any_model_is_to_be_stopped() -> None:
    place = Place(ModelPolicy(idle_minutes=10, idle_stops_any=True))
    idle(place, 11)
    assert place.model.calls == ["stop"]


def test_a_model_that_a_person_stopped_and_started_again_is_theirs() -> None:
    place = Place(IDLE)
    place.run_by_labelwatch()
    place.look("STOPPED")
    idle(place, 60)
    assert place.model.calls == []


def test_another_model_is_not_taken_for_the_one_that_was_started_and_its_hours_count_on() -> None:
    place = Place(IDLE)
    place.run_by_labelwatch(hours=3)
    place.model.name = MODEL.replace("rice.1", "rice.2")
    idle(place, 60)
    assert (place.model.calls, place.telemetry.counts["ModelHoursThisMonth"]) == ([], 3)


CEILING = ModelPolicy(auto_start=True, max_hours=5)


def test_only_hours_of_its_own_runs_are_counted() -> None:
    place = Place(CEILING)
    for _ in range(9):
        place.look("RUNNING", after=timedelta(hours=1))
    assert place.telemetry.counts["ModelHoursThisMonth"] == 0
    place.run_by_labelwatch(hours=2)
    assert place.telemetry.counts["ModelHoursThisMonth"] == 2


def test_a_model_is_stopped_at_the_ceiling_and_not_started_again_that_month() -> None:
    place = Place(CEILING)
    place.run_by_labelwatch(hours=4.9)
    place.look(images=1, after=timedelta(minutes=7))
    assert place.model.calls == ["stop"]
    place.look("STOPPED", images=1)
    assert place.model.calls == ["stop"]


def test_the_ceiling_stops_no_model_that_a_person_started() -> None:
    place = Place(CEILING)
    place.model_states.memory = ModelState(model=MODEL, month="2026-11", seconds=6 * 3600)
    place.look("RUNNING", images=1)
    assert place.model.calls == []


def test_a_new_month_begins_at_nought_with_what_has_run_in_it() -> None:
    place = Place(CEILING, now=datetime(2026, 11, 30, 20, tzinfo=UTC))
    place.run_by_labelwatch(hours=4.5)
    assert place.model_states.memory.seconds == pytest.approx(31 * 60)
    assert (place.model_states.memory.month, place.model.calls) == ("2026-12", [])


def test_a_run_that_stopped_while_nobody_looked_is_not_counted_until_now() -> None:
    place = Place(CEILING)
    place.run_by_labelwatch(hours=1)
    place.look("STOPPED", after=timedelta(days=3))
    assert place.model_states.memory.seconds == pytest.approx(3600)


def test_a_circuit_that_cannot_be_turned_does_not_keep_a_model_running() -> None:
    place = Place(CEILING)
    place.run_by_labelwatch(hours=6)
    place.model.state = "RUNNING"
    place.event_source.fault = REFUSED
    with pytest.raises(Retryable):
        place.look()
    assert place.model.state == "STOPPING"


def test_each_look_tells_whether_the_model_runs_and_what_waits() -> None:
    place = Place()
    place.look("RUNNING", images=4)
    assert dict(place.telemetry.counts) == {"ModelRunning": 1, "ImagesWaiting": 4, "ModelHoursThisMonth": 0}
    place.look("STOPPED")
    assert dict(place.telemetry.counts) == {"ModelRunning": 0, "ImagesWaiting": 0, "ModelHoursThisMonth": 0}


def test_nothing_is_written_down_where_nothing_has_changed() -> None:
    place = Place()
    for images in (1, 0, 1, 0):
        place.look("RUNNING", images=images)
    assert place.model_states.writes == 1

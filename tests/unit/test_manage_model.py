from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta

import pytest
from msgspec.structs import replace

from chalicelib.domain.errors import Retryable
from chalicelib.domain.messages import Message
from chalicelib.domain.model import Action, ModelPolicy, ModelState, Snapshot, decide
from chalicelib.steps.manage_model import MOST_MESSAGES, ManageModel
from tests.support.builders import MODEL, notification, s3_record
from tests.support.fakes import (
    FakeBacklog,
    FakeEventSource,
    FakeImageCounts,
    FakeModelStates,
    FakeModelVersion,
    FakeTelemetry,
    day_limit,
)

MORNING = datetime(2026, 11, 22, 8, tzinfo=UTC)
REFUSED = Retryable("ThrottlingException", "slow down")


@dataclass
class Harness:
    """The step with a fake for each port, and a clock."""

    model_policy: ModelPolicy = field(default_factory=ModelPolicy)
    now: datetime = MORNING
    model: FakeModelVersion = field(default_factory=FakeModelVersion)
    event_source: FakeEventSource = field(default_factory=FakeEventSource)
    backlog: FakeBacklog = field(default_factory=FakeBacklog)
    model_states: FakeModelStates = field(default_factory=FakeModelStates)
    image_counts: FakeImageCounts = field(default_factory=FakeImageCounts)
    most_images: int = 0
    telemetry: FakeTelemetry = field(default_factory=FakeTelemetry)

    def check(self, state: str | None = None, *, images: int = 0, after: timedelta = timedelta(minutes=1)) -> None:
        """One check, a minute after the one before, of a model in this state."""
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
            day_limit=day_limit(self.image_counts, self.most_images, lambda: self.now),
            telemetry=self.telemetry,
            now=lambda: self.now,
        )()

    def run_by_labelwatch(self, hours: float = 0) -> None:
        """Labelwatch starts the model, which then runs for so long."""
        self.check("STOPPED", images=1)
        assert self.model.calls == ["start"]
        self.check("RUNNING", images=1, after=timedelta(hours=hours))
        self.model.calls.clear()


STARTS = ModelPolicy(auto_start=True)


@pytest.mark.parametrize("state", ["STOPPED", "STARTING", "STOPPING", "FAILED", "TRAINING_COMPLETED", "a new word"])
def test_polling_is_paused_while_the_model_does_not_run(state: str) -> None:
    harness = Harness()
    harness.check(state)
    assert not harness.event_source.enabled


def test_polling_is_resumed_when_the_model_runs() -> None:
    harness = Harness()
    harness.check("STOPPED")
    harness.check("RUNNING")
    assert harness.event_source.enabled


@pytest.mark.parametrize("on", [True, False])
def test_an_unknown_status_changes_nothing_and_is_counted_as_an_error(*, on: bool) -> None:
    harness = Harness(STARTS)
    harness.event_source.enabled = on
    harness.model.fault = REFUSED
    harness.check(images=1)
    assert (harness.event_source.enabled, harness.model.calls) == (on, [])
    assert dict(harness.telemetry.counts) == {"ModelCheckErrors": 1}
    assert harness.telemetry.log == [("model check failed", {"reason": "ThrottlingException", "detail": "slow down"})]


def test_without_a_policy_a_model_is_left_to_people() -> None:
    harness = Harness()
    harness.check("STOPPED", images=7)
    for _ in range(100):
        harness.check("RUNNING", after=timedelta(hours=1))
    assert harness.model.calls == []


@pytest.mark.parametrize("state", ["STOPPED", "TRAINING_COMPLETED"])
def test_with_auto_start_a_model_is_started_when_images_wait(state: str) -> None:
    harness = Harness(STARTS)
    harness.check(state)
    assert harness.model.calls == []
    harness.check(images=1)
    assert harness.model.calls == ["start"]


@pytest.mark.parametrize("state", ["FAILED", "TRAINING_FAILED", "STARTING", "STOPPING", "DELETING", "RUNNING"])
def test_a_model_that_cannot_be_started_is_not_started(state: str) -> None:
    harness = Harness(STARTS)
    harness.check(state, images=1)
    assert harness.model.calls == []


FOLDER = notification(s3_record("field 7/", object={"key": "field+7/", "size": 0}))
FOREIGN = '{"hello": "queue"}'
WITHOUT_IMAGE = {
    "a test event": '{"Service": "Amazon S3", "Event": "s3:TestEvent"}',
    "a folder": FOLDER,
    "a removal": notification(s3_record(eventName="ObjectRemoved:Delete")),
}


@pytest.mark.parametrize("body", WITHOUT_IMAGE.values(), ids=WITHOUT_IMAGE)
def test_a_message_without_an_image_is_deleted_and_starts_no_model(body: str) -> None:
    harness = Harness(STARTS)
    harness.backlog.others["m"] = body
    harness.check("STOPPED")
    assert (harness.model.calls, harness.backlog.others) == ([], {})
    assert harness.telemetry.log == [("polling paused", {"status": "STOPPED"}), (DELETED, {"id": "m"})]


DELETED = "message without an image deleted"


def test_a_message_that_detect_would_reject_is_hidden_for_a_while_and_starts_no_model() -> None:
    harness = Harness(STARTS)
    harness.backlog.others["m"] = FOREIGN
    harness.check("STOPPED")
    assert (harness.model.calls, harness.backlog.others) == ([], {"m": FOREIGN})
    assert harness.backlog.hidden == {"m": 15 * 60}
    assert ("message left to detect", "NotAnS3Event") in [
        (event, fields.get("reason")) for event, fields in harness.telemetry.log
    ]


def test_an_image_behind_other_messages_starts_the_model_and_is_not_hidden() -> None:
    harness = Harness(STARTS)
    harness.backlog.others = WITHOUT_IMAGE | {"m": FOREIGN}
    harness.check("STOPPED", images=3)
    assert harness.model.calls == ["start"]
    assert harness.backlog.receives[FakeBacklog.IMAGE] == 1
    assert FakeBacklog.IMAGE not in harness.backlog.hidden


@pytest.mark.parametrize(
    ("policy", "status"), [(ModelPolicy(), "STOPPED"), (STARTS, "RUNNING"), (STARTS, "STARTING"), (STARTS, "FAILED")]
)
def test_no_message_is_read_unless_the_model_may_be_started(policy: ModelPolicy, status: str) -> None:
    harness = Harness(policy)
    harness.backlog.others["m"] = FOLDER
    harness.check(status, images=1)
    assert not harness.backlog.receives


def test_no_message_is_read_once_the_hours_of_the_month_are_used() -> None:
    harness = Harness(MAX_HOURS)
    harness.model_states.state = ModelState(model=MODEL, month="2026-11", seconds=6 * 3600)
    harness.check("STOPPED", images=1)
    assert not harness.backlog.receives


def test_a_start_that_fails_each_minute_receives_an_image_once() -> None:
    harness = Harness(STARTS)
    harness.model.unstartable = Retryable("LimitExceededException", "no")
    for _ in range(30):
        harness.check("STOPPED", images=1)
    assert harness.backlog.receives[FakeBacklog.IMAGE] == 1
    harness.model.unstartable = None
    harness.check("STOPPED", images=1)
    assert (harness.model.calls, harness.backlog.receives[FakeBacklog.IMAGE]) == (["start"], 1)


@pytest.mark.parametrize("between", [("RUNNING", 1), ("STOPPED", 0)])
def test_a_run_or_an_empty_queue_ends_the_memory_of_an_image(between: tuple[str, int]) -> None:
    harness = Harness(STARTS)
    harness.model.unstartable = Retryable("LimitExceededException", "no")
    harness.check("STOPPED", images=1)
    harness.model.unstartable = None
    harness.check(between[0], images=between[1])
    harness.backlog.others["m"] = FOLDER
    harness.check("STOPPED")
    assert (harness.model.calls, harness.backlog.others) == ([], {})


def test_an_image_whose_visibility_cannot_be_changed_starts_the_model_all_the_same() -> None:
    harness = Harness(STARTS)
    harness.backlog.undelayable = REFUSED
    harness.check("STOPPED", images=1)
    assert harness.model.calls == ["start"]
    assert "visibility timeout not changed" in dict(harness.telemetry.log)
    assert 20 < harness.backlog.hidden[FakeBacklog.IMAGE] < 60  # longer than a check, and shorter than a start


def test_messages_that_cannot_be_read_start_no_model_and_are_an_error() -> None:
    harness = Harness(STARTS, backlog=UnreadableBacklog())
    harness.check("STOPPED", images=1)
    assert (harness.model.calls, harness.telemetry.counts["ModelCheckErrors"]) == ([], 1)


class UnreadableBacklog(FakeBacklog):
    """Its messages are counted and cannot be received."""

    def receive(self, hidden_seconds: int) -> Message | None:
        raise Retryable("AccessDenied", f"not for {hidden_seconds} s")


def test_a_check_reads_a_limited_number_of_messages_and_the_next_check_the_rest() -> None:
    harness = Harness(STARTS)
    harness.backlog.others = {f"m{number}": FOLDER for number in range(MOST_MESSAGES + 1)}
    harness.check("STOPPED", images=1)
    assert (harness.model.calls, len(harness.backlog.others)) == ([], 1)
    harness.check("STOPPED", images=1)
    assert harness.model.calls == ["start"]


def test_a_start_is_saved_before_it_is_made_so_that_every_run_has_an_owner() -> None:
    harness = Harness(STARTS)
    harness.model.unstartable = Retryable("ReadTimeoutError", "no answer")
    harness.check(images=1)
    assert harness.telemetry.counts["ModelCheckErrors"] == 1
    harness.model.unstartable = None
    harness.check("STARTING")
    assert harness.model_states.state.started_at == MORNING + timedelta(minutes=1)


def test_a_start_that_failed_is_removed_from_the_state() -> None:
    harness = Harness(STARTS)
    harness.model.unstartable = Retryable("LimitExceededException", "no")
    harness.check(images=1)
    assert harness.telemetry.counts["ModelCheckErrors"] == 1
    harness.check("STOPPED")
    assert harness.model_states.state.started_at is None


class ReadBeforeStart(FakeModelVersion):
    """This check reads the status before another check of the same minute starts the model."""

    def __init__(self, other: Harness) -> None:
        super().__init__()
        self._other = other

    def status(self) -> str:
        status = self._other.model.status()
        self._other.check(images=1, after=timedelta())
        return status

    def start(self) -> bool:
        return self._other.model.start()


@pytest.mark.parametrize("images", [1, 0])
def test_a_run_belongs_to_labelwatch_whichever_of_two_concurrent_checks_started_it(images: int) -> None:
    harness = Harness(IDLE)
    late = Harness(
        IDLE, model=ReadBeforeStart(harness), model_states=harness.model_states, now=harness.now + timedelta(seconds=5)
    )
    late.check(images=images, after=timedelta())
    assert harness.model.calls == ["start"]
    harness.check("RUNNING")
    idle(harness, 10)
    assert harness.model.calls == ["start", "stop"]


class LoadedBeforeStart(FakeModelStates):
    """This check loads the state before another check of the same minute saves the start of a run."""

    def __init__(self, other: Harness) -> None:
        super().__init__()
        self._other = other

    def load(self) -> ModelState:
        state = self._other.model_states.load()
        self._other.check("STOPPED", images=1, after=timedelta(seconds=1))
        return state

    def save(self, state: ModelState, instead_of: ModelState) -> bool:
        return self._other.model_states.save(state, instead_of)


@pytest.mark.parametrize("images", [1, 0])
def test_a_check_that_was_overtaken_does_not_overwrite_the_run_that_another_started(images: int) -> None:
    harness = Harness(IDLE)
    harness.run_by_labelwatch()
    late = Harness(IDLE, model_states=LoadedBeforeStart(harness), now=harness.now + timedelta(seconds=5))
    late.check("STOPPED", images=images, after=timedelta())
    assert (harness.model.calls, late.model.calls) == (["start"], [])
    assert ("model state not saved" in dict(late.telemetry.log)) is (images == 0)
    harness.check("RUNNING")
    idle(harness, 10)
    assert harness.model.calls == ["start", "stop"]


IDLE = ModelPolicy(auto_start=True, idle_minutes=10)


def idle(harness: Harness, minutes: int) -> None:
    for _ in range(minutes):
        harness.check("RUNNING" if not harness.model.calls else None)


def test_an_idle_model_is_stopped() -> None:
    harness = Harness(IDLE)
    harness.run_by_labelwatch()
    idle(harness, 10)
    assert harness.model.calls == []
    idle(harness, 1)
    assert harness.model.calls == ["stop"]


def test_a_waiting_image_restarts_the_idle_minutes() -> None:
    harness = Harness(IDLE)
    harness.run_by_labelwatch()
    idle(harness, 10)
    harness.check(images=1)
    idle(harness, 10)
    assert harness.model.calls == []


def test_images_that_came_and_went_between_two_checks_count_as_use() -> None:
    harness = Harness(IDLE)
    harness.run_by_labelwatch()
    idle(harness, 9)
    harness.model_states.record(harness.now)
    idle(harness, 9)
    assert harness.model.calls == []
    idle(harness, 1)
    assert harness.model.calls == ["stop"]


def test_the_last_use_of_an_earlier_run_does_not_stop_a_model_that_has_just_started() -> None:
    harness = Harness(IDLE)
    harness.model_states.record(MORNING - timedelta(days=1))
    harness.run_by_labelwatch()
    idle(harness, 5)
    assert harness.model.calls == []


def test_a_model_that_a_person_started_is_not_stopped() -> None:
    harness = Harness(IDLE)
    idle(harness, 60)
    assert harness.model.calls == []


def test_with_idle_stops_any_a_model_that_a_person_started_is_stopped_too() -> None:
    harness = Harness(ModelPolicy(idle_minutes=10, idle_stops_any=True))
    idle(harness, 11)
    assert harness.model.calls == ["stop"]


def test_a_model_that_a_person_stopped_and_restarted_belongs_to_the_person() -> None:
    harness = Harness(IDLE)
    harness.run_by_labelwatch()
    harness.check("STOPPED")
    idle(harness, 60)
    assert harness.model.calls == []


def test_the_run_of_another_model_is_not_labelwatch_s_and_the_hours_count_on() -> None:
    harness = Harness(IDLE)
    harness.run_by_labelwatch(hours=3)
    harness.model.name = MODEL.replace("rice.1", "rice.2")
    idle(harness, 60)
    assert (harness.model.calls, harness.telemetry.counts["ModelHoursThisMonth"]) == ([], 3)


MAX_HOURS = ModelPolicy(auto_start=True, max_hours=5)


def test_only_the_hours_of_labelwatch_s_own_runs_are_counted() -> None:
    harness = Harness(MAX_HOURS)
    for _ in range(9):
        harness.check("RUNNING", after=timedelta(hours=1))
    assert harness.telemetry.counts["ModelHoursThisMonth"] == 0
    harness.run_by_labelwatch(hours=2)
    assert harness.telemetry.counts["ModelHoursThisMonth"] == 2


def test_a_model_is_stopped_at_its_maximum_of_hours_and_not_restarted_that_month() -> None:
    harness = Harness(MAX_HOURS)
    harness.run_by_labelwatch(hours=4.9)
    harness.check(images=1, after=timedelta(minutes=7))
    assert harness.model.calls == ["stop"]
    harness.check("STOPPED", images=1)
    assert harness.model.calls == ["stop"]


def test_the_maximum_of_hours_does_not_stop_a_model_that_a_person_started() -> None:
    harness = Harness(MAX_HOURS)
    harness.model_states.state = ModelState(model=MODEL, month="2026-11", seconds=6 * 3600)
    harness.check("RUNNING", images=1)
    assert harness.model.calls == []


def test_a_new_month_counts_only_the_hours_in_it() -> None:
    harness = Harness(MAX_HOURS, now=datetime(2026, 11, 30, 20, tzinfo=UTC))
    harness.run_by_labelwatch(hours=4.5)
    assert harness.model_states.state.seconds == pytest.approx(31 * 60)
    assert (harness.model_states.state.month, harness.model.calls) == ("2026-12", [])


def test_a_run_that_stopped_between_two_checks_is_not_counted_until_now() -> None:
    harness = Harness(MAX_HOURS)
    harness.run_by_labelwatch(hours=1)
    harness.check("STOPPED", after=timedelta(days=3))
    assert harness.model_states.state.seconds == pytest.approx(3600)


def test_polling_that_cannot_be_changed_does_not_keep_a_model_running() -> None:
    harness = Harness(MAX_HOURS)
    harness.run_by_labelwatch(hours=6)
    harness.model.state = "RUNNING"
    harness.event_source.fault = REFUSED
    harness.check()
    assert harness.model.state == "STOPPING"
    assert harness.telemetry.counts["ModelCheckErrors"] == 1


def test_each_check_counts_whether_the_model_runs_and_how_many_images_wait() -> None:
    harness = Harness()
    harness.check("RUNNING", images=4)
    assert dict(harness.telemetry.counts) == {"ModelRunning": 1, "ImagesWaiting": 4, "ModelHoursThisMonth": 0}
    harness.check("STOPPED")
    assert dict(harness.telemetry.counts) == {"ModelRunning": 0, "ImagesWaiting": 0, "ModelHoursThisMonth": 0}


def test_a_state_that_has_not_changed_is_not_saved() -> None:
    harness = Harness()
    for images in (1, 0, 1, 0):
        harness.check("RUNNING", images=images)
    assert harness.model_states.writes == 1


class CountedModelStates(FakeModelStates):
    """Counts how often the last use is read."""

    def __init__(self) -> None:
        super().__init__()
        self.reads = 0

    def last_used(self) -> datetime | None:
        self.reads += 1
        return super().last_used()


def test_the_last_use_is_read_only_before_an_idle_model_is_stopped() -> None:
    states = CountedModelStates()
    harness = Harness(IDLE, model_states=states)
    idle(harness, 60)  # a person's run
    assert states.reads == 0
    harness.run_by_labelwatch()
    idle(harness, 10)
    assert states.reads == 0
    idle(harness, 1)
    assert (states.reads, harness.model.calls) == (1, ["stop"])


def snapshot(status: str, *, waiting: int = 0, state: ModelState | None = None) -> Snapshot:
    """A run of a minute that Labelwatch started, unless there is another state."""
    minute_ago = MORNING - timedelta(minutes=1)
    own = ModelState(model=MODEL, month="2026-11", started_at=minute_ago, counted_until=minute_ago)
    return Snapshot(now=MORNING, model=MODEL, status=status, waiting=waiting, state=state or own)


LONG_IDLE = ModelState(
    model=MODEL, month="2026-11", started_at=MORNING, counted_until=MORNING, idle_since=MORNING - timedelta(minutes=10)
)
STOP_ANY = ModelPolicy(idle_minutes=10, idle_stops_any=True, max_hours=5)
SPENT = ModelState(model=MODEL, month="2026-11", seconds=5 * 3600, started_at=MORNING, counted_until=MORNING)


@pytest.mark.parametrize(
    ("policy", "before", "action"),
    [
        (STARTS, snapshot("STOPPED", waiting=1), Action.START),
        (STARTS, snapshot("STOPPED"), None),
        (ModelPolicy(), snapshot("STOPPED", waiting=1), None),
        (MAX_HOURS, snapshot("STOPPED", waiting=1, state=SPENT), None),
        (MAX_HOURS, snapshot("RUNNING", waiting=1, state=SPENT), Action.STOP_HOURS),
        (MAX_HOURS, snapshot("RUNNING", waiting=1), None),
        (STOP_ANY, snapshot("RUNNING", waiting=1, state=replace(SPENT, started_at=None)), None),
        (IDLE, snapshot("RUNNING", state=LONG_IDLE), Action.STOP_IDLE),
        (IDLE, snapshot("RUNNING", waiting=1, state=LONG_IDLE), None),
        (IDLE, snapshot("STOPPING", state=LONG_IDLE), None),
        (ModelPolicy(), snapshot("RUNNING", state=LONG_IDLE), None),
    ],
)
def test_the_decision_follows_from_the_snapshot_and_the_policy(
    policy: ModelPolicy, before: Snapshot, action: Action | None
) -> None:
    assert decide(before, policy).action is action


def test_a_decision_to_start_has_the_start_in_its_state() -> None:
    assert decide(snapshot("STOPPED", waiting=1), STARTS).state.started_at == MORNING


def test_a_last_use_restarts_the_idle_minutes() -> None:
    decision = decide(replace(snapshot("RUNNING", state=LONG_IDLE), last_used=MORNING), IDLE)
    assert (decision.action, decision.state.idle_since) == (None, MORNING)


def test_general_labels_need_no_model_that_runs() -> None:
    event_source, telemetry = FakeEventSource(), FakeTelemetry()
    event_source.enabled = False
    ManageModel(
        model=None,
        event_source=event_source,
        backlog=FakeBacklog(),
        model_states=FakeModelStates(),
        model_policy=ModelPolicy(),
        day_limit=day_limit(FakeImageCounts()),
        telemetry=telemetry,
        now=lambda: MORNING,
    )()
    assert event_source.enabled
    assert telemetry.counts == {}

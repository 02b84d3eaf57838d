"""manage_model over many minutes, whatever people, the service and the images do in between."""

from datetime import UTC, datetime, timedelta

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from chalicelib.domain.errors import Retryable
from chalicelib.domain.model import ModelPolicy
from chalicelib.steps.manage_model import ManageModel
from tests.support.builders import notification, s3_record
from tests.support.fakes import (
    FakeBacklog,
    FakeEventSource,
    FakeImageCounts,
    FakeModelStates,
    FakeModelVersion,
    FakeTelemetry,
    day_limit,
)

MINUTE = timedelta(minutes=1)
LONGEST_MISMATCH = 2
FOLDER = notification(s3_record("field 7/", object={"key": "field+7/", "size": 0}))
FOREIGN = '{"hello": "queue"}'


class SlowEventSource(FakeEventSource):
    """A mapping that needs until the next minute to change, and takes no other change meanwhile, as on AWS."""

    def __init__(self) -> None:
        super().__init__()
        self.changing_to: bool | None = None

    def _change(self, *, enabled: bool) -> bool:
        if self.changing_to is not None or enabled is self.enabled:
            return False
        self.changing_to = enabled
        return True

    def settle(self) -> None:
        self.enabled, self.changing_to = self.enabled if self.changing_to is None else self.changing_to, None


class ModelOverTime(RuleBasedStateMachine):
    """What people and the service do; the test itself tracks whose run it is and how long it lasted."""

    model_policy: ModelPolicy
    now: datetime

    @initialize(
        auto_start=st.booleans(),
        idle_minutes=st.sampled_from([0, 5]),
        idle_stops_any=st.booleans(),
        max_hours=st.sampled_from([0, 1]),
        minutes_to_new_year=st.integers(1, 300),
    )
    def begin(
        self, *, auto_start: bool, idle_minutes: int, idle_stops_any: bool, max_hours: int, minutes_to_new_year: int
    ) -> None:
        self.model_policy = ModelPolicy(
            auto_start=auto_start, idle_minutes=idle_minutes, idle_stops_any=idle_stops_any, max_hours=max_hours
        )
        self.now = datetime(2027, 1, 1, tzinfo=UTC) - minutes_to_new_year * MINUTE
        self.model, self.event_source, self.backlog = FakeModelVersion(), SlowEventSource(), FakeBacklog()
        self.model_states = FakeModelStates()
        self.ours = False
        self.our_time = timedelta()
        self.mismatched_for = 0
        self.ran = False
        self.idle_for = 0
        self.messages = 0
        self.check = ManageModel(
            model=self.model,
            event_source=self.event_source,
            backlog=self.backlog,
            model_states=self.model_states,
            model_policy=self.model_policy,
            day_limit=day_limit(FakeImageCounts()),
            telemetry=FakeTelemetry(),
            now=lambda: self.now,
        )

    @rule(minutes=st.integers(1, 70))
    def time_passes(self, minutes: int) -> None:
        for _ in range(minutes):
            self._minute()

    @rule()
    def the_model_comes_up_or_down(self) -> None:
        self.model.state = {"STARTING": "RUNNING", "STOPPING": "STOPPED"}.get(self.model.state, self.model.state)

    @precondition(lambda self: self.model.state in {"STARTING", "RUNNING"})
    @rule()
    def the_model_fails(self) -> None:
        self.model.state = "FAILED"

    @precondition(lambda self: self.model.state in {"STOPPED", "FAILED"})
    @rule()
    def somebody_starts_the_model(self) -> None:
        self._minute()  # a check falls between any two runs: AWS needs minutes for a stop and for a start
        if self.model.state in {"STOPPED", "FAILED"}:
            self.model.state = "STARTING"

    @precondition(lambda self: self.model.state == "RUNNING")
    @rule()
    def somebody_stops_the_model(self) -> None:
        self.model.state = "STOPPING"

    @rule(on=st.booleans())
    def somebody_changes_the_mapping(self, *, on: bool) -> None:
        self.event_source.enabled, self.event_source.changing_to = on, None
        self.mismatched_for = 0  # the person caused the mismatch, and the checks begin anew

    @rule(images=st.integers(1, 30))
    def images_come(self, images: int) -> None:
        self.backlog.images += images

    @rule(body=st.sampled_from([FOLDER, FOREIGN]))
    def a_message_without_an_image_comes(self, body: str) -> None:
        self.messages += 1
        self.backlog.others[f"{body}{self.messages}"] = body

    @rule()
    def an_image_comes_and_goes_between_two_checks(self) -> None:
        if self.event_source.enabled and self.model.state == "RUNNING":
            self.model_states.record(self.now)
            self.idle_for = 0

    @rule()
    def the_status_cannot_be_read_for_a_minute(self) -> None:
        before = self.event_source.enabled, self.event_source.changing_to
        self.model.fault = Retryable("ThrottlingException", "slow down")
        self.check()
        assert (self.event_source.enabled, self.event_source.changing_to) == before
        assert self.model.calls == []
        self.model.fault = None

    def _minute(self) -> None:
        self._detect()
        new_month = (self.now + MINUTE).month != self.now.month
        self.now += MINUTE
        status = self.model.state
        if self.ours and status in {"STARTING", "RUNNING"}:
            self.our_time += MINUTE
        self.our_time = timedelta() if new_month else self.our_time
        self.ours = self.ours and status in {"STARTING", "RUNNING", "STOPPING"}
        self.idle_for = self.idle_for + 1 if status == "RUNNING" and not self.backlog.waiting() else 0
        self.event_source.settle()
        foreign = self._foreign()
        self.check()
        assert self._foreign() == foreign
        self._assert_started_for_an_image(status)
        calls, self.model.calls[:] = list(self.model.calls), []
        if calls:
            {"start": self._was_started, "stop": self._was_stopped}[calls[0]]()
        assert not (self.ours and self._spent() and self.model.state == "RUNNING")
        self._count_mismatch(status)

    def _count_mismatch(self, status: str) -> None:
        runs = self.model.state == "RUNNING"
        if self.event_source.enabled is runs or status != self.model.state:
            self.mismatched_for = 0
        else:  # enabled while stopped and disabled while running are two mismatches, each with checks of its own
            self.mismatched_for = self.mismatched_for + 1 if runs is self.ran else 1
        self.ran = runs

    def _foreign(self) -> set[str]:
        return {message_id for message_id, body in self.backlog.others.items() if body == FOREIGN}

    def _assert_started_for_an_image(self, status: str) -> None:
        if status == "RUNNING":
            self.backlog.receives.clear()
        assert self.backlog.receives[FakeBacklog.IMAGE] <= 1
        if status == "STOPPED" and self.model_policy.auto_start and not self.model_policy.max_hours:
            assert self.model.state == ("STARTING" if self.backlog.images else "STOPPED")

    def _detect(self) -> None:
        backlog = self.backlog
        backlog.hidden = {key: seconds - 60 for key, seconds in backlog.hidden.items() if seconds > 60}
        if self.event_source.enabled:
            backlog.others = {key: body for key, body in backlog.others.items() if key in backlog.hidden}
        if self.event_source.enabled and backlog.images:
            if self.model.state == "RUNNING":
                backlog.images = max(0, backlog.images - 10)
                self.model_states.record(self.now)
            else:
                self.event_source.disable()

    def _was_started(self) -> None:
        assert self.model_policy.auto_start
        assert self.backlog.images
        assert not self._spent()
        self.ours = True

    def _was_stopped(self) -> None:
        assert self.ours or self.model_policy.idle_stops_any
        idle = self.model_policy.idle_minutes and self.idle_for >= self.model_policy.idle_minutes
        assert idle or (self.ours and self._spent())

    def _spent(self) -> bool:
        return bool(self.model_policy.max_hours) and self.our_time >= timedelta(hours=self.model_policy.max_hours)

    @invariant()
    def the_mapping_follows_the_model(self) -> None:
        assert self.mismatched_for <= LONGEST_MISMATCH


TestModelOverTime = ModelOverTime.TestCase
TestModelOverTime.settings = settings(max_examples=200, stateful_step_count=30, deadline=None)

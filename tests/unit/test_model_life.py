"""The life of a model under manage_model, whatever people, the service and the images do in between."""

from datetime import UTC, datetime, timedelta

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from chalicelib.domain.errors import Retryable
from chalicelib.domain.model import ModelPolicy
from chalicelib.steps.manage_model import ManageModel
from tests.support.fakes import FakeBacklog, FakeEventSource, FakeModelStates, FakeModelVersion, FakeTelemetry

MINUTE = timedelta(minutes=1)
LONGEST_WRONG = 2


class SlowIntake(FakeEventSource):
    """A mapping that needs until the next minute to change, and takes no other change meanwhile, as on AWS."""

    def __init__(self) -> None:
        super().__init__()
        self.becoming: bool | None = None

    def _change(self, *, enabled: bool) -> bool:
        if self.becoming is not None or enabled is self.enabled:
            return False
        self.becoming = enabled
        return True

    def settle(self) -> None:
        self.enabled, self.becoming = self.enabled if self.becoming is None else self.becoming, None


class LifeOfAModel(RuleBasedStateMachine):
    """What people and the service do; the world itself keeps the book on whose run it is and how long it lasted."""

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
        self.model, self.event_source, self.backlog = FakeModelVersion(), SlowIntake(), FakeBacklog()
        self.model_states = FakeModelStates()
        self.ours = False
        self.our_time = timedelta()
        self.wrong_for = 0
        self.ran = False
        self.quiet_for = 0
        self.looks = ManageModel(
            model=self.model,
            event_source=self.event_source,
            backlog=self.backlog,
            model_states=self.model_states,
            model_policy=self.model_policy,
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
        self._minute()  # nobody is so quick that no look falls between two runs: AWS needs minutes for either
        if self.model.state in {"STOPPED", "FAILED"}:
            self.model.state = "STARTING"

    @precondition(lambda self: self.model.state == "RUNNING")
    @rule()
    def somebody_stops_the_model(self) -> None:
        self.model.state = "STOPPING"

    @rule(on=st.booleans())
    def somebody_turns_the_mapping(self, *, on: bool) -> None:
        self.event_source.enabled, self.event_source.becoming = on, None
        self.wrong_for = 0  # of whoever turned it back; the looks begin anew

    @rule(images=st.integers(1, 30))
    def images_come(self, images: int) -> None:
        self.backlog.images += images

    @rule()
    def an_image_comes_and_goes_between_two_looks(self) -> None:
        if self.event_source.enabled and self.model.state == "RUNNING":
            self.model_states.used(self.now)
            self.quiet_for = 0

    @rule()
    def the_model_cannot_be_asked_for_a_minute(self) -> None:
        before = self.event_source.enabled, self.event_source.becoming
        self.model.fault = Retryable("ThrottlingException", "slow down")
        try:
            self.looks()
        except Retryable:
            assert (self.event_source.enabled, self.event_source.becoming) == before
        self.model.fault = None

    def _minute(self) -> None:
        self._detect()
        new_month = (self.now + MINUTE).month != self.now.month
        self.now += MINUTE
        seen = self.model.state
        if self.ours and seen in {"STARTING", "RUNNING"}:
            self.our_time += MINUTE
        self.our_time = timedelta() if new_month else self.our_time
        self.ours = self.ours and seen in {"STARTING", "RUNNING", "STOPPING"}
        self.quiet_for = self.quiet_for + 1 if seen == "RUNNING" and not self.backlog.images else 0
        self.event_source.settle()
        self.looks()
        told, self.model.calls[:] = list(self.model.calls), []
        if told:
            {"start": self._was_started, "stop": self._was_stopped}[told[0]]()
        assert not (self.ours and self._spent() and self.model.state == "RUNNING")
        runs = self.model.state == "RUNNING"
        if self.event_source.enabled is runs or seen != self.model.state:
            self.wrong_for = 0
        else:  # left on for a stopped model and left off for a running one are two wrongs, each with its own looks
            self.wrong_for = self.wrong_for + 1 if runs is self.ran else 1
        self.ran = runs

    def _detect(self) -> None:
        if self.event_source.enabled and self.backlog.images:
            if self.model.state == "RUNNING":
                self.backlog.images = max(0, self.backlog.images - 10)
                self.model_states.used(self.now)
            else:
                self.event_source.disable()

    def _was_started(self) -> None:
        assert self.model_policy.auto_start
        assert self.backlog.images
        assert not self._spent()
        self.ours = True

    def _was_stopped(self) -> None:
        assert self.ours or self.model_policy.idle_stops_any
        idle = self.model_policy.idle_minutes and self.quiet_for >= self.model_policy.idle_minutes
        assert idle or (self.ours and self._spent())

    def _spent(self) -> bool:
        return bool(self.model_policy.max_hours) and self.our_time >= timedelta(hours=self.model_policy.max_hours)

    @invariant()
    def the_mapping_follows_the_model(self) -> None:
        assert self.wrong_for <= LONGEST_WRONG


TestLifeOfAModel = LifeOfAModel.TestCase
TestLifeOfAModel.settings = settings(max_examples=200, stateful_step_count=30, deadline=None)

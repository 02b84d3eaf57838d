"""How the Custom Labels model of a stack is run: the policy, the state between two checks, and the decision."""

from datetime import datetime, timedelta
from enum import Enum

from msgspec import Struct
from msgspec.structs import replace

# https://docs.aws.amazon.com/rekognition/latest/APIReference/API_ProjectVersionDescription.html
RUNNING, STARTING, STOPPING = "RUNNING", "STARTING", "STOPPING"
# Not FAILED: a model that failed would fail at each start, until somebody finds out why.
STARTABLE = {"STOPPED", "TRAINING_COMPLETED", "COPYING_COMPLETED"}
# Longer than a check may take: its status may have been read before a concurrent check started the model.
JUST_STARTED = timedelta(seconds=30)


class ModelState(Struct, frozen=True, kw_only=True):
    """What `manage_model` saves from one check to the next; times are UTC.

    `started_at` is set while a run lasts that Labelwatch itself started, counted until `counted_until`; `seconds` are
    all such runs in `month`, whichever model it was. `image_found`: a message that waits for the model names an image.
    """

    model: str = ""
    month: str = ""
    seconds: float = 0
    started_at: datetime | None = None
    counted_until: datetime | None = None
    idle_since: datetime | None = None
    image_found: bool = False

    @property
    def hours(self) -> int:
        """The whole hours of this month's runs."""
        return int(self.seconds // 3600)


class ModelPolicy(Struct, frozen=True, kw_only=True):
    """When to start and stop the model; by default people do both. 0 minutes and 0 hours are no limit."""

    auto_start: bool = False
    idle_minutes: int = 0
    idle_stops_any: bool = False
    max_hours: int = 0

    def hours_are_used(self, state: ModelState) -> bool:
        """Whether Labelwatch's own runs have lasted as long as they may in a month."""
        return bool(self.max_hours) and state.hours >= self.max_hours

    def is_idle(self, state: ModelState, now: datetime) -> bool:
        """Whether the model has had nothing to do for as long as it may."""
        minutes = timedelta(minutes=self.idle_minutes)
        return bool(minutes) and state.idle_since is not None and now - state.idle_since >= minutes


class Snapshot(Struct, frozen=True, kw_only=True):
    """Everything that a decision depends on, read before the decision.

    `waiting` is the number of messages in the images queue, 0 where none of them names an image; `last_used` may be
    None where no model is about to be stopped.
    """

    now: datetime
    model: str
    status: str
    waiting: int
    state: ModelState
    last_used: datetime | None = None


class Action(Enum):
    """What to do to the model; the value is the reason that the log gives."""

    START = "images are waiting"
    STOP_IDLE = "idle for ModelIdleMinutes"
    STOP_HOURS = "ModelMaxHoursPerMonth reached"


class Decision(Struct, frozen=True):
    """What to do, None for nothing, and the state to save."""

    action: Action | None
    state: ModelState


def decide(snapshot: Snapshot, policy: ModelPolicy) -> Decision:
    """The policy, applied to what was read; docs/decisions/0017 says why."""
    state = _with_image_found(_with_run_time_counted(snapshot.state, snapshot), snapshot)
    if policy.idle_minutes:
        state = _with_idle_since(state, snapshot)
    started_by_labelwatch, hours_are_used = state.started_at is not None, policy.hours_are_used(state)
    if snapshot.status in STARTABLE and snapshot.waiting and policy.auto_start and not hours_are_used:
        started = replace(state, started_at=snapshot.now, counted_until=snapshot.now, image_found=True)
        return Decision(Action.START, started)
    if snapshot.status != RUNNING or not (started_by_labelwatch or policy.idle_stops_any):
        return Decision(None, state)
    if started_by_labelwatch and hours_are_used:
        return Decision(Action.STOP_HOURS, state)
    return Decision(Action.STOP_IDLE if policy.is_idle(state, snapshot.now) else None, state)


def _with_idle_since(state: ModelState, snapshot: Snapshot) -> ModelState:
    """The state with the time since which the model has run and no image has waited, nor been detected."""
    if snapshot.status != RUNNING or snapshot.waiting:
        return replace(state, idle_since=None)
    idle_since = state.idle_since or snapshot.now
    return replace(state, idle_since=max(idle_since, snapshot.last_used or idle_since))


def _with_image_found(state: ModelState, snapshot: Snapshot) -> ModelState:
    """The state that forgets the image that was found, once the model runs or no message waits."""
    return replace(state, image_found=state.image_found and snapshot.status != RUNNING and snapshot.waiting > 0)


def _with_run_time_counted(state: ModelState, snapshot: Snapshot) -> ModelState:
    """The state with the time since the last check counted, where a run that Labelwatch started lasts."""
    now, status = snapshot.now, snapshot.status
    month = f"{now:%Y-%m}"
    if state.month != month:
        state = replace(state, month=month, seconds=0)
    just_started = state.started_at is not None and now - state.started_at < JUST_STARTED
    lasts = state.model == snapshot.model and (status in {RUNNING, STARTING, STOPPING} or just_started)
    if not state.counted_until or not lasts:
        return replace(state, model=snapshot.model, started_at=None, counted_until=None)
    if status == STOPPING:
        return state
    since = max(state.counted_until, now.replace(day=1, hour=0, minute=0, second=0, microsecond=0))
    seconds = max(0.0, (now - since).total_seconds())
    return replace(state, seconds=state.seconds + seconds, counted_until=now)

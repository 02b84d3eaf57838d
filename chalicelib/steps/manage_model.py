"""The manage_model step: images are taken from their queue while the model runs, and the model runs as it is wanted to.

docs/decisions/0017 tells why.
"""

from collections.abc import Callable
from datetime import datetime, timedelta
from enum import Enum
from typing import Protocol

from msgspec import Struct
from msgspec.structs import replace

from chalicelib.domain.model import ModelPolicy, ModelState
from chalicelib.queues.event_source import EventSource
from chalicelib.telemetry import Telemetry

# https://docs.aws.amazon.com/rekognition/latest/APIReference/API_ProjectVersionDescription.html
RUNNING, STARTING, STOPPING = "RUNNING", "STARTING", "STOPPING"
# Not FAILED: whatever failed would fail again, for as long as nobody looks at it.
STARTABLE = {"STOPPED", "TRAINING_COMPLETED", "COPYING_COMPLETED"}
# Longer than a look may take: the status that it goes by may be from before another look's start.
JUST_STARTED = timedelta(seconds=30)


class ModelVersion(Protocol):
    """The model's life. Raises a Fault where it cannot be asked or told now."""

    @property
    def name(self) -> str:
        """The model version's ARN."""

    def status(self) -> str:
        """AWS's word for it."""

    def start(self) -> bool:
        """Has it started; False where somebody else was faster."""

    def stop(self) -> bool:
        """Has it stopped; False where somebody else was faster."""


class Backlog(Protocol):
    """The images queue. Raises a Fault where it cannot be asked now."""

    def waiting(self) -> int:
        """About how many images it holds."""


class ModelStates(Protocol):
    """What is remembered. Raises a Fault where it cannot be asked or told now."""

    def load(self) -> ModelState:
        """What was kept last."""

    def keep(self, memory: ModelState, instead_of: ModelState) -> bool:
        """Keeps this in place of what was recalled; False where another look kept something of a run meanwhile."""

    def last_used(self) -> datetime | None:
        """When the model was of use last."""


class Act(Enum):
    """What is to be done to the model."""

    START = "start"
    STOP_IDLE = "it had nothing to do"
    STOP_HOURS = "it ran for as many hours as it may in a month"


class ManageModel(Struct, frozen=True, kw_only=True):
    """The step; call it once a minute."""

    model: ModelVersion
    event_source: EventSource
    backlog: Backlog
    model_states: ModelStates
    model_policy: ModelPolicy
    telemetry: Telemetry
    now: Callable[[], datetime]

    def __call__(self) -> None:
        """Looks once. Raises a Fault, and changes nothing, where it cannot know whether the model runs."""
        status = self.model.status()
        self.telemetry.count("ModelRunning", int(status == RUNNING))
        try:
            if self.event_source.enable() if status == RUNNING else self.event_source.disable():
                self.telemetry.info("polling resumed" if status == RUNNING else "polling paused", model=status)
        finally:  # what a model costs must not hang on the other
            self._keep(status)

    def _keep(self, status: str) -> None:
        now, waiting, before = self.now(), self.backlog.waiting(), self.model_states.load()
        memory = _counted(before, self.model.name, status, now)
        if self.model_policy.idle_minutes:
            memory = _idling(memory, status, waiting, now)
        self.telemetry.count("ImagesWaiting", waiting)
        self.telemetry.count("ModelHoursThisMonth", _hours(memory))
        act, memory = self._decided(memory, status, waiting, now)
        if act is Act.START:
            # Remembered first: a run that nobody knows of would be paid until somebody sees it. It stays remembered
            # where somebody else was faster to start: that may be another look of the same minute.
            noted = self.model_states.keep(replace(memory, started_at=now, counted_until=now), before)
            if noted and self.model.start():
                self.telemetry.info("model started", waiting=waiting)
            return
        if act and self.model.stop():
            self.telemetry.info("model stopped", reason=act.value)
        if memory != before:
            self.model_states.keep(memory, before)

    def _decided(self, memory: ModelState, status: str, waiting: int, now: datetime) -> tuple[Act | None, ModelState]:
        """What is to be done, and the memory with what was learnt on the way."""
        model_policy, ours = self.model_policy, memory.started_at is not None
        spent = bool(model_policy.max_hours) and _hours(memory) >= model_policy.max_hours
        if status in STARTABLE and waiting and model_policy.auto_start and not spent:
            return Act.START, memory
        if status != RUNNING or not (ours or model_policy.idle_stops_any):
            return None, memory
        if ours and spent:
            return Act.STOP_HOURS, memory
        enough = timedelta(minutes=model_policy.idle_minutes)
        if enough and _idle_for(memory, now) >= enough:
            # Images that come and go between two looks are seen by nobody but the one who asked the model.
            used = self.model_states.last_used() or now - enough
            memory = replace(memory, idle_since=max(used, memory.idle_since or used))
            return Act.STOP_IDLE if _idle_for(memory, now) >= enough else None, memory
        return None, memory


def _counted(memory: ModelState, model: str, status: str, now: datetime) -> ModelState:
    """The memory with the time since the last look counted, where that was of a run that is ours."""
    month = f"{now:%Y-%m}"
    if memory.month != month:
        memory = replace(memory, month=month, seconds=0)
    just_started = memory.started_at is not None and now - memory.started_at < JUST_STARTED
    lasts = memory.model == model and (status in {RUNNING, STARTING, STOPPING} or just_started)
    if not memory.counted_until or not lasts:
        return replace(memory, model=model, started_at=None, counted_until=None)
    if status == STOPPING:
        return memory
    since = max(memory.counted_until, now.replace(day=1, hour=0, minute=0, second=0, microsecond=0))
    seconds = max(0.0, (now - since).total_seconds())
    return replace(memory, seconds=memory.seconds + seconds, counted_until=now)


def _idling(memory: ModelState, status: str, waiting: int, now: datetime) -> ModelState:
    """The memory with since when the model has run and no image has waited."""
    idle = status == RUNNING and not waiting
    return replace(memory, idle_since=(memory.idle_since or now) if idle else None)


def _idle_for(memory: ModelState, now: datetime) -> timedelta:
    return now - (memory.idle_since or now)


def _hours(memory: ModelState) -> int:
    """The whole hours of this month's runs."""
    return int(memory.seconds // 3600)

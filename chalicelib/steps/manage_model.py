"""The manage_model step: polls the images queue only while the model runs, and runs the model by its policy.

docs/decisions/0017 says why.
"""

from collections.abc import Callable
from datetime import datetime
from typing import Protocol

from msgspec import Struct
from msgspec.structs import replace

from chalicelib.domain.errors import Fault
from chalicelib.domain.model import RUNNING, Action, Decision, ModelPolicy, ModelState, Snapshot, decide
from chalicelib.queues.event_source import EventSource
from chalicelib.telemetry import Telemetry


class ModelVersion(Protocol):
    """A version of a Custom Labels model. Raises a Fault where AWS does not answer or refuses."""

    @property
    def name(self) -> str:
        """The model version's ARN."""

    def status(self) -> str:
        """AWS's word for its status."""

    def start(self) -> bool:
        """Starts it; False where it is being started or stopped already."""

    def stop(self) -> bool:
        """Stops it; False where it does not run any more."""


class Backlog(Protocol):
    """The images queue. Raises a Fault where it cannot be read now."""

    def waiting(self) -> int:
        """About how many images it holds."""


class ModelStates(Protocol):
    """What is saved between two checks. Raises a Fault where it cannot be read or written now."""

    def load(self) -> ModelState:
        """What was saved last."""

    def save(self, state: ModelState, instead_of: ModelState) -> bool:
        """Saves the state in place of the loaded one; False where another check saved one of a run meanwhile."""

    def last_used(self) -> datetime | None:
        """When the model detected something last."""


class ManageModel(Struct, frozen=True, kw_only=True):
    """The step; call it once a minute. `model` is None for Rekognition's general labels, which are always there."""

    model: ModelVersion | None
    event_source: EventSource
    backlog: Backlog
    model_states: ModelStates
    model_policy: ModelPolicy
    telemetry: Telemetry
    now: Callable[[], datetime]

    def __call__(self) -> None:
        """Checks the model once. It changes nothing where the status is unknown, and counts a check that failed."""
        try:
            if self.model:
                self._check(self.model)
            else:
                self._set_polling(RUNNING)
        except Fault as problem:
            # The next minute checks again. Lambda's own retries would fall together with that, and alarm nobody.
            self.telemetry.count("ModelCheckErrors")
            self.telemetry.warn("model check failed", reason=problem.reason, detail=problem.detail)

    def _check(self, model: ModelVersion) -> None:
        status = model.status()
        self.telemetry.count("ModelRunning", int(status == RUNNING))
        try:
            self._set_polling(status)
        finally:  # a model that costs money is stopped even where its queue's polling cannot be changed
            self._run(model, status)

    def _set_polling(self, status: str) -> None:
        runs = status == RUNNING
        if self.event_source.enable() if runs else self.event_source.disable():
            self.telemetry.info("polling resumed" if runs else "polling paused", status=status)

    def _run(self, model: ModelVersion, status: str) -> None:
        snapshot = Snapshot(
            now=self.now(),
            model=model.name,
            status=status,
            waiting=self.backlog.waiting(),
            state=self.model_states.load(),
        )
        decision = decide(snapshot, self.model_policy)
        self.telemetry.count("ImagesWaiting", snapshot.waiting)
        self.telemetry.count("ModelHoursThisMonth", decision.state.hours)
        if decision.action is Action.STOP_IDLE:
            # Images that come and go between two checks leave the queue empty: only the last use shows them. It is read
            # before a stop and not in every minute, which would be one more call in each (docs/cost.md).
            decision = decide(replace(snapshot, last_used=self.model_states.last_used()), self.model_policy)
        self._act(model, snapshot, decision)

    def _act(self, model: ModelVersion, snapshot: Snapshot, decision: Decision) -> None:
        before, after = snapshot.state, decision.state
        if decision.action is Action.START:
            # Saved first: nobody would stop a run that is not known to be Labelwatch's. The state stays where `start`
            # gives False: another check of the same minute may have started the model.
            if self.model_states.save(after, instead_of=before) and model.start():
                self.telemetry.info("model started", waiting=snapshot.waiting)
            return
        if decision.action and model.stop():
            self.telemetry.info("model stopped", reason=decision.action.value)
        if after != before and not self.model_states.save(after, instead_of=before):
            self.telemetry.info("model state not saved", reason="another check has saved a newer state")

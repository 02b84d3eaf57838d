"""The manage_model step: polls the images queue only while the model runs, and runs the model by its policy.

docs/decisions/0017 says why.
"""

from collections.abc import Callable, Sequence
from datetime import datetime
from typing import Protocol

from msgspec import Struct
from msgspec.structs import replace

from chalicelib.domain import events
from chalicelib.domain.errors import Fault, Rejected
from chalicelib.domain.messages import Message
from chalicelib.domain.model import RUNNING, Action, Decision, ModelPolicy, ModelState, Snapshot, decide
from chalicelib.queues.day_limit import DayLimit
from chalicelib.queues.event_source import EventSource
from chalicelib.telemetry import Telemetry

# In one check: each is two calls, and the function has 20 seconds.
MOST_MESSAGES = 50
# Longer than the function may run, so that a check receives no message twice.
READ_SECONDS = 30
# A message that `detect` would reject waits for `detect`. Longer is worse: the message counts as waiting, and keeps an
# idle model running. Shorter, too: after 20 receives SQS moves it to the dead-letter queue, and records no reason.
REJECTED_SECONDS = 15 * 60


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
    """The images queue. Raises a Fault where it cannot be read or changed now."""

    def waiting(self) -> int:
        """About how many messages it holds."""

    def receive(self, hidden_seconds: int) -> Message | None:
        """Receives one message and hides it for so long; None where no message is visible."""

    def delete(self, messages: Sequence[Message]) -> None:
        """Deletes messages that name no image."""

    def delay(self, message: Message, seconds: int) -> None:
        """Hides the message for so long before it comes back."""


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
    day_limit: DayLimit
    telemetry: Telemetry
    now: Callable[[], datetime]

    def __call__(self) -> None:
        """Checks the model once. It changes nothing where the status is unknown, and counts a check that failed."""
        try:
            if self.model:
                self._check(self.model)
            else:
                self._set_polling(RUNNING, limit_reached=self._limit_is_reached())
        except Fault as problem:
            # The next minute checks again. Lambda's own retries would fall together with that, and alarm nobody.
            self.telemetry.count("ModelCheckErrors")
            self.telemetry.warn("model check failed", reason=problem.reason, detail=problem.detail)

    def _check(self, model: ModelVersion) -> None:
        status = model.status()
        self.telemetry.count("ModelRunning", int(status == RUNNING))
        limit_reached = False
        try:
            limit_reached = self._limit_is_reached()
            self._set_polling(status, limit_reached=limit_reached)
        finally:  # a model that costs money is stopped even where its queue's polling cannot be changed
            self._run(model, status, limit_reached=limit_reached)

    def _limit_is_reached(self) -> bool:
        images = self.day_limit.images_today()
        if self.day_limit.most:
            self.telemetry.count("ImagesToday", images)
        return self.day_limit.is_reached_by(images)

    def _set_polling(self, status: str, *, limit_reached: bool) -> None:
        polls = status == RUNNING and not limit_reached
        if self.event_source.enable() if polls else self.event_source.disable():
            reason = "MaxImagesPerDay reached" if limit_reached else status
            self.telemetry.info("polling resumed" if polls else "polling paused", status=reason)

    def _run(self, model: ModelVersion, status: str, *, limit_reached: bool) -> None:
        waiting = self.backlog.waiting()
        snapshot = Snapshot(
            now=self.now(),
            model=model.name,
            status=status,
            # Images that wait for the next day start no model, and keep none running.
            waiting=0 if limit_reached else waiting,
            state=self.model_states.load(),
        )
        decision = decide(snapshot, self.model_policy)
        self.telemetry.count("ImagesWaiting", waiting)
        self.telemetry.count("ModelHoursThisMonth", decision.state.hours)
        # A receive brings an image closer to the dead-letter queue. So messages are read only before a start, and not
        # again where a start that failed is repeated.
        if decision.action is Action.START and not snapshot.state.image_found and not self._finds_image():
            decision = decide(replace(snapshot, waiting=0), self.model_policy)
        if decision.action is Action.STOP_IDLE:
            # Images that come and go between two checks leave the queue empty: only the last use shows them. It is read
            # before a stop and not in every minute, which would be one more call in each (docs/cost.md).
            decision = decide(replace(snapshot, last_used=self.model_states.last_used()), self.model_policy)
        self._act(model, snapshot, decision)

    def _finds_image(self) -> bool:
        """Whether a visible message names an image; messages are read up to the first that does."""
        for _ in range(MOST_MESSAGES):
            message = self.backlog.receive(READ_SECONDS)
            if not message:
                return False
            if self._names_image(message):
                return True
        return False

    def _names_image(self, message: Message) -> bool:
        """Deletes a message without an image, as `detect` would; any other comes back."""
        try:
            names_image = events.names_image(message.body)
        except Rejected as fault:
            self.telemetry.warn("message left to detect", id=message.id, reason=fault.reason, detail=fault.detail)
            self._delay(message, REJECTED_SECONDS)
            return False
        if names_image:
            self._delay(message, 0)
        else:
            self.backlog.delete([message])
            self.telemetry.info("message without an image deleted", id=message.id)
        return names_image

    def _delay(self, message: Message, seconds: int) -> None:
        try:
            self.backlog.delay(message, seconds)
        except Fault as problem:
            # It comes back all the same, after READ_SECONDS.
            self.telemetry.warn("visibility timeout not changed", id=message.id, reason=problem.reason)

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

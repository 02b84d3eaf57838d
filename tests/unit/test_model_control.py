import io
from collections.abc import Callable
from typing import Any

import pytest
from rich.console import Console

from chalicelib.domain.model import ModelState
from labelwatch.model import control
from labelwatch.shared.console import Terminal
from labelwatch.shared.errors import UserError
from labelwatch.shared.image_limit import ImagesToday
from tests.support.builders import MODEL, NOW
from tests.support.fakes import FakeBacklog, FakeModelStates, FakeModelVersion


class FakeEventSourceMapping:
    def __init__(self) -> None:
        self.state = "Disabled"

    def states(self) -> dict[str, str]:
        return {"id": self.state} if self.state else {}


class SlowModelVersion(FakeModelVersion):
    """Starts and stops, or ends in the state `end`, after two reads of its status."""

    def __init__(self, state: str, end: str = "") -> None:
        super().__init__(state)
        self.units = 0
        self._end = end
        self._reads = 0

    def status(self) -> str:
        status = super().status()
        self._reads += 1
        if self._reads > 2:
            self.state = self._end or {"STARTING": "RUNNING", "STOPPING": "STOPPED"}.get(self.state, self.state)
        return status

    def start(self, units: int = 1) -> bool:
        self.units = units
        return super().start()


class TerminalSession:
    """A person at a terminal who accepts each question or none, and the model of a stack."""

    def __init__(self, version: FakeModelVersion, *, accepts: bool = True, auto_start: bool = False) -> None:
        self.version, self.model_states, self.backlog = version, FakeModelStates(), FakeBacklog()
        self.questions: list[str] = []
        self.waits = 0
        self.on_wait: Callable[[], None] = lambda: None
        self.mapping = FakeEventSourceMapping()
        self.today = ImagesToday(0, 0, limit_reached=False)
        parts: Any = (version, self.mapping, self.backlog, self.model_states, auto_start, lambda: self.today)
        self.model = control.StackModel(*parts)
        self._output = io.StringIO()
        self._accepts = accepts
        self.terminal = Terminal(Console(file=self._output, width=160), accepts=self._answer)

    @property
    def output(self) -> str:
        return self._output.getvalue()

    def start(self, units: int = 1) -> None:
        control.start(self.model, units, self.terminal, self._wait)

    def stop(self) -> None:
        control.stop(self.model, self.terminal, self._wait)

    def status(self) -> dict[str, str]:
        """The values of the status by their names."""
        lines = control.status_text(self.model).splitlines()
        return dict(line.split(": ", 1) for line in lines)

    def _answer(self, question: str) -> bool:
        self.questions.append(question)
        return self._accepts

    def _wait(self) -> None:
        self.waits += 1
        self.on_wait()
        assert self.waits < 10


def test_a_model_is_started_with_the_requested_units_and_waited_for() -> None:
    session = TerminalSession(SlowModelVersion("STOPPED"))
    session.start(units=2)
    assert (session.version.state, session.waits > 1) == ("RUNNING", True)
    assert isinstance(session.version, SlowModelVersion)
    assert session.version.units == 2
    assert "RUNNING" in session.output


def test_the_question_before_a_start_has_the_units_and_the_cost() -> None:
    session = TerminalSession(SlowModelVersion("STOPPED"))
    session.start(units=2)
    (question,) = session.questions
    assert "2 inference units" in question
    assert control.COST in question


@pytest.mark.parametrize(("act", "before"), [("start", "STOPPED"), ("stop", "RUNNING")])
def test_a_wait_is_announced_before_it_begins(act: str, before: str) -> None:
    session = TerminalSession(SlowModelVersion(before))
    outputs = []
    session.on_wait = lambda: outputs.append(session.output)
    getattr(session, act)()
    assert "…" in outputs[0]


@pytest.mark.parametrize(("act", "before"), [("start", "STOPPED"), ("stop", "RUNNING")])
def test_without_consent_nothing_is_started_or_stopped(act: str, before: str) -> None:
    session = TerminalSession(SlowModelVersion(before), accepts=False)
    with pytest.raises(UserError, match="Cancelled"):
        getattr(session, act)()
    assert session.version.calls == []


def test_a_model_that_is_starting_is_only_waited_for() -> None:
    session = TerminalSession(SlowModelVersion("STARTING"))
    session.start()
    assert (session.questions, session.version.state) == ([], "RUNNING")


@pytest.mark.parametrize("state", ["STOPPING", "DELETING", "TRAINING_FAILED"])
def test_only_a_stopped_model_can_be_started(state: str) -> None:
    session = TerminalSession(FakeModelVersion(state))
    with pytest.raises(UserError, match=state):
        session.start()
    assert session.version.calls == []


def test_a_running_model_is_not_started() -> None:
    session = TerminalSession(FakeModelVersion("RUNNING"))
    session.start(units=2)
    assert (session.questions, session.version.calls) == ([], [])
    assert "unchanged" in session.output


def test_a_model_that_fails_to_start_is_an_error_with_its_status() -> None:
    with pytest.raises(UserError, match="FAILED"):
        TerminalSession(SlowModelVersion("STOPPED", end="FAILED")).start()


@pytest.mark.parametrize("auto_start", [True, False])
def test_a_stop_says_whether_the_model_will_be_restarted(*, auto_start: bool) -> None:
    session = TerminalSession(SlowModelVersion("RUNNING"), auto_start=auto_start)
    session.stop()
    assert "STOPPED" in session.output
    assert ("ModelAutoStart" in session.output) is auto_start


@pytest.mark.parametrize("state", ["STOPPED", "TRAINING_COMPLETED", "COPYING_COMPLETED"])
@pytest.mark.parametrize("auto_start", [True, False])
def test_a_stop_of_a_stopped_model_is_no_error(state: str, *, auto_start: bool) -> None:
    session = TerminalSession(FakeModelVersion(state), auto_start=auto_start)
    session.stop()
    assert (session.questions, session.version.calls) == ([], [])
    assert "unchanged" in session.output
    assert ("ModelAutoStart" in session.output) is auto_start


@pytest.mark.parametrize("state", ["STARTING", "FAILED"])
def test_only_a_running_model_can_be_stopped(state: str) -> None:
    session = TerminalSession(FakeModelVersion(state))
    with pytest.raises(UserError, match=state):
        session.stop()
    assert session.version.calls == []


@pytest.mark.parametrize(
    ("saved", "started_by"),
    [
        (ModelState(), "a person"),
        (ModelState(model=MODEL, started_at=NOW), "Labelwatch, 2026-11-22 10:00"),
        (ModelState(model="another", started_at=NOW), "a person"),
    ],
)
def test_the_status_says_who_started_the_model(saved: ModelState, started_by: str) -> None:
    session = TerminalSession(FakeModelVersion("RUNNING"))
    session.model_states.state = saved
    assert session.status()["Started by"].startswith(started_by)


def test_the_status_has_the_model_the_waiting_images_and_the_hours_of_the_month() -> None:
    session = TerminalSession(FakeModelVersion("STOPPED"))
    session.model_states.state, session.backlog.images = ModelState(month="2026-11", seconds=5400), 1700
    status = session.status()
    assert (status["Model"], status["ARN"], status["Started by"]) == ("STOPPED", MODEL, "not running")
    assert (status["Images waiting"], status["Hours in 2026-11"].split()[0]) == ("1,700", "1.5")


@pytest.mark.parametrize(
    ("state", "polling"),
    [
        ("Enabled", "on"),
        ("Enabling", "resuming"),
        ("Disabled", "paused."),
        ("Disabling", "paused."),
        ("Updating", "Updating"),
        ("", "off."),
    ],
)
def test_the_status_says_whether_the_queue_is_polled(state: str, polling: str) -> None:
    session = TerminalSession(FakeModelVersion("RUNNING"))
    session.mapping.state = state
    assert session.status()["Polling"].split()[0] == polling


class FakeStacks:
    """CloudFormation with one stack, which has these outputs."""

    def __init__(self, outputs: dict[str, str]) -> None:
        self._outputs = [{"OutputKey": key, "OutputValue": value} for key, value in outputs.items()]

    def client(self, _service: str) -> Any:
        return self

    def describe_stacks(self, StackName: str) -> dict[str, Any]:  # noqa: N803 - boto3's name
        return {"Stacks": [{"StackName": StackName, "StackStatus": "CREATE_COMPLETE", "Outputs": self._outputs}]}


OUTPUTS = dict.fromkeys(control.OUTPUTS, "x")


@pytest.mark.parametrize(
    ("outputs", "phrase"),
    [
        (OUTPUTS | {"CustomModelARN": "general"}, "general labels"),
        ({"CustomModelARN": MODEL}, "ImagesQueueArn"),
    ],
)
def test_a_stack_without_a_model_of_its_own_is_an_error(outputs: dict[str, str], phrase: str) -> None:
    account: Any = FakeStacks(outputs)
    with pytest.raises(UserError, match=phrase):
        control.from_stack(account, "labelwatch-prod")


def test_the_status_says_that_the_images_of_the_day_are_used_up() -> None:
    session = TerminalSession(FakeModelVersion("RUNNING"))
    session.today = ImagesToday(500, 500, limit_reached=True)
    assert "500 of 500" in session.status()["Polling"]
    assert "00:00 (UTC)" in session.status()["Polling"]

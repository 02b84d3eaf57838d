import io
from typing import Any

import pytest
from rich.console import Console

from chalicelib.domain.errors import Retryable
from chalicelib.domain.model import ModelState
from labelwatch.model import control
from labelwatch.shared.console import Terminal
from labelwatch.shared.errors import UserError
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
        self.mapping = FakeEventSourceMapping()
        parts: Any = (version, self.mapping, self.backlog, self.model_states, auto_start)
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

    def status(self) -> str:
        self.terminal.console.print(control.status_table(self.model))
        return self.output

    def _answer(self, question: str) -> bool:
        self.questions.append(question)
        return self._accepts

    def _wait(self) -> None:
        self.waits += 1
        assert self.waits < 10


def test_a_model_is_started_with_the_requested_units_and_waited_for() -> None:
    session = TerminalSession(SlowModelVersion("STOPPED"))
    session.start(units=2)
    assert (session.version.state, session.waits > 1) == ("RUNNING", True)
    assert isinstance(session.version, SlowModelVersion)
    assert session.version.units == 2
    assert " with 2 inference units, at about" in session.questions[0]
    assert "about 4 USD an hour for each inference unit" in session.questions[0]
    assert "The model runs" in session.output


def test_without_consent_nothing_is_started_or_stopped() -> None:
    stopped, running = (
        TerminalSession(SlowModelVersion("STOPPED"), accepts=False),
        TerminalSession(SlowModelVersion("RUNNING"), accepts=False),
    )
    for act in (stopped.start, running.stop):
        with pytest.raises(UserError, match="nothing is created, changed or deleted"):
            act()
    assert stopped.version.calls + running.version.calls == []


def test_a_model_that_is_starting_is_only_waited_for() -> None:
    session = TerminalSession(SlowModelVersion("STARTING"))
    session.start()
    assert (session.questions, session.version.state) == ([], "RUNNING")


@pytest.mark.parametrize("state", ["STOPPING", "DELETING", "TRAINING_FAILED"])
def test_only_a_stopped_model_can_be_started(state: str) -> None:
    with pytest.raises(UserError, match=f"^the model is {state}; only one that is stopped"):
        TerminalSession(FakeModelVersion(state)).start()


def test_a_running_model_is_not_started() -> None:
    session = TerminalSession(FakeModelVersion("RUNNING"))
    session.start(units=2)
    assert (session.questions, session.version.calls) == ([], [])
    assert session.output == "The model runs already, on the inference units that it was started with.\n"


def test_a_model_that_fails_to_start_is_an_error_with_its_status() -> None:
    with pytest.raises(UserError, match=r"^the model is FAILED; its page in the Rekognition console says why\.$"):
        TerminalSession(SlowModelVersion("STOPPED", end="FAILED")).start()


@pytest.mark.parametrize(("auto_start", "starts"), [(True, True), (False, False)])
def test_a_stop_says_whether_the_model_will_be_restarted(*, auto_start: bool, starts: bool) -> None:
    session = TerminalSession(SlowModelVersion("RUNNING"), auto_start=auto_start)
    session.stop()
    assert "The model is STOPPED" in session.output
    assert ("ModelAutoStart is yes" in session.output) is starts


@pytest.mark.parametrize("state", ["STOPPED", "TRAINING_COMPLETED", "COPYING_COMPLETED"])
@pytest.mark.parametrize(("auto_start", "starts"), [(True, True), (False, False)])
def test_a_stop_of_a_stopped_model_is_no_error(state: str, *, auto_start: bool, starts: bool) -> None:
    session = TerminalSession(FakeModelVersion(state), auto_start=auto_start)
    session.stop()
    assert (session.questions, session.version.calls) == ([], [])
    assert session.output.startswith("The model is stopped already.\n")
    assert ("ModelAutoStart is yes" in session.output) is starts


@pytest.mark.parametrize("state", ["STARTING", "FAILED"])
def test_only_a_running_model_can_be_stopped(state: str) -> None:
    with pytest.raises(UserError, match=f"^the model is {state}; only one that runs"):
        TerminalSession(FakeModelVersion(state)).stop()


def test_a_refusal_by_aws_is_one_sentence() -> None:
    session = TerminalSession(SlowModelVersion("STOPPED"))
    session.version.unstartable = Retryable("LimitExceededException", "two models run already")
    with pytest.raises(UserError, match=r"^AWS does not do it: LimitExceededException: two models run already\.$"):
        session.start()


@pytest.mark.parametrize(
    ("state", "saved", "started_by"),
    [
        ("RUNNING", ModelState(), "a person or another tool"),
        ("RUNNING", ModelState(model=MODEL, started_at=NOW), "Labelwatch, 2026-11-22 10:00"),
        ("RUNNING", ModelState(model="another", started_at=NOW), "a person or another tool"),
    ],
)
def test_the_status_says_who_started_the_model_and_how_many_images_wait(
    state: str, saved: ModelState, started_by: str
) -> None:
    session = TerminalSession(FakeModelVersion(state))
    session.model_states.state, session.backlog.images = saved, 17
    output = session.status()
    assert all(words in output for words in (state, started_by, "17"))


@pytest.mark.parametrize(
    ("state", "polling"),
    [
        ("Enabled", " on (Enabled) "),
        ("Enabling", " on in a moment (Enabling) "),
        ("Disabled", " paused; manage_model resumes it within a minute once the model runs (Disabled) "),
        ("Disabling", " paused; manage_model resumes it within a minute once the model runs (Disabling) "),
        ("Updating", " Updating "),
        ("", " the function detect is not deployed yet "),
    ],
)
def test_the_status_says_whether_the_queue_is_polled(state: str, polling: str) -> None:
    session = TerminalSession(FakeModelVersion("RUNNING"))
    session.mapping.state = state
    assert polling in session.status()


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
    ("outputs", "message"),
    [
        (OUTPUTS | {"CustomModelARN": "general"}, "uses Rekognition's general labels"),
        ({"CustomModelARN": MODEL}, "of another version"),
    ],
)
def test_a_stack_without_a_model_of_its_own_is_an_error(outputs: dict[str, str], message: str) -> None:
    account: Any = FakeStacks(outputs)
    with pytest.raises(UserError, match=message):
        control.from_stack(account, "labelwatch-prod")
